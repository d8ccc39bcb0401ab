//! What this machine remembers of earlier starts, for whoever loads a kernel on a running
//! system: floors, and which key ring and policy were in force, as PID 1 wrote them down.
//!
//! Nothing is written. For a real load it is read whatever source was named and whoever
//! asks, and what cannot be read never means that nothing is remembered. Specification:
//! docs/cli.md, "What may be loaded", and docs/rollback.md.

use core::time::Duration;

use super::arguments::Load;
use super::{settings, store};
use crate::failure::{Failure, Stage};
use crate::rollback::index::Index;
use crate::rollback::store::{Fault, Which, check_in_force, read};
use crate::rollback::{Record, State};
use crate::steps::anchor::{Anchor, Kept};
use crate::sys;
use crate::sys::tpm::Tpm;
use crate::trust::policy::Floors;

/// Longest wait for the TPM.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is remembered; nothing by default.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    pub(super) floors: Floors,
    pub(super) kept: Kept,
}

impl Remembered {
    /// For a load. A plan for another machine knows nothing of this one, and whoever is not
    /// root may plan without it.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn of_load(load: &Load, is_here: bool) -> Result<Self, Failure> {
        if !counts(load.dry_run, is_here, sys::is_root()) {
            return Ok(Self::default());
        }
        let here = Self::of_this_machine()?;
        // Another ring is no newer or older one than this machine's.
        let kept = if load.asked.other_trust().is_none() { here.kept } else { Kept::default() };
        Ok(Self { kept, ..here })
    }

    fn of_this_machine() -> Result<Self, Failure> {
        let Some((state, texts)) = store::read_with_texts(&settings::state_device(None)?)? else {
            return Ok(Self::default());
        };
        let record = match state.record {
            Some(record) => Some(record),
            None => in_tpm()?,
        };
        Ok(Self { floors: floors_of(&state, record), kept: Kept { record, texts } })
    }

    /// Whether ring and policy may be in force after what was.
    ///
    /// # Errors
    /// They are older, or others, and no copy of those before was found.
    pub(super) fn check(&self, anchor: &Anchor) -> Result<(), Failure> {
        let Some(record) = self.kept.record else { return Ok(()) };
        let checked = check_in_force(&record, anchor.policy_document(), anchor.ring_document());
        checked.map(drop).map_err(|fault| {
            let why = format!(
                "{fault}: put the newer one back, on the boot partition (/turnout) or in \
                 /etc/turnout"
            );
            Failure::barred("STORE", why)
        })
    }
}

/// A real load asks, whoever it is and whatever was named.
const fn counts(dry_run: bool, is_here: bool, is_root: bool) -> bool {
    !dry_run || (is_here && is_root)
}

/// Where the TPM holds the record, the state area has none.
fn in_tpm() -> Result<Option<Record>, Failure> {
    let failed = |why: String| Failure::new(Stage::Read, format!("the TPM's record: {why}"));
    let Some(mut tpm) = Tpm::open(PATIENCE).map_err(|error| failed(error.to_string()))? else {
        return Ok(None);
    };
    let mut index = Index(|command: &[u8]| tpm.call(command).map_err(|error| error.to_string()));
    match read(Which::Index, &mut index) {
        Ok(held) => Ok(held.state().record),
        Err(Fault::NoIndex) => Ok(None),
        Err(fault) => Err(failed(fault.to_string())),
    }
}

/// The highest that are known.
fn floors_of(state: &State, record: Option<Record>) -> Floors {
    record.map_or(Floors::default(), |record| record.floors).max(state.seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use crate::rollback::Document;
    use crate::trust::allowed_signers::KeyRing;
    use crate::trust::policy::Policy;
    use crate::trust::sshsig::make;

    fn anchor(version: u32) -> Anchor {
        let key = make::public_base64(&make::public(1));
        let line = format!("a namespaces=\"turnout-boot\" ssh-ed25519 {key}\n");
        let text = match version {
            0 => line,
            version => format!("# turnout-ring {version}\n{line}"),
        };
        Anchor::new(Some(KeyRing::parse(text.as_bytes()).unwrap()), Policy::default())
    }

    fn remembered(ring: Document, policy: Document) -> Remembered {
        let record = Some(Record { ring, policy, ..Record::new(Floors::default()) });
        Remembered { kept: Kept { record, texts: Vec::new() }, ..Remembered::default() }
    }

    #[test]
    fn the_highest_floor_that_a_machine_remembers_counts() {
        let floors = |boot, recovery| Floors { boot, recovery };
        let record = Some(Record::new(floors(3, 1)));
        let state = State { seen: floors(2, 4), ..State::default() };
        assert_eq!(floors_of(&state, record), floors(3, 4));
        assert_eq!(floors_of(&State::default(), None), floors(0, 0));
    }

    #[test]
    fn every_real_load_asks_what_is_remembered() {
        for (is_here, is_root) in [(true, true), (false, true), (true, false), (false, false)] {
            assert!(counts(false, is_here, is_root));
            assert_eq!(counts(true, is_here, is_root), is_here && is_root);
        }
    }

    #[test]
    fn a_ring_or_policy_that_was_set_back_loads_nothing() {
        let document = |version| Document { version, digest: Digest([7; 32]) };
        let refused = |remembered: &Remembered, version| {
            let failure = remembered.check(&anchor(version)).unwrap_err();
            assert_eq!((failure.code(), failure.exit_status()), ("STORE", 1));
            failure.sentence()
        };
        let ring = remembered(document(2), Document::NONE);
        let said = refused(&ring, 0);
        let begins = "the key ring has version 0, and version 2 was in force before: it was set \
                      back: put the newer one back";
        assert!(said.starts_with(begins), "{said}");
        let said = refused(&ring, 2);
        assert!(said.starts_with("the key ring of version 2 is not the one that was"), "{said}");
        let said = refused(&remembered(Document::NONE, document(1)), 3);
        assert!(said.starts_with("the policy has version 0, and version 1 was in"), "{said}");
        assert!(ring.check(&anchor(3)).is_ok(), "a newer one counts");
        assert!(Remembered::default().check(&anchor(0)).is_ok());
    }
}
