//! The menu of a boot partition, each entry with what is known of it before
//! anybody chooses: are its files there, and who signed it.
//!
//! A manifest and its signature are read here, once; the big files are read
//! only when the entry is chosen. A shelf is made for one role: entries of the
//! other one boot only if somebody chooses them.

use super::Station;
use super::anchor::Anchor;
use super::partition;
use crate::choose::Item;
use crate::failure::{Failure, Stage};
use crate::menu::{Entry, Menu, Target};
use crate::plan;
use crate::preflight::Limits;
use crate::source::{self, Candidate};
use crate::sys::read::Root;
use crate::sys::{machine, mount};
use crate::trust::Role;
use crate::trust::verify::{Attested, Context};

/// A mounted boot partition and its menu.
pub(super) struct Shelf {
    pub(super) root: Root,
    pub(super) menu: Menu,
    /// What boots by itself.
    role: Role,
    /// One verdict an entry, in the menu's order.
    verdicts: Vec<Result<Attested, Failure>>,
    /// The entries that were taken and have failed.
    struck: Vec<usize>,
}

impl Shelf {
    /// The menu of the first partition that has one, for entries of `role`.
    ///
    /// # Errors
    /// Why the last one has none; the reasons of those before it are on the
    /// console.
    pub(super) fn first(
        station: &Station,
        partitions: &[Candidate],
        role: Role,
    ) -> Result<Self, Failure> {
        let mut last = Failure::new(Stage::Discover, "there is no boot partition");
        for (index, partition) in partitions.iter().enumerate() {
            if index > 0 {
                station.say(&last.to_string());
            }
            match Self::open(station, partition, role) {
                Ok(shelf) => return Ok(shelf),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    fn open(station: &Station, partition: &Candidate, role: Role) -> Result<Self, Failure> {
        let at_menu = |error| Failure::new(Stage::Menu, error);
        let device = format!("/dev/{}", partition.name);
        let kind = partition.filesystem.as_ref().map_or("", |found| found.kind.name());
        let why = source::why(partition, &station.config.device);
        station.say(&format!("boot partition {} ({why}, {kind})", partition.name));
        mount::release_boot_partition().map_err(at_menu)?;
        mount::boot_partition(&device, kind).map_err(at_menu)?;
        let root = Root::open(mount::BOOT).map_err(at_menu)?;
        let target = Target { arch: station.arch, boards: &station.identity.boards };
        let menu = partition::read_menu(&root, &target);
        for diagnostic in &menu.diagnostics {
            station.say(&diagnostic.to_string());
        }
        if menu.entries.is_empty() {
            return Err(Failure::new(
                Stage::Menu,
                format!("{device}: no menu entry in {}", partition::ENTRIES),
            ));
        }
        let (anchor, said) = station.anchor.updated(&root);
        said.iter().for_each(|line| station.say(line));
        station.keep_anchor(&anchor);
        let mut verdicts = examine_all(station, &anchor, &root, &menu);
        if station.raise_floor((&anchor, verdicts.iter().flatten())) {
            verdicts = examine_all(station, &anchor, &root, &menu);
        }
        Ok(Self { root, menu, role, verdicts, struck: Vec::new() })
    }

    /// The entry at `index` and what its manifest says.
    ///
    /// # Errors
    /// Why it cannot boot.
    pub(super) fn get(&self, index: usize) -> Result<(&Entry, &Attested), Failure> {
        let absent = || Failure::new(Stage::Menu, format!("there is no entry {index}"));
        let entry = self.menu.entries.get(index).ok_or_else(absent)?;
        let attested = self.verdicts.get(index).ok_or_else(absent)?.as_ref();
        Ok((entry, attested.map_err(Clone::clone)?))
    }

    /// Marks an entry that failed, so that it is not taken by itself again.
    pub(super) fn strike(&mut self, index: usize, failure: Failure) {
        if let Some(verdict) = self.verdicts.get_mut(index) {
            *verdict = Err(failure);
            self.struck.push(index);
        }
    }

    /// The next entry that boots by itself, going round.
    pub(super) fn next_after(&self, index: usize) -> Option<usize> {
        let ready = |index: &usize| match self.verdicts.get(*index) {
            Some(Ok(attested)) => role_of(attested) == self.role,
            _ => false,
        };
        (index..self.verdicts.len()).chain(0..index).find(ready)
    }

    /// The configured default, unless it is one that boots only if somebody
    /// chooses it.
    pub(super) fn default(&self) -> Option<usize> {
        let of_other_role = |index: &usize| match self.verdicts.get(*index) {
            Some(Ok(attested)) => role_of(attested) != self.role,
            _ => false,
        };
        self.menu.default.filter(|index| !of_other_role(index))
    }

    /// Why the configured default cannot boot, where it was to boot and cannot.
    pub(super) fn default_fails(&self) -> Option<&Failure> {
        if self.role == Role::Recovery {
            return None;
        }
        self.verdicts.get(self.menu.default?)?.as_ref().err()
    }

    /// The rows of the menu.
    pub(super) fn items(&self) -> Vec<Item> {
        let both = self.menu.entries.iter().zip(&self.verdicts);
        both.map(|(entry, verdict)| item(entry, verdict, self.role)).collect()
    }

    /// What is said above the menu: how it came to this one.
    pub(super) fn status(&self) -> String {
        match self.role {
            Role::Boot => String::new(),
            Role::Recovery => "Recovery: no operating system has booted.".to_owned(),
        }
    }

    /// One line an entry: why it does not boot. Before recovery all others have
    /// been told of already.
    pub(super) fn nothing_boots(&self) -> String {
        let (text, told): (_, Vec<usize>) = match self.role {
            Role::Boot => ("no entry can boot:", (0..self.verdicts.len()).collect()),
            Role::Recovery if self.struck.is_empty() => {
                return "there is no recovery entry that can boot".to_owned();
            }
            Role::Recovery => ("no recovery entry can boot:", self.struck.clone()),
        };
        let failures = told.iter().filter_map(|index| self.verdicts.get(*index)?.as_ref().err());
        failures.fold(text.to_owned(), |text, failure| format!("{text}\r\n  {failure}"))
    }
}

/// A row of the menu; what boots by itself is of this role.
fn item(entry: &Entry, verdict: &Result<Attested, Failure>, role: Role) -> Item {
    let (mark, detail) = match verdict {
        Ok(Attested::Signed(signed)) => {
            let mark = match signed.role() {
                Role::Boot => "ready",
                Role::Recovery => "recovery",
            };
            (mark.to_owned(), format!("signed by {}", signed.signers().join(" and ")))
        }
        Ok(Attested::Unsigned(_)) => {
            ("unsigned".to_owned(), "not verified: the image is open".to_owned())
        }
        Err(failure) => (failure.mark(), failure.sentence()),
    };
    let bootable = verdict.as_ref().is_ok_and(|attested| role_of(attested) == role);
    let (id, title) = (entry.id.clone(), entry.name().to_owned());
    Item { id, title, bootable, mark, detail, ..Item::default() }
}

/// What nobody signed is for nothing but to boot.
fn role_of(attested: &Attested) -> Role {
    match attested {
        Attested::Signed(signed) => signed.role(),
        Attested::Unsigned(_) => Role::Boot,
    }
}

/// What an entry must satisfy on this machine, by this anchor.
fn context<'a>(station: &'a Station, anchor: &'a Anchor) -> Context<'a> {
    Context {
        mode: station.config.mode,
        ring: anchor.ring.as_ref(),
        policy: &anchor.policy,
        arch: station.arch,
        identity: &station.identity,
        floors: station.standing.borrow().floors(),
    }
}

fn examine_all(
    station: &Station,
    anchor: &Anchor,
    root: &Root,
    menu: &Menu,
) -> Vec<Result<Attested, Failure>> {
    let (context, consoles) = (context(station, anchor), machine::consoles());
    let limits = Limits {
        memory: machine::memory_for_files(),
        cmdline: plan::longest_cmdline(station.arch),
        consoles: &consoles,
    };
    let examine = |entry: &Entry| {
        let admit = |attested| admit(station, attested);
        let found = partition::examine(&context, root, entry, &limits, admit);
        found.into_verdict().map_err(|failure| failure.of(&entry.id))
    };
    menu.entries.iter().map(examine).collect()
}

/// What may recover the machine may boot whatever state that is in.
fn admit(station: &Station, attested: Attested) -> Result<Attested, Failure> {
    match role_of(&attested) {
        Role::Boot => station
            .standing
            .borrow()
            .admits_boot()
            .and_then(|()| station.witness_admits_boot())
            .map(|()| attested),
        Role::Recovery => Ok(attested),
    }
}
