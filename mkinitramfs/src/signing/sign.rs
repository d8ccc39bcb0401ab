//! Makes an entry's manifest and signature, and checks them as the device will.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use turnout::base::arch::Arch;
use turnout::bundle::{Blob, Bundle};
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::manifest::{self, File, Linux, Manifest, System, Uki};
use turnout::trust::policy::Policy;
use turnout::trust::slots::Slot;
use turnout::trust::verify::{
    self, Attested, Context, Evidence, Identity, Mode, Refusal, Signed, Verified,
};
use turnout::trust::{Role, manifest_path, signature_path};

use crate::output;
use crate::signing::entry::BootEntry;
use crate::signing::ring;
use crate::signing::seal;
use crate::signing::signer::Signer;

/// What a manifest says that is not in the menu entry.
#[derive(Debug, Clone)]
pub struct Claims {
    /// Title for people, in place of the menu's.
    pub title: Option<String>,
    /// What the system is for.
    pub role: Role,
    /// Grows when an older entry must no longer boot.
    pub security_version: u32,
    /// Boards that the entry is limited to.
    pub boards: Vec<String>,
    /// Devices that it is limited to.
    pub devices: Vec<String>,
    /// What the loader may fill into the command line.
    pub slots: Vec<Slot>,
}

/// What became of an entry that was to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The signature file holds this key's signature alone.
    Signed,
    /// This key had signed exactly this already.
    Unchanged,
    /// The signature is there in place of those of these keys.
    Replaced(Vec<String>),
}

/// Signs `boot` and writes manifest and signature below `root`.
///
/// # Errors
/// Something in the entry cannot stand in a manifest, or a file cannot be
/// written. Nothing is written unless the result has been verified.
pub fn sign(
    root: &Path,
    boot: BootEntry,
    arch: Arch,
    claims: &Claims,
    signer: &mut Signer,
) -> Result<Outcome> {
    let id = boot.entry.id.clone();
    refuse_links(root, &id)?;
    let text = text(&boot, arch, claims).with_context(|| format!("{id} cannot be signed"))?;
    let others = others(root, &id, &text, signer)?;
    if matches!(&others, Others::Mine) {
        return Ok(Outcome::Unchanged);
    }
    let signatures = seal::seal(signer, claims.role.namespace().name(), text.as_bytes())?;
    check_own(boot, &text, &signatures, signer)?;
    write(root, &manifest_path(&id), text.as_bytes())?;
    write(root, &signature_path(&id), signatures.as_bytes())?;
    Ok(match others {
        Others::Theirs(keys) if !keys.is_empty() => Outcome::Replaced(keys),
        _ => Outcome::Signed,
    })
}

/// Signs the manifest that is there as well, unless it does not fit the entry's
/// files.
///
/// # Errors
/// As [`sign`]; there is no manifest, or no good signature over it.
pub fn add(root: &Path, boot: BootEntry, signer: &mut Signer) -> Result<()> {
    let id = boot.entry.id.clone();
    refuse_links(root, &id)?;
    let manifest = manifest_path(&id);
    let signatures = signature_path(&id);
    let text = read_to_add(root, &manifest)?;
    let there = read_to_add(root, &signatures)?;
    let parsed = manifest::parse(&text).with_context(|| manifest.clone())?;
    let namespace = parsed.role.namespace().name();
    let added = seal::add(signer, namespace, &text, &there).with_context(|| signatures.clone())?;
    check_own(boot, &parsed.write(), &added, signer)?;
    write(root, &signatures, added.as_bytes())
}

fn read_to_add(root: &Path, path: &str) -> Result<Vec<u8>> {
    read(root, path)?.with_context(|| {
        format!("there is no {path} to add a signature to; the first one signs without --add")
    })
}

/// The security version in the manifest that an entry has; none where there is
/// no manifest that can be read.
///
/// # Errors
/// It is there and cannot be read from the disk.
pub fn security_version(root: &Path, id: &str) -> Result<Option<u32>> {
    let manifest = read(root, &manifest_path(id))?.and_then(|text| manifest::parse(&text).ok());
    Ok(manifest.map(|manifest| manifest.security_version))
}

/// Whose signatures are there already.
enum Others {
    /// This key's, among others perhaps, over exactly this text.
    Mine,
    /// Fingerprints of other keys.
    Theirs(Vec<String>),
}

fn others(root: &Path, id: &str, text: &str, signer: &Signer) -> Result<Others> {
    let same = read(root, &manifest_path(id))?.is_some_and(|old| old == text.as_bytes());
    let there = read(root, &signature_path(id))?.unwrap_or_default();
    let there = turnout::trust::sshsig::parse(&there).unwrap_or_default();
    let mine = signer.fingerprint();
    let namespace = manifest::parse(text.as_bytes())?.role.namespace().name();
    let mut of_mine = there.iter().filter(|one| one.key.fingerprint().to_string() == mine);
    if same && of_mine.any(|one| one.namespace == namespace && one.verifies(text.as_bytes())) {
        return Ok(Others::Mine);
    }
    let keys = there.iter().map(|one| one.key.fingerprint().to_string());
    Ok(Others::Theirs(keys.filter(|key| *key != mine).collect()))
}

/// The manifest's text, which reads back as what was meant.
///
/// # Errors
/// Something in the entry cannot stand in a manifest.
pub fn text(boot: &BootEntry, arch: Arch, claims: &Claims) -> Result<String> {
    let manifest = manifest(boot, arch, claims);
    refuse_blanks(&manifest)?;
    refuse_undeclared(&manifest)?;
    let text = manifest.write();
    let read_back = manifest::parse(text.as_bytes()).context("the manifest would be wrong")?;
    ensure!(read_back == manifest, "a value changes when it is written");
    Ok(text)
}

fn manifest(boot: &BootEntry, architecture: Arch, claims: &Claims) -> Manifest {
    let mut slots = claims.slots.clone();
    slots.sort_unstable();
    slots.dedup();
    Manifest {
        entry: boot.entry.id.clone(),
        title: claims.title.clone().or_else(|| boot.entry.title.clone()),
        role: claims.role,
        security_version: claims.security_version,
        architecture,
        boards: claims.boards.clone(),
        devices: claims.devices.clone(),
        system: system(boot, slots),
    }
}

fn system(boot: &BootEntry, slots: Vec<Slot>) -> System {
    let bundle = &boot.bundle;
    match bundle.profile {
        Some(profile) => {
            System::Uki(Uki { image: file(&bundle.linux), profile, addons: files(&bundle.addons) })
        }
        None => System::Linux(Linux {
            kernel: file(&bundle.linux),
            initrds: files(&bundle.initrds),
            devicetree: bundle.devicetree.as_ref().map(file),
            overlays: files(&bundle.overlays),
            slots,
            options: bundle.options.clone(),
        }),
    }
}

fn files(blobs: &[Blob<Vec<u8>>]) -> Vec<File> {
    blobs.iter().map(file).collect()
}

fn file(blob: &Blob<Vec<u8>>) -> File {
    File { path: blob.path.clone(), size: blob.size, digest: blob.digest }
}

/// A manifest divides its lines at blanks.
fn refuse_blanks(manifest: &Manifest) -> Result<()> {
    match manifest.files().find(|file| file.path.contains(char::is_whitespace)) {
        Some(file) => bail!("the path {:?} contains a blank; rename the file", file.path),
        None => Ok(()),
    }
}

/// What looks like a slot and is not declared would boot as it is written.
fn refuse_undeclared(manifest: &Manifest) -> Result<()> {
    let System::Linux(linux) = &manifest.system else { return Ok(()) };
    let mut undeclared = Slot::ALL.iter().filter(|slot| !linux.slots.contains(slot));
    match undeclared.find(|slot| linux.options.contains(slot.placeholder())) {
        Some(slot) => bail!(
            "the options contain {}; give --slot {slot} if the loader is to fill it in",
            slot.placeholder()
        ),
        None => Ok(()),
    }
}

/// Verifies what was just signed as a device would that knows only this key.
fn check_own(boot: BootEntry, text: &str, signatures: &str, signer: &Signer) -> Result<()> {
    let manifest = manifest::parse(text.as_bytes())?;
    let line = ring::line(&signer.public().to_openssh()?, &[manifest.role.namespace()]);
    let ring = KeyRing::parse(line.as_bytes())?;
    let evidence =
        Evidence { manifest: Some(text.as_bytes()), signature: Some(signatures.as_bytes()) };
    let machine = Machine::of(&manifest);
    let verdict = verdict(&machine.context(&ring, &Policy::default()), evidence, boot);
    verdict.context("this does not verify, and nothing was written")?;
    Ok(())
}

/// The device that an entry is checked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its architecture.
    pub arch: Arch,
    /// Its boards and ids.
    pub identity: Identity,
}

impl Machine {
    /// A machine that the manifest is for.
    fn of(manifest: &Manifest) -> Self {
        let identity =
            Identity { boards: manifest.boards.clone(), devices: manifest.devices.clone() };
        Self { arch: manifest.architecture, identity }
    }

    fn context<'a>(&'a self, ring: &'a KeyRing, policy: &'a Policy) -> Context<'a> {
        Context {
            mode: Mode::Locked,
            ring: Some(ring),
            policy,
            arch: self.arch,
            identity: &self.identity,
            floors: policy.minimum,
        }
    }
}

/// What is known of the device that an entry is checked for; the rest is as the
/// manifest wants it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Its architecture.
    pub arch: Option<Arch>,
    /// Names of its board; empty for the manifest's.
    pub boards: Vec<String>,
    /// Its ids; empty for the manifest's.
    pub devices: Vec<String>,
}

impl Target {
    /// Where there is no manifest, the refusal comes before any of it counts.
    fn machine(&self, manifest: Option<&[u8]>) -> Machine {
        let manifest = manifest.and_then(|bytes| manifest::parse(bytes).ok());
        let wanted = manifest.as_ref().map(Machine::of);
        let identity = wanted.as_ref().map(|machine| machine.identity.clone()).unwrap_or_default();
        Machine {
            arch: self.arch.or(wanted.map(|machine| machine.arch)).unwrap_or(Arch::X86_64),
            identity: Identity {
                boards: given_or(&self.boards, identity.boards),
                devices: given_or(&self.devices, identity.devices),
            },
        }
    }
}

fn given_or(given: &[String], wanted: Vec<String>) -> Vec<String> {
    if given.is_empty() { wanted } else { given.to_vec() }
}

/// An entry as a locked device would boot it, and on whose word.
pub type Admitted = (Attested, Verified<Bundle<Vec<u8>>>);

/// Says what a device would say about the entry.
///
/// # Errors
/// As [`admit`].
pub fn check(
    root: &Path,
    boot: BootEntry,
    target: &Target,
    ring: &KeyRing,
    policy: &Policy,
) -> Result<Result<Signed, Refusal>> {
    let entry = boot.bundle.entry.clone();
    Ok(match admit(root, boot, target, ring, policy)? {
        Ok((Attested::Signed(signed), _)) => Ok(signed),
        // A locked device lets nothing pass unsigned.
        Ok((Attested::Unsigned(_), _)) => Err(Refusal::Unsigned { entry }),
        Err(refusal) => Err(refusal),
    })
}

/// The entry as a device would boot it.
///
/// # Errors
/// The outer one if the files beside the entry cannot be read, the inner one if
/// the entry is refused.
pub fn admit(
    root: &Path,
    boot: BootEntry,
    target: &Target,
    ring: &KeyRing,
    policy: &Policy,
) -> Result<Result<Admitted, Refusal>> {
    let id = &boot.entry.id;
    let manifest = read(root, &manifest_path(id))?;
    let signature = read(root, &signature_path(id))?;
    let evidence = Evidence { manifest: manifest.as_deref(), signature: signature.as_deref() };
    let machine = target.machine(manifest.as_deref());
    Ok(verdict(&machine.context(ring, policy), evidence, boot))
}

fn verdict(
    context: &Context<'_>,
    evidence: Evidence<'_>,
    boot: BootEntry,
) -> Result<Admitted, Refusal> {
    let attested = verify::check_manifest(context, &boot.entry.id, evidence)?;
    let bundle = verify::verify(&attested, boot.bundle, &boot.values)?;
    Ok((attested, bundle))
}

/// Through a link the machine would not read what is written, and whoever made the
/// link would say what is written to.
fn refuse_links(root: &Path, id: &str) -> Result<()> {
    for path in [manifest_path(id), signature_path(id)] {
        let path = root.join(path.trim_start_matches('/'));
        ensure!(
            !path.is_symlink(),
            "{} is a symbolic link, and no machine follows one to a manifest: remove it",
            path.display()
        );
    }
    Ok(())
}

/// Writes a file of the boot partition.
fn write(root: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let path = root.join(path.trim_start_matches('/'));
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
    }
    output::write(&path, bytes)
}

/// The bytes of a file of the boot partition, `None` if there is none.
fn read(root: &Path, path: &str) -> Result<Option<Vec<u8>>> {
    read_if_there(&root.join(path.trim_start_matches('/')))
}

/// The bytes of a file, `None` if there is none.
///
/// # Errors
/// It is there and cannot be read.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
