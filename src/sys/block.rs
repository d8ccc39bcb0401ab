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
use crate::source::raid::{self, Member};
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
    /// Where on its disk it begins, in bytes.
    start: u64,
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

/// What a disk says of its partitions.
struct Disk<'a> {
    name: &'a str,
    table: Table,
    /// What all of the disk holds; a member of an array has the partitions in that.
    /// Nothing where nobody asked.
    content: Content,
}

/// What a device holds, as far as that is known.
#[derive(Clone, Default)]
struct Content {
    filesystem: Option<FileSystem>,
    member: Option<Member>,
}

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
    /// `/sys/class/block`, `open(2)`, `read(2)`: looks for devices that came and went, and
    /// probes those that are new.
    pub fn refresh(&mut self) -> Changes {
        let mut now = devices();
        // Those are parts of others, which show them already.
        now.retain(|device| !device.name.starts_with("loop"));
        let gone = self.0.iter().filter(|device| !now.contains(device));
        let gone = gone.map(|device| device.name.clone()).collect();
        let fresh: Vec<_> = now.iter().filter(|device| !self.0.contains(device)).collect();
        let tables = disks(&now, &fresh);
        let fresh = fresh.iter().map(|device| candidate(device, &tables, &now)).collect();
        self.0 = now;
        Changes { gone, fresh }
    }
}

/// `/sys/class/block`, `open(2)`, `read(2)`: one device, by its name; none where there is
/// none.
#[must_use]
pub fn named(name: &str) -> Option<Candidate> {
    let all = devices();
    let one = all.iter().find(|device| device.name == name)?;
    Some(candidate(one, &disks(&all, &[one]), &all))
}

/// `/sys/dev/block`: the kernel's name of the device with these numbers (`8:1`), which a
/// file system is mounted from; none for one of several devices, or of none.
#[must_use]
pub fn name_of(numbers: &str) -> Option<String> {
    let event = file::read_text(Path::new("/sys/dev/block").join(numbers).join("uevent")).ok()?;
    let name = event.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(name.replace('/', "!"))
}

/// `/sys/class/block`, `open(2)`, `read(2)`: names of the devices that may hold the state,
/// as long as nobody looks at what they hold.
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

/// `/sys/class/block`, `open(2)`, `read(2)`: what a device holds that nobody should write
/// over, if that is known.
#[must_use]
pub fn content(name: &str) -> Option<&'static str> {
    let is_disk = devices().iter().any(|one| one.partition.is_some() && one.disk == name);
    let size = devices().iter().find(|one| one.name == name)?.size;
    let Content { filesystem, member } = open(name).map(|one| held(&one, size, 0))?;
    let held = filesystem.map(|found| found.kind.name());
    let held = if member.is_some() { Some(Kind::Raid.name()) } else { held };
    held.or(is_disk.then_some("partitions"))
}

fn devices() -> Vec<Device> {
    file::names(CLASS).unwrap_or_default().into_iter().filter_map(device).collect()
}

/// The tables of the disks that one of these is, or is on.
fn tables<'a>(devices: &'a [Device], of: &[&Device]) -> Vec<Disk<'a>> {
    let disks = devices.iter().filter(|device| device.partition.is_none());
    let needed = disks.filter(|disk| of.iter().any(|device| device.disk == disk.name));
    needed.map(disk).collect()
}

/// The same, with what is in all of each.
fn disks<'a>(devices: &'a [Device], of: &[&Device]) -> Vec<Disk<'a>> {
    let mut disks = tables(devices, of);
    for disk in &mut disks {
        disk.content = whole(disk.name, devices).unwrap_or_default();
    }
    disks
}

/// What all of a disk holds. The end of what discs are put into is not looked at: many
/// have none that can be read, and a drive tries for long.
fn whole(disk: &str, devices: &[Device]) -> Option<Content> {
    let size = devices.iter().find(|device| device.name == disk)?.size;
    let taken = if disk.starts_with("sr") { size } else { partitioned(disk, devices) };
    Some(held(&open(disk)?, size, taken))
}

/// How much of a disk its partitions take: a superblock in one of them is the
/// partition's, or in a file on it.
fn partitioned(disk: &str, devices: &[Device]) -> u64 {
    let partitions = devices.iter().filter(|one| one.disk == *disk && one.partition.is_some());
    partitions.map(|one| one.start.saturating_add(one.size)).max().unwrap_or(0)
}

fn disk_of<'a>(device: &Device, tables: &'a [Disk<'a>]) -> Option<&'a Disk<'a>> {
    tables.iter().find(|disk| disk.name == device.disk)
}

/// What the table of its disk says of a partition.
fn slot<'a>(device: &Device, tables: &'a [Disk<'a>]) -> Option<&'a Slot> {
    let slots = disk_of(device, tables)?.table.as_ref().ok()?;
    slots.iter().find(|slot| Some(slot.index) == device.partition)
}

fn device(name: String) -> Option<Device> {
    let size = attribute(&name, "size")?.checked_mul(SECTOR).filter(|size| *size > 0)?;
    let partition = attribute(&name, "partition").and_then(|number| usize::try_from(number).ok());
    let path = std::fs::canonicalize(Path::new(CLASS).join(&name)).ok()?;
    let disk = if partition.is_some() { parent(&path)? } else { name.clone() };
    let removable = attribute(&disk, "removable") == Some(1) || is_on_usb(&path);
    let sequence = attribute(&disk, "diskseq");
    let start = attribute(&name, "start").unwrap_or(0).saturating_mul(SECTOR);
    Some(Device { name, disk, partition, start, size, removable, sequence })
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

fn candidate(device: &Device, tables: &[Disk<'_>], devices: &[Device]) -> Candidate {
    let slot = slot(device, tables);
    let is_whole = device.partition.is_none();
    let is_partitioned =
        is_whole && devices.iter().any(|one| one.partition.is_some() && one.disk == device.name);
    let disk = disk_of(device, tables);
    let fault = disk.filter(|_| is_whole).and_then(|disk| disk.table.as_ref().err());
    let content = match disk.filter(|_| is_whole) {
        Some(disk) => Some(disk.content.clone()),
        None => open(&device.name).map(|opened| held(&opened, device.size, 0)),
    };
    let Content { filesystem, member } = content.unwrap_or_default();
    // Where all of a disk is one, it says so with its partitions.
    let member = match member.filter(|_| !is_partitioned) {
        None => disk.and_then(|disk| inside(device, disk.content.member.as_ref()?)),
        own => own,
    };
    Candidate {
        name: device.name.clone(),
        disk: device.disk.clone(),
        kind: slot.map(|slot| slot.kind),
        is_partitioned,
        no_auto: slot.is_some_and(|slot| slot.no_auto),
        partuuid: slot.map(|slot| slot.partuuid.clone()),
        partlabel: slot.and_then(|slot| slot.label.clone()),
        filesystem,
        member,
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

fn disk(device: &Device) -> Disk<'_> {
    let name = &device.name;
    let table = open(name).map_or(Ok(Vec::new()), |opened| partition_table(name, &opened));
    Disk { name, table, content: Content::default() }
}

/// What a partition is in the array that its disk is a member of.
fn inside(device: &Device, member: &Member) -> Option<Member> {
    member.inside(device.partition?, device.start..device.start.checked_add(device.size)?)
}

/// No partitions where there is no table.
fn partition_table(disk: &str, device: &File) -> Table {
    let block_size = file::read_number(format!("{CLASS}/{disk}/queue/logical_block_size"));
    let block_size = block_size.unwrap_or(SECTOR);
    match gpt_slots(device, block_size) {
        Some(Err(gpt::Error::Signature)) => Ok(mbr_slots(device, block_size).unwrap_or_default()),
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

/// What a device of so many bytes holds. Where it is a member of an array that can be
/// read from it, that is what the array holds. What lies in the middle of a file system
/// is a file of it, whatever that says that it is; `taken` is how much at its start is
/// known to be something else's.
fn held(device: &File, size: u64, taken: u64) -> Content {
    let start = first_bytes(device, 0);
    let filesystem = start.as_deref().and_then(|start| file_system(device, 0, start));
    let member = start.and_then(|start| {
        let own = filesystem.as_ref().map_or(0, |found| filled(found.kind, &start, size));
        member(device, &start, size, taken.max(own))
    });
    let Some(mut member) = member.filter(|one| one.is_certain() || filesystem.is_none()) else {
        return Content { filesystem, member: None };
    };
    let at = member.data.start;
    let is_read = member.fault.is_none();
    let filesystem = match first_bytes(device, at) {
        _ if !is_read => None,
        _ if at == 0 => filesystem,
        Some(first) => {
            let found = file_system(device, at, &first);
            if found.is_none() && mbr::Table::parse(&first).is_some() {
                member.fault = Some(raid::PARTITIONED);
            }
            found
        }
        None => None,
    };
    let filesystem = match member.fault {
        Some(_) => Some(FileSystem { kind: Kind::Raid, uuid: None, label: None }),
        None => filesystem,
    };
    Content { filesystem, member: Some(member) }
}

/// How much of a device of so many bytes is a file system's that begins like this. One
/// that is larger than its device is that of an array of several. The end of a CD is not
/// looked at: many have none that can be read, and a drive tries for long.
fn filled(kind: Kind, start: &[u8], size: u64) -> u64 {
    match filesystem::size(kind, start) {
        _ if kind == Kind::Iso9660 => size,
        Some(taken) if taken <= size => taken,
        _ => 0,
    }
}

/// What a device of so many bytes is in an array, of which so many are something else's.
fn member(device: &File, start: &[u8], size: u64, taken: u64) -> Option<Member> {
    const LENGTH: u64 = raid::SUPERBLOCK_BYTES as u64;
    raid::Place::ALL.into_iter().find_map(|place| {
        let at = place.offset(size).filter(|at| !place.is_at_end() || *at >= taken)?;
        match usize::try_from(at).ok().and_then(|at| start.get(at..)) {
            Some(bytes) => Member::parse(bytes, place, size),
            None => Member::parse(&read_range(device, at..at.checked_add(LENGTH)?)?, place, size),
        }
    })
}

fn first_bytes(device: &File, at: u64) -> Option<Vec<u8>> {
    read_range(device, at..at.checked_add(u64::try_from(filesystem::PROBE_BYTES).ok()?)?)
}

/// The file system that begins at a byte of a device, of which these are the first.
fn file_system(device: &File, at: u64, start: &[u8]) -> Option<FileSystem> {
    let mut found = filesystem::identify(start)?;
    if found.kind == Kind::Vfat {
        let directory = filesystem::fat_directory(start).and_then(|range| {
            let range = at.checked_add(range.start)?..at.checked_add(range.end)?;
            read_range(device, range)
        });
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
            start: 1 << 20,
            size: 1 << 20,
            removable,
            sequence: None,
        }
    }

    const SIZE: u64 = 24 << 20;
    const RAID1: &[u8] = include_bytes!("../../tests/data/raid/1.0-first");
    const OLD_RAID1: &[u8] = include_bytes!("../../tests/data/raid/0.90-first");

    /// What is held by a device with an ext4 of so many blocks at its start, and a
    /// superblock of md at its end.
    fn held_with(blocks: u32, place: raid::Place, superblock: &[u8], taken: u64) -> Content {
        let name = format!("turnout-block-{blocks}-{place:?}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut ext4 = [0; 1024];
        ext4[56..58].copy_from_slice(&[0x53, 0xef]);
        ext4[4..8].copy_from_slice(&blocks.to_le_bytes());
        let made = File::create(&path).unwrap();
        made.set_len(SIZE).unwrap();
        made.write_all_at(&ext4, 1024).unwrap();
        made.write_all_at(superblock, place.offset(SIZE).unwrap()).unwrap();
        let held = held(&File::open(&path).unwrap(), SIZE, taken);
        std::fs::remove_file(path).unwrap();
        held
    }

    #[test]
    fn what_a_file_says_of_an_array_does_not_hide_its_file_system() {
        for (place, superblock) in [(raid::Place::V1_0, RAID1), (raid::Place::V0_90, OLD_RAID1)] {
            // As large as the device, and so with this block in it; one that leaves room;
            // and one that is spread over several.
            for (blocks, is_member) in [(24 << 10, false), (23 << 10, true), (48 << 10, true)] {
                let Content { filesystem, member } = held_with(blocks, place, superblock, 0);
                assert_eq!(filesystem.map(|found| found.kind), Some(Kind::Ext4), "{place:?}");
                assert_eq!(member.is_some(), is_member, "{place:?} {blocks}");
            }
            let taken = held_with(0, place, superblock, SIZE);
            assert_eq!(taken.member, None, "{place:?} in a partition");
        }
    }

    #[test]
    fn a_disk_is_taken_as_far_as_its_last_partition_reaches() {
        let first = partition("sda1", false);
        let second = Device { partition: Some(2), start: 4 << 20, ..partition("sda1", false) };
        let whole = Device { partition: None, size: SIZE, ..partition("sda", false) };
        let other = Device { start: 8 << 20, ..partition("sdb1", false) };
        let all = [whole, second, first, other];
        assert_eq!(partitioned("sda", &all), 5 << 20);
        assert_eq!(partitioned("sda", &all[..1]), 0);
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
