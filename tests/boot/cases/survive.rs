//! Machines that nobody walks up to: two systems and a recovery system, starts that
//! nobody confirms, watchdogs, file systems that kill, disks that go and come back.
//!
//! Most of a story happens in one start of QEMU: the machine resets itself, and what
//! it has kept is on its disk.

use super::disks::beside;
use super::rollback::add;
use super::{
    AARCH64, Anchor, BOTH, Boot, Case, Expect, PLAIN, Partitions, Start, Then, X86_64, case,
};
use crate::expect::DEADLINE;
use crate::signing::{BOOT, RECOVERY};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result, ensure};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::disk;
use turnout_qemu::guest::Flavour;
use turnout_qemu::machine::{Bus, Machine, Shape};
use turnout_qemu::menu;
use turnout_qemu::serial::{Console, Event};

/// Where the systems are on the disk of [`Partitions::Slots`], and the state area.
const A: usize = 2;
const B: usize = 3;
const RESCUE: usize = 4;
const STATE: usize = 5;
/// Where it is on that of [`Partitions::State`].
const STATE_BESIDE: usize = 3;

const SLOTS: Boot = Boot {
    partitions: Partitions::Slots,
    loader_conf: "timeout 0\n",
    config: "wait 10\nreset-delay 1\nattempts 1\n\
             slot A PARTLABEL=system-a\nslot B PARTLABEL=system-b\n",
    anchor: Some(anchor),
    next_script: Some(SCRIPT),
    ..PLAIN
};

/// The same, where the last start of "good" hangs. What the jump does to a watchdog is for
/// the command line to say where the kernel has the watchdog core built in, as Debian's for
/// arm64 has it; on x86_64 the image says it.
const WATCHED: Boot = Boot {
    flavour: Flavour::Generic,
    bus: Some(Bus::Nvme),
    next: Some(Flavour::Cloud),
    shape: Shape { devices: &["-device", "i6300esb"], ..Shape::USUAL },
    modules: &["i6300esb", "nvme"],
    first_options: "watchdog.stop_on_reboot=0",
    config: "wait 10\nreset-delay 1\nattempts 1\ntries 1\nwatchdog 25\n\
             slot A PARTLABEL=system-a\nslot B PARTLABEL=system-b\n",
    ..SLOTS
};

/// No slot is declared.
const NAMES: Boot = Boot {
    partitions: Partitions::State,
    loader_conf: "timeout 0\n",
    config: "wait 10\nreset-delay 1\nattempts 1\nrollback advisory\n",
    ..SLOTS
};

const MENU: Boot = Boot { loader_conf: "timeout 5\n", ..SLOTS };

const TWO: &str = "two_slots_count_down_and_fall_back";
const HANDS: &str = "a_choice_by_hand_moves_the_attempt";
const HANGS: &str = "a_system_that_hangs_is_reset_by_its_watchdog_and_gives_way";
const NAMED: &str = "boot_counters_in_names_are_counted_and_no_file_is_renamed";

const fn on(
    archs: &'static [Arch],
    name: &'static str,
    boot: Boot,
    change: fn(&World, &BootTree) -> Result<()>,
    starts: &'static [Start],
) -> Case {
    Case { archs, ..case(name, boot, change, Expect::Starts(starts)) }
}

const fn long(boot: Boot) -> Boot {
    Boot { long: true, ..boot }
}

pub(super) const CASES: &[Case] = &[
    on(X86_64, TWO, SLOTS, add_systems, TWO_SLOTS),
    on(AARCH64, TWO, long(SLOTS), add_systems, TWO_SLOTS),
    on(X86_64, HANDS, MENU, add_systems, BY_HAND),
    on(AARCH64, HANDS, long(MENU), add_systems, BY_HAND),
    on(X86_64, HANGS, WATCHED, add_systems, HANG),
    on(AARCH64, HANGS, long(WATCHED), add_systems, HANG),
    on(X86_64, NAMED, NAMES, add_counted_names, COUNTED_NAMES),
    on(AARCH64, NAMED, long(NAMES), add_counted_names, COUNTED_NAMES),
    on(
        X86_64,
        "a_slot_that_ends_the_boot_environment_costs_a_try_and_no_more",
        Boot {
            hooks: true,
            config: "wait 10\nreset-delay 1\nattempts 1\nwatchdog-start 10\nstart-limit off\n\
                     slot A PARTLABEL=system-a\nslot B PARTLABEL=system-b\n",
            long: true,
            ..WATCHED
        },
        add_systems,
        DEADLY,
    ),
    on(
        BOTH,
        "two_slots_are_updated_and_the_last_good_one_stays",
        long(SLOTS),
        add_systems,
        UPDATES,
    ),
    on(BOTH, "a_state_area_that_is_lost_or_takes_nothing", long(SLOTS), add_systems, LOST),
    on(
        X86_64,
        "a_disk_that_comes_back_in_a_pause_heals_the_machine",
        long(SLOTS),
        add_systems,
        COMES_BACK,
    ),
    on(
        X86_64,
        "a_disk_that_comes_back_after_every_try_is_booted_after_ten_minutes",
        Boot {
            config: "wait 10\nreset-delay 1\nattempts 1\ntries 1\n\
                     slot A PARTLABEL=system-a\nslot B PARTLABEL=system-b\n",
            ..long(SLOTS)
        },
        add_systems,
        NO_TRIES,
    ),
    on(
        X86_64,
        "a_default_is_kept_where_there_is_no_efi",
        Boot { loader_conf: "timeout 3\n", ..long(NAMES) },
        add_two_names,
        DEFAULT,
    ),
    on(
        X86_64,
        "the_countdown_is_left_out_after_confirmed_starts",
        Boot {
            loader_conf: "timeout 4\n",
            config: "wait 10\nreset-delay 1\nattempts 1\nrollback advisory\ncount all\ninstant 2\n",
            ..long(NAMES)
        },
        add_systems,
        INSTANT,
    ),
];

const START: Start = Start { resets: true, ..Start::PLAIN };

/// First nobody confirms A, then everybody himself.
const TWO_SLOTS: &[Start] = &[Start {
    factory: true,
    before: |disk| tell(disk, "[ $name = good ] && reboot -f\nconfirm\nshow\n"),
    says: &[
        "turnout: jumping to good",
        "runs good",
        "the last start of A was not confirmed (not-confirmed): A unconfirmed, 2 of 3 tries left",
        "runs good",
        "the last start of A was not confirmed (not-confirmed): A unconfirmed, 1 of 3 tries left",
        "runs good",
        "the last start of A was not confirmed (not-confirmed): A exhausted, 0 of 3 tries left",
        "turnout: jumping to other",
        "runs other",
        "= 0",
        "SLOT",
        "  A     exhausted",
        "* B     good",
        "     4  B                     confirmed      jumped       order",
        "     3  A                     not-confirmed  jumped       order",
        "     2  A                     not-confirmed  jumped       order",
        "     1  A                     not-confirmed  jumped       order",
        "\"primary\":\"B\"",
        "\"name\":\"A\",\"standing\":\"exhausted\"",
        "\"name\":\"B\",\"standing\":\"good\"",
    ],
    ..START
}];

/// First it is damaged, then the disk is read-only.
const LOST: &[Start] = &[
    Start {
        factory: true,
        before: |disk| tell(disk, "confirm\n"),
        says: &["turnout: jumping to good", "slot A is good"],
        ..START
    },
    Start {
        before: |disk| damage_state(disk).and_then(|()| tell(disk, "confirm\nshow\n")),
        says: &[
            "the state area is damaged: neither generation can be used: of both, its checksum is wrong",
            "turnout: jumping to good",
            "runs good",
            "= 0",
            "* A     good",
            "  B     unconfirmed, 3 of 3 tries left",
            "     1  A                     confirmed      jumped       order",
        ],
        ..START
    },
    Start {
        arguments: &["-set", "drive.disk0.read-only=on"],
        before: |disk| tell(disk, "run turnout slot set-primary B\n"),
        says: &[
            "what becomes of this start is not counted: ",
            "runs good",
            "turnout slot set-primary B",
            "turnout: writing /dev/nvme0n1p5: ",
            "= 4",
        ],
        ..START
    },
];

/// The same machine, from where B is good.
const UPDATES: &[Start] = &[
    Start {
        factory: true,
        before: |disk| tell(disk, "[ $name = good ] && reboot -f\nconfirm\n"),
        says: &["turnout: jumping to other", "slot B is good"],
        ..START
    },
    // An update of A, which is good; then both are said to be installed into.
    Start {
        before: |disk| tell(disk, LAST_GOOD),
        says: &[
            "turnout: jumping to other",
            "runs other",
            "A is empty",
            "A is tried first from now on, with 3 tries until it is confirmed",
            "turnout: jumping to good",
            "runs good",
            "turnout slot install B",
            "\"B\" is the only slot that was ever good: without it nothing is left to fall back to",
            "= 3",
            "turnout bless",
            "= 0",
            "turnout slot install B",
            "B is empty",
            "= 0",
            "turnout slot install A",
            "\"A\" is the only slot that was ever good: without it nothing is left to fall back to",
            "= 3",
            "A is empty",
            "= 0",
            "turnout: recovery: ",
            "turnout: jumping to rescue",
            "runs rescue",
            "B is tried first from now on",
            "turnout: jumping to other",
            "runs other",
            "turnout bless",
            "= 0",
            "confirmed      jumped       order",
            "not-confirmed  jumped       recovery",
            "     6  A                     confirmed      jumped       order",
        ],
        ..START
    },
    // Once.
    Start {
        before: |disk| tell(disk, ONCE),
        says: &[
            "runs other",
            "turnout slot set-primary A",
            "turnout slot set-primary B",
            "turnout set-oneshot A",
            "= 0",
            "turnout: jumping to good",
            "runs good",
            "the last start of A was not confirmed (not-confirmed): A unconfirmed, 2 of 3 tries left",
            "turnout: jumping to other",
            "runs other",
            "one-shot",
        ],
        ..START
    },
];

/// From B on, in turn: A is made anew and confirmed; then both are emptied, and the
/// recovery system puts B back.
const LAST_GOOD: &str = "\
case \"$name $(turnout history | wc -l)\" in
    *' 5') run turnout bless; run turnout slot install A; run turnout slot set-primary A; reboot -f ;;
    *' 6') run turnout slot install B; run turnout bless; run turnout slot install B
           run turnout slot install A; run turnout slot install A --force; reboot -f ;;
    rescue*) run turnout slot set-primary B; reboot -f ;;
    *) run turnout bless; turnout history ;;
esac
";

const ONCE: &str = "\
case \"$name $(turnout history | wc -l)\" in
    *' 9') run turnout bless; run turnout slot set-primary A; run turnout slot set-primary B
           run turnout set-oneshot A; reboot -f ;;
    good*) reboot -f ;;
    *) run turnout bless; turnout history ;;
esac
";

/// The first slot's try is given back.
const BY_HAND: &[Start] = &[Start {
    factory: true,
    choose: Some("other"),
    before: |disk| tell(disk, "show\n"),
    says: &[
        "turnout: jumping to other",
        "runs other",
        "* A     unconfirmed, 3 of 3 tries left",
        "  B     unconfirmed, 2 of 3 tries left",
        "     1  B                     open           jumped       hand",
        "\"attempt\":{\"slot\":\"B\",\"entry\":\"other\",\"stage\":\"jumped\",\"cause\":\"hand\"",
    ],
    ..START
}];

/// Nobody serves the watchdog.
const HANG: &[Start] = &[Start {
    factory: true,
    before: |disk| tell(disk, "[ $name = good ] && sleep 100000\nconfirm\nshow\n"),
    says: &[
        "turnout: jumping to good",
        "runs good",
        "the last start of A was not confirmed (watchdog): A exhausted, 0 of 1 tries left",
        "turnout: jumping to other",
        "runs other",
        "= 0",
        "  A     exhausted",
        "* B     good",
        "     2  B                     confirmed      jumped       order",
        "     1  A                     watchdog       jumped       order",
    ],
    ..START
}];

const DEADLY: &[Start] = &[
    Start {
        factory: true,
        before: |disk| tell(disk, "confirm\nshow\n"),
        options: "turnout.test=crash-at-mount=nvme0n1p2",
        says: &[
            "the last start of A was not confirmed (died while a device was mounted): \
             A unconfirmed, 2 of 3 tries left",
            "a mount has ended the last start: passed over this once",
            "turnout: jumping to other",
            "runs other",
            "= 0",
            "     1  A                     died           mounting     order",
        ],
        ..START
    },
    Start {
        options: "turnout.test=hang-before-loading",
        says: &[
            "turnout: prepared, hanging",
            "the last start of A was not confirmed (watchdog): A unconfirmed, 1 of 3 tries left",
            "turnout: prepared, hanging",
        ],
        cut: true,
        ..START
    },
    Start {
        says: &[
            "the last start of A was not confirmed (died): A exhausted, 0 of 3 tries left",
            "runs other",
            "     5  B                     confirmed      mounting     order",
            "     4  A                     died           reading      order",
            "     3  A                     watchdog       reading      order",
        ],
        ..START
    },
];

/// Neither system can be read, nor the recovery system; then A can be.
const COMES_BACK: &[Start] = &[Start {
    factory: true,
    before: |disk| {
        tell(disk, "confirm\nshow\n")?;
        toggle(disk, &[A, B, RESCUE])
    },
    says: &["pause 1 since a start was confirmed, the next one takes 30 s"],
    then: Some(Then {
        act: |_, machine| toggle(first_disk(machine)?, &[A]),
        says: &["turnout: jumping to good", "runs good", "= 0", "* A     good"],
    }),
    ..START
}];

/// A disk that is gone until no try is left; the power is cut in every pause.
const NO_TRIES: &[Start] = &[
    Start {
        factory: true,
        before: |disk| {
            tell(disk, "confirm\nshow\n")?;
            toggle(disk, &[A, B, RESCUE])
        },
        says: &["reset in 10 s: ", "pause 1 since a start was confirmed, the next one takes 30 s"],
        cut: true,
        ..START
    },
    Start {
        says: &["reset in 30 s: ", "pause 2 since a start was confirmed, the next one takes 120 s"],
        cut: true,
        ..START
    },
    Start {
        says: &[
            "reset in 120 s: ",
            "pause 3 since a start was confirmed, the next one takes 600 s",
        ],
        cut: true,
        ..START
    },
    Start {
        before: |disk| toggle(disk, &[A]),
        says: &["A exhausted", "reset in 600 s: ", "after it every slot has its tries again"],
        then: Some(Then {
            act: |console, _| waits(console, "turnout: jumping to good"),
            says: &["runs good", "= 0", "* A     good"],
        }),
        ..START
    },
];

/// For as long as the longest pause takes, and a start.
fn waits(console: &mut Console, text: &str) -> Result<()> {
    const LONGEST: Duration = Duration::from_secs(800);
    let seen = console.wait_for(&[text], LONGEST)?;
    ensure!(matches!(seen, Event::Seen { .. }), "no \"{text}\" after the longest pause: {seen:?}");
    Ok(())
}

/// Two tries by its name, then the one without a counter; then somebody takes the
/// counter away, as bless-boot does.
const COUNTED_NAMES: &[Start] = &[
    Start {
        factory: true,
        before: |disk| tell(disk, "[ $name = good ] && reboot -f\nshow\nls /boot/loader/entries\n"),
        says: &[
            "runs good",
            "the last start of good was not confirmed (not-confirmed): \
             good unconfirmed, 1 of 2 tries left",
            "runs good",
            "the last start of good was not confirmed (not-confirmed): \
             good exhausted, 0 of 2 tries left",
            "runs other",
            "good+2.conf",
        ],
        ..START
    },
    Start {
        before: |disk| {
            disk::rename(disk, A, "/loader/entries/good+2.conf", "/loader/entries/good.conf")?;
            tell(disk, "show\n")
        },
        says: &[
            "good has no counter in its name any more: that confirms it",
            "runs good",
            "* good  good",
        ],
        ..START
    },
    // A healthy start writes nothing.
    Start {
        before: |disk| remember_state(disk),
        says: &["turnout: jumping to good", "runs good"],
        then: Some(Then {
            act: |_, machine| is_state_as_remembered(first_disk(machine)?),
            says: &[],
        }),
        ..START
    },
];

/// `d` in the menu, and what the system then says itself.
const DEFAULT: &[Start] = &[
    Start {
        factory: true,
        before: |disk| tell(disk, "run turnout set-default good; turnout slot list\n"),
        says: &[menu::DRAWN],
        then: Some(Then {
            act: |console, _| console.send(b"2d"),
            says: &["other.conf is the default from now on"],
        }),
        cut: true,
        ..START
    },
    Start {
        says: &["turnout: jumping to other", "runs other", "turnout set-default good", "= 0"],
        ..START
    },
    Start { says: &["turnout: jumping to good", "runs good"], ..START },
];

const INSTANT: &[Start] = &[
    Start {
        factory: true,
        before: |disk| {
            tell(disk, "run turnout bless; [ $(turnout history | wc -l) -ge 3 ] || reboot -f\n")
        },
        says: &["runs good", menu::DRAWN, "runs good", "runs good"],
        then: Some(Then { act: |console, _| had_no_menu_last(console.text()), says: &["= 0"] }),
        ..START
    },
    Start {
        says: &["turnout: rollback protection is advisory"],
        then: Some(Then {
            act: |console, _| {
                console.send(b"j")?;
                menu::choose(console, "good", DEADLINE)
            },
            says: &["turnout: jumping to good", "runs good"],
        }),
        ..START
    },
];

/// Whether no menu was drawn between the last two systems.
fn had_no_menu_last(text: &str) -> Result<()> {
    let mut starts = text.rsplit("runs good").skip(1);
    let last = starts.next().context("nothing was started")?;
    ensure!(!last.contains(menu::DRAWN), "the countdown was not left out");
    Ok(())
}

fn first_disk(machine: &Machine) -> Result<&Path> {
    let disk = machine.disks.first().context("a machine without a disk")?;
    Ok(&disk.1)
}

/// What the systems do: what the disk's end says.
const SCRIPT: &str = r#"
name="$(sed 's/.*demo.name=\([a-z]*\).*/\1/' /proc/cmdline)"
echo "runs $name"
confirm() { run turnout bless; }
show() { turnout slot list; turnout history; turnout status --json; }
dd if=/dev/nvme0n1 bs=512 skip=$(($(cat /sys/block/nvme0n1/size) - 2048)) count=4 2>/dev/null |
    tr -d '\0' >/told
. /told
"#;

/// Leaves in front of the disk's end, where no partition is, what the systems are to do.
fn tell(disk: &Path, commands: &str) -> Result<()> {
    const BEFORE_END: u64 = 1 << 20;
    let mut told = commands.as_bytes().to_vec();
    ensure!(told.len() <= 2048, "that is too much to tell");
    told.resize(2048, 0);
    let file = OpenOptions::new().write(true).open(disk)?;
    let at = file.metadata()?.len().checked_sub(BEFORE_END).context("a disk without an end")?;
    Ok(file.write_all_at(&told, at)?)
}

/// Takes the file systems of these partitions away, or gives them back.
fn toggle(disk: &Path, partitions: &[usize]) -> Result<()> {
    /// The magic number of ext4, in its superblock.
    const MAGIC: u64 = 1024 + 56;
    partitions
        .iter()
        .try_for_each(|partition| flip(disk, disk::start_of(disk, *partition)? + MAGIC))
}

/// The state area's two generations.
fn generations(disk: &Path) -> Result<Vec<u8>> {
    let start = disk::start_of(disk, STATE_BESIDE)?;
    let mut bytes = vec![0; 0x11000];
    OpenOptions::new().read(true).open(disk)?.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}

fn remember_state(disk: &Path) -> Result<()> {
    Ok(fs::write(disk.with_extension("state"), generations(disk)?)?)
}

fn is_state_as_remembered(disk: &Path) -> Result<()> {
    let before = fs::read(disk.with_extension("state"))?;
    ensure!(generations(disk)? == before, "a healthy start has written to the state area");
    Ok(())
}

/// Damages both generations of the state area.
fn damage_state(disk: &Path) -> Result<()> {
    let start = disk::start_of(disk, STATE)?;
    [0, 0x10000].into_iter().try_for_each(|place| flip(disk, start + place + 100))
}

fn flip(disk: &Path, at: u64) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(disk)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    Ok(file.write_all_at(&[byte[0] ^ 1], at)?)
}

fn anchor(world: &World, _: &BootTree) -> Result<Anchor> {
    Ok(Anchor { ring: world.signers.ring()?, policy: "turnout-policy 1\nversion 1\n".to_owned() })
}

/// "good" in the first system's partition, "other" in the second's, and "rescue".
fn add_systems(world: &World, tree: &BootTree) -> Result<()> {
    let signers = &world.signers;
    add(world, tree, "good", 0, (&signers.release, BOOT))?;
    add(world, &another(tree, "b")?, "other", 0, (&signers.release, BOOT))?;
    add(world, &another(tree, "rescue")?, "rescue", 0, (&signers.rescue, RECOVERY))
}

/// A boot partition with the same kernel and initrds, and without entries.
fn another(tree: &BootTree, name: &str) -> Result<BootTree> {
    let other = BootTree::new(beside(tree.root(), name)?)?;
    for path in [LINUX, INITRD, SECOND] {
        fs::hard_link(tree.host_path(path), other.host_path(path))?;
    }
    other.set_loader_conf("timeout 0\n")?;
    Ok(other)
}

fn add_two_names(world: &World, tree: &BootTree) -> Result<()> {
    let release = (&world.signers.release, BOOT);
    add(world, tree, "good", 0, release)?;
    add(world, tree, "other", 0, release)
}

/// "good" may be tried twice, and "other" is good.
fn add_counted_names(world: &World, tree: &BootTree) -> Result<()> {
    add_two_names(world, tree)?;
    let [plain, counted] =
        ["good", "good+2"].map(|name| tree.host_path(&format!("loader/entries/{name}.conf")));
    Ok(fs::rename(plain, counted)?)
}
