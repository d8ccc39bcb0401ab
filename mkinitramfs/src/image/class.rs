//! What a module is for, told by the folder of its file.
//!
//! Specification: the layout of Linux's source tree, which module trees have.

use turnout::drivers::class::Class;

/// The first folder that fits decides: the more particular ones come first.
const FOLDERS: &[(&str, Class)] = &[
    ("kernel/drivers/hv/", Class::Hypervisor),
    ("kernel/drivers/xen/", Class::Hypervisor),
    ("kernel/drivers/virtio/", Class::Hypervisor),
    ("kernel/drivers/usb/storage/", Class::Storage),
    ("kernel/drivers/usb/serial/", Class::Serial),
    ("kernel/drivers/usb/", Class::Usb),
    ("kernel/drivers/mmc/", Class::Mmc),
    ("kernel/drivers/hid/", Class::Keyboard),
    ("kernel/drivers/input/keyboard/", Class::Keyboard),
    ("kernel/drivers/input/", Class::Keyboard),
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
    ("kernel/fs/nls/", Class::FileSystem),
    ("kernel/fs/", Class::FileSystem),
];

/// What the module at this path below its tree is for.
#[must_use]
pub fn class_of(path: &str) -> Class {
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
            ("kernel/lib/crc16.ko", Class::Other),
        ] {
            assert_eq!(class_of(path), class, "{path}");
        }
    }
}
