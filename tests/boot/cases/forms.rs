//! A disk that `mkinitramfs` made of kernel and image, started by firmware: up to the
//! next system, which is on another disk; and refused with Secure Boot, once changed.

use super::machines::has_efi_and_acpi;
use super::{BOTH, Boot, Case, Expect, PLAIN, Start, X86_64, nothing};
use crate::stick::{self, own_key};
use crate::world::{LINUX, World};
use anyhow::Result;
use std::fs;
use std::path::Path;
use turnout_qemu::boot_tree::{BootTree, flip, position};
use turnout_qemu::machine::{Firmware, Shape};
use turnout_qemu::secure::Key;

const ON_A_STICK: Boot = Boot {
    stick: true,
    modules: &["vfat", "efivarfs"],
    shape: Shape { firmware: Firmware::Efi, ..Shape::USUAL },
    ..PLAIN
};
const SECURE: Boot = Boot {
    shape: Shape { firmware: Firmware::SecureBoot, board: Some("q35,smm=on"), ..Shape::USUAL },
    ..ON_A_STICK
};

pub(super) const CASES: &[Case] = &[
    // The ESP of the stick has no menu, and keeps nobody from the other disk's.
    Case {
        name: "a_disk_of_mkinitramfs_boots_the_next_system",
        archs: BOTH,
        boot: ON_A_STICK,
        change: nothing,
        expect: Expect::Finds { after: &[], facts: has_efi_and_acpi },
    },
    // The next kernel is proven by the same key: what is in db is in the kernel's
    // keyring of the platform.
    Case {
        name: "secure_boot_with_a_key_of_ones_own",
        archs: X86_64,
        boot: SECURE,
        change: sign_the_kernel,
        expect: Expect::Finds {
            after: &["loading good by kexec_file_load: the running kernel is locked down"],
            facts: has_efi_and_acpi,
        },
    },
    Case {
        name: "secure_boot_refuses_a_program_that_was_changed",
        archs: X86_64,
        boot: SECURE,
        change: sign_the_kernel,
        expect: Expect::Starts(&[Start {
            before: change_its_command_line,
            from_disk: true,
            says: &["BdsDxe: failed to load Boot", "Access Denied"],
            cut: true,
            ..Start::PLAIN
        }]),
    },
];

/// With the key that the firmware knows, and the entry once more with ours.
fn sign_the_kernel(world: &World, tree: &BootTree) -> Result<()> {
    Key::make(own_key(tree))?.sign(&tree.host_path(LINUX))?;
    world.key.sign(&world.tools, tree, "good", &[])
}

fn change_its_command_line(disk: &Path) -> Result<()> {
    let stick = disk.with_file_name(stick::NAME);
    let mut bytes = fs::read(&stick)?;
    let at = position(&bytes, "console=tty")?;
    flip(&mut bytes, at)?;
    Ok(fs::write(stick, bytes)?)
}
