//! What the next kernel is told in `/chosen` and in the memory reservations,
//! and what of that was true for the running kernel only.
//!
//! Must never add a node beside `/chosen`: an arm64 kernel takes a tree without
//! others as the sign that ACPI describes the machine. Does what Linux does in
//! drivers/of/kexec.c.

use core::fmt;

use super::tree::{Cells, Node, Property};
use super::{Error, Fdt, MAX_SIZE};
use crate::base::addr::{Range, align_up};
use crate::base::bytes::field;

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
/// Enough for any address.
const WIDE: Cells = Cells { address: 2, size: 2 };

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
    /// What a crash kernel needs to know.
    pub crash: Option<CrashMemory<'a>>,
}

/// The memory of a crash kernel.
#[derive(Debug, Clone, Copy)]
pub struct CrashMemory<'a> {
    /// Where the ELF header lies that describes the crashed kernel's memory.
    pub elfcorehdr: Range,
    /// All that it may use.
    pub usable: &'a [Range],
}

impl Fdt<'_> {
    /// The blob for the next kernel, without padding.
    ///
    /// # Errors
    /// The result would be larger than [`MAX_SIZE`], the command line has a
    /// NUL in it, or an address does not fit in the tree's cells.
    pub fn hand_over(mut self, chosen: &Chosen<'_>) -> Result<Vec<u8>, Error> {
        if chosen.bootargs.contains('\0') {
            return Err(Error::Nul);
        }
        self.forget();
        let crash = chosen.crash.map(|crash| self.crash_properties(&crash)).transpose()?;
        self.reservations.extend(chosen.initrd);
        self.reservations.extend(chosen.crash.map(|crash| crash.elfcorehdr));
        let mut properties = chosen.properties();
        properties.extend(crash.into_iter().flatten());
        if let Some(node) = self.root.chosen_or_new() {
            properties.append(&mut node.properties);
            node.properties = properties;
        }
        let blob = self.to_blob();
        if blob.len() > MAX_SIZE { Err(Error::TooLarge(blob.len())) } else { Ok(blob) }
    }

    /// Drops what was true for the running kernel only: stale properties, and
    /// the reservations of its initrd, crash header and measurement list. That
    /// of the old tree itself stays where firmware made one: nothing says where
    /// it lay.
    fn forget(&mut self) {
        let cells = self.root.cells();
        let Some(node) = self.root.chosen_mut() else { return };
        let listed = [b"linux,elfcorehdr".as_slice(), b"linux,ima-kexec-buffer"];
        let listed = listed.into_iter().filter_map(|name| cells.read(node.property(name)?));
        let old: Vec<Range> = node.initrd().into_iter().chain(listed.flatten()).collect();
        node.properties.retain(|(name, _)| !STALE.contains(name));
        self.reservations.retain(|range| !old.iter().any(|old| same_pages(*range, *old)));
    }

    /// Addresses here have the root's cells. A stub that gives none, because
    /// ACPI describes the machine, gets some.
    fn crash_properties(
        &mut self,
        crash: &CrashMemory<'_>,
    ) -> Result<[Property<'static>; 2], Error> {
        if self.is_stub() && self.root.property(b"#address-cells").is_none() {
            self.root.set(b"#address-cells", WIDE.address.to_be_bytes().to_vec().into());
            self.root.set(b"#size-cells", WIDE.size.to_be_bytes().to_vec().into());
        }
        let cells = self.root.cells();
        let elfcorehdr = cells.write(&[crash.elfcorehdr]).ok_or(Error::Cells)?;
        let usable = cells.write(crash.usable).ok_or(Error::Cells)?;
        Ok([
            (b"linux,elfcorehdr", elfcorehdr.into()),
            (b"linux,usable-memory-range", usable.into()),
        ])
    }

    /// Whether ACPI describes the machine, not this tree.
    pub(super) fn is_stub(&self) -> bool {
        self.root.children.iter().all(Node::is_chosen)
    }
}

impl Chosen<'_> {
    fn properties(&self) -> Vec<Property<'static>> {
        let bootargs = [self.bootargs.as_bytes(), b"\0"].concat();
        let mut list: Vec<Property<'static>> = vec![(b"bootargs", bootargs.into())];
        if let Some(initrd) = self.initrd {
            list.push((b"linux,initrd-start", initrd.start().to_be_bytes().to_vec().into()));
            list.push((b"linux,initrd-end", initrd.end().to_be_bytes().to_vec().into()));
        }
        if let Some(seeds) = self.seeds {
            list.push((b"kaslr-seed", seeds.kaslr.to_vec().into()));
            list.push((b"rng-seed", seeds.rng.to_vec().into()));
        }
        list.push((b"linux,booted-from-kexec", b"".into()));
        list
    }
}

impl Node<'_> {
    /// Linux takes either name.
    fn is_chosen(&self) -> bool {
        self.name == b"chosen" || self.name == b"chosen@0"
    }

    pub(super) fn chosen(&self) -> Option<&Self> {
        self.children.iter().find(|child| child.is_chosen())
    }

    pub(super) fn chosen_mut(&mut self) -> Option<&mut Self> {
        self.children.iter_mut().find(|child| child.is_chosen())
    }

    /// Of the root: `/chosen`, which is made where there is none.
    pub(super) fn chosen_or_new(&mut self) -> Option<&mut Self> {
        let index = self.children.iter().position(Node::is_chosen).unwrap_or_else(|| {
            self.children.push(Node::new(b"chosen"));
            self.children.len().saturating_sub(1)
        });
        self.children.get_mut(index)
    }

    /// Of `/chosen`: where the running kernel's initrd was.
    fn initrd(&self) -> Option<Range> {
        Range::new(self.address(b"linux,initrd-start")?, self.address(b"linux,initrd-end")?)
    }

    /// An address of one cell or of two.
    fn address(&self, name: &[u8]) -> Option<u64> {
        let value = self.property(name)?;
        match value.len() {
            4 => field(value, 0).map(|cell| u64::from(u32::from_be_bytes(cell))),
            8 => field(value, 0).map(u64::from_be_bytes),
            _ => None,
        }
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
