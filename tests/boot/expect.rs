//! Runs a case and holds what the machine did against what was expected.

use crate::cases::{Case, Expect};
use crate::world::{Prepared, World};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::time::Duration;
use turnout_qemu::command;
use turnout_qemu::initrd::{PROMPT, REACHED};
use turnout_qemu::machine::Serial;
use turnout_qemu::serial::{Console, Event};

pub(crate) const DEADLINE: Duration = Duration::from_secs(240);
const SHOWN_LINES: usize = 40;

/// Gives the guest time at which the next system ran, where it was counted.
pub(crate) fn run(world: &World, case: &Case) -> Result<Option<f64>> {
    let prepared = world.prepare(case)?;
    let mut console = Console::start(&prepared.machine, &prepared.transcript)?;
    match check(&mut console, &prepared, case) {
        Ok(()) => {
            fs::remove_file(&prepared.transcript)?;
            Ok(guest_seconds(console.text()).filter(|_| case.boot.counted))
        }
        Err(error) => {
            let command = command::shown(&prepared.machine.command(Serial::Pipe));
            let tail = tail(console.text());
            let transcript = prepared.transcript.display();
            bail!("{error:#}\n{command}\n--- the end of {transcript}\n{tail}\n---")
        }
    }
}

fn check(console: &mut Console, prepared: &Prepared, case: &Case) -> Result<()> {
    match case.expect {
        Expect::Boots { after } => {
            after.iter().try_for_each(|text| see(console, text))?;
            boots(console, prepared)
        }
        Expect::Refuses(code) => {
            see(console, &format!("refused good: {code}: "))?;
            never_boots(console)
        }
        Expect::Ends(texts) => {
            texts.iter().try_for_each(|text| see(console, text))?;
            never_boots(console)
        }
        Expect::Acts(act) => {
            act(console, &prepared.machine)?;
            boots(console, prepared)
        }
    }
}

/// Waits for a text; the machine must neither end nor boot before.
pub(crate) fn see(console: &mut Console, text: &str) -> Result<()> {
    match console.wait_for(&[text, REACHED], DEADLINE)? {
        Event::Seen { index: 0, .. } => Ok(()),
        Event::Seen { .. } => bail!("the next system was reached without \"{text}\""),
        Event::Ended => bail!("the machine ended without \"{text}\""),
        Event::TimedOut => bail!("no \"{text}\" within {} s", DEADLINE.as_secs()),
    }
}

/// The next system runs, its command line is the manifest's, and it powers off.
fn boots(console: &mut Console, prepared: &Prepared) -> Result<()> {
    let manifest = fs::read_to_string(prepared.tree.host_path("turnout/good.manifest"))?;
    let options = manifest.lines().find_map(|line| line.strip_prefix("options "));
    let options = options.context("the manifest has no options")?;
    see_end_of(console, REACHED)?;
    see_end_of(console, PROMPT)?;
    let line = console.text().lines().find_map(|line| line.strip_prefix("next cmdline: "));
    ensure!(line == Some(options), "command line {line:?}, the manifest says {options:?}");
    ensure!(console.text().contains("next second initrd: as signed"), "no second initrd");
    console.send(b"poweroff -f\r")?;
    ensure!(console.wait_for_end(DEADLINE)?, "the next system did not power off");
    Ok(())
}

fn see_end_of(console: &mut Console, text: &str) -> Result<()> {
    match console.wait_for(&[text], DEADLINE)? {
        Event::Seen { .. } => Ok(()),
        other => bail!("no \"{text}\": {other:?}"),
    }
}

/// The machine resets (QEMU then ends) and nothing was booted.
fn never_boots(console: &mut Console) -> Result<()> {
    ensure!(console.wait_for_end(DEADLINE)?, "the machine did not reset");
    ensure!(!console.text().contains(REACHED), "the next system was reached all the same");
    Ok(())
}

/// The counter that the next system printed first.
fn guest_seconds(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("next clock: "))?;
    let nanoseconds: f64 = line.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n")
}
