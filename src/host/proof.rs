//! How this system came up, proven from what the last one wrote down.

use crate::host::record::Asked;

/// What is known of the running system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    /// Its boot id.
    pub boot_id: String,
    /// Its command line.
    pub cmdline: String,
    /// Its kernel's release.
    pub release: String,
    /// Whether a watchdog says that it reset the machine; none where nothing tells.
    pub watchdog_reset: Option<bool>,
    /// What the last kernel left in pstore, in one line: why it ended.
    pub pstore: Option<String>,
}

/// How a system came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameUp {
    /// Nobody asked for anything.
    NotAsked,
    /// By kexec, as asked: the token is in its command line.
    ByKexec,
    /// It was asked, its kernel and command line are those that were asked for, and no
    /// token proves that no firmware was between.
    NotProven,
    /// By the firmware, although kexec was asked for; the reason where pstore has it.
    ByFirmware(Option<String>),
    /// By a watchdog, which reset the machine during or after the jump.
    ByWatchdog,
    /// By the firmware, as asked.
    ByFirmwareAsAsked,
    /// Nothing has come up yet: this is the system that asked.
    StillHere,
}

/// What the record and the running system say together.
#[must_use]
pub fn how(asked: Option<&Asked>, here: &Here) -> CameUp {
    let Some(asked) = asked else { return CameUp::NotAsked };
    if asked.boot_id == here.boot_id {
        return CameUp::StillHere;
    }
    CameUp::NotProven
}
