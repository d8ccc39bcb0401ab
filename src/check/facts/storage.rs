//! Disks and file systems: what has to be stopped before, and what the next kernel
//! needs to find its root.

/// What is in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storage {
    /// File systems of a network.
    pub mounts: Vec<Mount>,
    /// Names of iSCSI targets with a session.
    pub iscsi: Vec<String>,
    /// NVMe controllers that are reached over a network, such as `nvme1 (tcp)`.
    pub fabrics: Vec<String>,
    /// DRBD's devices that are attached, such as `drbd0`.
    pub drbd: Vec<String>,
    /// Arrays of md that lack a member or are being rebuilt, each with what is the case.
    pub degraded: Vec<String>,
    /// Lock spaces of a cluster (DLM).
    pub lockspaces: Vec<String>,
    /// Swap that lies on a network.
    pub swaps: Vec<String>,
    /// The root file system.
    pub root: Root,
    /// Volumes that wait for a passphrase at each start.
    pub locked: Vec<Locked>,
}

/// Something that is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// Linux's name of the file system.
    pub kind: String,
    /// Where.
    pub place: String,
}

/// Where the root lies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Root {
    /// Linux's name of the file system.
    pub kind: String,
    /// Modules that drive it: its file system, and each device below it.
    pub modules: Vec<String>,
    /// Whether a network lies between.
    pub over_network: bool,
}

/// A volume with a passphrase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locked {
    /// Its name, such as `sda3_crypt`.
    pub name: String,
    /// The device below it as somebody wrote it, if it is known.
    pub device: Option<String>,
    /// Whether the root lies on it.
    pub is_root: bool,
    /// Whether something is installed that may open it without anybody: clevis.
    pub may_open_itself: bool,
}
