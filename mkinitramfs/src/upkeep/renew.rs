//! Signs an entry anew where its files are not those of its manifest, so that at no moment
//! less boots than before: the new signature comes beside the old ones, then the manifest,
//! then the old ones go.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use turnout::base::arch::Arch;
use turnout::trust::manifest::{Manifest, System};
use turnout::trust::verify::Refusal;
use turnout::trust::{Role, manifest_path, signature_path, sshsig};

use crate::signing::entry::{self, BootEntry, Roots};
use crate::signing::sign::{self, Claims};
use crate::upkeep::changed::digests;
use crate::upkeep::disk::names;
use crate::upkeep::trust::{self, Papers, below, is_meant, papers};
use crate::upkeep::{Keeper, changed, sealer};

/// What is missing where this machine's signer has done what it can.
const OTHERS: &str =
    "this machine's signer has signed; let the others sign too, with turnout-sign sign --add";

/// How an entry stands after it was looked at.
#[derive(Debug)]
pub enum Standing {
    /// It boots, and nothing was to be done.
    Boots(Read),
    /// It was signed, and boots.
    Signed(Read),
    /// It is not upkeep's to sign, and boots or not by what somebody else has signed.
    NotOurs,
    /// Somebody has decided that it does not boot, in this way.
    ShutOut(String),
    /// It does not boot, for this reason.
    Refused(String),
}

/// An entry that boots, and what its manifest says.
#[derive(Debug)]
pub struct Read {
    /// The entry, without its files' bytes.
    pub boot: BootEntry,
    /// What it is signed as.
    pub claims: Claims,
}

impl Standing {
    /// The entry, if it boots.
    #[must_use]
    pub fn boots(self) -> Option<Read> {
        match self {
            Self::Boots(read) | Self::Signed(read) => Some(read),
            Self::NotOurs | Self::ShutOut(_) | Self::Refused(_) => None,
        }
    }
}

/// An entry with all that is known of it.
struct Case {
    boot: BootEntry,
    arch: Arch,
    papers: Papers,
    was: Option<Manifest>,
}

impl Keeper<'_> {
    /// Looks at an entry, and signs it if that is needed. `spare_of` is the entry that this
    /// one is the spare of.
    ///
    /// # Errors
    /// It cannot be read or signed, or is no true spare.
    pub fn renew(&mut self, roots: &Roots, id: &str, spare_of: Option<&Read>) -> Result<Standing> {
        let case = self.case(entry::read(roots, id, &[])?)?;
        self.renew_case(case, spare_of)
    }

    /// The same of an entry that was read already.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn renew_read(&mut self, boot: BootEntry) -> Result<Standing> {
        let case = self.case(boot)?;
        self.renew_case(case, None)
    }

    fn renew_case(&mut self, case: Case, spare_of: Option<&Read>) -> Result<Standing> {
        let id = case.boot.entry.id.clone();
        if self.trust.is_recovery(&case.papers) {
            return Ok(Standing::NotOurs);
        }
        if case.papers.read().is_some_and(|was| was.role == Role::Recovery) {
            let path = below(&case.boot.root, &manifest_path(&id));
            bail!(
                "{} says that it is a recovery system, and no key that counts has signed that: \
                 remove it, or have it signed by hand",
                path.display()
            );
        }
        self.memory.see(&changed::parts_of(&case.boot));
        let was = case.was.as_ref().map(Self::claims_of);
        let judged = self.trust.judge(case.boot.clone(), case.arch, &case.papers);
        let refusal = match judged {
            Ok(()) if was.as_ref().is_some_and(|was| case.is_as(was)) => {
                let claims = was.unwrap_or_else(|| self.new_claims());
                return Ok(Standing::Boots(Read { boot: case.boot, claims }));
            }
            Ok(()) => None,
            Err(refusal) => Some(refusal),
        };
        let shut_out = refusal.filter(|refusal| is_meant(refusal));
        if let Some(refusal) = shut_out.filter(|why| !self.is_lifted(why, &id, spare_of)) {
            return Ok(Standing::ShutOut(format!("{}: {refusal}", refusal.code())));
        }
        if let Some(original) = spare_of {
            ensure!(is_same(&original.boot, &case.boot), "{id} has other files than were signed");
        } else {
            self.refuse_changed(&case.boot)?;
        }
        let claims = was.or_else(|| spare_of.map(|original| original.claims.clone()));
        let claims = claims.unwrap_or_else(|| self.new_claims());
        let claims = Claims { title: None, ..self.raised(claims) };
        self.sign(case, claims)
    }

    /// Whether an entry passes a floor that was raised above it, as `sign-security-version`
    /// was too: the default, if nothing beside the menu was ever signed as newer, and then
    /// its spare. An older system does not become the default and newer by that.
    fn is_lifted(&self, refusal: &Refusal, id: &str, spare_of: Option<&Read>) -> bool {
        let Refusal::Floor { signed, floor, .. } = *refusal else { return false };
        let reaches = self.signing.security_version.is_some_and(|version| version >= floor);
        let is_newest = self.is_default(id) && signed == self.highest_signed;
        reaches && (spare_of.is_some() || is_newest)
    }

    /// What somebody else may have put there is not signed unseen.
    fn refuse_changed(&mut self, boot: &BootEntry) -> Result<()> {
        let id = &boot.entry.id;
        ensure!(
            self.accepted.contains(id) || !self.memory.has_changed(&changed::parts_of(boot)),
            "it was changed while this system was down, so nobody here has made it: make it anew \
             (update-initramfs -u), or look at it and then run turnout-sign upkeep --accept {id}"
        );
        Ok(())
    }

    /// What was changed while the system was down cannot be told apart then.
    fn say_blind(&mut self) {
        if self.memory.is_blind() && self.report.done.is_empty() {
            self.report.say(
                "what was changed while this system was down is signed too, as nobody has looked \
                 at its start: systemctl enable turnout-next-start.service"
                    .to_owned(),
            );
        }
    }

    /// Whether it has the manifest that it would get, and boots by it.
    pub(super) fn is_as_signed(&self, boot: BootEntry) -> bool {
        let Ok(case) = self.case(boot) else { return false };
        let was = case.was.as_ref().map(Self::claims_of);
        was.is_some_and(|was| case.is_as(&was))
            && self.trust.judge(case.boot, case.arch, &case.papers).is_ok()
    }

    /// Whether an entry boots with what it has.
    #[must_use]
    pub fn boots_as_it_is(&self, roots: &Roots, id: &str) -> bool {
        let case = entry::read(roots, id, &[]).and_then(|boot| self.case(boot));
        let Ok(case) = case else { return false };
        self.trust.judge(case.boot, case.arch, &case.papers).is_ok()
    }

    fn case(&self, boot: BootEntry) -> Result<Case> {
        let arch = boot.architecture(None)?.unwrap_or(self.arch);
        let boot = boot.without_bytes();
        let papers = papers(&boot.root, &boot.entry.id)?;
        let was = self.trust.vouched(&papers);
        Ok(Case { boot, arch, papers, was })
    }

    fn claims_of(was: &Manifest) -> Claims {
        let slots = match &was.system {
            System::Linux(linux) => linux.slots.clone(),
            System::Uki(_) => Vec::new(),
        };
        Claims {
            title: was.title.clone(),
            role: was.role,
            security_version: was.security_version,
            boards: was.boards.clone(),
            devices: was.devices.clone(),
            slots,
        }
    }

    fn new_claims(&self) -> Claims {
        Claims {
            title: None,
            role: Role::Boot,
            security_version: self.security_version,
            boards: Vec::new(),
            devices: Vec::new(),
            slots: self.signing.slots.clone(),
        }
    }

    /// What is signed anew is as new as the newest that is there.
    fn raised(&self, claims: Claims) -> Claims {
        Claims { security_version: claims.security_version.max(self.security_version), ..claims }
    }

    fn sign(&mut self, case: Case, claims: Claims) -> Result<Standing> {
        let id = case.boot.entry.id.clone();
        let text = sign::text(&case.boot, case.arch, &claims)?;
        if self.is_for_others(&case, &text) {
            return Ok(Standing::Refused(format!("THRESHOLD: {OTHERS}")));
        }
        let namespace = claims.role.namespace().name();
        self.say_blind();
        self.memory.keep(self.disk)?;
        let sealed = self.seal(&id, namespace, text.as_bytes())?;
        let by_it = Papers::new(&text, &sealed.armored);
        let alone = trust::judge_alone(case.boot.clone(), case.arch, &by_it);
        alone.map_err(|refusal| anyhow!("{refusal}")).context("what was signed does not verify")?;
        self.learn(&case.boot.root, &sealed)?;
        let made = Papers::new(&text, &self.with_others(&case.papers, &text, &sealed));
        let refusal = self.trust.judge(case.boot.clone(), case.arch, &made).err();
        match refusal.map(|refusal| remedied(&refusal, &sealed)) {
            Some(why) if case.is_lost_by(&text) => {
                let stays = "what was signed before still fits and stays";
                Ok(Standing::Refused(format!("{why}; {stays}")))
            }
            Some(why) => {
                self.put_said(&case, &made, &sealed)?;
                Ok(Standing::Refused(why))
            }
            None => {
                self.put_said(&case, &made, &sealed)?;
                Ok(Standing::Signed(Read { boot: case.boot, claims }))
            }
        }
    }

    /// Whether this key has signed exactly this, and only others are missing.
    fn is_for_others(&self, case: &Case, text: &str) -> bool {
        let judged = self.trust.judge(case.boot.clone(), case.arch, &case.papers);
        let is_short = judged.is_err_and(|why| matches!(*why, Refusal::Threshold { .. }));
        is_short && case.papers.good(text).iter().any(|(one, _)| self.own.has(&one.key))
    }

    /// What is known of the key afterwards: that it is ours, and whether it is new here.
    fn learn(&mut self, home: &Path, sealed: &sealer::Sealed) -> Result<()> {
        let before = self.signers.get_or_insert_with(|| signers(home));
        let key = sealed.signature.key.fingerprint().to_string();
        self.has_new_key |= !before.is_empty() && !before.contains(&key);
        self.own.note(self.disk, &sealed.signature.key)?;
        self.trust = self.trust.clone().or_own(self.own.ring());
        Ok(())
    }

    /// The signature file: the new one, and of the old ones those that are good for this
    /// text too. A machine whose ring does not have the new key yet goes on to boot by them.
    fn with_others(&self, old: &Papers, text: &str, sealed: &sealer::Sealed) -> String {
        let mut others = old.good(text);
        others.retain(|(one, _)| one.key != sealed.signature.key && !self.trust.revokes(one));
        others.sort_by_key(|(one, _)| !self.trust.knows(one));
        others.truncate(self.trust.most_signatures().saturating_sub(1));
        let others: String = others.into_iter().map(|(_, armored)| armored).collect();
        format!("{}{others}", sealed.armored)
    }

    fn put_said(&mut self, case: &Case, made: &Papers, sealed: &sealer::Sealed) -> Result<()> {
        self.memory.known.extend(changed::parts_of(&case.boot));
        if *made == case.papers {
            return Ok(());
        }
        self.put(case, made, sealed)?;
        let (id, namespace) = (&case.boot.entry.id, &sealed.signature.namespace);
        self.report.say(format!("signed {id}: {}, {namespace}, {}", case.arch, who(sealed)));
        Ok(())
    }

    /// The order of writes that [`self`] promises.
    fn put(&mut self, case: &Case, made: &Papers, sealed: &sealer::Sealed) -> Result<()> {
        let id = &case.boot.entry.id;
        let manifest = below(&case.boot.root, &manifest_path(id));
        let signatures = below(&case.boot.root, &signature_path(id));
        let [text, last] =
            [&made.manifest, &made.signatures].map(|bytes| bytes.as_deref().unwrap_or_default());
        if case.papers.manifest == made.manifest {
            return self.write(&signatures, last);
        }
        if case.papers.manifest.is_some()
            && let Some(beside) = self.beside(&sealed.armored, case.papers.signatures.as_deref())
        {
            self.write(&signatures, beside.as_bytes())?;
            self.write(&manifest, text)?;
            return self.write(&signatures, last);
        }
        self.write(&signatures, last)?;
        self.write(&manifest, text)
    }

    /// Whose bytes these are is known before they are there.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.ledger.note_bytes(self.disk, path, bytes)?;
        self.disk.write(path, bytes)
    }

    /// The new signature and the old ones; none where a machine would not read so many.
    fn beside(&self, new: &str, old: Option<&[u8]>) -> Option<String> {
        let old = core::str::from_utf8(old?).ok()?;
        let both = format!("{new}{old}");
        sshsig::parse_at_most(both.as_bytes(), self.trust.most_signatures()).ok()?;
        Some(both)
    }
}

impl Case {
    /// Whether the manifest is the one that would be written of these claims.
    fn is_as(&self, claims: &Claims) -> bool {
        let text = sign::text(&self.boot, self.arch, claims);
        text.is_ok_and(|text| self.papers.manifest.as_deref() == Some(text.as_bytes()))
    }

    /// Whether another manifest in its place would cost what still fits, and boots by
    /// whatever ring and policy the machine's image has.
    fn is_lost_by(&self, text: &str) -> bool {
        let fits = trust::judge_alone(self.boot.clone(), self.arch, &self.papers).is_ok();
        fits && self.papers.manifest.as_deref() != Some(text.as_bytes())
    }
}

/// Whether both start the same.
fn is_same(one: &BootEntry, other: &BootEntry) -> bool {
    digests(one).eq(digests(other)) && one.bundle.options == other.bundle.options
}

/// What is in the way of what was just signed, and what to do about it.
fn remedied(refusal: &Refusal, sealed: &sealer::Sealed) -> String {
    let key = sealed.signature.key.fingerprint();
    let what = match refusal {
        Refusal::KeyUnknown { .. } => format!(
            "add its line to the ring (turnout-sign ring line {key}.pub) and build the image anew"
        ),
        Refusal::KeyRevoked { .. } => "sign with another key".to_owned(),
        Refusal::Namespace { .. } => {
            "give the key its namespace in the ring, and build the image anew".to_owned()
        }
        Refusal::Threshold { .. } => {
            "let the others sign too, with turnout-sign sign, then sign --add".to_owned()
        }
        _ => "see docs/reason-codes.md".to_owned(),
    };
    format!("{}: {refusal}; {what}", refusal.code())
}

fn who(sealed: &sealer::Sealed) -> String {
    format!("key {}", sealed.signature.key.fingerprint())
}

/// Fingerprints of all keys by which something is signed beside a menu.
fn signers(home: &Path) -> BTreeSet<String> {
    let names = names(&home.join("turnout"));
    let ids = names.iter().filter_map(|name| name.strip_suffix(".manifest"));
    let papers = ids.filter_map(|id| papers(home, id).ok());
    papers.flat_map(|papers| papers.signers()).collect()
}
