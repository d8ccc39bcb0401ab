//! How the machine stands: the versions below which nothing boots, and reasons
//! why nothing but a recovery system may boot.
//!
//! Joins the pure stores of [`crate::rollback`] with the state area and the TPM.
//! Nothing is written that is not news, and all of it before anything is
//! measured. A store that has not been read, or cannot be, never means a floor
//! of zero for an image that counts on it.

use super::measure::Witness;
use super::slots::Starts;
use super::voice::Voice;
use crate::base::json::{self, Object};
use crate::base::text::printable;
use crate::base::used::Used;
use crate::config::Config;
use crate::failure::Failure;
use crate::rollback::index::Index;
use crate::rollback::refused::{Noted, Refused};
use crate::rollback::store::{Fault, InForce, Limits, Media, Medium, Missing, Next, Raised, Store};
use crate::rollback::{Strength, System};
use crate::slots::Slots;
use crate::steps::anchor::{Anchor, Kept};
use crate::sys::state_area::{StateArea, WITH_TEXTS};
use crate::sys::tpm::Tpm;
use crate::trust::Role;
use crate::trust::policy::Floors;
use crate::trust::verify::{Attested, Signed};

/// How the machine stands before anything is chosen.
pub(super) struct Standing {
    /// The image's floors.
    image: Floors,
    store: Store,
    area: Result<StateArea, Fault>,
    /// What the boot partition brings is not what was in force before.
    set_back: Option<Fault>,
}

impl Standing {
    /// Before anything was read.
    pub(super) fn unread(config: &Config) -> Self {
        let image = Floors { boot: config.floor, recovery: config.recovery_floor };
        let store = Store::unread(config.rollback);
        Self { image, store, area: Err(Fault::Unread), set_back: None }
    }

    /// What the image and the store say; the policy has its own.
    pub(super) fn floors(&self) -> Floors {
        self.image.max(self.store.floors())
    }

    /// Whether operating systems may boot.
    ///
    /// # Errors
    /// Why only recovery systems may.
    pub(super) fn admits_boot(&self) -> Result<(), Failure> {
        let fault = self.store.admits(Role::Boot).err().or(self.set_back.as_ref());
        fault.map_or(Ok(()), |fault| Err(barred(fault)))
    }

    /// Whether recovery systems may boot. They may whatever has become of the store,
    /// because without them nobody can put it right; but where the store counts and
    /// says that another policy or ring was in force, which may have revoked them, and
    /// which nobody has any more, it is not known who may sign them.
    ///
    /// # Errors
    /// Why none may.
    pub(super) fn admits_recovery(&self) -> Result<(), Failure> {
        let fault = self.set_back.as_ref().filter(|_| self.store.strength() == Strength::Enforced);
        fault.map_or(Ok(()), |fault| Err(barred(fault)))
    }

    fn with_media<T>(
        &mut self,
        tpm: &mut Result<Option<Tpm>, String>,
        act: impl FnOnce(&mut Store, &mut Media<'_>) -> T,
    ) -> T {
        let mut index = match tpm {
            Ok(Some(tpm)) => {
                Ok(Index(|command: &[u8]| tpm.call(command).map_err(|error| error.to_string())))
            }
            Ok(None) => Err(Missing(Fault::NoTpm)),
            Err(why) => Err(Missing(Fault::Medium(why.clone()))),
        };
        let index: &mut dyn Medium = match &mut index {
            Ok(index) => index,
            Err(missing) => missing,
        };
        let mut missing;
        let area: &mut dyn Medium = match &mut self.area {
            Ok(area) => area,
            Err(fault) => {
                missing = Missing(fault.clone());
                &mut missing
            }
        };
        act(&mut self.store, &mut Media { area, index })
    }

    /// Reads the store. It may lie on a disk that comes later than the boot
    /// partition's: `area` is what was found of it. What the TPM does for the
    /// `witness` decides whether it keeps anything out.
    pub(super) fn open(
        &mut self,
        config: &Config,
        area: Result<StateArea, Fault>,
        witness: &Witness,
        tpm: &mut Result<Option<Tpm>, String>,
        voice: &Voice<'_>,
    ) {
        *self = Self { area, ..Self::unread(config) };
        if let Ok(Some(tpm)) = tpm {
            tpm.renew();
        }
        let factory = Some(self.image).filter(|_| config.provision);
        self.with_media(tpm, |store, media| *store = Store::open(config.rollback, factory, media));
        self.say_store(witness.bars(), voice);
        if let Err(fault) = self.with_media(tpm, Store::settle) {
            say_unwritten(&fault, voice);
        }
    }

    /// `barred`: why no operating system boots, whatever the store holds.
    fn say_store(&self, barred: Option<&str>, voice: &Voice<'_>) {
        let store = &self.store;
        let strength = store.strength();
        if strength == Strength::Off {
            return;
        }
        if let Some(length) = self.too_short_for_texts() {
            voice.say(&format!(
                "the state area has {} KiB, and copies of policy and key ring take {}: \
                 none are kept",
                length >> 10,
                WITH_TEXTS >> 10
            ));
        }
        store.hearsay().into_iter().for_each(|told| voice.say(told));
        for damage in store.damages() {
            voice.say(&damage);
        }
        let refused: Vec<String> = store.refused().iter().map(Refused::to_string).collect();
        if !refused.is_empty() {
            voice.say(&format!("refused in earlier starts: {}", refused.join("; ")));
        }
        match store.fault() {
            None => {
                let Floors { boot, recovery } = store.floors();
                if let Some(why) = barred.filter(|_| store.binds(Role::Boot)) {
                    voice.say(&format!(
                        "only recovery systems boot, from recovery floor {recovery} on: {why}"
                    ));
                    return;
                }
                voice.say(&format!(
                    "rollback protection is {strength}: floor {boot}, recovery floor {recovery}"
                ));
            }
            Some(fault) if store.binds(Role::Boot) => {
                voice.say(&format!("only recovery systems boot: {fault}"));
            }
            Some(fault) => {
                voice.say(&format!("there is no rollback protection but the image's: {fault}"));
            }
        }
    }

    /// What was in force before, and the copies of it.
    pub(super) fn kept(&mut self, tpm: &mut Result<Option<Tpm>, String>) -> Kept {
        let texts = self.with_media(tpm, |store, media| store.texts(media));
        Kept { record: self.store.record(), texts }
    }

    fn too_short_for_texts(&self) -> Option<u64> {
        let length = self.area.as_ref().ok()?.length().ok()?;
        Some(length).filter(|length| *length < WITH_TEXTS)
    }

    /// Remembers the policy and the key ring that are in force on a boot
    /// partition, or bars operating systems if they are older than others before
    /// them.
    pub(super) fn keep_anchor(
        &mut self,
        anchor: &Anchor,
        tpm: &mut Result<Option<Tpm>, String>,
        voice: &Voice<'_>,
    ) {
        let in_force = InForce {
            policy: anchor.policy_document(),
            ring: anchor.ring_document(),
            texts: &anchor.updates,
        };
        let taken = self.with_media(tpm, |store, media| store.take(&in_force, media));
        self.set_back = taken.err().filter(|fault| match fault {
            Fault::Older(..) | Fault::Changed(..) => true,
            Fault::NoCopy(_) => {
                voice.say(&fault.to_string());
                false
            }
            unwritten => {
                say_unwritten(unwritten, voice);
                false
            }
        });
    }

    /// Raises the floor if one of these has confirmed itself. True if it has
    /// risen: what was below it is refused from now on.
    pub(super) fn raise_floor<'a>(
        &mut self,
        anchor: &Anchor,
        attested: impl Iterator<Item = &'a Attested> + Clone,
        starts: &Starts,
        tpm: &mut Result<Option<Tpm>, String>,
        voice: &Voice<'_>,
    ) -> bool {
        let floors = self.floors().max(anchor.policy.minimum);
        let systems = attested.filter_map(signed).map(system);
        let limits = Limits { floors, step: anchor.policy.step };
        let rising = self.store.would_rise(limits).filter(|_| starts.rules.keep_good());
        if let Some((Role::Boot, floor)) = rising {
            let stays = |digest| {
                systems.clone().any(|it| it.manifest == digest && it.security_version >= floor)
            };
            if let Err(last) = starts.slots.may_rise(&starts.rules, stays) {
                let why = ["the floor does not rise: ", &last, " is the only slot that was good"];
                voice.say(&[why.concat().as_str(), ", and would be below it"].concat());
                return false;
            }
        }
        match self.with_media(tpm, |store, media| store.raise(systems, limits, media)) {
            Ok(None) => false,
            Ok(Some(raised)) => {
                voice.say(&risen(&raised));
                true
            }
            Err(fault) => {
                voice.say(&format!("the floor does not rise: {fault}"));
                false
            }
        }
    }

    /// Writes down what was refused, before the machine is reset.
    pub(super) fn keep_refused(
        &mut self,
        noted: &mut Noted,
        tpm: &mut Result<Option<Tpm>, String>,
        voice: &Voice<'_>,
    ) {
        if let Err(fault) = self.with_media(tpm, |store, media| store.before_reset(noted, media)) {
            say_unwritten(&fault, voice);
        }
    }

    /// Choices for one boot that were used up in earlier starts.
    pub(super) fn used(&self) -> Vec<Used> {
        self.store.used()
    }

    /// Remembers what was used up.
    ///
    /// # Errors
    /// There is no state area, or it does not take it.
    pub(super) fn keep_used(
        &mut self,
        used: Vec<Used>,
        tpm: &mut Result<Option<Tpm>, String>,
    ) -> Result<(), Fault> {
        if let Err(fault) = &self.area {
            return Err(fault.clone());
        }
        self.with_media(tpm, |store, media| store.keep_used(used, media))
    }

    /// The slots as they were kept; none where there is no state area.
    pub(super) fn slots(&self) -> Option<Slots> {
        self.area.as_ref().ok().map(|_| self.store.slots())
    }

    /// What has become of them, where there is one.
    pub(super) fn slots_fault(&self) -> Option<&Fault> {
        self.area.as_ref().ok().and_then(|_| self.store.slots_fault())
    }

    /// Remembers the slots, if they have changed.
    ///
    /// # Errors
    /// The store does not take them.
    pub(super) fn keep_slots(
        &mut self,
        slots: &Slots,
        tpm: &mut Result<Option<Tpm>, String>,
    ) -> Result<(), Fault> {
        self.with_media(tpm, |store, media| store.keep_slots(slots, media))
    }

    /// Whether the next system is told anything.
    pub(super) const fn tells(&self) -> bool {
        !matches!(self.store.strength(), Strength::Off)
    }

    /// What the next system is told, as JSON, with what `start` adds of its start; nothing
    /// where nothing is kept, of that neither.
    pub(super) fn told(
        &self,
        noted: &Noted,
        start: Option<&dyn Fn(&mut Object<'_>)>,
    ) -> Option<String> {
        let strength = Some(self.store.strength()).filter(|_| self.tells() || start.is_some())?;
        let Floors { boot, recovery } = self.floors();
        let fault = self.store.fault().or(self.set_back.as_ref()).map(Fault::to_string);
        Some(json::object(|out| {
            out.text("rollback", strength.name());
            out.maybe_text("fault", fault.as_deref());
            out.number("floor", boot.into());
            out.number("recovery_floor", recovery.into());
            out.array("refused", |list| {
                let refused = noted.merged(&self.store.refused());
                refused.iter().for_each(|one| list.object(|out| one.write_json(out)));
            });
            start.iter().for_each(|start| start(out));
        }))
    }

    /// Whether nobody has looked for a store yet that keeps what was refused.
    pub(super) const fn is_unread(&self) -> bool {
        self.tells() && self.has_read_nothing()
    }

    /// Whether nobody has looked for a store yet.
    pub(super) const fn has_read_nothing(&self) -> bool {
        matches!(self.area, Err(Fault::Unread))
    }

    /// Writes down what is jumped to, and the slots with it; none where they are not kept.
    ///
    /// # Errors
    /// It cannot be written, and the image counts on it.
    pub(super) fn keep_jump(
        &mut self,
        entry: &str,
        attested: &Attested,
        slots: Option<&Slots>,
        noted: &mut Noted,
        tpm: &mut Result<Option<Tpm>, String>,
        voice: &Voice<'_>,
    ) -> Result<(), Failure> {
        let signed = signed(attested);
        let role = signed.map_or(Role::Boot, Signed::role);
        let next = signed.map(|signed| Next { entry, system: system(signed) });
        let slots = slots.cloned().unwrap_or_else(|| self.store.slots());
        match self.with_media(tpm, |store, media| store.before_jump(next, &slots, noted, media)) {
            Ok(None) => Ok(()),
            Ok(Some(fault)) => {
                say_unwritten(&fault, voice);
                Ok(())
            }
            Err(fault) if self.store.binds(role) => Err(barred(&fault)),
            Err(fault) => {
                voice.say(&format!("the next system cannot confirm itself: {fault}"));
                Ok(())
            }
        }
    }
}

fn say_unwritten(fault: &Fault, voice: &Voice<'_>) {
    voice.say(&format!("the store keeps what it had: {fault}"));
}

fn barred(fault: &Fault) -> Failure {
    Failure::barred("STORE", fault.to_string())
}

pub(super) const fn signed(attested: &Attested) -> Option<&Signed> {
    match attested {
        Attested::Signed(signed) => Some(signed),
        Attested::Unsigned(_) => None,
    }
}

const fn system(signed: &Signed) -> System {
    System {
        role: signed.role(),
        security_version: signed.manifest().security_version,
        manifest: signed.digest(),
    }
}

fn risen(raised: &Raised) -> String {
    let Raised { entry, role, floor, version } = raised;
    let entry = printable(entry);
    let role = role.name();
    if floor == version {
        format!("{entry} has confirmed itself: the {role} floor is {floor} now")
    } else {
        format!(
            "{entry} has confirmed itself: the {role} floor is {floor} now, one step towards {version}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::verify::Mode;

    fn set_back(rollback: Strength) -> Standing {
        let config = Config { rollback, ..Config::new(Mode::Locked) };
        Standing { set_back: Some(Fault::Older("policy", 1, 2)), ..Standing::unread(&config) }
    }

    #[test]
    fn the_next_system_is_told_what_was_refused_and_how_the_store_stands() {
        let mut noted = Noted::default();
        noted.note("FLOOR", "o\"ld");
        let standing = set_back(Strength::Advisory);
        let expected = "{\"rollback\":\"advisory\",\"fault\":\"the store has not been read\",\
                        \"floor\":0,\"recovery_floor\":0,\"refused\":[{\"entry\":\"o\\\"ld\",\
                        \"code\":\"FLOOR\",\"count\":1}]}";
        assert_eq!(standing.told(&noted, None).as_deref(), Some(expected));
        let slot = |out: &mut Object<'_>| out.text("slot", "A");
        let told = set_back(Strength::Off).told(&Noted::default(), Some(&slot)).unwrap();
        assert!(told.starts_with("{\"rollback\":\"off\","), "{told}");
        assert!(told.ends_with("\"refused\":[],\"slot\":\"A\"}"), "{told}");
        assert_eq!(set_back(Strength::Off).told(&noted, None), None);
    }

    #[test]
    fn where_a_recorded_policy_is_lost_no_older_one_says_who_signs_recovery_systems() {
        let said = set_back(Strength::Enforced).admits_recovery().unwrap_err().to_string();
        let expected = "refused boot: STORE: the policy has version 1, and version 2 was in force \
                        before: it was set back";
        assert_eq!(said, expected);
        assert!(set_back(Strength::Advisory).admits_recovery().is_ok());
        assert!(set_back(Strength::Advisory).admits_boot().is_err());
    }
}
