//! Newer policies and key rings from the boot partition: taken only if the ring
//! in force signed them, and only forwards.
//!
//! There is no other way to a new root: not the command line, not a firmware
//! variable, not a ring that nobody signed. Specification: `docs/policy.md`.

use super::allowed_signers::KeyRing;
use super::policy::{self, Policy};
use super::refusal::Refusal;
use super::signers::{SignedFile, Signers};
use super::{Namespace, POLICY_PATH, RING_PATH, allowed_signers, lines};
use crate::base::digest::Digest;

/// The policy that `text` is, if it may follow on `current`.
///
/// # Errors
/// Too few keys of `ring` signed it by `current`, it cannot be read, or it is
/// not newer.
pub fn take_policy(
    current: &Policy,
    ring: &KeyRing,
    text: &[u8],
    signatures: Option<&[u8]>,
) -> Result<Policy, Refusal> {
    lines::check_length(text).map_err(Refusal::PolicySyntax)?;
    let file = SignedFile { path: POLICY_PATH, bytes: text, signatures };
    check(current, ring, file)?;
    let policy = policy::parse(text).map_err(Refusal::PolicySyntax)?;
    if policy.version <= current.version {
        return Err(Refusal::PolicyVersion { found: policy.version, current: current.version });
    }
    Ok(policy)
}

/// The ring that `text` is, if it may follow on `current`.
///
/// # Errors
/// Too few keys of `current`, or too few of its own, signed it by `policy`; it
/// cannot be read, or it is not newer.
pub fn take_ring(
    current: &KeyRing,
    policy: &Policy,
    text: &[u8],
    signatures: Option<&[u8]>,
) -> Result<KeyRing, Refusal> {
    if text.len() > super::MAX_FILE {
        let problem = allowed_signers::Problem::TooLong(text.len());
        return Err(Refusal::RingSyntax(allowed_signers::Error { line: 1, problem }));
    }
    let file = SignedFile { path: RING_PATH, bytes: text, signatures };
    check(policy, current, file)?;
    let ring = KeyRing::parse(text).map_err(Refusal::RingSyntax)?;
    check(policy, &ring, file)?;
    if ring.version() <= current.version() {
        return Err(Refusal::RingVersion { found: ring.version(), current: current.version() });
    }
    Ok(ring)
}

/// Whether enough keys of `ring` signed the file for `turnout-policy`, and
/// `policy` has not revoked it.
fn check(policy: &Policy, ring: &KeyRing, file: SignedFile<'_>) -> Result<(), Refusal> {
    let purpose = Namespace::Policy;
    Signers::of(file, ring, policy, &[purpose])?.enough(purpose, policy.threshold(purpose))?;
    let digest = Digest::of(file.bytes);
    if policy.revokes(&digest) {
        return Err(Refusal::DigestRevoked { path: file.path.to_owned(), digest });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sshsig::make;
    use super::*;

    const OWNER: u8 = 1;
    const SECOND: u8 = 2;
    const NEW: u8 = 3;
    const RELEASE: u8 = 4;

    fn current() -> KeyRing {
        KeyRing::of(&[
            ("owner", "turnout-policy", make::public(OWNER)),
            ("second", "turnout-policy", make::public(SECOND)),
            ("release", "turnout-boot", make::public(RELEASE)),
        ])
    }

    fn in_force() -> Policy {
        policy::parse(b"turnout-policy 1\nversion 3\nthreshold turnout-policy 2\n").unwrap()
    }

    fn sign(seeds: &[u8], text: &str) -> String {
        seeds.iter().map(|seed| make::armored(*seed, "turnout-policy", text.as_bytes())).collect()
    }

    fn policy_by(seeds: &[u8], text: &str) -> Result<Policy, Refusal> {
        let signatures = sign(seeds, text);
        take_policy(&in_force(), &current(), text.as_bytes(), Some(signatures.as_bytes()))
    }

    const NEWER: &str = "turnout-policy 1\nversion 4\nstep 2\n";

    #[test]
    fn a_newer_policy_that_enough_keys_signed_is_taken() {
        assert_eq!(policy_by(&[OWNER, SECOND], NEWER).unwrap().step, 2);
    }

    #[test]
    fn a_policy_is_refused_with_the_reason() {
        let text = NEWER.as_bytes();
        let refusal = take_policy(&in_force(), &current(), text, None).unwrap_err();
        assert_eq!(refusal.code(), "SIGNATURE_MISSING");
        assert_eq!(refusal.to_string(), "/turnout/policy has no /turnout/policy.sig");
        for (seeds, code) in [
            (&[OWNER][..], "THRESHOLD"),
            (&[OWNER, OWNER], "THRESHOLD"),
            (&[NEW], "KEY_UNKNOWN"),
            (&[RELEASE], "NAMESPACE"),
        ] {
            assert_eq!(policy_by(seeds, NEWER).unwrap_err().code(), code, "{seeds:?}");
        }
        let refusal = policy_by(&[OWNER, SECOND], "turnout-policy 1\n").unwrap_err();
        assert_eq!(refusal.code(), "POLICY_SYNTAX");
        assert!(refusal.to_string().starts_with("/turnout/policy, line 2: "), "{refusal}");
        for version in [0, 2, 3] {
            let text = format!("turnout-policy 1\nversion {version}\n");
            let refusal = policy_by(&[OWNER, SECOND], &text).unwrap_err();
            assert_eq!(refusal.code(), "POLICY_VERSION");
            let sentence = format!("has version {version}, and only one above 3 is taken");
            assert!(refusal.to_string().contains(&sentence), "{refusal}");
        }
    }

    #[test]
    fn a_policy_of_64_kib_and_a_byte_is_not_even_hashed() {
        let long = "x".repeat(super::super::MAX_FILE + 1);
        assert_eq!(policy_by(&[], &long).unwrap_err().code(), "POLICY_SYNTAX");
        assert_eq!(ring_by(&[], &long).unwrap_err().code(), "RING_SYNTAX");
    }

    fn ring_by(seeds: &[u8], text: &str) -> Result<KeyRing, Refusal> {
        let signatures = sign(seeds, text);
        take_ring(&current(), &in_force(), text.as_bytes(), Some(signatures.as_bytes()))
    }

    /// A ring without the key `SECOND`.
    fn newer(version: &str) -> String {
        format!("{version}\n{}{}", line_of(OWNER), line_of(NEW))
    }

    fn line_of(seed: u8) -> String {
        let key = make::public_base64(&make::public(seed));
        format!("someone namespaces=\"turnout-policy\" ssh-ed25519 {key}\n")
    }

    #[test]
    fn a_newer_ring_needs_enough_keys_of_the_old_and_of_its_own() {
        let text = newer("# turnout-ring 1");
        let ring = ring_by(&[OWNER, SECOND, NEW], &text).unwrap();
        assert_eq!((ring.version(), ring.keys().len()), (1, 2));
        let refusal = ring_by(&[OWNER, NEW], &text).unwrap_err();
        let sentence = "/turnout/allowed_signers is signed by 1 of 2 different keys that must: \
                        \"owner\"; another signature does not count: KEY_UNKNOWN: ";
        assert_eq!(refusal.code(), "THRESHOLD");
        assert!(refusal.to_string().starts_with(sentence), "{refusal}");
        assert_eq!(ring_by(&[OWNER, SECOND], &text).unwrap_err().code(), "THRESHOLD");
        assert_eq!(ring_by(&[NEW], &text).unwrap_err().code(), "KEY_UNKNOWN");
    }

    #[test]
    fn a_ring_without_a_newer_version_is_refused() {
        let all = [OWNER, SECOND, NEW];
        for (version, code) in [
            ("#", "RING_VERSION"),
            ("# turnout-ring 0", "RING_VERSION"),
            ("\n# turnout-ring 5", "RING_VERSION"),
            ("# turnout-ring x", "RING_SYNTAX"),
            ("nonsense", "RING_SYNTAX"),
        ] {
            assert_eq!(ring_by(&all, &newer(version)).unwrap_err().code(), code, "{version:?}");
        }
    }

    /// The ring of this text, signed by all that must.
    fn ring_under(policy: &Policy, text: &str) -> Result<KeyRing, Refusal> {
        let signatures = sign(&[OWNER, SECOND, NEW], text);
        take_ring(&current(), policy, text.as_bytes(), Some(signatures.as_bytes()))
    }

    #[test]
    fn what_policy_revoked_neither_signs_nor_is_taken() {
        let text = newer("# turnout-ring 1");
        let revoked_keys = vec![make::public(OWNER).fingerprint()];
        let refusal = ring_under(&Policy { revoked_keys, ..in_force() }, &text).unwrap_err();
        assert_eq!(refusal.code(), "THRESHOLD");
        assert!(refusal.to_string().contains("KEY_REVOKED"), "{refusal}");
        let revoked_digests = vec![Digest::of(text.as_bytes())];
        let refusal = ring_under(&Policy { revoked_digests, ..in_force() }, &text).unwrap_err();
        assert_eq!(refusal.code(), "DIGEST_REVOKED");
    }
}
