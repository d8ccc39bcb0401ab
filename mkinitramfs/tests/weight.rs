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

fn old_image(machine: &Scratch, module_bytes: usize, compress: &str) -> String {
    module(machine, "fs/xfs/xfs", module_bytes);
    build(machine, &["--module", "xfs", "disk-one", "--compress", compress]).expect(0, &[]);
    let old = machine.path("old");
    std::fs::rename(machine.path("image"), &old).unwrap();
    text(&old)
}

#[test]
fn a_report_has_classes_the_biggest_reasons_and_what_changed_since_the_last_image() {
    let machine = machine();
    build(&machine, &["--module", "xfs"]).expect(0, &[]);
    let first = build(&machine, &["--module", "xfs", "--report"]);
    first.expect(
        0,
        &[
            "  nothing has another size\n",
            "filesystem (1)\n",
            "turnout-init (1)\n",
            "  xfs: --module\n",
        ],
    );
    assert!(!first.text.contains("  xfs came"), "{}", first.text);
    module(&machine, "fs/xfs/xfs", 20_500);
    let done = build(&machine, &["--module", "xfs", "disk-one", "--report"]);
    done.expect(0, &["/image had ", "  disk_one came: ", "  xfs grew by 500 to ", "storage (1)\n"]);
    build(&machine, &["--module", "xfs", "--report"]).expect(0, &["  disk_one went: "]);
}

#[test]
fn an_image_can_be_compared_with_one_of_any_compression() {
    let machine = machine();
    for compress in ["zstd", "xz", "gzip", "none"] {
        let old = old_image(&machine, 20_000, compress);
        module(&machine, "fs/xfs/xfs", 19_000);
        let compare = ["--module", "xfs", "disk-one", "--compress-modules", "--compare", &old];
        let done = build(&machine, &compare);
        done.expect(0, &["/old had ", "  xfs shrank by 1000 to "]);
        assert!(!done.text.contains("disk_one came"), "{compress}: {}", done.text);
    }
}

#[test]
fn what_is_no_image_is_not_compared_with() {
    let machine = machine();
    let other = text(&machine.write("other", "no image"));
    let done = build(&machine, &["--module", "xfs", "--compare", &other]);
    let why = "/other is no image: neither an archive nor a compressed one begins in it";
    done.expect(1, &[why]);
    assert!(!machine.path("image").exists(), "nothing is written");
    machine.write("image", "no image");
    let done = build(&machine, &["--module", "xfs", "--report"]);
    done.expect(0, &["not compared with what is replaced: "]);
}

#[test]
fn an_image_over_the_limit_is_not_written_and_what_grew_most_is_named() {
    let machine = machine();
    let old = old_image(&machine, 10_000, "none");
    machine.write("image", std::fs::read(&old).unwrap());
    module(&machine, "fs/xfs/xfs", 20_000);
    let modules = ["--module", "xfs", "disk-one", "--compress", "none"];
    let done = build(&machine, &[&modules[..], &["--limit", "20k"]].concat());
    let words = [" more than --limit allows; since ", "/image: xfs grew by 10000 to "];
    done.expect(1, &[&words[..], &["; nothing is written\n"]].concat());
    assert!(machine.read("image") == std::fs::read(&old).unwrap(), "the old one is there");
    std::fs::remove_file(machine.path("image")).unwrap();
    let done = build(&machine, &[&modules[..], &["--limit", "0.02M"]].concat());
    done.expect(1, &["--limit allows; the biggest, unpacked: xfs 2"]);
    assert!(!machine.path("image").exists(), "nothing is written");
    build(&machine, &[&modules[..], &["--limit", "1MiB"]].concat()).expect(0, &[]);
}

#[test]
fn a_limit_is_a_size() {
    let done = build(&machine(), &["--limit", "much"]);
    done.expect(2, &["'--limit <SIZE>': a size is written 6500000, 6.5M or 6MiB"]);
}
