//! What hangs: PID 1 itself, or a disk. The one ends in a reset, and the other
//! keeps nobody waiting who does not need it.

use super::disks::beside;
use super::{AARCH64, Boot, Case, Expect, HOOKED, PLAIN, X86_64, case, nothing};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use turnout_qemu::boot_tree::{BootTree, Entry};
use turnout_qemu::disk::{self, Content, Partition, Table, Type};
use turnout_qemu::guest::Flavour;
use turnout_qemu::machine::{Machine, Shape};

const HANGS: Boot = Boot { first_options: "turnout.test=hang-before-loading", ..HOOKED };

/// The menu takes longer than the watchdog gives.
const WATCHED: Boot = Boot {
    flavour: Flavour::Generic,
    shape: Shape { devices: &["-device", "i6300esb"], ..Shape::USUAL },
    modules: &["i6300esb"],
    loader_conf: "timeout 16\ndefault good\n",
    config: "watchdog-start 10\nstart-limit off\nreset-delay 1\nattempts 1\n",
    ..HANGS
};

const WATCHDOG: &str = "a_watchdog_from_the_start_resets_what_hangs_and_no_menu_that_waits";
/// Nothing else ends that machine.
const BITES: Expect = Expect::Ends(&[
    "turnout: /dev/watchdog0 resets the machine if it hangs for 10 s",
    "turnout: prepared, hanging",
]);

/// The second disk's entry is rehearsed when the default is ready, and never read to
/// its end.
const BESIDE: Boot = Boot {
    loader_conf: "timeout 12\ndefault good\n",
    modules: &["virtio_pci", "virtio_blk"],
    more_disks: |disk, machine| add_a_disk_that_hangs(disk, machine, 4 << 20),
    ..PLAIN
};

/// The menu is shown and boots, though a module does not come to its end.
const HUNG_DRIVER: Boot = Boot {
    flavour: Flavour::Generic,
    first_options: "turnout.test=hang-at-module=i6300esb",
    modules: &["i6300esb"],
    loader_conf: "timeout 6\ndefault good\n",
    config: "reset-delay 1\nattempts 1\n",
    ..HOOKED
};

const SECOND_DISK: &str = "a_second_disk_that_hangs_does_not_hold_back_an_entry_that_is_ready";
const GOES_ON: Expect = Expect::Boots { after: &["what else is being read is not waited for"] };

pub(super) const CASES: &[Case] = &[
    Case { archs: X86_64, ..case(WATCHDOG, WATCHED, nothing, BITES) },
    Case { archs: AARCH64, ..case(WATCHDOG, Boot { long: true, ..WATCHED }, nothing, BITES) },
    Case {
        archs: X86_64,
        ..case(
            "a_watchdog_from_the_start_is_stopped_before_the_jump",
            Boot {
                loader_conf: PLAIN.loader_conf,
                first_options: "",
                hooks: false,
                long: true,
                ..WATCHED
            },
            nothing,
            Expect::Boots {
                after: &[
                    "turnout: /dev/watchdog0 resets the machine if it hangs for 10 s",
                    "turnout: /dev/watchdog0 stopped",
                ],
            },
        )
    },
    Case {
        archs: X86_64,
        ..case(
            "a_driver_that_hangs_is_named_and_holds_up_no_menu",
            HUNG_DRIVER,
            nothing,
            Expect::Boots {
                after: &[
                    "module i6300esb has been starting for 5 s",
                    "turnout: loading good",
                    "turnout: waiting for drivers: i6300esb",
                ],
            },
        )
    },
    case(
        "a_start_that_hangs_without_a_person_is_reset_at_its_limit",
        Boot { config: "start-limit 10\nreset-delay 1\nattempts 1\n", ..HANGS },
        nothing,
        Expect::Ends(&[
            "turnout: reset in 1 s: nothing was started in 10 s, and nobody is there (start-limit)",
        ]),
    ),
    Case { archs: X86_64, ..case(SECOND_DISK, BESIDE, put_an_entry_on_the_second_disk, GOES_ON) },
    Case {
        archs: AARCH64,
        ..case(SECOND_DISK, Boot { long: true, ..BESIDE }, put_an_entry_on_the_second_disk, GOES_ON)
    },
    case(
        "a_second_disk_that_hangs_while_its_menu_is_read_holds_up_no_other",
        Boot {
            loader_conf: "timeout 1\ndefault good\n",
            more_disks: |disk, machine| add_a_disk_that_hangs(disk, machine, 2 << 20),
            long: true,
            ..BESIDE
        },
        put_a_long_menu_on_the_second_disk,
        Expect::Boots { after: &["turnout: vda1 does not answer: it is not waited for any more"] },
    ),
];

fn put_an_entry_on_the_second_disk(world: &World, tree: &BootTree) -> Result<()> {
    let second = BootTree::new(beside(tree.root(), "hanging")?)?;
    let initrds = [INITRD, SECOND];
    let entry =
        Entry { id: "slow", title: "Slow", linux: LINUX, initrds: &initrds, options: "quiet" };
    second.add_entry(&entry)?;
    for path in [LINUX, INITRD, SECOND] {
        fs::hard_link(tree.host_path(path), second.host_path(path))?;
    }
    world.key.sign(&world.tools, &second, "slow", &[])
}

/// Files that are twice as long together as what the disk gives at once.
fn put_a_long_menu_on_the_second_disk(_: &World, tree: &BootTree) -> Result<()> {
    let second = BootTree::new(beside(tree.root(), "hanging")?)?;
    let text = "# nothing\n".repeat(6000);
    for number in 0..70 {
        let id = format!("long-{number}");
        second.add_entry(&Entry {
            id: &id,
            title: &id,
            linux: LINUX,
            initrds: &[],
            options: "",
        })?;
        let path = second.host_path(&format!("/loader/entries/{id}.conf"));
        let entry = fs::read_to_string(&path)?;
        fs::write(&path, format!("{text}{entry}"))?;
    }
    Ok(())
}

/// It gives so many bytes, and from then on one a second.
fn add_a_disk_that_hangs(disk: &Path, machine: &mut Machine, bytes: u64) -> Result<()> {
    let image = beside(disk, "hanging.img")?;
    let content = Content::Ext4(beside(disk, "hanging")?);
    let partition = Partition { kind: Type::Xbootldr, label: "hanging", content };
    disk::build_with(
        Table::Mbr,
        &[partition],
        disk.parent().context("a disk without a directory")?,
        &image,
    )?;
    let image = image.display().to_string().replace(',', ",,");
    let drive = format!(
        "file={image},format=raw,if=none,id=hanging,snapshot=on,\
         throttling.bps-read=1,throttling.bps-read-max={bytes}"
    );
    machine
        .extra
        .extend(["-drive", &drive, "-device", "virtio-blk-pci,drive=hanging"].map(str::to_owned));
    Ok(())
}
