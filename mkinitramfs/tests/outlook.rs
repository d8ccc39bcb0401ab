//! `turnout check --next-start` on boot partitions as they are after a kernel was installed
//! or removed, or its initrd made anew: what it finds, by code and in words.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[expect(dead_code, reason = "these tests read no file")]
mod common;
#[path = "common/programs.rs"]
mod programs;

use std::process::Command;

use common::{Done, Scratch, finish, run, text};
use programs::programs;
use serde_json::Value;

const TURNOUT_SIGN: &str = env!("CARGO_BIN_EXE_turnout-sign");

const OLD: &str = "6.1.0-49-amd64";
const NEW: &str = "6.1.0-50-amd64";

/// A kernel that calls itself so: a setup header of x86's boot protocol 2.15 and a page.
fn kernel(release: &str) -> Vec<u8> {
    let mut image = vec![0; 1536 + 4096];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1f1, &[2]);
    put(0x1f4, &256_u32.to_le_bytes());
    put(0x1fe, &[0x55, 0xaa]);
    put(0x200, b"\xeb\x6aHdrS\x0f\x02");
    put(0x20e, &0x100_u16.to_le_bytes());
    put(0x211, &[1]);
    put(0x230, &0x20_0000_u32.to_le_bytes());
    put(0x234, &[1, 21, 3, 0]);
    put(0x238, &2047_u32.to_le_bytes());
    put(0x258, &0x100_0000_u64.to_le_bytes());
    put(0x260, &0x40_0000_u32.to_le_bytes());
    put(0x300, format!("{release} (builder@example.org) #1 SMP\0").as_bytes());
    image
}

/// A root with these kernels and a script as Debian's is, the newest first, and a key.
fn debian(releases: &[&str]) -> Scratch {
    let tree = Scratch::new();
    releases.iter().for_each(|release| install(&tree, release));
    tree.write("root/boot/grub/grub.cfg", script("0", releases));
    let key = text(&tree.path("key"));
    let made = run(TURNOUT_SIGN, &["keygen", "-f", &key, "-C", "a@example.org", "--role", "boot"]);
    let line = made.text.lines().find(|line| line.starts_with("a@example.org")).unwrap();
    tree.write("ring", format!("{line}\n"));
    tree
}

fn install(tree: &Scratch, release: &str) {
    tree.write(&format!("root/boot/vmlinuz-{release}"), kernel(release));
    tree.write(&format!("root/boot/initrd.img-{release}"), format!("initrd of {release}"));
    tree.write(&format!("root/lib/modules/{release}/modules.builtin"), "");
}

fn remove(tree: &Scratch, release: &str) {
    for file in ["vmlinuz", "initrd.img"] {
        std::fs::remove_file(tree.path(&format!("root/boot/{file}-{release}"))).unwrap();
    }
    std::fs::remove_dir_all(tree.path(&format!("root/lib/modules/{release}"))).unwrap();
}

fn script(default: &str, releases: &[&str]) -> String {
    let row = |id: &str, release: &str| {
        format!(
            "menuentry 'Debian, {release}' --id {id} {{\n\
             linux /boot/vmlinuz-{release} root=UUID=5d2f ro quiet\n\
             initrd /boot/initrd.img-{release}\n}}\n"
        )
    };
    let advanced: String =
        releases.iter().map(|one| row(&format!("gnulinux-{one}"), one)).collect();
    let simple = releases.first().map(|newest| row("gnulinux-simple", newest)).unwrap_or_default();
    format!("set default='{default}'\n{simple}submenu 'Advanced' --id advanced {{\n{advanced}}}\n")
}

fn sign(tree: &Scratch, ids: &[&str]) {
    let [key, root] = ["key", "root"].map(|name| text(&tree.path(name)));
    let args = ["sign", "--key", &key, "--root", &root, "--security-version", "1"];
    run(TURNOUT_SIGN, &[&args, ids].concat()).expect(0, &["signed "]);
}

fn turnout(tree: &Scratch, args: &str) -> Done {
    let mut command = Command::new(programs().join("turnout"));
    finish(command.current_dir(tree.path("")).args(args.split(' ')))
}

const LOCKED: &str = "check --next-start --root root --arch x86_64 --keys ring";
const OPEN: &str = "check --next-start --root root --arch x86_64";

/// What is printed, wherever its lines are broken.
#[track_caller]
fn expect(tree: &Scratch, command: &str, status: i32, words: &[&str]) {
    let done = turnout(tree, command);
    let text = done.text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    Done { code: done.code, text }.expect(status, words);
}

/// The codes that are found, which the status and the words have to agree with.
#[track_caller]
fn codes(tree: &Scratch, command: &str) -> Vec<String> {
    let found = json(tree, command);
    let codes: Vec<_> = found["findings"].as_array().unwrap().iter().collect();
    let codes: Vec<_> = codes.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect();
    let said = turnout(tree, command);
    assert_eq!(said.code, i32::from(!codes.is_empty()), "{}", said.text);
    assert_eq!(found["ready"], codes.is_empty());
    assert!(said.text.lines().count() <= 6, "{}", said.text);
    assert!(said.text.lines().all(|line| line.len() <= 80), "{}", said.text);
    if let Some(first) = codes.first() {
        let head = said.text.lines().next().unwrap();
        assert_eq!(head.split([' ', ':']).nth(1), Some(first.as_str()), "{}", said.text);
    }
    codes
}

#[track_caller]
fn json(tree: &Scratch, command: &str) -> Value {
    let done = turnout(tree, &format!("{command} --json"));
    serde_json::from_str(&done.text).unwrap_or_else(|error| panic!("{error}: {}", done.text))
}

#[test]
fn a_machine_whose_newest_kernel_is_signed_is_well() {
    let tree = debian(&[NEW, OLD]);
    sign(&tree, &["--all"]);
    assert_eq!(codes(&tree, LOCKED), [""; 0]);
    expect(&tree, LOCKED, 0, &["the next start has gnulinux-simple: 6.1.0-50-amd64"]);
    let found = json(&tree, LOCKED);
    assert_eq!((&found["entry"], &found["release"]), (&"gnulinux-simple".into(), &NEW.into()));
    assert_eq!(found["installed"], serde_json::json!([OLD, NEW]));
}

#[test]
fn a_kernel_that_was_installed_and_not_signed_is_said() {
    let tree = debian(&[NEW, OLD]);
    sign(&tree, &["gnulinux-6.1.0-49-amd64"]);
    assert_eq!(codes(&tree, LOCKED), ["NEWEST_UNSIGNED"]);
    let why = "gnulinux-simple is refused (UNSIGNED)";
    expect(&tree, LOCKED, 1, &["has kernel 6.1.0-49-amd64", why, "=> turnout-sign upkeep"]);
    assert_eq!(json(&tree, LOCKED)["release"], OLD);
    assert_eq!(codes(&tree, OPEN), [""; 0], "without a ring nobody has to sign it");
}

#[test]
fn an_initrd_that_was_made_anew_is_said_whatever_its_length() {
    for (initrd, code) in [
        ("initrd of 6.1.0-50-amd65", "INITRD_DIGEST"),
        ("a longer initrd of 6.1.0-50-amd64", "INITRD_SIZE"),
    ] {
        let tree = debian(&[NEW, OLD]);
        sign(&tree, &["--all"]);
        tree.write("root/boot/initrd.img-6.1.0-50-amd64", initrd);
        assert_eq!(codes(&tree, LOCKED), ["NEWEST_UNSIGNED"]);
        expect(&tree, LOCKED, 1, &[&format!("gnulinux-simple is refused ({code})")]);
    }
}

#[test]
fn a_machine_that_would_be_reset_again_and_again_is_stopped() {
    let tree = debian(&[NEW, OLD]);
    sign(&tree, &["gnulinux-6.1.0-49-amd64"]);
    remove(&tree, OLD);
    tree.write("root/boot/grub/grub.cfg", script("0", &[NEW]));
    assert_eq!(codes(&tree, LOCKED), ["NOTHING_SIGNED"]);
    expect(&tree, LOCKED, 1, &["stop NOTHING_SIGNED: ", "gnulinux-simple is refused"]);
    assert_eq!(json(&tree, LOCKED)["entry"], Value::Null);
}

#[test]
fn what_was_kept_is_the_last_that_is_tried() {
    let tree = debian(&[NEW]);
    tree.write("root/turnout/kept/vmlinuz", kernel(NEW));
    tree.write("root/turnout/kept/initrd", "initrd of before");
    let kept = "title Debian, as it was before\nlinux /turnout/kept/vmlinuz\n\
                initrd /turnout/kept/initrd\noptions root=UUID=5d2f ro quiet\n";
    tree.write("root/loader/entries/turnout-kept.conf", kept);
    sign(&tree, &["--all"]);
    assert_eq!(codes(&tree, LOCKED), [""; 0]);
    tree.write("root/boot/initrd.img-6.1.0-50-amd64", "another");
    assert_eq!(codes(&tree, LOCKED), ["KEPT_ONLY"]);
    expect(&tree, LOCKED, 1, &["turnout-kept (kernel 6.1.0-50-amd64): gnulinux-simple is refused"]);
    std::fs::remove_file(tree.path("root/turnout/kept/initrd")).unwrap();
    assert_eq!(codes(&tree, LOCKED), ["NOTHING_SIGNED"]);
}

#[test]
fn an_older_default_is_said_signed_or_not() {
    let tree = debian(&[NEW, OLD]);
    sign(&tree, &["--all"]);
    tree.write("root/boot/grub/grub.cfg", script("advanced>gnulinux-6.1.0-49-amd64", &[NEW, OLD]));
    for command in [LOCKED, OPEN] {
        assert_eq!(codes(&tree, command), ["OLDER_DEFAULT"]);
        expect(&tree, command, 1, &["turnout boot gnulinux-simple"]);
    }
}

#[test]
fn a_default_that_is_refused_is_said_where_another_entry_has_the_same_kernel() {
    let tree = debian(&[NEW, OLD]);
    sign(&tree, &["gnulinux-6.1.0-50-amd64", "gnulinux-6.1.0-49-amd64"]);
    assert_eq!(codes(&tree, LOCKED), ["ENTRY_REFUSED"]);
    assert_eq!(json(&tree, LOCKED)["entry"], "gnulinux-6.1.0-50-amd64");
}

#[test]
fn a_kernel_that_no_menu_has_is_said() {
    let tree = debian(&[OLD]);
    install(&tree, NEW);
    sign(&tree, &["--all"]);
    for command in [LOCKED, OPEN] {
        assert_eq!(codes(&tree, command), ["NEWEST_NO_ENTRY"]);
        expect(&tree, command, 1, &["no menu has it", "update-grub"]);
    }
    std::fs::remove_dir_all(tree.path("root/lib/modules/6.1.0-50-amd64")).unwrap();
    assert_eq!(codes(&tree, LOCKED), [""; 0], "a copy that somebody has put aside");
}

#[test]
fn menus_without_files_are_said_on_an_open_machine_too() {
    let tree = debian(&[NEW]);
    remove(&tree, NEW);
    assert_eq!(codes(&tree, OPEN), ["NOTHING_BOOTS"]);
    std::fs::remove_file(tree.path("root/boot/grub/grub.cfg")).unwrap();
    assert_eq!(codes(&tree, OPEN), ["NO_ENTRY"]);
    assert_eq!(codes(&tree, LOCKED), ["NO_ENTRY"]);
}

#[test]
fn a_ring_that_cannot_be_read_is_said_and_nothing_else() {
    let tree = debian(&[NEW]);
    tree.write("ring", "no ring\n");
    assert_eq!(codes(&tree, LOCKED), ["RING_BROKEN"]);
}

#[test]
fn other_menus_and_keys_are_for_the_next_start_alone() {
    let tree = debian(&[NEW]);
    for args in ["check --root root", "check --keys ring", "check --arch x86_64"] {
        turnout(&tree, args).expect(2, &["only with --next-start"]);
    }
}
