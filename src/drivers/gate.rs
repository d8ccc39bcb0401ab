//! Which drivers may load for what somebody plugs in. Whoever can put a device into a
//! port chooses by its identifiers which of the packed drivers runs: in a locked image
//! only those of classes that the image names do.
//!
//! It must never keep a driver from what is built into the machine, and a refusal
//! never ends anything: the device is left alone, and that is said.

use super::class::Class;
use super::device::Device;
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

/// Buses that are ports, as USB is.
const PORTS: [&str; 4] = ["firewire", "pcmcia", "sdio", "thunderbolt"];

/// The PCI devices that count as built in, by their paths: those that were there when
/// devices were first looked at, as long as they stay.
#[derive(Debug, Default)]
pub struct BuiltIn(Option<Vec<String>>);

impl BuiltIn {
    /// Takes note of what is there; of later looks nothing.
    pub fn note(&mut self, devices: &[Device]) {
        let on_pci = devices.iter().filter(|device| device.subsystem == "pci");
        self.0.get_or_insert_with(|| on_pci.map(|device| device.path.clone()).collect());
    }

    /// Takes note of what leaves: something else may come to its place.
    pub fn forget(&mut self, path: &str) {
        self.0.iter_mut().for_each(|paths| paths.retain(|known| known != path));
    }

    /// Whether a device counts as plugged in by somebody: all behind a port of USB or of
    /// the like, though it was there at power on, what joins PCI later, and what is
    /// behind that.
    #[must_use]
    pub fn lacks(&self, path: &str, subsystem: &str) -> bool {
        is_behind_usb(path)
            || PORTS.contains(&subsystem)
            || on_pci(path)
                .is_some_and(|device| !self.0.iter().flatten().any(|known| known == device))
    }
}

/// The path of the last PCI device on the way to a device, or of itself.
fn on_pci(mut path: &str) -> Option<&str> {
    while let Some((above, part)) = path.rsplit_once('/') {
        if is_pci(part) {
            return Some(path);
        }
        path = above;
    }
    None
}

/// Such as `0000:00:14.0`.
fn is_pci(part: &str) -> bool {
    part.split(':').count() == 3
        && part.rsplit_once('.').is_some_and(|(_, function)| function.len() == 1)
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

    fn built_in(paths: &[&str]) -> BuiltIn {
        let device = |path: &&str| Device {
            path: (*path).to_owned(),
            subsystem: "pci".to_owned(),
            ..Device::default()
        };
        let mut built_in = BuiltIn::default();
        built_in.note(&paths.iter().map(device).collect::<Vec<_>>());
        built_in
    }

    #[test]
    fn what_is_behind_a_port_counts_as_plugged_in_even_at_power_on() {
        const HUB: &str = "/devices/pci0000:00/0000:00:14.0/usb2";
        let built_in = built_in(&["/devices/pci0000:00/0000:00:14.0"]);
        for (below, subsystem, expected) in [
            ("", "usb", false),
            ("/2-0:1.0", "usb", false),
            ("/2-1", "usb", true),
            ("/2-1/2-1:1.0", "usb", true),
            ("/2-1/2-1:1.0/host0/target0:0:0/0:0:0:0", "scsi", true),
        ] {
            let path = [HUB, below].concat();
            assert_eq!(built_in.lacks(&path, subsystem), expected, "{below}");
        }
        for port in ["firewire", "pcmcia", "sdio", "thunderbolt"] {
            assert!(built_in.lacks("/devices/pci0000:00/0000:00:14.0/x", port), "{port}");
        }
        for odd in ["", "/", "usb", "/devices/usbfoo/x", "/devices/platform/usb@1/x"] {
            assert!(!built_in.lacks(odd, "platform"), "{odd}");
        }
    }

    #[test]
    fn what_joins_pci_later_counts_as_plugged_in_with_all_that_is_behind_it() {
        const DISK: &str = "/devices/pci0000:00/0000:00:1f.2";
        const PORT: &str = "/devices/pci0000:00/0000:00:1c.0";
        let mut built_in = built_in(&[DISK, PORT]);
        let late = [PORT, "/0000:02:00.0"].concat();
        let behind = [&*late, "/virtio3"].concat();
        // What is looked at once more, because events were lost, is no more built in.
        built_in.note(&[Device {
            path: late.clone(),
            subsystem: "pci".to_owned(),
            ..Device::default()
        }]);
        assert!(built_in.lacks(&late, "pci"));
        assert!(built_in.lacks(&behind, "virtio"));
        assert!(!built_in.lacks(DISK, "pci"));
        // A disk that a driver has found is nothing that was plugged in.
        assert!(!built_in.lacks(&[DISK, "/ata1/host0/target0:0:0/0:0:0:0"].concat(), "scsi"));
        assert!(!built_in.lacks(&[PORT, ":pcie004"].concat(), "pci_express"));
        built_in.forget(DISK);
        assert!(built_in.lacks(DISK, "pci"));
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
