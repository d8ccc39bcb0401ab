//! The x86_64 ELF `vmlinux`: the kernel as it lies in memory, with the lists of
//! what has to change when its virtual address does.
//!
//! Follows the ELF-64 object file format and Linux
//! `Documentation/arch/x86/boot.rst`: the payload of a bzImage is this, without
//! symbols, and the lists come after it. Never looks at sections or symbols.

use core::fmt;
use core::ops::Range;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::header::{EM_X86_64, ET_EXEC};
use goblin::elf::program_header::{PT_LOAD, ProgramHeader};

use crate::arch::Arch;

/// A kernel has five or so.
const MAX_HEADERS: u16 = 64;
const LITTLE_64: Ctx = Ctx { container: Container::Big, le: Endian::Little };

/// An ELF kernel whose headers have been checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Vmlinux<'a> {
    file: &'a [u8],
    parts: &'a Parts,
}

/// What the headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    entry: u64,
    segments: Vec<Part>,
    payload: Option<Payload>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    virt: u64,
    phys: u64,
    bytes: Range<usize>,
    memory_size: u64,
}

/// What only the bzImage that it came out of can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payload {
    /// The setup header, file offsets 0x1f1 to its end.
    pub(super) setup_header: Vec<u8>,
    pub(super) cmdline_size: u32,
    pub(super) five_level_paging: bool,
    pub(super) version: Option<String>,
}

/// What is loaded to one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadSegment<'a> {
    /// Virtual address that it was linked for.
    pub virt: u64,
    /// Physical address that it was linked for.
    pub phys: u64,
    /// What lies at its start. The last segment's without the zeros at its end.
    pub bytes: &'a [u8],
    /// Bytes of memory that it takes; never fewer than `bytes`.
    pub memory_size: u64,
}

/// Whether the file claims to be ELF.
pub(super) fn has_magic(file: &[u8]) -> bool {
    file.starts_with(b"\x7fELF")
}

impl Parts {
    pub(super) fn parse(file: &[u8]) -> Result<Self, Error> {
        if file.get(4..6).is_some_and(|class| class != [2, 1]) {
            return Err(Error::Class);
        }
        let cut = || Error::HeaderCut(file.len());
        let header = Elf::parse_header(file).ok().ok_or_else(cut)?;
        if header.e_machine != EM_X86_64 {
            return Err(Error::Machine(header.e_machine));
        }
        if header.e_type != ET_EXEC {
            return Err(Error::Type(header.e_type));
        }
        if header.e_phnum > MAX_HEADERS {
            return Err(Error::TooManyHeaders(header.e_phnum));
        }
        let at = usize::try_from(header.e_phoff).unwrap_or(usize::MAX);
        let headers = ProgramHeader::parse(file, at, header.e_phnum.into(), LITTLE_64)
            .ok()
            .ok_or_else(cut)?;
        let parts = headers.iter().filter(|header| header.p_type == PT_LOAD);
        let segments =
            parts.map(|header| Part::new(header, file)).collect::<Result<Vec<_>, _>>()?;
        let parts = Self { entry: header.e_entry, segments, payload: None };
        parts.check()?;
        Ok(parts)
    }

    fn check(&self) -> Result<(), Error> {
        let holds_entry = |part: &Part| {
            let into = self.entry.checked_sub(part.phys);
            into.is_some_and(|into| into < part.bytes.len() as u64)
        };
        if self.segments.iter().any(holds_entry) { Ok(()) } else { Err(Error::Entry(self.entry)) }
    }
}

impl Part {
    fn new(header: &ProgramHeader, file: &[u8]) -> Result<Self, Error> {
        let wrong = || Error::Segment { at: header.p_offset, size: header.p_filesz };
        let end = header.p_offset.checked_add(header.p_filesz).ok_or_else(wrong)?;
        let bytes = usize::try_from(header.p_offset).ok().zip(usize::try_from(end).ok());
        let (start, end) = bytes.filter(|(_, end)| *end <= file.len()).ok_or_else(wrong)?;
        let fits = |address: u64| address.checked_add(header.p_memsz).is_some();
        if header.p_memsz < header.p_filesz || !fits(header.p_paddr) || !fits(header.p_vaddr) {
            return Err(wrong());
        }
        Ok(Self {
            virt: header.p_vaddr,
            phys: header.p_paddr,
            bytes: start..end,
            memory_size: header.p_memsz,
        })
    }
}

impl<'a> Vmlinux<'a> {
    /// `parts` is what [`Parts::parse`] made of `file`.
    pub(super) const fn over(file: &'a [u8], parts: &'a Parts) -> Self {
        Self { file, parts }
    }

    /// The whole file.
    #[must_use]
    pub const fn file(&self) -> &'a [u8] {
        self.file
    }

    /// The architecture: arm64's ELF files become Images when they are unpacked.
    #[must_use]
    pub const fn arch(&self) -> Arch {
        Arch::X86_64
    }

    /// Physical address of the 64-bit entry point, if no segment is moved.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.parts.entry
    }

    /// What is loaded, in the order of the file.
    pub fn segments(&self) -> impl Iterator<Item = LoadSegment<'a>> + use<'a> {
        let file = self.file;
        self.parts.segments.iter().map(move |part| LoadSegment {
            virt: part.virt,
            phys: part.phys,
            bytes: file.get(part.bytes.clone()).unwrap_or_default(),
            memory_size: part.memory_size,
        })
    }

    /// The setup header of the bzImage that it came out of, from offset 0x1f1.
    #[must_use]
    pub fn setup_header(&self) -> Option<&'a [u8]> {
        self.parts.payload.as_ref().map(|payload| payload.setup_header.as_slice())
    }

    /// Longest command line in bytes without the terminating NUL, if known.
    #[must_use]
    pub fn cmdline_size(&self) -> Option<u32> {
        self.parts.payload.as_ref().map(|payload| payload.cmdline_size)
    }

    /// Whether the kernel starts while 5-level paging is on, if known.
    #[must_use]
    pub fn five_level_paging(&self) -> Option<bool> {
        self.parts.payload.as_ref().map(|payload| payload.five_level_paging)
    }
}

impl fmt::Debug for Vmlinux<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Vmlinux<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = self.parts.segments.len();
        write!(f, "ELF vmlinux, {segments} segments, entered at {:#x}", self.entry())
    }
}

/// What is wrong with an ELF kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The file ends, at this size, inside its headers.
    HeaderCut(usize),
    /// It is not 64-bit little endian.
    Class,
    /// It is for this `e_machine`.
    Machine(u16),
    /// It is of this `e_type`, not an executable.
    Type(u16),
    /// It has this many program headers.
    TooManyHeaders(u16),
    /// A segment's bytes or memory do not exist.
    Segment {
        /// Offset in the file.
        at: u64,
        /// Bytes in the file.
        size: u64,
    },
    /// The entry point lies in none of the segments.
    Entry(u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HeaderCut(size) => {
                write!(f, "the ELF file is cut off: its {size} bytes end inside its headers")
            }
            Self::Class => f.write_str("the ELF file is not 64-bit little endian"),
            Self::Machine(machine) => {
                write!(f, "the ELF file is for machine {machine}, neither x86_64 nor aarch64")
            }
            Self::Type(kind) => {
                write!(f, "the ELF file is of type {kind}; a kernel is an executable (type 2)")
            }
            Self::TooManyHeaders(count) => {
                write!(f, "the ELF file has {count} program headers; a kernel has a few")
            }
            Self::Segment { at, size } => write!(
                f,
                "the ELF file has a segment of {size} bytes at offset {at:#x}, which does not \
                 fit into the file or into memory"
            ),
            Self::Entry(entry) => {
                write!(f, "the ELF file's entry point {entry:#x} lies in none of its segments")
            }
        }
    }
}

impl core::error::Error for Error {}
