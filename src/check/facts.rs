//! What the rules look at, as it was read: a struct for each part of the machine,
//! filled in by the file of the same name in [`crate::sys::survey`].

/// The whole machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the running kernel allows.
    pub kernel: Kernel,
}

/// The running kernel and kexec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kernel {
    /// `kernel.kexec_load_disabled`; none without kexec.
    pub load_disabled: Option<bool>,
}
