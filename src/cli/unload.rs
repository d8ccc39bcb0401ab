//! `turnout unload`: takes the loaded kernel out again.

use crate::failure::{Failure, Stage};
use crate::plan::Slot;
use crate::steps::load::unload;
use crate::sys::kexec;

/// Unloads; there is nothing to be printed.
pub(super) fn run(slot: Slot) -> Result<String, Failure> {
    unload(slot)?;
    match kexec::is_loaded(slot) {
        Some(true) => Err(Failure::new(Stage::Load, "the kernel is still loaded")),
        _ => Ok(String::new()),
    }
}
