//! Whose signatures over a file count: good ones, by different keys of the ring,
//! for a purpose that the ring allows them.
//!
//! A signature that does not count never stands in the way of one that does,
//! and never stands in for one either. Keys are told apart by their 32 bytes.
//! Specification: `docs/manifest.md`, Signature.

use super::allowed_signers::{Key, KeyRing};
use super::policy::{Fingerprint, Policy};
use super::refusal::{Found, Refusal};
use super::sshsig::{self, Signature};
use super::{Namespace, signatures_of};

/// The signatures over one file that count, and why the others do not.
pub(super) struct Signers<'a> {
    file: &'a str,
    counted: Vec<Signer>,
    /// Of those that do not, the refusal of the one that came furthest; of
    /// several such, the first.
    refused: Option<(u8, Refusal)>,
}

/// A key that signed.
struct Signer {
    point: [u8; 32],
    namespace: Namespace,
    /// Principals, as the ring writes them.
    name: String,
    fingerprint: Fingerprint,
}

/// What a file was signed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) names: Vec<String>,
    pub(super) fingerprints: Vec<Fingerprint>,
}

/// A file and what lies beside it.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    /// Path of the file.
    pub(super) path: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) signatures: Option<&'a [u8]>,
}

impl<'a> Signers<'a> {
    /// Checks every signature over the file for any of `purposes`.
    pub(super) fn of(
        file: File<'a>,
        ring: &KeyRing,
        policy: &Policy,
        purposes: &[Namespace],
    ) -> Result<Self, Refusal> {
        let mut signers = Self { file: file.path, counted: Vec::new(), refused: None };
        for signature in &read(file, policy)? {
            match check(file, ring, policy, purposes, signature) {
                Ok(signer) => signers.count(signer),
                Err(refused) => signers.refuse(refused),
            }
        }
        Ok(signers)
    }

    fn count(&mut self, signer: Signer) {
        let again = |earlier: &Signer| {
            earlier.point == signer.point && earlier.namespace == signer.namespace
        };
        if !self.counted.iter().any(again) {
            self.counted.push(signer);
        }
    }

    fn refuse(&mut self, refused: (u8, Refusal)) {
        if self.refused.as_ref().is_none_or(|(furthest, _)| *furthest < refused.0) {
            self.refused = Some(refused);
        }
    }

    /// At least one signature that counts, for whatever purpose.
    pub(super) fn any(self) -> Result<Self, Refusal> {
        match self.refused {
            Some((_, refusal)) if self.counted.is_empty() => Err(refusal),
            _ => Ok(self),
        }
    }

    /// Who signed for `purpose`.
    ///
    /// # Errors
    /// Fewer than `needed`, which is taken for 1 if it is 0.
    pub(super) fn enough(mut self, purpose: Namespace, needed: u8) -> Result<Signed, Refusal> {
        let (counted, others) =
            self.counted.into_iter().partition(|signer| signer.namespace == purpose);
        self.counted = others;
        let signed = Signed::by(counted);
        if signed.names.len() >= usize::from(needed.max(1)) {
            return Ok(signed);
        }
        Err(self.too_few(purpose, needed, signed.names))
    }

    /// Why those that `signed` for `purpose` are not enough; what counts for
    /// another purpose is left in `self`.
    fn too_few(self, purpose: Namespace, needed: u8, signed: Vec<String>) -> Refusal {
        let file = self.file.to_owned();
        let refused = self.refused.map(|(_, refusal)| refusal);
        if !signed.is_empty() {
            let other = refused.map(Box::new);
            return Refusal::Threshold { file, needed, signers: signed, other };
        }
        match (self.counted.into_iter().next(), refused) {
            (Some(other), _) => {
                let (signer, found) = (other.name, other.namespace);
                Refusal::Role { file, signer, needed: purpose, found }
            }
            (None, Some(refused)) => refused,
            (None, None) => Refusal::SignatureMissing { file },
        }
    }
}

impl Signed {
    fn by(signers: Vec<Signer>) -> Self {
        let (names, fingerprints) =
            signers.into_iter().map(|signer| (signer.name, signer.fingerprint)).unzip();
        Self { names, fingerprints }
    }
}

/// The signatures, no more than policy allows.
fn read(file: File<'_>, policy: &Policy) -> Result<Vec<Signature>, Refusal> {
    let path = file.path.to_owned();
    let Some(armored) = file.signatures else {
        return Err(Refusal::SignatureMissing { file: path });
    };
    sshsig::parse_at_most(armored, usize::from(policy.signatures))
        .map_err(|error| Refusal::SignatureSyntax { file: signatures_of(&path), error })
}

/// Checks one signature; the number beside a refusal grows with how far it came.
fn check(
    file: File<'_>,
    ring: &KeyRing,
    policy: &Policy,
    purposes: &[Namespace],
    signature: &Signature,
) -> Result<Signer, (u8, Refusal)> {
    let path = || file.path.to_owned();
    let fingerprint = signature.key.fingerprint();
    // A wrong namespace is told from a wrong signature by checking under the
    // namespace and the key that the signature itself names.
    let valid = signature.verifies(file.bytes);
    let Some(key) = ring.find(&signature.key) else {
        let fingerprint = fingerprint.to_string();
        return Err(if valid {
            (2, Refusal::KeyUnknown { file: path(), fingerprint: Some(fingerprint) })
        } else {
            (1, Refusal::SignatureInvalid { file: path(), signer: fingerprint })
        });
    };
    let signer = || key.signer.clone();
    if !valid {
        return Err((3, Refusal::SignatureInvalid { file: path(), signer: signer() }));
    }
    let namespace = purpose(key, purposes, signature)
        .map_err(|found| (4, Refusal::Namespace { file: path(), signer: signer(), found }))?;
    if !signature.is_by_somebody_present() {
        return Err((5, Refusal::UserPresence { file: path(), signer: signer() }));
    }
    if policy.revokes_key(&fingerprint) {
        let fingerprint = fingerprint.to_string();
        return Err((6, Refusal::KeyRevoked { file: path(), signer: signer(), fingerprint }));
    }
    Ok(Signer { point: key.public.point, namespace, name: signer(), fingerprint })
}

/// What the signature is for, if that is wanted and the ring allows it.
fn purpose(key: &Key, purposes: &[Namespace], signature: &Signature) -> Result<Namespace, Found> {
    let purpose = purposes.iter().find(|purpose| purpose.name() == signature.namespace);
    let Some(purpose) = purpose else {
        let needed = purposes.to_vec();
        return Err(Found::Signature { made_for: signature.namespace.clone(), needed });
    };
    if !key.allows(purpose.name()) {
        return Err(Found::Key { may: key.namespaces.clone(), needed: *purpose });
    }
    Ok(*purpose)
}
