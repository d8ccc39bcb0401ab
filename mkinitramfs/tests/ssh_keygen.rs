//! OpenSSH's own ssh-keygen as an oracle, in both directions. Without it these
//! tests say so and pass.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
mod boot_tree;
mod common;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use boot_tree::{boot_tree, sign, verify};
use common::{Done, Scratch, run, text};
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::policy::Policy;
use turnout::trust::update::take_policy;

/// Whether ssh-keygen can be asked.
fn have_ssh_keygen() -> bool {
    let found = Command::new("ssh-keygen").arg("-?").stdin(Stdio::null()).output().is_ok();
    if !found {
        println!("skipped: ssh-keygen is not installed");
    }
    found
}

/// `ssh-keygen -Y verify`, in `namespace`, of the tree's manifest.
fn ssh_keygen_verifies(tree: &Scratch, namespace: &str) -> bool {
    let file = |below: &str| text(&tree.path(below));
    let status = Command::new("ssh-keygen")
        .args(["-q", "-Y", "verify", "-I", "release@example.org", "-n", namespace])
        .args(["-f", &file("ring"), "-s", &file("root/turnout/good.manifest.sig")])
        .stdin(File::open(tree.path("root/turnout/good.manifest")).unwrap())
        .status();
    status.unwrap().success()
}

/// Replaces the tree's signature by one that `ssh-keygen -Y sign` made.
fn ssh_keygen_signs(tree: &Scratch, key: &Path, namespace: &str, more: &[&str]) {
    let (manifest, key) = (text(&tree.path("root/turnout/good.manifest")), text(key));
    fs::remove_file(tree.path("root/turnout/good.manifest.sig")).unwrap();
    let args = [&["-q", "-Y", "sign", "-n", namespace, "-f", &key], more, &[&manifest]].concat();
    run("ssh-keygen", &args).expect(0, &[]);
}

fn signed_tree() -> Scratch {
    let tree = boot_tree();
    sign(&tree, &[]).expect(0, &[]);
    tree
}

#[test]
fn ssh_keygen_accepts_what_turnout_sign_made_and_only_in_its_namespace() {
    if !have_ssh_keygen() {
        return;
    }
    let tree = signed_tree();
    assert!(ssh_keygen_verifies(&tree, "turnout-boot"));
    assert!(!ssh_keygen_verifies(&tree, "file"));
    let mut manifest = tree.read("root/turnout/good.manifest");
    manifest[20] ^= 1;
    tree.write("root/turnout/good.manifest", manifest);
    assert!(!ssh_keygen_verifies(&tree, "turnout-boot"));
}

#[test]
fn turnout_accepts_what_ssh_keygen_made_and_only_in_its_namespace() {
    if !have_ssh_keygen() {
        return;
    }
    let tree = signed_tree();
    let key = tree.path("key");
    for hash in ["sha512", "sha256"] {
        ssh_keygen_signs(&tree, &key, "turnout-boot", &["-O", &format!("hashalg={hash}")]);
        verify(&tree).expect(0, &["verified good: signed by release@example.org"]);
    }
    ssh_keygen_signs(&tree, &key, "file", &[]);
    verify(&tree).expect(1, &["refused good: NAMESPACE: ", "made for \"file\""]);
}

#[test]
fn both_sign_the_same_bytes_with_the_same_key() {
    if !have_ssh_keygen() {
        return;
    }
    let tree = signed_tree();
    let ours = tree.read("root/turnout/good.manifest.sig");
    ssh_keygen_signs(&tree, &tree.path("key"), "turnout-boot", &[]);
    assert_eq!(tree.read("root/turnout/good.manifest.sig"), ours);
}

#[test]
fn several_signatures_by_ssh_keygen_in_one_file_are_accepted() {
    if !have_ssh_keygen() {
        return;
    }
    let tree = signed_tree();
    let ours = tree.read("root/turnout/good.manifest.sig");
    let stranger = boot_tree();
    ssh_keygen_signs(&tree, &stranger.path("key"), "turnout-boot", &[]);
    let theirs = tree.read("root/turnout/good.manifest.sig");
    tree.write("root/turnout/good.manifest.sig", [theirs, ours].concat());
    verify(&tree).expect(0, &["verified good: signed by release@example.org"]);
}

#[test]
fn ssh_keygen_reads_our_keys_and_we_read_its() {
    if !have_ssh_keygen() {
        return;
    }
    let tree = boot_tree();
    let key = text(&tree.path("key"));
    let public = run("ssh-keygen", &["-y", "-f", &key]);
    let ours = String::from_utf8(tree.read("key.pub")).unwrap();
    public.expect(0, &[ours.trim_end()]);

    let theirs = text(&tree.path("theirs"));
    let comment = "release@example.org";
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", &theirs])
        .expect(0, &[]);
    fs::rename(&theirs, &key).unwrap();
    let public = String::from_utf8(tree.read("theirs.pub")).unwrap();
    tree.write("ring", format!("{comment} namespaces=\"turnout-boot\" {public}"));
    sign(&tree, &[]).expect(0, &[]);
    verify(&tree).expect(0, &["verified good"]);
}

#[test]
fn ssh_keygen_opens_a_key_with_our_passphrase() {
    if !have_ssh_keygen() {
        return;
    }
    let tree = boot_tree();
    let key = text(&tree.path("locked"));
    run(boot_tree::TURNOUT_SIGN, &["keygen", "-f", &key, "-N", "open sesame"]).expect(0, &[]);
    run("ssh-keygen", &["-y", "-P", "open sesame", "-f", &key]).expect(0, &["ssh-ed25519 AAAA"]);
    let wrong: Done = run("ssh-keygen", &["-y", "-P", "wrong", "-f", &key]);
    assert_ne!(wrong.code, 0);
}

/// Runs the `number`th block of commands of docs/manifest.md's last section in a
/// tree that has been signed.
fn by_hand(tree: &Scratch, number: usize) -> Done {
    let document = include_str!("../../docs/manifest.md");
    let (_, section) = document.split_once("## Checking one by hand").unwrap();
    let commands = section.split("```").nth(2 * number + 1).unwrap().replace("ID", "good");
    fs::copy(tree.path("ring"), tree.path("root/allowed_signers")).unwrap();
    let script = format!("set -e; cd {}\n{commands}", text(&tree.path("root")));
    run("sh", &["-c", &script])
}

#[test]
fn the_documented_commands_check_a_manifest_by_hand() {
    if !have_ssh_keygen() {
        return;
    }
    let tree = signed_tree();
    by_hand(&tree, 0)
        .expect(0, &["Good \"turnout-boot\" signature", "./vmlinuz: OK", "./extra.img: OK"]);
    tree.write("root/extra.img", b"changed");
    assert_ne!(by_hand(&tree, 0).code, 0);
}

#[test]
fn the_documented_commands_check_every_signature_by_hand() {
    if !have_ssh_keygen() {
        return;
    }
    let tree = signed_tree();
    let ours = tree.read("root/turnout/good.manifest.sig");
    let other = boot_tree();
    ssh_keygen_signs(&tree, &other.path("key"), "turnout-boot", &[]);
    let theirs = tree.read("root/turnout/good.manifest.sig");
    let second = String::from_utf8(other.read("ring")).unwrap().replace("release@", "second@");
    tree.write("ring", [tree.read("ring"), second.into_bytes()].concat());
    tree.write("root/turnout/good.manifest.sig", [ours.clone(), theirs].concat());
    let done = by_hand(&tree, 1);
    done.expect(0, &["signature for release@example.org", "signature for second@example.org"]);
    ssh_keygen_signs(&tree, &other.path("key"), "file", &[]);
    let elsewhere = tree.read("root/turnout/good.manifest.sig");
    tree.write("root/turnout/good.manifest.sig", [ours, elsewhere].concat());
    assert_ne!(by_hand(&tree, 1).code, 0);
}

#[test]
fn the_documented_commands_sign_a_policy_that_a_device_takes() {
    if !have_ssh_keygen() {
        return;
    }
    let document = include_str!("../../docs/policy.md");
    let (_, section) = document.split_once("## By hand").unwrap();
    let commands = section.split("```").nth(1).unwrap();
    let scratch = Scratch::new();
    let owner = text(&scratch.path("owner"));
    let comment = "owner@example.org";
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", &owner])
        .expect(0, &[]);
    let public = String::from_utf8(scratch.read("owner.pub")).unwrap();
    let ring = format!("{comment} namespaces=\"turnout-policy\" {public}");
    scratch.write("allowed_signers", &ring);
    scratch.write("policy", "turnout-policy 1\nversion 3\nthreshold turnout-boot 2\n");
    let script = format!("set -e; cd {}\n{commands}", text(&scratch.path(".")));
    run("sh", &["-c", &script]).expect(0, &["Good \"turnout-policy\" signature"]);

    let ring = KeyRing::parse(ring.as_bytes()).unwrap();
    let (policy, signature) = (scratch.read("policy"), scratch.read("policy.sig"));
    let taken = take_policy(&Policy::default(), &ring, &policy, Some(&signature)).unwrap();
    assert_eq!((taken.version, taken.thresholds.boot), (3, 2));
}

#[test]
fn a_key_of_another_type_is_not_used() {
    if !have_ssh_keygen() {
        return;
    }
    let tree = boot_tree();
    fs::remove_file(tree.path("key")).unwrap();
    fs::remove_file(tree.path("key.pub")).unwrap();
    let key = text(&tree.path("key"));
    run("ssh-keygen", &["-q", "-t", "ecdsa", "-N", "", "-f", &key]).expect(0, &[]);
    sign(&tree, &[]).expect(2, &["not an OpenSSH private key of type ssh-ed25519", "keygen"]);
}
