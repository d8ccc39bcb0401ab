//! `turnout-sign` from outside: keys, signing, and every refusal by its code.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
mod boot_tree;
mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use boot_tree::{TURNOUT_SIGN, boot_tree, sign, verify};
use common::{run, text};

#[test]
fn a_signed_entry_verifies_and_its_manifest_binds_everything() {
    let tree = boot_tree();
    sign(&tree, &["--security-version", "7"]).expect(0, &["signed good: x86_64, turnout-boot"]);
    verify(&tree).expect(0, &["verified good: signed by release@example.org"]);
    let manifest = String::from_utf8(tree.read("root/turnout/good.manifest")).unwrap();
    let lines: Vec<_> = manifest.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "turnout-manifest 1",
            "entry good",
            "title Good Debian",
            "security-version 7",
            "architecture x86_64"
        ]
    );
    assert!(lines[5].starts_with("linux /vmlinuz 4096 sha256:"), "{manifest}");
    assert!(lines[6].starts_with("initrd /initrd.img 5 sha256:"), "{manifest}");
    assert!(lines[7].starts_with("initrd /extra.img 6 sha256:"), "{manifest}");
    assert_eq!(lines[8..], ["options root=LABEL=root  ro"]);
}

#[test]
fn signing_twice_gives_the_same_bytes() {
    let tree = boot_tree();
    let files =
        || ["manifest", "manifest.sig"].map(|end| tree.read(&format!("root/turnout/good.{end}")));
    sign(&tree, &[]).expect(0, &[]);
    let first = files();
    sign(&tree, &[]).expect(0, &[]);
    assert_eq!(files(), first);
    assert_eq!(fs::read_dir(tree.path("root/turnout")).unwrap().count(), 2);
}

#[test]
fn a_security_version_that_falls_is_said() {
    let tree = boot_tree();
    sign(&tree, &["--security-version", "7"]).expect(0, &[]);
    sign(&tree, &[]).expect(0, &["note: good had security version 7 and now has 0"]);
    let again = sign(&tree, &[]);
    assert!(!again.text.contains("note:"), "{}", again.text);
}

#[test]
fn every_change_after_signing_is_refused_by_its_code() {
    let conf = "root/loader/entries/good+3.conf";
    let arm = [&[0; 0x38], b"ARM\x64".as_slice()].concat();
    let cases: [(&str, &str, &[u8]); 10] = [
        ("ARCHITECTURE", "root/vmlinuz", &arm),
        ("LINUX_DIGEST", "root/vmlinuz", &[0; 4096]),
        ("LINUX_SIZE", "root/vmlinuz", b"short"),
        ("INITRD_SIZE", "root/initrd.img", b"longer"),
        ("INITRD_DIGEST", "root/initrd.img", b"First"),
        ("INITRD_COUNT", conf, b"linux /vmlinuz\ninitrd /initrd.img\n"),
        ("INITRD_SIZE", conf, b"linux /vmlinuz\ninitrd /extra.img\ninitrd /initrd.img\n"),
        (
            "DEVICETREE",
            conf,
            b"linux /vmlinuz\ninitrd /initrd.img\ninitrd /extra.img\ndevicetree /extra.img\n",
        ),
        ("SIGNATURE_INVALID", "root/turnout/good.manifest", b"turnout-manifest 1\n"),
        ("SIGNATURE_SYNTAX", "root/turnout/good.manifest.sig", b""),
    ];
    for (code, file, bytes) in cases {
        let tree = boot_tree();
        sign(&tree, &[]).expect(0, &[]);
        tree.write(file, bytes);
        verify(&tree).expect(1, &[&format!("refused good: {code}: ")]);
    }
}

#[test]
fn a_missing_manifest_or_signature_is_refused_by_its_code() {
    let tree = boot_tree();
    verify(&tree).expect(1, &["refused good: UNSIGNED: there is no /turnout/good.manifest"]);
    sign(&tree, &[]).expect(0, &[]);
    fs::remove_file(tree.path("root/turnout/good.manifest.sig")).unwrap();
    verify(&tree).expect(1, &["refused good: SIGNATURE_MISSING: "]);
}

#[test]
fn options_in_the_menu_do_not_matter_after_signing() {
    let tree = boot_tree();
    sign(&tree, &[]).expect(0, &[]);
    let conf = "root/loader/entries/good+3.conf";
    let edited = String::from_utf8(tree.read(conf)).unwrap().replace(" ro", " init=/bin/sh");
    tree.write(conf, edited);
    verify(&tree).expect(0, &["verified good"]);
}

#[test]
fn another_namespace_or_key_is_refused_by_its_code() {
    let tree = boot_tree();
    sign(&tree, &["--namespace", "turnout-recovery"]).expect(0, &["turnout-recovery"]);
    verify(&tree).expect(1, &["refused good: NAMESPACE: ", "not for turnout-recovery"]);
    sign(&tree, &[]).expect(0, &[]);
    let stranger = boot_tree();
    fs::copy(stranger.path("ring"), tree.path("ring")).unwrap();
    verify(&tree).expect(1, &["refused good: KEY_UNKNOWN: ", "SHA256:"]);
}

#[test]
fn a_private_key_that_others_may_read_is_not_used() {
    let tree = boot_tree();
    let key = tree.path("key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    sign(&tree, &[]).expect(2, &["mode 0640", &format!("chmod 600 {}", key.display())]);
    assert!(!tree.path("root/turnout").exists(), "nothing was written");
    fs::copy(tree.path("key.pub"), &key).unwrap();
    sign(&tree, &[]).expect(2, &["key is the public key", "--agent="]);
}

#[test]
fn a_manifest_is_not_written_through_a_link() {
    let tree = boot_tree();
    let elsewhere = tree.write("elsewhere", "precious");
    fs::create_dir(tree.path("root/turnout")).unwrap();
    for name in ["good.manifest.sig", "good.manifest"] {
        let link = tree.path("root/turnout").join(name);
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        sign(&tree, &[]).expect(
            2,
            &[&format!("turnout/{name} is a symbolic link, and no machine follows one to a")],
        );
        fs::remove_file(link).unwrap();
    }
    assert_eq!(tree.read("elsewhere"), b"precious");
    sign(&tree, &[]).expect(0, &[]);
}

#[test]
fn keygen_never_overwrites() {
    let tree = boot_tree();
    let key = text(&tree.path("key"));
    let before = tree.read("key");
    run(TURNOUT_SIGN, &["keygen", "-f", &key]).expect(2, &["is there already"]);
    fs::remove_file(&key).unwrap();
    run(TURNOUT_SIGN, &["keygen", "-f", &key]).expect(2, &["key.pub is there already"]);
    assert!(!tree.path("key").exists());
    assert!(!before.is_empty());
}

#[test]
fn a_key_with_a_passphrase_says_what_it_needs() {
    let tree = boot_tree();
    let key = text(&tree.path("locked"));
    run(TURNOUT_SIGN, &["keygen", "-f", &key, "-N", "secret"]).expect(0, &[]);
    fs::rename(tree.path("locked"), tree.path("key")).unwrap();
    sign(&tree, &[]).expect(2, &["has a passphrase and there is no terminal"]);
}

#[test]
fn mistakes_are_answered_with_what_to_do_next() {
    let tree = boot_tree();
    let (key, root) = (text(&tree.path("key")), text(&tree.path("root")));
    let sign_with = |key: &str, root: &str, id: &str| {
        run(TURNOUT_SIGN, &["sign", "--key", key, "--root", root, id])
    };
    sign_with(&key, &root, "god").expect(2, &["there is no entry god", "there is good"]);
    sign_with(&key, &key, "good").expect(2, &["--root takes the root of the boot partition"]);
    fs::set_permissions(tree.path("ring"), Permissions::from_mode(0o600)).unwrap();
    let ring = text(&tree.path("ring"));
    sign_with(&ring, &root, "good").expect(2, &["not an OpenSSH private key", "keygen"]);
    tree.write("root/loader/entries/good.conf", "linux /vmlinuz\n");
    sign_with(&key, &root, "good")
        .expect(2, &["/loader/entries/good+3.conf and /loader/entries/good.conf"]);
    tree.write("root/loader/entries/lost.conf", "linux /nowhere\n");
    sign_with(&key, &root, "lost").expect(2, &["lost.conf", "root/nowhere"]);
    tree.write("root/loader/entries/uki.conf", "uki-url https://x/\n");
    sign_with(&key, &root, "uki").expect(2, &["the entry cannot boot", "uki-url"]);
    tree.write("root/my kernel", tree.read("root/vmlinuz"));
    tree.write("root/loader/entries/blank.conf", "linux /my kernel\n");
    sign_with(&key, &root, "blank")
        .expect(2, &["blank cannot be signed", "\"/my kernel\"", "rename"]);
    tree.write("root/loader/entries/zboot.conf", "linux /initrd.img\n");
    sign_with(&key, &root, "zboot").expect(2, &["/initrd.img", "--architecture x86_64"]);
    let namespace = ["sign", "--key", &key, "--root", &root, "--namespace", "file", "good"];
    run(TURNOUT_SIGN, &namespace).expect(2, &["choose boot or recovery"]);
    let nothing: [&str; 0] = [];
    run(TURNOUT_SIGN, &nothing).expect(2, &["turnout-sign: no command is given; see --help"]);
}

#[test]
fn a_broken_ring_is_not_a_refusal_of_the_entry() {
    let tree = boot_tree();
    sign(&tree, &[]).expect(0, &[]);
    let ring = String::from_utf8(tree.read("ring")).unwrap();
    tree.write("ring", ring.replace("namespaces=\"turnout-boot\" ", ""));
    verify(&tree).expect(2, &["ring: line 1: ", "namespaces=\"turnout-boot\""]);
}

/// An image for x86_64 of these sections, as little as UAPI.5 lets it be.
fn efi_image(sections: &[(&str, &[u8])]) -> Vec<u8> {
    const HEADERS: usize = 0x400;
    let word = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let mut file = b"MZ".to_vec();
    file.resize(0x3c, 0);
    file.extend([word(0x40).as_slice(), b"PE\0\0\x64\x86"].concat());
    file.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
    file.extend([0; 16]);
    let mut at = HEADERS;
    for (name, bytes) in sections {
        file.extend([name.as_bytes(), &[0; 8][name.len()..]].concat());
        file.extend([bytes.len(), at, bytes.len(), at].map(word).concat());
        file.extend([0; 16]);
        at += bytes.len();
    }
    file.resize(HEADERS, 0);
    file.extend(sections.iter().flat_map(|(_, bytes)| *bytes));
    file
}

#[test]
fn every_profile_of_an_image_in_its_directory_is_signed_with_the_addons_beside_it() {
    let tree = boot_tree();
    let sections: [(&str, &[u8]); 4] = [
        (".linux", b"kernel"),
        (".osrel", b"PRETTY_NAME=Debian\n"),
        (".profile", b"ID=main\n"),
        (".profile", b"ID=rescue\n"),
    ];
    tree.write("root/EFI/Linux/debian+2.efi", efi_image(&sections));
    let addon = "root/EFI/Linux/debian.efi.extra.d/console.addon.efi";
    tree.write(addon, efi_image(&[(".cmdline", b"console=ttyS0")]));
    let (key, root) = (text(&tree.path("key")), text(&tree.path("root")));
    let all = run(TURNOUT_SIGN, &["sign", "--key", &key, "--root", &root, "--all"]);
    all.expect(0, &["signed debian: x86_64", "signed debian@rescue: x86_64", "signed good"]);
    let manifest = tree.read("root/turnout/debian@rescue.manifest");
    let manifest = String::from_utf8(manifest).unwrap();
    let bound: Vec<_> = manifest.lines().skip(1).filter_map(|line| line.split_once(' ')).collect();
    assert_eq!(bound[0], ("entry", "debian@rescue"));
    let values = |key| bound.iter().filter(move |(name, _)| *name == key).map(|(_, value)| *value);
    assert!(values("uki").all(|value| value.starts_with("/EFI/Linux/debian+2.efi ")), "{manifest}");
    assert_eq!(values("profile").collect::<Vec<_>>(), ["1"]);
    let path = addon.strip_prefix("root").unwrap();
    assert!(values("addon").all(|value| value.starts_with(path)), "{manifest}");
    assert_eq!((values("uki").count(), values("addon").count()), (1, 1), "{manifest}");

    let ring = text(&tree.path("ring"));
    let check = || run(TURNOUT_SIGN, &["verify", "--keys", &ring, "--root", &root, "--all"]);
    check().expect(0, &["verified debian@rescue: "]);
    tree.write("root/EFI/Linux/debian.efi.extra.d/more.addon.efi", tree.read(addon));
    check().expect(1, &["refused debian@rescue: ADDON_COUNT: ", "verified good: "]);
}
