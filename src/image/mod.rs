//! Says what a kernel file is, by its bytes alone, and unwraps it.
//!
//! Runs on verified bytes only, yet trusts none of them: every field is read
//! through a checked accessor and bounded before it is used, and no size that a
//! file claims is ever allocated. File names never matter. Formats: Linux
//! `Documentation/arch/x86/boot.rst` and `Documentation/arch/arm64/booting.rst`.

pub mod arm64;
pub mod bzimage;
pub mod compression;
mod describe;
pub mod elf;
pub mod initramfs;
mod owned;
mod probe;
pub mod uki;
mod unpack;
pub mod vmlinux;
pub mod zboot;

use core::fmt;

pub use arm64::Arm64Image;
pub use bzimage::Bzimage;
pub use describe::{Description, describe};
pub use owned::OwnedVmlinux;
pub use probe::{HEAD, probe};
pub use uki::{Addon, Error as UkiError, SectionPlace, Uki, Whole, outline};
pub use unpack::{Layer, Limits, Unpacked, find_uki, open_uki, unpack, unpack_profile};
pub use vmlinux::{LoadSegment, Relocation, Vmlinux};

use crate::base::arch::Arch;

/// A kernel image that can be booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel<'a> {
    /// x86 bzImage with a 64-bit entry point.
    Bzimage(Bzimage<'a>),
    /// Uncompressed arm64 `Image`.
    Arm64Image(Arm64Image<'a>),
    /// x86_64 ELF kernel.
    Vmlinux(Vmlinux<'a>),
}

impl<'a> Kernel<'a> {
    /// The architecture that the image runs on.
    #[must_use]
    pub const fn arch(&self) -> Arch {
        match self {
            Self::Bzimage(_) | Self::Vmlinux(_) => Arch::X86_64,
            Self::Arm64Image(_) => Arch::Aarch64,
        }
    }

    /// The kernel's own bytes, without any wrapping.
    #[must_use]
    pub const fn file(&self) -> &'a [u8] {
        match self {
            Self::Bzimage(image) => image.file(),
            Self::Arm64Image(image) => image.file(),
            Self::Vmlinux(image) => image.file(),
        }
    }
}

impl fmt::Display for Kernel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bzimage(image) => image.fmt(f),
            Self::Arm64Image(image) => image.fmt(f),
            Self::Vmlinux(image) => image.fmt(f),
        }
    }
}

/// Why a file is not a kernel that can be booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Not recognised; the file's first bytes, at most eight.
    Unknown(Vec<u8>),
    /// A bzImage that breaks its boot protocol.
    Bzimage(bzimage::Error),
    /// An arm64 `Image` that breaks its boot protocol.
    Arm64(arm64::Error),
    /// An ELF file that is no kernel.
    Elf(elf::Error),
    /// A damaged EFI zboot image.
    Zboot(zboot::Error),
    /// A damaged unified kernel image, or another EFI program.
    Uki(uki::Error),
    /// A compressed file that cannot be unpacked.
    Compressed(compression::Error),
    /// There are more wrappings than this.
    TooDeep(usize),
    /// It holds no compressed x86_64 kernel.
    NoPayload,
}

impl Error {
    /// Whether more memory would help.
    #[must_use]
    pub const fn is_of_memory(&self) -> bool {
        matches!(self, Self::Compressed(error) if error.reason.is_of_memory())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(first) if first.is_empty() => f.write_str("the file is empty"),
            Self::Unknown(first) => {
                f.write_str("this is no kernel image that Turnout knows; it begins with")?;
                first.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
            Self::Bzimage(error) => error.fmt(f),
            Self::Arm64(error) => error.fmt(f),
            Self::Elf(error) => error.fmt(f),
            Self::Zboot(error) => error.fmt(f),
            Self::Uki(error) => error.fmt(f),
            Self::Compressed(error) => error.fmt(f),
            Self::TooDeep(depth) => {
                write!(f, "the kernel is wrapped more than {depth} times")
            }
            Self::NoPayload => f.write_str("the image has no compressed x86_64 kernel in it"),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
