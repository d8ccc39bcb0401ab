//! Where the programs write to: what is no file is never replaced by one, and a
//! file keeps what it had besides its bytes.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
#[allow(dead_code, reason = "image.rs needs the rest of it")]
#[path = "common/elf.rs"]
mod elf;

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use common::{Scratch, run, text};
use elf::{X86_64, init};

const MKINITRAMFS: &str = env!("CARGO_BIN_EXE_mkinitramfs");
const TURNOUT_SIGN: &str = env!("CARGO_BIN_EXE_turnout-sign");

/// Builds an open image of nothing but the program, where `output` says.
fn build(scratch: &Scratch, output: &str) -> Output {
    let binary = scratch.write("turnout-init", init(X86_64));
    let mut command = Command::new(MKINITRAMFS);
    command.args(["--mode", "open", "--compress", "none", "-o", output, "--binary"]);
    command.arg(binary).current_dir(scratch.path("")).output().unwrap()
}

#[track_caller]
fn image(scratch: &Scratch) -> Vec<u8> {
    let built = build(scratch, "plain");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    scratch.read("plain")
}

#[track_caller]
fn refused(scratch: &Scratch, output: &str) -> String {
    let built = build(scratch, output);
    assert_eq!(built.status.code(), Some(1));
    String::from_utf8(built.stderr).unwrap()
}

#[test]
fn a_dash_is_the_standard_output_and_no_file() {
    let scratch = Scratch::new();
    let built = build(&scratch, "-");
    assert_eq!(built.stdout, image(&scratch));
    assert!(!scratch.path("-").exists());
    let said = String::from_utf8(built.stderr).unwrap();
    assert!(said.contains("  /init\n") && said.contains("  archive\n"), "{said}");
}

#[test]
fn a_device_node_is_written_to_and_never_replaced() {
    let scratch = Scratch::new();
    let node = scratch.path("null");
    let made = Command::new("mknod").arg(&node).args(["c", "1", "3"]).output().unwrap();
    // Only root can make a node, and only root could replace /dev/null.
    let output = if made.status.success() { text(&node) } else { "/dev/null".to_owned() };
    let before = fs::metadata(&output).unwrap();
    assert!(build(&scratch, &output).status.success());
    let after = fs::metadata(&output).unwrap();
    assert!(after.file_type().is_char_device());
    assert_eq!(after.ino(), before.ino(), "it is another one");
}

#[test]
fn a_fifo_hands_the_image_to_its_reader() {
    let scratch = Scratch::new();
    let fifo = scratch.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let read = thread::spawn({
        let fifo = fifo.clone();
        move || fs::read(fifo).unwrap()
    });
    assert!(build(&scratch, "fifo").status.success());
    assert_eq!(read.join().unwrap(), image(&scratch));
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
}

#[test]
fn a_link_and_a_mode_stay_as_they_are() {
    let scratch = Scratch::new();
    let file = scratch.write("images/real", "old");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("images/real", scratch.path("link")).unwrap();
    assert!(build(&scratch, "link").status.success());
    assert_eq!(fs::read_link(scratch.path("link")).unwrap(), Path::new("images/real"));
    assert_eq!(scratch.read("images/real"), image(&scratch));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(scratch.path("images")).unwrap().count(), 1);
}

#[test]
fn what_takes_no_image_is_named_with_the_reason() {
    let scratch = Scratch::new();
    symlink("gone", scratch.path("dangling")).unwrap();
    fs::create_dir(scratch.path("directory")).unwrap();
    for (output, reason) in [
        (
            "dangling",
            "dangling is a link to gone, which is not there: make that, or remove the link",
        ),
        ("directory", "directory is a directory: name a file in it"),
        ("/dev/full", "cannot write to /dev/full: No space left on device"),
        ("none/out", "cannot write none/out: No such file or directory"),
    ] {
        let said = refused(&scratch, output);
        assert!(said.starts_with(&format!("mkinitramfs: {reason}")), "{said}");
    }
    assert!(scratch.path("dangling").is_symlink());
}

#[test]
fn a_policy_is_printed_once_where_a_dash_asks_for_it() {
    let scratch = Scratch::new();
    let fixed = ["policy", "write", "--version", "3", "-o"];
    let printed = run(TURNOUT_SIGN, &[&fixed[..], &["-"]].concat());
    printed.expect(0, &["turnout-policy 1\nversion 3\n"]);
    assert_eq!(printed.text.matches("turnout-policy 1").count(), 1, "{}", printed.text);
    let node = scratch.path("policy");
    run(TURNOUT_SIGN, &[&fixed[..], &[&text(&node)]].concat()).expect(0, &["version 3"]);
    assert!(scratch.read("policy").starts_with(b"turnout-policy 1\nversion 3\n"));
}
