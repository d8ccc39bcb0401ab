//! Until when a start may take that nobody attends ([`super::start_limit`]).
//!
//! Time in which a menu or a prompt waits for somebody does not count, and a key
//! begins the time anew. Times are since the start, in milliseconds.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};

use super::clock;

/// There is one, and when it is over.
#[derive(Debug)]
pub(super) struct Deadline {
    /// 0: there is none.
    limit: AtomicU64,
    end: AtomicU64,
}

/// That of this start.
pub(super) static OF_START: Deadline = Deadline::none();

impl Deadline {
    const fn none() -> Self {
        Self { limit: AtomicU64::new(0), end: AtomicU64::new(u64::MAX) }
    }

    /// It may take so long, from now on.
    pub(super) fn begin(&self, limit: Duration) {
        self.limit.store(milliseconds(limit), Ordering::Relaxed);
        self.begin_anew();
    }

    /// Somebody is there, or was.
    pub(super) fn begin_anew(&self) {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit > 0 {
            let end = milliseconds(clock::elapsed()).saturating_add(limit);
            self.end.store(end, Ordering::Relaxed);
        }
    }

    /// So much more time may pass. One that there is not stays away.
    pub(super) fn allow(&self, time: Duration) {
        let later = self.end.load(Ordering::Relaxed).saturating_add(milliseconds(time));
        self.end.store(later, Ordering::Relaxed);
    }

    /// So much of what was allowed is not needed.
    pub(super) fn take_back(&self, time: Duration) {
        if self.limit.load(Ordering::Relaxed) > 0 {
            let sooner = self.end.load(Ordering::Relaxed).saturating_sub(milliseconds(time));
            self.end.store(sooner, Ordering::Relaxed);
        }
    }

    /// From now on there is none.
    pub(super) fn lift(&self) {
        self.limit.store(0, Ordering::Relaxed);
        self.end.store(u64::MAX, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self, now: Duration) -> bool {
        milliseconds(now) >= self.end.load(Ordering::Relaxed)
    }

    pub(super) fn limit(&self) -> Duration {
        Duration::from_millis(self.limit.load(Ordering::Relaxed))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_without_a_person_is_over_at_its_limit_and_a_menu_does_not_count() {
        clock::start();
        let deadline = Deadline::none();
        deadline.begin(Duration::from_secs(20));
        let now = clock::elapsed();
        let after = |seconds| deadline.is_over(now.saturating_add(Duration::from_secs(seconds)));
        assert!(!after(19) && after(21));
        deadline.allow(Duration::from_secs(62));
        deadline.take_back(Duration::from_secs(2));
        assert!(!after(79) && after(82), "somebody was asked for a minute");
        deadline.begin_anew();
        assert!(!after(19) && after(30), "somebody was there");
        deadline.lift();
        deadline.allow(Duration::from_secs(60));
        deadline.take_back(Duration::from_secs(60));
        deadline.begin_anew();
        assert!(!after(1 << 40), "it ends by itself");
    }
}
