//! The compressors that kernels come in, told apart by their magic bytes.
//!
//! A decoder never allocates what a header claims: output grows with what has
//! really been decoded, up to the caller's limit. Checksums are verified where
//! the format has one. What follows a stream may only be zeros, as a padded
//! section or partition leaves them.

mod crc32;
mod gzip;
mod lz4;
mod lzma;
mod output;
mod zstd;

use core::fmt;

#[cfg(test)]
pub(super) use crc32::crc32;
use output::Output;

use crate::base::patience::Patience;
use crate::base::switches::{self, Switch};

/// A compressed format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compressor {
    /// gzip (RFC 1952).
    Gzip,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
    /// LZ4 frame.
    Lz4,
    /// LZ4 as `lz4 -l` and the kernel's build write it.
    Lz4Legacy,
    /// The older LZMA format, with no magic number and no checksum.
    Lzma,
    /// bzip2; recognised only.
    Bzip2,
    /// lzop; recognised only.
    Lzo,
}

/// What there is to know of a compressor.
struct Row {
    compressor: Compressor,
    /// What its streams begin with.
    magic: &'static [u8],
    /// The name of the command line tool.
    name: &'static str,
    decoder: Decoder,
}

enum Decoder {
    Here(Decode),
    /// The build's feature that would have brought it.
    LeftOut(&'static str),
    /// Nobody has written one.
    None,
}

/// Writes what a stream holds; gives what follows it.
type Decode = for<'a> fn(&'a [u8], &mut Output) -> Result<&'a [u8], Reason>;

/// A decoder that a build can leave out: nothing then refers to it, and the linker
/// leaves it out.
const fn switched(switch: &'static Switch, decode: Decode) -> Decoder {
    if switch.on { Decoder::Here(decode) } else { Decoder::LeftOut(switch.name) }
}

const TABLE: [Row; 8] = [
    Row {
        compressor: Compressor::Gzip,
        magic: b"\x1f\x8b",
        name: "gzip",
        decoder: Decoder::Here(gzip::decode),
    },
    Row {
        compressor: Compressor::Xz,
        magic: b"\xfd7zXZ\0",
        name: "xz",
        decoder: Decoder::Here(lzma::decode_xz),
    },
    Row {
        compressor: Compressor::Zstd,
        magic: b"\x28\xb5\x2f\xfd",
        name: "zstd",
        decoder: Decoder::Here(zstd::decode),
    },
    Row {
        compressor: Compressor::Lz4,
        magic: b"\x04\x22\x4d\x18",
        name: "lz4",
        decoder: switched(&switches::LZ4, lz4::decode_frame),
    },
    Row {
        compressor: Compressor::Lz4Legacy,
        magic: b"\x02\x21\x4c\x18",
        name: "lz4",
        decoder: switched(&switches::LZ4, lz4::decode_legacy),
    },
    // lc 3, lp 0, pb 2 and a dictionary of whole 64 KiB: what all tools write.
    Row {
        compressor: Compressor::Lzma,
        magic: b"\x5d\0\0",
        name: "lzma",
        decoder: switched(&switches::LZMA, lzma::decode_alone),
    },
    Row { compressor: Compressor::Bzip2, magic: b"BZh", name: "bzip2", decoder: Decoder::None },
    Row {
        compressor: Compressor::Lzo,
        magic: b"\x89LZO\0\r\n\x1a\n",
        name: "lzop",
        decoder: Decoder::None,
    },
];

impl Compressor {
    /// The compressor that the bytes begin like.
    #[must_use]
    pub fn recognise(bytes: &[u8]) -> Option<Self> {
        TABLE.iter().find(|row| bytes.starts_with(row.magic)).map(|row| row.compressor)
    }

    /// The name of the command line tool.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.name)
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.compressor == self)
    }

    /// Decompresses one stream to at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error`]
    pub fn decode(self, bytes: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
        let First { output, rest } = self.decode_first(bytes, limit, Patience::ENDLESS)?;
        match only_zeros(rest) {
            Ok(()) => Ok(output),
            Err(reason) => Err(Error { compressor: self, reason }),
        }
    }

    /// The same of a stream that something else may follow, in so much time.
    ///
    /// # Errors
    /// [`Error`]
    pub fn decode_first(
        self,
        bytes: &[u8],
        limit: u64,
        patience: Patience,
    ) -> Result<First<'_>, Error> {
        let mut output = Output::new(limit, patience);
        let decoded = match self.row().map_or(&Decoder::None, |row| &row.decoder) {
            Decoder::Here(decode) => decode(bytes, &mut output),
            Decoder::LeftOut(feature) => Err(Reason::LeftOut(feature)),
            Decoder::None => Err(Reason::Unsupported),
        };
        match decoded {
            Ok(rest) => Ok(First { output: output.into_bytes(), rest }),
            Err(reason) => Err(Error { compressor: self, reason }),
        }
    }
}

/// What the first of several streams holds, and what is behind it.
#[derive(Debug)]
pub struct First<'a> {
    /// Unpacked.
    pub output: Vec<u8>,
    /// As it is.
    pub rest: &'a [u8],
}

fn only_zeros(rest: &[u8]) -> Result<(), Reason> {
    if rest.iter().all(|&byte| byte == 0) { Ok(()) } else { Err(Reason::Trailing(rest.len())) }
}

/// Why a stream could not be decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What it is compressed with.
    pub compressor: Compressor,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a compressed stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There is no decoder for it here.
    Unsupported,
    /// There would be one if the program had been built with this feature.
    LeftOut(&'static str),
    /// It unpacks to more than this many bytes.
    TooLong(u64),
    /// The time that there was for it is over.
    Late,
    /// There is no memory for this many bytes.
    Memory(usize),
    /// It ends too early.
    Cut,
    /// It is not what its format allows.
    Damaged,
    /// Its checksum is another one than that of the unpacked bytes.
    Checksum,
    /// It needs a dictionary, or a feature that no kernel's stream has.
    Feature,
    /// It is followed by this many bytes that are not all zero.
    Trailing(usize),
}

impl Reason {
    /// Whether it would have been unpacked if more had been allowed, or available.
    pub(super) const fn is_of_memory(&self) -> bool {
        matches!(self, Self::TooLong(_) | Self::Memory(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.compressor.name();
        match self.reason {
            Reason::Unsupported => {
                write!(f, "it is compressed with {name}, which Turnout cannot unpack")
            }
            Reason::LeftOut(feature) => {
                write!(
                    f,
                    "it is compressed with {name}, and this program was built without {feature}"
                )
            }
            Reason::TooLong(limit) => {
                write!(
                    f,
                    "it unpacks ({name}) to more than the {limit} bytes that there is room for"
                )
            }
            Reason::Late => {
                write!(f, "it takes longer to unpack ({name}) than there is time for a look")
            }
            Reason::Memory(size) => {
                write!(f, "there is no memory for the {size} bytes that it unpacks to ({name})")
            }
            Reason::Cut => write!(f, "its {name} stream is cut off"),
            Reason::Damaged => write!(f, "its {name} stream is damaged"),
            Reason::Checksum => write!(f, "the checksum of its {name} stream is wrong"),
            Reason::Feature => {
                write!(f, "its {name} stream uses a feature that Turnout does not know")
            }
            Reason::Trailing(size) => {
                write!(f, "its {name} stream is followed by {size} bytes of something else")
            }
        }
    }
}

impl core::error::Error for Error {}
