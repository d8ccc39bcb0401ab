//! Devices, and what drives them.

use crate::drivers::deferred::Deferred;
use crate::drivers::device::Device;

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    /// Those on PCI that a driver is bound to.
    pub bound: Vec<Bound>,
    /// Names of all modules that are loaded.
    pub modules: Vec<String>,
    /// Those of all buses of disks that no driver is bound to.
    pub unbound: Vec<Device>,
    /// Those whose drivers wait for another one.
    pub deferred: Vec<Deferred>,
}

/// A device with its driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bound {
    /// Such as `0000:00:02.0`.
    pub address: String,
    /// Class, subclass and interface as PCI numbers them, such as 0x030000.
    pub class: u32,
    /// The driver's name in sysfs.
    pub driver: String,
    /// Its module, where sysfs names one.
    pub module: Option<String>,
    /// How many virtual functions of it are switched on.
    pub functions: u64,
    /// Whether an IOMMU translates what it asks of memory.
    pub translated: bool,
}

impl Bound {
    /// What the driver is known by: its module's name, for a driver may have another.
    #[must_use]
    pub fn name(&self) -> String {
        self.module.as_deref().unwrap_or(&self.driver).replace('-', "_")
    }

    /// The base class: 1 for mass storage, 2 for networks, 3 for displays.
    #[must_use]
    pub const fn base_class(&self) -> u32 {
        self.class >> 16
    }
}
