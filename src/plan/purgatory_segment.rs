//! The purgatory's segment: the blob with what it is told patched in, and
//! behind it the page tables that it works on.

use std::borrow::Cow;

use purgatory::{Block, Region, Roots, Uart};

#[cfg(feature = "test-hooks")]
use super::Placement;
use super::layout::{ANYWHERE, Check, Layout, Segment};
use super::paging::{self, Kind, Mapping};
use super::space::{Space, Want};
use super::{Error, Machine, On};
use crate::base::addr::Range;

/// Page tables start at a multiple of this, in bytes.
const PAGE: usize = 4096;

/// The purgatory with its parameters, wherever there is still room. Adds the
/// check of its page tables to those of the layout.
pub(super) fn place(
    layout: &mut Layout<'_>,
    on: On<'_>,
    blob: &[u8],
    space: &mut Space,
) -> Result<Segment<'static>, Error> {
    let machine = on.machine;
    let mut bytes = blob.to_vec();
    let (range, roots) = if machine.keep_page_tables {
        (take(bytes.len() as u64, space)?, Roots::default())
    } else {
        add_page_tables(&mut bytes, layout, on, space)?
    };
    purgatory::install(&mut bytes, &block(layout, machine, roots)?)?;
    Ok(Segment { name: "purgatory", bytes: Cow::Owned(bytes), range })
}

fn take(size: u64, space: &mut Space) -> Result<Range, Error> {
    let want = Want { name: "purgatory", size, align: 1, offset: 0, within: ANYWHERE };
    Ok(space.take_highest(&want)?)
}

/// Appends the tables to the blob. How long they are depends a little on where
/// they lie, because they map themselves.
fn add_page_tables(
    bytes: &mut Vec<u8>,
    layout: &mut Layout<'_>,
    on: On<'_>,
    space: &mut Space,
) -> Result<(Range, Roots), Error> {
    bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
    let mut mappings = mappings(layout, on.machine.uart);
    let without_itself = paging::build(on.arch, 0, &mappings)?.bytes.len() as u64;
    let most = without_itself.saturating_add(paging::ONE_MORE_RANGE);
    let range = take(most.saturating_add(bytes.len() as u64), space)?;
    mappings.push(Mapping { range, kind: Kind::Normal });
    let base = range.start().saturating_add(bytes.len() as u64);
    let tables = paging::build(on.arch, base, &mappings)?;
    layout.checks.push(Check::of("tables", base, &tables.bytes));
    bytes.extend_from_slice(&tables.bytes);
    Ok((range, tables.roots))
}

/// All that is touched until the next kernel has tables of its own.
fn mappings(layout: &Layout<'_>, uart: Uart) -> Vec<Mapping> {
    let segments = layout.segments.iter().map(|segment| segment.range);
    let segments = segments.map(|range| Mapping { range, kind: Kind::Normal });
    layout.maps.iter().copied().chain(segments).chain(registers(uart)).collect()
}

/// The registers of a UART in memory.
fn registers(uart: Uart) -> Option<Mapping> {
    let (address, size) = match uart {
        Uart::None | Uart::Port8250 { .. } => return None,
        Uart::Mmio8250 { address, shift } => (address, 8_u64.checked_shl(shift.into())?),
        Uart::Pl011 { address } => (address, 0x48),
    };
    Some(Mapping { range: Range::with_len(address, size)?, kind: Kind::Device })
}

fn block(layout: &Layout<'_>, machine: &Machine, roots: Roots) -> Result<Block, Error> {
    let mut block = Block::new(layout.entry, layout.argument);
    block.set_uart(machine.uart)?;
    block.set_conduit(layout.conduit);
    block.set_page_tables(roots);
    block.set_sha_instructions(machine.sha_instructions);
    for check in &layout.checks {
        let ranges = check.regions.iter();
        let regions: Vec<_> =
            ranges.map(|range| Region { start: range.start(), len: range.len() }).collect();
        block.add_check(&check.name, check.digest.0, &regions)?;
    }
    Ok(block)
}

#[cfg(feature = "test-hooks")]
impl Placement<'_> {
    /// Makes the purgatory flip a bit in the last byte of a region that it checks
    /// in a segment, before it checks anything, for tests that it notices: of the
    /// check that is called like the segment, or else of the first. In the
    /// purgatory's own segment those are the page tables, whose last byte nothing
    /// but the check will miss.
    ///
    /// # Errors
    /// There is no such segment, or the purgatory was built without the hook.
    pub fn corrupt(&mut self, name: &str) -> Result<(), Error> {
        let target = self.segments.iter().find(|segment| segment.name == name);
        let range = target.ok_or_else(|| Error::NoSegment(name.to_owned()))?.range;
        let namesake = self.checks.iter().filter(|check| check.name == name);
        let regions = namesake.chain(&self.checks).flat_map(|check| &check.regions);
        let checked = regions.copied().find(|region| range.contains(*region));
        let checked = checked.ok_or_else(|| Error::NoSegment(name.to_owned()))?;
        let address = checked.end().saturating_sub(1);
        self.change_block(|block| block.set_corrupt(address))
    }

    /// Makes the purgatory print the registers that it is entered with.
    ///
    /// # Errors
    /// The purgatory was built without the hook.
    pub fn probe(&mut self) -> Result<(), Error> {
        self.change_block(Block::set_probe)
    }

    fn change_block(
        &mut self,
        change: impl FnOnce(&mut Block) -> Result<(), purgatory::Error>,
    ) -> Result<(), Error> {
        let blob = self.segments.iter_mut().find(|segment| segment.name == "purgatory");
        let blob = blob.ok_or_else(|| Error::NoSegment("purgatory".to_owned()))?;
        let blob = blob.bytes.to_mut();
        let place = blob.get(purgatory::BLOCK_OFFSET..).and_then(|rest| rest.first_chunk());
        let mut block = Block::from_bytes(place.ok_or(purgatory::Error::Short(blob.len()))?);
        change(&mut block)?;
        Ok(purgatory::install(blob, &block)?)
    }
}
