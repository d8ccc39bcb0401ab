//! How much of a long piece of work is done, for whoever waits for it in another
//! thread: a count that only ever grows, of steps of which each takes far less than
//! anybody waits.

use core::sync::atomic::{AtomicU64, Ordering};

static STEPS: AtomicU64 = AtomicU64::new(0);

/// A step is done.
pub fn step() {
    STEPS.fetch_add(1, Ordering::Relaxed);
}

/// How many steps were done until now, of all work together.
#[must_use]
pub fn steps() -> u64 {
    STEPS.load(Ordering::Relaxed)
}
