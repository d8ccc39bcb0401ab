//! How long a piece of work may take, for code that knows no clock: whoever has one
//! gives it.

use core::time::Duration;

/// A time that only grows, since any moment.
pub type Clock = fn() -> Duration;

/// Until when.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    clock: Clock,
    end: Duration,
}

impl Patience {
    /// As long as it takes.
    pub const ENDLESS: Self = Self { clock: || Duration::ZERO, end: Duration::MAX };

    /// So long from now on.
    #[must_use]
    pub fn new(clock: Clock, time: Duration) -> Self {
        Self { clock, end: clock().saturating_add(time) }
    }

    /// Whether that time is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        (self.clock)() >= self.end
    }
}
