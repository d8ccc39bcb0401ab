//! A disk that UEFI firmware starts by itself: an EFI system partition whose program
//! for removable media is a unified kernel image; for a stick or a virtual machine.
//!
//! What tells disk and partition from others is made of the program's own bytes.

use anyhow::{Context as _, Result, ensure};
use turnout::base::arch::Arch;
use turnout::base::digest::Digest;
use turnout::image::{UkiError, open_uki};

use super::fat::Volume;
use super::gpt::{SECTOR, Table};

/// Where partitions begin, and what is kept free behind them.
const MIB: u64 = 1 << 20;
/// Room for a newer program beside this one, and for menus.
const ROOM: u64 = 16 * MIB;
const SMALLEST: u64 = 64 * MIB;
/// More than this is a slip of the hand.
const LARGEST: u64 = 16 << 30;
const NAME: &str = "Turnout";

/// The disk's bytes.
///
/// # Errors
/// The program is no unified kernel image, or larger than the disk that was asked for.
pub fn build(uki: &[u8], asked: Option<u64>) -> Result<Vec<u8>> {
    let arch = arch(uki).context("only a unified kernel image starts by itself")?;
    let size = size(uki.len() as u64, asked)?;
    let [first, sectors] = [MIB / SECTOR, size.saturating_sub(2 * MIB) / SECTOR];
    let digest = Digest::of(uki);
    let table = Table {
        sectors: size / SECTOR,
        first,
        last: first.saturating_add(sectors).saturating_sub(1),
        identities: [identity(&digest, 0), identity(&digest, 1)],
        name: NAME,
    };
    let [.., a, b, c, d] = digest.0;
    let volume = Volume {
        sectors: u32::try_from(sectors)?,
        start: u32::try_from(first)?,
        serial: u32::from_le_bytes([a, b, c, d]),
        name: program_name(arch),
        file: uki,
    };
    assemble(size, &table, &volume)
}

fn assemble(size: u64, table: &Table<'_>, volume: &Volume<'_>) -> Result<Vec<u8>> {
    let mut disk = table.front()?;
    disk.resize(usize::try_from(MIB)?, 0);
    disk.extend(volume.build()?);
    let back = table.back()?;
    disk.resize(usize::try_from(size)?.saturating_sub(back.len()), 0);
    disk.extend(back);
    Ok(disk)
}

fn arch(uki: &[u8]) -> Result<Arch, UkiError> {
    open_uki(uki, 0).map(|uki| uki.arch())
}

/// Whole mebibytes.
fn size(program: u64, asked: Option<u64>) -> Result<u64> {
    let needed = program.saturating_add(8 * MIB).max(36 * MIB).next_multiple_of(MIB);
    let usual = program.saturating_mul(2).saturating_add(ROOM).max(SMALLEST).next_multiple_of(MIB);
    let size = asked.map_or(usual, |mib| mib.saturating_mul(MIB));
    ensure!(size >= needed, "a disk of {} MiB is too small: it takes {}", size / MIB, needed / MIB);
    ensure!(size <= LARGEST, "a disk of {} MiB: at most {}", size / MIB, LARGEST / MIB);
    Ok(size)
}

/// What firmware looks for on removable media (UEFI 2.10, chapter 3.5.1.1), as FAT
/// writes it.
const fn program_name(arch: Arch) -> &'static [u8; 11] {
    match arch {
        Arch::X86_64 => b"BOOTX64 EFI",
        Arch::Aarch64 => b"BOOTAA64EFI",
    }
}

/// A GUID of version 8 (RFC 9562), as it lies on a disk.
fn identity(digest: &Digest, which: usize) -> [u8; 16] {
    let chunks = digest.0.as_chunks::<16>().0;
    let mut identity = chunks.get(which).copied().unwrap_or_default();
    let [.., version, variant] = identity.first_chunk::<9>().copied().unwrap_or_default();
    let [_, _, _, _, _, _, _, high, top, ..] = &mut identity;
    *high = (version & 0x0f) | 0x80;
    *top = (variant & 0x3f) | 0x80;
    identity
}
