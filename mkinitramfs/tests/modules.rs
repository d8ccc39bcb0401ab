//! Which modules `mkinitramfs` takes: by whatever name, from whatever tree, and with
//! the partners without which a driver is of no use.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "others need the rest of it")]
mod common;
#[allow(dead_code, reason = "image.rs needs the rest of it")]
#[path = "common/elf.rs"]
mod elf;
#[path = "common/module.rs"]
mod module;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use mkinitramfs::image::modules::{Selection, Tree, Wanted};

use common::{Scratch, run, text};
use elf::{X86_64, init};
use module::{Driver, Module};

const MKINITRAMFS: &str = env!("CARGO_BIN_EXE_mkinitramfs");
const RELEASE: &str = "6.1.0-test";

/// Folder below the tree, fields of the module's information, and imports.
type Made<'a> = (&'a str, &'a str, &'a [&'a str]);

const STORAGE: [Made<'static>; 12] = [
    ("kernel/drivers/ata/ahci.ko", "depends=libata|alias=pci:v*d*sv*sd*bc01sc06i01*", &["x"]),
    ("kernel/drivers/ata/libata.ko", "", &["scsi_host_alloc"]),
    ("kernel/drivers/scsi/sd_mod.ko", "", &["scsi_register_driver"]),
    ("kernel/drivers/mmc/core/mmc_block.ko", "", &[]),
    ("kernel/drivers/mmc/host/sdhci-pci.ko", "", &["sdhci_alloc_host"]),
    ("kernel/drivers/usb/storage/usb-storage.ko", "", &["scsi_host_alloc", "usb_register_driver"]),
    ("kernel/drivers/usb/host/xhci-pci.ko", "", &["usb_hcd_pci_probe"]),
    ("kernel/drivers/usb/host/ehci-pci.ko", "", &["usb_hcd_pci_probe"]),
    ("kernel/drivers/hid/hid-generic.ko", "", &["__hid_register_driver"]),
    ("kernel/drivers/hid/hid-apple.ko", "", &["__hid_register_driver"]),
    ("kernel/drivers/hid/usbhid/usbhid.ko", "", &["hid_allocate_device", "usb_register_driver"]),
    ("kernel/fs/ext4/ext4.ko", "alias=fs-ext4|alias=ext3", &[]),
];

fn add(tree: &Scratch, modules: &[Made<'_>]) {
    for (path, info, imports) in modules {
        let module = Module { info, imports, driver: None };
        tree.write(&format!("tree/{path}"), module.bytes(RELEASE));
    }
}

fn storage() -> Scratch {
    let tree = Scratch::new();
    add(&tree, &STORAGE);
    tree
}

fn open(tree: &Scratch) -> Tree {
    Tree::open(&tree.path("tree"), None).unwrap()
}

fn select(tree: &Scratch, words: &[&str]) -> Selection {
    let wanted: Vec<_> = words.iter().map(|word| Wanted::named(word)).collect();
    open(tree).select(&wanted).unwrap()
}

#[track_caller]
fn refused(tree: &Scratch, word: &str) -> String {
    open(tree).select(&[Wanted::named(word)]).unwrap_err().to_string()
}

fn names(selection: &Selection) -> Vec<&str> {
    selection.modules.iter().map(|module| module.name.as_str()).collect()
}

/// Without it an image with ahci found no disk, and nobody was warned.
#[test]
fn a_controller_brings_the_driver_of_its_disks_and_says_so() {
    let tree = storage();
    let ahci = select(&tree, &["ahci"]);
    assert_eq!(names(&ahci), ["libata", "ahci", "sd_mod"]);
    assert_eq!(ahci.notes, ["sd_mod: disks of ahci need it"]);
    assert!(ahci.modules.iter().all(|module| module.always));
    assert_eq!(ahci.modules[0].why, "ahci needs it");
    assert_eq!(ahci.modules[2].why, "disks of ahci need it");
    assert_eq!(select(&tree, &["ahci", "sd_mod"]).notes, [""; 0]);
    assert_eq!(names(&select(&tree, &["sdhci_pci"])), ["sdhci_pci", "mmc_block"]);
    fs::remove_file(tree.path("tree/kernel/drivers/scsi/sd_mod.ko")).unwrap();
    let said = select(&tree, &["ahci"]).notes;
    assert_eq!(said, ["disks of ahci need sd_mod, which the kernel does not have"]);
    tree.write("tree/modules.builtin", "kernel/drivers/scsi/sd_mod.ko\n");
    assert_eq!(select(&tree, &["ahci"]).notes, [""; 0]);
}

#[test]
fn what_hangs_on_usb_brings_its_hosts_unless_one_is_named() {
    let tree = storage();
    let hosts = ["xhci_pci", "ehci_pci"];
    let stick = select(&tree, &["usb_storage"]);
    assert_eq!(names(&stick), ["usb_storage", "sd_mod", hosts[0], hosts[1]]);
    let named = select(&tree, &["usb_storage", "ehci_pci"]);
    assert_eq!(names(&named), ["usb_storage", "ehci_pci", "sd_mod"]);
    let keyboard = select(&tree, &["usbhid"]);
    assert_eq!(names(&keyboard), ["usbhid", "hid_generic", hosts[0], hosts[1]]);
    let apple = select(&tree, &["hid_apple"]);
    assert_eq!(names(&apple), ["hid_apple", "usbhid", "hid_generic", hosts[0], hosts[1]]);
}

#[test]
fn partners_of_what_a_device_asks_for_wait_for_one_too_and_are_not_talked_of() {
    let tree = storage();
    let wanted = Wanted { why: "class".to_owned(), always: false, ..Wanted::named("ahci") };
    let selection = open(&tree).select(std::slice::from_ref(&wanted)).unwrap();
    assert!(selection.modules.iter().all(|module| !module.always) && selection.notes.is_empty());
    let both = open(&tree).select(&[wanted, Wanted::named("libata")]).unwrap();
    let always = both.modules.iter().filter(|module| module.always).map(|one| one.name.as_str());
    assert!(always.eq(["libata", "sd_mod"]));
}

#[test]
fn a_word_may_be_an_alias_a_device_a_file_a_folder_or_a_class() {
    let tree = storage();
    let device = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01";
    let absolute = text(&tree.path("tree/kernel/fs/ext4/ext4.ko"));
    for (word, expected) in [
        ("fs-ext4", &["ext4"][..]),
        ("ext3", &["ext4"]),
        ("ext4.ko", &["ext4"]),
        ("kernel/fs/ext4/ext4.ko.xz", &["ext4"]),
        ("fs/ext4", &["ext4"]),
        (&absolute, &["ext4"]),
        ("@filesystem", &["ext4"]),
        (device, &["libata", "ahci", "sd_mod"]),
        ("kernel/drivers/ata/", &["libata", "ahci", "sd_mod"]),
    ] {
        assert_eq!(names(&select(&tree, &[word])), expected, "{word}");
    }
}

#[test]
fn depmods_list_answers_for_devices_without_a_look_at_the_modules() {
    let tree = storage();
    tree.write("tree/modules.alias", "alias pci:v00001234d* ext4\n");
    tree.write("tree/kernel/drivers/scsi/broken.ko", "no module");
    assert_eq!(names(&select(&tree, &["pci:v00001234d00000001"])), ["ext4"]);
    assert!(refused(&tree, "brokn").contains("needs brokn, which is neither in "));
    fs::remove_file(tree.path("tree/modules.alias")).unwrap();
    assert!(refused(&tree, "brokn").ends_with("; there is broken"), "the others are not read");
    assert!(refused(&tree, "pci:v00001234d00000001").ends_with("scsi/broken.ko"));
}

#[test]
fn a_word_for_nothing_is_refused_with_what_there_is() {
    let tree = storage();
    for (word, said) in [
        ("ahcy", "--module needs ahcy, which is neither in "),
        ("ahcy", "; there is ahci"),
        ("fs-ext5", "--module needs fs-ext5, which"),
        ("@disks", "there is no class @disks; there is @storage, @usb"),
        ("@network", " has no module of @network"),
        ("pci:v1", "is for pci:v1, nor built in"),
        ("kernel/drivers/net/", " has no module in kernel/drivers/net/"),
        ("kernel/fs/ext3.ko", "kernel/fs/ext3.ko is not in "),
        ("kernel/drivers/ahci.ko", " is kernel/drivers/ata/ahci.ko, not kernel/drivers/ahci.ko"),
    ] {
        let reason = refused(&tree, word);
        assert!(reason.contains(said), "{word}: {reason}");
    }
}

/// As distributions have them where modules.builtin is missing.
#[test]
fn what_is_built_in_is_known_from_the_kernels_information_alone() {
    let tree = storage();
    add(&tree, &[("kernel/drivers/input/atkbd.ko", "depends=i8042", &[])]);
    assert!(refused(&tree, "atkbd").starts_with("kernel/drivers/input/atkbd.ko needs i8042, "));
    let info = "i8042.file=drivers/input/serio/i8042\0xfs.alias=fs-xfs\0nvme.alias=pci:v*bc01*\0";
    tree.write("tree/modules.builtin.modinfo", info);
    assert_eq!(names(&select(&tree, &["atkbd"])), ["atkbd"]);
    assert_eq!(select(&tree, &["atkbd"]).modules[0].needs, [""; 0]);
    assert_eq!(select(&tree, &["i8042"]).notes, ["i8042: built into the kernel"]);
    assert_eq!(select(&tree, &["fs-xfs"]).notes, ["xfs: built into the kernel"]);
    assert_eq!(select(&tree, &["pci:v1bc01"]).notes, ["nvme: built into the kernel"]);
}

#[test]
fn an_update_takes_the_place_of_what_came_with_the_kernel() {
    let tree = storage();
    let info = "alias=pci:v*d*sv*sd*bc01sc06i01*";
    add(&tree, &[("updates/dkms/ahci.ko", info, &[]), ("extra/ext4.ko", "", &[])]);
    let selection = select(&tree, &["ahci"]);
    assert_eq!(selection.modules[0].path, "updates/dkms/ahci.ko");
    let note = "ahci: updates/dkms/ahci.ko is taken, not kernel/drivers/ata/ahci.ko";
    assert_eq!(selection.notes, [note]);
    assert_eq!(select(&tree, &["ext4"]).modules[0].path, "extra/ext4.ko");
    let other = Module::default().bytes("6.1.0-other");
    tree.write("tree/updates/old.ko", &other);
    assert_eq!(
        refused(&tree, "old"),
        "updates/old.ko is for kernel 6.1.0-other, not for 6.1.0-test"
    );
    tree.write("tree/weak-updates/weak.ko", &other);
    assert_eq!(names(&select(&tree, &["weak"])), ["weak"]);
}

/// NixOS and others have their folders linked together.
#[test]
fn a_linked_tree_is_a_tree() {
    let tree = storage();
    fs::create_dir_all(tree.path("root/lib/modules/6.1.0-test")).unwrap();
    symlink(tree.path("tree/kernel"), tree.path("root/lib/modules/6.1.0-test/kernel")).unwrap();
    symlink(tree.path("root"), tree.path("system")).unwrap();
    let opened = Tree::open(&tree.path("system"), None).unwrap();
    assert_eq!(opened.release(), RELEASE);
    assert_eq!(names(&opened.select(&[Wanted::named("ext4")]).unwrap()), ["ext4"]);
}

/// Where id_table is differs with the kernel, and what lies how far behind it does not.
#[test]
fn a_driver_of_pci_devices_without_a_shutdown_is_told() {
    let tree = storage();
    for (name, id_table, has_shutdown, is_probe_imported) in [
        ("quiet", 24, true, false),
        ("newer", 8, true, false),
        ("loud", 24, false, false),
        ("louder", 8, false, true),
    ] {
        let driver = Some(Driver { id_table, has_shutdown, is_probe_imported });
        let imports = &["probe_of_another", "__pci_register_driver"];
        let module = Module { info: "", imports, driver };
        tree.write(&format!("tree/kernel/{name}.ko"), module.bytes(RELEASE));
        let made = &select(&tree, &[name]).modules[0];
        assert_eq!(made.no_shutdown, !has_shutdown, "{name}");
    }
    assert!(!select(&tree, &["ext4"]).modules[0].no_shutdown);
}

#[test]
fn an_image_with_modules_and_without_efivarfs_says_what_that_costs() {
    let tree = storage();
    assert_eq!(select(&tree, &["ext4"]).notes, [""; 0]);
    add(&tree, &[("kernel/fs/efivarfs/efivarfs.ko", "", &[])]);
    let notes = select(&tree, &["ext4"]).notes;
    assert!(notes[0].starts_with("efivarfs: not packed; on a machine with EFI add "), "{notes:?}");
    assert_eq!(select(&tree, &["ext4", "efivarfs"]).notes, [""; 0]);
}

#[test]
fn the_release_is_that_of_the_modules_and_another_is_refused() {
    let tree = storage();
    tree.write("turnout-init", init(X86_64));
    let (binary, out) = (text(&tree.path("turnout-init")), text(&tree.path("out")));
    let dir = text(&tree.path("tree"));
    let fixed = ["--binary", &binary, "-o", &out, "--mode", "open"];
    let said = format!("modules of kernel {RELEASE} in {dir}\n");
    let named = [&fixed[..], &["--modules-dir", &dir, "--module", "ext4"]].concat();
    run(MKINITRAMFS, &named).expect(0, &["/etc/turnout/release\n", "fs/ext4/ext4.ko\n", &said]);
    let refused = format!("the modules in {dir} are for kernel {RELEASE}, not 9.9.9");
    let other = [&fixed[..], &["--modules-dir", &dir, "--release", "9.9.9"]].concat();
    run(MKINITRAMFS, &other).expect(1, &[&refused]);
    let none = [&fixed[..], &["--release", "9.9.9", "--module", "ext4"]].concat();
    run(MKINITRAMFS, &none).expect(1, &["/lib/modules/9.9.9 is not there: name the kernel's"]);
    let unchecked = run(MKINITRAMFS, &[&fixed[..], &["--release", "9.9.9"]].concat());
    unchecked.expect(0, &["9.9.9: taken as it is, there is no /lib/modules/9.9.9"]);
    assert!(!unchecked.text.contains("/etc/turnout/release"), "{}", unchecked.text);
}

/// A kernel's tree that qemu/setup has fetched.
fn real(arch: &str, kernel: &str) -> Option<Tree> {
    let cache = std::env::var_os("TURNOUT_CACHE").map(PathBuf::from);
    let cache =
        cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/turnout")));
    let dir = cache?.join(arch).join(kernel);
    dir.is_dir().then(|| Tree::open(&dir, None).unwrap())
}

/// The list was made by where the member is in each kernel, and is not that here.
#[test]
fn real_drivers_without_a_shutdown_are_those_of_the_list() {
    let list = include_str!("../../src/check/data/without_shutdown.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<_> = lines.flat_map(|line| line.split_whitespace().skip(1)).collect();
    for (arch, kernel) in [("x86_64", "generic"), ("x86_64", "generic-13"), ("aarch64", "generic")]
    {
        let Some(tree) = real(arch, kernel) else {
            println!("left out: no modules of {arch}/{kernel}, which qemu/setup fetches");
            continue;
        };
        let here: Vec<_> = names.iter().copied().filter(|name| tree.has_module(name)).collect();
        assert!(here.len() > 80, "{} of the list", here.len());
        let known = here.into_iter().map(|name| tree.facts(name).unwrap());
        let calm = known.filter(|facts| !facts.no_shutdown);
        let calm: Vec<_> = calm.map(|facts| facts.name.clone()).collect();
        // One registers through a helper of its own bus, the other with 6.1 not at all.
        assert!(calm.iter().all(|name| ["b44", "advansys"].contains(&name.as_str())), "{calm:?}");
        for name in ["ahci", "nvme", "xhci_pci", "megaraid_sas", "e1000e", "igb"] {
            assert!(!tree.facts(name).unwrap().no_shutdown, "{name}");
        }
    }
}
