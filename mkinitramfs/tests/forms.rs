//! `mkinitramfs --uki`, `--disk` and `mkinitramfs disk` from outside: what is in what is
//! made, what other people's tools say of it, and what is refused.
//!
//! The tools are those that `qemu/setup` has unpacked, or else this machine's; without
//! them the tests say so and pass, unless TURNOUT_TOOLS says that they should be there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;
// Modules are no matter here.
#[allow(dead_code)]
#[path = "common/elf.rs"]
mod elf;
#[path = "common/pe.rs"]
mod pe;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::{Done, Scratch, finish, run, text};
use turnout::base::arch::Arch;
use turnout::image::open_uki;
use turnout::source::Guid;
use turnout::source::gpt::{Header, header_range};

const MKINITRAMFS: &str = env!("CARGO_BIN_EXE_mkinitramfs");
const RELEASE: &str = "6.1.0-test";
const MIB: usize = 1 << 20;

/// A binary, a stub and a kernel for aarch64.
fn inputs() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("init", elf::init(elf::AARCH64));
    scratch.write("stub", pe::stub(pe::PE_AARCH64));
    scratch.write("vmlinuz", pe::arm64_kernel(RELEASE));
    scratch
}

/// Words that begin with `@` are files of the scratch directory.
fn make(scratch: &Scratch, more: &[&str]) -> Done {
    let usual = ["--mode", "open", "--binary", "@init", "--stub", "@stub", "--kernel", "@vmlinuz"];
    let words: Vec<String> = usual.iter().chain(more).map(|word| named(scratch, word)).collect();
    run(MKINITRAMFS, &words)
}

fn named(scratch: &Scratch, word: &str) -> String {
    word.strip_prefix('@').map_or_else(|| word.to_owned(), |file| text(&scratch.path(file)))
}

#[test]
fn a_uki_has_the_image_the_kernel_and_what_says_so() {
    let scratch = inputs();
    let words = ["--cmdline", " console=ttyAMA0 quiet ", "--uki", "@uki", "-o", "@image"];
    make(&scratch, &words).expect(0, &["uki, EFI program", "image, zstd"]);
    let file = scratch.read("uki");
    let uki = open_uki(&file, 0).unwrap();
    assert_eq!(uki.arch(), Arch::Aarch64);
    assert_eq!(uki.initrd().unwrap(), scratch.read("image"));
    assert_eq!(uki.linux(), scratch.read("vmlinuz"));
    assert_eq!(uki.cmdline(), Some("console=ttyAMA0 quiet"));
    assert_eq!(uki.uname(), Some(RELEASE));
    assert!(uki.osrel().unwrap().starts_with("ID=turnout\nNAME=Turnout\nPRETTY_NAME=\"Turnout "));
    // The stub's own bytes, behind the headers that count sections.
    assert_eq!(file[0x400..0x600], scratch.read("stub")[0x400..0x600]);
    make(&scratch, &["--cmdline", "console=ttyAMA0 quiet", "--uki", "@again"]).expect(0, &[]);
    assert_eq!(scratch.read("again"), file, "the same input gives the same bytes");
}

/// Without a command line of its own a stub takes that of whoever starts it.
#[test]
fn a_uki_always_has_a_command_line() {
    let scratch = inputs();
    for blank in [&[][..], &["--cmdline", " "][..]] {
        make(&scratch, &[blank, &["--uki", "@uki"]].concat()).expect(0, &[]);
        let file = scratch.read("uki");
        assert_eq!(open_uki(&file, 0).unwrap().cmdline(), Some("rdinit=/init"));
    }
}

#[test]
fn a_disk_has_the_program_where_firmware_looks() {
    let scratch = inputs();
    make(&scratch, &["--disk", "@disk", "--uki", "@uki"]).expect(0, &["67108864  ", "disk, disk"]);
    let words = ["disk", "--uki", "@uki", "-o", "@same"].map(|word| named(&scratch, word));
    run(MKINITRAMFS, &words).expect(0, &[]);
    let disk = scratch.read("disk");
    assert_eq!(disk.len(), 64 * MIB);
    assert!(disk == scratch.read("same"), "both ways give the same bytes");
    let range = |range: std::ops::Range<u64>| {
        usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()
    };
    let header = Header::parse(&disk[range(header_range(512))]).unwrap();
    let partitions = header.partitions(&disk[range(header.table_range())]).unwrap();
    assert_eq!(partitions.len(), 1);
    assert_eq!((partitions[0].type_guid, partitions[0].name.as_str()), (Guid::ESP, "Turnout"));
    assert_eq!((partitions[0].first_lba, partitions[0].last_lba), (2048, 63 * 2048 - 1));
}

#[test]
fn what_does_not_go_together_is_refused_by_name() {
    let scratch = inputs();
    scratch.write("other-stub", pe::stub(pe::PE_X86_64));
    scratch.write("bare", b"\x1f\x8b not a kernel that EFI starts");
    let mut signed = pe::stub(pe::PE_AARCH64);
    pe::pretend_signed(&mut signed);
    scratch.write("signed", signed);
    make(&scratch, &["--uki", "@uki"]).expect(0, &[]);
    let cases: [(&[&str], &str); 9] = [
        (
            &["--release", "6.2.0"],
            "vmlinuz: Linux 6.1.0-test, and the modules of the image are for 6.2.0",
        ),
        (&["--stub", "@other-stub"], "other-stub: for x86_64, and the image is for aarch64"),
        (&["--stub", "@signed"], "signed: it is signed, and would not be any more"),
        (&["--stub", "@uki"], "uki: it has a section .osrel already, so it is no bare stub"),
        (&["--stub", "@init"], "init: no EFI program: it does not begin with MZ"),
        (&["--kernel", "@uki"], "uki: a unified kernel image already: name the kernel alone"),
        (&["--kernel", "@init"], "init: "),
        (&["--cmdline", "a\nb"], "no line ends and control characters"),
        (&["--uki-dtb", "@stub"], "stub: "),
    ];
    for (words, reason) in cases {
        let usual = ["--mode", "open", "--binary", "@init"];
        let mut all: Vec<&str> = [&usual[..], words, &["--uki", "@never"]].concat();
        for default in [["--stub", "@stub"], ["--kernel", "@vmlinuz"]] {
            if !words.contains(&default[0]) {
                all.extend(default);
            }
        }
        let all: Vec<String> = all.iter().map(|word| named(&scratch, word)).collect();
        run(MKINITRAMFS, &all).expect(1, &[reason]);
        assert!(!scratch.path("never").exists(), "{words:?} wrote something");
    }
}

#[test]
fn no_file_is_written_over_by_what_is_made_of_it() {
    let scratch = inputs();
    let said = "would be written over by another file of this call";
    for words in [["--uki", "@stub"], ["--uki", "@vmlinuz"], ["--disk", "@stub"]] {
        make(&scratch, &words).expect(1, &[said]);
    }
    make(&scratch, &["--uki", "@one", "--disk", "@one"]).expect(1, &[said]);
    make(&scratch, &["--uki", "-", "-o", "-"]).expect(1, &[said]);
    make(&scratch, &["-o", "@image"]).expect(1, &["--kernel is for --uki and --disk"]);
    let words = ["--mode", "open", "--binary", "@init", "--uki", "@uki"];
    let words = words.map(|word| named(&scratch, word));
    run(MKINITRAMFS, &words).expect(2, &["--kernel <FILE>"]);
    assert_eq!(scratch.read("stub"), pe::stub(pe::PE_AARCH64));
}

#[test]
fn a_disk_is_as_large_as_it_is_told_to_be() {
    let scratch = inputs();
    let sized = |mib| make(&scratch, &["--disk", "@disk", "--disk-size", mib]);
    sized("20").expect(1, &["a disk of 20 MiB is too small: it takes 36"]);
    sized("99999999999").expect(1, &["at most 16384"]);
    // With clusters of one sector, and of eight.
    for mib in ["36", "300"] {
        sized(mib).expect(0, &[]);
        assert_eq!(scratch.read("disk").len(), mib.parse::<usize>().unwrap() * MIB);
        check_by_tools(&scratch);
    }
    let words = ["disk", "--uki", "@init", "-o", "@never"].map(|word| named(&scratch, word));
    run(MKINITRAMFS, &words).expect(1, &["init: only a unified kernel image starts by itself"]);
}

/// A stub that ends anywhere, and one with any byte of its headers changed, is refused
/// or gives a file that can be read; nothing panics.
#[test]
fn a_damaged_stub_is_survived() {
    let scratch = inputs();
    let whole = pe::stub(pe::PE_AARCH64);
    let broken = (0..0x600_usize).step_by(97).map(|length| whole[..length].to_vec());
    let changed = (0x3c..0x190_usize).step_by(13).map(|at| {
        let mut file = whole.clone();
        file[at] = 0xff;
        file
    });
    for file in broken.chain(changed) {
        scratch.write("stub", file);
        let done = make(&scratch, &["--uki", "@uki"]);
        assert!(done.code == 0 || done.code == 1, "{}", done.text);
        assert!(!done.text.contains("panicked"), "{}", done.text);
    }
}

fn tool(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("TURNOUT_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/turnout"));
    let unpacked = cache.or(home).map(|cache| cache.join("tools/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = unpacked.into_iter().chain(std::env::split_paths(&path));
    let folders = folders.chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    assert!(
        found.is_some() || std::env::var_os("TURNOUT_TOOLS").is_none(),
        "the set-up has brought no {name}"
    );
    if found.is_none() {
        eprintln!("there is no {name} to compare with");
    }
    found
}

/// "disk" has no fault that sfdisk and fsck.vfat can find.
fn check_by_tools(scratch: &Scratch) {
    let disk = scratch.read("disk");
    let esp = scratch.write("esp", &disk[MIB..disk.len() - MIB]);
    if let Some(sfdisk) = tool("sfdisk") {
        let done = finish(Command::new(sfdisk).arg("--verify").arg(scratch.path("disk")));
        done.expect(0, &["No errors detected"]);
    }
    if let Some(fsck) = tool("fsck.vfat") {
        // It exits with 1 if it has anything to mend.
        finish(Command::new(fsck).args(["-n", "-V"]).arg(esp)).expect(0, &["4 files, "]);
    }
}

#[test]
fn other_tools_find_no_fault_and_the_same_file() {
    let scratch = inputs();
    make(&scratch, &["--disk", "@disk", "--uki", "@uki"]).expect(0, &[]);
    check_by_tools(&scratch);
    let Some(mcopy) = tool("mcopy") else { return };
    let image = format!("{}@@1M", text(&scratch.path("disk")));
    let mut mcopy = Command::new(mcopy);
    let path = "::/EFI/BOOT/BOOTAA64.EFI";
    finish(mcopy.args(["-i", &image, path]).arg(scratch.path("read"))).expect(0, &[]);
    assert_eq!(scratch.read("read"), scratch.read("uki"));
}

#[test]
fn sbsign_signs_a_uki_and_a_disk_takes_it() {
    let scratch = inputs();
    make(&scratch, &["--uki", "@uki"]).expect(0, &[]);
    let tools = (tool("openssl"), tool("sbsign"), tool("sbverify"));
    let (Some(openssl), Some(sbsign), Some(sbverify)) = tools else { return };
    let files = ["db.key", "db.crt", "uki", "signed"].map(|name| text(&scratch.path(name)));
    let [key, certificate, uki, signed] = files.each_ref().map(String::as_str);
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=db/", "-keyout", key];
    finish(Command::new(openssl).args(new).args(["-out", certificate])).expect(0, &[]);
    let how = ["--key", key, "--cert", certificate, "--output", signed, uki];
    finish(Command::new(sbsign).args(how)).expect(0, &[]);
    let verify = |file| finish(Command::new(&sbverify).args(["--cert", certificate, file]));
    verify(signed).expect(0, &["Signature verification OK"]);
    verify(uki).expect(1, &["No signature table present"]);
    assert_eq!(open_uki(&scratch.read("signed"), 0).unwrap().uname(), Some(RELEASE));
    let words = ["disk", "--uki", signed, "-o", "@disk"].map(|word| named(&scratch, word));
    run(MKINITRAMFS, &words).expect(0, &[]);
    let mut changed = fs::read(signed).unwrap();
    changed[0x410] ^= 1;
    fs::write(signed, changed).unwrap();
    verify(signed).expect(1, &["fail"]);
}
