//! Rollback protection: what was replaced by something better must not boot
//! again.
//!
//! A signed entry carries a security version, and each role has a floor below
//! which nothing boots. The floor rises only after a system has confirmed itself
//! (`turnout bless`), only to the version of a signed manifest, and by at most
//! one step for each confirmation. Nothing here reads a disk or a TPM: bytes
//! and facts come in, a decision or the next bytes to write come out. Nothing
//! here takes a store that is missing, torn or inconsistent for an empty one.
//! Specification, and what each store is worth: `docs/rollback.md`.
//!
//! | module | holds |
//! |---|---|
//! | [`frame`] | one generation as bytes |
//! | [`generations`] | two of them, written in turn |
//! | [`index`] | the TPM's place for them |
//! | [`refused`] | what earlier starts did not boot |
//! | [`texts`] | the policy and key ring in force, as texts |
//! | [`store`] | what a start, a jump and a confirmation do with them |

#[cfg(test)]
mod crash;
pub mod frame;
pub mod generations;
pub mod index;
pub mod refused;
pub mod store;
#[cfg(test)]
mod tests;
pub mod texts;

use core::fmt;

use crate::base::digest::Digest;
use crate::base::used::Used;
use crate::slots::Slots;
use refused::Refused;

pub use crate::trust::Role;
pub use crate::trust::policy::Floors;

/// What a store is worth, and what happens without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strength {
    /// Nothing is kept; only the floors of the image and of its policy hold.
    #[default]
    Off,
    /// The state area alone: whoever writes the disk can set the floor back.
    /// Damage is said, and the boot goes on.
    Advisory,
    /// The TPM: only what runs before the first measurement can write it.
    /// Without a sound store only a recovery system boots.
    Enforced,
}

/// A signed document of which only newer ones are taken: a policy, a key ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// Its number; 0 for the one that has none.
    pub version: u32,
    /// SHA-256 of its text.
    pub digest: Digest,
}

/// What must not be set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The floors that confirmed systems have raised.
    pub floors: Floors,
    /// The newest policy that was in force.
    pub policy: Document,
    /// The newest key ring that was in force.
    pub ring: Document,
}

/// The manifest of a system: what a confirmation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct System {
    /// What the system is for.
    pub role: Role,
    /// The manifest's security version.
    pub security_version: u32,
    /// SHA-256 of the manifest's bytes.
    pub manifest: Digest,
}

impl System {
    /// Whether its version is above the floor of its role.
    #[must_use]
    pub const fn is_above(&self, floors: Floors) -> bool {
        self.security_version > floors.of(self.role)
    }
}

/// The system that was jumped to last, while its version is above the floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The entry's id; for people.
    pub entry: String,
    /// The system.
    pub system: System,
    /// Whether it has confirmed itself.
    pub confirmed: bool,
}

/// All that a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// None in a state area whose record is in the TPM.
    pub record: Option<Record>,
    /// None where the last jump can raise no floor.
    pub trial: Option<Trial>,
    /// What earlier starts did not boot, the newest first.
    pub refused: Vec<Refused>,
    /// The highest floors that the TPM's record ever had; 0 where that was never
    /// seen.
    pub seen: Floors,
    /// Choices for one boot that were used up and could not be deleted, the newest first.
    pub used: Vec<Used>,
    /// The slots, and how the last starts went.
    pub slots: Slots,
    /// What later versions keep, in the order of the tags.
    pub unknown: Vec<Unknown>,
}

/// A record of a later version: kept and copied, so that going back to this one
/// loses nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Its tag.
    pub tag: u16,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Strength {
    /// The word of the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Advisory => "advisory",
            Self::Enforced => "enforced",
        }
    }

    /// Reads the word of the configuration.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Off, Self::Advisory, Self::Enforced].into_iter().find(|one| one.name() == word)
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Document {
    /// None: every numbered one is newer.
    pub const NONE: Self = Self { version: 0, digest: Digest([0; 32]) };

    /// Whether this one may be in force after the recorded one: it is that, or newer.
    /// What has no number cannot be told from another one without.
    #[must_use]
    pub fn may_follow(self, recorded: Self) -> bool {
        let is_same = self.version == 0 || self.digest == recorded.digest;
        self.version > recorded.version || (self.version == recorded.version && is_same)
    }
}

impl Record {
    /// What a store begins with.
    #[must_use]
    pub const fn new(floors: Floors) -> Self {
        Self { floors, policy: Document::NONE, ring: Document::NONE }
    }
}
