//! Says what PID 1 waits for, and how long yet, once a wait is longer than
//! somebody at the console would bear in silence.
//!
//! A thread of its own says it, because the wait may be a system call that does
//! not come back: a mount from a disk that has stopped answering. The thread
//! reads what [`wait_for`] was told and prints a line; it must never decide, feed
//! or end anything, so that a machine that hangs is no less hung for it.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;

use super::signal::Signals;
use super::{clock, console, thread, vigil};
use crate::base::text::printable;

/// Longest silence, from the start of a wait on.
const SILENCE: Duration = Duration::from_secs(2);
/// From one line about the same wait to the next.
const PAUSE: Duration = Duration::from_secs(5);
/// How often the thread looks.
const LOOK: Duration = Duration::from_millis(500);

static CURRENT: Board = Board(Mutex::new(None));
static READ: AtomicU64 = AtomicU64::new(0);
static SIZE: AtomicU64 = AtomicU64::new(0);
/// When the file was opened, in milliseconds since the start.
static BEGAN: AtomicU64 = AtomicU64::new(0);

/// How long a wait may take, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Until this time after the start at the latest ([`clock::elapsed`]).
    At(Duration),
    /// As soon as the files are read, see [`opened`].
    Read,
    /// The kernel and its drivers decide.
    Unknown,
}

/// Something that is being waited for. Times are since the start.
#[derive(Debug, Clone)]
struct Wait {
    what: String,
    end: End,
    began: Duration,
    /// When it is next spoken of.
    speak: Duration,
}

/// Where it stands what is being waited for.
#[derive(Debug)]
struct Board(Mutex<Option<Wait>>);

/// That something is being waited for, as long as this is held.
#[derive(Debug)]
pub struct Waiting {
    board: &'static Board,
    /// What was waited for before, and will be again.
    outer: Option<Wait>,
}

/// How far the file that is being read has come.
#[derive(Debug, Clone, Copy)]
struct Progress {
    read: u64,
    size: u64,
    /// Since its first byte was asked for.
    spent: Duration,
}

impl Progress {
    const MIB: u64 = 1 << 20;

    fn now(now: Duration) -> Self {
        let began = Duration::from_millis(BEGAN.load(Ordering::Relaxed));
        Self {
            read: READ.load(Ordering::Relaxed),
            size: SIZE.load(Ordering::Relaxed),
            spent: now.saturating_sub(began),
        }
    }

    /// Seconds until the file is read, at the speed until now; none before
    /// anything has come.
    fn left(self) -> Option<u64> {
        let rest = self.size.saturating_sub(self.read);
        self.spent.as_secs().max(1).saturating_mul(rest).checked_div(self.read)
    }
}

/// Starts the thread; without one, waits are silent. Signals must be blocked
/// already: the kernel would give them to a thread that takes them, and they
/// would end PID 1.
pub fn begin(_blocked: &Signals) {
    thread::aside(watch);
}

/// Does what takes its time, see [`wait_for`].
pub fn during<T>(what: &str, end: End, work: impl FnOnce() -> T) -> T {
    let _waiting = wait_for(what, end);
    work()
}

/// From now on, until what this gives is dropped, something is waited for: `what`
/// is for a sentence that begins with "waiting for".
#[must_use]
pub fn wait_for(what: &str, end: End) -> Waiting {
    vigil::work();
    CURRENT.wait_for(what, end)
}

impl Board {
    fn wait_for(&'static self, what: &str, end: End) -> Waiting {
        let began = clock::elapsed();
        let speak = began.saturating_add(SILENCE);
        let what = printable(what).into_owned();
        Waiting { board: self, outer: self.exchange(Some(Wait { what, end, began, speak })) }
    }

    fn exchange(&self, wait: Option<Wait>) -> Option<Wait> {
        core::mem::replace(&mut *self.lock(), wait)
    }

    /// What is to be said now, if anything is.
    fn due(&self, now: Duration) -> Option<String> {
        let mut current = self.lock();
        let wait = current.as_mut().filter(|wait| wait.speak <= now)?;
        wait.speak = now.saturating_add(PAUSE);
        Some(sentence(wait, now, Progress::now(now)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Wait>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        vigil::work();
        self.board.exchange(self.outer.take());
    }
}

/// Tells that a file of `size` bytes is going to be read.
pub fn opened(size: u64) {
    let now = u64::try_from(clock::elapsed().as_millis()).unwrap_or(u64::MAX);
    BEGAN.store(now, Ordering::Relaxed);
    READ.store(0, Ordering::Relaxed);
    SIZE.store(size, Ordering::Relaxed);
}

/// Tells that so many bytes of it have been read in all.
pub fn read(bytes: u64) {
    READ.store(bytes, Ordering::Relaxed);
}

/// What is waited for now, if anything is.
pub(super) fn current() -> Option<String> {
    CURRENT.lock().as_ref().map(|wait| wait.what.clone())
}

fn watch() {
    loop {
        sleep(LOOK);
        if let Some(line) = CURRENT.due(clock::elapsed()) {
            console::everywhere(&line);
        }
    }
}

fn sentence(wait: &Wait, now: Duration, progress: Progress) -> String {
    let Wait { what, end, began, .. } = wait;
    let how_long = match end {
        End::At(end) => format!("{} s yet at most", end.saturating_sub(now).as_secs()),
        End::Read => reading(progress),
        End::Unknown => {
            let spent = now.saturating_sub(*began).as_secs();
            format!("{spent} s so far; how long yet, the kernel decides")
        }
    };
    format!("turnout: waiting for {what}: {how_long}")
}

fn reading(progress: Progress) -> String {
    if progress.size > 0 && progress.read >= progress.size {
        return "it is read, and being made ready".to_owned();
    }
    let read = progress.read / Progress::MIB;
    let size = progress.size.div_ceil(Progress::MIB);
    let left = progress.left().map_or_else(String::new, |left| format!(", about {left} s yet"));
    format!("{read} of {size} MiB of a file are read{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(end: End) -> Wait {
        let began = Duration::from_secs(10);
        Wait { what: "nvme0n1p2".to_owned(), end, began, speak: began + SILENCE }
    }

    fn said(end: End, progress: Progress) -> String {
        sentence(&wait(end), Duration::from_secs(14), progress)
    }

    const NOTHING: Progress = Progress { read: 0, size: 70 << 20, spent: Duration::ZERO };

    #[test]
    fn a_wait_tells_how_long_yet_as_far_as_anybody_knows() {
        assert_eq!(
            said(End::At(Duration::from_secs(40)), NOTHING),
            "turnout: waiting for nvme0n1p2: 26 s yet at most"
        );
        assert_eq!(
            said(End::Unknown, NOTHING),
            "turnout: waiting for nvme0n1p2: 4 s so far; how long yet, the kernel decides"
        );
        assert_eq!(
            said(End::Read, NOTHING),
            "turnout: waiting for nvme0n1p2: 0 of 70 MiB of a file are read"
        );
        let all = Progress { read: 70 << 20, ..NOTHING };
        assert_eq!(
            said(End::Read, all),
            "turnout: waiting for nvme0n1p2: it is read, and being made ready"
        );
        let half = Progress { read: 20 << 20, spent: Duration::from_secs(4), ..NOTHING };
        assert_eq!(
            said(End::Read, half),
            "turnout: waiting for nvme0n1p2: 20 of 70 MiB of a file are read, about 10 s yet"
        );
    }

    /// Other tests wait for something too.
    static OWN: Board = Board(Mutex::new(None));

    /// Whether nothing is to be said so many milliseconds from now.
    fn is_silent(after: u64) -> bool {
        OWN.due(clock::elapsed() + Duration::from_millis(after)).is_none()
    }

    #[test]
    fn a_short_wait_is_silent_and_a_long_one_speaks_again_and_again() {
        clock::start();
        let outer = OWN.wait_for("a disk", End::Unknown);
        assert!(is_silent(1_000));
        assert!(!is_silent(2_100));
        assert!(is_silent(6_000));
        assert!(!is_silent(7_200));
        let inner = OWN.wait_for("the TPM", End::Unknown);
        assert!(is_silent(1_000));
        drop(inner);
        assert!(is_silent(8_000), "the outer wait goes on where it was");
        drop(outer);
        assert!(is_silent(60_000), "nothing is waited for any more");
    }
}
