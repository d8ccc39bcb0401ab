//! Runs every command of docs/signing.md, as it stands there, with OpenSSH's own
//! programs. The token is one in software (tests/token/provider.rs), which
//! OpenSSH loads in place of its driver: no line of the document is replaced.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;
// Only programs are made here, no modules.
#[allow(dead_code)]
#[path = "common/elf.rs"]
mod elf;
#[path = "common/openssh.rs"]
mod openssh;
#[path = "common/programs.rs"]
mod programs;

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use common::{Done, Scratch, finish, run, text};
use elf::{X86_64, init};
use openssh::have_openssh;
use programs::programs;

/// The token in software, for `SSH_SK_PROVIDER`.
const TOKEN: &str = "examples/libsoftware_token.so";

/// A block of commands, and how it has to end.
struct Block {
    commands: String,
    end: End,
}

enum End {
    Done,
    /// Its last command is refused, and says this.
    Refused(String),
}

/// The blocks of a document, all of which are marked `sh` or `sh refused=WORD`:
/// no command hides in another one.
fn blocks(document: &str) -> Vec<Block> {
    let mut parts = document.split("\n```");
    parts.next();
    let mut blocks = Vec::new();
    while let (Some(block), Some(_)) = (parts.next(), parts.next()) {
        let (mark, commands) = block.split_once('\n').unwrap();
        let end = match mark.strip_prefix("sh refused=") {
            Some(word) => End::Refused(word.to_owned()),
            None => End::Done,
        };
        assert!(mark == "sh" || mark.starts_with("sh refused="), "a block marked {mark:?}");
        blocks.push(Block { commands: commands.to_owned(), end });
    }
    blocks
}

/// The directory that the document describes, and `bin` with the programs.
fn place() -> Scratch {
    let tree = Scratch::new();
    let mut kernel = vec![0x90; 0x1000];
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    tree.write("boot/vmlinuz", kernel);
    tree.write("boot/initrd.img", b"an initrd");
    let good = "title Good\nlinux /vmlinuz\ninitrd /initrd.img\noptions root=LABEL=root ro\n";
    tree.write("boot/loader/entries/good.conf", good);
    tree.write("boot/loader/entries/rescue.conf", "title Rescue\nlinux /vmlinuz\n");
    tree.write("turnout-init", init(X86_64));
    tree.write("bin/.keep", "");
    for program in ["turnout", "turnout-sign", "mkinitramfs"] {
        symlink(programs().join(program), tree.path("bin").join(program)).unwrap();
    }
    write_agent(&tree);
    tree
}

/// An agent loads only token libraries that it is told to trust; the one in
/// software is not where OpenSSH's own would be.
fn write_agent(tree: &Scratch) {
    let agent = run("sh", &["-c", "command -v ssh-agent"]);
    let (agent, library) = (agent.text.trim_end(), text(&programs().join(TOKEN)));
    let script = format!("#!/bin/sh\nexec {agent} -P {library} \"$@\"\n");
    let path = tree.write("bin/ssh-agent", script);
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

fn obey(tree: &Scratch, block: &Block) -> Done {
    let path = format!("{}:{}", text(&tree.path("bin")), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-u", "-o", "pipefail", "-c", &block.commands]);
    shell.current_dir(tree.path("")).env("PATH", path);
    shell.env("SSH_SK_PROVIDER", programs().join(TOKEN)).env_remove("SSH_AUTH_SOCK");
    finish(&mut shell)
}

#[test]
fn every_command_of_the_walk_through_does_what_it_says() {
    if !have_openssh() {
        return;
    }
    let blocks = blocks(include_str!("../../docs/signing.md"));
    assert!(blocks.len() > 20, "only {} blocks were found", blocks.len());
    let tree = place();
    for block in blocks {
        let done = obey(&tree, &block);
        let said = format!("{}\n{}", block.commands, done.text);
        match block.end {
            End::Done => assert_eq!(done.code, 0, "{said}"),
            End::Refused(word) => {
                assert!([1, 2].contains(&done.code), "{said}");
                assert!(done.text.contains(&word), "{word} is not in: {said}");
            }
        }
    }
    let image = tree.read("turnout.initramfs");
    assert!(!image.is_empty(), "mkinitramfs has run");
}
