//! kexec-tools' exit statuses, and which of them a failure of ours has.

use crate::failure::{Cause, Failure, Stage};
use crate::plan::{self, Engine, EngineError, Request, is_inability};
use crate::steps::load::Refused;

/// It is done; for `--status`: nothing is loaded.
pub(super) const DONE: u8 = 0;
/// The command line is wrong, a file cannot be read, or there is nothing to start.
pub(super) const MISUSED: u8 = 1;
/// For `--status`: something is loaded.
pub(super) const LOADED: u8 = 1;
/// It cannot be loaded, or was refused.
pub(super) const FAILED: u8 = 255;
/// It was to be loaded by kexec_file_load, which cannot do it.
const NO_FILE_LOAD: u8 = 253;

/// Why a job came to no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stopped {
    pub(super) status: u8,
    pub(super) said: String,
}

impl Stopped {
    pub(super) const fn new(status: u8, said: String) -> Self {
        Self { status, said }
    }

    /// A failure of loading by the engine that was asked for.
    pub(super) fn of(failure: &Failure, request: Request) -> Self {
        Self { status: status(failure, request), said: said(failure) }
    }

    /// A failure of something else than loading.
    pub(super) fn failed(failure: &Failure) -> Self {
        Self { status: FAILED, said: said(failure) }
    }
}

/// Of what no file is the cause of, the sentence alone.
fn said(failure: &Failure) -> String {
    match &failure.entry {
        Some(_) => failure.to_string(),
        None => failure.sentence(),
    }
}

fn status(failure: &Failure, request: Request) -> u8 {
    match (failure.stage, &failure.cause) {
        // A file. Too little memory for one has a code, and is no fault of the line.
        (Stage::Read, Cause::Other(_)) => MISUSED,
        _ if request == Request::Only(Engine::File) && is_of_the_call(failure) => NO_FILE_LOAD,
        _ => FAILED,
    }
}

/// Whether the running kernel has no kexec_file_load, or has one that cannot do this.
fn is_of_the_call(failure: &Failure) -> bool {
    let Cause::Other(error) = &failure.cause else { return false };
    let missing = plan::Error::Engine(EngineError::Missing(Engine::File));
    error.downcast_ref::<plan::Error>().is_some_and(|error| *error == missing)
        || error
            .downcast_ref::<Refused>()
            .and_then(|refused| refused.errno)
            .is_some_and(is_inability)
}
