//! A descriptor by which one thread wakes another that waits in poll(2).

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Error;

/// An eventfd(2). It can be read from the first [`Wake::up`] until
/// [`Wake::clear`], however often it was called in between.
#[derive(Debug)]
pub struct Wake(EventFd);

impl Wake {
    /// `eventfd(2)`: one that wakes nobody yet.
    ///
    /// # Errors
    /// The errno of eventfd(2).
    pub fn new() -> Result<Self, Error> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        EventFd::from_value_and_flags(0, flags)
            .map(Self)
            .map_err(|errno| Error::new("eventfd", errno))
    }

    /// `write(2)`: wakes whoever waits, or will wait, until it is cleared. Full is awake.
    pub fn up(&self) {
        let _ = self.0.write(1);
    }

    /// `read(2)`: lets the next wait wait. To be called before what was to be told is
    /// looked for: what comes after that wakes again.
    pub fn clear(&self) {
        let _ = self.0.read();
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::sys::wait::wait;

    fn is_awake(wake: &Wake) -> bool {
        wait([wake], Some(Duration::ZERO)) == [true]
    }

    #[test]
    fn it_wakes_until_it_is_cleared_however_often_it_was_called() {
        let wake = Wake::new().unwrap();
        assert!(!is_awake(&wake));
        wake.up();
        wake.up();
        assert!(is_awake(&wake) && is_awake(&wake));
        wake.clear();
        assert!(!is_awake(&wake));
        wake.clear();
        assert!(!is_awake(&wake));
    }
}
