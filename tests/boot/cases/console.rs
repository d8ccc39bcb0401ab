//! What people and lines do to a running menu.

use super::trust::remove_both;
use super::{AARCH64, Boot, Case, Expect, PLAIN, WAITING_MENU, X86_64, case, nothing};
use crate::expect::{DEADLINE, OWN_CMDLINE, see};
use crate::world::World;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::{BootTree, console};
use turnout_qemu::line::SlowLine;
use turnout_qemu::machine::Machine;
use turnout_qemu::menu;
use turnout_qemu::serial::{Console, Event, monitor};

pub(super) const CASES: &[Case] = &[
    case("interrupt_and_quit_keys", WAITING_MENU, nothing, Expect::Acts(press_interrupt_and_quit)),
    case(
        "noise_on_the_line",
        Boot { loader_conf: "timeout 3\ndefault good\n", ..PLAIN },
        nothing,
        Expect::Acts(make_noise),
    ),
    case(
        "ctrl_alt_del_and_sysrq",
        Boot { keyboard: true, ..WAITING_MENU },
        nothing,
        Expect::Acts(press_ctrl_alt_del_and_sysrq),
    ),
    // One driver has one console at a time: on x86_64 both would be of the same.
    Case {
        archs: AARCH64,
        ..case(
            "two_serial_consoles_one_with_9600_baud",
            Boot {
                loader_conf: "timeout 3\ndefault good\n",
                first_options: "console=ttyS0,9600",
                second_line: true,
                ..PLAIN
            },
            add_others,
            Expect::Acts(use_both_lines),
        )
    },
    Case {
        archs: X86_64,
        ..case(
            "a_screen_and_a_serial_line_in_step",
            Boot { first_options: "console=tty0", keyboard: true, ..WAITING_MENU },
            add_others,
            Expect::Acts(use_screen_and_keyboard),
        )
    },
    Case {
        archs: X86_64,
        ..case("open_image_boots_by_hand", BY_HAND, leave_no_entry, Expect::Acts(boot_by_hand))
    },
    Case {
        archs: AARCH64,
        ..case(
            "open_image_boots_by_hand_on_aarch64",
            Boot { long: true, ..BY_HAND },
            leave_no_entry,
            Expect::Acts(boot_by_hand),
        )
    },
    Case {
        archs: X86_64,
        ..case(
            "three_hundred_entries",
            WAITING_MENU,
            add_three_hundred,
            Expect::Acts(walk_through_three_hundred),
        )
    },
    case(
        "edited_command_line_in_an_open_image",
        Boot { open: true, ..WAITING_MENU },
        expect_an_edited_line,
        Expect::Acts(edit_and_boot),
    ),
];

/// Bytes per second of 9600 baud.
const BAUD: usize = 9600;

fn press_interrupt_and_quit(console: &mut Console, _: &Machine) -> Result<()> {
    menu::wait_until_drawn(console, DEADLINE)?;
    for key in [b"\x03", b"\x1c", b"\x03"] {
        console.send(key)?;
        sleep(Duration::from_millis(300));
    }
    take_the_first_entry(console)
}

/// What nobody types, faster than the menu's second, until it boots: 8-bit noise
/// with keys in it, a terminal's answers, and what a getty at the other end says.
fn make_noise(console: &mut Console, _: &Machine) -> Result<()> {
    const NOISE: [&[u8]; 6] = [
        b"\x00\xff\x03",
        b"j\xff\x1b[B\x80\x01",
        b"\x1b[24;80R",
        b"\x1b]11;rgb:1111/2222/3333\x1b\\",
        b"\x9b\r\n\xc3",
        b"\xe5login: \xff",
    ];
    menu::wait_until_drawn(console, DEADLINE)?;
    for noise in NOISE.iter().cycle().take(1000) {
        console.send(noise)?;
        let seen = console.wait_for(&["turnout: loading good"], Duration::from_millis(20))?;
        if matches!(seen, Event::Seen { .. }) {
            return Ok(());
        }
    }
    bail!("the countdown did not end")
}

/// Debian's kernels reset at SysRq-B where nobody has switched SysRq off.
fn press_ctrl_alt_del_and_sysrq(console: &mut Console, machine: &Machine) -> Result<()> {
    menu::wait_until_drawn(console, DEADLINE)?;
    let socket = machine.monitor.as_deref().context("no monitor")?;
    for keys in ["ctrl-alt-delete", "ctrl-alt-delete", "alt-sysrq-b"] {
        monitor(socket, &format!("sendkey {keys}"))?;
        sleep(Duration::from_secs(1));
    }
    take_the_first_entry(console)
}

/// Enough to fill a screen; "good" is the first by its name.
fn add_others(world: &World, tree: &BootTree) -> Result<()> {
    (1..=15).try_for_each(|n| world.add_entry(tree, &format!("x{n:02}")))
}

/// The slow line shows the menu later, and only then the countdown begins. Both
/// show what is pressed on either; one that is held stops nothing.
fn use_both_lines(console: &mut Console, machine: &Machine) -> Result<()> {
    let socket = machine.second_line.as_deref().context("no second line")?;
    let mut slow = SlowLine::connect(socket, BAUD)?;
    let deadline = Instant::now() + DEADLINE;
    while !console.text().contains(menu::DRAWN) {
        ensure!(Instant::now() < deadline, "no menu on the first line");
        slow.read_for(Duration::from_millis(50))?;
        console.wait_for(&[menu::DRAWN], Duration::from_millis(1))?;
    }
    ensure!(!slow.text().contains(menu::DRAWN), "the slow line is not slow");
    slow.wait_for(menu::DRAWN, DEADLINE)?;
    let drawn = Instant::now();
    // The digit is all that a second changes.
    see(console, "2")?;
    let waited = drawn.elapsed();
    ensure!(waited > Duration::from_millis(500), "the countdown began before: {waited:?}");
    slow.send(b"j")?;
    see(console, "Countdown stopped")?;
    slow.wait_for("Countdown stopped", DEADLINE)?;
    ensure!(console.text().contains(">  2 Entry x01"), "the selection has not moved here");
    ensure!(slow.text().contains(">  2 Entry x01"), "the selection has not moved there");
    // From now on nobody reads the slow line.
    console.send(b"1")?;
    sleep(Duration::from_millis(300));
    console.send(b"\r")?;
    see(console, "turnout: the menu took ")?;
    see(console, "turnout: jumping to good")
}

/// What is on the screen is looked at as a picture: text mode draws light
/// characters on black.
fn use_screen_and_keyboard(console: &mut Console, machine: &Machine) -> Result<()> {
    let socket = machine.monitor.as_deref().context("no monitor")?;
    menu::wait_until_drawn(console, DEADLINE)?;
    let picture = socket.with_extension("ppm");
    let first = screen(socket, &picture)?;
    let lit = first.rows.iter().filter(|row| row.iter().any(|pixel| *pixel)).count();
    ensure!(lit > 100, "{lit} rows of pixels are not black");
    monitor(socket, "sendkey down")?;
    see(console, ">  2 Entry x01")?;
    sleep(Duration::from_millis(500));
    let second = screen(socket, &picture)?;
    ensure!(first.rows != second.rows, "the screen does not show what the keyboard did");
    console.send(b"\x1b[B")?;
    see(console, ">  3 Entry x02")?;
    sleep(Duration::from_millis(500));
    let third = screen(socket, &picture)?;
    ensure!(second.rows != third.rows, "the screen does not show what the serial line did");
    take_the_first_entry(console)
}

/// Which pixels are not black.
struct Picture {
    rows: Vec<Vec<bool>>,
}

fn screen(monitor_socket: &Path, file: &Path) -> Result<Picture> {
    monitor(monitor_socket, &format!("screendump {}", file.display()))?;
    let bytes = fs::read(file)?;
    if let Some(copy) = std::env::var_os("TURNOUT_SCREEN") {
        fs::write(copy, &bytes)?;
    }
    picture(&bytes).context("the screen dump is no PPM file")
}

/// A binary PPM file: `P6`, width, height, 255, and three bytes a pixel.
fn picture(bytes: &[u8]) -> Option<Picture> {
    let fields: Vec<&[u8]> = bytes.splitn(4, u8::is_ascii_whitespace).collect();
    let [b"P6", width, _height, rest] = fields.as_slice() else { return None };
    let width: usize = std::str::from_utf8(width).ok()?.parse().ok()?;
    let start = rest.iter().position(u8::is_ascii_whitespace)? + 1;
    Some(Picture { rows: rest.get(start..)?.chunks(width * 3).map(lit).collect() })
}

/// Which pixels of a row are not black.
fn lit(row: &[u8]) -> Vec<bool> {
    row.chunks(3).map(|pixel| pixel.iter().any(|colour| *colour > 40)).collect()
}

fn add_three_hundred(world: &World, tree: &BootTree) -> Result<()> {
    (1..=300).try_for_each(|n| world.add_entry(tree, &format!("x{n:03}")))
}

/// "good" is the first by its name, and x300 the last.
fn walk_through_three_hundred(console: &mut Console, _: &Machine) -> Result<()> {
    menu::wait_until_drawn(console, DEADLINE)?;
    ensure!(console.text().contains(" of 301\n"), "the heading does not tell how many there are");
    let keys: [(&[u8], &str); 6] = [
        (b"\x1b[F", "> 301 Entry x300"),
        (b"\x1b[5~", "> 291 Entry x290"),
        (b"k", "> 290 Entry x289"),
        (b"\x1b[1~", ">   1 Entry good"),
        (b"9", ">   9 Entry x008"),
        (b"\x1b[6~", ">  19 Entry x018"),
    ];
    for (key, row) in keys {
        console.send(key)?;
        see(console, row.split(" Entry").next().unwrap_or(row))?;
        ensure!(console.text().contains(row), "no \"{row}\"");
    }
    take_the_first_entry(console)
}

fn expect_an_edited_line(world: &World, tree: &BootTree) -> Result<()> {
    remove_both(world, tree)?;
    let entry = fs::read_to_string(tree.host_path("loader/entries/good.conf"))?;
    let options = entry.lines().find_map(|line| line.strip_prefix("options "));
    let options = options.context("the entry has no options")?;
    Ok(fs::write(tree.host_path(OWN_CMDLINE), format!("{options} edited=1"))?)
}

/// Nothing boots, and everything that could is there.
const BY_HAND: Boot = Boot { open: true, config: "wait 1\nreset-delay 1\n", ..PLAIN };

fn options_by_hand(arch: Arch) -> String {
    format!("{} quiet demo.name=hand spaced=\"a  b\" and=so-on-and-so-forth", console(arch))
}

/// Kernel and initrds stay.
fn leave_no_entry(world: &World, tree: &BootTree) -> Result<()> {
    fs::write(tree.host_path(OWN_CMDLINE), options_by_hand(world.arch))?;
    Ok(fs::remove_file(tree.host_path("loader/entries/good.conf"))?)
}

/// Puts the entry together at the prompt, with what is missing said on the way.
fn boot_by_hand(console: &mut Console, machine: &Machine) -> Result<()> {
    let options = format!("options {}\rshow\r", options_by_hand(machine.arch));
    for (keys, text) in [
        ("", "recovery> "),
        ("sh\r", "\"sh\" is not one of: boot list from"),
        ("go\r", "there is no device (\"from DEVICE\") and no kernel (\"linux FILE\")"),
        ("linux /vmlinuz\r", "there is no device yet: \"from\" alone names what there is"),
        ("from vdz1\r", "there is no device vdz1: \"from\" alone names what there is"),
        ("from\r", "XBOOTLDR, ext4 label XBOOTLDR"),
        ("fr\tPARTL\x03from LABEL=XBOOT\t\r", "files are taken from nvme0n1p2: "),
        ("from nvme0n1\r", ": nothing to mount"),
        ("ls\r", " KiB  vmlinuz"),
        ("linux /vmlinuz x=1  ro\r", "taken from there too: options x=1  ro"),
        ("linux /no\r", "/no: No such file or directory"),
        ("lin\t/vml\t", "linux /vmlinuz"),
        ("\rinitrd /in\t", "initrd /initrd.img"),
        ("\rinitrd /\t\t", "second.img"),
        ("se\t", "initrd /second.img"),
        ("\r", "recovery> "),
        (options.as_str(), "initrd  /second.img"),
        ("go\r", "by-hand boots unsigned: it was put together here"),
    ] {
        console.send(keys.as_bytes())?;
        see(console, text)?;
    }
    Ok(())
}

fn edit_and_boot(console: &mut Console, _: &Machine) -> Result<()> {
    menu::wait_until_drawn(console, DEADLINE)?;
    console.send(b"1")?;
    sleep(Duration::from_millis(300));
    console.send(b"e")?;
    see(console, "not edited yet")?;
    console.send(b" edited=1")?;
    see(console, "UNSIGNED, edited")?;
    console.send(b"\r")?;
    see(console, "turnout: good boots unsigned: its command line was edited")
}

fn take_the_first_entry(console: &mut Console) -> Result<()> {
    console.send(b"1")?;
    sleep(Duration::from_millis(300));
    console.send(b"\r")?;
    see(console, "turnout: jumping to good")
}
