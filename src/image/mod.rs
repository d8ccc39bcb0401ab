//! Says what a kernel file is, by its bytes alone, and unwraps it.
//!
//! Runs on verified bytes only, yet trusts none of them: every field is read
//! through a checked accessor and bounded before it is used, and no size that a
//! file claims is ever allocated. File names never matter. Formats: Linux
//! `Documentation/arch/x86/boot.rst` and `Documentation/arch/arm64/booting.rst`.

pub mod arm64;
pub mod bzimage;
mod unpack;
pub mod vmlinux;

use core::fmt;

pub use arm64::Arm64Image;
pub use bzimage::Bzimage;
pub use unpack::{Limits, Unpacked, unpack};
pub use vmlinux::Vmlinux;

use crate::arch::Arch;

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

/// A format that is recognised but cannot be booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// gzip stream.
    Gzip,
    /// xz stream.
    Xz,
    /// Zstandard frame.
    Zstd,
    /// LZ4 frame, current or legacy.
    Lz4,
    /// bzip2 stream.
    Bzip2,
    /// EFI program that unpacks a compressed kernel.
    EfiZboot,
    /// Any other PE program, such as a unified kernel image.
    Pe,
}

impl Container {
    const MAGICS: [(&'static [u8], Self); 7] = [
        (b"\x1f\x8b", Self::Gzip),
        (b"\xfd7zXZ\0", Self::Xz),
        (b"\x28\xb5\x2f\xfd", Self::Zstd),
        (b"\x04\x22\x4d\x18", Self::Lz4),
        (b"\x02\x21\x4c\x18", Self::Lz4),
        (b"BZh", Self::Bzip2),
        (b"MZ\0\0zimg", Self::EfiZboot),
    ];

    fn recognise(file: &[u8]) -> Option<Self> {
        Self::MAGICS.iter().find(|(magic, _)| file.starts_with(magic)).map(|&(_, kind)| kind)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "a gzip-compressed file",
            Self::Xz => "an xz-compressed file",
            Self::Zstd => "a zstd-compressed file",
            Self::Lz4 => "an lz4-compressed file",
            Self::Bzip2 => "a bzip2-compressed file",
            Self::EfiZboot => "an EFI zboot image",
            Self::Pe => "an EFI program (perhaps a unified kernel image)",
        }
    }
}

/// Why a file is not a kernel that can be booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Recognised, but not supported.
    Unsupported(Container),
    /// Not recognised; the file's first bytes, at most eight.
    Unknown(Vec<u8>),
    /// A bzImage that breaks its boot protocol.
    Bzimage(bzimage::Error),
    /// An arm64 `Image` that breaks its boot protocol.
    Arm64(arm64::Error),
    /// An ELF file that is no kernel.
    Vmlinux(vmlinux::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(container) => {
                write!(f, "this is {}; only bzImage and arm64 Image boot yet", container.name())
            }
            Self::Unknown(first) if first.is_empty() => f.write_str("the file is empty"),
            Self::Unknown(first) => {
                f.write_str("this is no kernel image that Turnout knows; it begins with")?;
                first.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
            Self::Bzimage(error) => error.fmt(f),
            Self::Arm64(error) => error.fmt(f),
            Self::Vmlinux(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

/// The `N` bytes at offset `at`, if the file reaches that far.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// What other modules' tests unpack with.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    pub(crate) fn unpacked(file: &[u8]) -> Unpacked<'_> {
        unpack(file, &Limits { output: 1 << 30 }).unwrap()
    }

    pub(super) fn refusal(file: &[u8]) -> Error {
        unpack(file, &Limits { output: 1 << 20 }).unwrap_err()
    }
}

#[cfg(test)]
mod tests {
    fn refusal(file: &[u8]) -> String {
        super::testing::refusal(file).to_string()
    }

    #[test]
    fn formats_that_do_not_boot_yet_are_named() {
        let cases: [(&[u8], &str); 8] = [
            (b"\x1f\x8b\x08", "a gzip-compressed file"),
            (b"\xfd7zXZ\0\0", "an xz-compressed file"),
            (b"\x28\xb5\x2f\xfd\0", "a zstd-compressed file"),
            (b"\x04\x22\x4d\x18", "an lz4-compressed file"),
            (b"\x02\x21\x4c\x18", "an lz4-compressed file"),
            (b"BZh9", "a bzip2-compressed file"),
            (b"MZ\0\0zimg\0\0", "an EFI zboot image"),
            (b"MZ\x90\0", "an EFI program (perhaps a unified kernel image)"),
        ];
        for (file, name) in cases {
            let sentence = format!("this is {name}; only bzImage and arm64 Image boot yet");
            assert_eq!(refusal(file), sentence);
        }
    }

    #[test]
    fn an_unknown_file_is_shown_by_its_first_bytes() {
        assert_eq!(refusal(b""), "the file is empty");
        assert_eq!(
            refusal(b"#!/bin/sh\n"),
            "this is no kernel image that Turnout knows; it begins with 23 21 2f 62 69 6e 2f 73"
        );
    }
}
