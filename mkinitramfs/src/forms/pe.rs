//! Adds sections to an EFI program, behind those that it has.
//!
//! Follows Microsoft's PE/COFF specification. The program's own bytes stay where they
//! are, base relocations among them; what changes are the headers that count sections
//! and sizes, and the checksum. The program is somebody's file: no number in it is
//! taken for true before it was compared with the file's length.

use anyhow::{Context as _, Result, bail, ensure};
use turnout::base::arch::Arch;
use turnout::base::bytes::field;

const POINTER: usize = 0x3c;
const COFF_SIZE: usize = 24;
/// PE32+, which is all that 64 bit firmware starts.
const PE32_PLUS: u16 = 0x20b;
const EFI_APPLICATION: u16 = 10;
const SECTION_HEADER: usize = 40;
/// What the format allows.
const MAX_SECTIONS: usize = 96;
const MACHINES: [(u16, Arch); 2] = [(0x8664, Arch::X86_64), (0xaa64, Arch::Aarch64)];

/// Fields of the optional header, from its beginning.
const INITIALIZED_SIZE: usize = 8;
const SECTION_ALIGNMENT: usize = 32;
const FILE_ALIGNMENT: usize = 36;
const IMAGE_SIZE: usize = 56;
const HEADERS_SIZE: usize = 60;
const CHECKSUM: usize = 64;
const SUBSYSTEM: usize = 68;
const DIRECTORIES: usize = 108;
/// Where its signatures are; nothing if it has none.
const CERTIFICATES: usize = 112 + 4 * 8;

/// Read, and there in memory before the program starts.
const DATA: u32 = 0x4000_0040;
/// The same, to be run.
const CODE: u32 = 0x6000_0020;

/// A section to be added.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    /// Its name, of at most eight bytes.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) bytes: &'a [u8],
    /// Whether it is a program.
    pub(super) code: bool,
}

/// What an EFI program's headers say.
struct Headers {
    /// Where the PE signature is.
    coff: usize,
    /// How long the optional header is.
    optional_size: usize,
    sections: Vec<Header>,
    section_alignment: u32,
    file_alignment: u32,
    /// Up to where headers may lie.
    headers_size: usize,
}

struct Header {
    name: [u8; 8],
    memory: u32,
    memory_size: u32,
    file: u32,
    file_size: u32,
}

/// The architecture of an EFI program, which nothing is to be added to: kernels have
/// alignments that no section could come to.
///
/// # Errors
/// It is none, or for a machine that is not supported.
pub(super) fn arch(program: &[u8]) -> Result<Arch> {
    let machine = u16_at(program, signature(program)?.saturating_add(4))?;
    let arch = MACHINES.iter().find(|(code, _)| *code == machine).map(|(_, arch)| *arch);
    arch.with_context(|| format!("for PE machine {machine:#x}, neither x86_64 nor aarch64"))
}

/// Where the PE signature is.
fn signature(program: &[u8]) -> Result<usize> {
    ensure!(program.starts_with(b"MZ"), "no EFI program: it does not begin with MZ");
    let at = usize::try_from(u32_at(program, POINTER)?)?;
    ensure!(field(program, at) == Some(*b"PE\0\0"), "no EFI program: it has no PE header");
    Ok(at)
}

/// The program with these sections behind its own, in their order.
///
/// # Errors
/// It is no EFI program, is signed, has such a section, has no room in its headers, or
/// the whole would be larger than the format can say.
pub(super) fn append(program: &[u8], sections: &[Section<'_>]) -> Result<Vec<u8>> {
    let headers = Headers::read(program)?;
    headers.check(program, sections)?;
    let mut file = program.to_vec();
    let mut memory = headers.memory_end()?;
    for (section, number) in sections.iter().zip(headers.sections.len()..) {
        pad(&mut file, headers.file_alignment)?;
        let place = file.len();
        file.extend_from_slice(section.bytes);
        pad(&mut file, headers.file_alignment)?;
        let header = Header {
            name: name(section.name)?,
            memory,
            memory_size: u32::try_from(section.bytes.len())?,
            file: u32::try_from(place).context("it would be larger than 4 GiB")?,
            file_size: u32::try_from(file.len().saturating_sub(place))?,
        };
        memory = aligned(header.end()?, headers.section_alignment)?;
        let at = headers.table().saturating_add(number.saturating_mul(SECTION_HEADER));
        put(&mut file, at, &header.write(section.code))?;
    }
    headers.write_counts(&mut file, sections, memory)?;
    let sum = checksum(&file, headers.optional().saturating_add(CHECKSUM))?;
    put(&mut file, headers.optional().saturating_add(CHECKSUM), &sum.to_le_bytes())?;
    Ok(file)
}

impl Headers {
    fn read(program: &[u8]) -> Result<Self> {
        let coff = signature(program)?;
        let optional = coff.saturating_add(COFF_SIZE);
        ensure!(u16_at(program, optional)? == PE32_PLUS, "no EFI program of 64 bits (PE32+)");
        let subsystem = u16_at(program, optional.saturating_add(SUBSYSTEM))?;
        ensure!(subsystem == EFI_APPLICATION, "no EFI application: its subsystem is {subsystem}");
        let headers = Self {
            coff,
            optional_size: usize::from(u16_at(program, coff.saturating_add(20))?),
            sections: Vec::new(),
            section_alignment: alignment(program, optional.saturating_add(SECTION_ALIGNMENT))?,
            file_alignment: alignment(program, optional.saturating_add(FILE_ALIGNMENT))?,
            headers_size: usize::try_from(u32_at(program, optional.saturating_add(HEADERS_SIZE))?)?,
        };
        headers.with_sections(program)
    }

    fn with_sections(mut self, program: &[u8]) -> Result<Self> {
        let count = usize::from(u16_at(program, self.coff.saturating_add(6))?);
        ensure!(count <= MAX_SECTIONS, "{count} sections are more than the format allows");
        ensure!(
            self.optional_size >= CERTIFICATES + 8,
            "its optional header ends after {} bytes, before the place for a signature",
            self.optional_size
        );
        for number in 0..count {
            let at = self.table().saturating_add(number.saturating_mul(SECTION_HEADER));
            self.sections.push(Header::read(program, at)?);
        }
        Ok(self)
    }

    const fn optional(&self) -> usize {
        self.coff.saturating_add(COFF_SIZE)
    }

    /// Where the section table begins.
    const fn table(&self) -> usize {
        self.optional().saturating_add(self.optional_size)
    }

    /// Whether these sections can come to those that it has.
    fn check(&self, program: &[u8], sections: &[Section<'_>]) -> Result<()> {
        let directories = u32_at(program, self.optional().saturating_add(DIRECTORIES))?;
        ensure!(directories >= 5, "its headers have no place for a signature");
        let signed: Option<[u8; 8]> = field(program, self.optional().saturating_add(CERTIFICATES));
        ensure!(
            signed == Some([0; 8]),
            "it is signed, and would not be any more: take the one that is not"
        );
        for section in sections {
            let name = name(section.name)?;
            if self.sections.iter().any(|own| own.name == name) {
                bail!("it has a section {} already, so it is no bare stub", section.name);
            }
        }
        let end = self.sections.iter().map(Header::file_end).max().unwrap_or(0);
        ensure!(end <= program.len() as u64, "cut off: its sections end at {end}");
        self.check_room(program, sections.len())
    }

    /// The headers of the new sections must lie before the first section's bytes.
    fn check_room(&self, program: &[u8], more: usize) -> Result<()> {
        let count = self.sections.len().saturating_add(more);
        let taken = self.table().saturating_add(self.sections.len().saturating_mul(SECTION_HEADER));
        let end = self.table().saturating_add(count.saturating_mul(SECTION_HEADER));
        let first = self.sections.iter().filter(|one| one.file_size > 0).map(|one| one.file).min();
        let room = first.map_or(self.headers_size, |at| {
            usize::try_from(at).unwrap_or(0).min(self.headers_size)
        });
        ensure!(
            count <= MAX_SECTIONS && end <= room,
            "its headers have no room for {more} more sections: take a stub of systemd 254 or newer"
        );
        let free = program.get(taken..end).context("cut off in its headers")?;
        ensure!(free.iter().all(|byte| *byte == 0), "something lies behind its section table");
        Ok(())
    }

    /// Where in memory the next section may be.
    fn memory_end(&self) -> Result<u32> {
        let mut end = u32::try_from(self.headers_size)?;
        for section in &self.sections {
            end = end.max(section.end()?);
        }
        aligned(end, self.section_alignment)
    }

    fn write_counts(&self, file: &mut [u8], new: &[Section<'_>], memory: u32) -> Result<()> {
        let count = u16::try_from(self.sections.len().saturating_add(new.len()))?;
        put(file, self.coff.saturating_add(6), &count.to_le_bytes())?;
        put(file, self.optional().saturating_add(IMAGE_SIZE), &memory.to_le_bytes())?;
        let at = self.optional().saturating_add(INITIALIZED_SIZE);
        let mut data = u64::from(u32_at(file, at)?);
        for section in new.iter().filter(|section| !section.code) {
            data = data.saturating_add(section.bytes.len() as u64);
        }
        let data = u32::try_from(data).context("it would be larger than 4 GiB")?;
        put(file, at, &data.to_le_bytes())
    }
}

impl Header {
    fn read(program: &[u8], at: usize) -> Result<Self> {
        Ok(Self {
            name: field(program, at).context("cut off in its section table")?,
            memory_size: u32_at(program, at.saturating_add(8))?,
            memory: u32_at(program, at.saturating_add(12))?,
            file_size: u32_at(program, at.saturating_add(16))?,
            file: u32_at(program, at.saturating_add(20))?,
        })
    }

    /// Without relocations and line numbers of its own.
    fn write(&self, code: bool) -> [u8; SECTION_HEADER] {
        let [name, flags] = [self.name, [0; 8]];
        let mut header = name.to_vec();
        for value in [self.memory_size, self.memory, self.file_size, self.file] {
            header.extend(value.to_le_bytes());
        }
        header.extend(flags);
        header.extend([0; 4]);
        header.extend(if code { CODE } else { DATA }.to_le_bytes());
        header.first_chunk().copied().unwrap_or([0; SECTION_HEADER])
    }

    /// Where it ends in memory.
    fn end(&self) -> Result<u32> {
        let end = self.memory.checked_add(self.memory_size.max(1));
        end.context("it would need more than 4 GiB in memory")
    }

    fn file_end(&self) -> u64 {
        u64::from(self.file).saturating_add(u64::from(self.file_size))
    }
}

fn name(text: &str) -> Result<[u8; 8]> {
    let mut name = [0; 8];
    let place = name.get_mut(..text.len()).context("a longer name than 8 bytes")?;
    place.copy_from_slice(text.as_bytes());
    Ok(name)
}

fn alignment(program: &[u8], at: usize) -> Result<u32> {
    let value = u32_at(program, at)?;
    let fits = value.is_power_of_two() && (512..=65536).contains(&value);
    ensure!(fits, "its sections are aligned to {value} bytes");
    Ok(value)
}

fn aligned(value: u32, to: u32) -> Result<u32> {
    value.checked_next_multiple_of(to).context("it would need more than 4 GiB in memory")
}

fn pad(file: &mut Vec<u8>, to: u32) -> Result<()> {
    file.resize(file.len().next_multiple_of(usize::try_from(to)?), 0);
    Ok(())
}

/// The sum of all 16 bit words with the carries added in, and the length; the field
/// itself counts as zero.
fn checksum(file: &[u8], at: usize) -> Result<u32> {
    let mut sum = file.chunks(2).fold(0_u64, |sum, pair| {
        let word = match pair {
            [low, high] => u16::from_le_bytes([*low, *high]),
            [low] => u16::from(*low),
            _ => 0,
        };
        sum.wrapping_add(u64::from(word))
    });
    for at in [at, at.saturating_add(2)] {
        sum = sum.wrapping_sub(u64::from(u16_at(file, at)?));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff).wrapping_add(sum >> 16);
    }
    let length = u32::try_from(file.len()).context("it would be larger than 4 GiB")?;
    length.checked_add(u32::try_from(sum)?).context("it would be larger than 4 GiB")
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) -> Result<()> {
    let place = file.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
    place.context("cut off in its headers")?.copy_from_slice(bytes);
    Ok(())
}

fn u16_at(file: &[u8], at: usize) -> Result<u16> {
    field(file, at).map(u16::from_le_bytes).context("cut off in its headers")
}

fn u32_at(file: &[u8], at: usize) -> Result<u32> {
    field(file, at).map(u32::from_le_bytes).context("cut off in its headers")
}
