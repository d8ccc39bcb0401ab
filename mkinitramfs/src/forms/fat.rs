//! A FAT32 file system with one file in it, in the directory that firmware looks in.
//!
//! Follows Microsoft's FAT specification (version 1.03). All times are the first that
//! it can say, so that the same file gives the same bytes.

use anyhow::{Context as _, Result, ensure};

pub(super) const SECTOR: usize = 512;
/// As formatting programs have it: boot sector, its copy, and room.
const RESERVED: u32 = 32;
const COPIES: u32 = 2;
/// What FAT32 has at least: with fewer it would be a FAT16.
const MIN_CLUSTERS: u32 = 65525;
/// Up to here clusters are one sector, and then eight: firmware reads large clusters
/// faster, and small ones make the smallest file system.
const SMALL_SECTORS: u32 = 260 * 2048;
const ENTRIES_PER_SECTOR: u32 = 128;
/// Halts, again and again.
const HANG: [u8; 3] = [0xf4, 0xeb, 0xfd];
const END: u32 = 0x0fff_ffff;
const MEDIA: u32 = 0x0fff_fff8;
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
const LABEL: u8 = 0x08;
/// 1980-01-01, the first day that there is.
const DATE: u16 = 1 << 5 | 1;
const NAME: &[u8; 11] = b"TURNOUT    ";
/// The directories, one in the other, and after them the file.
const ROOT: u32 = 2;
const EFI: u32 = 3;
const BOOT: u32 = 4;
const FILE: u32 = 5;
/// Where the copy of the first sectors is.
const BACKUP: usize = 6;

/// What to make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volume<'a> {
    /// How long the partition is, in sectors.
    pub(super) sectors: u32,
    /// Where it begins on its disk, in sectors.
    pub(super) start: u32,
    /// What tells it from others.
    pub(super) serial: u32,
    /// Name of the file in `EFI/BOOT`: eight characters, and three.
    pub(super) name: &'a [u8; 11],
    /// What it holds.
    pub(super) file: &'a [u8],
}

/// Where things are, in sectors.
struct Layout {
    cluster: u32,
    clusters: u32,
    table: u32,
}

impl Volume<'_> {
    /// Its bytes up to the end of the file; all that follows is zero.
    pub(super) fn build(&self) -> Result<Vec<u8>> {
        let layout = Layout::of(self.sectors)?;
        let used = u32::try_from(self.file.len().div_ceil(layout.cluster_bytes()))?;
        ensure!(used > 0, "an empty file");
        let free = layout.clusters.checked_sub(used.saturating_add(FILE - ROOT));
        let free = free.with_context(|| {
            format!("{} bytes have no room in {} sectors", self.file.len(), self.sectors)
        })?;
        let mut volume = self.reserved(&layout, free, FILE.saturating_add(used));
        for _ in 0..COPIES {
            volume.extend(layout.table(used)?);
        }
        for directory in self.directories()? {
            volume.extend(padded(directory, layout.cluster_bytes()));
        }
        volume.extend_from_slice(self.file);
        Ok(volume)
    }

    /// Boot sector and information sector, both again, and room.
    fn reserved(&self, layout: &Layout, free: u32, next: u32) -> Vec<u8> {
        let first = [self.boot_sector(layout), information(free, next)].concat();
        let mut sectors = padded(first.clone(), BACKUP * SECTOR);
        sectors.extend(first);
        padded(sectors, RESERVED as usize * SECTOR)
    }

    /// Without a program: firmware that starts one from here would hang, and jumps to
    /// itself instead.
    fn boot_sector(&self, layout: &Layout) -> Vec<u8> {
        let mut sector = vec![0xeb, 0x58, 0x90];
        sector.extend(b"TURNOUT ");
        sector.extend(512_u16.to_le_bytes());
        sector.push(layout.cluster_code());
        sector.extend([RESERVED.to_le_bytes()[0], 0, COPIES.to_le_bytes()[0]]);
        // No entries of the root and no sectors that 16 bits could count.
        sector.extend([0, 0, 0, 0, 0xf8, 0, 0]);
        // A geometry that nothing reads.
        sector.extend([63, 0, 255, 0]);
        for value in [self.start, self.sectors, layout.table] {
            sector.extend(value.to_le_bytes());
        }
        // No flags, version 0.0.
        sector.extend([0; 4]);
        sector.extend(ROOT.to_le_bytes());
        sector.extend([1, 0, 6, 0]);
        sector.extend([0; 12]);
        sector.extend([0x80, 0, 0x29]);
        sector.extend(self.serial.to_le_bytes());
        sector.extend(NAME);
        sector.extend(b"FAT32   ");
        sector.extend(HANG);
        ended(sector)
    }

    /// Root, `EFI` and `EFI/BOOT`. The parent of a directory in the root is cluster 0.
    fn directories(&self) -> Result<[Vec<u8>; 3]> {
        let size = u32::try_from(self.file.len()).context("larger than a FAT can hold")?;
        let root = [entry(NAME, LABEL, 0, 0), entry(b"EFI        ", DIRECTORY, EFI, 0)];
        let efi = [
            entry(b".          ", DIRECTORY, EFI, 0),
            entry(b"..         ", DIRECTORY, 0, 0),
            entry(b"BOOT       ", DIRECTORY, BOOT, 0),
        ];
        let boot = [
            entry(b".          ", DIRECTORY, BOOT, 0),
            entry(b"..         ", DIRECTORY, EFI, 0),
            entry(self.name, ARCHIVE, FILE, size),
        ];
        Ok([root.concat(), efi.concat(), boot.concat()])
    }
}

impl Layout {
    /// The tables are as long as they would have to be if they took no room.
    fn of(sectors: u32) -> Result<Self> {
        let cluster = if sectors <= SMALL_SECTORS { 1 } else { 8 };
        let most = (sectors / cluster).saturating_add(ROOT);
        let table = most.div_ceil(ENTRIES_PER_SECTOR);
        let before = table.saturating_mul(COPIES).saturating_add(RESERVED);
        let clusters = sectors.saturating_sub(before) / cluster;
        ensure!(clusters >= MIN_CLUSTERS, "{sectors} sectors are too few for a FAT32");
        Ok(Self { cluster, clusters, table })
    }

    const fn cluster_code(&self) -> u8 {
        self.cluster.to_le_bytes()[0]
    }

    const fn cluster_bytes(&self) -> usize {
        self.cluster as usize * SECTOR
    }

    /// Each directory is one cluster, and the file all those behind them.
    fn table(&self, used: u32) -> Result<Vec<u8>> {
        let last = FILE.saturating_add(used).saturating_sub(1);
        let mut table = Vec::new();
        for link in [MEDIA, END, END, END, END].into_iter().chain(FILE.saturating_add(1)..=last) {
            table.extend(link.to_le_bytes());
        }
        table.extend(END.to_le_bytes());
        Ok(padded(table, usize::try_from(self.table)?.saturating_mul(SECTOR)))
    }
}

/// How much is free, and where to look first.
fn information(free: u32, next: u32) -> Vec<u8> {
    let mut sector = padded(b"RRaA".to_vec(), 484);
    sector.extend(b"rrAa");
    sector.extend(free.to_le_bytes());
    sector.extend(next.to_le_bytes());
    ended(sector)
}

fn entry(name: &[u8; 11], attributes: u8, cluster: u32, size: u32) -> Vec<u8> {
    let [low, more, high, highest] = cluster.to_le_bytes();
    let [day, year] = DATE.to_le_bytes();
    let mut entry = name.to_vec();
    entry.extend([attributes, 0, 0, 0, 0, day, year, day, year, high, highest]);
    entry.extend([0, 0, day, year, low, more]);
    entry.extend(size.to_le_bytes());
    entry
}

/// A sector with the mark of one that may be started.
fn ended(sector: Vec<u8>) -> Vec<u8> {
    let mut sector = padded(sector, SECTOR - 2);
    sector.extend([0x55, 0xaa]);
    sector
}

fn padded(mut bytes: Vec<u8>, to: usize) -> Vec<u8> {
    bytes.resize(to, 0);
    bytes
}
