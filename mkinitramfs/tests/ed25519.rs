//! Published test vectors of Ed25519 and SHA-2 against the calls that decide
//! whether an entry boots. The large sets are found through TURNOUT_CORPUS;
//! without it their tests say so and pass.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;
use turnout::base::digest::Digest;
use turnout::trust::key::PublicKey;
use turnout::trust::sshsig::{HashAlgorithm, signed_data};

/// The parsed file, unless there is no corpus.
fn corpus(file: &str) -> Option<Value> {
    let Ok(dir) = std::env::var("TURNOUT_CORPUS") else {
        println!("skipped: TURNOUT_CORPUS is not set, so there is no {file}");
        return None;
    };
    let path = std::path::Path::new(&dir).join("crypto").join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_slice(&bytes).unwrap())
}

fn hex(value: &Value) -> Vec<u8> {
    bytes(value.as_str().unwrap())
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

/// Whether a signature is accepted by a key that a ring may hold.
fn accepts(key: &Value, message: &Value, signature: &Value) -> bool {
    let key: [u8; 32] = hex(key).try_into().unwrap();
    // Signatures of another length are refused by the SSHSIG reader.
    <[u8; 64]>::try_from(hex(signature))
        .is_ok_and(|signature| PublicKey::in_file(key).verify(&hex(message), &signature))
}

#[test]
fn wycheproof_and_the_strict_rule_agree_on_every_vector() {
    let Some(file) = corpus("wycheproof-ed25519.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let verdict = accepts(&group["publicKey"]["pk"], &test["msg"], &test["sig"]);
            assert_eq!(verdict, test["result"] == "valid", "test {}", test["tcId"]);
            if verdict { accepted += 1 } else { refused += 1 }
        }
    }
    assert_eq!((accepted, refused), (88, 63));
}

#[test]
fn of_the_speccheck_vectors_only_number_3_is_accepted() {
    let Some(file) = corpus("ed25519-speccheck.json") else { return };
    let vectors = file.as_array().unwrap();
    let verdicts = vectors.iter().enumerate().filter(|(_, vector)| {
        accepts(&vector["pub_key"], &vector["message"], &vector["signature"])
    });
    assert_eq!(verdicts.map(|(number, _)| number).collect::<Vec<_>>(), [3]);
    assert_eq!(vectors.len(), 12);
}

#[test]
fn the_keys_of_the_small_order_vectors_may_be_in_no_ring() {
    let Some(file) = corpus("ed25519-speccheck.json") else { return };
    let weak = |number: usize| {
        let key = hex(&file[number]["pub_key"]).try_into().unwrap();
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
