//! Compresses the archive in a form that Linux unpacks, without a time stamp.

use std::io::{self, Write as _};

use anyhow::{Result, anyhow};
use clap::ValueEnum;
use flate2::{Compression, GzBuilder};
use lzma_rust2::{CheckType, DICT_SIZE_MIN, FilterType, Write as _, XzOptions, XzWriter};
use turnout::base::arch::Arch;
use zstd::zstd_safe::CParameter;

use super::parallel::processors;

/// zstd's level: the best one whose window costs little to unpack. It is 8 MiB, or
/// as long as the archive, where that is known when the frame begins: a kernel with
/// little memory has none for a window that nothing needs.
const ZSTD_LEVEL: i32 = 19;

/// What one thread compresses at a time, looking back on what lies before it. It is
/// fixed, as are the bytes of the image: they must not depend on the number of threads.
const ZSTD_JOB: u32 = 8 << 20;

/// The level for a module by itself (docs/image.md has the figures).
const MODULE_LEVEL: i32 = 19;

/// xz's level, with at most as large a window; and how far it may look for a better
/// match.
const XZ_LEVEL: u32 = 6;
const XZ_WINDOW: u32 = 8 << 20;
const XZ_NICE_LENGTH: u32 = 273;
const XZ_DEPTH: i32 = 512;

/// How the archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compress {
    /// RFC 8878; Linux since 5.9
    Zstd,
    /// The smallest, and the slowest to unpack
    Xz,
    /// RFC 1952; every Linux
    Gzip,
    /// Not at all
    None,
}

/// The calls and jumps that xz sees through, if any: those of the program in the
/// archive. What unpacks it must know them as well.
pub type Branches = Option<Arch>;

impl Compress {
    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Gzip => "gzip",
            Self::None => "none",
        }
    }

    /// Compresses `bytes`.
    ///
    /// # Errors
    /// What the compressor reports.
    pub fn apply(self, bytes: Vec<u8>, branches: Branches) -> Result<Vec<u8>> {
        match self {
            Self::Zstd => Ok(zstd_by(&bytes, ZSTD_LEVEL, processors())?),
            Self::Xz => xz(&bytes, branches).map_err(|error| anyhow!("xz: {error:?}")),
            Self::Gzip => gzip(&bytes),
            Self::None => Ok(bytes),
        }
    }
}

/// What the kernel of a release can see through: the filter for x86 is as old as
/// its decoder for xz, the one for arm64 came with Linux 6.12.
#[must_use]
pub fn branches(arch: Arch, release: Option<&str>) -> Branches {
    match arch {
        Arch::X86_64 => Some(arch),
        Arch::Aarch64 => {
            release.and_then(version).filter(|version| *version >= (6, 12)).map(|_| arch)
        }
    }
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn zstd_by(bytes: &[u8], level: i32, threads: usize) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.set_parameter(CParameter::JobSize(ZSTD_JOB))?;
    compressor.multithread(u32::try_from(threads).unwrap_or(1))?;
    compressor.compress(bytes)
}

/// One module, by one thread: all processors have a module each.
///
/// # Errors
/// What the compressor reports.
pub fn alone(bytes: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, MODULE_LEVEL)
}

/// About how many bytes it would take by itself: to compare, not to add up.
#[must_use]
pub fn estimate(bytes: &[u8]) -> u64 {
    let quick = 3;
    zstd::bulk::compress(bytes, quick).map_or(bytes.len(), |packed| packed.len()) as u64
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    // mtime and the operating system byte are all that could vary.
    let header = GzBuilder::new().mtime(0).operating_system(255);
    let mut writer = header.write(Vec::new(), Compression::best());
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}

/// What unpacks it sets as much memory aside: no more than there is to look back on.
fn window(len: usize) -> u32 {
    let len = u32::try_from(len).unwrap_or(XZ_WINDOW).min(XZ_WINDOW);
    len.next_power_of_two().max(DICT_SIZE_MIN)
}

/// Linux, `Documentation/staging/xz.rst`: of the checksums it is sure to have
/// CRC-32 only.
fn xz(bytes: &[u8], branches: Branches) -> lzma_rust2::Result<Vec<u8>> {
    let mut options = XzOptions::with_preset(XZ_LEVEL);
    options.set_check_sum_type(CheckType::Crc32);
    options.lzma_options.dict_size = window(bytes.len());
    options.lzma_options.nice_len = XZ_NICE_LENGTH;
    options.lzma_options.depth_limit = XZ_DEPTH;
    match branches {
        Some(Arch::X86_64) => options.prepend_pre_filter(FilterType::BcjX86, 0),
        Some(Arch::Aarch64) => options.prepend_pre_filter(FilterType::BcjArm64, 0),
        None => {}
    }
    let mut writer = XzWriter::new(Vec::new(), options)?;
    writer.write_all(bytes)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use turnout::image::compression::Compressor;

    use super::*;

    #[test]
    fn what_is_compressed_comes_back() {
        let bytes = b"turnout ".repeat(1000);
        let gzip = Compress::Gzip.apply(bytes.clone(), None).unwrap();
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut back).unwrap();
        assert_eq!(back, bytes);
        let zstd = Compress::Zstd.apply(bytes.clone(), None).unwrap();
        assert_eq!(zstd::decode_all(zstd.as_slice()).unwrap(), bytes);
        for branches in [None, Some(Arch::X86_64), Some(Arch::Aarch64)] {
            let xz = Compress::Xz.apply(bytes.clone(), branches).unwrap();
            assert_eq!(Compressor::Xz.decode(&xz, 1 << 20).unwrap(), bytes);
        }
        assert_eq!(Compress::None.apply(bytes.clone(), None).unwrap(), bytes);
    }

    /// There are three jobs, of which two look back on the one before.
    #[test]
    fn zstd_gives_the_same_bytes_by_any_number_of_threads() {
        let words: Vec<u8> = (0..5_000_000_u32).flat_map(|n| (n % 9973).to_be_bytes()).collect();
        let one = zstd_by(&words, 1, 1).unwrap();
        for threads in [2, 5] {
            assert!(zstd_by(&words, 1, threads).unwrap() == one, "{threads} threads");
        }
        assert!(Compressor::Zstd.decode(&one, 1 << 30).unwrap() == words);
    }

    /// Then its window is no longer than what it holds (RFC 8878, 3.1.1.1.1).
    #[test]
    fn a_short_archive_in_zstd_is_a_single_segment() {
        let single_segment = 1 << 5;
        for size in [9000, 900_000] {
            let zstd = Compress::Zstd.apply(vec![7; size], None).unwrap();
            assert_eq!(zstd[4] & single_segment, single_segment, "{size} bytes");
        }
    }

    #[test]
    fn xz_sees_through_branches_where_the_kernel_does() {
        let arm64 = |release| branches(Arch::Aarch64, release);
        assert_eq!(branches(Arch::X86_64, None), Some(Arch::X86_64));
        assert_eq!(arm64(None), None);
        assert_eq!(arm64(Some("6.1.0-50-arm64")), None);
        assert_eq!(arm64(Some("6.11-rc7")), None);
        assert_eq!(arm64(Some("odd")), None);
        assert_eq!(arm64(Some("6.12.117+deb13-arm64")), Some(Arch::Aarch64));
        assert_eq!(arm64(Some("7.0.0")), Some(Arch::Aarch64));
    }

    /// The filter's number is in the block's header, which begins with a size and a
    /// count of filters: 12 bytes in (The .xz File Format, 3.1 and 5.3).
    #[test]
    fn xz_names_the_filter_and_has_the_checksum_that_the_kernel_knows() {
        for (branches, filter) in [(Some(Arch::X86_64), 0x04), (Some(Arch::Aarch64), 0x0a)] {
            let xz = Compress::Xz.apply(b"turnout".to_vec(), branches).unwrap();
            let (crc32, two_filters) = (0x01, 0x01);
            assert_eq!((xz[7], xz[13], xz[14]), (crc32, two_filters, filter));
        }
    }

    #[test]
    fn gzip_carries_no_time_and_no_name() {
        let gzip = Compress::Gzip.apply(b"x".to_vec(), None).unwrap();
        assert_eq!(gzip[3..8], [0; 5]);
    }
}
