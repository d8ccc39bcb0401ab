//! The unified kernel image: an EFI program whose sections are a kernel and
//! what belongs to it; and its addons, EFI programs without a kernel.
//!
//! Follows UAPI.5 (Unified Kernel Image). Sections may appear in any order;
//! those that must be single are refused when they are not. Of a file with
//! several profiles one is taken, the first if nobody says which: what comes
//! before any `.profile`, with what that profile replaces. The others are not
//! looked at. A section has as many bytes as its `VirtualSize` says; the padding
//! after them is not part of it.

use core::fmt;
use core::ops::Range;

use goblin::pe::header::{COFF_MACHINE_ARM64, COFF_MACHINE_X86_64, CoffHeader};
use goblin::pe::section_table::{SIZEOF_SECTION_TABLE, SectionTable};

use crate::base::arch::Arch;
use crate::base::bytes::field;
use crate::fdt::Fdt;

/// Where an EFI program says where its PE header is.
const PE_POINTER: usize = 0x3c;
/// What the PE format allows.
const MAX_SECTIONS: u16 = 96;
/// The sections that Turnout boots with, tells of or measures; each may be there
/// once, but for device trees of which one is chosen.
const KNOWN: [&str; 13] = [
    ".linux", ".initrd", ".ucode", ".cmdline", ".dtb", DTBAUTO, ".uname", ".osrel", ".splash",
    ".sbat", ".pcrsig", ".pcrpkey", PROFILE,
];
const PROFILE: &str = ".profile";
/// The device tree of one of several boards.
const DTBAUTO: &str = ".dtbauto";
/// What an addon is for: it has at least one of these.
const ADDED: [&str; 5] = [".cmdline", ".dtb", DTBAUTO, ".ucode", ".initrd"];

/// One profile of a unified kernel image, its sections checked.
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
    pub(super) fn parse(file: &'a [u8], profile: u32) -> Result<Self, Error> {
        let (machine, table) = section_table(file)?;
        let sections = disjoint(of_profile(file, &table, profile)?)?;
        let uki = Self { arch: architecture(machine)?, sections };
        if uki.section(".linux").is_none_or(<[u8]>::is_empty) {
            return Err(Error::NoKernel);
        }
        check_cmdline(&uki.sections)?;
        Ok(uki)
    }

    /// The architecture that the EFI program is for.
    #[must_use]
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// All sections of the profile that Turnout knows, its own `.profile` too: in
    /// the order of the file, the base's before the profile's.
    #[must_use]
    pub fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }

    /// A section's bytes.
    fn section(&self, name: &str) -> Option<&'a [u8]> {
        find(&self.sections, name)
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
        text(self.section(".cmdline")?)
    }

    /// The device tree for a machine that is compatible with `board` first of all.
    #[must_use]
    pub fn dtb(&self, board: Option<&str>) -> Option<&'a [u8]> {
        dtb(&self.sections, board)
    }

    /// That of the sections `.dtbauto` which is for such a machine.
    #[must_use]
    pub fn dtbauto(&self, board: Option<&str>) -> Option<&'a [u8]> {
        dtbauto(&self.sections, board)
    }

    /// What `uname -r` will print.
    #[must_use]
    pub fn uname(&self) -> Option<&'a str> {
        text(self.section(".uname")?)
    }

    /// The text of `os-release`.
    #[must_use]
    pub fn osrel(&self) -> Option<&'a str> {
        core::str::from_utf8(self.section(".osrel")?).ok()
    }
}

/// An addon of a unified kernel image: sections that come to those of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addon<'a> {
    sections: Vec<Section<'a>>,
}

impl<'a> Addon<'a> {
    /// Reads an addon for machines of this architecture.
    ///
    /// # Errors
    /// What it breaks of UAPI.5 (PE Addons). One for another architecture, which
    /// a directory of addons may hold, is refused: this one was asked for.
    pub fn parse(file: &'a [u8], arch: Arch) -> Result<Self, Error> {
        if !file.starts_with(b"MZ") {
            return Err(Error::NotPe);
        }
        let (machine, table) = section_table(file)?;
        let found = architecture(machine)?;
        if found != arch {
            return Err(Error::AddonArch { found, wanted: arch });
        }
        let sections = disjoint(known(file, &table)?)?;
        for (unwanted, error) in [(".linux", Error::AddonKernel), (PROFILE, Error::AddonProfile)] {
            if find(&sections, unwanted).is_some() {
                return Err(error);
            }
        }
        if !ADDED.iter().any(|name| find(&sections, name).is_some()) {
            return Err(Error::AddonEmpty);
        }
        check_cmdline(&sections)?;
        Ok(Self { sections })
    }

    /// Its part of the kernel command line, as [`Uki::cmdline`].
    #[must_use]
    pub fn cmdline(&self) -> Option<&'a str> {
        text(find(&self.sections, ".cmdline")?)
    }

    /// Its initrd.
    #[must_use]
    pub fn initrd(&self) -> Option<&'a [u8]> {
        find(&self.sections, ".initrd")
    }

    /// Its microcode.
    #[must_use]
    pub fn ucode(&self) -> Option<&'a [u8]> {
        find(&self.sections, ".ucode")
    }

    /// Its device tree, as [`Uki::dtb`].
    #[must_use]
    pub fn dtb(&self, board: Option<&str>) -> Option<&'a [u8]> {
        dtb(&self.sections, board)
    }
}

/// A profile of a unified kernel image and its addons, in their order: all that
/// one boot is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole<'a> {
    /// The profile.
    pub uki: Uki<'a>,
    /// The addons.
    pub addons: Vec<Addon<'a>>,
}

impl<'a> Whole<'a> {
    /// The image's command line and after it those of the addons, one blank
    /// between two. Line ends and other control characters are blanks, as they
    /// are to systemd-stub(7); a NUL inside stays one, and no kernel is started
    /// with it.
    #[must_use]
    pub fn cmdline(&self) -> String {
        let parts = self.addons.iter().map(Addon::cmdline);
        let parts = core::iter::once(self.uki.cmdline()).chain(parts).flatten();
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        let line = parts.join(" ");
        line.replace(|c: char| c.is_ascii_control() && c != '\0', " ")
    }

    /// What the kernel unpacks, in its order, each with a name of at most 16
    /// characters: microcode, that of the last addon first and the image's own
    /// last; then the image's initrd, then those of the addons.
    #[must_use]
    pub fn initrds(&self) -> Vec<(String, &'a [u8])> {
        let mut parts = Vec::new();
        for (number, addon) in (1..).zip(&self.addons) {
            parts.extend(addon.ucode().map(|bytes| (in_addon(number, ".ucode"), bytes)));
        }
        parts.reverse();
        parts.extend(self.uki.ucode().map(|bytes| (".ucode".to_owned(), bytes)));
        parts.extend(self.uki.initrd().map(|bytes| (".initrd".to_owned(), bytes)));
        for (number, addon) in (1..).zip(&self.addons) {
            parts.extend(addon.initrd().map(|bytes| (in_addon(number, ".initrd"), bytes)));
        }
        parts
    }

    /// The device tree: the last one that is there, because each addon's takes
    /// the place of what was before it.
    #[must_use]
    pub fn dtb(&self, board: Option<&str>) -> Option<&'a [u8]> {
        let mut addons = self.addons.iter().rev();
        addons.find_map(|addon| addon.dtb(board)).or_else(|| self.uki.dtb(board))
    }
}

fn in_addon(number: usize, name: &str) -> String {
    format!("addon {number} {name}")
}

/// The one of `.dtbauto` that is for this board, else `.dtb` if there is a byte of
/// it.
fn dtb<'a>(sections: &[Section<'a>], board: Option<&str>) -> Option<&'a [u8]> {
    dtbauto(sections, board).or_else(|| find(sections, ".dtb").filter(|bytes| !bytes.is_empty()))
}

/// The first whose own board, the first name in its root's `compatible`, is the
/// machine's (systemd-stub(7)).
fn dtbauto<'a>(sections: &[Section<'a>], board: Option<&str>) -> Option<&'a [u8]> {
    let board = board?;
    let mut trees = sections.iter().filter(|section| section.name == DTBAUTO);
    let tree = trees
        .find(|section| Fdt::parse(section.bytes).is_ok_and(|tree| tree.board() == Some(board)));
    tree.map(|section| section.bytes)
}

fn find<'a>(sections: &[Section<'a>], name: &str) -> Option<&'a [u8]> {
    sections.iter().find(|section| section.name == name).map(|section| section.bytes)
}

/// Text without blanks, line ends and NULs at its end.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(bytes).ok()?;
    Some(text.trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace()))
}

fn check_cmdline(sections: &[Section<'_>]) -> Result<(), Error> {
    let bytes = find(sections, ".cmdline").unwrap_or_default();
    if core::str::from_utf8(bytes).is_err() { Err(Error::Cmdline) } else { Ok(()) }
}

/// The sections, if no two of them share bytes.
fn disjoint(placed: Vec<Located<'_>>) -> Result<Vec<Section<'_>>, Error> {
    let overlap = placed.iter().enumerate().find_map(|(index, (section, place))| {
        let mut others = placed.iter().take(index);
        others.find(|(_, other)| overlap(place, other)).map(|(other, _)| (section, other))
    });
    if let Some((section, other)) = overlap {
        return Err(Error::Overlap(section.name, other.name));
    }
    Ok(placed.into_iter().map(|(section, _)| section).collect())
}

/// Where a section lies in its file, going by the section table alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionPlace {
    /// Its name, one of those that Turnout knows.
    pub name: &'static str,
    /// Where its bytes begin.
    pub at: u64,
    /// How many bytes it has, without padding; the file may have fewer.
    pub size: u32,
}

/// The architecture of an EFI program and the sections that Turnout knows, in
/// the order of the table, as its first bytes ([`super::HEAD`] hold all headers)
/// say. Nothing is checked that needs the rest of the file.
///
/// # Errors
/// It is no EFI program, or one for a machine that is not supported.
pub fn outline(head: &[u8]) -> Result<(Arch, Vec<SectionPlace>), Error> {
    if !head.starts_with(b"MZ") {
        return Err(Error::NotPe);
    }
    let (machine, table) = section_table(head)?;
    Ok((architecture(machine)?, table.iter().filter_map(SectionPlace::of).collect()))
}

impl SectionPlace {
    /// `None` of a section that nothing here reads.
    fn of(header: &SectionTable) -> Option<Self> {
        let name = KNOWN.into_iter().find(|known| known.as_bytes() == name(header))?;
        let size = header.virtual_size.min(header.size_of_raw_data);
        Some(Self { name, at: header.pointer_to_raw_data.into(), size })
    }
}

/// The architecture in the header of an EFI program.
pub(super) fn arch(file: &[u8]) -> Result<Arch, Error> {
    section_table(file).and_then(|(machine, _)| architecture(machine))
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
    let cut = Error::HeaderCut(file.len());
    let Some(pointer) = field(file, PE_POINTER).map(u32::from_le_bytes) else { return Err(cut) };
    let Ok(mut at) = usize::try_from(pointer) else { return Err(cut) };
    if field(file, at) != Some(*b"PE\0\0") {
        return Err(Error::NotPe);
    }
    at = at.saturating_add(4);
    let Ok(header) = CoffHeader::parse(file, &mut at) else { return Err(cut) };
    if header.number_of_sections > MAX_SECTIONS {
        return Err(Error::TooManySections(header.number_of_sections));
    }
    let start = at.saturating_add(header.size_of_optional_header.into());
    let size = SIZEOF_SECTION_TABLE.saturating_mul(header.number_of_sections.into());
    // Only the table: goblin would look for long names all over the file.
    let table = file.get(start..start.saturating_add(size)).ok_or(cut)?;
    let sections = header.sections(table, &mut 0).ok().ok_or(Error::SectionTable)?;
    Ok((header.machine, sections))
}

type Located<'a> = (Section<'a>, Range<u64>);

/// The known sections before any profile, and those of the profile with this
/// number, which replace them. A file without profiles has a first one all the
/// same, with nothing of its own.
fn of_profile<'a>(
    file: &'a [u8],
    table: &[SectionTable],
    profile: u32,
) -> Result<Vec<Located<'a>>, Error> {
    let count = table.iter().filter(|section| is_profile(section)).count();
    let wanted = usize::try_from(profile).unwrap_or(usize::MAX);
    if wanted >= count.max(1) {
        return Err(Error::NoProfile { wanted: profile, count });
    }
    let starts = table.iter().enumerate().filter(|(_, section)| is_profile(section));
    let mut starts = starts.map(|(index, _)| index).chain([table.len()]);
    let base = starts.clone().next().unwrap_or(table.len());
    let mut sections = known(file, table.get(..base).unwrap_or_default())?;
    let start = starts.nth(wanted).unwrap_or(table.len());
    let end = starts.next().unwrap_or(table.len());
    let own = known(file, table.get(start..end).unwrap_or_default())?;
    sections.retain(|(base, _)| !own.iter().any(|(section, _)| section.name == base.name));
    sections.extend(own);
    Ok(sections)
}

fn is_profile(section: &SectionTable) -> bool {
    name(section) == PROFILE.as_bytes()
}

fn known<'a>(file: &'a [u8], table: &[SectionTable]) -> Result<Vec<Located<'a>>, Error> {
    let mut found: Vec<Located<'a>> = Vec::new();
    for header in table {
        let Some(name) = KNOWN.iter().find(|known| known.as_bytes() == name(header)) else {
            continue;
        };
        if *name != DTBAUTO && found.iter().any(|(section, _)| section.name == *name) {
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
) -> Result<Located<'a>, Error> {
    let at = header.pointer_to_raw_data;
    let size = header.virtual_size;
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
    /// The file is no EFI program, or a kernel that is one itself.
    NotUki,
    /// It has fewer profiles than the one that is wanted.
    NoProfile {
        /// The number of the profile, from 0.
        wanted: u32,
        /// How many `.profile` sections there are.
        count: usize,
    },
    /// An addon is for another architecture.
    AddonArch {
        /// The addon's.
        found: Arch,
        /// The machine's.
        wanted: Arch,
    },
    /// An addon has a `.linux`: it is a unified kernel image itself.
    AddonKernel,
    /// An addon has a `.profile`, which means nothing there.
    AddonProfile,
    /// An addon adds nothing that Turnout knows.
    AddonEmpty,
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
            Self::NotUki => f.write_str("this is no unified kernel image"),
            Self::NoProfile { wanted, count } => write!(
                f,
                "the unified kernel image has no profile {wanted}: it has {count} profiles, \
                 counted from 0"
            ),
            Self::AddonArch { found, wanted } => {
                write!(f, "the addon is for {found}, this machine is {wanted}")
            }
            Self::AddonKernel => f.write_str("the addon has a kernel of its own (.linux)"),
            Self::AddonProfile => f.write_str("the addon has profiles (.profile)"),
            Self::AddonEmpty => f.write_str(
                "the addon adds nothing: it has no .cmdline, .dtb, .dtbauto, .ucode or .initrd",
            ),
        }
    }
}

impl core::error::Error for Error {}
