//! `turnout unload`: takes the loaded kernel out again.

use super::loading::unload;
use crate::failure::Failure;
use crate::plan::Slot;

/// Unloads; there is nothing to be printed.
pub(super) fn run(slot: Slot) -> Result<String, Failure> {
    unload(slot).map(|()| String::new())
}
