//! Drivers that the tree has and the image has not: where a disk's controller has no
//! driver, PID 1 names the one that the image could have had.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use turnout::drivers::class::Class;
use turnout::drivers::table::Driver;

use crate::image::class::class_at;
use crate::image::facts::Facts;
use crate::image::modules::{Module, Tree};

/// Kinds of devices that are found at the start, and not by another driver.
const FOUND: [&str; 7] = ["pci:", "usb:", "acpi", "of:", "virtio:", "vmbus:", "xen:"];

/// Of USB it is the hosts on which a disk can hang.
const USB_HOSTS: &str = "/usb/host/";

/// A driver that was not packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    name: String,
    class: Class,
    aliases: Vec<String>,
}

impl Known {
    /// Its part of the image's table of drivers.
    #[must_use]
    pub fn driver(&self) -> Driver<'_> {
        Driver {
            name: self.name.clone(),
            path: None,
            class: self.class,
            needs: Vec::new(),
            likes: Vec::new(),
            always: false,
            no_shutdown: false,
            aliases: self.aliases.iter().map(String::as_str).collect(),
        }
    }

    /// Its name, with `_`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// None if no disk hangs on it, or no device asks for it by itself.
    pub(super) fn of(module: &Facts) -> Option<Self> {
        Self::new(&module.name, &module.path, module.class, &module.aliases)
    }

    fn new<'a>(
        name: &str,
        path: &str,
        class: Class,
        aliases: impl IntoIterator<Item = &'a String>,
    ) -> Option<Self> {
        let disks = [Class::Storage, Class::Mmc, Class::Hypervisor];
        let is_host = matches!(class, Class::Usb) && path.contains(USB_HOSTS);
        if !disks.contains(&class) && !is_host {
            return None;
        }
        // Boards name a compatible twice: alone, and with others behind it.
        let aliases: BTreeSet<_> = aliases.into_iter().filter(|alias| is_found(alias)).collect();
        let aliases: Vec<_> = aliases.into_iter().cloned().collect();
        (!aliases.is_empty()).then(|| Self { name: name.to_owned(), class, aliases })
    }
}

/// The drivers of the tree that a disk could want and the image has not: by depmod's list,
/// or without one by what had to be read anyway.
///
/// # Errors
/// The list cannot be read.
pub fn known(tree: &Tree, packed: &[Module]) -> Result<Vec<Known>> {
    let packed: BTreeSet<_> = packed.iter().map(|module| module.name.as_str()).collect();
    let mut listed: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (alias, name) in tree.listed_patterns()? {
        listed.entry(name).or_default().push(alias);
    }
    let mut known: Vec<_> = listed
        .into_iter()
        .filter_map(|(name, aliases)| {
            let path = tree.path_of(name)?;
            Known::new(name, path, class_at(path), aliases)
        })
        .collect();
    if known.is_empty() {
        known = tree.read_so_far().iter().filter_map(|module| Known::of(module)).collect();
    }
    known.retain(|driver| !packed.contains(driver.name.as_str()));
    Ok(known)
}

fn is_found(alias: &str) -> bool {
    FOUND.iter().any(|kind| alias.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::super::rules::tests::module;
    use super::*;

    #[test]
    fn only_drivers_that_a_disk_could_want_are_known() {
        let aliases = ["pci:v00001077*", "block-major-8-*", "of:N*T*Ca,b"];
        let mut driver = module("kernel/drivers/scsi/qla2xxx.ko", &[], &aliases);
        assert_eq!(Known::of(&driver), None, "of another class");
        driver.class = Class::Storage;
        let known = Known::of(&driver).unwrap();
        assert_eq!(known.driver().aliases, ["of:N*T*Ca,b", "pci:v00001077*"]);
        assert_eq!(known.driver().path, None);
        driver.aliases.retain(|alias| alias.starts_with("block"));
        assert_eq!(Known::of(&driver), None, "no device asks for it");
    }
}
