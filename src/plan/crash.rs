//! A crash kernel: one that waits in memory set aside for it, and finds out
//! from an ELF header there what the crashed kernel's memory holds.
//!
//! The header lists RAM, the processors' registers (notes that the crashing
//! kernel fills) and a note about the kernel itself. Nothing is copied before
//! the crash. Follows Linux Documentation/admin-guide/kdump/kdump.rst and
//! vmcoreinfo.rst, and the ELF-64 object file format.

use std::borrow::Cow;

use super::layout::{ANYWHERE, Check, Segment, span};
use super::space::{NoRoom, Space, Want};
use crate::base::addr::Range;
use crate::base::arch::Arch;
use crate::base::bytes::field;
use crate::base::sort;
use crate::memmap::{self, E820_RAM, E820Entry};

const HEADER_SIZE: u16 = 64;
const ENTRY_SIZE: u16 = 56;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;
/// /proc/kcore has this address for memory that is mapped page by page.
const SCATTERED: u64 = u64::MAX;
/// Tools take this as "not known".
const NO_ADDRESS: u64 = 0;
/// x86 kernels use it themselves early on: there is nothing to see.
const LOW_MEMORY: Range = span(0, 1 << 20);

/// What a crash kernel must be told of the running one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crash {
    /// Memory set aside: "Crash kernel" in /proc/iomem, ascending.
    pub reserved: Vec<Range>,
    /// All RAM of the running kernel, ascending.
    pub ram: Vec<Range>,
    /// Where the running kernel's code lies.
    pub code: Option<Range>,
    /// Where each processor's registers will be put.
    pub notes: Vec<Range>,
    /// Where the running kernel describes itself.
    pub vmcoreinfo: Option<Range>,
    /// Where the running kernel sees memory; empty if it does not say.
    pub views: Vec<View>,
}

/// Memory, and the virtual address at which the running kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Address of the first byte.
    pub virt: u64,
    /// The memory.
    pub phys: Range,
}

impl View {
    /// Reads the program headers of /proc/kcore from its first bytes. Those
    /// that are cut off are left out.
    #[must_use]
    pub fn of_kcore(start: &[u8]) -> Vec<Self> {
        let offset =
            field(start, 32).map(u64::from_le_bytes).and_then(|at| usize::try_from(at).ok());
        let size = field(start, 54).map_or(0, u16::from_le_bytes);
        let Some(table) = offset.and_then(|at| start.get(at..)) else { return Vec::new() };
        table.chunks_exact(usize::from(size).max(1)).map_while(program_header).flatten().collect()
    }
}

/// `None` behind the last header; `Some(None)` for one that shows no memory.
fn program_header(entry: &[u8]) -> Option<Option<View>> {
    let kind = u32::from_le_bytes(field(entry, 0)?);
    let virt = u64::from_le_bytes(field(entry, 16)?);
    let phys = u64::from_le_bytes(field(entry, 24)?);
    let size = u64::from_le_bytes(field(entry, 32)?);
    match (kind, phys) {
        (PT_NOTE, _) | (PT_LOAD, SCATTERED) => Some(None),
        (PT_LOAD, phys) => Some(Range::with_len(phys, size).map(|phys| View { virt, phys })),
        _ => None,
    }
}

const fn ram(range: Range) -> E820Entry {
    E820Entry { range, kind: E820_RAM }
}

impl Crash {
    /// Where segments may lie: the kernel takes them only in the higher range.
    /// The lower is for devices that cannot reach beyond 4 GiB.
    #[must_use]
    pub fn region(&self) -> Option<Range> {
        self.reserved.last().copied()
    }

    /// All that it may use; the range that it lies in comes first.
    pub(super) fn usable(&self) -> Vec<Range> {
        self.reserved.iter().rev().copied().collect()
    }

    /// What keeps tools from understanding the dump, for people.
    pub(super) fn warning(&self) -> Option<&'static str> {
        if self.vmcoreinfo.is_none() {
            return Some("/sys/kernel/vmcoreinfo is not readable: a dump will not describe itself");
        }
        self.kernel_view().is_none().then_some(
            "/proc/kcore does not say where the kernel sees its memory: \
             a dump will have no virtual addresses",
        )
    }

    /// The ELF header, for its own architecture.
    pub(super) fn elf_header(&self, arch: Arch) -> Vec<u8> {
        let entries = self.entries(arch);
        let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
        let mut bytes = identification(arch, count);
        for entry in entries.into_iter().take(usize::from(count)) {
            bytes.extend(entry.to_bytes());
        }
        bytes
    }

    fn entries(&self, arch: Arch) -> Vec<Entry> {
        let notes = self.notes.iter().copied().chain(self.vmcoreinfo);
        let notes = notes.map(|phys| Entry { kind: PT_NOTE, virt: NO_ADDRESS, phys });
        let text = self.kernel_view();
        let text = text.map(|view| Entry { kind: PT_LOAD, virt: view.virt, phys: view.phys });
        let ram = self.dumped(arch).into_iter();
        let ram = ram.map(|phys| Entry { kind: PT_LOAD, virt: self.address_of(phys), phys });
        notes.chain(text).chain(ram).collect()
    }

    /// The view of the kernel's image, which overlaps that of all memory: the
    /// smallest that holds its code.
    fn kernel_view(&self) -> Option<View> {
        let code = self.code?;
        let views = self.views.iter().filter(|view| view.phys.contains(code));
        views.min_by_key(|view| view.phys.len()).copied()
    }

    fn address_of(&self, ram: Range) -> u64 {
        let kernel = self.kernel_view();
        let first = span(ram.start(), ram.start().saturating_add(1));
        let mut views = self.views.iter().filter(|view| Some(**view) != kernel);
        let view = views.find(|view| view.phys.contains(first) && view.phys.len() > 1);
        view.map_or(NO_ADDRESS, |view| {
            view.virt.wrapping_add(ram.start().wrapping_sub(view.phys.start()))
        })
    }

    /// RAM without what the crash kernel itself uses.
    fn dumped(&self, arch: Arch) -> Vec<Range> {
        let low = (arch == Arch::X86_64).then_some(LOW_MEMORY);
        let holes = self.reserved.iter().copied().chain(low);
        holes.fold(self.ram.clone(), |ram, hole| {
            ram.into_iter().flat_map(|range| range.minus(hole).collect::<Vec<_>>()).collect()
        })
    }

    /// What an x86 crash kernel is told: whatever is not RAM, what the low
    /// memory has of it, and what was set aside, without the ELF header.
    pub(super) fn memory_map(&self, firmware: &[E820Entry], header: Range) -> Vec<E820Entry> {
        let low = firmware.iter().filter(|entry| entry.kind == E820_RAM);
        let low: Vec<Range> = low.map(|entry| entry.range).collect();
        let low = memmap::intersect(&low, &[LOW_MEMORY]).into_iter().map(ram);
        let other = firmware.iter().filter(|entry| entry.kind != E820_RAM).copied();
        let own = self.reserved.iter().flat_map(|range| range.minus(header)).map(ram);
        let mut map: Vec<E820Entry> = low.chain(other).chain(own).collect();
        sort::sort_by_key(&mut map, |entry| entry.range);
        map
    }
}

/// The ELF header that has a place.
pub(super) struct ElfHeader {
    bytes: Vec<u8>,
    range: Range,
}

impl ElfHeader {
    pub(super) fn place(crash: &Crash, arch: Arch, space: &mut Space) -> Result<Self, NoRoom> {
        let bytes = crash.elf_header(arch);
        let size = bytes.len() as u64;
        let want = Want { name: "elfcorehdr", size, align: 1, offset: 0, within: ANYWHERE };
        Ok(Self { bytes, range: space.take_highest(&want)? })
    }

    /// In whole pages.
    pub(super) const fn range(&self) -> Range {
        self.range
    }

    /// x86 kernels look for it where the command line says, arm64 ones in the
    /// device tree.
    pub(super) fn tell(&self, cmdline: &str, arch: Arch) -> String {
        match arch {
            Arch::X86_64 => {
                let space = if cmdline.is_empty() { "" } else { " " };
                format!("{cmdline}{space}elfcorehdr={:#x}", self.range.start())
            }
            Arch::Aarch64 => cmdline.to_owned(),
        }
    }

    pub(super) fn check(&self) -> Check {
        Check::of("elfcorehdr", self.range.start(), &self.bytes)
    }

    pub(super) fn into_segment(self) -> Segment<'static> {
        Segment { name: "elfcorehdr", bytes: Cow::Owned(self.bytes), range: self.range }
    }
}

struct Entry {
    kind: u32,
    virt: u64,
    phys: Range,
}

impl Entry {
    /// Memory is found in the dump at its physical address.
    fn to_bytes(&self) -> Vec<u8> {
        let flags: u32 = if self.kind == PT_LOAD { 7 } else { 0 };
        let start = self.phys.start();
        let size = self.phys.len();
        let numbers = [start, self.virt, start, size, size, 0].map(u64::to_le_bytes).concat();
        [self.kind.to_le_bytes().to_vec(), flags.to_le_bytes().to_vec(), numbers].concat()
    }
}

/// The first 64 bytes of an ELF-64 core file.
fn identification(arch: Arch, count: u16) -> Vec<u8> {
    const CORE: u16 = 4;
    let machine = match arch {
        Arch::X86_64 => EM_X86_64,
        Arch::Aarch64 => EM_AARCH64,
    };
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend([CORE, machine].map(u16::to_le_bytes).concat());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend([0, u64::from(HEADER_SIZE), 0].map(u64::to_le_bytes).concat());
    bytes.extend([0; 4]);
    bytes.extend([HEADER_SIZE, ENTRY_SIZE, count, 0, 0, 0].map(u16::to_le_bytes).concat());
    bytes
}

/// The crash kernels of `tests/data`.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::memmap::testing::iomem;

    /// What /sys/devices/system/cpu tells of a CPU's notes, in a line.
    fn note(line: &str) -> Option<Range> {
        let mut words = line.split(' ').skip(1);
        let start = u64::from_str_radix(words.next()?, 16).ok()?;
        Range::with_len(start, words.next()?.parse().ok()?)
    }

    fn crash(map: &str, notes: &str, vmcoreinfo: Option<Range>, kcore: &[u8]) -> Crash {
        let iomem = iomem(map);
        Crash {
            reserved: iomem.crash_kernel(),
            ram: iomem.ram(),
            code: iomem.kernel_code(),
            notes: notes.lines().filter_map(note).collect(),
            vmcoreinfo,
            views: View::of_kcore(kcore),
        }
    }

    pub(crate) const Q35_IOMEM: &str = include_str!("../../tests/data/q35-crash/iomem");
    pub(crate) const VIRT_IOMEM: &str = include_str!("../../tests/data/virt-crash/iomem");

    pub(crate) fn q35() -> Crash {
        let notes = include_str!("../../tests/data/q35-crash/crash_notes");
        let kcore = include_bytes!("../../tests/data/q35-crash/kcore");
        crash(Q35_IOMEM, notes, Range::with_len(0x4681_6000, 0x1024), kcore)
    }

    pub(crate) fn virt() -> Crash {
        let notes = include_str!("../../tests/data/virt-crash/crash_notes");
        let kcore = include_bytes!("../../tests/data/virt-crash/kcore");
        crash(VIRT_IOMEM, notes, Range::with_len(0x4831_4000, 0x1024), kcore)
    }
}

#[cfg(test)]
mod tests {
    use goblin::elf::Elf;

    use super::testing::{q35, virt};
    use super::*;

    fn range(start: u64, end: u64) -> Range {
        Range::new(start, end).unwrap()
    }

    /// Reads with another implementation than ours: type, virtual address,
    /// physical address, size.
    fn headers(bytes: &[u8]) -> Vec<(u32, u64, u64, u64)> {
        let elf = Elf::parse(bytes).unwrap();
        assert_eq!((elf.header.e_type, elf.is_64, elf.little_endian), (4, true, true));
        assert!(elf.program_headers.iter().all(|header| {
            (header.p_offset, header.p_filesz) == (header.p_paddr, header.p_memsz)
        }));
        let headers = elf.program_headers.iter();
        headers.map(|it| (it.p_type, it.p_vaddr, it.p_paddr, it.p_memsz)).collect()
    }

    #[test]
    fn a_pcs_header_lists_registers_kernel_and_memory_but_not_the_crash_kernels() {
        let bytes = q35().elf_header(Arch::X86_64);
        assert_eq!(Elf::parse(&bytes).unwrap().header.e_machine, 62);
        let direct = 0xffff_8be9_c000_0000;
        assert_eq!(
            headers(&bytes),
            [
                (PT_NOTE, 0, 0x7fc3_a400, 368),
                (PT_NOTE, 0, 0x7fd3_a400, 368),
                (PT_NOTE, 0, 0x4681_6000, 0x1024),
                (PT_LOAD, 0xffff_ffff_a500_0000, 0x4340_0000, 0x343_0000),
                (PT_LOAD, direct + 0x10_0000, 0x10_0000, 0x6eff_0000 - 0xf_0000),
                (PT_LOAD, direct + 0x7f00_0000, 0x7f00_0000, 0xfe_0000),
            ]
        );
    }

    #[test]
    fn an_arm64_machines_header_too() {
        let bytes = virt().elf_header(Arch::Aarch64);
        assert_eq!(Elf::parse(&bytes).unwrap().header.e_machine, 183);
        let direct = 0xffff_1dd4_8000_0000;
        assert_eq!(
            headers(&bytes)[3..],
            [
                (PT_LOAD, 0xffff_bea1_6060_0000, 0x4020_0000, 0x201_0000),
                (PT_LOAD, direct, 0x4000_0000, 0x69a0_0000),
                (PT_LOAD, direct + 0x79a0_0000, 0xb9a0_0000, 0x660_0000),
            ]
        );
    }

    #[test]
    fn what_the_kernel_does_not_show_is_left_out_and_said() {
        assert_eq!(q35().warning(), None);
        let blind = Crash { views: vec![], ..q35() };
        assert_eq!(
            blind.warning(),
            Some(
                "/proc/kcore does not say where the kernel sees its memory: \
                 a dump will have no virtual addresses"
            )
        );
        let loads: Vec<_> = headers(&blind.elf_header(Arch::X86_64)).split_off(3);
        assert_eq!(loads.len(), 2);
        assert!(loads.iter().all(|(kind, virt, ..)| (*kind, *virt) == (PT_LOAD, NO_ADDRESS)));
        let mute = Crash { vmcoreinfo: None, ..q35() };
        assert_eq!(
            mute.warning(),
            Some("/sys/kernel/vmcoreinfo is not readable: a dump will not describe itself")
        );
        assert_eq!(headers(&mute.elf_header(Arch::X86_64)).len(), 5);
    }

    #[test]
    fn the_program_headers_of_kcore_are_read_as_far_as_they_go() {
        let kcore = include_bytes!("../../tests/data/q35-crash/kcore");
        assert_eq!(View::of_kcore(kcore).len(), 3);
        assert_eq!(View::of_kcore(&kcore[..kcore.len() - 57]).len(), 2);
        assert_eq!(View::of_kcore(&kcore[..64 + 56 * 2]).len(), 1);
        assert_eq!(View::of_kcore(&kcore[..63]), []);
        assert_eq!(View::of_kcore(b""), []);
    }

    #[test]
    fn the_higher_of_two_regions_is_loaded_into_and_both_are_used() {
        let low = range(0x1000_0000, 0x2000_0000);
        let high = range(1 << 32, 2 << 32);
        let crash = Crash { reserved: vec![low, high], ..Crash::default() };
        assert_eq!((crash.region(), crash.usable()), (Some(high), vec![high, low]));
        assert_eq!(Crash::default().region(), None);
    }

    fn entry(start: u64, end: u64, kind: u32) -> E820Entry {
        E820Entry { range: range(start, end), kind }
    }

    #[test]
    fn a_crash_kernel_is_told_low_memory_its_own_and_whatever_is_not_memory() {
        let firmware = [
            entry(0, 0x9_fc00, E820_RAM),
            entry(0x9_fc00, 0xa_0000, 2),
            entry(0x10_0000, 0x8000_0000, E820_RAM),
            entry(0x8000_0000, 0x8000_1000, 3),
        ];
        let crash = Crash { reserved: vec![range(0x6000_0000, 0x7000_0000)], ..Crash::default() };
        assert_eq!(
            crash.memory_map(&firmware, range(0x6fff_f000, 0x7000_0000)),
            [
                entry(0, 0x9_fc00, E820_RAM),
                entry(0x9_fc00, 0xa_0000, 2),
                entry(0x6000_0000, 0x6fff_f000, E820_RAM),
                entry(0x8000_0000, 0x8000_1000, 3),
            ]
        );
    }
}
