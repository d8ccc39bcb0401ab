//! What an image weighs: modules compressed by themselves, the report, and the limit.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "others need the rest of it")]
mod common;
#[allow(dead_code, reason = "image.rs needs the rest of it")]
#[path = "common/elf.rs"]
mod elf;

use std::collections::BTreeMap;

use turnout::base::cpio;
use turnout::drivers::table;
use turnout::image::compression::Compressor;

use common::{Done, Scratch, run, text};
use elf::{ET_REL, X86_64, elf as elf_file, init};

const RELEASE: &str = "6.1.0-test";

fn module(machine: &Scratch, path: &str, size: usize) -> Vec<u8> {
    let filling = "x".repeat(size);
    let info = format!("description={filling}\0vermagic={RELEASE} SMP\0");
    let bytes = elf_file(ET_REL, X86_64, (".modinfo", info.as_bytes()), None);
    machine.write(&format!("tree/kernel/{path}.ko"), &bytes);
    bytes
}

fn machine() -> Scratch {
    let machine = Scratch::new();
    machine.write("init", init(X86_64));
    module(&machine, "drivers/ata/disk-one", 5000);
    module(&machine, "fs/xfs/xfs", 20_000);
    machine
}

fn build(machine: &Scratch, more: &[&str]) -> Done {
    let (tree, binary) = (text(&machine.path("tree")), text(&machine.path("init")));
    let out = text(&machine.path("image"));
    let fixed = ["--modules-dir", &tree, "--binary", &binary, "--mode", "open", "-o", &out];
    run(env!("CARGO_BIN_EXE_mkinitramfs"), &[&fixed, more].concat())
}

/// The files of an image that is not compressed.
fn files(image: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut rest = image;
    let mut files = BTreeMap::new();
    while let Some(member) = cpio::take(&mut rest) {
        files.insert(String::from_utf8_lossy(member.path).into_owned(), member.content.to_vec());
    }
    files
}

#[test]
fn each_module_is_compressed_by_itself_and_called_so_in_the_table() {
    let machine = machine();
    let bytes = module(&machine, "fs/xfs/xfs", 20_000);
    let done = build(&machine, &["--module", "xfs", "--compress-modules", "--compress", "none"]);
    done.expect(0, &["kernel/fs/xfs/xfs.ko.zst\n"]);
    let files = files(&machine.read("image"));
    let text = String::from_utf8(files["etc/turnout/drivers"].clone()).unwrap();
    let driver = &table::parse(&text).unwrap()[0];
    assert_eq!((driver.name.as_str(), driver.path), ("xfs", Some("kernel/fs/xfs/xfs.ko.zst")));
    let packed = &files[&format!("lib/modules/{RELEASE}/{}", driver.path.unwrap())];
    assert!(packed.len() < bytes.len() / 10, "{} bytes", packed.len());
    // As PID 1 does it.
    let unpacked = Compressor::Zstd.decode(packed, turnout::sys::module::MAX).unwrap();
    assert!(unpacked == bytes, "it comes back as it was");
}
