//! Published test vectors of Ed25519 and SHA-2 against the calls that decide
//! whether an entry boots. Where they are from: tests/data/crypto/README.md.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use ed25519_dalek::{Signer as _, SigningKey};
use turnout::base::digest::Digest;
use turnout::trust::key::PublicKey;
use turnout::trust::sshsig::{HashAlgorithm, signed_data};

const WYCHEPROOF: &str = include_str!("../../tests/data/crypto/ed25519-wycheproof");
const SPECCHECK: &str = include_str!("../../tests/data/crypto/ed25519-speccheck");

/// The words of each line.
fn rows<const N: usize>(file: &str) -> Vec<[&str; N]> {
    let rows = file.lines().map(|line| line.split(' ').collect::<Vec<_>>().try_into().unwrap());
    rows.collect()
}

fn hex(word: &str) -> Vec<u8> {
    bytes(word.trim_matches('-'))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

/// Whether a signature is accepted by a key that a ring may hold.
fn accepts(key: &str, message: &str, signature: &str) -> bool {
    let key: [u8; 32] = hex(key).try_into().unwrap();
    // Signatures of another length are refused by the SSHSIG reader.
    <[u8; 64]>::try_from(hex(signature))
        .is_ok_and(|signature| PublicKey::in_file(key).verify(&hex(message), &signature))
}

#[test]
fn wycheproof_and_the_strict_rule_agree_on_every_vector() {
    let verdicts = rows(WYCHEPROOF).into_iter().map(|[id, result, key, message, signature]| {
        let verdict = accepts(key, message, signature);
        assert_eq!(verdict, result == "valid", "test {id}");
        verdict
    });
    let (accepted, refused): (Vec<bool>, Vec<bool>) = verdicts.partition(|verdict| *verdict);
    assert_eq!((accepted.len(), refused.len()), (88, 63));
}

#[test]
fn of_the_speccheck_vectors_only_number_3_is_accepted() {
    let vectors = rows(SPECCHECK);
    let verdicts = vectors.iter().filter(|[_, key, message, sig]| accepts(key, message, sig));
    assert_eq!(verdicts.map(|[number, ..]| *number).collect::<Vec<_>>(), ["3"]);
    assert_eq!(vectors.len(), 12);
}

#[test]
fn the_keys_of_the_small_order_vectors_may_be_in_no_ring() {
    let vectors: Vec<[&str; 4]> = rows(SPECCHECK);
    let weak = |number: usize| {
        let key = hex(vectors[number][1]).try_into().unwrap();
        PublicKey::in_file(key).weakness().is_some()
    };
    // speccheck: A is of small order in 0 and 1, and not canonical in 10 and 11.
    assert!([0, 1, 10, 11].into_iter().all(weak));
    assert!(![3, 4].into_iter().any(weak));
}

#[test]
fn the_vectors_of_rfc_8032_are_signed_so_and_accepted() {
    let file = include_str!("../../tests/data/crypto/ed25519-rfc8032");
    let value = |line: &str| bytes(line.split_once(' ').map_or("", |(_, value)| value));
    let lines: Vec<_> = file.lines().filter(|line| !line.starts_with('#')).collect();
    for test in lines.chunks(4) {
        let [secret, public, message, signature] = [0, 1, 2, 3].map(|line| value(test[line]));
        let secret = SigningKey::from_bytes(&secret.try_into().unwrap());
        let public = PublicKey::in_file(public.try_into().unwrap());
        let signature: [u8; 64] = signature.try_into().unwrap();
        assert_eq!(secret.verifying_key().to_bytes(), public.point);
        assert_eq!(secret.sign(&message).to_bytes(), signature);
        assert_eq!(public.weakness(), None);
        assert!(public.verify(&message, &signature));
        assert!(!public.verify(&[message.as_slice(), b"x"].concat(), &signature));
    }
    assert_eq!(lines.len(), 5 * 4);
}

#[test]
fn the_digests_are_those_that_nist_published() {
    let file = include_str!("../../tests/data/crypto/sha2-nist");
    for line in file.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let message = bytes(words[1].trim_matches('-'));
        let digest = bytes(words[2]);
        let hash = match words[0] {
            "sha256" => HashAlgorithm::Sha256,
            _ => HashAlgorithm::Sha512,
        };
        assert_eq!(hash.name(), words[0]);
        if hash == HashAlgorithm::Sha256 {
            assert_eq!(Digest::of(&message).0, digest.as_slice());
            assert_eq!(Digest::of_all(message.chunks(7)).0, digest.as_slice());
        }
        assert!(signed_data("turnout-boot", hash, &message).ends_with(&digest));
    }
    assert_eq!(file.lines().count(), 15);
}
