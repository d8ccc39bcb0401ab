//! The crash kernel's memory, and who fills it.

/// What is set aside, and for what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crash {
    /// Bytes that are reserved; none where the kernel does not tell.
    pub reserved: Option<u64>,
    /// Whether a crash kernel is loaded.
    pub is_loaded: Option<bool>,
    /// The `crashkernel=` words of the running command line.
    pub asked: Vec<String>,
    /// What else lies in the reserved memory, as /proc/iomem names it.
    pub overlaps: Vec<String>,
    /// What should load one.
    pub kdump: Option<Kdump>,
}

/// A kdump tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kdump {
    /// Its package: `kdump-tools` or `kdump-utils`.
    pub tool: &'static str,
    /// Whether its configuration says that it should load.
    pub is_on: bool,
    /// The command that loads.
    pub command: &'static str,
    /// Bytes of the kernel and the initrd that it loads; none where they are not there.
    pub files: Option<u64>,
}
