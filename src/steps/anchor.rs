//! The trust anchor: whose signatures count on this machine, and what they must
//! be good for.
//!
//! It is built into the image. A boot partition may bring a newer key ring and a
//! newer policy, taken only as [`crate::trust::update`] says; one that is not
//! taken is named with its reason, and what was in force stays in force. An
//! image without a ring has nothing to check an update with and takes none.

use crate::base::digest::Digest;
use crate::failure::{Failure, Stage};
use crate::menu::Metered;
use crate::rollback::texts::{Signed, Texts};
use crate::rollback::{Document, Record};
use crate::sys::{clock, file};
use crate::trust::allowed_signers::KeyRing;
use crate::trust::policy::{self, Policy};
use crate::trust::update::{take_policy, take_ring};
use crate::trust::verify::{Mode, Refusal};
use crate::trust::{MAX_FILE, POLICY_PATH, RING_PATH, signatures_of};

const KEY_RING: &str = "/etc/turnout/allowed_signers";
const POLICY: &str = "/etc/turnout/policy";

/// Keys and policy that are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// None in an open image that was given none.
    pub(crate) ring: Option<KeyRing>,
    pub(crate) policy: Policy,
    /// Those of the two that are updates.
    pub(crate) updates: Texts,
}

/// An update as it lies on a boot partition.
#[derive(Debug, Clone)]
struct Update {
    text: Vec<u8>,
    /// None if there is no such file, which is a reason to refuse it.
    signatures: Option<Vec<u8>>,
}

/// What was in force before, and copies of its texts wherever there are some. They
/// are trusted no more than a boot partition's files.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// None where nothing is recorded.
    pub(crate) record: Option<Record>,
    pub(crate) texts: Vec<Texts>,
}

impl Anchor {
    /// Without updates.
    pub(crate) fn new(ring: Option<KeyRing>, policy: Policy) -> Self {
        Self { ring, policy, updates: Texts::default() }
    }

    /// What is built into the image.
    pub(crate) fn of_image(mode: Mode) -> Result<Self, Failure> {
        Ok(Self::new(read_ring(mode)?, read_policy()?))
    }

    /// The policy, as a store records it.
    pub(crate) fn policy_document(&self) -> Document {
        let digest = Digest::of(self.policy.write().as_bytes());
        Document { version: self.policy.version, digest }
    }

    /// The key ring, likewise.
    pub(crate) fn ring_document(&self) -> Document {
        let document = |ring: &KeyRing| Document { version: ring.version(), digest: ring.digest() };
        self.ring.as_ref().map_or(Document::NONE, document)
    }

    /// What is in force with the updates of a boot partition; and what has to
    /// be said of them.
    pub(crate) fn updated(&self, root: &Metered<'_>) -> (Self, Vec<String>) {
        self.in_force(Some(root), &Kept::default())
    }

    /// The same, and where the boot partition, if there is one, has older texts than
    /// those that were in force before, or none, with the copies of those.
    pub(crate) fn in_force(&self, root: Option<&Metered<'_>>, kept: &Kept) -> (Self, Vec<String>) {
        let mut said = Vec::new();
        let ring = root.and_then(|root| read_update(root, RING_PATH, &mut said));
        let policy = root.and_then(|root| read_update(root, POLICY_PATH, &mut said));
        (self.with(ring.as_ref(), policy.as_ref(), kept, &mut said), said)
    }

    /// The policy has to be signed by the ring that is in force in the end.
    fn with(
        &self,
        ring: Option<&Update>,
        policy: Option<&Update>,
        kept: &Kept,
        said: &mut Vec<String>,
    ) -> Self {
        let next = self.with_ring(RING_PATH, ring, said);
        let next = self.with_kept_ring(next, kept, said);
        let updated = next.with_policy(POLICY_PATH, policy, said);
        next.with_kept_policy(updated, kept, said)
    }

    /// `next`, or this one with the ring that was in force before, if that is newer.
    fn with_kept_ring(&self, next: Self, kept: &Kept, said: &mut Vec<String>) -> Self {
        let recorded = kept.record.map_or(Document::NONE, |record| record.ring);
        if next.ring_document().may_follow(recorded) {
            return next;
        }
        let copies = kept.texts.iter().filter_map(|texts| texts.ring.as_ref());
        for copy in copies.filter(|copy| copy.is(recorded)) {
            let with = self.with_ring(&before(RING_PATH), Some(&Update::from(copy)), said);
            if with.ring_document() == recorded {
                return with;
            }
        }
        next
    }

    /// The same of the policy.
    fn with_kept_policy(&self, next: Self, kept: &Kept, said: &mut Vec<String>) -> Self {
        let recorded = kept.record.map_or(Document::NONE, |record| record.policy);
        if next.policy_document().may_follow(recorded) {
            return next;
        }
        let copies = kept.texts.iter().filter_map(|texts| texts.policy.as_ref());
        for copy in copies.filter(|copy| copy.is(recorded)) {
            let with = self.with_policy(&before(POLICY_PATH), Some(&Update::from(copy)), said);
            if with.policy_document() == recorded {
                return with;
            }
        }
        next
    }

    fn with_ring(&self, name: &str, update: Option<&Update>, said: &mut Vec<String>) -> Self {
        let (Some(update), Some(ring)) = (update, &self.ring) else { return self.clone() };
        let taken = clock::TRUST
            .spend(|| take_ring(ring, &self.policy, &update.text, update.signatures.as_deref()));
        match report(name, taken, KeyRing::version, said) {
            Some(ring) => {
                let updates = Texts { ring: update.signed(), ..self.updates.clone() };
                Self { ring: Some(ring), policy: self.policy.clone(), updates }
            }
            None => self.clone(),
        }
    }

    fn with_policy(&self, name: &str, update: Option<&Update>, said: &mut Vec<String>) -> Self {
        let (Some(update), Some(ring)) = (update, &self.ring) else { return self.clone() };
        let taken = clock::TRUST
            .spend(|| take_policy(&self.policy, ring, &update.text, update.signatures.as_deref()));
        match report(name, taken, |policy| policy.version, said) {
            Some(policy) => {
                let updates = Texts { policy: update.signed(), ..self.updates.clone() };
                Self { ring: self.ring.clone(), policy, updates }
            }
            None => self.clone(),
        }
    }
}

impl Kept {
    /// A volume that is no authority may still have what is recorded: whoever brings
    /// a recovery system can bring the policy with it.
    pub(crate) fn add(&mut self, root: &Metered<'_>) {
        let Some(record) = self.record else { return };
        let find = |path, document| {
            let update = read_update(root, path, &mut Vec::new());
            update.as_ref().and_then(Update::signed).filter(|signed| signed.is(document))
        };
        let policy = find(POLICY_PATH, record.policy);
        self.texts.push(Texts { policy, ring: find(RING_PATH, record.ring) });
    }
}

/// How a copy is named.
fn before(path: &str) -> String {
    format!("{path} as it was in force before")
}

impl From<&Signed> for Update {
    fn from(signed: &Signed) -> Self {
        Self { text: signed.text.clone(), signatures: Some(signed.signatures.clone()) }
    }
}

impl Update {
    fn signed(&self) -> Option<Signed> {
        let signatures = self.signatures.clone()?;
        Some(Signed { text: self.text.clone(), signatures })
    }
}

fn report<T>(
    path: &str,
    taken: Result<T, Refusal>,
    version: impl Fn(&T) -> u32,
    said: &mut Vec<String>,
) -> Option<T> {
    said.push(match &taken {
        Ok(update) => format!("{path}: version {} is in force", version(update)),
        Err(refusal) => format!("refused {path}: {}: {refusal}", refusal.code()),
    });
    taken.ok()
}

/// None if there is no such file, or it cannot be read, which is said.
fn read_update(root: &Metered<'_>, path: &str, said: &mut Vec<String>) -> Option<Update> {
    try_update(root, path).unwrap_or_else(|error| {
        said.push(format!("refused {path}: FILE: {error}"));
        None
    })
}

fn try_update(root: &Metered<'_>, path: &str) -> Result<Option<Update>, String> {
    let text = root.small(path, MAX_FILE)?;
    let signatures = root.small(&signatures_of(path), MAX_FILE)?;
    Ok(text.map(|text| Update { text, signatures }))
}

/// A locked image needs its ring. An open one may have one; a ring that cannot
/// be read is never taken for none.
fn read_ring(mode: Mode) -> Result<Option<KeyRing>, Failure> {
    let bytes = match file::read_text(KEY_RING) {
        Err(error) if mode == Mode::Open && error.is_absence() => return Ok(None),
        other => other.map_err(|error| Failure::new(Stage::Start, error))?,
    };
    let ring = clock::TRUST.spend(|| KeyRing::parse(bytes.as_bytes()));
    ring.map(Some).map_err(|error| Failure::new(Stage::Start, format!("{KEY_RING}: {error}")))
}

/// mkinitramfs has read it already: an image without one is one that was built
/// without one.
fn read_policy() -> Result<Policy, Failure> {
    let text = match file::read_text(POLICY) {
        Err(error) if error.is_absence() => return Ok(Policy::default()),
        other => other.map_err(|error| Failure::new(Stage::Start, error))?,
    };
    let policy = clock::TRUST.spend(|| policy::parse(text.as_bytes()));
    policy.map_err(|error| Failure::new(Stage::Start, format!("{POLICY}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::sshsig::make;

    /// The line of a key for these namespaces.
    fn line(seed: u8, namespaces: &str) -> String {
        let key = make::public_base64(&make::public(seed));
        format!("key{seed} namespaces=\"{namespaces}\" ssh-ed25519 {key}\n")
    }

    fn update(text: &str, signers: &[u8]) -> Update {
        let signers = signers.iter();
        let signatures: String =
            signers.map(|seed| make::armored(*seed, "turnout-policy", text.as_bytes())).collect();
        Update { text: text.as_bytes().to_vec(), signatures: Some(signatures.into_bytes()) }
    }

    /// Key 1 boots, key 2 says what the policy is.
    fn image() -> Anchor {
        let text = [line(1, "turnout-boot"), line(2, "turnout-policy")].concat();
        Anchor::new(Some(KeyRing::parse(text.as_bytes()).unwrap()), Policy::default())
    }

    /// The same with key 3 in place of key 2.
    fn rotated() -> String {
        ["# turnout-ring 1\n", &line(1, "turnout-boot"), &line(3, "turnout-policy")].concat()
    }

    const POLICY_1: &str = "turnout-policy 1\nversion 1\nminimum-security-version boot 7\n";

    #[test]
    fn a_policy_is_taken_from_the_ring_that_is_in_force_in_the_end() {
        let mut said = Vec::new();
        let ring = update(&rotated(), &[2, 3]);
        let after = image().with_ring(RING_PATH, Some(&ring), &mut said);
        let by_old = after.with_policy(POLICY_PATH, Some(&update(POLICY_1, &[2])), &mut said);
        assert_eq!(by_old, after);
        let by_new = after.with_policy(POLICY_PATH, Some(&update(POLICY_1, &[3])), &mut said);
        assert_eq!((by_new.policy.version, by_new.policy.minimum.boot), (1, 7));
        let [taken, refused, policy] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(taken, "/turnout/allowed_signers: version 1 is in force");
        assert!(refused.starts_with("refused /turnout/policy: KEY_UNKNOWN: "), "{refused}");
        assert_eq!(policy, "/turnout/policy: version 1 is in force");
    }

    #[test]
    fn what_is_not_taken_is_named_with_its_code_and_changes_nothing() {
        let image = image();
        let mut said = Vec::new();
        let unsigned = Update { text: POLICY_1.into(), signatures: None };
        assert_eq!(image.with_policy(POLICY_PATH, Some(&unsigned), &mut said), image);
        assert_eq!(image.with_policy(POLICY_PATH, Some(&update(POLICY_1, &[1])), &mut said), image);
        assert_eq!(image.with_ring(RING_PATH, Some(&update(&rotated(), &[2])), &mut said), image);
        let codes: Vec<_> = said.iter().map(|line| line.split(": ").nth(1).unwrap()).collect();
        assert_eq!(codes, ["SIGNATURE_MISSING", "NAMESPACE", "KEY_UNKNOWN"], "{said:?}");
    }

    #[test]
    fn without_a_ring_nothing_is_taken_and_nothing_is_said() {
        let open = Anchor { ring: None, ..image() };
        let mut said = Vec::new();
        let next = open.with_ring(RING_PATH, Some(&update(&rotated(), &[3])), &mut said);
        assert_eq!(next.with_policy(POLICY_PATH, Some(&update(POLICY_1, &[3])), &mut said), open);
        assert_eq!(said, [""; 0]);
    }

    /// The record of this ring's and this policy's text, and a copy of both.
    fn kept(ring: Option<&Update>, policy: Option<&Update>) -> Kept {
        let document = |update: &Update| Document { version: 1, digest: Digest::of(&update.text) };
        let record = Record {
            ring: ring.map_or(Document::NONE, document),
            policy: policy.map_or(Document::NONE, document),
            ..Record::new(crate::rollback::Floors::default())
        };
        let texts =
            Texts { ring: ring.and_then(Update::signed), policy: policy.and_then(Update::signed) };
        Kept { record: Some(record), texts: vec![texts] }
    }

    #[test]
    fn a_revoked_recovery_key_stays_revoked_when_somebody_deletes_the_policy() {
        let revoked = make::public(1).fingerprint();
        let text = format!("turnout-policy 1\nversion 1\nrevoked-key {revoked}\n");
        let policy = update(&text, &[2]);
        let mut said = Vec::new();
        let before = image().with(None, Some(&policy), &Kept::default(), &mut said);
        let kept = kept(None, Some(&policy));
        said.clear();
        let deleted = image().with(None, None, &kept, &mut said);
        assert!(deleted.policy.revokes_key(&revoked));
        assert_eq!(deleted, before);
        assert_eq!(said, ["/turnout/policy as it was in force before: version 1 is in force"]);
        // An older one in its place, or another one of the same number.
        let other = update("turnout-policy 1\nversion 1\nstep 2\n", &[2]);
        assert_eq!(image().with(None, Some(&other), &kept, &mut said), before);
    }

    #[test]
    fn a_rotated_ring_stays_rotated_when_somebody_deletes_it_and_judges_the_policy() {
        let ring = update(&rotated(), &[2, 3]);
        let policy = update(POLICY_1, &[3]);
        let mut said = Vec::new();
        let before = image().with(Some(&ring), Some(&policy), &Kept::default(), &mut said);
        assert_eq!(before.policy.version, 1);
        let kept = kept(Some(&ring), Some(&policy));
        for (ring, policy) in [(None, None), (None, Some(&policy)), (Some(&ring), None)] {
            assert_eq!(image().with(ring, policy, &kept, &mut said), before);
        }
        // What is newer than the record counts.
        let newer = update("turnout-policy 1\nversion 2\n", &[3]);
        let after = image().with(None, Some(&newer), &kept, &mut said);
        assert_eq!((after.policy.version, after.ring.unwrap().version()), (2, 1));
    }

    #[test]
    fn a_copy_is_trusted_no_more_than_a_file_on_the_boot_partition() {
        let forged = update("turnout-policy 1\nversion 1\nstep 9\n", &[1]);
        let ring = update(&rotated(), &[3]);
        let mut said = Vec::new();
        let after = image().with(None, None, &kept(Some(&ring), Some(&forged)), &mut said);
        assert_eq!(after, image());
        let codes: Vec<_> = said.iter().map(|line| line.split(": ").nth(1).unwrap()).collect();
        assert_eq!(codes, ["KEY_UNKNOWN", "NAMESPACE"], "{said:?}");
        // A copy that is not what is recorded is not even looked at.
        let policy = update(POLICY_1, &[2]);
        let record = kept(None, Some(&forged)).record;
        let other = Kept { record, ..kept(None, Some(&policy)) };
        said.clear();
        assert_eq!(image().with(None, None, &other, &mut said), image());
        assert_eq!(said, [""; 0]);
    }

    #[test]
    fn of_two_copies_the_one_that_is_signed_is_taken() {
        let policy = update(POLICY_1, &[2]);
        let mut kept = kept(None, Some(&policy));
        let forged = Signed { text: policy.text.clone(), signatures: b"none".to_vec() };
        kept.texts.insert(0, Texts { policy: Some(forged), ring: None });
        let after = image().with(None, None, &kept, &mut Vec::new());
        assert_eq!((after.policy.version, after.updates), (1, kept.texts.pop().unwrap()));
    }
}
