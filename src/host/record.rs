//! What is written down about a kernel that was loaded, and about a jump that was
//! asked for.
//!
//! Texts of `key value` lines, in a fixed order, each value in one line; a text that
//! is not understood is no record, never half of one. They are availability and
//! evidence, not trust: nothing boots because a record says so.

use crate::base::digest::Digest;
use crate::plan::{Engine, Slot};

/// A file of what was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// As it was named, or the path on its boot partition.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of the bytes that were loaded.
    pub digest: Digest,
}

/// What loaded a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// `turnout load`.
    Load,
    /// `kexec`.
    Kexec,
    /// `turnout boot`, which leaves at once.
    Boot,
    /// `turnout boot --stage`, which leaves later.
    Stage,
}

/// A kernel that is loaded: `/run/turnout/loaded` and `/run/turnout/loaded-crash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Which of the two.
    pub slot: Slot,
    /// What loaded it.
    pub by: By,
    /// The user who asked for it, such as `root` or `alice by sudo`.
    pub user: String,
    /// Seconds since 1970.
    pub when: u64,
    /// The boot id of the system that loaded it.
    pub boot_id: String,
    /// Id of the entry; none for files that were named.
    pub entry: Option<String>,
    /// The kernel's own release, where its image tells.
    pub release: Option<String>,
    /// Who signed it, or `unsigned`.
    pub trust: String,
    /// Which system call.
    pub engine: Engine,
    /// The kernel, or the unified kernel image.
    pub kernel: File,
    /// In order.
    pub initrds: Vec<File>,
    /// Of its own.
    pub devicetree: Option<File>,
    /// With slots filled in.
    pub cmdline: String,
    /// The token in it, where its signed command line has room for one.
    pub token: Option<String>,
}

/// How a system was asked to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By kexec.
    Kexec,
    /// By the firmware, because it was asked so or because this pair failed before.
    Firmware,
}

/// A jump that was asked for: `/var/lib/turnout/asked`, flushed before the system is
/// left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which way.
    pub way: Way,
    /// Seconds since 1970.
    pub when: u64,
    /// The boot id of the system that asked.
    pub boot_id: String,
    /// Its kernel's release (uname -r).
    pub from: String,
    /// What was loaded.
    pub entry: Option<String>,
    /// The next kernel's release.
    pub to: Option<String>,
    /// Digest of the kernel's file.
    pub kernel: Digest,
    /// Of the initrds, in order.
    pub initrds: Vec<Digest>,
    /// The command line.
    pub cmdline: String,
    /// The token in it.
    pub token: Option<String>,
    /// What the firmware was told to start if the jump fails, in words; none where there
    /// is nothing to tell.
    pub fallback: Option<String>,
    /// Whether a watchdog was armed over the jump.
    pub watchdog: bool,
}

/// From which kernel to which: what fails once is not tried again unless told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Release of the kernel that was left.
    pub from: String,
    /// Release of the kernel that was started; where it is not known its digest.
    pub to: String,
}
