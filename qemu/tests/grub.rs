//! Debian's own grub-mkconfig writes menus for systems in directories. Where the set-up
//! has not brought it (TURNOUT_TOOLS says that it should have) nothing is tested.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use turnout::base::arch::Arch;
use turnout::menu::{self, Budget, Group, Identity, Memory, Metered, Sight, Target};
use turnout_qemu::grub::{FileSystem, System, environment};
use turnout_qemu::place::{self, Scratch};

const ROOT: &str = "5455524e-4f55-5400-0000-000000000002";
const BOOT: &str = "5455524e-4f55-5400-0000-000000000003";
const SETTINGS: &str = "GRUB_DEFAULT=saved\nGRUB_TIMEOUT=0\nGRUB_DISTRIBUTOR=Debian\n\
                        GRUB_CMDLINE_LINUX=\"console=ttyS0 spaced=\\\"a  b\\\"\"\n";

/// What grub-mkconfig writes for a system with two kernels.
fn made(name: &str, boot: Option<FileSystem<'_>>) -> Option<String> {
    if !place::cache().unwrap().join("tools/grub").is_dir() {
        // The set-up has GRUB for amd64 only.
        let is_set_up = std::env::var_os("TURNOUT_TOOLS").is_some() && cfg!(target_arch = "x86_64");
        assert!(!is_set_up, "the set-up has brought no GRUB");
        println!("skipped: qemu/setup brings grub-mkconfig, and on amd64 only");
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

/// Id, kernel and command line of what Turnout lists of it.
fn listed(menu: &str, block: &str) -> Vec<(String, String, String, bool)> {
    let names = ["vmlinuz", "initrd.img"];
    let versions = ["6.12.73+deb13-amd64", "6.12.100+deb13-amd64"];
    let kernels = names.iter().flat_map(|name| versions.map(|it| format!("/boot/{name}-{it}")));
    let mut files: Memory = kernels.map(|path| (path, "")).collect();
    files.0.insert("/boot/grub/grub.cfg".to_owned(), menu.into());
    files.0.insert("/boot/grub/grubenv".to_owned(), environment(block).into());
    let identity = Identity { uuid: Some(ROOT.to_owned()), ..Identity::default() };
    let target = Target { arch: Arch::X86_64, boards: &[], used: &[] };
    let budget = Budget::default();
    let files = Metered::menus(&files, &budget).seeing(Sight::alone(&identity));
    let menu = menu::merge(vec![(Group::default(), menu::read_below(&files, &target, ""))]);
    let default = menu.default;
    let entries = menu.entries.into_iter().zip(0..);
    entries
        .map(|(it, at)| (it.id, it.linux.unwrap_or_default(), it.options, default == Some(at)))
        .collect()
}

#[test]
fn turnout_lists_what_grub_mkconfig_wrote() {
    let Some(menu) = made("mkconfig-listed", None) else { return };
    let [new, old] = ["6.12.100+deb13-amd64", "6.12.73+deb13-amd64"];
    let words = |more: &str| format!("root=UUID={ROOT} ro {more}console=ttyS0 \"spaced=a  b\"");
    let expected = [
        (format!("gnulinux-simple-{ROOT}"), new, words("")),
        (format!("gnulinux-{new}-advanced-{ROOT}"), new, words("")),
        (format!("gnulinux-{new}-recovery-{ROOT}"), new, words("single dis_ucode_ldr ")),
        (format!("gnulinux-{old}-advanced-{ROOT}"), old, words("")),
        (format!("gnulinux-{old}-recovery-{ROOT}"), old, words("single dis_ucode_ldr ")),
    ];
    let by_title =
        format!("Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux {old}");
    let path = format!("gnulinux-advanced-{ROOT}>gnulinux-{new}-recovery-{ROOT}");
    for (block, default) in [
        (String::new(), 0),
        (format!("saved_entry={path}\n"), 2),
        (format!("saved_entry={by_title}\n"), 3),
        ("saved_entry=0\nnext_entry=1>3\n".to_owned(), 4),
        ("saved_entry=nonsense\n".to_owned(), 0),
    ] {
        let found = listed(&menu, &block);
        for ((id, kernel, words), (at, found)) in expected.iter().zip(found.iter().enumerate()) {
            let wanted =
                (id.clone(), format!("/boot/vmlinuz-{kernel}"), words.clone(), at == default);
            assert_eq!(*found, wanted, "{block}: {menu}");
        }
        assert!(found.len() >= expected.len(), "{found:?}");
    }
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
