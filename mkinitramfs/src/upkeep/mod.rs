//! Keeps a machine's boot menu signed while kernels and initrds come and go.
//!
//! Run by hooks of package managers, as root and with nobody there: it never asks, never
//! waits without an end, and whatever goes wrong with one entry does not keep the others
//! from being signed. At each moment, and if the power goes out then, what booted before
//! still boots, or what takes its place does. Specification: `docs/upkeep.md`.

pub mod changed;
pub mod disk;
pub mod homes;
pub mod kdump;
pub mod kept;
pub mod ledger;
pub mod own;
pub mod program;
pub mod renew;
pub mod sealer;
pub mod stale;
pub mod trust;
pub mod waiting;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use turnout::base::arch::Arch;
use turnout::base::glob;
use turnout::base::text::printable;
use turnout::menu::Entry;
use turnout::settings::{self, Settings, Signing};
use turnout::trust::{Role, manifest_path};

use crate::signing::entry::{self, Order, Roots};
use crate::signing::sign::read_if_there;
use crate::upkeep::changed::{Memory, Parts, options_part};
use crate::upkeep::disk::{Disk, Lasting, names};
use crate::upkeep::kept::{FILES, KEPT, is_kept};
use crate::upkeep::ledger::Ledger;
use crate::upkeep::own::Own;
use crate::upkeep::renew::{Read, Standing};
use crate::upkeep::sealer::{DEADLINE, Sealed, Sealer};
use crate::upkeep::stale::Stale;
use crate::upkeep::trust::{Trust, below, papers};

/// What is wanted.
#[derive(Debug)]
pub struct Request {
    /// `turnout.conf`.
    pub conf: PathBuf,
    /// Boot partition and further devices, as `--root` takes them; empty for what
    /// `turnout.conf` says, or else for those that are found.
    pub roots: Vec<String>,
    /// A kernel release that was just removed.
    pub removed: Option<String>,
    /// The key ring of this machine's image.
    pub ring: PathBuf,
    /// Its policy.
    pub policy: PathBuf,
    /// Where the list of what was made is.
    pub state: PathBuf,
    /// The root of the running system, whose crash kernels are signed too.
    pub system: PathBuf,
    /// Where it is written down what was changed while the system was down.
    pub note: PathBuf,
    /// Ids of entries that are signed even so: somebody has looked at them.
    pub accepted: Vec<String>,
}

/// What was done and what was not, in sentences.
#[derive(Debug, Default)]
pub struct Report {
    /// What was done.
    pub done: Vec<String>,
    /// What is as it is meant to be, or cannot be otherwise here.
    pub notes: Vec<String>,
    /// What is wrong, and what to do about it.
    pub problems: Vec<String>,
}

impl Report {
    /// Names and values come from disks: none drives the terminal, or looks like two lines.
    fn say(&mut self, what: String) {
        let what = printable(&what).into_owned();
        println!("{what}");
        self.done.push(what);
    }

    fn note(&mut self, what: String) {
        let what = printable(&what).into_owned();
        println!("{what}");
        self.notes.push(what);
    }

    fn complain(&mut self, what: String) {
        let what = printable(&what).into_owned();
        eprintln!("turnout-sign: {what}");
        self.problems.push(what);
    }
}

/// Everything that an entry is looked at with.
#[derive(Debug)]
pub struct Keeper<'a> {
    disk: &'a Disk,
    ledger: Ledger,
    /// The keys of who signs.
    own: Own,
    /// What the image was made with.
    image: Trust,
    /// The same with the updates of the boot partition that is looked after.
    trust: Trust,
    /// Keys by which something was signed there before this run, once that was asked for.
    signers: Option<BTreeSet<String>>,
    /// Whether this run is the first that signs with a key.
    has_new_key: bool,
    signing: &'a Signing,
    by: &'a settings::Signer,
    /// A kernel release that was just removed.
    removed: Option<&'a str>,
    system: &'a Path,
    accepted: &'a [String],
    memory: Memory,
    sealer: Option<Sealer>,
    /// Whether the signer has let a deadline pass.
    is_silent: bool,
    arch: Arch,
    security_version: u32,
    /// The highest of what is signed beside the menu, before this run.
    highest_signed: u32,
    /// The entry that boots if nobody chooses another.
    default: Option<String>,
    report: Report,
}

/// Signs what is to be signed and drops what is stale.
///
/// # Errors
/// `turnout.conf`, the ring or the list cannot be read. Whatever else is wrong is in the
/// report.
pub fn run(request: &Request, disk: &Disk) -> Result<Report> {
    let settings = read_settings(request)?;
    let signing = &settings.signing;
    let Some(by) = signing.by.as_ref() else {
        return drop_own(request, disk, signing);
    };
    let mut keeper = Keeper::new(request, disk, signing, by)?;
    let homes = homes(request, signing);
    for specs in &homes {
        if let Err(error) = keeper.look_after(specs) {
            keeper.report.complain(format!("{error:#}"));
        }
    }
    if let Err(error) = homes.first().map_or(Ok(()), |specs| keeper.renew_crash(specs)) {
        keeper.report.complain(format!("what kdump loads is not signed: {error:#}"));
    }
    keeper.end()
}

fn read_settings(request: &Request) -> Result<Settings> {
    let name = request.conf.display();
    let text = read_if_there(&request.conf)?.unwrap_or_default();
    let text = String::from_utf8(text).with_context(|| format!("{name} is not UTF-8"))?;
    settings::parse(&text).map_err(|what| anyhow!("{name}:{what}"))
}

fn homes(request: &Request, signing: &Signing) -> Vec<Vec<String>> {
    match [&request.roots, &signing.roots].into_iter().find(|roots| !roots.is_empty()) {
        Some(roots) => vec![roots.clone()],
        None => homes::homes(),
    }
}

/// Where nobody signs any more, only what is of no use any more goes.
fn drop_own(request: &Request, disk: &Disk, signing: &Signing) -> Result<Report> {
    if !Ledger::is_there(&request.state) {
        return Ok(Report::default());
    }
    let nobody = settings::Signer::Command(Vec::new());
    let mut keeper = Keeper::new(request, disk, signing, &nobody)?;
    for specs in homes(request, signing) {
        // Nobody asked for it: a menu that cannot be read keeps what is there.
        let _ = keeper.open(&specs).and_then(|roots| keeper.drop_all(&roots));
    }
    keeper.end()
}

impl<'a> Keeper<'a> {
    fn new(
        request: &'a Request,
        disk: &'a Disk,
        signing: &'a Signing,
        by: &'a settings::Signer,
    ) -> Result<Self> {
        disk.stay_in(&request.state);
        let image = Trust::read(&request.ring, &request.policy)?;
        Ok(Self {
            disk,
            ledger: Ledger::open(&request.state)?,
            own: Own::open(&request.state, by)?,
            trust: image.clone(),
            image,
            signers: None,
            has_new_key: false,
            signing,
            by,
            removed: request.removed.as_deref(),
            system: &request.system,
            accepted: &request.accepted,
            memory: Memory::open(&request.state, &request.note)?,
            sealer: None,
            is_silent: false,
            arch: Arch::parse(std::env::consts::ARCH).unwrap_or(Arch::X86_64),
            security_version: 0,
            highest_signed: 0,
            default: None,
            report: Report::default(),
        })
    }

    fn end(mut self) -> Result<Report> {
        self.ledger.forget_gone(self.disk)?;
        if self.report.problems.is_empty() {
            self.memory.end(self.disk)?;
        } else {
            self.memory.keep(self.disk)?;
        }
        Ok(self.report)
    }

    /// Has a text signed. Of one who has not answered in time nothing more is asked.
    fn seal(&mut self, id: &str, namespace: &str, text: &[u8]) -> Result<Sealed> {
        ensure!(!self.is_silent, "its signer has not answered before");
        let begin = Instant::now();
        let sealed = self.sealer().and_then(|sealer| sealer.seal(id, namespace, text));
        self.is_silent = sealed.is_err() && begin.elapsed() >= DEADLINE;
        sealed
    }

    /// Who signs; asked for only when something is to be signed.
    fn sealer(&mut self) -> Result<&mut Sealer> {
        let sealer = match self.sealer.take() {
            Some(sealer) => sealer,
            None => Sealer::open(self.by)?,
        };
        Ok(self.sealer.insert(sealer))
    }

    /// A boot partition, in which upkeep stays from then on.
    fn open(&self, specs: &[String]) -> Result<Roots> {
        let roots = Roots::parse(specs)?;
        self.disk.stay_in(roots.home());
        Ok(roots)
    }

    fn look_after(&mut self, specs: &[String]) -> Result<()> {
        let roots = self.open(specs)?;
        self.sweep(&roots)?;
        self.begin(&roots)?;
        self.know(&roots)?;
        let order = entry::in_order(&roots, self.arch)?;
        let options = order.entries.iter().map(|entry| options_part(&entry.options));
        options.for_each(|part| self.memory.see(&Parts::from([part])));
        self.default.clone_from(&order.default);
        let first = self.renew_all(&roots, &order);
        self.tend_spare(&roots, specs, &order, first);
        self.drop_all(&roots)
    }

    /// What counts beside this menu.
    fn begin(&mut self, roots: &Roots) -> Result<()> {
        self.meet_own();
        self.trust = self.image.updated(roots.home())?.or_own(self.own.ring());
        self.signers = None;
        self.has_new_key = false;
        self.default = None;
        self.highest_signed = self.version_of(roots);
        self.security_version = self.signing.security_version.unwrap_or(self.highest_signed);
        Ok(())
    }

    /// Without a ring it has to be known whose signatures are our own.
    fn meet_own(&mut self) {
        let is_program = matches!(self.by, settings::Signer::Command(_));
        if self.image.has_ring() || is_program || self.own.ring().is_some() {
            return;
        }
        // One that is not there is complained of when something is to be signed.
        if let Ok(Some(key)) = self.sealer().and_then(|sealer| sealer.key()) {
            self.own.add(&key);
        }
    }

    /// Signs what is to be signed; gives the first entry of the menu that then boots.
    fn renew_all(&mut self, roots: &Roots, order: &Order) -> Option<Read> {
        let mut first = None;
        let mut shells = Vec::new();
        let ours = order.entries.iter().filter(|entry| self.is_ours(roots, order, entry));
        for entry in ours.collect::<Vec<_>>() {
            let id = &entry.id;
            if self.is_shell(&entry.options) {
                if order.default.as_ref() == Some(id) {
                    self.complain_of_shell(id);
                }
                shells.push(id.as_str());
                continue;
            }
            match self.renew(roots, id, None) {
                Ok(standing) => first = first.or(self.boots(id, standing)),
                Err(error) => self.report.complain(format!("{id} is not signed: {error:#}")),
            }
        }
        if !shells.is_empty() && !self.report.done.is_empty() {
            let shells = shells.join(", ");
            self.report.say(format!(
                "not signed, as their command lines may give a root shell (sign-shell): {shells}"
            ));
        }
        first
    }

    /// What cannot boot, was never signed and is not the default is nobody's loss: a
    /// system on another disk.
    fn is_ours(&self, roots: &Roots, order: &Order, entry: &Entry) -> bool {
        let id = &entry.id;
        let is_going = self.removed.is_some_and(|release| is_gone(roots, entry, release));
        if is_kept(id) || self.is_left_out(id) || is_going {
            return false;
        }
        entry.is_bootable()
            || order.default.as_ref() == Some(id)
            || below(roots.home(), &manifest_path(id)).exists()
    }

    /// What is loaded for a panic, beside the manifests of the first boot partition.
    fn renew_crash(&mut self, specs: &[String]) -> Result<()> {
        let roots = self.open(specs)?;
        self.begin(&roots)?;
        for boot in kdump::entries(self.system, roots.home())? {
            let id = boot.entry.id.clone();
            if self.is_left_out(&id) {
                continue;
            }
            if self.is_shell(&boot.bundle.options) {
                self.complain_of_shell(&id);
                continue;
            }
            match self.renew_read(boot) {
                Ok(standing) => drop(self.boots(&id, standing)),
                Err(error) => self.report.complain(format!("{id} is not signed: {error:#}")),
            }
        }
        Ok(())
    }

    fn boots(&mut self, id: &str, standing: Standing) -> Option<Read> {
        match &standing {
            Standing::Refused(why) => {
                self.report.complain(format!("{id} would be refused: {why}"));
            }
            Standing::ShutOut(why) if self.is_default(id) => {
                self.report.complain(format!("{id} is shut out and the default: {why}"));
            }
            Standing::ShutOut(why) => self.report.note(format!("{id} is shut out: {why}")),
            Standing::Boots(_) | Standing::Signed(_) | Standing::NotOurs => {}
        }
        standing.boots()
    }

    fn complain_of_shell(&mut self, id: &str) {
        self.report.complain(format!(
            "{id} is not signed: its command line may give a root shell; sign-shell yes signs it"
        ));
    }

    fn is_default(&self, id: &str) -> bool {
        self.default.as_deref() == Some(id)
    }

    fn is_shell(&self, options: &str) -> bool {
        !self.signing.shell && entry::shell(options).is_some()
    }

    fn is_left_out(&self, id: &str) -> bool {
        self.signing.except.iter().any(|except| glob::matches(except, id))
    }

    /// The spare follows the default; where that is refused, it stays what it is.
    fn tend_spare(&mut self, roots: &Roots, specs: &[String], order: &Order, first: Option<Read>) {
        let home = roots.home().to_owned();
        if self.is_left_out(KEPT) {
            if let Err(error) = self.drop_kept(&home, |_| true) {
                self.report.complain(format!("{error:#}"));
            }
            return;
        }
        // One signer alone makes none that boots.
        if self.trust.wants_others() {
            return;
        }
        let Some(first) = first else { return };
        if self.has_new_key && order.entries.iter().any(|entry| is_kept(&entry.id)) {
            self.report.say(
                "the spare stays as it was signed before, as this machine's key is a new one; \
                 it follows at the next run"
                    .to_owned(),
            );
            return;
        }
        let is_default = order.default.as_ref() == Some(&first.boot.entry.id);
        if !is_default && self.has_spare(roots, order) {
            return;
        }
        if let Err(error) = self.keep(roots, specs, &first) {
            let id = &first.boot.entry.id;
            let what =
                format!("there is no spare of {id}: {error:#}; sign-except {KEPT} goes without");
            match error.downcast_ref::<Lasting>() {
                Some(_) => self.report.note(what),
                None => self.report.complain(what),
            }
        }
    }

    fn has_spare(&self, roots: &Roots, order: &Order) -> bool {
        let mut spares = order.entries.iter().filter(|entry| is_kept(&entry.id));
        spares.any(|spare| self.boots_as_it_is(roots, &spare.id))
    }

    fn drop_all(&mut self, roots: &Roots) -> Result<()> {
        if let Some(release) = self.removed {
            self.drop_stale(roots, Stale::OfRelease(release))?;
        }
        let order = entry::in_order(roots, self.arch)?;
        self.drop_stale(roots, Stale::NotIn(&order))
    }

    /// What an earlier run could not end.
    fn sweep(&self, roots: &Roots) -> Result<()> {
        let home = roots.home();
        for directory in ["turnout", "loader/entries", "boot/loader/entries"] {
            self.disk.sweep(&home.join(directory))?;
        }
        let kept = home.join(FILES);
        for path in names(&kept).iter().map(|mark| kept.join(mark)) {
            // A link has no business there, and is never followed.
            match path.symlink_metadata().is_ok_and(|there| there.is_dir()) {
                true => self.disk.sweep(&path)?,
                false => self.disk.remove(&path)?,
            }
        }
        Ok(())
    }

    /// The highest that is signed beside a menu.
    fn version_of(&self, roots: &Roots) -> u32 {
        let names = names(&roots.home().join("turnout"));
        let mut highest = 0;
        for id in names.iter().filter_map(|name| name.strip_suffix(".manifest")) {
            // One that cannot be read is complained of where it may be stale.
            let Ok(papers) = papers(roots.home(), id) else { continue };
            let signed = self.trust.vouched(&papers);
            let signed = signed.filter(|signed| signed.role == Role::Boot);
            highest = highest.max(signed.map_or(0, |signed| signed.security_version));
        }
        highest
    }
}

/// Whether an entry, which the menu still has, is of a kernel release that is gone.
fn is_gone(roots: &Roots, entry: &Entry, release: &str) -> bool {
    let ending = format!("-{release}");
    let mut files = entry.files().filter(|path| path.ends_with(&ending));
    files.any(|path| roots.place(path).is_some_and(|place| !place.exists()))
}
