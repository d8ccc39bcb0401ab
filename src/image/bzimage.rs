//! The x86 bzImage: a real-mode setup part with a header, then the
//! protected-mode part that the 64-bit entry point lies in.
//!
//! Follows Linux `Documentation/arch/x86/boot.rst`, protocol 2.12 and later.
//! Never reads past the setup header on a length that the file claims without
//! checking it against the file.

use core::fmt;
use core::ops::Range;

use super::compression::Compressor;
use crate::base::bytes::field;

const SECTOR: usize = 512;
/// What the kernel's build appends to a payload: its unpacked size.
const SIZE_SUFFIX: usize = 4;
const HEADER_START: usize = 0x1f1;
/// Where `boot_params` goes on with fields that are not the header's.
const HEADER_LIMIT: usize = 0x290;
/// End of the header of protocol 2.12, the oldest one accepted.
const HEADER_MIN_END: usize = 0x268;
const BOOT_FLAG: u16 = 0xaa55;
const MIN_PROTOCOL: u16 = 0x020c;
const LOADED_HIGH: u8 = 1 << 0;
const XLF_KERNEL_64: u16 = 1 << 0;
const XLF_ABOVE_4G: u16 = 1 << 1;
const XLF_EFI_KEXEC: u16 = 1 << 4;
const XLF_5LEVEL: u16 = 1 << 5;
/// The 64-bit entry point lies this far into the protected-mode part.
pub const ENTRY_64: u64 = 0x200;

/// A bzImage whose header has been checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bzimage<'a> {
    file: &'a [u8],
    header: Header,
}

/// The fields of a checked setup header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    setup_size: usize,
    protocol: u16,
    xloadflags: u16,
    relocatable: bool,
    cmdline_size: u32,
    kernel_alignment: u32,
    pref_address: u64,
    init_size: u32,
    payload_offset: u32,
    payload_length: u32,
}

/// Whether the file claims to be a bzImage.
pub(super) fn has_magic(file: &[u8]) -> bool {
    field(file, 0x202) == Some(*b"HdrS")
}

impl Header {
    pub(super) fn parse(file: &[u8]) -> Result<Self, Error> {
        check_protocol(file)?;
        let header = Self {
            setup_size: setup_size(file)?,
            protocol: u16::from_le_bytes(read(file, 0x206)?),
            xloadflags: u16::from_le_bytes(read(file, 0x236)?),
            relocatable: read::<1>(file, 0x234)? != [0],
            cmdline_size: u32::from_le_bytes(read(file, 0x238)?),
            kernel_alignment: u32::from_le_bytes(read(file, 0x230)?),
            pref_address: u64::from_le_bytes(read(file, 0x258)?),
            init_size: u32::from_le_bytes(read(file, 0x260)?),
            payload_offset: u32::from_le_bytes(read(file, 0x248)?),
            payload_length: u32::from_le_bytes(read(file, 0x24c)?),
        };
        header.check()?;
        let end = header_end(file)?;
        if end < HEADER_MIN_END { Err(Error::HeaderEnd(end)) } else { Ok(header) }
    }

    fn check(&self) -> Result<(), Error> {
        if self.xloadflags & XLF_KERNEL_64 == 0 {
            return Err(Error::No64BitEntry(self.xloadflags));
        }
        if self.xloadflags & XLF_ABOVE_4G == 0 {
            return Err(Error::OnlyBelow4G(self.xloadflags));
        }
        if !self.kernel_alignment.is_power_of_two() {
            return Err(Error::Alignment(self.kernel_alignment));
        }
        let aligned = self.pref_address.checked_rem(u64::from(self.kernel_alignment)) == Some(0);
        if !self.relocatable && !aligned {
            return Err(Error::PrefAddress(self.pref_address));
        }
        if self.init_size == 0 { Err(Error::InitSize) } else { Ok(()) }
    }
}

impl<'a> Bzimage<'a> {
    /// `header` is what [`Header::parse`] made of `file`.
    pub(super) const fn over(file: &'a [u8], header: Header) -> Self {
        Self { file, header }
    }

    #[cfg(test)]
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self, Error> {
        Ok(Self::over(file, Header::parse(file)?))
    }

    /// The whole file.
    #[must_use]
    pub const fn file(&self) -> &'a [u8] {
        self.file
    }

    /// The real-mode part: boot sector, setup header and setup code. The file
    /// is this followed by [`Self::protected_mode`], nothing else.
    #[must_use]
    pub fn setup(&self) -> &'a [u8] {
        self.parts().0
    }

    /// The part that is loaded and run.
    #[must_use]
    pub fn protected_mode(&self) -> &'a [u8] {
        self.parts().1
    }

    fn parts(&self) -> (&'a [u8], &'a [u8]) {
        self.file.split_at_checked(self.header.setup_size).unwrap_or_default()
    }

    /// The setup header, with its place in both the file and `boot_params`.
    #[must_use]
    pub fn header(&self) -> (Range<usize>, &'a [u8]) {
        let place = HEADER_START..header_end(self.file).unwrap_or(HEADER_START);
        (place.clone(), self.file.get(place).unwrap_or_default())
    }

    /// Longest command line in bytes, without the terminating NUL.
    #[must_use]
    pub const fn cmdline_size(&self) -> u32 {
        self.header.cmdline_size
    }

    /// Alignment of the load address in bytes, a power of two.
    #[must_use]
    pub const fn alignment(&self) -> u64 {
        // u64::from is not const yet.
        self.header.kernel_alignment as u64
    }

    /// Whether the kernel runs at other addresses than [`Self::pref_address`].
    #[must_use]
    pub const fn relocatable(&self) -> bool {
        self.header.relocatable
    }

    /// Physical address that the kernel prefers.
    #[must_use]
    pub const fn pref_address(&self) -> u64 {
        self.header.pref_address
    }

    /// Bytes of memory that the kernel needs from its load address on, before
    /// it has read any memory map: the larger of `init_size` and the file.
    #[must_use]
    pub fn memory_size(&self) -> u64 {
        u64::from(self.header.init_size).max(self.protected_mode().len() as u64)
    }

    /// Version of the boot protocol, major in the upper byte.
    #[must_use]
    pub const fn protocol(&self) -> u16 {
        self.header.protocol
    }

    /// Whether the kernel takes EFI state over from a running kernel.
    #[must_use]
    pub const fn efi_kexec(&self) -> bool {
        self.header.xloadflags & XLF_EFI_KEXEC != 0
    }

    /// Whether the kernel starts while 5-level paging is on.
    #[must_use]
    pub const fn five_level_paging(&self) -> bool {
        self.header.xloadflags & XLF_5LEVEL != 0
    }

    /// What the kernel in it is compressed with, as far as is known.
    #[must_use]
    pub fn compressor(&self) -> Option<Compressor> {
        self.payload().ok().map(|(compressor, _)| compressor)
    }

    /// The compressed kernel, without the size that is appended to it.
    pub(super) fn payload(&self) -> Result<(Compressor, &'a [u8]), Error> {
        let Header { payload_offset, payload_length, .. } = self.header;
        let wrong = Error::Payload { offset: payload_offset, length: payload_length };
        let bounds = usize::try_from(payload_offset).ok().zip(usize::try_from(payload_length).ok());
        let bytes = bounds.and_then(|(offset, length)| {
            self.protected_mode().get(offset..offset.checked_add(length)?)
        });
        let Some(bytes) = bytes else { return Err(wrong) };
        match Compressor::recognise(bytes) {
            None => Err(wrong),
            // It ends with its size anyway.
            Some(Compressor::Gzip) => Ok((Compressor::Gzip, bytes)),
            Some(other) => {
                let end = bytes.len().saturating_sub(SIZE_SUFFIX);
                Ok((other, bytes.get(..end).unwrap_or_default()))
            }
        }
    }

    /// What `file` would call the kernel's version, if the image says so.
    #[must_use]
    pub fn version(&self) -> Option<&'a str> {
        let at = usize::from(u16::from_le_bytes(field(self.setup(), 0x20e)?));
        let text = self.setup().get(at.checked_add(SECTOR)?..)?;
        let end = text.iter().position(|&byte| byte == 0)?;
        let version = core::str::from_utf8(text.get(..end)?).ok()?;
        (at != 0 && !version.is_empty()).then_some(version)
    }
}

fn read<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N], Error> {
    field(file, at).ok_or(Error::HeaderCut(file.len()))
}

fn check_protocol(file: &[u8]) -> Result<(), Error> {
    let boot_flag = u16::from_le_bytes(read(file, 0x1fe)?);
    if boot_flag != BOOT_FLAG {
        return Err(Error::BootFlag(boot_flag));
    }
    let protocol = u16::from_le_bytes(read(file, 0x206)?);
    if protocol < MIN_PROTOCOL {
        return Err(Error::Protocol(protocol));
    }
    let [loadflags] = read(file, 0x211)?;
    if loadflags & LOADED_HIGH == 0 { Err(Error::NotLoadedHigh(loadflags)) } else { Ok(()) }
}

/// End of the setup header: where the jump over it lands, cut to the room that
/// `boot_params` has for it.
fn header_end(file: &[u8]) -> Result<usize, Error> {
    let [jump] = read(file, 0x201)?;
    Ok(usize::from(jump).saturating_add(0x202).min(HEADER_LIMIT))
}

/// Length of the real-mode part, if the file has it and what the header says
/// comes after it.
fn setup_size(file: &[u8]) -> Result<usize, Error> {
    let [sectors] = read(file, HEADER_START)?;
    let sectors = usize::from(if sectors == 0 { 4 } else { sectors });
    let setup_size = sectors.saturating_add(1).saturating_mul(SECTOR);
    let paragraphs = u32::from_le_bytes(read(file, 0x1f4)?);
    let needed = u64::from(paragraphs).saturating_mul(16).saturating_add(setup_size as u64);
    if file.len() > setup_size && file.len() as u64 >= needed {
        Ok(setup_size)
    } else {
        Err(Error::FileCut { size: file.len() as u64, needed })
    }
}

impl fmt::Debug for Bzimage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Bzimage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version().unwrap_or("version unknown");
        let protocol = self.header.protocol;
        write!(f, "bzImage, boot protocol {}.{}, {version}", protocol >> 8, protocol & 0xff)
    }
}

/// What is wrong with a bzImage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The file ends, at this size, inside the setup header.
    HeaderCut(usize),
    /// The file is shorter than its header says.
    FileCut {
        /// Bytes in the file.
        size: u64,
        /// Bytes that the header promises.
        needed: u64,
    },
    /// The boot flag has this value.
    BootFlag(u16),
    /// The boot protocol is this old.
    Protocol(u16),
    /// `loadflags` without LOADED_HIGH: a zImage.
    NotLoadedHigh(u8),
    /// `xloadflags` without a 64-bit entry point.
    No64BitEntry(u16),
    /// `xloadflags` of a kernel that must stay below 4 GiB.
    OnlyBelow4G(u16),
    /// The header ends too early, at this offset.
    HeaderEnd(usize),
    /// `kernel_alignment` is no power of two.
    Alignment(u32),
    /// A kernel that must lie at this address, which it is not aligned for.
    PrefAddress(u64),
    /// `init_size` is zero.
    InitSize,
    /// The payload is not in the file, or is of no known format.
    Payload {
        /// Where it starts in the protected-mode part.
        offset: u32,
        /// Its length in bytes.
        length: u32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HeaderCut(size) => {
                write!(f, "the bzImage is cut off: its {size} bytes end inside the setup header")
            }
            Self::FileCut { size, needed } => {
                write!(f, "the bzImage is cut off: it has {size} bytes, its header says {needed}")
            }
            Self::BootFlag(flag) => {
                write!(f, "the bzImage has boot flag {flag:#06x} instead of 0xaa55")
            }
            Self::Protocol(version) => write!(
                f,
                "the bzImage has boot protocol {}.{}; 2.12 is the oldest that can be booted",
                version >> 8,
                version & 0xff
            ),
            Self::NotLoadedHigh(flags) => {
                write!(f, "this is a zImage, not a bzImage (loadflags {flags:#04x})")
            }
            Self::No64BitEntry(flags) => {
                write!(f, "the bzImage has no 64-bit entry point (xloadflags {flags:#06x})")
            }
            Self::OnlyBelow4G(flags) => write!(
                f,
                "the bzImage cannot handle data above 4 GiB (xloadflags {flags:#06x}, bit 1)"
            ),
            Self::HeaderEnd(end) => write!(
                f,
                "the bzImage's setup header ends at {end:#x}, before its init_size field at 0x260"
            ),
            Self::Alignment(value) => {
                write!(f, "the bzImage's kernel_alignment {value:#x} is no power of two")
            }
            Self::PrefAddress(address) => write!(
                f,
                "the bzImage must be loaded at {address:#x}, against its own kernel_alignment"
            ),
            Self::InitSize => f.write_str("the bzImage's init_size is zero"),
            Self::Payload { offset, length } => write!(
                f,
                "the bzImage has no compressed kernel where its header says ({length} bytes at \
                 {offset:#x})"
            ),
        }
    }
}

impl core::error::Error for Error {}

/// Test images; other modules' tests use them too.
#[cfg(test)]
pub(crate) mod testing {
    /// The setup header of Debian's linux-image-6.1.0-56-amd64 (6.1.192-2),
    /// file offsets 0x1f1 to 0x26c.
    const DEBIAN: &str = "27 01 00 20 d8 07 00 00 00 ff ff 00 00 55 aa \
         eb 6a 48 64 72 53 0f 02 00 00 00 00 00 10 c0 42 \
         00 01 00 80 00 00 10 00 00 00 00 00 00 00 00 00 \
         00 00 00 00 e0 5b 00 00 00 00 00 00 ff ff ff 7f \
         00 00 20 00 01 15 7f 00 ff 07 00 00 00 00 00 00 \
         00 00 00 00 00 00 00 00 cc 02 00 00 70 f0 7b 00 \
         00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00 \
         00 80 f9 03 b0 8d 7c 00 9c 57 7d 00";
    const DEBIAN_SIZE: usize = 8_247_232;

    pub(crate) fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    /// Debian's header on a file of Debian's size, zeros elsewhere.
    pub(crate) fn debian() -> Vec<u8> {
        let mut file = vec![0; DEBIAN_SIZE];
        file[0x1f1..0x26c].copy_from_slice(&hex(DEBIAN));
        file[0x44c0..0x44c5].copy_from_slice(b"6.1.0");
        file
    }

    /// The same with one setup sector and one page of code.
    pub(crate) fn small() -> Vec<u8> {
        let mut file = debian();
        file.truncate(1024 + 4096);
        file[0x1f1] = 1;
        file[0x1f4..0x1f8].copy_from_slice(&256_u32.to_le_bytes());
        file
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{debian, small};
    use super::*;

    fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut file = small();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    }

    fn refusal(at: usize, bytes: &[u8]) -> Error {
        Bzimage::parse(&with(at, bytes)).unwrap_err()
    }

    #[test]
    fn the_header_of_a_debian_kernel_is_read() {
        let file = debian();
        let image = Bzimage::parse(&file).unwrap();
        assert_eq!(image.to_string(), "bzImage, boot protocol 2.15, 6.1.0");
        assert_eq!(image.setup().len(), 40 * 512);
        assert_eq!(image.setup().len() + image.protected_mode().len(), file.len());
        assert_eq!(image.header(), (0x1f1..0x26c, &file[0x1f1..0x26c]));
        assert_eq!((image.alignment(), image.pref_address()), (2 << 20, 16 << 20));
        assert_eq!((image.memory_size(), image.cmdline_size()), (0x3f9_8000, 2047));
        assert!(image.relocatable() && image.five_level_paging());
    }

    #[test]
    fn a_cut_file_is_refused_at_every_length() {
        let file = small();
        for size in 0..4096 {
            let error = super::super::testing::refusal(&file[..size]);
            let expected = match size {
                0..0x206 => super::super::Error::Unknown(vec![0; size.min(8)]),
                0x206..0x212 => super::super::Error::Bzimage(Error::HeaderCut(size)),
                _ => {
                    super::super::Error::Bzimage(Error::FileCut { size: size as u64, needed: 5120 })
                }
            };
            assert_eq!(error, expected, "{size} bytes");
        }
    }

    #[test]
    fn a_file_shorter_than_its_setup_part_is_refused() {
        assert_eq!(refusal(0x1f1, &[255]), Error::FileCut { size: 5120, needed: 256 * 512 + 4096 });
        assert_eq!(
            refusal(0x1f1, &[9, 1, 0, 0, 0, 0, 0]),
            Error::FileCut { size: 5120, needed: 5120 }
        );
        assert_eq!(
            refusal(0x1f4, &257_u32.to_le_bytes()),
            Error::FileCut { size: 5120, needed: 5136 }
        );
        assert_eq!(
            refusal(0x1f4, &[255; 4]),
            Error::FileCut { size: 5120, needed: 1024 + 0xffff_ffff * 16 }
        );
    }

    #[test]
    fn zero_setup_sectors_mean_four() {
        let mut file = with(0x1f1, &[0]);
        file.resize(5 * 512 + 4096, 0);
        assert_eq!(Bzimage::parse(&file).unwrap().setup().len(), 5 * 512);
    }

    #[test]
    fn each_field_that_breaks_the_protocol_is_named() {
        let cases: [(usize, &[u8], Error); 13] = [
            (0x1fe, &[0, 0], Error::BootFlag(0)),
            (0x1fe, &[0xff, 0xff], Error::BootFlag(0xffff)),
            (0x206, &[0, 0], Error::Protocol(0)),
            (0x206, &[0x0b, 0x02], Error::Protocol(0x20b)),
            (0x211, &[0], Error::NotLoadedHigh(0)),
            (0x211, &[0xfe], Error::NotLoadedHigh(0xfe)),
            (0x236, &[0, 0], Error::No64BitEntry(0)),
            (0x236, &[0x7d, 0], Error::OnlyBelow4G(0x7d)),
            (0x230, &[0; 4], Error::Alignment(0)),
            (0x230, &[0xff; 4], Error::Alignment(u32::MAX)),
            (0x260, &[0; 4], Error::InitSize),
            (0x201, &[0], Error::HeaderEnd(0x202)),
            (0x201, &[0x65], Error::HeaderEnd(0x267)),
        ];
        for (at, bytes, error) in cases {
            assert_eq!(refusal(at, bytes), error, "{bytes:x?} at {at:#x}");
        }
    }

    #[test]
    fn a_kernel_that_cannot_move_must_be_aligned_where_it_is() {
        let mut file = with(0x234, &[0]);
        assert!(!Bzimage::parse(&file).unwrap().relocatable());
        file[0x258] = 1;
        assert_eq!(Bzimage::parse(&file), Err(Error::PrefAddress(0x100_0001)));
    }

    #[test]
    fn a_header_longer_than_its_room_is_cut_to_it() {
        let file = with(0x201, &[0xff]);
        assert_eq!(Bzimage::parse(&file).unwrap().header().0, 0x1f1..0x290);
    }

    #[test]
    fn extreme_values_of_other_fields_are_carried_not_trusted() {
        let file = with(0x258, &[0xff; 12]);
        let image = Bzimage::parse(&file).unwrap();
        assert_eq!((image.pref_address(), image.memory_size()), (u64::MAX, 0xffff_ffff));
        let file = with(0x260, &[1, 0, 0, 0]);
        assert_eq!(Bzimage::parse(&file).unwrap().memory_size(), 4096);
    }

    #[test]
    fn a_version_outside_the_setup_part_is_no_version() {
        for offset in [0, 0xffff, 512] {
            let file = with(0x20e, &u16::to_le_bytes(offset));
            assert_eq!(Bzimage::parse(&file).unwrap().version(), None, "{offset}");
        }
    }

    #[test]
    fn errors_are_sentences_with_the_value() {
        let error = Error::FileCut { size: 1000, needed: 5120 };
        assert_eq!(
            error.to_string(),
            "the bzImage is cut off: it has 1000 bytes, its header says 5120"
        );
        assert_eq!(
            Error::Protocol(0x20b).to_string(),
            "the bzImage has boot protocol 2.11; 2.12 is the oldest that can be booted"
        );
    }
}
