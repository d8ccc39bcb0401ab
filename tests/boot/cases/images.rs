//! Kernels in their wrappings, signed as they are; and our own image in its.

use super::trust::remove_both;
use super::{AARCH64, AT_ONCE, BOTH, Boot, Case, PLAIN, World, X86_64, nothing};
use anyhow::{Context, Result};
use std::fs;
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::command;
use turnout_qemu::guest::Flavour;

const fn image(
    name: &'static str,
    archs: &'static [Arch],
    change: fn(&World, &BootTree) -> Result<()>,
) -> Case {
    Case { name, archs, boot: PLAIN, change, expect: AT_ONCE }
}

const fn packed(
    name: &'static str,
    archs: &'static [Arch],
    flavour: Flavour,
    compress: &'static str,
) -> Case {
    let boot = Boot { flavour, compress, ..PLAIN };
    Case { name, archs, boot, change: nothing, expect: AT_ONCE }
}

pub(super) const CASES: &[Case] = &[
    image("kernel_in_gzip", BOTH, |world, tree| wrap(world, tree, gzip)),
    image("kernel_in_zstd", AARCH64, |world, tree| wrap(world, tree, zstd)),
    image("kernel_in_xz", AARCH64, |world, tree| wrap(world, tree, xz)),
    image("efi_zboot_with_zstd", AARCH64, |world, tree| wrap(world, tree, zboot)),
    packed("initramfs_in_xz", BOTH, Flavour::Cloud, "xz"),
    // Linux 6.1 has no filter for arm64's branches.
    packed("initramfs_in_xz_with_branches", AARCH64, Flavour::Cloud13, "xz"),
    packed("initramfs_in_gzip", X86_64, Flavour::Cloud, "gzip"),
    packed("initramfs_uncompressed", AARCH64, Flavour::Cloud, "none"),
];

/// Puts the kernel into a wrapping, and signs the entry again. The tool that
/// signs does not look into wrappings for the architecture.
fn wrap(
    world: &World,
    tree: &BootTree,
    how: fn(Vec<u8>, &BootTree) -> Result<Vec<u8>>,
) -> Result<()> {
    let linux = tree.host_path(crate::world::LINUX);
    fs::write(&linux, how(fs::read(&linux)?, tree)?)?;
    remove_both(world, tree)?;
    let architecture = ["--architecture", world.arch.name()];
    world.key.sign(&world.tools, tree, "good", &architecture)
}

fn gzip(kernel: Vec<u8>, tree: &BootTree) -> Result<Vec<u8>> {
    compress(kernel, tree, &["gzip", "-1", "-k", "-f", "-S", ".wrapped"])
}

fn zstd(kernel: Vec<u8>, tree: &BootTree) -> Result<Vec<u8>> {
    compress(kernel, tree, &["zstd", "-q", "-f", "-1", "-o", "wrapping.wrapped"])
}

fn xz(kernel: Vec<u8>, tree: &BootTree) -> Result<Vec<u8>> {
    compress(kernel, tree, &["xz", "-0", "-k", "-f", "--check=crc32", "-S", ".wrapped"])
}

/// Runs a compressor in a directory that is not part of the boot partition.
pub(super) fn compress(kernel: Vec<u8>, tree: &BootTree, program: &[&str]) -> Result<Vec<u8>> {
    let directory = tree.root().parent().context("no directory for the case")?;
    fs::write(directory.join("wrapping"), kernel)?;
    let (name, arguments) = program.split_first().context("no compressor")?;
    let mut compressor = command::tool(name);
    command::output(compressor.current_dir(directory).args(arguments).arg("wrapping"))?;
    Ok(fs::read(directory.join("wrapping.wrapped"))?)
}

/// What a kernel's own boot code finds in front of its payload: Linux,
/// `drivers/firmware/efi/libstub/zboot-header.S`. No firmware starts this one,
/// so the PE header that would follow is not there.
fn zboot(kernel: Vec<u8>, tree: &BootTree) -> Result<Vec<u8>> {
    const HEADER: u32 = 64;
    let payload = zstd(kernel, tree)?;
    let mut file = b"MZ\0\0zimg".to_vec();
    file.extend(HEADER.to_le_bytes());
    file.extend(u32::try_from(payload.len())?.to_le_bytes());
    file.extend([0; 8]);
    file.extend(b"zstd22");
    file.resize(usize::try_from(HEADER)?, 0);
    file.extend(payload);
    Ok(file)
}
