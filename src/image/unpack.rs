//! From a file to the kernel in it: wrappings are peeled off until what is left
//! is a kernel.
//!
//! What comes out is derived from the file's bytes alone, so a digest of the
//! file covers all of it. Never peels more than [`DEPTH`] layers, never keeps
//! more decompressed bytes than it is allowed.

use core::fmt;
use core::ops::Range;
use std::borrow::Cow;

use super::compression::Compressor;
use super::elf::{self, Headers};
use super::vmlinux::{Origin, Parts};
use super::{
    Arm64Image, Bzimage, Error, Kernel, OwnedVmlinux, Uki, Vmlinux, arm64, bzimage, zboot,
};
use crate::base::arch::Arch;

/// The most that is real is three: a UKI with a zboot image in it, compressed.
const DEPTH: usize = 6;
/// What every EFI program begins with.
pub(super) const EFI_PROGRAM: &[u8] = b"MZ";

/// How much unpacking may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that all layers together may unpack to.
    pub output: u64,
}

/// What was peeled off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// A unified kernel image; see [`Unpacked::uki`].
    Uki,
    /// An EFI program around a compressed kernel.
    Zboot,
    /// A compressed stream.
    Compressed(Compressor),
    /// An arm64 ELF file, laid out as the `Image` that it contains.
    Elf,
    /// The real-mode part of a bzImage and its decompressor.
    Bzimage,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uki => "UKI",
            Self::Zboot => "EFI zboot",
            Self::Compressed(compressor) => compressor.name(),
            Self::Elf => "ELF",
            Self::Bzimage => "bzImage",
        })
    }
}

/// A file and the kernel that was found in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Unpacked<'a> {
    file: &'a [u8],
    layers: Vec<Layer>,
    uki: Option<Uki<'a>>,
    bytes: Cow<'a, [u8]>,
    format: Format,
}

/// What the innermost bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Format {
    Bzimage(bzimage::Header),
    Arm64Image(arm64::Header),
    Vmlinux(Parts),
}

impl<'a> Unpacked<'a> {
    /// The file as it was given to [`unpack`]: what a signature covers.
    #[must_use]
    pub const fn file(&self) -> &'a [u8] {
        self.file
    }

    /// What was peeled off, outermost first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Whether the file is the kernel, without any wrapping: then its digest is
    /// the digest of the kernel's bytes.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.layers.is_empty()
    }

    /// Bytes of memory that it takes beside the file.
    #[must_use]
    pub fn unpacked_size(&self) -> u64 {
        match &self.bytes {
            Cow::Borrowed(_) => 0,
            Cow::Owned(bytes) => bytes.len() as u64,
        }
    }

    /// The unified kernel image that the file is.
    #[must_use]
    pub const fn uki(&self) -> Option<&Uki<'a>> {
        self.uki.as_ref()
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

    /// The `vmlinux` alone, if that is what the kernel is; copied if the file is
    /// one.
    #[must_use]
    pub fn into_vmlinux(self) -> Option<OwnedVmlinux> {
        match self.format {
            Format::Vmlinux(parts) => Some(OwnedVmlinux::new(self.bytes.into_owned(), parts)),
            Format::Bzimage(_) | Format::Arm64Image(_) => None,
        }
    }

    /// The same file with the `vmlinux` that its bzImage would unpack for
    /// itself.
    ///
    /// # Errors
    /// It is no bzImage, or the payload of the bzImage is no kernel.
    pub fn decompress_payload(&self, limits: &Limits) -> Result<Self, Error> {
        let Kernel::Bzimage(image) = self.kernel() else { return Err(Error::NoPayload) };
        let (compressor, payload) = image.payload().map_err(Error::Bzimage)?;
        let bytes = compressor.decode(payload, limits.output).map_err(Error::Compressed)?;
        let headers = Headers::parse(&bytes).map_err(Error::Elf)?;
        if headers.arch != Arch::X86_64 {
            return Err(Error::NoPayload);
        }
        let mut parts = Parts::new(headers, &bytes).map_err(Error::Elf)?;
        parts.origin = Some(Origin::of(&image));
        let peeled = [Layer::Bzimage, Layer::Compressed(compressor)];
        Ok(Self {
            file: self.file,
            layers: self.layers.iter().copied().chain(peeled).collect(),
            uki: self.uki.clone(),
            bytes: Cow::Owned(bytes),
            format: Format::Vmlinux(parts),
        })
    }
}

impl Origin {
    fn of(image: &Bzimage<'_>) -> Self {
        Self {
            setup_header: image.header().1.to_vec(),
            cmdline_size: image.cmdline_size(),
            five_level_paging: image.five_level_paging(),
            version: image.version().map(str::to_owned),
        }
    }
}

impl fmt::Debug for Unpacked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Unpacked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layers.iter().try_for_each(|layer| write!(f, "{layer}: "))?;
        self.kernel().fmt(f)
    }
}

/// Finds the kernel in a file, by magic bytes, and checks its header.
///
/// # Errors
/// There is no bootable kernel in it; the error says what it is instead, or
/// which field of its header is wrong.
pub fn unpack<'a>(file: &'a [u8], limits: &Limits) -> Result<Unpacked<'a>, Error> {
    unpack_profile(file, 0, limits)
}

/// The same; of a unified kernel image it takes the profile with this number.
///
/// # Errors
/// As [`unpack`], and an image that has no such profile.
pub fn unpack_profile<'a>(
    file: &'a [u8],
    profile: u32,
    limits: &Limits,
) -> Result<Unpacked<'a>, Error> {
    let mut peeling = Peeling {
        layers: Vec::new(),
        profile,
        uki: None,
        bytes: Cow::Borrowed(file),
        left: limits.output,
    };
    let format = loop {
        if let Some(format) = identify(&peeling.bytes)? {
            break format;
        }
        if peeling.layers.len() == DEPTH {
            return Err(Error::TooDeep(DEPTH));
        }
        peeling.peel()?;
    };
    let Peeling { layers, uki, bytes, .. } = peeling;
    Ok(Unpacked { file, layers, uki, bytes, format })
}

/// The unified kernel image that a file is, without a look at the kernel in it;
/// `None` if it is anything else, or a damaged one: [`unpack`] says of those what
/// is wrong.
#[must_use]
pub fn find_uki(file: &[u8]) -> Option<Uki<'_>> {
    open_uki(file, 0).ok()
}

/// A profile of the unified kernel image that a file has to be.
///
/// # Errors
/// It is anything else, or a damaged one, or it has no such profile.
pub fn open_uki(file: &[u8], profile: u32) -> Result<Uki<'_>, super::uki::Error> {
    let is_bare = bzimage::has_magic(file) || arm64::has_magic(file) || zboot::has_magic(file);
    if is_bare || !file.starts_with(EFI_PROGRAM) {
        return Err(super::uki::Error::NotUki);
    }
    Uki::parse(file, profile)
}

/// The kernel that the bytes are, if they are one without any wrapping.
fn identify(bytes: &[u8]) -> Result<Option<Format>, Error> {
    // Both may be EFI programs too.
    if bzimage::has_magic(bytes) {
        return bzimage::Header::parse(bytes)
            .map(|header| Some(Format::Bzimage(header)))
            .map_err(Error::Bzimage);
    }
    if arm64::has_magic(bytes) {
        return arm64::Header::parse(bytes)
            .map(|header| Some(Format::Arm64Image(header)))
            .map_err(Error::Arm64);
    }
    if !elf::has_magic(bytes) {
        return Ok(None);
    }
    let headers = Headers::parse(bytes).map_err(Error::Elf)?;
    if headers.arch == Arch::Aarch64 {
        return Ok(None);
    }
    let parts = Parts::new(headers, bytes).map_err(Error::Elf)?;
    Ok(Some(Format::Vmlinux(parts)))
}

/// A file on its way to a kernel.
struct Peeling<'a> {
    layers: Vec<Layer>,
    /// Which profile of a UKI is wanted.
    profile: u32,
    uki: Option<Uki<'a>>,
    bytes: Cow<'a, [u8]>,
    /// How many more bytes may be unpacked.
    left: u64,
}

impl Peeling<'_> {
    /// Replaces the bytes by what they wrap.
    fn peel(&mut self) -> Result<(), Error> {
        let layer = if let Some(compressor) = Compressor::recognise(&self.bytes) {
            self.decompress(compressor)?
        } else if elf::has_magic(&self.bytes) {
            self.flatten().map_err(Error::Elf)?
        } else if zboot::has_magic(&self.bytes) {
            let payload = zboot::payload(&self.bytes).map_err(Error::Zboot)?;
            self.narrow(payload);
            Layer::Zboot
        } else if self.bytes.starts_with(EFI_PROGRAM) {
            self.open_uki().map_err(Error::Uki)?
        } else {
            return Err(Error::Unknown(self.bytes.iter().take(8).copied().collect()));
        };
        self.layers.push(layer);
        Ok(())
    }

    fn decompress(&mut self, compressor: Compressor) -> Result<Layer, Error> {
        let bytes = compressor.decode(&self.bytes, self.left).map_err(Error::Compressed)?;
        self.replace(bytes);
        Ok(Layer::Compressed(compressor))
    }

    fn flatten(&mut self) -> Result<Layer, elf::Error> {
        let flat = Headers::parse(&self.bytes)?.flatten(&self.bytes, self.left)?;
        if !arm64::has_magic(&flat) {
            return Err(elf::Error::NoImage);
        }
        self.replace(flat);
        Ok(Layer::Elf)
    }

    fn replace(&mut self, bytes: Vec<u8>) {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        self.bytes = Cow::Owned(bytes);
    }

    fn narrow(&mut self, place: Range<usize>) {
        match &mut self.bytes {
            Cow::Borrowed(bytes) => *bytes = bytes.get(place).unwrap_or_default(),
            Cow::Owned(bytes) => {
                bytes.truncate(place.end);
                bytes.drain(..place.start);
            }
        }
    }

    /// A UKI is what firmware starts, and that starts no compressed file.
    fn open_uki(&mut self) -> Result<Layer, super::uki::Error> {
        let Cow::Borrowed(file) = self.bytes else {
            Uki::parse(&self.bytes, 0)?;
            return Err(super::uki::Error::Nested);
        };
        if self.uki.is_some() {
            Uki::parse(file, 0)?;
            return Err(super::uki::Error::Nested);
        }
        let uki = Uki::parse(file, self.profile)?;
        self.bytes = Cow::Borrowed(uki.linux());
        self.uki = Some(uki);
        Ok(Layer::Uki)
    }
}
