//! What a first kernel needs built in, by class of hardware: [`CLASSES`].
//!
//! The one list of it: `mkinitramfs check --fragment` prints it as a configuration,
//! `mkinitramfs check --config --class` holds a configuration against it, and
//! docs/first-kernel.md shows its words, which a test compares. What a boot
//! environment must have or must not have, whatever it runs on, is in `hardening`.
//!
//! Specification: the Kconfig files of Linux 6.12, whose names these are.

use anyhow::{Result, bail};
use turnout::base::arch::Arch;

use super::hardening::{Rule, Value};

/// What one kind of hardware or of file system needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// The word for it on the command line.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Whether it is meant if nobody names any.
    pub usual: bool,
    needs: &'static [Need],
}

/// Options that are all built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Need {
    arch: Option<Arch>,
    why: &'static str,
    options: &'static [(&'static str, Value)],
}

/// Options, each built in.
macro_rules! built_in {
    ($($name:literal),+ $(,)?) => { &[$(($name, Value::Yes)),+] };
}

macro_rules! need {
    ($arch:expr, $why:literal, $($name:literal),+ $(,)?) => {
        Need { arch: $arch, why: $why, options: built_in!($($name),+) }
    };
}

const BOTH: Option<Arch> = None;
const PC: Option<Arch> = Some(Arch::X86_64);
const ARM: Option<Arch> = Some(Arch::Aarch64);

/// Every class, in the order of the document.
pub const CLASSES: &[Class] = &[
    Class {
        name: "base",
        about: "what every first kernel has",
        usual: true,
        needs: &[
            need!(BOTH, "only with it the options below can be chosen", "EXPERT"),
            need!(BOTH, "flash is small", "CC_OPTIMIZE_FOR_SIZE"),
            need!(BOTH, "what STACKPROTECTOR_STRONG hangs on", "STACKPROTECTOR"),
            need!(PC, "what RANDOMIZE_BASE hangs on", "RELOCATABLE"),
            need!(PC, "the processor", "64BIT", "X86_64", "SMP"),
            need!(ARM, "the processor", "ARM64", "SMP"),
            need!(
                PC,
                "processors that the firmware has put into this mode do not leave it",
                "X86_X2APIC"
            ),
            need!(PC, "every PC and every virtual machine describes itself so", "ACPI"),
            need!(BOTH, "nearly every disk is below PCI", "PCI", "PCI_MSI"),
            need!(ARM, "PCI of virtual machines and of servers", "PCI_HOST_GENERIC", "PCI_ECAM"),
            need!(
                PC,
                "the machine's maker and model, for entries that are for some machines only",
                "DMI",
                "DMIID"
            ),
            need!(
                PC,
                "the next kernel is told the firmware's own map of memory",
                "FIRMWARE_MEMMAP"
            ),
            need!(PC, "one of the two calls that start the next kernel", "KEXEC"),
            need!(
                ARM,
                "one of the two calls that start the next kernel; without sleep there is neither",
                "SUSPEND",
                "KEXEC"
            ),
            need!(ARM, "processors are stopped before the jump", "HOTPLUG_CPU"),
            need!(BOTH, "what PID 1 says, and what the kernel says", "PRINTK", "BUG"),
            need!(
                BOTH,
                "PID 1 is a program with threads",
                "BINFMT_ELF",
                "MULTIUSER",
                "FUTEX",
                "POSIX_TIMERS",
                "ADVISE_SYSCALLS"
            ),
            need!(BOTH, "PID 1 waits by these", "EPOLL", "EVENTFD", "SIGNALFD", "TIMERFD"),
            need!(BOTH, "the kernel tells of new devices by netlink", "NET"),
            need!(BOTH, "memory files and /run", "SHMEM"),
            need!(BOTH, "kernel.kexec_load_disabled and what ends a panic", "PROC_SYSCTL"),
            need!(BOTH, "clocks that count milliseconds", "HIGH_RES_TIMERS"),
            need!(
                BOTH,
                "disks, and tables of partitions",
                "BLOCK",
                "PARTITION_ADVANCED",
                "MSDOS_PARTITION"
            ),
            need!(
                PC,
                "devices reach only memory that they are given",
                "PCI_MSI",
                "INTEL_IOMMU",
                "IRQ_REMAP"
            ),
            need!(ARM, "devices reach only memory that they are given", "ARM_SMMU", "ARM_SMMU_V3"),
            need!(PC, "packed as small as it can be", "KERNEL_XZ"),
        ],
    },
    Class {
        name: "efi",
        about: "started by EFI: variables, ACPI and SMBIOS come from it",
        usual: true,
        needs: &[
            need!(BOTH, "the kernel is a program of EFI", "EFI", "EFI_STUB"),
            need!(
                BOTH,
                "variables: which entry boots, and what the next system is told",
                "EFIVAR_FS"
            ),
            need!(PC, "the next kernel can call EFI too", "EFI_RUNTIME_MAP"),
            need!(ARM, "servers describe themselves so", "ACPI", "DMI"),
            need!(
                ARM,
                "unpacks itself: a kernel for aarch64 is not packed otherwise",
                "EFI_ZBOOT",
                "KERNEL_ZSTD"
            ),
        ],
    },
    Class {
        name: "initrd",
        about: "an image beside the kernel, packed; one that is built in needs none of it",
        usual: true,
        needs: &[need!(
            BOTH,
            "what mkinitramfs --compress packs with",
            "RD_GZIP",
            "RD_XZ",
            "RD_ZSTD"
        )],
    },
    Class {
        name: "errata",
        about: "what is wrong with processors",
        usual: true,
        needs: &[need!(
            ARM,
            "else machines with these processors fail now and then",
            "ARM64_ERRATUM_826319",
            "ARM64_ERRATUM_827319",
            "ARM64_ERRATUM_824069",
            "ARM64_ERRATUM_819472",
            "ARM64_ERRATUM_832075",
            "ARM64_ERRATUM_843419",
            "ARM64_ERRATUM_1024718",
            "ARM64_ERRATUM_1165522",
            "ARM64_ERRATUM_1319367",
            "ARM64_ERRATUM_1530923",
            "ARM64_ERRATUM_1463225",
            "ARM64_ERRATUM_1508412",
            "ARM64_ERRATUM_2051678",
            "ARM64_ERRATUM_2077057",
            "ARM64_ERRATUM_2658417",
            "ARM64_ERRATUM_2054223",
            "ARM64_ERRATUM_2067961",
            "ARM64_ERRATUM_2645198",
            "ARM64_ERRATUM_2966298",
            "ARM64_ERRATUM_3117295",
            "ARM64_ERRATUM_3194386",
            "CAVIUM_ERRATUM_22375",
            "CAVIUM_ERRATUM_23154",
            "CAVIUM_ERRATUM_27456",
            "CAVIUM_ERRATUM_30115",
            "CAVIUM_TX2_ERRATUM_219",
            "FUJITSU_ERRATUM_010001",
            "HISILICON_ERRATUM_161600802",
            "QCOM_FALKOR_ERRATUM_1003",
            "QCOM_FALKOR_ERRATUM_1009",
            "QCOM_QDF2400_ERRATUM_0065",
            "QCOM_FALKOR_ERRATUM_E1041",
            "NVIDIA_CARMEL_CNP_ERRATUM",
            "ROCKCHIP_ERRATUM_3588001",
            "SOCIONEXT_SYNQUACER_PREITS"
        )],
    },
    Class {
        name: "nvme",
        about: "NVMe",
        usual: true,
        needs: &[need!(BOTH, "disks on NVMe", "BLK_DEV_NVME")],
    },
    Class {
        name: "ahci",
        about: "SATA",
        usual: true,
        needs: &[
            need!(BOTH, "disks on SATA", "SCSI", "BLK_DEV_SD", "ATA", "SATA_AHCI"),
            need!(ARM, "controllers of boards", "SATA_AHCI_PLATFORM"),
        ],
    },
    Class {
        name: "ide",
        about: "older controllers of SATA and IDE",
        usual: false,
        needs: &[need!(
            BOTH,
            "disks behind controllers without AHCI",
            "SCSI",
            "BLK_DEV_SD",
            "ATA",
            "ATA_SFF",
            "ATA_BMDMA",
            "ATA_PIIX",
            "SATA_NV",
            "SATA_SIL",
            "SATA_VIA",
            "PATA_AMD",
            "PATA_VIA"
        )],
    },
    Class {
        name: "raid",
        about: "RAID controllers and HBAs of servers",
        usual: false,
        needs: &[
            need!(
                BOTH,
                "disks behind SAS",
                "SCSI",
                "SCSI_LOWLEVEL",
                "BLK_DEV_SD",
                "MEGARAID_SAS",
                "SCSI_MPT3SAS",
                "SCSI_MPI3MR",
                "SCSI_AACRAID",
                "SCSI_HPSA",
                "SCSI_SMARTPQI"
            ),
            need!(
                BOTH,
                "older ones, as virtual machines have them",
                "FUSION",
                "FUSION_SAS",
                "FUSION_SPI",
                "SCSI_SYM53C8XX_2"
            ),
        ],
    },
    Class {
        name: "usb",
        about: "USB: its controllers, sticks and disks",
        usual: true,
        needs: &[
            need!(
                BOTH,
                "controllers",
                "USB_SUPPORT",
                "USB",
                "USB_PCI",
                "USB_XHCI_HCD",
                "USB_EHCI_HCD",
                "USB_OHCI_HCD",
                "USB_UHCI_HCD"
            ),
            need!(ARM, "controllers of boards", "USB_XHCI_PLATFORM", "USB_DWC3"),
            need!(BOTH, "sticks and disks", "SCSI", "BLK_DEV_SD", "USB_STORAGE", "USB_UAS"),
        ],
    },
    Class {
        name: "keyboard",
        about: "keyboards",
        usual: true,
        needs: &[
            need!(
                BOTH,
                "by USB",
                "INPUT",
                "HID_SUPPORT",
                "HID",
                "HID_GENERIC",
                "USB_SUPPORT",
                "USB",
                "USB_HID"
            ),
            need!(
                PC,
                "by PS/2, which laptops and virtual machines have",
                "INPUT_KEYBOARD",
                "KEYBOARD_ATKBD",
                "SERIO",
                "SERIO_I8042"
            ),
        ],
    },
    Class {
        name: "mmc",
        about: "SD cards and eMMC",
        usual: true,
        needs: &[
            need!(
                BOTH,
                "cards and controllers on PCI",
                "MMC",
                "MMC_BLOCK",
                "MMC_SDHCI",
                "MMC_SDHCI_PCI"
            ),
            need!(PC, "controllers that ACPI describes", "MMC_SDHCI_ACPI"),
            need!(
                ARM,
                "controllers of boards; those of a chip are its own",
                "MMC_SDHCI_PLTFM",
                "MMC_DW"
            ),
        ],
    },
    Class {
        name: "ufs",
        about: "UFS",
        usual: false,
        needs: &[need!(
            BOTH,
            "disks on UFS",
            "SCSI",
            "BLK_DEV_SD",
            "SCSI_UFSHCD",
            "SCSI_UFSHCD_PCI"
        )],
    },
    Class {
        name: "virtio",
        about: "virtual machines of KVM and QEMU",
        usual: true,
        needs: &[
            need!(
                BOTH,
                "disks",
                "VIRTIO_MENU",
                "VIRTIO_PCI",
                "BLK_DEV",
                "VIRTIO_BLK",
                "SCSI",
                "SCSI_LOWLEVEL",
                "BLK_DEV_SD",
                "SCSI_VIRTIO"
            ),
            need!(BOTH, "devices without PCI", "VIRTIO_MMIO"),
            need!(
                PC,
                "time that does not stand still",
                "HYPERVISOR_GUEST",
                "PARAVIRT",
                "KVM_GUEST"
            ),
        ],
    },
    Class {
        name: "hyperv",
        about: "virtual machines of Hyper-V and Azure",
        usual: false,
        needs: &[
            need!(PC, "the hypervisor", "HYPERVISOR_GUEST", "HYPERV"),
            need!(ARM, "the hypervisor, which is found by EFI's tables", "ACPI", "HYPERV"),
            need!(
                BOTH,
                "disks and the keyboard",
                "PCI_HYPERV",
                "SCSI",
                "SCSI_LOWLEVEL",
                "BLK_DEV_SD",
                "HYPERV_STORAGE",
                "INPUT",
                "SERIO",
                "HYPERV_KEYBOARD"
            ),
        ],
    },
    Class {
        name: "vmware",
        about: "virtual machines of VMware",
        usual: false,
        needs: &[need!(PC, "disks", "SCSI", "SCSI_LOWLEVEL", "BLK_DEV_SD", "VMWARE_PVSCSI")],
    },
    Class {
        name: "ext4",
        about: "ext2, ext3 and ext4",
        usual: true,
        needs: &[need!(
            BOTH,
            "partitions that installers make for /boot",
            "EXT4_FS",
            "EXT4_USE_FOR_EXT2"
        )],
    },
    Class {
        name: "vfat",
        about: "FAT: EFI system partitions, sticks and cards",
        usual: true,
        needs: &[need!(
            BOTH,
            "the file system, and the character sets of its names",
            "VFAT_FS",
            "NLS_CODEPAGE_437",
            "NLS_ISO8859_1",
            "NLS_ASCII"
        )],
    },
    Class {
        name: "xfs",
        about: "XFS",
        usual: false,
        needs: &[need!(BOTH, "/boot of Red Hat's family", "XFS_FS")],
    },
    Class {
        name: "btrfs",
        about: "Btrfs",
        usual: false,
        needs: &[need!(BOTH, "/boot of SUSE and Fedora", "BTRFS_FS")],
    },
    Class {
        name: "f2fs",
        about: "F2FS",
        usual: false,
        needs: &[need!(BOTH, "file systems for flash", "F2FS_FS")],
    },
    Class {
        name: "iso9660",
        about: "CDs",
        usual: false,
        needs: &[need!(
            BOTH,
            "CDs and images of them",
            "BLK_DEV",
            "SCSI",
            "BLK_DEV_SR",
            "ISO9660_FS",
            "JOLIET"
        )],
    },
    Class {
        name: "squashfs",
        about: "SquashFS",
        usual: false,
        needs: &[need!(
            BOTH,
            "images that are never written",
            "MISC_FILESYSTEMS",
            "SQUASHFS",
            "SQUASHFS_XZ",
            "SQUASHFS_ZSTD"
        )],
    },
    Class {
        name: "erofs",
        about: "EROFS",
        usual: false,
        needs: &[need!(BOTH, "images that are never written", "MISC_FILESYSTEMS", "EROFS_FS")],
    },
    Class {
        name: "screen",
        about: "the menu on a screen",
        usual: true,
        needs: &[
            need!(BOTH, "terminals on it", "TTY", "VT", "VT_CONSOLE"),
            need!(PC, "text, where the firmware has left the screen in it", "VGA_CONSOLE"),
            need!(
                PC,
                "the picture that the firmware, a boot loader or coreboot has set up",
                "SYSFB_SIMPLEFB"
            ),
            need!(
                BOTH,
                "that picture's driver: none touches the hardware",
                "FB",
                "FB_SIMPLE",
                "FRAMEBUFFER_CONSOLE"
            ),
        ],
    },
    Class {
        name: "serial",
        about: "the menu on a serial line",
        usual: true,
        needs: &[
            need!(
                BOTH,
                "the lines of PCs and of many boards",
                "TTY",
                "SERIAL_8250",
                "SERIAL_8250_CONSOLE"
            ),
            need!(PC, "those that ACPI describes", "PNP", "SERIAL_8250_PNP"),
            need!(
                ARM,
                "those of Arm",
                "SERIAL_AMBA_PL011",
                "SERIAL_AMBA_PL011_CONSOLE",
                "SERIAL_OF_PLATFORM",
                "SERIAL_8250_DW"
            ),
        ],
    },
    Class {
        name: "tpm",
        about: "a TPM, to measure what boots",
        usual: true,
        needs: &[
            need!(BOTH, "the firmware's log of what it measured", "SECURITYFS"),
            need!(BOTH, "by its registers", "TCG_TPM", "TCG_TIS"),
            need!(PC, "by memory", "TCG_CRB"),
        ],
    },
    Class {
        name: "watchdog",
        about: "watchdogs",
        usual: true,
        needs: &[
            need!(
                BOTH,
                "PID 1 serves it, and asks it for the time left",
                "WATCHDOG",
                "WATCHDOG_SYSFS"
            ),
            need!(
                PC,
                "those of chipsets, and those that ACPI describes",
                "ITCO_WDT",
                "SP5100_TCO",
                "WDAT_WDT"
            ),
            need!(BOTH, "that of virtual machines", "I6300ESB_WDT"),
            need!(ARM, "those of servers and of boards", "ARM_SBSA_WATCHDOG", "DW_WATCHDOG"),
        ],
    },
    Class {
        name: "lockdown",
        about: "only kernels that are signed for kexec_file_load; docs/hardening.md says when",
        usual: false,
        needs: &[
            need!(
                BOTH,
                "the kernel keeps itself from PID 1",
                "SECURITY",
                "SECURITYFS",
                "SECURITY_LOCKDOWN_LSM",
                "SECURITY_LOCKDOWN_LSM_EARLY",
                "LOCK_DOWN_KERNEL_FORCE_INTEGRITY"
            ),
            need!(BOTH, "the call that knows signatures", "KEXEC_FILE", "KEXEC_SIG"),
            need!(
                BOTH,
                "without modules nothing else brings the verifier of signatures along",
                "FS_VERITY",
                "FS_VERITY_BUILTIN_SIGNATURES"
            ),
            need!(
                BOTH,
                "keys: SYSTEM_TRUSTED_KEYS names the file with yours",
                "KEYS",
                "ASYMMETRIC_KEY_TYPE",
                "ASYMMETRIC_PUBLIC_KEY_SUBTYPE",
                "X509_CERTIFICATE_PARSER",
                "PKCS7_MESSAGE_PARSER",
                "SYSTEM_TRUSTED_KEYRING",
                "CRYPTO_RSA",
                "SIGNED_PE_FILE_VERIFICATION"
            ),
            need!(PC, "signatures of a bzImage", "KEXEC_BZIMAGE_VERIFY_SIG"),
        ],
    },
];

impl Class {
    /// The class that is in every first kernel.
    pub const BASE: &'static str = "base";
    /// The class of firmware that is EFI.
    pub const EFI: &'static str = "efi";

    /// Every class that a kernel of this architecture can have.
    pub fn all(arch: Arch) -> impl Iterator<Item = &'static Self> {
        CLASSES.iter().filter(move |class| class.rules(arch).next().is_some())
    }

    fn is_among(&self, words: &[String]) -> bool {
        words.iter().any(|word| word == self.name)
    }

    fn is_meant(&self, named: &[String]) -> bool {
        let is_chosen = if named.is_empty() { self.usual } else { self.is_among(named) };
        self.name == Self::BASE || is_chosen
    }

    /// What it requires of a kernel of this architecture.
    pub fn rules(&self, arch: Arch) -> impl Iterator<Item = Rule> + use<> {
        let needs = self.needs.iter().filter(move |need| need.arch.is_none_or(|own| own == arch));
        needs.flat_map(|need| {
            let Need { arch, why, options } = *need;
            options.chunks(1).map(move |wanted| Rule { wanted, arch, why })
        })
    }
}

/// The classes that somebody names for this architecture, the base before all others,
/// each once and in the order of the table; the usual ones if none is named.
///
/// # Errors
/// A word that is no class, and a class that the architecture does not have.
pub fn chosen(arch: Arch, named: &[String], without: &[String]) -> Result<Vec<&'static Class>> {
    for word in named.iter().chain(without) {
        known(arch, word)?;
    }
    if without.iter().any(|word| word == Class::BASE) {
        bail!("every first kernel has the class {}", Class::BASE);
    }
    let classes = Class::all(arch).filter(|class| class.is_meant(named));
    Ok(classes.filter(|class| !class.is_among(without)).collect())
}

/// What some classes require of a kernel of this architecture.
#[must_use]
pub fn rules(arch: Arch, classes: &[&Class]) -> Vec<Rule> {
    classes.iter().flat_map(|class| class.rules(arch)).collect()
}

fn known(arch: Arch, word: &str) -> Result<()> {
    if Class::all(arch).any(|class| class.name == word) {
        return Ok(());
    }
    let words: Vec<&str> = Class::all(arch).map(|class| class.name).collect();
    bail!("there is no class {word} for {arch}; there are {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const DOCUMENT: &str = include_str!("../../../docs/first-kernel.md");

    /// The architectures that have a class.
    fn archs(class: &Class) -> &'static str {
        match [Arch::X86_64, Arch::Aarch64].map(|arch| class.rules(arch).next().is_some()) {
            [true, true] => "both",
            [true, false] => "x86_64",
            _ => "aarch64",
        }
    }

    #[test]
    fn the_document_shows_every_class_in_order_and_no_other() {
        let rows: Vec<String> = CLASSES
            .iter()
            .map(|class| {
                let usual = if class.usual { "yes" } else { "no" };
                format!("| `{}` | {} | {} | {usual} |", class.name, class.about, archs(class))
            })
            .collect();
        let (_, table) = DOCUMENT.split_once("| class | for | on | usual |").unwrap();
        let shown: Vec<&str> = table.lines().skip(2).take_while(|line| !line.is_empty()).collect();
        assert_eq!(shown, rows);
    }

    #[test]
    fn words_of_classes_are_all_different() {
        let words: BTreeSet<&str> = CLASSES.iter().map(|class| class.name).collect();
        assert_eq!(words.len(), CLASSES.len());
    }
}
