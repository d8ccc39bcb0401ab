//! The menu of all devices that are looked at, each entry with what is known of
//! it before anybody chooses: are its files there, and who signed it.
//!
//! A manifest and its signature are read here, once; the big files are read
//! only when the entry is chosen. A shelf is made for one role: entries of the
//! other one boot only if somebody chooses them. Rows are only ever appended, so
//! that an index means the same row as long as a menu is on the screen: what
//! belongs to a device that is gone stays, and cannot boot.

use core::cell::RefCell;
use std::sync::Arc;

use super::Station;
use super::anchor::Anchor;
use super::choose::Desk;
use super::item;
use super::partition;
use super::volume::{self, Volume};
use crate::choose::{Item, Update};
use crate::failure::{Failure, Stage};
use crate::menu::{self, Entry, Group, Menu, Target, Timeout};
use crate::plan;
use crate::preflight::{self, Limits};
use crate::source::report::{Outcome, Report};
use crate::source::{self, Candidate, Passed, Selector, Tier};
use crate::sys::block::Inventory;
use crate::sys::read::Root;
use crate::sys::uevent::Uevents;
use crate::sys::{AsFd as _, BorrowedFd, clock, machine};
use crate::trust::verify::{Attested, Context};
use crate::trust::{POLICY_PATH, RING_PATH, Role};

/// Most devices that are mounted, those that are gone included.
const MAX_VOLUMES: usize = 64;

/// The mounted devices and their menu.
pub(super) struct Shelf<'s> {
    station: &'s Station,
    /// What boots by itself.
    role: Role,
    uevents: Uevents,
    inventory: Inventory,
    /// What is there and has not been looked at yet.
    pending: Vec<Candidate>,
    report: Report,
    volumes: Vec<Volume>,
    pub(super) menu: Menu,
    /// What is in force: the image's, until a volume's updates were read.
    anchor: Anchor,
    /// Whether it is settled whose updates count.
    is_settled: bool,
    /// Whether the store of versions was read: before the first device.
    is_store_open: bool,
    /// One verdict an entry, in the menu's order.
    verdicts: Vec<Result<Arc<Attested>, Failure>>,
    /// The entries that were taken and have failed.
    struck: Vec<usize>,
    /// How many rows, from the first on, were rehearsed.
    rehearsed: usize,
    /// What is to be said, while a menu has the console.
    hushed: Option<RefCell<Vec<String>>>,
}

/// An entry, with all that booting it takes: nothing of it is the shelf's.
pub(super) struct Taken {
    pub(super) root: Arc<Root>,
    pub(super) entry: Entry,
    pub(super) attested: Arc<Attested>,
}

/// Menus that were read and are not on the shelf yet, with their volumes.
type Fresh = Vec<(Volume, Menu)>;

impl<'s> Shelf<'s> {
    /// The menu, as soon as a device has one, for entries of `role`.
    ///
    /// # Errors
    /// No device has one in time: everything that was looked at. It is of
    /// [`Stage::Discover`] if nothing was there to be mounted.
    pub(super) fn find(station: &'s Station, role: Role) -> Result<Self, Failure> {
        let mut shelf = Self::open(station, role)?;
        let wait = station.config.wait;
        let deadline = match role {
            Role::Boot => clock::elapsed().saturating_add(wait),
            // What is not there by then was waited for before.
            Role::Recovery => wait,
        };
        loop {
            shelf.look();
            if !shelf.menu.entries.is_empty() {
                shelf.raise_floor();
                return Ok(shelf);
            }
            if !station.wait_for_block(&shelf.uevents, deadline) {
                return Err(shelf.nothing_found());
            }
        }
    }

    fn open(station: &'s Station, role: Role) -> Result<Self, Failure> {
        let uevents = Uevents::open().map_err(|error| Failure::new(Stage::Discover, error))?;
        Ok(Self {
            station,
            role,
            uevents,
            inventory: Inventory::default(),
            pending: Vec::new(),
            report: Report::default(),
            volumes: Vec::new(),
            menu: Menu::default(),
            anchor: station.anchor.clone(),
            is_settled: false,
            is_store_open: false,
            verdicts: Vec::new(),
            struck: Vec::new(),
            rehearsed: 0,
            hushed: None,
        })
    }

    fn say(&self, text: &str) {
        match &self.hushed {
            Some(lines) => lines.borrow_mut().push(text.to_owned()),
            None => self.station.say(text),
        }
    }

    /// Takes note of devices that came and went, and puts the menus of new ones
    /// behind those that are there.
    fn look(&mut self) {
        let changes = self.inventory.refresh();
        changes.gone.iter().for_each(|name| self.lose(name));
        self.pending.extend(changes.fresh);
        let fresh = self.read_pending();
        self.append(fresh);
    }

    /// Reads the menus of devices, best first, until what they say is enough.
    fn read_pending(&mut self) -> Fresh {
        let mut fresh = Fresh::new();
        let mut ranked = self.rank_pending().into_iter();
        if ranked.len() > 0 && !self.is_store_open {
            self.station.open_store();
            self.is_store_open = true;
        }
        for (tier, candidate) in ranked.by_ref() {
            let outcome = match self.against(&candidate, &fresh) {
                Some(why) => Outcome::Passed(why),
                None => self.read(&candidate, tier, &mut fresh),
            };
            self.report.note(volume::looked(&candidate, outcome));
            if self.menu.entries.is_empty() && fresh.iter().any(|(_, menu)| settles_all(menu)) {
                break;
            }
        }
        self.pending.extend(ranked.map(|(_, candidate)| candidate));
        fresh
    }

    /// Those that are to be looked at; the others are told of in the report.
    fn rank_pending(&mut self) -> Vec<(Tier, Candidate)> {
        let config = &self.station.config;
        let pending = core::mem::take(&mut self.pending);
        for candidate in &pending {
            if let Err(why) = source::tier(candidate, &config.device, config.scan()) {
                self.report.note(volume::looked(candidate, Outcome::Passed(why)));
            }
        }
        let ranked = source::rank(&pending, &config.device, config.scan());
        ranked.into_iter().map(|(tier, candidate)| (tier, candidate.clone())).collect()
    }

    /// Why a device is not to be mounted, all the same. What has an identifier
    /// that another one has too is told of.
    fn against(&self, candidate: &Candidate, fresh: &Fresh) -> Option<Passed> {
        let mounted = self.volumes.iter().chain(fresh.iter().map(|(volume, _)| volume));
        let here = mounted.clone().filter(|volume| volume.is_here);
        let selector = &self.station.config.device;
        let shared = match selector {
            Selector::Auto => source::twin(here.map(|volume| &volume.candidate), candidate),
            // All that were named share what they were named by.
            explicit => here.map(|volume| (&volume.candidate, explicit.to_string())).next(),
        };
        let is_named = *selector != Selector::Auto && shared.is_some();
        if let Some((first, identifier)) = shared {
            let (name, first) = (&candidate.name, &first.name);
            let what = if is_named { ", and is not used" } else { "" };
            let line = format!("{name} is {identifier} as {first} is: {first} comes first{what}");
            self.say(&line);
        }
        if is_named {
            return Some(Passed::Duplicate);
        }
        (mounted.count() >= MAX_VOLUMES).then_some(Passed::Count)
    }

    /// Mounts a device and reads its menu; a device without one is let go again.
    fn read(&self, candidate: &Candidate, tier: Tier, fresh: &mut Fresh) -> Outcome {
        let station = self.station;
        let kind = candidate.filesystem.as_ref().map_or("", |found| found.kind.name());
        let why = source::why(candidate, &station.config.device);
        let what = if tier.role.is_boot() { "boot partition" } else { "file system" };
        self.say(&format!("{what} {} ({why}, {kind})", candidate.name));
        let target = Target { arch: station.arch, boards: &station.identity.boards };
        match Volume::open(candidate, tier, &target) {
            Ok((volume, menu)) => {
                let outcome = volume::outcome(&menu);
                if !menu.entries.is_empty() {
                    fresh.push((volume, menu));
                } else {
                    self.say_all(&menu);
                }
                outcome
            }
            Err(outcome) => {
                if let Outcome::Unmounted(why) = &outcome {
                    self.say(why);
                }
                outcome
            }
        }
    }

    fn say_all(&self, menu: &Menu) {
        menu.diagnostics.iter().for_each(|diagnostic| self.say(&diagnostic.to_string()));
    }

    /// Puts menus that were read together on the shelf, behind the others.
    fn append(&mut self, fresh: Fresh) {
        if fresh.is_empty() {
            return;
        }
        let (volumes_before, rows_before) = (self.volumes.len(), self.menu.entries.len());
        let mut menus: Vec<(Group, Menu)> = Vec::new();
        for (volume, menu) in fresh {
            let group = volume.group(self.volumes.get(volumes_before..).unwrap_or_default());
            self.volumes.push(volume);
            menus.push((group, menu));
        }
        let mut merged = menu::merge(menus);
        for entry in &mut merged.entries {
            entry.volume = entry.volume.saturating_add(volumes_before);
        }
        self.say_all(&merged);
        if rows_before == 0 {
            self.menu = merged;
            self.station.settle_default(&mut self.menu);
        } else {
            let behind = |index: usize| index.saturating_add(rows_before);
            self.menu.default = self.menu.default.or_else(|| merged.default.map(behind));
            self.menu.entries.extend(merged.entries);
        }
        self.station.keep_ids(&self.menu);
        self.settle_anchor(volumes_before);
        self.examine_from(rows_before);
    }

    /// Takes the updates of ring and policy of the first volume, once: what is in
    /// force does not change while a menu is shown. A disk that anybody can put
    /// in is no place for them, unless it was named.
    fn settle_anchor(&mut self, volumes_before: usize) {
        let was_named = self.station.config.device != Selector::Auto;
        let fresh = self.volumes.get(volumes_before..).unwrap_or_default();
        let authority = fresh.iter().find(|volume| was_named || is_authority(volume.tier));
        let authority = authority.filter(|_| !self.is_settled);
        idle_updates(fresh, authority).iter().for_each(|line| self.say(line));
        if self.is_settled {
            return;
        }
        if let Some(volume) = authority {
            let (anchor, said) = self.station.anchor.updated(&volume.root);
            said.iter().for_each(|line| self.say(line));
            self.anchor = anchor;
        }
        self.station.keep_anchor(&self.anchor);
        self.is_settled = true;
    }

    fn examine_from(&mut self, first: usize) {
        let rows = self.menu.entries.get(first..).unwrap_or_default();
        let verdicts = self.examine(rows);
        self.verdicts.extend(verdicts);
    }

    fn examine(&self, rows: &[Entry]) -> Vec<Result<Arc<Attested>, Failure>> {
        let (context, consoles) = (context(self.station, &self.anchor), machine::consoles());
        let limits = Limits {
            memory: machine::memory_for_files(),
            cmdline: plan::longest_cmdline(self.station.arch),
            consoles: &consoles,
        };
        let examine = |entry: &Entry| {
            let volume = self.volumes.get(entry.volume).ok_or_else(no_such_entry)?;
            let admit = |attested| admit(self.station, attested);
            let found = partition::examine(&context, &volume.root, entry, &limits, admit);
            found.into_verdict().map(Arc::new).map_err(|failure| failure.of(&entry.id))
        };
        rows.iter().map(examine).collect()
    }

    /// What has confirmed itself raises the floor, and what is below that is
    /// refused from now on.
    fn raise_floor(&mut self) {
        let attested = self.verdicts.iter().flatten().map(|attested| &**attested);
        if !self.station.raise_floor((&self.anchor, attested)) {
            return;
        }
        let again = self.examine(&self.menu.entries);
        let is_final: Vec<bool> = (0..again.len()).map(|index| self.is_final(index)).collect();
        for ((old, new), is_final) in self.verdicts.iter_mut().zip(again).zip(is_final) {
            if !is_final {
                *old = new;
            }
        }
    }

    /// Whether nothing that is read again changes what is known of an entry.
    fn is_final(&self, index: usize) -> bool {
        let entry = self.menu.entries.get(index);
        let volume = entry.and_then(|entry| self.volumes.get(entry.volume));
        self.struck.contains(&index) || volume.is_none_or(|volume| !volume.is_here)
    }

    /// A device is gone, and what was on it cannot boot.
    fn lose(&mut self, name: &str) {
        self.pending.retain(|candidate| candidate.name != name);
        self.report.forget(name);
        let is_lost = |volume: &&mut Volume| volume.is_here && volume.candidate.name == name;
        let found = self.volumes.iter_mut().enumerate().find(|(_, volume)| is_lost(volume));
        let Some((lost, volume)) = found else { return };
        volume.leave();
        let gone = format!("{name} was taken out");
        let both = self.menu.entries.iter().zip(&mut self.verdicts);
        for (entry, verdict) in both.filter(|(entry, _)| entry.volume == lost) {
            *verdict = Err(Failure::broken("GONE", gone.clone()).of(&entry.id));
        }
        self.say(&gone);
    }

    /// Looks at the devices that were passed over because another one's menu is
    /// hidden. False if there are none with an entry.
    pub(super) fn widen(&mut self) -> bool {
        let before = self.menu.entries.len();
        self.look();
        self.raise_floor();
        self.menu.entries.len() > before
    }

    fn nothing_found(&self) -> Failure {
        let was_read = |outcome: &Outcome| !matches!(outcome, Outcome::Passed(_));
        let found = self.report.devices.iter().any(|looked| was_read(&looked.outcome));
        let (stage, what) = match found {
            true => (Stage::Menu, "no menu entry"),
            false => (Stage::Discover, "no boot partition"),
        };
        let (device, wait) = (&self.station.config.device, self.station.config.wait.as_secs());
        let none = match self.report.devices.is_empty() {
            true => " none (is the driver's module in the image?)",
            false => "",
        };
        let report = &self.report;
        let text = format!("{what} ({device}) after {wait} s; block devices seen:{none}{report}");
        Failure::new(stage, text)
    }

    /// The entry at `index` and what its manifest says.
    ///
    /// # Errors
    /// Why it cannot boot.
    pub(super) fn take(&self, index: usize) -> Result<Taken, Failure> {
        let entry = self.menu.entries.get(index).ok_or_else(no_such_entry)?.clone();
        let volume = self.volumes.get(entry.volume).ok_or_else(no_such_entry)?;
        let attested = self.verdicts.get(index).ok_or_else(no_such_entry)?.clone()?;
        Ok(Taken { root: Arc::clone(&volume.root), entry, attested })
    }

    /// Marks an entry that failed, so that it is not taken by itself again.
    pub(super) fn strike(&mut self, index: usize, failure: Failure) {
        if let Some(verdict) = self.verdicts.get_mut(index) {
            *verdict = Err(failure);
            self.struck.push(index);
        }
    }

    /// Marks an entry that was found, by a rehearsal, not to boot.
    pub(super) fn refuse(&mut self, index: usize, failure: &Failure) {
        match self.verdicts.get_mut(index) {
            Some(Ok(attested)) if attested.role() == self.role => {
                self.strike(index, failure.clone());
            }
            Some(verdict @ Ok(_)) => *verdict = Err(failure.clone()),
            // What was said of it before counts: its device may be gone.
            Some(Err(_)) | None => {}
        }
    }

    /// The next entry, in the order in which they are shown, that could boot and
    /// was not rehearsed; each once.
    pub(super) fn next_to_rehearse(&mut self) -> Option<usize> {
        let rest = self.verdicts.get(self.rehearsed..)?;
        let index = self.rehearsed.saturating_add(rest.iter().position(Result::is_ok)?);
        self.rehearsed = index.saturating_add(1);
        Some(index)
    }

    /// The next entry that boots by itself, going round.
    pub(super) fn next_after(&self, index: usize) -> Option<usize> {
        let ready = |index: &usize| match self.verdicts.get(*index) {
            Some(Ok(attested)) => attested.role() == self.role,
            _ => false,
        };
        (index..self.verdicts.len()).chain(0..index).find(ready)
    }

    /// The configured default, unless it is one that boots only if somebody
    /// chooses it.
    pub(super) fn default(&self) -> Option<usize> {
        let of_other_role = |index: &usize| match self.verdicts.get(*index) {
            Some(Ok(attested)) => attested.role() != self.role,
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
        let consoles = machine::consoles();
        let row = |(entry, verdict): (&Entry, &Result<Arc<Attested>, Failure>)| {
            let device = self.volumes.get(entry.volume).map_or("", Volume::name);
            let verdict = verdict.as_deref();
            let notes = preflight::notes(entry, verdict.ok(), &consoles);
            item::item(device, entry, verdict, self.role, &notes)
        };
        both.map(row).collect()
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

/// Devices come and go while the menu is shown.
impl Desk for Shelf<'_> {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.uevents.as_fd()]
    }

    fn changed(&mut self) -> Option<Update> {
        if !self.uevents.block_changed() {
            return None;
        }
        self.hushed = Some(RefCell::default());
        self.look();
        let said = self.hushed.take().map(RefCell::into_inner).unwrap_or_default();
        // Whatever is news is said; a device that holds no menu is none.
        let say = Some(said.join("; ")).filter(|said| !said.is_empty())?;
        Some(Update { items: self.items(), default: self.default(), say: Some(say) })
    }

    fn save_default(&mut self, index: usize) -> String {
        self.station.save_default(self.menu.entries.get(index))
    }
}

fn no_such_entry() -> Failure {
    Failure::new(Stage::Menu, "there is no such entry")
}

/// Which volumes bring updates of ring and policy for nothing.
fn idle_updates(volumes: &[Volume], authority: Option<&Volume>) -> Vec<String> {
    let authority = authority.map(Volume::name);
    let idle = volumes.iter().filter(|volume| Some(volume.name()) != authority);
    let line = |volume: &Volume| {
        let is_there = |path: &&str| volume.root.size(path).is_ok();
        let path = [RING_PATH, POLICY_PATH].into_iter().find(is_there)?;
        let name = volume.name();
        Some(format!("{name}: {path} does not count: this is not the first boot partition"))
    };
    idle.filter_map(line).collect()
}

/// Whether updates of ring and policy count that lie there.
const fn is_authority(tier: Tier) -> bool {
    !tier.removable && tier.role.is_boot()
}

/// Whether nobody is asked, and an entry that is there boots: then no other
/// device is needed.
fn settles_all(menu: &Menu) -> bool {
    let is_hidden = matches!(menu.settings.timeout, Some(Timeout::Hidden | Timeout::Disabled));
    let wanted = menu.settings.default.as_ref().map(|wanted| &wanted.what);
    let Some(menu::What::Pattern(pattern)) = wanted.filter(|_| is_hidden) else { return false };
    let found = menu.entries.iter().find(|entry| entry.is_named_by(pattern));
    found.is_some_and(Entry::is_bootable)
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

/// What may recover the machine may boot whatever state that is in.
pub(super) fn admit(station: &Station, attested: Attested) -> Result<Attested, Failure> {
    match attested.role() {
        Role::Boot => station
            .standing
            .borrow()
            .admits_boot()
            .and_then(|()| station.witness_admits_boot())
            .map(|()| attested),
        Role::Recovery => Ok(attested),
    }
}
