//! The format of the menu that an entry is from, as far as an entry has to know
//! it. Each format has its own in its room; [`super::readers`] lists all.

use core::fmt;

/// A format of menus.
#[derive(Clone, Copy)]
pub struct Format {
    name: &'static str,
    /// What systemd's tools call an entry of this id.
    loader_id: fn(&str) -> String,
    /// Whether it is of the Boot Loader Specification (UAPI.1).
    is_specified: bool,
}

impl Format {
    /// The Boot Loader Specification's type 1.
    pub const BLS: Self = Self::specified("bls", |id| format!("{id}.conf"));

    /// What somebody put together at the prompt.
    pub const BY_HAND: Self = Self::other("by-hand");

    /// One of the specification.
    pub(super) const fn specified(name: &'static str, loader_id: fn(&str) -> String) -> Self {
        Self { name, loader_id, is_specified: true }
    }

    /// One that systemd's tools do not know.
    pub(super) const fn other(name: &'static str) -> Self {
        Self { name, loader_id: str::to_owned, is_specified: false }
    }

    /// The word for it in the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    pub(super) fn loader_id(self, id: &str) -> String {
        (self.loader_id)(id)
    }

    /// Whether it is of the Boot Loader Specification (UAPI.1).
    #[must_use]
    pub const fn is_specified(self) -> bool {
        self.is_specified
    }
}

impl Default for Format {
    fn default() -> Self {
        Self::BLS
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
