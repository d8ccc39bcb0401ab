//! What a start, a jump and a confirmation do with the stores.
//!
//! The state area is a partition; it holds the trial and, where nothing better
//! does, the record. The index is the TPM's; where it is used, it alone holds
//! the record. The order of writing is the point of this module: whatever is cut
//! off, no floor falls, none rises without a confirmation, and none rises twice
//! for one.

use core::fmt;

use super::frame::{self, Damage, Form, Frame};
use super::generations::{Generations, Lost, NoStep, Place, Write};
use super::refused::{Noted, Refused};
use super::texts::{self, Texts};
use super::{Document, Floors, Record, Role, State, Strength, System, Trial};
use crate::base::text::printable;
use crate::base::used::Used;
use crate::slots::Slots;

/// Length of one place of the state area, in bytes.
pub const AREA_FRAME: usize = Which::Area.form().size();
/// Length of one place of the TPM's index, in bytes.
pub const INDEX_FRAME: usize = Which::Index.form().size();

/// Two places that outlast the power.
pub trait Medium {
    /// What both hold, each with its own fault.
    ///
    /// # Errors
    /// There is no such medium, or it is not the one that was provisioned.
    fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault>;

    /// Writes one place. It is on the medium when this returns.
    ///
    /// # Errors
    /// The medium does not take it.
    fn write(&mut self, write: &Write) -> Result<(), Fault>;

    /// Makes the medium, if it is one that can be made and is not there.
    ///
    /// # Errors
    /// It cannot be made.
    fn create(&mut self) -> Result<(), Fault>;

    /// Whether it has two places for texts too.
    fn has_room_for_texts(&mut self) -> bool {
        false
    }

    /// What a place for texts holds, as many bytes as it begins with says; `None`
    /// where it holds nothing.
    fn read_texts(&mut self, _: Place) -> Option<Vec<u8>> {
        None
    }

    /// Writes a place for texts. It is on the medium when this returns.
    ///
    /// # Errors
    /// There is none, or the medium does not take it.
    fn write_texts(&mut self, _: Place, bytes: &[u8]) -> Result<(), Fault> {
        Err(Fault::Medium(format!("there is no place for {} bytes of text", bytes.len())))
    }
}

/// In place of a medium that is not there.
#[derive(Debug)]
pub struct Missing(pub Fault);

/// Where things are kept.
#[expect(missing_debug_implementations, reason = "media are devices")]
pub struct Media<'a> {
    /// The partition.
    pub area: &'a mut dyn Medium,
    /// The TPM's index.
    pub index: &'a mut dyn Medium,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The state area.
    Area,
    /// The TPM's index.
    Index,
}

/// Why a store cannot be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nobody has looked yet.
    Unread,
    /// No partition has the type of a state area.
    NoPartition,
    /// No device is the one that was named.
    NoDevice(String),
    /// The device that was named holds something; its name, and what.
    Occupied(String, &'static str),
    /// More than one has; two of their names.
    Partitions(String, String),
    /// No generation of a store can be used.
    Lost(Which, Lost),
    /// The state area was made for a machine whose record is in the TPM.
    NoRecord,
    /// The TPM's index holds a frame without a record.
    EmptyIndex,
    /// There is no TPM.
    NoTpm,
    /// The TPM, the disk or the kernel said no; what it said.
    Medium(String),
    /// The TPM has no index of ours.
    NoIndex,
    /// The index was made, and never written.
    Unwritten,
    /// The index has other attributes or another policy than ours.
    Foreign,
    /// PCR 8 is not zero, and the index can be read only.
    Measured,
    /// A place has too few bytes.
    NoRoom(usize),
    /// Policy and key ring are in force, and no copy of them could be written; why.
    NoCopy(String),
    /// A store has the last generation that is taken.
    CountedOut(Which),
    /// The TPM's floor of a role is below one that it had before: role, floor, and
    /// what was seen.
    Below(Role, u32, u32),
    /// An older document than one that was in force: its name, what is in force
    /// now, and what was.
    Older(&'static str, u32, u32),
    /// A document of the recorded version with another text.
    Changed(&'static str, u32),
}

/// How far a floor may rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The floors that are in force.
    pub floors: Floors,
    /// Above them, at most so much at once.
    pub step: u32,
}

/// The policy and the key ring of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce<'a> {
    /// The policy.
    pub policy: Document,
    /// The key ring.
    pub ring: Document,
    /// Those of the two that are not the image's own.
    pub texts: &'a Texts,
}

/// The signed system that is about to be jumped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next<'a> {
    /// Id of its entry.
    pub entry: &'a str,
    /// What was signed.
    pub system: System,
}

/// A floor that has risen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// The entry that had confirmed itself.
    pub entry: String,
    /// What the floor is for.
    pub role: Role,
    /// The floor now.
    pub floor: u32,
    /// The confirmed version, which one step may not have reached.
    pub version: u32,
}

/// The stores of a machine, as one start finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    strength: Strength,
    area: Result<Generations, Fault>,
    /// An area that keeps no record, and the slots all the same: with `area` at fault.
    beside: Option<Generations>,
    index: Result<Generations, Fault>,
    /// The index holds less than the state area has seen in it.
    below: Option<Fault>,
    /// What a factory image was told by the state area, which anybody can have forged.
    hearsay: Option<String>,
}

impl Store {
    /// Before anything was read: as good as lost.
    #[must_use]
    pub const fn unread(strength: Strength) -> Self {
        let [area, index] = [Err(Fault::Unread), Err(Fault::Unread)];
        Self { strength, area, beside: None, index, below: None, hearsay: None }
    }

    /// Reads what there is. Where nothing protects from rollback, the state area only
    /// says what was used up. A factory image gives the floors with which it makes
    /// what is not there, or is lost.
    pub fn open(strength: Strength, factory: Option<Floors>, media: &mut Media<'_>) -> Self {
        let mut store = Self::unread(strength);
        store.area = read(Which::Area, media.area);
        if strength == Strength::Enforced {
            store.index = read(Which::Index, media.index);
        }
        if let Some(floors) = factory.filter(|_| strength != Strength::Off) {
            store.provision(floors, media);
        }
        store.check();
        store
    }

    /// What is whole stays as it is. A record that a state area kept so far moves to
    /// the TPM. What one has seen does not: whoever writes to the disk could shut out
    /// everything by it, and for ever.
    fn provision(&mut self, floors: Floors, media: &mut Media<'_>) {
        let old = self.area.as_ref().map(Generations::state).unwrap_or_default();
        let record = old.record.unwrap_or_else(|| Record::new(floors));
        if self.strength == Strength::Enforced
            && self.index.as_ref().is_err_and(Fault::is_for_the_factory)
        {
            self.hearsay = hearsay(&old, record.floors);
            self.index = self.make_index(record, media);
        }
        let in_area = Some(record).filter(|_| self.strength == Strength::Advisory);
        let made = match &self.area {
            Err(fault) if fault.is_for_the_factory() => {
                let state = State { record: in_area, ..State::default() };
                make(Which::Area, &state, media.area).map(|held| self.area = Ok(held))
            }
            Ok(_) if in_area.is_some() && old.record.is_none() => {
                self.put_area(media, |state| state.record = in_area)
            }
            _ => return,
        };
        self.area = made.and_then(|()| self.area.clone());
    }

    /// What was seen falls to the new floors before those are written: wherever this
    /// is cut off, no start finds an index below it.
    fn make_index(&mut self, record: Record, media: &mut Media<'_>) -> Result<Generations, Fault> {
        media.index.create()?;
        if below(record.floors, self.seen()).is_some() {
            self.put_area(media, |state| state.seen = record.floors)?;
        }
        let state = State { record: Some(record), ..State::default() };
        write_all(Which::Index, &state, media.index)
    }

    /// The one that is to hold the record must hold one, and no less than it had
    /// before.
    fn check(&mut self) {
        let (holder, fault) = match self.strength {
            Strength::Off => return,
            Strength::Advisory => (&mut self.area, Fault::NoRecord),
            Strength::Enforced => (&mut self.index, Fault::EmptyIndex),
        };
        if holder.as_ref().is_ok_and(|held| held.state().record.is_none()) {
            let held = core::mem::replace(holder, Err(fault));
            self.beside = held.ok().filter(|_| self.strength == Strength::Advisory);
        }
        self.below = self.record().and_then(|record| below(record.floors, self.seen()));
    }

    /// The highest floors that the state area has seen in the TPM's record.
    fn seen(&self) -> Floors {
        self.area.as_ref().map(|area| area.state().seen).unwrap_or_default()
    }

    /// What the configuration asks for.
    #[must_use]
    pub const fn strength(&self) -> Strength {
        self.strength
    }

    /// What is wrong, the worst first.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self.strength {
            Strength::Off => None,
            Strength::Advisory => self.area.as_ref().err(),
            Strength::Enforced => {
                let index = self.index.as_ref().err().or(self.below.as_ref());
                index.or(self.area.as_ref().err())
            }
        }
    }

    /// The record; `None` where nothing is kept or the store is lost.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        let holder = match self.strength {
            Strength::Off => return None,
            Strength::Advisory => &self.area,
            Strength::Enforced => &self.index,
        };
        holder.as_ref().ok()?.state().record
    }

    /// The floors that the store adds to those of the image and of the policy. What a
    /// state area has seen is none: whoever writes to the disk could keep recovery
    /// systems from booting by it, those on a stick too.
    #[must_use]
    pub fn floors(&self) -> Floors {
        self.record().map(|record| record.floors).unwrap_or_default()
    }

    /// The system that was jumped to last, if it could raise a floor.
    #[must_use]
    pub fn trial(&self) -> Option<Trial> {
        self.area.as_ref().ok()?.state().trial
    }

    /// What a factory image has to say of the floors that it began the index with.
    #[must_use]
    pub fn hearsay(&self) -> Option<&str> {
        self.hearsay.as_deref()
    }

    /// What earlier starts refused, the newest first.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        self.area.as_ref().map(|area| area.state().refused).unwrap_or_default()
    }

    /// Choices for one boot that were used up and could not be deleted.
    #[must_use]
    pub fn used(&self) -> Vec<Used> {
        self.area.as_ref().map(|area| area.state().used).unwrap_or_default()
    }

    /// Remembers what was used up.
    ///
    /// # Errors
    /// There is no state area, or it does not take it.
    pub fn keep_used(&mut self, used: Vec<Used>, media: &mut Media<'_>) -> Result<(), Fault> {
        if let Err(fault) = &self.area {
            return Err(fault.clone());
        }
        self.put_area(media, |state| state.used = used)
    }

    /// The slots, and how the last starts went.
    #[must_use]
    pub fn slots(&self) -> Slots {
        let held = self.area.as_ref().ok().or(self.beside.as_ref());
        held.map(|held| held.state().slots).unwrap_or_default()
    }

    /// What has become of the slots; `None` where they are as they were kept last.
    #[must_use]
    pub const fn slots_fault(&self) -> Option<&Fault> {
        match &self.area {
            Err(fault) if self.beside.is_none() => Some(fault),
            _ => None,
        }
    }

    /// Remembers slots and starts, in one write. An area that is blank or damaged is made
    /// anew for them, unless what it holds counts: no verdict depends on slots. One that
    /// cannot be read, or is of a later format, is left alone. What it is no longer good
    /// for, it is not good for afterwards either.
    ///
    /// # Errors
    /// There is no state area, or it does not take it.
    pub fn keep_slots(&mut self, slots: &Slots, media: &mut Media<'_>) -> Result<(), Fault> {
        if *slots == self.slots() {
            return Ok(());
        }
        match &self.area {
            Ok(_) => self.put_area(media, |state| state.slots.clone_from(slots)),
            Err(fault) => {
                let fault = fault.clone();
                self.keep_beside(slots, fault, media)
            }
        }
    }

    fn keep_beside(
        &mut self,
        slots: &Slots,
        fault: Fault,
        media: &mut Media<'_>,
    ) -> Result<(), Fault> {
        let mut held = match self.beside.take() {
            Some(held) => held,
            None if self.strength == Strength::Enforced => return Err(fault),
            None if !fault.is_for_good() => return Err(fault),
            None => {
                media.area.create()?;
                Generations::fresh()
            }
        };
        let state = State { slots: slots.clone(), ..held.state() };
        put(Which::Area, &mut held, &state, media.area)?;
        if self.strength == Strength::Off {
            self.area = Ok(held);
        } else {
            self.beside = Some(held);
        }
        Ok(())
    }

    /// Whether a system of this role may boot with the store as it is.
    ///
    /// # Errors
    /// What is wrong with the store.
    pub fn admits(&self, role: Role) -> Result<(), &Fault> {
        match self.fault() {
            Some(fault) if self.binds(role) => Err(fault),
            _ => Ok(()),
        }
    }

    /// Whether a fault of the store keeps a system of this role from booting.
    #[must_use]
    pub fn binds(&self, role: Role) -> bool {
        self.strength == Strength::Enforced && role == Role::Boot
    }

    /// Places that are damaged while the other one of the store is whole: each
    /// in a sentence.
    pub fn damages(&self) -> impl Iterator<Item = String> {
        let held = [(Which::Index, &self.index), (Which::Area, &self.area)].into_iter();
        let held = held.filter_map(|(which, held)| Some((which, held.as_ref().ok()?.damage()?)));
        held.map(|(which, (place, damage))| {
            format!("the {place} generation of {which} is damaged: {damage}")
        })
    }

    /// Writes again what a cut or damage has left in one place only.
    ///
    /// # Errors
    /// The medium's.
    pub fn settle(&mut self, media: &mut Media<'_>) -> Result<(), Fault> {
        if self.strength == Strength::Off || self.fault().is_some() {
            return Ok(());
        }
        if let Some(state) = self.index.as_ref().ok().map(Generations::state) {
            self.put(Which::Index, &state, media)?;
        }
        self.put_area(media, |_| {})
    }

    /// Takes the policy and the key ring that are to be in force, and remembers
    /// newer ones: first their texts, where they are not the image's own, and then
    /// the record by which those are found. Without a record there is nothing to hold
    /// them against.
    ///
    /// # Errors
    /// One of them is older than the recorded one. Or the medium does not take the
    /// newer one.
    pub fn take(&mut self, anchor: &InForce<'_>, media: &mut Media<'_>) -> Result<(), Fault> {
        let Some(record) = self.record() else { return Ok(()) };
        let next = check_in_force(&record, anchor.policy, anchor.ring)?;
        let kept = self.keep_texts(anchor.texts, &record, media);
        let kept = kept.map_err(|fault| Fault::NoCopy(fault.to_string()));
        self.put_record(next, media)?;
        kept
    }

    /// The texts that the state area keeps, even if its generations are damaged: a
    /// digest and signatures say what they are worth.
    pub fn texts(&self, media: &mut Media<'_>) -> Vec<Texts> {
        if self.strength == Strength::Off {
            return Vec::new();
        }
        all_texts(media.area)
    }

    /// Puts texts into the place that the recorded ones are not in.
    fn keep_texts(
        &self,
        texts: &Texts,
        record: &Record,
        media: &mut Media<'_>,
    ) -> Result<(), Fault> {
        let is_empty = *texts == Texts::default();
        if is_empty || self.area.is_err() || !media.area.has_room_for_texts() {
            return Ok(());
        }
        let held = Place::BOTH.map(|place| read_texts(media.area, place).unwrap_or_default());
        if held.contains(texts) {
            return Ok(());
        }
        let bytes =
            texts::write(texts).ok_or_else(|| Fault::Medium("they are too long".to_owned()))?;
        let [first, second] = held.map(|texts| texts.matches(record));
        let place = if second < first { Place::Second } else { Place::First };
        media.area.write_texts(place, &bytes)
    }

    /// The floor that a system which has confirmed itself would raise, and to what; none
    /// if there is none, or it would stay where it is.
    #[must_use]
    pub fn would_rise(&self, limits: Limits) -> Option<(Role, u32)> {
        let record = self.record().filter(|_| self.below.is_none())?;
        let system = self.trial().filter(|trial| trial.confirmed)?.system;
        let floor = reached(record, system, limits);
        (floor > record.floors.of(system.role)).then_some((system.role, floor))
    }

    /// Raises the floor for a system that has confirmed itself, if its manifest
    /// is among those that `systems` gives: signed, for this machine, and not
    /// below the floors that are in force. What the trial itself claims is not
    /// enough, because the running system wrote it.
    ///
    /// # Errors
    /// A medium's. The confirmation is then used up all the same.
    pub fn raise(
        &mut self,
        systems: impl IntoIterator<Item = System>,
        limits: Limits,
        media: &mut Media<'_>,
    ) -> Result<Option<Raised>, Fault> {
        let sound = self.record().filter(|_| self.below.is_none());
        let Some(record) = sound else { return Ok(None) };
        let Some(trial) = self.trial().filter(|trial| trial.confirmed) else { return Ok(None) };
        if !systems.into_iter().any(|system| system == trial.system) {
            return Ok(None);
        }
        let System { role, security_version: version, .. } = trial.system;
        let floor = reached(record, trial.system, limits);
        // The confirmation goes first: cut off here, it is lost, and none raises
        // the floor twice.
        let raised = Record { floors: with(record.floors, role, floor), ..record };
        self.put_area(media, |state| {
            state.trial = None;
            state.record = state.record.and(Some(raised));
        })?;
        self.put_record(raised, media)?;
        self.settle(media)?;
        Ok((floor > record.floors.of(role)).then_some(Raised {
            entry: trial.entry,
            role,
            floor,
            version,
        }))
    }

    /// Remembers which system is jumped to, right before it is: as a trial if
    /// its version is above the recorded floor, and otherwise, or if it is not
    /// signed, as none. A confirmation of the same system stays. The slots, and what was
    /// refused if that is news, are written with it, at once: where that cannot be, the
    /// refusals are left out, and then the slots, and why is given back.
    ///
    /// # Errors
    /// The medium does not take the trial. Where [`Self::binds`], there must be no jump
    /// then: the next system could confirm another one.
    pub fn before_jump(
        &mut self,
        next: Option<Next<'_>>,
        slots: &Slots,
        noted: &mut Noted,
        media: &mut Media<'_>,
    ) -> Result<Option<Fault>, Fault> {
        if self.strength == Strength::Off || self.area.is_err() {
            return Ok(self.keep_slots(slots, media).err());
        }
        let record = self.record().filter(|_| self.fault().is_none());
        let above = record.map(|record| next.filter(|next| next.system.is_above(record.floors)));
        let trial = above.map(|above| above.map(|next| self.trial_of(next)));
        let trial = trial.unwrap_or_else(|| self.trial());
        let jump = State { trial, slots: slots.clone(), ..State::default() };
        let news = Some(&*noted).filter(|noted| noted.is_news_to(&self.refused()));
        let has_news = news.is_some();
        match self.put_jump(&jump, news, media) {
            Ok(()) if has_news => noted.keep(),
            Ok(()) => {}
            Err(fault) if self.put_jump_alone(&jump, &fault, media) => return Ok(Some(fault)),
            Err(fault) => return self.put_trial(jump.trial, media).map(|()| Some(fault)),
        }
        Ok(None)
    }

    fn put_jump(
        &mut self,
        jump: &State,
        news: Option<&Noted>,
        media: &mut Media<'_>,
    ) -> Result<(), Fault> {
        self.put_area(media, |state| {
            state.trial.clone_from(&jump.trial);
            state.slots.clone_from(&jump.slots);
            if let Some(noted) = news {
                state.refused = noted.merged(&state.refused);
            }
        })
    }

    /// Where there was no room for what was refused: whether there is without.
    fn put_jump_alone(&mut self, jump: &State, fault: &Fault, media: &mut Media<'_>) -> bool {
        matches!(fault, Fault::NoRoom(_)) && self.put_jump(jump, None, media).is_ok()
    }

    /// Changes the trial alone. One place that has it is enough.
    fn put_trial(&mut self, trial: Option<Trial>, media: &mut Media<'_>) -> Result<(), Fault> {
        let Ok(area) = &self.area else { return Ok(()) };
        let state = State { trial, ..area.state() };
        if self.trial() == state.trial {
            return Ok(());
        }
        let written = self.put(Which::Area, &state, media);
        if self.trial() == state.trial { Ok(()) } else { written }
    }

    /// Remembers what was refused, how often too, before the machine is reset.
    ///
    /// # Errors
    /// The medium's.
    pub fn before_reset(&mut self, noted: &mut Noted, media: &mut Media<'_>) -> Result<(), Fault> {
        if self.strength != Strength::Off && self.area.is_ok() {
            self.put_area(media, |state| state.refused = noted.merged(&state.refused))?;
            noted.keep();
        }
        Ok(())
    }

    fn trial_of(&self, next: Next<'_>) -> Trial {
        let Next { entry, system } = next;
        Trial { entry: entry.to_owned(), system, confirmed: self.has_confirmed(&system) }
    }

    fn has_confirmed(&self, system: &System) -> bool {
        self.trial().is_some_and(|trial| trial.confirmed && trial.system == *system)
    }

    /// Changes what the state area holds. Where the TPM has the record, the highest
    /// floors of that are written with it.
    fn put_area(
        &mut self,
        media: &mut Media<'_>,
        change: impl FnOnce(&mut State),
    ) -> Result<(), Fault> {
        let Ok(area) = &self.area else { return Ok(()) };
        let mut state = area.state();
        change(&mut state);
        if let Ok(index) = &self.index
            && self.below.is_none()
        {
            let floors = index.state().record.map(|record| record.floors);
            state.seen = state.seen.max(floors.unwrap_or_default());
            // It has moved to the TPM.
            state.record = None;
        }
        self.put(Which::Area, &state, media)
    }

    fn put_record(&mut self, record: Record, media: &mut Media<'_>) -> Result<(), Fault> {
        match self.strength {
            Strength::Off => Ok(()),
            Strength::Advisory => self.put_area(media, |state| state.record = Some(record)),
            Strength::Enforced => {
                let state = State { record: Some(record), ..State::default() };
                self.put(Which::Index, &state, media)
            }
        }
    }

    fn put(&mut self, which: Which, state: &State, media: &mut Media<'_>) -> Result<(), Fault> {
        let (held, medium) = match which {
            Which::Area => (&mut self.area, &mut *media.area),
            Which::Index => (&mut self.index, &mut *media.index),
        };
        match held {
            Ok(held) => put(which, held, state, medium),
            Err(fault) => Err(fault.clone()),
        }
    }
}

impl Medium for Missing {
    fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
        Err(self.0.clone())
    }

    fn write(&mut self, _: &Write) -> Result<(), Fault> {
        Err(self.0.clone())
    }

    fn create(&mut self) -> Result<(), Fault> {
        Err(self.0.clone())
    }
}

/// Confirms the system that was jumped to last.
///
/// # Errors
/// There is none: the last jump can raise no floor.
pub fn confirm(state: &State) -> Option<State> {
    let trial = state.trial.clone()?;
    Some(State { trial: Some(Trial { confirmed: true, ..trial }), ..state.clone() })
}

/// Reads a medium's two places.
///
/// # Errors
/// There is no such medium, or nothing on it can be used.
pub fn read(which: Which, medium: &mut dyn Medium) -> Result<Generations, Fault> {
    let [first, second] = medium.read()?;
    Generations::read(frame(first), frame(second)).map_err(|lost| Fault::Lost(which, lost))
}

/// A record with these documents, where they are newer than its own.
///
/// # Errors
/// One of them is older than the recorded one, or another of its version.
pub fn check_in_force(record: &Record, policy: Document, ring: Document) -> Result<Record, Fault> {
    let policy = newer("policy", policy, record.policy)?;
    let ring = newer("key ring", ring, record.ring)?;
    Ok(Record { policy, ring, ..*record })
}

/// The texts that a medium keeps: a digest and signatures say what they are worth.
pub fn all_texts(medium: &mut dyn Medium) -> Vec<Texts> {
    Place::BOTH.into_iter().filter_map(|place| read_texts(medium, place)).collect()
}

fn read_texts(medium: &mut dyn Medium, place: Place) -> Option<Texts> {
    texts::read(&medium.read_texts(place)?)
}

fn frame(bytes: Result<Vec<u8>, String>) -> Result<Frame, Damage> {
    frame::read(&bytes.map_err(Damage::Unreadable)?)
}

/// Writes a state, once or twice, or not at all.
///
/// # Errors
/// The medium's. `held` is what was written until then.
pub fn put(
    which: Which,
    held: &mut Generations,
    state: &State,
    medium: &mut dyn Medium,
) -> Result<(), Fault> {
    while let Some((write, after)) =
        held.step(state, which.form()).map_err(|why| Fault::of(which, why))?
    {
        medium.write(&write)?;
        *held = after;
    }
    Ok(())
}

fn make(which: Which, state: &State, medium: &mut dyn Medium) -> Result<Generations, Fault> {
    medium.create()?;
    write_all(which, state, medium)
}

fn write_all(which: Which, state: &State, medium: &mut dyn Medium) -> Result<Generations, Fault> {
    let mut held = Generations::fresh();
    put(which, &mut held, state, medium)?;
    Ok(held)
}

/// What a state area says of the floors that a new index begins with.
fn hearsay(area: &State, floors: Floors) -> Option<String> {
    let Floors { boot, recovery } = floors;
    if area.record.is_some() {
        return Some(format!(
            "floor {boot} and recovery floor {recovery} are taken over from the state area, \
             which whoever writes to the disk can forge"
        ));
    }
    below(floors, area.seen)?;
    let seen = area.seen;
    Some(format!(
        "floor {} and recovery floor {} were seen in the TPM before, and it begins with {boot} and \
         {recovery}: if such versions were released, give the image these floors",
        seen.boot, seen.recovery
    ))
}

/// The floor to which a system that has confirmed itself raises its role's.
fn reached(record: Record, system: System, limits: Limits) -> u32 {
    let System { role, security_version: version, .. } = system;
    let reach = limits.floors.max(record.floors).of(role).saturating_add(limits.step);
    version.min(reach).max(record.floors.of(role))
}

const fn with(floors: Floors, role: Role, floor: u32) -> Floors {
    match role {
        Role::Boot => Floors { boot: floor, ..floors },
        Role::Recovery => Floors { recovery: floor, ..floors },
    }
}

/// The document to remember.
fn newer(name: &'static str, now: Document, recorded: Document) -> Result<Document, Fault> {
    match now.may_follow(recorded) {
        true if now.version > recorded.version => Ok(now),
        true => Ok(recorded),
        false if now.version < recorded.version => {
            Err(Fault::Older(name, now.version, recorded.version))
        }
        false => Err(Fault::Changed(name, now.version)),
    }
}

/// The first role whose floor is below what was seen.
fn below(floors: Floors, seen: Floors) -> Option<Fault> {
    let role = Role::ALL.into_iter().find(|role| floors.of(*role) < seen.of(*role))?;
    Some(Fault::Below(role, floors.of(role), seen.of(role)))
}

impl Which {
    const fn form(self) -> Form {
        match self {
            Self::Area => Form::Two,
            Self::Index => Form::One,
        }
    }
}

impl Fault {
    const fn of(which: Which, why: NoStep) -> Self {
        match why {
            NoStep::NoRoom(size) => Self::NoRoom(size),
            NoStep::CountedOut => Self::CountedOut(which),
        }
    }

    /// Whether a factory image makes the store anew. Two generations that do
    /// not belong together, and an index that somebody else made, were not left
    /// by a factory.
    /// Whether it is the state area of a device that was never used.
    #[must_use]
    pub const fn is_blank_area(&self) -> bool {
        matches!(self, Self::Lost(Which::Area, Lost::Both(Damage::Blank, Damage::Blank)))
    }

    const fn is_for_good(&self) -> bool {
        matches!(self, Self::Lost(_, lost) if lost.is_for_good())
    }

    const fn is_for_the_factory(&self) -> bool {
        matches!(self, Self::Lost(_, Lost::Both(..)) | Self::NoIndex | Self::Unwritten)
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Area => "the state area",
            Self::Index => "the TPM's index",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread => f.write_str("the store has not been read"),
            Self::NoPartition => f.write_str("there is no state area: no partition has its type"),
            Self::NoDevice(wanted) => {
                write!(f, "there is no state area: no device is {}", printable(wanted))
            }
            Self::Occupied(name, content) => {
                write!(f, "{name} is no state area: it holds {content}")
            }
            Self::Partitions(one, other) => {
                write!(f, "there is more than one state area: {one} and {other}")
            }
            Self::Lost(which, lost) => write!(f, "{which} is damaged: {lost}"),
            Self::NoRecord => {
                f.write_str("the state area keeps no floors: no factory image has made it for them")
            }
            Self::EmptyIndex => f.write_str("the TPM's index keeps no floors"),
            Self::NoTpm => f.write_str("there is no TPM, and it holds the floors"),
            Self::Medium(why) => f.write_str(why),
            Self::NoIndex => f.write_str(
                "the TPM has no index of Turnout's: it was never provisioned, cleared, or replaced",
            ),
            Self::Unwritten => {
                f.write_str("the TPM's index was never written: somebody made it anew")
            }
            Self::Foreign => f.write_str(
                "the TPM's index is not the one that was provisioned: its name is another one",
            ),
            Self::Measured => f.write_str(
                "the TPM's index can only be read: something has measured into PCR 8 since the reset",
            ),
            Self::NoRoom(size) => write!(
                f,
                "{size} bytes have no room for what is to be kept: zero the state area's two \
                 generations, and start a factory image once"
            ),
            Self::NoCopy(why) => write!(f, "no copy of policy and key ring is kept: {why}"),
            Self::CountedOut(which) => write!(
                f,
                "{which} has counted its generations to the end: have a factory image make it anew"
            ),
            Self::Below(role, floor, seen) => write!(
                f,
                "the TPM's index has {} floor {floor}, and {seen} was seen: it was set back",
                role.name()
            ),
            Self::Older(name, now, recorded) => write!(
                f,
                "the {name} has version {now}, and version {recorded} was in force before: it was set back"
            ),
            Self::Changed(name, version) => {
                write!(f, "the {name} of version {version} is not the one that was in force before")
            }
        }
    }
}

impl core::error::Error for Fault {}
