//! The cases, as data: how the boot partition differs from a good one, and what
//! the machine must do about it.

mod boots;
mod commands;
mod conform;
mod console;
mod crash;
mod defaults;
mod disks;
mod faults;
mod formats;
mod forms;
mod grub;
mod hangs;
mod hardware;
mod hostile;
mod images;
mod machines;
mod measure;
mod memory;
mod mirrors;
mod policy;
mod power;
mod prepare;
mod purgatory;
mod rollback;
mod running;
mod self_update;
mod state;
mod survive;
mod trace;
mod trust;
mod uki;
mod updaters;

use crate::power::{Outage, Wear};
use crate::world::World;
use anyhow::Result;
use std::path::{Path, PathBuf};
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::disk::Content;
use turnout_qemu::facts::{Facts, Stage};
use turnout_qemu::guest::Flavour;
use turnout_qemu::machine::{Bus, Machine, Shape};
use turnout_qemu::nbd::Answer;
use turnout_qemu::serial::Console;

/// Every case. A file of cases is a group; slow groups come first, so that no
/// slow case is left over at the end.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    const GROUPS: &[&[Case]] = &[
        running::CASES,
        power::CASES,
        boots::CASES,
        machines::CASES,
        hardware::CASES,
        hardware::ALONE,
        forms::CASES,
        images::CASES,
        prepare::CASES,
        defaults::CASES,
        commands::CASES,
        uki::CASES,
        updaters::CASES,
        self_update::CASES,
        purgatory::CASES,
        console::CASES,
        crash::CASES,
        conform::CASES,
        faults::CASES,
        hangs::CASES,
        hostile::CASES,
        formats::CASES,
        grub::CASES,
        disks::CASES,
        mirrors::CASES,
        trace::CASES,
        rollback::CASES,
        state::CASES,
        survive::CASES,
        policy::CASES,
        measure::CASES,
        memory::CASES,
        trust::CASES,
    ];
    GROUPS.iter().copied().flatten()
}

/// One boot.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) archs: &'static [Arch],
    pub(crate) boot: Boot,
    /// What happens to the boot partition after the entry "good" was signed.
    pub(crate) change: fn(&World, &BootTree) -> Result<()>,
    pub(crate) expect: Expect,
}

/// How the machine starts.
pub(crate) struct Boot {
    pub(crate) flavour: Flavour,
    pub(crate) partitions: Partitions,
    /// The disk's bus, where it is not what the first kernel has built in.
    pub(crate) bus: Option<Bus>,
    pub(crate) loader_conf: &'static str,
    /// Text of the image's configuration file.
    pub(crate) config: &'static str,
    /// How the image is compressed.
    pub(crate) compress: &'static str,
    /// More words for the first kernel.
    pub(crate) first_options: &'static str,
    /// What the machine is made of.
    pub(crate) shape: Shape,
    /// Whether the firmware starts the first kernel from a disk of its own, which
    /// mkinitramfs has made; with Secure Boot by a key of the case's own.
    pub(crate) stick: bool,
    /// More modules in the image.
    pub(crate) modules: &'static [&'static str],
    /// The next kernel, where it is not the first one again.
    pub(crate) next: Option<Flavour>,
    /// More words for the next kernel.
    pub(crate) next_options: &'static str,
    /// What a running system does, instead of Turnout as PID 1: commands of the
    /// shell in [`turnout_qemu::initrd::running`].
    pub(crate) script: Option<&'static str>,
    /// What the system does that Turnout starts, likewise.
    pub(crate) next_script: Option<&'static str>,
    /// Whether the image and the signature of "good" are made as the README says.
    pub(crate) recipe: bool,
    /// Whether the image is open: without a key ring.
    pub(crate) open: bool,
    /// Ring and policy of the image, where it is not to trust one key alone;
    /// made once the boot partition is as it will be.
    pub(crate) anchor: Option<fn(&World, &BootTree) -> Result<Anchor>>,
    /// Whether the binary has the test hooks.
    pub(crate) hooks: bool,
    /// Whether the machine has a keyboard that QEMU's monitor can press.
    pub(crate) keyboard: bool,
    /// Whether the machine has a second serial line.
    pub(crate) second_line: bool,
    /// Files of the boot partition that the disk lies about. One that answers as
    /// it is only once must be read exactly once, every sector of it.
    pub(crate) lies: &'static [(&'static str, Answer)],
    /// Whether the image is the one for nearly every machine, with no module named but
    /// those in `modules`.
    pub(crate) universal: bool,
    /// More disks, each of a kind of its own.
    pub(crate) further: &'static [Further],
    /// Adds disks to the machine, once the first one has been built.
    pub(crate) more_disks: fn(&Path, &mut Machine) -> Result<()>,
    /// Whether the machine has a TPM.
    pub(crate) tpm: bool,
    /// Whether guest time is counted in instructions: slow, and exact.
    pub(crate) counted: bool,
    /// Whether the case is one of the long run: not worth its time in every run.
    pub(crate) long: bool,
}

/// A disk with one boot partition, on which one signed entry is. What it names as its
/// kernel is none: it is read and verified, and then nothing can load it.
#[derive(Clone, Copy)]
pub(crate) struct Further {
    /// The entry.
    pub(crate) id: &'static str,
    pub(crate) bus: Bus,
    /// The file system of a directory.
    pub(crate) holds: fn(PathBuf) -> Content,
}

/// The texts of a key ring and of a policy.
pub(crate) struct Anchor {
    pub(crate) ring: String,
    pub(crate) policy: String,
}

#[derive(Clone, Copy)]
pub(crate) enum Partitions {
    /// An ESP and the boot partition.
    Boot,
    /// The same, with nothing on them.
    Empty,
    /// The same files on a partition of another type.
    Other,
    /// An ESP, and a root file system with `/boot` on it.
    Root,
    /// The same, and a state area.
    RootAndState,
    /// An ESP, and the file system in "debian.img" beside the boot partition's files.
    WholeDebian,
    /// An ESP with two copies of Turnout, the boot partition, and a state area.
    DoubledEsp,
    /// An ESP, the partitions "system-a" and "system-b" from "a.img" and "b.img" beside
    /// the boot partition's files, a state area, and a file system with those in "data".
    Updated,
    /// An ESP, a Linux file system for `/boot`, and one for what is else.
    BootApart,
    /// An ESP, and a boot partition with such a file system.
    Holding(fn(PathBuf) -> Content),
    /// The second of these alone.
    Only(fn(PathBuf) -> Content),
    /// An ESP, the boot partition, and a state area.
    State,
    /// The same in an MBR, where no type says what the last one is.
    StateOfMbr,
    /// An ESP, the partitions "system-a", with the boot partition's files, and "system-b"
    /// and "rescue", with those in "b" and "rescue" beside them, and a state area.
    Slots,
    /// An ESP, a file system with releases, on which nobody looks for a menu, the
    /// partitions "slot-a" and "slot-b", and a state area.
    Releases,
}

/// One time that a machine is switched on.
pub(crate) struct Start {
    /// Whether the image is the factory's, which may make what is not there.
    pub(crate) factory: bool,
    /// Whether the TPM is there.
    pub(crate) tpm: bool,
    /// What happens to the disk before.
    pub(crate) before: fn(&Path) -> Result<()>,
    /// The entry that somebody chooses; otherwise the menu's time runs out.
    pub(crate) choose: Option<&'static str>,
    /// After which text, once that was done, the TPM stalls for a while.
    pub(crate) stalls: Option<&'static str>,
    /// More words for the first kernel.
    pub(crate) options: &'static str,
    /// More arguments for QEMU.
    pub(crate) arguments: &'static [&'static str],
    /// Whether the firmware finds the first kernel on the disk by itself.
    pub(crate) from_disk: bool,
    /// Whether a reset starts the machine again, within this start; otherwise it is
    /// its end.
    pub(crate) resets: bool,
    /// What is to be read, in this order.
    pub(crate) says: &'static [&'static str],
    /// What is done to the machine once that was read, and what is to be read then.
    pub(crate) then: Option<Then>,
    /// Whether the power is cut after all that; otherwise the machine has to turn
    /// itself off, or to reset.
    pub(crate) cut: bool,
}

impl Start {
    /// One without a TPM, at which nobody does anything.
    pub(crate) const PLAIN: Self = Self {
        factory: false,
        tpm: false,
        before: |_| Ok(()),
        choose: None,
        stalls: None,
        options: "",
        arguments: &[],
        from_disk: false,
        resets: false,
        says: &[],
        then: None,
        cut: false,
    };
}

/// What is done to a machine that runs.
#[derive(Clone, Copy)]
pub(crate) struct Then {
    pub(crate) act: fn(&mut Console, &Machine) -> Result<()>,
    pub(crate) says: &'static [&'static str],
}

#[derive(Clone, Copy)]
pub(crate) enum Expect {
    /// The next system, with the manifest's command line, after these texts.
    Boots { after: &'static [&'static str] },
    /// The next system, after these texts, and its facts are right. Nothing in
    /// its kernel's log may be amiss.
    Finds { after: &'static [&'static str], facts: fn(&Facts) -> Result<()> },
    /// The next system, after what was printed satisfies this.
    Prints(fn(&str) -> Result<()>),
    /// The next system, whose PCRs are the predicted ones and whose log explains
    /// them, with files of these kinds.
    Measures { files: &'static [&'static str] },
    /// A chain of running systems, to its end: what each of them printed.
    Tells(fn(&[Stage]) -> Result<()>),
    /// The same machine, switched on time after time; its disk and its TPM keep
    /// what was written.
    Starts(&'static [Start]),
    /// A machine that updates itself while everything that it writes is recorded; and
    /// what becomes of disks whose power has failed meanwhile.
    Survives(Outage),
    /// One start, which writes so much.
    Wears(Wear),
    /// These texts, then a reset.
    Ends(&'static [&'static str]),
    /// The entries of all further disks, in one menu, and what each names as its kernel read
    /// meanwhile; then the entry "good", which boots.
    Reads,
    /// What is done to the running menu; the machine must boot all the same.
    Acts(fn(&mut Console, &Machine) -> Result<()>),
    /// These texts, then the prompt of an open image, which turns the machine
    /// off when told to.
    Asks(&'static [&'static str]),
}

const BOTH: &[Arch] = &[Arch::X86_64, Arch::Aarch64];
const X86_64: &[Arch] = &[Arch::X86_64];
const AARCH64: &[Arch] = &[Arch::Aarch64];
const AT_ONCE: Expect = Expect::Boots { after: &[] };

const PLAIN: Boot = Boot {
    flavour: Flavour::Cloud,
    partitions: Partitions::Boot,
    bus: None,
    loader_conf: "timeout 0\ndefault good\n",
    config: "wait 10\nreset-delay 1\nattempts 1\n",
    compress: "zstd",
    first_options: "",
    shape: Shape::USUAL,
    stick: false,
    modules: &[],
    next: None,
    next_options: "",
    script: None,
    next_script: None,
    recipe: false,
    open: false,
    anchor: None,
    hooks: false,
    keyboard: false,
    second_line: false,
    lies: &[],
    universal: false,
    further: &[],
    more_disks: one_disk,
    tpm: false,
    counted: false,
    long: false,
};
const COUNTED: Boot = Boot { counted: true, ..PLAIN };
const HOOKED: Boot = Boot { hooks: true, ..PLAIN };
const HOOKED_SEGMENTS: Boot =
    Boot { config: "engine segments\nreset-delay 1\nattempts 1\n", ..HOOKED };
const WAITING_MENU: Boot = Boot { loader_conf: "timeout menu-force\ndefault good\n", ..PLAIN };

const fn case(
    name: &'static str,
    boot: Boot,
    change: fn(&World, &BootTree) -> Result<()>,
    expect: Expect,
) -> Case {
    Case { name, archs: BOTH, boot, change, expect }
}

/// The same on these architectures only.
const fn on(archs: &'static [Arch], case: Case) -> Case {
    Case { archs, ..case }
}

/// The same in the long run only: on another architecture what it shows is shown in
/// every run, or it is endurance.
const fn long(case: Case) -> Case {
    Case { boot: Boot { long: true, ..case.boot }, ..case }
}

fn nothing(_: &World, _: &BootTree) -> Result<()> {
    Ok(())
}

fn one_disk(_: &Path, _: &mut Machine) -> Result<()> {
    Ok(())
}
