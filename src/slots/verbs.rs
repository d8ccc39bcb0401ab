//! What the running system does with the slots: confirms itself, chooses, marks and
//! replaces. Each verb is one state, and so one write.
//!
//! The last system that was good never disappears by a verb, unless whoever asks says it
//! twice.

use core::fmt;

use super::rules::{Turn, cut, row_of};
use super::wrong::{Wrong, is};
use super::{Cause, MAX_ID, Outcome, Slot, Slots};
use crate::base::text::quoted;

/// Why a verb changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no slot of this name; those that there are.
    Unknown(String, Vec<String>),
    /// It is the only one that was ever good.
    LastGood(String),
    /// Nothing was started that could be confirmed.
    NoAttempt,
    /// An id is empty or has more than [`MAX_ID`] bytes.
    Id(String),
    /// Something is being installed into it.
    Empty(String),
}

/// What a confirmation was of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// Id of the entry.
    pub entry: String,
    /// Name of the slot; none of a recovery system.
    pub slot: Option<String>,
}

impl Slots {
    /// Confirms the attempt that is open.
    ///
    /// # Errors
    /// There is none.
    pub fn bless(&mut self) -> Result<Confirmed, Refusal> {
        let attempt = self.attempt.take().ok_or(Refusal::NoAttempt)?;
        self.close(Outcome::Confirmed);
        let entry = attempt.entry.clone();
        if attempt.cause == Cause::Recovery {
            // It helps to a system, and is none: the pauses go on where it does not.
            self.counters.row = 0;
            return Ok(Confirmed { entry, slot: None });
        }
        let number = if is(Wrong::BlessesThePrimary) { self.primary() } else { attempt.slot };
        let slot = self.slot_mut(number);
        let slot = slot.map(|slot| {
            slot.confirm();
            slot.name.clone()
        });
        self.count_row(&entry, attempt.cause);
        self.counters.resets = 0;
        self.counters.recoveries = 0;
        self.counters.pauses = 0;
        Ok(Confirmed { entry, slot })
    }

    fn count_row(&mut self, entry: &str, cause: Cause) {
        let counters = &mut self.counters;
        // Nothing else was written down: it is the last one again ([`Slots::jump`]).
        let this = if entry.is_empty() { counters.row_of } else { row_of(entry) };
        counters.row = match cause {
            Cause::Order if counters.row_of == this => counters.row.saturating_add(1),
            Cause::Order => 1,
            _ => 0,
        };
        counters.row_of = this;
    }

    /// Makes a slot the first that is tried, with all its tries. One that is good stays
    /// good.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn set_primary(&mut self, name: &str) -> Result<(), Refusal> {
        let number = self.known(name)?;
        let highest = self.list.iter().map(|slot| slot.priority).max().unwrap_or_default();
        if highest == u8::MAX {
            self.renumber();
        }
        let highest = self.list.iter().map(|slot| slot.priority).max().unwrap_or_default();
        if let Some(slot) = self.list.get_mut(number) {
            slot.priority = highest.saturating_add(1);
            slot.enabled = true;
            slot.empty = false;
            slot.bad = false;
            slot.last_resort = false;
            if !is(Wrong::PrimaryWithoutTries) {
                slot.left = slot.most;
            }
        }
        self.counters.pauses = 0;
        self.counters.recoveries = 0;
        Ok(())
    }

    /// Says of a slot that it is good: as its own confirmation would.
    ///
    /// # Errors
    /// There is none of this name, or something is being installed into it.
    pub fn mark_good(&mut self, name: &str) -> Result<(), Refusal> {
        let number = self.known(name)?;
        let is_running =
            self.attempt.as_ref().is_some_and(|open| open.slot.map(usize::from) == Some(number));
        if is_running {
            return self.bless().map(|_| ());
        }
        match self.list.get_mut(number) {
            Some(slot) if slot.empty => Err(Refusal::Empty(name.to_owned())),
            Some(slot) => {
                slot.confirm();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Says of a slot that it is bad.
    ///
    /// # Errors
    /// There is none of this name, or it is the last good one and nobody insists.
    pub fn mark_bad(&mut self, name: &str, insists: bool) -> Result<(), Refusal> {
        let number = self.known(name)?;
        if self.is_last_good(number) && !insists && !is(Wrong::LastGoodMarkedBad) {
            return Err(Refusal::LastGood(name.to_owned()));
        }
        if let Some(slot) = self.list.get_mut(number) {
            slot.bad = true;
            slot.confirmed = false;
        }
        Ok(())
    }

    /// Something is about to be installed into a slot: until it is made the first, nobody
    /// tries it.
    ///
    /// # Errors
    /// There is none of this name, or it is the last good one and nobody insists.
    pub fn install(&mut self, name: &str, insists: bool) -> Result<(), Refusal> {
        let number = self.known(name)?;
        if self.is_last_good(number) && !insists && !is(Wrong::LastGoodEmptied) {
            return Err(Refusal::LastGood(name.to_owned()));
        }
        if let Some(slot) = self.list.get_mut(number) {
            let fresh = Slot::new(name, slot.most);
            *slot = Slot { empty: true, priority: slot.priority, ..fresh };
        }
        // What runs may be this slot's: its confirmation is not one of what comes in.
        self.unbind(u8::try_from(number).ok());
        Ok(())
    }

    /// Sets what boots if nobody chooses; none to forget it.
    ///
    /// # Errors
    /// The id cannot be kept.
    pub fn set_default(&mut self, id: Option<&str>) -> Result<(), Refusal> {
        self.default = id.map(id_that_fits).transpose()?;
        Ok(())
    }

    /// Sets what is tried first at the next start, once; none to forget it.
    ///
    /// # Errors
    /// The id cannot be kept.
    pub fn set_once(&mut self, id: Option<&str>) -> Result<(), Refusal> {
        self.once = id.map(id_that_fits).transpose()?;
        Ok(())
    }

    /// The slot that is tried first if nobody chooses, and nothing is to be tried once:
    /// as in [`Self::order`]. None where no slot is tried by itself.
    #[must_use]
    pub fn primary(&self) -> Option<u8> {
        let all =
            self.list.iter().enumerate().map(|(number, slot)| (slot.turn(true), number, slot));
        let tried = all.filter(|(turn, ..)| *turn != Turn::Never);
        // The first of those with the highest priority.
        let first = tried.min_by_key(|(turn, _, slot)| (*turn, u8::MAX - slot.priority));
        first.and_then(|(_, number, _)| u8::try_from(number).ok())
    }

    fn known(&self, name: &str) -> Result<usize, Refusal> {
        self.find(name).ok_or_else(|| {
            let names = self.list.iter().map(|slot| slot.name.clone()).collect();
            Refusal::Unknown(name.to_owned(), names)
        })
    }

    /// Gives the priorities the lowest numbers that keep their order.
    fn renumber(&mut self) {
        let old: Vec<u8> = self.list.iter().map(|slot| slot.priority).collect();
        for slot in &mut self.list {
            let below = old.iter().filter(|other| **other < slot.priority).count();
            slot.priority = u8::try_from(below).unwrap_or(u8::MAX);
        }
    }
}

fn id_that_fits(id: &str) -> Result<String, Refusal> {
    if (1..=MAX_ID).contains(&id.len()) { Ok(cut(id)) } else { Err(Refusal::Id(id.to_owned())) }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name, names) if names.is_empty() => {
                write!(
                    f,
                    "there is no slot {}, nor any other yet: a start makes them, where the image \
                     declares slots or the name of an entry counts",
                    quoted(name)
                )
            }
            Self::Unknown(name, names) => {
                write!(f, "there is no slot {}: there are {}", quoted(name), names.join(", "))
            }
            Self::LastGood(name) => write!(
                f,
                "{} is the only slot that was ever good: without it nothing is left to fall back \
                 to",
                quoted(name)
            ),
            Self::NoAttempt => f.write_str(
                "there is no start that waits for a confirmation: \"turnout history\" shows what \
                 became of the last ones",
            ),
            Self::Id(id) => {
                write!(f, "{} is no id that can be kept: 1 to {MAX_ID} bytes", quoted(id))
            }
            Self::Empty(name) => write!(
                f,
                "{} is being installed into: \"turnout slot set-primary\" says that this is done",
                quoted(name)
            ),
        }
    }
}

impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::super::rules::{Count, Rules};
    use super::*;

    #[test]
    fn the_first_one_is_not_one_without_a_try_left() {
        let mut slots = Slots::default();
        slots.declare(["A", "B"].into_iter(), 3);
        assert_eq!(slots.primary(), Some(0));
        slots.list[0].left = 0;
        assert_eq!(slots.primary(), Some(1));
        slots.list[1].left = 0;
        assert_eq!(slots.primary(), None, "where none is tried, none is the first");
        // It was good once, and the other one, which has the higher priority, never.
        slots.list[1].good_once = true;
        let rules = Rules { count: Count::All, tries: 3, is_declared: true };
        assert_eq!(slots.order(&rules), ["B"]);
        assert_eq!(slots.primary(), Some(1));
        slots.mark_good("B").unwrap();
        assert_eq!(slots.primary(), Some(1));
    }

    #[test]
    fn a_slot_comes_first_however_often_others_were_made_so_before() {
        let mut slots = Slots::default();
        slots.declare(["A", "B", "C"].into_iter(), 3);
        slots.list[0].priority = 255;
        slots.list[1].priority = 7;
        slots.list[2].priority = 255;
        slots.set_primary("B").unwrap();
        let rules = Rules { count: Count::All, tries: 3, is_declared: true };
        assert_eq!(slots.order(&rules), ["B", "A", "C"], "the others keep their order");
        let priorities: Vec<u8> = slots.list.iter().map(|slot| slot.priority).collect();
        assert_eq!(priorities, [1, 2, 1]);
        for turn in 0..600 {
            let name = ["C", "A"][turn % 2];
            slots.set_primary(name).unwrap();
            assert_eq!(slots.order(&rules).first(), Some(&name), "{turn}");
            assert_eq!(slots.order(&rules).last(), Some(&if turn == 0 { "A" } else { "B" }));
        }
    }
}
