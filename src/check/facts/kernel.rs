//! The running kernel and kexec.

/// What the running kernel can do, and lets be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kernel {
    /// As `uname -r` gives it.
    pub release: String,
    /// How it was built, where that is shown.
    pub config: Option<Config>,
    /// Whether it shows if something is loaded: it can kexec then. None where /sys is
    /// not mounted.
    pub has_kexec: Option<bool>,
    /// `kernel.kexec_load_disabled`; none without kexec.
    pub load_disabled: Option<bool>,
    /// `kernel.kexec_load_limit_reboot`: loads that are left, -1 for any number; none
    /// before Linux 6.3.
    pub limit_reboot: Option<i64>,
    /// `kernel.kexec_load_limit_panic`, the same of the crash slot.
    pub limit_panic: Option<i64>,
}

/// A kernel's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The file.
    pub path: String,
    /// Names of what is set to `y` or `m` and matters here, without `CONFIG_`.
    pub set: Vec<String>,
}

impl Config {
    /// Whether it is built in, or a module.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.set.iter().any(|set| set == name)
    }
}
