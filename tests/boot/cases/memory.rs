//! Little memory: what fits is started, and what does not is refused with the
//! numbers, before a byte of it was read.

use super::images::compress;
use super::trust::remove_both;
use super::{AARCH64, BOTH, Boot, Case, Expect, PLAIN, Partitions, World, X86_64, nothing};
use crate::world::{INITRD, LINUX, SECOND};
use anyhow::{Result, ensure};
use std::fs;
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::{BootTree, Entry, console};
use turnout_qemu::initrd;
use turnout_qemu::machine::Shape;

const IN_256_MIB: Boot = Boot { shape: Shape { memory: "256M", ..Shape::USUAL }, ..PLAIN };
const IN_64_MIB: Boot = Boot { shape: Shape { memory: "64M", ..Shape::USUAL }, ..PLAIN };

pub(super) const CASES: &[Case] = &[
    Case {
        name: "initrds_of_70_mib_and_a_log_in_256_mib",
        archs: BOTH,
        boot: Boot { tpm: true, config: REQUIRED, first_options: "cma=0", ..IN_256_MIB },
        change: add_table_and_ballast,
        expect: Expect::Prints(has_found_the_table),
    },
    Case {
        name: "an_initrd_of_300_mib_in_256_mib",
        archs: X86_64,
        boot: Boot { long: true, ..IN_256_MIB },
        change: |_, tree| lengthen(tree, SECOND, 300 << 20),
        expect: Expect::Ends(REFUSED),
    },
    // Debian's kernel for arm64 sets 64 MiB aside for devices.
    Case {
        name: "initrds_of_70_mib_and_memory_for_devices_in_256_mib",
        archs: AARCH64,
        boot: Boot { long: true, ..IN_256_MIB },
        change: |world, tree| add_ballast(world, tree, 70 << 20),
        expect: Expect::Ends(&[
            "failed good: plan: MEMORY: it needs ",
            " MiB of them to the kernel itself: cma=0 on its command line gives it the rest",
            "turnout: reset in 1 s",
        ]),
    },
    // A kernel for PCs has no room there to unpack itself, and says nothing.
    Case {
        name: "an_entry_in_64_mib",
        archs: AARCH64,
        boot: IN_64_MIB,
        change: nothing,
        expect: Expect::Ends(REFUSED),
    },
    Case {
        name: "initrds_as_one_file_in_256_mib",
        archs: X86_64,
        boot: Boot {
            tpm: true,
            config: "wait 10\nreset-delay 1\nattempts 1\nengine file\n",
            long: true,
            ..IN_256_MIB
        },
        change: |world, tree| add_ballast(world, tree, 30 << 20),
        expect: Expect::Ends(PUT_TOGETHER),
    },
    // One initrd would be loaded as it was read, were it not for the state before it.
    Case {
        name: "initrd_and_state_as_one_file_in_256_mib",
        archs: X86_64,
        boot: Boot {
            partitions: Partitions::State,
            config: "wait 10\nreset-delay 1\nattempts 1\nengine file\nrollback advisory\n",
            long: true,
            ..IN_256_MIB
        },
        change: |world, tree| leave_one_initrd(world, tree, 40 << 20),
        expect: Expect::Ends(PUT_TOGETHER),
    },
];

const PUT_TOGETHER: &[&str] =
    &["failed good: plan: MEMORY: it needs ", " MiB put together, ", "turnout: reset in 1 s"];

const REQUIRED: &str = "wait 10\nreset-delay 1\nattempts 1\ntpm required\n";

/// Before a byte of a large file was read.
const REFUSED: &[&str] = &[
    "failed good: menu: MEMORY: it needs ",
    " MiB of files, ",
    " MiB in the kernel's own copy; ",
    " MiB are available: a smaller initrd helps, or more memory",
    "turnout: reset in 1 s",
];

/// Where a kernel looks for ACPI tables before it has a file system, and in which
/// archives: those at the start that are not compressed.
const TABLE: &str = "kernel/firmware/acpi/test.aml";

/// A table for the kernel's early look, then the system, then a compressed archive
/// with zeros behind it: each takes another way through the kernel's unpacker.
fn add_table_and_ballast(world: &World, tree: &BootTree) -> Result<()> {
    fs::write(tree.host_path("/early.img"), initrd::file(TABLE, empty_table())?)?;
    let second = compress(tree.read(SECOND)?, tree, &["gzip", "-1", "-k", "-f", "-S", ".wrapped"])?;
    fs::write(tree.host_path(SECOND), second)?;
    let options = format!("{} quiet loglevel=7 demo.name=good", console(world.arch));
    let initrds: &[&str] = &["/early.img", INITRD, SECOND];
    tree.add_entry(&Entry { id: "good", title: "good", linux: LINUX, initrds, options: &options })?;
    add_ballast(world, tree, 70 << 20)
}

/// Lengthens the second initrd, and signs the entry again.
fn add_ballast(world: &World, tree: &BootTree, size: u64) -> Result<()> {
    lengthen(tree, SECOND, size)?;
    remove_both(world, tree)?;
    world.key.sign(&world.tools, tree, "good", &[])
}

/// An entry with one initrd, lengthened, and signed again.
fn leave_one_initrd(world: &World, tree: &BootTree, size: u64) -> Result<()> {
    let options = format!("{} quiet", console(world.arch));
    let initrds: &[&str] = &[INITRD];
    tree.add_entry(&Entry { id: "good", title: "good", linux: LINUX, initrds, options: &options })?;
    lengthen(tree, INITRD, size)?;
    remove_both(world, tree)?;
    world.key.sign(&world.tools, tree, "good", &[])
}

/// An SSDT that defines nothing.
fn empty_table() -> Vec<u8> {
    let mut table = b"SSDT\x24\0\0\0\x02\0TURNOUTEMPTY  \x01\0\0\0TEST\x01\0\0\0".to_vec();
    let sum = table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if let Some(checksum) = table.get_mut(9) {
        *checksum = sum.wrapping_neg();
    }
    table
}

/// Zeros at the end, which take no room on the host.
fn lengthen(tree: &BootTree, path: &str, size: u64) -> Result<()> {
    let file = fs::File::options().write(true).open(tree.host_path(path))?;
    Ok(file.set_len(size)?)
}

/// Only PCs have ACPI without EFI.
fn has_found_the_table(text: &str) -> Result<()> {
    let found = text.contains("SSDT ACPI table found in initrd [kernel/firmware/acpi/test.aml]");
    let is_board = text.contains("reached good") && text.contains(Arch::Aarch64.name());
    ensure!(found || is_board, "the kernel has not found the table");
    Ok(())
}
