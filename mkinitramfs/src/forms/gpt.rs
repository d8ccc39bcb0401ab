//! A GUID partition table with one EFI system partition (UEFI 2.10, chapter 5), for
//! disks with sectors of 512 bytes.

use anyhow::{Context as _, Result};
use flate2::Crc;

pub(super) const SECTOR: u64 = 512;
/// Where the table's entries and then the partitions may begin.
const ENTRIES: u64 = 2;
const ENTRY_COUNT: u32 = 128;
const ENTRY_SIZE: u32 = 128;
const ENTRIES_SECTORS: u64 = 32;
const HEADER_SIZE: u32 = 92;
/// EFI system partition, as it lies on a disk.
const ESP: [u8; 16] = [
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
];

/// The table of a disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    /// How many sectors the disk has.
    pub(super) sectors: u64,
    /// The partition's first sector.
    pub(super) first: u64,
    /// And its last.
    pub(super) last: u64,
    /// The disk's own identity, and the partition's.
    pub(super) identities: [[u8; 16]; 2],
    /// The partition's name.
    pub(super) name: &'a str,
}

impl Table<'_> {
    /// What the disk begins with: a record that keeps programs off which know no GPT,
    /// header and entries.
    pub(super) fn front(&self) -> Result<Vec<u8>> {
        let mut front = self.protective_record();
        let end = self.end().context("a disk without room for a table")?;
        front.extend(self.header(1, end, ENTRIES));
        front.extend(self.entries());
        Ok(front)
    }

    /// What it ends with: the entries again, and a header that points back.
    pub(super) fn back(&self) -> Result<Vec<u8>> {
        let end = self.end().context("a disk without room for a table")?;
        let mut back = self.entries();
        back.extend(self.header(end, 1, end.saturating_sub(ENTRIES_SECTORS)));
        Ok(back)
    }

    /// The last sector of the disk.
    fn end(&self) -> Option<u64> {
        self.sectors.checked_sub(1).filter(|end| *end > ENTRIES + 2 * ENTRIES_SECTORS)
    }

    fn protective_record(&self) -> Vec<u8> {
        let covered = u32::try_from(self.sectors.saturating_sub(1)).unwrap_or(u32::MAX);
        let mut record = vec![0; 446];
        record.extend([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
        record.extend(covered.to_le_bytes());
        record.resize(510, 0);
        record.extend([0x55, 0xaa]);
        record
    }

    fn header(&self, own: u64, other: u64, entries: u64) -> Vec<u8> {
        let [disk, _] = self.identities;
        let end = if own > other { own } else { other };
        let mut tail = Vec::new();
        let usable = [ENTRIES + ENTRIES_SECTORS, end.saturating_sub(ENTRIES_SECTORS + 1)];
        for place in [own, other].into_iter().chain(usable) {
            tail.extend(place.to_le_bytes());
        }
        tail.extend(disk);
        tail.extend(entries.to_le_bytes());
        for value in [ENTRY_COUNT, ENTRY_SIZE, crc(&self.entries())] {
            tail.extend(value.to_le_bytes());
        }
        let mut header = with_checksum(0, &tail);
        header = with_checksum(crc(&header), &tail);
        header.resize(512, 0);
        header
    }

    fn entries(&self) -> Vec<u8> {
        let [_, own] = self.identities;
        let mut entries = [ESP, own].concat();
        for place in [self.first, self.last, 0] {
            entries.extend(place.to_le_bytes());
        }
        entries.extend(self.name.encode_utf16().take(36).flat_map(u16::to_le_bytes));
        entries.resize(ENTRY_COUNT as usize * ENTRY_SIZE as usize, 0);
        entries
    }
}

/// Signature, revision 1.0, length, the checksum, and what follows it.
fn with_checksum(sum: u32, tail: &[u8]) -> Vec<u8> {
    let mut header = b"EFI PART\0\0\x01\0".to_vec();
    for value in [HEADER_SIZE, sum, 0] {
        header.extend(value.to_le_bytes());
    }
    header.extend_from_slice(tail);
    header
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
