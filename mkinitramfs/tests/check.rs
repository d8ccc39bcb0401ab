//! `mkinitramfs check`, as people call it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Scratch, run, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::path::Path;

const MKINITRAMFS: &str = env!("CARGO_BIN_EXE_mkinitramfs");
const HARDENED: &str = include_str!("data/hardened-x86_64.config");

fn check(config: &Path) -> common::Done {
    run(MKINITRAMFS, &["check", "--config", &text(config)])
}

#[test]
fn a_hardened_configuration_passes_plain_and_compressed() {
    let scratch = Scratch::new();
    check(&scratch.write("config", HARDENED)).expect(0, &["requirements for x86_64 are met"]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(HARDENED.as_bytes()).unwrap();
    let packed = scratch.write("config.gz", packed.finish().unwrap());
    check(&packed).expect(0, &["requirements for x86_64 are met"]);
    assert_eq!(scratch.read("config"), HARDENED.as_bytes());
}

/// Lines of Debian 12's config-6.1.0-56-amd64.
#[test]
fn a_distributions_configuration_fails_for_each_reason() {
    let debian = "CONFIG_X86_64=y\n# CONFIG_CMDLINE_BOOL is not set\nCONFIG_MODULES=y\n\
                  # CONFIG_MODULE_SIG_FORCE is not set\nCONFIG_MAGIC_SYSRQ=y\nCONFIG_DEVMEM=y\n\
                  CONFIG_PANIC_TIMEOUT=0\nCONFIG_HIBERNATION=y\nCONFIG_UDF_FS=m\n";
    let scratch = Scratch::new();
    let done = check(&scratch.write("config", debian));
    let lines = [
        "CONFIG_CMDLINE_BOOL=n; wanted CONFIG_CMDLINE_BOOL=y: ",
        "CONFIG_CMDLINE_OVERRIDE=n; wanted CONFIG_CMDLINE_OVERRIDE=y: ",
        "CONFIG_MODULES=y, CONFIG_MODULE_SIG_FORCE=n; wanted CONFIG_MODULES=n or ",
        "CONFIG_MAGIC_SYSRQ=y; wanted CONFIG_MAGIC_SYSRQ=n: ",
        "CONFIG_DEVMEM=y; wanted CONFIG_DEVMEM=n: /dev/mem reads and writes all memory",
        "CONFIG_PANIC_TIMEOUT=0; wanted CONFIG_PANIC_TIMEOUT not 0: ",
        "CONFIG_HIBERNATION=y; wanted ",
        "CONFIG_UDF_FS=m; wanted CONFIG_UDF_FS=n: ",
    ];
    done.expect(1, &lines);
    assert!(!done.text.contains("KGDB"), "what is not set counts as off:\n{}", done.text);
}

#[test]
fn what_is_no_configuration_is_an_error_with_its_name_and_line() {
    let scratch = Scratch::new();
    let path = scratch.write("config", "CONFIG_X86_64=y\nhello\n");
    check(&path).expect(1, &["mkinitramfs: ", &text(&path), "line 2: \"hello\""]);
    check(&scratch.path("none")).expect(1, &["cannot read ", "none"]);
    run(MKINITRAMFS, &["check"]).expect(2, &["--config"]);
}

/// What the command prints; its exit code is 0.
fn fragment(words: &[&str]) -> String {
    let done = run(MKINITRAMFS, &[&["check", "--fragment"], words].concat());
    done.expect(0, &["CONFIG_BLK_DEV_INITRD=y"]);
    done.text
}

#[test]
fn a_fragment_passes_the_check_of_its_classes_and_fails_that_of_others() {
    let scratch = Scratch::new();
    for arch in ["x86_64", "aarch64"] {
        let words = ["--arch", arch, "--class", "nvme", "ext4", "serial"];
        let path = text(&scratch.write("fragment", fragment(&words)));
        let check = ["check", "--config", &path, "--class"];
        let met = format!("requirements for {arch} are met");
        run(MKINITRAMFS, &[&check[..], &["nvme"]].concat()).expect(0, &[&met]);
        let wanted = "CONFIG_USB_STORAGE=n; wanted CONFIG_USB_STORAGE=y: sticks and disks";
        run(MKINITRAMFS, &[&check[..], &["usb"]].concat()).expect(1, &[wanted]);
    }
}

#[test]
fn a_fragment_has_efi_unless_it_is_left_out() {
    assert!(fragment(&["--arch", "aarch64"]).contains("\nCONFIG_EFI=y\n"));
    let without = fragment(&["--arch", "aarch64", "--without", "efi", "usb"]);
    assert!(without.contains("\n# CONFIG_EFI is not set\n"), "{without}");
    assert!(!without.contains("CONFIG_USB_STORAGE"), "{without}");
}

#[test]
fn what_is_named_for_a_fragment_is_in_it_or_refused() {
    let words = ["--arch", "x86_64", "--cmdline", "console=ttyS1", "--initramfs", "/t.cpio"];
    let text = fragment(&words);
    assert!(text.contains("\nCONFIG_CMDLINE=\"console=ttyS1\"\n"), "{text}");
    assert!(text.contains("\nCONFIG_INITRAMFS_SOURCE=\"/t.cpio\"\n"), "{text}");
    refused(&["--class", "floppy"], 1, &["there is no class floppy for ", "; there are base, "]);
    refused(&["--cmdline", "init=/bin/sh"], 1, &["without init=: no system is ever started"]);
    refused(&["--arch", "riscv64"], 2, &["it is x86_64 or aarch64"]);
    refused(&["--config", "/dev/null"], 2, &["cannot be used with"]);
    refused(&["--class", "nvme", "--without", "efi"], 2, &["cannot be used with"]);
}

fn refused(words: &[&str], code: i32, lines: &[&str]) {
    run(MKINITRAMFS, &[&["check", "--fragment"], words].concat()).expect(code, lines);
}
