//! Newer policies and key rings from the boot partition: taken only if the ring
//! in force signed them, and only forwards.
//!
//! There is no other way to a new root: not the command line, not a firmware
//! variable, not a ring that nobody signed. Specification: `docs/policy.md`.

use super::allowed_signers::KeyRing;
use super::policy::{self, Policy};
use super::refusal::Refusal;
use super::signers::{File, Signers};
use super::{Namespace, POLICY_PATH, RING_PATH, allowed_signers, lines};
use crate::bundle::Digest;

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
    let file = File { path: POLICY_PATH, bytes: text, signatures };
    check(current, ring, file)?;
    let policy = policy::parse(text).map_err(Refusal::PolicySyntax)?;
    if policy.version <= current.version {
        let (found, current) = (policy.version, current.version);
        return Err(Refusal::PolicyVersion { found, current });
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
    let file = File { path: RING_PATH, bytes: text, signatures };
    check(policy, current, file)?;
    let ring = KeyRing::parse(text).map_err(Refusal::RingSyntax)?;
    check(policy, &ring, file)?;
    if ring.version() <= current.version() {
        let (found, current) = (ring.version(), current.version());
        return Err(Refusal::RingVersion { found, current });
    }
    Ok(ring)
}

/// Whether enough keys of `ring` signed the file for `turnout-policy`, and
/// `policy` has not revoked it.
fn check(policy: &Policy, ring: &KeyRing, file: File<'_>) -> Result<(), Refusal> {
    let purpose = Namespace::Policy;
    Signers::of(file, ring, policy, &[purpose])?.enough(purpose, policy.threshold(purpose))?;
    let digest = Digest::of(file.bytes);
    if policy.revokes(&digest) {
        return Err(Refusal::DigestRevoked { path: file.path.to_owned(), digest });
    }
    Ok(())
}
