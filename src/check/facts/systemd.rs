//! systemd, and what else loads or starts kernels beside it.

use crate::check::settings::Span;

/// systemd's version and settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Systemd {
    /// The name of PID 1, as /proc/1/comm has it; none where it is not shown.
    pub init: Option<String>,
    /// Whether systemd runs.
    pub is_running: bool,
    /// Such as 252.
    pub version: Option<u32>,
    /// `RuntimeWatchdogSec=`.
    pub runtime_watchdog: Feeding,
    /// `KExecWatchdogSec=`.
    pub kexec_watchdog: Feeding,
    /// `DefaultTimeoutStopSec=`, 90 s where nothing says otherwise.
    pub default_stop: Option<Span>,
    /// The file that sets `SYSTEMCTL_SKIP_AUTO_KEXEC`.
    pub skip_auto_kexec: Option<String>,
    /// Whether Debian's scripts load a kernel at each stop.
    pub load_kexec: bool,
    /// Where a program called kexec is.
    pub kexec: Option<String>,
    /// Whether dracut's own shutdown runs last.
    pub dracut_shutdown: bool,
}

/// What a watchdog setting asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Feeding {
    /// Nothing is armed.
    #[default]
    Off,
    /// With the device's own timeout.
    Default,
    /// With this one.
    For(Span),
}
