//! Many disks, disks that come and go, disks that lie, and boot partitions that
//! hold what is no file of theirs. What boots is what was read first and verified;
//! nothing is read a second time.

use super::trust::remove_both;
use super::{Boot, Case, Expect, PLAIN, Partitions, X86_64, case};
use crate::expect::{DEADLINE, OWN_CMDLINE, see};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use turnout_qemu::boot_tree::{BootTree, Entry, console};
use turnout_qemu::command;
use turnout_qemu::disk::{self, Content, Partition, Table, Type};
use turnout_qemu::machine::{Bus, Machine};
use turnout_qemu::menu;
use turnout_qemu::nbd::Answer;
use turnout_qemu::serial::{Console, monitor};

/// The kernel under another name.
const LINK: &str = "/vmlinuz.link";
const LYING: &str = "/lying";
const FAILING: &str = "/failing";

pub(super) const CASES: &[Case] = &[
    case(
        "boot_partition_with_xfs",
        Boot { partitions: Partitions::Holding(Content::Xfs), modules: &["xfs"], ..PLAIN },
        super::nothing,
        Expect::Boots { after: &["boot partition nvme0n1p2 (XBOOTLDR, xfs)"] },
    ),
    // Debian's arm64 cloud kernel plugs nothing into a PCI Express port.
    Case {
        archs: X86_64,
        ..case(
            "one_menu_of_disks_and_one_plugged_in",
            Boot {
                // The settings of the EFI system partition come first.
                loader_conf: "timeout 0\n",
                config: "scan all\nwait 10\nreset-delay 1\nattempts 1\n",
                modules: &["vfat", "isofs", "btrfs", "virtio_pci", "virtio_blk"],
                more_disks: add_a_copy_and_a_cd,
                // Brings QEMU's monitor.
                keyboard: true,
                ..PLAIN
            },
            spread_over_disks,
            Expect::Acts(plug_in_and_boot),
        )
    },
    case(
        "disk_that_answers_differently_the_second_time",
        Boot {
            lies: &[
                (LINUX, Answer::TrueOnce),
                (INITRD, Answer::TrueOnce),
                (SECOND, Answer::TrueOnce),
                ("/turnout/good.manifest", Answer::TrueOnce),
                ("/turnout/good.manifest.sig", Answer::TrueOnce),
                ("/loader/entries/good.conf", Answer::TrueOnce),
            ],
            ..PLAIN
        },
        name_the_kernel_by_a_link,
        Expect::Boots { after: &["with \"console=tty"] },
    ),
    case(
        "disk_that_lies_or_fails_and_paths_that_are_no_files",
        Boot {
            loader_conf: "timeout 0\ndefault d-lies\n",
            lies: &[(LYING, Answer::False), (FAILING, Answer::Error)],
            ..PLAIN
        },
        add_what_is_no_file,
        Expect::Ends(&[
            "refused d-lies: LINUX_DIGEST: ",
            "failed e-fails: read: /failing: byte 0 of 262144 cannot be read: ",
            "no entry can boot:",
            "failed a-fifo: menu: FILE: /fifo: not a regular file",
            "failed b-out: menu: FILE: /out: this path leads out of the boot partition",
            "failed c-dots: menu: PATH: ",
            "refused d-lies: LINUX_DIGEST: ",
            "failed e-fails: read: /failing: byte 0 of 262144 cannot be read: ",
            "failed f-manifest: menu: FILE: /turnout/f-manifest.manifest: there is a symbolic \
             link on this path, and none may lead here",
            "failed g-absolute: menu: FILE: /absolute: this path leads out of the boot partition",
            "failed h-folder: menu: FILE: /loader: not a regular file",
        ]),
    ),
];

/// Beside the boot partition's files: those of the EFI system partition, of a CD,
/// and of the btrfs that is plugged in.
pub(super) fn beside(disk: &Path, name: &str) -> Result<PathBuf> {
    Ok(disk.parent().context("a disk without a directory")?.join(name))
}

/// An entry on the EFI system partition, one on a CD, and one in a directory at
/// the top of a btrfs, which boots.
fn spread_over_disks(world: &World, tree: &BootTree) -> Result<()> {
    let esp = BootTree::new(beside(tree.root(), "esp")?)?;
    esp.set_loader_conf("timeout menu-force\ndefault good\n")?;
    let cd = BootTree::new(beside(tree.root(), "cd")?)?;
    for (tree, id) in [(&esp, "esp"), (&cd, "cd")] {
        tree.add_entry(&Entry { id, title: id, linux: LINUX, initrds: &[], options: "quiet" })?;
    }
    let top = beside(tree.root(), "btrfs")?;
    let sub = BootTree::new(top.join("@/boot"))?;
    let options = format!("{} quiet demo.name=sub", console(world.arch));
    let initrds = [INITRD, SECOND];
    let entry =
        Entry { id: "sub", title: "Sub", linux: LINUX, initrds: &initrds, options: &options };
    sub.add_entry(&entry)?;
    for path in [LINUX, INITRD, SECOND] {
        fs::hard_link(tree.host_path(path), sub.host_path(path))?;
    }
    world.key.sign(&world.tools, &sub, "sub", &[])?;
    fs::rename(sub.host_path("turnout"), top.join("turnout"))?;
    Ok(fs::write(tree.host_path(OWN_CMDLINE), options)?)
}

fn add_a_copy_and_a_cd(disk: &Path, machine: &mut Machine) -> Result<()> {
    let copy = beside(disk, "copy.img")?;
    let cd = beside(disk, "cd.img")?;
    fs::copy(disk, &copy)?;
    disk::build_cd(&beside(disk, "cd")?, "CDROM", &cd)?;
    machine.disks.extend([(Bus::Nvme, copy), (Bus::Virtio, cd)]);
    let content = Content::Btrfs(beside(disk, "btrfs")?);
    let partition = Partition { kind: Type::Linux, label: "plugged", content };
    let scratch = disk.parent().context("a disk without a directory")?;
    disk::build_with(Table::Mbr, &[partition], scratch, &beside(disk, "plugged.img")?)?;
    machine.extra.extend(["-device", "pcie-root-port,id=free,chassis=1"].map(str::to_owned));
    Ok(())
}

fn plug_in_and_boot(console: &mut Console, machine: &Machine) -> Result<()> {
    let socket = machine.monitor.as_deref().context("no monitor")?;
    let (_, disk) = machine.disks.first().context("no disk")?;
    let image = beside(disk, "plugged.img")?.display().to_string().replace(',', ",,");
    see(
        console,
        " is PARTUUID=5455524e-4f55-5400-0000-000000000002 as nvme0n1p2 is: nvme0n1p2 comes first",
    )?;
    see(console, "file system vda (whole disk, iso9660)")?;
    menu::wait_until_drawn(console, DEADLINE)?;
    for number in [1, 2] {
        let options = format!("if=none,id=hot{number},format=raw,snapshot=on,file={image}");
        monitor(socket, &format!("drive_add 0 {options}"))?;
        let device = format!("nvme,id=plugged{number},drive=hot{number},serial=plugged,bus=free");
        monitor(socket, &format!("device_add {device}"))?;
        see(console, "(MBR type 83, btrfs)")?;
        if number == 1 {
            monitor(socket, "device_del plugged1")?;
            see(console, " was taken out")?;
        }
    }
    console.send(b"7")?;
    see(console, "> 7 Sub (sub)")?;
    console.send(b"\r")
}

/// As distributions do it.
fn name_the_kernel_by_a_link(world: &World, tree: &BootTree) -> Result<()> {
    link(tree, "vmlinuz", LINK)?;
    remove_both(world, tree)?;
    let options = format!("{} quiet demo.name=good", console(world.arch));
    let initrds = [INITRD, SECOND];
    let entry =
        Entry { id: "good", title: "Good", linux: LINK, initrds: &initrds, options: &options };
    tree.add_entry(&entry)?;
    world.key.sign(&world.tools, tree, "good", &[])
}

/// Entries of which none can boot.
fn add_what_is_no_file(world: &World, tree: &BootTree) -> Result<()> {
    remove_both(world, tree)?;
    fs::remove_file(tree.host_path("/loader/entries/good.conf"))?;
    for (path, byte) in [(LYING, 1), (FAILING, 2)] {
        fs::write(tree.host_path(path), vec![byte; 256 << 10])?;
    }
    fifo(tree, "/fifo")?;
    link(tree, "../etc/passwd", "/out")?;
    link(tree, "/etc/passwd", "/absolute")?;
    let entries = [
        ("a-fifo", "/fifo"),
        ("b-out", "/out"),
        ("c-dots", "/../vmlinuz"),
        ("d-lies", LYING),
        ("e-fails", FAILING),
        ("f-manifest", LINUX),
        ("g-absolute", "/absolute"),
        ("h-folder", "/loader"),
    ];
    for (id, linux) in entries {
        tree.add_entry(&Entry { id, title: id, linux, initrds: &[], options: "quiet" })?;
    }
    for id in ["d-lies", "e-fails", "f-manifest"] {
        let architecture = ["--architecture", world.arch.name()];
        world.key.sign(&world.tools, tree, id, &architecture)?;
    }
    let manifest = tree.host_path("/turnout/f-manifest.manifest");
    fs::rename(&manifest, tree.host_path("/turnout/elsewhere"))?;
    link(tree, "elsewhere", "/turnout/f-manifest.manifest")
}

fn link(tree: &BootTree, to: &str, path: &str) -> Result<()> {
    Ok(symlink(to, tree.host_path(path))?)
}

fn fifo(tree: &BootTree, path: &str) -> Result<()> {
    command::output(Command::new("mkfifo").arg(tree.host_path(path))).map(drop)
}
