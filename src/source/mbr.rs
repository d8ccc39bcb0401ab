//! MBR partition tables, for the partition types that the kernel does not show.
//!
//! The layout is that of every PC since DOS 3.3: four entries of 16 bytes at 446,
//! 0x55 0xaa at 510, and logical partitions as a chain of such sectors, numbered
//! from 5 in the order of the chain as the kernel numbers them. This module reads
//! nothing itself: [`Table::next_sector`] says which sector comes next, until it
//! says none. A chain in a circle ends after [`MAX_SECTORS`].

use core::fmt;

/// Most sectors of a chain that are read.
pub const MAX_SECTORS: usize = 64;
/// Number of the first logical partition.
const FIRST_LOGICAL: usize = 5;

/// What a table says a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The type byte.
    pub code: u8,
    /// Whether it is the one that a PC's firmware starts from.
    pub active: bool,
}

impl Kind {
    /// `$BOOT` of the Boot Loader Specification (UAPI.1).
    pub const BOOT: u8 = 0xea;
    /// An EFI system partition (UEFI 2.10, 5.2.2).
    pub const ESP: u8 = 0xef;
    /// Linux.
    pub const LINUX: u8 = 0x83;
    /// A member of an array of Linux.
    pub const LINUX_RAID: u8 = 0xfd;
    /// The whole disk belongs to a GUID partition table.
    const PROTECTIVE: u8 = 0xee;

    const fn is_extended(self) -> bool {
        matches!(self.code, 0x05 | 0x0f | 0x85)
    }

    /// FAT12, FAT16 and FAT32 in all their forms.
    #[must_use]
    pub const fn is_fat(self) -> bool {
        matches!(self.code, 0x01 | 0x04 | 0x06 | 0x0b | 0x0c | 0x0e)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MBR type {:02x}", self.code)?;
        f.write_str(if self.active { ", active" } else { "" })
    }
}

/// A partition that is no link to further ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Number from 1, the one in the kernel's device name.
    pub index: usize,
    /// What it is for.
    pub kind: Kind,
}

/// A table, as far as it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    id: u32,
    partitions: Vec<Partition>,
    /// Where the extended partition begins: links of the chain count from there.
    extended: Option<u32>,
    next: Option<u32>,
    read: usize,
}

/// One entry of a sector.
struct Entry {
    kind: Kind,
    start: u32,
    sectors: u32,
}

impl Table {
    /// Reads the first sector of a disk; none if it holds no such table, or one
    /// that only stands before a GUID partition table.
    #[must_use]
    pub fn parse(sector: &[u8]) -> Option<Self> {
        let entries = entries(sector)?;
        if entries.iter().any(|entry| entry.kind.code == Kind::PROTECTIVE) {
            return None;
        }
        let numbered = (1..).zip(&entries).filter(|(_, entry)| entry.holds_data());
        let partitions = numbered.map(|(index, entry)| Partition { index, kind: entry.kind });
        let extended = entries.iter().find(|entry| entry.links()).map(|entry| entry.start);
        let id = u32_at(sector, 440)?;
        Some(Self { id, partitions: partitions.collect(), extended, next: extended, read: 0 })
    }

    /// Number of the sector to read next and to give to [`Table::add`].
    #[must_use]
    pub const fn next_sector(&self) -> Option<u32> {
        self.next
    }

    /// Reads a sector of the chain of logical partitions. One that cannot be a
    /// link ends it.
    pub fn add(&mut self, sector: &[u8]) {
        self.next = None;
        self.read = self.read.saturating_add(1);
        let (Some(entries), Some(base)) = (entries(sector), self.extended) else { return };
        for entry in entries.iter().filter(|entry| entry.holds_data()) {
            let last = self.partitions.last().map_or(0, |partition| partition.index);
            let index = last.saturating_add(1).max(FIRST_LOGICAL);
            self.partitions.push(Partition { index, kind: entry.kind });
        }
        let link = entries.iter().find(|entry| entry.links());
        let link = link.filter(|_| self.read < MAX_SECTORS);
        self.next = link.and_then(|entry| base.checked_add(entry.start));
    }

    /// The partitions that have been read, in the order of their numbers.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// PARTUUID of a partition, as the kernel makes it.
    #[must_use]
    pub fn partuuid(&self, index: usize) -> String {
        format!("{:08x}-{index:02x}", self.id)
    }
}

impl Entry {
    const fn holds_data(&self) -> bool {
        self.sectors != 0 && !self.kind.is_extended()
    }

    const fn links(&self) -> bool {
        self.sectors != 0 && self.kind.is_extended()
    }
}

/// The four entries of a sector that ends as such sectors do.
fn entries(sector: &[u8]) -> Option<[Entry; 4]> {
    const ENTRIES: [usize; 4] = [446, 462, 478, 494];
    let is_table = sector.get(510..512)? == [0x55, 0xaa];
    is_table.then(|| ENTRIES.map(|at| entry(sector.get(at..).unwrap_or_default())))
}

fn entry(bytes: &[u8]) -> Entry {
    let code = bytes.get(4).copied().unwrap_or(0);
    let kind = Kind { code, active: bytes.first() == Some(&0x80) };
    Entry { kind, start: u32_at(bytes, 8).unwrap_or(0), sectors: u32_at(bytes, 12).unwrap_or(0) }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sector with these entries: active, type, start, sectors.
    fn sector(entries: &[(bool, u8, u32, u32)]) -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[440..444].copy_from_slice(&0x1234_abcd_u32.to_le_bytes());
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        for (index, (active, code, start, sectors)) in entries.iter().enumerate() {
            let entry = &mut sector[446 + 16 * index..][..16];
            entry[0] = if *active { 0x80 } else { 0 };
            entry[4] = *code;
            entry[8..12].copy_from_slice(&start.to_le_bytes());
            entry[12..].copy_from_slice(&sectors.to_le_bytes());
        }
        sector
    }

    fn found(table: &Table) -> Vec<(usize, u8)> {
        table.partitions().iter().map(|found| (found.index, found.kind.code)).collect()
    }

    #[test]
    fn primary_partitions_have_their_place_as_number() {
        let table =
            Table::parse(&sector(&[(true, 0x0c, 63, 9), (false, 0, 0, 0), (false, 0x83, 99, 9)]));
        let table = table.unwrap();
        assert_eq!(found(&table), [(1, 0x0c), (3, 0x83)]);
        let first = table.partitions()[0].kind;
        assert!(first.active && first.is_fat());
        assert_eq!(first.to_string(), "MBR type 0c, active");
        assert_eq!(table.partuuid(3), "1234abcd-03");
        assert_eq!(table.next_sector(), None);
    }

    #[test]
    fn logical_partitions_count_from_five_and_links_from_the_extended_one() {
        let mut table = Table::parse(&sector(&[(false, 0x83, 1, 9), (false, 0x0f, 1000, 99)]));
        let table = table.as_mut().unwrap();
        assert_eq!(table.next_sector(), Some(1000));
        table.add(&sector(&[(false, 0x83, 1, 9), (false, 0x05, 20, 9)]));
        assert_eq!(table.next_sector(), Some(1020));
        table.add(&sector(&[(false, 0xea, 1, 9)]));
        assert_eq!(table.next_sector(), None);
        assert_eq!(found(table), [(1, 0x83), (5, 0x83), (6, 0xea)]);
        assert_eq!(table.partuuid(6), "1234abcd-06");
    }

    #[test]
    fn a_chain_in_a_circle_or_out_of_the_disk_ends() {
        let first = sector(&[(false, 0x05, 7, 9)]);
        let mut table = Table::parse(&first).unwrap();
        for read in 1..=MAX_SECTORS {
            assert_eq!(table.next_sector(), Some(7), "{read}");
            table.add(&sector(&[(false, 0x05, 0, 9)]));
        }
        assert_eq!((table.next_sector(), table.partitions().len()), (None, 0));
        let mut table = Table::parse(&first).unwrap();
        table.add(&sector(&[(false, 0x05, u32::MAX, 9)]));
        assert_eq!(table.next_sector(), None);
        let mut table = Table::parse(&first).unwrap();
        table.add(&[0; 512]);
        assert_eq!(table.next_sector(), None);
    }

    #[test]
    fn what_is_no_table_or_stands_before_another_one_is_none() {
        assert_eq!(Table::parse(&[0; 512]), None);
        assert_eq!(Table::parse(&sector(&[(false, 0xee, 1, 9)])), None);
        assert_eq!(Table::parse(&sector(&[])[..511]), None);
        assert_eq!(Table::parse(&[]), None);
    }
}
