//! From a prepared entry to a machine that is still: plan, load, quiesce. What is
//! said on the way is said here.

use super::figures::{self, Moments};
use super::prepare::Ready;
use super::rollback::signed;
use super::session::{Memory, Session};
use crate::base::text::printable;
use crate::config::Watchdog;
use crate::drivers::class::Class;
use crate::drivers::leaving::leaving;
use crate::failure::{Failure, Stage};
use crate::measure::state_archive;
use crate::plan::{Plan, Slot, WITHOUT_CRASH};
use crate::steps::load::{self, Parts};
use crate::sys::kexec::Staged;
use crate::sys::quiesce::{self, Leave, Quiet};
use crate::sys::read::Sealed;
use crate::sys::status::Status;
use crate::sys::{arch, clock};
use crate::trust::verify::Signed;

/// Has the TPM measure what is about to be loaded; the archives for the next system,
/// if there are any: with the log, and with what outlasts the power.
pub(super) fn measure(
    session: &Session,
    memory: &mut Memory,
    ready: &Ready<'_>,
) -> Result<Option<Vec<u8>>, Failure> {
    let Memory { witness, tpm, .. } = memory;
    let log = witness.measure(&ready.attested, ready.proven, tpm, &session.voice())?;
    let state = memory.told(ready.tries).map(|state| state_archive(&state));
    Ok(match (log, state) {
        (Some(log), Some(state)) => Some([log, state].concat()),
        (log, state) => log.or(state),
    })
}

/// Decides what is loaded where. `front` goes before every initrd.
pub(super) fn plan<'a>(
    session: &Session,
    ready: &'a Ready<'_>,
    front: Option<&'a [u8]>,
) -> Result<Plan<'a, Sealed>, Failure> {
    let facts = Status::read().facts(Slot::Normal);
    let parts = Parts {
        request: session.config.engine,
        facts: &facts,
        kernel: &ready.kernel,
        proven: ready.proven,
        machine: &ready.machine,
        front,
    };
    #[cfg_attr(not(feature = "test-hooks"), expect(unused_mut, reason = "only a test damages it"))]
    let mut plan = load::plan::<WITHOUT_CRASH>(arch::native(), &parts)?;
    #[cfg(feature = "test-hooks")]
    damage(&mut plan)?;
    session.voice().say_all(&plan.warnings);
    Ok(plan)
}

#[cfg(feature = "test-hooks")]
fn damage(plan: &mut Plan<'_, Sealed>) -> Result<(), Failure> {
    use crate::plan::{Error, Loading};
    use crate::sys::hooks;
    let damaged = match (&mut plan.loading, hooks::corrupt_segment()) {
        (Loading::Segments(placement), Some(name)) => placement.corrupt(&name),
        (Loading::Segments(placement), None) if hooks::probes() => placement.probe(),
        (Loading::Files(_), Some(name)) => Err(Error::NoSegment(name)),
        (_, None) => Ok(()),
    };
    damaged.map_err(|error| Failure::new(Stage::Plan, error))
}

/// Has the running kernel take it.
pub(super) fn load(
    session: &Session,
    plan: &Plan<'_, Sealed>,
    ready: &Ready<'_>,
) -> Result<Staged, Failure> {
    let entry = printable(&ready.proven.get().entry);
    let voice = session.voice();
    voice.say(&format!("loading {entry} by {}: {}", plan.engine(), plan.reason));
    if plan.kernel.name == "vmlinux" {
        voice.say(&format!("starting {entry} as a vmlinux: {}", plan.kernel.why));
    }
    Ok(load::load(plan, Slot::Normal)?)
}

/// Writes down what is jumped to, and tells the next system what booted it.
pub(super) fn hand_over(
    session: &Session,
    memory: &mut Memory,
    ready: &Ready<'_>,
) -> Result<(), Failure> {
    let voice = session.voice();
    let entry = &ready.proven.get().entry;
    let manifest = signed(&ready.attested).map(Signed::digest);
    memory.starts.jumps(entry, manifest);
    let Memory { standing, starts, noted, tpm, wishes, .. } = memory;
    standing.keep_jump(entry, &ready.attested, starts.kept(), noted, tpm, &voice)?;
    wishes.tell_next_system(&ready.loader_id, ready.counted.as_deref(), &voice);
    Ok(())
}

/// Makes the machine still. After that no other kernel can be loaded.
pub(super) fn quiesce(
    session: &Session,
    staged: Staged,
    plan: &Plan<'_, Sealed>,
    ready: &Ready<'_>,
    moments: &Moments,
) -> Result<Quiet, Failure> {
    let is_armed = matches!(session.config.watchdog, Watchdog::Seconds(_));
    if is_armed {
        session.drivers.wait_for(Class::Watchdog, &session.voice());
    }
    session.drivers.end(&session.voice(), is_armed);
    session.drivers.hear(&session.voice());
    let leave = Leave {
        unbind: &session.config.unbind,
        leaving: &leaving(session.drivers.all(), &session.config.keep_bound),
        watchdog: session.config.watchdog,
        last_words: &last_words(plan, ready),
    };
    let quiet = quiesce::quiesce(staged, &session.console, &leave)
        .map_err(|error| Failure::new(Stage::Quiesce, error))?;
    figures::print(&session.voice(), plan, ready.proven.get(), moments);
    Ok(quiet)
}

fn last_words(plan: &Plan<'_, Sealed>, ready: &Ready<'_>) -> String {
    let bundle = ready.proven.get();
    // In parts: the standard library's code for floating point is 10 KiB.
    let time = clock::elapsed();
    format!(
        "turnout: jumping to {}: {} with \"{}\" by {}, {}.{:06} s after start",
        printable(&bundle.entry),
        printable(&bundle.linux.path),
        printable(&plan.cmdline),
        plan.engine(),
        time.as_secs(),
        time.subsec_micros(),
    )
}
