//! Whose signatures count on this system, and what it would start by itself.

use crate::host::record::Pair;

/// Keys, menu and records; unknown where nobody has looked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The key ring.
    pub ring: Ring,
    /// What `turnout boot` starts.
    pub offer: Offer,
    /// Pairs of kernels that have failed on this machine.
    pub failed: Vec<Pair>,
}

/// The key ring, with the policy beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ring {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// There is none: nothing is verified.
    Absent,
    /// There is one.
    InForce,
    /// Ring or policy cannot be used; why.
    Broken(String),
}

/// What `turnout boot` without an entry starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Offer {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// Nothing; why.
    Nothing(String),
    /// The menu's default.
    Entry(Entry),
}

/// An entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Why it is not loaded.
    pub refusal: Option<Refusal>,
    /// The signed command line, or the menu's; none where it is in a unified kernel
    /// image.
    pub options: Option<String>,
}

/// Why an entry is not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// As `turnout list` has it.
    pub code: &'static str,
    /// Whether it is for want of memory.
    pub lacks_memory: bool,
    /// For people.
    pub sentence: String,
}
