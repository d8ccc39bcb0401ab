//! What the firmware is to do at its next start.

/// Updates of itself or of devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firmware {
    /// Whether it was asked to look for capsules on the EFI system partition.
    pub looks_for_capsules: bool,
    /// The updates that fwupd has staged and nobody has tried, by the GUID of what they
    /// are for.
    pub staged: Vec<String>,
}
