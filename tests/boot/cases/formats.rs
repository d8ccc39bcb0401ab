//! Menus of other boot programs: the entry that was signed is named by an
//! extlinux.conf with a directory of device trees, and by a syslinux.cfg with a
//! submenu in an included file.

use super::trust::{remove_both, replace};
use super::{AT_ONCE, Case, PLAIN, case};
use crate::world::{INITRD, LINUX, World};
use anyhow::Result;
use std::fs;
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::command;

/// What the entry's file says before it gives way to the other menu.
const ENTRY: &str = "loader/entries/good.conf";
/// The board that QEMU's device tree names, and one with as long a name.
const BOARD: (&[u8], &[u8]) = (b"linux,dummy-virt", b"other,dummy-virt");
/// The right device tree, among wrong ones whose names promise more.
const TREE: &str = "/dtbs/qemu/machine.dtb";
const DECOYS: [&str; 3] = ["/dtbs/dummy-virt.dtb", "/dtbs/a.dtb", "/dtbs/qemu/virt.dtb"];

pub(super) const CASES: &[Case] =
    &[case("menu_of_another_boot_program", PLAIN, write_menu, AT_ONCE)];

fn write_menu(world: &World, tree: &BootTree) -> Result<()> {
    match world.arch {
        Arch::Aarch64 => write_extlinux(world, tree),
        Arch::X86_64 => write_syslinux(tree),
    }
}

/// Relative paths, and a manifest that binds the device tree that is to be found.
fn write_extlinux(world: &World, tree: &BootTree) -> Result<()> {
    add_trees(world, tree)?;
    replace(tree, ENTRY, "options ", &format!("devicetree {TREE}\noptions "))?;
    remove_both(world, tree)?;
    world.key.sign(&world.tools, tree, "good", &[])?;
    let text = format!(
        "## /extlinux/extlinux.conf\ndefault gone\nontimeout good\nmenu title Menu\nprompt 0\n\
         timeout 1\n\nlabel broken\n\tlinux /fit.itb#conf\nlabel good\n\tmenu label ^Good\n\
         \tlinux ..{LINUX}\n\tinitrd ..{INITRD},/second.img\n\tfdtdir ../dtbs\n\tappend {}\n",
        options(tree)?
    );
    put(tree, "/extlinux/extlinux.conf", text.as_bytes())?;
    remove_specified(tree)
}

fn write_syslinux(tree: &BootTree) -> Result<()> {
    let main = "DEFAULT menu.c32\nPROMPT 0\nTIMEOUT 1\nMENU TITLE Menu\nAPPEND none of this\n\
                INCLUDE ./more.cfg\nONTIMEOUT good\nLABEL local\n LOCALBOOT 0\n";
    let more = format!(
        "MENU BEGIN tools\n MENU LABEL ^Tools\n LABEL back\n  MENU EXIT\n LABEL good\n\
         \u{20} MENU LABEL G^ood\n  TEXT HELP\nLABEL no\n  ENDTEXT\n  KERNEL {LINUX}\n\
         \u{20} INITRD ../initrd.img,/second.img\n  APPEND {}\nMENU END\n",
        options(tree)?
    );
    put(tree, "/syslinux/syslinux.cfg", main.as_bytes())?;
    put(tree, "/syslinux/more.cfg", more.as_bytes())?;
    remove_specified(tree)
}

/// The command line that was signed.
fn options(tree: &BootTree) -> Result<String> {
    let text = fs::read_to_string(tree.host_path(ENTRY))?;
    Ok(text.lines().filter_map(|line| line.strip_prefix("options ")).collect())
}

fn remove_specified(tree: &BootTree) -> Result<()> {
    Ok(fs::remove_dir_all(tree.host_path("/loader"))?)
}

fn put(tree: &BootTree, path: &str, bytes: &[u8]) -> Result<()> {
    let path = tree.host_path(path);
    path.parent().map(fs::create_dir_all).transpose()?;
    Ok(fs::write(path, bytes)?)
}

/// The machine's tree as QEMU writes it, and the same for another board.
fn add_trees(world: &World, tree: &BootTree) -> Result<()> {
    let path = tree.host_path(TREE);
    put(tree, TREE, &[])?;
    let board = format!("virt,gic-version=3,dumpdtb={}", path.display());
    let mut qemu = command::tool(&format!("qemu-system-{}", world.arch));
    command::output(qemu.args([
        "-M",
        &board,
        "-cpu",
        "cortex-a57",
        "-m",
        "1G",
        "-display",
        "none",
    ]))?;
    let mut other = fs::read(path)?;
    let (board, instead) = BOARD;
    while let Some(at) = other.windows(board.len()).position(|window| window == board) {
        other.splice(at..at + board.len(), instead.iter().copied());
    }
    DECOYS.iter().try_for_each(|decoy| put(tree, decoy, &other))
}
