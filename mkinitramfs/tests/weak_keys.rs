//! Keys for which anyone can sign: every encoding of a point of small order, and
//! every one that is not canonical. One table, through each program that takes
//! a key ring: mkinitramfs, turnout-sign, and the device's own code, as a
//! library and in `turnout verify`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
mod boot_tree;
mod common;
// Only programs are made here, no modules.
#[allow(dead_code)]
#[path = "common/elf.rs"]
mod elf;
#[path = "common/programs.rs"]
mod programs;

use boot_tree::{TURNOUT_SIGN, boot_tree, sign, verify};
use common::{Scratch, run, text};
use elf::{X86_64, init};
use programs::programs;
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
use turnout::trust::allowed_signers::{KeyRing, Problem};

const MKINITRAMFS: &str = env!("CARGO_BIN_EXE_mkinitramfs");

/// y of the points of order 8, of which each stands for two (RFC 8032, section
/// 5.1; the values are those of "Taming the many EdDSAs", table 6b).
const ORDER_8: [&str; 2] = [
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

fn hex(text: &str) -> [u8; 32] {
    let digit = |index: usize| char::from(text.as_bytes()[index]).to_digit(16).unwrap();
    std::array::from_fn(|byte| u8::try_from(digit(2 * byte) << 4 | digit(2 * byte + 1)).unwrap())
}

/// y as an encoding, with x's sign bit as wanted.
fn encoding(low: u8, middle: u8, high: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    (bytes[0], bytes[31]) = (low, high);
    bytes
}

/// Every weak encoding once: 10 of small order with y below p, sign bit of x = 0
/// included, and p to 2^255 - 1 with either sign.
fn weak_encodings() -> Vec<[u8; 32]> {
    let mut all = Vec::new();
    for sign in [0, 0x80] {
        all.extend([encoding(0, 0, sign), encoding(1, 0, sign), encoding(0xec, 0xff, 0x7f | sign)]);
        all.extend(ORDER_8.map(|y| {
            let mut bytes = hex(y);
            bytes[31] |= sign;
            bytes
        }));
        all.extend((0xed..=0xff).map(|low| encoding(low, 0xff, 0x7f | sign)));
    }
    all
}

/// The encoding as a key in a file and as one on a token, in a ring's line.
fn lines(point: [u8; 32]) -> [String; 2] {
    let key = Ed25519PublicKey(point);
    let on_token = SkEd25519::new(key, "ssh:");
    [KeyData::Ed25519(key), KeyData::SkEd25519(on_token)].map(|key| {
        let public = ssh_key::PublicKey::from(key).to_openssh().unwrap();
        format!("weak namespaces=\"turnout-boot\" {public}\n")
    })
}

/// A signed tree and what mkinitramfs needs.
fn tree() -> Scratch {
    let tree = boot_tree();
    sign(&tree, &[]).expect(0, &[]);
    verify(&tree).expect(0, &[]);
    tree.write("turnout-init", init(X86_64));
    tree
}

#[test]
fn there_are_48_weak_encodings_and_each_is_one() {
    let mut all = weak_encodings();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 48);
    assert!(all.contains(&[0; 32]) && all.contains(&[0xff; 32]));
}

#[test]
fn no_program_takes_a_ring_with_a_weak_key() {
    let tree = tree();
    let turnout = text(&programs().join("turnout"));
    let good = String::from_utf8(tree.read("ring")).unwrap();
    let file = |name: &str| text(&tree.path(name));
    let (ring, root, binary, image) =
        (file("ring"), file("root"), file("turnout-init"), file("image"));
    for line in weak_encodings().into_iter().flat_map(lines) {
        let bytes = format!("{good}{line}");
        tree.write("ring", &bytes);
        let error = KeyRing::parse(bytes.as_bytes()).unwrap_err();
        assert_eq!(error.line, 2, "{line}");
        assert!(matches!(error.problem, Problem::Weak(_)), "{line}");
        let said = error.to_string();
        run(MKINITRAMFS, &["--binary", &binary, "--keys", &ring, "-o", &image]).expect(1, &[&said]);
        run(TURNOUT_SIGN, &["ring", "check", &ring]).expect(1, &[&said]);
        run(TURNOUT_SIGN, &["verify", "--keys", &ring, "--root", &root, "good"])
            .expect(2, &[&said]);
        run(&turnout, &["verify", "--root", &root, "--keys", &ring]).expect(3, &[&said]);
    }
    assert!(!tree.path("image").exists());
}

#[test]
fn a_ring_without_a_weak_key_is_taken_by_all_of_them() {
    let tree = tree();
    let turnout = text(&programs().join("turnout"));
    let file = |name: &str| text(&tree.path(name));
    let (ring, root, binary, image) =
        (file("ring"), file("root"), file("turnout-init"), file("image"));
    run(MKINITRAMFS, &["--binary", &binary, "--keys", &ring, "-o", &image]).expect(0, &[]);
    run(TURNOUT_SIGN, &["ring", "check", &ring]).expect(0, &[]);
    run(&turnout, &["verify", "--root", &root, "--keys", &ring]).expect(0, &["verified good"]);
}

#[test]
fn a_weak_key_gets_no_line_and_is_called_weak() {
    let tree = tree();
    let [line, _] = lines([0; 32]);
    let public = line.split_once("\" ").unwrap().1;
    let path = text(&tree.write("weak.pub", public));
    run(TURNOUT_SIGN, &["ring", "line", &path]).expect(2, &["the key is weak: all its bytes are"]);
    run(TURNOUT_SIGN, &["show", &path]).expect(0, &["WEAK: all its bytes are zero"]);
}
