//! Partition tables and file systems that other programs wrote.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use turnout::source::filesystem::{self, FileSystem, Kind};
use turnout::source::raid::{Member, Place};
use turnout::source::{Guid, gpt};

const UUID: &str = "3f0f3a52-9d4b-4c8b-9d3a-0d5d1c1c4d11";

/// An empty sparse file of `size` bytes in the build directory.
fn image(name: &str, size: u64) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    File::create(&path).unwrap().set_len(size).unwrap();
    path
}

/// Runs a program with `input`; false, said on the console, if it is not
/// installed.
fn run(program: &str, arguments: &[&str], path: &Path, input: &str) -> bool {
    let search = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(path)
        .env("PATH", search)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        println!("skipped: {program} is not installed");
        return false;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} {arguments:?}");
    true
}

#[test]
fn a_table_that_sfdisk_wrote_is_read() {
    let path = image("gpt.img", 64 << 20);
    let script = format!(
        "label: gpt\n\
         size=16M, type=c12a7328-f81f-11d2-ba4b-00a0c93ec93b, name=esp\n\
         size=16M, type=bc13c2ff-59e6-4262-a352-b275fd6f7172, uuid={UUID}, name=\"Boot Loader\"\n"
    );
    if !run("sfdisk", &["--quiet"], &path, &script) {
        return;
    }
    let disk = fs::read(path).unwrap();
    let read = |range: core::ops::Range<u64>| {
        &disk[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
    };
    let header = gpt::Header::parse(read(gpt::header_range(512))).unwrap();
    let partitions = header.partitions(read(header.table_range())).unwrap();
    assert_eq!(partitions.len(), 2);
    assert_eq!((partitions[0].index, partitions[0].type_guid), (1, Guid::ESP));
    assert_eq!((partitions[1].index, partitions[1].type_guid), (2, Guid::XBOOTLDR));
    assert_eq!(partitions[1].partuuid.to_string(), UUID);
    assert_eq!(partitions[1].name, "Boot Loader");
    assert_eq!(partitions[1].last_lba - partitions[1].first_lba + 1, (16 << 20) / 512);
}

#[test]
fn file_systems_that_their_own_tools_wrote_are_identified() {
    let found = |kind, uuid: &str| {
        Some(FileSystem { kind, uuid: Some(uuid.to_owned()), label: Some("BOOT".to_owned()) })
    };
    let cases: [(&str, &[&str], u64, Option<FileSystem>); 8] = [
        ("mke2fs", &["-q", "-t", "ext4", "-L", "BOOT", "-U", UUID], 16, found(Kind::Ext4, UUID)),
        ("mke2fs", &["-q", "-t", "ext2", "-L", "BOOT", "-U", UUID], 16, found(Kind::Ext4, UUID)),
        (
            "mkfs.vfat",
            &["-F", "12", "-n", "BOOT", "-i", "deadbeef"],
            2,
            found(Kind::Vfat, "DEAD-BEEF"),
        ),
        (
            "mkfs.vfat",
            &["-F", "16", "-n", "BOOT", "-i", "deadbeef"],
            16,
            found(Kind::Vfat, "DEAD-BEEF"),
        ),
        (
            "mkfs.vfat",
            &["-F", "32", "-n", "BOOT", "-i", "deadbeef"],
            64,
            found(Kind::Vfat, "DEAD-BEEF"),
        ),
        ("mkfs.btrfs", &["-q", "-L", "BOOT", "-U", UUID], 128, found(Kind::Btrfs, UUID)),
        (
            "mkfs.xfs",
            &["-q", "-L", "BOOT", "-m", &format!("uuid={UUID}")],
            512,
            found(Kind::Xfs, UUID),
        ),
        ("mkfs.f2fs", &["-q", "-l", "BOOT", "-U", UUID], 64, found(Kind::F2fs, UUID)),
    ];
    for (index, (program, arguments, mebibytes, expected)) in cases.into_iter().enumerate() {
        let path = image(&format!("filesystem-{index}.img"), mebibytes << 20);
        if run(program, arguments, &path, "") {
            let bytes = fs::read(path).unwrap();
            let start = &bytes[..filesystem::PROBE_BYTES];
            assert_eq!(filesystem::identify(start), expected, "{program} {arguments:?}");
        }
    }
}

/// A disk of 24 MiB with a superblock that mdadm wrote.
fn member(name: &str, place: Place) -> PathBuf {
    let path = image(&format!("member-{name}.img"), MEMBER);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/raid").join(name);
    let disk = File::options().write(true).open(&path).unwrap();
    disk.write_all_at(&fs::read(data).unwrap(), place.offset(MEMBER).unwrap()).unwrap();
    path
}

const MEMBER: u64 = 24 << 20;

/// Whether a line of `mdadm --examine` says this.
fn says(examined: &str, key: &str, value: &str) -> bool {
    let mut fields = examined.lines().filter_map(|line| line.split_once(" : "));
    fields.any(|(found, said)| found.trim() == key && said.trim().starts_with(value))
}

#[test]
fn members_are_read_as_mdadm_reads_them() {
    for (name, place, role) in [
        ("0.90-first", Place::V0_90, None),
        ("1.0-second", Place::V1_0, Some("Active device 1")),
        ("1.1-first", Place::V1_1, Some("Active device 0")),
        ("1.2-second", Place::V1_2, Some("Active device 1")),
        ("raid5", Place::V1_2, Some("Active device 1")),
        ("stale", Place::V1_2, Some("Active device 1")),
        ("fresh", Place::V1_2, Some("Active device 0")),
        ("spare", Place::V1_2, Some("spare")),
    ] {
        let path = member(name, place);
        let search = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let mut mdadm = Command::new("mdadm");
        let Ok(examined) = mdadm.arg("--examine").arg(&path).env("PATH", search).output() else {
            println!("skipped: mdadm is not installed");
            return;
        };
        let text = String::from_utf8(examined.stdout).unwrap();
        let bytes = fs::read(path).unwrap();
        let at = usize::try_from(place.offset(MEMBER).unwrap()).unwrap();
        let found = Member::parse(&bytes[at..], place, MEMBER).unwrap();
        let uuid = format!("{:032x}", found.uuid);
        let uuid: Vec<&str> =
            uuid.as_bytes().chunks(8).map(|part| str::from_utf8(part).unwrap()).collect();
        let key = if role.is_some() { "Array UUID" } else { "UUID" };
        assert!(says(&text, key, &uuid.join(":")), "{name}: {found}: {text}");
        assert!(says(&text, "Events", &found.events.to_string()), "{name}: {found}: {text}");
        assert!(says(&text, "Raid Level", &format!("raid{}", found.level)), "{name}: {text}");
        assert!(says(&text, "Raid Devices", &found.disks.to_string()), "{name}: {text}");
        assert!(role.is_none_or(|role| says(&text, "Device Role", role)), "{name}: {text}");
        if matches!(place, Place::V1_1 | Place::V1_2) {
            let start = format!("{} sectors", found.data.start / 512);
            assert!(says(&text, "Data Offset", &start), "{name}: {found}: {text}");
        }
    }
}
