//! The verdict: first on the manifest, which is small and read early, then on
//! the files that it binds.
//!
//! [`Verified`] has one constructor, [`verify`]; [`verify`] needs an
//! [`Attested`], and only [`check_manifest`] makes those. No step may turn an
//! error into "unsigned": a manifest that is there and bad is refused in every
//! mode, as far as there is a ring to tell. Codes: `docs/reason-codes.md`.

use core::fmt;
use core::ops::Deref;

use super::allowed_signers::{Key, KeyRing};
use super::manifest::{self, File, Manifest};
use super::sshsig::{self, Signature};
use super::{manifest_path, signature_path};
use crate::arch::Arch;
use crate::bundle::{Blob, Bundle, Digest};
use crate::text::quoted;

/// Whether unsigned entries boot. Fixed when the image is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only signed entries boot.
    Locked,
    /// Entries without a manifest boot too.
    Open,
}

/// What a signature is for; each role is an SSHSIG namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An operating system: `turnout-boot`.
    Boot,
    /// A recovery system: `turnout-recovery`.
    Recovery,
    /// Version floors and revocations: `turnout-policy`.
    Policy,
    /// Unlocking a device: `turnout-unlock`.
    Unlock,
}

/// What an entry must satisfy.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// The image's mode.
    pub mode: Mode,
    /// The image's key ring. Without one no manifest is accepted.
    pub ring: Option<&'a KeyRing>,
    /// What the signature must be for.
    pub role: Role,
    /// Architecture of this machine.
    pub arch: Arch,
}

/// What lies beside an entry, as raw files; `None` where there is no file.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The file at [`manifest_path`].
    pub manifest: Option<&'a [u8]>,
    /// The file at [`signature_path`].
    pub signature: Option<&'a [u8]>,
}

/// That policy lets the entry boot, provided that its files are the right ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attested {
    /// A trusted key signed a manifest for this entry.
    Signed(Signed),
    /// [`Mode::Open`], and there is no manifest, or no key to check one with.
    Unsigned(Unsigned),
}

/// A manifest with a good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    manifest: Box<Manifest>,
    signer: String,
}

/// Leave to boot one entry unsigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned {
    entry: String,
}

/// A value that policy lets boot.
#[derive(Debug)]
pub struct Verified<T>(T);

/// Why an entry must not boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No manifest, in locked mode.
    Unsigned {
        /// The entry.
        entry: String,
    },
    /// A manifest without a signature file.
    SignatureMissing {
        /// The entry.
        entry: String,
    },
    /// The signature file cannot be read.
    SignatureSyntax {
        /// The entry.
        entry: String,
        /// Where and why.
        error: sshsig::Error,
    },
    /// The signature does not belong to these bytes.
    SignatureInvalid {
        /// The entry.
        entry: String,
        /// Whose signature it claims to be: principals, or a fingerprint.
        signer: String,
    },
    /// A good signature by nobody that the image knows.
    KeyUnknown {
        /// The entry.
        entry: String,
        /// SHA-256 fingerprint of the key; `None` if the image has no ring.
        fingerprint: Option<String>,
    },
    /// A good signature for something else.
    Namespace {
        /// The entry.
        entry: String,
        /// Principals of the key.
        signer: String,
        /// The namespace that was needed.
        needed: &'static str,
        /// The namespace of the signature, or the ones the key is allowed if
        /// the signature's is right.
        found: Found,
    },
    /// The manifest is signed and cannot be read.
    ManifestSyntax {
        /// The entry.
        entry: String,
        /// Where and why.
        error: manifest::Error,
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
        boards: Vec<String>,
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
}

/// What was wrong with the namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The signature was made for this one.
    Signature(String),
    /// The key may sign only these.
    Key(Vec<String>),
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

/// Checks all that can be checked before the large files are read: signature,
/// ring, namespace, entry id, architecture, in this order.
///
/// # Errors
/// The refusal, also in open mode, unless there is no manifest or no ring.
pub fn check_manifest(
    policy: &Policy<'_>,
    entry: &str,
    evidence: Evidence<'_>,
) -> Result<Attested, Refusal> {
    let Some(bytes) = evidence.manifest.filter(|_| !policy.is_blind()) else {
        return unsigned(policy.mode, entry);
    };
    let syntax = |error| Refusal::ManifestSyntax { entry: entry.to_owned(), error };
    manifest::check_length(bytes).map_err(syntax)?;
    let signer = check_signatures(policy, entry, bytes, evidence.signature)?;
    let manifest = manifest::parse(bytes).map_err(syntax)?;
    check_purpose(policy, entry, &manifest)?;
    Ok(Attested::Signed(Signed { manifest: Box::new(manifest), signer }))
}

fn unsigned(mode: Mode, entry: &str) -> Result<Attested, Refusal> {
    let entry = entry.to_owned();
    match mode {
        Mode::Locked => Err(Refusal::Unsigned { entry }),
        Mode::Open => Ok(Attested::Unsigned(Unsigned { entry })),
    }
}

/// Gives the principals of the first signature that policy accepts. Where none
/// is, the refusal is of the signature that came furthest; of several such, the
/// first.
fn check_signatures(
    policy: &Policy<'_>,
    entry: &str,
    manifest: &[u8],
    signature: Option<&[u8]>,
) -> Result<String, Refusal> {
    let entry = entry.to_owned();
    let Some(armored) = signature else { return Err(Refusal::SignatureMissing { entry }) };
    let signatures = match sshsig::parse(armored) {
        Ok(signatures) => signatures,
        Err(error) => return Err(Refusal::SignatureSyntax { entry, error }),
    };
    let mut nearest = Refusal::KeyUnknown { entry: entry.clone(), fingerprint: None };
    let Some(ring) = policy.ring else { return Err(nearest) };
    let mut best = 0;
    for signature in &signatures {
        match check_signature(ring, policy.role, &entry, manifest, signature) {
            Ok(key) => return Ok(key.signer.clone()),
            Err((progress, refusal)) if progress > best => (best, nearest) = (progress, refusal),
            Err(_) => {}
        }
    }
    Err(nearest)
}

/// Checks one signature; the number beside a refusal grows with how far it came.
fn check_signature<'a>(
    ring: &'a KeyRing,
    role: Role,
    entry: &str,
    manifest: &[u8],
    signature: &Signature,
) -> Result<&'a Key, (u8, Refusal)> {
    let entry = entry.to_owned();
    let fingerprint = || signature.key.fingerprint();
    // A wrong namespace is told from a wrong signature by checking under the
    // namespace and the key that the signature itself names.
    let valid = signature.verifies(manifest);
    let Some(key) = ring.find(&signature.key) else {
        return Err(if valid {
            (2, Refusal::KeyUnknown { entry, fingerprint: Some(fingerprint()) })
        } else {
            (1, Refusal::SignatureInvalid { entry, signer: fingerprint() })
        });
    };
    let signer = key.signer.clone();
    if !valid {
        return Err((3, Refusal::SignatureInvalid { entry, signer }));
    }
    let needed = role.namespace();
    if signature.namespace != needed {
        let found = Found::Signature(signature.namespace.clone());
        return Err((4, Refusal::Namespace { entry, signer, needed, found }));
    }
    if !key.allows(needed) {
        let found = Found::Key(key.namespaces.clone());
        return Err((4, Refusal::Namespace { entry, signer, needed, found }));
    }
    Ok(key)
}

/// Whether the manifest is for this entry on this machine.
fn check_purpose(policy: &Policy<'_>, entry: &str, manifest: &Manifest) -> Result<(), Refusal> {
    check_entry(entry, manifest)?;
    if manifest.architecture != policy.arch {
        let (signed, machine) = (manifest.architecture, policy.arch);
        return Err(Refusal::Architecture { signed, machine });
    }
    // A policy does not know its board yet, so a limit to boards cannot be met.
    if !manifest.boards.is_empty() {
        return Err(Refusal::Board { boards: manifest.boards.clone() });
    }
    Ok(())
}

fn check_entry(entry: &str, manifest: &Manifest) -> Result<(), Refusal> {
    if manifest.entry == entry {
        return Ok(());
    }
    Err(Refusal::ManifestEntry { entry: entry.to_owned(), signed: manifest.entry.clone() })
}

/// Checks that the files are exactly the signed ones, and puts the signed
/// command line in place of the menu's. The digests are the bundle's own: of
/// the bytes that were read, taken while they were read.
///
/// # Errors
/// The first file, in the manifest's order, that differs.
pub fn verify<B: AsRef<[u8]>>(
    attested: &Attested,
    mut bundle: Bundle<B>,
) -> Result<Verified<Bundle<B>>, Refusal> {
    match attested {
        Attested::Signed(signed) => {
            check_files(&signed.manifest, &bundle)?;
            bundle.options.clone_from(&signed.manifest.options);
        }
        // Leave for one entry is not leave for another that may be signed.
        Attested::Unsigned(leave) if leave.entry == bundle.entry => {}
        Attested::Unsigned(_) => return Err(Refusal::Unsigned { entry: bundle.entry }),
    }
    Ok(Verified(bundle))
}

fn check_files<B: AsRef<[u8]>>(manifest: &Manifest, bundle: &Bundle<B>) -> Result<(), Refusal> {
    check_entry(&bundle.entry, manifest)?;
    check_size(&manifest.linux, &bundle.linux).map_err(Refusal::LinuxSize)?;
    check_digest(&manifest.linux, &bundle.linux).map_err(Refusal::LinuxDigest)?;
    let (signed, found) = (manifest.initrds.len(), bundle.initrds.len());
    if signed != found {
        return Err(Refusal::InitrdCount { signed, found });
    }
    for (file, blob) in manifest.initrds.iter().zip(&bundle.initrds) {
        check_size(file, blob).map_err(Refusal::InitrdSize)?;
        check_digest(file, blob).map_err(Refusal::InitrdDigest)?;
    }
    check_devicetree(manifest.devicetree.as_ref(), bundle.devicetree.as_ref())
}

fn check_devicetree<B: AsRef<[u8]>>(
    signed: Option<&File>,
    found: Option<&Blob<B>>,
) -> Result<(), Refusal> {
    match (signed, found) {
        (None, None) => Ok(()),
        (Some(file), Some(blob)) => check_digest(file, blob).map_err(Refusal::DevicetreeDigest),
        (Some(file), None) => Err(Refusal::Devicetree { path: file.path.clone(), signed: true }),
        (None, Some(blob)) => Err(Refusal::Devicetree { path: blob.path.clone(), signed: false }),
    }
}

fn check_size<B: AsRef<[u8]>>(file: &File, blob: &Blob<B>) -> Result<(), Sizes> {
    if file.size == blob.size() {
        return Ok(());
    }
    Err(Sizes { path: blob.path.clone(), signed: file.size, found: blob.size() })
}

/// Equal digests mean equal bytes, but a manifest that contradicts itself about
/// the length is not met either.
fn check_digest<B: AsRef<[u8]>>(file: &File, blob: &Blob<B>) -> Result<(), Digests> {
    if file.digest == blob.digest && file.size == blob.size() {
        return Ok(());
    }
    Err(Digests { path: blob.path.clone(), signed: file.digest, found: blob.digest })
}

impl Policy<'_> {
    /// An open image without a ring boots anything and can prove nothing: a
    /// signed entry must not be worth less there than an unsigned one.
    fn is_blind(&self) -> bool {
        self.mode == Mode::Open && self.ring.is_none()
    }
}

impl Role {
    /// The SSHSIG namespace of the role.
    #[must_use]
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Boot => "turnout-boot",
            Self::Recovery => "turnout-recovery",
            Self::Policy => "turnout-policy",
            Self::Unlock => "turnout-unlock",
        }
    }
}

impl Signed {
    /// What was signed.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Principals of the key that signed, as the ring writes them.
    #[must_use]
    pub fn signer(&self) -> &str {
        &self.signer
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

impl Refusal {
    /// Every code, in the order of the checks.
    pub const CODES: [&str; 17] = [
        "UNSIGNED",
        "SIGNATURE_MISSING",
        "SIGNATURE_SYNTAX",
        "SIGNATURE_INVALID",
        "KEY_UNKNOWN",
        "NAMESPACE",
        "MANIFEST_SYNTAX",
        "MANIFEST_ENTRY",
        "ARCHITECTURE",
        "BOARD",
        "LINUX_SIZE",
        "LINUX_DIGEST",
        "INITRD_COUNT",
        "INITRD_SIZE",
        "INITRD_DIGEST",
        "DEVICETREE",
        "DEVICETREE_DIGEST",
    ];

    /// The stable word for this refusal, listed in `docs/reason-codes.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsigned { .. } => "UNSIGNED",
            Self::SignatureMissing { .. } => "SIGNATURE_MISSING",
            Self::SignatureSyntax { .. } => "SIGNATURE_SYNTAX",
            Self::SignatureInvalid { .. } => "SIGNATURE_INVALID",
            Self::KeyUnknown { .. } => "KEY_UNKNOWN",
            Self::Namespace { .. } => "NAMESPACE",
            Self::ManifestSyntax { .. } => "MANIFEST_SYNTAX",
            Self::ManifestEntry { .. } => "MANIFEST_ENTRY",
            Self::Architecture { .. } => "ARCHITECTURE",
            Self::Board { .. } => "BOARD",
            Self::LinuxSize(_) => "LINUX_SIZE",
            Self::LinuxDigest(_) => "LINUX_DIGEST",
            Self::InitrdCount { .. } => "INITRD_COUNT",
            Self::InitrdSize(_) => "INITRD_SIZE",
            Self::InitrdDigest(_) => "INITRD_DIGEST",
            Self::Devicetree { .. } => "DEVICETREE",
            Self::DevicetreeDigest(_) => "DEVICETREE_DIGEST",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned { entry } => {
                write!(f, "there is no {}, and only signed entries may boot", manifest_path(entry))
            }
            Self::SignatureMissing { entry } => {
                write!(f, "{} has no {}", manifest_path(entry), signature_path(entry))
            }
            Self::SignatureSyntax { entry, error } => {
                write!(f, "{}, {error}", signature_path(entry))
            }
            Self::SignatureInvalid { entry, signer } => write!(
                f,
                "the signature by {} does not fit {}: one of the two was changed",
                quoted(signer),
                manifest_path(entry)
            ),
            Self::KeyUnknown { entry, fingerprint: None } => {
                write!(f, "this image has no key ring to check {} with", manifest_path(entry))
            }
            Self::KeyUnknown { entry, fingerprint: Some(fingerprint) } => write!(
                f,
                "{} is signed with the key {fingerprint}, which is not in this image's key ring",
                manifest_path(entry)
            ),
            Self::Namespace { entry, signer, needed, found } => {
                write!(f, "{}, signature by {}: ", signature_path(entry), quoted(signer))?;
                write!(f, "{found}, not for {needed}")
            }
            Self::ManifestSyntax { entry, error } => write!(f, "{}, {error}", manifest_path(entry)),
            Self::ManifestEntry { entry, signed } => {
                let signed = quoted(signed);
                write!(f, "{} was signed for the entry {signed}", manifest_path(entry))
            }
            Self::Architecture { signed, machine } => {
                write!(f, "the entry was signed for {signed}, this machine is {machine}")
            }
            Self::Board { boards } => write!(
                f,
                "the entry was signed for the board {} only, and this image does not know its board",
                quoted(&boards.join(" or "))
            ),
            Self::LinuxSize(sizes) | Self::InitrdSize(sizes) => fmt::Display::fmt(sizes, f),
            Self::LinuxDigest(digests)
            | Self::InitrdDigest(digests)
            | Self::DevicetreeDigest(digests) => fmt::Display::fmt(digests, f),
            Self::InitrdCount { signed, found } => {
                write!(f, "the entry has {found} initrd files, {signed} were signed")
            }
            Self::Devicetree { path, signed: true } => {
                write!(f, "the entry lacks the signed device tree {}", quoted(path))
            }
            Self::Devicetree { path, signed: false } => {
                write!(f, "no device tree was signed, but the entry has {}", quoted(path))
            }
        }
    }
}

impl core::error::Error for Refusal {}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(namespace) => write!(f, "made for {}", quoted(namespace)),
            Self::Key(namespaces) => {
                write!(f, "the key may sign for {}", quoted(&namespaces.join(", ")))
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

#[cfg(test)]
mod tests {
    use super::super::sshsig::make;
    use super::*;

    const MESSAGE: &[u8] = include_bytes!("../../tests/data/trust/message");
    const RING: &[u8] = include_bytes!("../../tests/data/trust/allowed_signers");
    const BY_SSH_KEYGEN: &[u8] = include_bytes!("../../tests/data/trust/message.sha512.sig");
    const FOR_FILE: &[u8] = include_bytes!("../../tests/data/trust/message.file.sig");

    const RELEASE: u8 = 1;
    const POLICY_ONLY: u8 = 2;
    const STRANGER: u8 = 3;

    fn ring() -> KeyRing {
        let line = |name, namespace, seed| {
            let key = make::public_base64(&make::public(seed));
            format!("{name} namespaces=\"{namespace}\" ssh-ed25519 {key}\n")
        };
        let text = line("release", "turnout-boot", RELEASE)
            + &line("owner", "turnout-policy,turnout-unlock", POLICY_ONLY);
        KeyRing::parse(text.as_bytes()).unwrap()
    }

    fn bundle() -> Bundle<Vec<u8>> {
        let blob = |path, bytes: &[u8]| Blob::hash(path, bytes.to_vec());
        Bundle {
            entry: "good".to_owned(),
            linux: blob("/vmlinuz", b"kernel"),
            initrds: vec![blob("/a.img", b"first"), blob("/b.img", b"other")],
            devicetree: Some(blob("/x.dtb", b"tree")),
            options: "what the menu says".to_owned(),
        }
    }

    fn manifest() -> Manifest {
        let bundle = bundle();
        let file = |blob: &Blob<Vec<u8>>| File {
            path: blob.path.clone(),
            size: blob.size(),
            digest: blob.digest,
        };
        Manifest {
            entry: "good".to_owned(),
            title: None,
            security_version: 1,
            architecture: Arch::X86_64,
            boards: Vec::new(),
            linux: file(&bundle.linux),
            initrds: bundle.initrds.iter().map(file).collect(),
            devicetree: bundle.devicetree.as_ref().map(file),
            options: "ro quiet".to_owned(),
        }
    }

    fn policy(ring: &KeyRing) -> Policy<'_> {
        Policy { mode: Mode::Locked, ring: Some(ring), role: Role::Boot, arch: Arch::X86_64 }
    }

    /// The verdict on `manifest` with these signatures over it, for entry "good".
    fn verdict(manifest: &str, signatures: &str) -> Result<Attested, Refusal> {
        let evidence = Evidence {
            manifest: Some(manifest.as_bytes()),
            signature: Some(signatures.as_bytes()),
        };
        check_manifest(&policy(&ring()), "good", evidence)
    }

    fn signed_by(seed: u8, manifest: &str) -> String {
        make::armored(seed, "turnout-boot", manifest.as_bytes())
    }

    fn signed_verdict(manifest: &Manifest) -> Result<Attested, Refusal> {
        let text = manifest.write();
        verdict(&text, &signed_by(RELEASE, &text))
    }

    /// The code, after checking that the sentence holds `words`.
    fn code(refusal: Refusal, words: &[&str]) -> &'static str {
        let sentence = refusal.to_string();
        for word in words {
            assert!(sentence.contains(word), "{word:?} is not in: {sentence}");
        }
        assert!(Refusal::CODES.contains(&refusal.code()), "{}", refusal.code());
        refusal.code()
    }

    #[test]
    fn a_signed_entry_boots_with_the_signed_command_line() {
        let attested = signed_verdict(&manifest()).unwrap();
        let Attested::Signed(signed) = &attested else { panic!("signed") };
        assert_eq!(signed.signer(), "release");
        assert_eq!(signed.manifest(), &manifest());
        let verified = verify(&attested, bundle()).unwrap();
        assert_eq!(verified.options, "ro quiet");
        assert_eq!(verified.get().linux.bytes, b"kernel");
        assert_eq!(verified.into_inner().initrds.len(), 2);
    }

    #[test]
    fn without_a_manifest_only_open_mode_boots_and_only_that_entry() {
        let ring = ring();
        let nothing = Evidence { manifest: None, signature: None };
        let refusal = check_manifest(&policy(&ring), "good", nothing).unwrap_err();
        assert_eq!(code(refusal, &["/turnout/good.manifest"]), "UNSIGNED");

        let open = Policy { mode: Mode::Open, ..policy(&ring) };
        let attested = check_manifest(&open, "good", nothing).unwrap();
        assert!(matches!(attested, Attested::Unsigned(_)));
        assert_eq!(verify(&attested, bundle()).unwrap().options, "what the menu says");

        let other = Bundle { entry: "other".to_owned(), ..bundle() };
        let refusal = verify(&attested, other).unwrap_err();
        assert_eq!(code(refusal, &["/turnout/other.manifest"]), "UNSIGNED");
    }

    #[test]
    fn a_bad_manifest_is_refused_in_open_mode_too() {
        let ring = ring();
        let text = manifest().write();
        let stranger = signed_by(STRANGER, &text);
        let open = Policy { mode: Mode::Open, ..policy(&ring) };
        let cases = [(None, "SIGNATURE_MISSING"), (Some(stranger.as_bytes()), "KEY_UNKNOWN")];
        for (signature, expected) in cases {
            let evidence = Evidence { manifest: Some(text.as_bytes()), signature };
            let refusal = check_manifest(&open, "good", evidence).unwrap_err();
            assert_eq!(refusal.code(), expected);
        }
    }

    #[test]
    fn without_a_ring_a_manifest_is_worth_nothing() {
        let ring = ring();
        let text = manifest().write();
        let signature = signed_by(RELEASE, &text);
        let (manifest, signature) = (Some(text.as_bytes()), Some(signature.as_bytes()));
        let evidence = Evidence { manifest, signature };

        let locked = Policy { ring: None, ..policy(&ring) };
        let refusal = check_manifest(&locked, "good", evidence).unwrap_err();
        assert_eq!(code(refusal, &["no key ring"]), "KEY_UNKNOWN");

        let open = Policy { mode: Mode::Open, ..locked };
        let attested = check_manifest(&open, "good", evidence).unwrap();
        assert_eq!(verify(&attested, bundle()).unwrap().options, "what the menu says");
    }

    #[test]
    fn a_signature_file_that_is_missing_or_broken_is_told_apart() {
        let ring = ring();
        let text = manifest().write();
        let evidence = Evidence { manifest: Some(text.as_bytes()), signature: None };
        let refusal = check_manifest(&policy(&ring), "good", evidence).unwrap_err();
        assert_eq!(code(refusal, &["/turnout/good.manifest.sig"]), "SIGNATURE_MISSING");
        let refusal = verdict(&text, "").unwrap_err();
        assert_eq!(code(refusal, &["manifest.sig", "line 1"]), "SIGNATURE_SYNTAX");
    }

    #[test]
    fn a_signature_over_other_bytes_is_invalid_and_names_whose_it_claims_to_be() {
        let text = manifest().write();
        let refusal = verdict(&text, &signed_by(RELEASE, "something else")).unwrap_err();
        assert_eq!(code(refusal, &["\"release\"", "good.manifest"]), "SIGNATURE_INVALID");
        let refusal = verdict(&text, &signed_by(STRANGER, "something else")).unwrap_err();
        assert_eq!(code(refusal, &["\"SHA256:"]), "SIGNATURE_INVALID");
    }

    #[test]
    fn a_key_that_is_not_in_the_ring_is_named_by_its_fingerprint() {
        let text = manifest().write();
        let fingerprint = make::public(STRANGER).fingerprint();
        let refusal = verdict(&text, &signed_by(STRANGER, &text)).unwrap_err();
        assert_eq!(code(refusal, &[&fingerprint]), "KEY_UNKNOWN");
    }

    #[test]
    fn a_signature_for_another_namespace_or_by_a_key_for_another_is_refused() {
        let text = manifest().write();
        let elsewhere = make::armored(RELEASE, "turnout-recovery", text.as_bytes());
        let refusal = verdict(&text, &elsewhere).unwrap_err();
        assert_eq!(code(refusal, &["made for \"turnout-recovery\"", "turnout-boot"]), "NAMESPACE");
        let refusal = verdict(&text, &signed_by(POLICY_ONLY, &text)).unwrap_err();
        let words = ["may sign for \"turnout-policy, turnout-unlock\"", "\"owner\""];
        assert_eq!(code(refusal, &words), "NAMESPACE");
    }

    #[test]
    fn each_role_has_a_namespace_of_its_own() {
        let text = manifest().write();
        let ring = ring();
        for role in [Role::Recovery, Role::Policy, Role::Unlock] {
            let policy = Policy { role, ..policy(&ring) };
            let signature = signed_by(RELEASE, &text);
            let (manifest, signature) = (Some(text.as_bytes()), Some(signature.as_bytes()));
            let evidence = Evidence { manifest, signature };
            let refusal = check_manifest(&policy, "good", evidence).unwrap_err();
            assert_eq!(code(refusal, &[role.namespace()]), "NAMESPACE");
        }
    }

    #[test]
    fn one_good_signature_among_several_is_enough() {
        let text = manifest().write();
        let signatures =
            [signed_by(STRANGER, &text), signed_by(RELEASE, "x"), signed_by(RELEASE, &text)];
        assert!(verdict(&text, &signatures.concat()).is_ok());
    }

    #[test]
    fn of_several_bad_signatures_the_one_that_came_furthest_is_shown() {
        let text = manifest().write();
        let invalid_stranger = signed_by(STRANGER, "x");
        let stranger = signed_by(STRANGER, &text);
        let invalid = signed_by(RELEASE, "x");
        let namespace = signed_by(POLICY_ONLY, &text);
        let by_progress = [invalid_stranger, stranger, invalid, namespace];
        let codes = ["SIGNATURE_INVALID", "KEY_UNKNOWN", "SIGNATURE_INVALID", "NAMESPACE"];
        for count in 1..=by_progress.len() {
            let (there, mut back) = (&by_progress[..count], by_progress[..count].to_vec());
            back.reverse();
            for signatures in [there.concat(), back.concat()] {
                assert_eq!(verdict(&text, &signatures).unwrap_err().code(), codes[count - 1]);
            }
        }
    }

    #[test]
    fn a_signed_text_that_is_no_manifest_is_refused_with_its_line() {
        let text = manifest().write().replace("ro quiet", "ro quiet ");
        let refusal = verdict(&text, &signed_by(RELEASE, &text)).unwrap_err();
        assert_eq!(code(refusal, &["/turnout/good.manifest, line 9"]), "MANIFEST_SYNTAX");
        let long = "x".repeat(70_000);
        let refusal = verdict(&long, &signed_by(RELEASE, &long)).unwrap_err();
        assert_eq!(code(refusal, &["70000"]), "MANIFEST_SYNTAX");
    }

    #[test]
    fn a_manifest_for_another_entry_machine_or_board_is_refused() {
        let other = Manifest { entry: "other".to_owned(), ..manifest() };
        let refusal = signed_verdict(&other).unwrap_err();
        assert_eq!(code(refusal, &["good.manifest", "\"other\""]), "MANIFEST_ENTRY");
        let arm = Manifest { architecture: Arch::Aarch64, ..manifest() };
        let refusal = signed_verdict(&arm).unwrap_err();
        assert_eq!(code(refusal, &["for aarch64", "is x86_64"]), "ARCHITECTURE");
        let board = Manifest { boards: vec!["acme,one".to_owned()], ..manifest() };
        let refusal = signed_verdict(&board).unwrap_err();
        assert_eq!(code(refusal, &["acme,one"]), "BOARD");
    }

    /// Verifies the good manifest against a bundle after `change`.
    fn refused(change: impl FnOnce(&mut Bundle<Vec<u8>>)) -> Refusal {
        let attested = signed_verdict(&manifest()).unwrap();
        let mut bundle = bundle();
        change(&mut bundle);
        verify(&attested, bundle).unwrap_err()
    }

    #[test]
    fn a_changed_kernel_is_refused() {
        let refusal = refused(|bundle| bundle.linux = Blob::hash("/vmlinuz", b"kern".to_vec()));
        assert_eq!(code(refusal, &["/vmlinuz", "has 4 bytes", "has 6"]), "LINUX_SIZE");
        let refusal = refused(|bundle| bundle.linux = Blob::hash("/vmlinuz", b"kernal".to_vec()));
        let digest = Digest::of(b"kernal").to_string();
        assert_eq!(code(refusal, &["/vmlinuz", &digest]), "LINUX_DIGEST");
    }

    #[test]
    fn initrds_changed_swapped_added_or_left_out_are_refused() {
        let refusal = refused(|bundle| bundle.initrds[1] = Blob::hash("/b", b"longer".to_vec()));
        assert_eq!(code(refusal, &["\"/b\"", "6 bytes"]), "INITRD_SIZE");
        let refusal = refused(|bundle| bundle.initrds[0] = Blob::hash("/a", b"First".to_vec()));
        assert_eq!(code(refusal, &["\"/a\""]), "INITRD_DIGEST");
        let refusal = refused(|bundle| bundle.initrds.reverse());
        assert_eq!(code(refusal, &["/b.img"]), "INITRD_DIGEST");
        let refusal = refused(|bundle| drop(bundle.initrds.pop()));
        assert_eq!(code(refusal, &["1 initrd files, 2"]), "INITRD_COUNT");
        let refusal = refused(|bundle| bundle.initrds.push(Blob::hash("/c", Vec::new())));
        assert_eq!(code(refusal, &["3 initrd files, 2"]), "INITRD_COUNT");
    }

    #[test]
    fn a_device_tree_must_be_there_exactly_when_it_was_signed() {
        let refusal = refused(|bundle| bundle.devicetree = None);
        assert_eq!(code(refusal, &["lacks", "/x.dtb"]), "DEVICETREE");
        let tree = Blob::hash("/x.dtb", b"TREE".to_vec());
        let refusal = refused(|bundle| bundle.devicetree = Some(tree));
        assert_eq!(code(refusal, &["/x.dtb"]), "DEVICETREE_DIGEST");

        let none = Manifest { devicetree: None, ..manifest() };
        let refusal = verify(&signed_verdict(&none).unwrap(), bundle()).unwrap_err();
        assert_eq!(code(refusal, &["no device tree was signed", "/x.dtb"]), "DEVICETREE");
    }

    #[test]
    fn a_bundle_of_another_entry_is_refused() {
        let refusal = refused(|bundle| bundle.entry = "bad".to_owned());
        assert_eq!(code(refusal, &["bad.manifest", "\"good\""]), "MANIFEST_ENTRY");
    }

    #[test]
    fn every_change_of_one_bit_in_the_manifest_or_its_signature_is_refused() {
        let text = manifest().write();
        let signature = signed_by(RELEASE, &text);
        let ring = ring();
        let accepts = |manifest: &[u8], signature: &[u8]| {
            let evidence = Evidence { manifest: Some(manifest), signature: Some(signature) };
            check_manifest(&policy(&ring), "good", evidence).is_ok()
        };
        assert!(accepts(text.as_bytes(), signature.as_bytes()));
        for bit in 0..text.len() * 8 {
            let changed = flip(text.as_bytes(), bit);
            assert!(!accepts(&changed, signature.as_bytes()), "manifest bit {bit}");
        }
        for bit in 0..signature.len() * 8 {
            let changed = flip(signature.as_bytes(), bit);
            assert!(!accepts(text.as_bytes(), &changed), "signature bit {bit}");
        }
    }

    fn flip(bytes: &[u8], bit: usize) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    }

    #[test]
    fn what_ssh_keygen_signed_passes_the_signature_check_and_only_for_its_namespace() {
        let ring = KeyRing::parse(RING).unwrap();
        let verdict = |role, signature| {
            let policy = Policy { role, ..policy(&ring) };
            let evidence = Evidence { manifest: Some(MESSAGE), signature: Some(signature) };
            check_manifest(&policy, "good", evidence).unwrap_err().code()
        };
        // The message is no manifest: MANIFEST_SYNTAX is what comes after the signature.
        assert_eq!(verdict(Role::Boot, BY_SSH_KEYGEN), "MANIFEST_SYNTAX");
        assert_eq!(verdict(Role::Recovery, BY_SSH_KEYGEN), "NAMESPACE");
        assert_eq!(verdict(Role::Boot, FOR_FILE), "NAMESPACE");
    }

    #[test]
    fn every_code_is_listed_in_the_document_and_no_other() {
        let document = include_str!("../../docs/reason-codes.md");
        let (_, trust) = document.split_once("## Trust").unwrap();
        let section = trust.split("\n## ").next().unwrap();
        let listed: Vec<_> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(code, _)| code)
            .collect();
        assert_eq!(listed, Refusal::CODES);
    }
}
