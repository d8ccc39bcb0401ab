//! The verdict: first on the manifest, which is small and read early, then on
//! the files that it binds.
//!
//! [`Verified`] has one constructor, [`verify`]; [`verify`] needs an
//! [`Attested`], and only [`check_manifest`] makes those. No step may turn an
//! error into "unsigned": a manifest that is there and bad is refused in every
//! mode, as far as there is a ring to tell. Codes: `docs/reason-codes.md`.

use core::ops::Deref;

use super::allowed_signers::KeyRing;
use super::key::Fingerprint;
use super::manifest::{self, File, Linux, Manifest, System, Uki};
use super::policy::{Floors, Policy};
use super::signers::{SignedBy, SignedFile, Signers};
use super::slots::{self, SlotValues};
use super::{Role, lines, manifest_path};
use crate::base::arch::Arch;
use crate::base::digest::Digest;
use crate::bundle::{Blob, Bundle};

pub use super::refusal::{Digests, Found, Refusal, Sizes};

/// Whether unsigned entries boot. Fixed when the image is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only signed entries boot.
    Locked,
    /// Entries without a manifest boot too.
    Open,
}

/// What an entry must satisfy.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The image's mode.
    pub mode: Mode,
    /// The key ring in force. Without one no manifest is accepted.
    pub ring: Option<&'a KeyRing>,
    /// The policy in force.
    pub policy: &'a Policy,
    /// Architecture of this machine.
    pub arch: Arch,
    /// What this machine is.
    pub identity: &'a Identity,
    /// The lowest security versions that boot: the highest of what image, policy
    /// and store say.
    pub floors: Floors,
}

/// What a machine is called. An empty list is in no manifest's list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Names of the board, any of which a manifest may name.
    pub boards: Vec<String>,
    /// Ids of this one device, likewise.
    pub devices: Vec<String>,
}

/// What lies beside an entry, as raw files; `None` where there is no file.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The file at [`manifest_path`].
    pub manifest: Option<&'a [u8]>,
    /// The file at [`super::signature_path`].
    pub signature: Option<&'a [u8]>,
}

/// That policy lets the entry boot, provided that its files are the right ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attested {
    /// Enough trusted keys signed a manifest for this entry.
    Signed(Signed),
    /// [`Mode::Open`], and there is no manifest, or no key to check one with.
    Unsigned(Unsigned),
}

/// A manifest with good signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    manifest: Box<Manifest>,
    digest: Digest,
    by: SignedBy,
}

/// Leave to boot one entry unsigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned {
    entry: String,
}

/// A value that policy lets boot.
#[derive(Debug)]
pub struct Verified<T>(T);

/// Checks all that can be checked before the large files are read: signatures,
/// ring, threshold, entry id, architecture, board, device, security version and
/// revoked digests, in this order.
///
/// # Errors
/// The refusal, also in open mode, unless there is no manifest or no ring.
pub fn check_manifest(
    context: &Context<'_>,
    entry: &str,
    evidence: Evidence<'_>,
) -> Result<Attested, Refusal> {
    let Some(bytes) = evidence.manifest.filter(|_| !context.is_blind()) else {
        return unsigned(context.mode, entry);
    };
    let path = manifest_path(entry);
    lines::check_length(bytes).map_err(|error| unreadable(entry, error))?;
    let Some(ring) = context.ring else {
        return Err(Refusal::KeyUnknown { file: path, fingerprint: None });
    };
    let file = SignedFile { path: &path, bytes, signatures: evidence.signature };
    let purposes = Role::ALL.map(Role::namespace);
    let signers = Signers::of(file, ring, context.policy, &purposes)?.any()?;
    let manifest = manifest::parse(bytes).map_err(|error| unreadable(entry, error))?;
    let purpose = manifest.role.namespace();
    let by = signers.enough(purpose, context.policy.threshold(purpose))?;
    let signed = Signed { manifest: Box::new(manifest), digest: Digest::of(bytes), by };
    check_purpose(context, entry, &signed)?;
    Ok(Attested::Signed(signed))
}

fn unreadable(entry: &str, error: manifest::Error) -> Refusal {
    Refusal::ManifestSyntax { entry: entry.to_owned(), error }
}

/// Leave to boot an entry with another command line than its own, which nobody
/// can have signed.
///
/// # Errors
/// [`Mode::Locked`]: then there is no such leave.
pub fn edited(mode: Mode, entry: &str) -> Result<Attested, Refusal> {
    match mode {
        Mode::Locked => Err(Refusal::Edited { entry: entry.to_owned() }),
        Mode::Open => unsigned(mode, entry),
    }
}

fn unsigned(mode: Mode, entry: &str) -> Result<Attested, Refusal> {
    let entry = entry.to_owned();
    match mode {
        Mode::Locked => Err(Refusal::Unsigned { entry }),
        Mode::Open => Ok(Attested::Unsigned(Unsigned { entry })),
    }
}

/// Whether what was signed is for this entry on this machine, now.
fn check_purpose(context: &Context<'_>, entry: &str, signed: &Signed) -> Result<(), Refusal> {
    let manifest = &signed.manifest;
    check_entry(entry, manifest)?;
    if manifest.architecture != context.arch {
        let machine = context.arch;
        return Err(Refusal::Architecture { signed: manifest.architecture, machine });
    }
    if !is_for(&manifest.boards, &context.identity.boards) {
        let machine = context.identity.boards.clone();
        return Err(Refusal::Board { signed: manifest.boards.clone(), machine });
    }
    if !is_for(&manifest.devices, &context.identity.devices) {
        let machine = context.identity.devices.clone();
        return Err(Refusal::Device { signed: manifest.devices.clone(), machine });
    }
    check_version(context, manifest)?;
    check_revoked(context.policy, signed)
}

fn check_entry(entry: &str, manifest: &Manifest) -> Result<(), Refusal> {
    if manifest.entry == entry {
        return Ok(());
    }
    Err(Refusal::ManifestEntry { entry: entry.to_owned(), signed: manifest.entry.clone() })
}

/// Whether a machine of these names is meant; an empty `signed` means any.
fn is_for(signed: &[String], machine: &[String]) -> bool {
    signed.is_empty() || signed.iter().any(|name| machine.contains(name))
}

fn check_version(context: &Context<'_>, manifest: &Manifest) -> Result<(), Refusal> {
    let role = manifest.role;
    let signed = manifest.security_version;
    let floor = context.floors.max(context.policy.minimum).of(role);
    if signed < floor { Err(Refusal::Floor { role, signed, floor }) } else { Ok(()) }
}

/// The files' own digests are those of the manifest: [`verify`] sees to that.
fn check_revoked(policy: &Policy, signed: &Signed) -> Result<(), Refusal> {
    let path = manifest_path(&signed.manifest.entry);
    let manifest = [(path.as_str(), signed.digest)].into_iter();
    let files = signed.manifest.files().map(|file| (file.path.as_str(), file.digest));
    match manifest.chain(files).find(|(_, digest)| policy.revokes(digest)) {
        Some((path, digest)) => Err(Refusal::DigestRevoked { path: path.to_owned(), digest }),
        None => Ok(()),
    }
}

/// Checks that the files are exactly the signed ones, and puts the signed
/// command line, with its slots filled in, in place of the menu's; for a UKI,
/// none: its own counts. The digests are the bundle's own: of the bytes that
/// were read, taken while they were read.
///
/// # Errors
/// The first file, in the manifest's order, that differs; then a slot.
pub fn verify<B>(
    attested: &Attested,
    mut bundle: Bundle<B>,
    values: &SlotValues,
) -> Result<Verified<Bundle<B>>, Refusal> {
    match attested {
        Attested::Signed(signed) => {
            check_files(&signed.manifest, &bundle.facts())?;
            bundle.options = options(&signed.manifest, values)?;
        }
        // Leave for one entry is not leave for another that may be signed.
        Attested::Unsigned(leave) if leave.entry == bundle.entry => {}
        Attested::Unsigned(_) => return Err(Refusal::Unsigned { entry: bundle.entry }),
    }
    Ok(Verified(bundle))
}

fn options(manifest: &Manifest, values: &SlotValues) -> Result<String, Refusal> {
    match &manifest.system {
        System::Linux(linux) => slots::fill(&linux.slots, &linux.options, &manifest.entry, values)
            .map_err(Refusal::SlotValue),
        System::Uki(_) => Ok(String::new()),
    }
}

fn check_files(manifest: &Manifest, bundle: &Bundle<()>) -> Result<(), Refusal> {
    check_entry(&bundle.entry, manifest)?;
    match &manifest.system {
        System::Linux(linux) => check_linux(linux, bundle),
        System::Uki(uki) => check_uki(uki, bundle),
    }
}

fn check_linux(signed: &Linux, bundle: &Bundle<()>) -> Result<(), Refusal> {
    check_profile(None, bundle)?;
    check_size(&signed.kernel, &bundle.linux).map_err(Refusal::LinuxSize)?;
    check_digest(&signed.kernel, &bundle.linux).map_err(Refusal::LinuxDigest)?;
    check_initrds(&signed.initrds, bundle)?;
    check_devicetree(signed.devicetree.as_ref(), bundle)?;
    check_overlays(&signed.overlays, bundle)?;
    check_addons(&[], bundle)
}

fn check_uki(signed: &Uki, bundle: &Bundle<()>) -> Result<(), Refusal> {
    check_profile(Some(signed.profile), bundle)?;
    check_size(&signed.image, &bundle.linux).map_err(Refusal::UkiSize)?;
    check_digest(&signed.image, &bundle.linux).map_err(Refusal::UkiDigest)?;
    check_initrds(&[], bundle)?;
    check_devicetree(None, bundle)?;
    check_overlays(&[], bundle)?;
    check_addons(&signed.addons, bundle)
}

/// Whether the entry is a UKI, and which profile it starts, decides what else in
/// it counts.
fn check_profile(signed: Option<u32>, bundle: &Bundle<()>) -> Result<(), Refusal> {
    if signed == bundle.profile {
        return Ok(());
    }
    Err(Refusal::Profile { signed, found: bundle.profile })
}

fn check_initrds(signed: &[File], bundle: &Bundle<()>) -> Result<(), Refusal> {
    let found = bundle.initrds.len();
    if signed.len() != found {
        return Err(Refusal::InitrdCount { signed: signed.len(), found });
    }
    for (file, blob) in signed.iter().zip(&bundle.initrds) {
        check_size(file, blob).map_err(Refusal::InitrdSize)?;
        check_digest(file, blob).map_err(Refusal::InitrdDigest)?;
    }
    Ok(())
}

fn check_devicetree(signed: Option<&File>, bundle: &Bundle<()>) -> Result<(), Refusal> {
    match (signed, &bundle.devicetree) {
        (None, None) => Ok(()),
        (Some(file), Some(blob)) => check_digest(file, blob).map_err(Refusal::DevicetreeDigest),
        (Some(file), None) => Err(Refusal::Devicetree { path: file.path.clone(), signed: true }),
        (None, Some(blob)) => Err(Refusal::Devicetree { path: blob.path.clone(), signed: false }),
    }
}

fn check_overlays(signed: &[File], bundle: &Bundle<()>) -> Result<(), Refusal> {
    let found = bundle.overlays.len();
    if signed.len() != found {
        return Err(Refusal::OverlayCount { signed: signed.len(), found });
    }
    let mut pairs = signed.iter().zip(&bundle.overlays);
    pairs.try_for_each(|(file, blob)| check_digest(file, blob).map_err(Refusal::OverlayDigest))
}

fn check_addons(signed: &[File], bundle: &Bundle<()>) -> Result<(), Refusal> {
    let found = bundle.addons.len();
    if signed.len() != found {
        return Err(Refusal::AddonCount { signed: signed.len(), found });
    }
    let mut pairs = signed.iter().zip(&bundle.addons);
    pairs.try_for_each(|(file, blob)| check_digest(file, blob).map_err(Refusal::AddonDigest))
}

fn check_size(file: &File, blob: &Blob<()>) -> Result<(), Sizes> {
    if file.size == blob.size {
        return Ok(());
    }
    Err(Sizes { path: blob.path.clone(), signed: file.size, found: blob.size })
}

/// Equal digests mean equal bytes, but a manifest that contradicts itself about
/// the length is not met either.
fn check_digest(file: &File, blob: &Blob<()>) -> Result<(), Digests> {
    if file.digest == blob.digest && file.size == blob.size {
        return Ok(());
    }
    Err(Digests { path: blob.path.clone(), signed: file.digest, found: blob.digest })
}

impl Mode {
    /// The word in an image's configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Open => "open",
        }
    }
}

impl Context<'_> {
    /// An open image without a ring boots anything and can prove nothing: a
    /// signed entry must not be worth less there than an unsigned one.
    fn is_blind(&self) -> bool {
        self.mode == Mode::Open && self.ring.is_none()
    }

    /// Whether what was let boot still may, if since then nothing but a floor has
    /// risen. What nobody signed has no version.
    ///
    /// # Errors
    /// It is below a floor.
    pub fn check_floor(&self, attested: &Attested) -> Result<(), Refusal> {
        match attested {
            Attested::Signed(signed) => check_version(self, &signed.manifest),
            Attested::Unsigned(_) => Ok(()),
        }
    }
}

impl Attested {
    /// What the system is for; what nobody signed recovers nothing.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self {
            Self::Signed(signed) => signed.role(),
            Self::Unsigned(_) => Role::Boot,
        }
    }
}

impl Signed {
    /// What was signed.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest's bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// What the system is for.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.manifest.role
    }

    /// Principals of the keys that count, as the ring writes them, in the order
    /// of the signatures.
    #[must_use]
    pub fn signers(&self) -> &[String] {
        &self.by.names
    }

    /// The fingerprints of the same keys.
    #[must_use]
    pub fn fingerprints(&self) -> &[Fingerprint] {
        &self.by.fingerprints
    }
}

impl<T> Verified<T> {
    /// The value.
    #[must_use]
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The value, for the step after this one.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
mod tests;
