//! Reads of a machine what `turnout check` looks at, from a directory that stands for
//! its root; changes nothing, runs nothing, waits for nobody.
//!
//! A file for each part, as in [`crate::check::facts`]. What cannot be read is left
//! out. Paths are given without their first slash.

mod chain;
mod cpus;
mod crash;
mod devices;
mod firmware;
mod installed;
mod kernel;
mod locked;
mod platform;
mod rights;
mod security;
mod shutdown;
mod storage;
mod systemd;
mod watchdog;

use std::path::{Path, PathBuf};

pub use installed::{Installed, installed, kernels};

use super::{file, next_start};
use crate::check::Facts;
use crate::check::facts::Trust;

/// The root that is read.
#[derive(Debug)]
pub struct Tree(PathBuf);

impl Tree {
    /// This machine.
    #[must_use]
    pub fn live() -> Self {
        Self(PathBuf::from("/"))
    }

    /// A directory that stands for one. Its links should be relative: an absolute one
    /// leads out of it.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self(root.to_owned())
    }

    fn number(&self, path: &str) -> Option<u64> {
        file::read_number(self.0.join(path))
    }

    /// Where it may be negative.
    fn signed(&self, path: &str) -> Option<i64> {
        self.line(path)?.parse().ok()
    }

    /// Without its line end.
    fn line(&self, path: &str) -> Option<String> {
        file::read_line(self.0.join(path)).ok()
    }

    fn text(&self, path: &str) -> Option<String> {
        file::read_text(self.0.join(path)).ok()
    }

    /// At most `limit` bytes; a longer file is none.
    fn bytes(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        file::read_bytes(&self.0.join(path), limit).ok()
    }

    /// Sorted; empty where there is no such directory.
    fn names(&self, path: &str) -> Vec<String> {
        file::names(self.0.join(path)).unwrap_or_default()
    }

    /// Whether it is there, once links are followed.
    fn has(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    /// In bytes.
    fn size(&self, path: &str) -> Option<u64> {
        Some(self.0.join(path).metadata().ok()?.len())
    }

    /// The start of a text that may be longer.
    fn start(&self, path: &str, limit: u64) -> String {
        file::read_start(self.0.join(path), limit).unwrap_or_default()
    }

    /// The last part of what a link leads to, such as the name of a device's driver.
    fn target_name(&self, path: &str) -> Option<String> {
        let target = self.link(path)?;
        target.rsplit('/').next().map(str::to_owned)
    }

    /// Where a path leads once all links are followed, from the root of the tree.
    fn resolve(&self, path: &str) -> Option<String> {
        let root = std::fs::canonicalize(&self.0).ok()?;
        let path = std::fs::canonicalize(self.0.join(path)).ok()?;
        Some(path.strip_prefix(root).ok()?.to_str()?.to_owned())
    }

    /// Whether it is no directory that stands for a machine.
    fn is_live(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// What a link says, as it stands there.
    fn link(&self, path: &str) -> Option<String> {
        let target = std::fs::read_link(self.0.join(path)).ok()?;
        target.into_os_string().into_string().ok()
    }
}

/// Only what tells of the next start, and who asks.
#[must_use]
pub fn survey_next_start(tree: &Tree) -> Facts {
    Facts { rights: rights::read(tree), firmware: firmware::read(tree), ..Facts::default() }
}

/// Everything.
#[must_use]
pub fn survey(tree: &Tree) -> Facts {
    Facts {
        kernel: kernel::read(tree),
        rights: rights::read(tree),
        security: security::read(tree),
        crash: crash::read(tree),
        watchdogs: watchdog::read(tree),
        next_start: tree.has("boot").then(|| next_start::here(&tree.0)),
        trust: Trust::default(),
        systemd: systemd::read(tree),
        shutdown: shutdown::read(tree),
        platform: platform::read(tree),
        cpus: cpus::read(tree),
        devices: devices::read(tree),
        storage: storage::read(tree),
        firmware: firmware::read(tree),
        target: None,
        outlook: None,
    }
}
