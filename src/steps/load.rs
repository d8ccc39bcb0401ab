//! Plan and load, and what the running kernel means when it refuses.
//!
//! Nothing is placed here ([`crate::plan`] does) and no system call is made
//! (`sys::kexec` does); a refusal is put into words once, for everybody.

use core::error::Error;
use core::fmt;

use crate::base::arch::Arch;
use crate::failure::{Failure, Stage};
use crate::plan::{
    self, Engine, Facts, Machine, On, Plan, Prepared, Request, Slot, is_missing, meaning_of_load,
    meaning_of_reboot,
};
use crate::steps::prepare::Proven;
use crate::sys::jump;
use crate::sys::kexec::{self, Staged};
use crate::sys::quiesce::Quiet;
use crate::sys::read::Sealed;
use crate::sys::{self, machine};

/// All that a plan is made of.
pub(crate) struct Parts<'a, 'b> {
    pub(crate) request: Request,
    pub(crate) facts: &'b Facts,
    pub(crate) kernel: &'a Prepared<'a>,
    pub(crate) proven: &'a Proven,
    pub(crate) machine: &'b Machine,
    /// An archive of Turnout's own before every initrd.
    pub(crate) front: Option<&'a [u8]>,
}

/// Decides what is loaded where, on a machine of this architecture; `CRASH` as for
/// [`plan::make_behind`].
pub(crate) fn plan<'a, const CRASH: bool>(
    arch: Arch,
    parts: &Parts<'a, '_>,
) -> Result<Plan<'a, Sealed>, Failure> {
    let Parts { request, facts, kernel, proven, machine, front } = *parts;
    let on = On { arch, machine };
    let blob = machine::PURGATORY;
    plan::make_behind::<_, CRASH>(front, request, facts, kernel, proven, on, blob)
        .map_err(|error| Failure::new(Stage::Plan, error))
}

/// The running kernel has not loaded what was planned.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Its answer, where it gave one.
    pub(crate) errno: Option<i32>,
    /// What that means, in words.
    pub(crate) said: String,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::new(Stage::Load, refused)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl Error for Refused {}

/// Has the running kernel take what was planned.
pub(crate) fn load(plan: &Plan<'_, Sealed>, slot: Slot) -> Result<Staged, Refused> {
    kexec::load(plan, slot).map_err(|error| refused(&error, plan.engine()))
}

/// Takes the loaded kernel out again. By kexec_file_load where there is one:
/// under lockdown only that is left.
pub(crate) fn unload(slot: Slot) -> Result<(), Refused> {
    match kexec::unload(Engine::File, slot) {
        Err(error) if error.source.raw_os_error().is_some_and(is_missing) => {
            kexec::unload(Engine::Segments, slot).map_err(|error| refused(&error, Engine::Segments))
        }
        unloaded => unloaded.map_err(|error| refused(&error, Engine::File)),
    }
}

/// Starts the loaded kernel; comes back only with the reason why not.
pub(crate) fn jump(quiet: Quiet) -> Failure {
    let error = jump::jump(quiet);
    let meaning = error.source.raw_os_error().and_then(meaning_of_reboot);
    Failure::new(Stage::Jump, explained(&error, meaning))
}

fn refused(error: &sys::Error, engine: Engine) -> Refused {
    let errno = error.source.raw_os_error();
    let meaning = errno.and_then(|errno| meaning_of_load(engine, errno));
    Refused { errno, said: explained(error, meaning) }
}

fn explained(error: &sys::Error, meaning: Option<&str>) -> String {
    meaning.map_or_else(|| error.to_string(), |meaning| format!("{error}: {meaning}"))
}
