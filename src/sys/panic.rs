//! A panic in PID 1 is shown and ends in a reset; the kernel must never see
//! its init die.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static RESET_DELAY_SECONDS: AtomicU64 = AtomicU64::new(10);

/// How long the reason of an unexpected end stays on the console.
pub fn set_reset_delay(delay: Duration) {
    RESET_DELAY_SECONDS.store(delay.as_secs(), Ordering::Relaxed);
}

/// The delay last set, 10 s before that.
#[must_use]
pub fn reset_delay() -> Duration {
    Duration::from_secs(RESET_DELAY_SECONDS.load(Ordering::Relaxed))
}

/// Makes every later panic of any thread end in a reset.
pub fn catch() {
    std::panic::set_hook(Box::new(end));
}

fn end(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(String::new, |at| format!(" at {at}"));
    let reason = info.payload_as_str().unwrap_or("no message");
    super::reset::after(reset_delay(), &format!("panic{place}: {reason}"));
}
