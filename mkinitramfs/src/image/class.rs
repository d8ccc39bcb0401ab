//! What a module is for, told by the folder of its file; where that says nothing, by the
//! symbols that it imports.
//!
//! A locked image lets devices that are plugged in have drivers by these words, so that
//! they must not be wider than they sound.
//!
//! Specification: the layout of Linux's source tree, which module trees have, and the
//! interfaces of its subsystems (include/scsi/scsi_host.h, include/linux/{libata,blk-mq,
//! mmc/host,usb/hcd,netdevice}.h, include/drm/drm_drv.h).

use std::collections::BTreeSet;

use turnout::drivers::class::Class;

use super::suffix::module_name;

/// The first folder that fits decides: the more particular ones come first.
const FOLDERS: &[(&str, Class)] = &[
    ("kernel/drivers/hv/", Class::Hypervisor),
    ("kernel/drivers/xen/", Class::Hypervisor),
    ("kernel/drivers/virtio/", Class::Hypervisor),
    ("kernel/drivers/usb/storage/", Class::Storage),
    ("kernel/drivers/usb/serial/", Class::Serial),
    ("kernel/drivers/usb/host/", Class::Usb),
    ("kernel/drivers/usb/core/", Class::Usb),
    ("kernel/drivers/usb/common/", Class::Usb),
    ("kernel/drivers/usb/phy/", Class::Usb),
    ("kernel/drivers/usb/dwc2/", Class::Usb),
    ("kernel/drivers/usb/dwc3/", Class::Usb),
    ("kernel/drivers/usb/chipidea/", Class::Usb),
    ("kernel/drivers/usb/cdns3/", Class::Usb),
    ("kernel/drivers/usb/fotg210/", Class::Usb),
    ("kernel/drivers/usb/isp1760/", Class::Usb),
    ("kernel/drivers/usb/mtu3/", Class::Usb),
    ("kernel/drivers/usb/musb/", Class::Usb),
    ("kernel/drivers/usb/renesas_usbhs/", Class::Usb),
    ("kernel/drivers/usb/roles/", Class::Usb),
    ("kernel/drivers/mmc/", Class::Mmc),
    ("kernel/drivers/input/keyboard/", Class::Keyboard),
    ("kernel/drivers/input/serio/", Class::Keyboard),
    ("kernel/drivers/char/tpm/", Class::Tpm),
    ("kernel/drivers/watchdog/", Class::Watchdog),
    ("kernel/drivers/net/", Class::Network),
    ("kernel/drivers/gpu/", Class::Display),
    ("kernel/drivers/video/", Class::Display),
    ("kernel/drivers/tty/", Class::Serial),
    ("kernel/drivers/ata/", Class::Storage),
    ("kernel/drivers/block/", Class::Storage),
    ("kernel/drivers/md/", Class::Storage),
    ("kernel/drivers/message/", Class::Storage),
    ("kernel/drivers/nvme/", Class::Storage),
    ("kernel/drivers/scsi/", Class::Storage),
    ("kernel/drivers/ufs/", Class::Storage),
    ("kernel/drivers/cdrom/", Class::Storage),
    ("kernel/drivers/clk/", Class::Platform),
    ("kernel/drivers/dma/", Class::Platform),
    ("kernel/drivers/gpio/", Class::Platform),
    ("kernel/drivers/i2c/", Class::Platform),
    ("kernel/drivers/mailbox/", Class::Platform),
    ("kernel/drivers/mfd/", Class::Platform),
    ("kernel/drivers/pci/", Class::Platform),
    ("kernel/drivers/phy/", Class::Platform),
    ("kernel/drivers/pinctrl/", Class::Platform),
    ("kernel/drivers/pwm/", Class::Platform),
    ("kernel/drivers/regulator/", Class::Platform),
    ("kernel/drivers/reset/", Class::Platform),
    ("kernel/drivers/soc/", Class::Platform),
    ("kernel/drivers/spi/", Class::Platform),
    ("kernel/fs/", Class::FileSystem),
];

/// Drivers of keyboards on whatever bus; their folders have those of joysticks as well.
/// hid_generic leaves those alone that have a driver of their own, whether that is there
/// or not (Linux, drivers/hid/hid-quirks.c).
pub const KEYBOARDS: &[&str] = &[
    "usbhid",
    "hid_generic",
    "i8042",
    "atkbd",
    "i2c_hid_acpi",
    "i2c_hid_of",
    "hid_apple",
    "hid_cherry",
    "hid_chicony",
    "hid_corsair",
    "hid_cougar",
    "hid_cypress",
    "hid_ezkey",
    "hid_glorious",
    "hid_google_hammer",
    "hid_holtek_kbd",
    "hid_keytouch",
    "hid_lenovo",
    "hid_logitech",
    "hid_logitech_dj",
    "hid_logitech_hidpp",
    "hid_microsoft",
    "hid_monterey",
    "hid_multitouch",
    "hid_primax",
    "hid_roccat",
    "hid_samsung",
    "hid_semitek",
    "hid_vivaldi",
];

/// Keyboards of hypervisors.
const HYPERVISORS_KEYBOARDS: [&str; 2] = ["hid_hyperv", "xen_kbdfront"];

pub(super) const ATA_HOSTS: &[&str] = &[
    "ata_host_activate",
    "ata_host_register",
    "ata_host_alloc_pinfo",
    "ata_pci_bmdma_init_one",
    "ata_pci_bmdma_prepare_host",
    "ata_pci_sff_init_one",
    "ata_pci_sff_activate_host",
    "ahci_host_activate",
    "ahci_platform_init_host",
];
pub(super) const SCSI_HOSTS: &[&str] = &["scsi_host_alloc", "scsi_add_host_with_dma"];
pub(super) const DISKS: &[&str] =
    &["__blk_mq_alloc_disk", "__blk_alloc_disk", "blk_mq_alloc_disk_for_queue"];
pub(super) const USB_HOSTS: &[&str] =
    &["usb_add_hcd", "usb_hcd_pci_probe", "xhci_init_driver", "xhci_pci_common_probe"];
pub(super) const TPMS: &[&str] = &["tpm_chip_register", "tpm_tis_core_init", "tpmm_chip_alloc"];
pub(super) const WATCHDOGS: &[&str] =
    &["watchdog_register_device", "devm_watchdog_register_device"];
const CARDS: &[&str] = &["mmc_add_host", "sdhci_add_host", "sdhci_pltfm_init"];
const CONTROLLERS_OF_NVME: &[&str] = &["nvme_init_ctrl"];
const SCREENS: &[&str] = &["drm_dev_register", "register_framebuffer"];
const NETWORK: &[&str] = &["register_netdev", "register_netdevice", "ieee80211_register_hw"];

/// The first that is imported decides. Some cards for the network have a SCSI host, too.
const SYMBOLS: [(&[&str], Class); 10] = [
    (SCREENS, Class::Display),
    (NETWORK, Class::Network),
    (ATA_HOSTS, Class::Storage),
    (SCSI_HOSTS, Class::Storage),
    (DISKS, Class::Storage),
    (CONTROLLERS_OF_NVME, Class::Storage),
    (CARDS, Class::Mmc),
    (USB_HOSTS, Class::Usb),
    (TPMS, Class::Tpm),
    (WATCHDOGS, Class::Watchdog),
];

/// What the module in this file is for, as far as its path tells. Folders beside
/// `kernel` often have its layout.
#[must_use]
pub fn class_at(path: &str) -> Class {
    let below = path.split_once('/').map_or(path, |(_, below)| below);
    match class_of(&format!("kernel/{below}")) {
        Class::Other if is_keyboard(path) => Class::Keyboard,
        class => class,
    }
}

/// What a module is for: by its path, or else by what it imports.
#[must_use]
pub fn class_by(path: &str, imports: &BTreeSet<String>) -> Class {
    let by_imports =
        SYMBOLS.iter().find(|(symbols, _)| symbols.iter().any(|one| imports.contains(*one)));
    match (class_at(path), by_imports) {
        (Class::Other, Some((_, class))) => *class,
        (class, _) => class,
    }
}

fn is_keyboard(path: &str) -> bool {
    let names = KEYBOARDS.iter().chain(&HYPERVISORS_KEYBOARDS);
    let name = module_name(path);
    name.is_some_and(|name| names.into_iter().any(|one| *one == name))
}

fn class_of(path: &str) -> Class {
    let found = FOLDERS.iter().find(|(folder, _)| path.starts_with(folder));
    found.map_or(Class::Other, |(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_particular_folder_decides() {
        for (path, class) in [
            ("kernel/drivers/usb/storage/uas.ko", Class::Storage),
            ("kernel/drivers/usb/host/xhci-pci.ko", Class::Usb),
            ("kernel/fs/ext4/ext4.ko", Class::FileSystem),
            ("kernel/drivers/usb/class/cdc-acm.ko", Class::Other),
            ("kernel/drivers/usb/misc/usbtest.ko", Class::Other),
            ("kernel/drivers/hid/usbhid/usbhid.ko.xz", Class::Keyboard),
            ("kernel/drivers/hid/hid-apple.ko", Class::Keyboard),
            ("kernel/drivers/hid/hid-hyperv.ko", Class::Keyboard),
            ("kernel/drivers/hid/hid-sony.ko", Class::Other),
            ("kernel/drivers/input/serio/i8042.ko", Class::Keyboard),
            ("kernel/drivers/input/joystick/xpad.ko", Class::Other),
            ("kernel/lib/crc16.ko", Class::Other),
            ("updates/drivers/ata/ahci.ko.xz", Class::Storage),
            ("updates/dkms/ahci.ko.xz", Class::Other),
        ] {
            assert_eq!(class_at(path), class, "{path}");
        }
    }

    #[test]
    fn where_the_folder_says_nothing_imports_decide() {
        for (path, import, class) in [
            ("updates/dkms/raid.ko.xz", "scsi_host_alloc", Class::Storage),
            ("updates/dkms/screen.ko", "drm_dev_register", Class::Display),
            ("extra/card.ko", "register_netdev", Class::Network),
            ("extra/odd.ko", "printk", Class::Other),
            ("kernel/drivers/net/x.ko", "scsi_host_alloc", Class::Network),
        ] {
            assert_eq!(class_by(path, &BTreeSet::from([import.to_owned()])), class, "{path}");
        }
    }
}
