//! Where boot menus come from: which of the devices that the kernel shows may
//! hold one, and in which order they are looked at ([`tier()`]).
//!
//! A device that was named explicitly is the only one that is ever used; nothing
//! that is found by probing replaces it.

pub mod directory;
pub mod filesystem;
pub mod gpt;
mod guid;
pub mod mbr;
pub mod raid;
pub mod report;
pub mod tier;

use core::fmt;
use core::ops::Range;

pub use filesystem::FileSystem;
pub use guid::Guid;
pub use raid::Member;
pub use tier::{Passed, Role, Tier, rank, tier, twin};

use crate::base::text::{printable, quoted};
use crate::menu::Identity;

/// Longest UUID, PARTUUID or label, in bytes.
const MAX_VALUE: usize = 256;

/// Which partition is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Selector {
    /// The best by partition type.
    #[default]
    Auto,
    /// The partition with this GUID (GPT) or disk id and number (MBR).
    PartUuid(String),
    /// The file system with this UUID.
    Uuid(String),
    /// The file system with this label.
    Label(String),
    /// The partition with this name in a GUID partition table.
    PartLabel(String),
}

/// Which partition or disk holds the machine's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StateDevice {
    /// The partition whose type says so.
    #[default]
    ByType,
    /// The partition with this PARTUUID or name.
    Selected(Selector),
    /// The device with this name of the kernel's, such as `mmcblk0p3`.
    Named(String),
}

impl StateDevice {
    /// Reads `auto`, `PARTUUID=...`, `PARTLABEL=...` or `/dev/...`. A UUID or a label
    /// would be a file system's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("/dev/") {
            return is_kernel_name(name).then(|| Self::Named(name.to_owned()));
        }
        match Selector::parse(text).ok()? {
            Selector::Auto => Some(Self::ByType),
            selector @ (Selector::PartUuid(_) | Selector::PartLabel(_)) => {
                Some(Self::Selected(selector))
            }
            Selector::Uuid(_) | Selector::Label(_) => None,
        }
    }
}

impl fmt::Display for StateDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByType => f.write_str("auto"),
            Self::Selected(selector) => selector.fmt(f),
            Self::Named(name) => write!(f, "/dev/{name}"),
        }
    }
}

/// It becomes a part of paths.
fn is_kernel_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '!' | '.');
    (1..=MAX_VALUE).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_allowed)
}

/// Which devices are looked at where none was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// Boot partitions.
    Boot,
    /// Those of Linux, and disks without partitions, too.
    All,
}

impl Scan {
    /// Reads `boot` or `all`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "boot" => Some(Self::Boot),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// What a partition table says a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionType {
    /// In a GUID partition table.
    Gpt(Guid),
    /// In an MBR.
    Mbr(mbr::Kind),
}

/// Why a text is no [`Selector`]; each carries the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Neither `auto` nor a known key.
    Unknown(String),
    /// The value is empty, too long, or has characters that it cannot have.
    Value(String),
}

/// A block device that may hold the boot menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Kernel name of the device, such as `vda2`.
    pub name: String,
    /// Kernel name of the disk it is on; the same for a disk without
    /// partitions.
    pub disk: String,
    /// Type from the partition table; none for a disk, and for a partition that
    /// no table which can be read has.
    pub kind: Option<PartitionType>,
    /// Whether it is a disk with partitions on it.
    pub is_partitioned: bool,
    /// Attribute bit 63 of the partition: only to be used when named.
    pub no_auto: bool,
    /// PARTUUID as the kernel gives it.
    pub partuuid: Option<String>,
    /// Name from the GUID partition table; outside text.
    pub partlabel: Option<String>,
    /// What it holds, if that is known; of a member of an array that can be read, what
    /// the array holds.
    pub filesystem: Option<FileSystem>,
    /// What it is in an array of md's, if it is.
    pub member: Option<Member>,
    /// Whether the disk can be taken out.
    pub removable: bool,
    /// Size in bytes.
    pub size: u64,
    /// Why its partition table cannot be used, where it looks as if it had one.
    pub fault: Option<String>,
}

impl Candidate {
    /// Whether it is a disk, not a partition of one.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.name == self.disk
    }

    /// What it is in an array that is read from it.
    #[must_use]
    pub fn read_member(&self) -> Option<&Member> {
        self.member.as_ref().filter(|member| member.fault.is_none())
    }

    /// Where on the device its file system lies, in bytes, unless that is at the start.
    #[must_use]
    pub fn window(&self) -> Option<Range<u64>> {
        let data = &self.read_member()?.data;
        (data.start != 0).then(|| data.clone())
    }

    /// Which of the members of an array is to be read: the greatest.
    fn freshness(&self) -> impl Ord + use<> {
        (!self.removable, self.read_member().map(Member::freshness))
    }

    /// Why nothing is read of what it holds, where it is a container.
    #[must_use]
    pub fn shut(&self) -> Option<&'static str> {
        let member = self.member.as_ref().and_then(|member| member.fault);
        member.or_else(|| self.filesystem.as_ref().and_then(|found| found.kind.shut()))
    }

    /// Whether both hold one array's data, as far as they are up to date.
    #[must_use]
    pub fn is_mirror_of(&self, other: &Self) -> bool {
        let Some((one, member)) = self.read_member().zip(other.read_member()) else { return false };
        // A superblock of all of a disk may be left from before it had partitions.
        let is_left = one.partition.is_some() && self.partuuid != other.partuuid;
        one.is_mirror_of(member) && !is_left
    }
}

impl Selector {
    /// Reads `auto`, `PARTUUID=...`, `UUID=...`, `LABEL=...` or `PARTLABEL=...`.
    ///
    /// # Errors
    /// Anything else, with the text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let Some((key, value)) = text.split_once('=') else {
            return Err(Error::Unknown(text.to_owned()));
        };
        let selector = match key {
            "PARTUUID" => Self::PartUuid,
            "UUID" => Self::Uuid,
            "LABEL" => Self::Label,
            "PARTLABEL" => Self::PartLabel,
            _ => return Err(Error::Unknown(text.to_owned())),
        };
        let is_allowed = if key.ends_with("UUID") { is_uuid_char } else { is_label_char };
        if (1..=MAX_VALUE).contains(&value.len()) && value.chars().all(is_allowed) {
            Ok(selector(value.to_owned()))
        } else {
            Err(Error::Value(text.to_owned()))
        }
    }

    /// Whether it names this one; `auto` names none.
    #[must_use]
    pub fn selects(&self, candidate: &Candidate) -> bool {
        let filesystem = candidate.filesystem.as_ref();
        match self {
            Self::Auto => false,
            Self::PartUuid(wanted) => is_uuid(candidate.partuuid.as_deref(), wanted),
            Self::Uuid(wanted) => is_uuid(filesystem.and_then(|fs| fs.uuid.as_deref()), wanted),
            Self::Label(wanted) => filesystem.and_then(|fs| fs.label.as_ref()) == Some(wanted),
            Self::PartLabel(wanted) => candidate.partlabel.as_ref() == Some(wanted),
        }
    }
}

impl Selector {
    /// Whether it names the partition of which a table says this.
    #[must_use]
    pub fn selects_partition(&self, partuuid: &str, name: Option<&str>) -> bool {
        match self {
            Self::PartUuid(wanted) => is_uuid(Some(partuuid), wanted),
            Self::PartLabel(wanted) => name == Some(wanted),
            Self::Auto | Self::Uuid(_) | Self::Label(_) => false,
        }
    }
}

/// FAT serial numbers and dates are UUIDs too.
const fn is_uuid_char(c: char) -> bool {
    c.is_ascii_hexdigit() || c == '-'
}

fn is_label_char(c: char) -> bool {
    !c.is_control()
}

fn is_uuid(found: Option<&str>, wanted: &str) -> bool {
    found.is_some_and(|found| found.eq_ignore_ascii_case(wanted))
}

impl Candidate {
    /// What menus may call it and know it by.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let file_system = self.filesystem.as_ref();
        Identity {
            name: self.grub_name(),
            uuid: file_system.and_then(|found| found.uuid.clone()),
            label: file_system.and_then(|found| found.label.clone()),
            partuuid: self.partuuid.clone(),
            partlabel: self.partlabel.clone(),
            file_system: file_system.map(|found| found.kind.name()),
            array: self.read_member().map(Member::grub_name),
        }
    }

    /// As scripts of GRUB call a partition: the disk, the kind of its table and its
    /// number (`vda,gpt2`). What is none, or of no table, has its own name.
    #[must_use]
    pub fn grub_name(&self) -> String {
        let table = match self.kind {
            Some(PartitionType::Gpt(_)) => ",gpt",
            Some(PartitionType::Mbr(_)) => ",msdos",
            None => return self.name.clone(),
        };
        match self.name.strip_prefix(&self.disk) {
            // Behind a disk whose name ends in a number comes a `p`.
            Some(number) => [&self.disk, table, number.trim_start_matches('p')].concat(),
            None => self.name.clone(),
        }
    }
}

/// What names a device in an image's configuration; none for one that has nothing that
/// is its own.
#[must_use]
pub fn selector(candidate: &Candidate) -> Option<Selector> {
    let uuid = candidate.filesystem.as_ref().and_then(|found| found.uuid.clone());
    uuid.map(Selector::Uuid).or_else(|| candidate.partuuid.clone().map(Selector::PartUuid))
}

/// What somebody can call a device: the kernel's name, GRUB's form of it, and what
/// identifies it and its file system.
#[must_use]
pub fn names(candidate: &Candidate) -> Vec<String> {
    let found = candidate.filesystem.as_ref();
    let selectors = [
        ("UUID=", found.and_then(|found| found.uuid.as_ref())),
        ("LABEL=", found.and_then(|found| found.label.as_ref())),
        ("PARTUUID=", candidate.partuuid.as_ref()),
        ("PARTLABEL=", candidate.partlabel.as_ref()),
    ];
    let mut names = vec![candidate.name.clone()];
    names.extend(Some(candidate.grub_name()).filter(|name| *name != candidate.name));
    let selectors = selectors.into_iter();
    names.extend(selectors.filter_map(|(key, value)| Some([key, value?].concat())));
    names
}

/// The device that somebody calls so: by one of its [`names`], with `/dev/` before the
/// kernel's or parentheses around GRUB's form; UUIDs in any case. Of members of one
/// array the one that is to be read.
///
/// # Errors
/// It is none, or not the only one.
pub fn named<'a>(candidates: &'a [Candidate], name: &str) -> Result<&'a Candidate, String> {
    let plain = name.strip_prefix("/dev/").unwrap_or(name);
    let plain = plain.strip_prefix('(').and_then(|name| name.strip_suffix(')')).unwrap_or(plain);
    let selector = Selector::parse(plain).unwrap_or_default();
    let is_meant =
        |one: &&Candidate| one.name == plain || one.grub_name() == plain || selector.selects(one);
    let mut found = candidates.iter().filter(is_meant);
    let Some(first) = found.next() else {
        return Err(format!("there is no device {name}: \"from\" alone names what there is"));
    };
    match found.find(|other| !other.is_mirror_of(first)) {
        None => {
            let all = candidates.iter().filter(is_meant).rev();
            Ok(all.max_by_key(|one| one.freshness()).unwrap_or(first))
        }
        Some(other) => {
            Err(format!("{name} is {} and {}: take one of these names", first.name, other.name))
        }
    }
}

/// Why `selector` allows this candidate: its partition type, or the selector
/// itself.
#[must_use]
pub fn why(candidate: &Candidate, selector: &Selector) -> String {
    match selector {
        Selector::Auto => type_name(candidate),
        explicit => printable(&explicit.to_string()).into_owned(),
    }
}

/// What a person needs to know to recognise a device: one line without line
/// end, safe to print.
#[must_use]
pub fn describe(candidate: &Candidate) -> String {
    let mut line = format!("{}: {}", printable(&candidate.name), Size(candidate.size));
    let removable = if candidate.removable { "removable" } else { "" };
    let filesystem = describe_filesystem(candidate);
    let fault = candidate.fault.as_deref().unwrap_or_default();
    let member = candidate.member.as_ref().map(ToString::to_string).unwrap_or_default();
    for part in [&type_name(candidate), removable, &filesystem, &member, fault] {
        if !part.is_empty() {
            line.push_str(", ");
            line.push_str(part);
        }
    }
    line
}

fn describe_filesystem(candidate: &Candidate) -> String {
    match &candidate.filesystem {
        None if candidate.is_partitioned => String::new(),
        None => "no file system known".to_owned(),
        Some(found) => describe_found(found),
    }
}

/// A container's UUID too: that is what the system that opens it goes by.
fn describe_found(found: &FileSystem) -> String {
    let mut line = found.kind.name().to_owned();
    let uuid = found.uuid.as_ref().filter(|_| !found.kind.is_mountable());
    for (word, value) in [(" label ", found.label.as_ref()), (" UUID ", uuid)] {
        if let Some(value) = value {
            line.push_str(word);
            line.push_str(&printable(value));
        }
    }
    line
}

/// Empty for a partition whose type nobody knows.
fn type_name(candidate: &Candidate) -> String {
    match candidate.kind {
        Some(PartitionType::Gpt(guid)) => guid_name(guid),
        Some(PartitionType::Mbr(kind)) => kind.to_string(),
        None if candidate.is_partitioned => "disk with partitions".to_owned(),
        None if candidate.is_whole() => "whole disk".to_owned(),
        None => String::new(),
    }
}

fn guid_name(guid: Guid) -> String {
    match guid {
        Guid::XBOOTLDR => "XBOOTLDR".to_owned(),
        Guid::ESP => "ESP".to_owned(),
        Guid::LINUX_FILE_SYSTEM => "Linux file system".to_owned(),
        Guid::LINUX_RAID => "Linux RAID".to_owned(),
        _ if Guid::ROOTS.contains(&guid) => "Linux root or /usr".to_owned(),
        _ => format!("GPT type {guid}"),
    }
}

/// A number of bytes, rounded down to a unit that leaves at least two digits.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 10 << 30 => write!(f, "{} GiB", bytes >> 30),
            bytes if bytes >= 10 << 20 => write!(f, "{} MiB", bytes >> 20),
            bytes => write!(f, "{} KiB", bytes >> 10),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::PartUuid(value) => write!(f, "PARTUUID={value}"),
            Self::Uuid(value) => write!(f, "UUID={value}"),
            Self::Label(value) => write!(f, "LABEL={value}"),
            Self::PartLabel(value) => write!(f, "PARTLABEL={value}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => {
                write!(
                    f,
                    "{} is none of auto, PARTUUID=..., UUID=..., LABEL=..., PARTLABEL=...",
                    quoted(text)
                )
            }
            Self::Value(text) => write!(f, "{} has no usable value after the =", quoted(text)),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::filesystem::Kind;
    use super::*;

    pub(super) fn candidate(name: &str, guid: Option<Guid>) -> Candidate {
        Candidate {
            name: name.to_owned(),
            disk: name.trim_end_matches(char::is_numeric).to_owned(),
            kind: guid.map(PartitionType::Gpt),
            is_partitioned: false,
            no_auto: false,
            partuuid: None,
            partlabel: None,
            filesystem: None,
            member: None,
            removable: false,
            size: 512 << 20,
            fault: None,
        }
    }

    pub(super) fn holding(name: &str, kind: Kind, uuid: &str, label: &str) -> Candidate {
        let filesystem =
            Some(FileSystem { kind, uuid: Some(uuid.to_owned()), label: Some(label.to_owned()) });
        Candidate { filesystem, ..candidate(name, None) }
    }

    #[test]
    fn a_partition_is_called_by_disk_table_and_number() {
        let mbr = PartitionType::Mbr(mbr::Kind { code: mbr::Kind::LINUX, active: false });
        for (name, disk, kind, expected) in [
            ("vda2", "vda", Some(PartitionType::Gpt(Guid::ESP)), "vda,gpt2"),
            ("nvme0n1p12", "nvme0n1", Some(PartitionType::Gpt(Guid::ESP)), "nvme0n1,gpt12"),
            ("mmcblk0p1", "mmcblk0", Some(mbr), "mmcblk0,msdos1"),
            ("sda5", "sda", Some(mbr), "sda,msdos5"),
            ("sda5", "sda", None, "sda5"),
            ("vda", "vda", None, "vda"),
        ] {
            let one = candidate(name, None);
            let one = Candidate { disk: disk.to_owned(), kind, ..one };
            assert_eq!(one.grub_name(), expected);
        }
        let identity = holding("vda", Kind::Btrfs, "12-ab", "root").identity();
        assert_eq!((identity.name(), identity.file_system), ("vda", Some("btrfs")));
        assert!(identity.is_called("UUID=12-AB") && identity.is_called("LABEL=root"));
    }

    #[test]
    fn members_of_an_array_are_one_device_and_other_containers_say_why_they_are_shut() {
        let member = |bytes: &[u8]| Member::parse(bytes, raid::Place::V1_2, 24 << 20);
        let half = |name: &str, bytes: &[u8]| Candidate {
            member: member(bytes),
            ..holding(name, Kind::Ext4, "1-2", "boot")
        };
        let [stale, fresh] = [
            half("vda", include_bytes!("../../tests/data/raid/stale")),
            half("vdb", include_bytes!("../../tests/data/raid/fresh")),
        ];
        assert!(stale.is_mirror_of(&fresh) && stale.window() == Some(1 << 20..24 << 20));
        let all = [stale, fresh];
        for name in ["UUID=1-2", "LABEL=boot"] {
            assert_eq!(named(&all, name).map(|one| one.name.as_str()), Ok("vdb"));
        }
        assert_eq!(named(&all, "vda").map(|one| one.name.as_str()), Ok("vda"));
        assert!(all[0].identity().is_called("mduuid/24026661c73de4f2a107e0188a48dae2"));
        let raid5 = include_bytes!("../../tests/data/raid/raid5");
        let raid5 = Candidate { member: member(raid5), ..candidate("vdc", None) };
        let what = "member 2 of 3 of RAID5 server:data (4bff1b28:a113c091:4388821f:14dc38bf, \
                    metadata 1.2, 0 events)";
        assert!(describe(&raid5).ends_with(what), "{}", describe(&raid5));
        assert!(raid5.shut().is_some() && raid5.window().is_none() && !raid5.is_mirror_of(&raid5));
    }

    #[test]
    fn partitions_of_disks_that_were_mirrors_once_are_told_apart() {
        let whole = include_bytes!("../../tests/data/raid/1.0-first");
        let whole = Member::parse(whole, raid::Place::V1_0, 24 << 20).unwrap();
        let [one, copy, other] =
            [("vda1", "5-6"), ("vdb1", "5-6"), ("vdc1", "7-8")].map(|(name, partuuid)| Candidate {
                partuuid: Some(partuuid.to_owned()),
                member: whole.inside(1, 1 << 20..2 << 20),
                ..candidate(name, Some(Guid::ESP))
            });
        assert!(one.is_mirror_of(&copy) && !one.is_mirror_of(&other));
        let table = candidate("vda1", Some(Guid::LINUX_RAID));
        assert_eq!(tier(&table, &Selector::Auto, Scan::All), Err(Passed::Type));
        let table = Candidate { member: one.member, ..table };
        assert!(tier(&table, &Selector::Auto, Scan::All).is_ok());
        assert_eq!(tier(&table, &Selector::Auto, Scan::Boot), Err(Passed::Scan));
    }

    #[test]
    fn a_selector_writes_what_it_reads() {
        for text in [
            "auto",
            "PARTUUID=12345678-01",
            "UUID=2026-01-01-00-00-00-00",
            "LABEL=my boot=1",
            "PARTLABEL=my boot",
        ] {
            assert_eq!(Selector::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_state_device_is_named_by_its_table_or_by_the_kernel() {
        for text in ["auto", "PARTUUID=12345678-03", "PARTLABEL=my state", "/dev/mmcblk0boot1"] {
            assert_eq!(StateDevice::parse(text).map(|it| it.to_string()).as_deref(), Some(text));
        }
        for text in [
            "",
            "LABEL=state",
            "UUID=1234-ABCD",
            "PARTUUID=",
            "mmcblk0p3",
            "/dev/",
            "/dev/.",
            "/dev/../x",
            "/dev/disk/by-id/x",
            "/dev/a b",
        ] {
            assert_eq!(StateDevice::parse(text), None, "{text}");
        }
        let by_uuid = Selector::parse("PARTUUID=12345678-ab").unwrap();
        assert!(by_uuid.selects_partition("12345678-AB", None));
        assert!(!by_uuid.selects_partition("12345678-03", Some("12345678-ab")));
        let by_name = Selector::parse("PARTLABEL=state").unwrap();
        assert!(by_name.selects_partition("1", Some("state")));
        assert!(!by_name.selects_partition("state", Some("State")));
    }

    #[test]
    fn a_device_is_called_by_any_of_its_names() {
        let boot = Candidate {
            kind: Some(PartitionType::Gpt(Guid::XBOOTLDR)),
            partuuid: Some("12ab-02".to_owned()),
            partlabel: Some("boot part".to_owned()),
            ..holding("vda2", Kind::Ext4, "1a-2b", "boot")
        };
        let mbr = Some(PartitionType::Mbr(mbr::Kind { code: 0x83, active: false }));
        let nvme =
            Candidate { disk: "nvme0n1".to_owned(), kind: mbr, ..candidate("nvme0n1p5", None) };
        let disk = Candidate { disk: "vdb".to_owned(), ..holding("vdb", Kind::Ext4, "3c", "boot") };
        let all = [boot, nvme, disk];
        for (name, expected) in [
            ("vda2", "vda2"),
            ("/dev/vda2", "vda2"),
            ("vda,gpt2", "vda2"),
            ("(vda,gpt2)", "vda2"),
            ("UUID=1A-2b", "vda2"),
            ("PARTUUID=12AB-02", "vda2"),
            ("PARTLABEL=boot part", "vda2"),
            ("nvme0n1,msdos5", "nvme0n1p5"),
            ("vdb", "vdb"),
        ] {
            assert_eq!(named(&all, name).unwrap().name, expected, "{name}");
        }
        for one in &all {
            let named = names(one).into_iter().filter(|name| name != "LABEL=boot");
            named.for_each(|name| assert_eq!(super::named(&all, &name).unwrap().name, one.name));
        }
        for (name, expected) in [
            ("vda", "there is no device vda: \"from\" alone names what there is"),
            ("auto", "there is no device auto: \"from\" alone names what there is"),
            ("hd0,gpt2", "there is no device hd0,gpt2: \"from\" alone names what there is"),
            ("LABEL=boot", "LABEL=boot is vda2 and vdb: take one of these names"),
        ] {
            assert_eq!(named(&all, name).unwrap_err(), expected);
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_with_the_text() {
        let long = format!("LABEL={}", "x".repeat(MAX_VALUE + 1));
        let cases = [
            ("", "\"\" is none of auto, PARTUUID=..., UUID=..., LABEL=..., PARTLABEL=..."),
            ("AUTO", "\"AUTO\" is none of auto, PARTUUID=..., UUID=..., LABEL=..., PARTLABEL=..."),
            (
                "/dev/vda2",
                "\"/dev/vda2\" is none of auto, PARTUUID=..., UUID=..., LABEL=..., PARTLABEL=...",
            ),
            (
                "uuid=1",
                "\"uuid=1\" is none of auto, PARTUUID=..., UUID=..., LABEL=..., PARTLABEL=...",
            ),
            ("LABEL=", "\"LABEL=\" has no usable value after the ="),
            ("UUID=xyz", "\"UUID=xyz\" has no usable value after the ="),
            ("LABEL=\u{1b}", "\"LABEL=\\u{1b}\" has no usable value after the ="),
        ];
        for (text, expected) in cases {
            assert_eq!(Selector::parse(text).unwrap_err().to_string(), expected);
        }
        assert_eq!(Selector::parse(&long), Err(Error::Value(long)));
    }

    #[test]
    fn the_reason_for_a_choice_is_its_type_or_the_selector() {
        let chosen = candidate("vda2", Some(Guid::XBOOTLDR));
        assert_eq!(why(&chosen, &Selector::Auto), "XBOOTLDR");
        assert_eq!(why(&chosen, &Selector::Label("boot".to_owned())), "LABEL=boot");
    }

    #[test]
    fn a_device_is_described_in_one_line() {
        let boot = Candidate {
            kind: Some(PartitionType::Gpt(Guid::XBOOTLDR)),
            ..holding("vda2", Kind::Ext4, "1", "boot")
        };
        assert_eq!(describe(&boot), "vda2: 512 MiB, XBOOTLDR, ext4 label boot");
        let disk = Candidate { size: 64 << 20, ..candidate("vdb", None) };
        assert_eq!(describe(&disk), "vdb: 64 MiB, whole disk, no file system known");
        let stick = Candidate {
            removable: true,
            size: 15 << 30,
            kind: Some(PartitionType::Mbr(mbr::Kind { code: 0x0c, active: true })),
            ..holding("sda1", Kind::Vfat, "1", "\u{1b}c")
        };
        let expected = "sda1: 15 GiB, MBR type 0c, active, removable, vfat label \\u{1b}c";
        assert_eq!(describe(&stick), expected);
        let small = Candidate { size: 9 << 20, ..candidate("vdc1", Some(Guid(1))) };
        let expected = "vdc1: 9216 KiB, GPT type 00000000-0000-0000-0000-000000000001, \
                        no file system known";
        assert_eq!(describe(&small), expected);
        let sealed = holding("vdc2", Kind::Luks, "0d1c\u{1b}", "root");
        assert!(describe(&sealed).ends_with(", crypto_LUKS label root UUID 0d1c\\u{1b}"));
        let fault = Some("the GPT is damaged".to_owned());
        let damaged = Candidate { fault, is_partitioned: true, ..candidate("vdd", None) };
        assert_eq!(describe(&damaged), "vdd: 512 MiB, disk with partitions, the GPT is damaged");
    }
}
