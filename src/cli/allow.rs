//! Whether a kernel may be loaded on this running system.
//!
//! Where there is a key ring, nothing goes into the ordinary slot that no manifest
//! binds: kernel, initrds, device tree and command line, all of them and nothing else.
//! Into the crash slot goes also a kernel that some manifest binds with an initrd and a
//! command line that none does, where `crash unsigned` allows it, and that is said.
//! Where there is no ring, whoever may load answers for the files, and that is said.
//! No error ever turns into leave. Specification: docs/cli.md, "What may be loaded".

use super::arguments::Load;
use super::cmdline::Cmdline;
use super::judge::Judge;
use super::{planning, settings};
use crate::base::text::quoted;
use crate::bundle::{Blob, Bundle};
use crate::failure::Failure;
use crate::host::token;
use crate::image::{self, Uki};
use crate::plan::Slot;
use crate::steps::examine::attest;
use crate::steps::prepare::{self, Proven};
use crate::sys::machine;
use crate::sys::read::Sealed;
use crate::trust::manifest::{Linux, System};
use crate::trust::slots::SlotValues;
use crate::trust::verify::{Attested, Mode, Refusal, Signed, verify};

const UNSIGNED: &str = "unsigned";
/// Code of a refusal where only the command line is another.
const EDITED: &str = "EDITED";
/// How words begin that a boot loader adds, or Turnout fills in, another at each start.
const OF_START: [&str; 3] = ["BOOT_IMAGE=", "initrd=", "turnout."];
/// What is said where there is no ring.
const NOTHING_VERIFIED: &str = "nothing is verified: there is no /etc/turnout/allowed_signers";

/// Files that may be loaded, and on whose word.
pub(super) struct Ready {
    pub(super) proven: Proven,
    /// Id of the entry; none for files that were named and that no manifest binds.
    pub(super) entry: Option<String>,
    /// Who signed it, or `unsigned`.
    pub(super) trust: String,
    /// In the command line, where the signed one has room for one.
    pub(super) token: Option<String>,
    /// What has to be said of trust, once, on standard error.
    pub(super) said: Vec<String>,
}

impl Ready {
    /// Whether somebody has signed all of it.
    pub(super) fn is_signed(&self) -> bool {
        self.trust != UNSIGNED
    }
}

/// Files that were named, each read once; then whether they may be loaded.
///
/// # Errors
/// They may not, or they cannot be read, or nobody can tell.
pub(super) fn files(load: &Load) -> Result<Ready, Failure> {
    // Of a machine that is only described no ring is known but the one that is named.
    if !load.inputs.is_empty() && load.asked.keys.is_none() {
        return unsigned(planning::read(load)?, Vec::new());
    }
    load.check_trust()?;
    let (anchor, mode) = load.asked.present()?;
    if anchor.ring.is_none() && mode == Mode::Open {
        return unsigned(planning::read(load)?, vec![NOTHING_VERIFIED.to_owned()]);
    }
    let judge = Judge::locked(load)?;
    let candidates = candidates(&judge)?;
    Files { load, judge: &judge }.decide(&candidates, planning::read(load)?)
}

/// Nobody signed them, and nobody had to.
fn unsigned(bundle: Bundle<Sealed>, said: Vec<String>) -> Result<Ready, Failure> {
    let proven = planning::by_the_administrator(bundle)?;
    Ok(Ready { proven, entry: None, trust: UNSIGNED.to_owned(), token: None, said })
}

/// A manifest with good signatures that is for this machine, and what the menu says for
/// its slots.
struct Candidate {
    attested: Attested,
    values: SlotValues,
}

impl Candidate {
    fn signed(&self) -> Option<&Signed> {
        match &self.attested {
            Attested::Signed(signed) => Some(signed),
            Attested::Unsigned(_) => None,
        }
    }

    fn id(&self) -> &str {
        self.signed().map_or("", |signed| &signed.manifest().entry)
    }

    fn linux(&self) -> Option<&Linux> {
        match &self.signed()?.manifest().system {
            System::Linux(linux) => Some(linux),
            System::Uki(_) => None,
        }
    }

    fn is_uki(&self) -> bool {
        self.signed().is_some_and(|signed| matches!(signed.manifest().system, System::Uki(_)))
    }

    /// Whether it has this very kernel, whatever else it has.
    fn has_kernel(&self, bundle: &Bundle<Sealed>) -> bool {
        let kernel = self.signed().map(|signed| match &signed.manifest().system {
            System::Linux(linux) => &linux.kernel,
            System::Uki(uki) => &uki.image,
        });
        kernel.is_some_and(|kernel| {
            kernel.digest == bundle.linux.digest && kernel.size == bundle.linux.size
        })
    }

    /// Whether a device tree is its own; none is the machine's.
    fn has_tree(&self, tree: &Blob<Sealed>) -> bool {
        let own = self.linux().and_then(|linux| linux.devicetree.as_ref());
        own.is_some_and(|own| own.digest == tree.digest && own.size == tree.size)
    }

    /// The command lines that mean the signed one: filled in, as it was signed, and as
    /// a boot loader leaves it that knows of no slots.
    fn command_lines(&self, filled: String) -> Vec<String> {
        let mut all = vec![filled];
        if let Some(linux) = self.linux() {
            let emptied = linux.slots.iter().fold(linux.options.clone(), |options, slot| {
                options.replacen(slot.placeholder(), "", 1)
            });
            all.extend([linux.options.clone(), emptied]);
        }
        all
    }
}

/// Every manifest of the boot partitions that counts here: those of menu entries, and
/// those of systems that no menu has, such as crash kernels.
fn candidates(judge: &Judge) -> Result<Vec<Candidate>, Failure> {
    let entries = judge.menus.menu.entries.iter().cloned();
    let entries = entries.chain(judge.menus.without_entry());
    let context = judge.context(judge.machine.arch);
    let mut found = Vec::new();
    for entry in entries {
        let attested = judge.menus.judging(&entry, |files| attest(&context, files, &entry))?;
        // One that does not count binds nothing; "turnout verify" says why.
        if let Ok(attested @ Attested::Signed(_)) = attested {
            let token = machine::unguessable().map(token::of);
            let values = SlotValues { token, ..prepare::slot_values(&entry) };
            found.push(Candidate { attested, values });
        }
    }
    Ok(found)
}

/// Why a manifest that has the kernel does not do.
struct Miss<'a> {
    by: &'a Candidate,
    code: &'static str,
    why: String,
}

/// Named files, and who judges them.
struct Files<'a> {
    load: &'a Load,
    judge: &'a Judge,
}

impl Files<'_> {
    fn decide(&self, candidates: &[Candidate], bundle: Bundle<Sealed>) -> Result<Ready, Failure> {
        let mut near = None;
        for candidate in candidates.iter().filter(|candidate| candidate.has_kernel(&bundle)) {
            match self.binds(candidate, &bundle) {
                Ok(()) => return as_signed(candidate, bundle),
                // All files fit: nearer than any that has the kernel alone.
                Err(miss) if miss.code == EDITED => near = Some(miss),
                Err(miss) => near = near.or(Some(miss)),
            }
        }
        match (near, self.load.slot) {
            (None, _) => Err(self.bound_by_nobody(&bundle)),
            (Some(miss), Slot::Normal) => Err(miss.refuses(&bundle)),
            (Some(miss), Slot::Crash) => miss.crash(bundle, settings::allows_unsigned_crash()?),
        }
    }

    /// Whether a manifest binds all these files and this command line, and nothing else.
    fn binds<'c>(&self, candidate: &'c Candidate, bundle: &Bundle<Sealed>) -> Result<(), Miss<'c>> {
        let facts = candidate.own(bundle.facts());
        let verified = verify(&candidate.attested, facts, &candidate.values);
        let verified = verified.map_err(|refusal| Miss::of(candidate, &refusal))?;
        // The own one of an image that was signed whole is bound with it.
        let is_own = candidate.is_uki() && is_own(bundle);
        if is_own || self.load.cmdline == Cmdline::Own {
            return Ok(());
        }
        let meant = candidate.command_lines(verified.get().options.clone());
        let asked = &bundle.options;
        let is_crash = self.load.slot == Slot::Crash;
        match meant.iter().any(|one| is_same(one, asked) || (is_crash && is_inherited(one, asked)))
        {
            true => Ok(()),
            false => Err(Miss::edited(candidate)),
        }
    }

    fn bound_by_nobody(&self, bundle: &Bundle<Sealed>) -> Failure {
        let places = self.judge.menus.places();
        let path = &bundle.linux.path;
        Failure::barred(
            "UNSIGNED",
            format!(
                "no manifest in {places} that counts here binds {path}, and there is a key ring: \
                 sign it with turnout-sign, or \"turnout boot ENTRY\" takes a signed one \
                 (\"turnout verify\" shows them)"
            ),
        )
    }
}

/// Whether the command line that was asked for is the image's own.
fn is_own(bundle: &Bundle<Sealed>) -> bool {
    let uki = image::find_uki(bundle.linux.bytes.as_ref());
    uki.as_ref().and_then(Uki::cmdline).is_some_and(|own| is_same(own, &bundle.options))
}

impl Candidate {
    /// The files as those of its entry; of several profiles that a file has it is the
    /// first.
    fn own<B>(&self, bundle: Bundle<B>) -> Bundle<B> {
        let profile = self.is_uki().then_some(0);
        Bundle { entry: self.id().to_owned(), profile, ..bundle }
    }
}

impl<'a> Miss<'a> {
    fn of(by: &'a Candidate, refusal: &Refusal) -> Self {
        Self { by, code: refusal.code(), why: refusal.to_string() }
    }

    fn edited(by: &'a Candidate) -> Self {
        let signed = by.linux().map(|linux| quoted(&linux.options));
        let signed = signed.unwrap_or_else(|| "that of the image".to_owned());
        Self { by, code: EDITED, why: format!("the signed command line is {signed}") }
    }

    fn refuses(&self, bundle: &Bundle<Sealed>) -> Failure {
        let Self { by, code, why } = self;
        let (path, id) = (&bundle.linux.path, by.id());
        Failure::barred(
            code,
            format!(
                "the manifest of {id} binds {path}, but not with what was named: {why}; \
                 \"turnout boot {id}\" takes what was signed"
            ),
        )
    }

    /// A signed kernel with an initrd or a command line that nobody signed.
    fn crash(&self, bundle: Bundle<Sealed>, is_allowed: bool) -> Result<Ready, Failure> {
        let Self { by, code, why } = self;
        let (path, id) = (&bundle.linux.path, by.id());
        if !is_allowed {
            return Err(Failure::barred(
                code,
                format!(
                    "the manifest of {id} binds {path}, but nobody signed it with this initrd and \
                     command line: {why}; sign them, or \"crash unsigned\" in {} allows it",
                    settings::PATH
                ),
            ));
        }
        if let Some(tree) = bundle.devicetree.as_ref().filter(|tree| !by.has_tree(tree)) {
            return Err(Failure::barred(
                "DEVICETREE",
                format!(
                    "nobody signed {} with {path}, and \"crash unsigned\" allows no device tree: \
                     leave it out, or sign it",
                    tree.path
                ),
            ));
        }
        let said = format!(
            "nobody signed the initrd and the command line of this crash kernel: {why}; \
             \"crash unsigned\" in {} allows it",
            settings::PATH
        );
        let trust = format!("{UNSIGNED}, but its kernel {}", in_words(&by.attested));
        Ok(Ready { trust, ..unsigned(bundle, vec![said])? })
    }
}

/// Filled in and proven, by the very bytes that were compared.
fn as_signed(candidate: &Candidate, bundle: Bundle<Sealed>) -> Result<Ready, Failure> {
    let Candidate { attested, values } = candidate;
    let proven = prepare::verify(attested, candidate.own(bundle), values)?;
    let token = values.token.clone();
    Ok(Ready {
        entry: Some(candidate.id().to_owned()),
        trust: in_words(attested),
        token: token.filter(|token| token::is_in(token, &proven.get().options)),
        said: Vec::new(),
        proven,
    })
}

/// Whether two command lines have the same words. What is loaded is the signed one, so
/// blanks that the kernel does not see are not worth a refusal.
fn is_same(one: &str, other: &str) -> bool {
    one.split_ascii_whitespace().eq(other.split_ascii_whitespace())
}

/// Whether a crash kernel's command line is the signed one but for words of the running
/// system's start, as whoever makes it of /proc/cmdline hands them on. They are dropped:
/// what is loaded is the signed one.
fn is_inherited(signed: &str, asked: &str) -> bool {
    let of_start = |word: &&str| OF_START.iter().any(|own| word.starts_with(own));
    let asked = asked.split_ascii_whitespace().filter(|word| !of_start(word));
    signed.split_ascii_whitespace().eq(asked)
}

/// Whether an entry may be loaded: where there is a ring, none that nobody signed, also
/// on a machine whose image lets it boot, and none below a floor.
///
/// # Errors
/// The refusal.
pub(super) fn entry(judge: &Judge, attested: &Attested, id: &str) -> Result<(), Failure> {
    match attested {
        Attested::Unsigned(_) if judge.anchor.ring.is_some() => {
            Err(Failure::refused(Refusal::Unsigned { entry: id.to_owned() }).of(id))
        }
        Attested::Unsigned(_) => Ok(()),
        Attested::Signed(_) => {
            let checked = judge.context(judge.machine.arch).check_floor(attested);
            checked.map_err(|refusal| Failure::refused(refusal).of(id))
        }
    }
}

/// Who signed it, or `unsigned`.
pub(super) fn in_words(attested: &Attested) -> String {
    match attested {
        Attested::Signed(signed) => format!("signed by {}", signed.signers().join(" and ")),
        Attested::Unsigned(_) => UNSIGNED.to_owned(),
    }
}

/// What is said where there is no ring.
pub(super) fn nothing_verified(judge: &Judge) -> Vec<String> {
    match &judge.anchor.ring {
        Some(_) => Vec::new(),
        None => vec![NOTHING_VERIFIED.to_owned()],
    }
}

#[cfg(test)]
mod tests;
