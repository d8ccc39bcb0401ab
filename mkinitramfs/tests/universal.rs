//! `--universal` with whole module trees, of the kernels that the set-up has brought:
//! where there are none the tests pass, unless TURNOUT_TOOLS says that they should be
//! there.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use mkinitramfs::image::modules::Tree;
use mkinitramfs::image::select;

/// What the machines of docs/hardware.md find their disks, their file systems and their
/// keyboards by; or it is built in.
const EVERYWHERE: [&str; 32] = [
    "nvme",
    "ahci",
    "sd_mod",
    "virtio_blk",
    "virtio_scsi",
    "virtio_pci",
    "megaraid_sas",
    "mptsas",
    "sym53c8xx",
    "sdhci_pci",
    "mmc_block",
    "usb_storage",
    "uas",
    "xhci_pci",
    "ufshcd_pci",
    "ata_piix",
    "hv_storvsc",
    "xen_blkfront",
    "loop",
    "efivarfs",
    "ext4",
    "vfat",
    "xfs",
    "btrfs",
    "f2fs",
    "isofs",
    "nls_cp437",
    "hid_generic",
    "usbhid",
    "tpm_crb",
    "tpm_tis_spi",
    "i6300esb",
];

const PC_ALONE: [&str; 3] = ["am53c974", "vmw_pvscsi", "tpm_tis"];

/// What nobody asked for, and what no device ever asks for.
const NOWHERE: [&str; 8] =
    ["e1000e", "virtio_net", "i915", "ast", "qla2xxx", "lpfc", "softdog", "nls_utf8"];

fn tree(arch: &str) -> Option<Tree> {
    let cache = std::env::var_os("TURNOUT_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/turnout"));
    let dir = cache.or(home)?.join(arch).join("generic-13");
    if dir.is_dir() {
        return Some(Tree::open(&dir, None).unwrap());
    }
    assert!(std::env::var_os("TURNOUT_TOOLS").is_none(), "the set-up has brought no {arch} kernel");
    eprintln!("there is no {arch} kernel to choose from");
    None
}

fn check(arch: &str, more: &[&str]) {
    let Some(tree) = tree(arch) else { return };
    let picks = select::universal(&tree, &[]).unwrap();
    let selection = tree.select(&picks.wanted).unwrap();
    let packed: BTreeSet<_> = selection.modules.iter().map(|one| one.name.as_str()).collect();
    let is_there = |name: &str| packed.contains(name) || tree.has_builtin(name);
    let missing: Vec<_> = EVERYWHERE.iter().chain(more).filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "{arch}: {missing:?} are not in");
    let too_many: Vec<_> = NOWHERE.iter().filter(|name| packed.contains(**name)).collect();
    assert!(too_many.is_empty(), "{arch}: {too_many:?} are in");
    assert!(selection.modules.iter().all(|one| !one.always), "a device has to ask for each");
    let lpfc = picks.known.iter().find(|known| known.name() == "lpfc");
    assert!(lpfc.is_some(), "{arch}: what was left out can be named");
    let network = picks.notes.iter().find(|note| note.contains("disks of a storage network: "));
    assert!(network.is_some_and(|note| note.contains("lpfc")), "{arch}: {:?}", picks.notes);
}

#[test]
fn the_drivers_of_nearly_every_pc_are_in() {
    check("x86_64", &PC_ALONE);
}

#[test]
fn the_drivers_of_nearly_every_arm_machine_are_in() {
    check("aarch64", &["sdhci_iproc", "phy_rockchip_pcie"]);
}
