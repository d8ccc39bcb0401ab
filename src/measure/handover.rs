//! The event log, and what the machine's state was, as the next system finds them:
//! files in cpio archives that are unpacked before every initrd, so that they can
//! never take the place of a file that somebody signed.
//!
//! The kernels of x86 look for microcode in uncompressed archives from the start
//! of the initrd on and walk over members that they do not seek
//! (lib/earlycpio.c), so that this one hides none that follows.

use crate::base::cpio::{self, Member};
use crate::tpm::log::{self, Event};

/// Where the next system finds the log.
pub const LOG_PATH: &str = "/turnout/measurements.log";

/// Where it finds how the rollback store stood, and what was refused.
pub const STATE_PATH: &str = "/turnout/state.json";

const DIRECTORY_0755: u32 = 0o040_755;
const FILE_0444: u32 = 0o100_444;

/// The archive with the log, as long as a multiple of four bytes.
#[must_use]
pub fn archive(events: &[Event]) -> Vec<u8> {
    archive_of(LOG_PATH, &log::write(events))
}

/// The archive with the state, likewise.
#[must_use]
pub fn state_archive(state: &str) -> Vec<u8> {
    archive_of(STATE_PATH, state.as_bytes())
}

fn archive_of(path: &str, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    cpio::put(&mut out, &member(1, DIRECTORY_0755, "turnout", &[]));
    cpio::put(&mut out, &member(2, FILE_0444, path.trim_start_matches('/'), content));
    cpio::put(&mut out, &member(0, 0, cpio::TRAILER, &[]));
    out
}

fn member<'a>(inode: u32, mode: u32, path: &'a str, content: &'a [u8]) -> Member<'a> {
    Member { inode, mode, links: 1, path, content, ..Member::default() }
}
