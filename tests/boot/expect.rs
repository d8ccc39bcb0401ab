//! Runs a case and holds what the machine did against what was expected.

use crate::cases::{Case, Expect, Further, Start};
use crate::power;
use crate::world::{Prepared, World, factory_image};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::process::Stdio;
use std::time::Duration;
use turnout::base::digest::Digest;
use turnout::tpm::log;
use turnout::tpm::pcr::Pcr;
use turnout_qemu::command;
use turnout_qemu::facts::{Facts, Stage};
use turnout_qemu::initrd::{REACHED, READY};
use turnout_qemu::machine::{Machine, Serial};
use turnout_qemu::menu;
use turnout_qemu::serial::{Console, Event};
use turnout_qemu::tpm::SoftTpm;

pub(crate) const DEADLINE: Duration = Duration::from_secs(240);
/// For as many systems as a case may boot one after the other.
pub(crate) const CHAIN_DEADLINE: Duration = Duration::from_secs(1800);
/// How long a TPM stalls: longer than Turnout waits for it. QEMU stands still as
/// soon as the kernel gives up waiting, so that no text can be waited for.
const STALL: Duration = Duration::from_secs(20);
/// Where a case says what command line the entry brings itself.
pub(crate) const OWN_CMDLINE: &str = "/own-cmdline";
const SHOWN_LINES: usize = 40;

/// Gives the guest time, in seconds: where it was counted, at which the next
/// system ran; of running systems, how long all of them were up; elsewhere,
/// from the start of PID 1 to its last word.
pub(crate) fn run(world: &World, case: &Case) -> Result<Option<f64>> {
    let prepared = world.prepare(case)?;
    if let Expect::Starts(starts) = case.expect {
        let numbered = (1..).zip(starts);
        let has_tpm = case.boot.tpm;
        let each = numbered.map(|(number, start)| run_start(&prepared, start, number, has_tpm));
        return each.sum::<Result<f64>>().map(Some);
    }
    match case.expect {
        Expect::Survives(outage) => return power::survives(&prepared, &outage).map(|()| None),
        Expect::Wears(wear) => return power::wears(&prepared, &wear).map(|()| None),
        _ => {}
    }
    let before = Digest::of(&fs::read(&prepared.disk)?);
    let mut console = Console::start(&prepared.machine, &prepared.transcript)?;
    let checked =
        check(world, &mut console, &prepared, case).and_then(|()| check_disk(&prepared, before));
    match checked {
        Ok(()) => {
            fs::remove_file(&prepared.transcript)?;
            let text = console.text();
            Ok(match (case.boot.counted, case.boot.script) {
                (true, _) => counted_seconds(text),
                (false, Some(_)) => Some(uptimes(text)),
                (false, None) => last_word(text),
            })
        }
        Err(error) => {
            let command = command::shown(&prepared.machine.command(Serial::Pipe)?);
            let tail = tail(console.text());
            let transcript = prepared.transcript.display();
            bail!("{error:#}\n{command}\n--- the end of {transcript}\n{tail}\n---")
        }
    }
}

/// Switches the machine on once, and gives how long the systems were up.
fn run_start(prepared: &Prepared, start: &Start, number: u32, has_tpm: bool) -> Result<f64> {
    (start.before)(&prepared.disk)?;
    let mut machine = prepared.machine.clone();
    if start.factory {
        machine.initramfs = factory_image(&machine.initramfs);
    }
    let tpm = (has_tpm && start.tpm).then(|| prepared.start_tpm()).transpose()?;
    machine.tpm = tpm.as_ref().map(|tpm| tpm.socket().to_owned());
    machine.reboot = start.resets;
    machine.extra.extend(start.arguments.iter().map(|argument| (*argument).to_owned()));
    machine.from_disk = start.from_disk;
    machine.options = format!("{} {}", machine.options, start.options).trim_end().to_owned();
    let mut console = Console::start(&machine, &prepared.transcript)?;
    match check_start(&mut console, &machine, start, tpm.as_ref()) {
        Ok(()) => {
            fs::remove_file(&prepared.transcript)?;
            Ok(uptimes(console.text()))
        }
        Err(error) => {
            let transcript = prepared.transcript.display();
            let tail = tail(console.text());
            bail!("start {number}: {error:#}\n--- the end of {transcript}\n{tail}\n---")
        }
    }
}

fn check_start(
    console: &mut Console,
    machine: &Machine,
    start: &Start,
    tpm: Option<&SoftTpm>,
) -> Result<()> {
    if let Some(id) = start.choose {
        menu::choose(console, id, DEADLINE)?;
    }
    if let Some(text) = start.stalls {
        see(console, text)?;
        tpm.context("there is no TPM to stall")?.stall(STALL)?;
    }
    start.says.iter().try_for_each(|text| see(console, text))?;
    if let Some(then) = start.then {
        (then.act)(console, machine)?;
        then.says.iter().try_for_each(|text| see(console, text))?;
    }
    // One whose power is cut ends with its console.
    ensure!(start.cut || console.wait_for_end(DEADLINE)?, "the machine did not turn itself off");
    Ok(())
}

fn check(world: &World, console: &mut Console, prepared: &Prepared, case: &Case) -> Result<()> {
    match case.expect {
        Expect::Boots { after } => {
            after.iter().try_for_each(|text| see(console, text))?;
            boots(console, prepared)
        }
        Expect::Finds { after, facts } => {
            after.iter().try_for_each(|text| see(console, text))?;
            boots(console, prepared)?;
            let found = Facts::parse(console.text());
            healthy(&found).and_then(|()| facts(&found))
        }
        Expect::Prints(judge) => {
            boots(console, prepared)?;
            judge(console.text())
        }
        Expect::Measures { files } => {
            boots(console, prepared)?;
            measures(world, prepared, console.text(), files)
        }
        Expect::Tells(judge) => {
            ensure!(console.wait_for_end(CHAIN_DEADLINE)?, "the last system did not power off");
            let stages = Stage::parse(console.text());
            stages.iter().try_for_each(|stage| healthy(&stage.facts))?;
            judge(&stages)
        }
        Expect::Starts(_) | Expect::Survives(_) | Expect::Wears(_) => {
            bail!("it takes more than one start")
        }
        Expect::Ends(texts) => {
            texts.iter().try_for_each(|text| see(console, text))?;
            never_boots(console)?;
            let asks = console.text().contains("recovery> ");
            ensure!(!asks || case.boot.open, "a locked image has asked");
            Ok(())
        }
        Expect::Asks(texts) => {
            texts.iter().try_for_each(|text| see(console, text))?;
            see(console, "recovery> ")?;
            console.send(b"poweroff\r")?;
            never_boots(console)
        }
        Expect::Reads => {
            boots_when_all_are_there(console, case.boot.further)?;
            boots(console, prepared)
        }
        Expect::Acts(act) => {
            act(console, &prepared.machine)?;
            boots(console, prepared)
        }
    }
}

/// Starts to boot once every entry is in the menu, and Turnout has looked at each, as it
/// does while nobody chooses one: what a further disk's entry names as its kernel was read
/// then, and found to be none. Why is printed only of those that were the default, so that
/// the marks are counted; one that is drawn anew counts twice.
fn boots_when_all_are_there(console: &mut Console, disks: &[Further]) -> Result<()> {
    let ids: Vec<&str> = disks.iter().map(|disk| disk.id).chain(["good"]).collect();
    menu::wait_until_all(console, &ids, DEADLINE)?;
    menu::wait_until_marked(console, "failed(identify)", disks.len(), DEADLINE)?;
    menu::choose_shown(console, "good")
}

/// The PCRs of the next system are the predicted ones, and replaying its log gives
/// them too: by our reader and, where it is installed, by tpm2_eventlog.
fn measures(world: &World, prepared: &Prepared, text: &str, files: &[&str]) -> Result<()> {
    let bytes = unhex(&printed(text, "log")?)?;
    let events = log::read(&bytes)?;
    let predicted = world.predict(&prepared.tree, "good")?;
    for pcr in [8, 9, 11] {
        let found = printed(text, &format!("pcr {pcr}"))?;
        let replayed = log::replay(&events, pcr).0.to_string();
        ensure!(found == replayed, "PCR {pcr} is {found}, the log gives {replayed}");
        let line = format!("good: PCR {pcr} sha256 {found}");
        let is_extended = replayed != Pcr::ZERO.0.to_string();
        ensure!(is_extended == predicted.contains(&line), "{line}, predicted: {predicted}");
    }
    let loaded: Vec<&str> = events
        .iter()
        .filter_map(|event| std::str::from_utf8(&event.data).ok()?.split(' ').next())
        .collect();
    let loaded: Vec<&str> = loaded.into_iter().filter(|word| files.contains(word)).collect();
    ensure!(loaded == files, "the log has {loaded:?}");
    read_by_tpm2_tools(prepared, &bytes, &printed(text, "pcr 9")?)
}

/// A value that the next system printed, in small letters.
fn printed(text: &str, name: &str) -> Result<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("next {name}: ")));
    value.map(str::to_lowercase).with_context(|| format!("the next system printed no {name}"))
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    (0..text.len())
        .step_by(2)
        .map(|at| text.get(at..at + 2).context("half a byte"))
        .map(|digits| Ok(u8::from_str_radix(digits?, 16)?))
        .collect()
}

fn read_by_tpm2_tools(prepared: &Prepared, log: &[u8], value: &str) -> Result<()> {
    let file = prepared.disk.with_extension("log");
    fs::write(&file, log)?;
    let mut tool = command::tool("tpm2_eventlog");
    let Ok(output) = tool.arg(&file).stderr(Stdio::null()).output() else {
        println!("skip   tpm2_eventlog: not installed");
        return Ok(());
    };
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "tpm2_eventlog cannot read the log: {text}");
    ensure!(text.contains(&format!("0x{value}")), "tpm2_eventlog has no {value}: {text}");
    Ok(())
}

/// Nothing that the kernel complains of.
fn healthy(facts: &Facts) -> Result<()> {
    let trouble = facts.all("trouble");
    ensure!(trouble.is_empty(), "the kernel says: {}", trouble.join("; "));
    Ok(())
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

/// No boot writes to a disk, whatever happens in it, or reads anything twice that
/// answers differently then.
fn check_disk(prepared: &Prepared, before: Digest) -> Result<()> {
    let after = Digest::of(&fs::read(&prepared.disk)?);
    ensure!(before == after, "the disk was written to");
    let Some(liar) = &prepared.liar else { return Ok(()) };
    ensure!(liar.server.writes()? == 0, "the disk was to be written to");
    for (path, place) in &liar.true_once {
        let reads = liar.server.reads(place)?;
        let wrong = reads.iter().find(|count| **count != 1);
        ensure!(wrong.is_none(), "a sector of {path} was read {wrong:?} times");
    }
    Ok(())
}

/// The next system runs, its command line is the manifest's (the menu's, where
/// there is no manifest), and it powers off.
fn boots(console: &mut Console, prepared: &Prepared) -> Result<()> {
    let options = expected_options(prepared)?;
    // What the tests have Turnout fill in.
    let slots = [("${entry}", "good"), ("${tries}", "3"), ("${name}", "b"), ("${boot}", "menu")];
    let options = slots.iter().fold(options, |o, (slot, value)| o.replace(slot, value));
    see_end_of(console, REACHED)?;
    see_end_of(console, READY)?;
    let line = console.text().lines().find_map(|line| line.strip_prefix("next cmdline: "));
    ensure!(line == Some(&options), "command line {line:?}, the manifest says {options:?}");
    ensure!(console.text().contains("next second initrd: as signed"), "no second initrd");
    console.send(b"poweroff -f\r")?;
    ensure!(console.wait_for_end(DEADLINE)?, "the next system did not power off");
    Ok(())
}

fn expected_options(prepared: &Prepared) -> Result<String> {
    let own = prepared.tree.read(OWN_CMDLINE);
    if let Ok(own) = own {
        return Ok(String::from_utf8(own)?);
    }
    let entry = prepared.tree.read("turnout/good.manifest");
    let entry = entry.or_else(|_| prepared.tree.read("loader/entries/good.conf"))?;
    let text = String::from_utf8(entry)?;
    let options = text.lines().find_map(|line| line.strip_prefix("options "));
    Ok(options.context("there are no options")?.to_owned())
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

/// When PID 1 last said how long it had been running.
fn last_word(text: &str) -> Option<f64> {
    text.lines().rev().find_map(elapsed)
}

/// The time in a line that ends with it.
fn elapsed(line: &str) -> Option<f64> {
    let (_, time) = line
        .rsplit_once("by kexec_load, ")
        .or_else(|| line.rsplit_once("by kexec_file_load, "))
        .or_else(|| line.split_once("turnout: elapsed "))?;
    time.split(' ').next()?.parse().ok()
}

/// The sum of what running systems said when they ended.
fn uptimes(text: &str) -> f64 {
    let ends = text.lines().filter_map(|line| line.rsplit_once(": ends, up "));
    ends.filter_map(|(_, time)| time.parse::<f64>().ok()).sum()
}

/// The counter that the next system printed first.
fn counted_seconds(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("next clock: "))?;
    let nanoseconds: f64 = line.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n")
}
