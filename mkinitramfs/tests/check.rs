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
