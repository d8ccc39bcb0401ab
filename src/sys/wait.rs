//! Waits for descriptors (poll(2)), as long as it may take and no longer.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// `poll(2)`: waits until one of the descriptors can be read or the time is over, and tells
/// for each whether it can be read. No time means: however long it takes.
#[must_use]
pub fn wait<const N: usize>(fds: [&dyn AsFd; N], time: Option<Duration>) -> [bool; N] {
    let mut polled = fds.map(|fd| pollin(fd.as_fd()));
    let _ = poll(&mut polled, timeout(time));
    polled.map(|fd| fd.any().unwrap_or(false))
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
