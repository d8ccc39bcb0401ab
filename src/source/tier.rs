//! In which order devices are looked at for a menu, and which never are.
//!
//! The Boot Loader Specification (UAPI.1) names the boot partitions, the
//! Discoverable Partitions Specification (UAPI.2) those of Linux, and bit 63 of
//! a GPT entry those that nobody is to use without being told to. A disk that
//! can be taken out comes after every one that cannot.

use core::fmt;

use super::filesystem::Kind;
use super::{Candidate, Guid, PartitionType, Scan, Selector, mbr};
use crate::base::sort;

/// How early a device is looked at: the smaller, the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tier {
    /// Whether the disk can be taken out.
    pub removable: bool,
    /// What the device is.
    pub role: Role,
}

/// What makes a device worth looking at by itself, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// XBOOTLDR, or type 0xEA of an MBR: `$BOOT`.
    Boot,
    /// An EFI system partition.
    Esp,
    /// The active FAT partition of an MBR.
    ActiveFat,
    /// A Linux file system, a root or a /usr.
    Linux,
    /// A file system on a disk without partitions, or a CD's beside some.
    Whole,
}

impl Role {
    /// Whether the device is there in order to boot from it.
    #[must_use]
    pub const fn is_boot(self) -> bool {
        matches!(self, Self::Boot | Self::Esp)
    }
}

/// Why a device is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// It is not the one that was named.
    Unnamed,
    /// The table says that it is not to be used without being named.
    NoAuto,
    /// Its partition type, or its having none.
    Type,
    /// Only boot partitions are looked at.
    Scan,
    /// Another one with the same identifier comes first.
    Duplicate,
    /// Another member of the same array is read.
    Mirror,
    /// There are too many.
    Count,
    /// The last start came to its end while it, or one like it, was being mounted.
    Killed,
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unnamed => "not the device that is configured",
            Self::NoAuto => "marked no-auto: only used when it is configured",
            Self::Type => "not of a type that holds menus",
            Self::Scan => "no boot partition, and no others are looked at (scan boot)",
            Self::Duplicate => "another one with the same identifier comes first",
            Self::Mirror => "another member of its array is read",
            Self::Count => "there are too many devices",
            Self::Killed => "a mount has ended the last start: passed over this once",
        })
    }
}

/// Where a device comes among those that are looked at.
///
/// # Errors
/// Why it is not looked at.
pub fn tier(candidate: &Candidate, selector: &Selector, scan: Scan) -> Result<Tier, Passed> {
    let removable = candidate.removable;
    if *selector != Selector::Auto {
        // All of them are what was named: only where they are tells them apart.
        let named = Tier { removable, role: Role::Boot };
        return if selector.selects(candidate) { Ok(named) } else { Err(Passed::Unnamed) };
    }
    let role = role(candidate).ok_or(Passed::Type)?;
    if candidate.no_auto {
        return Err(Passed::NoAuto);
    }
    if scan == Scan::Boot && !role.is_boot() {
        return Err(Passed::Scan);
    }
    Ok(Tier { removable, role })
}

fn role(candidate: &Candidate) -> Option<Role> {
    let kind = candidate.filesystem.as_ref().map(|found| found.kind);
    let member = candidate.read_member().map(|_| Role::Linux);
    match candidate.kind {
        Some(PartitionType::Gpt(Guid::LINUX_RAID)) => member,
        Some(PartitionType::Gpt(guid)) => role_of_guid(guid),
        Some(PartitionType::Mbr(found)) => match found.code {
            mbr::Kind::BOOT => Some(Role::Boot),
            mbr::Kind::ESP => Some(Role::Esp),
            mbr::Kind::LINUX => Some(Role::Linux),
            mbr::Kind::LINUX_RAID => member,
            _ if found.active && found.is_fat() => Some(Role::ActiveFat),
            _ => None,
        },
        None if !candidate.is_whole() => None,
        // A hybrid image has a partition table inside of the CD's file system;
        // of other file systems that is what was left of an earlier one.
        None if candidate.is_partitioned => {
            kind.filter(|k| *k == Kind::Iso9660).map(|_| Role::Whole)
        }
        None => kind.filter(|kind| kind.is_mountable()).map(|_| Role::Whole),
    }
}

fn role_of_guid(guid: Guid) -> Option<Role> {
    match guid {
        Guid::XBOOTLDR => Some(Role::Boot),
        Guid::ESP => Some(Role::Esp),
        Guid::LINUX_FILE_SYSTEM => Some(Role::Linux),
        _ if Guid::ROOTS.contains(&guid) => Some(Role::Linux),
        _ => None,
    }
}

/// Those that are looked at, best first, each with its tier: within one in the order in
/// which the kernel names disks and partitions.
pub fn rank(candidates: &mut [(Tier, Candidate)]) {
    sort::sort_by(candidates, |(tier, one), (other_tier, other)| {
        let names = (one.name.len(), &one.name).cmp(&(other.name.len(), &other.name));
        tier.cmp(other_tier).then(names)
    });
}

/// The earlier one of these that cannot be told from the last by an identifier
/// which people boot by, and that identifier.
#[must_use]
pub fn twin<'a>(
    before: impl IntoIterator<Item = &'a Candidate>,
    one: &Candidate,
) -> Option<(&'a Candidate, String)> {
    let own = identifiers(one);
    before.into_iter().filter(|other| other.name != one.name).find_map(|other| {
        let shared = own.iter().find(|selector| selector.selects(other))?;
        Some((other, shared.to_string()))
    })
}

/// What no other file system should have.
fn identifiers(candidate: &Candidate) -> Vec<Selector> {
    let mut identifiers = Vec::new();
    identifiers.extend(candidate.partuuid.clone().map(Selector::PartUuid));
    let uuid = candidate.filesystem.as_ref().and_then(|found| found.uuid.clone());
    identifiers.extend(uuid.map(Selector::Uuid));
    identifiers
}

#[cfg(test)]
mod tests {
    use super::super::tests::{candidate, holding};
    use super::*;
    use mbr::Kind as Mbr;

    fn names<'a>(candidates: &'a [Candidate], selector: &str, scan: Scan) -> Vec<&'a str> {
        let selector = Selector::parse(selector).unwrap();
        let tiered = |one: &Candidate| Some((tier(one, &selector, scan).ok()?, one.clone()));
        let mut ranked: Vec<_> = candidates.iter().filter_map(tiered).collect();
        rank(&mut ranked);
        let name = |name: &str| candidates.iter().find(|one| one.name == name);
        let names = ranked.iter().filter_map(|(_, one)| name(&one.name));
        names.map(|one| one.name.as_str()).collect()
    }

    fn mbr(name: &str, code: u8, active: bool) -> Candidate {
        Candidate { kind: Some(PartitionType::Mbr(Mbr { code, active })), ..candidate(name, None) }
    }

    fn whole(name: &str, kind: Kind) -> Candidate {
        Candidate { disk: name.to_owned(), ..holding(name, kind, "1", "disk") }
    }

    fn in_a_stick(of: Candidate) -> Candidate {
        Candidate { removable: true, ..of }
    }

    /// As Debian's installer leaves a disk: the root has /boot inside.
    #[test]
    fn the_root_of_a_default_debian_disk_is_found_or_is_what_was_named() {
        let esp = Candidate {
            partuuid: Some("aa-01".to_owned()),
            ..holding("vda1", Kind::Vfat, "4F2A-11CC", "")
        };
        let root = Candidate {
            partuuid: Some("aa-02".to_owned()),
            ..holding("vda2", Kind::Ext4, "5d2f-9c", "root")
        };
        for of_root in [Guid::LINUX_FILE_SYSTEM, Guid::ROOTS[0]] {
            let kinds = [Guid::ESP, of_root].map(|guid| Some(PartitionType::Gpt(guid)));
            let disk = [
                Candidate { kind: kinds[0], ..esp.clone() },
                Candidate { kind: kinds[1], ..root.clone() },
            ];
            assert_eq!(names(&disk, "auto", Scan::All), ["vda1", "vda2"], "open");
            assert_eq!(names(&disk, "auto", Scan::Boot), ["vda1"], "locked");
            assert_eq!(tier(&disk[1], &Selector::Auto, Scan::Boot), Err(Passed::Scan));
            for named in ["UUID=5D2F-9C", "PARTUUID=aa-02", "LABEL=root"] {
                assert_eq!(names(&disk, named, Scan::Boot), ["vda2"], "locked, {named}");
            }
        }
        let root = Candidate { kind: mbr("vda1", Mbr::LINUX, true).kind, ..root };
        assert_eq!(names(&[root], "auto", Scan::All), ["vda2"], "with an MBR");
    }

    fn a_machine() -> [Candidate; 13] {
        let hybrid = Candidate { is_partitioned: true, ..whole("sdb", Kind::Iso9660) };
        let remains = Candidate { is_partitioned: true, ..whole("vdd", Kind::Btrfs) };
        [
            candidate("vda10", Some(Guid::ESP)),
            candidate("vda2", Some(Guid::ESP)),
            in_a_stick(candidate("sda1", Some(Guid::XBOOTLDR))),
            in_a_stick(candidate("sda2", Some(Guid::ESP))),
            candidate("vdb1", Some(Guid::XBOOTLDR)),
            candidate("vda3", Some(Guid::LINUX_FILE_SYSTEM)),
            whole("vdc", Kind::Squashfs),
            whole("vde", Kind::Luks),
            Candidate { no_auto: true, ..candidate("vda4", Some(Guid::XBOOTLDR)) },
            candidate("vda5", Some(Guid(0x0657_fd6d_a4ab_43c4_84e5_0933_c84b_4f4f))),
            in_a_stick(hybrid),
            remains,
            candidate("vda6", Some(Guid::ROOTS[1])),
        ]
    }

    #[test]
    fn boot_partitions_come_first_then_linux_then_whole_disks_and_sticks_last() {
        let expected = ["vdb1", "vda2", "vda10", "vda3", "vda6", "vdc", "sda1", "sda2", "sdb"];
        assert_eq!(names(&a_machine(), "auto", Scan::All), expected);
        let expected = ["vdb1", "vda2", "vda10", "sda1", "sda2"];
        assert_eq!(names(&a_machine(), "auto", Scan::Boot), expected);
    }

    #[test]
    fn the_types_of_an_mbr_have_their_places_too() {
        let candidates = [
            mbr("vda1", 0x0c, false),
            mbr("vda2", 0x82, false),
            mbr("vda5", Mbr::LINUX, false),
            mbr("vda3", 0x06, true),
            mbr("vda4", Mbr::ESP, false),
            mbr("vda6", Mbr::BOOT, false),
        ];
        assert_eq!(names(&candidates, "auto", Scan::All), ["vda6", "vda4", "vda3", "vda5"]);
        assert_eq!(names(&candidates, "auto", Scan::Boot), ["vda6", "vda4"]);
    }

    #[test]
    fn a_named_partition_is_the_only_one_that_is_used() {
        let mut candidates = [
            candidate("vda1", Some(Guid::XBOOTLDR)),
            in_a_stick(holding("sda1", Kind::Vfat, "DEAD-BEEF", "boot")),
            holding("vdb2", Kind::Vfat, "DEAD-BEEF", "boot"),
            Candidate { no_auto: true, ..candidate("vda3", Some(Guid::XBOOTLDR)) },
        ];
        candidates[3].partuuid = Some("0fc63daf-8483-4772-8e79-3d69d8477de4".to_owned());
        candidates[3].partlabel = Some("Boot".to_owned());
        let cases: [(&str, &[&str]); 8] = [
            ("UUID=dead-beef", &["vdb2", "sda1"]),
            ("LABEL=boot", &["vdb2", "sda1"]),
            ("PARTUUID=0FC63DAF-8483-4772-8E79-3D69D8477DE4", &["vda3"]),
            ("PARTLABEL=Boot", &["vda3"]),
            ("LABEL=Boot", &[]),
            ("UUID=dead-bee", &[]),
            ("PARTUUID=dead-beef", &[]),
            ("UUID=0fc63daf-8483-4772-8e79-3d69d8477de4", &[]),
        ];
        for (selector, expected) in cases {
            assert_eq!(names(&candidates, selector, Scan::Boot), expected, "{selector}");
        }
    }

    fn why(name: &str, selector: &str, scan: Scan) -> Passed {
        let candidates = a_machine();
        let one = candidates.iter().find(|one| one.name == name).unwrap();
        tier(one, &Selector::parse(selector).unwrap(), scan).unwrap_err()
    }

    #[test]
    fn what_is_passed_over_has_its_reason() {
        assert_eq!(why("vda2", "LABEL=boot", Scan::All), Passed::Unnamed);
        assert_eq!(why("vda4", "auto", Scan::All), Passed::NoAuto);
        assert_eq!(why("vda5", "auto", Scan::All), Passed::Type);
        assert_eq!(why("vdd", "auto", Scan::All), Passed::Type);
        assert_eq!(why("vda3", "auto", Scan::Boot), Passed::Scan);
    }

    #[test]
    fn two_with_one_uuid_or_partuuid_are_twins_and_labels_make_none() {
        let [one, other, third] = [("vda1", "1-2"), ("vdb1", "1-2"), ("vdc1", "3-4")]
            .map(|(name, uuid)| holding(name, Kind::Vfat, uuid, "boot"));
        let found = twin([&one, &third], &other);
        assert_eq!(found, Some((&one, "UUID=1-2".to_owned())));
        assert_eq!(twin([&one, &other], &third), None);
        assert_eq!(twin([&one], &one), None);
        let [one, third] = [one, third]
            .map(|partition| Candidate { partuuid: Some("5-6".to_owned()), ..partition });
        assert_eq!(twin([&one], &third), Some((&one, "PARTUUID=5-6".to_owned())));
    }
}
