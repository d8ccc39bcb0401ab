//! A kernel that is loaded now and used later: `turnout boot` verifies it again before it
//! uses it, and takes it out where it would not be loaded today. Every other kexec starts
//! it as it is, unless `turnout-stage.service` runs: that does the same as it is stopped.

use super::report::Report;
use super::{judge, load_of, ready};
use crate::cli::allow::Ready;
use crate::cli::arguments::{Boot, Load};
use crate::cli::loading;
use crate::failure::{Failure, Stage};
use crate::host::leaving::{Goal, said_of_reboots};
use crate::host::record::{By, Loaded, Way};
use crate::host::staged::Bytes;
use crate::plan::{self, Slot};
use crate::sys::{kexec, records, systemd};

/// Loads, and leaves it at that. What is staged already stays if it is the same, and goes
/// if it may not be loaded any more.
pub(super) fn run(boot: &Boot, report: &mut Report) -> Result<(), Failure> {
    let judge = judge(boot, report)?;
    let ready = ready(&judge, boot, report)?;
    let load = load_of(boot);
    if let Some(staged) = still_staged(&ready, report)? {
        report.facts.result = "already-staged";
        report.line(&format!("already staged{}", held(&staged)));
        show(&staged, report);
        return Ok(());
    }
    let loaded = load_now(&ready, &load, By::Stage, report)?;
    report.facts.result = "staged";
    report.line(&format!(
        "staged{}: \"turnout boot\" verifies it again and starts it, \"turnout unload\" takes it out; \
         every other kexec starts it as it is",
        held(&loaded)
    ));
    show(&loaded, report);
    if let Some(said) = said_of_reboots(systemd::version()) {
        report.warn(&said);
    }
    Ok(())
}

/// For `turnout-stage.service`, as it is stopped: what would not be loaded today is not
/// started by whoever restarts this system. A departure of `turnout boot` has verified it
/// itself, and means just what it has loaded.
pub(super) fn end(boot: &Boot, report: &mut Report) -> Result<(), Failure> {
    let Some(staged) = staged(report) else {
        report.line("nothing is staged");
        return Ok(());
    };
    if is_departing(report) {
        return keep(report, "\"turnout boot\" has verified what is loaded, and leaves for it");
    }
    match (systemd::goal(), &staged.entry) {
        (_, None) => keep(report, "what is loaded is no entry of the menu, and is left alone"),
        (Goal::Ends, _) => keep(report, "this system is left without another kernel"),
        (Goal::Stays, _) => take_out(report),
        (Goal::Restarts, _) => again(boot, &staged, report),
    }
}

/// Whether `turnout boot` leaves this very system by kexec.
fn is_departing(report: &mut Report) -> bool {
    let asked = records::asked().unwrap_or_else(|error| {
        report.warn(&format!("whether \"turnout boot\" leaves is not known: {error}"));
        None
    });
    asked.is_some_and(|asked| asked.boot_id == records::boot_id() && asked.way == Way::Kexec)
}

fn keep(report: &mut Report, why: &str) -> Result<(), Failure> {
    report.facts.result = "kept";
    report.line(why);
    Ok(())
}

fn take_out(report: &mut Report) -> Result<(), Failure> {
    loading::unload(Slot::Normal)?;
    report.facts.result = "taken-out";
    report.line("what was staged is taken out");
    Ok(())
}

/// The entry that is staged, verified with what counts today. Whatever keeps that from
/// being done has it taken out: the firmware's way is always safe.
fn again(boot: &Boot, staged: &Loaded, report: &mut Report) -> Result<(), Failure> {
    let boot = Boot { entry: staged.entry.clone(), ..boot.clone() };
    let Err(failure) = is_same_today(&boot, staged, report) else {
        return keep(report, "what is staged is the same today, and is started");
    };
    if kexec::is_loaded(Slot::Normal) != Some(false) {
        take_out(report)?;
    }
    report.warn("what was staged is not started: the firmware starts this machine");
    Err(failure)
}

fn is_same_today(boot: &Boot, staged: &Loaded, report: &mut Report) -> Result<(), Failure> {
    let judge = judge(boot, report)?;
    let ready = ready(&judge, boot, report)?;
    match Bytes::of(staged).difference(&bytes_of(&ready)) {
        None => Ok(()),
        Some(difference) => Err(Failure::new(Stage::Verify, not_the_same(difference))),
    }
}

fn not_the_same(difference: &str) -> String {
    format!("what was staged is not what would be loaded today: {difference}")
}

/// What is loaded already, if it is just this, or else this, loaded now. What somebody has
/// signed is loaded in any case: no kernel tells whether what is loaded is still what was
/// written down.
pub(super) fn take_or_load(
    ready: &Ready,
    load: &Load,
    by: By,
    report: &mut Report,
) -> Result<Taken, Failure> {
    if let Some(loaded) = still_staged(ready, report)? {
        if !ready.is_signed() {
            report.line("what was staged is the same today, and is used");
            return Ok(Taken { loaded, is_own: false });
        }
        report.line("what was staged is the same today; it is loaded again, because it is signed");
    }
    let loaded = load_now(ready, load, by, report)?;
    Ok(Taken { loaded, is_own: true })
}

/// A kernel that is loaded.
pub(super) struct Taken {
    pub(super) loaded: Loaded,
    /// Whether it was loaded just now.
    pub(super) is_own: bool,
}

/// What is staged, if what would be loaded now is the same. What is not is taken out.
fn still_staged(ready: &Ready, report: &mut Report) -> Result<Option<Loaded>, Failure> {
    let Some(staged) = staged(report) else { return Ok(None) };
    let Some(difference) = Bytes::of(&staged).difference(&bytes_of(ready)) else {
        return Ok(Some(staged));
    };
    report.line(&not_the_same(difference));
    loading::unload(Slot::Normal)?;
    Ok(None)
}

/// What this program has written down, of a kernel that is still loaded.
fn staged(report: &mut Report) -> Option<Loaded> {
    let loaded = records::loaded(Slot::Normal).unwrap_or_else(|error| {
        report.warn(&format!("what is loaded is not known: {error}"));
        None
    });
    loaded.filter(|_| kexec::is_loaded(Slot::Normal) == Some(true))
}

/// What would be loaded; overlays and addons have no place in a record.
fn bytes_of(ready: &Ready) -> Bytes {
    let bundle = ready.proven.get();
    Bytes {
        entry: ready.entry.clone(),
        trust: ready.trust.clone(),
        kernel: bundle.linux.digest,
        initrds: bundle.initrds.iter().map(|initrd| initrd.digest).collect(),
        devicetree: bundle.devicetree.as_ref().map(|blob| blob.digest),
        cmdline: plan::cmdline(bundle).unwrap_or_default(),
        token: ready.token.clone(),
        is_whole: bundle.overlays.is_empty() && bundle.addons.is_empty(),
    }
}

/// The entry may not be loaded any more, for all that is known: what is staged of it goes.
pub(super) fn discard(boot: &Boot, report: &mut Report) {
    let Some(staged) = staged(report) else { return };
    let is_it = match (&boot.entry, &staged.entry) {
        (Some(wanted), Some(staged)) => wanted == staged,
        // The default, whatever it was when it was loaded.
        (None, Some(_)) => true,
        (_, None) => false,
    };
    if !is_it {
        return;
    }
    let what = staged.entry.as_deref().unwrap_or(&staged.kernel.path);
    match loading::unload(Slot::Normal) {
        Ok(()) => report.warn(&format!("{what} was staged, and was taken out again")),
        Err(failure) => report.warn(&format!("{what} is still loaded: {}", failure.sentence())),
    }
}

fn load_now(ready: &Ready, load: &Load, by: By, report: &mut Report) -> Result<Loaded, Failure> {
    report.line("loading it");
    let done = ready.load(load, by)?;
    let loaded = done.loaded.ok_or_else(|| Failure::new(Stage::Load, "nothing was loaded"))?;
    done.said.iter().skip(ready.said.len()).for_each(|said| report.warn(said));
    report.line(&done.text);
    Ok(loaded)
}

fn held(loaded: &Loaded) -> String {
    format!(", {} MiB of memory are held", bytes(loaded).div_ceil(1 << 20))
}

fn bytes(loaded: &Loaded) -> u64 {
    let files = [&loaded.kernel].into_iter().chain(&loaded.initrds).chain(&loaded.devicetree);
    files.map(|file| file.size).fold(0, u64::saturating_add)
}

fn show(loaded: &Loaded, report: &mut Report) {
    report.facts.held = Some(bytes(loaded));
    report.facts.entry.clone_from(&loaded.entry);
    report.facts.release.clone_from(&loaded.release);
    report.facts.token.clone_from(&loaded.token);
}
