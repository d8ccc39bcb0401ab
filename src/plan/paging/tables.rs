//! What x86_64 and aarch64 have in common: trees of 512 entries of 64 bits for
//! 9 bits of the address each, with 4 KiB pages at their leaves, or 2 MiB ones a
//! level above.

use super::{Beyond, Kind, Mapping};
use crate::base::addr::{Range, align_down, align_up};

/// Bytes of a table, and of a page.
pub(super) const TABLE: u64 = 4096;
pub(super) const LARGE: u64 = 2 << 20;
const ENTRIES: usize = 512;
/// Lowest address bits that index the tables of each level, from the root.
const SHIFTS: [u32; 4] = [39, 30, 21, 12];

/// How an architecture writes entries: all bits but the address.
pub(super) struct Format {
    /// Points to a table of the next level.
    pub(super) table: u64,
    /// A 2 MiB page, [`Kind::Normal`].
    pub(super) large: u64,
    /// A 4 KiB page, [`Kind::Normal`].
    pub(super) page: u64,
    /// A 4 KiB page, [`Kind::Device`].
    pub(super) device: u64,
    /// The bit that tells a 2 MiB page from a table.
    pub(super) size_bit: u64,
    /// What [`Kind::Normal`] is rounded outward to.
    pub(super) granule: u64,
    /// First address that is not reached.
    pub(super) limit: u64,
}

/// Tables in the making; the first is the root.
pub(super) struct Tables {
    format: &'static Format,
    base: u64,
    entries: Vec<u64>,
}

impl Tables {
    pub(super) fn map(
        format: &'static Format,
        base: u64,
        mappings: &[Mapping],
    ) -> Result<Self, Beyond> {
        let mut tables = Self { format, base, entries: vec![0; ENTRIES] };
        // Devices first: where one is mapped, no large page can be any more.
        for kind in [Kind::Device, Kind::Normal] {
            for mapping in mappings.iter().filter(|mapping| mapping.kind == kind) {
                tables.map_range(mapping)?;
            }
        }
        Ok(tables)
    }

    fn map_range(&mut self, mapping: &Mapping) -> Result<(), Beyond> {
        let range = self.rounded(mapping)?;
        let mut at = range.start();
        while at < range.end() {
            at = at.saturating_add(self.map_page(at, range.end(), mapping.kind));
        }
        Ok(())
    }

    fn rounded(&self, mapping: &Mapping) -> Result<Range, Beyond> {
        let Format { granule, limit, .. } = *self.format;
        let unit = if mapping.kind == Kind::Device { TABLE } else { granule };
        let Mapping { range, .. } = *mapping;
        align_down(range.start(), unit)
            .zip(align_up(range.end(), unit))
            .and_then(|(start, end)| Range::new(start, end))
            .filter(|range| range.end() <= limit)
            .ok_or(Beyond { range, limit })
    }

    /// Maps the largest page that starts at `at`; gives its size. What is mapped
    /// already stays as it is.
    fn map_page(&mut self, at: u64, end: u64, kind: Kind) -> u64 {
        let format = self.format;
        let slot = self.slot(at, 2);
        let entry = self.entry(slot);
        let is_large = entry != 0 && (entry ^ format.large) & format.size_bit == 0;
        let fits = at.is_multiple_of(LARGE) && end.saturating_sub(at) >= LARGE;
        if is_large || entry == 0 && fits && kind == Kind::Normal {
            self.set(slot, align_down(at, LARGE).unwrap_or(at) | format.large);
            return LARGE.saturating_sub(at % LARGE);
        }
        let slot = self.slot(at, 3);
        if self.entry(slot) == 0 {
            self.set(slot, at | if kind == Kind::Device { format.device } else { format.page });
        }
        TABLE
    }

    /// Index of the entry for an address at a level below the root, with the
    /// tables that lead there.
    fn slot(&mut self, address: u64, level: usize) -> usize {
        let shifts = SHIFTS.iter().take(level.saturating_add(1));
        let mut indices =
            shifts.map(|shift| usize::try_from(address >> shift).unwrap_or(0) % ENTRIES);
        let root = indices.next().unwrap_or(0);
        indices.fold(root, |slot, index| self.table_at(slot).saturating_add(index))
    }

    /// Index of the first entry of the table that an entry points to.
    fn table_at(&mut self, slot: usize) -> usize {
        if self.entry(slot) == 0 {
            let table = self.add_table();
            self.set(slot, table | self.format.table);
        }
        let address = align_down(self.entry(slot) % self.format.limit, TABLE).unwrap_or(0);
        usize::try_from(address.saturating_sub(self.base) / 8).unwrap_or(0)
    }

    /// Appends an empty table; gives its address.
    fn add_table(&mut self) -> u64 {
        let address = self.base.saturating_add(self.len());
        self.entries.resize(self.entries.len().saturating_add(ENTRIES), 0);
        address
    }

    fn entry(&self, slot: usize) -> u64 {
        self.entries.get(slot).copied().unwrap_or(0)
    }

    fn set(&mut self, slot: usize, entry: u64) {
        if let Some(place) = self.entries.get_mut(slot) {
            *place = entry;
        }
    }

    /// Adds a root above the root: its first entry is all that it has.
    pub(super) fn add_root(&mut self) -> u64 {
        let slot = self.entries.len();
        let root = self.add_table();
        self.set(slot, self.base | self.format.table);
        root
    }

    fn len(&self) -> u64 {
        (self.entries.len() as u64).saturating_mul(8)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.entries.iter().flat_map(|entry| entry.to_le_bytes()).collect()
    }
}
