//! What the running kernel and its firmware enforce.

use crate::plan::Lockdown;

/// What bears on which kernel can be loaded, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Security {
    /// If it is on.
    pub lockdown: Option<Lockdown>,
    /// Whether the firmware checks signatures; none without EFI variables.
    pub secure_boot: Option<bool>,
    /// Whether SELinux enforces; none where it is off.
    pub selinux: Option<bool>,
    /// Whether IMA demands a signature in a kernel's file.
    pub ima: bool,
    /// Whether state may be handed over at a kexec (KHO).
    pub handover: bool,
    /// Whether this is the first domain of a Xen hypervisor.
    pub xen_dom0: bool,
}
