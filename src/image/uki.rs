//! The unified kernel image: an EFI program whose sections are a kernel and
//! what belongs to it.
//!
//! Follows UAPI.5 (Unified Kernel Image). Sections may appear in any order;
//! those that must be single are refused when they are not. Of a file with
//! several profiles the first is taken: what comes before any `.profile`, with
//! what the first profile replaces. A section has as many bytes as its
//! `VirtualSize` says; the padding after them is not part of it.

use core::fmt;
use core::ops::Range;

use goblin::pe::header::{COFF_MACHINE_ARM64, COFF_MACHINE_X86_64, CoffHeader};
use goblin::pe::section_table::{SIZEOF_SECTION_TABLE, SectionTable};

use super::field;
use crate::arch::Arch;

/// Where an EFI program says where its PE header is.
const PE_POINTER: usize = 0x3c;
/// What the PE format allows.
const MAX_SECTIONS: u16 = 96;
/// The sections that Turnout makes use of; each may be there once.
const KNOWN: [&str; 7] = [".linux", ".initrd", ".ucode", ".cmdline", ".dtb", ".uname", ".osrel"];
const PROFILE: &str = ".profile";

/// A unified kernel image whose sections have been checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Uki<'a> {
    arch: Arch,
    sections: Vec<Section<'a>>,
}

/// One section.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its name, such as `.linux`.
    pub name: &'static str,
    /// Its bytes, without padding.
    pub bytes: &'a [u8],
}

impl<'a> Uki<'a> {
    pub(super) fn parse(file: &'a [u8]) -> Result<Self, Error> {
        let (machine, table) = section_table(file)?;
        let sections = first_profile(file, &table)?;
        let overlap = sections.iter().enumerate().find_map(|(index, (section, place))| {
            let mut others = sections.iter().take(index);
            others.find(|(_, other)| overlap(place, other)).map(|(other, _)| (section, other))
        });
        if let Some((section, other)) = overlap {
            return Err(Error::Overlap(section.name, other.name));
        }
        let sections = sections.into_iter().map(|(section, _)| section).collect();
        let uki = Self { arch: architecture(machine)?, sections };
        uki.check()?;
        Ok(uki)
    }

    fn check(&self) -> Result<(), Error> {
        if self.section(".linux").is_none_or(<[u8]>::is_empty) {
            return Err(Error::NoKernel);
        }
        let text = self.section(".cmdline").map_or(Ok(""), core::str::from_utf8);
        if text.is_err() { Err(Error::Cmdline) } else { Ok(()) }
    }

    /// The architecture that the EFI program is for.
    #[must_use]
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// All sections that Turnout makes use of, in the order of the file.
    #[must_use]
    pub fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }

    /// A section's bytes.
    fn section(&self, name: &str) -> Option<&'a [u8]> {
        self.sections.iter().find(|section| section.name == name).map(|section| section.bytes)
    }

    /// The kernel, which may be packed in further layers.
    #[must_use]
    pub fn linux(&self) -> &'a [u8] {
        self.section(".linux").unwrap_or_default()
    }

    /// The initrd.
    #[must_use]
    pub fn initrd(&self) -> Option<&'a [u8]> {
        self.section(".initrd")
    }

    /// Microcode, an initrd to be put before all others.
    #[must_use]
    pub fn ucode(&self) -> Option<&'a [u8]> {
        self.section(".ucode")
    }

    /// The kernel command line, without blanks, line ends and NULs at its end.
    #[must_use]
    pub fn cmdline(&self) -> Option<&'a str> {
        let text = core::str::from_utf8(self.section(".cmdline")?).unwrap_or_default();
        Some(text.trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace()))
    }

    /// The device tree, if there is a byte of it.
    #[must_use]
    pub fn dtb(&self) -> Option<&'a [u8]> {
        self.section(".dtb").filter(|bytes| !bytes.is_empty())
    }

    /// What `uname -r` will print.
    #[must_use]
    pub fn uname(&self) -> Option<&'a str> {
        let text = core::str::from_utf8(self.section(".uname")?).ok()?;
        Some(text.trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace()))
    }

    /// The text of `os-release`.
    #[must_use]
    pub fn osrel(&self) -> Option<&'a str> {
        core::str::from_utf8(self.section(".osrel")?).ok()
    }
}

const fn architecture(machine: u16) -> Result<Arch, Error> {
    match machine {
        COFF_MACHINE_X86_64 => Ok(Arch::X86_64),
        COFF_MACHINE_ARM64 => Ok(Arch::Aarch64),
        other => Err(Error::Machine(other)),
    }
}

/// The machine type and the section table.
fn section_table(file: &[u8]) -> Result<(u16, Vec<SectionTable>), Error> {
    let cut = || Error::HeaderCut(file.len());
    let pointer = u32::from_le_bytes(field(file, PE_POINTER).ok_or_else(cut)?);
    let mut at = usize::try_from(pointer).ok().ok_or_else(cut)?;
    if field(file, at) != Some(*b"PE\0\0") {
        return Err(Error::NotPe);
    }
    at = at.saturating_add(4);
    let header = CoffHeader::parse(file, &mut at).ok().ok_or_else(cut)?;
    if header.number_of_sections > MAX_SECTIONS {
        return Err(Error::TooManySections(header.number_of_sections));
    }
    let start = at.saturating_add(header.size_of_optional_header.into());
    let size = SIZEOF_SECTION_TABLE.saturating_mul(header.number_of_sections.into());
    // Only the table: goblin would look for long names all over the file.
    let table = file.get(start..start.saturating_add(size)).ok_or_else(cut)?;
    let sections = header.sections(table, &mut 0).ok().ok_or(Error::SectionTable)?;
    Ok((header.machine, sections))
}

type Placed<'a> = (Section<'a>, Range<u64>);

/// The known sections before any profile, and those of the first profile, which
/// replace them.
fn first_profile<'a>(file: &'a [u8], table: &[SectionTable]) -> Result<Vec<Placed<'a>>, Error> {
    let is_profile = |section: &SectionTable| name(section) == PROFILE.as_bytes();
    let mut profiles = table.split(is_profile);
    let mut sections = known(file, profiles.next().unwrap_or_default())?;
    let first = known(file, profiles.next().unwrap_or_default())?;
    sections.retain(|(base, _)| !first.iter().any(|(section, _)| section.name == base.name));
    sections.extend(first);
    Ok(sections)
}

fn known<'a>(file: &'a [u8], table: &[SectionTable]) -> Result<Vec<Placed<'a>>, Error> {
    let mut found: Vec<Placed<'a>> = Vec::new();
    for header in table {
        let Some(name) = KNOWN.iter().find(|known| known.as_bytes() == name(header)) else {
            continue;
        };
        if found.iter().any(|(section, _)| section.name == *name) {
            return Err(Error::Twice(name));
        }
        found.push(section(name, header, file)?);
    }
    Ok(found)
}

fn section<'a>(
    name: &'static str,
    header: &SectionTable,
    file: &'a [u8],
) -> Result<Placed<'a>, Error> {
    let (at, size) = (header.pointer_to_raw_data, header.virtual_size);
    let wrong = Error::Section { name, at, size, raw: header.size_of_raw_data };
    let place = u64::from(at)..u64::from(at).saturating_add(u64::from(size));
    let bytes = usize::try_from(place.start).ok().zip(usize::try_from(place.end).ok());
    let bytes = bytes.and_then(|(start, end)| file.get(start..end));
    match bytes {
        // What the file does not hold would be zeros, which no part of a kernel is.
        Some(bytes) if size <= header.size_of_raw_data => Ok((Section { name, bytes }, place)),
        _ => Err(wrong),
    }
}

/// The name, which has no NUL at its end if it has eight bytes.
fn name(section: &SectionTable) -> &[u8] {
    let end = section.name.iter().position(|&byte| byte == 0).unwrap_or(section.name.len());
    section.name.get(..end).unwrap_or_default()
}

const fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

impl fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.bytes.len())
    }
}

impl fmt::Debug for Uki<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.sections).finish()
    }
}

/// What is wrong with a unified kernel image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It begins like an EFI program, but has no PE header.
    NotPe,
    /// The file ends, at this size, inside its headers.
    HeaderCut(usize),
    /// It has this many sections.
    TooManySections(u16),
    /// The section table has a name that cannot be read.
    SectionTable,
    /// It is for this PE machine type.
    Machine(u16),
    /// This section is there twice.
    Twice(&'static str),
    /// A section's bytes are not all in the file.
    Section {
        /// Its name.
        name: &'static str,
        /// Offset in the file.
        at: u32,
        /// `VirtualSize`
        size: u32,
        /// `SizeOfRawData`
        raw: u32,
    },
    /// These two sections share bytes.
    Overlap(&'static str, &'static str),
    /// It has no `.linux`, or an empty one.
    NoKernel,
    /// `.cmdline` is not UTF-8.
    Cmdline,
    /// It is itself packed in another file, where no firmware could start it.
    Nested,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotPe => f.write_str("the file begins like an EFI program, but is none"),
            Self::HeaderCut(size) => {
                write!(f, "the EFI program is cut off: its {size} bytes end inside its headers")
            }
            Self::TooManySections(count) => {
                write!(f, "the EFI program has {count} sections; 96 are allowed")
            }
            Self::SectionTable => {
                f.write_str("the EFI program has a section whose name cannot be read")
            }
            Self::Machine(machine) => write!(
                f,
                "the EFI program is for machine {machine:#06x}, neither x86_64 nor aarch64"
            ),
            Self::Twice(name) => write!(f, "the unified kernel image has two sections {name}"),
            Self::Section { name, at, size, raw } => write!(
                f,
                "the unified kernel image's section {name} does not fit: {size} bytes at offset \
                 {at:#x}, {raw} of them in the file"
            ),
            Self::Overlap(one, other) => {
                write!(f, "the unified kernel image's sections {one} and {other} overlap")
            }
            Self::NoKernel => f.write_str(
                "this is an EFI program without a kernel in it (no section .linux), and no \
                 kernel itself",
            ),
            Self::Cmdline => f.write_str("the unified kernel image's command line is not UTF-8"),
            Self::Nested => f.write_str("a unified kernel image is packed inside another file"),
        }
    }
}

impl core::error::Error for Error {}
