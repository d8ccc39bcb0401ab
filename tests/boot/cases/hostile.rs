//! Menus that somebody made to cost memory or time, beside a good entry: it boots,
//! and what they cost is within the budget of a device. Time is counted in
//! instructions where it matters: a nanosecond each.

use super::{BOTH, Boot, COUNTED, Case, Expect, PLAIN, case};
use crate::world::World;
use anyhow::{Context, Result, ensure};
use std::fs;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::machine::Shape;

pub(super) const CASES: &[Case] = &[
    case(
        "two_small_files_of_a_menu_in_512_mib",
        Boot { shape: Shape { memory: "512M", ..Shape::USUAL }, ..PLAIN },
        two_small_files,
        Expect::Boots { after: &["turnout: jumping to good"] },
    ),
    counted("time_of_braces_left_open", braces),
    counted("time_of_labels_that_inherit", labels),
    counted("time_of_manifests_that_are_none", manifests),
];

const fn counted(name: &'static str, change: fn(&World, &BootTree) -> Result<()>) -> Case {
    let boot = Boot {
        long: true,
        first_options: "turnout.ticks",
        shape: Shape { memory: "512M", ..Shape::USUAL },
        ..COUNTED
    };
    Case { name, archs: BOTH, boot, change, expect: Expect::Prints(costs_what_a_device_may) }
}

/// What is left of 64 KiB beside a few short lines.
const ALMOST: usize = (64 << 10) - 256;

/// Once 4 GiB.
fn two_small_files(_: &World, tree: &BootTree) -> Result<()> {
    write(tree, "grub2/grubenv", &format!("a={}", "x".repeat(ALMOST)))?;
    write(tree, "loader/entries/z.conf", &entry(&"$a".repeat(ALMOST / 2)))
}

fn braces(_: &World, tree: &BootTree) -> Result<()> {
    write(tree, "grub2/grubenv", "a=1\n")?;
    many(300, |n| {
        write(tree, &format!("loader/entries/z{n}.conf"), &entry(&"${".repeat(ALMOST / 2)))
    })
}

fn labels(_: &World, tree: &BootTree) -> Result<()> {
    let initrds: String = (0..15).map(|n| format!("/{}{n},", "d/".repeat(2000))).collect();
    let include: String = (0..127).map(|n| format!("include {n}\n")).collect();
    write(tree, "extlinux/extlinux.conf", &format!("append initrd={initrds}\n{include}"))?;
    many(127, |n| {
        let labels: String = (0..4000).map(|label| format!("label {n}-{label}\n")).collect();
        write(tree, &format!("extlinux/{n}"), labels.get(..ALMOST).unwrap_or(&labels))
    })
}

/// Each has as many signatures as are looked at, of something else.
fn manifests(_: &World, tree: &BootTree) -> Result<()> {
    let signature = fs::read_to_string(tree.host_path("turnout/good.manifest.sig"))?;
    many(300, |n| {
        write(tree, &format!("loader/entries/z{n}.conf"), &entry("quiet"))?;
        write(tree, &format!("turnout/z{n}.manifest"), &"x".repeat(64 << 10))?;
        write(tree, &format!("turnout/z{n}.manifest.sig"), &signature.repeat(8))
    })
}

fn entry(options: &str) -> String {
    format!("linux /k\noptions {options}\n")
}

fn many(count: u32, make: impl Fn(u32) -> Result<()>) -> Result<()> {
    (0..count).try_for_each(make)
}

fn write(tree: &BootTree, path: &str, text: &str) -> Result<()> {
    let path = tree.host_path(path);
    fs::create_dir_all(path.parent().context("a directory")?)?;
    Ok(fs::write(path, text)?)
}

/// From PID 1's start until the entry is opened there are the modules and the disk
/// besides; a second is for them.
fn costs_what_a_device_may(printed: &str) -> Result<()> {
    let number = |before: &str, after: &str| -> Result<u64> {
        let (_, rest) = printed.split_once(before).with_context(|| format!("no {before}"))?;
        let (number, _) = rest.split_once(after).with_context(|| format!("no {after}"))?;
        Ok(number.trim().parse()?)
    };
    let time = number("open=", " ")?.saturating_sub(number("ticks start=", " ")?);
    let memory = number("peak rss ", " KiB")?.saturating_sub(number(", payload ", " KiB")?);
    ensure!(time < 6_000_000_000, "{time} ns until the entry was opened");
    ensure!(memory < 64 << 10, "{memory} KiB beside the files");
    println!("  {} ms until the entry was opened, {memory} KiB beside the files", time / 1_000_000);
    Ok(())
}
