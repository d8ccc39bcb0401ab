//! The boot harness: builds boot disks and initial file systems, starts
//! machines in QEMU, and talks to them over their serial line.
//!
//! It needs no root, mounts nothing, and must never call kexec on the host:
//! Debian's kernels and tools (`qemu/setup` unpacks them) run in guests only.

pub mod accelerator;
pub mod area;
pub mod arguments;
pub mod bench;
pub mod boot_tree;
pub mod build;
pub mod command;
pub mod debian;
pub mod demo;
pub mod disk;
pub mod facts;
pub mod first_kernel;
pub mod grub;
pub mod guest;
pub mod initrd;
pub mod line;
pub mod link_map;
pub mod machine;
pub mod menu;
pub mod nbd;
pub mod outage;
pub mod pictures;
pub mod place;
pub mod rauc;
pub mod recording;
pub mod secure;
pub mod serial;
pub mod sizes;
pub mod svg;
pub mod terminal;
pub mod tpm;
pub mod uki;
pub mod unsafe_share;

use anyhow::Result;
use std::process::Command;

/// Runs `qemu/setup`, which says itself what it does.
pub fn setup(arguments: &[&str]) -> Result<()> {
    command::run(Command::new(place::tree().join("qemu/setup")).args(arguments))
}
