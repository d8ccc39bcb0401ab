//! The slow way, for this once: by the firmware, also where a kernel is loaded.

use super::departure::Target;
use super::next_start::{self, Next};
use super::report::Report;
use super::{check_way, chosen, judge, ready, refused};
use crate::cli::arguments::{Boot, Leave};
use crate::cli::judge::Judge;
use crate::cli::loading;
use crate::failure::{Failure, Stage};
use crate::host::event::{Event, What};
use crate::host::record::Way;
use crate::plan::Slot;
use crate::sys::{self, journal, kexec, records, systemd};

/// Has the firmware start an entry, if one was named, and else what it starts by itself.
pub(super) fn run(boot: &Boot, report: &mut Report) -> Result<(), Failure> {
    if sys::is_run_by_systemd() {
        check_way(boot).map_err(refused)?;
    }
    let judge = judge(boot, report)?;
    let target = target(&judge, boot, report)?;
    leave(&judge, boot, &target, report)
}

/// What an unnamed default is does not matter to whoever only wants a reboot.
fn target(judge: &Judge, boot: &Boot, report: &mut Report) -> Result<Target, Failure> {
    let target = ready(judge, boot, report).and_then(|ready| Target::of_ready(&ready));
    match target {
        Err(failure) if boot.entry.is_none() => {
            report.warn(&format!("what the firmware starts is not verified here: {failure}"));
            Ok(Target::unknown())
        }
        target => target,
    }
}

/// Leaves by the firmware; `target` is what it is to start.
pub(super) fn leave(
    judge: &Judge,
    boot: &Boot,
    target: &Target,
    report: &mut Report,
) -> Result<(), Failure> {
    unload(report);
    let next = match boot.entry.is_some() {
        true => next_start::start(&chosen(judge, boot)?.id),
        false => Next::AnyWay(target.entry.clone().unwrap_or_default()),
    };
    say(&next, boot, report).map_err(refused)?;
    let asked = target.asked(Way::Firmware, next.to_line(), false);
    if let Err(error) = records::ask(&asked) {
        report.warn(&format!("not written down: {error}"));
    }
    journal::tell(&event(target));
    reboot().inspect_err(|_| undo(&next, report))?;
    report.facts.result = "leaving";
    report.facts.way = Some(Way::Firmware.name());
    report.facts.entry.clone_from(&target.entry);
    report.facts.release.clone_from(&target.release);
    report.line("leaving by the firmware: the services are being stopped");
    Ok(())
}

/// systemd 255 and newer would start what is loaded. Where it cannot be taken out, that is
/// left to the variable that forbids this.
fn unload(report: &mut Report) {
    if kexec::is_loaded(Slot::Normal) != Some(true) {
        return;
    }
    match loading::unload(Slot::Normal) {
        Ok(()) => report.line("the loaded kernel was taken out"),
        Err(failure) => report.warn(&format!("a kernel stays loaded: {}", failure.sentence())),
    }
}

/// An entry that was named for `--firmware` is started, or nothing is. Where only the
/// kexec to it has failed before, nobody has asked for the firmware: its default is better
/// than no way out of this system.
fn say(next: &Next, boot: &Boot, report: &mut Report) -> Result<(), Failure> {
    match next {
        Next::AnyWay(_) => report.line("the firmware starts the default"),
        Next::Told(told) => report.line(&format!("the firmware starts {told}, this once")),
        Next::Unknown(why) if boot.force || boot.leave != Leave::Firmware => {
            report.warn(&format!(
                "the firmware starts its default, which may be another entry: {why}"
            ));
        }
        Next::Unknown(why) => {
            let why = format!(
                "the firmware would start its default, not the entry: {why} (--force leaves all \
                 the same)"
            );
            return Err(Failure::new(Stage::Quiesce, why));
        }
    }
    report.facts.fallback = next.to_line();
    Ok(())
}

fn reboot() -> Result<(), Failure> {
    let reboot = match sys::is_run_by_systemd() {
        true => systemd::reboot_by_firmware(),
        false => systemd::reboot_without(),
    };
    reboot.map_err(|error| Failure::new(Stage::Quiesce, error))
}

fn undo(next: &Next, report: &mut Report) {
    if let Some(Err(failure)) = next.told().map(next_start::take_back) {
        report.warn(&failure.sentence());
    }
    if let Err(error) = records::forget_asked() {
        report.warn(&error.to_string());
    }
}

fn event(target: &Target) -> Event {
    let event = Event::new(What::Jump, "leaving by the firmware").with("WAY", Way::Firmware.name());
    match &target.entry {
        Some(entry) => event.with("ENTRY", entry.clone()),
        None => event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(leave: Leave, force: bool) -> Result<(), String> {
        let boot = Boot { leave, force, entry: Some("debian".to_owned()), ..Boot::default() };
        let next = Next::Unknown("nobody can be told".to_owned());
        say(&next, &boot, &mut Report::new(true)).map_err(|failure| failure.sentence())
    }

    #[test]
    fn a_pair_that_has_failed_is_left_by_the_default_where_nobody_can_be_told() {
        for leave in [Leave::Orderly, Leave::Now, Leave::Defer] {
            assert_eq!(said(leave, false), Ok(()), "{leave:?}");
        }
        let why = said(Leave::Firmware, false).unwrap_err();
        assert!(why.starts_with("the firmware would start its default, not the entry"), "{why}");
        assert_eq!(said(Leave::Firmware, true), Ok(()));
    }
}
