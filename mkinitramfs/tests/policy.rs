//! Several signers, policies, key rings and roles, through `turnout-sign`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
mod boot_tree;
mod common;
#[path = "common/more_keys.rs"]
mod more_keys;

use std::process::Command;

use boot_tree::{TURNOUT_SIGN, boot_tree, sign, verify, verify_with};
use common::{Done, Scratch, finish, run, text};
use more_keys::add_key;

/// `turnout-sign` in the tree's directory.
fn turnout_sign(tree: &Scratch, args: &str) -> Done {
    finish(Command::new(TURNOUT_SIGN).current_dir(tree.path("")).args(args.split(' ')))
}

/// Signs "good" with another key than the tree's.
fn sign_by(tree: &Scratch, key: &str, more: &[&str]) -> Done {
    let root = text(&tree.path("root"));
    run(TURNOUT_SIGN, &[&["sign", "--key", key, "--root", &root, "good"], more].concat())
}

/// Writes a policy `policy` with these options.
fn write_policy(tree: &Scratch, options: &str) -> Done {
    let to = text(&tree.path("policy"));
    let args: Vec<_> =
        ["policy", "write", "-o", &to].into_iter().chain(options.split(' ')).collect();
    run(TURNOUT_SIGN, &args)
}

fn verify_by_policy(tree: &Scratch) -> Done {
    verify_with(tree, &["--policy", &text(&tree.path("policy"))])
}

#[test]
fn two_different_keys_reach_a_threshold_of_two() {
    let tree = boot_tree();
    let second = add_key(&tree, "second", "boot");
    write_policy(&tree, "--version 1 --threshold boot=2")
        .expect(0, &["turnout-policy 1\nversion 1\nthreshold turnout-boot 2\n"]);
    sign(&tree, &[]).expect(0, &[]);
    verify_by_policy(&tree).expect(1, &["refused good: THRESHOLD: "]);
    sign_by(&tree, &second, &["--add"]).expect(0, &["added a signature to good: key SHA256:"]);
    verify_by_policy(&tree).expect(0, &["signed by release@example.org and second"]);
    verify(&tree).expect(0, &["verified good"]);
}

#[test]
fn one_key_never_counts_twice() {
    let tree = boot_tree();
    add_key(&tree, "second", "boot");
    write_policy(&tree, "--version 1 --threshold boot=2").expect(0, &[]);
    sign(&tree, &[]).expect(0, &[]);
    sign(&tree, &["--add"]).expect(2, &["has signed this already; one key counts once"]);
    let signature = tree.read("root/turnout/good.manifest.sig");
    tree.write("root/turnout/good.manifest.sig", signature.repeat(2));
    verify_by_policy(&tree).expect(1, &["refused good: THRESHOLD: "]);
}

#[test]
fn a_signature_is_added_only_to_a_manifest_that_fits_the_files() {
    let tree = boot_tree();
    let second = add_key(&tree, "second", "boot");
    sign_by(&tree, &second, &["--add"]).expect(2, &["the first one signs without --add"]);
    sign(&tree, &[]).expect(0, &[]);
    tree.write("root/initrd.img", b"FIRST");
    sign_by(&tree, &second, &["--add"])
        .expect(2, &["nothing was written", "\"/initrd.img\" is not the signed file"]);
    tree.write("root/initrd.img", b"first");
    let manifest = String::from_utf8(tree.read("root/turnout/good.manifest")).unwrap();
    tree.write("root/turnout/good.manifest", manifest.replace("version 0", "version 1"));
    sign_by(&tree, &second, &["--add"]).expect(2, &["does not belong to this text"]);
    sign_by(&tree, &second, &["--add", "--role", "recovery"]).expect(2, &["cannot be used with"]);
}

#[test]
fn signing_again_says_whose_signatures_it_replaces() {
    let tree = boot_tree();
    let second = add_key(&tree, "second", "boot");
    sign(&tree, &[]).expect(0, &["signed good"]);
    sign(&tree, &[]).expect(0, &["unchanged good", "has signed exactly this"]);
    sign_by(&tree, &second, &[]).expect(0, &["in place of SHA256:", "--add"]);
    verify(&tree).expect(0, &["signed by second"]);
}

#[test]
fn recovery_and_boot_keys_cannot_stand_in_for_each_other() {
    let tree = boot_tree();
    let recovery = add_key(&tree, "rescue", "recovery");
    sign_by(&tree, &recovery, &["--role", "recovery"]).expect(0, &["turnout-recovery, key"]);
    verify(&tree).expect(0, &["signed by rescue"]);
    verify_with(&tree, &["--role", "boot"]).expect(1, &["refused good: ROLE: "]);
    let manifest = String::from_utf8(tree.read("root/turnout/good.manifest")).unwrap();
    assert!(manifest.contains("\nrole recovery\n"), "{manifest}");
    sign_by(&tree, &recovery, &[]).expect(0, &[]);
    verify(&tree).expect(1, &["refused good: NAMESPACE: "]);
    sign(&tree, &["--role", "recovery"]).expect(0, &[]);
    verify(&tree).expect(1, &["refused good: NAMESPACE: "]);
}

#[test]
fn what_an_entry_is_limited_to_is_in_the_manifest_and_checked() {
    let tree = boot_tree();
    let limits = ["--board", "acme,one", "--board", "acme,two", "--device", "SN-7"];
    sign(&tree, &[&limits[..], &["--title", "Field unit"]].concat()).expect(0, &[]);
    let manifest = String::from_utf8(tree.read("root/turnout/good.manifest")).unwrap();
    let limited = "board acme,one\nboard acme,two\ndevice SN-7\nlinux ";
    assert!(manifest.contains(limited) && manifest.contains("title Field unit\n"), "{manifest}");
    verify(&tree).expect(0, &["verified good"]);
    verify_with(&tree, &["--board", "acme,two", "--device", "SN-7"]).expect(0, &[]);
    verify_with(&tree, &["--board", "other"]).expect(1, &["refused good: BOARD: "]);
    verify_with(&tree, &["--device", "SN-8"]).expect(1, &["refused good: DEVICE: "]);
    sign(&tree, &["--board", "two words"]).expect(2, &["good cannot be signed", "two words"]);
}

#[test]
fn slots_are_declared_or_the_entry_is_not_signed() {
    let tree = boot_tree();
    let conf = "root/loader/entries/good+3.conf";
    let with = |options: &str| {
        tree.write(conf, format!("linux /vmlinuz\nturnout-slot a\noptions {options}\n"));
    };
    with("root=LABEL=root-${name} tries=${tries}");
    sign(&tree, &[]).expect(2, &["the options contain ${tries}; give --slot tries"]);
    sign(&tree, &["--slot", "name", "--slot", "tries"]).expect(0, &[]);
    let manifest = String::from_utf8(tree.read("root/turnout/good.manifest")).unwrap();
    let slots = "slot tries\nslot name\noptions root=LABEL=root-${name} tries=${tries}\n";
    assert!(manifest.ends_with(slots), "{manifest}");
    verify(&tree).expect(0, &[]);
    tree.write(conf, "linux /vmlinuz\nturnout-slot A/B\noptions x\n");
    verify(&tree).expect(1, &["refused good: SLOT_VALUE: "]);
    with("quiet");
    sign(&tree, &["--slot", "entry"]).expect(2, &["good cannot be signed", "${entry}"]);
    sign(&tree, &["--slot", "other"]).expect(2, &["choose entry, tries or name"]);
}

#[test]
fn a_unified_kernel_image_and_overlays_are_bound() {
    let tree = boot_tree();
    tree.write("root/image.efi", b"MZ");
    tree.write("root/more.addon.efi", b"addon");
    tree.write(
        "root/loader/entries/good+3.conf",
        "uki /image.efi\nprofile 1\nextra /more.addon.efi\n",
    );
    sign(&tree, &["--architecture", "x86_64"]).expect(0, &[]);
    let manifest = String::from_utf8(tree.read("root/turnout/good.manifest")).unwrap();
    let lines: Vec<_> = manifest.lines().skip(4).collect();
    assert!(lines[0].starts_with("uki /image.efi 2 sha256:"), "{manifest}");
    assert_eq!(lines[1], "profile 1");
    assert!(lines[2].starts_with("addon /more.addon.efi 5 sha256:"), "{manifest}");
    verify(&tree).expect(0, &[]);
    tree.write("root/more.addon.efi", b"ADDON");
    verify(&tree).expect(1, &["refused good: ADDON_DIGEST: "]);

    let tree = boot_tree();
    tree.write("root/board.dtb", b"tree");
    tree.write("root/one.dtbo", b"one");
    let conf = "linux /vmlinuz\ndevicetree /board.dtb\ndevicetree-overlay /one.dtbo\noptions x\n";
    tree.write("root/loader/entries/good+3.conf", conf);
    sign(&tree, &[]).expect(0, &[]);
    verify(&tree).expect(0, &[]);
    tree.write("root/one.dtbo", b"ONE");
    verify(&tree).expect(1, &["refused good: OVERLAY_DIGEST: "]);
}

#[test]
fn every_entry_of_a_tree_is_signed_and_the_bad_ones_are_named() {
    let tree = boot_tree();
    let root = text(&tree.path("root"));
    let all = |command: &str, with: &str, file: &str| {
        let file = text(&tree.path(file));
        run(TURNOUT_SIGN, &[command, with, &file, "--root", &root, "--all"])
    };
    tree.write("root/loader/entries/other.conf", "linux /vmlinuz\n");
    all("sign", "--key", "key").expect(0, &["signed good", "signed other"]);
    all("verify", "--keys", "ring").expect(0, &["verified good", "verified other"]);
    tree.write("root/loader/entries/lost.conf", "linux /nowhere\n");
    all("sign", "--key", "key").expect(2, &["lost: ", "unchanged other", "not signed: lost"]);
    tree.write("root/vmlinuz", b"changed");
    std::fs::remove_file(tree.path("root/loader/entries/lost.conf")).unwrap();
    all("verify", "--keys", "ring")
        .expect(1, &["refused good: LINUX_SIZE", "refused other: LINUX"]);
    let both = ["sign", "--key", "k", "--root", &root, "--all", "good"];
    run(TURNOUT_SIGN, &both).expect(2, &["cannot be used with"]);
    run(TURNOUT_SIGN, &["sign", "--key", "k", "--root", &root])
        .expect(2, &["not provided: <ENTRY>...; see --help"]);
}

#[test]
fn a_policy_is_written_from_another_and_says_what_it_demands() {
    let tree = boot_tree();
    write_policy(&tree, "--version 1 --threshold policy=2 --minimum boot=7 --minimum recovery=2")
        .expect(0, &["minimum-security-version boot 7\nminimum-security-version recovery 2\n"]);
    let (policy, key) = (text(&tree.path("policy")), text(&tree.path("key.pub")));
    let initrd = text(&tree.path("root/initrd.img"));
    let next = format!(
        "--from {policy} --signatures 4 --step 3 --revoke-key {key} --revoke-key {key} \
         --revoke-digest {initrd}"
    );
    let written = write_policy(&tree, &next);
    written.expect(0, &["version 2\nthreshold turnout-policy 2\nsignatures 4\n", "step 3\n"]);
    assert_eq!(written.text.matches("revoked-key SHA256:").count(), 1, "{}", written.text);
    let said = turnout_sign(&tree, "policy check policy");
    said.expect(0, &["policy, version 2", "must sign a policy or key ring: 2"]);
    said.expect(0, &["at most 4", "below 7 (boot) and 2", "at most 3 at once", "revoked: the key"]);
    turnout_sign(&tree, "show policy").expect(0, &["policy, version 2"]);
}

#[test]
fn a_policy_that_no_device_would_read_is_not_written() {
    let tree = boot_tree();
    for (options, reason) in [
        ("--version 1 --threshold boot=9", "this is no policy"),
        ("--version 1 --threshold boot=3 --signatures 2", "this is no policy"),
        ("--version 1 --threshold unlock=2", "has no threshold"),
        ("--version 1 --step 0", "this is no policy"),
        ("--version 1 --minimum boot", "ROLE=N"),
        ("--version 1 --revoke-key SHA256:x", "no fingerprint"),
        ("--version 1 --revoke-digest sha256:0", "64 hexadecimal digits"),
        ("--step 3", "--version"),
    ] {
        write_policy(&tree, options).expect(2, &[reason]);
    }
    assert!(!tree.path("policy").exists());
    tree.write("policy", "turnout-policy 1\nversion 1\nthreshold turnout-boot 1\n");
    turnout_sign(&tree, "policy check policy").expect(1, &["policy: line 3"]);
    turnout_sign(&tree, "policy sign policy --key key").expect(2, &["policy: line 3"]);
}

#[test]
fn a_policy_update_needs_a_policy_key_and_a_higher_version() {
    let tree = boot_tree();
    add_key(&tree, "owner", "policy");
    write_policy(&tree, "--version 3").expect(0, &[]);
    let check = |in_force: &str| {
        turnout_sign(&tree, &format!("policy check policy --keys ring --in-force {in_force}"))
    };
    check("none").expect(1, &["SIGNATURE_MISSING"]);
    turnout_sign(&tree, "policy sign policy --key key").expect(0, &["turnout-policy, key"]);
    check("none").expect(1, &["refused", "NAMESPACE"]);
    turnout_sign(&tree, "policy sign policy --key owner").expect(0, &[]);
    check("none").expect(0, &["version 3 follows on 0"]);
    check("policy").expect(1, &["POLICY_VERSION"]);
    turnout_sign(&tree, "policy sign policy --key key --add").expect(0, &[]);
    check("none").expect(0, &[]);
    turnout_sign(&tree, "policy sign policy --key key --add").expect(2, &["already"]);
    turnout_sign(&tree, "show policy --keys ring")
        .expect(0, &["good signature for turnout-policy by SHA256:", "(owner)"]);
}

#[test]
fn a_revoked_key_no_longer_signs() {
    let tree = boot_tree();
    let second = add_key(&tree, "second", "boot");
    sign(&tree, &[]).expect(0, &[]);
    let key = text(&tree.path("key.pub"));
    write_policy(&tree, &format!("--version 1 --revoke-key {key}")).expect(0, &[]);
    verify_by_policy(&tree).expect(1, &["refused good: KEY_REVOKED: "]);
    sign_by(&tree, &second, &[]).expect(0, &[]);
    verify_by_policy(&tree).expect(0, &["signed by second"]);
    let kernel = text(&tree.path("root/vmlinuz"));
    write_policy(&tree, &format!("--version 1 --revoke-digest {kernel}")).expect(0, &[]);
    verify_by_policy(&tree).expect(1, &["refused good: DIGEST_REVOKED: "]);
    write_policy(&tree, "--version 1 --minimum boot=1").expect(0, &[]);
    verify_by_policy(&tree).expect(1, &["refused good: FLOOR: "]);
}

#[test]
fn a_policy_that_leaves_nobody_to_sign_is_refused_by_both_checks() {
    let tree = boot_tree();
    write_policy(&tree, "--version 1 --threshold boot=2").expect(0, &[]);
    let said = ["refused", "2 keys must sign for turnout-boot", "add keys"];
    turnout_sign(&tree, "policy check policy --keys ring").expect(1, &said);
    turnout_sign(&tree, "ring check ring --policy policy").expect(1, &said);
    add_key(&tree, "second", "boot");
    turnout_sign(&tree, "policy check policy --keys ring").expect(0, &[]);
    turnout_sign(&tree, "ring check ring --policy policy").expect(0, &[]);
    turnout_sign(&tree, "policy check policy --in-force none").expect(2, &["--keys"]);
}

#[test]
fn a_ring_update_needs_the_old_and_the_new_keys() {
    let tree = boot_tree();
    add_key(&tree, "owner", "policy");
    let next = |version: &str, owner: &str| {
        let ring = String::from_utf8(tree.read("ring")).unwrap();
        let others = ring.lines().filter(|line| line.contains("turnout-boot"));
        let line = turnout_sign(&tree, &format!("ring line --role policy {owner}.pub"));
        let others: String = others.map(|line| format!("{line}\n")).collect();
        tree.write("next", format!("{version}{others}{}", line.text));
    };
    let heir = text(&tree.path("heir"));
    run(TURNOUT_SIGN, &["keygen", "-f", &heir, "-C", "heir"]).expect(0, &[]);
    let check = || turnout_sign(&tree, "ring check next --in-force ring");
    next("", "heir");
    turnout_sign(&tree, "ring sign next --key owner").expect(2, &["# turnout-ring 1"]);
    next("# turnout-ring 1\n", "heir");
    check().expect(1, &["SIGNATURE_MISSING"]);
    turnout_sign(&tree, "ring sign next --key owner").expect(0, &["turnout-policy, key"]);
    check().expect(1, &["refused"]);
    turnout_sign(&tree, "ring sign next --key heir --add").expect(0, &[]);
    check().expect(0, &["ring 1 follows on", "heir: SHA256:", "turnout-policy: 1 key"]);
    turnout_sign(&tree, "ring check next --in-force next").expect(1, &["RING_VERSION"]);
}

#[test]
fn everything_wrong_in_a_ring_is_said_at_once() {
    let tree = boot_tree();
    let good = String::from_utf8(tree.read("ring")).unwrap();
    let zero = "a namespaces=\"turnout-boot\" ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    tree.write("ring", format!("{good}{good}{zero}nonsense\n"));
    let said = turnout_sign(&tree, "ring check ring");
    said.expect(1, &["line 2: the same key", "line 3: the key is weak", "line 4: "]);
    tree.write("ring", &good);
    turnout_sign(&tree, "ring check ring")
        .expect(0, &["release@example.org: SHA256:", "turnout-boot: 1 key", "note: no key may"]);
}

#[test]
fn signed_files_are_told_in_words() {
    let tree = boot_tree();
    sign(&tree, &["--security-version", "7", "--board", "acme,one"]).expect(0, &[]);
    let manifest = turnout_sign(&tree, "show root/turnout/good.manifest --keys ring");
    manifest.expect(0, &["manifest of the entry good, sha256:", "role boot, security version 7"]);
    manifest
        .expect(0, &["for x86_64", "only for the boards acme,one", "binds /initrd.img, 5 bytes"]);
    manifest
        .expect(0, &["options root=LABEL=root  ro", "good signature for turnout-boot by SHA256:"]);
    manifest.expect(0, &["(release@example.org)"]);
    turnout_sign(&tree, "show root/turnout/good.manifest.sig")
        .expect(0, &["signature for turnout-boot by SHA256:"]);
    turnout_sign(&tree, "show ring key.pub").expect(
        0,
        &["key ring, version 0", "may sign turnout-boot", "public key of type ssh-ed25519"],
    );
    let text = String::from_utf8(tree.read("root/turnout/good.manifest")).unwrap();
    tree.write("root/turnout/good.manifest", text.replace("version 7", "version 8"));
    turnout_sign(&tree, "show root/turnout/good.manifest")
        .expect(0, &["BAD (made for other bytes) signature"]);
    turnout_sign(&tree, "show root/vmlinuz").expect(2, &["vmlinuz: this is not text"]);
}
