//! The records of the state area: tags 6 to 11 of its format 2, each absent where it
//! would say nothing.
//!
//! One state has one form: what [`read`] takes, [`write()`] gives back. Nothing is read
//! past its damage. `docs/survive.md` has every byte.

use core::ops::RangeInclusive;

use super::{
    Attempt, Cause, Counters, MAX, MAX_HISTORY, MAX_ID, MAX_NAME, MAX_TRIES, Outcome, Slot, Slots,
    Stage, Start,
};
use crate::base::digest::Digest;
use crate::base::reader::Reader;

/// The tags that are of this module.
pub const TAGS: RangeInclusive<u16> = tag::SLOTS..=tag::HISTORY;

mod tag {
    pub(super) const SLOTS: u16 = 6;
    pub(super) const ONCE: u16 = 7;
    pub(super) const DEFAULT: u16 = 8;
    pub(super) const ATTEMPT: u16 = 9;
    pub(super) const COUNTERS: u16 = 10;
    pub(super) const HISTORY: u16 = 11;
}

/// In place of a slot's number.
const NO_SLOT: u8 = 0xff;

/// The bits of a slot's flags.
mod slot_flag {
    pub(super) const ENABLED: u8 = 1;
    pub(super) const GOOD_ONCE: u8 = 2;
    pub(super) const CONFIRMED: u8 = 4;
    pub(super) const BAD: u8 = 8;
    pub(super) const EMPTY: u8 = 16;
    pub(super) const FROM_NAME: u8 = 32;
    pub(super) const LAST_RESORT: u8 = 64;
    pub(super) const JUMPED: u8 = 128;
}

/// The bits of an attempt's flags.
mod attempt_flag {
    pub(super) const SPENT: u8 = 1;
    pub(super) const EXACT: u8 = 2;
    pub(super) const MANIFEST: u8 = 4;
    pub(super) const DEVICE: u8 = 8;
    pub(super) const ALL: u8 = 15;
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Open,
        Self::Confirmed,
        Self::NotConfirmed,
        Self::Refused,
        Self::Failed,
        Self::Watchdog,
        Self::Died,
    ];

    fn read(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

impl Stage {
    const ALL: [Self; 6] = [
        Self::Discovering,
        Self::Mounting,
        Self::Reading,
        Self::Verifying,
        Self::Loaded,
        Self::Jumped,
    ];

    fn read(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

impl Cause {
    const ALL: [Self; 5] = [Self::Order, Self::Once, Self::Hand, Self::LastResort, Self::Recovery];

    fn read(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// The place of a value in the list of all of its kind.
fn number<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let place = all.iter().position(|other| other == one).unwrap_or_default();
    u8::try_from(place).unwrap_or_default()
}

/// Tags and contents, in their order; `None` where they cannot be kept.
#[must_use]
pub fn write(slots: &Slots) -> Option<Vec<(u16, Vec<u8>)>> {
    if !slots.is_sound() {
        return None;
    }
    let mut records = Vec::new();
    let mut list = Vec::new();
    slots.list.iter().for_each(|slot| write_slot(slot, &mut list));
    let mut history = Vec::new();
    slots.history.iter().for_each(|start| write_start(start, &mut history));
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().as_bytes().to_vec();
    let attempt = slots.attempt.as_ref().map(write_attempt).unwrap_or_default();
    let counters = Some(slots.counters).filter(|counters| *counters != Counters::default());
    for (tag, bytes) in [
        (tag::SLOTS, list),
        (tag::ONCE, text(&slots.once)),
        (tag::DEFAULT, text(&slots.default)),
        (tag::ATTEMPT, attempt),
        (tag::COUNTERS, counters.as_ref().map(write_counters).unwrap_or_default()),
        (tag::HISTORY, history),
    ] {
        if !bytes.is_empty() {
            records.push((tag, bytes));
        }
    }
    Some(records)
}

/// Reads the content of one record, all of which must be taken.
///
/// `None` where it is not what [`write()`] gives, or the tag is none of [`TAGS`].
pub fn read(tag: u16, bytes: &mut Reader<'_>, slots: &mut Slots) -> Option<()> {
    if bytes.is_empty() {
        return None;
    }
    match tag {
        tag::SLOTS => slots.list = all(bytes, take_slot)?,
        tag::ONCE => slots.once = Some(bytes.rest()?),
        tag::DEFAULT => slots.default = Some(bytes.rest()?),
        tag::ATTEMPT => slots.attempt = Some(take_attempt(bytes)?),
        tag::COUNTERS => {
            slots.counters = take_counters(bytes).filter(|it| *it != Counters::default())?;
        }
        tag::HISTORY => slots.history = all(bytes, take_start)?,
        _ => return None,
    }
    Some(())
}

/// As many as there are.
fn all<T>(bytes: &mut Reader<'_>, take: fn(&mut Reader<'_>) -> Option<T>) -> Option<Vec<T>> {
    let mut list = Vec::new();
    while !bytes.is_empty() {
        list.push(take(bytes)?);
    }
    Some(list)
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // No text here has more than 128 bytes ([`Slots::is_sound`]).
    out.push(u8::try_from(text.len()).unwrap_or_default());
    out.extend_from_slice(text.as_bytes());
}

fn write_digest(digest: Option<&Digest>, out: &mut Vec<u8>) {
    if let Some(digest) = digest {
        out.extend_from_slice(&digest.0);
    }
}

const fn flag(is: bool, bit: u8) -> u8 {
    if is { bit } else { 0 }
}

fn write_slot(slot: &Slot, out: &mut Vec<u8>) {
    write_text(&slot.name, out);
    out.push(
        flag(slot.enabled, slot_flag::ENABLED)
            | flag(slot.good_once, slot_flag::GOOD_ONCE)
            | flag(slot.confirmed, slot_flag::CONFIRMED)
            | flag(slot.bad, slot_flag::BAD)
            | flag(slot.empty, slot_flag::EMPTY)
            | flag(slot.from_name, slot_flag::FROM_NAME)
            | flag(slot.last_resort, slot_flag::LAST_RESORT)
            | flag(slot.jumped.is_some(), slot_flag::JUMPED),
    );
    out.extend_from_slice(&[
        slot.priority,
        slot.left,
        slot.most,
        number(&Outcome::ALL, &slot.last),
    ]);
    write_digest(slot.jumped.as_ref(), out);
}

fn take_slot(bytes: &mut Reader<'_>) -> Option<Slot> {
    let name = bytes.text()?;
    let flags = bytes.byte()?;
    let has = |bit: u8| flags & bit != 0;
    Some(Slot {
        name,
        enabled: has(slot_flag::ENABLED),
        good_once: has(slot_flag::GOOD_ONCE),
        confirmed: has(slot_flag::CONFIRMED),
        bad: has(slot_flag::BAD),
        empty: has(slot_flag::EMPTY),
        from_name: has(slot_flag::FROM_NAME),
        last_resort: has(slot_flag::LAST_RESORT),
        priority: bytes.byte()?,
        left: bytes.byte()?,
        most: bytes.byte()?,
        last: Outcome::read(bytes.byte()?)?,
        jumped: if has(slot_flag::JUMPED) { Some(bytes.digest()?) } else { None },
    })
}

fn write_attempt(attempt: &Attempt) -> Vec<u8> {
    let flags = flag(attempt.spent, attempt_flag::SPENT)
        | flag(attempt.exact, attempt_flag::EXACT)
        | flag(attempt.manifest.is_some(), attempt_flag::MANIFEST)
        | flag(attempt.device.is_some(), attempt_flag::DEVICE);
    let stage = number(&Stage::ALL, &attempt.stage);
    let cause = number(&Cause::ALL, &attempt.cause);
    let mut out = vec![attempt.slot.unwrap_or(NO_SLOT), stage, cause, flags];
    write_digest(attempt.manifest.as_ref(), &mut out);
    write_text(&attempt.entry, &mut out);
    attempt.device.iter().for_each(|device| write_text(device, &mut out));
    out
}

fn take_attempt(bytes: &mut Reader<'_>) -> Option<Attempt> {
    let slot = take_number(bytes)?;
    let stage = Stage::read(bytes.byte()?)?;
    let cause = Cause::read(bytes.byte()?)?;
    let flags = bytes.byte().filter(|flags| flags & !attempt_flag::ALL == 0)?;
    let has = |bit: u8| flags & bit != 0;
    Some(Attempt {
        slot,
        stage,
        cause,
        spent: has(attempt_flag::SPENT),
        exact: has(attempt_flag::EXACT),
        manifest: if has(attempt_flag::MANIFEST) { Some(bytes.digest()?) } else { None },
        entry: bytes.text()?,
        device: if has(attempt_flag::DEVICE) { Some(bytes.text()?) } else { None },
    })
}

fn take_number(bytes: &mut Reader<'_>) -> Option<Option<u8>> {
    bytes.byte().map(|number| Some(number).filter(|number| *number != NO_SLOT))
}

fn write_counters(counters: &Counters) -> Vec<u8> {
    let mut out = counters.starts.to_le_bytes().to_vec();
    out.extend_from_slice(&counters.resets.to_le_bytes());
    out.extend_from_slice(&counters.recoveries.to_le_bytes());
    out.extend_from_slice(&[counters.pauses, counters.row]);
    out.extend_from_slice(&counters.row_of);
    if counters.watchdogs > 0 {
        out.extend_from_slice(&counters.watchdogs.to_le_bytes());
    }
    if counters.blessed != [0; 8] {
        out.extend_from_slice(&counters.blessed);
    }
    out
}

fn take_counters(bytes: &mut Reader<'_>) -> Option<Counters> {
    Some(Counters {
        starts: bytes.number()?,
        resets: bytes.short()?,
        recoveries: bytes.short()?,
        pauses: bytes.byte()?,
        row: bytes.byte()?,
        row_of: bytes.array()?,
        watchdogs: match bytes.0.len() {
            0 | 8 => 0,
            _ => bytes.short().filter(|it| *it > 0)?,
        },
        blessed: match bytes.is_empty() {
            true => [0; 8],
            false => bytes.array().filter(|it| *it != [0; 8])?,
        },
    })
}

fn write_start(start: &Start, out: &mut Vec<u8>) {
    out.extend_from_slice(&[
        start.slot.unwrap_or(NO_SLOT),
        number(&Stage::ALL, &start.stage),
        number(&Outcome::ALL, &start.outcome),
        number(&Cause::ALL, &start.cause),
    ]);
}

fn take_start(bytes: &mut Reader<'_>) -> Option<Start> {
    Some(Start {
        slot: take_number(bytes)?,
        stage: Stage::read(bytes.byte()?)?,
        outcome: Outcome::read(bytes.byte()?)?,
        cause: Cause::read(bytes.byte()?)?,
    })
}

impl Slots {
    /// Whether it is a state that the rules can come to, as far as others rely on it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_known =
            |slot: Option<u8>| slot.is_none_or(|slot| usize::from(slot) < self.list.len());
        let is_id =
            |id: &Option<String>| id.as_ref().is_none_or(|id| (1..=MAX_ID).contains(&id.len()));
        let are_slots = self.list.len() <= MAX
            && self.list.iter().all(Slot::is_sound)
            && self
                .list
                .iter()
                .enumerate()
                .all(|(number, slot)| self.find(&slot.name) == Some(number));
        let is_history = self.history.len() <= MAX_HISTORY
            && self.history.iter().all(|start| is_known(start.slot));
        let is_attempt = self.attempt.as_ref().is_none_or(|attempt| {
            is_known(attempt.slot)
                && attempt.entry.len() <= MAX_ID
                && attempt.device.as_ref().is_none_or(|device| device.len() <= MAX_ID)
        });
        are_slots && is_history && is_attempt && is_id(&self.once) && is_id(&self.default)
    }
}

impl Slot {
    fn is_sound(&self) -> bool {
        (1..=MAX_NAME).contains(&self.name.len())
            && (1..=MAX_TRIES).contains(&self.most)
            && self.left <= self.most
            && (self.good_once || !self.confirmed)
            && !(self.confirmed && (self.bad || self.empty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;

    fn full() -> Slots {
        let slot = |number: usize| Slot {
            jumped: Some(Digest([7; 32])),
            ..Slot::new(&"n".repeat(MAX_NAME - number), 3)
        };
        let start = Start {
            slot: Some(7),
            stage: Stage::Jumped,
            outcome: Outcome::Watchdog,
            cause: Cause::Hand,
        };
        Slots {
            list: (0..MAX).map(slot).collect(),
            once: Some("o".repeat(MAX_ID)),
            default: Some("d".repeat(MAX_ID)),
            attempt: Some(Attempt {
                slot: Some(7),
                entry: "e".repeat(MAX_ID),
                device: Some("v".repeat(MAX_ID)),
                manifest: Some(Digest([9; 32])),
                stage: Stage::Reading,
                cause: Cause::LastResort,
                spent: true,
                exact: true,
            }),
            counters: Counters {
                starts: 1,
                row: 2,
                watchdogs: 300,
                blessed: [8; 8],
                ..Counters::default()
            },
            history: vec![start; MAX_HISTORY],
        }
    }

    fn read_all(records: &[(u16, Vec<u8>)]) -> Option<Slots> {
        let mut slots = Slots::default();
        for (tag, bytes) in records {
            let mut reader = Reader(bytes);
            read(*tag, &mut reader, &mut slots)?;
            if !reader.is_empty() {
                return None;
            }
        }
        Some(slots)
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_is_written_of_nothing() {
        assert_eq!(write(&Slots::default()), Some(Vec::new()));
        let slots = full();
        let records = write(&slots).unwrap();
        assert_eq!(read_all(&records), Some(slots));
        let length: usize = records.iter().map(|(_, bytes)| bytes.len() + 4).sum();
        assert!(length < 1800, "{length}");
    }

    #[test]
    fn resets_by_a_watchdog_and_which_start_was_confirmed_are_kept_where_they_are_known() {
        for (watchdogs, length) in [(0, 18), (1, 20), (u16::MAX, 20)] {
            let counters = Counters { starts: 7, watchdogs, ..Counters::default() };
            let bytes = write_counters(&counters);
            assert_eq!(bytes.len(), length);
            assert_eq!(take_counters(&mut Reader(&bytes)), Some(counters));
            let counters = Counters { blessed: [8; 8], ..counters };
            let bytes = write_counters(&counters);
            assert_eq!(bytes.len(), length + 8);
            assert_eq!(take_counters(&mut Reader(&bytes)), Some(counters));
        }
        let none = [&write_counters(&Counters::default())[..], &[0, 0]].concat();
        assert_eq!(take_counters(&mut Reader(&none)), None, "one state has one form");
    }

    #[test]
    fn what_is_cut_short_is_none() {
        for (tag, bytes) in write(&full()).unwrap() {
            let mut slots = Slots::default();
            let short = bytes.get(..bytes.len() - 1).unwrap();
            let taken = read(tag, &mut Reader(short), &mut slots);
            // Of a text, less is a text too.
            assert!(taken.is_none() || [tag::ONCE, tag::DEFAULT].contains(&tag), "{tag}");
        }
    }

    #[test]
    fn what_no_rule_comes_to_is_not_kept() {
        let mut twice = full();
        twice.list[1].name = twice.list[0].name.clone();
        let mut beyond = full();
        beyond.history[0].slot = Some(8);
        let mut confirmed = full();
        confirmed.list[0].confirmed = true;
        for slots in [twice, beyond, confirmed] {
            assert_eq!(write(&slots), None);
        }
    }
}
