//! The x86_64 ELF `vmlinux`: the kernel as it lies in memory, with the lists of
//! what has to change when its virtual address does.
//!
//! Follows the ELF-64 object file format and Linux
//! `Documentation/arch/x86/boot.rst`: the payload of a bzImage is this, without
//! symbols, and the lists come after it.

use core::fmt;
use core::ops::Range;

use super::elf::{Error, Headers, Segment};
use crate::base::arch::Arch;

/// Virtual address of physical address zero in an x86_64 kernel's own mapping
/// (Linux `Documentation/arch/x86/x86_64/mm.rst`).
pub const START_KERNEL_MAP: u64 = 0xffff_ffff_8000_0000;
const WORD: usize = 4;

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
    segments: Vec<Segment>,
    pub(super) lists: Option<Lists>,
    pub(super) origin: Option<Origin>,
}

/// Where the relocation lists lie in the file, without the zeros between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lists {
    pub(super) abs64: Range<usize>,
    pub(super) inverse32: Range<usize>,
    pub(super) abs32: Range<usize>,
}

/// What only the bzImage that it came out of can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
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
    /// What lies at its start. The last segment's without the zeros of its bss,
    /// which the kernel clears itself.
    pub bytes: &'a [u8],
    /// Bytes of memory that it takes; never fewer than `bytes`.
    pub memory_size: u64,
}

/// A word that changes when the kernel's virtual address does. The address is
/// that in the kernel's own mapping: the word lies at this address less
/// [`START_KERNEL_MAP`], as physical address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relocation {
    /// The distance is added to 32 bits.
    Abs32(u64),
    /// The distance is added to 64 bits.
    Abs64(u64),
    /// The distance is subtracted from 32 bits.
    Inverse32(u64),
}

impl Relocation {
    /// The word's physical address, if no segment is moved.
    #[must_use]
    pub const fn phys(self) -> u64 {
        let (Self::Abs32(virt) | Self::Abs64(virt) | Self::Inverse32(virt)) = self;
        virt.wrapping_sub(START_KERNEL_MAP)
    }

    /// Bytes in the word.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self {
            Self::Abs64(_) => 8,
            Self::Abs32(_) | Self::Inverse32(_) => 4,
        }
    }
}

impl Parts {
    pub(super) fn new(headers: Headers, file: &[u8]) -> Result<Self, Error> {
        let Headers { entry, mut segments, bss, end, .. } = headers;
        strip_bss(&mut segments, &bss, file);
        let parts = Self { entry, lists: Lists::find(file, end), segments, origin: None };
        parts.check()?;
        let lists = parts.lists.clone().filter(|lists| parts.holds_all(lists, file));
        Ok(Self { lists, ..parts })
    }

    fn check(&self) -> Result<(), Error> {
        for (index, one) in self.segments.iter().enumerate() {
            if self.segments.iter().take(index).any(|other| one.overlaps(other)) {
                return Err(Error::Overlap(one.phys));
            }
        }
        if self.holds(self.entry, 1) { Ok(()) } else { Err(Error::Entry(self.entry)) }
    }

    /// Whether there are loaded bytes at a physical address.
    fn holds(&self, phys: u64, size: u64) -> bool {
        self.segments.iter().any(|segment| {
            let room = segment.bytes.len() as u64;
            phys.checked_sub(segment.phys)
                .and_then(|into| into.checked_add(size))
                .is_some_and(|end| end <= room)
        })
    }

    /// Where in the file the byte for a physical address is.
    pub(super) fn file_offset(&self, phys: u64) -> Option<usize> {
        self.segments.iter().find_map(|segment| {
            let into = usize::try_from(phys.checked_sub(segment.phys)?).ok()?;
            (into < segment.bytes.len()).then(|| segment.bytes.start.saturating_add(into))
        })
    }

    fn holds_all(&self, lists: &Lists, file: &[u8]) -> bool {
        lists.relocations(file).all(|one| self.holds(one.phys(), one.size()))
    }
}

impl Segment {
    const fn overlaps(&self, other: &Self) -> bool {
        // Sums that were checked when the headers were read.
        self.phys < other.phys.saturating_add(other.memory_size)
            && other.phys < self.phys.saturating_add(self.memory_size)
    }
}

/// Leaves out the zeros at the end of the segment that lies highest, as far as
/// they are bss: a stripped kernel carries its bss as bytes. Zeros before it are
/// data, which nobody clears.
fn strip_bss(segments: &mut [Segment], bss: &[u64], file: &[u8]) {
    let Some(last) = segments.iter_mut().max_by_key(|segment| segment.phys) else { return };
    let Some(bss) = bss.iter().filter_map(|address| address.checked_sub(last.virt)).min() else {
        return;
    };
    let bytes = file.get(last.bytes.clone()).unwrap_or_default();
    let data = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at.saturating_add(1));
    let kept = usize::try_from(bss).unwrap_or(usize::MAX).max(data).min(bytes.len());
    last.bytes.end = last.bytes.start.saturating_add(kept);
}

impl Lists {
    /// Behind the ELF file: a zero, 64-bit words, a zero, inverse words, a zero,
    /// 32-bit words. Newer kernels have no inverse words, and no zero for them.
    fn find(file: &[u8], end: usize) -> Option<Self> {
        let (words, rest) = file.get(end..)?.as_chunks::<WORD>();
        let zeros = words.iter().enumerate().filter(|(_, word)| **word == [0; WORD]);
        let zeros = zeros.map(|(at, _)| at).take(4).collect::<Vec<_>>();
        let (second, third) = match *zeros {
            [0, second] => (second, None),
            [0, second, third] => (second, Some(third)),
            _ => return None,
        };
        if !rest.is_empty() {
            return None;
        }
        Some(Self {
            abs64: words_between(end, 0, second),
            inverse32: third.map_or(0..0, |third| words_between(end, second, third)),
            abs32: words_between(end, third.unwrap_or(second), words.len()),
        })
    }

    fn relocations<'a>(&self, file: &'a [u8]) -> impl Iterator<Item = Relocation> + use<'a> {
        addresses(file, &self.abs64)
            .map(Relocation::Abs64)
            .chain(addresses(file, &self.inverse32).map(Relocation::Inverse32))
            .chain(addresses(file, &self.abs32).map(Relocation::Abs32))
    }
}

/// Where the words lie that stand between two zeros behind `end`, which are
/// counted in words.
const fn words_between(end: usize, zero: usize, next: usize) -> Range<usize> {
    offset(end, zero.saturating_add(1))..offset(end, next)
}

const fn offset(end: usize, word: usize) -> usize {
    end.saturating_add(word.saturating_mul(WORD))
}

fn addresses<'a>(file: &'a [u8], list: &Range<usize>) -> impl Iterator<Item = u64> + use<'a> {
    let (words, _) = file.get(list.clone()).unwrap_or_default().as_chunks::<WORD>();
    words.iter().map(|word| sign_extended(*word))
}

fn sign_extended(word: [u8; WORD]) -> u64 {
    i64::from(i32::from_le_bytes(word)).cast_unsigned()
}

impl<'a> Vmlinux<'a> {
    /// `parts` is what [`Parts::new`] made of `file`.
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

    /// What is loaded, in the order of the file. No two share memory.
    pub fn segments(&self) -> impl Iterator<Item = LoadSegment<'a>> + use<'a> {
        let file = self.file;
        self.parts.segments.iter().map(move |segment| LoadSegment {
            virt: segment.virt,
            phys: segment.phys,
            bytes: file.get(segment.bytes.clone()).unwrap_or_default(),
            memory_size: segment.memory_size,
        })
    }

    /// What changes with the virtual address; each word is all in the bytes of
    /// a segment. Without it the kernel has to run where it was linked.
    #[must_use]
    pub fn relocations(&self) -> Option<impl Iterator<Item = Relocation> + use<'a>> {
        self.parts.lists.as_ref().map(|lists| lists.relocations(self.file))
    }

    fn origin(&self) -> Option<&'a Origin> {
        self.parts.origin.as_ref()
    }

    /// The setup header of the bzImage that it came out of, from offset 0x1f1.
    #[must_use]
    pub fn setup_header(&self) -> Option<&'a [u8]> {
        self.origin().map(|origin| origin.setup_header.as_slice())
    }

    /// Longest command line in bytes without the terminating NUL, if known.
    #[must_use]
    pub fn cmdline_size(&self) -> Option<u32> {
        self.origin().map(|origin| origin.cmdline_size)
    }

    /// Whether the kernel starts while 5-level paging is on, if known.
    #[must_use]
    pub fn five_level_paging(&self) -> Option<bool> {
        self.origin().map(|origin| origin.five_level_paging)
    }

    /// Lowest physical address, if no segment is moved.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.parts.segments.iter().map(|segment| segment.phys).min().unwrap_or(0)
    }

    /// Bytes of memory from its lowest physical address to its highest.
    #[must_use]
    pub fn memory_size(&self) -> u64 {
        let segments = &self.parts.segments;
        let start = segments.iter().map(|segment| segment.phys).min();
        let end =
            segments.iter().map(|segment| segment.phys.saturating_add(segment.memory_size)).max();
        end.unwrap_or(0).saturating_sub(start.unwrap_or(0))
    }

    /// The version that the bzImage's header had.
    #[must_use]
    pub fn version(&self) -> Option<&'a str> {
        self.origin()?.version.as_deref()
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
