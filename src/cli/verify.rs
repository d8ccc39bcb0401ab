//! `turnout verify`: what a locked Turnout would say of the entries of a boot
//! partition.
//!
//! It reads, checks and refuses by the same calls as PID 1, updates of ring and
//! policy included; nothing is good because it could not be read. What a machine
//! remembers (its floors) it cannot know: docs/cli.md.

use core::sync::atomic::AtomicBool;
use std::path::{Path, PathBuf};

use super::Answer;
use super::source::Source;
use crate::arch::Arch;
use crate::boot::anchor::Anchor;
use crate::boot::partition;
use crate::bundle::Bundle;
use crate::failure::{Cause, Failure, Stage};
use crate::image;
use crate::json::{self, Object};
use crate::menu::{Code, Entry, Target};
use crate::preflight::Limits;
use crate::sys::read::{Root, Sealed};
use crate::sys::sources::Sources;
use crate::sys::{file, identity, machine};
use crate::text::printable;
use crate::trust::allowed_signers::KeyRing;
use crate::trust::manifest::{self, File, System};
use crate::trust::policy::{self, Floors, Policy};
use crate::trust::slots::SlotValues;
use crate::trust::verify::{
    Attested, Context, Evidence, Identity, Mode, Refusal, Signed, Verified, check_manifest, verify,
};
use crate::trust::{MAX_FILE, signatures_of};

/// `turnout verify`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verify {
    pub(super) what: What,
    pub(super) source: Source,
    pub(super) keys: Option<PathBuf>,
    pub(super) policy: Option<PathBuf>,
    /// Of the machine that is checked for; none for this one's, or in a
    /// directory for the one of an entry's kernel.
    pub(super) arch: Option<Arch>,
    /// Likewise; empty for this machine's.
    pub(super) boards: Vec<String>,
    pub(super) devices: Vec<String>,
    pub(super) json: bool,
}

/// What is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum What {
    /// Every entry of the menu.
    #[default]
    Menu,
    /// The entry of this id.
    Entry(String),
    /// This manifest and the files that it names.
    Manifest(PathBuf),
}

/// What the files of an entry may take is for the machine that boots it to say.
const UNLIMITED: Limits<'_> = Limits { memory: u64::MAX, cmdline: u64::MAX, consoles: &[] };

/// An entry and what was found.
struct Checked {
    id: String,
    verdict: Result<Signed, Failure>,
}

/// Gives what is to be printed, and 1 as the status if anything was refused.
pub(super) fn run(wish: &Verify) -> Result<Answer, Failure> {
    let root = wish.source().open()?;
    let (anchor, mut notes) = wish.anchor()?.updated(&root);
    let judge = Judge { root: &root, anchor: &anchor, machine: &wish.machine() };
    let checked = judge.all(&wish.what, &mut notes)?;
    let refused = checked.iter().any(|one| one.verdict.is_err());
    let text = if wish.json {
        json::object(|out| write_json(&checked, &notes, &anchor, out))
    } else {
        text(&checked, &notes)
    };
    Ok(Answer { text, status: refused.into() })
}

impl Verify {
    /// A manifest alone tells its partition, where it lies in its place there.
    fn source(&self) -> Source {
        match (&self.what, &self.source) {
            (What::Manifest(path), Source::Here) => {
                let directory = path.parent().filter(|parent| parent.ends_with("turnout"));
                let above = directory.and_then(Path::parent).map(|above| match above.to_str() {
                    Some("") => PathBuf::from("."),
                    _ => above.to_owned(),
                });
                above.map_or(Source::Here, Source::Directory)
            }
            _ => self.source.clone(),
        }
    }

    fn anchor(&self) -> Result<Anchor, Failure> {
        let of_image = || Anchor::of_image(Mode::Locked);
        let Some(keys) = &self.keys else {
            let mut anchor = of_image().map_err(|failure| {
                let why = format!("{}; name a key ring with --keys", failure.sentence());
                Failure::new(failure.stage, why)
            })?;
            if let Some(policy) = &self.policy {
                anchor.policy = read_policy(policy)?;
            }
            return Ok(anchor);
        };
        let policy = self.policy.as_deref().map(read_policy).transpose()?.unwrap_or_default();
        Ok(Anchor { ring: Some(read_ring(keys)?), policy })
    }

    fn machine(&self) -> Machine {
        let mut identity = identity::read(&Sources::live());
        if !self.boards.is_empty() {
            identity.boards.clone_from(&self.boards);
        }
        if !self.devices.is_empty() {
            identity.devices.clone_from(&self.devices);
        }
        let arch = self.arch.unwrap_or_else(machine::arch);
        let follows_kernel = self.arch.is_none() && matches!(self.source(), Source::Directory(_));
        Machine { arch, follows_kernel, identity }
    }
}

fn read_ring(path: &Path) -> Result<KeyRing, Failure> {
    let name = path.display();
    let bytes = read(path)?;
    KeyRing::parse(&bytes).map_err(|error| Failure::new(Stage::Start, format!("{name}: {error}")))
}

fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let name = path.display();
    let bytes = read(path)?;
    policy::parse(&bytes).map_err(|error| Failure::new(Stage::Start, format!("{name}: {error}")))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    file::read_bytes(path, MAX_FILE as u64).map_err(|error| Failure::new(Stage::Read, error))
}

/// The machine that is checked for.
struct Machine {
    arch: Arch,
    /// Whether a verified kernel of the other architecture makes it one of that.
    follows_kernel: bool,
    identity: Identity,
}

/// Checks entries of one partition for one machine.
struct Judge<'a> {
    root: &'a Root,
    anchor: &'a Anchor,
    machine: &'a Machine,
}

/// What the last step gives: who signed, and the verified kernel's own
/// architecture.
type Outcome = (Signed, Option<Arch>);

impl Judge<'_> {
    /// The verdicts; what has to be said of the menu goes to `notes`.
    fn all(&self, what: &What, notes: &mut Vec<String>) -> Result<Vec<Checked>, Failure> {
        if let What::Manifest(path) = what {
            return Ok(vec![self.manifest(path)?]);
        }
        let entries = self.entries(notes);
        let is_wanted = |entry: &&Entry| match what {
            What::Entry(id) => entry.id == *id,
            What::Menu | What::Manifest(_) => true,
        };
        let checked: Vec<_> =
            entries.iter().filter(is_wanted).map(|entry| self.entry(entry)).collect();
        if checked.is_empty() {
            let why = [&[not_found(what, &entries)], notes.as_slice()].concat().join(": ");
            return Err(Failure::new(Stage::Menu, why));
        }
        Ok(checked)
    }

    fn entries(&self, notes: &mut Vec<String>) -> Vec<Entry> {
        let boards = &self.machine.identity.boards;
        let read = |arch| partition::read_menu(self.root, &Target { arch, boards });
        let mut menu = read(self.machine.arch);
        if self.machine.follows_kernel {
            let more = read(other(self.machine.arch)).entries.into_iter();
            menu.entries.extend(more.filter(|entry| entry.architecture.is_some()));
            menu.diagnostics.retain(|diagnostic| diagnostic.code != Code::Architecture);
        }
        notes.extend(menu.diagnostics.iter().map(ToString::to_string));
        menu.entries
    }

    fn entry(&self, entry: &Entry) -> Checked {
        let verdict = self.judge(|context| {
            let found = partition::examine(context, self.root, entry, &UNLIMITED, Ok);
            let attested = found.into_verdict()?;
            let bundle = partition::read_bundle(self.root, entry, &AtomicBool::new(false))?;
            prove(attested, bundle, &partition::slot_values(entry))
        });
        Checked { id: entry.id.clone(), verdict }
    }

    /// A manifest without a menu entry: its own files, and no values for slots
    /// but the entry's.
    fn manifest(&self, path: &Path) -> Result<Checked, Failure> {
        let (text, signatures) = (read(path)?, read_signatures(path)?);
        let id = match manifest::parse(&text) {
            Ok(manifest) => manifest.entry,
            // A text that nobody may have signed names nothing but itself.
            Err(_) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let evidence = Evidence { manifest: Some(&text), signature: signatures.as_deref() };
        let verdict = self.judge(|context| {
            let attested = check_manifest(context, &id, evidence).map_err(Failure::refused)?;
            let entry = entry_of(&id, &attested);
            let bundle = partition::read_bundle(self.root, &entry, &AtomicBool::new(false))?;
            prove(attested, bundle, &partition::slot_values(&entry))
        });
        Ok(Checked { id, verdict })
    }

    /// Checks for the machine, and where that follows the kernel and all that is
    /// wrong is the architecture, for one of the other.
    fn judge(
        &self,
        check: impl Fn(&Context<'_>) -> Result<Outcome, Failure>,
    ) -> Result<Signed, Failure> {
        let arch = self.machine.arch;
        match check(&self.context(arch)) {
            Err(failure) if self.machine.follows_kernel && is_of_other_arch(&failure) => {
                match check(&self.context(other(arch)))? {
                    (signed, Some(kernel)) if kernel != arch => Ok(signed),
                    _ => Err(failure),
                }
            }
            outcome => outcome.map(|(signed, _)| signed),
        }
    }

    fn context(&self, arch: Arch) -> Context<'_> {
        Context {
            mode: Mode::Locked,
            ring: self.anchor.ring.as_ref(),
            policy: &self.anchor.policy,
            arch,
            identity: &self.machine.identity,
            floors: Floors::default(),
        }
    }
}

const fn other(arch: Arch) -> Arch {
    match arch {
        Arch::X86_64 => Arch::Aarch64,
        Arch::Aarch64 => Arch::X86_64,
    }
}

fn is_of_other_arch(failure: &Failure) -> bool {
    let Cause::Refused(refusal) = &failure.cause else { return false };
    matches!(**refusal, Refusal::Architecture { .. })
}

/// Whether the files are the signed ones.
fn prove(
    attested: Attested,
    bundle: Bundle<Sealed>,
    slots: &SlotValues,
) -> Result<Outcome, Failure> {
    let verified = verify(&attested, bundle, slots).map_err(Failure::refused)?;
    match attested {
        Attested::Signed(signed) => Ok((signed, kernel_arch(&verified))),
        // A locked machine lets nothing pass unsigned.
        Attested::Unsigned(_) => {
            let entry = verified.into_inner().entry;
            Err(Failure::refused(Refusal::Unsigned { entry }))
        }
    }
}

/// What the verified kernel itself says; none if it is no kernel.
fn kernel_arch(verified: &Verified<Bundle<Sealed>>) -> Option<Arch> {
    let Bundle { linux, profile, .. } = verified.get();
    let limits = image::Limits { output: machine::memory_for_files() };
    let unpacked = image::unpack_profile(linux.bytes.as_ref(), profile.unwrap_or(0), &limits);
    Some(image::describe(&unpacked.ok()?).arch)
}

/// A menu entry with exactly the files of a manifest.
fn entry_of(id: &str, attested: &Attested) -> Entry {
    let mut entry = Entry { id: id.to_owned(), ..Entry::default() };
    let Attested::Signed(signed) = attested else { return entry };
    let paths = |files: &[File]| files.iter().map(|file| file.path.clone()).collect();
    match &signed.manifest().system {
        System::Linux(linux) => {
            entry.linux = Some(linux.kernel.path.clone());
            entry.initrds = paths(&linux.initrds);
            entry.devicetree = linux.devicetree.as_ref().map(|file| file.path.clone());
            entry.overlays = paths(&linux.overlays);
        }
        System::Uki(uki) => {
            entry.uki = Some(uki.image.path.clone());
            entry.profile = Some(uki.profile);
            entry.addons = paths(&uki.addons);
        }
    }
    entry
}

fn read_signatures(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let path = signatures_of(&path.display().to_string());
    match file::read_bytes(Path::new(&path), MAX_FILE as u64) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(Failure::new(Stage::Read, error)),
    }
}

fn not_found(what: &What, entries: &[Entry]) -> String {
    let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
    match what {
        What::Entry(id) if !ids.is_empty() => {
            format!("there is no entry {id}; there is {}", ids.join(", "))
        }
        _ => format!("there is no menu entry in {}", partition::ENTRIES),
    }
}

fn text(checked: &[Checked], notes: &[String]) -> String {
    let mut lines: Vec<String> = notes.iter().map(|note| format!("note: {note}")).collect();
    lines.extend(checked.iter().map(|one| match &one.verdict {
        Ok(signed) => {
            let (signers, manifest) = (signed.signers().join(" and "), signed.manifest());
            let (role, version) = (manifest.role, manifest.security_version);
            let arch = manifest.architecture;
            format!(
                "verified {}: signed by {signers}: {role}, {arch}, security version {version}",
                one.id
            )
        }
        Err(failure) => format!("refused {}: {}: {}", one.id, failure.code(), failure.sentence()),
    }));
    let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
    lines.join("\n")
}

fn write_json(checked: &[Checked], notes: &[String], anchor: &Anchor, out: &mut Object<'_>) {
    out.flag("verified", checked.iter().all(|one| one.verdict.is_ok()));
    out.number("ring", anchor.ring.as_ref().map_or(0, KeyRing::version).into());
    out.number("policy", anchor.policy.version.into());
    out.array("notes", |list| notes.iter().for_each(|note| list.text(note)));
    out.array("entries", |list| {
        checked.iter().for_each(|one| list.object(|out| write_entry(one, out)));
    });
}

fn write_entry(checked: &Checked, out: &mut Object<'_>) {
    let (signed, failure) = (checked.verdict.as_ref().ok(), checked.verdict.as_ref().err());
    let manifest = signed.map(Signed::manifest);
    out.text("id", &checked.id);
    out.flag("verified", signed.is_some());
    out.maybe_text("code", failure.map(Failure::code));
    out.maybe_text("detail", failure.map(Failure::sentence).as_deref());
    out.maybe_text("role", manifest.map(|manifest| manifest.role.name()));
    out.maybe_number("security_version", manifest.map(|manifest| manifest.security_version.into()));
    out.maybe_text("arch", manifest.map(|manifest| manifest.architecture.name()));
    out.maybe_text("manifest_sha256", signed.map(|signed| signed.digest().to_string()).as_deref());
    out.array("signers", |list| {
        signed.into_iter().flat_map(Signed::signers).for_each(|name| list.text(name));
    });
    out.array("keys", |list| {
        let keys = signed.into_iter().flat_map(Signed::fingerprints);
        keys.for_each(|key| list.text(&key.to_string()));
    });
}
