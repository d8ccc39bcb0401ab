//! Tells a machine that works, or waits as it should, from one that hangs: only
//! what is told here feeds the watchdogs ([`super::watchdog`]), and only the main
//! thread does, so that another that still runs hides nothing.
//!
//! There are three signs of life. Work: a step was begun or a piece of a file was
//! read, on whichever thread. An answer: a menu or a prompt takes keys. A wait
//! whose end was set beforehand. A call that does not come back gives none. There
//! is no thread here, and must never be one.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::deadline::OF_START;
use super::{clock, watchdog};
use crate::base::progress;

/// How often the watchdogs are fed at most, and how long a turn of a loop that
/// waits may take.
pub const TURN: Duration = Duration::from_secs(1);

static WORK: AtomicU64 = AtomicU64::new(0);
static FEEDER: Mutex<Feeder> = Mutex::new(Feeder { fed: None, seen: 0 });

/// A sign of life of the main thread.
#[derive(Debug, Clone, Copy)]
enum Sign {
    /// So much work has been done until now, by whatever thread.
    Work(u64),
    /// A loop that takes keys has come round.
    Answer,
    /// It waits, until this time at the latest.
    Wait { until: Duration },
}

/// What decides whether a sign feeds. All times are since the start.
#[derive(Debug)]
struct Feeder {
    fed: Option<Duration>,
    /// The work that was done when it was last fed for work.
    seen: u64,
}

impl Feeder {
    /// Whether the watchdogs are to be fed now.
    fn feeds(&mut self, now: Duration, sign: Sign) -> bool {
        let is_early = self.fed.is_some_and(|fed| now < fed.saturating_add(TURN));
        if is_early || !self.is_life(now, sign) {
            return false;
        }
        self.fed = Some(now);
        true
    }

    fn is_life(&mut self, now: Duration, sign: Sign) -> bool {
        match sign {
            Sign::Work(done) => core::mem::replace(&mut self.seen, done) != done,
            Sign::Answer => true,
            Sign::Wait { until } => now <= until,
        }
    }
}

/// A step was begun, or a piece of work done.
pub fn work() {
    WORK.fetch_add(1, Ordering::Relaxed);
    tell(Sign::Work(done()));
}

/// All that was done until now, of what is unpacked too.
fn done() -> u64 {
    WORK.load(Ordering::Relaxed).wrapping_add(progress::steps())
}

/// Whether others still get anything done. Times are since the start.
#[derive(Debug)]
pub struct Stall {
    seen: u64,
    since: Duration,
}

impl Stall {
    /// From now on.
    #[must_use]
    pub fn watch() -> Self {
        Self { seen: done(), since: clock::elapsed() }
    }

    /// A turn of a wait for another thread's work: whether nothing was done for
    /// `patience`.
    pub fn is_over(&mut self, patience: Duration) -> bool {
        let done = done();
        tell(Sign::Work(done));
        self.lasts(done, clock::elapsed()) >= patience
    }

    fn lasts(&mut self, done: u64, now: Duration) -> Duration {
        if core::mem::replace(&mut self.seen, done) != done {
            self.since = now;
        }
        now.saturating_sub(self.since)
    }
}

/// A turn of a wait that ends at this time after the start at the latest.
pub fn wait(until: Duration) {
    tell(Sign::Wait { until });
}

/// Sleeps; so that the end is known beforehand.
pub fn sleep(time: Duration) {
    let until = clock::elapsed().saturating_add(time);
    let mut left = time;
    while !left.is_zero() {
        wait(until);
        let turn = left.min(TURN);
        std::thread::sleep(turn);
        left = left.saturating_sub(turn);
    }
}

/// A menu or a prompt waits for somebody, not much longer than [`TURN`]. No start
/// is late for that.
pub fn attend<T>(wait: impl FnOnce() -> T) -> T {
    /// Given beforehand, so that no start ends in the middle of it.
    const CREDIT: Duration = TURN.saturating_mul(2);
    tell(Sign::Answer);
    let start = clock::elapsed();
    OF_START.allow(CREDIT);
    let result = wait();
    OF_START.allow(clock::elapsed().saturating_sub(start));
    OF_START.take_back(CREDIT);
    result
}

/// Somebody has pressed a key.
pub fn somebody_is_there() {
    OF_START.begin_anew();
}

fn tell(sign: Sign) {
    if !super::is_main_thread() {
        return;
    }
    let mut feeder = FEEDER.lock().unwrap_or_else(PoisonError::into_inner);
    if feeder.feeds(clock::elapsed(), sign) {
        watchdog::feed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fresh() -> Feeder {
        Feeder { fed: None, seen: 0 }
    }

    #[test]
    fn a_watchdog_is_fed_by_progress_and_not_without() {
        let mut feeder = fresh();
        assert!(feeder.feeds(at(1), Sign::Work(5)));
        assert!(!feeder.feeds(at(9), Sign::Work(5)), "nothing was done since");
        assert!(feeder.feeds(at(9), Sign::Work(6)));
    }

    #[test]
    fn a_menu_that_answers_feeds_however_long_it_waits() {
        let mut feeder = fresh();
        assert!((0..7200).all(|second| feeder.feeds(at(second), Sign::Answer)));
    }

    #[test]
    fn a_wait_feeds_until_the_end_that_was_set_and_no_longer() {
        let mut feeder = fresh();
        let sign = Sign::Wait { until: at(30) };
        assert!((0..=30).all(|second| feeder.feeds(at(second), sign)));
        assert!(!(31..90).any(|second| feeder.feeds(at(second), sign)));
    }

    #[test]
    fn it_is_fed_once_a_turn_and_what_came_in_between_is_not_lost() {
        let mut feeder = fresh();
        assert!(feeder.feeds(Duration::ZERO, Sign::Work(1)));
        assert!(!feeder.feeds(Duration::from_millis(500), Sign::Work(2)), "too early");
        assert!(feeder.feeds(at(1), Sign::Work(2)));
    }

    #[test]
    fn work_that_goes_on_slowly_has_not_stalled() {
        let mut stall = Stall { seen: 0, since: at(100) };
        assert_eq!(stall.lasts(0, at(130)), at(30));
        assert_eq!(stall.lasts(1, at(190)), at(0));
        assert_eq!(stall.lasts(1, at(309)), at(119));
        assert_eq!(stall.lasts(2, at(310)), at(0));
    }

    #[test]
    fn no_start_ends_while_a_menu_waits() {
        clock::start();
        let soon = clock::elapsed().saturating_add(Duration::from_secs(3));
        OF_START.begin(Duration::from_millis(1_500));
        assert!(OF_START.is_over(soon));
        assert!(!attend(|| OF_START.is_over(soon)));
        assert!(OF_START.is_over(soon), "what was given beforehand is taken back");
        OF_START.lift();
    }

    #[test]
    fn what_is_unpacked_in_another_thread_is_work() {
        let before = done();
        progress::step();
        assert!(done() > before);
    }

    #[test]
    fn a_sleep_takes_its_time() {
        let start = std::time::Instant::now();
        sleep(Duration::from_millis(1_100));
        assert!(start.elapsed() >= Duration::from_millis(1_100));
    }
}
