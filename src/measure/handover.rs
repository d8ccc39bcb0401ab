//! The event log as the next system finds it: a file in a cpio archive that is
//! unpacked before every initrd, so that it can never take the place of a file
//! that somebody signed.
//!
//! The kernels of x86 look for microcode in uncompressed archives from the start
//! of the initrd on and walk over members that they do not seek
//! (lib/earlycpio.c), so that this one hides none that follows.

use crate::base::cpio::{self, Member};
use crate::tpm::log::{self, Event};

/// Where the next system finds the log.
pub const LOG_PATH: &str = "/turnout/measurements.log";

const DIRECTORY_0755: u32 = 0o040_755;
const FILE_0444: u32 = 0o100_444;

/// The archive, as long as a multiple of four bytes.
#[must_use]
pub fn archive(events: &[Event]) -> Vec<u8> {
    let log = log::write(events);
    let mut out = Vec::new();
    cpio::put(&mut out, &member(1, DIRECTORY_0755, "turnout", &[]));
    cpio::put(&mut out, &member(2, FILE_0444, LOG_PATH.trim_start_matches('/'), &log));
    cpio::put(&mut out, &member(0, 0, cpio::TRAILER, &[]));
    out
}

fn member<'a>(inode: u32, mode: u32, path: &'a str, content: &'a [u8]) -> Member<'a> {
    Member { inode, mode, links: 1, path, content, ..Member::default() }
}
