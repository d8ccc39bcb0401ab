//! What the rules look at, as it was read: a file with a struct for each part of the
//! machine, filled in by the file of the same name in [`crate::sys::survey`].
//!
//! Nothing is judged here. What could not be read is none, or empty.

mod cpus;
mod crash;
mod devices;
mod firmware;
mod kernel;
mod outlook;
mod platform;
mod rights;
mod security;
mod shutdown;
mod storage;
mod systemd;
mod target;
mod trust;
mod watchdog;

pub use cpus::Cpus;
pub use crash::{Crash, Kdump};
pub use devices::{Bound, Devices};
pub use firmware::Firmware;
pub use kernel::{Config, Kernel};
pub use outlook::{Outlook, Prospect, Verdict};
pub use platform::Platform;
pub use rights::Rights;
pub use security::Security;
pub use shutdown::{Shutdown, Unit};
pub use storage::{Locked, Mount, Root, Storage};
pub use systemd::{Feeding, Systemd};
pub use target::Target;
pub use trust::{Entry, Offer, Refusal, Ring, Trust};
pub use watchdog::{Holder, Watchdog, Watchdogs};

use crate::host::next_start::Here;

/// The whole machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the running kernel allows.
    pub kernel: Kernel,
    /// What this process may do.
    pub rights: Rights,
    /// What the kernel and the firmware enforce.
    pub security: Security,
    /// The crash kernel's memory.
    pub crash: Crash,
    /// Watchdogs.
    pub watchdogs: Watchdogs,
    /// What has to stop first.
    pub shutdown: Shutdown,
    /// Who can be told what the firmware starts next; none where boot files are not
    /// shown.
    pub next_start: Option<Here>,
    /// Keys, menu and records; not read by the survey.
    pub trust: Trust,
    /// systemd, and what else starts kernels.
    pub systemd: Systemd,
    /// Which machine it is.
    pub platform: Platform,
    /// Its processors.
    pub cpus: Cpus,
    /// What is on PCI.
    pub devices: Devices,
    /// Disks and file systems.
    pub storage: Storage,
    /// What the firmware is to do.
    pub firmware: Firmware,
    /// What would be started; none where nobody has looked.
    pub target: Option<Target>,
    /// What the next start finds; none where nobody has looked.
    pub outlook: Option<Outlook>,
}
