//! What tests of module trees have in common.

use std::fs;
use std::path::PathBuf;

/// A folder that goes with the test.
pub(super) struct Scratch(pub(super) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
