//! The ELF headers of a kernel: what is loaded where.
//!
//! Follows the ELF-64 object file format. Looks at sections only to know where
//! the file ends, and what of it is bss; never at symbols.

use core::fmt;
use core::ops::Range;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::header::{EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC, Header};
use goblin::elf::program_header::{PT_LOAD, ProgramHeader};
use goblin::elf::section_header::{SHT_NOBITS, SectionHeader};

use crate::base::arch::Arch;

/// A kernel has five or so.
const MAX_HEADERS: u16 = 64;
/// And some forty sections.
const MAX_SECTIONS: u16 = 1024;
/// Between an arm64 kernel's segments, in all: what aligning them can take.
const MAX_GAPS: u64 = 64 << 20;
const LITTLE_64: Ctx = Ctx { container: Container::Big, le: Endian::Little };

/// Whether the file claims to be ELF.
pub(super) fn has_magic(file: &[u8]) -> bool {
    file.starts_with(b"\x7fELF")
}

/// What the headers say.
pub(super) struct Headers {
    pub(super) arch: Arch,
    pub(super) entry: u64,
    pub(super) segments: Vec<Segment>,
    /// Virtual addresses where memory begins that a program clears itself.
    pub(super) bss: Vec<u64>,
    /// Where in the file nothing that a header points to follows.
    pub(super) end: usize,
}

/// A `PT_LOAD` with bytes in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) virt: u64,
    pub(super) phys: u64,
    pub(super) bytes: Range<usize>,
    pub(super) memory_size: u64,
}

impl Headers {
    pub(super) fn parse(file: &[u8]) -> Result<Self, Error> {
        let (header, arch) = parse_header(file)?;
        let at = usize::try_from(header.e_phoff).unwrap_or(usize::MAX);
        let segments = ProgramHeader::parse(file, at, header.e_phnum.into(), LITTLE_64)
            .ok()
            .ok_or(Error::HeaderCut(file.len()))?
            .iter()
            .filter(|header| header.p_type == PT_LOAD && header.p_filesz > 0)
            .map(|header| Segment::new(header, file))
            .collect::<Result<Vec<_>, _>>()?;
        let sections = u64::from(header.e_shentsize).saturating_mul(header.e_shnum.into());
        let sections = usize::try_from(header.e_shoff.saturating_add(sections));
        let end = segments.iter().map(|segment| segment.bytes.end).max().unwrap_or(0);
        let end = end.max(sections.unwrap_or(usize::MAX));
        let bss = find_bss(&header, file);
        Ok(Self { arch, entry: header.e_entry, segments, bss, end })
    }

    /// The bytes as they lie in memory, from the first segment on: what an arm64
    /// `Image` is made of.
    pub(super) fn flatten(&self, file: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
        let virts = self.segments.iter().map(|segment| segment.virt);
        let base = virts.min().ok_or(Error::NoSegment)?;
        let end = self.segments.iter().map(Segment::virtual_end).max();
        let size = end.unwrap_or(base).saturating_sub(base);
        let limit = limit.min((file.len() as u64).saturating_add(MAX_GAPS));
        let len = usize::try_from(size).ok().filter(|_| size <= limit);
        let len = len.ok_or(Error::TooLong { size, limit })?;
        let mut flat = Vec::new();
        flat.try_reserve_exact(len).ok().ok_or(Error::TooLong { size, limit })?;
        flat.resize(len, 0);
        for segment in &self.segments {
            let start = usize::try_from(segment.virt.saturating_sub(base)).unwrap_or(len);
            let bytes = file.get(segment.bytes.clone()).unwrap_or_default();
            let place = flat.get_mut(start..start.saturating_add(bytes.len()));
            place.ok_or(Error::TooLong { size, limit })?.copy_from_slice(bytes);
        }
        Ok(flat)
    }
}

/// Sections with memory and no bytes. A file may well have no sections.
fn find_bss(header: &Header, file: &[u8]) -> Vec<u64> {
    let at = usize::try_from(header.e_shoff).unwrap_or(usize::MAX);
    let count = usize::from(header.e_shnum.min(MAX_SECTIONS));
    let sections = SectionHeader::parse(file, at, count, LITTLE_64).unwrap_or_default();
    let bss = sections.iter().filter(|one| one.sh_type == SHT_NOBITS && one.is_alloc());
    bss.map(|one| one.sh_addr).collect()
}

impl Segment {
    fn new(header: &ProgramHeader, file: &[u8]) -> Result<Self, Error> {
        let wrong = Error::Segment { at: header.p_offset, size: header.p_filesz };
        let Some(bytes) = bytes_in_file(header, file) else { return Err(wrong) };
        let virtual_end = header.p_vaddr.checked_add(header.p_memsz);
        let physical_end = header.p_paddr.checked_add(header.p_memsz);
        if header.p_memsz < header.p_filesz || virtual_end.and(physical_end).is_none() {
            return Err(wrong);
        }
        Ok(Self { virt: header.p_vaddr, phys: header.p_paddr, bytes, memory_size: header.p_memsz })
    }

    /// Where what the file holds of it ends, at its virtual address.
    fn virtual_end(&self) -> u64 {
        self.virt.saturating_add(self.bytes.len() as u64)
    }
}

/// Where the file has its bytes; `None` if it ends before them.
fn bytes_in_file(header: &ProgramHeader, file: &[u8]) -> Option<Range<usize>> {
    let start = usize::try_from(header.p_offset).ok()?;
    let end = usize::try_from(header.p_offset.checked_add(header.p_filesz)?).ok()?;
    (end <= file.len()).then_some(start..end)
}

/// The architecture in a header.
pub(super) fn arch(file: &[u8]) -> Result<Arch, Error> {
    parse_header(file).map(|(_, arch)| arch)
}

fn parse_header(file: &[u8]) -> Result<(Header, Arch), Error> {
    // Class ELFCLASS64, data ELFDATA2LSB.
    if file.get(4..6).is_some_and(|class| class != [2, 1]) {
        return Err(Error::Class);
    }
    let header = Elf::parse_header(file).ok().ok_or(Error::HeaderCut(file.len()))?;
    let arch = match header.e_machine {
        EM_X86_64 => Arch::X86_64,
        EM_AARCH64 => Arch::Aarch64,
        other => return Err(Error::Machine(other)),
    };
    // arm64 kernels are position independent, and linked as such.
    let kernel = match header.e_type {
        ET_EXEC => true,
        ET_DYN => arch == Arch::Aarch64,
        _ => false,
    };
    if !kernel {
        return Err(Error::Type(header.e_type));
    }
    if header.e_phnum > MAX_HEADERS {
        return Err(Error::TooManyHeaders(header.e_phnum));
    }
    Ok((header, arch))
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
    /// There is nothing to load in it.
    NoSegment,
    /// A segment's bytes or memory do not exist.
    Segment {
        /// Offset in the file.
        at: u64,
        /// Bytes in the file.
        size: u64,
    },
    /// Two segments share memory, the later of them at this physical address.
    Overlap(u64),
    /// The entry point lies in none of the segments.
    Entry(u64),
    /// Its segments span more memory than there is room for.
    TooLong {
        /// Bytes that they span.
        size: u64,
        /// Bytes that there is room for.
        limit: u64,
    },
    /// An arm64 ELF file that does not begin with the header of an `Image`.
    NoImage,
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
            Self::NoSegment => f.write_str("the ELF file has nothing in it to load"),
            Self::Segment { at, size } => write!(
                f,
                "the ELF file has a segment of {size} bytes at offset {at:#x}, which does not \
                 fit into the file or into memory"
            ),
            Self::Overlap(address) => {
                write!(f, "the ELF file has two segments that share memory at {address:#x}")
            }
            Self::Entry(entry) => {
                write!(f, "the ELF file's entry point {entry:#x} lies in none of its segments")
            }
            Self::TooLong { size, limit } => {
                write!(f, "the ELF file spans {size} bytes of memory; there is room for {limit}")
            }
            Self::NoImage => f.write_str(
                "the aarch64 ELF file does not begin with an arm64 Image header, so it is no \
                 kernel",
            ),
        }
    }
}

impl core::error::Error for Error {}
