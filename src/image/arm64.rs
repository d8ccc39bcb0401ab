//! The uncompressed arm64 `Image`: 64 bytes of header, then code.
//!
//! Follows Linux `Documentation/arch/arm64/booting.rst`. Never guesses a size
//! that the header leaves out (kernels before 3.17).

use core::fmt;

use crate::base::bytes::field;

const BIG_ENDIAN: u64 = 1 << 0;

/// An arm64 `Image` whose header has been checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Arm64Image<'a> {
    file: &'a [u8],
    header: Header,
}

/// The fields of a checked header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    text_offset: u64,
    image_size: u64,
    flags: u64,
}

/// Whether the file claims to be an arm64 `Image`.
pub(super) fn has_magic(file: &[u8]) -> bool {
    field(file, 0x38) == Some(*b"ARM\x64")
}

impl Header {
    pub(super) fn parse(file: &[u8]) -> Result<Self, Error> {
        // The last word of the header is not used, but must be there.
        word(file, 0x38)?;
        let header = Self {
            text_offset: word(file, 0x08)?,
            image_size: word(file, 0x10)?,
            flags: word(file, 0x18)?,
        };
        header.check()?;
        Ok(header)
    }

    const fn check(&self) -> Result<(), Error> {
        if self.image_size == 0 {
            return Err(Error::NoImageSize);
        }
        if self.flags & BIG_ENDIAN != 0 {
            return Err(Error::BigEndian(self.flags));
        }
        Ok(())
    }
}

impl<'a> Arm64Image<'a> {
    /// `header` is what [`Header::parse`] made of `file`.
    pub(super) const fn over(file: &'a [u8], header: Header) -> Self {
        Self { file, header }
    }

    #[cfg(test)]
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self, Error> {
        Ok(Self::over(file, Header::parse(file)?))
    }

    /// The whole file; all of it is loaded.
    #[must_use]
    pub const fn file(&self) -> &'a [u8] {
        self.file
    }

    /// Distance in bytes from a 2 MiB boundary to the first byte of the image.
    #[must_use]
    pub const fn text_offset(&self) -> u64 {
        self.header.text_offset
    }

    /// Bytes of memory that the kernel needs from its first byte on: the larger
    /// of `image_size`, which includes the bss, and the file.
    #[must_use]
    pub fn memory_size(&self) -> u64 {
        self.header.image_size.max(self.file.len() as u64)
    }

    /// Page size in bytes that the kernel was built for, if its header says so.
    #[must_use]
    pub const fn page_size(&self) -> Option<u64> {
        match (self.header.flags >> 1) & 3 {
            1 => Some(4 << 10),
            2 => Some(16 << 10),
            3 => Some(64 << 10),
            _ => None,
        }
    }
}

impl fmt::Debug for Arm64Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Arm64Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arm64 Image, {:#x} bytes in memory", self.memory_size())?;
        match self.page_size() {
            Some(size) => write!(f, ", {} KiB pages", size >> 10),
            None => Ok(()),
        }
    }
}

/// What is wrong with an arm64 `Image`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The file ends, at this size, inside the header.
    HeaderCut(usize),
    /// `image_size` is zero.
    NoImageSize,
    /// The flags say that the kernel is big endian.
    BigEndian(u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderCut(size) => {
                write!(f, "the arm64 Image is cut off: its {size} bytes end inside the header")
            }
            Self::NoImageSize => f.write_str(
                "the arm64 Image does not say how much memory it needs (image_size is zero)",
            ),
            Self::BigEndian(flags) => {
                write!(f, "the arm64 Image is big endian (flags {flags:#x})")
            }
        }
    }
}

impl core::error::Error for Error {}

/// Test images; other modules' tests use them too.
fn word(file: &[u8], at: usize) -> Result<u64, Error> {
    field(file, at).map(u64::from_le_bytes).ok_or(Error::HeaderCut(file.len()))
}

#[cfg(test)]
pub(crate) mod testing {
    use crate::image::bzimage::testing::hex;

    /// The header of Debian's linux-image-6.1.0-56-arm64 (6.1.192-2).
    const DEBIAN: &str = "4d 5a 40 fa 56 a3 59 14 00 00 00 00 00 00 00 00 \
        00 00 01 02 00 00 00 00 0a 00 00 00 00 00 00 00 \
        00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
        00 00 00 00 00 00 00 00 41 52 4d 64 40 00 00 00";
    const DEBIAN_SIZE: usize = 32_956_352;

    /// Debian's header on a file of Debian's size, zeros elsewhere.
    pub(crate) fn debian() -> Vec<u8> {
        let mut file = hex(DEBIAN);
        file.resize(DEBIAN_SIZE, 0);
        file
    }

    /// The same on a file of two pages.
    pub(crate) fn small() -> Vec<u8> {
        let mut file = hex(DEBIAN);
        file.resize(8192, 0);
        file
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{debian, small};
    use super::*;

    fn parse_with(at: usize, word: u64) -> Result<(u64, u64, Option<u64>), Error> {
        let mut file = small();
        file[at..at + 8].copy_from_slice(&word.to_le_bytes());
        Arm64Image::parse(&file)
            .map(|image| (image.text_offset(), image.memory_size(), image.page_size()))
    }

    #[test]
    fn the_header_of_a_debian_kernel_is_read() {
        let file = debian();
        let image = Arm64Image::parse(&file).unwrap();
        assert_eq!(image.to_string(), "arm64 Image, 0x2010000 bytes in memory, 4 KiB pages");
        assert_eq!((image.text_offset(), image.file().len()), (0, file.len()));
    }

    #[test]
    fn a_cut_file_is_refused_at_every_length_of_the_header() {
        let file = small();
        for size in 0x3c..0x40 {
            let error = Arm64Image::parse(&file[..size]).unwrap_err();
            assert_eq!(error, Error::HeaderCut(size));
        }
        for size in 0..0x3c {
            let error = crate::image::testing::refusal(&file[..size]);
            let unnamed = crate::image::Error::Unknown(file[..size.min(8)].to_vec());
            let program = crate::image::Error::Uki(crate::image::uki::Error::HeaderCut(size));
            assert_eq!(error, if size < 2 { unnamed } else { program }, "{size} bytes");
        }
    }

    #[test]
    fn a_header_without_a_size_or_of_the_wrong_endianness_is_refused() {
        assert_eq!(parse_with(0x10, 0), Err(Error::NoImageSize));
        assert_eq!(parse_with(0x18, 1), Err(Error::BigEndian(1)));
        assert_eq!(parse_with(0x18, u64::MAX), Err(Error::BigEndian(u64::MAX)));
        assert_eq!(Error::BigEndian(1).to_string(), "the arm64 Image is big endian (flags 0x1)");
    }

    const fn kib(size: u64) -> Option<u64> {
        Some(size << 10)
    }

    #[test]
    fn extreme_values_are_carried_not_trusted() {
        assert_eq!(parse_with(0x08, u64::MAX), Ok((u64::MAX, 0x201_0000, kib(4))));
        assert_eq!(parse_with(0x10, u64::MAX), Ok((0, u64::MAX, kib(4))));
        assert_eq!(parse_with(0x10, 1), Ok((0, 8192, kib(4))));
        assert_eq!(parse_with(0x18, 0), Ok((0, 0x201_0000, None)));
        assert_eq!(parse_with(0x18, 4), Ok((0, 0x201_0000, kib(16))));
        assert_eq!(parse_with(0x18, 6), Ok((0, 0x201_0000, kib(64))));
    }
}
