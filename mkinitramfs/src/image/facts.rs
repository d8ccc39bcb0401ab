//! What is known of a module of a tree without its bytes.

use std::collections::BTreeSet;

use turnout::drivers::class::Class;
use turnout::drivers::matching;

use super::class::class_by;
use super::modinfo::Modinfo;

/// A module of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its name, with `_`.
    pub name: String,
    /// Path below the tree, with the suffix of what the file is compressed with.
    pub path: String,
    /// What it is for.
    pub class: Class,
    /// Names of the modules that have to be loaded before, as its author wrote them.
    pub depends: Vec<String>,
    /// Names and aliases of those that should be, if they are there.
    pub soft_before: Vec<String>,
    /// Patterns of the devices that it is for, and its other names.
    pub aliases: Vec<String>,
    /// Symbols of the kernel and of other modules that it uses.
    pub imports: BTreeSet<String>,
    /// Files below /lib/firmware that it asks for.
    pub firmware: Vec<String>,
    /// Release of the kernel that it is for.
    pub release: String,
    /// ELF machine number.
    pub machine: u16,
    /// Whether it drives PCI devices, and none of its drivers has a `.shutdown`.
    pub no_shutdown: bool,
    /// Bytes, unpacked.
    pub size: usize,
}

impl Facts {
    pub(super) fn new(name: &str, path: &str, size: usize, info: Modinfo) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            class: class_by(path, &info.imports),
            depends: info.depends,
            soft_before: info.soft_before,
            aliases: info.aliases,
            imports: info.imports,
            firmware: info.firmware,
            release: info.release,
            machine: info.machine,
            no_shutdown: info.no_shutdown,
            size,
        }
    }

    /// Whether it is for the device that says this of itself, or is called so.
    #[must_use]
    pub fn matches(&self, modalias: &str) -> bool {
        self.aliases.iter().any(|alias| fits(alias, modalias))
    }
}

/// Whether a device, or a name, fits an alias. A pattern is asked for by itself, too.
pub(super) fn fits(alias: &str, modalias: &str) -> bool {
    alias == modalias || matching::fits(alias, modalias)
}
