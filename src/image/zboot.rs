//! EFI zboot: a small EFI program that carries a compressed kernel.
//!
//! Follows the header that Linux `drivers/firmware/efi/libstub/zboot-header.S`
//! lays out: offset and length of the compressed bytes, and the compressor's
//! name. The name is not needed: the bytes say what they are.

use core::fmt;
use core::ops::Range;

use crate::base::bytes::field;

/// Whether the file claims to be a zboot image.
pub(super) fn has_magic(file: &[u8]) -> bool {
    file.starts_with(b"MZ") && field(file, 4) == Some(*b"zimg")
}

/// Where the compressed kernel lies in the file.
pub(super) fn payload(file: &[u8]) -> Result<Range<usize>, Error> {
    let offset = word(file, 8)?;
    let size = word(file, 12)?;
    let wrong = Error::Payload { offset, size, file: file.len() };
    let end = u64::from(offset).saturating_add(u64::from(size));
    if size == 0 || end > file.len() as u64 {
        return Err(wrong);
    }
    match (usize::try_from(offset), usize::try_from(end)) {
        (Ok(start), Ok(end)) => Ok(start..end),
        _ => Err(wrong),
    }
}

fn word(file: &[u8], at: usize) -> Result<u32, Error> {
    field(file, at).map(u32::from_le_bytes).ok_or(Error::HeaderCut(file.len()))
}

/// What is wrong with a zboot image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The file ends, at this size, inside the header.
    HeaderCut(usize),
    /// The compressed kernel is empty or not all in the file.
    Payload {
        /// Where it starts.
        offset: u32,
        /// Its length in bytes.
        size: u32,
        /// The file's length in bytes.
        file: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HeaderCut(size) => {
                write!(f, "the EFI zboot image is cut off: its {size} bytes end inside its header")
            }
            Self::Payload { offset, size, file } => write!(
                f,
                "the EFI zboot image says that it has {size} bytes of kernel at offset \
                 {offset:#x}, but the file has {file} bytes"
            ),
        }
    }
}

impl core::error::Error for Error {}
