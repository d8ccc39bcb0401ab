//! Says something on every console without allocating, whatever state this program
//! is in: it may be out of memory, or in the middle of a signal.
//!
//! Only calls that signal-safety(7) allows are made here.

use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use nix::libc::{self, c_int};

/// Most consoles that are told.
const CONSOLES: usize = 8;
/// How often a console that takes nothing is tried again, and after how long.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// The descriptors of the consoles; -1 for none.
static TOLD: [AtomicI32; CONSOLES] = [const { AtomicI32::new(-1) }; CONSOLES];

/// Tells this console too from now on. It has to stay open for as long as the
/// program runs.
pub(super) fn tell(console: BorrowedFd<'_>) {
    let console = console.as_raw_fd();
    for told in &TOLD {
        if told.compare_exchange(-1, console, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return;
        }
    }
}

/// Says it. A console that takes nothing for a second is passed over. Before any is
/// known, the kernel's own has to do.
pub(super) fn shout(text: &str) {
    if TOLD.iter().all(|told| told.load(Ordering::Relaxed) < 0) {
        write(libc::STDERR_FILENO, text.as_bytes());
    }
    let told = TOLD.iter().map(|told| told.load(Ordering::Relaxed)).filter(|fd| *fd >= 0);
    told.for_each(|console| write(console, text.as_bytes()));
}

/// Writes to a console, as long as it takes something.
fn write(console: c_int, mut text: &[u8]) {
    for _ in 0..TRIES {
        // SAFETY: reads at most as many bytes as the slice has.
        let count = unsafe { libc::write(console, text.as_ptr().cast(), text.len()) };
        let count = usize::try_from(count).unwrap_or(0);
        text = text.get(count..).unwrap_or_default();
        if text.is_empty() {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::fd::AsFd as _;

    #[test]
    fn what_is_shouted_reaches_every_console_that_was_told_of() {
        let (mut one, to_one) = std::io::pipe().unwrap();
        let (mut two, to_two) = std::io::pipe().unwrap();
        tell(to_one.as_fd());
        tell(to_two.as_fd());
        shout("out of memory\r\n");
        TOLD.iter().for_each(|told| told.store(-1, Ordering::Relaxed));
        drop((to_one, to_two));
        for console in [&mut one, &mut two] {
            let mut text = String::new();
            console.read_to_string(&mut text).unwrap();
            assert!(text.contains("out of memory\r\n"), "{text}");
        }
    }
}
