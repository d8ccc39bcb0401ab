//! The README's recipe, as it stands there, on the module trees of Debian 12
//! (plain) and 13 (in xz) that qemu/setup unpacked. Left out where there are none.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

// Whole commands are run here, no single program.
#[allow(dead_code)]
mod common;
// Only programs are made here, no modules.
#[allow(dead_code)]
#[path = "common/elf.rs"]
mod elf;

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Done, Scratch, finish, text};
use elf::{AARCH64, X86_64, init};

const README: &str = include_str!("../../README.md");

/// Where qemu/setup keeps what it has downloaded.
fn cache() -> PathBuf {
    match std::env::var_os("TURNOUT_CACHE") {
        Some(cache) => cache.into(),
        None => Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/turnout"),
    }
}

/// The folder that a kernel's package has for its modules.
fn module_tree(kernel: &Path) -> Option<PathBuf> {
    let folders = ["lib/modules", "usr/lib/modules"].map(|below| kernel.join(below));
    let mut releases = folders.iter().flat_map(fs::read_dir).flatten();
    releases.next().map(|release| release.unwrap().path())
}

/// The block of commands that makes a key and an image.
fn recipe() -> &'static str {
    let blocks = README.split("\n```\n");
    blocks.into_iter().find(|block| block.starts_with("turnout-sign keygen")).unwrap()
}

/// A folder with the programs, and with a machine whose kernel is that of `tree`.
fn machine(tree: &Path, machine: u16) -> Scratch {
    let here = Scratch::new();
    for program in [env!("CARGO_BIN_EXE_mkinitramfs"), env!("CARGO_BIN_EXE_turnout-sign")] {
        let name = Path::new(program).file_name().unwrap().to_str().unwrap();
        let copy = here.write(&format!("bin/{name}"), fs::read(program).unwrap());
        fs::set_permissions(copy, Permissions::from_mode(0o755)).unwrap();
    }
    here.write("bin/turnout-init", init(machine));
    let release = tree.file_name().unwrap().to_str().unwrap();
    let uname = here.write("bin/uname", format!("#!/bin/sh\necho {release}\n"));
    fs::set_permissions(uname, Permissions::from_mode(0o755)).unwrap();
    here
}

fn follow(recipe: &str, here: &Scratch, tree: &Path) -> Done {
    let commands = recipe.replace("/lib/modules/", &format!("{}/", text(tree.parent().unwrap())));
    let mut path = OsString::from(here.path("bin"));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-u", "-c", &commands]).current_dir(here.path("")).env("PATH", path);
    finish(&mut shell)
}

#[test]
fn the_readmes_recipe_makes_an_image_on_every_module_tree() {
    assert!(recipe().contains("--modules-dir \"/lib/modules/$(uname -r)\""));
    for (arch, elf_machine) in [("x86_64", X86_64), ("aarch64", AARCH64)] {
        for flavour in ["generic", "generic-13"] {
            let Some(tree) = module_tree(&cache().join(arch).join(flavour)) else {
                println!("left out: no modules of {arch}/{flavour}, which qemu/setup fetches");
                continue;
            };
            let here = machine(&tree, elf_machine);
            let done = follow(recipe(), &here, &tree);
            let release = tree.file_name().unwrap().to_str().unwrap();
            let ext4 = format!("/lib/modules/{release}/kernel/fs/ext4/ext4.ko\n");
            done.expect(0, &[&ext4, "kernel/fs/jbd2/jbd2.ko\n", "turnout.initramfs, zstd"]);
            assert!(!here.read("turnout.initramfs").is_empty());
        }
    }
}
