//! Boot disks: a plain file with a partition table and file systems, built by
//! sfdisk, mkfs.vfat, mtools, mke2fs, mkfs.xfs, mkfs.btrfs, mkfs.f2fs and genisoimage. No
//! loop device, no root.
//!
//! Partition types: the UAPI Group's discoverable partitions specification.

use crate::command;
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

const MIB: u64 = 1024 * 1024;
const SECTOR: u64 = 512;
/// The smallest size at which mkfs.vfat makes a valid FAT32.
const ESP_MIB: u64 = 40;

/// What a partition holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// A FAT32 file system with the files of this directory.
    Fat(PathBuf),
    /// An ext4 file system with the files of this directory.
    Ext4(PathBuf),
    /// An XFS with the files of this directory.
    Xfs(PathBuf),
    /// A btrfs with the files of this directory.
    Btrfs(PathBuf),
    /// An F2FS with the files of this directory.
    F2fs(PathBuf),
    /// What this file holds, as it stands.
    Image(PathBuf),
    /// Zeros, 1 MiB of them.
    Blank,
}

/// The partition table of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// A GUID partition table.
    Gpt,
    /// An MBR.
    Mbr,
}

/// How a disk is divided, and which of several it is.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Its partition table.
    pub table: Table,
    /// Length of its logical blocks in bytes.
    pub sector: u64,
    /// A number that no other disk of the machine has: from it come all UUIDs.
    pub number: u16,
    /// Whether its length is a power of two, as cards have it.
    pub power_of_two: bool,
}

impl Layout {
    /// The only disk, or the first one.
    #[must_use]
    pub const fn first(table: Table) -> Self {
        Self { table, sector: SECTOR, number: 0, power_of_two: false }
    }

    /// What the table begins with.
    fn heading(&self) -> String {
        let number = self.number;
        match self.table {
            Table::Gpt => {
                format!("label: gpt\nlabel-id: 5455524E-4F55-5400-{number:04}-000000000000\n")
            }
            Table::Mbr => {
                format!("label: dos\nlabel-id: {:#010x}\n", 0x5455_524e_u32 + u32::from(number))
            }
        }
    }

    /// Fixed, so that two disks of the same files are the same bytes.
    fn uuid(&self, partition: u32) -> String {
        format!("5455524E-4F55-5400-{:04}-{partition:012}", self.number)
    }

    fn size(&self, end: u64) -> u64 {
        if self.power_of_two { end.next_power_of_two() } else { end }
    }
}

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// EFI system partition.
    Esp,
    /// Extended boot loader partition.
    Xbootldr,
    /// Linux file system: not one that a boot loader looks at.
    Linux,
    /// Turnout's state area (`docs/rollback.md`).
    StateArea,
}

impl Type {
    /// As sfdisk takes it. An MBR has no type for a state area.
    const fn code(self, table: Table) -> &'static str {
        match (table, self) {
            (Table::Gpt, Self::Esp) => "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
            (Table::Gpt, Self::Xbootldr) => "BC13C2FF-59E6-4262-A352-B275FD6F7172",
            (Table::Gpt, Self::Linux) => "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
            (Table::Gpt, Self::StateArea) => "12805DC4-5DE8-4AA9-968A-494EAFB5184F",
            (Table::Mbr, Self::Esp) => "ef",
            (Table::Mbr, Self::Xbootldr) => "ea",
            (Table::Mbr, Self::Linux | Self::StateArea) => "83",
        }
    }
}

/// One partition, in the order of the table.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Its GPT type.
    pub kind: Type,
    /// Its file system label, and its name in the table.
    pub label: &'static str,
    /// Its file system.
    pub content: Content,
}

/// An empty ESP and an XBOOTLDR partition with the files of `boot`.
pub fn boot_partitions(esp: PathBuf, boot: &Path) -> [Partition; 2] {
    let esp = Content::Fat(esp);
    let boot = Content::Ext4(boot.to_owned());
    [
        Partition { kind: Type::Esp, label: "ESP", content: esp },
        Partition { kind: Type::Xbootldr, label: "XBOOTLDR", content: boot },
    ]
}

/// A state area in which nothing was ever written.
#[must_use]
pub const fn state_area() -> Partition {
    Partition { kind: Type::StateArea, label: "STATE", content: Content::Blank }
}

/// Writes a disk image with a GPT to `out`; `scratch` holds the file systems
/// meanwhile.
pub fn build(partitions: &[Partition], scratch: &Path, out: &Path) -> Result<()> {
    build_with(Table::Gpt, partitions, scratch, out)
}

/// The same with a partition table of either kind.
pub fn build_with(kind: Table, partitions: &[Partition], scratch: &Path, out: &Path) -> Result<()> {
    build_as(&Layout::first(kind), partitions, scratch, out)
}

/// The same for one of several disks, or for one with longer blocks.
pub fn build_as(
    layout: &Layout,
    partitions: &[Partition],
    scratch: &Path,
    out: &Path,
) -> Result<()> {
    let mut table = layout.heading();
    let sector = layout.sector;
    let mut start = MIB;
    let mut placed = Vec::new();
    for (partition, number) in partitions.iter().zip(1_u32..) {
        let image = scratch.join(format!("partition{number}"));
        let size = make_file_system(partition, &layout.uuid(number), &image)?;
        let code = partition.kind.code(layout.table);
        write!(table, "start={}, size={}, type={code}", start / sector, size / sector)?;
        match layout.table {
            Table::Gpt => {
                let uuid = layout.uuid(number);
                writeln!(table, ", uuid={uuid}, name={}", partition.label)?;
            }
            Table::Mbr => writeln!(table)?,
        }
        placed.push((start, image));
        start += size;
    }
    sized_file(out, layout.size(start + MIB))?;
    let mut sfdisk = command::tool("sfdisk");
    if sector != SECTOR {
        sfdisk.args(["--sector-size", &sector.to_string()]);
    }
    command::feed(sfdisk.arg("--quiet").arg(out), &table)?;
    placed.iter().try_for_each(|(start, image)| {
        copy_into(image, out, *start)?;
        Ok(fs::remove_file(image)?)
    })
}

/// Where the bytes of a file lie on a disk that [`build`] made: `partition` counts
/// from 1 and holds ext4. In the order of the file, whole blocks.
pub fn places(disk: &Path, partition: usize, path: &str) -> Result<Vec<Range<u64>>> {
    let start = start_of(disk, partition)?;
    let stats = debugfs(disk, start, "stats -h")?;
    let block = block_size(&stats).context("debugfs names no block size")?;
    let extents = extents(&debugfs(disk, start, &format!("dump_extents {path}"))?);
    (!extents.is_empty()).then_some(()).with_context(|| format!("{path} has no blocks"))?;
    Ok(extents.iter().map(|e| start + e.start * block..start + e.end * block).collect())
}

/// Deletes a file of a disk that [`build`] made: `partition` counts from 1 and holds
/// ext4.
pub fn remove(disk: &Path, partition: usize, path: &str) -> Result<()> {
    let start = start_of(disk, partition)?;
    let before = debugfs(disk, start, &format!("stat {path}"))?;
    ensure!(before.contains("Type: regular"), "{path} is not there");
    let file_system = format!("{}?offset={start}", disk.display());
    let request = format!("rm {path}");
    command::output(command::tool("debugfs").args(["-w", "-R", &request, &file_system])).map(drop)
}

/// Gives a file of a disk that [`build`] made another name: `partition` counts from 1 and
/// holds ext4.
pub fn rename(disk: &Path, partition: usize, from: &str, to: &str) -> Result<()> {
    let start = start_of(disk, partition)?;
    let file_system = format!("{}?offset={start}", disk.display());
    for request in [format!("ln {from} {to}"), format!("unlink {from}")] {
        let mut tool = command::tool("debugfs");
        command::output(tool.args(["-w", "-R", &request, &file_system]))?;
    }
    let there = debugfs(disk, start, &format!("stat {to}"))?;
    ensure!(there.contains("Type: regular"), "{to} is not there");
    Ok(())
}

/// Puts a file into the ext4 that an image holds, in the place of what was there; its
/// directory is made if there is none.
pub fn put(image: &Path, file: &Path, path: &str) -> Result<()> {
    let (directory, _) = path.rsplit_once('/').context("no path of a file")?;
    let write = format!("write {} {path}", file.display());
    for request in [&format!("mkdir {directory}"), &format!("rm {path}"), &write] {
        command::output(command::tool("debugfs").args(["-w", "-R", request]).arg(image))?;
    }
    let there = debugfs(image, 0, &format!("stat {path}"))?;
    ensure!(there.contains("Type: regular"), "{path} was not written");
    Ok(())
}

/// The names in a directory of the ext4 that an image holds.
pub fn names(image: &Path, directory: &str) -> Result<Vec<String>> {
    let lines = debugfs(image, 0, &format!("ls -p {directory}"))?;
    Ok(lines.lines().filter_map(|line| line.split('/').nth(5)).map(str::to_owned).collect())
}

/// The UUID of the ext4 that an image holds.
pub fn uuid_of(image: &Path) -> Result<String> {
    let stats = debugfs(image, 0, "stats -h")?;
    let line = stats.lines().find_map(|line| line.strip_prefix("Filesystem UUID:"));
    Ok(line.context("debugfs names no UUID")?.trim().to_owned())
}

/// What debugfs answers of the ext4 that begins at a byte of a disk.
fn debugfs(disk: &Path, start: u64, request: &str) -> Result<String> {
    let file_system = format!("{}?offset={start}", disk.display());
    command::output(command::tool("debugfs").args(["-R", request, &file_system]))
}

/// Where a partition of a disk begins, in bytes; `partition` counts from 1.
pub fn start_of(disk: &Path, partition: usize) -> Result<u64> {
    let table = command::output(command::tool("sfdisk").arg("--dump").arg(disk))?;
    partition_start(&table, partition).context("no such partition")
}

/// In bytes.
fn partition_start(table: &str, partition: usize) -> Option<u64> {
    let lines = table.lines().filter_map(|line| line.split_once("start=")).map(|(_, rest)| rest);
    let line = lines.into_iter().nth(partition.checked_sub(1)?)?;
    Some(line.split(',').next()?.trim().parse::<u64>().ok()? * SECTOR)
}

fn block_size(stats: &str) -> Option<u64> {
    stats.lines().find_map(|line| line.strip_prefix("Block size:"))?.trim().parse().ok()
}

/// The leaves of an extent tree: `Level Entries Logical Physical Length Flags`,
/// `0/ 1   1/  3     0 -   292  1172 -  1464    293`.
fn extents(dump: &str) -> Vec<Range<u64>> {
    dump.lines().filter_map(extent).collect()
}

fn extent(line: &str) -> Option<Range<u64>> {
    let line = line.replace(['/', '-'], " ");
    let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
    let level = numbers.next()?.ok()?;
    let depth = numbers.next()?.ok()?;
    let physical = numbers.nth(4)?.ok()?;
    let last = numbers.next()?.ok()?;
    (level == depth).then_some(physical..last + 1)
}

fn make_file_system(partition: &Partition, uuid: &str, image: &Path) -> Result<u64> {
    match &partition.content {
        Content::Fat(tree) => make_fat(tree, partition.label, image),
        Content::Ext4(tree) => make_ext4(tree, partition.label, uuid, image),
        Content::Xfs(tree) => make_xfs(tree, partition.label, uuid, image),
        Content::Btrfs(tree) => make_btrfs(tree, partition.label, uuid, image),
        Content::F2fs(tree) => make_f2fs(tree, partition.label, uuid, image),
        Content::Image(made) => clone_of(made, image),
        Content::Blank => sized_file(image, MIB).map(|()| MIB),
    }
}

/// A copy with the same holes.
fn clone_of(made: &Path, image: &Path) -> Result<u64> {
    let mut copy = std::process::Command::new("cp");
    command::output(copy.args(["--sparse=always", "--reflink=auto"]).arg(made).arg(image))?;
    Ok(fs::metadata(image)?.len())
}

fn make_fat(tree: &Path, label: &str, image: &Path) -> Result<u64> {
    let size = ESP_MIB.max(tree_size(tree)? / MIB + 8) * MIB;
    sized_file(image, size)?;
    let mut mkfs = command::tool("mkfs.vfat");
    command::output(
        mkfs.args(["-F", "32", "-i", "54555254", "--invariant", "-n", label]).arg(image),
    )?;
    for entry in fs::read_dir(tree)? {
        let mut copy = command::tool("mcopy");
        command::output(copy.arg("-s").arg("-i").arg(image).arg(entry?.path()).arg("::"))?;
    }
    Ok(size)
}

fn make_ext4(tree: &Path, label: &str, uuid: &str, image: &Path) -> Result<u64> {
    let size = (tree_size(tree)? / MIB + 16) * MIB;
    sized_file(image, size)?;
    let mut mkfs = command::tool("mke2fs");
    mkfs.env("E2FSPROGS_FAKE_TIME", "1700000000").args(["-q", "-F", "-t", "ext4", "-m", "0"]);
    let fixed = format!("hash_seed={uuid}");
    mkfs.args(["-L", label, "-U", uuid, "-E", &fixed, "-d"]).arg(tree).arg(image);
    command::output(&mut mkfs)?;
    Ok(size)
}

/// The smallest XFS that mkfs.xfs makes.
const XFS_MIB: u64 = 320;

fn make_xfs(tree: &Path, label: &str, uuid: &str, image: &Path) -> Result<u64> {
    let size = (tree_size(tree)? / MIB + XFS_MIB) * MIB;
    sized_file(image, size)?;
    let prototype = image.with_extension("prototype");
    // A boot block that nobody reads, numbers that nobody reads, the root.
    fs::write(&prototype, format!("/\n0 0\nd--755 0 0\n{}$\n", xfs_prototype(tree)?))?;
    let mut mkfs = command::tool("mkfs.xfs");
    let fixed = format!("uuid={uuid}");
    mkfs.args(["-q", "-f", "-m", &fixed, "-L", label, "-p"]).arg(prototype).arg(image);
    command::output(&mut mkfs)?;
    Ok(size)
}

/// What a directory holds, as mkfs.xfs(8) has it written: names without blanks.
fn xfs_prototype(directory: &Path) -> Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_str().context("a name that is not UTF-8")?;
        if entry.file_type()?.is_dir() {
            write!(text, "{name} d--755 0 0\n{}$\n", xfs_prototype(&path)?)?;
        } else {
            writeln!(text, "{name} ---644 0 0 {}", path.display())?;
        }
    }
    Ok(text)
}

/// The smallest btrfs that is no mixed one.
const BTRFS_MIB: u64 = 128;

fn make_btrfs(tree: &Path, label: &str, uuid: &str, image: &Path) -> Result<u64> {
    let size = (tree_size(tree)? / MIB * 2 + BTRFS_MIB) * MIB;
    sized_file(image, size)?;
    let mut mkfs = command::tool("mkfs.btrfs");
    mkfs.args(["-q", "-f", "-m", "single", "-L", label, "-U", uuid, "--rootdir"]);
    command::output(mkfs.arg(tree).arg(image))?;
    Ok(size)
}

/// The smallest F2FS that mkfs.f2fs makes, and some.
const F2FS_MIB: u64 = 64;

fn make_f2fs(tree: &Path, label: &str, uuid: &str, image: &Path) -> Result<u64> {
    let size = (tree_size(tree)? / MIB * 2 + F2FS_MIB) * MIB;
    sized_file(image, size)?;
    let mut mkfs = command::tool("mkfs.f2fs");
    command::output(mkfs.args(["-q", "-f", "-l", label, "-U", uuid]).arg(image))?;
    let mut fill = command::tool("sload.f2fs");
    command::output(fill.args(["-P", "-f"]).arg(tree).arg(image))?;
    Ok(size)
}

/// Writes a CD with the files of a directory, as a disk without partitions.
pub fn build_cd(tree: &Path, label: &str, out: &Path) -> Result<()> {
    let mut tool = command::tool("genisoimage");
    tool.args(["-quiet", "-R", "-V", label, "-o"]).arg(out).arg(tree);
    command::output(&mut tool).map(drop)
}

fn tree_size(path: &Path) -> Result<u64> {
    let metadata = fs::symlink_metadata(path).with_context(|| path.display().to_string())?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    fs::read_dir(path)?.map(|entry| tree_size(&entry?.path())).sum()
}

fn sized_file(path: &Path, size: u64) -> Result<()> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    Ok(file.set_len(size)?)
}

/// Copies a file system to its place, leaving holes where it holds zeros.
fn copy_into(image: &Path, disk: &Path, start: u64) -> Result<()> {
    let mut from = File::open(image)?;
    let mut to = OpenOptions::new().write(true).open(disk)?;
    let mut block = vec![0_u8; 64 * 1024];
    let mut at = start;
    loop {
        let count = from.read(&mut block)?;
        let Some(bytes) = block.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        if bytes.iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(at))?;
            to.write_all(bytes)?;
        }
        at += u64::try_from(count)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Scratch;
    use std::process::Command;
    use turnout::source::{filesystem, mbr};

    #[test]
    fn the_places_of_a_file_hold_its_bytes() {
        let scratch = Scratch::new("disk-test").unwrap();
        let [esp, boot] = ["esp", "boot"].map(|name| scratch.subdirectory(name).unwrap());
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[1] | 1).collect();
        fs::write(boot.join("kernel"), &bytes).unwrap();
        let disk = scratch.path().join("disk");
        build(&boot_partitions(esp, &boot), scratch.path(), &disk).unwrap();
        let image = fs::read(&disk).unwrap();
        let places = places(&disk, 2, "/kernel").unwrap();
        let found: Vec<u8> = places
            .iter()
            .map(|place| [place.start, place.end].map(|at| usize::try_from(at).unwrap()))
            .flat_map(|[start, end]| image[start..end].to_vec())
            .collect();
        assert_eq!(found[..bytes.len()], bytes);
        assert!(super::places(&disk, 2, "/none").is_err());
    }

    /// A value of `blkid -p`, which reads the same bytes with other code.
    fn blkid(image: &Path, key: &str) -> Option<String> {
        let mut tool = Command::new("blkid");
        tool.args(["-p", "-o", "value", "-s", key]).arg(image);
        let text = command::output(&mut tool).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    #[test]
    fn file_systems_are_identified_as_blkid_does_it() {
        let scratch = Scratch::new("disk-kinds").unwrap();
        let tree = scratch.subdirectory("tree").unwrap();
        fs::create_dir(tree.join("loader")).unwrap();
        fs::write(tree.join("loader/a"), b"a").unwrap();
        let contents = [Content::Fat, Content::Ext4, Content::Xfs, Content::Btrfs];
        let mut images = Vec::new();
        for (content, number) in contents.into_iter().zip(1..) {
            let partition =
                Partition { kind: Type::Linux, label: "MyBoot", content: content(tree.clone()) };
            let image = scratch.path().join(format!("image{number}"));
            let uuid = Layout::first(Table::Gpt).uuid(number);
            make_file_system(&partition, &uuid, &image).unwrap();
            images.push(image);
        }
        let cd = scratch.path().join("cd");
        build_cd(&tree, "MyBoot", &cd).unwrap();
        images.push(cd);
        for image in images {
            let bytes = fs::read(&image).unwrap();
            let found = filesystem::identify(&bytes).unwrap();
            let of_directory = filesystem::fat_directory(&bytes)
                .filter(|_| found.kind == filesystem::Kind::Vfat)
                .and_then(|range| {
                    let [start, end] =
                        [range.start, range.end].map(|at| usize::try_from(at).unwrap());
                    filesystem::fat_label(bytes.get(start..end)?)
                });
            assert_eq!(Some(found.kind.name().to_owned()), blkid(&image, "TYPE"));
            assert_eq!(found.uuid, blkid(&image, "UUID"), "{}", found.kind);
            assert_eq!(of_directory.or(found.label), blkid(&image, "LABEL"), "{}", found.kind);
        }
    }

    fn sector(disk: &[u8], number: u32) -> &[u8] {
        let start = usize::try_from(number).unwrap() * 512;
        &disk[start..start + 512]
    }

    #[test]
    fn an_mbr_with_logical_partitions_is_read_as_it_was_written() {
        let scratch = Scratch::new("disk-mbr").unwrap();
        let disk = scratch.path().join("disk");
        sized_file(&disk, 64 * MIB).unwrap();
        let script = "label: dos\nlabel-id: 0x1234abcd\n\
                      disk1 : size=4M, type=c, bootable\ndisk2 : size=40M, type=5\n\
                      disk5 : size=4M, type=83\ndisk6 : size=4M, type=ea\n\
                      disk7 : size=4M, type=ef\n";
        command::feed(command::tool("sfdisk").arg("--quiet").arg(&disk), script).unwrap();
        let bytes = fs::read(&disk).unwrap();
        let mut table = mbr::Table::parse(sector(&bytes, 0)).unwrap();
        while let Some(next) = table.next_sector() {
            table.add(sector(&bytes, next));
        }
        let mut dump = command::tool("sfdisk");
        let dump = command::output(dump.arg("--dump").arg(&disk)).unwrap();
        let found: Vec<_> = table.partitions().iter().map(|it| (it.index, it.kind.code)).collect();
        assert_eq!(found, [(1, 0x0c), (5, 0x83), (6, 0xea), (7, 0xef)], "{dump}");
        assert_eq!(table.partuuid(7), "1234abcd-07");
    }

    #[test]
    fn only_leaves_of_an_extent_tree_are_data() {
        let dump = "Level Entries       Logical      Physical Length Flags\n \
                    0/ 1   1/  1     0 -  5999  1100          6000\n \
                    1/ 1   1/  2     0 -   292  1172 -  1464    293 \n \
                    1/ 1   2/  2   293 -   293  2000 -  2000      1 \n";
        assert_eq!(extents(dump), [1172..1465, 2000..2001]);
    }
}
