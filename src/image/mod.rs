//! Says what a kernel file is, by its bytes alone.
//!
//! Runs on verified bytes only, yet trusts none of them: every field is read
//! through a checked accessor and bounded before it is used. File names never
//! matter. Formats: Linux `Documentation/arch/x86/boot.rst` and
//! `Documentation/arch/arm64/booting.rst`.

pub mod arm64;
pub mod bzimage;

use core::fmt;

pub use arm64::Arm64Image;
pub use bzimage::Bzimage;

use crate::arch::Arch;

/// A kernel image that can be booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kernel<'a> {
    /// x86 bzImage with a 64-bit entry point.
    Bzimage(Bzimage<'a>),
    /// Uncompressed arm64 `Image`.
    Arm64Image(Arm64Image<'a>),
}

impl<'a> Kernel<'a> {
    /// The architecture that the image runs on.
    #[must_use]
    pub const fn arch(&self) -> Arch {
        match self {
            Self::Bzimage(_) => Arch::X86_64,
            Self::Arm64Image(_) => Arch::Aarch64,
        }
    }

    /// The whole file, as it was given to [`identify`].
    #[must_use]
    pub const fn file(&self) -> &'a [u8] {
        match self {
            Self::Bzimage(image) => image.file(),
            Self::Arm64Image(image) => image.file(),
        }
    }
}

impl fmt::Display for Kernel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bzimage(image) => image.fmt(f),
            Self::Arm64Image(image) => image.fmt(f),
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
    /// ELF file, such as vmlinux.
    Elf,
    /// Any other PE program, such as a unified kernel image.
    Pe,
}

impl Container {
    const MAGICS: [(&'static [u8], Self); 8] = [
        (b"\x1f\x8b", Self::Gzip),
        (b"\xfd7zXZ\0", Self::Xz),
        (b"\x28\xb5\x2f\xfd", Self::Zstd),
        (b"\x04\x22\x4d\x18", Self::Lz4),
        (b"\x02\x21\x4c\x18", Self::Lz4),
        (b"BZh", Self::Bzip2),
        (b"MZ\0\0zimg", Self::EfiZboot),
        (b"\x7fELF", Self::Elf),
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
            Self::Elf => "an ELF file",
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
        }
    }
}

impl core::error::Error for Error {}

/// Identifies a kernel by its magic bytes and checks its header.
///
/// # Errors
/// The file is no bootable kernel; the error says what it is instead, or which
/// field of its header is wrong.
pub fn identify(file: &[u8]) -> Result<Kernel<'_>, Error> {
    if let Some(container) = Container::recognise(file) {
        return Err(Error::Unsupported(container));
    }
    // Both kernels may be EFI programs too, so PE comes last.
    if bzimage::has_magic(file) {
        Bzimage::parse(file).map(Kernel::Bzimage).map_err(Error::Bzimage)
    } else if arm64::has_magic(file) {
        Arm64Image::parse(file).map(Kernel::Arm64Image).map_err(Error::Arm64)
    } else if file.starts_with(b"MZ") {
        Err(Error::Unsupported(Container::Pe))
    } else {
        Err(Error::Unknown(file.iter().take(8).copied().collect()))
    }
}

/// The `N` bytes at offset `at`, if the file reaches that far.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(file: &[u8]) -> String {
        identify(file).unwrap_err().to_string()
    }

    #[test]
    fn formats_that_do_not_boot_yet_are_named() {
        let cases: [(&[u8], &str); 9] = [
            (b"\x1f\x8b\x08", "a gzip-compressed file"),
            (b"\xfd7zXZ\0\0", "an xz-compressed file"),
            (b"\x28\xb5\x2f\xfd\0", "a zstd-compressed file"),
            (b"\x04\x22\x4d\x18", "an lz4-compressed file"),
            (b"\x02\x21\x4c\x18", "an lz4-compressed file"),
            (b"BZh9", "a bzip2-compressed file"),
            (b"MZ\0\0zimg\0\0", "an EFI zboot image"),
            (b"\x7fELF\x02", "an ELF file"),
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
