//! Watchdogs.

/// Those that there are, and what the kernel's core does with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watchdogs {
    /// Whether the machine shows its devices at all.
    pub are_shown: bool,
    /// By name.
    pub devices: Vec<Watchdog>,
    /// `watchdog.stop_on_reboot`: 0 never, 1 always, -1 as the driver wants.
    pub stop_on_reboot: Option<i64>,
    /// `watchdog.open_timeout` in seconds: how long the kernel feeds one that was
    /// running when it started; 0 for ever.
    pub open_timeout: Option<u64>,
}

/// One of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watchdog {
    /// Such as `watchdog0`.
    pub name: String,
    /// As the driver names it; empty where it does not.
    pub identity: String,
    /// Its driver, where there is a device behind it.
    pub driver: Option<String>,
    /// In seconds.
    pub timeout: Option<u64>,
    /// Whether it cannot be stopped once it runs.
    pub nowayout: bool,
    /// Who has it open; empty too where that cannot be seen.
    pub holders: Vec<Holder>,
}

impl Watchdog {
    /// Whether it outlives the kernel.
    #[must_use]
    pub fn is_hardware(&self) -> bool {
        self.identity != "Software Watchdog"
    }
}

/// A process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its name, as /proc/PID/comm has it.
    pub name: String,
}
