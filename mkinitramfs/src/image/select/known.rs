//! Drivers that the tree has and the image has not: where a disk's controller has no
//! driver, PID 1 names the one that the image could have had.

use std::collections::BTreeSet;

use turnout::drivers::class::Class;
use turnout::drivers::table::Driver;

use crate::image::facts::Facts;

/// Kinds of devices that are found at the start, and not by another driver.
const FOUND: [&str; 7] = ["pci:", "usb:", "acpi", "of:", "virtio:", "vmbus:", "xen:"];

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
        let disks = [Class::Storage, Class::Mmc, Class::Hypervisor];
        if !disks.contains(&module.class) {
            return None;
        }
        // Boards name a compatible twice: alone, and with others behind it.
        let aliases: BTreeSet<_> = module.aliases.iter().filter(|alias| is_found(alias)).collect();
        let aliases: Vec<_> = aliases.into_iter().cloned().collect();
        let known = Self { name: module.name.clone(), class: module.class, aliases };
        (!known.aliases.is_empty()).then_some(known)
    }
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
