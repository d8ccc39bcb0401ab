//! Boot menus as systemd's own tools see them: whatever they say of versions and
//! of a tree of entries, Turnout says too.
//!
//! The tools are those that `qemu/setup` has unpacked, or else those of this
//! machine; without them these tests say so and pass.

#![allow(clippy::unwrap_used)]

use std::cmp::Ordering;
use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use turnout::menu::text::version;

use crate::grub::made_up::dice::Dice;

/// A kernel for aarch64, packed.
const IMAGE: &[u8] = include_bytes!("../data/image/Image.gz");

/// The program that runs; said once if there is none.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let cache =
        |variable, below: &str| Some(PathBuf::from(std::env::var_os(variable)?).join(below));
    let cache = cache("TURNOUT_CACHE", "")
        .or_else(|| cache("XDG_CACHE_HOME", "turnout"))
        .or_else(|| cache("HOME", ".cache/turnout"));
    let unpacked = cache.map(|cache| cache.join("tools/bin").join(name));
    let runs = |path: &PathBuf| {
        Command::new(path).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let found = [unpacked, Some(PathBuf::from(name))].into_iter().flatten().find(runs);
    if found.is_none() {
        println!("skipped: there is no {name}");
    }
    found
}

/// A version of the letters that matter.
fn version_of(dice: &mut Dice) -> String {
    const PARTS: [&str; 20] = [
        "0",
        "1",
        "2",
        "9",
        "10",
        "007",
        "123456789012345678901",
        ".",
        "-",
        "~",
        "^",
        "+",
        "_",
        "a",
        "b",
        "rc",
        "fc32",
        "Z",
        "é",
        "deb13",
    ];
    (0..=dice.below(6)).map(|_| dice.one_of(&PARTS)).collect()
}

#[test]
fn versions_compare_as_systemd_compares_them() {
    let Some(systemd) = tool("systemd-analyze") else { return };
    let mut dice = Dice(0x5eed_0001);
    for _ in 0..200 {
        let a = version_of(&mut dice);
        let b = version_of(&mut dice);
        let output = Command::new(&systemd).args(["compare-versions", "--", &a, &b]).output();
        let expected = match output.unwrap().status.code() {
            Some(0) => Ordering::Equal,
            Some(11) => Ordering::Greater,
            Some(12) => Ordering::Less,
            other => panic!("{a:?} {b:?}: {other:?}"),
        };
        assert_eq!(version::compare(&a, &b), expected, "{a:?} {b:?}");
    }
}

/// Two partitions of one disk, removed at the end.
struct Disk(PathBuf);

impl Disk {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("turnout-{test}-{}", std::process::id()));
        let disk = Self(path);
        for part in ["esp", "boot"] {
            fs::create_dir_all(disk.part(part).join("loader/entries")).unwrap();
            fs::create_dir_all(disk.part(part).join("EFI/Linux")).unwrap();
            fs::write(disk.part(part).join("vmlinuz"), "").unwrap();
        }
        disk
    }

    fn part(&self, part: &str) -> PathBuf {
        self.0.join(part)
    }

    fn write(&self, part: &str, name: &str, text: &str) {
        fs::write(self.part(part).join("loader/entries").join(name), text).unwrap();
    }

    /// What bootctl makes of it. It wants partitions to be mounted: in a
    /// namespace of its own, as a user who may nothing else, they are.
    fn bootctl(&self, bootctl: &Path) -> Option<Vec<Value>> {
        const SCRIPT: &str = "
            set -e
            cd \"$1\"
            mkdir -p mounted/esp mounted/boot
            for part in esp boot; do
                mount -t tmpfs tmpfs mounted/$part
                cp -r $part/. mounted/$part
            done
            export SYSTEMD_RELAX_ESP_CHECKS=1 SYSTEMD_RELAX_XBOOTLDR_CHECKS=1
            exec \"$0\" --esp-path=\"$PWD/mounted/esp\" --boot-path=\"$PWD/mounted/boot\" \
                --json=short list";
        let output = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", SCRIPT])
            .args([bootctl, &self.0])
            .output()
            .ok()?;
        if !output.status.success() {
            println!("skipped: bootctl: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        let values = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
        let values: Vec<Value> = values.map(Result::unwrap).collect();
        // Objects one after the other, or since systemd 254 a list.
        Some(
            values
                .into_iter()
                .flat_map(|value| match value {
                    Value::Array(list) => list,
                    other => vec![other],
                })
                .collect(),
        )
    }

    fn turnout(&self) -> Vec<Value> {
        let [esp, boot] =
            ["esp", "boot"].map(|part| format!("{part}={}", self.part(part).display()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_turnout"));
        command.args(["list", "--json", "--arch", ARCH, "--root", &esp]);
        let output = command.args(["--root", &boot]).output().unwrap();
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
        listed.get("entries").unwrap().as_array().unwrap().clone()
    }

    fn compare(&self, bootctl: &Path) {
        let Some(expected) = self.bootctl(bootctl) else { return };
        // What systemd adds of its own: loaders of other systems, the firmware.
        let expected: Vec<_> =
            expected.iter().filter(|entry| !text(&entry["id"]).starts_with("auto-")).collect();
        let found = self.turnout();
        let ids: Vec<_> = found.iter().map(file_of).collect();
        assert_eq!(ids, expected.iter().map(|entry| text(&entry["id"])).collect::<Vec<_>>());
        for (ours, theirs) in found.iter().zip(expected) {
            for key in ["title", "version", "options"] {
                assert_eq!(text(&ours[key]), text(&theirs[key]), "{key}: {ours} {theirs}");
            }
            // bootctl leaves out the first slash of unified kernel images.
            let [our_path, their_path] = [ours, theirs].map(|entry| {
                let path = text(&entry["linux"]).replace("(boot)", "");
                path.trim_start_matches('/').to_owned()
            });
            assert_eq!(our_path, their_path, "{ours} {theirs}");
            let [our_initrds, their_initrds] =
                [ours, theirs].map(|entry| entry["initrd"].as_array().map_or(0, Vec::len));
            assert_eq!(our_initrds, their_initrds, "{ours} {theirs}");
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An entry of lines in any order, some of them repeated or unknown.
fn entry(dice: &mut Dice) -> String {
    let mut text = String::from("linux /vmlinuz\n");
    for _ in 0..dice.below(7) {
        let version = version_of(dice);
        let gap = dice.one_of(&[" ", "\t", "  \t "]);
        let line = match dice.below(8) {
            0 => format!("title{gap}{}", dice.one_of(&["Debian GNU/Linux", "Größe", "x"])),
            1 | 2 => format!("version{gap}{version}"),
            3 => format!("sort-key{gap}{}", dice.one_of(&["debian", "arch", "debian-old"])),
            4 => format!("machine-id{gap}{:032x}", dice.below(3)),
            5 => format!(
                "options{gap}{}",
                dice.one_of(&["root=LABEL=a ro", "quiet  splash", "a=$0"])
            ),
            6 => format!("initrd{gap}/{}", dice.one_of(&["initrd", "ucode.img"])),
            _ => dice.one_of(&["# linux /other", "", "grub_users $grub_users", "  "]).to_owned(),
        };
        writeln!(text, "{line}").unwrap();
    }
    text
}

/// The os-release of a system, with more or less in it.
fn release(dice: &mut Dice) -> String {
    let id = dice.one_of(&["debian", "arch", "fedora"]);
    let mut text = format!("ID={id}\nPRETTY_NAME=\"The {id} system\"\n");
    for key in ["IMAGE_VERSION", "VERSION_ID", "BUILD_ID"] {
        if dice.below(2) == 0 {
            writeln!(text, "{key}={}", dice.one_of(&["1", "2.0", "12", "39~rc1"])).unwrap();
        }
    }
    if dice.below(3) == 0 {
        text.push_str("IMAGE_ID=image\n");
    }
    text
}

/// This machine's, in the header of an EFI program: since systemd 257 bootctl
/// passes over images for others.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") { 0x8664 } else { 0xaa64 };

/// A kernel for this machine.
fn kernel() -> Vec<u8> {
    if cfg!(target_arch = "x86_64") { bzimage() } else { IMAGE.to_vec() }
}

/// What the boot protocol of x86 (2.15) wants to see of a kernel, and no code.
fn bzimage() -> Vec<u8> {
    let mut file = vec![0; 1024 + 4096];
    for (at, bytes) in [
        (0x1f1, &b"\x01"[..]),
        (0x1f4, &256_u32.to_le_bytes()),
        (0x1fe, b"\x55\xaa\xeb\x6aHdrS\x0f\x02"),
        (0x211, b"\x01"),
        (0x230, &0x20_0000_u32.to_le_bytes()),
        (0x234, b"\x01\x15\x7f"),
        (0x238, &2047_u32.to_le_bytes()),
        (0x258, &0x100_0000_u64.to_le_bytes()),
        (0x260, &0x10_0000_u32.to_le_bytes()),
    ] {
        file.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
    }
    file
}

/// The name of the entry's file.
fn file_of(entry: &Value) -> String {
    let suffix = if entry["format"] == "uki" { "efi" } else { "conf" };
    format!("{}.{suffix}", text(&entry["id"]))
}

/// A PE file with these sections and nothing that runs (Microsoft's PE Format).
fn uki(sections: &[(&str, &[u8])]) -> Vec<u8> {
    const ALIGNMENT: usize = 512;
    let mut headers = [b"MZ".as_slice(), &[0; 58], &64_u32.to_le_bytes(), b"PE\0\0"].concat();
    let count = u16::try_from(sections.len()).unwrap();
    // 240 bytes of optional header; an executable for large addresses.
    headers.extend([&MACHINE.to_le_bytes()[..], &count.to_le_bytes(), &[0; 12]].concat());
    headers.extend([240_u16.to_le_bytes(), 0x22_u16.to_le_bytes()].concat());
    let mut optional = [0; 240];
    optional[..2].copy_from_slice(&0x20b_u16.to_le_bytes());
    optional[32..36].copy_from_slice(&4096_u32.to_le_bytes());
    optional[36..40].copy_from_slice(&512_u32.to_le_bytes());
    optional[68] = 10;
    optional[108] = 16;
    headers.extend(optional);
    let mut data = Vec::new();
    for (index, (name, text)) in sections.iter().enumerate() {
        let mut full_name = name.as_bytes().to_vec();
        full_name.resize(8, 0);
        let size = text.len();
        let at = 1024 + data.len();
        let raw = size.next_multiple_of(ALIGNMENT);
        headers.extend(full_name);
        for number in [size, (index + 1) * 4096, raw, at, 0, 0, 0, 0x4000_0040] {
            headers.extend(u32::try_from(number).unwrap().to_le_bytes());
        }
        data.extend(*text);
        data.resize(at - 1024 + raw, 0);
    }
    headers.resize(1024, 0);
    [headers, data].concat()
}

#[test]
fn a_tree_of_entries_is_read_and_sorted_as_by_bootctl() {
    let Some(bootctl) = tool("bootctl") else { return };
    let mut dice = Dice(0x5eed_0002);
    for round in 0..4 {
        let disk = Disk::new(&format!("bootctl-{round}"));
        for number in 0..40 {
            let part = dice.one_of(&["esp", "boot"]);
            let text = entry(&mut dice);
            // Names without punctuation: bootctl compares them with their suffix.
            disk.write(part, &format!("e{number}.conf"), &text);
        }
        for number in 0..8 {
            let part = dice.one_of(&["esp", "boot"]);
            let path = disk.part(part).join(format!("EFI/Linux/u{number}.efi"));
            let release = release(&mut dice);
            let sections = [
                (".osrel", release.as_bytes()),
                (".cmdline", b"root=LABEL=u quiet"),
                (".linux", &kernel()),
            ];
            fs::write(path, uki(&sections)).unwrap();
        }
        disk.compare(&bootctl);
    }
}

/// A system whose checks run once everything is up, with the unit that confirms it.
struct Units(PathBuf);

impl Units {
    fn new(test: &str, unit: &str) -> Self {
        let root = std::env::temp_dir().join(format!("turnout-{test}-{}", std::process::id()));
        let units = root.join("etc/systemd/system");
        fs::create_dir_all(units.join("basic.target.wants")).unwrap();
        fs::create_dir_all(root.join("usr/sbin")).unwrap();
        fs::copy("/bin/true", root.join("usr/sbin/turnout")).unwrap();
        let write = |name: &str, text: &str| fs::write(units.join(name), text).unwrap();
        for (name, text) in TARGETS {
            write(name, &format!("[Unit]\nDescription={name}\n{text}"));
        }
        write("check.service", CHECK);
        write("turnout-bless.service", unit);
        let wants = units.join("basic.target.wants/turnout-bless.service");
        std::os::unix::fs::symlink("../turnout-bless.service", wants).unwrap();
        Self(root)
    }

    /// What systemd says of the start of all of them.
    fn said(&self, systemd: &Path) -> String {
        let mut command = Command::new(systemd);
        command.arg("verify").arg(format!("--root={}", self.0.display()));
        let output = command.args(["--man=no", "default.target"]).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Those that a service depends on by itself, and those of a start.
const TARGETS: [(&str, &str); 7] = [
    ("sysinit.target", "DefaultDependencies=no\n"),
    ("local-fs.target", "DefaultDependencies=no\n"),
    ("shutdown.target", "DefaultDependencies=no\n"),
    ("basic.target", "Requires=sysinit.target\nAfter=sysinit.target\n"),
    ("multi-user.target", "Requires=basic.target\nAfter=basic.target\n"),
    ("default.target", "Requires=multi-user.target\nAfter=multi-user.target\n"),
    ("boot-complete.target", "Requires=sysinit.target check.service\nAfter=sysinit.target\n"),
];

/// A check of somebody's own.
const CHECK: &str = "[Unit]\nDescription=check\nAfter=multi-user.target\n\
                     Before=boot-complete.target\n[Service]\nType=oneshot\n\
                     ExecStart=/usr/sbin/turnout\n";

const BLESS: &str = include_str!("../../dist/systemd/turnout-bless.service");

#[test]
fn systemd_takes_the_unit_that_confirms_a_system_behind_all_checks() {
    let Some(systemd) = tool("systemd-analyze") else { return };
    let said = Units::new("bless", BLESS).said(&systemd);
    assert_eq!(said, "");
    // It cannot come before a check, because it comes behind all of them.
    let early = BLESS.replace("Conflicts=", "Before=check.service\nConflicts=");
    let said = Units::new("bless-early", &early).said(&systemd);
    assert!(said.contains("ordering cycle"), "{said}");
    let unknown = BLESS.replace("Conflicts=", "Conflict=");
    let said = Units::new("bless-unknown", &unknown).said(&systemd);
    assert!(said.contains("Unknown key"), "{said}");
}
