//! What a start does with the slots: settles what the last one left open, puts the slots
//! in order, spends a try, follows the attempt, and rests where nothing boots.
//!
//! Every function takes the state in memory from one that may be on the disk to the next;
//! the caller writes before it goes on. Nothing here depends on the time of day, and a
//! pause is a number that somebody else waits for.

use core::time::Duration;

use super::wrong::{Wrong, is};
use super::{
    Attempt, Cause, MAX, MAX_HISTORY, MAX_ID, MAX_TRIES, Outcome, Slot, Slots, Stage, Start,
    name_of,
};
use crate::base::digest::Digest;

/// The pauses where nothing boots, one start after the other; the last one is repeated.
pub const PAUSES: [Duration; 4] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];

/// Which starts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// All: a good slot that nobody confirms any more falls back too.
    All,
    /// Those of slots that nobody has confirmed yet; a start of a good one writes nothing.
    Unconfirmed,
    /// None.
    Off,
}

/// What an image says of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Which starts are counted.
    pub count: Count,
    /// How often a slot is tried until it was confirmed.
    pub tries: u8,
    /// Whether the image declares its slots.
    pub is_declared: bool,
}

impl Rules {
    /// Whether no floor rises past the last slot that was good. Where no slot is declared
    /// and starts of good ones are not counted, what is in them is not known.
    #[must_use]
    pub const fn keep_good(&self) -> bool {
        match self.count {
            Count::All => true,
            Count::Unconfirmed => self.is_declared,
            Count::Off => false,
        }
    }
}

/// The attempt of an earlier start that nobody has confirmed, as it was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// As it was left.
    pub attempt: Attempt,
    /// What its slot is called.
    pub name: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether another device's mount has ended it and the start before it.
    pub is_again: bool,
}

/// When a slot is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Before all others, once.
    Once,
    /// It is good or has tries left.
    Tries,
    /// It has none, and was good once.
    LastResort,
    /// Only by somebody's hand.
    Never,
}

/// What is about to be attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// Name of its slot; none of a recovery system.
    pub slot: Option<&'a str>,
    /// Id of the entry; empty as long as it is not known.
    pub entry: &'a str,
    /// Tries that the entry's file name gives it; none where it has no counter.
    pub named_tries: Option<u8>,
    /// Why this one.
    pub cause: Cause,
    /// How far it is.
    pub stage: Stage,
}

/// The pause with this number since something was confirmed, from 0.
#[must_use]
pub fn pause(number: u8) -> Pause {
    let [.., last] = PAUSES;
    let time = PAUSES.get(usize::from(number)).copied().unwrap_or(last);
    Pause { time, is_long: time == last }
}

/// What is waited for before the machine is reset, or looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// How long.
    pub time: Duration,
    /// Whether tries come back after it.
    pub is_long: bool,
}

impl Settled {
    /// Whether the mount of a device has ended it, as far as is known; `None` of the
    /// device means the slot's own.
    #[must_use]
    pub fn died_at_mount(&self) -> bool {
        let Attempt { exact, stage, .. } = self.attempt;
        exact && stage == Stage::Mounting && !is(Wrong::KillerMountedAgain)
    }
}

impl Slots {
    /// Makes the slots those that the image declares, the first one first, each with as
    /// many tries as it says. To be called once the last attempt is settled.
    pub fn declare<'a>(&mut self, names: impl Iterator<Item = &'a str> + Clone, tries: u8) {
        for number in (0..self.list.len()).rev() {
            let slot = self.list.get(number);
            if !slot.is_some_and(|slot| names.clone().any(|name| name == slot.name)) {
                self.remove(number);
            }
        }
        let count = names.clone().count();
        for (rank, name) in names.take(MAX).enumerate() {
            match self.list.iter_mut().find(|slot| slot.name == name) {
                Some(slot) => slot.give_at_most(tries),
                None => {
                    let priority = u8::try_from(count.saturating_sub(rank)).unwrap_or(u8::MAX);
                    self.list.push(Slot { priority, ..Slot::new(name, tries) });
                }
            }
        }
    }

    /// Settles the attempt of the last start, which nobody has confirmed.
    pub fn settle(&mut self, by_watchdog: bool) -> Option<Settled> {
        let attempt = self.attempt.take()?;
        let is_others = attempt.device.is_some();
        // Two that kill in turn would give the try back for ever.
        let is_again = is_others && self.died_at_mount_before();
        let is_free = is_others && !is_again && !is(Wrong::OtherDeviceCharged);
        let outcome = match attempt.stage {
            _ if by_watchdog => Outcome::Watchdog,
            Stage::Jumped => Outcome::NotConfirmed,
            _ if attempt.exact => Outcome::Died,
            _ => Outcome::NotConfirmed,
        };
        let name = self.slot_of(&attempt).map(|slot| slot.name.clone());
        if let Some(slot) = self.slot_mut(attempt.slot) {
            if is_free {
                slot.give_back(&attempt);
            } else {
                slot.end(outcome);
            }
        }
        self.close(outcome);
        self.counters.resets = self.counters.resets.saturating_add(1);
        self.counters.row = 0;
        if is(Wrong::PausesForgotten) {
            self.counters.pauses = 0;
        }
        Some(Settled { attempt, name, outcome, is_again })
    }

    /// Whether a mount has ended the start before the last one, as far as is known. What
    /// came back has ended none.
    fn died_at_mount_before(&self) -> bool {
        let came_back =
            |start: &&Start| matches!(start.outcome, Outcome::Failed | Outcome::Refused);
        let before = self.history.iter().skip(1).find(|start| !came_back(start));
        before.is_some_and(|start| {
            start.stage == Stage::Mounting
                && matches!(start.outcome, Outcome::Died | Outcome::Watchdog)
        })
    }

    /// The names of the slots that are tried, in this order.
    #[must_use]
    pub fn order(&self, rules: &Rules) -> Vec<&str> {
        let mut slots: Vec<(Turn, &Slot)> = self
            .list
            .iter()
            .map(|slot| (self.turn(slot, rules), slot))
            .filter(|(turn, _)| *turn != Turn::Never)
            .collect();
        // As stable as the list: few enough for the simplest sort.
        crate::base::sort::sort_by(&mut slots, |one, other| {
            one.0.cmp(&other.0).then(other.1.priority.cmp(&one.1.priority))
        });
        slots.into_iter().map(|(_, slot)| slot.name.as_str()).collect()
    }

    /// When the slot of an entry is tried, where none is declared: one that is not known
    /// has the tries of its file's name, and without a counter there it counts as good.
    #[must_use]
    pub fn turn_of(&self, name: &str, named_tries: Option<u8>, rules: &Rules) -> Turn {
        match self.get(&name_of(name)) {
            Some(slot) => self.turn(slot, rules),
            None if self.once.as_deref() == Some(name) => Turn::Once,
            // Whoever counted it down may have done so for a disk that is back.
            None if named_tries == Some(0) && rules.count != Count::Off && self.has_room() => {
                Turn::LastResort
            }
            None if rules.count == Count::Off || self.has_room() => Turn::Tries,
            // Whatever it did to the machine could not be counted.
            None if named_tries.is_some() || rules.count == Count::All => Turn::Never,
            None => Turn::Tries,
        }
    }

    fn turn(&self, slot: &Slot, rules: &Rules) -> Turn {
        let may = slot.is_usable() || is(Wrong::EmptyTried);
        if may && self.once.as_deref() == Some(slot.name.as_str()) {
            return Turn::Once;
        }
        match slot.turn(rules.count != Count::Off) {
            // Where nothing is declared, what nobody confirms boots when all others fail.
            Turn::Never if may && !rules.is_declared && !slot.bad && !slot.last_resort => {
                Turn::LastResort
            }
            turn => turn,
        }
    }

    /// Opens an attempt, before anything of its slot is touched: spends a try where it
    /// counts, and uses the choice for one start up: whoever still needs that has read it
    /// before. One that was open in this start is put back: it was moved to this one.
    pub fn begin(&mut self, target: &Target<'_>, rules: &Rules) {
        self.leave();
        if !is(Wrong::OnceKept) {
            self.once = None;
        }
        if rules.count == Count::Off {
            return;
        }
        let number = target.slot.and_then(|name| self.number_for(name, target, rules));
        let slot = self.slot_mut(number);
        let is_good = slot.as_ref().is_some_and(|slot| slot.confirmed);
        if is_good && rules.count == Count::Unconfirmed && target.cause != Cause::Recovery {
            return;
        }
        let is_counted = slot.is_some() || target.cause == Cause::Recovery;
        let is_silent = rules.count == Count::Unconfirmed && !rules.is_declared;
        if !is_counted && (target.slot.is_some() || is_silent) {
            return;
        }
        let spent = slot.is_some_and(|slot| slot.spend(target.cause));
        if target.cause == Cause::Recovery {
            self.counters.recoveries = self.counters.recoveries.saturating_add(1);
        }
        self.counters.starts = self.counters.starts.saturating_add(1);
        let (stage, cause) = (target.stage, target.cause);
        let slot = number;
        self.history.insert(0, Start { slot, stage, outcome: Outcome::Open, cause });
        self.history.truncate(MAX_HISTORY);
        self.attempt = Some(Attempt {
            slot,
            entry: cut(target.entry),
            device: None,
            manifest: None,
            stage,
            cause,
            spent,
            exact: !is_good,
        });
    }

    /// The slot of the attempt has paid in this start before: it costs no more.
    pub fn spare(&mut self) {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.spent) else { return };
        attempt.spent = false;
        let number = attempt.slot;
        if let Some(slot) = self.slot_mut(number) {
            slot.left = slot.left.saturating_add(1).min(slot.most);
        }
    }

    /// If the attempt is of what one of the last so many was of, it is that one again: no
    /// other start. Whether it is.
    pub fn reopen(&mut self, last: usize) -> bool {
        let Some(open) = self.history.first().filter(|_| self.attempt.is_some()) else {
            return false;
        };
        let is_same = |start: &Start| {
            start.slot == open.slot && (open.slot.is_some() || start.cause == open.cause)
        };
        let earlier = self.history.iter().skip(1).take(last).position(is_same);
        let Some(earlier) = earlier else { return false };
        self.history.remove(earlier.saturating_add(1));
        self.counters.starts = self.counters.starts.saturating_sub(1);
        true
    }

    /// The attempt is one at this entry of the same slot.
    pub fn enter(&mut self, entry: &str) {
        if let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.exact) {
            attempt.entry = cut(entry);
        }
    }

    /// Where stages are written down: the attempt has come to this one; `device` is what
    /// is mounted, where that is not the slot's own.
    pub fn reach(&mut self, stage: Stage, device: Option<&str>) {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.exact) else { return };
        attempt.stage = stage;
        attempt.device = device.map(cut);
        if let Some(start) = self.history.first_mut() {
            start.stage = stage;
        }
    }

    /// Right before the jump: to what. A slot that holds another system than the one that
    /// was confirmed is good no more, and this start of it counts.
    pub fn jump(&mut self, target: &Target<'_>, manifest: Option<Digest>, rules: &Rules) {
        if self.attempt.is_none() && self.is_replaced(target, manifest, rules) {
            self.begin(target, rules);
        }
        let Some(attempt) = &mut self.attempt else { return };
        let slot = attempt.slot.and_then(|number| self.list.get_mut(usize::from(number)));
        if let Some(slot) = slot
            && slot.jumped != manifest
        {
            if slot.confirmed && slot.jumped.is_some() && !is(Wrong::ReplacedStaysGood) {
                slot.doubt();
                attempt.spent = slot.spend(attempt.cause);
            }
            slot.jumped = manifest;
            attempt.exact = true;
        }
        if attempt.exact {
            attempt.manifest = manifest;
        }
        // Of a good slot it is taken to be the last one's until something else is known.
        if attempt.exact || row_of(target.entry) != self.counters.row_of {
            attempt.entry = cut(target.entry);
        }
        self.reach(Stage::Jumped, None);
        if is(Wrong::AttemptClosedAtJump) {
            self.attempt = None;
        }
    }

    /// Whether a good slot whose starts are not counted holds another system by now. It is
    /// good no more then.
    fn is_replaced(&mut self, target: &Target<'_>, next: Option<Digest>, rules: &Rules) -> bool {
        let name = name_of(target.slot.unwrap_or_default());
        let slot = self.list.iter_mut().find(|slot| slot.name == name);
        let Some(slot) = slot.filter(|slot| rules.count == Count::Unconfirmed && slot.confirmed)
        else {
            return false;
        };
        if rules.is_declared && slot.jumped.is_none() {
            // Once: a floor is kept from rising past it only by what is known to be in it.
            slot.jumped = next;
        }
        let is_replaced = slot.jumped.is_some() && slot.jumped != next;
        if is_replaced && !is(Wrong::ReplacedStaysGood) {
            slot.doubt();
        }
        is_replaced
    }

    /// The attempt of this start came back, and the try that it cost is spent.
    pub fn fail(&mut self, outcome: Outcome) {
        let Some(attempt) = self.attempt.take() else { return };
        if let Some(slot) = self.slot_mut(attempt.slot) {
            slot.end(outcome);
        }
        self.close(outcome);
    }

    /// Whether a pause comes before a recovery system is started again: nobody has
    /// confirmed the last one, or there was one since the last pause, and it did not help.
    #[must_use]
    pub fn rests_before_recovery(&self, settled: Option<&Settled>) -> bool {
        let was_left = settled.is_some_and(|settled| settled.attempt.cause == Cause::Recovery);
        (was_left || self.counters.recoveries > 0) && !is(Wrong::RecoveryLoops)
    }

    /// Nothing boots: how long to wait. To be written before the wait.
    pub fn rest(&mut self) -> Pause {
        let number = if is(Wrong::PausesDoNotGrow) { 0 } else { self.counters.pauses };
        let mut pause = pause(number);
        pause.is_long |= is(Wrong::TriesAfterShortPause) && number == 0;
        if is(Wrong::NoPause) {
            pause = Pause { time: Duration::ZERO, is_long: false };
        }
        self.counters.pauses = self.counters.pauses.saturating_add(1);
        self.counters.recoveries = 0;
        if is(Wrong::TriesBeforePause) {
            self.rested(pause);
        }
        pause
    }

    /// The pause is over: what was good once may be tried again, and after a long one every
    /// slot, for its disk may be back.
    pub fn rested(&mut self, pause: Pause) {
        if !is(Wrong::HealsNever) {
            self.list.iter_mut().for_each(|slot| slot.renew(pause.is_long));
        }
    }

    /// Whether the file name of an entry has lost the counter that the slot's tries are
    /// from: somebody has confirmed it, if it is still what was started.
    pub fn name_lost_counter(&mut self, name: &str, manifest: Option<Digest>) -> bool {
        let mut slots = self.list.iter_mut();
        let found =
            slots.find(|slot| slot.name == name && slot.from_name && slot.jumped == manifest);
        let Some(slot) = found else { return false };
        slot.from_name = false;
        slot.confirm();
        true
    }

    /// Whether the countdown is left out: this default was confirmed often enough.
    #[must_use]
    pub fn is_instant(&self, default: &str, after: u8) -> bool {
        after > 0 && self.counters.row >= after && self.counters.row_of == row_of(default)
    }

    /// Forgets the attempt of this start, if one was begun: what is started is another one,
    /// or of no slot.
    pub fn leave(&mut self) {
        let Some(attempt) = self.attempt.take() else { return };
        if let Some(slot) = self.slot_mut(attempt.slot)
            && !is(Wrong::MoveCostsBoth)
        {
            slot.give_back(&attempt);
        }
        if attempt.cause == Cause::Recovery {
            self.counters.recoveries = self.counters.recoveries.saturating_sub(1);
        }
        self.counters.starts = self.counters.starts.saturating_sub(1);
        if !self.history.is_empty() {
            self.history.remove(0);
        }
    }

    /// Number of the slot that an attempt is of; made if there is none, it counts and
    /// there is room.
    fn number_for(&mut self, name: &str, target: &Target<'_>, rules: &Rules) -> Option<u8> {
        if let Some(number) = self.find(&name_of(name)) {
            let slot = self.list.get_mut(number)?;
            slot.from_name |= target.named_tries.is_some();
            return u8::try_from(number).ok();
        }
        let is_good = target.named_tries.is_none() && rules.count != Count::All;
        if rules.is_declared || is_good {
            return None;
        }
        self.put(undeclared(name, target.named_tries, rules.tries))
    }

    /// Puts a slot in: where there is no room, in the place of the one that was tried
    /// longest ago among those that would come back as they were.
    fn put(&mut self, slot: Slot) -> Option<u8> {
        let mut place = self.list.len();
        if place < MAX {
            self.list.push(slot);
        } else {
            place = self.oldest()?;
            self.forget(place);
            *self.list.get_mut(place)? = slot;
        }
        u8::try_from(place).ok()
    }

    /// Whether one more slot can be kept.
    fn has_room(&self) -> bool {
        self.list.len() < MAX || self.oldest().is_some()
    }

    fn oldest(&self) -> Option<usize> {
        let age = |number: usize| {
            let last =
                self.history.iter().position(|start| start.slot.map(usize::from) == Some(number));
            last.unwrap_or(MAX_HISTORY)
        };
        let old = self.list.iter().enumerate().filter(|(_, slot)| slot.comes_back_as_it_was());
        let places = old.map(|(number, _)| number).filter(|number| !self.is_last_good(*number));
        places.max_by_key(|number| age(*number))
    }

    /// Whether a floor may rise to one that only these systems, by the SHA-256 of their
    /// manifests, are known not to be below. To be asked before a floor for operating
    /// systems rises.
    ///
    /// # Errors
    /// There are slots that were good, and none of them would be left; the name of one.
    pub fn may_rise(&self, rules: &Rules, stays: impl Fn(Digest) -> bool) -> Result<(), String> {
        if rules.count == Count::Off || is(Wrong::FloorPassesLastGood) {
            return Ok(());
        }
        let mut good = self.list.iter().filter(|slot| slot.counts_as_good()).peekable();
        let Some(first) = good.peek().map(|slot| slot.name.clone()) else { return Ok(()) };
        match good.any(|slot| slot.jumped.is_some_and(&stays)) {
            true => Ok(()),
            false => Err(first),
        }
    }

    /// A floor has passed what is in this slot: it was good, and may not boot any more.
    /// Whether it was the last good one, which is to be said.
    pub fn fall(&mut self, name: &str) -> bool {
        let Some(number) = self.find(name) else { return false };
        let was_last = self.is_last_good(number);
        if let Some(slot) = self.list.get_mut(number) {
            slot.doubt();
            slot.good_once = false;
        }
        was_last
    }

    /// Whether no other slot that may be tried was ever good.
    #[must_use]
    pub fn is_last_good(&self, number: usize) -> bool {
        let mut all = self.list.iter().enumerate();
        self.list.get(number).is_some_and(Slot::counts_as_good)
            && !all.any(|(other, slot)| other != number && slot.counts_as_good())
    }

    /// Takes a slot out; the numbers of those behind it change.
    fn remove(&mut self, number: usize) {
        self.forget(number);
        self.list.remove(number);
        let removed = u8::try_from(number).unwrap_or(u8::MAX);
        let behind = |slot: &mut Option<u8>| {
            *slot = slot.map(|slot| if slot > removed { slot.saturating_sub(1) } else { slot });
        };
        self.history.iter_mut().for_each(|start| behind(&mut start.slot));
        self.attempt.iter_mut().for_each(|attempt| behind(&mut attempt.slot));
    }

    /// Nothing is of this slot any more.
    fn forget(&mut self, number: usize) {
        let number = u8::try_from(number).ok();
        let of_it = self.history.iter_mut().filter(|start| start.slot == number);
        of_it.for_each(|start| start.slot = None);
        self.unbind(number);
    }

    /// The attempt is of this slot no more.
    pub(super) fn unbind(&mut self, number: Option<u8>) {
        let of_it = self.attempt.as_mut().filter(|attempt| attempt.slot == number);
        of_it.into_iter().for_each(|attempt| attempt.slot = None);
    }

    pub(super) fn slot_mut(&mut self, number: Option<u8>) -> Option<&mut Slot> {
        self.list.get_mut(usize::from(number?))
    }

    /// The newest attempt has ended.
    pub(super) fn close(&mut self, outcome: Outcome) {
        if let Some(start) = self.history.first_mut() {
            start.outcome = outcome;
        }
    }
}

impl Slot {
    /// When it is tried, where nothing is to be tried first, once; whether tries are
    /// counted.
    pub(super) fn turn(&self, is_counted: bool) -> Turn {
        if !self.is_usable() && !is(Wrong::EmptyTried) {
            return Turn::Never;
        }
        let has_tries =
            self.confirmed || self.left > 0 || !is_counted || is(Wrong::OrderWithoutTries);
        match (has_tries && !self.bad, self.good_once && !self.last_resort) {
            (true, _) => Turn::Tries,
            (false, true) if !is(Wrong::NoLastResort) => Turn::LastResort,
            _ => Turn::Never,
        }
    }

    /// Whether that has cost a try.
    fn spend(&mut self, cause: Cause) -> bool {
        if cause == Cause::LastResort {
            self.last_resort = !is(Wrong::LastResortForEver);
        }
        let is_free = cause == Cause::Hand && is(Wrong::MoveCostsNone);
        let costs = !self.confirmed && self.left > 0 && !is(Wrong::SpentAfterLoad) && !is_free;
        if costs {
            self.left = self.left.saturating_sub(if is(Wrong::CostsTwo) { 2 } else { 1 });
        }
        costs
    }

    /// An attempt was moved to another slot.
    fn give_back(&mut self, attempt: &Attempt) {
        if attempt.spent {
            self.left = self.left.saturating_add(1).min(self.most);
        }
        if attempt.cause == Cause::LastResort {
            self.last_resort = false;
        }
    }

    /// An attempt has ended, and nobody has confirmed it.
    fn end(&mut self, outcome: Outcome) {
        if is(Wrong::UnconfirmedForgotten) {
            return;
        }
        self.last = outcome;
        if !is(Wrong::GoodForEver) {
            self.doubt();
        }
    }

    /// Whether it is good is not known any more.
    const fn doubt(&mut self) {
        if self.confirmed {
            self.confirmed = false;
            self.left = self.most;
        }
    }

    /// From now on it has so many tries, and no more left than before.
    fn give_at_most(&mut self, tries: u8) {
        self.most = tries.clamp(1, MAX_TRIES);
        self.left = if self.confirmed { self.most } else { self.left.min(self.most) };
    }

    /// Whether it may boot by itself, and did.
    pub(super) const fn counts_as_good(&self) -> bool {
        let is_tried = self.confirmed || self.left > 0 || !self.last_resort;
        self.good_once && self.is_usable() && !self.bad && is_tried
    }

    /// Whether nothing is lost by forgetting it, but that it was confirmed.
    const fn comes_back_as_it_was(&self) -> bool {
        let is_marked = self.bad || !self.is_usable() || self.last_resort;
        !is_marked && self.left == self.most && (self.confirmed || !self.good_once)
    }

    /// It has confirmed itself.
    pub(super) fn confirm(&mut self) {
        self.enabled = true;
        self.good_once = true;
        self.confirmed = true;
        self.bad = false;
        self.empty = false;
        self.last_resort = false;
        self.last = Outcome::Confirmed;
        if !is(Wrong::BlessWithoutTries) {
            self.left = self.most;
        }
    }

    const fn renew(&mut self, has_tries: bool) {
        if self.is_usable() {
            self.last_resort = false;
            if has_tries {
                self.left = self.most;
            }
        }
    }
}

/// The slot of an entry that was never attempted. One without a counter in its name was
/// confirmed, by whoever has taken it away or never gave it one.
fn undeclared(name: &str, named_tries: Option<u8>, tries: u8) -> Slot {
    let mut slot = Slot::new(&name_of(name), named_tries.unwrap_or(tries));
    match named_tries {
        Some(left) => {
            slot.from_name = true;
            slot.left = left.min(slot.most);
        }
        None => slot.confirm(),
    }
    slot.last = Outcome::Open;
    slot
}

/// The first bytes of the SHA-256 of a default's id.
pub(super) fn row_of(id: &str) -> [u8; 8] {
    let Digest(digest) = Digest::of(id.as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}

pub(super) fn cut(id: &str) -> String {
    id.get(..id.floor_char_boundary(MAX_ID)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNDECLARED: Rules = Rules { count: Count::Unconfirmed, tries: 3, is_declared: false };

    #[test]
    fn however_many_pauses_there_were_each_recovery_system_is_followed_by_one() {
        let mut slots = Slots::default();
        for _ in 0..300 {
            slots.rest();
        }
        let stage = Stage::Reading;
        let target =
            Target { slot: None, entry: "r", named_tries: None, cause: Cause::Recovery, stage };
        for _ in 0..2 {
            assert!(!slots.rests_before_recovery(None));
            slots.begin(&target, &Rules { is_declared: true, ..UNDECLARED });
            slots.bless().unwrap();
            assert!(slots.rests_before_recovery(None));
            slots.rest();
        }
    }

    #[test]
    fn a_slot_that_has_used_its_last_resort_up_is_no_good_one_that_is_left() {
        let mut slots = Slots::default();
        slots.declare(["A", "B"].into_iter(), 3);
        ["A", "B"].into_iter().for_each(|name| slots.mark_good(name).unwrap());
        let dead = slots.list.first_mut().unwrap();
        (dead.confirmed, dead.left, dead.last_resort) = (false, 0, true);
        assert!(slots.is_last_good(1) && !slots.is_last_good(0));
        slots.install("B", false).unwrap_err();
    }

    #[test]
    fn an_undeclared_entry_that_nobody_confirms_is_a_last_resort_unless_it_was_called_bad() {
        let mut slots = Slots::default();
        let begin = |slots: &mut Slots, cause| {
            let target = Target {
                slot: Some("d"),
                entry: "d",
                named_tries: Some(1),
                cause,
                stage: Stage::Reading,
            };
            slots.begin(&target, &UNDECLARED);
            slots.settle(false);
        };
        begin(&mut slots, Cause::Order);
        assert_eq!(slots.turn_of("d", Some(1), &UNDECLARED), Turn::LastResort);
        let declared = Rules { is_declared: true, ..UNDECLARED };
        assert_eq!(slots.turn_of("d", Some(1), &declared), Turn::Never);
        begin(&mut slots, Cause::LastResort);
        assert_eq!(slots.turn_of("d", Some(1), &UNDECLARED), Turn::Never);
        slots.rest();
        let long = Pause { time: Duration::from_secs(600), is_long: true };
        slots.list[0].left = 0;
        slots.rested(long);
        slots.list[0].left = 0;
        assert_eq!(slots.turn_of("d", Some(1), &UNDECLARED), Turn::LastResort);
        slots.mark_bad("d", true).unwrap();
        assert_eq!(slots.turn_of("d", Some(1), &UNDECLARED), Turn::Never);
    }

    const RULES: Rules = Rules { count: Count::All, tries: 3, is_declared: false };

    /// As many entries as there is room for, each confirmed after a start, `e0` first.
    fn full() -> Slots {
        let mut slots = Slots::default();
        for number in 0..MAX {
            begin(&mut slots, &format!("e{number}"), None);
            slots.bless().unwrap();
        }
        slots
    }

    fn begin(slots: &mut Slots, name: &str, named_tries: Option<u8>) {
        let target = Target {
            slot: Some(name),
            entry: name,
            named_tries,
            cause: Cause::Order,
            stage: Stage::Reading,
        };
        slots.begin(&target, &RULES);
    }

    /// What was started, the newest first.
    fn started(slots: &Slots) -> Vec<Option<&str>> {
        let name = |start: &Start| Some(slots.list.get(usize::from(start.slot?))?.name.as_str());
        slots.history.iter().map(name).collect()
    }

    #[test]
    fn a_ninth_entry_takes_the_place_of_the_one_that_was_started_longest_ago() {
        let mut slots = full();
        // What was started again is not the oldest any more.
        begin(&mut slots, "e0", None);
        slots.bless().unwrap();
        begin(&mut slots, "e8", Some(2));
        assert_eq!(slots.list.len(), MAX);
        assert_eq!(slots.get("e1"), None);
        assert_eq!(slots.find("e8"), Some(1));
        assert_eq!(slots.get("e8").map(|slot| (slot.left, slot.confirmed)), Some((1, false)));
        let attempt = slots.attempt.as_ref().unwrap();
        assert_eq!(slots.slot_of(attempt).unwrap().name, "e8");
        let names = ["e8", "e0", "e7", "e6", "e5", "e4", "e3", "e2"].map(Some);
        let started = started(&slots);
        assert_eq!(started[..8], names);
        assert_eq!(started[8..], [None, Some("e0")], "what e1 was is no other's");
        assert!(slots.is_sound());
    }

    #[test]
    fn no_entry_is_forgotten_of_which_something_is_to_be_remembered() {
        let mut slots = full();
        for (number, slot) in slots.list.iter_mut().enumerate() {
            match number % 4 {
                0 => slot.bad = true,
                1 => slot.empty = true,
                2 => slot.last_resort = true,
                _ => slot.left = 1,
            }
            slot.confirmed = false;
        }
        let before = slots.clone();
        for named_tries in [None, Some(0), Some(3)] {
            assert_eq!(slots.turn_of("e8", named_tries, &RULES), Turn::Never);
            begin(&mut slots, "e8", named_tries);
            assert_eq!(slots, before);
        }
        assert_eq!(slots.turn_of("e3", None, &RULES), Turn::Tries);
        slots.list[5] = Slot::new("fresh", 3);
        assert_eq!(slots.turn_of("e8", Some(3), &RULES), Turn::Tries);
        begin(&mut slots, "e8", Some(3));
        assert_eq!(slots.find("e8"), Some(5), "of this one nothing is known");
    }

    #[test]
    fn the_last_good_entry_keeps_its_place_whatever_comes() {
        let mut slots = full();
        for slot in slots.list.iter_mut().skip(1) {
            *slot = Slot::new(&slot.name, 3);
        }
        for number in 8..30 {
            begin(&mut slots, &format!("e{number}"), Some(3));
            slots.fail(Outcome::Failed);
        }
        assert!(slots.get("e0").is_some_and(|slot| slot.confirmed));
        assert!(slots.is_sound());
    }

    #[test]
    fn a_slot_that_is_declared_no_more_takes_its_starts_along_and_no_other_s() {
        let declared = Rules { is_declared: true, ..RULES };
        let mut slots = Slots::default();
        slots.declare(["A", "B", "C"].into_iter(), 3);
        for name in ["A", "B", "C"] {
            let target = Target {
                slot: Some(name),
                entry: "",
                named_tries: None,
                cause: Cause::Order,
                stage: Stage::Mounting,
            };
            slots.attempt = None;
            slots.begin(&target, &declared);
        }
        slots.declare(["C", "A", "D"].into_iter(), 3);
        assert_eq!(started(&slots), [Some("C"), None, Some("A")]);
        let attempt = slots.attempt.clone().unwrap();
        assert_eq!(slots.slot_of(&attempt).unwrap().name, "C");
        assert!(slots.is_sound());
        slots.declare(["A", "D"].into_iter(), 3);
        assert_eq!(slots.attempt.as_ref().unwrap().slot, None, "it is nobody's by now");
        assert_eq!(started(&slots), [None, None, Some("A")]);
        assert!(slots.is_sound());
        assert_eq!(slots.settle(false).unwrap().name, None);
        assert_eq!(slots.get("D").unwrap().left, 3, "and has cost no other a try");
    }

    fn rules(count: Count, is_declared: bool) -> Rules {
        Rules { count, tries: 3, is_declared }
    }

    /// A is good, and what is in it is known only from a jump.
    fn good() -> Slots {
        let mut slots = Slots::default();
        slots.declare(["A", "B"].into_iter(), 3);
        slots.mark_good("A").unwrap();
        slots
    }

    #[test]
    fn no_floor_rises_past_the_last_good_slot_where_slots_are_declared_and_counted() {
        let asks = |count, is_declared| rules(count, is_declared).keep_good();
        assert!(asks(Count::All, true) && asks(Count::All, false));
        assert!(asks(Count::Unconfirmed, true) && !asks(Count::Unconfirmed, false));
        assert!(!asks(Count::Off, true) && !asks(Count::Off, false));
        let refused = good().may_rise(&rules(Count::Unconfirmed, true), |_| false);
        assert_eq!(refused, Err("A".to_owned()));
    }

    #[test]
    fn what_is_in_a_good_slot_is_known_from_its_next_jump_on() {
        let (rules, digest) = (rules(Count::Unconfirmed, true), Digest::of(b"a"));
        let cause = Cause::Order;
        let slot = Some("A");
        let target = Target { slot, entry: "a", named_tries: None, cause, stage: Stage::Loaded };
        let mut slots = good();
        slots.jump(&target, Some(digest), &rules);
        assert_eq!(slots.may_rise(&rules, |stays| stays == digest), Ok(()));
        assert!(slots.list[0].confirmed && slots.attempt.is_none());
        let written = slots.clone();
        slots.jump(&target, Some(digest), &rules);
        assert_eq!(slots, written, "and nothing more is written");
    }
}
