//! Which modules a machine needs before it has booted: drivers of disks and of what
//! disks hang on, of keyboards, TPMs and watchdogs, by what they import; and a few that
//! only their names tell apart.
//!
//! Specification: the interfaces of Linux' subsystems (include/scsi/scsi_host.h,
//! include/linux/{libata,blk-mq,mmc/host,usb/hcd}.h) and the layout of its source tree.

use crate::image::class;
use crate::image::facts::Facts;

/// Kinds of aliases that devices have, and not programs.
const DEVICES: [&str; 8] =
    ["pci:", "usb:", "virtio:", "vmbus:", "xen:", "acpi", "of:", "platform:"];

/// A reason for a module.
#[derive(Debug)]
pub(super) struct Rule {
    /// The reason in words.
    pub(super) why: &'static str,
    /// Folders below `kernel/`; what lies outside of it is asked by its symbols alone.
    folders: &'static [&'static str],
    /// One of them is imported; empty: the folder is enough.
    imports: &'static [&'static str],
    /// Kinds of devices, of which it has to be for one.
    devices: &'static [&'static str],
}

pub(super) const RULES: [Rule; 12] = [
    Rule {
        why: "ATA and SATA controllers",
        folders: &["drivers/ata/"],
        imports: class::ATA_HOSTS,
        devices: &DEVICES,
    },
    Rule {
        why: "SCSI and RAID controllers",
        folders: &["drivers/scsi/", "drivers/message/fusion/"],
        imports: class::SCSI_HOSTS,
        devices: &DEVICES,
    },
    Rule {
        why: "disks",
        folders: &["drivers/block/"],
        imports: class::DISKS,
        devices: &["pci:", "virtio:", "xen:", "vmbus:"],
    },
    Rule { why: "NVMe", folders: &["drivers/nvme/host/"], imports: &[], devices: &DEVICES },
    Rule {
        why: "PCI behind bridges of their own",
        folders: &["drivers/pci/controller/"],
        imports: &[],
        devices: &DEVICES,
    },
    Rule {
        why: "USB disks",
        folders: &["drivers/usb/storage/"],
        imports: &["scsi_host_alloc", "usb_stor_probe1"],
        devices: &["usb:"],
    },
    Rule {
        why: "SD cards and eMMC",
        folders: &["drivers/mmc/host/"],
        imports: &[],
        devices: &["pci:", "acpi", "of:", "platform:"],
    },
    Rule { why: "UFS", folders: &["drivers/ufs/"], imports: &[], devices: &DEVICES },
    Rule {
        why: "USB hosts",
        folders: &["drivers/usb/host/"],
        imports: class::USB_HOSTS,
        devices: &DEVICES,
    },
    Rule {
        why: "USB hosts of boards",
        folders: &[
            "drivers/usb/host/",
            "drivers/usb/dwc2/",
            "drivers/usb/dwc3/",
            "drivers/usb/cdns3/",
            "drivers/usb/chipidea/",
            "drivers/usb/common/",
            "drivers/usb/misc/",
            "drivers/usb/musb/",
            "drivers/usb/phy/",
        ],
        imports: &[],
        devices: &["of:"],
    },
    Rule { why: "TPMs", folders: &["drivers/char/tpm/"], imports: class::TPMS, devices: &DEVICES },
    Rule {
        why: "watchdogs",
        folders: &["drivers/watchdog/"],
        imports: class::WATCHDOGS,
        devices: &["pci:", "acpi", "of:", "platform:"],
    },
];

/// What boards need before any of that works: clocks, regulators, pins and the buses of
/// power controllers.
pub(super) const PLUMBING: Rule = Rule {
    why: "boards: clocks, power, pins",
    folders: &[
        "drivers/clk/",
        "drivers/dma/",
        "drivers/extcon/",
        "drivers/gpio/",
        "drivers/i2c/busses/",
        "drivers/i2c/muxes/",
        "drivers/mailbox/",
        "drivers/mfd/",
        "drivers/phy/",
        "drivers/pinctrl/",
        "drivers/pmdomain/",
        "drivers/pwm/",
        "drivers/regulator/",
        "drivers/reset/",
        "drivers/soc/",
    ],
    imports: &[],
    devices: &["of:", "acpi", "platform:"],
};

impl Rule {
    /// Whether it could be for the file at this path, so that the file is worth reading.
    pub(super) fn covers(&self, path: &str) -> bool {
        match path.strip_prefix("kernel/") {
            Some(below) => self.folders.iter().any(|folder| below.starts_with(folder)),
            None => true,
        }
    }

    /// Whether it asks for the module.
    pub(super) fn fits(&self, module: &Facts) -> bool {
        let is_bundled = module.path.starts_with("kernel/");
        let asks_symbols = !self.imports.is_empty();
        self.covers(&module.path)
            && (is_bundled || asks_symbols)
            && (!asks_symbols || self.imports.iter().any(|one| module.imports.contains(*one)))
            && is_for(module, self.devices)
    }
}

/// Whether the module is for devices of one of these kinds.
pub(super) fn is_for(module: &Facts, devices: &[&str]) -> bool {
    let mut aliases = module.aliases.iter();
    aliases.any(|alias| devices.iter().any(|kind| alias.starts_with(kind)))
}

/// Whether it is for any device at all.
pub(super) fn is_for_devices(module: &Facts) -> bool {
    is_for(module, &DEVICES)
}

/// Modules that a reason has by their names.
#[derive(Debug)]
pub(super) struct Named {
    /// The reason in words.
    pub(super) why: &'static str,
    /// What a kernel need not have, or has built in.
    pub(super) modules: &'static [&'static str],
}

pub(super) const DISKS: Named =
    Named { why: "disks", modules: &["sd_mod", "sr_mod", "mmc_block", "nvme"] };

pub(super) const MIRRORS: Named = Named { why: "halves of mirrors", modules: &["loop"] };

pub(super) const EFI: Named = Named { why: "what EFI's loaders left", modules: &["efivarfs"] };

pub(super) const USB_DISKS: Named = Named { why: "USB disks", modules: &["usb_storage", "uas"] };

/// Hosts that other drivers make devices for, or that hang on PCIe.
pub(super) const USB_HOSTS: Named = Named {
    why: "USB hosts",
    modules: &[
        "xhci_pci",
        "xhci_pci_renesas",
        "xhci_plat_hcd",
        "ehci_pci",
        "ehci_platform",
        "ohci_pci",
        "ohci_platform",
    ],
};

pub(super) const FILE_SYSTEMS: Named = Named {
    why: "file systems",
    modules: &[
        "ext4",
        "vfat",
        "xfs",
        "btrfs",
        "f2fs",
        "isofs",
        "udf",
        "exfat",
        "erofs",
        "squashfs",
        "nls_cp437",
        "nls_ascii",
        "nls_iso8859_1",
    ],
};

pub(super) const HYPERVISORS: Named = Named {
    why: "hypervisors",
    modules: &[
        "virtio_pci",
        "virtio_mmio",
        "virtio_console",
        "virtio_input",
        "hv_vmbus",
        "hv_storvsc",
        "hyperv_keyboard",
        "hid_hyperv",
        "pci_hyperv",
        "xen_kbdfront",
    ],
};

pub(super) const KEYBOARDS: Named = Named { why: "keyboards", modules: class::KEYBOARDS };

/// Keyboards that any machine can have.
pub(super) const COMMON_KEYBOARDS: Named =
    Named { why: "keyboards", modules: &["usbhid", "hid_generic", "i8042", "atkbd"] };

/// The device of an Intel watchdog is made by its parent's driver. softdog has
/// none: who wants it names it.
pub(super) const WATCHDOGS: Named = Named { why: "watchdogs", modules: &["i2c_i801", "lpc_ich"] };

#[cfg(test)]
pub(super) mod tests {
    use turnout::drivers::class::Class;

    use super::*;

    pub(in crate::image::select) fn module(
        path: &str,
        imports: &[&str],
        aliases: &[&str],
    ) -> Facts {
        Facts {
            name: turnout::drivers::table::module_of(path),
            path: path.to_owned(),
            class: Class::Other,
            depends: Vec::new(),
            soft_before: Vec::new(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            imports: imports.iter().map(|&symbol| symbol.to_owned()).collect(),
            firmware: Vec::new(),
            release: "6.1".to_owned(),
            machine: 62,
            no_shutdown: false,
            size: 0,
        }
    }

    fn why(module: &Facts) -> Option<&'static str> {
        RULES.iter().find(|rule| rule.fits(module)).map(|rule| rule.why)
    }

    #[test]
    fn a_driver_that_no_list_knows_is_found_by_what_it_imports() {
        let pci = ["pci:v00001000d00000097sv*sd*bc*sc*i*"];
        let symbols = ["scsi_host_alloc", "printk"];
        let reason = Some("SCSI and RAID controllers");
        assert_eq!(why(&module("kernel/drivers/scsi/brand_new.ko", &symbols, &pci)), reason);
        assert_eq!(why(&module("updates/dkms/vendor_raid.ko.zst", &symbols, &pci)), reason);
    }

    #[test]
    fn what_is_for_no_device_or_does_something_else_is_not() {
        let pci = ["pci:v00001000d00000097sv*sd*bc*sc*i*"];
        for (path, imports, aliases) in [
            ("kernel/drivers/scsi/scsi_debug.ko", &["scsi_host_alloc"][..], &[][..]),
            ("kernel/drivers/scsi/sg.ko", &["printk"], &pci),
            ("kernel/drivers/net/e1000.ko", &["scsi_host_alloc"], &pci),
            ("kernel/drivers/block/brd.ko", &["__blk_alloc_disk"], &["block-major-1-*"]),
            ("updates/dkms/graphics.ko", &["drm_dev_register"], &pci),
        ] {
            assert_eq!(why(&module(path, imports, aliases)), None, "{path}");
        }
    }
}
