//! What has to stop before a system is left.

use crate::check::settings::Span;

/// The units that run, and what bounds their end as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// As their files have them.
    pub units: Vec<Unit>,
    /// `JobTimeoutSec=` of kexec.target: after it the jump is made whatever still runs.
    pub limit: Option<Span>,
}

/// A unit that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// With its suffix.
    pub name: String,
    /// How often its limit is waited for: for each command that stops it, and for
    /// its processes.
    pub rounds: u64,
    /// `TimeoutStopSec=`; none for the default.
    pub timeout: Option<Span>,
    /// Units that it is started after: it is stopped before them.
    pub started_after: Vec<String>,
    /// Units that it is started before: it is stopped after them.
    pub started_before: Vec<String>,
}
