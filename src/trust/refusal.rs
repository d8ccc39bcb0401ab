//! Every refusal of the trust modules, its stable code and its sentence.
//!
//! Codes: `docs/reason-codes.md`, which a test holds to [`Refusal::CODES`].

use core::fmt;

use super::{
    Namespace, POLICY_PATH, RING_PATH, Role, allowed_signers, lines, manifest_path, signatures_of,
    slots, sshsig,
};
use crate::base::arch::Arch;
use crate::base::digest::Digest;
use crate::base::text::quoted;

/// Why an entry must not boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No manifest, in locked mode.
    Unsigned {
        /// The entry.
        entry: String,
    },
    /// Another command line than the menu's or the manifest's, in locked mode.
    Edited {
        /// The entry.
        entry: String,
    },
    /// A manifest without a signature file.
    SignatureMissing {
        /// The signed file.
        file: String,
    },
    /// The signature file cannot be read.
    SignatureSyntax {
        /// The file of signatures.
        file: String,
        /// Where and why.
        error: sshsig::Error,
    },
    /// The signature does not belong to these bytes.
    SignatureInvalid {
        /// The signed file.
        file: String,
        /// Whose signature it claims to be: principals, or a fingerprint.
        signer: String,
    },
    /// A good signature by nobody that the image knows.
    KeyUnknown {
        /// The signed file.
        file: String,
        /// SHA-256 fingerprint of the key; `None` if the image has no ring.
        fingerprint: Option<String>,
    },
    /// A good signature for something else.
    Namespace {
        /// The signed file.
        file: String,
        /// Principals of the key.
        signer: String,
        /// The namespace of the signature, or the ones the key is allowed if
        /// the signature's is right.
        found: Found,
    },
    /// A good signature that a token made with nobody there.
    UserPresence {
        /// The signed file.
        file: String,
        /// Principals of the key.
        signer: String,
    },
    /// A good signature by a key that policy has revoked.
    KeyRevoked {
        /// The signed file.
        file: String,
        /// Principals of the key.
        signer: String,
        /// The key.
        fingerprint: String,
    },
    /// The manifest is signed and cannot be read.
    ManifestSyntax {
        /// The entry.
        entry: String,
        /// Where and why.
        error: lines::Error,
    },
    /// Every good signature is for another role than the manifest's.
    Role {
        /// The signed file.
        file: String,
        /// Principals of the first key that signed.
        signer: String,
        /// The namespace of the manifest's role.
        needed: Namespace,
        /// The namespace that it was signed for.
        found: Namespace,
    },
    /// Too few different keys signed.
    Threshold {
        /// The signed file.
        file: String,
        /// How many keys must.
        needed: u8,
        /// Principals of those that did.
        signers: Vec<String>,
        /// Why another signature does not count.
        other: Option<Box<Self>>,
    },
    /// The manifest is for another entry.
    ManifestEntry {
        /// The entry that was to boot.
        entry: String,
        /// The one that the manifest names.
        signed: String,
    },
    /// The manifest is for another architecture.
    Architecture {
        /// What the manifest names.
        signed: Arch,
        /// This machine's.
        machine: Arch,
    },
    /// The manifest is for certain boards.
    Board {
        /// The boards.
        signed: Vec<String>,
        /// What this machine's board is called.
        machine: Vec<String>,
    },
    /// The manifest is for certain devices.
    Device {
        /// Their ids.
        signed: Vec<String>,
        /// What this device is called.
        machine: Vec<String>,
    },
    /// The manifest is older than what may boot.
    Floor {
        /// Whose floor.
        role: Role,
        /// Security version of the manifest.
        signed: u32,
        /// The lowest that boots.
        floor: u32,
    },
    /// Policy has revoked the manifest, or a file that it binds.
    DigestRevoked {
        /// The file.
        path: String,
        /// Its digest.
        digest: Digest,
    },
    /// The entry is a UKI and none was signed, or the other way round, or it
    /// starts another profile.
    Profile {
        /// The profile that was signed; `None` for a plain kernel.
        signed: Option<u32>,
        /// The profile that the entry starts.
        found: Option<u32>,
    },
    /// The kernel has another length than the one signed.
    LinuxSize(Sizes),
    /// The kernel is not the one signed.
    LinuxDigest(Digests),
    /// More or fewer initrds than were signed.
    InitrdCount {
        /// In the manifest.
        signed: usize,
        /// In the entry.
        found: usize,
    },
    /// An initrd has another length than the one signed in its place.
    InitrdSize(Sizes),
    /// An initrd is not the one signed in its place.
    InitrdDigest(Digests),
    /// A device tree where none was signed, or none where one was.
    Devicetree {
        /// Path of the one there is.
        path: String,
        /// Whether that is the manifest's.
        signed: bool,
    },
    /// The device tree is not the one signed.
    DevicetreeDigest(Digests),
    /// More or fewer overlays than were signed.
    OverlayCount {
        /// In the manifest.
        signed: usize,
        /// In the entry.
        found: usize,
    },
    /// An overlay is not the one signed in its place.
    OverlayDigest(Digests),
    /// The UKI has another length than the one signed.
    UkiSize(Sizes),
    /// The UKI is not the one signed.
    UkiDigest(Digests),
    /// More or fewer addons than were signed.
    AddonCount {
        /// In the manifest.
        signed: usize,
        /// In the entry.
        found: usize,
    },
    /// An addon is not the one signed in its place.
    AddonDigest(Digests),
    /// A slot of the signed command line cannot be filled.
    SlotValue(slots::Error),
    /// The signed policy cannot be read.
    PolicySyntax(lines::Error),
    /// The policy is not newer than the one in force.
    PolicyVersion {
        /// Its version.
        found: u32,
        /// The version in force.
        current: u32,
    },
    /// The signed key ring cannot be read.
    RingSyntax(allowed_signers::Error),
    /// The key ring is not newer than the one in force.
    RingVersion {
        /// Its version.
        found: u32,
        /// The version in force.
        current: u32,
    },
}

/// What was wrong with the namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The signature was made for another one than these.
    Signature {
        /// What it was made for.
        made_for: String,
        /// Any of these was needed.
        needed: Vec<Namespace>,
    },
    /// The key may not sign for the one that it was made for.
    Key {
        /// What the ring lets it sign for.
        may: Vec<String>,
        /// What it signed for.
        needed: Namespace,
    },
}

/// A file of the wrong length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// The file.
    pub path: String,
    /// Length that was signed, in bytes.
    pub signed: u64,
    /// Length that it has.
    pub found: u64,
}

/// A file with the wrong bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// The file.
    pub path: String,
    /// Digest that was signed.
    pub signed: Digest,
    /// Digest that it has.
    pub found: Digest,
}

impl Refusal {
    /// Every code, in the order of the checks.
    pub const CODES: [&str; 37] = [
        "UNSIGNED",
        "EDITED",
        "SIGNATURE_MISSING",
        "SIGNATURE_SYNTAX",
        "SIGNATURE_INVALID",
        "KEY_UNKNOWN",
        "NAMESPACE",
        "USER_PRESENCE",
        "KEY_REVOKED",
        "MANIFEST_SYNTAX",
        "ROLE",
        "THRESHOLD",
        "MANIFEST_ENTRY",
        "ARCHITECTURE",
        "BOARD",
        "DEVICE",
        "FLOOR",
        "DIGEST_REVOKED",
        "PROFILE",
        "LINUX_SIZE",
        "LINUX_DIGEST",
        "INITRD_COUNT",
        "INITRD_SIZE",
        "INITRD_DIGEST",
        "DEVICETREE",
        "DEVICETREE_DIGEST",
        "OVERLAY_COUNT",
        "OVERLAY_DIGEST",
        "UKI_SIZE",
        "UKI_DIGEST",
        "ADDON_COUNT",
        "ADDON_DIGEST",
        "SLOT_VALUE",
        "POLICY_SYNTAX",
        "POLICY_VERSION",
        "RING_SYNTAX",
        "RING_VERSION",
    ];

    /// The stable word for this refusal, listed in `docs/reason-codes.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsigned { .. } => "UNSIGNED",
            Self::Edited { .. } => "EDITED",
            Self::SignatureMissing { .. } => "SIGNATURE_MISSING",
            Self::SignatureSyntax { .. } => "SIGNATURE_SYNTAX",
            Self::SignatureInvalid { .. } => "SIGNATURE_INVALID",
            Self::KeyUnknown { .. } => "KEY_UNKNOWN",
            Self::Namespace { .. } => "NAMESPACE",
            Self::UserPresence { .. } => "USER_PRESENCE",
            Self::KeyRevoked { .. } => "KEY_REVOKED",
            Self::ManifestSyntax { .. } => "MANIFEST_SYNTAX",
            Self::Role { .. } => "ROLE",
            Self::Threshold { .. } => "THRESHOLD",
            Self::ManifestEntry { .. } => "MANIFEST_ENTRY",
            Self::Architecture { .. } => "ARCHITECTURE",
            Self::Board { .. } => "BOARD",
            Self::Device { .. } => "DEVICE",
            Self::Floor { .. } => "FLOOR",
            Self::DigestRevoked { .. } => "DIGEST_REVOKED",
            Self::Profile { .. } => "PROFILE",
            Self::LinuxSize(_) => "LINUX_SIZE",
            Self::LinuxDigest(_) => "LINUX_DIGEST",
            Self::InitrdCount { .. } => "INITRD_COUNT",
            Self::InitrdSize(_) => "INITRD_SIZE",
            Self::InitrdDigest(_) => "INITRD_DIGEST",
            Self::Devicetree { .. } => "DEVICETREE",
            Self::DevicetreeDigest(_) => "DEVICETREE_DIGEST",
            Self::OverlayCount { .. } => "OVERLAY_COUNT",
            Self::OverlayDigest(_) => "OVERLAY_DIGEST",
            Self::UkiSize(_) => "UKI_SIZE",
            Self::UkiDigest(_) => "UKI_DIGEST",
            Self::AddonCount { .. } => "ADDON_COUNT",
            Self::AddonDigest(_) => "ADDON_DIGEST",
            Self::SlotValue(_) => "SLOT_VALUE",
            Self::PolicySyntax(_) => "POLICY_SYNTAX",
            Self::PolicyVersion { .. } => "POLICY_VERSION",
            Self::RingSyntax(_) => "RING_SYNTAX",
            Self::RingVersion { .. } => "RING_VERSION",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned { entry } => {
                write!(f, "there is no {}, and only signed entries may boot", manifest_path(entry))
            }
            Self::Edited { entry } => {
                write!(f, "the command line of {entry} was edited, and only signed ones may boot")
            }
            Self::SignatureMissing { file } => write!(f, "{file} has no {}", signatures_of(file)),
            Self::SignatureSyntax { file, error } => write!(f, "{file}, {error}"),
            Self::SignatureInvalid { file, signer } => invalid(f, file, signer),
            Self::KeyUnknown { file, fingerprint } => unknown(f, file, fingerprint.as_deref()),
            Self::Namespace { file, signer, found } => {
                write!(f, "{}, signature by {}: {found}", signatures_of(file), quoted(signer))
            }
            Self::UserPresence { file, signer } => absent(f, file, signer),
            Self::KeyRevoked { file, signer, fingerprint } => {
                let signer = quoted(signer);
                write!(f, "{file} is signed by {signer}, whose key {fingerprint} is revoked")
            }
            Self::ManifestSyntax { entry, error } => write!(f, "{}, {error}", manifest_path(entry)),
            Self::Role { file, signer, needed, found } => {
                let signer = quoted(signer);
                write!(f, "{file} is signed by {signer} for {found}, its role needs {needed}")
            }
            Self::Threshold { file, needed, signers, other } => {
                threshold(f, file, *needed, signers)?;
                uncounted(f, other.as_deref())
            }
            Self::ManifestEntry { entry, signed } => {
                let signed = quoted(signed);
                write!(f, "{} was signed for the entry {signed}", manifest_path(entry))
            }
            Self::Architecture { signed, machine } => {
                write!(f, "the entry was signed for {signed}, this machine is {machine}")
            }
            Self::Board { signed, machine } => only_for(f, "board", signed, machine),
            Self::Device { signed, machine } => only_for(f, "device", signed, machine),
            Self::Floor { role, signed, floor } => write!(
                f,
                "the entry has security version {signed}, and below {floor} no {role} system boots"
            ),
            Self::DigestRevoked { path, digest } => {
                write!(f, "{} is revoked: its SHA-256 is {digest}", quoted(path))
            }
            Self::Profile { signed, found } => {
                write!(f, "the entry starts {}, {} was signed", profile(*found), profile(*signed))
            }
            Self::LinuxSize(sizes) | Self::InitrdSize(sizes) | Self::UkiSize(sizes) => {
                fmt::Display::fmt(sizes, f)
            }
            Self::LinuxDigest(digests)
            | Self::InitrdDigest(digests)
            | Self::DevicetreeDigest(digests)
            | Self::OverlayDigest(digests)
            | Self::UkiDigest(digests)
            | Self::AddonDigest(digests) => fmt::Display::fmt(digests, f),
            Self::InitrdCount { signed, found } => count(f, "initrd", *signed, *found),
            Self::OverlayCount { signed, found } => count(f, "overlay", *signed, *found),
            Self::AddonCount { signed, found } => count(f, "addon", *signed, *found),
            Self::Devicetree { path, signed } => devicetree(f, path, *signed),
            Self::SlotValue(error) => fmt::Display::fmt(error, f),
            Self::PolicySyntax(error) => write!(f, "{POLICY_PATH}, {error}"),
            Self::PolicyVersion { found, current } => older(f, POLICY_PATH, *found, *current),
            Self::RingSyntax(error) => write!(f, "{RING_PATH}, {error}"),
            Self::RingVersion { found, current } => older(f, RING_PATH, *found, *current),
        }
    }
}

impl core::error::Error for Refusal {}

fn invalid(f: &mut fmt::Formatter<'_>, file: &str, signer: &str) -> fmt::Result {
    let signer = quoted(signer);
    write!(f, "the signature by {signer} does not fit {file}: one of the two was changed")
}

fn unknown(f: &mut fmt::Formatter<'_>, file: &str, fingerprint: Option<&str>) -> fmt::Result {
    match fingerprint {
        None => write!(f, "this image has no key ring to check {file} with"),
        Some(key) => {
            write!(f, "{file} is signed with the key {key}, which is not in this image's key ring")
        }
    }
}

fn absent(f: &mut fmt::Formatter<'_>, file: &str, signer: &str) -> fmt::Result {
    write!(
        f,
        "{file} is signed by {} with a token that nobody touched; sign again, with a key that was \
         made without no-touch-required",
        quoted(signer)
    )
}

fn threshold(
    f: &mut fmt::Formatter<'_>,
    file: &str,
    needed: u8,
    signers: &[String],
) -> fmt::Result {
    let by = quoted(&signers.join(", "));
    let signed = signers.len();
    write!(f, "{file} is signed by {signed} of {needed} different keys that must: {by}")
}

/// Why another signature than those is none of them.
fn uncounted(f: &mut fmt::Formatter<'_>, other: Option<&Refusal>) -> fmt::Result {
    match other {
        Some(other) => write!(f, "; another signature does not count: {}: {other}", other.code()),
        None => Ok(()),
    }
}

fn only_for(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    signed: &[String],
    machine: &[String],
) -> fmt::Result {
    let signed = quoted(&signed.join(" or "));
    write!(f, "the entry was signed for the {what} {signed} only, ")?;
    match machine {
        [] => write!(f, "and this machine does not say which {what} it is"),
        names => write!(f, "this machine is {}", quoted(&names.join(" or "))),
    }
}

fn profile(profile: Option<u32>) -> String {
    match profile {
        None => "a plain kernel".to_owned(),
        Some(number) => format!("profile {number} of a unified kernel image"),
    }
}

fn count(f: &mut fmt::Formatter<'_>, what: &str, signed: usize, found: usize) -> fmt::Result {
    write!(f, "the entry has {found} {what} files, {signed} were signed")
}

fn devicetree(f: &mut fmt::Formatter<'_>, path: &str, signed: bool) -> fmt::Result {
    let path = quoted(path);
    if signed {
        write!(f, "the entry lacks the signed device tree {path}")
    } else {
        write!(f, "no device tree was signed, but the entry has {path}")
    }
}

fn older(f: &mut fmt::Formatter<'_>, path: &str, found: u32, current: u32) -> fmt::Result {
    write!(f, "{path} has version {found}, and only one above {current} is taken")
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature { made_for, needed } => {
                let needed: Vec<_> = needed.iter().map(|needed| needed.name()).collect();
                write!(f, "made for {}, not for {}", quoted(made_for), needed.join(" or "))
            }
            Self::Key { may, needed } => {
                write!(f, "the key may sign for {}, not for {needed}", quoted(&may.join(", ")))
            }
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, signed, found } = self;
        let path = quoted(path);
        write!(f, "{path} has {found} bytes, the signed file has {signed}")
    }
}

impl fmt::Display for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, signed, found } = self;
        let path = quoted(path);
        write!(f, "{path} is not the signed file: its SHA-256 is {found}, {signed} was signed")
    }
}
