//! Keeps tests and development builds from loading or starting a kernel on the
//! machine that they run on.
//!
//! In QEMU Turnout is PID 1, or a release binary that somebody started by hand;
//! everything else is a mistake, and the last place where it can be noticed is
//! right before the system call.

use std::ffi::OsString;
use std::io;

use super::{Error, is_pid_1};

/// What cargo sets for everything that it starts.
const CARGO: [&str; 2] = ["CARGO", "CARGO_MANIFEST_DIR"];

/// A process, as far as it decides what it may do.
#[derive(Debug, Clone, Copy)]
struct Process {
    test: bool,
    pid_1: bool,
    debug: bool,
    cargo: bool,
}

impl Process {
    fn this() -> Self {
        Self {
            test: cfg!(test),
            pid_1: is_pid_1(),
            debug: cfg!(debug_assertions),
            cargo: started_by_cargo(std::env::vars_os().map(|(name, _)| name)),
        }
    }

    const fn refusal(self) -> Option<&'static str> {
        match self {
            Self { test: true, .. } => Some("this is a test"),
            Self { pid_1: true, .. } => None,
            Self { debug: true, .. } => Some("this is a debug build and not PID 1"),
            Self { cargo: true, .. } => Some("cargo started this, and it is not PID 1"),
            _ => None,
        }
    }
}

fn started_by_cargo(mut environment: impl Iterator<Item = OsString>) -> bool {
    environment.any(|name| CARGO.iter().any(|cargo| name == *cargo))
}

/// Whether this process may change what the machine runs next.
///
/// # Errors
/// The name of the call and why it is not made. The error has no errno: the
/// kernel was not asked.
pub fn may(call: &str) -> Result<(), Error> {
    match Process::this().refusal() {
        None => Ok(()),
        Some(why) => {
            let why = format!("not asked of the kernel: {why}");
            Err(Error::new(call, io::Error::new(io::ErrorKind::PermissionDenied, why)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTALLED: Process = Process { test: false, pid_1: false, debug: false, cargo: false };

    #[test]
    fn a_test_process_may_not_make_the_calls_that_start_a_kernel() {
        let refusal = may("kexec_load").unwrap_err();
        assert_eq!(refusal.to_string(), "kexec_load: not asked of the kernel: this is a test");
        assert_eq!(refusal.source.raw_os_error(), None);
    }

    #[test]
    fn only_pid_1_and_an_installed_program_may() {
        assert_eq!(INSTALLED.refusal(), None);
        assert_eq!(Process { pid_1: true, debug: true, ..INSTALLED }.refusal(), None);
        assert_eq!(Process { pid_1: true, cargo: true, ..INSTALLED }.refusal(), None);
        let debug = Process { debug: true, ..INSTALLED }.refusal();
        assert_eq!(debug, Some("this is a debug build and not PID 1"));
        let cargo = Process { cargo: true, ..INSTALLED }.refusal();
        assert_eq!(cargo, Some("cargo started this, and it is not PID 1"));
        assert_eq!(
            Process { test: true, pid_1: true, ..INSTALLED }.refusal(),
            Some("this is a test")
        );
    }

    #[test]
    fn cargo_is_known_by_what_it_leaves_in_the_environment() {
        for (names, is_cargo) in [
            (&["PATH", "CARGO"][..], true),
            (&["CARGO_MANIFEST_DIR"], true),
            (&["PATH", "CARGO_HOME", "CARGO_TARGET_DIR"], false),
        ] {
            assert_eq!(started_by_cargo(names.iter().map(OsString::from)), is_cargo, "{names:?}");
        }
    }
}
