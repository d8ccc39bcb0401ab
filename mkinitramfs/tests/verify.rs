//! `turnout verify` on a host: every refusal by its code, as JSON and in words,
//! and the same from `turnout-sign verify`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
mod boot_tree;
mod common;
#[path = "common/more_keys.rs"]
mod more_keys;
#[path = "common/programs.rs"]
mod programs;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::OnceLock;

use boot_tree::{TURNOUT_SIGN, boot_tree, sign, verify, verify_with};
use common::{Done, Scratch, finish, run, text};
use more_keys::add_key;
use programs::programs;
use serde_json::{Value, json};

const CONF: &str = "root/loader/entries/good+3.conf";

/// `turnout verify` in the tree's directory.
fn turnout_verify(tree: &Scratch, args: &str) -> Done {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| text(&programs().join("turnout")));
    let mut command = Command::new(program);
    command.current_dir(tree.path("")).arg("verify");
    finish(command.args(args.split(' ').filter(|arg| !arg.is_empty())))
}

/// What `turnout list` and `turnout explain` print in the tree's directory.
fn shown(tree: &Scratch, args: &str) -> Value {
    let mut command = Command::new(programs().join("turnout"));
    let done = finish(command.current_dir(tree.path("")).args(args.split(' ')));
    serde_json::from_str(&done.text).unwrap_or_else(|error| panic!("{error}: {}", done.text))
}

/// The JSON for the tree's entries, and the exit status.
fn verdict(tree: &Scratch, more: &str) -> (i32, Value) {
    let done = turnout_verify(tree, &format!("--root root --keys ring --json {more}"));
    let json =
        serde_json::from_str(&done.text).unwrap_or_else(|error| panic!("{error}: {}", done.text));
    (done.code, json)
}

/// That both programs refuse the entry "good" with this code.
#[track_caller]
fn both_refuse(tree: &Scratch, code: &str, options: &str) {
    let (status, json) = verdict(tree, &format!("good {options}"));
    let entry = &json["entries"][0];
    assert_eq!((status, entry["code"].as_str()), (1, Some(code)), "{json}");
    assert_eq!((&json["verified"], &entry["verified"]), (&json!(false), &json!(false)));
    assert!(!entry["detail"].as_str().unwrap().is_empty());
    let options: Vec<_> = options.split(' ').filter(|option| !option.is_empty()).collect();
    let options: Vec<_> = options
        .iter()
        .map(|word| match *word {
            "policy" => text(&tree.path("policy")),
            "--device-id" => "--device".to_owned(),
            word => word.to_owned(),
        })
        .collect();
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    verify_with(tree, &options).expect(1, &[&format!("refused good: {code}: ")]);
}

fn signed_tree() -> Scratch {
    let tree = boot_tree();
    sign(&tree, &["--security-version", "7"]).expect(0, &[]);
    verify(&tree).expect(0, &[]);
    tree
}

#[test]
fn a_verified_entry_is_told_in_words_and_in_full_as_json() {
    let tree = signed_tree();
    turnout_verify(&tree, "--root root --keys ring").expect(
        0,
        &["verified good: signed by release@example.org: boot, x86_64, security version 7"],
    );
    let (status, json) = verdict(&tree, "");
    let entry = json["entries"][0].as_object().unwrap();
    let (digest, key) = (entry["manifest_sha256"].clone(), entry["keys"][0].clone());
    assert_eq!(digest.as_str().map(str::len), Some(64));
    assert!(key.as_str().unwrap().starts_with("SHA256:"), "{key}");
    let expected = json!({
        "verified": true, "ring": 0, "policy": 0, "notes": [],
        "entries": [{
            "id": "good", "verified": true, "code": null, "detail": null, "role": "boot",
            "security_version": 7, "arch": "x86_64", "manifest_sha256": digest,
            "signers": ["release@example.org"], "keys": [key],
        }],
    });
    assert_eq!((status, json), (0, expected));
}

#[test]
fn a_refused_entry_is_told_in_full_as_json() {
    let tree = boot_tree();
    let (status, json) = verdict(&tree, "");
    let detail = json["entries"][0]["detail"].clone();
    assert!(detail.as_str().unwrap().contains("/turnout/good.manifest"), "{detail}");
    let expected = json!({
        "verified": false, "ring": 0, "policy": 0, "notes": [],
        "entries": [{
            "id": "good", "verified": false, "code": "UNSIGNED", "detail": detail, "role": null,
            "security_version": null, "arch": null, "manifest_sha256": null,
            "signers": [], "keys": [],
        }],
    });
    assert_eq!((status, json), (1, expected));
}

#[test]
fn both_programs_refuse_every_change_by_the_same_code() {
    let cases: [(&str, &str, &[u8]); 9] = [
        ("LINUX_DIGEST", "root/vmlinuz", &[0; 4096]),
        ("LINUX_SIZE", "root/vmlinuz", b"short"),
        ("INITRD_SIZE", "root/initrd.img", b"longer"),
        ("INITRD_DIGEST", "root/initrd.img", b"First"),
        ("INITRD_COUNT", CONF, b"linux /vmlinuz\ninitrd /initrd.img\n"),
        (
            "DEVICETREE",
            CONF,
            b"linux /vmlinuz\ninitrd /initrd.img\ninitrd /extra.img\ndevicetree /extra.img\n",
        ),
        ("PROFILE", CONF, b"uki /vmlinuz\n"),
        ("SIGNATURE_INVALID", "root/turnout/good.manifest", b"turnout-manifest 1\n"),
        ("SIGNATURE_SYNTAX", "root/turnout/good.manifest.sig", b""),
    ];
    for (code, file, bytes) in cases {
        let tree = signed_tree();
        tree.write(file, bytes);
        both_refuse(&tree, code, "");
    }
    let tree = signed_tree();
    fs::remove_file(tree.path("root/turnout/good.manifest.sig")).unwrap();
    both_refuse(&tree, "SIGNATURE_MISSING", "");
    fs::remove_file(tree.path("root/turnout/good.manifest")).unwrap();
    both_refuse(&tree, "UNSIGNED", "");
}

#[test]
fn both_programs_know_purposes_roles_and_policies() {
    let tree = boot_tree();
    sign(&tree, &["--role", "recovery"]).expect(0, &[]);
    both_refuse(&tree, "NAMESPACE", "");
    sign(&tree, &["--board", "acme,one", "--device", "7"]).expect(0, &[]);
    both_refuse(&tree, "BOARD", "--board acme,two");
    both_refuse(&tree, "DEVICE", "--board acme,one --device-id 8");
    let here = verdict(&tree, "--board acme,one --device-id 7");
    assert_eq!(here.0, 0, "{}", here.1);
    assert_eq!(verdict(&tree, "").1["entries"][0]["code"], "BOARD", "this host is no acme,one");
    sign(&tree, &[]).expect(0, &[]);
    for (code, option) in [
        ("THRESHOLD", "--threshold boot=2"),
        ("KEY_REVOKED", "--revoke-key key.pub"),
        ("DIGEST_REVOKED", "--revoke-digest root/vmlinuz"),
        ("FLOOR", "--minimum boot=1"),
    ] {
        let mut write = Command::new(TURNOUT_SIGN);
        write.current_dir(tree.path("")).args([
            "policy",
            "write",
            "--version",
            "1",
            "-o",
            "policy",
        ]);
        finish(write.args(option.split(' '))).expect(0, &[]);
        both_refuse(&tree, code, "--policy policy");
    }
    let stranger = boot_tree();
    fs::copy(stranger.path("ring"), tree.path("ring")).unwrap();
    both_refuse(&tree, "KEY_UNKNOWN", "");
}

#[test]
fn the_machine_is_this_one_unless_a_verified_kernel_says_otherwise() {
    let arm = [&[0; 0x38], b"ARM\x64".as_slice()].concat();
    let tree = boot_tree();
    tree.write("root/vmlinuz", arm);
    sign(&tree, &[]).expect(0, &["aarch64"]);
    // What is signed for the other architecture and is no kernel of it.
    let other = if cfg!(target_arch = "x86_64") { "aarch64" } else { "x86_64" };
    if other == "aarch64" {
        assert_eq!(verdict(&tree, "").1["entries"][0]["code"], "ARCHITECTURE");
    }
    assert_eq!(verdict(&tree, "--arch aarch64").0, 0);
    assert_eq!(verdict(&tree, "--arch x86_64").1["entries"][0]["code"], "ARCHITECTURE");

    let kernel = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/image/Image.xz");
    fs::copy(kernel, tree.path("root/vmlinuz")).unwrap();
    sign(&tree, &["--architecture", "aarch64"]).expect(0, &[]);
    let (status, json) = verdict(&tree, "");
    assert_eq!((status, &json["entries"][0]["arch"]), (0, &json!("aarch64")), "{json}");
    assert_eq!(verdict(&tree, "--arch x86_64").1["entries"][0]["code"], "ARCHITECTURE");
    tree.write(CONF, "architecture aa64\nlinux /vmlinuz\n");
    sign(&tree, &["--architecture", "aarch64"]).expect(0, &[]);
    assert_eq!(verdict(&tree, "").0, 0, "an entry that the menu keeps for aarch64");
}

#[test]
fn a_list_compares_every_file_with_what_was_signed() {
    let tree = signed_tree();
    let kernel = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/image/Image.xz");
    fs::copy(kernel, tree.path("root/vmlinuz")).unwrap();
    sign(&tree, &["--architecture", "aarch64", "--security-version", "7"]).expect(0, &[]);
    let list = "list --root root --arch aarch64 --keys ring --json";
    let entry = &shown(&tree, list)["entries"][0];
    assert_eq!((&entry["state"], &entry["trust"]), (&json!("ready"), &json!("signed")));
    assert_eq!((&entry["bootable"], &entry["reasons"]), (&json!(true), &json!([])));
    let explained = shown(&tree, "explain good --root root --arch aarch64 --keys ring --json");
    assert_eq!(explained["entry"]["signers"], verdict(&tree, "").1["entries"][0]["signers"]);
    assert_eq!(explained["mode"], "locked");
    tree.write("root/initrd.img", b"First");
    let entry = &shown(&tree, list)["entries"][0];
    assert_eq!((&entry["state"], &entry["bootable"]), (&json!("refused"), &json!(false)));
    assert_eq!(
        (&entry["trust"], entry["reasons"][0]["code"].as_str()),
        (&json!("refused"), Some("INITRD_DIGEST"))
    );
}

#[test]
fn what_cannot_be_read_is_never_good() {
    let tree = signed_tree();
    fs::remove_file(tree.path("root/extra.img")).unwrap();
    assert_eq!(verdict(&tree, "").1["entries"][0]["code"], "FILE");
    symlink("/etc/hostname", tree.path("root/extra.img")).unwrap();
    assert_eq!(verdict(&tree, "").1["entries"][0]["code"], "FILE");
    tree.write(CONF, "linux /../vmlinuz\n");
    assert_eq!(verdict(&tree, "").1["entries"][0]["code"], "PATH");
    tree.write(CONF, "title nothing\n");
    turnout_verify(&tree, "--root root --keys ring")
        .expect(3, &["there is no menu entry in root: /loader/entries/good+3.conf: NO_KERNEL: "]);
}

#[test]
fn every_entry_is_checked_and_one_refusal_is_enough() {
    let tree = signed_tree();
    tree.write("root/loader/entries/other.conf", "linux /vmlinuz\n");
    turnout_verify(&tree, "--root root --keys ring")
        .expect(1, &["verified good: ", "refused other: UNSIGNED: "]);
    turnout_verify(&tree, "good --root root --keys ring").expect(0, &["verified good: "]);
    turnout_verify(&tree, "god --root root --keys ring")
        .expect(3, &["there is no entry god; there is ", "good", "other"]);
}

#[test]
fn a_manifest_is_checked_without_a_menu() {
    let tree = signed_tree();
    fs::remove_dir_all(tree.path("root/loader")).unwrap();
    let manifest = "--manifest root/turnout/good.manifest --keys ring";
    turnout_verify(&tree, manifest).expect(0, &["verified good: "]);
    tree.write("root/initrd.img", b"First");
    turnout_verify(&tree, manifest).expect(1, &["refused good: INITRD_DIGEST: "]);
    fs::remove_file(tree.path("root/initrd.img")).unwrap();
    turnout_verify(&tree, manifest).expect(1, &["refused good: FILE: /initrd.img"]);
    fs::copy(tree.path("root/turnout/good.manifest"), tree.path("alone")).unwrap();
    turnout_verify(&tree, "--manifest alone --root root --keys ring")
        .expect(1, &["refused good: SIGNATURE_MISSING: "]);
    tree.write("root/turnout/good.manifest", "entry other\n");
    turnout_verify(&tree, manifest).expect(1, &["refused good: SIGNATURE_INVALID: "]);
}

#[test]
fn a_newer_ring_and_policy_on_the_partition_are_taken_or_refused_as_at_a_start() {
    let tree = signed_tree();
    let owner = add_key(&tree, "owner", "policy");
    let policy = text(&tree.path("root/turnout/policy"));
    let write = ["policy", "write", "--version", "3", "--minimum", "boot=8", "-o", &policy];
    run(TURNOUT_SIGN, &write).expect(0, &[]);
    let (status, json) = verdict(&tree, "");
    assert_eq!((status, &json["policy"]), (0, &json!(0)), "{json}");
    assert!(json["notes"][0].as_str().unwrap().contains("SIGNATURE_MISSING"), "{json}");
    run(TURNOUT_SIGN, &["policy", "sign", &policy, "--key", &owner]).expect(0, &[]);
    let (status, json) = verdict(&tree, "");
    assert_eq!((status, &json["policy"]), (1, &json!(3)), "{json}");
    assert_eq!(json["entries"][0]["code"], "FLOOR");
    turnout_verify(&tree, "--root root --keys ring")
        .expect(1, &["note: /turnout/policy: version 3 is in force", "refused good: FLOOR: "]);
}

/// A loop device, taken off when it is dropped.
struct Loop(String);

impl Loop {
    /// None where this user cannot have one.
    fn of(image: &str) -> Option<Self> {
        let done = Command::new("losetup").args(["-f", "--show", image]).output().ok()?;
        let device = String::from_utf8(done.stdout).unwrap().trim_end().to_owned();
        done.status.success().then_some(Self(device))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

#[test]
fn a_device_is_read_where_nobody_else_sees_it_and_not_written() {
    let tree = signed_tree();
    let image = text(&tree.path("image"));
    let root = text(&tree.path("root"));
    let make = ["-q", "-d", &root, &image, "16M"];
    if Command::new("mkfs.ext4").args(make).output().is_err() {
        println!("skipped: mkfs.ext4 is not installed");
        return;
    }
    let before = tree.read("image");
    let Some(device) = Loop::of(&image) else {
        println!("skipped: this user gets no loop device");
        return;
    };
    let args = format!("--device {} --keys ring", device.0);
    turnout_verify(&tree, &args).expect(0, &["verified good: "]);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&device.0), "{mounts}");
    drop(device);
    assert!(tree.read("image") == before, "the device was written to");
}

#[test]
fn what_is_missing_is_said_with_the_next_step() {
    let tree = signed_tree();
    let broken = |args: &str, status, words: &[&str]| {
        turnout_verify(&tree, args).expect(status, words);
    };
    broken("--root nowhere --keys ring", 4, &["nowhere"]);
    broken("--root root --keys nowhere", 4, &["nowhere"]);
    broken("--root root --keys key", 3, &["key: line 1"]);
    broken("--root root --keys ring --policy ring", 3, &["ring: line 1"]);
    broken("--root . --keys ring", 3, &["there is no menu entry in ."]);
    broken("--device ring --keys ring", 4, &["ring: no file system that Turnout knows"]);
    broken("--root root --keys ring --frob", 2, &["\"--frob\" is no option of \"turnout verify\""]);
    if !std::path::Path::new("/etc/turnout/allowed_signers").exists() {
        broken("--root root", 3, &["/etc/turnout/allowed_signers", "--keys"]);
    }
}
