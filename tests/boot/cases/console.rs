//! What people and lines do to a running menu.

use super::{Boot, Case, Expect, PLAIN, WAITING_MENU, case, nothing};
use crate::expect::{DEADLINE, see};
use anyhow::{Context, Result, bail};
use std::thread::sleep;
use std::time::Duration;
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
];

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

fn take_the_first_entry(console: &mut Console) -> Result<()> {
    console.send(b"1")?;
    sleep(Duration::from_millis(300));
    console.send(b"\r")?;
    see(console, "turnout: jumping to good")
}
