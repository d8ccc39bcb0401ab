//! Reads of a machine what `turnout check` looks at, from a directory that stands for
//! its root; changes nothing.

mod kernel;

use std::path::{Path, PathBuf};

use super::file;
use crate::check::Facts;

/// The root that is read.
#[derive(Debug)]
pub struct Tree(PathBuf);

impl Tree {
    /// This machine.
    #[must_use]
    pub fn live() -> Self {
        Self(PathBuf::from("/"))
    }

    /// A directory that stands for one.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self(root.to_owned())
    }

    fn number(&self, path: &str) -> Option<u64> {
        file::read_number(self.0.join(path))
    }
}

/// Everything.
#[must_use]
pub fn survey(tree: &Tree) -> Facts {
    Facts { kernel: kernel::read(tree) }
}
