//! Hands a flattened device tree over to the next kernel: rewrites `/chosen`
//! and the memory reservations, patches the machine into a tree that comes with
//! an entry, merges overlays; everything else stays as it is.
//!
//! Must never add a node beside `/chosen` to the running machine's own tree: an
//! arm64 kernel takes a tree without others as the sign that ACPI describes the
//! machine. Follows the Devicetree Specification v0.4.

mod blob;
mod chosen;
mod live;
mod machine;
mod overlay;
mod tree;

use core::fmt;

use purgatory::Conduit;

use crate::base::addr::Range;
use tree::{Node, string};

pub use chosen::{Chosen, CrashMemory, Seeds};
pub use live::Live;

/// The largest tree that arm64 kernels map, in bytes.
pub const MAX_SIZE: usize = 2 << 20;

/// A device tree whose structure has been checked.
#[derive(Clone)]
pub struct Fdt<'a> {
    boot_cpu: u32,
    reservations: Vec<Range>,
    root: Node<'a>,
}

impl Fdt<'_> {
    /// How the firmware wants PSCI calls: `method` of `/psci`. `None` if the
    /// tree does not say, as on machines with ACPI.
    #[must_use]
    pub fn psci_conduit(&self) -> Option<Conduit> {
        match self.root.child(b"psci")?.property(b"method")? {
            b"hvc\0" => Some(Conduit::Hvc),
            b"smc\0" => Some(Conduit::Smc),
            _ => None,
        }
    }

    /// The board that the tree is for: the first and most specific name in the
    /// root's `compatible` (Devicetree Specification, 2.3.1).
    #[must_use]
    pub fn board(&self) -> Option<&str> {
        let list = self.root.property(b"compatible")?;
        let first = list.split(|&byte| byte == 0).next()?;
        core::str::from_utf8(first).ok().filter(|name| !name.is_empty())
    }

    /// The command line that the tree gave the running kernel.
    #[must_use]
    pub fn bootargs(&self) -> Option<&str> {
        let value = self.root.chosen()?.property(b"bootargs")?;
        core::str::from_utf8(string(value)?).ok()
    }

    /// Whether UEFI started the machine, and so its memory map and its
    /// reservations reach the next kernel.
    #[must_use]
    pub fn has_uefi(&self) -> bool {
        let chosen = self.root.chosen();
        chosen.is_some_and(|chosen| chosen.property(b"linux,uefi-system-table").is_some())
    }

    /// What the machine is compatible with, the most specific name first: the
    /// root's `compatible` (Devicetree Specification v0.4, section 2.3.1).
    pub fn compatible(&self) -> impl Iterator<Item = &str> {
        let list = self.root.property(b"compatible").unwrap_or_default();
        list.split(|&byte| byte == 0).filter_map(|name| core::str::from_utf8(name).ok())
    }

    /// What Linux calls the devices of the enabled nodes, as a module's `of:` aliases are
    /// compared with (drivers/of/module.c): `of:NmmcT(null)Cbrcm,bcm2711-emmc2`.
    #[must_use]
    pub fn modaliases(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.root.name_devices(&mut found);
        found.sort();
        found.dedup();
        found
    }

    /// Whether the interrupt controller has a GICv3 ITS, whose tables lie in
    /// memory.
    #[must_use]
    pub fn has_its(&self) -> bool {
        self.root.any(&|node| node.is_compatible(b"arm,gic-v3-its") && node.is_enabled())
    }
}

impl Node<'_> {
    /// Below a node that is switched off there is nothing.
    fn name_devices(&self, found: &mut Vec<String>) {
        if !self.is_enabled() {
            return;
        }
        if let Some(list) = self.property(b"compatible") {
            let name = self.name.split(|&byte| byte == b'@').next().unwrap_or_default();
            let kind = self.property(b"device_type").and_then(string).unwrap_or(b"(null)");
            let text = String::from_utf8_lossy;
            let mut modalias = format!("of:N{}T{}", text(name), text(kind));
            for one in list.split(|&byte| byte == 0).filter(|one| !one.is_empty()) {
                modalias.push('C');
                modalias.push_str(&text(one));
            }
            found.push(modalias);
        }
        self.children.iter().for_each(|child| child.name_devices(found));
    }

    fn any(&self, matches: &impl Fn(&Self) -> bool) -> bool {
        matches(self) || self.children.iter().any(|child| child.any(matches))
    }

    fn is_compatible(&self, with: &[u8]) -> bool {
        let list = self.property(b"compatible").unwrap_or_default();
        list.split(|&byte| byte == 0).any(|name| name == with)
    }

    fn is_enabled(&self) -> bool {
        let status = self.property(b"status").and_then(string);
        status.is_none_or(|status| status == b"okay" || status == b"ok")
    }
}

impl fmt::Debug for Fdt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fdt of {} nodes below the root", self.root.children.len())
    }
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
    /// An address or a size does not fit in the cells that the tree has for it.
    Cells,
    /// The tree is the stub of a machine that ACPI describes.
    Stub,
    /// An overlay uses this label, which the tree does not have.
    Label(String),
    /// An overlay's fragment or fix-up of this name leads nowhere.
    Overlay(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
            Self::Cells => {
                f.write_str("an address or a size does not fit in the cells of the device tree")
            }
            Self::Stub => f.write_str(
                "ACPI describes this machine: with an overlay the kernel would overlook that",
            ),
            Self::Label(label) => {
                write!(f, "an overlay needs the label {label:?}, which the device tree lacks")
            }
            Self::Overlay(name) => {
                write!(f, "{name:?} of an overlay leads to nothing in the device tree")
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
        let mut blob = include_bytes!("../../tests/data/virt/fdt").to_vec();
        blob.resize(1 << 20, 0);
        blob
    }
}

#[cfg(test)]
mod tests;
