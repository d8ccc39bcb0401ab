//! From a prepared entry to the jump: plan, load, quiesce, jump. Comes back only
//! with the step that failed.

use core::convert::Infallible;

use super::Station;
use super::figures::{self, Moments};
use super::menu::Shelf;
use super::prepare::{self, Ready};
use crate::base::text::printable;
use crate::bundle::Bundle;
use crate::choose::Chosen;
use crate::failure::{Failure, Stage};
use crate::plan::{self, Facts, Machine, Plan, Prepared, Slot, meaning_of_load, meaning_of_reboot};
use crate::sys::kexec::{self, Staged};
use crate::sys::quiesce::quiesce;
use crate::sys::read::Sealed;
use crate::sys::status::Status;
use crate::sys::{self, clock, machine};
use crate::trust::verify::Verified;

/// Boots an entry that was prepared before it was chosen, or says why not. The
/// machine is looked at again: since then drivers may have started.
pub(super) fn boot_prepared(
    station: &Station,
    ready: Result<Ready<'_>, Failure>,
    chosen_at: u64,
) -> Failure {
    let again = |ready| Ok(Ready { machine: prepare::survey()?, ..ready });
    let Err(failure) = ready.and_then(again).and_then(|ready| {
        let prepared = Some(ready.ticks);
        boot(station, &ready, chosen_at, prepared)
    });
    failure
}

/// Prepares an entry and boots it, or says why not.
pub(super) fn boot_unprepared(station: &Station, shelf: &Shelf<'_>, chosen: Chosen) -> Failure {
    let open = clock::counter();
    prepare::now(station, shelf, chosen, |ready| {
        let Err(failure) = ready.and_then(|ready| boot(station, &ready, open, None));
        failure
    })
}

fn boot(
    station: &Station,
    ready: &Ready<'_>,
    open: u64,
    prepared: Option<u64>,
) -> Result<Infallible, Failure> {
    let Ready { attested, bundle, kernel, machine, .. } = ready;
    let facts = Status::read().facts(Slot::Normal);
    let front = station.measure(attested, bundle)?;
    let plan = make_plan(station, (bundle, front.as_deref()), &facts, machine, kernel)?;
    announce(station, &plan, bundle.get());
    let staged = kexec::load(&plan, Slot::Normal, kernel, bundle.get()).map_err(|error| {
        Failure::new(Stage::Load, explained(&error, |errno| meaning_of_load(plan.engine, errno)))
    })?;
    let moments = Moments { prepared, open, after_load: clock::counter() };
    station.keep_trial(&bundle.get().entry, attested)?;
    station.tell_next_system(&ready.loader_id);
    jump(station, &plan, bundle.get(), staged, &moments)
}

fn announce(station: &Station, plan: &Plan<'_>, bundle: &Bundle<Sealed>) {
    let (entry, (form, why)) = (printable(&bundle.entry), plan.kernel);
    station.say(&format!("loading {entry} by {}: {}", plan.engine, plan.reason));
    if form == "vmlinux" {
        station.say(&format!("starting {entry} as a vmlinux: {why}"));
    }
}

fn make_plan<'a>(
    station: &Station,
    (verified, front): (&'a Verified<Bundle<Sealed>>, Option<&'a [u8]>),
    facts: &Facts,
    machine: &Machine,
    prepared: &'a Prepared<'_>,
) -> Result<Plan<'a>, Failure> {
    let at_plan = |error: plan::Error| Failure::new(Stage::Plan, error);
    let request = station.config.engine;
    #[cfg_attr(not(feature = "test-hooks"), expect(unused_mut, reason = "only a test damages it"))]
    let mut plan =
        plan::make_behind(front, request, facts, prepared, verified, machine, machine::PURGATORY)
            .map_err(at_plan)?;
    #[cfg(feature = "test-hooks")]
    if let Some(name) = sys::hooks::corrupt_segment() {
        plan.corrupt(&name).map_err(at_plan)?;
    }
    #[cfg(feature = "test-hooks")]
    if sys::hooks::probes() {
        plan.probe().map_err(at_plan)?;
    }
    for warning in &plan.warnings {
        station.say(warning);
    }
    Ok(plan)
}

fn jump(
    station: &Station,
    plan: &Plan<'_>,
    bundle: &Bundle<Sealed>,
    staged: Staged,
    moments: &Moments,
) -> Result<Infallible, Failure> {
    // In parts: the standard library's code for floating point is 10 KiB.
    let time = clock::elapsed();
    let last_words = format!(
        "turnout: jumping to {}: {} with \"{}\" by {}, {}.{:06} s after start",
        printable(&bundle.entry),
        printable(&bundle.linux.path),
        printable(&plan.cmdline),
        plan.engine,
        time.as_secs(),
        time.subsec_micros(),
    );
    let settings = (station.config.unbind.as_slice(), station.config.watchdog);
    let quiet = quiesce(staged, &station.console, settings, &last_words)
        .map_err(|error| Failure::new(Stage::Quiesce, error))?;
    figures::print(station, plan, bundle, moments);
    let error = sys::jump::jump(quiet);
    Err(Failure::new(Stage::Jump, explained(&error, meaning_of_reboot)))
}

fn explained(error: &sys::Error, meaning: impl Fn(i32) -> Option<&'static str>) -> String {
    match error.source.raw_os_error().and_then(meaning) {
        Some(meaning) => format!("{error}: {meaning}"),
        None => error.to_string(),
    }
}
