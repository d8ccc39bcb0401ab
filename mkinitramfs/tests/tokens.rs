//! Signatures of keys on FIDO tokens, composed byte by byte from what
//! docs/manifest.md says is signed: OpenSSH accepts them, and Turnout too, as
//! long as somebody touched the token.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
mod boot_tree;
mod common;
#[path = "common/openssh.rs"]
mod openssh;

use std::fs::File;
use std::process::Command;

use boot_tree::{boot_tree, sign, verify};
use common::{Scratch, text};
use ed25519_dalek::{Signer as _, SigningKey};
use openssh::have_openssh;
use sha2::{Digest as _, Sha256, Sha512};
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
use ssh_key::{Algorithm, HashAlg, LineEnding, PublicKey, Signature, SshSig};

const APPLICATION: &str = "ssh:turnout";
const TOUCHED: u8 = 1;
const VERIFIED: u8 = 4;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[20; 32])
}

fn public() -> PublicKey {
    let point = Ed25519PublicKey(key().verifying_key().to_bytes());
    let key = KeyData::SkEd25519(SkEd25519::new(point, APPLICATION));
    PublicKey::new(key, "token@example.org")
}

/// SSHSIG's string: a big-endian length and the bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// What the document calls M, for sha512.
fn message(namespace: &str, file: &[u8]) -> Vec<u8> {
    let digest = Sha512::digest(file);
    [
        b"SSHSIG".to_vec(),
        string(namespace.as_bytes()),
        string(b""),
        string(b"sha512"),
        string(&digest),
    ]
    .concat()
}

/// An armored signature over `file` by a token with these flags.
fn armored(flags: u8, file: &[u8]) -> String {
    let counter = 4711_u32.to_be_bytes();
    let m = Sha256::digest(message("turnout-boot", file));
    let signed = [&Sha256::digest(APPLICATION), &[flags][..], &counter, &m].concat();
    assert_eq!(signed.len(), 69);
    let blob = [&key().sign(&signed).to_bytes()[..], &[flags], &counter].concat();
    let signature = Signature::new(Algorithm::SkEd25519, blob).unwrap();
    let data = public().key_data().clone();
    let envelope = SshSig::new(data, "turnout-boot", HashAlg::Sha512, signature).unwrap();
    envelope.to_pem(LineEnding::LF).unwrap()
}

/// A tree whose manifest a token with these flags has signed.
fn tree(flags: u8) -> Scratch {
    let tree = boot_tree();
    sign(&tree, &[]).expect(0, &[]);
    let manifest = tree.read("root/turnout/good.manifest");
    tree.write("root/turnout/good.manifest.sig", armored(flags, &manifest));
    let line = format!(
        "token@example.org namespaces=\"turnout-boot\" {}\n",
        public().to_openssh().unwrap()
    );
    tree.write("ring", line);
    tree
}

fn ssh_keygen_verifies(tree: &Scratch) -> bool {
    let file = |below: &str| text(&tree.path(below));
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-Y", "verify", "-I", "token@example.org", "-n", "turnout-boot"]);
    command.args(["-f", &file("ring"), "-s", &file("root/turnout/good.manifest.sig")]);
    command.stdin(File::open(tree.path("root/turnout/good.manifest")).unwrap());
    command.status().unwrap().success()
}

#[test]
fn what_a_token_signs_is_what_the_document_says_and_openssh_agrees() {
    for flags in [TOUCHED, TOUCHED | VERIFIED] {
        let tree = tree(flags);
        verify(&tree).expect(0, &["verified good: signed by token@example.org"]);
        assert!(!have_openssh() || ssh_keygen_verifies(&tree));
    }
}

#[test]
fn a_token_that_nobody_touched_is_refused_though_ssh_keygen_does_not_mind() {
    for flags in [0, VERIFIED, 0xfe] {
        let tree = tree(flags);
        verify(&tree).expect(1, &["refused good: USER_PRESENCE: ", "nobody touched"]);
        assert!(!have_openssh() || ssh_keygen_verifies(&tree));
    }
}

#[test]
fn flags_that_were_changed_afterwards_make_the_signature_invalid() {
    let tree = tree(VERIFIED);
    let path = "root/turnout/good.manifest.sig";
    let mut signature: SshSig = String::from_utf8(tree.read(path)).unwrap().parse().unwrap();
    let mut blob = signature.signature_bytes().to_vec();
    blob[64] |= TOUCHED;
    let changed = Signature::new(Algorithm::SkEd25519, blob).unwrap();
    let data = signature.public_key().clone();
    signature = SshSig::new(data, "turnout-boot", HashAlg::Sha512, changed).unwrap();
    tree.write(path, signature.to_pem(LineEnding::LF).unwrap());
    verify(&tree).expect(1, &["refused good: SIGNATURE_INVALID: "]);
    assert!(!have_openssh() || !ssh_keygen_verifies(&tree));
}
