//! Memory maps: where segments may be put, and what the next kernel is told.
//!
//! Two maps for two uses. Segments are placed by /proc/iomem, because only it
//! knows what the running kernel has reserved since it started. The next kernel
//! is told the firmware's map (/sys/firmware/memmap, x86 only), because the
//! running kernel's reservations are none of its business. Never place anything
//! by the firmware map alone. Formats: Linux kernel/resource.c and
//! drivers/firmware/memmap.c.

use core::fmt;

use crate::base::addr::Range;
use crate::base::sort;

/// Memory that holds nothing once the running kernel is gone, although the
/// running kernel claims it.
const OLD_KERNEL: [&str; 4] = ["Kernel code", "Kernel rodata", "Kernel data", "Kernel bss"];
const SYSTEM_RAM: &str = "System RAM";
const CRASH_KERNEL: &str = "Crash kernel";

/// The e820 type of usable memory.
pub const E820_RAM: u32 = 1;
const E820_RESERVED: u32 = 2;
/// The e820 type of ACPI tables.
pub const E820_ACPI: u32 = 3;
/// The e820 type of memory that ACPI keeps for itself.
pub const E820_NVS: u32 = 4;

/// One line of /proc/iomem.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Resource {
    depth: usize,
    range: Range,
    name: String,
}

/// /proc/iomem: the physical address space as the running kernel divides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iomem(Vec<Resource>);

impl Iomem {
    /// Reads the text of /proc/iomem.
    ///
    /// # Errors
    /// A line that is not `START-END : NAME`, addresses that the kernel hid, or
    /// no memory at all.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let resources = text
            .lines()
            .enumerate()
            .map(|(index, line)| {
                parse_line(line)
                    .ok_or_else(|| Error::Line(index.saturating_add(1), line.to_owned()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if !resources.is_empty() && resources.iter().all(|resource| resource.range.end() <= 1) {
            return Err(Error::Hidden);
        }
        if !resources.iter().any(Resource::is_ram) {
            return Err(Error::NoRam);
        }
        Ok(Self(resources))
    }

    /// Memory that may be overwritten at the jump, in ascending order, with
    /// ends that are multiples of `page_size` bytes: RAM without whatever lies
    /// in it, except for the running kernel itself. A reservation with a name
    /// that is not known here is kept out of, as is a crash kernel's.
    #[must_use]
    pub fn free(&self, page_size: u64) -> Vec<Range> {
        let ram = self.ram();
        let free = self.holes().fold(ram, |free, hole| {
            free.into_iter().flat_map(|range| range.minus(hole).collect::<Vec<_>>()).collect()
        });
        free.into_iter()
            .filter_map(|range| range.shrink_to(page_size))
            .filter(|range| !range.is_empty())
            .collect()
    }

    /// All memory that the running kernel knows, whatever it is used for.
    #[must_use]
    pub fn ram(&self) -> Vec<Range> {
        merge(self.0.iter().filter(|resource| resource.is_ram()).map(|resource| resource.range))
    }

    /// Memory set aside for a crash kernel, ascending: at most two ranges.
    #[must_use]
    pub fn crash_kernel(&self) -> Vec<Range> {
        let mut ranges: Vec<Range> = self.named(CRASH_KERNEL).collect();
        sort::sort(&mut ranges);
        ranges
    }

    /// What else lies in that memory, as `NAME at RANGE`: nothing should.
    #[must_use]
    pub fn in_crash_kernel(&self) -> Vec<String> {
        let reserved = self.crash_kernel();
        let others = self.0.iter().filter(|one| !one.is_ram() && one.name != CRASH_KERNEL);
        others
            .filter(|one| !intersect(&[one.range], &reserved).is_empty())
            .map(|one| format!("{} at {}", one.name, one.range))
            .collect()
    }

    /// Where the running kernel's code lies.
    #[must_use]
    pub fn kernel_code(&self) -> Option<Range> {
        self.named("Kernel code").next()
    }

    fn named(&self, name: &str) -> impl Iterator<Item = Range> {
        self.0.iter().filter(move |resource| resource.name == name).map(|resource| resource.range)
    }

    fn holes(&self) -> impl Iterator<Item = Range> {
        self.0
            .iter()
            .filter(|resource| resource.depth > 0 && !OLD_KERNEL.contains(&resource.name.as_str()))
            .map(|resource| resource.range)
    }

    /// The map for the next kernel, for a machine without /sys/firmware/memmap:
    /// every entry, at any depth, whose name is one of the firmware's.
    #[must_use]
    pub fn firmware_map(&self) -> Vec<E820Entry> {
        let entries = self.0.iter().filter_map(|resource| {
            let kind = e820_type(&resource.name)?;
            Some(E820Entry { range: resource.range, kind })
        });
        merge_entries(entries.collect())
    }
}

impl Resource {
    fn is_ram(&self) -> bool {
        self.depth == 0 && self.name == SYSTEM_RAM
    }
}

fn parse_line(line: &str) -> Option<Resource> {
    let text = line.trim_start_matches(' ');
    let indent = line.len().checked_sub(text.len())?;
    let (span, name) = text.split_once(" : ")?;
    let (first, last) = span.split_once('-')?;
    // The topmost address has no successor; nothing bootable lies there.
    let end = hex(last)?.saturating_add(1);
    let range = Range::new(hex(first)?, end)?;
    Some(Resource { depth: indent / 2, range, name: name.to_owned() })
}

fn hex(digits: &str) -> Option<u64> {
    // from_str_radix takes a sign; the kernel writes none.
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, 16).ok() }
}

/// An entry of the memory map that an x86 kernel is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct E820Entry {
    /// The memory.
    pub range: Range,
    /// What it is, as the e820 table numbers it: [`E820_RAM`], 2 reserved, ...
    pub kind: u32,
}

/// The map for the next kernel from the entries of /sys/firmware/memmap, each
/// (`start`, `end`, `type`) as the files there say, so `end` is the last byte.
/// Ascending, and neighbours of one type joined. A type that is not known here
/// is reserved memory.
///
/// # Errors
/// An entry that ends before it starts.
pub fn firmware_map<'a>(
    entries: impl IntoIterator<Item = (u64, u64, &'a str)>,
) -> Result<Vec<E820Entry>, Error> {
    let mut map = Vec::new();
    for (start, last, name) in entries {
        let range = Range::new(start, last.saturating_add(1)).ok_or(Error::Entry(start, last))?;
        map.push(E820Entry { range, kind: e820_type(name).unwrap_or(E820_RESERVED) });
    }
    Ok(merge_entries(map))
}

/// The e820 type behind the names that Linux gives them
/// (arch/x86/kernel/e820.c); `None` for what is not of the firmware's making.
fn e820_type(name: &str) -> Option<u32> {
    match name {
        SYSTEM_RAM => Some(E820_RAM),
        "Reserved" | "reserved" => Some(E820_RESERVED),
        "ACPI Tables" => Some(E820_ACPI),
        "ACPI Non-volatile Storage" => Some(E820_NVS),
        "Unusable memory" => Some(5),
        "Persistent Memory" => Some(7),
        "Persistent Memory (legacy)" => Some(12),
        "Soft Reserved" => Some(0xefff_ffff),
        _ => None,
    }
}

fn merge_entries(mut entries: Vec<E820Entry>) -> Vec<E820Entry> {
    entries.retain(|entry| !entry.range.is_empty());
    sort::sort_by_key(&mut entries, |entry| entry.range);
    let mut merged: Vec<E820Entry> = Vec::new();
    for entry in entries {
        match merged.last_mut() {
            Some(last) if last.kind == entry.kind => match join(last.range, entry.range) {
                Some(both) => last.range = both,
                None => merged.push(entry),
            },
            _ => merged.push(entry),
        }
    }
    merged
}

/// The same memory in ascending order, ranges that touch joined.
pub(crate) fn merge(ranges: impl Iterator<Item = Range>) -> Vec<Range> {
    let entries = ranges.map(|range| E820Entry { range, kind: E820_RAM }).collect();
    merge_entries(entries).into_iter().map(|entry| entry.range).collect()
}

/// One range for two that touch or overlap; `low` must not start after `high`.
fn join(low: Range, high: Range) -> Option<Range> {
    if high.start() > low.end() { None } else { Range::new(low.start(), low.end().max(high.end())) }
}

/// What lies in a range of both lists.
#[must_use]
pub fn intersect(left: &[Range], right: &[Range]) -> Vec<Range> {
    let mut shared = Vec::new();
    for a in left {
        for b in right {
            shared.extend(Range::new(a.start().max(b.start()), a.end().min(b.end())));
        }
    }
    shared.retain(|range| !range.is_empty());
    shared
}

/// Why a memory map cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// This line (counted from 1) of /proc/iomem is not understood.
    Line(usize, String),
    /// All addresses in /proc/iomem are zero.
    Hidden,
    /// /proc/iomem names no "System RAM".
    NoRam,
    /// An entry of /sys/firmware/memmap ends (second value) before it starts.
    Entry(u64, u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number, line) => {
                write!(f, "/proc/iomem line {number} is not \"START-END : NAME\": {line:?}")
            }
            Self::Hidden => {
                f.write_str("/proc/iomem shows only zeros: it was opened without CAP_SYS_ADMIN")
            }
            Self::NoRam => f.write_str("/proc/iomem names no \"System RAM\""),
            Self::Entry(start, last) => write!(
                f,
                "/sys/firmware/memmap has an entry that starts at {start:#x} and ends at {last:#x}"
            ),
        }
    }
}

impl core::error::Error for Error {}

/// Real memory maps, for other modules' tests too.
#[cfg(test)]
pub(crate) mod testing {
    use super::{E820Entry, Iomem, firmware_map};

    pub(crate) const Q35: &str = include_str!("../tests/data/q35/iomem");
    pub(crate) const Q35_6G: &str = include_str!("../tests/data/q35-6g/iomem");
    pub(crate) const VIRT: &str = include_str!("../tests/data/virt/iomem");
    pub(crate) const Q35_MEMMAP: &str = include_str!("../tests/data/q35/memmap");
    pub(crate) const Q35_6G_MEMMAP: &str = include_str!("../tests/data/q35-6g/memmap");

    pub(crate) fn iomem(text: &str) -> Iomem {
        Iomem::parse(text).unwrap()
    }

    /// A map from lines `START END TYPE`, one per directory of the original.
    pub(crate) fn memmap(lines: &str) -> Vec<E820Entry> {
        let entries = lines.lines().map(|line| {
            let words: Vec<_> = line.splitn(3, ' ').collect();
            let [start, last, name] = words[..] else { panic!("{line}") };
            (number(start), number(last), name)
        });
        firmware_map(entries).unwrap()
    }

    fn number(text: &str) -> u64 {
        u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;

    fn ranges(pairs: &[(u64, u64)]) -> Vec<Range> {
        pairs.iter().map(|&(start, end)| Range::new(start, end).unwrap()).collect()
    }

    fn entries(list: &[(u64, u64, u32)]) -> Vec<E820Entry> {
        let mut entries = Vec::new();
        for &(start, end, kind) in list {
            entries.push(E820Entry { range: Range::new(start, end).unwrap(), kind });
        }
        entries
    }

    #[test]
    fn a_pc_is_free_wherever_only_its_old_kernel_lies() {
        let free = iomem(Q35).free(4096);
        assert_eq!(free, ranges(&[(0x1000, 0x9f000), (0x10_0000, 0x3ffe_0000)]));
    }

    #[test]
    fn a_crash_kernel_and_what_lies_beyond_4_gib_are_seen() {
        let expected = ranges(&[
            (0x1000, 0x9f000),
            (0x10_0000, 0x6f00_0000),
            (0x7f00_0000, 0x7ffe_0000),
            (0x1_0000_0000, 0x2_0000_0000),
        ]);
        assert_eq!(iomem(Q35_6G).free(4096), expected);
    }

    #[test]
    fn an_arm64_machine_keeps_its_reserved_memory() {
        let expected = ranges(&[
            (0x4000_0000, 0x4186_0000),
            (0x41eb_0000, 0x4800_0000),
            (0x480f_2000, 0x4820_0000),
            (0x4830_0000, 0x7ac0_0000),
            (0x7fc0_0000, 0x7fc2_b000),
            (0x7fdc_b000, 0x7fdc_d000),
        ]);
        assert_eq!(iomem(VIRT).free(4096), expected);
    }

    #[test]
    fn unknown_children_grandchildren_and_ragged_ends_are_kept_out_of() {
        let text = "00001000-00007fff : System RAM\n  00003800-00003fff : Kernel code\n    \
                    00003900-00003901 : something new\n  00005000-00005000 : GART\n\
                    00008000-0000a057 : System RAM\n";
        let expected = [(0x1000, 0x3000), (0x4000, 0x5000), (0x6000, 0xa000)];
        assert_eq!(iomem(text).free(4096), ranges(&expected));
        assert_eq!(iomem(text).free(0x4000), ranges(&[]));
        assert_eq!(iomem(text).ram(), ranges(&[(0x1000, 0xa058)]));
    }

    #[test]
    fn memory_that_is_not_plain_ram_is_never_free() {
        let text = "1000-1fff : System RAM\n10000-1ffff : Soft Reserved\n  \
                    10000-1ffff : System RAM (kmem)\n20000-2ffff : PCI Bus\n  \
                    20000-2ffff : System RAM\n";
        assert_eq!(iomem(text).free(4096), ranges(&[(0x1000, 0x2000)]));
    }

    #[test]
    fn a_map_without_addresses_says_which_right_is_missing() {
        let error = Iomem::parse("00000000-00000000 : System RAM\n  00000000-00000000 : GART\n");
        assert_eq!(
            error.unwrap_err().to_string(),
            "/proc/iomem shows only zeros: it was opened without CAP_SYS_ADMIN"
        );
    }

    #[test]
    fn a_map_without_memory_is_refused() {
        assert_eq!(Iomem::parse(""), Err(Error::NoRam));
        assert_eq!(Iomem::parse("1000-1fff : Reserved\n"), Err(Error::NoRam));
    }

    #[test]
    fn a_line_that_is_not_understood_is_shown_with_its_number() {
        let bad =
            ["nonsense", "1000 : System RAM", "1000-xyz : System RAM", "2000-1000 : A", "+1-2 : A"];
        for line in bad {
            let text = format!("1000-1fff : System RAM\n{line}\n");
            assert_eq!(Iomem::parse(&text), Err(Error::Line(2, line.to_owned())));
        }
        assert_eq!(
            Error::Line(2, "nonsense".to_owned()).to_string(),
            "/proc/iomem line 2 is not \"START-END : NAME\": \"nonsense\""
        );
    }

    #[test]
    fn the_firmware_map_of_a_pc_is_what_its_bios_said() {
        let expected = entries(&[
            (0, 0x9_fc00, 1),
            (0x9_fc00, 0xa_0000, 2),
            (0xf_0000, 0x10_0000, 2),
            (0x10_0000, 0x3ffe_0000, 1),
            (0x3ffe_0000, 0x4000_0000, 2),
            (0xb000_0000, 0xc000_0000, 2),
            (0xfed1_c000, 0xfed2_0000, 2),
            (0xfffc_0000, 0x1_0000_0000, 2),
            (0xfd_0000_0000, 0x100_0000_0000, 2),
        ]);
        assert_eq!(memmap(Q35_MEMMAP), expected);
    }

    #[test]
    fn without_a_firmware_map_iomem_says_nearly_the_same() {
        let mut expected = memmap(Q35_MEMMAP);
        // The running kernel keeps its first page for itself.
        expected[0].range = Range::new(0x1000, 0x9_fc00).unwrap();
        expected.insert(0, entries(&[(0, 0x1000, 2)])[0]);
        assert_eq!(iomem(Q35).firmware_map(), expected);
    }

    #[test]
    fn firmware_entries_are_sorted_and_joined_and_unknown_ones_reserved() {
        let map = firmware_map([
            (0x3000, 0x3fff, "System RAM"),
            (0x1000, 0x1fff, "System RAM"),
            (0x2000, 0x2fff, "System RAM"),
            (0x5000, 0x5fff, "Persistent Memory (legacy)"),
            (0x4000, 0x4fff, "Never Heard Of"),
            (0x6000, 0x6fff, "Soft Reserved"),
            (0xffff_f000, u64::MAX, "ACPI Tables"),
        ]);
        let expected = entries(&[
            (0x1000, 0x4000, 1),
            (0x4000, 0x5000, 2),
            (0x5000, 0x6000, 12),
            (0x6000, 0x7000, 0xefff_ffff),
            (0xffff_f000, u64::MAX, 3),
        ]);
        assert_eq!(map, Ok(expected));
    }

    #[test]
    fn a_firmware_entry_turned_round_is_refused() {
        let error = firmware_map([(0x2000, 0xfff, "System RAM")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/sys/firmware/memmap has an entry that starts at 0x2000 and ends at 0xfff"
        );
    }

    #[test]
    fn the_intersection_is_what_both_lists_have() {
        let left = ranges(&[(0, 10), (20, 30)]);
        assert_eq!(
            intersect(&left, &ranges(&[(5, 25), (29, 40)])),
            ranges(&[(5, 10), (20, 25), (29, 30)])
        );
        assert_eq!(intersect(&left, &ranges(&[(10, 20)])), ranges(&[]));
    }
}
