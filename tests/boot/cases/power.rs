//! The power fails: a machine whose two slots are updated in turn, its disk rebuilt as any
//! moment may leave it, and started.
//!
//! A release is a number, odd ones are for slot a and even ones for slot b. The running
//! release installs the next one into the other slot, whole, makes it the first and
//! resets; where the other slot has that one already it has come to nothing, and the one
//! after the next is installed.

use super::{Boot, Case, Expect, PLAIN, Partitions, X86_64, case};
use crate::power::{Outage, Wear};
use crate::world::{INITRD, LINUX, SECOND, World, area_of, partition_b};
use anyhow::{Context, Result};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use turnout::base::digest::Digest;
use turnout::rollback::{Floors, Record, State};
use turnout::slots::{self, Counters, Slot, Slots};
use turnout_qemu::area::Area;
use turnout_qemu::boot_tree::{BootTree, flip, position};
use turnout_qemu::initrd;
use turnout_qemu::machine::Machine;

const SLOTS: Boot = Boot {
    partitions: Partitions::Releases,
    loader_conf: "timeout 0\n",
    config: CONFIG,
    next_script: Some(UPDATES),
    more_disks: make_state,
    ..PLAIN
};
const NO_FLUSH: Boot = Boot { hooks: true, first_options: "turnout.test=no-flush", ..SLOTS };

/// `docs/survive.md`: where slots are declared all starts are counted.
const CONFIG: &str = "wait 10\nreset-delay 1\nattempts 1\nrollback advisory\n\
                      slot a PARTUUID=5455524E-4F55-5400-0000-000000000003\n\
                      slot b PARTUUID=5455524E-4F55-5400-0000-000000000004\n";
const UNCONFIRMED: &str = "wait 10\nreset-delay 1\nattempts 1\nrollback advisory\n\
                           slot a PARTUUID=5455524E-4F55-5400-0000-000000000003\n\
                           slot b PARTUUID=5455524E-4F55-5400-0000-000000000004\n\
                           count unconfirmed\n";

pub(super) const CASES: &[Case] = &[
    on_x86_64(case(
        "power_fails_during_updates",
        SLOTS,
        add_one_update,
        Expect::Survives(Outage { confirms: &[1, 2], judged: 2000, started: 2, ..OUTAGE }),
    )),
    on_x86_64(case(
        "power_fails_where_nobody_flushes",
        NO_FLUSH,
        add_one_update,
        Expect::Survives(Outage { confirms: &[1, 2], judged: 500, is_found: true, ..OUTAGE }),
    )),
    on_x86_64(case(
        "power_fails_during_good_and_bad_updates",
        Boot { long: true, ..SLOTS },
        add_many_updates,
        Expect::Survives(Outage {
            confirms: &[1, 2, 3, 6, 7, 10],
            judged: 20_000,
            started: 200,
            at_once: 2,
            ..OUTAGE
        }),
    )),
    on_x86_64(case(
        "healthy_start_writes_two_places",
        Boot { more_disks: make_confirmed, ..SLOTS },
        add_one_release,
        Expect::Wears(Wear { places: 2 }),
    )),
    on_x86_64(case(
        "healthy_start_writes_nothing_where_only_others_are_counted",
        Boot { more_disks: make_confirmed, config: UNCONFIRMED, ..SLOTS },
        add_one_release,
        Expect::Wears(Wear { places: 0 }),
    )),
];

const OUTAGE: Outage = Outage { confirms: &[], judged: 0, started: 0, at_once: 1, is_found: false };

const fn on_x86_64(case: Case) -> Case {
    Case { archs: X86_64, ..case }
}

/// What each release does. All that a bad one does is to reset.
const UPDATES: &str = r#"
release="$(cut -d' ' -f1 /second)"
echo "release $release runs"
grep -q bad /second && reboot -f
run turnout bless
echo "release $release runs and is confirmed"
slot=b device=/dev/nvme0n1p4
[ $((release % 2)) = 0 ] && slot=a device=/dev/nvme0n1p3
mkdir -p /slot
mount -t ext4 -o ro "$device" /slot
next=$((release + 1))
[ "$(cat /slot/release)" = "$next" ] && next=$((release + 3))
umount /slot
if [ -e "/boot/$next" ]; then
    run turnout slot install "$slot"
    mount -t ext4 "$device" /slot
    rm -rf /slot/loader /slot/turnout /slot/release
    sync
    cp -r /boot/vmlinuz /boot/initrd.img "/boot/$next/." /slot/
    sync
    umount /slot
    run turnout slot set-primary "$slot"
    echo "release $release has installed $next"
    reboot -f
fi
turnout history
echo "release $release is the last"
"#;

fn add_one_release(world: &World, tree: &BootTree) -> Result<()> {
    add(world, tree, &[(1, Kind::Good)])
}

fn add_one_update(world: &World, tree: &BootTree) -> Result<()> {
    add(world, tree, &[(1, Kind::Good), (2, Kind::Good)])
}

/// One that resets by itself, and one that nobody has signed as it is.
fn add_many_updates(world: &World, tree: &BootTree) -> Result<()> {
    let good = [1, 2, 3, 6, 7, 10].map(|number| (number, Kind::Good));
    add(world, tree, &[&good[..], &[(4, Kind::Resets), (8, Kind::Unsigned)]].concat())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    Resets,
    Unsigned,
}

/// Makes of the boot partition one with the releases, and two slots beside it, the first
/// one with the first release.
fn add(world: &World, tree: &BootTree, releases: &[(u32, Kind)]) -> Result<()> {
    for directory in ["loader", "turnout"] {
        fs::remove_dir_all(tree.host_path(directory))?;
    }
    fs::remove_file(tree.host_path(SECOND))?;
    for (number, kind) in releases {
        let release = make_release(world, tree, *number, *kind)?;
        if *number == 1 {
            fs::rename(release.root(), tree.root().with_file_name("slot-a"))?;
        } else {
            for file in [LINUX, INITRD] {
                fs::remove_file(release.host_path(file))?;
            }
            fs::rename(release.root(), tree.host_path(&number.to_string()))?;
        }
    }
    fill_b(tree)
}

/// The other slot has room for a release, and no menu.
fn fill_b(tree: &BootTree) -> Result<()> {
    let directory = partition_b(tree);
    fs::create_dir_all(&directory)?;
    for file in [LINUX, INITRD] {
        fs::copy(tree.host_path(file), directory.join(file.trim_start_matches('/')))?;
    }
    Ok(())
}

fn make_release(world: &World, tree: &BootTree, number: u32, kind: Kind) -> Result<BootTree> {
    let release = BootTree::new(tree.root().with_file_name(format!("release-{number}")))?;
    for file in [LINUX, INITRD] {
        release.add_file(file, &tree.host_path(file))?;
    }
    let word = if kind == Kind::Resets { "bad" } else { "good" };
    fs::write(release.host_path(SECOND), initrd::second(&format!("{number} {word}"))?)?;
    fs::write(release.host_path("/release"), number.to_string())?;
    release.set_loader_conf("timeout 0\n")?;
    let id = if number % 2 == 1 { "a" } else { "b" };
    world.add_entry(&release, id)?;
    world.key.sign(&world.tools, &release, id, &[])?;
    if kind == Kind::Unsigned {
        release.edit(SECOND, |bytes| {
            let at = position(bytes, "good")?;
            flip(bytes, at)
        })?;
    }
    Ok(release)
}

/// As a factory leaves it: nothing was ever started.
fn make_state(disk: &Path, _: &mut Machine) -> Result<()> {
    write_state(disk, Slots::default())
}

/// Release 1 was confirmed in the start before.
fn make_confirmed(disk: &Path, _: &mut Machine) -> Result<()> {
    let manifest = disk.with_file_name("slot-a").join("turnout/a.manifest");
    let manifest = fs::read(&manifest).with_context(|| manifest.display().to_string())?;
    let fresh = |name| Slot::new(name, slots::TRIES);
    let a = Slot {
        good_once: true,
        confirmed: true,
        priority: 2,
        jumped: Some(Digest::of(&manifest)),
        ..fresh("a")
    };
    let list = vec![a, Slot { priority: 1, ..fresh("b") }];
    let Digest(of_entry) = Digest::of(b"a");
    let row_of = of_entry.first_chunk().copied().unwrap_or_default();
    let counters = Counters { starts: 1, row: 1, row_of, ..Counters::default() };
    write_state(disk, Slots { list, counters, ..Slots::default() })
}

fn write_state(disk: &Path, slots: Slots) -> Result<()> {
    let record = Some(Record::new(Floors::default()));
    let area = Area::make(&State { record, slots, ..State::default() })?;
    let file = OpenOptions::new().write(true).open(disk)?;
    Ok(file.write_all_at(area.bytes(), area_of(disk)?)?)
}
