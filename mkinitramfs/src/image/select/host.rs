//! An image for the machine that it is built on: drivers of its devices, and the file
//! systems that its boot menu lies on.

use std::path::Path;

use anyhow::{Result, ensure};
use turnout::drivers::class::Class;

use crate::image::modules::Tree;
use crate::image::suffix::canonical;

use super::left_out::needs;
use super::rules::{self, Named};
use super::sysfs::{self, Device, Mount};
use super::{Picks, when_met};

/// Of what no driver has, the devices that a machine may boot by.
const CLASSES: [Class; 8] = [
    Class::Storage,
    Class::Usb,
    Class::Mmc,
    Class::Hypervisor,
    Class::Keyboard,
    Class::Tpm,
    Class::Watchdog,
    Class::Platform,
];

const NETWORK: &str = "network";
const GRAPHICS: &str = "graphics";
const SOUND: &str = "sound and video";

/// What a machine does not boot by, by the classes that PCI devices say of themselves
/// (PCI Code and ID Assignment Specification, section 1).
const OF_PCI: [(&str, &str); 3] = [("bc02sc", NETWORK), ("bc03sc", GRAPHICS), ("bc04sc", SOUND)];

/// The same by the drivers' folders.
const OF_FOLDERS: [(&str, &str); 3] =
    [("/sound/", SOUND), ("/drivers/media/", SOUND), ("/drivers/bluetooth/", NETWORK)];

/// Below these boot menus and EFI's system partition are mounted.
const MENUS: [&str; 3] = ["/boot", "/efi", "/esp"];

/// EFI's system partition is FAT whether it is mounted or not, and so are sticks.
const FAT: Named = Named { modules: &["vfat"], why: "EFI system partitions and sticks" };

const ONLY_HERE: &str = "built for this machine: on another one it may find no disk";

/// Modules for the machine whose `/` is at `root`.
///
/// # Errors
/// It has no sysfs, or a module cannot be read.
pub fn host(tree: &Tree, root: &Path) -> Result<Picks> {
    let mut picks = Picks::default();
    for named in [rules::DISKS, rules::COMMON_KEYBOARDS, rules::USB_DISKS, FAT] {
        add_named(tree, &named, &mut picks);
    }
    if root.join("sys/firmware/efi").is_dir() {
        add_named(tree, &rules::EFI, &mut picks);
    }
    for device in sysfs::devices(root)? {
        add_drivers(tree, &device, &mut picks)?;
    }
    add_menus(tree, root, &mut picks)?;
    picks.notes.extend(picks.wanted.iter().map(|one| format!("{}: {}", one.word, one.why)));
    picks.notes.sort();
    picks.notes.dedup();
    picks.notes.push(ONLY_HERE.to_owned());
    Ok(picks)
}

fn add_named(tree: &Tree, named: &Named, picks: &mut Picks) {
    let there = named.modules.iter().filter(|name| tree.has_module(name));
    picks.wanted.extend(there.map(|name| when_met(name, named.why)));
}

/// The driver that the device has, or else those that say they are for it: without one,
/// and where the running kernel has it and the tree's has not.
fn add_drivers(tree: &Tree, device: &Device, picks: &mut Picks) -> Result<()> {
    let why = format!("device {}", device.name);
    let Some(module) = &device.module else {
        if !device.is_bound || tree.builtin_matching(&device.modalias).is_empty() {
            add_matching(tree, device, &why, picks)?;
        }
        return Ok(());
    };
    let name = canonical(module);
    if tree.has_module(&name) {
        match idle(tree, &name, device)? {
            Some(what) => picks.notes.push(format!("{name}: left out, it is for {what}")),
            None => picks.wanted.push(when_met(&name, &why)),
        }
    } else if !tree.has_builtin(&name) && !add_matching(tree, device, &why, picks)? {
        picks.notes.push(format!("{name}: this kernel does not have it, for {why}"));
    }
    Ok(())
}

/// Whether any driver says that it is for the device.
fn add_matching(tree: &Tree, device: &Device, why: &str, picks: &mut Picks) -> Result<bool> {
    let mut is_found = false;
    for name in tree.matching(&device.modalias)? {
        if tree.has_module(&name) && CLASSES.contains(&tree.facts(&name)?.class) {
            picks.wanted.push(when_met(&name, why));
            is_found = true;
        }
    }
    Ok(is_found)
}

/// What a device and its driver do, if a machine does not boot by it. It is not asked the
/// other way round: a disk can hang on what no list has.
fn idle(tree: &Tree, name: &str, device: &Device) -> Result<Option<&'static str>> {
    let module = tree.facts(name)?;
    if CLASSES.contains(&module.class) {
        return Ok(None);
    }
    let is_pci = device.modalias.starts_with("pci:");
    let by_pci = OF_PCI.iter().find(|(class, _)| is_pci && device.modalias.contains(class));
    let by_folder = OF_FOLDERS.iter().find(|(folder, _)| module.path.contains(folder));
    if let Some((_, what)) = by_pci.or(by_folder) {
        return Ok(Some(what));
    }
    for (class, what) in [(Class::Network, NETWORK), (Class::Display, GRAPHICS)] {
        if needs(tree, name, &[class])? {
            return Ok(Some(what));
        }
    }
    Ok(None)
}

/// File systems of boot menus, and of `/` where there is no other.
fn add_menus(tree: &Tree, root: &Path, picks: &mut Picks) -> Result<()> {
    wake_automounts(root);
    let mounts = sysfs::mounts(root)?;
    let mut menus: Vec<_> = mounts.iter().filter(|mount| is_menu(&mount.point)).collect();
    if !menus.iter().any(|mount| mount.point == "/boot") {
        menus.extend(mounts.iter().filter(|mount| mount.point == "/"));
    }
    // One that has not woken has no file system.
    menus.retain(|mount| mount.kind != "autofs");
    ensure!(!menus.is_empty(), "{} says of no file system that it has /boot", root.display());
    menus.into_iter().try_for_each(|menu| add_menu(tree, root, menu, picks))
}

/// Such as `/boot/firmware` of a Raspberry Pi, too.
fn is_menu(point: &str) -> bool {
    MENUS.iter().any(|menu| point.strip_prefix(menu).is_some_and(is_at_or_below))
}

fn is_at_or_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// What is mounted when somebody looks is looked at. Where there is nothing, nothing is
/// to be done.
fn wake_automounts(root: &Path) {
    for point in ["boot/.", "boot/efi/.", "efi/.", "esp/."] {
        drop(std::fs::read_dir(root.join(point)));
    }
}

/// PID 1 and the kernel have one driver for these.
fn driver_of(kind: &str) -> &str {
    match kind {
        "ext2" | "ext3" => "ext4",
        "msdos" => "vfat",
        _ => kind,
    }
}

fn add_menu(tree: &Tree, root: &Path, menu: &Mount, picks: &mut Picks) -> Result<()> {
    let Mount { kind, point, .. } = menu;
    let driver = driver_of(kind);
    if tree.has_module(driver) {
        picks.wanted.push(when_met(driver, &format!("file system of {point}")));
    } else if tree.has_builtin(driver) {
        picks.notes.push(format!("{driver}: built in, file system of {point}"));
    } else {
        let dir = tree.dir().display();
        let lack =
            format!("{point} is {kind}, and {driver} is neither a module in {dir} nor built in");
        // Without EFI's partition there is still the menu in /boot.
        ensure!(!["/boot", "/"].contains(&point.as_str()), "{lack}");
        picks.notes.push(lack);
    }
    for disk in sysfs::block_devices(root, menu) {
        let folder = root.join("sys/class/block").join(&disk);
        if folder.join("md").is_dir() && tree.has_module("loop") {
            picks.wanted.push(when_met("loop", &format!("{point} is on the mirror {disk}")));
        }
        if folder.join("dm").is_dir() {
            picks.notes.push(format!("{point} is on {disk}, of LVM or LUKS, which is not opened"));
        }
    }
    Ok(())
}
