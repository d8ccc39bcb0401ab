//! `turnout verify`: what a locked Turnout would say of the entries of a boot
//! partition.
//!
//! It reads, checks and refuses by the same calls as PID 1, updates of ring and
//! policy included; nothing is good because it could not be read. What a machine
//! remembers (its floors) it cannot know: docs/cli.md.

use std::path::{Path, PathBuf};

use super::answer::Answer;
use super::arguments::{Verify, What};
use super::judge::{self, Judge, describe, prove};
use super::source::{Location, Source};
use super::volumes::Menus;
use crate::base::arch::Arch;
use crate::base::json::{self, Object};
use crate::base::text::printable;
use crate::failure::{Cause, Failure, Stage};
use crate::menu::{Entry, Target};
use crate::plan::Room;
use crate::preflight::Limits;
use crate::source::directory::Directory;
use crate::steps::anchor::Anchor;
use crate::steps::examine::examine;
use crate::sys::file;
use crate::sys::read::Roots;
use crate::trust::allowed_signers::KeyRing;
use crate::trust::manifest::{self, File, Manifest, System};
use crate::trust::policy::Floors;
use crate::trust::verify::{Attested, Context, Evidence, Mode, Refusal, Signed, check_manifest};
use crate::trust::{MAX_FILE, signatures_of};

/// What the files of an entry may take is for the machine that boots it to say.
const UNLIMITED: Limits<'_> = Limits { memory: Room::UNKNOWN, cmdline: u64::MAX, consoles: &[] };

/// An entry and what was found.
struct Checked {
    id: String,
    verdict: Result<Signed, Failure>,
}

/// Gives what is to be printed, and 1 as the status if anything was refused.
pub(super) fn run(verify: &Verify) -> Result<Answer, Failure> {
    let machine = verify.asked.machine();
    let source = Source { location: verify.location(), ..verify.asked.source.clone() };
    let mut menus = Menus::read(&source, &machine.target())?;
    // A directory may hold what is for machines of either kind.
    let follows_kernel =
        verify.asked.arch.is_none() && matches!(source.location, Location::Directories(_));
    if follows_kernel {
        let target = Target { arch: other(machine.arch), ..machine.target() };
        menus.add_of_other_arch(Menus::read(&source, &target)?);
    }
    let (anchor, mut notes) = verify.asked.locked()?.updated(&menus.main()?.judging());
    let judge = Judge { mode: Mode::Locked, anchor, machine, menus, floors: Floors::default() };
    let checked = Verifier { judge: &judge, follows_kernel }.all(&verify.what, &mut notes)?;
    let refused = checked.iter().any(|one| one.verdict.is_err());
    let text = if verify.asked.json {
        json::object(|out| write_json(&checked, &notes, &judge.anchor, out))
    } else {
        text(&checked, &notes)
    };
    Ok(Answer { text, status: refused.into() })
}

impl Verify {
    /// A manifest alone tells its partition, where it lies in its place there.
    fn location(&self) -> Location {
        match (&self.what, &self.asked.source.location) {
            (What::Manifest(path), Location::Here) => {
                let directory = path.parent().filter(|parent| parent.ends_with("turnout"));
                let above = directory.and_then(Path::parent).map(|above| match above.to_str() {
                    Some("") => PathBuf::from("."),
                    _ => above.to_owned(),
                });
                above.map_or(Location::Here, |path| {
                    Location::Directories(vec![Directory { path, ..Directory::default() }])
                })
            }
            (_, place) => place.clone(),
        }
    }
}

/// Checks entries as a locked machine does.
struct Verifier<'a> {
    judge: &'a Judge,
    /// Whether a verified kernel of the other architecture makes it a machine of
    /// that.
    follows_kernel: bool,
}

/// What the last step gives: who signed, and the verified kernel's own
/// architecture, if it is a kernel.
type Outcome = (Signed, Option<Arch>);

impl Verifier<'_> {
    /// The verdicts; what has to be said of the menu goes to `notes`.
    fn all(&self, what: &What, notes: &mut Vec<String>) -> Result<Vec<Checked>, Failure> {
        if let What::Manifest(path) = what {
            return Ok(vec![self.manifest(path)?]);
        }
        let menu = &self.judge.menus.menu;
        notes.extend(menu.diagnostics.iter().map(ToString::to_string));
        let wanted = menu.entries.iter().filter(|entry| match what {
            What::Entry(id) => entry.id == *id,
            What::Menu | What::Manifest(_) => true,
        });
        let checked: Vec<_> = wanted.map(|entry| self.entry(entry)).collect();
        if checked.is_empty() {
            let none = match what {
                What::Entry(id) => self.judge.menus.no_such(id),
                What::Menu | What::Manifest(_) => self.judge.menus.nothing(),
            };
            let why = [&[none], notes.as_slice()].concat().join(": ");
            return Err(Failure::new(Stage::Menu, why));
        }
        Ok(checked)
    }

    fn entry(&self, entry: &Entry) -> Checked {
        let verdict = self.check(|context| {
            let menus = &self.judge.menus;
            let found =
                menus.judging(entry, |files| examine(context, files, entry, &UNLIMITED, Ok))?;
            outcome(&menus.roots(entry)?, entry, found.into_verdict()?)
        });
        Checked { id: entry.id.clone(), verdict }
    }

    /// A manifest without a menu entry: its own files, and no values for slots
    /// but the entry's.
    fn manifest(&self, path: &Path) -> Result<Checked, Failure> {
        let text = judge::read(path)?;
        let signatures = read_signatures(path)?;
        let id = match manifest::parse(&text) {
            Ok(manifest) => manifest.entry,
            // A text that nobody may have signed names nothing but itself.
            Err(_) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let evidence = Evidence { manifest: Some(&text), signature: signatures.as_deref() };
        let verdict = self.check(|context| {
            let attested = check_manifest(context, &id, evidence).map_err(Failure::refused)?;
            let entry = entry_of(&id, &attested);
            outcome(&self.judge.menus.roots(&entry)?, &entry, attested)
        });
        Ok(Checked { id, verdict })
    }

    /// Checks for the machine, and where that follows the kernel and all that is
    /// wrong is the architecture, for one of the other.
    fn check(
        &self,
        check: impl Fn(&Context<'_>) -> Result<Outcome, Failure>,
    ) -> Result<Signed, Failure> {
        let arch = self.judge.machine.arch;
        match check(&self.judge.context(arch)) {
            Err(failure) if self.follows_kernel && is_of_other_arch(&failure) => {
                match check(&self.judge.context(other(arch)))? {
                    (signed, Some(kernel)) if kernel != arch => Ok(signed),
                    _ => Err(failure),
                }
            }
            outcome => outcome.map(|(signed, _)| signed),
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
fn outcome(roots: &Roots, entry: &Entry, attested: Attested) -> Result<Outcome, Failure> {
    let verified = prove(roots, entry, &attested)?;
    match attested {
        Attested::Signed(signed) => Ok((signed, describe(&verified).ok().map(|found| found.arch))),
        // A locked machine lets nothing pass unsigned.
        Attested::Unsigned(_) => {
            let entry = verified.into_inner().entry;
            Err(Failure::refused(Refusal::Unsigned { entry }))
        }
    }
}

/// A menu entry with exactly the files of a manifest.
fn entry_of(id: &str, attested: &Attested) -> Entry {
    let mut entry = Entry { id: id.to_owned(), ..Entry::default() };
    let Attested::Signed(signed) = attested else { return entry };
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

fn paths(files: &[File]) -> Vec<String> {
    files.iter().map(|file| file.path.clone()).collect()
}

fn read_signatures(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let path = signatures_of(&path.display().to_string());
    match file::read_bytes(Path::new(&path), MAX_FILE as u64) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(Failure::new(Stage::Read, error)),
    }
}

fn text(checked: &[Checked], notes: &[String]) -> String {
    let mut lines: Vec<String> = notes.iter().map(|note| format!("note: {note}")).collect();
    lines.extend(checked.iter().map(|one| match &one.verdict {
        Ok(signed) => format!("verified {}: {}", one.id, vouched(signed)),
        Err(failure) => format!("refused {}: {}: {}", one.id, failure.code(), failure.sentence()),
    }));
    let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
    lines.join("\n")
}

/// Who signed it, and for what.
fn vouched(signed: &Signed) -> String {
    let signers = signed.signers().join(" and ");
    let Manifest { role, architecture, security_version, .. } = signed.manifest();
    format!("signed by {signers}: {role}, {architecture}, security version {security_version}")
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
    let signed = checked.verdict.as_ref().ok();
    let failure = checked.verdict.as_ref().err();
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
