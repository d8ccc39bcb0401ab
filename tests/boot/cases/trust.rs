//! What differs from the signed bytes is refused, each time for its reason.

use super::{AT_ONCE, Boot, Case, Expect, PLAIN, case};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result};
use std::fs;
use turnout::arch::Arch;
use turnout_qemu::boot_tree::{BootTree, flip, position};
use turnout_qemu::initrd::{self, SPARE_LINE};

pub(super) const CASES: &[Case] = &[
    case("kernel_byte_flipped", PLAIN, flip_kernel_byte, Expect::Refuses("LINUX_DIGEST")),
    case("kernel_truncated", PLAIN, truncate_kernel, Expect::Refuses("LINUX_SIZE")),
    case("initrd_byte_flipped", PLAIN, flip_initrd_byte, Expect::Refuses("INITRD_DIGEST")),
    case("second_initrd_swapped", PLAIN, swap_second_initrd, Expect::Refuses("INITRD_DIGEST")),
    case("third_initrd_added", PLAIN, add_third_initrd, Expect::Refuses("INITRD_COUNT")),
    case("options_edited_in_the_menu", PLAIN, edit_options, AT_ONCE),
    case("manifest_edited", PLAIN, edit_manifest, Expect::Refuses("SIGNATURE_INVALID")),
    case("key_not_in_the_ring", PLAIN, sign_as_a_stranger, Expect::Refuses("KEY_UNKNOWN")),
    case("another_namespace", PLAIN, sign_for_recovery, Expect::Refuses("NAMESPACE")),
    case("signature_removed", PLAIN, remove_signature, Expect::Refuses("SIGNATURE_MISSING")),
    case("manifest_and_signature_removed", PLAIN, remove_both, Expect::Refuses("UNSIGNED")),
    case("manifest_of_another_entry", PLAIN, rename_manifest, Expect::Refuses("MANIFEST_ENTRY")),
    case(
        "tampered_default_gives_way_to_the_next_entry",
        Boot { loader_conf: "timeout 0\ndefault bad\n", ..PLAIN },
        add_tampered_entry,
        Expect::Boots { after: &["turnout: refused bad: LINUX_DIGEST: "] },
    ),
];

/// A byte that no boot would miss: the kernel must be refused for its digest,
/// not die of the damage.
fn flip_kernel_byte(world: &World, tree: &BootTree) -> Result<()> {
    flip_unused_byte(world.arch, tree, LINUX)
}

pub(super) fn flip_unused_byte(arch: Arch, tree: &BootTree, linux: &str) -> Result<()> {
    let unused = match arch {
        Arch::X86_64 => 8,
        Arch::Aarch64 => 48,
    };
    tree.edit(linux, |bytes| flip(bytes, unused))
}

fn truncate_kernel(_: &World, tree: &BootTree) -> Result<()> {
    tree.edit(LINUX, |bytes| {
        bytes.truncate(bytes.len() - 1);
        Ok(())
    })
}

fn flip_initrd_byte(_: &World, tree: &BootTree) -> Result<()> {
    tree.edit(INITRD, |bytes| {
        let at = position(bytes, SPARE_LINE)?;
        flip(bytes, at + SPARE_LINE.len() - 1)
    })
}

fn swap_second_initrd(_: &World, tree: &BootTree) -> Result<()> {
    Ok(fs::write(tree.host_path(SECOND), initrd::second("not signd")?)?)
}

fn add_third_initrd(_: &World, tree: &BootTree) -> Result<()> {
    replace(tree, "loader/entries/good.conf", "options ", &format!("initrd {SECOND}\noptions "))
}

fn edit_options(_: &World, tree: &BootTree) -> Result<()> {
    replace(tree, "loader/entries/good.conf", "quiet", "quiet init=/bin/busybox")
}

fn edit_manifest(_: &World, tree: &BootTree) -> Result<()> {
    replace(tree, "turnout/good.manifest", "quiet", "qu1et")
}

fn replace(tree: &BootTree, path: &str, from: &str, to: &str) -> Result<()> {
    tree.edit(path, |bytes| {
        let text = String::from_utf8(bytes.clone())?;
        let (before, after) = text.split_once(from).with_context(|| format!("no {from}"))?;
        *bytes = format!("{before}{to}{after}").into_bytes();
        Ok(())
    })
}

fn sign_as_a_stranger(world: &World, tree: &BootTree) -> Result<()> {
    world.stranger.sign(&world.tools, tree, "good", &[])
}

fn sign_for_recovery(world: &World, tree: &BootTree) -> Result<()> {
    world.key.sign(&world.tools, tree, "good", &["--namespace", "turnout-recovery"])
}

fn remove_signature(_: &World, tree: &BootTree) -> Result<()> {
    Ok(fs::remove_file(tree.host_path("turnout/good.manifest.sig"))?)
}

pub(super) fn remove_both(world: &World, tree: &BootTree) -> Result<()> {
    remove_signature(world, tree)?;
    Ok(fs::remove_file(tree.host_path("turnout/good.manifest"))?)
}

/// A good manifest with a good signature, for another id.
fn rename_manifest(world: &World, tree: &BootTree) -> Result<()> {
    world.add_entry(tree, "other")?;
    world.key.sign(&world.tools, tree, "other", &[])?;
    for suffix in ["manifest", "manifest.sig"] {
        let path = |id: &str| tree.host_path(&format!("turnout/{id}.{suffix}"));
        fs::rename(path("other"), path("good"))?;
    }
    Ok(fs::remove_file(tree.host_path("loader/entries/other.conf"))?)
}

/// A second entry whose manifest was made for another kernel.
pub(super) fn add_tampered_entry(world: &World, tree: &BootTree) -> Result<()> {
    world.add_entry(tree, "bad")?;
    let entry = "loader/entries/bad.conf";
    replace(tree, entry, &format!("linux {LINUX}"), "linux /vmlinuz-bad")?;
    tree.add_file("/vmlinuz-bad", &tree.host_path(LINUX))?;
    world.key.sign(&world.tools, tree, "bad", &[])?;
    flip_unused_byte(world.arch, tree, "/vmlinuz-bad")
}
