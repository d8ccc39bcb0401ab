//! What a guest wrote to a disk, in order: the log that QEMU's `blklogwrites` keeps.
//!
//! The log has the form of Linux's dm-log-writes. A sector with the magic, the version,
//! the number of entries (each a u64) and the sector size (a u32); then entry after entry
//! a sector with what it is about (first sector, sectors, flags, length: each a u64) and
//! the data of a write, everything little-endian. An entry stands where the write was done,
//! not where it was begun: what was under way at a flush and done before it counts as
//! flushed.
//! Specification: Linux, `Documentation/admin-guide/device-mapper/log-writes.rst`; QEMU,
//! `BlockdevOptionsBlklogwrites` of the QMP reference.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::ops::Range;
use std::path::Path;

/// What the log begins with.
const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
/// Flags of an entry.
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// Everything that was done to a disk.
#[derive(Debug, Clone, Default)]
pub struct Recording(Vec<Event>);

/// One thing that was done to a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bytes were written.
    Write(Write),
    /// All that was written before lasts.
    Flush,
}

/// Bytes that were written at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where they begin on the disk, in bytes.
    pub at: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether they last once they are written, without a flush.
    pub lasts: bool,
}

impl Write {
    /// Where on the disk it lies, in bytes.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.at..self.at.saturating_add(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }

    /// Whether it touches a part of the disk.
    #[must_use]
    pub fn touches(&self, part: &Range<u64>) -> bool {
        let own = self.range();
        own.start < part.end && part.start < own.end
    }
}

impl Recording {
    /// Reads a log.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is no such log.
    pub fn open(log: &Path) -> Result<Self> {
        let bytes = fs::read(log).with_context(|| log.display().to_string())?;
        Self::parse(&bytes).with_context(|| log.display().to_string())
    }

    /// One that was made up.
    #[must_use]
    pub const fn of(events: Vec<Event>) -> Self {
        Self(events)
    }

    /// QEMU begins the log with the first write.
    fn parse(log: &[u8]) -> Result<Self> {
        if log.is_empty() {
            return Ok(Self::default());
        }
        let [magic, version, count] = [0, 8, 16].map(|at| number(log, at));
        ensure!(magic? == MAGIC, "it is no log of writes");
        let version = version?;
        ensure!(version == VERSION, "version {version} of the log is not known");
        let sector: u64 = u32::try_from(number(log, 24)? & 0xffff_ffff)?.into();
        ensure!(sector.is_power_of_two() && sector >= 512, "a sector of {sector} bytes");
        let mut events = Vec::new();
        let mut place = sector;
        for entry in 0..count? {
            place = add_entry(log, place, sector, &mut events)
                .with_context(|| format!("entry {entry} of the log"))?;
        }
        Ok(Self(events))
    }

    /// All of it, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.0
    }

    /// The writes, each with its number among the events.
    pub fn writes(&self) -> impl DoubleEndedIterator<Item = (usize, &Write)> {
        self.0.iter().enumerate().filter_map(|(number, event)| match event {
            Event::Write(write) => Some((number, write)),
            Event::Flush => None,
        })
    }

    /// The numbers of the writes to a part of the disk.
    #[must_use]
    pub fn writes_to(&self, part: &Range<u64>) -> Vec<usize> {
        let numbered = self.writes().filter(|(_, write)| write.touches(part));
        numbered.map(|(number, _)| number).collect()
    }
}

/// Reads the entry at a byte of the log, and gives where the next one begins.
fn add_entry(log: &[u8], place: u64, sector: u64, events: &mut Vec<Event>) -> Result<u64> {
    let start = usize::try_from(place)?;
    let [first, count, flags] = [0, 8, 16].map(|at| number(log, start.saturating_add(at)));
    let (first, count, flags) = (first?, count?, flags?);
    if flags & FLUSH != 0 {
        events.push(Event::Flush);
    }
    let begin = place + sector;
    let length = if flags & DISCARD == 0 { count.saturating_mul(sector) } else { 0 };
    let end = begin.saturating_add(length);
    if length > 0 {
        let bytes = log.get(usize::try_from(begin)?..usize::try_from(end)?);
        let bytes = bytes.context("the log ends in it")?.to_vec();
        let at = first.saturating_mul(sector);
        events.push(Event::Write(Write { at, bytes, lasts: flags & FUA != 0 }));
    }
    Ok(end)
}

fn number(log: &[u8], at: usize) -> Result<u64> {
    let bytes = log.get(at..).and_then(<[u8]>::first_chunk).context("the log is too short")?;
    Ok(u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of entries: first sector, sectors, flags, the byte that the data is of.
    fn log(entries: &[(u64, u64, u64, u8)]) -> Vec<u8> {
        let count = u64::try_from(entries.len()).unwrap();
        let mut log = sector_of(&[MAGIC, VERSION, count, 512]);
        for (first, sectors, flags, byte) in entries {
            log.extend(sector_of(&[*first, *sectors, *flags, 0]));
            if flags & DISCARD == 0 {
                log.extend(vec![*byte; usize::try_from(sectors * 512).unwrap()]);
            }
        }
        log
    }

    fn sector_of(numbers: &[u64]) -> Vec<u8> {
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.resize(512, 0);
        bytes
    }

    #[test]
    fn writes_flushes_and_what_lasts_are_told_apart() {
        let entries = [(8, 2, 0, 1), (0, 0, FLUSH, 0), (4, 8, DISCARD, 0), (16, 1, FUA | FLUSH, 2)];
        let found = Recording::parse(&log(&entries)).unwrap();
        let first = Write { at: 4096, bytes: vec![1; 1024], lasts: false };
        let last = Write { at: 8192, bytes: vec![2; 512], lasts: true };
        let expected = [Event::Write(first), Event::Flush, Event::Flush, Event::Write(last)];
        assert_eq!(found.events(), expected);
        assert_eq!(found.writes_to(&(5119..8192)), [0]);
        assert_eq!(found.writes_to(&(5120..8192)), [0_usize; 0]);
        assert_eq!(found.writes_to(&(0..u64::MAX)), [0, 3]);
    }

    #[test]
    fn nothing_was_written_where_the_log_was_never_begun() {
        assert_eq!(Recording::parse(&[]).unwrap().events(), []);
    }

    #[test]
    fn what_is_no_log_is_said() {
        let whole = log(&[(0, 2, 0, 1)]);
        let cut = Recording::parse(&whole[..whole.len() - 1]).unwrap_err();
        assert_eq!(format!("{cut:#}"), "entry 0 of the log: the log ends in it");
        let short = Recording::parse(&whole[..20]).unwrap_err();
        assert_eq!(format!("{short:#}"), "the log is too short");
        let other = Recording::parse(&[7; 512]).unwrap_err();
        assert_eq!(format!("{other:#}"), "it is no log of writes");
    }
}
