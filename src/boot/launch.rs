//! From a chosen entry to the jump: read, verify, identify, plan, load,
//! quiesce, jump. Comes back only with the step that failed.

use core::convert::Infallible;

use super::Station;
use super::figures::{self, Moments};
use super::shelf::Shelf;
use crate::bundle::Bundle;
use crate::failure::{Failure, Stage};
use crate::image::{self, Limits, Unpacked};
use crate::menu::Entry;
use crate::plan::{self, Facts, Machine, Plan, Prepared, Slot, meaning_of_load, meaning_of_reboot};
use crate::sys::kexec::{self, Staged};
use crate::sys::quiesce::quiesce;
use crate::sys::read::{Root, Sealed};
use crate::sys::sources::Sources;
use crate::sys::status::Status;
use crate::sys::{self, clock, machine};
use crate::text::printable;
use crate::trust::verify::{Verified, verify};

/// Boots the entry, or says why not.
pub(super) fn boot(station: &Station, shelf: &Shelf, index: usize) -> Failure {
    let Err(failure) = try_boot(station, shelf, index);
    match shelf.menu.entries.get(index) {
        Some(entry) => failure.of(&entry.id),
        None => failure,
    }
}

fn try_boot(station: &Station, shelf: &Shelf, index: usize) -> Result<Infallible, Failure> {
    let (entry, attested) = shelf.get(index)?;
    station.say(&format!("reading {}", printable(&entry.id)));
    let before_read = clock::counter();
    let bundle = read(&shelf.root, entry)?;
    let verified = verify(attested, bundle).map_err(Failure::refused)?;
    let machine =
        machine::survey(&Sources::live()).map_err(|error| Failure::new(Stage::Plan, error))?;
    let facts = Status::read().facts(Slot::Normal);
    let prepared = prepare(station, &verified, &facts, &machine)?;
    let plan = make_plan(station, &verified, &facts, &machine, &prepared)?;
    station.say(&format!("loading {} by {}: {}", printable(&entry.id), plan.engine, plan.reason));
    let staged = kexec::load(&plan, Slot::Normal, &prepared, verified.get()).map_err(|error| {
        Failure::new(Stage::Load, explained(&error, |errno| meaning_of_load(plan.engine, errno)))
    })?;
    let moments = Moments { before_read, after_load: clock::counter() };
    jump(station, &plan, verified.get(), staged, &moments)
}

/// Reads the files of an entry, each once, in the order in which they are used.
fn read(root: &Root, entry: &Entry) -> Result<Bundle<Sealed>, Failure> {
    let limit = machine::memory_for_files();
    let blob =
        |path: &str| root.blob(path, limit).map_err(|error| Failure::new(Stage::Read, error));
    Ok(Bundle {
        entry: entry.id.clone(),
        linux: blob(entry.linux.as_deref().unwrap_or_default())?,
        initrds: entry.initrds.iter().map(|path| blob(path)).collect::<Result<_, _>>()?,
        devicetree: entry.devicetree.as_deref().map(blob).transpose()?,
        options: entry.options.clone(),
    })
}

/// Kernel images are parsed here for the first time: verified, all of them.
fn unpack(bundle: &Bundle<Sealed>) -> Result<Unpacked<'_>, Failure> {
    let limits = Limits { output: machine::memory_for_files() };
    image::unpack(bundle.linux.bytes.as_ref(), &limits)
        .map_err(|error| Failure::new(Stage::Identify, format!("{}: {error}", bundle.linux.path)))
}

/// Unpacks the kernel further than it has to be, where that is wanted.
fn prepare<'a>(
    station: &Station,
    verified: &'a Verified<Bundle<Sealed>>,
    facts: &Facts,
    machine: &Machine,
) -> Result<Prepared<'a>, Failure> {
    let at_plan = |error: plan::Error| Failure::new(Stage::Plan, error);
    let unpacked = unpack(verified.get())?;
    let (engine, _) =
        plan::choose_engine(station.config.engine, facts).map_err(|error| at_plan(error.into()))?;
    let limits = Limits { output: machine::memory_for_files() };
    let how = (engine, station.config.vmlinux.in_a_hurry(), &limits);
    Prepared::new(unpacked, verified, how, machine.seeds.as_ref()).map_err(at_plan)
}

fn make_plan<'a>(
    station: &Station,
    verified: &'a Verified<Bundle<Sealed>>,
    facts: &Facts,
    machine: &Machine,
    prepared: &'a Prepared<'_>,
) -> Result<Plan<'a>, Failure> {
    let at_plan = |error: plan::Error| Failure::new(Stage::Plan, error);
    let request = station.config.engine;
    #[cfg_attr(not(feature = "test-hooks"), expect(unused_mut, reason = "only a test damages it"))]
    let mut plan = plan::make(request, facts, prepared, verified, machine, machine::PURGATORY)
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
