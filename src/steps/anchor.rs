//! The trust anchor: whose signatures count on this machine, and what they must
//! be good for.
//!
//! It is built into the image. A boot partition may bring a newer key ring and a
//! newer policy, taken only as [`crate::trust::update`] says; one that is not
//! taken is named with its reason, and what was in force stays in force. An
//! image without a ring has nothing to check an update with and takes none.

use crate::failure::{Failure, Stage};
use crate::sys::read::Root;
use crate::sys::{self, clock, file};
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
}

/// An update as it lies on a boot partition.
struct Update {
    text: Vec<u8>,
    /// None if there is no such file, which is a reason to refuse it.
    signatures: Option<Vec<u8>>,
}

impl Anchor {
    /// What is built into the image.
    pub(crate) fn of_image(mode: Mode) -> Result<Self, Failure> {
        Ok(Self { ring: read_ring(mode)?, policy: read_policy()? })
    }

    /// What is in force with the updates of a boot partition; and what has to
    /// be said of them.
    pub(crate) fn updated(&self, root: &Root) -> (Self, Vec<String>) {
        let mut said = Vec::new();
        let ring = read_update(root, RING_PATH, &mut said);
        let policy = read_update(root, POLICY_PATH, &mut said);
        // The policy has to be signed by the ring that is in force in the end.
        let next = self.with_ring(ring.as_ref(), &mut said);
        (next.with_policy(policy.as_ref(), &mut said), said)
    }

    fn with_ring(&self, update: Option<&Update>, said: &mut Vec<String>) -> Self {
        let (Some(update), Some(ring)) = (update, &self.ring) else { return self.clone() };
        let taken = clock::TRUST
            .spend(|| take_ring(ring, &self.policy, &update.text, update.signatures.as_deref()));
        match report(RING_PATH, taken, KeyRing::version, said) {
            Some(ring) => Self { ring: Some(ring), policy: self.policy.clone() },
            None => self.clone(),
        }
    }

    fn with_policy(&self, update: Option<&Update>, said: &mut Vec<String>) -> Self {
        let (Some(update), Some(ring)) = (update, &self.ring) else { return self.clone() };
        let taken = clock::TRUST
            .spend(|| take_policy(&self.policy, ring, &update.text, update.signatures.as_deref()));
        match report(POLICY_PATH, taken, |policy| policy.version, said) {
            Some(policy) => Self { ring: self.ring.clone(), policy },
            None => self.clone(),
        }
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
fn read_update(root: &Root, path: &str, said: &mut Vec<String>) -> Option<Update> {
    try_update(root, path).unwrap_or_else(|error| {
        said.push(format!("refused {path}: FILE: {error}"));
        None
    })
}

fn try_update(root: &Root, path: &str) -> Result<Option<Update>, sys::Error> {
    let text = root.small(path, MAX_FILE as u64)?;
    let signatures = root.small(&signatures_of(path), MAX_FILE as u64)?;
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
        Anchor { ring: Some(KeyRing::parse(text.as_bytes()).unwrap()), policy: Policy::default() }
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
        let after = image().with_ring(Some(&ring), &mut said);
        let by_old = after.with_policy(Some(&update(POLICY_1, &[2])), &mut said);
        assert_eq!(by_old, after);
        let by_new = after.with_policy(Some(&update(POLICY_1, &[3])), &mut said);
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
        assert_eq!(image.with_policy(Some(&unsigned), &mut said), image);
        assert_eq!(image.with_policy(Some(&update(POLICY_1, &[1])), &mut said), image);
        assert_eq!(image.with_ring(Some(&update(&rotated(), &[2])), &mut said), image);
        let codes: Vec<_> = said.iter().map(|line| line.split(": ").nth(1).unwrap()).collect();
        assert_eq!(codes, ["SIGNATURE_MISSING", "NAMESPACE", "KEY_UNKNOWN"], "{said:?}");
    }

    #[test]
    fn without_a_ring_nothing_is_taken_and_nothing_is_said() {
        let open = Anchor { ring: None, ..image() };
        let mut said = Vec::new();
        let next = open.with_ring(Some(&update(&rotated(), &[3])), &mut said);
        assert_eq!(next.with_policy(Some(&update(POLICY_1, &[3])), &mut said), open);
        assert_eq!(said, [""; 0]);
    }
}
