//! The event log as the next system finds it: a file in a cpio archive that is
//! unpacked before every initrd, so that it can never take the place of a file
//! that somebody signed. Format: Linux,
//! Documentation/driver-api/early-userspace/buffer-format.rst, "newc".
//!
//! The kernels of x86 look for microcode in uncompressed archives from the start
//! of the initrd on and walk over members that they do not seek
//! (lib/earlycpio.c), so that this one hides none that follows.

use crate::tpm::log::{self, Event};

/// Where the next system finds the log.
pub const LOG_PATH: &str = "/turnout/measurements.log";

const DIRECTORY_0755: u32 = 0o040_755;
const FILE_0444: u32 = 0o100_444;

/// The archive, as long as a multiple of four bytes.
#[must_use]
pub fn archive(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, (1, DIRECTORY_0755), "turnout", &[]);
    put(&mut out, (2, FILE_0444), LOG_PATH.trim_start_matches('/'), &log::write(events));
    put(&mut out, (0, 0), "TRAILER!!!", &[]);
    out
}

/// One member: no owner, no time, and every length from the bytes themselves.
fn put(out: &mut Vec<u8>, (inode, mode): (u32, u32), path: &str, content: &[u8]) {
    let size = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    let (links, name_size) = (1, size(path.len().saturating_add(1)));
    let fields = [inode, mode, 0, 0, links, 0, size(content.len()), 0, 0, 0, 0, name_size, 0];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(content);
    pad(out);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}
