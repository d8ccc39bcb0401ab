//! Waits for descriptors (poll(2)), as long as it may take and no longer.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::clock;
use super::vigil::{self, TURN};

/// Waits until one of the descriptors can be read or the time is over, and
/// tells for each whether it can be read. No time means: however long it takes.
#[must_use]
pub fn wait<const N: usize>(fds: [&dyn AsFd; N], time: Option<Duration>) -> [bool; N] {
    let mut polled = fds.map(|fd| pollin(fd.as_fd()));
    match time {
        Some(time) => poll_until(&mut polled, time),
        None => drop(poll(&mut polled, PollTimeout::NONE)),
    }
    polled.map(|fd| fd.any().unwrap_or(false))
}

/// In turns: a machine that waits does not hang.
fn poll_until(polled: &mut [PollFd<'_>], time: Duration) {
    let start = Instant::now();
    let until = clock::elapsed().saturating_add(time);
    loop {
        let left = time.saturating_sub(start.elapsed());
        let is_silent = matches!(poll(polled, timeout(Some(left.min(TURN)))), Ok(0));
        if !is_silent || left.is_zero() {
            return;
        }
        vigil::wait(until);
    }
}

pub(super) fn pollin(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::POLLIN)
}

/// Rounded up, so that waiting for a moment never ends just before it and spins.
pub(super) fn timeout(time: Option<Duration>) -> PollTimeout {
    time.map_or(PollTimeout::NONE, |time| {
        i32::try_from(time.as_nanos().div_ceil(1_000_000))
            .ok()
            .and_then(|time| PollTimeout::try_from(time).ok())
            .unwrap_or(PollTimeout::MAX)
    })
}
