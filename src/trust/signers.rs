//! Whose signatures over a file count: good ones, by different keys of the ring,
//! for a purpose that the ring allows them.
//!
//! A signature that does not count never stands in the way of one that does,
//! and never stands in for one either. Keys are told apart by their 32 bytes.
//! Specification: `docs/manifest.md`, Signature.

use super::allowed_signers::{Key, KeyRing};
use super::key::Fingerprint;
use super::policy::Policy;
use super::refusal::{Found, Refusal};
use super::sshsig::{self, Signature};
use super::{Namespace, signatures_of};

/// The signatures over one file that count, and why the others do not.
pub(super) struct Signers<'a> {
    file: &'a str,
    counted: Vec<Signer>,
    /// Of those that do not, the refusal of the one that came furthest; of
    /// several such, the first.
    refused: Option<Refused>,
}

/// A signature that does not count.
struct Refused {
    /// The check that it failed, from 1: the higher, the further it came.
    step: u8,
    refusal: Refusal,
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
pub(super) struct SignedBy {
    pub(super) names: Vec<String>,
    pub(super) fingerprints: Vec<Fingerprint>,
}

/// A file and what lies beside it.
#[derive(Clone, Copy)]
pub(super) struct SignedFile<'a> {
    /// Path of the file.
    pub(super) path: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) signatures: Option<&'a [u8]>,
}

impl<'a> Signers<'a> {
    /// Checks every signature over the file for any of `purposes`.
    pub(super) fn of(
        file: SignedFile<'a>,
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
        if !self.counted.iter().any(|earlier| earlier.is_same(&signer)) {
            self.counted.push(signer);
        }
    }

    fn refuse(&mut self, refused: Refused) {
        if self.refused.as_ref().is_none_or(|furthest| furthest.step < refused.step) {
            self.refused = Some(refused);
        }
    }

    /// At least one signature that counts, for whatever purpose.
    pub(super) fn any(self) -> Result<Self, Refusal> {
        match self.refused {
            Some(refused) if self.counted.is_empty() => Err(refused.refusal),
            _ => Ok(self),
        }
    }

    /// Who signed for `purpose`.
    ///
    /// # Errors
    /// Fewer than `needed`, which is taken for 1 if it is 0.
    pub(super) fn enough(mut self, purpose: Namespace, needed: u8) -> Result<SignedBy, Refusal> {
        let (counted, others) =
            self.counted.into_iter().partition(|signer| signer.namespace == purpose);
        self.counted = others;
        let signed = SignedBy::by(counted);
        if signed.names.len() >= usize::from(needed.max(1)) {
            return Ok(signed);
        }
        Err(self.too_few(purpose, needed, signed.names))
    }

    /// Why those that `signed` for `purpose` are not enough; what counts for
    /// another purpose is left in `self`.
    fn too_few(self, purpose: Namespace, needed: u8, signed: Vec<String>) -> Refusal {
        let file = self.file.to_owned();
        let refused = self.refused.map(|refused| refused.refusal);
        if !signed.is_empty() {
            let other = refused.map(Box::new);
            return Refusal::Threshold { file, needed, signers: signed, other };
        }
        match (self.counted.into_iter().next(), refused) {
            (Some(Signer { name: signer, namespace: found, .. }), _) => {
                Refusal::Role { file, signer, needed: purpose, found }
            }
            (None, Some(refused)) => refused,
            (None, None) => Refusal::SignatureMissing { file },
        }
    }
}

impl Signer {
    /// Whether the same key signed for the same purpose.
    fn is_same(&self, other: &Self) -> bool {
        self.point == other.point && self.namespace == other.namespace
    }
}

impl SignedBy {
    fn by(signers: Vec<Signer>) -> Self {
        let (names, fingerprints) =
            signers.into_iter().map(|signer| (signer.name, signer.fingerprint)).unzip();
        Self { names, fingerprints }
    }
}

/// The signatures, no more than policy allows.
fn read(file: SignedFile<'_>, policy: &Policy) -> Result<Vec<Signature>, Refusal> {
    let path = file.path.to_owned();
    let Some(armored) = file.signatures else {
        return Err(Refusal::SignatureMissing { file: path });
    };
    sshsig::parse_at_most(armored, usize::from(policy.signatures))
        .map_err(|error| Refusal::SignatureSyntax { file: signatures_of(&path), error })
}

/// Checks one signature over `signed`.
fn check(
    signed: SignedFile<'_>,
    ring: &KeyRing,
    policy: &Policy,
    purposes: &[Namespace],
    signature: &Signature,
) -> Result<Signer, Refused> {
    let file = signed.path.to_owned();
    // A wrong namespace is told from a wrong signature by checking under the
    // namespace and the key that the signature itself names.
    let valid = signature.verifies(signed.bytes);
    let fingerprint = signature.key.fingerprint();
    let Some(key) = ring.find(&signature.key) else {
        return Err(Refused::by_no_key_of_the_ring(valid, file, fingerprint));
    };
    let signer = key.signer.clone();
    if !valid {
        return Err(Refused { step: 3, refusal: Refusal::SignatureInvalid { file, signer } });
    }
    let namespace = match purpose(key, purposes, signature) {
        Ok(namespace) => namespace,
        Err(found) => {
            return Err(Refused { step: 4, refusal: Refusal::Namespace { file, signer, found } });
        }
    };
    if !signature.is_by_somebody_present() {
        return Err(Refused { step: 5, refusal: Refusal::UserPresence { file, signer } });
    }
    if policy.revokes_key(&fingerprint) {
        let fingerprint = fingerprint.to_string();
        let refusal = Refusal::KeyRevoked { file, signer, fingerprint };
        return Err(Refused { step: 6, refusal });
    }
    Ok(Signer { point: key.public.point, namespace, name: signer, fingerprint })
}

impl Refused {
    fn by_no_key_of_the_ring(valid: bool, file: String, fingerprint: Fingerprint) -> Self {
        let fingerprint = fingerprint.to_string();
        if valid {
            let refusal = Refusal::KeyUnknown { file, fingerprint: Some(fingerprint) };
            Self { step: 2, refusal }
        } else {
            let refusal = Refusal::SignatureInvalid { file, signer: fingerprint };
            Self { step: 1, refusal }
        }
    }
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
