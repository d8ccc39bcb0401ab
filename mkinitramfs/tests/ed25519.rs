//! Published Ed25519 test vectors against the strict rule. The files are found
//! through TURNOUT_CORPUS; without it these tests say so and pass.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::Value;
use turnout::trust::key::PublicKey;

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
    let digits: Vec<_> = value.as_str().unwrap().chars().map(|c| c.to_digit(16).unwrap()).collect();
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
