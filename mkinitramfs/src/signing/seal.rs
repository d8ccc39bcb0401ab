//! Makes the signature file of a text: a manifest, a policy or a key ring.
//!
//! What comes out was read back and checked by the boot binary's own code. A
//! further signature is added only beside good ones over the same bytes, so
//! that two people can never have signed two different texts without noticing.

use anyhow::{Context as _, Result, bail, ensure};
use turnout::trust::MAX_SIGNATURES;
use turnout::trust::sshsig;

use crate::signing::signer::{self, Signer};

/// Signs `text`: gives a signature file with this signature alone.
///
/// # Errors
/// The signer refuses, or signs something else than it was given.
pub fn seal(signer: &mut Signer, namespace: &str, text: &[u8]) -> Result<String> {
    let armored = signer.sign(namespace, text)?;
    let made = sshsig::parse(armored.as_bytes()).context("what was signed cannot be read")?;
    let key = signer::device_key(signer.public())?;
    let good =
        made.iter().all(|one| one.key == key && one.namespace == namespace && one.verifies(text));
    ensure!(good, "what was signed does not verify, and nothing was written");
    Ok(armored)
}

/// Signs `text` as well: gives `others`, the signature file so far, with this
/// signature behind it.
///
/// # Errors
/// As [`seal`]; `others` are not good signatures over `text` in `namespace`, or
/// this key is among them.
pub fn add(signer: &mut Signer, namespace: &str, text: &[u8], others: &[u8]) -> Result<String> {
    let there = sshsig::parse(others).context("the signatures that are there cannot be read")?;
    let key = signer::device_key(signer.public())?;
    for one in &there {
        let whose = one.key.fingerprint();
        ensure!(
            one.verifies(text),
            "the signature of {whose} that is there does not belong to this text; sign without \
             --add, and let the others sign again"
        );
        ensure!(
            one.namespace == namespace,
            "the signature of {whose} that is there is for {}, not for {namespace}",
            one.namespace
        );
        if one.key == key {
            bail!("{whose} has signed this already; one key counts once");
        }
    }
    ensure!(
        there.len() < MAX_SIGNATURES,
        "there are {MAX_SIGNATURES} signatures already, the most that a device reads"
    );
    let mut file = String::from_utf8(others.to_vec())?;
    file.push_str(&seal(signer, namespace, text)?);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use ssh_key::PrivateKey;
    use ssh_key::private::Ed25519Keypair;

    use super::*;

    fn signer(seed: u8) -> Signer {
        Signer::file(PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))).unwrap()
    }

    fn fingerprints(file: &str) -> Vec<String> {
        let signatures = sshsig::parse(file.as_bytes()).unwrap();
        signatures.iter().map(|one| one.key.fingerprint().to_string()).collect()
    }

    #[test]
    fn a_second_signature_stands_behind_the_first() {
        let one = seal(&mut signer(1), "turnout-boot", b"text").unwrap();
        let two = add(&mut signer(2), "turnout-boot", b"text", one.as_bytes()).unwrap();
        assert!(two.starts_with(&one));
        assert_eq!(fingerprints(&two), [signer(1).fingerprint(), signer(2).fingerprint()]);
    }

    #[test]
    fn a_signature_is_added_only_to_good_ones_of_others_over_the_same_bytes() {
        let one = seal(&mut signer(1), "turnout-boot", b"text").unwrap();
        let refused = |seed, namespace, text: &[u8], others: &str| {
            add(&mut signer(seed), namespace, text, others.as_bytes()).unwrap_err().to_string()
        };
        let cases = [
            (refused(2, "turnout-boot", b"other", &one), "does not belong to this text"),
            (refused(2, "turnout-policy", b"text", &one), "is for turnout-boot, not for"),
            (refused(1, "turnout-boot", b"text", &one), "has signed this already"),
            (refused(2, "turnout-boot", b"text", "x"), "that are there cannot be read"),
        ];
        for (said, expected) in cases {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn no_more_signatures_are_made_than_a_device_reads() {
        let mut file = seal(&mut signer(1), "turnout-boot", b"text").unwrap();
        for seed in 2..=8 {
            file = add(&mut signer(seed), "turnout-boot", b"text", file.as_bytes()).unwrap();
        }
        let said = add(&mut signer(9), "turnout-boot", b"text", file.as_bytes()).unwrap_err();
        assert!(said.to_string().contains("8 signatures already"), "{said}");
    }
}
