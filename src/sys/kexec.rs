//! The two system calls that load a kernel.
//!
//! The crates at hand lack them, so they are made by number. Each refuses to
//! run outside PID 1. Nothing is decided here: which call, which segments and
//! what to do after an errno is the planner's and the caller's business
//! (kexec_load(2), kexec_file_load(2)).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};

use linux_raw_sys::general::{__NR_kexec_file_load, __NR_kexec_load};
use nix::libc::{self, c_long, c_ulong};

use super::read::Sealed;
use super::{Error, file, only_pid_1};
use crate::plan::{Engine, MAX_SEGMENTS, Plan, Segment};

/// KEXEC_FILE_NO_INITRAMFS of the kernel's include/uapi/linux/kexec.h.
const FILE_NO_INITRAMFS: c_ulong = 4;
/// KEXEC_ARCH_DEFAULT: whatever runs now.
const ARCH_DEFAULT: c_ulong = 0;
/// Outside of KEXEC_ARCH_MASK, and none of the KEXEC_ flags so far.
const UNKNOWN_FLAGS: c_ulong = 0xff00;
const LOADED: &str = "/sys/kernel/kexec_loaded";
const LOAD_DISABLED: &str = "/proc/sys/kernel/kexec_load_disabled";

/// A kernel is in memory and nothing has been given up for it yet.
#[derive(Debug)]
pub struct Staged(());

/// Loads what was planned.
///
/// # Errors
/// The errno of the call, or a kernel that claims afterwards to have nothing
/// loaded.
pub fn load(plan: &Plan<'_>, linux: &Sealed, initrd: Option<&Sealed>) -> Result<Staged, Error> {
    match plan.engine {
        Engine::File => file_load(linux, initrd, &plan.cmdline)?,
        Engine::Segments => segments_load(plan.entry, &plan.segments)?,
    }
    if is_loaded() {
        return Ok(Staged(()));
    }
    Err(Error::new(
        format!("{LOADED} is 0 after {}", plan.engine),
        io::Error::other("nothing loaded"),
    ))
}

/// Whether the running kernel has kexec_file_load. Asked with descriptors that
/// cannot be read, so that nothing is ever loaded by asking.
#[must_use]
pub fn has_file_load() -> bool {
    let call = c_long::from(__NR_kexec_file_load);
    // SAFETY: no pointer is passed that the kernel could follow: the command
    // line has length 0.
    has("kexec_file_load", || unsafe {
        libc::syscall(call, -1, -1, 0_usize, 0_usize, 0 as c_ulong)
    })
}

/// Whether the running kernel has kexec_load. Asked with flags that no kernel
/// knows, so that nothing is loaded or unloaded by asking.
#[must_use]
pub fn has_load() -> bool {
    let call = c_long::from(__NR_kexec_load);
    // SAFETY: no pointer is passed that the kernel could follow: there are no
    // segments.
    has("kexec_load", || unsafe { libc::syscall(call, 0_usize, 0_usize, 0_usize, UNKNOWN_FLAGS) })
}

fn has(call: &str, ask: impl FnOnce() -> c_long) -> bool {
    only_pid_1(call).is_ok()
        && (ask() == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS))
}

/// Whether a kernel is loaded for the next kexec.
#[must_use]
pub fn is_loaded() -> bool {
    file::read_number(LOADED) == Some(1)
}

/// kexec_file_load(kernel_fd, initrd_fd, cmdline_len, cmdline, flags)
fn file_load(linux: &Sealed, initrd: Option<&Sealed>, cmdline: &str) -> Result<(), Error> {
    const CALL: &str = "kexec_file_load";
    only_pid_1(CALL)?;
    let cmdline =
        CString::new(cmdline).map_err(|error| Error::new(CALL, io::Error::from(error)))?;
    let initrd_fd = initrd.map_or(-1, |initrd| initrd.as_fd().as_raw_fd());
    let flags = if initrd.is_some() { 0 } else { FILE_NO_INITRAMFS };
    // SAFETY: the descriptors are open for the call, the string is
    // NUL-terminated and its length, counted with the NUL, is its own; the
    // kernel only reads.
    let result = unsafe {
        libc::syscall(
            c_long::from(__NR_kexec_file_load),
            linux.as_fd().as_raw_fd(),
            initrd_fd,
            cmdline.as_bytes_with_nul().len(),
            cmdline.as_ptr(),
            flags,
        )
    };
    if result == 0 { Ok(()) } else { Err(Error::last(CALL)) }
}

/// struct kexec_segment of include/uapi/linux/kexec.h.
#[repr(C)]
struct KexecSegment {
    buf: *const u8,
    bufsz: usize,
    mem: usize,
    memsz: usize,
}

/// kexec_load(entry, nr_segments, segments, flags)
fn segments_load(entry: u64, segments: &[Segment<'_>]) -> Result<(), Error> {
    const CALL: &str = "kexec_load";
    only_pid_1(CALL)?;
    let mut raw = heapless::Vec::<KexecSegment, MAX_SEGMENTS>::new();
    for segment in segments {
        let too_many = |_| Error::new(CALL, io::Error::other("more than 16 segments"));
        raw.push(raw_segment(segment)?).map_err(too_many)?;
    }
    let entry = address(entry)?;
    // SAFETY: every buffer outlives the call, `bufsz` is its length, and the
    // kernel only reads it; the planner has shown that the destinations are
    // free memory.
    let result = unsafe {
        libc::syscall(c_long::from(__NR_kexec_load), entry, raw.len(), raw.as_ptr(), ARCH_DEFAULT)
    };
    if result == 0 { Ok(()) } else { Err(Error::last(CALL)) }
}

fn raw_segment(segment: &Segment<'_>) -> Result<KexecSegment, Error> {
    Ok(KexecSegment {
        buf: segment.bytes.as_ptr(),
        bufsz: segment.bytes.len(),
        mem: address(segment.range.start())?,
        memsz: address(segment.range.len())?,
    })
}

fn address(value: u64) -> Result<usize, Error> {
    usize::try_from(value)
        .map_err(|error| Error::new(format!("address {value:#x}"), io::Error::other(error)))
}

/// Forbids every further load until the next boot.
///
/// # Errors
/// The errno of the write.
pub fn disable_loading() -> Result<(), Error> {
    only_pid_1("kernel.kexec_load_disabled")?;
    file::write_text(LOAD_DISABLED, "1")
}
