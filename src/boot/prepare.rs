//! Makes an entry ready to be placed: read, verify, identify, unpack; or only
//! rehearses that, to tell whether it could boot.
//!
//! Whoever asks for it, the steps are the same, so they end with the same kernel
//! or the same refusal. A job owns what it works on and touches neither console
//! nor signals: it can be done in another thread ([`super::rehearse`]). What was
//! rehearsed is not kept: it is read and verified again when it is chosen.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::Station;
use super::menu::{self, Shelf, Taken};
use super::partition;
use crate::base::arch::Arch;
use crate::base::text::printable;
use crate::bundle::Bundle;
use crate::choose::Chosen;
use crate::failure::{Failure, Stage};
use crate::image::{self, Kernel, Limits, Unpacked};
use crate::menu::Code;
use crate::plan::{self, Decompress, Machine, Prepared, Request, Slot, Unpacking};
use crate::sys::read::{Head, Sealed};
use crate::sys::sources::Sources;
use crate::sys::status::Status;
use crate::sys::{clock, machine};
use crate::trust::verify::{Attested, Verified, edited, verify};

/// Where a bundle is while its kernel is being prepared: outside of the thread
/// that reads it.
pub(super) type Place = OnceLock<Verified<Bundle<Sealed>>>;

/// An entry that only has to be planned and loaded.
pub(super) struct Ready<'p> {
    /// Who vouches for it.
    pub(super) attested: Arc<Attested>,
    pub(super) bundle: &'p Verified<Bundle<Sealed>>,
    pub(super) kernel: Prepared<'p>,
    /// The entry's id as systemd's tools know it.
    pub(super) loader_id: String,
    /// The machine as it was then.
    pub(super) machine: Machine,
    /// How long it took, in ticks of the clock.
    pub(super) ticks: u64,
}

/// What whoever waits lets a job know.
pub(super) struct Signals {
    /// The menu has come to an end: somebody waits.
    pub(super) over: AtomicBool,
    /// Something else was chosen.
    pub(super) stop: AtomicBool,
}

impl Signals {
    pub(super) const fn new(over: bool) -> Self {
        Self { over: AtomicBool::new(over), stop: AtomicBool::new(false) }
    }
}

/// Prepares an entry that somebody waits for.
pub(super) fn now<T>(
    station: &Station,
    shelf: &Shelf<'_>,
    chosen: Chosen,
    then: impl FnOnce(Result<Ready<'_>, Failure>) -> T,
) -> T {
    let place = Place::new();
    let job = Job::of(station, shelf, chosen);
    if let Ok(job) = &job {
        station.say(&format!("reading {}", printable(job.id())));
    }
    then(job.and_then(|job| job.prepare(&place, &Signals::new(true))))
}

/// Everything that preparing takes of the station and of the shelf: no console,
/// no signals.
pub(super) struct Job {
    taken: Taken,
    arch: Arch,
    request: Request,
    decompress: Decompress,
}

impl Job {
    pub(super) fn new(station: &Station, shelf: &Shelf<'_>, index: usize) -> Result<Self, Failure> {
        let (request, decompress) = (station.config.engine, station.config.vmlinux);
        Ok(Self { taken: shelf.take(index)?, arch: station.arch, request, decompress })
    }

    /// The entry's id.
    pub(super) fn id(&self) -> &str {
        &self.taken.entry.id
    }

    /// What somebody has chosen, with the command line that they gave it.
    fn of(station: &Station, shelf: &Shelf<'_>, chosen: Chosen) -> Result<Self, Failure> {
        let job = Self::new(station, shelf, chosen.index)?;
        match chosen.options {
            Some(options) => job.edited(station, options),
            None => Ok(job),
        }
    }

    /// The same with another command line: then nobody has signed it.
    fn edited(mut self, station: &Station, options: String) -> Result<Self, Failure> {
        let attested = edited(station.config.mode, self.id()).map_err(Failure::refused)?;
        let id = printable(self.id());
        station.say(&format!("{id} boots unsigned: its command line was edited"));
        self.taken.attested = Arc::new(menu::admit(station, attested)?);
        self.taken.entry.options = options;
        match self.taken.entry.open_slot() {
            None => Ok(self),
            Some(slot) => {
                let detail = format!("{slot} in options has a value in a signed entry only");
                Err(Failure::broken(Code::Variable.name(), detail))
            }
        }
    }

    /// Does everything that can be done before somebody chooses.
    pub(super) fn prepare<'p>(
        &self,
        place: &'p Place,
        signals: &Signals,
    ) -> Result<Ready<'p>, Failure> {
        #[cfg(feature = "test-hooks")]
        crate::sys::hooks::at_preparing();
        let start = clock::counter();
        let Taken { root, entry, attested } = &self.taken;
        let bundle = partition::read_bundle(root, entry, &signals.stop)?;
        let slots = partition::slot_values(entry);
        let check = || verify(attested, bundle, &slots);
        let verified = clock::TRUST.spend(check).map_err(Failure::refused)?;
        let bundle = put(place, verified)?;
        let machine = survey()?;
        let kernel = self.unpack(bundle, &machine, signals)?;
        let ticks = clock::counter().saturating_sub(start);
        let (attested, loader_id) = (Arc::clone(attested), entry.loader_id());
        Ok(Ready { attested, bundle, kernel, loader_id, machine, ticks })
    }

    /// Whether it could be prepared: reads, verifies, looks at the kernel's first
    /// bytes, and keeps nothing. Its files may have `limit` bytes together.
    pub(super) fn rehearse(&self, limit: u64, stop: &AtomicBool) -> Result<(), Failure> {
        let Taken { root, entry, attested } = &self.taken;
        let bundle = partition::read_heads(root, entry, limit, stop)?;
        let slots = partition::slot_values(entry);
        let verified = verify(attested, bundle, &slots).map_err(Failure::refused)?;
        glance(&verified, self.arch)
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

/// Keeps a bundle where nothing has been kept before: what is there was verified
/// for another entry.
fn put(
    place: &Place,
    bundle: Verified<Bundle<Sealed>>,
) -> Result<&Verified<Bundle<Sealed>>, Failure> {
    let taken = || Failure::new(Stage::Verify, "another entry is being prepared");
    place.set(bundle).ok().ok_or_else(taken)?;
    place.get().ok_or_else(taken)
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

/// Whether the kernel begins like one for this machine.
fn glance(bundle: &Verified<Bundle<Head>>, machine: Arch) -> Result<(), Failure> {
    let linux = &bundle.get().linux;
    match image::glance(&linux.bytes.0) {
        Err(error) => Err(Failure::new(Stage::Identify, format!("{}: {error}", linux.path))),
        Ok(Some(kernel)) if kernel != machine => {
            Err(Failure::new(Stage::Plan, plan::Error::Arch { kernel, machine }))
        }
        Ok(_) => Ok(()),
    }
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
