//! `kexec`, for fingers and scripts that know it: kexec-tools' command line, done by
//! the same calls as `turnout load`, `unload` and `exec`.
//!
//! Exit statuses and what scripts read of the output are kexec-tools'; refusals are
//! one sentence of ours. Specification: docs/kexec.md.

use std::ffi::OsString;

use super::answer::complain;

/// Status of kexec-tools where it cannot make sense of its arguments.
const MISUSED: u8 = 1;

/// Does what the arguments say; gives the exit status.
pub(super) fn run(_arguments: Vec<OsString>) -> u8 {
    complain("kexec: this name is not understood yet");
    MISUSED
}
