//! That the disk of an entry has given nothing for [`STALL`]: a failure that all
//! entries of the same file system share.

use core::fmt;

use crate::config::STALL;
use crate::failure::{Cause, Failure, Stage};

#[derive(Debug)]
struct Stalled;

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = STALL.as_secs();
        write!(
            f,
            "its disk has not answered for {seconds} s, and is left alone: check the disk and its \
             cable"
        )
    }
}

impl core::error::Error for Stalled {}

/// Why there is nothing that could be started.
pub(super) fn stalled() -> Failure {
    Failure::new(Stage::Read, Stalled)
}

/// Whether that is why something has failed.
pub(super) fn is_stall(failure: &Failure) -> bool {
    matches!(&failure.cause, Cause::Other(error) if error.is::<Stalled>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_stalls_is_told_from_a_file_that_cannot_be_read() {
        let stalled = stalled().of("a");
        assert!(is_stall(&stalled));
        assert_eq!(
            stalled.to_string(),
            "failed a: read: its disk has not answered for 120 s, and is left alone: check the \
             disk and its cable"
        );
        assert!(!is_stall(&Failure::new(Stage::Read, "/linux: Input/output error")));
    }
}
