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
use crate::source::filesystem::{self, FileSystem, Kind};
use crate::source::gpt::{self, Header};
use crate::source::{Candidate, Guid, PartitionType, StateDevice, mbr};

const CLASS: &str = "/sys/class/block";
/// The kernel counts sizes in units of 512 bytes whatever the device's block.
const SECTOR: u64 = 512;

/// A disk or a partition, as sysfs shows it. Two that are equal are the same one
/// with the same medium in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Device {
    name: String,
    /// The disk that this is a partition of; the name itself for a disk.
    disk: String,
    /// Number of the partition, counted from 1.
    partition: Option<usize>,
    size: u64,
    removable: bool,
    /// Another number for every disk and every medium since the start; not in
    /// kernels before 5.15.
    sequence: Option<u64>,
}

/// A partition, whichever kind of table has it.
struct Slot {
    index: usize,
    kind: PartitionType,
    no_auto: bool,
    partuuid: String,
    label: Option<String>,
}

/// The partitions of a disk; or why its table cannot be used.
type Table = Result<Vec<Slot>, String>;

/// The block devices, each probed once: a device that answers slowly, or not at
/// all, does not get in the way whenever another one comes or goes.
#[derive(Debug, Default)]
pub struct Inventory(Vec<Device>);

/// What became different.
#[derive(Debug, Default)]
pub struct Changes {
    /// Names of devices that are gone, or have another medium in them.
    pub gone: Vec<String>,
    /// Devices that were not there before; all that have a size.
    pub fresh: Vec<Candidate>,
}

impl Inventory {
    /// Looks for devices that came and went, and probes those that are new.
    pub fn refresh(&mut self) -> Changes {
        let now = devices();
        let gone = self.0.iter().filter(|device| !now.contains(device));
        let gone = gone.map(|device| device.name.clone()).collect();
        let fresh: Vec<_> = now.iter().filter(|device| !self.0.contains(device)).collect();
        let tables = tables(&now, &fresh);
        let fresh = fresh.iter().map(|device| candidate(device, &tables, &now)).collect();
        self.0 = now;
        Changes { gone, fresh }
    }
}

/// One device, by its name; none where there is none.
#[must_use]
pub fn named(name: &str) -> Option<Candidate> {
    let all = devices();
    let one = all.iter().find(|device| device.name == name)?;
    Some(candidate(one, &tables(&all, &[one]), &all))
}

/// The kernel's name of the device with these numbers (`8:1`), which a file system is
/// mounted from; none for one of several devices, or of none.
#[must_use]
pub fn name_of(numbers: &str) -> Option<String> {
    let event = file::read_text(Path::new("/sys/dev/block").join(numbers).join("uevent")).ok()?;
    let name = event.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(name.replace('/', "!"))
}

/// Names of the devices that may hold the state, as long as nobody looks at what they
/// hold.
#[must_use]
pub fn state_devices(wanted: &StateDevice) -> Vec<String> {
    match wanted {
        StateDevice::ByType => partitions(|slot| slot.kind == PartitionType::Gpt(Guid::STATE_AREA)),
        StateDevice::Selected(selector) => {
            partitions(|slot| selector.selects_partition(&slot.partuuid, slot.label.as_deref()))
        }
        StateDevice::Named(name) => {
            devices().into_iter().map(|device| device.name).filter(|one| one == name).collect()
        }
    }
}

/// Names of the partitions whose entry in a table is wanted.
///
/// What can be taken away counts only where nothing else is found: whoever plugs in
/// a stick does not keep a machine from its own state.
fn partitions(is_wanted: impl Fn(&Slot) -> bool) -> Vec<String> {
    let devices = devices();
    let tables = tables(&devices, &devices.iter().collect::<Vec<_>>());
    let found = devices.iter().filter(|device| slot(device, &tables).is_some_and(&is_wanted));
    fixed_first(&found.collect::<Vec<_>>())
}

fn fixed_first(found: &[&Device]) -> Vec<String> {
    let has_fixed = found.iter().any(|device| !device.removable);
    let counting = found.iter().filter(|device| !(has_fixed && device.removable));
    counting.map(|device| device.name.clone()).collect()
}

/// What a device holds that nobody should write over, if that is known.
#[must_use]
pub fn content(name: &str) -> Option<&'static str> {
    let is_disk = devices().iter().any(|one| one.partition.is_some() && one.disk == name);
    let held = file_system(name).map(|found| found.kind.name());
    held.or(is_disk.then_some("partitions"))
}

fn devices() -> Vec<Device> {
    file::names(CLASS).unwrap_or_default().into_iter().filter_map(device).collect()
}

/// The tables of the disks that one of these is, or is on.
fn tables<'a>(devices: &'a [Device], of: &[&Device]) -> Vec<(&'a str, Table)> {
    let disks = devices.iter().filter(|device| device.partition.is_none());
    let needed = disks.filter(|disk| of.iter().any(|device| device.disk == disk.name));
    needed.map(|disk| (disk.name.as_str(), partition_table(&disk.name))).collect()
}

fn table<'a>(disk: &str, tables: &'a [(&str, Table)]) -> Option<&'a Table> {
    tables.iter().find(|(name, _)| *name == disk).map(|(_, table)| table)
}

/// What the table of its disk says of a partition.
fn slot<'a>(device: &Device, tables: &'a [(&str, Table)]) -> Option<&'a Slot> {
    let slots = table(&device.disk, tables)?.as_ref().ok()?;
    slots.iter().find(|slot| Some(slot.index) == device.partition)
}

fn device(name: String) -> Option<Device> {
    let size = attribute(&name, "size")?.checked_mul(SECTOR).filter(|size| *size > 0)?;
    let partition = attribute(&name, "partition").and_then(|number| usize::try_from(number).ok());
    let path = std::fs::canonicalize(Path::new(CLASS).join(&name)).ok()?;
    let disk = if partition.is_some() { parent(&path)? } else { name.clone() };
    let removable = attribute(&disk, "removable") == Some(1) || is_on_usb(&path);
    let sequence = attribute(&disk, "diskseq");
    Some(Device { name, disk, partition, size, removable, sequence })
}

/// What sysfs says of a device, as a number.
fn attribute(device: &str, name: &str) -> Option<u64> {
    file::read_number(format!("{CLASS}/{device}/{name}"))
}

/// A partition's directory lies in that of its disk.
fn parent(path: &Path) -> Option<String> {
    Some(path.parent()?.file_name()?.to_str()?.to_owned())
}

/// A disk in a USB enclosure does not say of itself that it is removable.
fn is_on_usb(path: &Path) -> bool {
    path.iter().any(|part| part.as_encoded_bytes().starts_with(b"usb"))
}

fn candidate(device: &Device, tables: &[(&str, Table)], devices: &[Device]) -> Candidate {
    let slot = slot(device, tables);
    let is_whole = device.partition.is_none();
    let fault = table(&device.name, tables).and_then(|table| table.as_ref().err());
    Candidate {
        name: device.name.clone(),
        disk: device.disk.clone(),
        kind: slot.map(|slot| slot.kind),
        is_partitioned: is_whole
            && devices.iter().any(|one| one.partition.is_some() && one.disk == device.name),
        no_auto: slot.is_some_and(|slot| slot.no_auto),
        partuuid: slot.map(|slot| slot.partuuid.clone()),
        partlabel: slot.and_then(|slot| slot.label.clone()),
        filesystem: file_system(&device.name),
        removable: device.removable,
        size: device.size,
        fault: fault.cloned(),
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

/// No partitions where there is no table.
fn partition_table(disk: &str) -> Table {
    let Some(device) = open(disk) else { return Ok(Vec::new()) };
    let block_size = file::read_number(format!("{CLASS}/{disk}/queue/logical_block_size"));
    let block_size = block_size.unwrap_or(SECTOR);
    match gpt_slots(&device, block_size) {
        Some(Err(gpt::Error::Signature)) => Ok(mbr_slots(&device, block_size).unwrap_or_default()),
        Some(Err(error)) => Err(error.to_string()),
        Some(Ok(slots)) => Ok(slots),
        None => Ok(Vec::new()),
    }
}

/// None where the disk cannot be read.
fn gpt_slots(device: &File, block_size: u64) -> Option<Result<Vec<Slot>, gpt::Error>> {
    let header = match Header::parse(&read_range(device, gpt::header_range(block_size))?) {
        Ok(header) => header,
        Err(error) => return Some(Err(error)),
    };
    let partitions = header.partitions(&read_range(device, header.table_range())?);
    Some(partitions.map(|found| found.into_iter().map(gpt_slot).collect()))
}

fn gpt_slot(partition: gpt::Partition) -> Slot {
    Slot {
        index: partition.index,
        kind: PartitionType::Gpt(partition.type_guid),
        no_auto: partition.is_no_auto(),
        partuuid: partition.partuuid.to_string(),
        label: Some(partition.name).filter(|name| !name.is_empty()),
    }
}

/// A table counts in blocks of its disk, and takes 512 bytes of one.
fn mbr_slots(device: &File, block_size: u64) -> Option<Vec<Slot>> {
    let mut table = mbr::Table::parse(&sector(device, 0, block_size)?)?;
    while let Some(next) = table.next_sector() {
        table.add(&sector(device, next.into(), block_size)?);
    }
    let partitions = table.partitions().iter();
    Some(partitions.map(|partition| mbr_slot(&table, partition)).collect())
}

/// The first 512 bytes of a block.
fn sector(device: &File, number: u64, block_size: u64) -> Option<Vec<u8>> {
    let start = number.checked_mul(block_size)?;
    read_range(device, start..start.checked_add(SECTOR)?)
}

fn mbr_slot(table: &mbr::Table, partition: &mbr::Partition) -> Slot {
    Slot {
        index: partition.index,
        kind: PartitionType::Mbr(partition.kind),
        no_auto: false,
        partuuid: table.partuuid(partition.index),
        label: None,
    }
}

fn file_system(name: &str) -> Option<FileSystem> {
    let device = open(name)?;
    let start = read_range(&device, 0..u64::try_from(filesystem::PROBE_BYTES).ok()?)?;
    let mut found = filesystem::identify(&start)?;
    if found.kind == Kind::Vfat {
        let directory = filesystem::fat_directory(&start);
        let directory = directory.and_then(|range| read_range(&device, range));
        found.label = directory.and_then(|it| filesystem::fat_label(&it)).or(found.label);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(name: &str, removable: bool) -> Device {
        let disk = name.trim_end_matches('1').to_owned();
        Device {
            name: name.to_owned(),
            disk,
            partition: Some(1),
            size: 1 << 20,
            removable,
            sequence: None,
        }
    }

    #[test]
    fn a_state_area_on_a_stick_counts_only_where_no_other_disk_has_one() {
        let disk = partition("sda1", false);
        let other = partition("vda1", false);
        let stick = partition("sdb1", true);
        assert_eq!(fixed_first(&[&disk, &stick]), ["sda1"]);
        assert_eq!(fixed_first(&[&stick]), ["sdb1"]);
        assert_eq!(fixed_first(&[&disk, &stick, &other]), ["sda1", "vda1"]);
    }
}
