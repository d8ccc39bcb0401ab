//! Which machine it is, and which kernel runs there, by the names that trouble is
//! reported under.

use crate::base::arch::Arch;

/// The machine's and the kernel's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Platform {
    /// None where the kernel does not say it.
    pub arch: Option<Arch>,
    /// As `uname -v` gives it: distributions write the version there that their kernel
    /// is made from.
    pub build: String,
    /// The running kernel's command line.
    pub cmdline: String,
    /// DMI's manufacturer.
    pub vendor: String,
    /// DMI's product.
    pub product: String,
    /// DMI's asset tag of the chassis, by which a cloud is known.
    pub chassis: String,
    /// The name of the first processor's model.
    pub processor: String,
    /// Whether it was started by EFI.
    pub has_efi: bool,
    /// Whether its device tree has an interrupt controller that keeps tables in memory
    /// (GICv3 with an ITS).
    pub has_its: bool,
}
