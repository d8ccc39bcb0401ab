//! Where the boot menu comes from: which of the partitions that the kernel
//! shows is the boot partition.
//!
//! Follows the Boot Loader Specification (UAPI.1): XBOOTLDR before ESP. A
//! partition that was named explicitly is the only one that is ever used;
//! nothing that is found by probing replaces it.

pub mod filesystem;
pub mod gpt;
mod guid;

use core::fmt;

pub use filesystem::FileSystem;
pub use guid::Guid;

use crate::order;
use crate::text::{printable, quoted};

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
    /// Type from the GUID partition table, if there is one.
    pub type_guid: Option<Guid>,
    /// Attribute bit 63 of the partition: only to be used when named.
    pub no_auto: bool,
    /// PARTUUID as the kernel gives it.
    pub partuuid: Option<String>,
    /// What it holds, if that is known.
    pub filesystem: Option<FileSystem>,
    /// Whether the disk can be taken out.
    pub removable: bool,
    /// Size in bytes.
    pub size: u64,
}

impl Selector {
    /// Reads `auto`, `PARTUUID=...`, `UUID=...` or `LABEL=...`.
    ///
    /// # Errors
    /// Anything else, with the text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let unknown = || Error::Unknown(text.to_owned());
        let (key, value) = text.split_once('=').ok_or_else(unknown)?;
        let checked = |is_allowed: fn(char) -> bool| {
            let fits = (1..=MAX_VALUE).contains(&value.len()) && value.chars().all(is_allowed);
            if fits { Ok(value.to_owned()) } else { Err(Error::Value(text.to_owned())) }
        };
        match key {
            "PARTUUID" => checked(is_uuid_char).map(Self::PartUuid),
            "UUID" => checked(is_uuid_char).map(Self::Uuid),
            "LABEL" => checked(|c| !c.is_control()).map(Self::Label),
            _ => Err(unknown()),
        }
    }

    fn selects(&self, candidate: &Candidate) -> bool {
        let filesystem = candidate.filesystem.as_ref();
        match self {
            Self::Auto => role(candidate).is_some(),
            Self::PartUuid(wanted) => is_uuid(candidate.partuuid.as_deref(), wanted),
            Self::Uuid(wanted) => is_uuid(filesystem.and_then(|fs| fs.uuid.as_deref()), wanted),
            Self::Label(wanted) => filesystem.and_then(|fs| fs.label.as_ref()) == Some(wanted),
        }
    }
}

/// FAT serial numbers and dates are UUIDs too.
const fn is_uuid_char(c: char) -> bool {
    c.is_ascii_hexdigit() || c == '-'
}

fn is_uuid(found: Option<&str>, wanted: &str) -> bool {
    found.is_some_and(|found| found.eq_ignore_ascii_case(wanted))
}

/// What makes a partition a boot partition by itself, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Xbootldr,
    Esp,
}

fn role(candidate: &Candidate) -> Option<Role> {
    match candidate.type_guid {
        Some(Guid::XBOOTLDR) if !candidate.no_auto => Some(Role::Xbootldr),
        Some(Guid::ESP) if !candidate.no_auto => Some(Role::Esp),
        _ => None,
    }
}

/// The candidates that `selector` allows, best first: by partition type,
/// internal before removable, then in the order in which the kernel names
/// disks and partitions.
#[must_use]
pub fn rank<'a>(candidates: &'a [Candidate], selector: &Selector) -> Vec<&'a Candidate> {
    let mut ranked: Vec<_> =
        candidates.iter().filter(|candidate| selector.selects(candidate)).collect();
    order::sort_by_key(&mut ranked, |candidate: &&Candidate| {
        let role = role(candidate).filter(|_| *selector == Selector::Auto);
        (role, candidate.removable, candidate.name.len(), &candidate.name)
    });
    ranked
}

/// Why `selector` allows this candidate: its partition type, or the selector
/// itself.
#[must_use]
pub fn why(candidate: &Candidate, selector: &Selector) -> String {
    match selector {
        Selector::Auto => type_name(candidate).unwrap_or("no boot partition").to_owned(),
        explicit => printable(&explicit.to_string()).into_owned(),
    }
}

/// What a person needs to know to recognise a device: one line without line
/// end, safe to print.
#[must_use]
pub fn describe(candidate: &Candidate) -> String {
    let mut line = format!("{}: {}", printable(&candidate.name), Size(candidate.size));
    for part in
        [type_name(candidate), candidate.removable.then_some("removable")].into_iter().flatten()
    {
        line.push_str(", ");
        line.push_str(part);
    }
    line.push_str(", ");
    line.push_str(&describe_filesystem(candidate.filesystem.as_ref()));
    line
}

fn describe_filesystem(filesystem: Option<&FileSystem>) -> String {
    match filesystem {
        None => "no file system known".to_owned(),
        Some(FileSystem { kind, label: None, .. }) => kind.name().to_owned(),
        Some(FileSystem { kind, label: Some(label), .. }) => {
            format!("{kind} label {}", printable(label))
        }
    }
}

fn type_name(candidate: &Candidate) -> Option<&'static str> {
    match candidate.type_guid {
        Some(Guid::XBOOTLDR) => Some("XBOOTLDR"),
        Some(Guid::ESP) => Some("ESP"),
        Some(Guid::LINUX_FILE_SYSTEM) => Some("Linux file system"),
        _ => None,
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
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => {
                write!(f, "{} is none of auto, PARTUUID=..., UUID=..., LABEL=...", quoted(text))
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

    fn candidate(name: &str, type_guid: Option<Guid>) -> Candidate {
        Candidate {
            name: name.to_owned(),
            disk: "vda".to_owned(),
            type_guid,
            no_auto: false,
            partuuid: None,
            filesystem: None,
            removable: false,
            size: 512 << 20,
        }
    }

    fn holding(name: &str, kind: Kind, uuid: &str, label: &str) -> Candidate {
        let text = |text: &str| Some(text.to_owned());
        let filesystem = Some(FileSystem { kind, uuid: text(uuid), label: text(label) });
        Candidate { filesystem, ..candidate(name, None) }
    }

    fn names<'a>(candidates: &'a [Candidate], selector: &str) -> Vec<&'a str> {
        let selector = Selector::parse(selector).unwrap();
        rank(candidates, &selector).into_iter().map(|candidate| candidate.name.as_str()).collect()
    }

    #[test]
    fn by_itself_xbootldr_comes_before_esp_and_internal_before_removable() {
        let removable = |name, guid| Candidate { removable: true, ..candidate(name, Some(guid)) };
        let candidates = [
            candidate("vda10", Some(Guid::ESP)),
            candidate("vda2", Some(Guid::ESP)),
            removable("sda1", Guid::XBOOTLDR),
            removable("sda2", Guid::ESP),
            candidate("vdb1", Some(Guid::XBOOTLDR)),
            candidate("vda3", Some(Guid::LINUX_FILE_SYSTEM)),
            candidate("vdc", None),
            Candidate { no_auto: true, ..candidate("vda4", Some(Guid::XBOOTLDR)) },
        ];
        assert_eq!(names(&candidates, "auto"), ["vdb1", "sda1", "vda2", "vda10", "sda2"]);
    }

    #[test]
    fn a_named_partition_is_the_only_one_that_is_used() {
        let mut candidates = [
            candidate("vda1", Some(Guid::XBOOTLDR)),
            holding("vda2", Kind::Vfat, "DEAD-BEEF", "boot"),
            Candidate { no_auto: true, ..candidate("vda3", Some(Guid::XBOOTLDR)) },
        ];
        candidates[2].partuuid = Some("0fc63daf-8483-4772-8e79-3d69d8477de4".to_owned());
        let cases: [(&str, &[&str]); 7] = [
            ("UUID=dead-beef", &["vda2"]),
            ("LABEL=boot", &["vda2"]),
            ("PARTUUID=0FC63DAF-8483-4772-8E79-3D69D8477DE4", &["vda3"]),
            ("LABEL=Boot", &[]),
            ("UUID=dead-bee", &[]),
            ("PARTUUID=dead-beef", &[]),
            ("UUID=0fc63daf-8483-4772-8e79-3d69d8477de4", &[]),
        ];
        for (selector, expected) in cases {
            assert_eq!(names(&candidates, selector), expected, "{selector}");
        }
    }

    #[test]
    fn a_selector_writes_what_it_reads() {
        for text in
            ["auto", "PARTUUID=12345678-01", "UUID=2026-01-01-00-00-00-00", "LABEL=my boot=1"]
        {
            assert_eq!(Selector::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_with_the_text() {
        let long = format!("LABEL={}", "x".repeat(MAX_VALUE + 1));
        let cases = [
            ("", "\"\" is none of auto, PARTUUID=..., UUID=..., LABEL=..."),
            ("AUTO", "\"AUTO\" is none of auto, PARTUUID=..., UUID=..., LABEL=..."),
            ("/dev/vda2", "\"/dev/vda2\" is none of auto, PARTUUID=..., UUID=..., LABEL=..."),
            ("uuid=1", "\"uuid=1\" is none of auto, PARTUUID=..., UUID=..., LABEL=..."),
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
            type_guid: Some(Guid::XBOOTLDR),
            ..holding("vda2", Kind::Ext4, "1", "boot")
        };
        assert_eq!(describe(&boot), "vda2: 512 MiB, XBOOTLDR, ext4 label boot");
        let disk = Candidate { size: 64 << 20, ..candidate("vdb", None) };
        assert_eq!(describe(&disk), "vdb: 64 MiB, no file system known");
        let stick = Candidate {
            removable: true,
            size: 15 << 30,
            ..holding("sda1", Kind::Vfat, "1", "\u{1b}c")
        };
        assert_eq!(describe(&stick), "sda1: 15 GiB, removable, vfat label \\u{1b}c");
        let small = Candidate { size: 9 << 20, ..candidate("vdc", Some(Guid(1))) };
        assert_eq!(describe(&small), "vdc: 9216 KiB, no file system known");
    }
}
