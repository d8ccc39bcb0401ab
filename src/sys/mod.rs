//! The edge: the only place with `unsafe`, system calls or file access.
//!
//! Every function here does one thing to the machine and hands back a value or
//! an errno with the name of what it was done to. No decision is taken here:
//! decisions are in the pure modules, where they can be tested. The calls that
//! load or start a kernel refuse to run in tests and development builds
//! ([`guard`]).

// The workspace denies unsafe code; this folder and the purgatory are the two
// exceptions, and every block in them says why it is sound.
#![allow(unsafe_code)]

use core::fmt;
use std::io;
pub use std::os::fd::{AsFd, BorrowedFd};

pub mod arch;
pub mod block;
pub mod clock;
pub mod console;
mod deadline;
pub mod deferred;
pub mod devices;
pub mod efivars;
pub mod file;
mod grub_block;
pub mod guard;
#[cfg(feature = "test-hooks")]
pub mod hooks;
pub mod hung_tasks;
pub mod identity;
pub mod journal;
pub mod jump;
pub mod kernel_settings;
pub mod kexec;
pub mod leave;
pub mod machine;
pub mod memory;
pub mod module;
pub mod mount;
pub mod mounted;
pub mod next_start;
pub mod panic;
pub mod patience;
mod program;
pub mod pstore;
pub mod quiesce;
pub mod read;
pub mod records;
pub mod reset;
mod sealed;
mod shout;
pub mod shutdown;
pub mod signal;
pub mod sources;
pub mod start_limit;
pub mod state_area;
pub mod status;
pub mod survey;
pub mod sysrq;
pub mod systemd;
mod teardown;
pub mod terminal;
pub mod thread;
pub mod tpm;
pub mod uevent;
#[cfg(all(panic = "abort", target_env = "musl"))]
mod unwind;
pub mod user;
pub mod vigil;
pub mod wait;
pub mod wake;
pub mod watchdog;
mod window;

/// A call that the kernel refused.
#[derive(Debug)]
pub struct Error {
    /// What was attempted, with the name of the file or device.
    pub what: String,
    /// The kernel's answer.
    pub source: io::Error,
}

impl Error {
    /// Names what was attempted.
    pub fn new(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { what: what.into(), source: source.into() }
    }

    /// Says what is wrong with a file that the kernel has nothing against.
    pub fn refusal(what: impl Into<String>, why: &str) -> Self {
        Self::new(what, io::Error::other(why))
    }

    /// Whether the file or device is simply not there.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// The last errno of this thread, with what was attempted.
    pub fn last(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: io::Error::last_os_error() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// `getpid(2)`: whether this process is the first one of its machine (or container, where
/// the kernel itself refuses to start another).
#[must_use]
pub fn is_pid_1() -> bool {
    std::process::id() == 1
}

/// Whether this is the thread that the process began with.
fn is_main_thread() -> bool {
    nix::unistd::gettid() == nix::unistd::getpid()
}

/// `geteuid(2)`: whether this process may open devices.
#[must_use]
pub fn is_root() -> bool {
    effective_user() == 0
}

fn effective_user() -> u32 {
    // SAFETY: takes nothing, touches no memory, cannot fail (geteuid(2)).
    unsafe { nix::libc::geteuid() }
}

/// `stat(2)`: whether systemd is the first process (sd_booted(3)).
#[must_use]
pub fn is_run_by_systemd() -> bool {
    std::path::Path::new("/run/systemd/system").is_dir()
}

/// `/proc/cmdline`: the running kernel's command line.
///
/// # Errors
/// The errno of /proc/cmdline.
pub fn running_cmdline() -> Result<String, Error> {
    file::read_line("/proc/cmdline")
}
