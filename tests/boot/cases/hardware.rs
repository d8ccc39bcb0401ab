//! One image, in which no module is named, on machines that it was not made for: the disk
//! on every bus that QEMU has (docs/hardware.md), and in every file system.
//!
//! Every disk of a machine with many has its own signed entry in one menu; each is tried,
//! and the one that can boot is on another bus on each machine. That every bus boots by
//! itself is for the long run.

use super::{AARCH64, BOTH, Boot, Case, Expect, Further, PLAIN, Partitions, X86_64, long, nothing};
use std::path::PathBuf;
use turnout::base::arch::Arch;
use turnout_qemu::disk::Content;
use turnout_qemu::guest::Flavour;
use turnout_qemu::machine::{Bus, MICROVM, Scsi, Shape};

const UNSEEN: Boot = Boot {
    flavour: Flavour::Generic13,
    universal: true,
    config: "scan all\nwait 60\nreset-delay 1\nattempts 1\n",
    loader_conf: "timeout menu-force\n",
    compress: "none",
    ..PLAIN
};
const PC: Shape = Shape { board: Some("pc"), ..Shape::USUAL };

const NO_PCI: Shape = Shape { board: Some(MICROVM), ..Shape::USUAL };

const fn on(id: &'static str, bus: Bus, holds: fn(PathBuf) -> Content) -> Further {
    Further { id, bus, holds }
}

const fn reads(name: &'static str, archs: &'static [Arch], boot: Boot) -> Case {
    Case { name, archs, boot, change: nothing, expect: Expect::Reads }
}

const fn alone(name: &'static str, archs: &'static [Arch], boot: Boot) -> Case {
    let boot = Boot { loader_conf: PLAIN.loader_conf, long: true, ..boot };
    Case { name, archs, boot, change: nothing, expect: Expect::Boots { after: &[] } }
}

/// A disk of each kind by itself, on both kernels.
macro_rules! each_alone {
    ($($name:literal, $archs:expr, $boot:expr;)*) => {
        &[$(
            alone(
                concat!($name, "_alone_with_linux_6_1"),
                $archs,
                Boot { flavour: Flavour::Generic, ..$boot },
            ),
            alone(concat!($name, "_alone_with_linux_6_12"), $archs, $boot),
        )*]
    };
}

const fn by(bus: Bus) -> Boot {
    Boot { bus: Some(bus), ..UNSEEN }
}

const fn holding(file_system: fn(PathBuf) -> Content) -> Boot {
    Boot { partitions: Partitions::Holding(file_system), ..by(Bus::Nvme) }
}

/// A file system with blocks as long as the disk's.
const UFS: Boot = Boot { partitions: Partitions::Only(Content::F2fs), ..by(Bus::Ufs) };

pub(super) const ALONE: &[Case] = each_alone! {
    "nvme", BOTH, by(Bus::Nvme);
    "ahci", BOTH, by(Bus::Ahci);
    "virtio_blk", BOTH, by(Bus::Virtio);
    "virtio_scsi", BOTH, by(Bus::Scsi(Scsi::Virtio));
    "megasas", BOTH, by(Bus::Scsi(Scsi::Megasas));
    "mptsas1068", BOTH, by(Bus::Scsi(Scsi::Mptsas));
    "lsi53c895a", BOTH, by(Bus::Scsi(Scsi::Lsi));
    "am53c974", X86_64, by(Bus::Scsi(Scsi::Am53c974));
    "pvscsi", X86_64, by(Bus::Scsi(Scsi::Pvscsi));
    "sd_card", BOTH, by(Bus::SdCard);
    "usb_storage", BOTH, by(Bus::UsbStorage);
    "usb_uas", BOTH, by(Bus::UsbUas);
    "ide", X86_64, Boot { shape: PC, ..by(Bus::Ide) };
    "virtio_mmio", AARCH64, by(Bus::VirtioMmio);
    "microvm", X86_64, Boot { shape: NO_PCI, ..by(Bus::VirtioMmio) };
    "xfs", BOTH, holding(Content::Xfs);
    "btrfs", BOTH, holding(Content::Btrfs);
    "f2fs", BOTH, holding(Content::F2fs);
    "vfat", BOTH, holding(Content::Fat);
};

pub(super) const CASES: &[Case] = &[
    reads(
        "disks_of_every_kind_on_one_machine",
        X86_64,
        Boot {
            further: &[
                on("nvme", Bus::Nvme, Content::Ext4),
                on("ahci", Bus::Ahci, Content::Xfs),
                on("virtio", Bus::Virtio, Content::Btrfs),
                on("virtio-scsi", Bus::Scsi(Scsi::Virtio), Content::F2fs),
                on("megasas", Bus::Scsi(Scsi::Megasas), Content::Ext4),
                on("mptsas", Bus::Scsi(Scsi::Mptsas), Content::Ext4),
                on("lsi", Bus::Scsi(Scsi::Lsi), Content::Ext4),
                on("am53c974", Bus::Scsi(Scsi::Am53c974), Content::Ext4),
                on("pvscsi", Bus::Scsi(Scsi::Pvscsi), Content::Ext4),
                on("sdcard", Bus::SdCard, Content::Fat),
                on("ufs", Bus::Ufs, Content::F2fs),
                on("uas", Bus::UsbUas, Content::Ext4),
            ],
            ..by(Bus::UsbStorage)
        },
    ),
    reads(
        "disks_of_many_kinds_on_a_board",
        AARCH64,
        Boot {
            further: &[
                on("ahci", Bus::Ahci, Content::Xfs),
                on("virtio", Bus::Virtio, Content::Btrfs),
                on("mmio", Bus::VirtioMmio, Content::Ext4),
                on("virtio-scsi", Bus::Scsi(Scsi::Virtio), Content::F2fs),
                on("megasas", Bus::Scsi(Scsi::Megasas), Content::Ext4),
                on("mptsas", Bus::Scsi(Scsi::Mptsas), Content::Ext4),
                on("lsi", Bus::Scsi(Scsi::Lsi), Content::Ext4),
                on("sdcard", Bus::SdCard, Content::Fat),
                on("ufs", Bus::Ufs, Content::F2fs),
                on("uas", Bus::UsbUas, Content::Ext4),
            ],
            ..by(Bus::Nvme)
        },
    ),
    long(reads(
        "disks_of_an_old_board",
        X86_64,
        Boot {
            flavour: Flavour::Generic,
            shape: PC,
            further: &[
                on("nvme", Bus::Nvme, Content::Btrfs),
                on("ahci", Bus::Ahci, Content::Ext4),
                on("lsi", Bus::Scsi(Scsi::Lsi), Content::F2fs),
                on("usb", Bus::UsbStorage, Content::Fat),
            ],
            ..by(Bus::Ide)
        },
    )),
    Case {
        name: "ufs_alone_with_linux_6_12",
        archs: BOTH,
        boot: Boot { loader_conf: PLAIN.loader_conf, long: true, ..UFS },
        change: nothing,
        expect: Expect::Boots { after: &[] },
    },
    Case {
        name: "a_controller_without_shutdown_is_left_before_the_jump",
        archs: X86_64,
        boot: Boot {
            flavour: Flavour::Generic13,
            modules: &["sym53c8xx", "sd_mod", "ext4"],
            bus: Some(Bus::Scsi(Scsi::Lsi)),
            ..PLAIN
        },
        change: nothing,
        expect: Expect::Boots { after: &["turnout: sym53c8xx is taken off 0000:"] },
    },
    Case {
        name: "a_controller_without_a_driver_is_named",
        archs: X86_64,
        boot: Boot {
            flavour: Flavour::Generic13,
            modules: &["ahci", "sd_mod"],
            bus: Some(Bus::Nvme),
            config: "wait 1\nreset-delay 1\nattempts 1\n",
            ..PLAIN
        },
        change: nothing,
        expect: Expect::Ends(&[
            "no boot partition (auto) after 1 s; block devices seen: none",
            "this device has no driver here: pci 1b36:0010 class 0108 (NVMe controller) at 0000:",
            "turnout: reset in ",
        ]),
    },
];
