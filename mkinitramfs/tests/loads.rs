//! `turnout load` on a host where there is a key ring: what `turnout-sign` signed is
//! planned, what nobody signed is refused, by the programs themselves. Nothing is loaded.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
#[allow(dead_code)]
mod boot_tree;
mod common;
#[path = "common/programs.rs"]
mod programs;

use std::process::Command;

use boot_tree::{boot_tree, sign};
use common::{Done, Scratch, finish};
use programs::programs;
use serde_json::Value;

/// An arm64 kernel, and the machine that it is planned for.
const KERNEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/image/Image.xz");
const MACHINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/virt");

/// The tree with a kernel that can be planned, signed with room for a token.
fn signed_tree() -> Scratch {
    let tree = boot_tree();
    tree.write("root/vmlinuz", std::fs::read(KERNEL).unwrap());
    tree.write(
        "root/loader/entries/good+3.conf",
        "title Good\nlinux /vmlinuz\ninitrd /initrd.img\n\
         options root=LABEL=root  ro turnout.boot=${boot}\n",
    );
    sign(&tree, &["--slot", "boot", "--architecture", "aarch64"]).expect(0, &[]);
    // With the zeros behind it that every /sys/firmware/fdt of QEMU has.
    let mut fdt = std::fs::read(format!("{MACHINE}/fdt")).unwrap();
    fdt.resize(1 << 20, 0);
    tree.write("fdt", fdt);
    let manifest = String::from_utf8(tree.read("root/turnout/good.manifest")).unwrap();
    assert!(manifest.contains("\nslot boot\noptions root=LABEL=root  ro "), "{manifest}");
    tree
}

/// `turnout load --dry-run` with these arguments, in the tree's directory.
fn load(tree: &Scratch, arguments: &[&str]) -> Done {
    let mut command = Command::new(programs().join("turnout"));
    command.current_dir(tree.path("")).arg("load").args(arguments);
    command.args(["--root", "root", "--keys", "ring", "--dry-run", "--arch", "aarch64"]);
    command.args(["--iomem", &format!("{MACHINE}/iomem"), "--fdt", "fdt"]);
    finish(&mut command)
}

fn json(tree: &Scratch, arguments: &[&str]) -> Value {
    let done = load(tree, &[arguments, &["--json"]].concat());
    assert_eq!(done.code, 0, "{}", done.text);
    serde_json::from_str(&done.text).unwrap_or_else(|error| panic!("{error}: {}", done.text))
}

#[test]
fn an_entry_and_the_files_that_its_manifest_binds_are_planned_with_a_token() {
    let tree = signed_tree();
    let files = ["./root/vmlinuz", "--initrd", "root/initrd.img"];
    let with_line = [&files[..], &["--cmdline", "root=LABEL=root ro turnout.boot="]].concat();
    for arguments in [&["good"][..], &files, &with_line] {
        let planned = json(&tree, arguments);
        assert_eq!((&planned["entry"], &planned["loaded"]), (&"good".into(), &false.into()));
        assert_eq!(planned["trust"], "signed by release@example.org");
        let token = planned["token"].as_str().unwrap();
        let options = format!("root=LABEL=root  ro turnout.boot={token}");
        assert_eq!(planned["plan"]["options"], options);
        let digits = token.strip_prefix("kexec-").unwrap();
        assert!(digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}

#[test]
fn what_nobody_signed_is_refused_with_the_reason() {
    let tree = signed_tree();
    let edited = ["./root/vmlinuz", "--initrd", "root/initrd.img", "--cmdline", "init=/bin/sh"];
    load(&tree, &edited).expect(
        1,
        &["refused ./root/vmlinuz: EDITED: the manifest of good binds ./root/vmlinuz, but not \
             with what was named: the signed command line is \"root=LABEL=root  ro \
             turnout.boot=${boot}\"; \"turnout boot good\" takes what was signed"],
    );
    load(&tree, &["./root/vmlinuz", "--initrd", "root/extra.img"])
        .expect(1, &["refused ./root/vmlinuz: INITRD_SIZE: the manifest of good binds "]);
    load(&tree, &["./root/extra.img"]).expect(
        1,
        &["refused ./root/extra.img: UNSIGNED: no manifest in root that counts here binds "],
    );
    load(&tree, &["gone"]).expect(3, &["there is no entry gone; there is good"]);
    tree.write("vmlinuz", "a file of that name");
    load(&tree, &["vmlinuz"]).expect(3, &["; the file of that name is named with ./vmlinuz"]);
    tree.write("root/initrd.img", b"other");
    load(&tree, &["good"]).expect(1, &["refused good: INITRD_DIGEST: "]);
}
