//! x86_64: four levels, and a fifth above them for a CPU that has it on.
//!
//! Everything hangs off the first entry of the PML5, because a kernel's
//! decompressor takes that one when it goes from five levels to four. Follows
//! the Intel SDM, volume 3, section 4.5, and for what is mapped Linux
//! Documentation/arch/x86/boot.rst (64-bit boot protocol).

use purgatory::Roots;

use super::tables::{Format, LARGE, Tables};
use super::{Beyond, Mapping, PageTables};

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLED: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const PAGE_SIZE: u64 = 1 << 7;

/// The accessed and dirty bits are set, so that the CPU has nothing to write.
const TABLE_ENTRY: u64 = PRESENT | WRITABLE | ACCESSED;
const PAGE: u64 = TABLE_ENTRY | DIRTY;

const FORMAT: Format = Format {
    table: TABLE_ENTRY,
    large: PAGE | PAGE_SIZE,
    page: PAGE,
    // Entry 3 of the PAT: uncached in its reset value, and in Linux's.
    device: PAGE | CACHE_DISABLED | WRITE_THROUGH,
    size_bit: PAGE_SIZE,
    granule: LARGE,
    // Above it, addresses of four levels are not their own virtual addresses.
    limit: 1 << 47,
};

pub(super) fn build(base: u64, mappings: &[Mapping]) -> Result<PageTables, Beyond> {
    let mut tables = Tables::map(&FORMAT, base, mappings)?;
    let five_level = tables.add_root();
    Ok(PageTables { roots: Roots { four_level: base, five_level }, bytes: tables.into_bytes() })
}
