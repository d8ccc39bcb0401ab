//! The filter that PID 1 runs under: every call is handed over, but for a few that the
//! kernel cannot refuse (seccomp(2), seccomp_unotify(2)).
//!
//! Must never let a call through that changes the machine: whatever is not in
//! [`FREE`] waits for an answer, and once nobody is there to give one the kernel itself
//! answers ENOSYS.

use std::io;

use nix::errno::Errno;
use nix::libc::{
    self, BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, sock_filter,
};

/// Calls that are neither handed over nor made to fail: they end the caller, cannot
/// fail with the arguments that they get, or are the C library's own, which leaves a
/// program nothing to do about them.
pub(crate) const FREE: [c_long; 14] = [
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_geteuid,
    libc::SYS_clock_gettime,
    libc::SYS_set_tid_address,
    libc::SYS_munmap,
    libc::SYS_madvise,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
    #[cfg(target_arch = "aarch64")]
    libc::SYS_membarrier,
];

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
/// Calls of the 32-bit ABI of x86-64 have this bit; no other machine has such numbers.
const OTHER_ABI: u32 = 0x4000_0000;
/// Offsets in struct seccomp_data.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// The program of the filter.
pub(crate) fn program() -> Vec<sock_filter> {
    let mut program = vec![
        load(ARCH),
        skip_if(BPF_JEQ, ARCHITECTURE, 1, 0),
        give(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
        skip_if(BPF_JGE, OTHER_ABI, 0, 1),
        give(libc::SECCOMP_RET_KILL_PROCESS),
    ];
    for call in FREE {
        program.push(skip_if(BPF_JEQ, number(call), 0, 1));
        program.push(give(libc::SECCOMP_RET_ALLOW));
    }
    program.push(give(libc::SECCOMP_RET_USER_NOTIF));
    program
}

/// Puts this thread, and what it becomes, under the filter. Gives the number of the
/// descriptor on which its calls are handed over. Allocates nothing.
pub(crate) fn install(program: &[sock_filter]) -> io::Result<i32> {
    let Ok(length) = u16::try_from(program.len()) else { return Err(Errno::EINVAL.into()) };
    let pointer = program.as_ptr().cast_mut();
    let program = libc::sock_fprog { len: length, filter: pointer };
    // SAFETY: takes numbers only (PR_SET_NO_NEW_PRIVS(2const)).
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel reads as many instructions as the length says, and copies them.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    i32::try_from(listener).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, [0, 0])
}

fn skip_if(comparison: u32, value: u32, then: u8, otherwise: u8) -> sock_filter {
    instruction(BPF_JMP | comparison | BPF_K, value, [then, otherwise])
}

fn give(action: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, action, [0, 0])
}

fn instruction(code: u32, k: u32, [jt, jf]: [u8; 2]) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or(u16::MAX), jt, jf, k }
}

/// As the filter compares it.
fn number(call: c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_that_changes_the_machine_is_let_through() {
        for call in [
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_reboot,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_finit_module,
            libc::SYS_init_module,
            libc::SYS_delete_module,
            libc::SYS_ioctl,
            libc::SYS_write,
        ] {
            assert!(!FREE.contains(&call), "{call}");
        }
        assert_eq!(program().last().map(|last| last.k), Some(libc::SECCOMP_RET_USER_NOTIF));
    }
}
