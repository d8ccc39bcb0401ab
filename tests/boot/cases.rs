//! The cases, as data: how the boot partition differs from a good one, and what
//! the machine must do about it.

use crate::expect::{DEADLINE, see};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result, bail};
use std::fs;
use std::thread::sleep;
use std::time::Duration;
use turnout::arch::Arch;
use turnout_qemu::boot_tree::{BootTree, flip, position};
use turnout_qemu::guest::Flavour;
use turnout_qemu::initrd::{self, SPARE_LINE};
use turnout_qemu::machine::Machine;
use turnout_qemu::menu;
use turnout_qemu::serial::{Console, Event, monitor};

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
    pub(crate) loader_conf: &'static str,
    /// Text of the image's configuration file.
    pub(crate) config: &'static str,
    /// More words for the first kernel.
    pub(crate) first_options: &'static str,
    pub(crate) cpu: Option<&'static str>,
    /// Whether the image is open: without a key ring.
    pub(crate) open: bool,
    /// Whether the binary has the test hooks.
    pub(crate) hooks: bool,
    /// Whether the machine has a keyboard that QEMU's monitor can press.
    pub(crate) keyboard: bool,
    /// Whether guest time is counted in instructions: slow, and exact.
    pub(crate) counted: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Partitions {
    /// An ESP and the boot partition.
    Boot,
    /// The same, with nothing on them.
    Empty,
    /// The same files on a partition of another type.
    Other,
}

#[derive(Clone, Copy)]
pub(crate) enum Expect {
    /// The next system, with the manifest's command line, after these texts.
    Boots { after: &'static [&'static str] },
    /// A refusal of the entry "good" with this code, then a reset.
    Refuses(&'static str),
    /// These texts, then a reset.
    Ends(&'static [&'static str]),
    /// What is done to the running menu; the machine must boot all the same.
    Acts(fn(&mut Console, &Machine) -> Result<()>),
    /// These texts, then the prompt of an open image, which turns the machine
    /// off when told to.
    Asks(&'static [&'static str]),
}

const BOTH: &[Arch] = &[Arch::X86_64, Arch::Aarch64];
const X86_64: &[Arch] = &[Arch::X86_64];
const AT_ONCE: Expect = Expect::Boots { after: &[] };

const PLAIN: Boot = Boot {
    flavour: Flavour::Cloud,
    partitions: Partitions::Boot,
    loader_conf: "timeout 0\ndefault good\n",
    config: "wait 10\nreset-delay 1\nattempts 1\n",
    first_options: "",
    cpu: None,
    open: false,
    hooks: false,
    keyboard: false,
    counted: false,
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

/// Slow cases first, so that none is left over at the end.
pub(crate) const CASES: &[Case] = &[
    case("good_entry_from_nvme", COUNTED, nothing, AT_ONCE),
    case(
        "good_entry_from_virtio_by_modules",
        Boot { flavour: Flavour::Generic, ..COUNTED },
        nothing,
        AT_ONCE,
    ),
    Case {
        name: "good_entry_by_kexec_load",
        archs: X86_64,
        boot: Boot { config: "engine segments\nreset-delay 1\n", ..COUNTED },
        change: nothing,
        expect: Expect::Boots { after: &["by kexec_load,"] },
    },
    Case {
        name: "good_entry_on_the_oldest_processor",
        archs: X86_64,
        boot: Boot { cpu: Some("qemu64"), config: "engine segments\nreset-delay 1\n", ..PLAIN },
        change: nothing,
        expect: AT_ONCE,
    },
    case("default_configuration", Boot { config: "", ..PLAIN }, nothing, AT_ONCE),
    case("kernel_byte_flipped", PLAIN, flip_kernel_byte, Expect::Refuses("LINUX_DIGEST")),
    case("kernel_truncated", PLAIN, truncate_kernel, Expect::Refuses("LINUX_SIZE")),
    case("initrd_byte_flipped", PLAIN, flip_initrd_byte, Expect::Refuses("INITRD_DIGEST")),
    case("second_initrd_swapped", PLAIN, swap_second_initrd, Expect::Refuses("INITRD_DIGEST")),
    case("third_initrd_added", PLAIN, add_third_initrd, Expect::Refuses("INITRD_COUNT")),
    case("options_edited_in_the_menu", PLAIN, edit_options, AT_ONCE),
    case("manifest_edited", PLAIN, edit_manifest, Expect::Refuses("SIGNATURE_INVALID")),
    case("key_not_in_the_ring", PLAIN, sign_as_a_stranger, Expect::Refuses("KEY_UNKNOWN")),
    case("another_namespace", PLAIN, sign_for_recovery, Expect::Refuses("NAMESPACE")),
    case("signature_removed", PLAIN, remove_signature, Expect::Refuses("SIGNATURE_MISSING")),
    case("manifest_and_signature_removed", PLAIN, remove_both, Expect::Refuses("UNSIGNED")),
    case("manifest_of_another_entry", PLAIN, rename_manifest, Expect::Refuses("MANIFEST_ENTRY")),
    case(
        "tampered_default_gives_way_to_the_next_entry",
        Boot { loader_conf: "timeout 0\ndefault bad\n", ..PLAIN },
        add_tampered_entry,
        Expect::Boots { after: &["turnout: refused bad: LINUX_DIGEST: "] },
    ),
    case(
        "partition_found_by_its_label",
        Boot {
            partitions: Partitions::Other,
            config: "device LABEL=data\nreset-delay 1\nattempts 1\n",
            ..PLAIN
        },
        nothing,
        Expect::Boots { after: &["boot partition nvme0n1p1 (LABEL=data, ext4)"] },
    ),
    case(
        "open_image_boots_what_nobody_signed",
        Boot { open: true, ..PLAIN },
        remove_both,
        Expect::Boots { after: &["turnout: OPEN: "] },
    ),
    case(
        "open_image_asks_when_nothing_boots",
        Boot { open: true, partitions: Partitions::Empty, ..PLAIN },
        nothing,
        Expect::Asks(&["nvme0n1p2: no menu entry in /loader/entries"]),
    ),
    case(
        "empty_partition",
        Boot { partitions: Partitions::Empty, ..PLAIN },
        nothing,
        Expect::Ends(&["nvme0n1p2: no menu entry in /loader/entries", "turnout: reset in "]),
    ),
    case(
        "missing_partition",
        Boot { partitions: Partitions::Other, ..PLAIN },
        nothing,
        Expect::Ends(&[
            "no boot partition (auto) after 10 s; block devices seen:",
            "nvme0n1p1: ",
            "Linux file system, ext4 label data",
            "turnout: reset in ",
        ]),
    ),
    case("interrupt_and_quit_keys", WAITING_MENU, nothing, Expect::Acts(press_interrupt_and_quit)),
    case(
        "noise_on_the_line",
        Boot { loader_conf: "timeout 3\ndefault good\n", ..PLAIN },
        nothing,
        Expect::Acts(make_noise),
    ),
    case(
        "ctrl_alt_del",
        Boot { keyboard: true, ..WAITING_MENU },
        nothing,
        Expect::Acts(press_ctrl_alt_del),
    ),
    case(
        "signals_to_pid_1",
        Boot { first_options: "turnout.test=signals", ..HOOKED },
        nothing,
        Expect::Boots { after: &["turnout-test-hooks-enabled"] },
    ),
    case(
        "panic_in_pid_1",
        Boot { first_options: "turnout.test=panic", ..HOOKED },
        nothing,
        Expect::Ends(&["turnout: reset in 1 s: panic at ", "asked for by turnout.test=panic"]),
    ),
    case(
        "kernel_corrupted_after_load",
        Boot { first_options: "turnout.test=corrupt=kernel", ..HOOKED_SEGMENTS },
        nothing,
        Expect::Ends(&["turnout: jumping to good", "purgatory: SHA-256 of linux does not match"]),
    ),
    case(
        "initrd_corrupted_after_load",
        Boot { first_options: "turnout.test=corrupt=initrd", ..HOOKED_SEGMENTS },
        nothing,
        Expect::Ends(&[
            "turnout: jumping to good",
            "purgatory: SHA-256 of initrd 1 does not match",
        ]),
    ),
];

fn nothing(_: &World, _: &BootTree) -> Result<()> {
    Ok(())
}

/// A byte that no boot would miss: the kernel must be refused for its digest,
/// not die of the damage.
fn flip_kernel_byte(world: &World, tree: &BootTree) -> Result<()> {
    flip_unused_byte(world.arch, tree, LINUX)
}

fn flip_unused_byte(arch: Arch, tree: &BootTree, linux: &str) -> Result<()> {
    let unused = match arch {
        Arch::X86_64 => 8,
        Arch::Aarch64 => 48,
    };
    tree.edit(linux, |bytes| flip(bytes, unused))
}

fn truncate_kernel(_: &World, tree: &BootTree) -> Result<()> {
    tree.edit(LINUX, |bytes| {
        bytes.truncate(bytes.len() - 1);
        Ok(())
    })
}

fn flip_initrd_byte(_: &World, tree: &BootTree) -> Result<()> {
    tree.edit(INITRD, |bytes| {
        let at = position(bytes, SPARE_LINE)?;
        flip(bytes, at + SPARE_LINE.len() - 1)
    })
}

fn swap_second_initrd(_: &World, tree: &BootTree) -> Result<()> {
    Ok(fs::write(tree.host_path(SECOND), initrd::second("not signd")?)?)
}

fn add_third_initrd(_: &World, tree: &BootTree) -> Result<()> {
    replace(tree, "loader/entries/good.conf", "options ", &format!("initrd {SECOND}\noptions "))
}

fn edit_options(_: &World, tree: &BootTree) -> Result<()> {
    replace(tree, "loader/entries/good.conf", "quiet", "quiet init=/bin/busybox")
}

fn edit_manifest(_: &World, tree: &BootTree) -> Result<()> {
    replace(tree, "turnout/good.manifest", "quiet", "qu1et")
}

fn replace(tree: &BootTree, path: &str, from: &str, to: &str) -> Result<()> {
    tree.edit(path, |bytes| {
        let text = String::from_utf8(bytes.clone())?;
        let (before, after) = text.split_once(from).with_context(|| format!("no {from}"))?;
        *bytes = format!("{before}{to}{after}").into_bytes();
        Ok(())
    })
}

fn sign_as_a_stranger(world: &World, tree: &BootTree) -> Result<()> {
    world.stranger.sign(&world.tools, tree, "good", &[])
}

fn sign_for_recovery(world: &World, tree: &BootTree) -> Result<()> {
    world.key.sign(&world.tools, tree, "good", &["--namespace", "turnout-recovery"])
}

fn remove_signature(_: &World, tree: &BootTree) -> Result<()> {
    Ok(fs::remove_file(tree.host_path("turnout/good.manifest.sig"))?)
}

fn remove_both(world: &World, tree: &BootTree) -> Result<()> {
    remove_signature(world, tree)?;
    Ok(fs::remove_file(tree.host_path("turnout/good.manifest"))?)
}

/// A good manifest with a good signature, for another id.
fn rename_manifest(world: &World, tree: &BootTree) -> Result<()> {
    world.add_entry(tree, "other")?;
    world.key.sign(&world.tools, tree, "other", &[])?;
    for suffix in ["manifest", "manifest.sig"] {
        let path = |id: &str| tree.host_path(&format!("turnout/{id}.{suffix}"));
        fs::rename(path("other"), path("good"))?;
    }
    Ok(fs::remove_file(tree.host_path("loader/entries/other.conf"))?)
}

/// A second entry whose manifest was made for another kernel.
fn add_tampered_entry(world: &World, tree: &BootTree) -> Result<()> {
    world.add_entry(tree, "bad")?;
    let entry = "loader/entries/bad.conf";
    replace(tree, entry, &format!("linux {LINUX}"), "linux /vmlinuz-bad")?;
    tree.add_file("/vmlinuz-bad", &tree.host_path(LINUX))?;
    world.key.sign(&world.tools, tree, "bad", &[])?;
    flip_unused_byte(world.arch, tree, "/vmlinuz-bad")
}

fn press_interrupt_and_quit(console: &mut Console, _: &Machine) -> Result<()> {
    menu::wait_until_drawn(console, DEADLINE)?;
    for key in [b"\x03", b"\x1c", b"\x03"] {
        console.send(key)?;
        sleep(Duration::from_millis(300));
    }
    take_the_first_entry(console)
}

/// Bytes without a meaning, faster than the menu's second, until it boots.
fn make_noise(console: &mut Console, _: &Machine) -> Result<()> {
    menu::wait_until_drawn(console, DEADLINE)?;
    for _ in 0..1000 {
        console.send(b"\x00\xff\x03")?;
        let seen = console.wait_for(&["turnout: reading good"], Duration::from_millis(20))?;
        if matches!(seen, Event::Seen { .. }) {
            return Ok(());
        }
    }
    bail!("the countdown did not end")
}

fn press_ctrl_alt_del(console: &mut Console, machine: &Machine) -> Result<()> {
    menu::wait_until_drawn(console, DEADLINE)?;
    let socket = machine.monitor.as_deref().context("no monitor")?;
    for _ in 0..2 {
        monitor(socket, "sendkey ctrl-alt-delete")?;
        sleep(Duration::from_secs(1));
    }
    take_the_first_entry(console)
}

fn take_the_first_entry(console: &mut Console) -> Result<()> {
    console.send(b"1")?;
    sleep(Duration::from_millis(300));
    console.send(b"\r")?;
    see(console, "turnout: jumping to good")
}
