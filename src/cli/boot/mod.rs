//! `turnout boot`: verify, load, write down, and the orderly way out of this system.
//!
//! The order is what it is about. A refusal costs nothing: everything is verified and
//! loaded while the services still run. Everything up to the seal is undone if something
//! fails; from the seal on nothing can be, so it comes right before this system is left.
//! Specification: docs/fast-reboot.md.

mod defer;
mod departure;
mod firmware;
mod next_start;
mod report;
mod stage;

use super::allow::Ready;
use super::answer::Answer;
use super::arguments::{Boot, Leave, Load};
use super::judge::{Judge, describe};
use super::{came_up, explain, loading};
use crate::check::{Weight, findings, releases};
use crate::failure::{Failure, Stage};
use crate::host::record::By;
use crate::menu::Entry;
use crate::plan::Slot;
use crate::sys::survey::{Tree, kernels, survey};
use crate::sys::{self, leave, records, systemd};

use departure::{Departure, Signed, Target};
use report::Report;

pub(super) use next_start::clear as clear_fallback;

/// Leaves this system; comes back where it was only staged, or with the reason why not.
pub(super) fn run(boot: &Boot) -> Result<Answer, Failure> {
    loading::need_root("leave this system")?;
    let mut report = Report::new(boot.asked.json);
    if boot.leave != Leave::Staged {
        settle(&mut report);
    }
    if !matches!(boot.leave, Leave::Deferred | Leave::Staged) {
        clear_earlier(&mut report);
    }
    match boot.leave {
        Leave::Stage => stage::run(boot, &mut report)?,
        Leave::Staged => stage::end(boot, &mut report)?,
        Leave::Defer => defer::run(boot, &mut report)?,
        Leave::Deferred => defer::load(boot, &mut report)?,
        Leave::Firmware => firmware::run(boot, &mut report)?,
        Leave::Orderly | Leave::Now => by_kexec(boot, &mut report)?,
    }
    Ok(report.answer())
}

/// How this system came up is written down before the record of that is replaced: what
/// failed is known from there.
fn settle(report: &mut Report) {
    if let Err(failure) = came_up::settle() {
        report.warn(&format!("how this system came up is not written down: {failure}"));
    }
}

/// Before the menus are read, whose default it may be. What was deferred has told the
/// firmware already.
fn clear_earlier(report: &mut Report) {
    match next_start::clear_earlier() {
        Ok(None) => {}
        Ok(Some(told)) => report.line(&format!("taken back from the jump before: {told}")),
        Err(failure) => {
            report.warn(&format!("what was told for the jump before stays: {failure}"));
        }
    }
}

/// By kexec, or by the firmware where that failed before.
fn by_kexec(boot: &Boot, report: &mut Report) -> Result<(), Failure> {
    check(boot, report)?;
    let judge = judge(boot, report)?;
    let ready = ready(&judge, boot, report)?;
    let target = Target::of_ready(&ready)?;
    if has_failed(&target, boot, report) {
        return firmware::leave(&judge, boot, &target, report);
    }
    let load = load_of(boot);
    // To load, take out and load again are three calls, all of them counted.
    let may_repeat = leave::loads_left().is_none_or(|left| left >= 3);
    let taken = stage::take_or_load(&ready, &load, By::Boot, report)?;
    let target = Target::of_loaded(&taken.loaded);
    let signed = Signed { ready: &ready, load: &load };
    let signed = (ready.is_signed() && may_repeat).then_some(signed);
    Departure::new(target, taken.is_own, boot.force).with(signed).leave(boot.leave, report)
}

/// What can be known before anything is read.
fn check(boot: &Boot, report: &mut Report) -> Result<(), Failure> {
    report.line("looking whether this machine can be left");
    check_way(boot).and_then(|()| check_machine(boot, report)).map_err(refused)
}

/// A refusal, which the journal is told.
fn refused(failure: Failure) -> Failure {
    loading::tell_refusal(&failure, Slot::Normal);
    failure
}

/// Whether this system can be left so at all.
fn check_way(boot: &Boot) -> Result<(), Failure> {
    if boot.leave == Leave::Now {
        return Ok(());
    }
    if !sys::is_run_by_systemd() {
        let why = "systemd does not run here, so nobody would stop the services: \"turnout boot \
                   --now\" leaves without that, and \"turnout load\" with the system's own \
                   \"kexec -e\" does it in its order";
        return Err(Failure::new(Stage::Quiesce, why));
    }
    check_inhibited(boot.force)
}

fn is_inhibited() -> bool {
    systemd::inhibited().is_some_and(|inhibited| inhibited.is_shutdown())
}

fn check_inhibited(force: bool) -> Result<(), Failure> {
    if !force && is_inhibited() {
        let why = "somebody keeps this system from being shut down (\"systemd-inhibit --list\" \
                   says who); --force leaves all the same";
        return Err(Failure::new(Stage::Quiesce, why));
    }
    Ok(())
}

/// What `turnout check` says that stops a kexec, the first of it.
fn check_machine(boot: &Boot, report: &mut Report) -> Result<(), Failure> {
    let found = findings(&survey(&Tree::live()));
    let Some(stop) = found.iter().find(|one| one.said.weight == Weight::Stops) else {
        return Ok(());
    };
    let said = format!("{}: {}", stop.code, stop.said.sentence);
    if boot.force {
        report.warn(&said);
        return Ok(());
    }
    let why = format!("{said} (\"turnout check\" says what to do; --force tries all the same)");
    Err(Failure::new(Stage::Load, why))
}

fn judge(boot: &Boot, report: &mut Report) -> Result<Judge, Failure> {
    let (judge, notes) = Judge::of_load(&load_of(boot))?;
    notes.iter().for_each(|note| report.warn(note));
    Ok(judge)
}

/// The entry, read and verified. If it may not be loaded, it does not stay loaded either.
fn ready(judge: &Judge, boot: &Boot, report: &mut Report) -> Result<Ready, Failure> {
    report.line("reading the entry, and verifying it");
    let ready = Ready::of_entry(judge, boot.entry.as_deref(), &load_of(boot));
    let ready = ready.inspect_err(|_| stage::discard(boot, report))?;
    ready.said.iter().for_each(|said| report.warn(said));
    report.line(&format!("{}: {}", ready.entry.as_deref().unwrap_or("the entry"), ready.trust));
    if boot.entry.is_none() {
        warn_of_newer(&ready, report);
    }
    Ok(ready)
}

/// The default may be an older kernel than what was installed since.
fn warn_of_newer(ready: &Ready, report: &mut Report) {
    let release = describe(&ready.proven).ok().and_then(|kernel| kernel.version);
    let Some(release) = release else { return };
    if let Some(newest) = releases::newest(&kernels(&Tree::live()), &release) {
        report.warn(&format!(
            "the default is kernel {release}, and {newest} is installed: \
             \"turnout check --next-start\" says why"
        ));
    }
}

fn load_of(boot: &Boot) -> Load {
    Load { asked: boot.asked.clone(), ..Load::default() }
}

/// Whether these two kernels are known not to follow each other by kexec.
fn has_failed(target: &Target, boot: &Boot, report: &mut Report) -> bool {
    let failed = records::failed().unwrap_or_else(|error| {
        report.warn(&format!("which kernels have failed is not known: {error}"));
        Vec::new()
    });
    let pair = target.pair();
    if !failed.contains(&pair) {
        return false;
    }
    let both = format!("from {} to {}", pair.from, pair.to);
    if boot.retry || boot.force {
        report.warn(&format!("kexec {both} has failed on this machine; it is tried all the same"));
        return false;
    }
    report.line(&format!(
        "kexec {both} has failed on this machine, so the firmware's way is taken (--retry tries it \
         again)"
    ));
    true
}

/// The entry, for the firmware's next start.
fn chosen<'a>(judge: &'a Judge, boot: &Boot) -> Result<&'a Entry, Failure> {
    explain::chosen(judge, boot.entry.as_deref())
}
