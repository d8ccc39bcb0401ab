//! Makes an entry ready to be placed: read, verify, identify, unpack.
//!
//! The entry that the menu waits with is prepared while it waits, in a thread of
//! its own that touches neither console nor signals; every other one when it is
//! chosen. Both take the same steps, so both end with the same kernel or the
//! same refusal. What nobody chose is given up, without a word.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;

use super::Station;
use super::partition;
use super::shelf::{Shelf, Taken};
use crate::bundle::Bundle;
use crate::choose::{Chooser, Chosen};
use crate::failure::{Failure, Stage};
use crate::image::{self, Kernel, Limits, Unpacked};
use crate::plan::{self, Decompress, Machine, Prepared, Request, Slot, Unpacking};
use crate::sys::read::Sealed;
use crate::sys::sources::Sources;
use crate::sys::status::Status;
use crate::sys::thread::beside;
use crate::sys::{clock, machine};
use crate::text::printable;
use crate::trust::verify::{Attested, Verified, verify};

/// Where a bundle is while its kernel is being prepared: outside of the thread
/// that reads it.
type Place = OnceLock<Verified<Bundle<Sealed>>>;

/// An entry that only has to be planned and loaded.
pub(super) struct Ready<'p> {
    /// Who vouches for it.
    pub(super) attested: &'p Attested,
    pub(super) bundle: &'p Verified<Bundle<Sealed>>,
    pub(super) kernel: Prepared<'p>,
    /// The machine as it was then.
    pub(super) machine: Machine,
    /// How long it took, in ticks of the clock.
    pub(super) ticks: u64,
}

/// What the menu came to.
pub(super) enum Choice<T> {
    /// Nothing in it can boot.
    Nothing,
    /// An entry that has not been prepared.
    Unprepared(Chosen),
    /// What became of the one that has been.
    Prepared(usize, T),
}

/// What the main thread lets the preparing one know.
struct Signals {
    /// The menu has come to an end: somebody waits.
    over: AtomicBool,
    /// Something else was chosen.
    stop: AtomicBool,
}

impl Signals {
    const fn new(over: bool) -> Self {
        Self { over: AtomicBool::new(over), stop: AtomicBool::new(false) }
    }
}

/// Shows the menu, and prepares meanwhile what it waits with. If that is what was
/// chosen, `then` goes on with it and with the clock's counter at the choice.
pub(super) fn beside_the_menu<T>(
    station: &Station,
    shelf: &mut Shelf<'_>,
    menu: Chooser,
    then: impl FnOnce(Result<Ready<'_>, Failure>, u64) -> T,
) -> Choice<T> {
    let (place, signals) = (Place::new(), Signals::new(false));
    let default = menu.waits_with();
    let job = default.and_then(|index| Job::new(station, shelf, index).ok());
    let work = job.as_ref().map(|job| || job.prepare(&place, &signals));
    let ((choice, chosen_at), result) = beside(work, |is_done| {
        let choice = station.choose(menu, shelf);
        let chosen_at = clock::counter();
        let wanted = is_unchanged(choice.as_ref(), default);
        signals.over.store(true, Ordering::Relaxed);
        signals.stop.store(!wanted, Ordering::Relaxed);
        if wanted
            && !is_done()
            && let Some(job) = &job
        {
            station.say(&format!("{} is still being prepared", printable(&job.taken.entry.id)));
        }
        (choice, chosen_at)
    });
    let unchanged = is_unchanged(choice.as_ref(), default);
    match (choice, result.filter(|_| unchanged)) {
        (None, _) => Choice::Nothing,
        (Some(chosen), None) => Choice::Unprepared(chosen),
        (Some(Chosen { index, .. }), Some(result)) => {
            Choice::Prepared(index, then(result, chosen_at))
        }
    }
}

/// Whether what was chosen is what the menu waited with, as it stands there.
fn is_unchanged(choice: Option<&Chosen>, default: Option<usize>) -> bool {
    choice.is_some_and(|chosen| Some(chosen.index) == default && chosen.options.is_none())
}

/// Prepares an entry that somebody waits for.
pub(super) fn now<T>(
    station: &Station,
    shelf: &Shelf<'_>,
    index: usize,
    then: impl FnOnce(Result<Ready<'_>, Failure>) -> T,
) -> T {
    let place = Place::new();
    let job = Job::new(station, shelf, index);
    if let Ok(job) = &job {
        station.say(&format!("reading {}", printable(&job.taken.entry.id)));
    }
    let ready = job.as_ref().map_err(Clone::clone);
    then(ready.and_then(|job| job.prepare(&place, &Signals::new(true))))
}

/// Everything that preparing takes of the station: no console, no signals, and
/// nothing of the shelf, which may change meanwhile.
struct Job {
    taken: Taken,
    request: Request,
    decompress: Decompress,
}

impl Job {
    fn new(station: &Station, shelf: &Shelf<'_>, index: usize) -> Result<Self, Failure> {
        let (request, decompress) = (station.config.engine, station.config.vmlinux);
        Ok(Self { taken: shelf.take(index)?, request, decompress })
    }

    fn prepare<'p>(&'p self, place: &'p Place, signals: &Signals) -> Result<Ready<'p>, Failure> {
        let Taken { root, entry, attested } = &self.taken;
        #[cfg(feature = "test-hooks")]
        crate::sys::hooks::at_preparing();
        let start = clock::counter();
        let bundle = partition::read_bundle(root, entry, &signals.stop)?;
        let slots = partition::slot_values(entry);
        let check = || verify(attested, bundle, &slots);
        let verified = clock::TRUST.spend(check).map_err(Failure::refused)?;
        let bundle = place.get_or_init(|| verified);
        let machine = survey()?;
        let kernel = self.unpack(bundle, &machine, signals)?;
        let ticks = clock::counter().saturating_sub(start);
        Ok(Ready { attested, bundle, kernel, machine, ticks })
    }

    /// Unpacks the kernel, further than it has to be where that is wanted.
    fn unpack<'p>(
        &self,
        bundle: &'p Verified<Bundle<Sealed>>,
        machine: &Machine,
        signals: &Signals,
    ) -> Result<Prepared<'p>, Failure> {
        let at_plan = |error: plan::Error| Failure::new(Stage::Plan, error);
        let limits = Limits { output: machine::memory_for_files() };
        let unpacked = identify(bundle, &limits)?;
        let facts = Status::read().facts(Slot::Normal);
        let (engine, _) =
            plan::choose_engine(self.request, &facts).map_err(|error| at_plan(error.into()))?;
        let against = against(&unpacked, &limits, machine, signals);
        let how = Unpacking { engine, decompress: self.decompress, against, limits: &limits };
        Prepared::new(unpacked, bundle, &how, machine.seeds.as_ref()).map_err(at_plan)
    }
}

/// The machine as it is now.
pub(super) fn survey() -> Result<Machine, Failure> {
    machine::survey(&Sources::live()).map_err(|error| Failure::new(Stage::Plan, error))
}

/// Kernel images are parsed here for the first time: verified, all of them.
fn identify<'p>(
    bundle: &'p Verified<Bundle<Sealed>>,
    limits: &Limits,
) -> Result<Unpacked<'p>, Failure> {
    let Bundle { linux, profile, .. } = bundle.get();
    image::unpack_profile(linux.bytes.as_ref(), profile.unwrap_or(0), limits)
        .map_err(|error| Failure::new(Stage::Identify, format!("{}: {error}", linux.path)))
}

/// What speaks against unpacking a bzImage.
fn against(
    unpacked: &Unpacked<'_>,
    limits: &Limits,
    machine: &Machine,
    signals: &Signals,
) -> Option<&'static str> {
    let size = match unpacked.kernel() {
        Kernel::Bzimage(image) => image.memory_size(),
        Kernel::Vmlinux(_) | Kernel::Arm64Image(_) => 0,
    };
    // The limit is half of what is available.
    if limits.output / 2 < size {
        return Some(Unpacking::NO_MEMORY);
    }
    if machine.keep_page_tables {
        return Some(Unpacking::ENCRYPTED);
    }
    signals.over.load(Ordering::Relaxed).then_some(Unpacking::NO_TIME)
}
