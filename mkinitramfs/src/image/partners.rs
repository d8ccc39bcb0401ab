//! Modules without which a driver is of no use, though no dependency names them: a
//! controller's driver finds disks, and another one makes block devices of these.
//!
//! Which rule fits is told by the symbols that a module imports, so that it holds for
//! drivers that nobody has put on a list. Specification: the interfaces of Linux'
//! subsystems (include/scsi/scsi_host.h, include/linux/{mmc/host,usb,hid,virtio}.h).

use super::facts::Facts;

/// What comes along with a driver.
#[derive(Debug)]
pub(super) struct Rule {
    fits: fn(&Facts) -> bool,
    /// Names of modules.
    pub(super) partners: &'static [&'static str],
    /// What of the driver's needs them.
    pub(super) what: &'static str,
    /// Symbols of a module that does the partners' work; the rule is met where one is
    /// packed, or the first partner is built in. Empty: all partners are needed.
    instead: &'static [&'static str],
    /// Whether it holds for what was asked for only, and not for what comes along.
    asked_only: bool,
}

const RULES: [Rule; 6] = [
    Rule {
        fits: has_scsi_disks,
        partners: &["sd_mod"],
        what: "disks",
        instead: &[],
        asked_only: false,
    },
    Rule {
        fits: has_mmc_cards,
        partners: &["mmc_block"],
        what: "cards",
        instead: &[],
        asked_only: false,
    },
    Rule {
        fits: |module| imports(module, &["__hid_register_driver"]),
        partners: &["usbhid"],
        what: "devices",
        instead: &["hid_allocate_device"],
        asked_only: true,
    },
    Rule {
        fits: |module| imports(module, &["hid_allocate_device"]),
        partners: &["hid_generic"],
        what: "keyboards",
        instead: &[],
        asked_only: false,
    },
    Rule {
        fits: |module| imports(module, &["usb_register_driver"]),
        partners: &[
            "xhci_pci",
            "xhci_plat_hcd",
            "ehci_pci",
            "ehci_platform",
            "ohci_pci",
            "ohci_platform",
            "uhci_hcd",
        ],
        what: "devices",
        instead: &["usb_add_hcd", "usb_hcd_pci_probe", "xhci_init_driver"],
        asked_only: false,
    },
    Rule {
        fits: |module| imports(module, &["register_virtio_driver", "__register_virtio_driver"]),
        partners: &["virtio_pci", "virtio_mmio"],
        what: "devices",
        instead: &["register_virtio_device"],
        asked_only: false,
    },
];

impl Rule {
    /// The rules for a module.
    pub(super) fn of(module: &Facts, is_asked: bool) -> impl Iterator<Item = &'static Self> {
        RULES.iter().filter(move |rule| (is_asked || !rule.asked_only) && (rule.fits)(module))
    }

    /// Whether there may be something else in the partners' place.
    pub(super) const fn is_choice(&self) -> bool {
        !self.instead.is_empty()
    }

    /// Whether a module does the partners' work.
    pub(super) fn is_met_by(&self, module: &Facts) -> bool {
        imports(module, self.instead)
    }
}

fn imports(module: &Facts, symbols: &[&str]) -> bool {
    symbols.iter().any(|symbol| module.imports.contains(*symbol))
}

fn imports_prefix(module: &Facts, prefix: &str) -> bool {
    module.imports.iter().any(|symbol| symbol.starts_with(prefix))
}

/// By itself, or through what is built in.
fn has_scsi_disks(module: &Facts) -> bool {
    imports(module, &["scsi_host_alloc"])
        || ["ata_", "ufshcd_"].iter().any(|prefix| imports_prefix(module, prefix))
}

fn has_mmc_cards(module: &Facts) -> bool {
    imports(module, &["mmc_add_host"]) || imports_prefix(module, "sdhci_")
}
