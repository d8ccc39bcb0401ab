//! An entry that is to be read, verified and identified, or only rehearsed, to
//! tell whether it could boot.
//!
//! Whoever asks for it, the steps are the same, so they end with the same kernel
//! or the same refusal. An order owns what it is about and touches neither console
//! nor signals: it is carried out in another thread ([`super::rehearse`],
//! [`Preparing`]), which is left alone if its disk has stopped to answer. What was
//! rehearsed is not kept: it is read and verified again when it is
//! chosen.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::menu::{BootMenu, Taken};
use super::session::Session;
use crate::base::arch::Arch;
use crate::base::text::printable;
use crate::bundle::Bundle;
use crate::choose::Chosen;
use crate::config::STALL;
use crate::failure::{Failure, Stage};
use crate::image::{Kernel, Limits, Unpacked};
use crate::menu::{Code, Entry};
use crate::plan::{Decompress, Machine, Prepared, Request, Slot, Unpacking};
use crate::steps::prepare::{self, Loadable, Proven, Readying, not_identified, probe};
use crate::sys::read::{Roots, Sealed};
use crate::sys::sources::Sources;
use crate::sys::status::Status;
use crate::sys::thread::{Job, Shelf, Work};
use crate::sys::{arch, clock, hung_tasks, machine};
use crate::trust::slots::SlotValues;
use crate::trust::verify::{Attested, edited};

/// Where a bundle is while its kernel is being prepared: outside of the thread
/// that reads it.
pub(super) type BundleCell = OnceLock<Proven>;

/// An entry that only has to be planned and loaded.
pub(super) struct Ready<'p> {
    /// Who vouches for it.
    pub(super) attested: Arc<Attested>,
    pub(super) proven: &'p Proven,
    pub(super) kernel: Prepared<'p>,
    /// The entry's id as systemd's tools know it.
    pub(super) loader_id: String,
    /// Path of the file whose name counts the entry's boots, where one does.
    pub(super) counted: Option<String>,
    /// Tries that its slot has left after this start.
    pub(super) tries: Option<u32>,
    /// The machine as it was then.
    pub(super) machine: Machine,
    /// How long it took, in ticks of the clock.
    pub(super) ticks: u64,
}

impl Ready<'_> {
    /// The same on the machine as it is now: since then drivers may have started, and
    /// memory may have gone.
    ///
    /// # Errors
    /// The machine cannot be surveyed, or there is too little memory to load it.
    pub(super) fn again(self, session: &Session, may_have_front: bool) -> Result<Self, Failure> {
        let ready = Self { machine: survey()?, ..self };
        let facts = Status::read().facts(Slot::Normal);
        prepare::check_memory(&Loadable {
            request: session.config.engine,
            facts: &facts,
            kernel: &ready.kernel,
            proven: ready.proven,
            machine: &ready.machine,
            may_have_front,
        })?;
        Ok(ready)
    }
}

/// What whoever waits lets an order know.
pub(super) struct Demand {
    /// The menu has come to an end: somebody waits.
    pub(super) is_urgent: AtomicBool,
    /// Something else was chosen.
    pub(super) is_dropped: AtomicBool,
}

impl Demand {
    pub(super) const fn new(is_urgent: bool) -> Self {
        Self { is_urgent: AtomicBool::new(is_urgent), is_dropped: AtomicBool::new(false) }
    }
}

/// Everything that preparing takes of the session and of the menu: no console,
/// no signals.
pub(super) struct Order {
    taken: Taken,
    arch: Arch,
    request: Request,
    decompress: Decompress,
    /// Whether there may be anything to hand over to the next system.
    may_have_front: bool,
}

impl Order {
    /// # Errors
    /// The entry cannot boot.
    pub(super) fn new(
        session: &Session,
        menu: &BootMenu<'_>,
        index: usize,
    ) -> Result<Self, Failure> {
        Ok(Self {
            taken: menu.take(index)?,
            arch: session.arch,
            request: session.config.engine,
            decompress: session.config.vmlinux,
            may_have_front: menu.may_have_front(),
        })
    }

    /// What somebody has put together at the prompt: nobody can have signed it.
    ///
    /// # Errors
    /// The image is locked, or its store or TPM keeps operating systems from booting.
    pub(super) fn by_hand(
        session: &Session,
        menu: &BootMenu<'_>,
        roots: Roots,
        entry: Entry,
    ) -> Result<Self, Failure> {
        let attested = leave_unsigned(session, menu, &entry)?;
        session.voice().say(&format!("{} boots unsigned: it was put together here", entry.id));
        Ok(Self {
            taken: Taken {
                roots,
                entry,
                attested,
                is_on_boot: false,
                values: SlotValues::default(),
            },
            arch: session.arch,
            request: session.config.engine,
            decompress: session.config.vmlinux,
            may_have_front: menu.may_have_front(),
        })
    }

    /// What somebody has chosen, with the command line that they gave it.
    ///
    /// # Errors
    /// It cannot boot, or not so.
    pub(super) fn of(
        session: &Session,
        menu: &BootMenu<'_>,
        chosen: Chosen,
    ) -> Result<Self, Failure> {
        let order = Self::new(session, menu, chosen.index)?;
        match chosen.options {
            Some(options) => order.edited(session, menu, options),
            None => Ok(order),
        }
    }

    /// The same with another command line: then nobody has signed it.
    fn edited(
        mut self,
        session: &Session,
        menu: &BootMenu<'_>,
        options: String,
    ) -> Result<Self, Failure> {
        self.taken.entry.options = options;
        self.taken.attested = leave_unsigned(session, menu, &self.taken.entry)?;
        let id = printable(self.id());
        session.voice().say(&format!("{id} boots unsigned: its command line was edited"));
        Ok(self)
    }

    /// The entry's id.
    pub(super) fn id(&self) -> &str {
        &self.taken.entry.id
    }

    /// Whether it could be prepared: reads, verifies, looks at the kernel's first
    /// bytes, and keeps nothing. Its files may have `limit` bytes together.
    pub(super) fn rehearse(&self, limit: u64, stop: &AtomicBool) -> Result<(), Failure> {
        let Taken { roots, entry, attested, values, .. } = &self.taken;
        let heads = prepare::read_heads(roots, entry, limit, stop)?;
        let verified = prepare::verify(attested, heads, values)?;
        probe(&verified, self.arch)
    }
}

/// Leave to boot what somebody at the console has made of an entry.
fn leave_unsigned(
    session: &Session,
    menu: &BootMenu<'_>,
    entry: &Entry,
) -> Result<Arc<Attested>, Failure> {
    let attested = edited(session.config.mode, &entry.id).map_err(Failure::refused)?;
    let attested = menu.admit(attested)?;
    match entry.open_slot() {
        None => Ok(Arc::new(attested)),
        Some(slot) => {
            let detail = format!("{slot} in options has a value in a signed entry only");
            Err(Failure::broken(Code::Variable.name(), detail))
        }
    }
}

/// How an entry is prepared.
pub(super) type Prepare = for<'p> fn(&Order, &'p BundleCell, &Demand) -> Result<Ready<'p>, Failure>;

/// One entry that is prepared because somebody waits for it.
pub(super) struct Preparing {
    order: Order,
    demand: Arc<Demand>,
    prepare: Prepare,
}

impl Work for Preparing {
    type Place = BundleCell;
    type Product<'p> = Result<Ready<'p>, Failure>;

    fn run<'p>(self, cell: &'p BundleCell, shelf: &Shelf<Self::Product<'p>>) {
        shelf.put((self.prepare)(&self.order, cell, &self.demand));
    }
}

/// Has an order carried out, and does something with what that came to.
pub(super) fn carry_out<R>(
    order: Order,
    prepare: Prepare,
    then: impl for<'p> FnOnce(Option<Result<Ready<'p>, Failure>>) -> R,
) -> R {
    let demand = Arc::new(Demand::new(true));
    let work = Preparing { order, demand: Arc::clone(&demand), prepare };
    let Some(job) = Job::start(work) else { return then(Some(Err(no_thread()))) };
    if !job.wait_while_it_works(STALL) {
        demand.is_dropped.store(true, Ordering::Relaxed);
        hung_tasks::bear();
    }
    job.finish(then)
}

fn no_thread() -> Failure {
    Failure::new(Stage::Read, "there is no memory for a thread that reads it")
}

/// Reads the entry's files, each once.
pub(super) fn read(order: &Order, demand: &Demand) -> Result<Bundle<Sealed>, Failure> {
    prepare::read_to_start(&order.taken.roots, &order.taken.entry, &demand.is_dropped)
}

/// Checks that they are what was signed, and keeps them where nothing has been
/// kept before: what is there was verified for another entry.
pub(super) fn verify<'p>(
    order: &Order,
    bundle: Bundle<Sealed>,
    cell: &'p BundleCell,
) -> Result<&'p Proven, Failure> {
    let Taken { attested, values, .. } = &order.taken;
    let proven = clock::TRUST.spend(|| prepare::verify(attested, bundle, values))?;
    cell.set(proven).ok().ok_or_else(is_taken)?;
    cell.get().ok_or_else(is_taken)
}

fn is_taken() -> Failure {
    Failure::new(Stage::Verify, "another entry is being prepared")
}

/// Says what the kernel is, and unpacks it, further than it has to be where that
/// is wanted.
pub(super) fn identify<'p>(
    order: &Order,
    proven: &'p Proven,
    demand: &Demand,
) -> Result<Identified<'p>, Failure> {
    let machine = survey()?;
    let limits = prepare::limits(proven);
    let unpacked = prepare::identify(proven, &limits).map_err(|error| {
        let path = &proven.get().linux.path;
        not_identified(&error, format!("{path}: {error}"))
    })?;
    let facts = Status::read().facts(Slot::Normal);
    let how = Readying {
        request: order.request,
        decompress: order.decompress,
        against: against(&unpacked, &limits, &machine, demand),
        limits: &limits,
        facts: &facts,
        machine: &machine,
        is_here: true,
        may_have_front: order.may_have_front,
    };
    let kernel = how.apply(unpacked, proven)?;
    Ok(Identified { kernel, machine })
}

/// A kernel, and the machine that it was made ready for.
pub(super) struct Identified<'p> {
    kernel: Prepared<'p>,
    machine: Machine,
}

impl<'p> Identified<'p> {
    /// What was begun at `start`, by the clock's counter, is ready.
    pub(super) fn ready(self, order: &Order, proven: &'p Proven, start: u64) -> Ready<'p> {
        Ready {
            attested: Arc::clone(&order.taken.attested),
            proven,
            kernel: self.kernel,
            loader_id: order.taken.entry.loader_id(),
            counted: order.taken.counted(),
            tries: order.taken.values.tries,
            machine: self.machine,
            ticks: clock::counter().saturating_sub(start),
        }
    }
}

/// The machine as it is now.
fn survey() -> Result<Machine, Failure> {
    machine::survey(arch::native(), &Sources::live())
        .map_err(|error| Failure::new(Stage::Plan, error))
}

/// What speaks against unpacking a bzImage.
fn against(
    unpacked: &Unpacked<'_>,
    limits: &Limits,
    machine: &Machine,
    demand: &Demand,
) -> Option<&'static str> {
    let size = match unpacked.kernel() {
        Kernel::Bzimage(image) => image.memory_size(),
        Kernel::Vmlinux(_) | Kernel::Arm64Image(_) => 0,
    };
    // The limit is half of what is available beside the rest.
    if limits.output / 2 < size {
        return Some(Unpacking::NO_MEMORY);
    }
    if machine.keep_page_tables {
        return Some(Unpacking::ENCRYPTED);
    }
    demand.is_urgent.load(Ordering::Relaxed).then_some(Unpacking::NO_TIME)
}
