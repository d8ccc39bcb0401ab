//! Decides whether an entry may boot: one signed manifest binds the kernel,
//! each initrd in order, the device tree and the command line.
//!
//! Everything here reads bytes that anyone may have written, before any of it
//! is proven, so every parser is strict, bounded, and refuses what it does not
//! understand. Nothing here reads a file, guesses a mode, or turns a broken
//! key ring into "no key ring".
//!
//! | module | reads | specification |
//! |---|---|---|
//! | [`manifest`] | the signed text | `docs/manifest.md` |
//! | [`slots`] | what the loader fills in | `docs/manifest.md` |
//! | [`policy`] | thresholds, floors, revocations | `docs/policy.md` |
//! | [`update`] | newer policies and rings | `docs/policy.md` |
//! | [`sshsig`] | armored signatures | OpenSSH's PROTOCOL.sshsig |
//! | [`allowed_signers`] | the key ring | ssh-keygen(1), ALLOWED SIGNERS |
//! | [`key`] | Ed25519 public keys | RFC 8032, RFC 8709 |
//! | [`verify`] | the verdict | `docs/reason-codes.md` |

pub mod allowed_signers;
pub mod key;
mod lines;
pub mod manifest;
pub mod policy;
mod refusal;
mod signers;
pub mod slots;
pub mod sshsig;
pub mod update;
pub mod verify;
mod wire;

use core::fmt;

use crate::base::text::{printable_bytes, quoted};

/// No file of this module is longer, in bytes.
pub const MAX_FILE: usize = 64 * 1024;
/// Most signatures over one file.
pub const MAX_SIGNATURES: usize = 8;

/// What a signature is for: the namespace that OpenSSH signs with the message,
/// so that no signature serves two purposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Manifests of operating systems: `turnout-boot`.
    Boot,
    /// Manifests of recovery systems: `turnout-recovery`.
    Recovery,
    /// Policies and key rings: `turnout-policy`.
    Policy,
    /// Unlocking a device: `turnout-unlock`.
    Unlock,
}

/// What a signed system is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An operating system.
    Boot,
    /// A recovery system: what a machine starts where it may start nothing else.
    Recovery,
}

impl Namespace {
    /// Every namespace.
    pub const ALL: [Self; 4] = [Self::Boot, Self::Recovery, Self::Policy, Self::Unlock];

    /// The namespace of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|namespace| namespace.name() == name)
    }

    /// The name in signatures and key rings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boot => "turnout-boot",
            Self::Recovery => "turnout-recovery",
            Self::Policy => "turnout-policy",
            Self::Unlock => "turnout-unlock",
        }
    }
}

impl Role {
    /// Both roles.
    pub const ALL: [Self; 2] = [Self::Boot, Self::Recovery];

    /// The role of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The word in manifests and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Recovery => "recovery",
        }
    }

    /// What a manifest of this role must be signed for.
    #[must_use]
    pub const fn namespace(self) -> Namespace {
        match self {
            Self::Boot => Namespace::Boot,
            Self::Recovery => Namespace::Recovery,
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a newer policy lies on the boot partition.
pub const POLICY_PATH: &str = "/turnout/policy";
/// Where a newer key ring lies on the boot partition.
pub const RING_PATH: &str = "/turnout/allowed_signers";

/// Where the signatures over a signed file lie.
#[must_use]
pub fn signatures_of(path: &str) -> String {
    format!("{path}.sig")
}

/// Where the manifest of an entry lies on the boot partition.
#[must_use]
pub fn manifest_path(entry: &str) -> String {
    format!("/turnout/{entry}.manifest")
}

/// Where the signatures over [`manifest_path`] lie.
#[must_use]
pub fn signature_path(entry: &str) -> String {
    signatures_of(&manifest_path(entry))
}

/// What is wrong in a line of a text: a manifest, a key ring, a signature file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtLine<P> {
    /// Line, from 1.
    pub line: u32,
    /// What is wrong there.
    pub problem: P,
}

impl<P: fmt::Display> fmt::Display for AtLine<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl<P: fmt::Debug + fmt::Display> core::error::Error for AtLine<P> {}

/// A value from an untrusted file as an error message shows it: in quotes,
/// short, and safe for a console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// Takes a shortened copy of `value`.
    #[must_use]
    pub fn text(value: &str) -> Self {
        Self(quoted(value))
    }

    /// The same for bytes that may not be UTF-8.
    #[must_use]
    pub fn bytes(value: &[u8]) -> Self {
        Self(quoted(&printable_bytes(value)))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Number of the line, from 1, in which the byte at `offset` lies.
fn line_of(bytes: &[u8], offset: usize) -> u32 {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let ends = before.iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(ends).unwrap_or(u32::MAX).saturating_add(1)
}
