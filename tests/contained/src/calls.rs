//! The system calls: their names, how each may fail, and which of them are never made.

use core::fmt;

use nix::libc::{self, c_long};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// With this errno.
    Errno(i32),
    /// Half of what was asked for is done, a byte at least.
    Short,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => write!(f, "{:?}", nix::errno::Errno::from_raw(*errno)),
            Self::Short => f.write_str("SHORT"),
        }
    }
}

/// What is known of a call.
#[derive(Debug)]
struct Row {
    number: c_long,
    name: &'static str,
    faults: &'static [Fault],
    answer: Answer,
}

/// Who answers a call that does not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The kernel: it stays in the container.
    Kernel,
    /// It would be heard outside of the container: done in name only.
    Pretended,
    /// It would change the machine or the container, and no start makes it.
    Refused,
}

const EIO: Fault = Fault::Errno(libc::EIO);
const EINTR: Fault = Fault::Errno(libc::EINTR);
const ENOMEM: Fault = Fault::Errno(libc::ENOMEM);
const ENOSPC: Fault = Fault::Errno(libc::ENOSPC);
const EBUSY: Fault = Fault::Errno(libc::EBUSY);
const EPERM: Fault = Fault::Errno(libc::EPERM);

const ANY: &[Fault] = &[EIO, EINTR, ENOMEM];
const READS: &[Fault] = &[EIO, EINTR, ENOMEM, Fault::Short];
const WRITES: &[Fault] = &[EIO, EINTR, ENOSPC, Fault::Short];
const MAKES: &[Fault] = &[EIO, EINTR, ENOMEM, ENOSPC];
/// Where no device or file is asked, memory is all that can be missing.
const MEMORY: &[Fault] = &[ENOMEM];
const WAITS: &[Fault] = &[EINTR, ENOMEM];
const SLEEPS: &[Fault] = &[EINTR];
const LOADS: &[Fault] = &[EIO, EINTR, ENOMEM, EBUSY, EPERM];
/// Its one error is that the kernel may not do it, which no machine that boots has.
const NONE: &[Fault] = &[];

macro_rules! rows {
    ($($number:ident $faults:ident $answer:ident)*) => {
        &[$(Row {
            number: libc::$number,
            name: stringify!($number),
            faults: $faults,
            answer: Answer::$answer,
        }),*]
    };
}

const ROWS: &[Row] = rows! {
    SYS_openat ANY Kernel
    SYS_openat2 ANY Kernel
    SYS_close NONE Kernel
    SYS_read READS Kernel
    SYS_readv READS Kernel
    SYS_pread64 READS Kernel
    SYS_recvfrom ANY Kernel
    SYS_ioctl ANY Kernel
    SYS_write WRITES Kernel
    SYS_writev WRITES Kernel
    SYS_pwrite64 WRITES Kernel
    SYS_fsync MAKES Kernel
    SYS_fdatasync MAKES Kernel
    SYS_ftruncate MAKES Kernel
    SYS_fallocate MAKES Kernel
    SYS_mkdirat MAKES Kernel
    SYS_unlinkat MAKES Kernel
    SYS_brk MEMORY Kernel
    SYS_mmap MEMORY Kernel
    SYS_mremap MEMORY Kernel
    SYS_mprotect MEMORY Kernel
    SYS_clone MEMORY Kernel
    SYS_memfd_create MEMORY Kernel
    SYS_eventfd2 MEMORY Kernel
    SYS_signalfd4 MEMORY Kernel
    SYS_socket MEMORY Kernel
    SYS_bind MEMORY Kernel
    SYS_poll WAITS Kernel
    SYS_ppoll WAITS Kernel
    SYS_getrandom WAITS Kernel
    SYS_nanosleep SLEEPS Kernel
    SYS_clock_nanosleep SLEEPS Kernel
    SYS_execve NONE Kernel
    SYS_rt_sigaction NONE Kernel
    SYS_sigaltstack NONE Kernel
    SYS_prlimit64 NONE Kernel
    SYS_mount ANY Pretended
    SYS_umount2 ANY Pretended
    SYS_sync NONE Pretended
    SYS_finit_module ANY Pretended
    SYS_delete_module ANY Pretended
    SYS_kexec_load LOADS Pretended
    SYS_kexec_file_load LOADS Pretended
    SYS_reboot ANY Pretended
    SYS_init_module ANY Refused
    SYS_swapon ANY Refused
    SYS_swapoff ANY Refused
    SYS_unshare ANY Refused
    SYS_setns ANY Refused
    SYS_pivot_root ANY Refused
    SYS_chroot ANY Refused
    SYS_ptrace ANY Refused
    SYS_bpf ANY Refused
    SYS_io_uring_setup ANY Refused
    SYS_settimeofday ANY Refused
    SYS_clock_settime ANY Refused
};

/// Older calls for which newer architectures have only the newer ones.
#[cfg(target_arch = "x86_64")]
const OLDER: &[Row] = rows! {
    SYS_open ANY Kernel
    SYS_mkdir MAKES Kernel
    SYS_unlink MAKES Kernel
    SYS_fork MEMORY Kernel
    SYS_vfork MEMORY Kernel
};
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[Row] = &[];

fn row(number: c_long) -> Option<&'static Row> {
    ROWS.iter().chain(OLDER).find(|row| row.number == number)
}

/// Its name; its number where it has no row.
pub(crate) fn name(number: c_long) -> String {
    row(number).map_or_else(
        || format!("call {number}"),
        |row| row.name.trim_start_matches("SYS_").to_owned(),
    )
}

/// How it may fail.
pub(crate) fn faults(number: c_long) -> &'static [Fault] {
    row(number).map_or(ANY, |row| row.faults)
}

/// Who answers it. What has no row stays in the container, as all that may leave it has one.
pub(crate) fn answer(number: c_long) -> Answer {
    row(number).map_or(Answer::Kernel, |row| row.answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_never_makes_what_would_change_the_machine() {
        for call in [
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_reboot,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
        ] {
            assert_ne!(answer(call), Answer::Kernel, "{}", name(call));
        }
    }

    #[test]
    fn a_call_has_one_row_and_the_name_that_the_kernel_has_for_it() {
        for row in ROWS.iter().chain(OLDER) {
            let same = ROWS.iter().chain(OLDER).filter(|other| other.number == row.number);
            assert_eq!(same.count(), 1, "{}", row.name);
        }
        assert_eq!(name(libc::SYS_kexec_load), "kexec_load");
        assert_eq!(name(100_000), "call 100000");
    }
}
