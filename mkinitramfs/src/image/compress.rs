//! Compresses the archive in a form that Linux unpacks, without a time stamp.

use std::io::Write as _;

use anyhow::Result;
use clap::ValueEnum;
use flate2::{Compression, GzBuilder};

/// zstd's level: the best one whose window (8 MiB) costs little to unpack.
const ZSTD_LEVEL: i32 = 19;

/// How the archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compress {
    /// RFC 1952
    Gzip,
    /// RFC 8878
    Zstd,
    /// Not at all
    None,
}

impl Compress {
    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }

    /// Compresses `bytes`.
    ///
    /// # Errors
    /// What the compressor reports.
    pub fn apply(self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        match self {
            Self::None => Ok(bytes),
            Self::Zstd => Ok(zstd::encode_all(bytes.as_slice(), ZSTD_LEVEL)?),
            Self::Gzip => {
                // mtime and the operating system byte are all that could vary.
                let header = GzBuilder::new().mtime(0).operating_system(255);
                let mut writer = header.write(Vec::new(), Compression::best());
                writer.write_all(&bytes)?;
                Ok(writer.finish()?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_compressed_comes_back() {
        let bytes = b"turnout ".repeat(1000);
        let gzip = Compress::Gzip.apply(bytes.clone()).unwrap();
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut back).unwrap();
        assert_eq!(back, bytes);
        let zstd = Compress::Zstd.apply(bytes.clone()).unwrap();
        assert_eq!(zstd::decode_all(zstd.as_slice()).unwrap(), bytes);
        assert_eq!(Compress::None.apply(bytes.clone()).unwrap(), bytes);
    }

    #[test]
    fn gzip_carries_no_time_and_no_name() {
        let gzip = Compress::Gzip.apply(b"x".to_vec()).unwrap();
        assert_eq!(gzip[3..8], [0; 5]);
    }
}
