//! What block devices there are, and the bytes at their start.
//!
//! Device names and sizes come from sysfs; partition types, identifiers and
//! file systems from the devices' own first bytes, parsed by [`crate::source`].
//! Nothing is ever opened for writing.

use core::ops::Range;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::file;
use crate::source::filesystem::{self, FileSystem};
use crate::source::gpt::{self, Header, Partition};
use crate::source::{Candidate, Guid};

const CLASS: &str = "/sys/class/block";
/// The kernel counts sizes in units of 512 bytes whatever the device's block.
const SECTOR: u64 = 512;

/// A disk or a partition, as sysfs shows it.
#[derive(Debug)]
struct Device {
    name: String,
    /// The disk that this is a partition of; the name itself for a disk.
    disk: String,
    /// Number of the partition, counted from 1.
    partition: Option<usize>,
    size: u64,
    removable: bool,
}

/// The partitions of every disk.
type Tables<'a> = Vec<(&'a str, Vec<Partition>)>;

/// Every block device with a size, disks before their partitions.
#[must_use]
pub fn candidates() -> Vec<Candidate> {
    let devices = devices();
    let tables = tables(&devices);
    devices.iter().map(|device| candidate(device, &tables)).collect()
}

/// Names of the partitions of a type, whatever they hold.
#[must_use]
pub fn partitions_of_type(wanted: Guid) -> Vec<String> {
    let devices = devices();
    let tables = tables(&devices);
    let is_wanted = |device: &&Device| {
        entry(device, &tables).is_some_and(|partition| partition.type_guid == wanted)
    };
    devices.iter().filter(is_wanted).map(|device| device.name.clone()).collect()
}

fn devices() -> Vec<Device> {
    file::names(CLASS).unwrap_or_default().into_iter().filter_map(device).collect()
}

fn tables(devices: &[Device]) -> Tables<'_> {
    let disks = devices.iter().filter(|device| device.partition.is_none());
    disks.map(|disk| (disk.name.as_str(), partition_table(&disk.name))).collect()
}

/// What the table of its disk says of a partition.
fn entry<'a>(device: &Device, tables: &'a Tables<'_>) -> Option<&'a Partition> {
    let (_, partitions) = tables.iter().find(|(disk, _)| *disk == device.disk)?;
    partitions.iter().find(|partition| Some(partition.index) == device.partition)
}

fn device(name: String) -> Option<Device> {
    let at = |attribute: &str| file::read_number(format!("{CLASS}/{name}/{attribute}"));
    let size = at("size")?.checked_mul(SECTOR).filter(|size| *size > 0)?;
    let partition = at("partition").and_then(|number| usize::try_from(number).ok());
    let disk = if partition.is_some() { parent(&name)? } else { name.clone() };
    let removable = file::read_number(format!("{CLASS}/{disk}/removable")) == Some(1);
    Some(Device { name, disk, partition, size, removable })
}

/// A partition's directory lies in that of its disk.
fn parent(name: &str) -> Option<String> {
    let path = std::fs::canonicalize(Path::new(CLASS).join(name)).ok()?;
    Some(path.parent()?.file_name()?.to_str()?.to_owned())
}

fn candidate(device: &Device, tables: &Tables<'_>) -> Candidate {
    let partition = entry(device, tables);
    Candidate {
        name: device.name.clone(),
        disk: device.disk.clone(),
        type_guid: partition.map(|partition| partition.type_guid),
        no_auto: partition.is_some_and(Partition::is_no_auto),
        partuuid: partition.map(|partition| partition.partuuid.to_string()),
        filesystem: file_system(&device.name),
        removable: device.removable,
        size: device.size,
    }
}

fn open(name: &str) -> Option<File> {
    File::open(format!("/dev/{name}")).ok()
}

/// Reads a range of bytes; a device that is shorter gives what it has. The
/// parsers bound what they ask for.
fn read_range(device: &File, range: Range<u64>) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(range.end.checked_sub(range.start)?).ok()?];
    let count = device.read_at(&mut bytes, range.start).ok()?;
    bytes.truncate(count);
    Some(bytes)
}

/// The partitions that a disk's GPT names; none where it has no valid one.
fn partition_table(disk: &str) -> Vec<Partition> {
    read_partition_table(disk).unwrap_or_default()
}

fn read_partition_table(disk: &str) -> Option<Vec<Partition>> {
    let block_size = file::read_number(format!("{CLASS}/{disk}/queue/logical_block_size"))?;
    let device = open(disk)?;
    let header = Header::parse(&read_range(&device, gpt::header_range(block_size))?).ok()?;
    header.partitions(&read_range(&device, header.table_range())?).ok()
}

fn file_system(name: &str) -> Option<FileSystem> {
    let start = 0..u64::try_from(filesystem::PROBE_BYTES).ok()?;
    filesystem::identify(&read_range(&open(name)?, start)?)
}
