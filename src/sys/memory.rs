//! The end of memory: PID 1 says so on every console and resets the machine.
//!
//! The standard library ends a program that an allocation failed in by SIGABRT,
//! and of PID 1 the kernel would make a panic of that, or a signal that nobody
//! hears. So the signal is caught. What is allowed to fail still may:
//! [`Allocator`] only remembers how much was asked for. Without a limit no
//! allocation would ever fail: the kernel promises more than there is, and panics
//! ([`super::kernel_settings`]); [`limit`] sets one, for the memory of this
//! process's own, the whole stacks of its threads among it. Files that are read are
//! in memory files, which have limits of their own ([`super::machine::room`]). Must
//! never allocate once an allocation has failed.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt::Write as _;
use std::alloc::System;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::libc::{self, c_int};

use super::shout::shout;
use super::{Error, machine, panic, reset};

/// How many bytes the last allocation that failed was to have; 0 once that was dealt
/// with.
static FAILED: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, which remembers what it could not give.
#[derive(Debug, Clone, Copy)]
pub struct Allocator;

impl Allocator {
    fn note(memory: *mut u8, size: usize) -> *mut u8 {
        if memory.is_null() {
            FAILED.store(size, Ordering::Relaxed);
        }
        memory
    }
}

// SAFETY: every call is the system allocator's with the same arguments, and so
// under the same conditions; nothing here unwinds or allocates.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        Self::note(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        Self::note(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        Self::note(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// An allocation that failed was allowed to: an end that comes later has another
/// reason.
pub fn dealt_with() {
    FAILED.store(0, Ordering::Relaxed);
}

/// `setrlimit(2)`: from now on this process has an end of memory. For PID 1, once /proc is
/// mounted.
///
/// # Errors
/// The errno of the call that failed.
pub fn limit() -> Result<(), Error> {
    limit_data(most(machine::room().available))
}

/// How much this process may have, of so much that is available. A kernel that is
/// unpacked may take half.
const fn most(available: u64) -> u64 {
    available / 8 * 7
}

/// Memory of the process's own (RLIMIT_DATA): neither memory files nor the main
/// thread's stack. The other threads' are counted, as far as they may grow.
fn limit_data(bytes: u64) -> Result<(), Error> {
    if bytes == 0 {
        return Ok(());
    }
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the pointer is to a value that lives as long as the call.
    match unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) } {
        0 => Ok(()),
        _ => Err(Error::last("limiting memory")),
    }
}

/// `sigaction(2)`: from now on the end of memory is an end with a sentence.
pub fn catch() {
    // SAFETY: a structure of numbers and a set of signals, for which zeros are
    // values: no flags, no signal blocked.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = end as extern "C" fn(c_int) as usize;
    // It fails for no signal that can be caught.
    // SAFETY: the pointer is to a value that lives as long as the call, and the
    // handler only makes calls that signal-safety(7) allows.
    let _ = unsafe { libc::sigaction(libc::SIGABRT, &raw const action, core::ptr::null_mut()) };
}

/// The sentence and the reset. It never comes back.
extern "C" fn end(_: c_int) {
    let delay = panic::reset_delay();
    shout(&sentence(FAILED.load(Ordering::Relaxed), delay));
    std::thread::sleep(delay);
    reset::now()
}

fn sentence(failed: usize, delay: Duration) -> heapless::String<160> {
    let mut text = heapless::String::new();
    let seconds = delay.as_secs();
    // What does not fit is cut off, and this does.
    let _ = match failed {
        0 => write!(text, "\r\nturnout: reset in {seconds} s: the program aborted\r\n"),
        _ => write!(
            text,
            "\r\nturnout: reset in {seconds} s: out of memory: {failed} bytes are not there\r\n"
        ),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_memory_says_how_much_was_asked_for() {
        let delay = Duration::from_secs(3600);
        let text = sentence(usize::MAX, delay);
        assert!(text.ends_with(
            "turnout: reset in 3600 s: out of memory: 18446744073709551615 bytes are not there\r\n"
        ));
        let text = sentence(0, delay);
        assert_eq!(text.as_str(), "\r\nturnout: reset in 3600 s: the program aborted\r\n");
    }

    #[test]
    fn what_an_unpacked_kernel_may_take_is_within_the_limit() {
        for available in [20 << 20, 512 << 20, 1 << 40_u64] {
            assert!(most(available) > available / 2 && most(available) < available);
        }
    }

    #[test]
    fn an_allocation_that_fails_is_remembered_until_it_was_dealt_with() {
        let layout = Layout::from_size_align(1 << 62, 8).unwrap();
        // Other tests deal with what failed there, at any time.
        let is_remembered = (0..100).any(|_| {
            // SAFETY: the layout is not empty.
            let memory = unsafe { Allocator.alloc(layout) };
            assert!(memory.is_null());
            FAILED.load(Ordering::Relaxed) == 1 << 62
        });
        assert!(is_remembered);
        dealt_with();
        assert_eq!(FAILED.load(Ordering::Relaxed), 0);
    }
}
