//! A device of the machine, as it is kept to tell of it.
//!
//! What stands in it a device may have said of itself: it is foreign text, and never
//! trusted.

/// What is known of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Its directory below `/sys`, such as `/devices/pci0000:00/0000:00:1f.2`.
    pub path: String,
    /// The bus or class that it is of.
    pub subsystem: String,
    /// What drivers know it by; empty for what needs none, and where it has one already.
    pub modalias: String,
    /// The driver that has it.
    pub driver: Option<String>,
}

impl Device {
    /// What the kernel calls it on its bus.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}
