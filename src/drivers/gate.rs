//! Which drivers may load for what somebody plugs in. Whoever can put a device into a
//! port chooses by its identifiers which of the packed drivers runs: in a locked image
//! only those of classes that the image names do.
//!
//! It must never keep a driver from what is built into the machine, and a refusal
//! never ends anything: the device is left alone, and that is said.

use super::class::Class;
use super::table::Driver;
use crate::base::text::shown;

/// Longest identifier that a sentence quotes, in columns.
const MAX_SHOWN: usize = 96;

/// Some of the classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classes(u16);

impl Classes {
    /// All of them.
    pub const ALL: Self = Self(u16::MAX);
    /// What a locked image loads for what is plugged in, unless it says otherwise:
    /// what it takes to boot from a disk, and a keyboard to choose with.
    pub const LOCKED: Self = Self::of(&[
        Class::Storage,
        Class::Usb,
        Class::Mmc,
        Class::Hypervisor,
        Class::FileSystem,
        Class::Keyboard,
    ]);

    const fn of(classes: &[Class]) -> Self {
        let mut bits = 0;
        let mut left = classes;
        while let [first, rest @ ..] = left {
            bits |= 1 << *first as u16;
            left = rest;
        }
        Self(bits)
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, class: Class) -> bool {
        self.0 & (1 << class as u16) != 0
    }

    /// Reads `all`, `none`, or words of classes with blanks between.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "all" => return Some(Self::ALL),
            "none" => return Some(Self(0)),
            "" => return None,
            _ => {}
        }
        let classes: Option<Vec<Class>> = text.split_ascii_whitespace().map(Class::named).collect();
        Some(Self::of(&classes?))
    }
}

/// Whether a device counts as plugged in by somebody: all behind a port of USB, though it
/// was there at power on, and what joins PCI later. `is_cold`: it was there when the
/// devices were first looked at.
#[must_use]
pub fn applies(path: &str, subsystem: &str, is_cold: bool) -> bool {
    is_behind_usb(path) || (!is_cold && subsystem == "pci")
}

/// A root hub is called `usb1`, and what is plugged into its ports lies below.
fn is_behind_usb(path: &str) -> bool {
    let mut parts = path.split('/');
    // The hub's own interface is called `1-0:1.0`.
    parts.any(is_hub) && parts.next().is_some_and(|below| !below.contains("-0:"))
}

fn is_hub(part: &str) -> bool {
    let number = part.strip_prefix("usb").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why a driver does not load for a device that was plugged in.
#[must_use]
pub fn refusal(allowed: Classes, modalias: &str, driver: &Driver<'_>) -> Option<String> {
    (!allowed.has(driver.class)).then(|| {
        [
            "plugged in: ",
            &shown(modalias, MAX_SHOWN),
            ": its driver ",
            &driver.name,
            " is of class ",
            driver.class.name(),
            ", which this image does not load for what is plugged in (hotplug)",
        ]
        .concat()
    })
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    #[test]
    fn a_list_of_classes_is_read_whole_or_not_at_all() {
        let two = Classes::parse("storage  keyboard").unwrap();
        let has = Class::ALL.into_iter().filter(|class| two.has(*class));
        assert!(has.eq([Class::Storage, Class::Keyboard]));
        assert!(Class::ALL.into_iter().all(|class| Classes::parse("all").unwrap().has(class)));
        assert!(!Class::ALL.into_iter().any(|class| Classes::parse("none").unwrap().has(class)));
        for wrong in ["", "disks", "storage,usb", "storage all", "Storage"] {
            assert_eq!(Classes::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_class_has_a_bit_of_its_own() {
        for class in Class::ALL {
            let one = Classes::parse(class.name()).unwrap();
            assert_eq!(Class::ALL.into_iter().filter(|other| one.has(*other)).count(), 1);
        }
    }

    #[test]
    fn a_locked_image_takes_no_network_card_and_no_screen_that_is_plugged_in() {
        for class in [Class::Network, Class::Display, Class::Serial, Class::Tpm, Class::Other] {
            assert!(!Classes::LOCKED.has(class), "{class:?}");
        }
        for class in [Class::Storage, Class::Usb, Class::Keyboard, Class::FileSystem] {
            assert!(Classes::LOCKED.has(class), "{class:?}");
        }
    }

    #[test]
    fn what_is_behind_a_port_counts_as_plugged_in_even_at_power_on() {
        const HUB: &str = "/devices/pci0000:00/0000:00:14.0/usb2";
        for (below, subsystem, is_cold, expected) in [
            ("", "usb", true, false),
            ("/2-0:1.0", "usb", false, false),
            ("/2-1", "usb", true, true),
            ("/2-1/2-1:1.0", "usb", false, true),
            ("/2-1/2-1:1.0/host0/target0:0:0/0:0:0:0", "scsi", true, true),
        ] {
            let path = [HUB, below].concat();
            assert_eq!(applies(&path, subsystem, is_cold), expected, "{below}");
        }
        assert!(!applies("/devices/pci0000:00/0000:00:1f.2", "pci", true));
        assert!(applies("/devices/pci0000:00/0000:00:1c.0/0000:02:00.0", "pci", false));
        // A disk that a driver has found is nothing that was plugged in.
        assert!(!applies("/devices/pci0000:00/0000:00:1f.2/ata1/host0/0:0:0:0", "scsi", false));
        for odd in ["", "/", "usb", "/devices/usbfoo/x", "/devices/platform/usb@1/x"] {
            assert!(!applies(odd, "platform", false), "{odd}");
        }
    }

    #[test]
    fn a_refusal_names_device_driver_and_class() {
        let text = "turnout-drivers 1\ndriver kernel/drivers/net/usb/r8152.ko\nclass network\n";
        let drivers = table::parse(text).unwrap();
        let said = refusal(Classes::LOCKED, "usb:v0BDAp8153\u{1b}", &drivers[0]);
        assert_eq!(
            said.as_deref(),
            Some(
                "plugged in: usb:v0BDAp8153\\u{1b}: its driver r8152 is of class network, which \
                 this image does not load for what is plugged in (hotplug)"
            )
        );
        assert_eq!(refusal(Classes::ALL, "usb:v0BDAp8153", &drivers[0]), None);
    }
}
