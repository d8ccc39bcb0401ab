//! Members of RAID1 arrays, as mdadm made them: one start with arrays of every version
//! of metadata, and one of which a half is old. Nothing of md is in the image.

use super::disks::beside;
use super::{AARCH64, Boot, Case, Expect, PLAIN, X86_64, case, long, on};
use crate::expect::{DEADLINE, OWN_CMDLINE, see};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use turnout::source::raid::Place;
use turnout_qemu::boot_tree::{BootTree, Entry, console};
use turnout_qemu::command;
use turnout_qemu::machine::{Bus, Machine};
use turnout_qemu::menu;
use turnout_qemu::serial::Console;

const MIRRORS: Case = case(
    "mirrors_of_every_metadata_version",
    Boot {
        loader_conf: "timeout menu-force\ndefault good\n",
        config: "scan all\nwait 10\nreset-delay 1\nattempts 1\n",
        modules: &["loop"],
        more_disks: add_members,
        ..PLAIN
    },
    fill_arrays,
    Expect::Acts(boot_from_a_member),
);

pub(super) const CASES: &[Case] = &[on(X86_64, MIRRORS), long(on(AARCH64, MIRRORS))];

/// Of the devices that the arrays were made on.
const SIZE: u64 = 24 << 20;
/// Of a file system, which has room behind every superblock.
const FILE_SYSTEM: u64 = 23 << 20;

/// A disk that is a member.
struct Member {
    /// Id of the only entry that is on it.
    entry: &'static str,
    place: Place,
    superblock: &'static [u8],
}

macro_rules! member {
    ($entry:literal, $place:ident, $superblock:literal) => {
        Member {
            entry: $entry,
            place: Place::$place,
            superblock: include_bytes!(concat!("../../data/raid/", $superblock)),
        }
    };
}

const MEMBERS: [Member; 10] = [
    member!("v0-90", V0_90, "0.90-first"),
    member!("v0-90", V0_90, "0.90-second"),
    member!("v1-0", V1_0, "1.0-second"),
    member!("v1-0", V1_0, "1.0-first"),
    member!("v1-1", V1_1, "1.1-first"),
    member!("v1-1", V1_1, "1.1-second"),
    member!("v1-2", V1_2, "1.2-first"),
    member!("v1-2", V1_2, "1.2-second"),
    member!("stale", V1_2, "stale"),
    member!("fresh", V1_2, "fresh"),
];

/// What is on each array: an entry, which boots on one of them.
fn fill_arrays(world: &World, tree: &BootTree) -> Result<()> {
    for entry in ["v0-90", "v1-0", "v1-1", "stale", "fresh"] {
        let array = BootTree::new(beside(tree.root(), entry)?)?;
        array.add_entry(&Entry {
            id: entry,
            title: entry,
            linux: LINUX,
            initrds: &[],
            options: "",
        })?;
    }
    let array = BootTree::new(beside(tree.root(), "v1-2")?)?;
    let options = format!("{} quiet demo.name=mirror", console(world.arch));
    let initrds = [INITRD, SECOND];
    let entry =
        Entry { id: "v1-2", title: "v1-2", linux: LINUX, initrds: &initrds, options: &options };
    array.add_entry(&entry)?;
    for path in [LINUX, INITRD, SECOND] {
        fs::hard_link(tree.host_path(path), array.host_path(path))?;
    }
    world.key.sign(&world.tools, &array, "v1-2", &[])?;
    Ok(fs::write(tree.host_path(OWN_CMDLINE), options)?)
}

fn add_members(disk: &Path, machine: &mut Machine) -> Result<()> {
    for (number, member) in MEMBERS.iter().enumerate() {
        let image = beside(disk, &format!("member{number}.img"))?;
        member.write(&beside(disk, member.entry)?, &image)?;
        machine.disks.push((Bus::Nvme, image));
    }
    Ok(())
}

impl Member {
    /// Makes the disk, with the files of a directory in the array.
    fn write(&self, files: &Path, out: &Path) -> Result<()> {
        let made = out.with_extension("ext4");
        File::create(&made)?.set_len(FILE_SYSTEM)?;
        let mut mkfs = command::tool("mke2fs");
        mkfs.args(["-q", "-F", "-t", "ext4", "-m", "0", "-d"]).arg(files).arg(&made);
        command::output(&mut mkfs)?;
        let data = match self.place {
            Place::V1_1 | Place::V1_2 => 1 << 20,
            Place::V1_0 | Place::V0_90 => 0,
        };
        let disk = File::create(out)?;
        disk.set_len(SIZE)?;
        disk.write_all_at(&fs::read(&made)?, data)?;
        fs::remove_file(made)?;
        let place = self.place.offset(SIZE).context("a disk that is too small")?;
        Ok(disk.write_all_at(self.superblock, place)?)
    }
}

/// Each array has one entry, of its newest member; what was passed over boots nothing.
fn boot_from_a_member(console: &mut Console, _: &Machine) -> Result<()> {
    menu::wait_until_drawn(console, DEADLINE)?;
    let text = console.text();
    let opened = text.matches(" (whole disk, ext4)").count();
    ensure!(opened == 5, "{opened} members were opened");
    for id in ["v0-90", "v1-0", "v1-1", "v1-2", "fresh"] {
        let rows = text.matches(&format!(" {id} ")).count();
        ensure!(rows > 0, "there is no entry {id}");
    }
    ensure!(!text.contains(" stale "), "the old member's entry is there");
    ensure!(!text.contains(" comes first"), "members are told of as if they were two disks");
    console.send(b"5")?;
    see(console, "> 5 v1-2 ")?;
    console.send(b"\r")
}
