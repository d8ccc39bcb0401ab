//! The purgatory's segment: the blob, with what it is told patched in.

use std::borrow::Cow;

use purgatory::{Block, Region};

#[cfg(feature = "test-hooks")]
use super::Plan;
use super::space::{Space, Want};
use super::{ANYWHERE, Error, Layout, Machine, Segment};
use crate::addr::Range;

/// The purgatory with its parameters, wherever there is still room.
pub(super) fn place(
    layout: &Layout<'_>,
    machine: &Machine,
    blob: &[u8],
    space: &mut Space,
) -> Result<Segment<'static>, Error> {
    let size = blob.len() as u64;
    let within = ANYWHERE;
    let range =
        space.take_highest(&Want { name: "purgatory", size, align: 1, offset: 0, within })?;
    let mut block = Block::new(layout.entry, layout.argument);
    block.set_uart(machine.uart)?;
    block.set_conduit(layout.conduit);
    for check in &layout.checks {
        let region = |range: &Range| Region { start: range.start(), len: range.len() };
        let regions: Vec<_> = check.regions.iter().map(region).collect();
        block.add_check(&check.name, check.digest.0, &regions)?;
    }
    let mut bytes = blob.to_vec();
    purgatory::install(&mut bytes, &block)?;
    Ok(Segment { name: "purgatory", bytes: Cow::Owned(bytes), range })
}

#[cfg(feature = "test-hooks")]
impl Plan<'_> {
    /// Makes the purgatory flip a bit in the first byte of a segment before it
    /// checks anything, for tests that it notices.
    ///
    /// # Errors
    /// There is no such segment, or the purgatory was built without the hook.
    pub fn corrupt(&mut self, name: &str) -> Result<(), Error> {
        let missing = || Error::NoSegment(name.to_owned());
        let target = self.segments.iter().find(|segment| segment.name == name);
        let address = target.ok_or_else(missing)?.range.start();
        let blob = self.segments.iter_mut().find(|segment| segment.name == "purgatory");
        let blob = blob.ok_or_else(missing)?.bytes.to_mut();
        let place = blob.get(purgatory::BLOCK_OFFSET..).and_then(|rest| rest.first_chunk());
        let mut block = Block::from_bytes(place.ok_or(purgatory::Error::Short(blob.len()))?);
        block.set_corrupt(address)?;
        Ok(purgatory::install(blob, &block)?)
    }
}
