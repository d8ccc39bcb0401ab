//! Page tables for the time between two kernels: an identity map of the memory
//! that the purgatory and the next kernel's first instructions touch, and of
//! nothing else.
//!
//! A plan is made anywhere, so the tables are made here as bytes for the address
//! that they will lie at. They must never change once they are in use: every bit
//! that a CPU would set is set, and the purgatory checks their digest like that
//! of any segment. Never maps more than it is given: what lies beyond may be
//! memory that a speculative read must not touch.

mod aarch64;
mod tables;
mod x86_64;

use core::fmt;

use purgatory::Roots;

use crate::base::addr::Range;
use crate::base::arch::Arch;

/// Memory that is mapped besides the segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Physical addresses, which are the virtual ones too.
    pub range: Range,
    /// What lies there.
    pub kind: Kind,
}

/// How memory is accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RAM: cached.
    Normal,
    /// Registers: not cached, and never executed.
    Device,
}

/// Page tables for a place in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageTables {
    /// The tables, 4096 bytes each.
    pub bytes: Vec<u8>,
    /// Where the CPU starts.
    pub roots: Roots,
}

/// The tables as they must lie at `base`, a multiple of 4096.
///
/// x86_64 maps [`Kind::Normal`] in 2 MiB pages, rounded outward like the kernel
/// that it takes over from; everything else is mapped to the 4 KiB page.
///
/// # Errors
/// An address that the tables do not reach.
pub fn build(arch: Arch, base: u64, mappings: &[Mapping]) -> Result<PageTables, Beyond> {
    match arch {
        Arch::X86_64 => x86_64::build(base, mappings),
        Arch::Aarch64 => aarch64::build(base, mappings),
    }
}

/// Most bytes by which one more range of at most 2 MiB can make tables longer:
/// it may touch two tables of every level but the root.
pub const ONE_MORE_RANGE: u64 = 6 * tables::TABLE;

/// A range that ends beyond the last address of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond {
    /// What was to be mapped.
    pub range: Range,
    /// First address that cannot be.
    pub limit: u64,
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { range, limit } = self;
        write!(f, "the purgatory's page tables end at {limit:#x}, but are to map {range}")
    }
}

impl core::error::Error for Beyond {}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x7_fff0_0000;

    fn mapping(start: u64, end: u64, kind: Kind) -> Mapping {
        Mapping { range: Range::new(start, end).unwrap(), kind }
    }

    fn normal(start: u64, end: u64) -> Mapping {
        mapping(start, end, Kind::Normal)
    }

    fn entry(tables: &PageTables, address: u64) -> u64 {
        let at = usize::try_from(address - BASE).unwrap();
        u64::from_le_bytes(tables.bytes[at..at + 8].try_into().unwrap())
    }

    /// The last entry on the way to an address and the size of what it maps, as
    /// a CPU would find it.
    fn walk(arch: Arch, tables: &PageTables, address: u64) -> (u64, u64) {
        let mut table = tables.roots.four_level;
        for shift in [39, 30, 21, 12] {
            let entry = entry(tables, table + (address >> shift) % 512 * 8);
            let is_table = match arch {
                Arch::X86_64 => entry & 0x80 == 0,
                Arch::Aarch64 => entry & 2 != 0,
            };
            if entry == 0 || shift == 12 || !is_table {
                return (entry, 1 << shift);
            }
            table = entry & 0x0000_ffff_ffff_f000;
        }
        unreachable!()
    }

    fn is_mapped(arch: Arch, tables: &PageTables, address: u64) -> bool {
        let (entry, size) = walk(arch, tables, address);
        let maps_itself = entry & 0x0000_ffff_ffff_f000 == address / size * size;
        assert!(entry == 0 || maps_itself, "{address:#x} by {entry:#x}");
        entry != 0
    }

    /// The unit of both, awkward edges, and holes of less than a large page.
    fn memory() -> [Mapping; 5] {
        [
            normal(0x1000, 0xa_0000),
            normal(0x100_1000, 0x1a0_3000),
            normal(0x1a0_5000, 0x1a0_6000),
            normal(0x3fff_f000, 0x4060_0000),
            normal(0x7f_ffe0_0000, 0x80_0000_1000),
        ]
    }

    #[test]
    fn aarch64_maps_the_pages_it_is_given_and_no_other() {
        let tables = build(Arch::Aarch64, BASE, &memory()).unwrap();
        for one in memory() {
            let pages = (one.range.start()..one.range.end()).step_by(4096);
            for page in pages.chain([one.range.end() - 1]) {
                assert!(is_mapped(Arch::Aarch64, &tables, page), "{page:#x}");
            }
            for outside in [one.range.start() - 1, one.range.end()] {
                assert!(!is_mapped(Arch::Aarch64, &tables, outside), "{outside:#x}");
            }
        }
        assert_eq!(walk(Arch::Aarch64, &tables, 0x120_0000), (0x120_0701, 2 << 20));
        assert_eq!(walk(Arch::Aarch64, &tables, 0x1a0_2000), (0x1a0_2703, 4096));
    }

    #[test]
    fn x86_64_maps_the_large_pages_over_what_it_is_given_and_no_other() {
        let tables = build(Arch::X86_64, BASE, &memory()).unwrap();
        for one in memory() {
            let start = one.range.start() >> 21 << 21;
            let end = one.range.end().next_multiple_of(2 << 20);
            for page in (start..end).step_by(2 << 20) {
                assert_eq!(walk(Arch::X86_64, &tables, page), (page | 0xe3, 2 << 20));
            }
            if end != 0x200_0000 && end != 0x1c0_0000 {
                assert!(!is_mapped(Arch::X86_64, &tables, end), "{end:#x}");
            }
        }
        assert!(!is_mapped(Arch::X86_64, &tables, 0x20_0000));
        assert!(!is_mapped(Arch::X86_64, &tables, 0xff_ffff));
    }

    #[test]
    fn five_levels_are_the_four_under_their_first_entry() {
        let tables = build(Arch::X86_64, BASE, &memory()).unwrap();
        assert_eq!(tables.roots.four_level, BASE);
        assert_eq!(tables.roots.five_level, BASE + tables.bytes.len() as u64 - 4096);
        assert_eq!(entry(&tables, tables.roots.five_level), BASE | 0x23);
        assert!((1..512).all(|at| entry(&tables, tables.roots.five_level + at * 8) == 0));
    }

    #[test]
    fn registers_are_not_cached_even_where_memory_surrounds_them() {
        let given = [normal(0x900_0000, 0x960_0000), mapping(0x920_0010, 0x920_0018, Kind::Device)];
        for (arch, registers, page, large) in [
            (Arch::X86_64, 0x920_007b, 0x920_1063, 0x940_00e3),
            (Arch::Aarch64, 0x60_0000_0920_0407, 0x920_1703, 0x940_0701),
        ] {
            let tables = build(arch, BASE, &given).unwrap();
            assert_eq!(walk(arch, &tables, 0x920_0010), (registers, 4096));
            assert_eq!(walk(arch, &tables, 0x920_1000), (page, 4096));
            assert_eq!(walk(arch, &tables, 0x93f_f000).1, 4096);
            assert_eq!(walk(arch, &tables, 0x940_0000), (large, 2 << 20));
        }
    }

    #[test]
    fn what_is_mapped_twice_is_mapped_once() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let once = build(arch, BASE, &[normal(0x100_0000, 0x200_0000)]).unwrap();
            let again = [normal(0x100_0000, 0x200_0000), normal(0x110_1000, 0x110_2000)];
            assert_eq!(build(arch, BASE, &again).unwrap(), once, "{arch}");
        }
    }

    #[test]
    fn one_more_range_makes_tables_longer_by_no_more_than_is_said() {
        let longest = [0x7f_ffff_f000, 0x3fe0_1000, 0x1000];
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let without = build(arch, BASE, &[]).unwrap().bytes.len() as u64;
            for start in longest {
                let with = build(arch, BASE, &[normal(start, start + 0x20_0000)]).unwrap();
                assert!(with.bytes.len() as u64 <= without + ONE_MORE_RANGE, "{start:#x}");
            }
        }
    }

    #[test]
    fn what_the_tables_do_not_reach_is_refused() {
        for (arch, limit) in [(Arch::X86_64, 1 << 47), (Arch::Aarch64, 1 << 48)] {
            build(arch, BASE, &[normal(limit - 4096, limit)]).unwrap();
            for (start, end) in [(limit - 4096, limit + 1), (0, u64::MAX)] {
                let error = build(arch, BASE, &[normal(start, end)]).unwrap_err();
                assert_eq!(error, Beyond { range: Range::new(start, end).unwrap(), limit });
            }
        }
        let beyond = Beyond { range: Range::new(4096, 1 << 60).unwrap(), limit: 1 << 47 };
        let text = "the purgatory's page tables end at 0x800000000000, \
                    but are to map 0x1000..0x1000000000000000";
        assert_eq!(beyond.to_string(), text);
    }
}
