//! Nodes and properties, and how addresses are written in them.
//!
//! Follows the Devicetree Specification v0.4, chapter 2; where it and Linux
//! differ (cells that a root does not give), Linux's drivers/of/fdt.c.

use std::borrow::Cow;

use crate::base::addr::Range;
use crate::base::bytes::field;

/// What makes a node findable by number; unique in a tree.
pub(super) const PHANDLES: [&[u8]; 2] = [b"phandle", b"linux,phandle"];

pub(super) type Property<'a> = (&'a [u8], Cow<'a, [u8]>);

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Node<'a> {
    /// With the unit address: `memory@40000000`.
    pub(super) name: &'a [u8],
    pub(super) properties: Vec<Property<'a>>,
    pub(super) children: Vec<Self>,
}

impl<'a> Node<'a> {
    pub(super) const fn new(name: &'a [u8]) -> Self {
        Self { name, properties: Vec::new(), children: Vec::new() }
    }

    pub(super) fn property(&self, name: &[u8]) -> Option<&[u8]> {
        let (_, value) = self.properties.iter().find(|(candidate, _)| *candidate == name)?;
        Some(value)
    }

    pub(super) fn property_mut(&mut self, name: &[u8]) -> Option<&mut Cow<'a, [u8]>> {
        let (_, value) = self.properties.iter_mut().find(|(candidate, _)| *candidate == name)?;
        Some(value)
    }

    /// Gives a property a value, whether it is there already or not.
    pub(super) fn set(&mut self, name: &'a [u8], value: Cow<'a, [u8]>) {
        match self.property_mut(name) {
            Some(old) => *old = value,
            None => self.properties.push((name, value)),
        }
    }

    pub(super) fn child(&self, name: &[u8]) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn child_mut(&mut self, name: &[u8]) -> Option<&mut Self> {
        self.children.iter_mut().find(|child| child.name == name)
    }

    /// The child, which is made where there is none.
    pub(super) fn child_or_new(&mut self, name: &'a [u8]) -> Option<&mut Self> {
        if self.child(name).is_none() {
            self.children.push(Node::new(name));
        }
        self.child_mut(name)
    }

    pub(super) fn take_child(&mut self, name: &[u8]) -> Option<Self> {
        let index = self.children.iter().position(|child| child.name == name)?;
        Some(self.children.remove(index))
    }

    /// The node at an absolute path, from this as the root.
    pub(super) fn at_path_mut(&mut self, path: &[u8]) -> Option<&mut Self> {
        let path = path.strip_prefix(b"/")?;
        let mut names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
        names.try_fold(self, |node, name| node.child_mut(name))
    }

    /// How this node's children, and a root's `/chosen`, write addresses.
    pub(super) fn cells(&self) -> Cells {
        let address = self.property(b"#address-cells").and_then(|value| cell(value, 0));
        let size = self.property(b"#size-cells").and_then(|value| cell(value, 0));
        Cells { address: address.unwrap_or(1), size: size.unwrap_or(1) }
    }

    pub(super) fn phandle(&self) -> Option<u32> {
        PHANDLES.iter().find_map(|name| cell(self.property(name)?, 0))
    }
}

/// The 32-bit number at an offset in a property's value.
pub(super) fn cell(value: &[u8], at: usize) -> Option<u32> {
    field(value, at).map(u32::from_be_bytes)
}

/// A value that is one string, without the NUL that ends it.
pub(super) fn string(value: &[u8]) -> Option<&[u8]> {
    value.strip_suffix(b"\0")
}

/// How many 32-bit numbers an address and a size have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cells {
    pub(super) address: u32,
    pub(super) size: u32,
}

impl Cells {
    /// The ranges of a `reg`; `None` if the value is none, or one wraps round.
    pub(super) fn read(self, value: &[u8]) -> Option<Vec<Range>> {
        let address = bytes(self.address)?;
        let size = bytes(self.size)?;
        let mut ranges = Vec::new();
        for entry in value.chunks(address.checked_add(size)?.max(1)) {
            let (start, len) = entry.split_at_checked(address)?;
            if len.len() != size {
                return None;
            }
            ranges.push(Range::with_len(number(start), number(len))?);
        }
        Some(ranges)
    }

    /// The value of a `reg`; `None` if a number does not fit.
    pub(super) fn write(self, ranges: &[Range]) -> Option<Vec<u8>> {
        let numbers = ranges
            .iter()
            .flat_map(|range| [(self.address, range.start()), (self.size, range.len())]);
        let parts: Option<Vec<Vec<u8>>> =
            numbers.map(|(cells, value)| write(cells, value)).collect();
        Some(parts?.concat())
    }
}

/// Linux and the specification know addresses of up to two cells.
fn bytes(cells: u32) -> Option<usize> {
    match cells {
        1 => Some(4),
        2 => Some(8),
        _ => None,
    }
}

fn number(cells: &[u8]) -> u64 {
    cells.iter().fold(0, |number, &byte| (number << 8) | u64::from(byte))
}

fn write(cells: u32, value: u64) -> Option<Vec<u8>> {
    match bytes(cells)? {
        4 => u32::try_from(value).ok().map(|value| value.to_be_bytes().to_vec()),
        _ => Some(value.to_be_bytes().to_vec()),
    }
}
