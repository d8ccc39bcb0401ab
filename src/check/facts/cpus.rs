//! The processors, and how they are stopped and started.

/// Numbers of processors, and who starts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpus {
    /// How many the kernel may ever start.
    pub possible: u64,
    /// How many run.
    pub online: u64,
    /// Numbers of those that are there and do not run, as the kernel writes them, such
    /// as `4-7`.
    pub offline: String,
    /// Whether simultaneous threads were switched off.
    pub smt_off: bool,
    /// How the device tree says that they are started, each way once.
    pub methods: Vec<String>,
    /// Whether a processor in the device tree says nothing of that.
    pub without_method: bool,
    /// Whether ACPI says that there is PSCI; none without ACPI's table.
    pub acpi_psci: Option<bool>,
}
