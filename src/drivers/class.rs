//! What a driver is for, as far as a boot environment cares.

/// A class of drivers, by which they are packed, counted and let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Disks, and the controllers that they hang on.
    Storage,
    /// Host controllers of USB.
    Usb,
    /// SD cards and eMMC, with their hosts.
    Mmc,
    /// What a hypervisor offers: buses, disks, consoles.
    Hypervisor,
    /// File systems, and the character sets of their names.
    FileSystem,
    /// Keyboards, on whatever bus.
    Keyboard,
    /// Trusted platform modules.
    Tpm,
    /// Watchdogs.
    Watchdog,
    /// Network cards.
    Network,
    /// Graphics.
    Display,
    /// Serial lines.
    Serial,
    /// What a chip or a board needs before anything else works: clocks, regulators,
    /// pins, buses.
    Platform,
    /// Whatever else another driver needs.
    Other,
}

impl Class {
    /// All of them, in the order in which reports count them.
    pub const ALL: [Self; 13] = [
        Self::Storage,
        Self::Usb,
        Self::Mmc,
        Self::Hypervisor,
        Self::FileSystem,
        Self::Keyboard,
        Self::Tpm,
        Self::Watchdog,
        Self::Network,
        Self::Display,
        Self::Serial,
        Self::Platform,
        Self::Other,
    ];

    /// The word for it in tables, settings and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Usb => "usb",
            Self::Mmc => "mmc",
            Self::Hypervisor => "hypervisor",
            Self::FileSystem => "filesystem",
            Self::Keyboard => "keyboard",
            Self::Tpm => "tpm",
            Self::Watchdog => "watchdog",
            Self::Network => "network",
            Self::Display => "display",
            Self::Serial => "serial",
            Self::Platform => "platform",
            Self::Other => "other",
        }
    }

    /// The class that has this word.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_found_by_its_own_word() {
        for class in Class::ALL {
            assert_eq!(Class::named(class.name()), Some(class));
        }
        assert_eq!(Class::named("disk"), None);
    }
}
