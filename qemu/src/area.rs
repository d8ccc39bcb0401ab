//! The state area of a disk image, read and written as Turnout does it; and what it must
//! say after the power has failed at any moment of a [`Recording`].
//!
//! A write to the state area has reached the disk when it returns, and whoever made it
//! goes on only then. So everything that was kept before another write to the disk began
//! must be there; the last write to the state area itself, while nothing has followed it,
//! is there or is not, and never anything between.

use crate::outage::Cut;
use crate::recording::{Event, Recording};
use anyhow::{Context, Error, Result, anyhow};
use std::fmt;
use std::ops::Range;
use turnout::rollback::State;
use turnout::rollback::frame::Form;
use turnout::rollback::generations::{Generations, Place, Write};
use turnout::rollback::store::{AREA_FRAME, Fault, Medium, Which, put, read};

/// Where the second place begins, in bytes (`docs/rollback.md`).
const SECOND: usize = 64 << 10;
/// How many bytes both places take, with what lies between them.
pub const LENGTH: usize = SECOND + Form::Two.size();

/// The bytes of a state area's two places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area(Vec<u8>);

impl Area {
    /// The beginning of a state area, as it is on the disk.
    #[must_use]
    pub fn of(mut bytes: Vec<u8>) -> Self {
        bytes.resize(LENGTH, 0);
        Self(bytes)
    }

    /// One that a factory has made.
    ///
    /// # Errors
    ///
    /// If the state cannot be kept.
    pub fn make(state: &State) -> Result<Self> {
        let mut area = Self(vec![0; LENGTH]);
        put(Which::Area, &mut Generations::fresh(), state, &mut area).map_err(failed)?;
        Ok(area)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it holds.
    ///
    /// # Errors
    ///
    /// If that is lost.
    pub fn generations(&mut self) -> Result<Generations> {
        read(Which::Area, self).map_err(failed)
    }
}

impl Medium for Area {
    fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
        let end = |place| offset(place).saturating_add(AREA_FRAME);
        let bytes = |place| self.0.get(offset(place)..end(place)).map(<[u8]>::to_vec);
        Ok(Place::BOTH.map(|place| bytes(place).ok_or_else(|| "it is too short".to_owned())))
    }

    fn write(&mut self, write: &Write) -> Result<(), Fault> {
        let there = self.0.get_mut(offset(write.place)..).unwrap_or_default();
        there.iter_mut().zip(&write.bytes).for_each(|(there, byte)| *there = *byte);
        Ok(())
    }

    fn create(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

const fn offset(place: Place) -> usize {
    match place {
        Place::First => 0,
        Place::Second => SECOND,
    }
}

fn failed(fault: Fault) -> anyhow::Error {
    anyhow!("{fault}")
}

/// What a machine has kept in the course of a recording.
#[derive(Debug)]
pub struct Kept {
    start: u64,
    before: Area,
    /// In order; the first one was there before.
    states: Vec<Generation>,
}

/// What is wrong with a state area after a cut.
#[derive(Debug)]
pub enum Wrong {
    /// What was kept for sure is not there, or nothing can be read.
    Lost(Error),
    /// It says what nobody wrote.
    Unknown(Error),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Lost(why) | Self::Unknown(why)) = self;
        write!(f, "{why:#}")
    }
}

/// A state that was written.
#[derive(Debug)]
struct Generation {
    /// Number of the event that wrote it; none of the one that was there before.
    event: Option<usize>,
    number: u64,
    state: State,
}

impl Generation {
    fn of(held: &Generations, event: Option<usize>) -> Self {
        Self { event, number: held.number(), state: held.state() }
    }
}

impl Kept {
    /// Follows the state area that begins at byte `start` of the disk.
    ///
    /// # Errors
    ///
    /// If it was lost at any time, all writes done.
    pub fn follow(recording: &Recording, start: u64, before: Area) -> Result<Self> {
        let mut area = before.clone();
        let held = area.generations().context("before the recording")?;
        let first = Generation::of(&held, None);
        let mut kept = Self { start, before, states: vec![first] };
        for event in recording.writes_to(&kept.part()) {
            area = kept.after(recording, Cut { events: event + 1, seed: 0 }, true);
            let held = area.generations().with_context(|| format!("after event {event}"))?;
            let newest = kept.states.last().map(|newest| newest.number);
            if newest != Some(held.number()) {
                kept.states.push(Generation::of(&held, Some(event)));
            }
        }
        Ok(kept)
    }

    /// Where on the disk it lies, in bytes.
    #[must_use]
    pub fn part(&self) -> Range<u64> {
        self.start..self.start.saturating_add(u64::try_from(LENGTH).unwrap_or(u64::MAX))
    }

    /// The states that were written, in order, each after so many events.
    pub fn states(&self) -> impl DoubleEndedIterator<Item = (usize, &State)> {
        self.states.iter().filter_map(|kept| Some((kept.event? + 1, &kept.state)))
    }

    /// What the state area says where the power has failed, if it is what it must be.
    ///
    /// # Errors
    ///
    /// It is lost, is one that nobody wrote, or has lost what was kept for sure.
    pub fn judge(&self, recording: &Recording, cut: Cut) -> Result<State, Wrong> {
        let held = self.after(recording, cut, false).generations().map_err(Wrong::Lost)?;
        let number = held.number();
        let Some(known) = self.states.iter().find(|kept| kept.number == number) else {
            return Err(Wrong::Unknown(anyhow!("nobody wrote generation {number}")));
        };
        let state = held.state();
        if known.state != state {
            return Err(Wrong::Unknown(anyhow!("generation {number} is not what was written")));
        }
        let sure = self.sure(recording, cut);
        if number < sure {
            return Err(Wrong::Lost(anyhow!("generation {sure} was kept, and {number} is there")));
        }
        Ok(state)
    }

    /// The newest generation that was followed by another write, whose writer has waited
    /// for this one.
    fn sure(&self, recording: &Recording, cut: Cut) -> u64 {
        let begun = recording.events().get(..cut.events).unwrap_or_default();
        let last = begun.iter().rposition(|event| matches!(event, Event::Write(_)));
        let sure = self.states.iter().rev().find(|kept| kept.event < last);
        sure.or(self.states.first()).map_or(0, |kept| kept.number)
    }

    /// The state area after a cut, or after all events before it were done.
    fn after(&self, recording: &Recording, cut: Cut, is_whole: bool) -> Area {
        let mut bytes = self.before.bytes().to_vec();
        if is_whole {
            cut.apply_whole(recording, self.start, &mut bytes);
        } else {
            cut.apply(recording, self.start, &mut bytes);
        }
        Area(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outage::cuts;
    use crate::recording::Write as Recorded;
    use turnout::rollback::{Floors, Record};

    const START: u64 = 4096;

    /// A state area on a disk that keeps what is done to it.
    struct Disk {
        area: Area,
        events: Vec<Event>,
        flushes: bool,
    }

    impl Medium for Disk {
        fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
            self.area.read()
        }

        fn write(&mut self, write: &Write) -> Result<(), Fault> {
            let at = START + u64::try_from(offset(write.place)).unwrap();
            let bytes = write.bytes.clone();
            self.events.push(Event::Write(Recorded { at, bytes, lasts: false }));
            if self.flushes {
                self.events.push(Event::Flush);
            }
            self.area.write(write)
        }

        fn create(&mut self) -> Result<(), Fault> {
            Ok(())
        }
    }

    fn state(floor: u32) -> State {
        let floors = Floors { boot: floor, recovery: 0 };
        State { record: Some(Record::new(floors)), ..State::default() }
    }

    /// Many writes to the state area, with others between them.
    fn recorded(flushes: bool) -> (Kept, Recording) {
        let before = Area::make(&state(0)).unwrap();
        let mut disk = Disk { area: before.clone(), events: Vec::new(), flushes };
        let mut held = disk.area.generations().unwrap();
        for floor in 1..20 {
            put(Which::Area, &mut held, &state(floor), &mut disk).unwrap();
            let elsewhere = Recorded { at: 0, bytes: vec![7; 1024], lasts: false };
            disk.events.push(Event::Write(elsewhere));
        }
        let recording = Recording::of(disk.events);
        (Kept::follow(&recording, START, before).unwrap(), recording)
    }

    fn wrong(flushes: bool) -> Vec<String> {
        let (kept, recording) = recorded(flushes);
        assert_eq!(kept.states().count(), 19 * 2, "a record goes to both places");
        let cuts = cuts(&recording, &kept.part(), 600, 1);
        let judged = cuts.into_iter().map(|cut| kept.judge(&recording, cut));
        judged.filter_map(|judged| Some(judged.err()?.to_string())).collect()
    }

    #[test]
    fn a_store_that_flushes_loses_nothing_that_was_kept() {
        assert_eq!(wrong(true), [""; 0]);
    }

    #[test]
    fn a_store_that_does_not_flush_is_found_out() {
        let wrong = wrong(false);
        for why in ["was kept, and ", "neither generation can be used: ", "one after the other"] {
            let count = wrong.iter().filter(|said| said.contains(why)).count();
            assert!(count > 5, "{why}: {count} of {}", wrong.len());
        }
    }

    #[test]
    fn a_generation_that_nobody_wrote_is_found_out() {
        let (kept, recording) = recorded(true);
        let mut events = recording.events().to_vec();
        let other = Area::make(&state(99)).unwrap();
        let forged = Recorded { at: START, bytes: other.bytes().to_vec(), lasts: true };
        events.extend([Event::Write(forged), Event::Flush]);
        let cut = Cut { events: events.len(), seed: 1 };
        let said = kept.judge(&Recording::of(events), cut).unwrap_err().to_string();
        assert_eq!(said, "generation 2 is not what was written");
    }
}
