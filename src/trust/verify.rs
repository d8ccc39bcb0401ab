//! The verdict: first on the manifest, which is small and read early, then on
//! the files that it binds.
//!
//! [`Verified`] has one constructor, [`verify`]; [`verify`] needs an
//! [`Attested`], and only [`check_manifest`] makes those. No step may turn an
//! error into "unsigned": a manifest that is there and bad is refused in every
//! mode, as far as there is a ring to tell. Codes: `docs/reason-codes.md`.

use core::ops::Deref;

use super::allowed_signers::KeyRing;
use super::manifest::{self, File, Linux, Manifest, System, Uki};
use super::policy::{Fingerprint, Floors, Policy};
use super::signers::{self, Signers};
use super::slots::{self, SlotValues};
use super::{Role, lines, manifest_path};
use crate::arch::Arch;
use crate::bundle::{Blob, Bundle, Digest};

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
    by: signers::Signed,
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
    let syntax = |error| Refusal::ManifestSyntax { entry: entry.to_owned(), error };
    lines::check_length(bytes).map_err(syntax)?;
    let Some(ring) = context.ring else {
        return Err(Refusal::KeyUnknown { file: path, fingerprint: None });
    };
    let file = signers::File { path: &path, bytes, signatures: evidence.signature };
    let purposes = Role::ALL.map(Role::namespace);
    let signers = Signers::of(file, ring, context.policy, &purposes)?.any()?;
    let manifest = manifest::parse(bytes).map_err(syntax)?;
    let purpose = manifest.role.namespace();
    let by = signers.enough(purpose, context.policy.threshold(purpose))?;
    let signed = Signed { manifest: Box::new(manifest), digest: Digest::of(bytes), by };
    check_purpose(context, entry, &signed)?;
    Ok(Attested::Signed(signed))
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
        let (signed, machine) = (manifest.architecture, context.arch);
        return Err(Refusal::Architecture { signed, machine });
    }
    if !is_for(&manifest.boards, &context.identity.boards) {
        let (signed, machine) = (manifest.boards.clone(), context.identity.boards.clone());
        return Err(Refusal::Board { signed, machine });
    }
    if !is_for(&manifest.devices, &context.identity.devices) {
        let (signed, machine) = (manifest.devices.clone(), context.identity.devices.clone());
        return Err(Refusal::Device { signed, machine });
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
    let (role, signed) = (manifest.role, manifest.security_version);
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
pub fn verify<B: AsRef<[u8]>>(
    attested: &Attested,
    mut bundle: Bundle<B>,
    values: &SlotValues,
) -> Result<Verified<Bundle<B>>, Refusal> {
    match attested {
        Attested::Signed(signed) => {
            check_files(&signed.manifest, &bundle)?;
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

fn check_files<B: AsRef<[u8]>>(manifest: &Manifest, bundle: &Bundle<B>) -> Result<(), Refusal> {
    check_entry(&bundle.entry, manifest)?;
    match &manifest.system {
        System::Linux(linux) => check_linux(linux, bundle),
        System::Uki(uki) => check_uki(uki, bundle),
    }
}

fn check_linux<B: AsRef<[u8]>>(signed: &Linux, bundle: &Bundle<B>) -> Result<(), Refusal> {
    check_profile(None, bundle)?;
    check_size(&signed.kernel, &bundle.linux).map_err(Refusal::LinuxSize)?;
    check_digest(&signed.kernel, &bundle.linux).map_err(Refusal::LinuxDigest)?;
    check_initrds(&signed.initrds, bundle)?;
    check_devicetree(signed.devicetree.as_ref(), bundle)?;
    check_overlays(&signed.overlays, bundle)?;
    check_addons(&[], bundle)
}

fn check_uki<B: AsRef<[u8]>>(signed: &Uki, bundle: &Bundle<B>) -> Result<(), Refusal> {
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
fn check_profile<B>(signed: Option<u32>, bundle: &Bundle<B>) -> Result<(), Refusal> {
    if signed == bundle.profile {
        return Ok(());
    }
    Err(Refusal::Profile { signed, found: bundle.profile })
}

fn check_initrds<B: AsRef<[u8]>>(signed: &[File], bundle: &Bundle<B>) -> Result<(), Refusal> {
    let count = (signed.len(), bundle.initrds.len());
    if count.0 != count.1 {
        return Err(Refusal::InitrdCount { signed: count.0, found: count.1 });
    }
    for (file, blob) in signed.iter().zip(&bundle.initrds) {
        check_size(file, blob).map_err(Refusal::InitrdSize)?;
        check_digest(file, blob).map_err(Refusal::InitrdDigest)?;
    }
    Ok(())
}

fn check_devicetree<B: AsRef<[u8]>>(
    signed: Option<&File>,
    bundle: &Bundle<B>,
) -> Result<(), Refusal> {
    match (signed, &bundle.devicetree) {
        (None, None) => Ok(()),
        (Some(file), Some(blob)) => check_digest(file, blob).map_err(Refusal::DevicetreeDigest),
        (Some(file), None) => Err(Refusal::Devicetree { path: file.path.clone(), signed: true }),
        (None, Some(blob)) => Err(Refusal::Devicetree { path: blob.path.clone(), signed: false }),
    }
}

fn check_overlays<B: AsRef<[u8]>>(signed: &[File], bundle: &Bundle<B>) -> Result<(), Refusal> {
    let count = (signed.len(), bundle.overlays.len());
    if count.0 != count.1 {
        return Err(Refusal::OverlayCount { signed: count.0, found: count.1 });
    }
    let mut pairs = signed.iter().zip(&bundle.overlays);
    pairs.try_for_each(|(file, blob)| check_digest(file, blob).map_err(Refusal::OverlayDigest))
}

fn check_addons<B: AsRef<[u8]>>(signed: &[File], bundle: &Bundle<B>) -> Result<(), Refusal> {
    let count = (signed.len(), bundle.addons.len());
    if count.0 != count.1 {
        return Err(Refusal::AddonCount { signed: count.0, found: count.1 });
    }
    let mut pairs = signed.iter().zip(&bundle.addons);
    pairs.try_for_each(|(file, blob)| check_digest(file, blob).map_err(Refusal::AddonDigest))
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

impl Context<'_> {
    /// An open image without a ring boots anything and can prove nothing: a
    /// signed entry must not be worth less there than an unsigned one.
    fn is_blind(&self) -> bool {
        self.mode == Mode::Open && self.ring.is_none()
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
mod tests {
    use std::sync::LazyLock;

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
        make::ring(&[
            ("release", "turnout-boot", make::public(RELEASE)),
            ("owner", "turnout-policy,turnout-unlock", make::public(POLICY_ONLY)),
        ])
    }

    fn bundle() -> Bundle<Vec<u8>> {
        let blob = |path, bytes: &[u8]| Blob::hash(path, bytes.to_vec());
        Bundle {
            entry: "good".to_owned(),
            linux: blob("/vmlinuz", b"kernel"),
            initrds: vec![blob("/a.img", b"first"), blob("/b.img", b"other")],
            devicetree: Some(blob("/x.dtb", b"tree")),
            overlays: Vec::new(),
            addons: Vec::new(),
            profile: None,
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
            role: Role::Boot,
            security_version: 1,
            architecture: Arch::X86_64,
            boards: Vec::new(),
            devices: Vec::new(),
            system: System::Linux(Linux {
                kernel: file(&bundle.linux),
                initrds: bundle.initrds.iter().map(file).collect(),
                devicetree: bundle.devicetree.as_ref().map(file),
                overlays: Vec::new(),
                slots: Vec::new(),
                options: "ro quiet".to_owned(),
            }),
        }
    }

    static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);
    static NOBODY: LazyLock<Identity> = LazyLock::new(Identity::default);

    const NOTHING: SlotValues = SlotValues { tries: None, name: None };

    fn context(ring: &KeyRing) -> Context<'_> {
        Context {
            mode: Mode::Locked,
            ring: Some(ring),
            policy: &POLICY,
            arch: Arch::X86_64,
            identity: &NOBODY,
            floors: Floors::default(),
        }
    }

    /// The verdict on `manifest` with these signatures over it, for entry "good".
    fn verdict(manifest: &str, signatures: &str) -> Result<Attested, Refusal> {
        let evidence = Evidence {
            manifest: Some(manifest.as_bytes()),
            signature: Some(signatures.as_bytes()),
        };
        check_manifest(&context(&ring()), "good", evidence)
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
        assert_eq!(signed.signers(), ["release"]);
        assert_eq!(signed.manifest(), &manifest());
        let verified = verify(&attested, bundle(), &NOTHING).unwrap();
        assert_eq!(verified.options, "ro quiet");
        assert_eq!(verified.get().linux.bytes, b"kernel");
        assert_eq!(verified.into_inner().initrds.len(), 2);
    }

    #[test]
    fn without_a_manifest_only_open_mode_boots_and_only_that_entry() {
        let ring = ring();
        let nothing = Evidence { manifest: None, signature: None };
        let refusal = check_manifest(&context(&ring), "good", nothing).unwrap_err();
        assert_eq!(code(refusal, &["/turnout/good.manifest"]), "UNSIGNED");

        let open = Context { mode: Mode::Open, ..context(&ring) };
        let attested = check_manifest(&open, "good", nothing).unwrap();
        assert!(matches!(attested, Attested::Unsigned(_)));
        assert_eq!(verify(&attested, bundle(), &NOTHING).unwrap().options, "what the menu says");

        let other = Bundle { entry: "other".to_owned(), ..bundle() };
        let refusal = verify(&attested, other, &NOTHING).unwrap_err();
        assert_eq!(code(refusal, &["/turnout/other.manifest"]), "UNSIGNED");
    }

    #[test]
    fn a_bad_manifest_is_refused_in_open_mode_too() {
        let ring = ring();
        let text = manifest().write();
        let stranger = signed_by(STRANGER, &text);
        let open = Context { mode: Mode::Open, ..context(&ring) };
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

        let locked = Context { ring: None, ..context(&ring) };
        let refusal = check_manifest(&locked, "good", evidence).unwrap_err();
        assert_eq!(code(refusal, &["no key ring"]), "KEY_UNKNOWN");

        let open = Context { mode: Mode::Open, ..locked };
        let attested = check_manifest(&open, "good", evidence).unwrap();
        assert_eq!(verify(&attested, bundle(), &NOTHING).unwrap().options, "what the menu says");
    }

    #[test]
    fn a_signature_file_that_is_missing_or_broken_is_told_apart() {
        let ring = ring();
        let text = manifest().write();
        let evidence = Evidence { manifest: Some(text.as_bytes()), signature: None };
        let refusal = check_manifest(&context(&ring), "good", evidence).unwrap_err();
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
        let fingerprint = make::public(STRANGER).fingerprint().to_string();
        let refusal = verdict(&text, &signed_by(STRANGER, &text)).unwrap_err();
        assert_eq!(code(refusal, &[&fingerprint]), "KEY_UNKNOWN");
    }

    #[test]
    fn a_signature_for_another_namespace_or_by_a_key_for_another_is_refused() {
        let text = manifest().write();
        let elsewhere = make::armored(RELEASE, "turnout-recovery", text.as_bytes());
        let refusal = verdict(&text, &elsewhere).unwrap_err();
        assert_eq!(
            code(refusal, &["may sign for \"turnout-boot\"", "turnout-recovery"]),
            "NAMESPACE"
        );
        let refusal = verdict(&text, &signed_by(POLICY_ONLY, &text)).unwrap_err();
        let words = [
            "may sign for \"turnout-policy, turnout-unlock\"",
            "\"owner\"",
            "not for turnout-boot",
        ];
        assert_eq!(code(refusal, &words), "NAMESPACE");
    }

    #[test]
    fn a_manifest_of_one_role_is_not_signed_for_the_other() {
        let ring = make::ring(&[("both", "turnout-boot,turnout-recovery", make::public(RELEASE))]);
        for (role, other) in [(Role::Boot, Role::Recovery), (Role::Recovery, Role::Boot)] {
            let text = Manifest { role, ..manifest() }.write();
            let check = |namespace: Role| {
                let name = namespace.namespace().name();
                let signature = make::armored(RELEASE, name, text.as_bytes());
                let (manifest, signature) = (Some(text.as_bytes()), Some(signature.as_bytes()));
                check_manifest(&context(&ring), "good", Evidence { manifest, signature })
            };
            let Ok(Attested::Signed(signed)) = check(role) else { panic!("{role}") };
            assert_eq!(signed.role(), role);
            let words = [other.namespace().name(), role.namespace().name()];
            assert_eq!(code(check(other).unwrap_err(), &words), "ROLE");
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
        assert_eq!(code(refusal, &["acme,one", "does not say"]), "BOARD");
    }

    /// Verifies the good manifest against a bundle after `change`.
    fn refused(change: impl FnOnce(&mut Bundle<Vec<u8>>)) -> Refusal {
        let attested = signed_verdict(&manifest()).unwrap();
        let mut bundle = bundle();
        change(&mut bundle);
        verify(&attested, bundle, &NOTHING).unwrap_err()
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

        let mut none = manifest();
        if let System::Linux(linux) = &mut none.system {
            linux.devicetree = None;
        }
        let refusal = verify(&signed_verdict(&none).unwrap(), bundle(), &NOTHING).unwrap_err();
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
            check_manifest(&context(&ring), "good", evidence).is_ok()
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
        let verdict = |signature| {
            let evidence = Evidence { manifest: Some(MESSAGE), signature: Some(signature) };
            check_manifest(&context(&ring), "good", evidence).unwrap_err().code()
        };
        // The message is no manifest: MANIFEST_SYNTAX is what comes after the signature.
        assert_eq!(verdict(BY_SSH_KEYGEN), "MANIFEST_SYNTAX");
        assert_eq!(verdict(FOR_FILE), "NAMESPACE");
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
