//! The two system calls that load a kernel.
//!
//! The crates at hand lack them, so they are made by number. None of them is
//! made by a test or a development build ([`super::guard`]). Nothing is decided
//! here: which call, which segments and what to do after an errno is the
//! planner's and the caller's business (kexec_load(2), kexec_file_load(2)).

use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd as _;
use std::thread::sleep;
use std::time::Duration;

use linux_raw_sys::general::{__NR_kexec_file_load, __NR_kexec_load};
use nix::libc::{self, c_long, c_ulong};

use super::patience::{self, End};
use super::read::Sealed;
use super::{Error, file, guard};
use crate::plan::{Content, Engine, Files, Loading, MAX_SEGMENTS, Plan, Segment, Slot};

/// Flags of the kernel's include/uapi/linux/kexec.h.
const ON_CRASH: c_ulong = 1;
const FILE_UNLOAD: c_ulong = 1;
const FILE_ON_CRASH: c_ulong = 2;
const FILE_NO_INITRAMFS: c_ulong = 4;
/// Outside of KEXEC_ARCH_MASK, and none of the KEXEC_ flags so far.
const UNKNOWN_FLAGS: c_ulong = 0xff00;
const LOADED: &str = "/sys/kernel/kexec_loaded";
const CRASH_LOADED: &str = "/sys/kernel/kexec_crash_loaded";
const CRASH_SIZE: &str = "/sys/kernel/kexec_crash_size";
/// 1 forbids every further load until the next boot.
pub const LOAD_DISABLED: &str = "/proc/sys/kernel/kexec_load_disabled";

/// Documentation/admin-guide/sysctl/vm.rst.
const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";

/// How often a call is made while somebody else uses kexec or memory is short, and how
/// long it waits for the former in between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// What the first try is waited for.
const COPYING: &str = "the running kernel, which copies the next one";

/// A kernel is in memory and nothing has been given up for it yet.
#[derive(Debug)]
pub struct Staged(());

/// `kexec_file_load(2)`, `kexec_load(2)`: loads what was planned.
///
/// # Errors
/// The errno of the call, or a kernel that claims afterwards to have nothing
/// loaded.
pub fn load(plan: &Plan<'_, Sealed>, slot: Slot) -> Result<Staged, Error> {
    match &plan.loading {
        Loading::Files(files) => load_files(files, &plan.cmdline, slot)?,
        Loading::Segments(placement) => {
            patiently(|| segments_load(slot, placement.entry, &placement.segments))?;
        }
    }
    staged(slot).ok_or_else(|| {
        let what = format!("{} is 0 after {}", flag_file(slot), plan.engine());
        Error::new(what, io::Error::other("nothing loaded"))
    })
}

fn load_files(files: &Files<'_, Sealed>, cmdline: &str, slot: Slot) -> Result<(), Error> {
    let kernel = File::of("kernel", &files.kernel)?;
    let initrd = files.initrd.as_ref().map(|initrd| File::of("initrd", initrd)).transpose()?;
    let given = [Some(&kernel), initrd.as_ref()].map(|file| file.map(File::sealed));
    let [Some(linux), initrd] = given else { return Ok(()) };
    patiently(|| file_load(slot, linux, initrd, cmdline))?;
    check_files(slot, [Some(linux), initrd])
}

/// A file that the kernel has read itself may have changed since it was verified: then
/// what is loaded is taken out again.
fn check_files(slot: Slot, given: [Option<&Sealed>; 2]) -> Result<(), Error> {
    if given.into_iter().flatten().all(|file| file.check_file().is_ok()) {
        return Ok(());
    }
    Err(Error::refusal(FILE_CALL, &changed(file_unload(slot))))
}

/// What was loaded instead of what was verified, and whether it still is.
fn changed(unloaded: Result<(), Error>) -> String {
    let what = "a file was changed while the kernel read it";
    match unloaded {
        Ok(()) => format!("{what}; nothing is loaded now"),
        Err(error) => format!(
            "{what}, and what was not verified is still loaded, for it cannot be taken out: {error}; \
             \"turnout unload\" tries again"
        ),
    }
}

/// What the kernel can be given as a descriptor.
enum File<'a> {
    Read(&'a Sealed),
    Copied(Sealed),
}

impl<'a> File<'a> {
    /// Bytes that lie in no file of their own are copied into one.
    fn of(name: &str, content: &Content<'a, Sealed>) -> Result<Self, Error> {
        Ok(match content {
            Content::File(sealed) => Self::Read(sealed),
            Content::Parts(parts) => Self::Copied(Sealed::copy_all(name, parts)?),
        })
    }

    const fn sealed(&self) -> &Sealed {
        match self {
            Self::Read(sealed) => sealed,
            Self::Copied(sealed) => sealed,
        }
    }
}

/// The kernel that is loaded already, if there is one.
#[must_use]
pub fn staged(slot: Slot) -> Option<Staged> {
    (is_loaded(slot) == Some(true)).then_some(Staged(()))
}

/// `/sys/kernel/kexec_loaded`: whether a kernel is loaded; `None` where the running kernel
/// does not tell.
#[must_use]
pub fn is_loaded(slot: Slot) -> Option<bool> {
    file::read_number(flag_file(slot)).map(|number| number == 1)
}

/// `/sys/kernel/kexec_crash_size`: bytes that are reserved for a crash kernel; `None` where
/// the running kernel does not tell.
#[must_use]
pub fn crash_size() -> Option<u64> {
    file::read_number(CRASH_SIZE)
}

const fn flag_file(slot: Slot) -> &'static str {
    match slot {
        Slot::Normal => LOADED,
        Slot::Crash => CRASH_LOADED,
    }
}

/// `kexec_file_load(2)`, `kexec_load(2)`: takes the loaded kernel out again, by one of the
/// calls.
///
/// # Errors
/// The errno of the call, with its name.
pub fn unload(engine: Engine, slot: Slot) -> Result<(), Error> {
    patiently(|| match engine {
        Engine::File => file_unload(slot),
        Engine::Segments => segments_load(slot, 0, &[]),
    })
}

/// Makes a call again while another kexec operation is in progress, and where the kernel
/// found no memory: what is left after the copy may lie where the next kernel goes, and be
/// of no use for the page tables of the jump (`kimage_alloc_control_pages` in
/// kernel/kexec_core.c). At another try other memory is left, and more of it without what
/// is kept of files.
fn patiently(call: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
    let mut result = patience::during(COPYING, End::Unknown, &call);
    for _ in 1..TRIES {
        let Some(again) = result.as_ref().err().and_then(Again::after) else { break };
        result = patience::during(again.waits_for(), End::Unknown, || {
            again.prepare();
            call()
        });
    }
    result
}

/// Why a call is made again.
enum Again {
    /// Somebody else uses kexec.
    Busy,
    /// Memory was short.
    Short,
}

impl Again {
    fn after(error: &Error) -> Option<Self> {
        match error.source.raw_os_error()? {
            libc::EBUSY => Some(Self::Busy),
            libc::ENOMEM => Some(Self::Short),
            _ => None,
        }
    }

    const fn waits_for(&self) -> &'static str {
        match self {
            Self::Busy => "another kexec operation of the running kernel",
            Self::Short => {
                "the running kernel, which was short of memory and copies the next one anew"
            }
        }
    }

    fn prepare(&self) {
        match self {
            Self::Busy => sleep(PAUSE),
            Self::Short => drop_caches(),
        }
    }
}

/// Has the running kernel give up what it keeps of files on disks. Where it does not, it
/// does so as memory runs short, and later.
fn drop_caches() {
    let _ = guard::may(DROP_CACHES).and_then(|()| file::write_text(DROP_CACHES, "1"));
}

/// `kexec_file_load(2)`: whether the running kernel has kexec_file_load; `None` if it may
/// not be asked. Asked with descriptors that cannot be read, so that nothing is ever loaded
/// by asking.
#[must_use]
pub fn has_file_load() -> Option<bool> {
    let call = c_long::from(__NR_kexec_file_load);
    // SAFETY: no pointer is passed that the kernel could follow: the command
    // line has length 0.
    has("kexec_file_load", || unsafe {
        libc::syscall(call, -1, -1, 0_usize, 0_usize, 0 as c_ulong)
    })
}

/// `kexec_load(2)`: whether the running kernel has kexec_load; `None` if it may not be
/// asked. Asked with flags that no kernel knows, so that nothing is loaded or unloaded by
/// asking.
#[must_use]
pub fn has_load() -> Option<bool> {
    let call = c_long::from(__NR_kexec_load);
    // SAFETY: no pointer is passed that the kernel could follow: there are no
    // segments.
    has("kexec_load", || unsafe { libc::syscall(call, 0_usize, 0_usize, 0_usize, UNKNOWN_FLAGS) })
}

fn has(call: &str, ask: impl FnOnce() -> c_long) -> Option<bool> {
    guard::may(call).ok()?;
    Some(ask() == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS))
}

const FILE_CALL: &str = "kexec_file_load";

/// kexec_file_load(kernel_fd, initrd_fd, cmdline_len, cmdline, flags)
fn file_load(
    slot: Slot,
    linux: &Sealed,
    initrd: Option<&Sealed>,
    cmdline: &str,
) -> Result<(), Error> {
    guard::may(FILE_CALL)?;
    let cmdline =
        CString::new(cmdline).map_err(|error| Error::new(FILE_CALL, io::Error::from(error)))?;
    let initrd_fd = initrd.map_or(-1, |initrd| initrd.for_kernel().as_raw_fd());
    let flags = if initrd.is_some() { 0 } else { FILE_NO_INITRAMFS };
    // SAFETY: the descriptors are open for the call, the string is
    // NUL-terminated and its length, counted with the NUL, is its own; the
    // kernel only reads.
    let result = unsafe {
        libc::syscall(
            c_long::from(__NR_kexec_file_load),
            linux.for_kernel().as_raw_fd(),
            initrd_fd,
            cmdline.as_bytes_with_nul().len(),
            cmdline.as_ptr(),
            flags | file_flags(slot),
        )
    };
    if result == 0 { Ok(()) } else { Err(Error::last(FILE_CALL)) }
}

fn file_unload(slot: Slot) -> Result<(), Error> {
    guard::may(FILE_CALL)?;
    let call = c_long::from(__NR_kexec_file_load);
    let flags = FILE_UNLOAD | file_flags(slot);
    // SAFETY: with this flag the kernel looks at no other argument, and no
    // pointer is passed.
    let result = unsafe { libc::syscall(call, -1, -1, 0_usize, 0_usize, flags) };
    if result == 0 { Ok(()) } else { Err(Error::last("kexec_file_load (unload)")) }
}

const fn file_flags(slot: Slot) -> c_ulong {
    match slot {
        Slot::Normal => 0,
        Slot::Crash => FILE_ON_CRASH,
    }
}

/// struct kexec_segment of include/uapi/linux/kexec.h.
#[repr(C)]
struct KexecSegment {
    buf: *const u8,
    bufsz: usize,
    mem: usize,
    memsz: usize,
}

/// kexec_load(entry, nr_segments, segments, flags), for the architecture that
/// runs now. No segments: unload.
fn segments_load(slot: Slot, entry: u64, segments: &[Segment<'_>]) -> Result<(), Error> {
    const CALL: &str = "kexec_load";
    guard::may(CALL)?;
    let mut raw = heapless::Vec::<KexecSegment, MAX_SEGMENTS>::new();
    for segment in segments {
        if raw.push(raw_segment(segment)?).is_err() {
            return Err(Error::new(CALL, io::Error::other("more than 16 segments")));
        }
    }
    let entry = address(entry)?;
    let flags = match slot {
        Slot::Normal => 0,
        Slot::Crash => ON_CRASH,
    };
    // SAFETY: every buffer outlives the call, `bufsz` is its length, and the
    // kernel only reads it; the planner has shown that the destinations are
    // free memory.
    let result = unsafe {
        libc::syscall(c_long::from(__NR_kexec_load), entry, raw.len(), raw.as_ptr(), flags)
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

/// `/proc/sys/kernel/kexec_load_disabled`: forbids every further load until the next boot.
///
/// # Errors
/// The errno of the write.
pub fn disable_loading() -> Result<(), Error> {
    guard::may("kernel.kexec_load_disabled")?;
    file::write_text(LOAD_DISABLED, "1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// How often a call that fails so is made.
    fn tries(errno: i32) -> u32 {
        let count = Cell::new(0);
        let result = patiently(|| {
            count.set(count.get() + 1);
            Err(Error::new("kexec_load", io::Error::from_raw_os_error(errno)))
        });
        assert_eq!(result.unwrap_err().source.raw_os_error(), Some(errno));
        count.get()
    }

    #[test]
    fn only_a_kernel_that_is_busy_or_short_of_memory_is_asked_again() {
        assert_eq!(tries(libc::EBUSY), TRIES);
        assert_eq!(tries(libc::ENOMEM), TRIES);
        assert_eq!(tries(libc::EPERM), 1);
        assert_eq!(tries(libc::EKEYREJECTED), 1);
    }

    #[test]
    fn what_a_call_is_made_again_for_is_what_somebody_waits_for() {
        let waits_for = |errno| {
            let error = Error::new("kexec_load", io::Error::from_raw_os_error(errno));
            Again::after(&error).map(|again| again.waits_for())
        };
        let short = "the running kernel, which was short of memory and copies the next one anew";
        assert_eq!(waits_for(libc::ENOMEM), Some(short));
        assert_eq!(waits_for(libc::EBUSY), Some("another kexec operation of the running kernel"));
        assert_eq!(waits_for(libc::EPERM), None);
    }

    #[test]
    fn what_was_changed_and_cannot_be_taken_out_is_said_to_be_loaded_still() {
        assert!(changed(Ok(())).ends_with("; nothing is loaded now"));
        let said = changed(file_unload(Slot::Normal));
        assert!(said.contains("is still loaded"), "{said}");
        assert!(said.contains("this is a test"), "{said}");
    }

    #[test]
    fn a_test_cannot_load_unload_or_ask() {
        assert_eq!(has_load(), None);
        assert_eq!(has_file_load(), None);
        for slot in [Slot::Normal, Slot::Crash] {
            for engine in [Engine::File, Engine::Segments] {
                let refused = unload(engine, slot).unwrap_err().to_string();
                let call = engine.system_call();
                assert_eq!(refused, format!("{call}: not asked of the kernel: this is a test"));
            }
        }
        let refused = disable_loading().unwrap_err().to_string();
        assert!(refused.ends_with("this is a test"), "{refused}");
    }
}
