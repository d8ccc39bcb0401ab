//! Debian's own grub-mkconfig writes menus for systems in directories. Where the set-up
//! has not brought it (TURNOUT_TOOLS says that it should have) nothing is tested.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use turnout_qemu::grub::{FileSystem, System};
use turnout_qemu::place::{self, Scratch};

const ROOT: &str = "5455524e-4f55-5400-0000-000000000002";
const BOOT: &str = "5455524e-4f55-5400-0000-000000000003";
const SETTINGS: &str = "GRUB_DEFAULT=saved\nGRUB_TIMEOUT=0\nGRUB_DISTRIBUTOR=Debian\n\
                        GRUB_CMDLINE_LINUX=\"console=ttyS0 spaced=\\\"a  b\\\"\"\n";

/// What grub-mkconfig writes for a system with two kernels.
fn made(name: &str, boot: Option<FileSystem<'_>>) -> Option<String> {
    if !place::cache().unwrap().join("tools/grub").is_dir() {
        assert!(std::env::var_os("TURNOUT_TOOLS").is_none(), "the set-up has brought no GRUB");
        println!("skipped: qemu/setup has brought no grub-mkconfig");
        return None;
    }
    let scratch = Scratch::new(name).unwrap();
    let folder = scratch.subdirectory("boot").unwrap();
    for version in ["6.12.73+deb13-amd64", "6.12.100+deb13-amd64"] {
        fs::write(folder.join(format!("vmlinuz-{version}")), "kernel").unwrap();
        fs::write(folder.join(format!("initrd.img-{version}")), "initrd").unwrap();
    }
    let root = FileSystem { uuid: ROOT, partition: 2 };
    let system = System { directory: scratch.path(), root, boot, settings: SETTINGS };
    let menu = system.make_menu().unwrap();
    assert!(!scratch.path().join("mkconfig").exists(), "the other root is left there");
    Some(menu)
}

/// The lines that load something, without what is before the first argument.
fn loads<'a>(menu: &'a str, command: &str) -> Vec<&'a str> {
    let lines = menu.lines().filter_map(|line| line.trim().strip_prefix(command));
    lines.map(str::trim).collect()
}

#[test]
fn a_menu_for_boot_on_the_root_has_its_kernels_in_order() {
    let Some(menu) = made("mkconfig-root", None) else { return };
    assert!(menu.contains(&format!("'gnulinux-simple-{ROOT}'")), "{menu}");
    assert!(menu.contains("set default=\"${saved_entry}\""), "{menu}");
    let kernels = loads(&menu, "linux\t");
    let line = format!(
        "/boot/vmlinuz-6.12.100+deb13-amd64 root=UUID={ROOT} ro console=ttyS0 spaced=\"a  b\""
    );
    assert!(kernels.first().unwrap().starts_with(&line), "{menu}");
    assert!(kernels.last().unwrap().starts_with("/boot/vmlinuz-6.12.73+deb13"), "{menu}");
}

#[test]
fn a_menu_for_boot_apart_has_paths_on_boot_and_the_root_of_the_root() {
    let boot = FileSystem { uuid: BOOT, partition: 3 };
    let Some(menu) = made("mkconfig-boot", Some(boot)) else { return };
    assert!(menu.contains(&format!("--set=root {BOOT}")), "{menu}");
    let line = format!("/vmlinuz-6.12.100+deb13-amd64 root=UUID={ROOT} ro ");
    assert!(loads(&menu, "linux\t").first().unwrap().starts_with(&line), "{menu}");
    assert_eq!(loads(&menu, "initrd\t")[0], "/initrd.img-6.12.100+deb13-amd64");
}
