//! What file system a partition holds, from its superblock alone.
//!
//! Good for finding a partition by UUID or label and for telling a person what
//! was seen. It is a guess by magic numbers, made before anything is verified:
//! nothing is trusted because of it.

use core::fmt;
use core::ops::Range;

/// How many bytes from the start of a partition [`identify`] can use.
pub const PROBE_BYTES: usize = 68 * 1024;

/// What a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// FAT12, FAT16 or FAT32.
    Vfat,
    /// ext2, ext3 or ext4: one driver mounts all three.
    Ext4,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
    /// The file system of CDs.
    Iso9660,
    /// Squashfs.
    Squashfs,
    /// EROFS.
    Erofs,
    /// F2FS.
    F2fs,
    /// NTFS.
    Ntfs,
    /// exFAT.
    Exfat,
    /// A LUKS container: encrypted, no file system to mount.
    Luks,
    /// A physical volume of LVM: no file system to mount.
    Lvm,
    /// A member of a RAID of Linux: no file system to mount.
    Raid,
    /// Swap: no file system to mount.
    Swap,
}

/// An identified file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// What it is.
    pub kind: Kind,
    /// UUID in its usual form, `XXXX-XXXX` for FAT.
    pub uuid: Option<String>,
    /// Label; outside text.
    pub label: Option<String>,
}

/// A superblock that is known by constant bytes at a constant place.
struct Magic {
    kind: Kind,
    at: usize,
    bytes: &'static [u8],
    /// Place of a 16-byte UUID.
    uuid: Option<usize>,
    /// Place and length of a label, padded with NUL or blanks.
    label: Option<(usize, usize)>,
}

impl Magic {
    const fn new(kind: Kind, at: usize, bytes: &'static [u8]) -> Self {
        Self { kind, at, bytes, uuid: None, label: None }
    }

    const fn with(self, uuid: Option<usize>, label: (usize, usize)) -> Self {
        Self { uuid, label: Some(label), ..self }
    }
}

/// Places and magics are those of the kernel's own superblock structures.
const MAGICS: &[Magic] = &[
    Magic::new(Kind::Xfs, 0, b"XFSB").with(Some(32), (108, 12)),
    Magic::new(Kind::Squashfs, 0, b"hsqs"),
    Magic::new(Kind::Ntfs, 3, b"NTFS    "),
    Magic::new(Kind::Exfat, 3, b"EXFAT   "),
    Magic::new(Kind::Erofs, 1024, b"\xe2\xe1\xf5\xe0").with(Some(1072), (1088, 16)),
    Magic { uuid: Some(1132), ..Magic::new(Kind::F2fs, 1024, b"\x10\x20\xf5\xf2") },
    Magic::new(Kind::Swap, 4086, b"SWAPSPACE2"),
    Magic::new(Kind::Btrfs, 65_600, b"_BHRfS_M").with(Some(65_568), (65_835, 256)),
];

/// Identifies a file system from the first bytes of a partition, as many as
/// there are up to [`PROBE_BYTES`].
#[must_use]
pub fn identify(bytes: &[u8]) -> Option<FileSystem> {
    let magic = MAGICS
        .iter()
        .find(|magic| bytes_at(bytes, magic.at, magic.bytes.len()) == Some(magic.bytes));
    let known = magic.map(|magic| FileSystem {
        kind: magic.kind,
        uuid: match magic.kind {
            Kind::Exfat => u32_at(bytes, 100).map(serial),
            _ => magic.uuid.and_then(|at| uuid(bytes, at)),
        },
        label: match magic.kind {
            Kind::F2fs => wide_label(bytes, 1148, 512),
            _ => magic.label.and_then(|(at, length)| label(bytes, at, length)),
        },
    });
    let known = luks(bytes).or_else(|| lvm(bytes)).or(known);
    let known = known.or_else(|| iso9660(bytes)).or_else(|| ext4(bytes));
    known.or_else(|| vfat(bytes)).or_else(|| raid(bytes))
}

/// How many bytes of its device a file system takes, of which these are the first; none
/// where it is of a kind whose superblock is not asked for that.
#[must_use]
pub fn size(kind: Kind, bytes: &[u8]) -> Option<u64> {
    let (count, unit) = match kind {
        Kind::Ext4 => {
            const WIDE: u32 = 0x80;
            let is_wide = u32_at(bytes, 1120)? & WIDE != 0;
            let high = if is_wide { u32_at(bytes, 1360)? } else { 0 };
            let count = u64::from(high) << 32 | u64::from(u32_at(bytes, 1028)?);
            (count, 1024_u64.checked_shl(u32_at(bytes, 1048)?)?)
        }
        Kind::Xfs => (u64_at(bytes, 8)?.swap_bytes(), u32_at(bytes, 4)?.swap_bytes().into()),
        // Of this device, where it is on several.
        Kind::Btrfs => (u64_at(bytes, 65_745)?, 1),
        Kind::F2fs => (u64_at(bytes, 1060)?, 1_u64.checked_shl(u32_at(bytes, 1040)?)?),
        Kind::Ntfs => (u64_at(bytes, 40)?, u16_at(bytes, 11)?.into()),
        Kind::Exfat => (u64_at(bytes, 72)?, 1_u64.checked_shl(byte_at(bytes, 108)?.into())?),
        Kind::Vfat => {
            let short = u32::from(u16_at(bytes, 19)?);
            let count = if short == 0 { u32_at(bytes, 32)? } else { short };
            (count.into(), u16_at(bytes, 11)?.into())
        }
        _ => return None,
    };
    count.checked_mul(unit)
}

/// LUKS1 and LUKS2: a UUID as text, and in the second a label (LUKS2 On-Disk Format
/// Specification 1.1, 2.1).
fn luks(bytes: &[u8]) -> Option<FileSystem> {
    let is_luks = bytes_at(bytes, 0, 6)? == b"LUKS\xba\xbe";
    let is_second = bytes_at(bytes, 6, 2) == Some(&[0, 2]);
    is_luks.then(|| FileSystem {
        kind: Kind::Luks,
        uuid: label(bytes, 168, 40),
        label: label(bytes, 24, 48).filter(|_| is_second),
    })
}

/// A physical volume of LVM, labelled in its second sector; LVM writes the 32 characters
/// of its UUID in groups.
fn lvm(bytes: &[u8]) -> Option<FileSystem> {
    let is_lvm = bytes_at(bytes, 536, 8)? == b"LVM2 001";
    is_lvm.then(|| FileSystem { kind: Kind::Lvm, uuid: lvm_uuid(bytes), label: None })
}

fn lvm_uuid(bytes: &[u8]) -> Option<String> {
    /// Where all but the first begin.
    const GROUPS: [usize; 6] = [6, 10, 14, 18, 22, 26];
    let text = core::str::from_utf8(bytes_at(bytes, 544, 32)?).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let mut uuid = String::new();
    for (at, character) in text.char_indices() {
        if GROUPS.contains(&at) {
            uuid.push('-');
        }
        uuid.push(character);
    }
    Some(uuid)
}

/// A member of a RAID whose superblock is at its start (versions 1.1 and 1.2 of md(4)).
/// Last of all: where something else was made of the partition since, it may be left
/// over.
fn raid(bytes: &[u8]) -> Option<FileSystem> {
    const MAGIC: [u8; 4] = [0xfc, 0x4e, 0x2b, 0xa9];
    let is_one = [0, 4096].into_iter().any(|at| bytes_at(bytes, at, 4) == Some(&MAGIC));
    is_one.then_some(FileSystem { kind: Kind::Raid, uuid: None, label: None })
}

/// A CD, known by its primary volume descriptor (ECMA-119, 8.4). What others call
/// its UUID is the time at which it was changed last, or else made.
fn iso9660(bytes: &[u8]) -> Option<FileSystem> {
    const DESCRIPTOR: usize = 32_768;
    const CHANGED: usize = 830;
    const MADE: usize = 813;
    let descriptor = bytes.get(DESCRIPTOR..)?;
    let is_primary = bytes_at(descriptor, 0, 6)? == b"\x01CD001";
    is_primary.then(|| FileSystem {
        kind: Kind::Iso9660,
        uuid: moment(descriptor, CHANGED).or_else(|| moment(descriptor, MADE)),
        label: label(descriptor, 40, 32),
    })
}

/// Sixteen digits, `YYYY-MM-DD-hh-mm-ss-cc`; all zero where there is none.
fn moment(descriptor: &[u8], at: usize) -> Option<String> {
    let digits = core::str::from_utf8(bytes_at(descriptor, at, 16)?).ok()?;
    let is_moment = digits.bytes().all(|digit| digit.is_ascii_digit());
    let (year, rest) =
        digits.split_at_checked(4).filter(|_| is_moment && digits != "0".repeat(16))?;
    let pairs = rest.as_bytes().as_chunks::<2>().0;
    let mut text = year.to_owned();
    for [tens, ones] in pairs {
        text.extend(['-', char::from(*tens), char::from(*ones)]);
    }
    Some(text)
}

/// ext2, ext3, ext4. Its magic is only two bytes long, so the block size is
/// looked at too; a journal on a device of its own is no file system.
fn ext4(bytes: &[u8]) -> Option<FileSystem> {
    const SUPERBLOCK: usize = 1024;
    const JOURNAL_DEVICE: u32 = 0x8;
    let superblock = bytes.get(SUPERBLOCK..)?;
    let is_ext = bytes_at(superblock, 56, 2)? == [0x53, 0xef] && u32_at(superblock, 24)? <= 6;
    let is_journal = u32_at(superblock, 96)? & JOURNAL_DEVICE != 0;
    (is_ext && !is_journal).then(|| FileSystem {
        kind: Kind::Ext4,
        uuid: uuid(superblock, 104),
        label: label(superblock, 120, 16),
    })
}

/// FAT, known by a boot sector in which every field makes sense: there is no
/// magic that all formatters write.
fn vfat(bytes: &[u8]) -> Option<FileSystem> {
    let sector_size = u16_at(bytes, 11)?;
    let [cluster, fats, media] = [byte_at(bytes, 13)?, byte_at(bytes, 16)?, byte_at(bytes, 21)?];
    let plausible = bytes_at(bytes, 510, 2)? == [0x55, 0xaa]
        && sector_size.is_power_of_two()
        && (512..=4096).contains(&sector_size)
        && cluster.is_power_of_two()
        && u16_at(bytes, 14)? != 0
        && (1..=2).contains(&fats)
        && (media == 0xf0 || media >= 0xf8);
    let is_fat32 = u16_at(bytes, 22)? == 0 && u32_at(bytes, 36)? != 0;
    let extension = if is_fat32 { 66 } else { 38 };
    plausible.then(|| vfat_identity(bytes.get(extension..).unwrap_or_default()))
}

/// Serial number and label from the extended boot record, whose first byte
/// says what it holds: 0x28 no label, 0x29 both.
fn vfat_identity(extension: &[u8]) -> FileSystem {
    let signature = byte_at(extension, 0);
    let number = u32_at(extension, 1).filter(|_| matches!(signature, Some(0x28 | 0x29)));
    let label = label(extension, 5, 11).filter(|label| label != "NO NAME");
    FileSystem {
        kind: Kind::Vfat,
        uuid: number.map(serial),
        label: label.filter(|_| signature == Some(0x29)),
    }
}

/// The number of a file system of Microsoft's, as it is written.
fn serial(number: u32) -> String {
    format!("{:04X}-{:04X}", number >> 16, number & 0xffff)
}

/// Where the first entries of a FAT's root directory lie, in bytes from the start
/// of the partition whose first bytes these are: that is where its label is kept
/// since DOS 3, the boot sector's is but a copy. None for other file systems.
#[must_use]
pub fn fat_directory(bytes: &[u8]) -> Option<Range<u64>> {
    let sector_size = u64::from(u16_at(bytes, 11)?);
    let small = u64::from(u16_at(bytes, 22)?);
    let (fat, skipped) = match small {
        0 => {
            let cluster = u64::from(byte_at(bytes, 13)?);
            let first = u64::from(u32_at(bytes, 44)?).checked_sub(2)?;
            (u64::from(u32_at(bytes, 36)?), first.checked_mul(cluster)?)
        }
        size => (size, 0),
    };
    let fats = fat.checked_mul(u64::from(byte_at(bytes, 16)?))?;
    let sector = u64::from(u16_at(bytes, 14)?).checked_add(fats)?.checked_add(skipped)?;
    let start = sector.checked_mul(sector_size)?;
    Some(start..start.checked_add(sector_size)?)
}

/// The label in the entries of a FAT's root directory: the first in use that is
/// one.
#[must_use]
pub fn fat_label(directory: &[u8]) -> Option<String> {
    const ENTRY: usize = 32;
    let mut entries = directory.chunks_exact(ENTRY).take_while(|entry| entry.first() != Some(&0));
    label(entries.find(|entry| is_fat_label(entry))?, 0, 11)
}

/// Whether an entry of a FAT directory is the volume's label.
fn is_fat_label(entry: &[u8]) -> bool {
    const LABEL: u8 = 0x08;
    const DIRECTORY_OR_LABEL: u8 = 0x18;
    const DELETED: u8 = 0xe5;
    // All four lowest bits are a part of a long name.
    entry.get(11).is_some_and(|bits| bits & DIRECTORY_OR_LABEL == LABEL && bits & 0xf != 0xf)
        && entry.first() != Some(&DELETED)
}

fn uuid(bytes: &[u8], at: usize) -> Option<String> {
    let number = u128::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
    (number != 0).then(|| super::Guid(number).to_string())
}

fn label(bytes: &[u8], at: usize, length: usize) -> Option<String> {
    let text = bytes_at(bytes, at, length)?.split(|byte| *byte == 0).next()?;
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end_matches(' ');
    (!text.is_empty()).then(|| text.to_owned())
}

/// A label of so many units of UTF-16 at most, which a zero ends before.
fn wide_label(bytes: &[u8], at: usize, length: usize) -> Option<String> {
    let units = bytes.get(at..)?.as_chunks::<2>().0.iter().take(length);
    let units = units.map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0);
    let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    Some(text.collect()).filter(|text: &String| !text.is_empty())
}

pub(super) fn bytes_at(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..)?.get(..length)
}

pub(super) fn byte_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl Kind {
    /// The name that mount(2) takes; for what cannot be mounted, blkid's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vfat => "vfat",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Iso9660 => "iso9660",
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
            Self::F2fs => "f2fs",
            Self::Ntfs => "ntfs",
            Self::Exfat => "exfat",
            Self::Luks => "crypto_LUKS",
            Self::Lvm => "LVM2_member",
            Self::Raid => "linux_raid_member",
            Self::Swap => "swap",
        }
    }

    /// Whether there is a file system that could be mounted.
    #[must_use]
    pub const fn is_mountable(self) -> bool {
        !matches!(self, Self::Luks | Self::Lvm | Self::Raid | Self::Swap)
    }

    /// Why what lies in a container is not found, where this is one.
    #[must_use]
    pub const fn shut(self) -> Option<&'static str> {
        match self {
            Self::Luks => Some("it is encrypted, and nothing here opens it"),
            Self::Lvm => Some("it is a part of LVM, which nothing here puts together"),
            Self::Raid => Some("it is a part of a RAID, which nothing here puts together"),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; PROBE_BYTES];
        for (at, part) in parts {
            bytes[*at..at + part.len()].copy_from_slice(part);
        }
        bytes
    }

    fn identity(bytes: &[u8]) -> Option<(&'static str, Option<String>, Option<String>)> {
        identify(bytes).map(|found| (found.kind.name(), found.uuid, found.label))
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    /// A FAT boot sector: 512-byte sectors, one per cluster, two FATs.
    const BOOT_SECTOR: [(usize, &[u8]); 3] =
        [(11, &[0, 2, 1, 1, 0, 2]), (21, &[0xf8]), (510, &[0x55, 0xaa])];

    #[test]
    fn fat16_has_its_serial_number_and_label_in_the_boot_sector() {
        let extension: &[u8] = b"\x29\xef\xbe\xad\xdeESP        ";
        let bytes = image(&[&BOOT_SECTOR[..], &[(22, &[32, 0]), (38, extension)]].concat());
        assert_eq!(identity(&bytes), Some(("vfat", text("DEAD-BEEF"), text("ESP"))));
    }

    #[test]
    fn fat32_has_them_further_on() {
        let extension: &[u8] = b"\x29\x01\x00\x00\x00NO NAME    ";
        let bytes = image(&[&BOOT_SECTOR[..], &[(36, &[32]), (66, extension)]].concat());
        assert_eq!(identity(&bytes), Some(("vfat", text("0000-0001"), None)));
    }

    #[test]
    fn the_label_of_a_fat_is_in_its_root_directory() {
        // One reserved sector, two FATs of 32 sectors; then those of a FAT32 whose
        // root directory is its second cluster.
        let small = image(&[&BOOT_SECTOR[..], &[(22, &[32, 0])]].concat());
        assert_eq!(fat_directory(&small), Some(512 * 65..512 * 66));
        let large = image(&[&BOOT_SECTOR[..], &[(36, &[32]), (44, &[3])]].concat());
        assert_eq!(fat_directory(&large), Some(512 * 66..512 * 67));
        let no_cluster = image(&[&BOOT_SECTOR[..], &[(36, &[32]), (44, &[1])]].concat());
        assert_eq!(fat_directory(&no_cluster), None);
        assert_eq!(fat_directory(&[]), None);
    }

    fn entry(name: &[u8; 11], attributes: u8) -> Vec<u8> {
        let mut entry = vec![0; 32];
        entry[..11].copy_from_slice(name);
        entry[11] = attributes;
        entry
    }

    #[test]
    fn of_a_directory_only_an_entry_in_use_that_is_a_label_counts() {
        let long_name = entry(b"LOADER     ", 0x0f);
        let deleted = entry(b"\xe5LD        ", 0x08);
        let directory = [long_name, deleted, entry(b"MY BOOT    ", 0x28)].concat();
        assert_eq!(fat_label(&directory), text("MY BOOT"));
        let over = [vec![0; 32], entry(b"MY BOOT    ", 0x08)].concat();
        assert_eq!(fat_label(&over), None);
        assert_eq!(fat_label(&directory[..64]), None);
    }

    #[test]
    fn the_uuid_of_a_cd_is_the_time_of_its_last_change_or_else_of_its_making() {
        for (changed, uuid) in [
            (b"2025010203040507", "2025-01-02-03-04-05-07"),
            (b"0000000000000000", "2024-01-02-03-04-05-06"),
            (b"20250102030405xx", "2024-01-02-03-04-05-06"),
        ] {
            let cd = image(&[
                (32_768, b"\x01CD001".as_slice()),
                (32_808, b"DEBIAN_12   "),
                (32_768 + 813, b"2024010203040506"),
                (32_768 + 830, changed),
            ]);
            assert_eq!(identity(&cd), Some(("iso9660", text(uuid), text("DEBIAN_12"))));
        }
    }

    #[test]
    fn a_boot_sector_that_makes_no_sense_is_no_fat() {
        let cases: [(usize, &[u8]); 6] =
            [(11, &[0, 3]), (11, &[0, 64]), (13, &[3]), (14, &[0]), (16, &[0]), (510, &[0, 0])];
        for nonsense in cases {
            let bytes = image(&[&BOOT_SECTOR[..], &[(22, &[32, 0]), nonsense]].concat());
            assert_eq!(identity(&bytes), None, "{nonsense:?}");
        }
    }

    #[test]
    fn ext4_tells_uuid_and_label_and_a_journal_device_is_none() {
        let parts: [(usize, &[u8]); 3] =
            [(1080, &[0x53, 0xef]), (1128, &[0xab; 16]), (1144, b"boot\0junk")];
        let expected = ("ext4", text("abababab-abab-abab-abab-abababababab"), text("boot"));
        assert_eq!(identity(&image(&parts)), Some(expected));
        let journal = [&parts[..], &[(1120, &[8])]].concat();
        assert_eq!(identity(&image(&journal)), None);
    }

    #[test]
    fn the_others_are_known_by_their_magic() {
        for magic in MAGICS {
            let found = identify(&image(&[(magic.at, magic.bytes)])).unwrap();
            let uuid = (magic.kind == Kind::Exfat).then(|| "0000-0000".to_owned());
            assert_eq!(found, FileSystem { kind: magic.kind, uuid, label: None });
        }
        let xfs = image(&[(0, b"XFSB"), (32, &[1; 16]), (108, b"boot")]);
        let expected = ("xfs", text("01010101-0101-0101-0101-010101010101"), text("boot"));
        assert_eq!(identity(&xfs), Some(expected));
    }

    #[test]
    fn the_label_of_an_f2fs_is_wide_and_ends_where_its_field_does() {
        let start: [(usize, &[u8]); 3] =
            [(1024, b"\x10\x20\xf5\xf2"), (1132, &[1; 16]), (1148, b"B\0\xe4\0\0\xd8T\0\0\0x")];
        let expected =
            ("f2fs", text("01010101-0101-0101-0101-010101010101"), text("B\u{e4}\u{fffd}T"));
        assert_eq!(identity(&image(&start)), Some(expected));
        let endless = [&start[..2], &[(1148, &[b'a'; 2048])]].concat();
        let label = identify(&image(&endless)).unwrap().label.unwrap();
        assert_eq!(label.chars().count(), 512);
    }

    #[test]
    fn a_container_is_told_by_the_names_that_its_own_system_goes_by() {
        let uuid = "0d1c6c4e-4b7c-4f0e-9d5b-1c1f0a2b3c4d";
        let parts: [(usize, &[u8]); 3] =
            [(0, b"LUKS\xba\xbe\0\x02"), (24, b"root\0"), (168, uuid.as_bytes())];
        assert_eq!(identity(&image(&parts)), Some(("crypto_LUKS", text(uuid), text("root"))));
        // The first version has the cipher's name there.
        let first = [(0, &b"LUKS\xba\xbe\0\x01"[..]), (8, b"aes"), (24, b"x"), parts[2]];
        assert_eq!(identity(&image(&first)), Some(("crypto_LUKS", text(uuid), None)));
        assert_eq!(identity(b"LUKS\xba\xbe"), Some(("crypto_LUKS", None, None)));

        let volume = |id: &[u8]| identity(&image(&[(536, b"LVM2 001"), (544, id)]));
        let expected = text("aBcdef-0123-4567-89ab-cdef-ghij-klmnop");
        let found = volume(b"aBcdef0123456789abcdefghijklmnop");
        assert_eq!(found, Some(("LVM2_member", expected, None)));
        for odd in [&b""[..], b"\xff\xfe", "\u{e4}".repeat(16).as_bytes(), b"\x1b[2J"] {
            assert_eq!(volume(odd), Some(("LVM2_member", None, None)), "{odd:?}");
        }
    }

    #[test]
    fn a_member_of_a_raid_is_one_unless_something_else_is_there() {
        for at in [0, 4096] {
            let member = image(&[(at, &[0xfc, 0x4e, 0x2b, 0xa9])]);
            assert_eq!(identity(&member), Some(("linux_raid_member", None, None)), "{at}");
        }
        let reused = image(
            &[&BOOT_SECTOR[..], &[(22, &[32, 0]), (4096, &[0xfc, 0x4e, 0x2b, 0xa9])]].concat(),
        );
        assert_eq!(identity(&reused).map(|found| found.0), Some("vfat"));
        assert!(!Kind::Raid.is_mountable() && Kind::Raid.shut().is_some());
        assert_eq!(Kind::Swap.shut(), None);
    }

    #[test]
    fn how_much_of_a_device_a_file_system_takes_is_in_its_superblock() {
        type Parts<'p> = &'p [(usize, &'p [u8])];
        let cases: [(Kind, Parts<'_>, u64); 10] = [
            (Kind::Ext4, &[(1028, &[0, 0, 1]), (1048, &[2])], 1 << 28),
            (Kind::Ext4, &[(1028, &[1]), (1120, &[0x80]), (1360, &[1])], (1 << 42) + 1024),
            (Kind::Ext4, &[(1028, &[1]), (1360, &[1])], 1024),
            (Kind::Xfs, &[(6, &[0x10]), (14, &[1])], 1 << 20),
            (Kind::Btrfs, &[(65_745, &[0, 0, 1])], 1 << 16),
            (Kind::F2fs, &[(1040, &[12]), (1060, &[0, 1])], 1 << 20),
            (Kind::Ntfs, &[(11, &[0, 2]), (40, &[8])], 4096),
            (Kind::Exfat, &[(72, &[8]), (108, &[12])], 1 << 15),
            (Kind::Vfat, &[(11, &[0, 2]), (19, &[8]), (32, &[9])], 4096),
            (Kind::Vfat, &[(11, &[0, 2]), (32, &[0, 0, 1])], 1 << 25),
        ];
        for (kind, parts, expected) in cases {
            assert_eq!(size(kind, &image(parts)), Some(expected), "{kind:?}");
            assert_eq!(size(kind, &image(parts)[..15]), None, "{kind:?}");
        }
        let endless = image(&[(1040, &[0xff; 4]), (1048, &[0xff; 4]), (1060, &[0xff; 8])]);
        assert_eq!([Kind::Ext4, Kind::F2fs, Kind::Lvm].map(|kind| size(kind, &endless)), [None; 3]);
    }

    #[test]
    fn what_is_cut_short_is_not_read_beyond_its_end() {
        let full = image(&[(1080, &[0x53, 0xef]), (65_600, b"_BHRfS_M")]);
        for length in [0, 1, 511, 1024, 1081, 4096, 65_607] {
            let expected = if length > 1200 { Some(("ext4", None, None)) } else { None };
            assert_eq!(identity(&full[..length]), expected, "{length}");
        }
        assert_eq!(identity(&full), Some(("btrfs", None, None)));
    }
}
