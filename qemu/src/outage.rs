//! The disk that a machine finds when its power has failed: rebuilt from a
//! [`Recording`], with what no flush has made last dropped, torn and reordered.
//!
//! What lies before the last flush is there. Of what came after it any sectors may be
//! there, of any of the writes to them, whatever was written first; one sector may hold
//! the beginning of a write and, behind it, what was there before. Which of it is, a
//! number decides, and the same number always decides the same, also for a part of the
//! disk alone.

use crate::recording::{Event, Recording, Write};
use std::fmt;
use std::ops::Range;

const SECTOR: usize = 512;

/// When the power fails, and the number that decides what is there then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// So many of the recording's events have begun; the last of them is under way.
    pub events: usize,
    /// The number.
    pub seed: u64,
}

/// What becomes of what no flush has made last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing is there.
    Dropped,
    /// All of it, but for what was under way.
    Kept,
    /// Each sector is there or not, and which of two writes to it came first is open.
    Scattered,
    /// The same, and sectors are torn.
    Torn,
    /// The first so many sectors.
    Forwards(u64),
    /// The last so many sectors.
    Backwards(u64),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}, seed {:#x}", self.events, self.seed)
    }
}

impl Cut {
    /// Makes `part`, which lies on the disk from byte `start` on and holds what was there
    /// before the recording, what it is after the power has failed.
    pub fn apply(&self, recording: &Recording, start: u64, part: &mut [u8]) {
        let events = recording.events().get(..self.events).unwrap_or(recording.events());
        let flushed = events.iter().rposition(|event| *event == Event::Flush).unwrap_or_default();
        let (lasting, open) = events.split_at(flushed);
        let mut target = Target { start, part };
        lasting.iter().filter_map(write_of).for_each(|write| target.put_whole(write));
        self.put_open(&Unflushed::number(flushed, open), &mut target);
    }

    /// The same, where everything that has begun is done, in order.
    pub fn apply_whole(&self, recording: &Recording, start: u64, part: &mut [u8]) {
        let events = recording.events().get(..self.events).unwrap_or(recording.events());
        let mut target = Target { start, part };
        events.iter().filter_map(write_of).for_each(|write| target.put_whole(write));
    }

    fn put_open(&self, open: &[Unflushed<'_>], target: &mut Target<'_>) {
        let total = open.iter().map(|open| sectors(open.write)).sum();
        let fate = self.fate(total);
        let met = open.iter().filter(|open| target.meets(open.write));
        let mut in_order: Vec<&Unflushed<'_>> = met.collect();
        in_order.sort_by_key(|open| self.place(fate, open.number));
        for open in in_order {
            let is_under_way = open.number + 1 == self.events;
            if open.write.lasts && !is_under_way {
                target.put_whole(open.write);
                continue;
            }
            for (index, sector) in (open.before..).take(sector_count(open.write)).enumerate() {
                let dice = mix(self.seed ^ mix(part_of(open.number)) ^ mix(part_of(index) << 32));
                let count = fate.keeps(dice, sector, total, is_under_way);
                target.put(open.write, index, count);
            }
        }
    }

    fn fate(&self, total: u64) -> Fate {
        let dice = mix(self.seed);
        match dice % 8 {
            0 => Fate::Dropped,
            1 => Fate::Kept,
            2 | 3 => Fate::Scattered,
            4 | 5 => Fate::Torn,
            6 => Fate::Forwards((dice >> 8) % total.max(1)),
            _ => Fate::Backwards((dice >> 8) % total.max(1)),
        }
    }

    /// Where among the writes one comes.
    fn place(&self, fate: Fate, number: usize) -> u64 {
        match fate {
            Fate::Scattered | Fate::Torn => mix(self.seed ^ part_of(number)),
            _ => part_of(number),
        }
    }
}

/// A write that no flush has followed.
struct Unflushed<'a> {
    /// Its number among the events.
    number: usize,
    /// How many sectors of such writes come before it.
    before: u64,
    write: &'a Write,
}

impl<'a> Unflushed<'a> {
    /// Those among events of which the first one has this number.
    fn number(first: usize, events: &'a [Event]) -> Vec<Self> {
        let mut before = 0;
        let mut found = Vec::new();
        for (number, event) in (first..).zip(events) {
            let Some(write) = write_of(event) else { continue };
            found.push(Self { number, before, write });
            before += sectors(write);
        }
        found
    }
}

impl Fate {
    /// How many bytes of a sector are there: all, none, or the first few.
    fn keeps(self, dice: u64, sector: u64, total: u64, is_under_way: bool) -> usize {
        let tears = usize::try_from((dice >> 8) % 512).unwrap_or_default();
        let is_kept = match self {
            Self::Dropped => false,
            Self::Kept => !is_under_way || dice & 1 == 0,
            Self::Scattered => dice & 1 == 0,
            Self::Torn if dice & 6 == 0 => return tears,
            Self::Torn => dice & 1 == 0,
            Self::Forwards(count) if sector == count => return tears,
            Self::Forwards(count) => sector < count,
            Self::Backwards(count) => sector + count >= total,
        };
        if is_kept { SECTOR } else { 0 }
    }
}

/// A part of a disk.
struct Target<'a> {
    start: u64,
    part: &'a mut [u8],
}

impl Target<'_> {
    fn meets(&self, write: &Write) -> bool {
        write.touches(&(self.start..self.start.saturating_add(part_of(self.part.len()))))
    }

    fn put_whole(&mut self, write: &Write) {
        self.put_at(write.at, &write.bytes);
    }

    /// The first bytes of one sector of a write.
    fn put(&mut self, write: &Write, sector: usize, count: usize) {
        let begin = sector.saturating_mul(SECTOR);
        let bytes = write.bytes.get(begin..).unwrap_or_default();
        let bytes = bytes.get(..count).unwrap_or(bytes);
        self.put_at(write.at.saturating_add(part_of(begin)), bytes);
    }

    /// As much of it as lies in this part.
    fn put_at(&mut self, at: u64, bytes: &[u8]) {
        let skipped = usize::try_from(self.start.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = bytes.get(skipped..).unwrap_or_default();
        let begin = usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let there = self.part.get_mut(begin..).unwrap_or_default();
        there.iter_mut().zip(bytes).for_each(|(there, byte)| *there = *byte);
    }
}

/// Cuts at every phase of a recording: half of them while `part` of the disk is being
/// written or waits for a flush, the others at any event. The same seed gives the same.
#[must_use]
pub fn cuts(recording: &Recording, part: &Range<u64>, count: usize, seed: u64) -> Vec<Cut> {
    let all: Vec<usize> = (1..=recording.events().len()).collect();
    let within = open_in(recording, part);
    let half = count.div_ceil(2);
    let spread = [spread(&within, half, seed), spread(&all, count - half, seed ^ 1)].concat();
    let numbered = (0_u64..).zip(spread);
    numbered.map(|(number, events)| Cut { events, seed: mix(seed.wrapping_add(number)) }).collect()
}

/// After which events something of a part waits for a flush.
fn open_in(recording: &Recording, part: &Range<u64>) -> Vec<usize> {
    let mut is_open = false;
    let mut found = Vec::new();
    for (number, event) in recording.events().iter().enumerate() {
        match event {
            Event::Flush => is_open = false,
            Event::Write(write) => is_open |= write.touches(part),
        }
        if is_open {
            found.push(number + 1);
        }
    }
    found
}

/// So many of them: one by chance out of each of as many stretches of the same length.
fn spread(from: &[usize], count: usize, seed: u64) -> Vec<usize> {
    (0..count).filter_map(|number| one_of(from, number, count, seed)).collect()
}

/// One of the stretch of this number, out of so many stretches.
fn one_of(from: &[usize], number: usize, count: usize, seed: u64) -> Option<usize> {
    let [begin, end] = [number, number + 1].map(|at| at * from.len() / count.max(1));
    let dice = mix(seed.wrapping_mul(31).wrapping_add(part_of(number)));
    let wide = part_of(end.saturating_sub(begin).max(1));
    from.get(begin + usize::try_from(dice % wide).unwrap_or_default()).copied()
}

const fn write_of(event: &Event) -> Option<&Write> {
    match event {
        Event::Write(write) => Some(write),
        Event::Flush => None,
    }
}

const fn sector_count(write: &Write) -> usize {
    write.bytes.len().div_ceil(SECTOR)
}

fn sectors(write: &Write) -> u64 {
    part_of(sector_count(write))
}

fn part_of(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Each bit of the result hangs on each of the number's: splitmix64 (Steele, Lea and
/// Flood 2014).
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn write(sector: u64, sectors: usize, byte: u8) -> Event {
        let bytes = vec![byte; sectors * SECTOR];
        Event::Write(Write { at: sector * 512, bytes, lasts: false })
    }

    fn lasting(sector: u64, byte: u8) -> Event {
        Event::Write(Write { at: sector * 512, bytes: vec![byte; SECTOR], lasts: true })
    }

    fn disk(recording: &Recording, events: usize, seed: u64) -> Vec<u8> {
        let mut disk = vec![0; 16 * SECTOR];
        Cut { events, seed }.apply(recording, 0, &mut disk);
        disk
    }

    #[test]
    fn what_was_flushed_is_there_whatever_the_seed() {
        let events =
            vec![write(0, 4, 1), write(2, 1, 2), Event::Flush, write(8, 4, 3), write(1, 1, 4)];
        let recording = Recording::of(events);
        for seed in 0..500 {
            let disk = disk(&recording, 5, seed);
            assert!(disk[..512].iter().all(|byte| *byte == 1), "seed {seed}");
            assert!(disk[1024..1536].iter().all(|byte| *byte == 2), "seed {seed}");
            assert!(disk[512..1024].iter().all(|byte| [1, 4].contains(byte)), "seed {seed}");
        }
    }

    #[test]
    fn what_was_not_flushed_is_there_in_every_way() {
        let events = vec![Event::Flush, write(0, 2, 1), write(0, 1, 2)];
        let recording = Recording::of(events);
        let seen: BTreeSet<[u8; 4]> = (0..2000)
            .map(|seed| disk(&recording, 3, seed))
            .map(|disk| [disk[0], disk[511], disk[512], disk[1023]])
            .collect();
        // The first sector: neither, either one, and one torn into each other one.
        for sector in [[0, 0], [1, 1], [2, 2], [1, 0], [2, 0], [2, 1], [1, 2]] {
            assert!(seen.iter().any(|bytes| bytes[..2] == sector), "{sector:?} of {seen:?}");
        }
        for sector in [[0, 0], [1, 1], [1, 0]] {
            assert!(seen.iter().any(|bytes| bytes[2..] == sector), "{sector:?} of {seen:?}");
        }
        assert!(seen.contains(&[2, 2, 0, 0]), "the later write came first: {seen:?}");
    }

    #[test]
    fn what_lasts_by_itself_is_torn_only_while_it_is_under_way() {
        let recording = Recording::of(vec![lasting(0, 1), write(4, 1, 2)]);
        let after = |events| -> BTreeSet<u8> {
            (0..500).map(|seed| disk(&recording, events, seed)[511]).collect()
        };
        assert_eq!(after(1), BTreeSet::from([0, 1]));
        assert_eq!(after(2), BTreeSet::from([1]));
    }

    #[test]
    fn a_part_alone_is_what_it_is_on_the_whole_disk() {
        let events = vec![write(0, 16, 1), Event::Flush, write(3, 5, 2), write(2, 9, 3)];
        let recording = Recording::of(events);
        for seed in 0..500 {
            let whole = disk(&recording, 4, seed);
            let mut part = vec![0; 6 * SECTOR];
            Cut { events: 4, seed }.apply(&recording, 4 * 512, &mut part);
            assert!(part == whole[4 * SECTOR..10 * SECTOR], "seed {seed}");
        }
    }

    #[test]
    fn half_of_the_cuts_fall_while_the_part_is_written() {
        let mut events: Vec<Event> = (0..90).map(|_| write(9, 1, 1)).collect();
        events.extend([Event::Flush, write(0, 1, 2), write(9, 1, 3), Event::Flush]);
        let recording = Recording::of(events);
        let cuts = cuts(&recording, &(0..512), 40, 7);
        assert_eq!(cuts.len(), 40);
        let within = cuts.iter().filter(|cut| [92, 93].contains(&cut.events)).count();
        assert!((20..25).contains(&within), "{within} of {cuts:?}");
        let seeds: BTreeSet<u64> = cuts.iter().map(|cut| cut.seed).collect();
        assert_eq!(seeds.len(), 40, "two cuts with one seed");
        assert_eq!(cuts, super::cuts(&recording, &(0..512), 40, 7));
    }
}
