//! What only the firmware of this machine knows, patched into a tree that comes
//! with an entry: memory, reserved memory, what `/chosen` says of firmware and
//! console.
//!
//! A tree as it is compiled has no memory nodes, or has the smallest board's:
//! firmware fills them in. Must never take over anything that describes
//! devices: that is what the entry's tree is for. Follows the Devicetree
//! Specification v0.4, sections 3.4 to 3.6.

use super::tree::{Cells, Node, PHANDLES, string};
use super::{Error, Fdt};

const RESERVED_MEMORY: &[u8] = b"reserved-memory";
/// Of `/chosen`: true for the machine, whatever a tree says.
const FIRMWARE: &[u8] = b"linux,uefi-";

impl<'a> Fdt<'a> {
    /// Patches in what the running machine's tree says of memory, firmware and
    /// console.
    ///
    /// # Errors
    /// An address there does not fit in the cells of this tree.
    pub fn fill_in(&mut self, running: &Self) -> Result<(), Error> {
        self.fill_in_memory(&running.root)?;
        self.fill_in_reserved_memory(&running.root)?;
        self.fill_in_chosen(&running.root);
        for range in &running.reservations {
            if !self.reservations.contains(range) {
                self.reservations.push(*range);
            }
        }
        Ok(())
    }

    /// All memory nodes, or none: a machine with UEFI describes its memory
    /// elsewhere.
    fn fill_in_memory(&mut self, running: &Node<'a>) -> Result<(), Error> {
        let mut memory = Vec::new();
        for node in running.children.iter().filter(|node| node.is_memory()) {
            memory.push(node.transplant(running.cells(), self.root.cells())?);
        }
        if !memory.is_empty() {
            self.root.children.retain(|node| !node.is_memory());
            self.root.children.extend(memory);
        }
        Ok(())
    }

    /// Memory at a fixed place that the tree does not reserve already. What is
    /// only to be found room for, devices of the tree ask for.
    fn fill_in_reserved_memory(&mut self, running: &Node<'a>) -> Result<(), Error> {
        let Some(running) = running.child(RESERVED_MEMORY) else { return Ok(()) };
        let root_cells = self.root.cells();
        let is_new = self.root.child(RESERVED_MEMORY).is_none();
        let Some(own) = self.root.child_or_new(RESERVED_MEMORY) else { return Ok(()) };
        if is_new {
            own.set(b"#address-cells", root_cells.address.to_be_bytes().to_vec().into());
            own.set(b"#size-cells", root_cells.size.to_be_bytes().to_vec().into());
            own.set(b"ranges", b"".into());
        }
        let own_cells = own.cells();
        for node in running.children.iter().filter(|node| node.property(b"reg").is_some()) {
            let node = node.transplant(running.cells(), own_cells)?;
            if !own.children.iter().any(|other| other.is_same_region(&node)) {
                own.children.push(node);
            }
        }
        Ok(())
    }

    fn fill_in_chosen(&mut self, running: &Node<'a>) {
        let Some(running) = running.chosen() else { return };
        let Some(own) = self.root.chosen_or_new() else { return };
        for (name, value) in &running.properties {
            if own.property(name).is_none() || name.starts_with(FIRMWARE) {
                own.set(name, value.clone());
            }
        }
    }
}

impl<'a> Node<'a> {
    fn is_memory(&self) -> bool {
        let base = self.name.split(|&byte| byte == b'@').next();
        base == Some(b"memory") || self.property(b"device_type").and_then(string) == Some(b"memory")
    }

    fn is_same_region(&self, other: &Node<'_>) -> bool {
        self.name == other.name || self.property(b"reg") == other.property(b"reg")
    }

    /// A copy for another tree: with its cells, and without the number by which
    /// nodes of its own tree found it.
    fn transplant(&self, from: Cells, to: Cells) -> Result<Self, Error> {
        let mut copy = self.clone();
        copy.properties.retain(|(name, _)| !PHANDLES.contains(name));
        if let Some(reg) = copy.property_mut(b"reg")
            && from != to
        {
            let ranges = from.read(reg).ok_or(Error::Cells)?;
            *reg = to.write(&ranges).ok_or(Error::Cells)?.into();
        }
        Ok(copy)
    }
}
