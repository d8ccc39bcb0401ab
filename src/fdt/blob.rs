//! Flattened device trees: blob to tree and back.
//!
//! Names may be as long as real boards make them (more than half of Debian's
//! device trees break the 31 characters of the specification); the order of
//! nodes stays, padding goes. Follows the Devicetree Specification v0.4,
//! chapter 5.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::tree::Node;
use super::{Error, Fdt};
use crate::base::addr::Range;
use crate::base::bytes::field;

const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
const LAST_COMPATIBLE: u32 = 16;
const HEADER_SIZE: usize = 40;
/// Nodes within nodes; Linux takes 64.
const MAX_DEPTH: usize = 64;

pub(super) const BEGIN_NODE: u32 = 1;
pub(super) const END_NODE: u32 = 2;
pub(super) const PROP: u32 = 3;
const NOP: u32 = 4;
pub(super) const END: u32 = 9;

impl<'a> Fdt<'a> {
    /// Reads a blob, such as /sys/firmware/fdt. Bytes behind its end are
    /// ignored.
    ///
    /// # Errors
    /// The blob is no device tree of version 17, or is broken somewhere.
    pub fn parse(blob: &'a [u8]) -> Result<Self, Error> {
        let header = Header::parse(blob)?;
        let blob = blob.get(..header.total_size).ok_or(Error::Cut(blob.len()))?;
        Ok(Self {
            boot_cpu: header.boot_cpu,
            reservations: reservations(blob, header.reservations)?,
            root: Reader::new(blob, &header)?.tree()?,
        })
    }

    /// The blob of the tree, without padding.
    #[must_use]
    pub fn to_blob(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.node(&self.root);
        writer.finish(self.boot_cpu, &self.reservations)
    }
}

/// The header's fields; offsets and sizes in bytes.
struct Header {
    total_size: usize,
    structure: core::ops::Range<usize>,
    strings: core::ops::Range<usize>,
    reservations: usize,
    boot_cpu: u32,
}

impl Header {
    fn parse(blob: &[u8]) -> Result<Self, Error> {
        let magic = word(blob, 0)?;
        if magic != MAGIC {
            return Err(Error::Magic(magic));
        }
        let version = word(blob, 20)?;
        let compatible = word(blob, 24)?;
        if version < VERSION || compatible > VERSION {
            return Err(Error::Version(version));
        }
        let structure = offset(blob, 8)?;
        let strings = offset(blob, 12)?;
        Ok(Self {
            total_size: offset(blob, 4)?,
            structure: structure..structure.saturating_add(offset(blob, 36)?),
            strings: strings..strings.saturating_add(offset(blob, 32)?),
            reservations: offset(blob, 16)?,
            boot_cpu: word(blob, 28)?,
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(u32::from_be_bytes)
}

fn word(blob: &[u8], at: usize) -> Result<u32, Error> {
    u32_at(blob, at).ok_or(Error::Cut(blob.len()))
}

fn offset(blob: &[u8], at: usize) -> Result<usize, Error> {
    word(blob, at).map(|word| usize::try_from(word).unwrap_or(usize::MAX))
}

fn block<'a>(blob: &'a [u8], range: &core::ops::Range<usize>) -> Result<&'a [u8], Error> {
    blob.get(range.clone()).ok_or(Error::Block { end: range.end, size: blob.len() })
}

/// The memory reservation block, which an entry of zeros ends.
fn reservations(blob: &[u8], at: usize) -> Result<Vec<Range>, Error> {
    let entries = blob.get(at..).unwrap_or_default().chunks_exact(16);
    let mut ranges = Vec::new();
    for entry in entries {
        let start = field(entry, 0).map_or(0, u64::from_be_bytes);
        let size = field(entry, 8).map_or(0, u64::from_be_bytes);
        if (start, size) == (0, 0) {
            return Ok(ranges);
        }
        ranges.push(Range::with_len(start, size).ok_or(Error::Reservation { start, size })?);
    }
    Err(Error::ReservationsEndless)
}

/// One token of the structure block, its names resolved.
enum Token<'a> {
    BeginNode(&'a [u8]),
    EndNode,
    Prop { name: &'a [u8], value: &'a [u8] },
    End,
}

/// Reads the structure block token by token.
struct Reader<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(blob: &'a [u8], header: &Header) -> Result<Self, Error> {
        let structure = block(blob, &header.structure)?;
        Ok(Self { structure, strings: block(blob, &header.strings)?, at: 0 })
    }

    /// One well-formed tree with one root.
    fn tree(mut self) -> Result<Node<'a>, Error> {
        let mut open: Vec<Node<'a>> = Vec::new();
        loop {
            let token = self.next_token()?;
            let depth = open.len();
            match (token, open.last_mut()) {
                (Token::BeginNode(_), _) if depth >= MAX_DEPTH => return Err(self.broken()),
                (Token::BeginNode(name), _) => open.push(Node::new(name)),
                (Token::Prop { name, value }, Some(node)) => {
                    node.properties.push((name, Cow::Borrowed(value)));
                }
                (Token::EndNode, Some(_)) => {
                    let node = open.pop().ok_or_else(|| self.broken())?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return self.end(node),
                    }
                }
                _ => return Err(self.broken()),
            }
        }
    }

    /// Nothing may follow the root.
    fn end(mut self, root: Node<'a>) -> Result<Node<'a>, Error> {
        match self.next_token()? {
            Token::End => Ok(root),
            _ => Err(self.broken()),
        }
    }

    const fn broken(&self) -> Error {
        Error::Structure(self.at)
    }

    fn next_token(&mut self) -> Result<Token<'a>, Error> {
        loop {
            match self.u32()? {
                BEGIN_NODE => return self.name().map(Token::BeginNode),
                END_NODE => return Ok(Token::EndNode),
                PROP => return self.property(),
                NOP => {}
                END => return Ok(Token::End),
                _ => return Err(self.broken()),
            }
        }
    }

    fn property(&mut self) -> Result<Token<'a>, Error> {
        let size = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        let name = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        let name = self.strings.get(name..).and_then(until_nul).ok_or_else(|| self.broken())?;
        Ok(Token::Prop { name, value: self.take(size)? })
    }

    fn name(&mut self) -> Result<&'a [u8], Error> {
        let rest = self.structure.get(self.at..).unwrap_or_default();
        let name = until_nul(rest).ok_or_else(|| self.broken())?;
        self.take(name.len().saturating_add(1))?;
        Ok(name)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        let at = self.at;
        u32_at(self.take(4)?, 0).ok_or(Error::Structure(at))
    }

    /// `size` bytes; goes on at the next multiple of four behind them.
    fn take(&mut self, size: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(size);
        let taken = end.and_then(|end| self.structure.get(self.at..end));
        let taken = taken.ok_or_else(|| self.broken())?;
        self.at = self.at.saturating_add(size.next_multiple_of(4));
        Ok(taken)
    }
}

fn until_nul(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..bytes.iter().position(|&byte| byte == 0)?)
}

/// Collects the blocks of a new blob.
#[derive(Default)]
struct Writer<'a> {
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// Offsets of the names in `strings`.
    names: BTreeMap<&'a [u8], u32>,
}

impl<'a> Writer<'a> {
    fn node(&mut self, node: &Node<'a>) {
        self.u32(BEGIN_NODE);
        self.bytes(node.name);
        // The terminating NUL, and as many more as make four.
        let padded = self.structure.len().saturating_add(1).next_multiple_of(4);
        self.structure.resize(padded, 0);
        node.properties.iter().for_each(|(name, value)| self.property(name, value));
        node.children.iter().for_each(|child| self.node(child));
        self.u32(END_NODE);
    }

    fn property(&mut self, name: &'a [u8], value: &[u8]) {
        let name = self.name_offset(name);
        self.u32(PROP);
        self.u32(u32_len(value));
        self.u32(name);
        self.bytes(value);
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }

    fn name_offset(&mut self, name: &'a [u8]) -> u32 {
        let next = u32_len(&self.strings);
        *self.names.entry(name).or_insert_with(|| {
            self.strings.extend_from_slice(name);
            self.strings.push(0);
            next
        })
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.structure.extend_from_slice(bytes);
    }

    fn finish(mut self, boot_cpu: u32, reservations: &[Range]) -> Vec<u8> {
        self.u32(END);
        let entries = reservations.iter().map(|range| (range.start(), range.len())).chain([(0, 0)]);
        let map: Vec<u8> = entries
            .flat_map(|(start, size)| [start.to_be_bytes(), size.to_be_bytes()])
            .flatten()
            .collect();
        let structure_at = HEADER_SIZE.saturating_add(map.len());
        let strings_at = structure_at.saturating_add(self.structure.len());
        let total = strings_at.saturating_add(self.strings.len());
        let header = [
            MAGIC,
            as_u32(total),
            as_u32(structure_at),
            as_u32(strings_at),
            as_u32(HEADER_SIZE),
            VERSION,
            LAST_COMPATIBLE,
            boot_cpu,
            u32_len(&self.strings),
            u32_len(&self.structure),
        ];
        let header: Vec<u8> = header.into_iter().flat_map(u32::to_be_bytes).collect();
        [header, map, self.structure, self.strings].concat()
    }
}

fn u32_len(bytes: &[u8]) -> u32 {
    as_u32(bytes.len())
}

/// What does not fit makes a blob far beyond [`super::MAX_SIZE`], which is
/// refused.
fn as_u32(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
