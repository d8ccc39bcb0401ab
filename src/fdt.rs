//! Hands a flattened device tree over to the next kernel: rewrites `/chosen`
//! and the memory reservations, copies everything else unchanged.
//!
//! A pass over the tokens, not a tree: the order of nodes stays, names may be
//! as long as real boards make them (more than half of Debian's device trees
//! break the 31 characters of the specification), and padding goes. It must
//! never add a node beside `/chosen`: an arm64 kernel takes a tree without
//! others as the sign that ACPI describes the machine.
//!
//! Follows the Devicetree Specification v0.4, chapter 5, and for the edits what
//! Linux does in drivers/of/kexec.c.

use core::fmt;
use std::collections::BTreeMap;

use purgatory::Conduit;

use crate::addr::{Range, align_up};
use crate::image::field;

/// The largest tree that arm64 kernels map, in bytes.
pub const MAX_SIZE: usize = 2 << 20;

const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
const LAST_COMPATIBLE: u32 = 16;
const HEADER_SIZE: usize = 40;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// Properties of `/chosen` that were true for the running kernel only.
const STALE: [&[u8]; 11] = [
    b"bootargs",
    b"linux,initrd-start",
    b"linux,initrd-end",
    b"linux,elfcorehdr",
    b"linux,usable-memory-range",
    b"linux,ima-kexec-buffer",
    b"linux,kho-fdt",
    b"linux,kho-scratch",
    b"linux,booted-from-kexec",
    b"kaslr-seed",
    b"rng-seed",
];

/// Randomness for the next kernel, from the running kernel's generator.
#[derive(Clone, PartialEq, Eq)]
pub struct Seeds {
    /// Where the kernel puts itself.
    pub kaslr: [u8; 8],
    /// What its random number generator starts with.
    pub rng: [u8; 128],
}

/// Never shows the seeds.
impl fmt::Debug for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seeds")
    }
}

/// What `/chosen` tells the next kernel.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    /// The command line.
    pub bootargs: &'a str,
    /// Where the initrd's bytes lie.
    pub initrd: Option<Range>,
    /// Left out when the running kernel has no randomness yet.
    pub seeds: Option<&'a Seeds>,
}

/// A device tree whose structure has been checked.
#[derive(Clone)]
pub struct Fdt<'a> {
    boot_cpu: u32,
    reservations: Vec<Range>,
    tokens: Vec<Token<'a>>,
}

/// One token of the structure block, its names resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    BeginNode(&'a [u8]),
    EndNode,
    Prop { name: &'a [u8], value: &'a [u8] },
}

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
            tokens: Reader::new(blob, &header)?.tokens()?,
        })
    }

    /// How the firmware wants PSCI calls: `method` of `/psci`. `None` if the
    /// tree does not say, as on machines with ACPI.
    #[must_use]
    pub fn psci_conduit(&self) -> Option<Conduit> {
        self.properties_of(b"psci").find_map(|(name, value)| match (name, value) {
            (b"method", b"hvc\0") => Some(Conduit::Hvc),
            (b"method", b"smc\0") => Some(Conduit::Smc),
            _ => None,
        })
    }

    /// The tree for the next kernel, without padding.
    ///
    /// # Errors
    /// The result would be larger than [`MAX_SIZE`], or the command line has a
    /// NUL in it.
    pub fn hand_over(&self, chosen: &Chosen<'_>) -> Result<Vec<u8>, Error> {
        if chosen.bootargs.contains('\0') {
            return Err(Error::Nul);
        }
        let mut writer = Writer::default();
        self.write_nodes(&mut writer, chosen);
        let blob = writer.finish(self.boot_cpu, &self.next_reservations(chosen.initrd));
        if blob.len() > MAX_SIZE { Err(Error::TooLarge(blob.len())) } else { Ok(blob) }
    }

    fn write_nodes(&self, writer: &mut Writer<'a>, chosen: &Chosen<'_>) {
        let mut place = Place::default();
        let mut written = false;
        for &token in &self.tokens {
            if place.is_root() && token == Token::EndNode && !written {
                writer.begin_node(b"chosen");
                writer.chosen(chosen);
                writer.end_node();
            }
            let stale = place.in_chosen() && token.is_stale();
            place.step(token);
            if !stale {
                writer.token(token);
            }
            if !written && place.at_chosen(token) {
                writer.chosen(chosen);
                written = true;
            }
        }
    }

    /// The old initrd's reservation goes, the new one's comes. That of the old
    /// tree itself stays where firmware made one: nothing says where it lay.
    fn next_reservations(&self, initrd: Option<Range>) -> Vec<Range> {
        let old = self.initrd();
        let is_old = |range: &Range| old.is_some_and(|old| same_pages(*range, old));
        self.reservations.iter().copied().filter(|range| !is_old(range)).chain(initrd).collect()
    }

    /// The running kernel's initrd.
    fn initrd(&self) -> Option<Range> {
        let address = |wanted: &[u8]| {
            let (_, value) = self.properties_of(b"chosen").find(|(name, _)| *name == wanted)?;
            match value.len() {
                4 => field(value, 0).map(|cell| u64::from(u32::from_be_bytes(cell))),
                8 => field(value, 0).map(u64::from_be_bytes),
                _ => None,
            }
        };
        Range::new(address(b"linux,initrd-start")?, address(b"linux,initrd-end")?)
    }

    /// Name and value of every property of a child of the root.
    fn properties_of(&self, node: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut place = Place::default();
        self.tokens.iter().filter_map(move |&token| {
            place.step(token);
            match token {
                Token::Prop { name, value } if place.is_child_of_root(node) => Some((name, value)),
                _ => None,
            }
        })
    }
}

impl fmt::Debug for Fdt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fdt of {} tokens", self.tokens.len())
    }
}

impl Token<'_> {
    fn is_stale(self) -> bool {
        matches!(self, Token::Prop { name, .. } if STALE.contains(&name))
    }
}

/// Whether a reservation is for `old`, to the byte or rounded out to pages of
/// any size that arm64 has.
fn same_pages(reservation: Range, old: Range) -> bool {
    [1, 4 << 10, 16 << 10, 64 << 10].into_iter().any(|page| {
        let start = old.start().saturating_sub(old.start().checked_rem(page).unwrap_or(0));
        reservation.start() == start && Some(reservation.end()) == align_up(old.end(), page)
    })
}

/// Where a pass over the tokens is: how deep, and below which child of the root.
#[derive(Debug, Default)]
struct Place<'a> {
    depth: usize,
    child: &'a [u8],
}

impl<'a> Place<'a> {
    fn step(&mut self, token: Token<'a>) {
        match token {
            Token::BeginNode(name) => {
                self.depth = self.depth.saturating_add(1);
                if self.depth == 2 {
                    self.child = name;
                }
            }
            Token::EndNode => self.depth = self.depth.saturating_sub(1),
            Token::Prop { .. } => {}
        }
    }

    const fn is_root(&self) -> bool {
        self.depth == 1
    }

    fn is_child_of_root(&self, name: &[u8]) -> bool {
        self.depth == 2 && self.child == name
    }

    /// Linux takes either name.
    fn in_chosen(&self) -> bool {
        self.is_child_of_root(b"chosen") || self.is_child_of_root(b"chosen@0")
    }

    fn at_chosen(&self, token: Token<'_>) -> bool {
        matches!(token, Token::BeginNode(_)) && self.in_chosen()
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
        let word = |at| u32_at(blob, at).ok_or(Error::Cut(blob.len()));
        let offset = |at| word(at).map(|word| usize::try_from(word).unwrap_or(usize::MAX));
        if word(0)? != MAGIC {
            return Err(Error::Magic(word(0)?));
        }
        let (version, compatible) = (word(20)?, word(24)?);
        if version < VERSION || compatible > VERSION {
            return Err(Error::Version(version));
        }
        let span =
            |start, size| offset(start).and_then(|at| Ok(at..at.saturating_add(offset(size)?)));
        Ok(Self {
            total_size: offset(4)?,
            structure: span(8, 36)?,
            strings: span(12, 32)?,
            reservations: offset(16)?,
            boot_cpu: word(28)?,
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(u32::from_be_bytes)
}

/// The memory reservation block, which an entry of zeros ends.
fn reservations(blob: &[u8], at: usize) -> Result<Vec<Range>, Error> {
    let entries = blob.get(at..).unwrap_or_default().chunks_exact(16);
    let mut ranges = Vec::new();
    for entry in entries {
        let number = |at| field(entry, at).map_or(0, u64::from_be_bytes);
        let (start, size) = (number(0), number(8));
        if (start, size) == (0, 0) {
            return Ok(ranges);
        }
        ranges.push(Range::with_len(start, size).ok_or(Error::Reservation { start, size })?);
    }
    Err(Error::ReservationsEndless)
}

/// Reads the structure block token by token.
struct Reader<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(blob: &'a [u8], header: &Header) -> Result<Self, Error> {
        let block = |range: &core::ops::Range<usize>| {
            blob.get(range.clone()).ok_or(Error::Block { end: range.end, size: blob.len() })
        };
        Ok(Self { structure: block(&header.structure)?, strings: block(&header.strings)?, at: 0 })
    }

    /// All tokens of one well-formed tree with one root.
    fn tokens(mut self) -> Result<Vec<Token<'a>>, Error> {
        let mut tokens = Vec::new();
        let mut depth = 0_usize;
        while let Some(token) = self.next_token()? {
            let nested = match token {
                Token::BeginNode(_) if depth > 0 || tokens.is_empty() => depth.checked_add(1),
                Token::EndNode => depth.checked_sub(1),
                Token::Prop { .. } if depth > 0 => Some(depth),
                _ => None,
            };
            depth = nested.ok_or(Error::Structure(self.at))?;
            tokens.push(token);
        }
        if depth == 0 && !tokens.is_empty() { Ok(tokens) } else { Err(Error::Structure(self.at)) }
    }

    fn next_token(&mut self) -> Result<Option<Token<'a>>, Error> {
        loop {
            match self.u32()? {
                BEGIN_NODE => return self.name().map(|name| Some(Token::BeginNode(name))),
                END_NODE => return Ok(Some(Token::EndNode)),
                PROP => return self.property().map(Some),
                NOP => {}
                END => return Ok(None),
                _ => return Err(Error::Structure(self.at)),
            }
        }
    }

    fn property(&mut self) -> Result<Token<'a>, Error> {
        let size = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        let name = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        let name = self.strings.get(name..).and_then(until_nul).ok_or(Error::Structure(self.at))?;
        Ok(Token::Prop { name, value: self.take(size)? })
    }

    fn name(&mut self) -> Result<&'a [u8], Error> {
        let rest = self.structure.get(self.at..).unwrap_or_default();
        let name = until_nul(rest).ok_or(Error::Structure(self.at))?;
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
        let taken = taken.ok_or(Error::Structure(self.at))?;
        self.at = self.at.saturating_add(size.next_multiple_of(4));
        Ok(taken)
    }
}

fn until_nul(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..bytes.iter().position(|&byte| byte == 0)?)
}

/// Collects the blocks of a new blob.
#[derive(Debug, Default)]
struct Writer<'a> {
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// Offsets of the names in `strings`.
    names: BTreeMap<&'a [u8], u32>,
}

impl<'a> Writer<'a> {
    fn token(&mut self, token: Token<'a>) {
        match token {
            Token::BeginNode(name) => self.begin_node(name),
            Token::EndNode => self.end_node(),
            Token::Prop { name, value } => self.property(name, value),
        }
    }

    fn chosen(&mut self, chosen: &Chosen<'_>) {
        self.property(b"bootargs", &[chosen.bootargs.as_bytes(), b"\0"].concat());
        if let Some(initrd) = chosen.initrd {
            self.property(b"linux,initrd-start", &initrd.start().to_be_bytes());
            self.property(b"linux,initrd-end", &initrd.end().to_be_bytes());
        }
        if let Some(seeds) = chosen.seeds {
            self.property(b"kaslr-seed", &seeds.kaslr);
            self.property(b"rng-seed", &seeds.rng);
        }
        self.property(b"linux,booted-from-kexec", b"");
    }

    fn begin_node(&mut self, name: &[u8]) {
        self.u32(BEGIN_NODE);
        self.bytes(name);
        // The terminating NUL, and as many more as make four.
        let padded = self.structure.len().saturating_add(1).next_multiple_of(4);
        self.structure.resize(padded, 0);
    }

    fn end_node(&mut self) {
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

/// What does not fit makes a blob far beyond [`MAX_SIZE`], which is refused.
fn as_u32(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// Why a device tree cannot be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The blob's first word is this.
    Magic(u32),
    /// The blob's format has this version.
    Version(u32),
    /// The blob ends at this size, before it should.
    Cut(usize),
    /// A block reaches beyond the end of the blob.
    Block {
        /// Where the block ends.
        end: usize,
        /// Where the blob ends.
        size: usize,
    },
    /// The structure block is broken before this offset in it.
    Structure(usize),
    /// A memory reservation wraps around.
    Reservation {
        /// Its address.
        start: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// The memory reservations have no end.
    ReservationsEndless,
    /// The command line has a NUL in it.
    Nul,
    /// The new tree has this many bytes.
    TooLarge(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Magic(word) => {
                write!(f, "this is no device tree blob: it begins with {word:08x}")
            }
            Self::Version(version) => write!(
                f,
                "the device tree blob has version {version}; one that suits version 17 is needed"
            ),
            Self::Cut(size) => write!(f, "the device tree blob is cut off after {size} bytes"),
            Self::Block { end, size } => {
                write!(f, "the device tree blob has {size} bytes, but a block of it ends at {end}")
            }
            Self::Structure(at) => {
                write!(f, "the device tree blob is broken before {at:#x} in its structure block")
            }
            Self::Reservation { start, size } => {
                write!(
                    f,
                    "the device tree reserves {size:#x} bytes at {start:#x}, past the end of memory"
                )
            }
            Self::ReservationsEndless => {
                f.write_str("the device tree's memory reservations have no end")
            }
            Self::Nul => f.write_str("the command line has a NUL character in it"),
            Self::TooLarge(size) => {
                write!(f, "the device tree would have {size} bytes; arm64 kernels take {MAX_SIZE}")
            }
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
pub(crate) mod testing {
    /// The tree that QEMU gave the machine of `tests/data/virt`, with its
    /// padding.
    pub(crate) fn virt() -> Vec<u8> {
        let mut blob = include_bytes!("../tests/data/virt/fdt").to_vec();
        blob.resize(1 << 20, 0);
        blob
    }
}

#[cfg(test)]
mod tests {
    use dtoolkit::memreserve::MemoryReservation;
    use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
    use dtoolkit::{Node as _, Property as _};

    use super::testing::virt;
    use super::*;

    const SEEDS: Seeds = Seeds { kaslr: [0xa5; 8], rng: [0x5a; 128] };

    fn hand_over(blob: &[u8]) -> Vec<u8> {
        let initrd = Range::new(0x5000_0000, 0x5000_1234);
        let chosen = Chosen { bootargs: "root=/dev/vda2 ro", initrd, seeds: Some(&SEEDS) };
        Fdt::parse(blob).unwrap().hand_over(&chosen).unwrap()
    }

    /// Reads with another implementation than ours.
    fn read(blob: &[u8]) -> DeviceTree {
        DeviceTree::from_fdt(&dtoolkit::fdt::Fdt::new(blob).unwrap())
    }

    fn node(name: &str, properties: &[(&str, &[u8])]) -> DeviceTreeNode {
        let mut node = DeviceTreeNode::new(name).unwrap();
        for (name, value) in properties {
            node.add_property(DeviceTreeProperty::new_unchecked(*name, *value));
        }
        node
    }

    fn tree(children: Vec<DeviceTreeNode>) -> DeviceTree {
        let mut tree = DeviceTree::new();
        children.into_iter().for_each(|child| tree.root.add_child(child));
        tree
    }

    fn chosen_of(tree: &DeviceTree) -> Vec<(String, Vec<u8>)> {
        let chosen = tree.root.child("chosen").unwrap();
        let pair = |property: &DeviceTreeProperty| {
            ((&property).name().to_owned(), (&property).value().to_vec())
        };
        chosen.properties().map(pair).collect()
    }

    fn handed_over() -> Vec<(String, Vec<u8>)> {
        [
            ("bootargs", b"root=/dev/vda2 ro\0".to_vec()),
            ("linux,initrd-start", 0x5000_0000_u64.to_be_bytes().to_vec()),
            ("linux,initrd-end", 0x5000_1234_u64.to_be_bytes().to_vec()),
            ("kaslr-seed", vec![0xa5; 8]),
            ("rng-seed", vec![0x5a; 128]),
            ("linux,booted-from-kexec", vec![]),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    #[test]
    fn a_real_tree_changes_in_chosen_only_and_loses_its_padding() {
        let (before, after) = (virt(), hand_over(&virt()));
        assert_eq!((before.len(), after.len()), (1 << 20, 7821));
        let (mut before, mut after) = (read(&before), read(&after));
        let mut expected = handed_over();
        expected.push(("stdout-path".to_owned(), b"/pl011@9000000\0".to_vec()));
        assert_eq!(chosen_of(&after), expected);
        before.root.remove_child("chosen").unwrap();
        after.root.remove_child("chosen").unwrap();
        assert_eq!(before.root, after.root);
        assert_eq!(after.memory_reservations, [MemoryReservation::new(0x5000_0000, 0x1234)]);
    }

    #[test]
    fn a_chain_of_kernels_does_not_grow_the_tree() {
        let first = hand_over(&virt());
        let last = (0..30).fold(first.clone(), |blob, _| hand_over(&blob));
        assert_eq!(first, last);
    }

    #[test]
    fn a_tree_of_only_chosen_stays_one_so_that_acpi_is_used() {
        let firmware: [(&str, &[u8]); 3] = [
            ("linux,uefi-system-table", &[1; 8]),
            ("linux,initrd-start", &[0; 8]),
            ("linux,usable-memory-range", &[0; 16]),
        ];
        let stub = tree(vec![node("chosen", &firmware)]).to_dtb();
        let after = read(&hand_over(&stub));
        assert_eq!(
            after.root.children().map(|child| child.name().to_owned()).collect::<Vec<_>>(),
            ["chosen"]
        );
        assert_eq!(after.root.properties().count(), 0);
        let mut expected = handed_over();
        expected.push(("linux,uefi-system-table".to_owned(), vec![1; 8]));
        assert_eq!(chosen_of(&after), expected);
        assert_eq!(Fdt::parse(&stub).unwrap().psci_conduit(), None);
    }

    #[test]
    fn a_tree_without_chosen_gets_one() {
        let after = read(&hand_over(&tree(vec![node("cpus", &[])]).to_dtb()));
        assert_eq!(chosen_of(&after), handed_over());
        assert!(after.root.child("cpus").is_some());
    }

    #[test]
    fn nodes_of_the_same_names_elsewhere_are_left_alone() {
        let mut soc = node("soc", &[("bootargs", b"not ours\0")]);
        soc.add_child(node("chosen", &[("bootargs", b"nor this\0")]));
        let mut chosen = node("chosen", &[("bootargs", b"old\0")]);
        chosen.add_child(node("module", &[("kaslr-seed", b"kept")]));
        let before = tree(vec![soc, chosen]);
        let after = read(&hand_over(&before.to_dtb()));
        assert_eq!(after.root.child("soc"), before.root.child("soc"));
        assert_eq!(chosen_of(&after), handed_over());
        let module = after.root.child("chosen").unwrap().child("module").unwrap();
        assert_eq!(module.property("kaslr-seed").unwrap().value(), b"kept");
    }

    #[test]
    fn the_old_initrds_reservation_goes_and_all_others_stay() {
        let initrd: [(&str, &[u8]); 2] = [
            ("linux,initrd-start", &0x4800_1000_u32.to_be_bytes()),
            ("linux,initrd-end", &0x4800_2345_u32.to_be_bytes()),
        ];
        let mut before = tree(vec![node("chosen", &initrd)]);
        let reservation = MemoryReservation::new;
        before.memory_reservations = vec![
            reservation(0x4800_1000, 0x1345),
            reservation(0x4800_1000, 0x2000),
            reservation(0x4800_0000, 0x1_0000),
            reservation(0x4800_1000, 0x1346),
            reservation(0x4000_0000, 0x1000),
        ];
        let after = read(&hand_over(&before.to_dtb()));
        assert_eq!(
            after.memory_reservations,
            [
                reservation(0x4800_1000, 0x1346),
                reservation(0x4000_0000, 0x1000),
                reservation(0x5000_0000, 0x1234),
            ]
        );
    }

    #[test]
    fn names_longer_than_the_specification_allows_are_copied() {
        let name: &[u8] = b"nvidia,pad-autocal-pull-up-offset-3v3-timeout";
        let blob = tree(vec![node("mmc", &[(core::str::from_utf8(name).unwrap(), b"\0\0\0\x07")])])
            .to_dtb();
        let after = hand_over(&blob);
        let found = Fdt::parse(&after).unwrap().properties_of(b"mmc").collect::<Vec<_>>();
        assert_eq!(found, [(name, &b"\0\0\0\x07"[..])]);
    }

    #[test]
    fn without_initrd_and_seeds_chosen_names_neither() {
        let chosen = Chosen { bootargs: "", initrd: None, seeds: None };
        let after = Fdt::parse(&virt()).unwrap().hand_over(&chosen).unwrap();
        let names: Vec<_> = chosen_of(&read(&after)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["bootargs", "linux,booted-from-kexec", "stdout-path"]);
        assert_eq!(read(&after).memory_reservations, []);
    }

    #[test]
    fn the_psci_conduit_is_read_from_the_tree() {
        assert_eq!(Fdt::parse(&virt()).unwrap().psci_conduit(), Some(Conduit::Hvc));
        for (method, conduit) in [("smc\0", Some(Conduit::Smc)), ("telepathy\0", None)] {
            let blob = tree(vec![node("psci", &[("method", method.as_bytes())])]).to_dtb();
            assert_eq!(Fdt::parse(&blob).unwrap().psci_conduit(), conduit);
        }
    }

    fn refusal(blob: &[u8]) -> Error {
        Fdt::parse(blob).unwrap_err()
    }

    #[test]
    fn a_blob_cut_anywhere_is_refused() {
        let blob = hand_over(&virt());
        for size in 0..blob.len() {
            assert_eq!(refusal(&blob[..size]), Error::Cut(size));
        }
    }

    #[test]
    fn a_blob_with_any_byte_changed_is_refused_or_handed_over_whole() {
        let blob = hand_over(&tree(vec![node("psci", &[("method", b"hvc\0")])]).to_dtb());
        for at in 0..blob.len() {
            for value in [0, 1, 2, 3, 9, 0x7f, 0xff] {
                let mut changed = blob.clone();
                changed[at] = value;
                if Fdt::parse(&changed).is_ok() {
                    assert!(Fdt::parse(&hand_over(&changed)).is_ok(), "{value} at {at}");
                }
            }
        }
    }

    #[test]
    fn each_broken_part_of_a_blob_is_named() {
        let good = tree(vec![node("chosen", &[])]).to_dtb();
        let with = |at: usize, word: u32| {
            let mut blob = good.clone();
            blob[at..at + 4].copy_from_slice(&word.to_be_bytes());
            refusal(&blob)
        };
        let size = good.len();
        assert_eq!(with(0, 0xd00d_feee), Error::Magic(0xd00d_feee));
        assert_eq!(with(4, u32::MAX), Error::Cut(size));
        assert_eq!(with(20, 16), Error::Version(16));
        assert_eq!(with(24, 18), Error::Version(17));
        assert_eq!(with(8, 1 << 20), Error::Block { end: (1 << 20) + 32, size });
        assert_eq!(with(16, u32::MAX), Error::ReservationsEndless);
        // The structure block: begin "", begin "chosen", end, end, end of all.
        let at = 56;
        assert_eq!(with(at, 7), Error::Structure(4));
        assert_eq!(with(at, END_NODE), Error::Structure(4));
        assert_eq!(with(at, PROP), Error::Structure(12));
        assert_eq!(with(at + 24, END), Error::Structure(28));
        assert_eq!(with(at + 28, BEGIN_NODE), Error::Structure(32));
    }

    #[test]
    fn what_cannot_be_handed_over_is_refused() {
        let blob = virt();
        let fdt = Fdt::parse(&blob).unwrap();
        let chosen = Chosen { bootargs: "quiet\0init=/bin/sh", initrd: None, seeds: None };
        assert_eq!(fdt.hand_over(&chosen), Err(Error::Nul));
        let bootargs = "x".repeat(MAX_SIZE);
        let chosen = Chosen { bootargs: &bootargs, ..chosen };
        let error = fdt.hand_over(&chosen).unwrap_err().to_string();
        assert_eq!(error, "the device tree would have 2104685 bytes; arm64 kernels take 2097152");
    }

    #[test]
    fn seeds_are_never_shown() {
        assert_eq!(format!("{SEEDS:?}"), "Seeds");
    }
}
