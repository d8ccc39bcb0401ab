//! Who asks, and from where.

/// What this process may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Whether its effective user is root.
    pub is_root: Option<bool>,
    /// Its effective capabilities, a bit each (capability.h).
    pub capabilities: Option<u64>,
    /// Whether it sees another set of processes than the kernel's first one.
    pub is_in_pid_namespace: Option<bool>,
    /// What the container manager says of itself, such as `docker` or `lxc`.
    pub container: Option<String>,
}
