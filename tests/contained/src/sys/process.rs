//! PID 1: a process in a process namespace of its own, under the filter from its first
//! instruction on.
//!
//! Must never start one that the container does not hold: [`super::container::enter`]
//! comes first. When who started it ends, it ends too, and with it all that it started
//! (pid_namespaces(7)).

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, Ordering};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use nix::libc::{self, c_int, c_long, sock_filter};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::notice::Listener;
use super::{filter, memory};

/// Longest time from the start of the process to its filter.
const LIMIT: Duration = Duration::from_secs(10);

/// A running PID 1.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: Pid,
    handle: OwnedFd,
    ended: Option<WaitStatus>,
}

/// What a start needs; made before it, as the new process must not allocate.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// The directory that is its root.
    pub(crate) root: &'a CStr,
    /// The program, below that.
    pub(crate) program: &'a CStr,
    pub(crate) filter: &'a [sock_filter],
    /// Standard input, output and error.
    pub(crate) console: BorrowedFd<'a>,
}

impl Start<'_> {
    /// Starts it; it waits at its first call for an answer.
    pub(crate) fn begin(&self) -> io::Result<(Process, Listener)> {
        let word = Shared::new()?;
        let mut handle: c_int = -1;
        let flags = libc::CLONE_NEWPID | libc::CLONE_PIDFD | libc::SIGCHLD;
        // SAFETY: without CLONE_VM the new process has a copy of all memory, and of this
        // thread alone; in it nothing is called that signal-safety(7) forbids. The kernel
        // writes one descriptor to the third argument.
        let id = unsafe {
            libc::syscall(libc::SYS_clone, c_long::from(flags), 0, &raw mut handle, 0, 0)
        };
        match i32::try_from(id) {
            Ok(0) => self.become_it(&word),
            Ok(id @ 1..) => {
                // SAFETY: the kernel has just made it, and nobody else knows it.
                let handle = unsafe { OwnedFd::from_raw_fd(handle) };
                let process = Process { id: Pid::from_raw(id), handle, ended: None };
                let listener = word.wait_for_listener(&process)?;
                Ok((process, listener))
            }
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// In the new process: nothing here allocates.
    fn become_it(&self, word: &Shared) -> ! {
        let step = self.prepare();
        let listener = step.and_then(|()| filter::install(self.filter));
        match listener {
            Ok(listener) => {
                word.value().store(listener, Ordering::Release);
                self.execute()
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                word.value().store(errno.saturating_neg(), Ordering::Release);
            }
        }
        // SAFETY: ends this process, and touches no memory.
        unsafe { libc::_exit(1) }
    }

    fn prepare(&self) -> io::Result<()> {
        // SAFETY: takes numbers only.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })?;
        for standard in 0..3 {
            // SAFETY: takes numbers only.
            check(unsafe { libc::dup2(self.console.as_raw_fd(), standard) })?;
        }
        // SAFETY: takes numbers only; no value here owns a descriptor that is used again.
        check(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) })?;
        // SAFETY: the path ends with a NUL, and lives through the call.
        check(unsafe { libc::chroot(self.root.as_ptr()) })?;
        // SAFETY: the same.
        check(unsafe { libc::chdir(c"/".as_ptr()) })
    }

    /// Comes back only where the program cannot be started.
    fn execute(&self) {
        let arguments = [self.program.as_ptr(), ptr::null()];
        let environment = [c"HOME=/".as_ptr(), c"TERM=linux".as_ptr(), ptr::null()];
        // SAFETY: both lists end with a null, and all texts with a NUL.
        unsafe {
            libc::execve(self.program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        }
    }
}

impl Process {
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// How it has ended, by itself or by [`Self::end`].
    pub(crate) fn wait(&mut self) -> io::Result<WaitStatus> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let status = waitpid(self.id, None)?;
        self.ended = Some(status);
        Ok(status)
    }

    /// Ends it, and with it all that it has started.
    pub(crate) fn end(&mut self) -> io::Result<WaitStatus> {
        // SAFETY: takes numbers and a null, and touches no memory.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.handle.as_raw_fd(),
                libc::SIGKILL,
                ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// A word that the new process writes and the old one reads: no call can carry it, as
/// every call of the new one is handed over from its filter on.
struct Shared(NonNull<AtomicI32>);

impl Shared {
    fn new() -> io::Result<Self> {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        let length = size_of::<AtomicI32>();
        // SAFETY: a new mapping, which replaces none.
        let place = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0) };
        if place == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(place.cast()).map(Self).ok_or_else(|| io::Error::other("mmap gave null"))
    }

    /// 0 at first; the listener's number, or an errno below 0.
    fn value(&self) -> &AtomicI32 {
        // SAFETY: mapped as long as this value is, and zeros are such a word.
        unsafe { self.0.as_ref() }
    }

    fn wait_for_listener(&self, process: &Process) -> io::Result<Listener> {
        let end = Instant::now() + LIMIT;
        loop {
            match self.value().load(Ordering::Acquire) {
                0 if Instant::now() < end => std::thread::sleep(Duration::from_micros(50)),
                0 => return Err(io::Error::other("no filter after 10 s")),
                number @ 1.. => {
                    return memory::descriptor(process.handle(), number).map(Listener);
                }
                errno => return Err(io::Error::from_raw_os_error(errno.saturating_neg())),
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped by this value, which nobody has any more.
        let _ = unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<AtomicI32>()) };
    }
}

fn check(result: impl Into<c_long>) -> io::Result<()> {
    if result.into() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
