//! Members of arrays that Linux's md makes, known by their superblocks.
//!
//! A mirror's member holds all that the array holds, in one piece, so that a boot menu
//! can be read from it without md, which would write to it. Only that is meant to come
//! of this: nothing here assembles anything, and nothing is trusted because of a
//! superblock, which anybody can write. Fields and places are those of Linux,
//! include/uapi/linux/raid/md_p.h, and Documentation/admin-guide/md.rst; byte orders
//! are little-endian, as all machines are that Turnout runs on.

use core::cmp::Reverse;
use core::fmt;
use core::ops::Range;

use super::filesystem::{bytes_at, u16_at, u32_at, u64_at};
use crate::base::text::printable;

/// Bytes that a superblock takes at most.
pub const SUPERBLOCK_BYTES: usize = 4096;

const MAGIC: u32 = 0xa92b_4efc;
const SECTOR: u64 = 512;

/// Where a superblock lies, which its version says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// At the start.
    V1_1,
    /// 4 KiB behind the start.
    V1_2,
    /// 8 to 12 KiB before the end.
    V1_0,
    /// 64 to 128 KiB before the end.
    V0_90,
}

impl Place {
    /// All of them; those at the start first.
    pub const ALL: [Self; 4] = [Self::V1_1, Self::V1_2, Self::V1_0, Self::V0_90];

    /// Where it is on a device of so many bytes.
    #[must_use]
    pub fn offset(self, size: u64) -> Option<u64> {
        match self {
            Self::V1_1 => Some(0),
            Self::V1_2 => Some(4096),
            Self::V1_0 => Some((size / SECTOR).checked_sub(16)? / 8 * 8 * SECTOR),
            Self::V0_90 => (size / SECTOR / 128).checked_sub(1)?.checked_mul(128 * SECTOR),
        }
    }

    /// Whether it is where a file system that begins at the start may have its files.
    #[must_use]
    pub const fn is_at_end(self) -> bool {
        matches!(self, Self::V1_0 | Self::V0_90)
    }

    const fn version(self) -> &'static str {
        match self {
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
            Self::V1_0 => "1.0",
            Self::V0_90 => "0.90",
        }
    }
}

/// What a member does in its array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It holds data, as the one of this number, counted from 0.
    Active(u16),
    /// It stands by, or is being filled.
    Spare,
    /// The array has given it up.
    Faulty,
    /// It keeps what is still to be written.
    Journal,
}

/// A member of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where its superblock is.
    pub place: Place,
    /// UUID of the array, in the order in which mdadm(8) writes it.
    pub uuid: u128,
    /// When the array was made, as its superblock counts.
    made: u64,
    /// Name of the array, often behind that of a machine; outside text.
    pub name: String,
    /// Level of the array; below 0 for what is no RAID.
    pub level: i32,
    /// How many active members the array has when it is complete.
    pub disks: u32,
    /// What this one does in it.
    pub role: Role,
    /// How often the array had changed when this one took part last.
    pub events: u64,
    /// Where on the device the array's data are, in bytes.
    pub data: Range<u64>,
    /// Number of the partition inside of the array that this is; none for all of it.
    pub partition: Option<usize>,
    /// Whether blocks are missing that could not be written.
    has_bad_blocks: bool,
    /// Why nothing is read from it.
    pub fault: Option<&'static str>,
}

const OF_RAID: &str = "it is a part of a RAID, which nothing here puts together";
const SPARE: &str = "it is a spare, or is being filled: the array's other members have the data";
const FAULTY: &str = "its array has given it up";
const JOURNAL: &str = "it is the journal of its array";
const REBUILT: &str = "it is being rebuilt: the array's other members have all data";
const RESHAPED: &str = "its array is being changed in its form, which is to be ended first";
const UNKNOWN: &str = "its array has a feature that is not known here";
const MOVED: &str = "its data begin where no array of this version has them";
const BEYOND: &str = "its superblock is of a larger device";
/// Why nothing is read from an array that has a partition table in it.
pub const PARTITIONED: &str = "its array has partitions, which are not looked into";
const CHECKSUM: &str = "the checksum of its RAID superblock is wrong";

impl Member {
    /// Reads the superblock of a device of so many bytes, from the bytes at that place.
    /// None where there is no superblock for this place.
    #[must_use]
    pub fn parse(bytes: &[u8], place: Place, size: u64) -> Option<Self> {
        if u32_at(bytes, 0)? != MAGIC {
            return None;
        }
        let mut member = match place {
            Place::V0_90 => old(bytes, size)?,
            _ => new(bytes, place, size)?,
        };
        let end = member.data.end;
        let is_within = member.data.start < end && end <= size;
        member.fault = member.fault.or_else(|| (!is_within).then_some(BEYOND));
        Some(member)
    }

    /// Whether it is certain that this is a superblock, and not what is left of one.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.fault != Some(CHECKSUM)
    }

    /// Whether both are of one array.
    #[must_use]
    pub fn is_mirror_of(&self, other: &Self) -> bool {
        self.array() == other.array()
    }

    fn array(&self) -> impl PartialEq + use<> {
        (self.place, self.uuid, self.made, self.partition)
    }

    /// What tells which of an array's members is to be read: the greatest. Of those
    /// that changed last the first, as md has it where they differ after a power loss.
    #[must_use]
    pub const fn freshness(&self) -> (u64, bool, Reverse<u16>) {
        let number = match self.role {
            Role::Active(number) => number,
            _ => u16::MAX,
        };
        (self.events, !self.has_bad_blocks, Reverse(number))
    }

    /// The same for a partition inside of the array, of which the device itself shows
    /// this range; none where the array ends before, or cannot be read.
    #[must_use]
    pub fn inside(&self, number: usize, range: Range<u64>) -> Option<Self> {
        let is_inside = self.data.start == 0 && range.end <= self.data.end;
        let is_inside = is_inside && self.fault.is_none();
        let data = 0..range.end.saturating_sub(range.start);
        is_inside.then(|| Self { partition: Some(number), data, ..self.clone() })
    }

    /// As GRUB calls its array, or the partition in it.
    #[must_use]
    pub fn grub_name(&self) -> String {
        match self.partition {
            None => format!("mduuid/{:032x}", self.uuid),
            Some(number) => format!("mduuid/{:032x},{number}", self.uuid),
        }
    }
}

/// Versions 1.x; the names of fields are those of struct mdp_superblock_1.
fn new(bytes: &[u8], place: Place, size: u64) -> Option<Member> {
    let is_here = u64_at(bytes, 144)?.checked_mul(SECTOR) == place.offset(size);
    if u32_at(bytes, 4)? != 1 || !is_here {
        return None;
    }
    let role = new_role(bytes)?;
    let level = u32_at(bytes, 72)?.cast_signed();
    let start = u64_at(bytes, 128)?.saturating_mul(SECTOR);
    let room = u64_at(bytes, 136)?;
    let length = u64_at(bytes, 80)?.min(room).saturating_mul(SECTOR);
    let features = u32_at(bytes, 8)?;
    let certain = is_new_checksum(bytes).then_some(());
    let moved = (place == Place::V1_0 && start != 0).then_some(MOVED);
    Some(Member {
        place,
        uuid: u128::from_be_bytes(*bytes.get(16..)?.first_chunk()?),
        made: u64_at(bytes, 64)?,
        name: name(bytes_at(bytes, 32, 32)?),
        level,
        disks: u32_at(bytes, 92)?,
        role,
        events: u64_at(bytes, 200)?,
        data: start..start.saturating_add(length),
        partition: None,
        has_bad_blocks: features & features::BAD_BLOCKS != 0,
        fault: match certain {
            None => Some(CHECKSUM),
            Some(()) => fault(level, role).or_else(|| feature_fault(features)).or(moved),
        },
    })
}

/// Bits of `feature_map`.
mod features {
    pub(super) const RECOVERY_OFFSET: u32 = 2;
    pub(super) const RESHAPE: u32 = 4 | 32 | 64;
    pub(super) const BAD_BLOCKS: u32 = 8;
    /// Bitmaps, one for a cluster too, and that it takes the place of another one.
    pub(super) const HARMLESS: u32 = 1 | 16 | 128 | 256;
}

const fn feature_fault(map: u32) -> Option<&'static str> {
    if map & features::RESHAPE != 0 {
        return Some(RESHAPED);
    }
    if map & features::RECOVERY_OFFSET != 0 {
        return Some(REBUILT);
    }
    let known = features::BAD_BLOCKS | features::HARMLESS;
    if map & !known != 0 { Some(UNKNOWN) } else { None }
}

const fn fault(level: i32, role: Role) -> Option<&'static str> {
    match (level, role) {
        (_, Role::Spare) => Some(SPARE),
        (_, Role::Faulty) => Some(FAULTY),
        (_, Role::Journal) => Some(JOURNAL),
        (1, Role::Active(_)) => None,
        (_, Role::Active(_)) => Some(OF_RAID),
    }
}

/// `dev_roles[dev_number]`; one that is beyond its list or its array stands by.
fn new_role(bytes: &[u8]) -> Option<Role> {
    let number = u32_at(bytes, 160)?;
    let disks = u32_at(bytes, 92)?;
    let at = usize::try_from(number).ok()?.checked_mul(2)?.checked_add(256)?;
    let role = if number < u32_at(bytes, 220)? { u16_at(bytes, at)? } else { u16::MAX };
    Some(match role {
        0xfffe => Role::Faulty,
        0xfffd => Role::Journal,
        number if u32::from(number) < disks => Role::Active(number),
        _ => Role::Spare,
    })
}

fn is_new_checksum(bytes: &[u8]) -> bool {
    const MOST: u32 = 1920;
    let most = u32_at(bytes, 220).filter(|most| *most <= MOST);
    let length = most.and_then(|most| usize::try_from(most).ok()?.checked_mul(2)?.checked_add(256));
    length.and_then(|length| bytes.get(..length)).is_some_and(|used| is_checksum(used, 216))
}

/// Version 0.90; its structure is mdp_superblock_s, in words of 4 bytes.
fn old(bytes: &[u8], size: u64) -> Option<Member> {
    const WITHOUT_RESHAPE: u32 = 90;
    let words = bytes.get(..SUPERBLOCK_BYTES)?.as_chunks::<4>().0;
    if word(words, 1)? != 0 {
        return None;
    }
    let level = word(words, 7)?.cast_signed();
    let role = old_role(word(words, 996)?, word(words, 995)?, word(words, 10)?);
    let reshaped = (word(words, 2)? != WITHOUT_RESHAPE).then_some(RESHAPED);
    let uuid = [word(words, 5)?, word(words, 13)?, word(words, 14)?, word(words, 15)?];
    // A last partition ends where its disk does: to tell whose it is takes the size.
    let end = u64::from(word(words, 8)?).checked_mul(1024)?;
    let place = Place::V0_90;
    let is_certain = is_checksum(words.as_flattened(), 38 * 4);
    let fault = if is_certain { fault(level, role).or(reshaped) } else { Some(CHECKSUM) };
    Some(Member {
        place,
        uuid: uuid.into_iter().fold(0, |all, word| all << 32 | u128::from(word)),
        made: word(words, 6)?.into(),
        name: String::new(),
        level,
        disks: word(words, 10)?,
        role,
        events: u64::from(word(words, 40)?) << 32 | u64::from(word(words, 39)?),
        data: 0..end.min(place.offset(size)?),
        partition: None,
        has_bad_blocks: false,
        fault,
    })
}

fn word(words: &[[u8; 4]], number: usize) -> Option<u32> {
    words.get(number).map(|word| u32::from_le_bytes(*word))
}

/// From `state` and `raid_disk` of `this_disk`.
fn old_role(state: u32, number: u32, disks: u32) -> Role {
    const FAULTY: u32 = 1;
    const IN_SYNC: u32 = 4;
    match u16::try_from(number) {
        _ if state & FAULTY != 0 => Role::Faulty,
        Ok(short) if state & IN_SYNC != 0 && number < disks => Role::Active(short),
        _ => Role::Spare,
    }
}

/// Whether the word at a place is the sum of all others, with what is carried.
fn is_checksum(bytes: &[u8], at: usize) -> bool {
    let (words, rest) = bytes.as_chunks::<4>();
    let sum =
        words.iter().fold(0_u64, |sum, word| sum.saturating_add(u32::from_le_bytes(*word).into()));
    let rest = u16_at(rest, 0).unwrap_or(0);
    let Some(stored) = u32_at(bytes, at) else { return false };
    let sum = sum.saturating_add(rest.into()).saturating_sub(stored.into());
    let (low, carried) = (sum & u64::from(u32::MAX), sum >> 32);
    low.saturating_add(carried) & u64::from(u32::MAX) == u64::from(stored)
}

fn name(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// What it is, safe to print: `member 1 of 2 of RAID1 server:boot (UUID, metadata 1.2,
/// 17 events)`.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Active(number) => {
                write!(f, "member {} of {}", u32::from(number).saturating_add(1), self.disks)?;
            }
            Role::Spare => f.write_str("spare")?,
            Role::Faulty => f.write_str("faulty member")?,
            Role::Journal => f.write_str("journal")?,
        }
        match u32::try_from(self.level) {
            Ok(level) => write!(f, " of RAID{level} ")?,
            Err(_) => f.write_str(" of an array ")?,
        }
        if !self.name.is_empty() {
            write!(f, "{} ", printable(&self.name))?;
        }
        let [a, b, c, d] = [96, 64, 32, 0].map(|shift| (self.uuid >> shift) & 0xffff_ffff);
        let version = self.place.version();
        write!(f, "({a:08x}:{b:08x}:{c:08x}:{d:08x}, metadata {version}, {} events)", self.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the devices that mdadm made the arrays of tests/data/raid on.
    const SIZE: u64 = 24 << 20;

    macro_rules! superblock {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/data/raid/", $name))
        };
    }

    const V0_90: &[u8] = superblock!("0.90-second");
    const V1_0: &[u8] = superblock!("1.0-first");
    const V1_1: &[u8] = superblock!("1.1-first");
    const V1_2: &[u8] = superblock!("1.2-second");

    fn read(bytes: &[u8], place: Place) -> Member {
        Member::parse(bytes, place, SIZE).unwrap()
    }

    #[test]
    fn members_that_mdadm_made_are_read_in_every_version() {
        for (bytes, place, expected, data) in [
            (
                V0_90,
                Place::V0_90,
                "member 2 of 2 of RAID1 (5ac35e08:b0790617:01f9e43d:ac30fbff, metadata 0.90, \
                 1 events)",
                0..25_100_288,
            ),
            (
                V1_0,
                Place::V1_0,
                "member 1 of 2 of RAID1 server:boot (1dbd3f7c:04c34b94:c189af64:190b4c52, \
                 metadata 1.0, 0 events)",
                0..25_100_288,
            ),
            (
                V1_1,
                Place::V1_1,
                "member 1 of 2 of RAID1 server:boot (be30ce11:cd5f0635:81c02089:412d0fcd, \
                 metadata 1.1, 0 events)",
                1_048_576..SIZE,
            ),
            (
                V1_2,
                Place::V1_2,
                "member 2 of 2 of RAID1 server:boot (d2ba67b3:99368cef:b88788d6:60156ab5, \
                 metadata 1.2, 0 events)",
                1_048_576..SIZE,
            ),
        ] {
            let member = read(bytes, place);
            assert_eq!(member.to_string(), expected);
            assert_eq!((member.fault, &member.data), (None, &data), "{expected}");
            let others = Place::ALL.into_iter().filter(|other| *other != place);
            let elsewhere =
                |other| Member::parse(bytes, other, SIZE).filter(|one| one.fault.is_none());
            assert_eq!(others.filter_map(elsewhere).next(), None, "{expected}");
        }
    }

    #[test]
    fn what_holds_no_data_of_its_own_is_not_read_and_says_why() {
        for (bytes, fault, start) in [
            (&superblock!("raid5")[..], OF_RAID, "member 2 of 3 of RAID5 server:data "),
            (superblock!("spare"), SPARE, "spare of RAID1 server:spare "),
            (superblock!("rebuilt"), REBUILT, "member 2 of 2 of RAID1 server:slow "),
        ] {
            let member = read(bytes, Place::V1_2);
            assert_eq!(member.fault, Some(fault));
            assert!(member.to_string().starts_with(start), "{member}");
        }
        assert_eq!(read(superblock!("alone"), Place::V1_2).fault, None);
    }

    /// With other bytes, and the sum that they have.
    fn with(bytes: &[u8], sum: usize, changes: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for (at, change) in changes {
            bytes[*at..at + change.len()].copy_from_slice(change);
        }
        bytes[sum..sum + 4].fill(0);
        let words = bytes.as_chunks::<4>().0.iter();
        let total: u64 = words.map(|word| u64::from(u32::from_le_bytes(*word))).sum();
        let folded = u32::try_from((total & 0xffff_ffff) + (total >> 32)).unwrap();
        bytes[sum..sum + 4].copy_from_slice(&folded.to_le_bytes());
        bytes
    }

    #[test]
    fn a_superblock_that_says_otherwise_is_not_read_and_says_why() {
        type Changes<'c> = &'c [(usize, &'c [u8])];
        let none: Changes<'_> = &[];
        assert_eq!(with(V1_2, 216, none), V1_2);
        let cases: [(Changes<'_>, &str); 9] = [
            (&[(8, &[4])], RESHAPED),
            (&[(8, &[0, 4])], UNKNOWN),
            (&[(72, &[0xff; 4])], OF_RAID),
            (&[(256, &[0xfe, 0xff, 0xfe, 0xff])], FAULTY),
            (&[(256, &[0xfd, 0xff, 0xfd, 0xff])], JOURNAL),
            (&[(256, &[2, 0, 2, 0])], SPARE),
            (&[(160, &[0xff; 4])], SPARE),
            (&[(128, &[0xff; 8])], BEYOND),
            (&[(80, &[0; 8])], BEYOND),
        ];
        for (changes, fault) in cases {
            let member = read(&with(V1_2, 216, changes), Place::V1_2);
            assert_eq!(member.fault, Some(fault), "{changes:?}");
        }
        let bad = read(&with(V1_2, 216, &[(8, &[8])]), Place::V1_2);
        assert!(bad.fault.is_none() && bad.freshness() < read(V1_2, Place::V1_2).freshness());
        let reshaped = read(&with(V0_90, 152, &[(8, &[91])]), Place::V0_90);
        assert_eq!(reshaped.fault, Some(RESHAPED));
        let moved = read(&with(V1_0, 216, &[(128, &[8])]), Place::V1_0);
        assert_eq!(moved.fault, Some(MOVED));
        let faulty = read(&with(V0_90, 152, &[(3984, &[1])]), Place::V0_90);
        assert_eq!(faulty.fault, Some(FAULTY));
    }

    #[test]
    fn one_whose_checksum_is_wrong_or_that_lies_elsewhere_is_none_for_certain() {
        for (bytes, place) in [(V0_90, Place::V0_90), (V1_2, Place::V1_2)] {
            for at in [60, 200, 480] {
                let mut bytes = bytes.to_vec();
                bytes[at] ^= 1;
                let member = read(&bytes, place);
                assert!(!member.is_certain() && member.fault == Some(CHECKSUM), "{at}");
            }
        }
        let endless = [&V1_2[..220], &[0xff; 4], &V1_2[224..]].concat();
        assert!(!read(&endless, Place::V1_2).is_certain());
        assert_eq!(Member::parse(V1_0, Place::V1_0, SIZE + 4096), None);
        for length in 0..V1_2.len() {
            let cut = Member::parse(&V1_2[..length], Place::V1_2, SIZE);
            assert!(cut.is_none_or(|member| !member.is_certain()), "{length}");
        }
        for size in [0, 511, 4096, 8191, 65_535, u64::MAX] {
            let _ = Place::ALL.map(|place| Member::parse(V1_2, place, size));
        }
    }

    #[test]
    fn members_of_one_array_differ_in_their_role_and_in_how_new_they_are() {
        let [fresh, stale] =
            [&superblock!("fresh")[..], superblock!("stale")].map(|bytes| read(bytes, Place::V1_2));
        assert!(fresh.is_mirror_of(&stale) && fresh.freshness() > stale.freshness());
        let [first, second] = [superblock!("1.2-first"), superblock!("1.2-second")]
            .map(|bytes| read(bytes, Place::V1_2));
        assert!(first.is_mirror_of(&second) && first.freshness() > second.freshness());
        assert!(!first.is_mirror_of(&fresh));
        let made_later = read(&with(V1_2, 216, &[(64, &[1])]), Place::V1_2);
        assert!(!first.is_mirror_of(&made_later));
    }

    #[test]
    fn partitions_in_an_array_are_members_of_their_own() {
        let whole = read(V1_0, Place::V1_0);
        let first = whole.inside(1, 1 << 20..2 << 20).unwrap();
        assert_eq!((first.data.clone(), first.partition), (0..1 << 20, Some(1)));
        assert!(!first.is_mirror_of(&whole));
        assert!(!first.is_mirror_of(&whole.inside(2, 2 << 20..3 << 20).unwrap()));
        // A last partition with a superblock of its own, and one of another array.
        assert_eq!(whole.inside(1, 1 << 20..SIZE), None);
        assert_eq!(read(V1_2, Place::V1_2).inside(1, 1 << 20..2 << 20), None);
        assert_eq!(whole.grub_name(), "mduuid/1dbd3f7c04c34b94c189af64190b4c52");
    }
}
