//! GUID partition tables (UEFI 2.10, chapter 5.3), for the partition types
//! that the kernel does not show.
//!
//! No size in the header is trusted: the table is bounded before it is read,
//! and both checksums are compared. This module reads nothing itself; it says
//! which bytes come next:
//!
//! 1. the edge reads [`header_range`] and calls [`Header::parse`],
//! 2. it reads [`Header::table_range`] and calls [`Header::partitions`].

use core::fmt;
use core::ops::Range;

use super::guid::Guid;

/// Largest table that is read, in bytes; eight times the usual size.
const MAX_TABLE: u64 = 128 * 1024;
/// Smallest and usual size of a table entry, in bytes.
const MIN_ENTRY: u32 = 128;
/// Length of the header's defined part, in bytes.
const MIN_HEADER: u32 = 92;
/// Characters of a partition name.
const NAME_UNITS: usize = 36;

/// A header whose checksum is right and whose sizes are within bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The disk's GUID.
    pub disk: Guid,
    table: Range<u64>,
    entry_size: usize,
    table_checksum: u32,
    usable: (u64, u64),
}

/// One used entry of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Number from 1, the one in the kernel's device name.
    pub index: usize,
    /// What the partition is for.
    pub type_guid: Guid,
    /// The partition's own GUID.
    pub partuuid: Guid,
    /// First block.
    pub first_lba: u64,
    /// Last block, inclusive.
    pub last_lba: u64,
    /// Attribute bits.
    pub attributes: u64,
    /// Name, up to its first NUL; outside text.
    pub name: String,
}

/// Why there is no usable table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The block is not 512 to 4096 bytes long; its length.
    BlockSize(usize),
    /// No `EFI PART`: the disk has no GPT.
    Signature,
    /// The header claims to be this many bytes long.
    HeaderSize(u32),
    /// The header's checksum is wrong.
    HeaderChecksum(Mismatch),
    /// The header says that it lies in another block.
    Position(u64),
    /// A table of so many entries of so many bytes.
    Table {
        /// Number of entries.
        count: u32,
        /// Bytes per entry.
        size: u32,
    },
    /// The first block of the table is nowhere on a disk.
    TableStart(u64),
    /// The table's checksum is wrong.
    TableChecksum(Mismatch),
}

/// Two checksums that should be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// What is stored on the disk.
    pub stored: u32,
    /// What the bytes give.
    pub computed: u32,
}

impl Partition {
    /// Bit 63: not to be used without being named (UAPI.2).
    #[must_use]
    pub const fn is_no_auto(&self) -> bool {
        self.attributes >> 63 == 1
    }
}

/// The bytes of a disk that hold the header, for blocks of `block_size` bytes.
#[must_use]
pub const fn header_range(block_size: u64) -> Range<u64> {
    block_size..block_size.saturating_mul(2)
}

impl Header {
    /// Reads the primary header from block 1. `block` is the whole block; its
    /// length is the disk's logical block size.
    ///
    /// # Errors
    /// Anything that makes the table unusable.
    pub fn parse(block: &[u8]) -> Result<Self, Error> {
        if !(512..=4096).contains(&block.len()) {
            return Err(Error::BlockSize(block.len()));
        }
        Self::check(block)?;
        let table_checksum = u32_at(block, 88);
        let usable = (u64_at(block, 40), u64_at(block, 48));
        let disk = Guid::from_disk(array_at(block, 56));
        let (table, entry_size) = table(block)?;
        Ok(Self { disk, table, entry_size, table_checksum, usable })
    }

    /// Signature, length, checksum, position: whether this is a header at all.
    fn check(block: &[u8]) -> Result<(), Error> {
        if !block.starts_with(b"EFI PART") {
            return Err(Error::Signature);
        }
        let header = header_bytes(block)?;
        same(u32_at(block, 16), header_checksum(header)).map_err(Error::HeaderChecksum)?;
        match u64_at(block, 24) {
            1 => Ok(()),
            other => Err(Error::Position(other)),
        }
    }

    /// The bytes of the disk that hold the table: never empty, at most 128 KiB.
    #[must_use]
    pub const fn table_range(&self) -> Range<u64> {
        self.table.start..self.table.end
    }

    /// Reads the table: exactly the bytes of [`Header::table_range`]. Unused
    /// entries and entries outside the usable blocks are passed over.
    ///
    /// # Errors
    /// The checksum is wrong, which includes a table that is cut short.
    pub fn partitions(&self, table: &[u8]) -> Result<Vec<Partition>, Error> {
        same(self.table_checksum, crc32(table.iter().copied())).map_err(Error::TableChecksum)?;
        let entries = (1..).zip(table.chunks_exact(self.entry_size));
        let used = entries.map(|(index, entry)| partition(index, entry));
        Ok(used.filter(|partition| self.is_valid(partition)).collect())
    }

    const fn is_valid(&self, partition: &Partition) -> bool {
        partition.type_guid.0 != 0
            && self.usable.0 <= partition.first_lba
            && partition.first_lba <= partition.last_lba
            && partition.last_lba <= self.usable.1
    }
}

fn header_bytes(block: &[u8]) -> Result<&[u8], Error> {
    let size = u32_at(block, 12);
    let bytes = usize::try_from(size).ok().and_then(|size| block.get(..size));
    bytes.filter(|_| size >= MIN_HEADER).ok_or(Error::HeaderSize(size))
}

/// The checksum of the header with the checksum's own four bytes taken as 0.
fn header_checksum(header: &[u8]) -> u32 {
    let own = 16..20;
    crc32(header.iter().enumerate().map(|(at, byte)| if own.contains(&at) { 0 } else { *byte }))
}

/// Where the table lies, in bytes, and how long one entry is.
fn table(block: &[u8]) -> Result<(Range<u64>, usize), Error> {
    let start_lba = u64_at(block, 72);
    let count = u32_at(block, 80);
    let size = u32_at(block, 84);
    let length = u64::from(count).saturating_mul(u64::from(size));
    let entry_size = usize::try_from(size).ok();
    let entry_size = entry_size.filter(|_| size.is_power_of_two() && size >= MIN_ENTRY);
    let entry_size = entry_size.filter(|_| (1..=MAX_TABLE).contains(&length));
    let entry_size = entry_size.ok_or(Error::Table { count, size })?;
    let start = u64::try_from(block.len()).ok().and_then(|size| start_lba.checked_mul(size));
    let end = start.and_then(|start| start.checked_add(length));
    match (start, end) {
        (Some(start), Some(end)) if start_lba >= 2 => Ok((start..end, entry_size)),
        _ => Err(Error::TableStart(start_lba)),
    }
}

fn partition(index: usize, entry: &[u8]) -> Partition {
    Partition {
        index,
        type_guid: Guid::from_disk(array_at(entry, 0)),
        partuuid: Guid::from_disk(array_at(entry, 16)),
        first_lba: u64_at(entry, 32),
        last_lba: u64_at(entry, 40),
        attributes: u64_at(entry, 48),
        name: name(entry.get(56..).unwrap_or_default()),
    }
}

/// A name in UTF-16LE, padded with NUL.
fn name(bytes: &[u8]) -> String {
    let units = bytes.as_chunks().0.iter().take(NAME_UNITS).map(|unit| u16::from_le_bytes(*unit));
    let characters = char::decode_utf16(units.take_while(|unit| *unit != 0));
    characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The bytes at an offset that lies within every block and every entry; zero
/// beyond the end.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

const fn same(stored: u32, computed: u32) -> Result<(), Mismatch> {
    if stored == computed { Ok(()) } else { Err(Mismatch { stored, computed }) }
}

/// CRC-32 as in Ethernet and zlib, bit by bit: a table is 16 KiB at most in
/// practice.
fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
        }
    }
    !crc
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockSize(size) => {
                write!(f, "a disk with blocks of {size} bytes is not supported")
            }
            Self::Signature => f.write_str("the disk has no GUID partition table"),
            Self::HeaderSize(size) => write!(f, "the GPT header claims to be {size} bytes long"),
            Self::HeaderChecksum(sums) => write!(f, "the GPT header is damaged: {sums}"),
            Self::Position(lba) => {
                write!(f, "the GPT header in block 1 says that it lies in block {lba}")
            }
            Self::Table { count, size } => {
                write!(
                    f,
                    "the GPT claims to have {count} entries of {size} bytes, which is not plausible"
                )
            }
            Self::TableStart(lba) => write!(f, "the GPT claims to start in block {lba}"),
            Self::TableChecksum(sums) => write!(f, "the GPT is damaged: {sums}"),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its checksum is {:08x} and should be {:08x}", self.computed, self.stored)
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES: usize = 4;

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    /// An XBOOTLDR partition as entry 2 and nothing else.
    fn table() -> Vec<u8> {
        let mut table = vec![0; ENTRIES * 128];
        let entry = &mut table[128..256];
        put(
            entry,
            0,
            &[
                0xff, 0xc2, 0x13, 0xbc, 0xe6, 0x59, 0x62, 0x42, 0xa3, 0x52, 0xb2, 0x75, 0xfd, 0x6f,
                0x71, 0x72,
            ],
        );
        put(entry, 16, &[1; 16]);
        put(entry, 32, &2048_u64.to_le_bytes());
        put(entry, 40, &4095_u64.to_le_bytes());
        put(entry, 48, &(1_u64 << 63).to_le_bytes());
        let name: Vec<_> = "Bööt".encode_utf16().flat_map(u16::to_le_bytes).collect();
        put(entry, 56, &name);
        table
    }

    fn block(size: usize, table: &[u8]) -> Vec<u8> {
        let mut block = vec![0; size];
        put(&mut block, 0, b"EFI PART\0\0\x01\0\x5c\0\0\0");
        put(&mut block, 24, &1_u64.to_le_bytes());
        put(&mut block, 40, &34_u64.to_le_bytes());
        put(&mut block, 48, &8000_u64.to_le_bytes());
        put(&mut block, 72, &2_u64.to_le_bytes());
        put(&mut block, 80, &u32::try_from(ENTRIES).unwrap().to_le_bytes());
        put(&mut block, 84, &128_u32.to_le_bytes());
        put(&mut block, 88, &crc32(table.iter().copied()).to_le_bytes());
        seal(&mut block);
        block
    }

    fn seal(block: &mut [u8]) {
        let sum = header_checksum(&block[..92]);
        put(block, 16, &sum.to_le_bytes());
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789".iter().copied()), 0xcbf4_3926);
    }

    #[test]
    fn a_table_is_read_for_both_block_sizes() {
        let table = table();
        for size in [512, 4096] {
            let header = Header::parse(&block(size, &table)).unwrap();
            let start = 2 * size as u64;
            assert_eq!(header.table_range(), start..start + 512);
            let expected = Partition {
                index: 2,
                type_guid: Guid::XBOOTLDR,
                partuuid: Guid(0x0101_0101_0101_0101_0101_0101_0101_0101),
                first_lba: 2048,
                last_lba: 4095,
                attributes: 1 << 63,
                name: "Bööt".to_owned(),
            };
            assert!(expected.is_no_auto());
            assert_eq!(header.partitions(&table), Ok(vec![expected]));
        }
        assert_eq!((header_range(512), header_range(4096)), (512..1024, 4096..8192));
    }

    #[test]
    fn entries_outside_the_usable_blocks_are_passed_over() {
        for (first, last) in [(33_u64, 4095_u64), (2048, 8001), (4096, 4095), (u64::MAX, u64::MAX)]
        {
            let mut table = table();
            put(&mut table, 128 + 32, &first.to_le_bytes());
            put(&mut table, 128 + 40, &last.to_le_bytes());
            let header = Header::parse(&block(512, &table)).unwrap();
            assert_eq!(header.partitions(&table), Ok(vec![]), "{first} {last}");
        }
    }

    #[test]
    fn a_damaged_or_short_table_is_refused() {
        let good = table();
        let header = Header::parse(&block(512, &good)).unwrap();
        let mut flipped = good.clone();
        flipped[200] ^= 1;
        for table in [&flipped[..], &good[..128], &[]] {
            let refusal = header.partitions(table).unwrap_err().to_string();
            assert!(refusal.starts_with("the GPT is damaged: its checksum is "), "{refusal}");
        }
    }

    #[test]
    fn a_header_that_cannot_be_true_is_refused_with_the_value() {
        let huge = u32::MAX.to_le_bytes();
        let cases: [(usize, &[u8], &str); 11] = [
            (0, b"XFI PART", "the disk has no GUID partition table"),
            (12, &[91, 0], "the GPT header claims to be 91 bytes long"),
            (12, &huge, "the GPT header claims to be 4294967295 bytes long"),
            (24, &[2], "the GPT header in block 1 says that it lies in block 2"),
            (80, &[0], "the GPT claims to have 0 entries of 128 bytes, which is not plausible"),
            (
                80,
                &huge,
                "the GPT claims to have 4294967295 entries of 128 bytes, which is not plausible",
            ),
            (
                80,
                &[1, 4],
                "the GPT claims to have 1025 entries of 128 bytes, which is not plausible",
            ),
            (84, &[0], "the GPT claims to have 4 entries of 0 bytes, which is not plausible"),
            (84, &[129], "the GPT claims to have 4 entries of 129 bytes, which is not plausible"),
            (72, &[1], "the GPT claims to start in block 1"),
            (72, &[255; 8], "the GPT claims to start in block 18446744073709551615"),
        ];
        for (at, value, expected) in cases {
            let mut block = block(512, &table());
            put(&mut block, at, value);
            seal(&mut block);
            assert_eq!(Header::parse(&block).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_flipped_bit_in_the_header_is_refused() {
        let mut block = block(512, &table());
        block[56] ^= 1;
        let refusal = Header::parse(&block).unwrap_err().to_string();
        assert!(refusal.starts_with("the GPT header is damaged: its checksum is "), "{refusal}");
    }

    #[test]
    fn a_block_of_another_size_is_refused() {
        for size in [0, 511, 4097] {
            let expected = format!("a disk with blocks of {size} bytes is not supported");
            assert_eq!(Header::parse(&vec![0; size]).unwrap_err().to_string(), expected);
        }
    }
}
