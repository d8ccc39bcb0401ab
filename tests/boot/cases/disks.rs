//! Disks that lie, and boot partitions that hold what is no file of theirs. What
//! boots is what was read first and verified; nothing is read a second time.

use super::trust::remove_both;
use super::{Boot, Case, Expect, PLAIN, case};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::Result;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use turnout_qemu::boot_tree::{BootTree, Entry, console};
use turnout_qemu::command;
use turnout_qemu::nbd::Answer;

/// The kernel under another name.
const LINK: &str = "/vmlinuz.link";
const LYING: &str = "/lying";
const FAILING: &str = "/failing";

pub(super) const CASES: &[Case] = &[
    case(
        "disk_that_answers_differently_the_second_time",
        Boot {
            lies: &[
                (LINUX, Answer::TrueOnce),
                (INITRD, Answer::TrueOnce),
                (SECOND, Answer::TrueOnce),
                ("/turnout/good.manifest", Answer::TrueOnce),
                ("/turnout/good.manifest.sig", Answer::TrueOnce),
                ("/loader/entries/good.conf", Answer::TrueOnce),
            ],
            ..PLAIN
        },
        name_the_kernel_by_a_link,
        Expect::Boots { after: &["with \"console=tty"] },
    ),
    case(
        "disk_that_lies_or_fails_and_paths_that_are_no_files",
        Boot {
            loader_conf: "timeout 0\ndefault d-lies\n",
            lies: &[(LYING, Answer::False), (FAILING, Answer::Error)],
            ..PLAIN
        },
        add_what_is_no_file,
        Expect::Ends(&[
            "refused d-lies: LINUX_DIGEST: ",
            "failed e-fails: read: /failing: byte 0 of 262144 cannot be read: ",
            "no entry can boot:",
            "failed a-fifo: menu: FILE: /fifo: not a regular file",
            "failed b-out: menu: FILE: /out: this path leads out of the boot partition",
            "failed c-dots: menu: PATH: ",
            "refused d-lies: LINUX_DIGEST: ",
            "failed e-fails: read: /failing: byte 0 of 262144 cannot be read: ",
            "failed f-manifest: menu: FILE: /turnout/f-manifest.manifest: there is a symbolic \
             link on this path, and none may lead here",
            "failed g-absolute: menu: FILE: /absolute: this path leads out of the boot partition",
            "failed h-folder: menu: FILE: /loader: not a regular file",
        ]),
    ),
];

/// As distributions do it.
fn name_the_kernel_by_a_link(world: &World, tree: &BootTree) -> Result<()> {
    link(tree, "vmlinuz", LINK)?;
    remove_both(world, tree)?;
    let options = format!("{} quiet demo.name=good", console(world.arch));
    let initrds = [INITRD, SECOND];
    let entry =
        Entry { id: "good", title: "Good", linux: LINK, initrds: &initrds, options: &options };
    tree.add_entry(&entry)?;
    world.key.sign(&world.tools, tree, "good", &[])
}

/// Entries of which none can boot.
fn add_what_is_no_file(world: &World, tree: &BootTree) -> Result<()> {
    remove_both(world, tree)?;
    fs::remove_file(tree.host_path("/loader/entries/good.conf"))?;
    for (path, byte) in [(LYING, 1), (FAILING, 2)] {
        fs::write(tree.host_path(path), vec![byte; 256 << 10])?;
    }
    fifo(tree, "/fifo")?;
    link(tree, "../etc/passwd", "/out")?;
    link(tree, "/etc/passwd", "/absolute")?;
    let entries = [
        ("a-fifo", "/fifo"),
        ("b-out", "/out"),
        ("c-dots", "/../vmlinuz"),
        ("d-lies", LYING),
        ("e-fails", FAILING),
        ("f-manifest", LINUX),
        ("g-absolute", "/absolute"),
        ("h-folder", "/loader"),
    ];
    for (id, linux) in entries {
        tree.add_entry(&Entry { id, title: id, linux, initrds: &[], options: "quiet" })?;
    }
    for id in ["d-lies", "e-fails", "f-manifest"] {
        let architecture = ["--architecture", world.arch.name()];
        world.key.sign(&world.tools, tree, id, &architecture)?;
    }
    let manifest = tree.host_path("/turnout/f-manifest.manifest");
    fs::rename(&manifest, tree.host_path("/turnout/elsewhere"))?;
    link(tree, "elsewhere", "/turnout/f-manifest.manifest")
}

fn link(tree: &BootTree, to: &str, path: &str) -> Result<()> {
    Ok(symlink(to, tree.host_path(path))?)
}

fn fifo(tree: &BootTree, path: &str) -> Result<()> {
    command::output(Command::new("mkfifo").arg(tree.host_path(path))).map(drop)
}
