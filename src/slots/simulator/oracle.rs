//! What must hold whatever happens, worked out from what has happened and not from the
//! rules.

use core::time::Duration;

use super::super::rules::{Count, PAUSES, Rules};
use super::super::{Outcome, Slot, Slots, Stage};
use super::Act;
use super::machine::{End, Log, NAMES, Went, system};

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Law {
    /// A slot that can boot always will, within so many starts.
    BootsInTheEnd,
    /// An attempt is counted, once, at the slot that it was of.
    Counted,
    /// Tries rise by a cause, and by each cause that there is.
    TriesByCause,
    /// The last good slot is never lost.
    LastGood,
    /// Nothing goes round faster than the pauses.
    BacksOff,
    /// A cut costs one try at most.
    OneTryACut,
    /// What may be tried is tried, in the order, and nothing else.
    Order,
}

impl Law {
    pub(super) const ALL: [Self; 7] = [
        Self::BootsInTheEnd,
        Self::Counted,
        Self::TriesByCause,
        Self::LastGood,
        Self::BacksOff,
        Self::OneTryACut,
        Self::Order,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::BootsInTheEnd => {
                "a slot that can boot always will within a bounded number of starts"
            }
            Self::Counted => "an attempt is counted, once, at the slot that it was of",
            Self::TriesByCause => "tries rise by a cause, and by each that there is",
            Self::LastGood => "the last good slot is never lost",
            Self::BacksOff => "nothing goes round faster than the pauses",
            Self::OneTryACut => "a cut costs one try at most",
            Self::Order => "what may be tried is tried in the order, and nothing else",
        }
    }
}

/// What a slot has: all its tries and one more if it is good.
fn worth(slot: &Slot) -> u8 {
    if slot.confirmed { slot.most + 1 } else { slot.left }
}

fn worths(slots: &Slots) -> [Option<u8>; 2] {
    NAMES.map(|name| slots.get(name).map(worth))
}

pub(super) fn is_good(slot: &Slot) -> bool {
    slot.good_once && slot.enabled && !slot.empty && !slot.bad
}

fn holds(law: Law, holds: bool) -> Result<(), Law> {
    if holds { Ok(()) } else { Err(law) }
}

/// After whatever happened: a machine that had a good slot has one.
pub(super) fn keeps_a_good_one(before: &Slots, after: &Slots) -> Result<(), Law> {
    let has_one = |slots: &Slots| slots.list.iter().any(is_good);
    holds(Law::LastGood, !has_one(before) || has_one(after))
}

/// Whether mounts have ended two starts in a row: the second is paid for.
fn kills_again(slots: &Slots) -> bool {
    let ended = slots.history.iter().skip(1);
    let mut ended = ended.filter(|it| !matches!(it.outcome, Outcome::Failed | Outcome::Refused));
    ended.next().is_some_and(|it| {
        it.stage == Stage::Mounting && matches!(it.outcome, Outcome::Died | Outcome::Watchdog)
    })
}

/// After a verb: a machine that had a good slot which is tried by itself has one.
pub(super) fn keeps_a_last_good(before: &Slots, after: &Slots) -> Result<(), Law> {
    let is_tried = |slot: &Slot| slot.confirmed || slot.left > 0 || !slot.last_resort;
    let has_one = |slots: &Slots| slots.list.iter().any(|slot| is_good(slot) && is_tried(slot));
    holds(Law::LastGood, !has_one(before) || has_one(after))
}

/// What each slot is worth after a start, if it is what has happened to it that counts.
struct Ledger {
    worth: [Option<u8>; 2],
    most: u8,
}

impl Ledger {
    /// What the last start has left open is settled.
    fn open(before: &Slots, rules: &Rules) -> Self {
        let mut ledger = Self { worth: worths(before), most: rules.tries };
        let Some(attempt) = &before.attempt else { return ledger };
        let name = attempt.slot.and_then(|slot| before.list.get(usize::from(slot)));
        let slot = name.and_then(|slot| NAMES.iter().position(|name| *name == slot.name));
        let Some(worth) = slot.and_then(|slot| ledger.worth[slot].as_mut()) else { return ledger };
        *worth = match attempt.device {
            Some(_) if kills_again(before) => (*worth).min(rules.tries),
            Some(_) if attempt.spent => (*worth + 1).min(rules.tries),
            Some(_) => *worth,
            None => (*worth).min(rules.tries),
        };
        ledger
    }

    fn attempt(&mut self, slot: usize, went: Went, before: Option<&Slot>, rules: &Rules) {
        let fresh = if rules.count == Count::All && before.is_none() { self.most } else { 0 };
        let named = if rules.is_declared { fresh } else { self.most };
        let worth = self.worth[slot].unwrap_or(named);
        let is_good = worth > self.most;
        let is_silent = is_good && rules.count == Count::Unconfirmed;
        let known = before.and_then(|slot| slot.jumped);
        self.worth[slot] = Some(match went {
            Went::Moved => worth,
            Went::On(number) if is_good && known.is_some_and(|it| it != system(slot, number)) => {
                self.most - 1
            }
            Went::Back if is_good && !is_silent => self.most,
            _ if is_good => worth,
            _ => worth.saturating_sub(1),
        });
    }
}

/// After a start; `is_exact` if every try is accounted for.
pub(super) fn start(
    before: &Slots,
    after: &Slots,
    log: &Log,
    rules: &Rules,
    is_exact: bool,
) -> Result<(), Law> {
    keeps_a_good_one(before, after)?;
    order(before, log, rules)?;
    let mut ledger = Ledger::open(before, rules);
    if log.end == End::Cut {
        let came_back = log.attempts.iter().filter(|(_, went)| *went == Went::Back).count();
        return cut(before, after, &ledger, came_back);
    }
    for (slot, went) in &log.attempts {
        ledger.attempt(*slot, *went, before.get(NAMES[*slot]), rules);
    }
    let rested = log.pause.as_ref().map_or(after, |[rested, _]| rested);
    if is_exact {
        accounts(&ledger, rested)?;
    }
    opens(after, log, before, rules)?;
    holds(Law::Order, log.attempts.is_empty() || after.once.is_none())?;
    pause(before, log)
}

fn accounts(ledger: &Ledger, after: &Slots) -> Result<(), Law> {
    for (expected, found) in ledger.worth.into_iter().zip(worths(after)) {
        holds(Law::TriesByCause, found.is_none() || found <= expected)?;
        holds(Law::Counted, found.is_none() || found == expected)?;
    }
    Ok(())
}

/// What has jumped, or has ended the start, is on the disk as the attempt that it was.
fn opens(after: &Slots, log: &Log, before: &Slots, rules: &Rules) -> Result<(), Law> {
    let Some((slot, Went::On(_) | Went::Died | Went::Killed)) = log.attempts.last() else {
        return Ok(());
    };
    let was_good = before.get(NAMES[*slot]).is_some_and(|slot| slot.confirmed);
    let open = after.attempt.as_ref().and_then(|attempt| after.slot_of(attempt));
    let is_open = open.is_some_and(|open| open.name == NAMES[*slot]);
    holds(Law::Counted, is_open || (rules.count == Count::Unconfirmed && was_good))
}

/// The power failed in a start: nothing rose, and at most one try is gone that no attempt
/// had which came back.
fn cut(before: &Slots, after: &Slots, settled: &Ledger, came_back: usize) -> Result<(), Law> {
    if before == after {
        return Ok(());
    }
    let mut lost = 0;
    for (before, after) in settled.worth.into_iter().zip(worths(after)) {
        let (Some(before), Some(after)) = (before, after) else { continue };
        holds(Law::TriesByCause, after <= before)?;
        // To be good no more is as much as a try, however many there are.
        let is_doubtful = before > settled.most && after < before;
        lost += if is_doubtful { settled.most - after } else { before - after };
    }
    holds(Law::OneTryACut, usize::from(lost) <= came_back + 1)
}

fn pause(before: &Slots, log: &Log) -> Result<(), Law> {
    let Some([rested, renewed]) = &log.pause else { return Ok(()) };
    let number = before.counters.pauses;
    let long = PAUSES[3];
    let due = PAUSES.get(usize::from(number)).copied().unwrap_or(long);
    holds(Law::BacksOff, log.end == End::Rested(due) && due >= Duration::from_secs(10))?;
    holds(Law::BacksOff, rested.counters.pauses == number.saturating_add(1))?;
    for (slot, now) in rested.list.iter().zip(&renewed.list) {
        let is_usable = slot.enabled && !slot.empty;
        let rises = if due == long && is_usable { slot.most } else { slot.left };
        holds(Law::TriesByCause, now.left == rises && now.confirmed == slot.confirmed)?;
        // What was good once is tried once between two pauses.
        holds(Law::TriesByCause, !(is_usable && now.last_resort))?;
    }
    Ok(())
}

/// Each slot at most once; usable ones only; the one-shot, then those with tries, by
/// priority, then those that were good once.
fn order(before: &Slots, log: &Log, rules: &Rules) -> Result<(), Law> {
    let is_first = log.order.first().copied() == log.primary;
    holds(Law::Order, is_first || before.once.is_some() || !rules.is_declared)?;
    let is_once = |slot: usize| before.once.as_deref() == Some(NAMES[slot]);
    for slot in [0, 1] {
        let times = log.order.iter().filter(|other| **other == slot).count();
        let Some(known) = before.get(NAMES[slot]) else { continue };
        let ledger = Ledger::open(before, rules);
        let has_tries = ledger.worth[slot].is_some_and(|worth| worth > 0) && !known.bad;
        let open = before.attempt.as_ref();
        let gives_back = open.is_some_and(|it| it.device.is_some()) && !kills_again(before);
        let was_tried = known.last_resort && !gives_back;
        let may = known.enabled && !known.empty;
        let is_worth_it = known.good_once || (!rules.is_declared && !known.bad);
        let due = may && (is_once(slot) || has_tries || (is_worth_it && !was_tried));
        holds(Law::Order, times <= 1)?;
        holds(Law::Order, times == usize::from(due) || (gives_back && known.last_resort))?;
    }
    let [Some(first), Some(second)] = [log.order.first(), log.order.get(1)] else { return Ok(()) };
    let ledger = Ledger::open(before, rules);
    let rank = |slot: usize| {
        let known = before.get(NAMES[slot]);
        let has_tries =
            ledger.worth[slot].is_none_or(|worth| worth > 0) && !known.is_some_and(|slot| slot.bad);
        let priority = known.map_or(0, |slot| slot.priority);
        (!is_once(slot), !has_tries, u8::MAX - priority)
    };
    holds(Law::Order, !rules.is_declared || rank(*first) <= rank(*second))
}

/// After what the running system has done, or what has become of a disk.
pub(super) fn verb(
    before: &Slots,
    after: &Slots,
    act: Act,
    up: Option<Option<usize>>,
) -> Result<(), Law> {
    let is_bound = before.attempt.as_ref().is_some_and(|attempt| attempt.slot.is_some());
    let blessed = up.flatten().filter(|_| act == Act::Bless && is_bound);
    for slot in [0, 1] {
        let [Some(was), Some(is)] = [before, after].map(|slots| slots.get(NAMES[slot])) else {
            continue;
        };
        let is_all = is.left == is.most;
        let is_right = match act {
            Act::Bless if blessed == Some(slot) => {
                is.confirmed && is.good_once && is_all && !is.bad && !is.empty
            }
            Act::Install(it) if it == slot && is != was => {
                is.empty && !is.confirmed && !is.good_once && is_all
            }
            Act::SetPrimary(it) if it == slot => {
                let is_first = after
                    .list
                    .iter()
                    .all(|other| other.name == is.name || other.priority < is.priority);
                is_all && is_first && !is.bad && !is.empty && is.confirmed == (was.confirmed)
            }
            Act::SetPrimary(_) => (worth(is), is.good_once) == (worth(was), was.good_once),
            _ => worth(is) <= worth(was),
        };
        holds(Law::TriesByCause, is_right)?;
    }
    Ok(())
}
