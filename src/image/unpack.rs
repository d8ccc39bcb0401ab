//! From a file to the kernel in it: wrappings are peeled off until what is left
//! is a kernel.
//!
//! What comes out is derived from the file's bytes alone, so a digest of the
//! file covers all of it.

use core::fmt;
use std::borrow::Cow;

use super::{Arm64Image, Bzimage, Container, Error, Kernel, Vmlinux, arm64, bzimage, vmlinux};

/// How much unpacking may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that all layers together may unpack to.
    pub output: u64,
}

/// A file and the kernel that was found in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Unpacked<'a> {
    file: &'a [u8],
    bytes: Cow<'a, [u8]>,
    format: Format,
}

/// What the innermost bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Format {
    Bzimage(bzimage::Header),
    Arm64Image(arm64::Header),
    Vmlinux(vmlinux::Parts),
}

impl<'a> Unpacked<'a> {
    /// The file as it was given to [`unpack`]: what a signature covers.
    #[must_use]
    pub const fn file(&self) -> &'a [u8] {
        self.file
    }

    /// Whether the file is the kernel, without any wrapping: then its digest is
    /// the digest of the kernel's bytes.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self.bytes, Cow::Borrowed(_))
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> Kernel<'_> {
        match &self.format {
            Format::Bzimage(header) => Kernel::Bzimage(Bzimage::over(&self.bytes, *header)),
            Format::Arm64Image(header) => {
                Kernel::Arm64Image(Arm64Image::over(&self.bytes, *header))
            }
            Format::Vmlinux(parts) => Kernel::Vmlinux(Vmlinux::over(&self.bytes, parts)),
        }
    }
}

impl fmt::Debug for Unpacked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kernel().fmt(f)
    }
}

/// Finds the kernel in a file, by magic bytes, and checks its header.
///
/// # Errors
/// There is no bootable kernel in it; the error says what it is instead, or
/// which field of its header is wrong.
pub fn unpack<'a>(file: &'a [u8], _limits: &Limits) -> Result<Unpacked<'a>, Error> {
    let format = identify(file)?;
    Ok(Unpacked { file, bytes: Cow::Borrowed(file), format })
}

fn identify(file: &[u8]) -> Result<Format, Error> {
    if let Some(container) = Container::recognise(file) {
        return Err(Error::Unsupported(container));
    }
    // Both kernels may be EFI programs too, so PE comes last.
    if bzimage::has_magic(file) {
        bzimage::Header::parse(file).map(Format::Bzimage).map_err(Error::Bzimage)
    } else if arm64::has_magic(file) {
        arm64::Header::parse(file).map(Format::Arm64Image).map_err(Error::Arm64)
    } else if vmlinux::has_magic(file) {
        vmlinux::Parts::parse(file).map(Format::Vmlinux).map_err(Error::Vmlinux)
    } else if file.starts_with(b"MZ") {
        Err(Error::Unsupported(Container::Pe))
    } else {
        Err(Error::Unknown(file.iter().take(8).copied().collect()))
    }
}
