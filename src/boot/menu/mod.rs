//! The menu of all devices that are looked at, each entry with what is known of
//! it before anybody chooses: are its files there, and who signed it.
//!
//! A manifest and its signature are read here, once; the big files are read
//! only when the entry is chosen. A menu is made for one role: entries of the
//! other one boot only if somebody chooses them. Rows are only ever appended, so
//! that an index means the same row as long as a menu is on the screen: what
//! belongs to a device that is gone stays, and cannot boot.

use core::mem;
use core::time::Duration;
use std::sync::Arc;

use super::choose::Feed;
use super::discover::{Devices, Fresh, Host, Lost, Mounted, Ranked, say_diagnostics, settles_all};
use super::efi;
use super::item::item;
use super::once;
use super::rollback::signed;
use super::session::{Memory, Session};
use super::slots::{self, Rank, Starts, Taking, outcome_of};
use super::stall::{is_stall, stalled};
use super::voice::{Voice, heading};
use super::volume::Volume;
use crate::base::text::printable;
use crate::choose::{Chooser, Chosen, Editing, Item, Update};
use crate::failure::{Failure, Stage};
use crate::menu::{self, By, Entry, Group, Menu, Timeout};
use crate::plan;
use crate::preflight::{self, Limits};
use crate::slots::Outcome;
use crate::slots::rules::{Count, Turn};
use crate::source::{Selector, Tier};
use crate::steps::anchor::Anchor;
use crate::steps::examine::examine;
use crate::sys::read::Roots;
use crate::sys::{BorrowedFd, clock, machine, vigil};
use crate::trust::slots::SlotValues;
use crate::trust::verify::{Attested, Context, Mode, Signed};
use crate::trust::{POLICY_PATH, RING_PATH, Role};

const SIGNED: &str = "The command line is part of what was signed: a locked image boots it \
                      unchanged.";

const FORBIDDEN: &str = "The menu forbids to edit command lines: by \"editor no\" in loader.conf or \
                         superusers of GRUB.";

/// The mounted devices and their menu.
pub(super) struct BootMenu<'s> {
    session: &'s Session,
    memory: &'s mut Memory,
    devices: Devices<'s>,
    voice: Voice<'s>,
    /// What boots by itself.
    role: Role,
    volumes: Vec<Volume>,
    menu: Menu,
    /// What is in force: the image's, until a volume's updates were read.
    anchor: Anchor,
    /// Whether it is settled whose updates count.
    is_settled: bool,
    /// Whether the store of versions was read: before the first device.
    is_store_open: bool,
    /// Whether what it waits with was settled: what becomes the default later is used up
    /// at once.
    has_begun: bool,
    /// One verdict an entry, in the menu's order.
    verdicts: Vec<Verdict>,
    /// The entries that were taken and have failed.
    struck: Vec<usize>,
    /// How many rows, from the first on, were rehearsed.
    rehearsed: usize,
    /// What is said above the list: how it came to this menu.
    status: String,
    /// The entry that it waits with.
    next: Option<usize>,
    /// Until when devices of slots are waited for, after the start.
    deadline: Duration,
    /// Whether the slots' devices come in their order, before all others.
    has_slots: bool,
    /// What the firmware or a menu has chosen for this boot only.
    once: Option<usize>,
    instant: Instant,
    /// Whether it is shown for its time although nothing boots by itself.
    stays: bool,
    /// Of slots' devices, by number: the id of what their own menu begins with.
    defaults: Vec<(usize, String)>,
}

/// Whether the menu is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instant {
    /// Unless there is a reason to show it.
    Possible,
    /// It is.
    Now,
    /// It was, and a key has brought it.
    Called,
    /// It is shown.
    Over,
}

/// Whether an entry may boot.
type Verdict = Result<Arc<Attested>, Failure>;

/// An entry, with all that booting it takes: nothing of it is the menu's.
pub(super) struct Taken {
    pub(super) roots: Roots,
    pub(super) entry: Entry,
    pub(super) attested: Arc<Attested>,
    /// Whether systemd looks for its menu file where it lies.
    pub(super) is_on_boot: bool,
    /// What is filled into its signed command line.
    pub(super) values: SlotValues,
}

impl Taken {
    /// Path of its menu file, if that counts its boots and systemd's tools find it.
    pub(super) fn counted(&self) -> Option<String> {
        let is_counted = self.is_on_boot && self.entry.counter.is_some();
        is_counted.then(|| self.entry.file.clone())
    }
}

/// The menu, as soon as a device has one, for entries of `role`.
///
/// # Errors
/// No device has one in time: everything that was looked at. It is of
/// [`Stage::Discover`] if nothing was there to be mounted.
pub(super) fn menu<'s>(
    session: &'s Session,
    memory: &'s mut Memory,
    devices: Devices<'s>,
    role: Role,
) -> Result<BootMenu<'s>, Failure> {
    let wait = session.config.wait;
    let deadline = match role {
        Role::Boot => clock::elapsed().saturating_add(wait),
        // What is not there by then was waited for before.
        Role::Recovery => wait,
    };
    let mut menu = BootMenu::empty(session, memory, devices, role);
    menu.deadline = deadline;
    menu.has_slots = role == Role::Boot;
    loop {
        menu.look();
        if !menu.menu.entries.is_empty() {
            menu.raise_floor();
            menu.begin();
            return Ok(menu);
        }
        let deadline = session.drivers.extend(deadline, wait);
        if !menu.devices.wait(deadline, &menu.voice) && !menu.hurries() {
            return Err(menu.devices.nothing_found());
        }
    }
}

impl<'s> BootMenu<'s> {
    /// Before anything was looked at.
    pub(super) fn empty(
        session: &'s Session,
        memory: &'s mut Memory,
        devices: Devices<'s>,
        role: Role,
    ) -> Self {
        Self {
            session,
            memory,
            devices,
            voice: session.voice(),
            role,
            volumes: Vec::new(),
            menu: Menu::default(),
            anchor: session.anchor.clone(),
            is_settled: false,
            is_store_open: false,
            has_begun: false,
            verdicts: Vec::new(),
            struck: Vec::new(),
            rehearsed: 0,
            status: String::new(),
            next: None,
            deadline: Duration::ZERO,
            has_slots: false,
            once: None,
            instant: Instant::Possible,
            stays: false,
            defaults: Vec::new(),
        }
    }

    /// What is known before it is shown. A menu that is hidden does not show why
    /// its default fails.
    fn begin(&mut self) {
        if let Some(failure) = self.default_fails().cloned() {
            self.voice.say(&failure.to_string());
            self.memory.note(&failure);
        }
        self.status = match self.role {
            Role::Boot => String::new(),
            Role::Recovery => "Recovery: no operating system has booted.".to_owned(),
        };
        self.next = self.default();
        self.memory.wishes.use_up();
        self.has_begun = true;
        self.use_up();
    }

    /// What the menu in force chose for one boot counts for no other.
    fn use_up(&mut self) {
        if self.has_begun {
            once::use_up(self.session, self.memory, &self.volumes, &mut self.menu);
        }
    }

    /// Whether what is loaded may have an archive of Turnout's own before it.
    pub(super) fn may_have_front(&self) -> bool {
        self.memory.may_have_front()
    }

    /// What the session remembers.
    pub(super) const fn memory(&mut self) -> &mut Memory {
        self.memory
    }

    /// Takes note of devices that came and went, and puts the menus of new ones
    /// behind those that are there.
    fn look(&mut self) {
        for lost in self.devices.look() {
            self.lose(&lost);
        }
        let ranked = self.devices.rank();
        if !ranked.is_empty() {
            self.open_store();
        }
        match self.read_slots(ranked) {
            Some(others) => {
                self.read(others);
            }
            // Those that have answered at last.
            None => {
                self.read(Vec::new());
            }
        }
    }

    /// Once a search: what outlasts the power, before the first device.
    fn open_store(&mut self) {
        if self.is_store_open {
            return;
        }
        let is_seen = self.devices.have_state_area();
        self.memory.open_store(self.session, is_seen);
        self.is_store_open = true;
        if self.has_slots {
            self.memory.starts.plan(&self.session.config);
        }
    }

    /// Reads menus; whether one of them says that no other is needed.
    fn read(&mut self, ranked: Vec<Ranked>) -> bool {
        let has_entries = !self.menu.entries.is_empty();
        let mounted = Mounted { volumes: &self.volumes, has_entries };
        let (session, memory) = (self.session, &mut *self.memory);
        let used = memory.used.clone();
        let wants_all = memory.starts.wants_entry()
            || (memory.starts.rules.is_declared && memory.wishes.wants_once());
        let mut host = Host {
            target: session.target(&used),
            voice: &self.voice,
            gate: &mut |candidate| memory.before_mount(session, candidate),
            wants_all,
        };
        let fresh = self.devices.read(ranked, &mounted, &mut host);
        let is_enough = !wants_all && fresh.iter().any(|(_, menu)| settles_all(menu));
        self.append(fresh);
        is_enough
    }

    /// Reads the devices of slots one after the other, in their order, until one has
    /// something that boots: no other is touched before. Gives the others, once it is
    /// their turn.
    fn read_slots(&mut self, mut ranked: Vec<Ranked>) -> Option<Vec<Ranked>> {
        while let Some(target) = self.target() {
            let place = ranked.iter().position(|(_, candidate)| target.selects(candidate));
            let is_enough = match place {
                Some(place) => {
                    let first = ranked.remove(place);
                    let candidate = first.1.clone();
                    let is_enough = self.read(vec![first]);
                    self.memory.starts.sees(&candidate);
                    is_enough
                }
                None if self.is_late() => {
                    let said = self.memory.starts.lacks_device();
                    self.memory.keep_slots(self.session);
                    said.iter().for_each(|line| self.voice.say(line));
                    false
                }
                None => {
                    self.devices.hold_back(ranked);
                    return None;
                }
            };
            self.settle_slots();
            if is_enough && self.target().is_none() {
                self.devices.hold_back(ranked);
                return None;
            }
        }
        Some(ranked)
    }

    /// The device that is to be read before any other.
    fn target(&self) -> Option<Selector> {
        self.memory.starts.target().filter(|_| self.has_slots)
    }

    fn is_late(&self) -> bool {
        let wait = self.session.config.wait;
        clock::elapsed() >= self.session.drivers.extend(self.deadline, wait)
    }

    /// Time is over: whether a slot's device was waited for, and others are to be looked
    /// at now.
    fn hurries(&mut self) -> bool {
        // Slots whose devices are nowhere to be seen pay too.
        if self.has_slots && self.memory.starts.rules.is_declared {
            self.open_store();
        }
        self.target().is_some() && self.is_late()
    }

    /// Slots of which nothing boots in this search have failed.
    fn settle_slots(&mut self) {
        if !self.has_slots {
            return;
        }
        loop {
            let current = self.memory.starts.current();
            let Some(name) = current.iter().find(|name| !self.has_bootable(name)) else { return };
            let has_entries = self.rows_of(name).next().is_some();
            let outcome = self.outcome_of(name);
            if has_entries {
                self.memory.starts.gives_up(name, outcome);
            } else {
                self.memory.starts.lacks_entries(name);
            }
        }
    }

    /// The rows of a slot.
    fn rows_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        (0..self.verdicts.len()).filter(move |index| self.slot_of(*index).as_deref() == Some(name))
    }

    fn has_bootable(&self, name: &str) -> bool {
        self.rows_of(name).any(|index| self.role_of(index) == Some(Role::Boot))
    }

    fn outcome_of(&self, name: &str) -> Outcome {
        let verdicts = self.rows_of(name).filter_map(|index| self.verdicts.get(index));
        outcome_of(verdicts.filter_map(|verdict| verdict.as_ref().err()))
    }

    /// The slot that an entry is of.
    fn slot_of(&self, index: usize) -> Option<String> {
        let entry = self.menu.entries.get(index)?;
        let volume = self.volumes.get(entry.volume);
        slots::slot_of(&self.session.config, volume.map(|volume| &volume.candidate), entry)
    }

    /// When an entry that can boot is tried; none if only by somebody's hand.
    fn rank(&self, index: usize) -> Option<Rank> {
        self.role_of(index).filter(|role| *role == self.role)?;
        let entry = self.menu.entries.get(index)?;
        let starts = &self.memory.starts;
        match self.role {
            Role::Recovery => Some((Turn::Tries, 0, 0)),
            Role::Boot if self.once == Some(index) => Some((Turn::Once, 0, 0)),
            Role::Boot => {
                let (turn, place) = starts.rank(self.slot_of(index).as_deref(), entry)?;
                Some((turn, place, self.rank_in_slot(index, entry)))
            }
        }
    }

    /// What boots by itself comes first in its slot, then what the slot's own menu begins
    /// with.
    fn rank_in_slot(&self, index: usize, entry: &Entry) -> u8 {
        let is_own = |(volume, id): &(usize, String)| *volume == entry.volume && *id == entry.id;
        if self.session.config.slots.is_empty() {
            return 0;
        }
        match self.menu.default == Some(index) {
            true => 0,
            false if self.defaults.iter().any(is_own) => 1,
            false => 2,
        }
    }

    /// What boots by itself if this is what was wanted.
    fn first_from(&self, wanted: Option<usize>) -> Option<usize> {
        let from = wanted.unwrap_or_default();
        let round = (from..self.verdicts.len()).chain(0..from.min(self.verdicts.len()));
        slots::first(round, |index| self.rank(index))
    }

    /// The entry that is wanted, or the one that comes before it all the same: of a slot
    /// whose turn is earlier. One that cannot boot stays the wanted one where the next
    /// takes its place anyway.
    pub(super) fn default_from(&self, wanted: Option<usize>) -> Option<usize> {
        let first = self.first_from(wanted);
        let from = wanted.unwrap_or_default();
        let mut round = (from..self.verdicts.len()).chain(0..from.min(self.verdicts.len()));
        if round.find(|index| self.rank(*index).is_some()) == first { wanted } else { first }
    }

    /// The entry that it waits with is about to be read.
    pub(super) fn begin_entry(&mut self) {
        if let Some(index) = self.first_from(self.next) {
            self.takes(index, false);
        }
    }

    /// Another one takes its place.
    pub(super) fn begin_other(&mut self, index: usize) {
        self.settle_slots();
        self.takes(index, false);
    }

    /// An entry was chosen, and is about to be read.
    pub(super) fn chooses(&mut self, chosen: &Chosen) {
        let is_default = self.first_from(self.next) == Some(chosen.index);
        self.settle_slots();
        self.takes(chosen.index, !is_default || chosen.options.is_some());
    }

    /// What is started is of no entry.
    pub(super) fn leaves_slots(&mut self) {
        self.memory.starts.leaves();
        self.memory.keep_slots(self.session);
    }

    fn takes(&mut self, index: usize, by_hand: bool) {
        // One that cannot boot is only asked why.
        let Some(role) = self.role_of(index) else { return };
        let slot = self.slot_of(index);
        let Some(entry) = self.menu.entries.get(index) else { return };
        let is_once = self.once == Some(index) || self.memory.starts.is_once(entry);
        let taking = Taking { slot: slot.as_deref(), entry, role, is_once, by_hand };
        self.memory.before_read(self.session, &taking);
    }

    /// Puts menus that were read together behind the others.
    fn append(&mut self, fresh: Fresh) {
        if fresh.is_empty() {
            return;
        }
        let before = self.volumes.len();
        let mut menus: Vec<(Group, Menu)> = Vec::new();
        for (volume, menu) in fresh {
            let group = volume.group(self.volumes.get(before..).unwrap_or_default());
            self.volumes.push(volume);
            menus.push((group, menu));
        }
        for (number, (_, menu)) in (before..).zip(&mut menus) {
            if let Some(found) = self.read_again(number, 0) {
                *menu = found;
            }
            let Some(volume) = self.volumes.get(number) else { continue };
            self.voice.say_all(&self.devices.hint(volume));
            if slots::owner(&self.session.config, &volume.candidate).is_some() {
                self.defaults.extend(menu.wanted().map(|entry| (number, entry.id.clone())));
            }
        }
        self.join(menu::merge(menus), before);
        (0..before).for_each(|number| self.update(number, before));
        self.judge(before);
        self.use_up();
    }

    /// Puts a menu, whose volumes are those from `first` on, to the rows: what is there
    /// and cannot boot is replaced, the rest comes behind. The first one says what the
    /// default is and how long it waits.
    fn join(&mut self, mut merged: Menu, first: usize) {
        renumber(&mut merged, first);
        once::forget_cleared(self.session, self.memory, &self.volumes, &merged);
        say_diagnostics(&merged, &self.voice);
        if self.menu.entries.is_empty() {
            self.menu = merged;
            self.memory.wishes.settle_default(&mut self.menu, &self.session.voice());
            let is_once = self.memory.wishes.is_for_once(&self.menu);
            self.once = self.menu.default.filter(|_| is_once);
        } else {
            self.add_rows(merged);
        }
        self.memory.wishes.keep_ids(&self.menu);
    }

    fn add_rows(&mut self, merged: Menu) {
        self.menu.diagnostics.extend(merged.diagnostics);
        let mut default = None;
        let rows = self.menu.entries.len();
        for (index, entry) in merged.entries.into_iter().enumerate() {
            let mut old = self.menu.entries.iter().take(rows);
            let found = old.position(|row| is_one(row, &entry));
            let row = found.unwrap_or(self.menu.entries.len());
            default = default.or((merged.default == Some(index)).then_some(row));
            match found {
                Some(row) => self.replace(row, entry),
                None => self.menu.entries.push(entry),
            }
        }
        if self.menu.default.is_none() && default.is_some() {
            self.menu.default = default;
            self.menu.settings.next_entry = merged.settings.next_entry;
        }
        self.settle_once();
    }

    /// What the firmware names for this boot may be in any slot, and only the menu of the
    /// first one was asked for it.
    fn settle_once(&mut self) {
        let is_late = self.has_begun || !self.memory.starts.rules.is_declared;
        if let Some(index) = self.memory.wishes.once_in(&self.menu).filter(|_| !is_late) {
            self.menu.default = Some(index);
            self.once = Some(index);
        }
    }

    /// Judges the rows that are new. Nothing is judged before it is settled what it is
    /// judged by.
    fn judge(&mut self, volumes_before: usize) {
        if self.menu.entries.is_empty() {
            return;
        }
        self.settle_anchor(volumes_before);
        let before = self.verdicts.len();
        self.examine_from(before);
        self.hear_names(before);
        self.say_ends(volumes_before);
    }

    /// Names that have lost their counter confirm an entry, if it may boot: it has to be
    /// the system that was started, or, where nothing is signed, to be on no disk that
    /// anybody can put in.
    fn hear_names(&mut self, first: usize) {
        let was_named = self.session.config.device != Selector::Auto;
        let both = self.menu.entries.iter().zip(&self.verdicts).skip(first);
        for (entry, verdict) in both {
            let Ok(attested) = verdict else { continue };
            let manifest = signed(attested).map(Signed::digest);
            let volume = self.volumes.get(entry.volume);
            let is_own = was_named || volume.is_some_and(|volume| !volume.tier.removable);
            if is_own || manifest.is_some() {
                let said = self.memory.starts.hears(entry, manifest);
                said.iter().for_each(|line| self.voice.say(line));
            }
        }
    }

    /// The menu of a volume with all others in sight, where one from `first` on is what
    /// it has looked for in vain. What its budget does not pay for a second time is not
    /// read.
    fn read_again(&mut self, number: usize, first: usize) -> Option<Menu> {
        let volume = self.volumes.get(number).filter(|volume| volume.is_here)?;
        let mut fresh = self.volumes.iter().skip(first).filter(|one| one.is_here);
        if !fresh.any(|one| volume.wants(one)) {
            return None;
        }
        let others = self.others(volume);
        vigil::work();
        let mut menu = volume.read(&self.session.target(&self.memory.used), &others);
        let missed = mem::take(&mut menu.missed);
        let end = menu.diagnostics.iter().find(|one| one.code == menu::Code::Budget);
        if let Some(end) = end {
            self.voice.say(&[volume.name(), ": ", &end.to_string()].concat());
        }
        let is_cut = end.is_some();
        self.volumes.get_mut(number)?.missed = missed;
        (!is_cut).then_some(menu)
    }

    /// All other volumes that are here, as the menus of one see them: the nearest first,
    /// then in the order in which they came.
    fn others(&self, volume: &Volume) -> Vec<menu::Device<'_>> {
        let mut others = Vec::new();
        for distance in 0..=2 {
            let near = self.volumes.iter().filter(|other| {
                other.is_here && other.name() != volume.name() && volume.distance(other) == distance
            });
            others.extend(near.map(Volume::device));
        }
        others
    }

    /// Reads the menu of a volume again if it has looked for one that is new: what could
    /// not boot for that is replaced in its row, and what was not there is put behind the
    /// others. What can boot stays as it was shown and judged.
    fn update(&mut self, number: usize, first: usize) {
        let Some(mut menu) = self.read_again(number, first) else { return };
        // The others were said when it was read before.
        menu.diagnostics.retain(|one| !self.menu.diagnostics.contains(one));
        self.join(menu::merge(vec![(Group::default(), menu)]), number);
        let name = self.volumes.get(number).map_or("", Volume::name);
        self.voice.say(&[name, ": its menu was read again with the devices that came"].concat());
    }

    /// Puts an entry in the place of one that cannot boot.
    fn replace(&mut self, row: usize, entry: Entry) {
        let is_broken = self.verdicts.get(row).is_some_and(Result::is_err);
        let is_open = is_broken && !self.struck.contains(&row);
        let Some(there) = self.menu.entries.get_mut(row).filter(|_| is_open) else { return };
        *there = entry;
        let verdict = self.examine(self.menu.entries.get(row..=row).unwrap_or_default()).pop();
        if let (Some(place), Some(verdict)) = (self.verdicts.get_mut(row), verdict) {
            *place = verdict;
        }
    }

    /// Takes the updates of ring and policy of the first volume with a menu, once: what
    /// is in force does not change while a menu is shown. A disk that anybody can put
    /// in is no place for them, unless it was named.
    fn settle_anchor(&mut self, volumes_before: usize) {
        if self.is_settled {
            let fresh = self.volumes.get(volumes_before..).unwrap_or_default();
            self.voice.say_all(&idle_updates(fresh, None));
            return;
        }
        let was_named = self.session.config.device != Selector::Auto;
        let mut with_menu = self.volumes.iter().enumerate().filter(|(number, volume)| {
            volume.is_here && self.menu.entries.iter().any(|entry| entry.volume == *number)
        });
        let authority = with_menu.find(|(_, one)| was_named || is_authority(one.tier));
        let authority = authority.map(|(_, volume)| volume);
        self.voice.say_all(&idle_updates(&self.volumes, authority));
        let Memory { standing, tpm, .. } = &mut *self.memory;
        let mut kept = standing.kept(tpm);
        let all = self.volumes.iter();
        let others = all.filter(|one| Some(one.name()) != authority.map(Volume::name));
        others.for_each(|volume| kept.add(&volume.judging()));
        let files = authority.map(Volume::judging);
        let (anchor, said) = self.session.anchor.in_force(files.as_ref(), &kept);
        drop(files);
        self.voice.say_all(&said);
        self.anchor = anchor;
        standing.keep_anchor(&self.anchor, tpm, &self.session.voice());
        self.is_settled = true;
    }

    fn examine_from(&mut self, first: usize) {
        let rows = self.menu.entries.get(first..).unwrap_or_default();
        let verdicts = self.examine(rows);
        self.verdicts.extend(verdicts);
    }

    fn examine(&self, rows: &[Entry]) -> Vec<Verdict> {
        let consoles = machine::consoles();
        let context = self.context();
        let limits = Limits {
            memory: machine::room_without_files(),
            cmdline: plan::longest_cmdline(self.session.arch),
            consoles: &consoles,
        };
        // What boots by itself is judged before others can cost anything.
        let default = self.menu.default.and_then(|index| self.menu.entries.get(index));
        let default = default.filter(|default| rows.contains(default));
        let first = default.map(|entry| self.verdict(entry, &context, &limits));
        let verdicts = rows.iter().map(|entry| match &first {
            Some(verdict) if Some(entry) == default => verdict.clone(),
            _ => self.verdict(entry, &context, &limits),
        });
        verdicts.collect()
    }

    /// Says of which devices not every entry was judged.
    fn say_ends(&self, volumes_before: usize) {
        let fresh = self.volumes.get(volumes_before..).unwrap_or_default();
        for volume in fresh {
            if let Some(exceeded) = volume.budget.judging_ended() {
                let name = volume.name();
                self.voice.say(&format!("{name}: {}", exceeded.diagnostic()));
            }
        }
    }

    fn verdict(&self, entry: &Entry, context: &Context<'_>, limits: &Limits<'_>) -> Verdict {
        vigil::work();
        let volume = self.volumes.get(entry.volume).filter(|volume| volume.is_here);
        let volume = volume.ok_or_else(no_such_entry)?;
        let others = self.others(volume);
        let files = volume.judging().seeing(volume.sight(&others));
        let found = examine(context, &files, entry, limits, |attested| self.admit(attested));
        found.into_verdict().map(Arc::new).map_err(|failure| failure.of(&entry.id))
    }

    /// What an entry must satisfy on this machine, by what is in force.
    fn context(&self) -> Context<'_> {
        Context {
            mode: self.session.config.mode,
            ring: self.anchor.ring.as_ref(),
            policy: &self.anchor.policy,
            arch: self.session.arch,
            identity: &self.session.identity,
            floors: self.memory.standing.floors(),
        }
    }

    /// What the state of the machine says. What may recover it may boot in nearly any.
    pub(super) fn admit(&self, attested: Attested) -> Result<Attested, Failure> {
        match attested.role() {
            Role::Boot => {
                self.memory.standing.admits_boot()?;
                self.memory.witness.admits_boot()?;
            }
            Role::Recovery => self.memory.standing.admits_recovery()?,
        }
        Ok(attested)
    }

    /// What has confirmed itself raises the floor, and what is below that is
    /// refused from now on.
    fn raise_floor(&mut self) {
        let attested = self.verdicts.iter().flatten().map(|attested| &**attested);
        let Memory { standing, starts, tpm, .. } = &mut *self.memory;
        if standing.raise_floor(&self.anchor, attested, starts, tpm, &self.session.voice()) {
            let both = self.menu.entries.iter().zip(&self.verdicts);
            let fallen: Vec<_> = both.map(|(entry, verdict)| self.fallen(entry, verdict)).collect();
            for (verdict, failure) in self.verdicts.iter_mut().zip(fallen) {
                failure.into_iter().for_each(|failure| *verdict = Err(failure));
            }
        }
        self.lower_slots();
    }

    /// Slots that were good and are below a floor, whoever has set it, are good no more.
    fn lower_slots(&mut self) {
        let Starts { slots, rules, .. } = &self.memory.starts;
        if self.role != Role::Boot || rules.count == Count::Off {
            return;
        }
        let good = slots.list.iter().filter(|slot| slot.good_once);
        let lowered: Vec<String> = good
            .filter(|slot| self.is_below_floor(&slot.name))
            .map(|slot| slot.name.clone())
            .collect();
        for slot in &lowered {
            let is_last = self.memory.starts.slots.fall(slot);
            let end = if is_last { ", and no other is good" } else { "" };
            let slot = printable(slot);
            self.voice
                .say(&["slot ", &slot, " is below the floor, and good no more", end].concat());
        }
        if !lowered.is_empty() {
            self.memory.keep_slots(self.session);
        }
    }

    /// Whether a floor keeps a slot from booting. What is not there may come back.
    fn is_below_floor(&self, slot: &str) -> bool {
        let rows = self.rows_of(slot).filter_map(|index| self.verdicts.get(index));
        let failures: Vec<&Failure> = rows.filter_map(|verdict| verdict.as_ref().err()).collect();
        !self.has_bootable(slot)
            && failures.iter().any(|failure| failure.is_below_floor(Role::Boot))
            && !failures.iter().any(|failure| failure.code() == "GONE")
    }

    /// Why an entry that could boot is below a floor now. Nothing is read for it: the
    /// budget of its device may be used up.
    fn fallen(&self, entry: &Entry, verdict: &Verdict) -> Option<Failure> {
        let refusal = self.context().check_floor(verdict.as_ref().ok()?).err()?;
        Some(Failure::refused(refusal).of(&entry.id))
    }

    /// A device is gone, and what was on it cannot boot.
    fn lose(&mut self, Lost { name, why }: &Lost) {
        let found = self.volumes.iter_mut().enumerate();
        let lost = found.into_iter().find(|(_, volume)| volume.is_here && volume.name() == *name);
        let Some((lost, volume)) = lost else { return };
        volume.leave();
        let called = volume.identity.name().to_owned();
        let gone = format!("{name} {why}");
        let both = self.menu.entries.iter().zip(&mut self.verdicts);
        for (entry, verdict) in both {
            let is_needed = needs(entry, &called);
            if entry.volume != lost && !is_needed {
                continue;
            }
            *verdict = Err(Failure::broken("GONE", gone.clone()).of(&entry.id));
            // Where it comes back, the menu is read again.
            if let Some(volume) = self.volumes.get_mut(entry.volume).filter(|_| is_needed) {
                volume.misses(By::Name, &called);
            }
        }
        self.voice.say(&gone);
    }

    /// Looks at the devices that were passed over because another one's menu is
    /// hidden, and waits for those that have not answered yet. False if there are
    /// none with an entry.
    pub(super) fn widen(&mut self) -> bool {
        let before = self.menu.entries.len();
        self.settle_slots();
        self.look();
        // Only until the end of those that are slow, or while a slot's device may come.
        while self.menu.entries.len() == before {
            let until = if self.target().is_some() { self.deadline } else { Duration::ZERO };
            if !self.devices.wait(until, &self.voice) && !self.hurries() {
                break;
            }
            self.look();
        }
        self.raise_floor();
        self.next = self.default();
        self.menu.entries.len() > before
    }

    /// Looks at every device that there is, whatever the menus of others say.
    pub(super) fn look_at_all(&mut self) {
        while self.widen() {}
    }

    /// Index of the entry with this id, as systemd's tools call it too.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let mut entries = self.menu.entries.iter();
        self.menu.find(name).or_else(|| entries.position(|entry| entry.loader_id() == name))
    }

    /// The entry at `index` and what its manifest says.
    ///
    /// # Errors
    /// Why it cannot boot.
    pub(super) fn take(&self, index: usize) -> Result<Taken, Failure> {
        let entry = self.menu.entries.get(index).ok_or_else(no_such_entry)?.clone();
        let volume = self.volumes.get(entry.volume).ok_or_else(no_such_entry)?;
        let attested = self.verdicts.get(index).ok_or_else(no_such_entry)?.clone()?;
        let is_on_boot = volume.tier.role.is_boot();
        let values = self.values(index, &entry, &attested);
        Ok(Taken { roots: self.roots(volume, &entry), entry, attested, is_on_boot, values })
    }

    /// What is filled into the signed command line of an entry.
    fn values(&self, index: usize, entry: &Entry, attested: &Attested) -> SlotValues {
        let slot = self.slot_of(index).filter(|_| attested.role() == Role::Boot);
        let manifest = signed(attested).map(Signed::digest);
        self.memory.starts.values(slot, entry, manifest)
    }

    /// The devices that the files of an entry of a volume are on.
    fn roots(&self, volume: &Volume, entry: &Entry) -> Roots {
        let named = entry.files().filter_map(menu::split);
        let others = named.filter_map(|(name, _)| Some((name, self.called(name)?)));
        let home = Roots::from(Arc::clone(&volume.root));
        others.fold(home, |roots, (name, other)| roots.with(name, Arc::clone(&other.root)))
    }

    /// The volume that menus call so.
    fn called(&self, name: &str) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.is_here && volume.identity.name() == name)
    }

    /// Marks an entry that was taken and failed, and goes on to the next.
    pub(super) fn fail(&mut self, index: usize, failure: Failure) {
        self.status = failure.to_string();
        self.note(index, &failure);
        let is_stall = is_stall(&failure);
        self.strike(index, failure);
        if is_stall {
            self.give_up_disk_of(index);
        }
        self.settle_slots();
        self.next = self.next_after(index);
        self.leaves_slot_of(index);
    }

    /// What is next is of another slot: then the one that has failed is not tried on.
    fn leaves_slot_of(&mut self, index: usize) {
        let Some(failed) = self.slot_of(index).filter(|_| self.has_slots) else { return };
        if self.next.and_then(|next| self.slot_of(next)).as_ref() != Some(&failed) {
            let outcome = self.outcome_of(&failed);
            self.memory.starts.fails(&failed, outcome);
        }
    }

    /// What is on the disk of an entry is waited for no more: every other entry
    /// there would take as long to fail.
    fn give_up_disk_of(&mut self, index: usize) {
        let Some(number) = self.menu.entries.get(index).map(|entry| self.kernels_volume(entry))
        else {
            return;
        };
        let Some(volume) = self.volumes.get_mut(number) else { return };
        volume.is_here = false;
        let called = volume.identity.name().to_owned();
        let both = self.menu.entries.iter().zip(&mut self.verdicts).enumerate();
        for (other, (entry, verdict)) in both {
            if verdict.is_ok() && (entry.volume == number || needs(entry, &called)) {
                *verdict = Err(stalled().of(&entry.id));
                self.struck.push(other);
            }
        }
    }

    /// Number of the volume that the kernel of an entry is on.
    fn kernels_volume(&self, entry: &Entry) -> usize {
        let name = entry.kernel().and_then(menu::split).map(|(name, _)| name);
        let mut volumes = self.volumes.iter();
        let other = name.and_then(|name| {
            volumes.position(|volume| volume.is_here && volume.identity.name() == name)
        });
        other.unwrap_or(entry.volume)
    }

    /// The failure with the name of the entry that it is of.
    pub(super) fn named(&self, index: usize, failure: Failure) -> Failure {
        match self.menu.entries.get(index) {
            Some(entry) => failure.of(&entry.id),
            None => failure,
        }
    }

    /// Takes note, for whoever asks after the reset, that an entry was to boot and
    /// did not.
    pub(super) fn note(&mut self, index: usize, failure: &Failure) {
        let failure = self.named(index, failure.clone());
        self.memory.note(&failure);
    }

    /// Marks an entry that failed, so that it is not taken by itself again.
    fn strike(&mut self, index: usize, failure: Failure) {
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

    /// The next entry that boots by itself: the menu's own fallbacks first, then going
    /// round.
    pub(super) fn next_after(&self, index: usize) -> Option<usize> {
        let all = order_after(index, &self.menu.fallback, self.verdicts.len());
        slots::first(all, |index| self.rank(index))
    }

    /// The configured default, unless it is one that boots only if somebody
    /// chooses it.
    pub(super) fn default(&self) -> Option<usize> {
        let wanted = self
            .menu
            .default
            .filter(|default| self.role_of(*default).is_none_or(|role| role == self.role));
        self.default_from(wanted)
    }

    /// What an entry that may boot is for.
    fn role_of(&self, index: usize) -> Option<Role> {
        self.verdicts.get(index)?.as_ref().ok().map(|attested| attested.role())
    }

    /// Why the configured default cannot boot, where it was to boot and cannot.
    fn default_fails(&self) -> Option<&Failure> {
        if self.role == Role::Recovery {
            return None;
        }
        self.verdicts.get(self.menu.default?)?.as_ref().err()
    }

    /// The rows of the menu.
    pub(super) fn items(&self) -> Vec<Item> {
        let both = self.menu.entries.iter().zip(&self.verdicts);
        let consoles = machine::consoles();
        let items = both.map(|(entry, verdict)| self.item(entry, verdict, &consoles));
        let ranks = (0..self.verdicts.len()).map(|index| self.rank(index));
        items.zip(ranks).map(|(item, rank)| Item { bootable: rank.is_some(), ..item }).collect()
    }

    fn item(&self, entry: &Entry, verdict: &Verdict, consoles: &[String]) -> Item {
        let device = self.volumes.get(entry.volume).map_or("", Volume::name);
        let verdict = verdict.as_deref();
        let notes = preflight::notes(entry, verdict.ok(), consoles);
        item(device, entry, verdict, self.role, &notes)
    }

    /// The menu as it is to be shown.
    pub(super) fn chooser(&mut self) -> Chooser {
        let mode = self.session.config.mode;
        let editing = match mode {
            Mode::Open if self.menu.settings.editor => Editing::Allowed,
            Mode::Open => Editing::Refused(FORBIDDEN),
            Mode::Locked => Editing::Refused(SIGNED),
        };
        let is_instant = self.is_instant();
        self.instant = if is_instant { Instant::Now } else { Instant::Over };
        let timeout = if is_instant { Timeout::Hidden } else { self.menu.timeout };
        let chooser = Chooser::new(self.items(), self.next, timeout);
        let chooser = if self.stays { chooser.staying() } else { chooser };
        chooser
            .with_heading(&heading(mode))
            .with_status(&self.status)
            .with_editing(editing)
            .with_edits(mem::take(&mut self.memory.edits))
    }

    /// Whether the menu is left out: the same default was confirmed so often that nobody
    /// is asked, nothing has failed since, and nobody has pressed a key.
    fn is_instant(&self) -> bool {
        let Memory { starts, noted, wishes, .. } = &*self.memory;
        let Some(after) = self.session.config.instant else { return false };
        let Some(entry) = self.next.and_then(|next| self.menu.entries.get(next)) else {
            return false;
        };
        self.instant == Instant::Possible
            && self.role == Role::Boot
            && matches!(self.menu.timeout, Timeout::Seconds(_))
            && self.once.is_none()
            && starts.settled.is_none()
            && noted.is_empty()
            && !wishes.want_menu()
            && starts.slots.is_instant(&entry.id, after)
            && !self.session.console.is_called()
    }

    /// Where the menu was left out, a key brings it until the entry is measured.
    ///
    /// # Errors
    /// Somebody has pressed one.
    pub(super) fn listen(&mut self) -> Result<(), Failure> {
        if self.instant != Instant::Now || !self.session.console.is_called() {
            return Ok(());
        }
        self.instant = Instant::Called;
        Err(Failure::new(Stage::Menu, "a key was pressed"))
    }

    /// Whether a key has brought the menu that was left out.
    pub(super) const fn is_called(&self) -> bool {
        matches!(self.instant, Instant::Called)
    }

    /// Keeps what somebody has edited for the next menu.
    pub(super) fn keep_edits(&mut self, edits: Vec<String>) {
        self.memory.edits = edits;
    }

    /// One line an entry: why it does not boot. Before recovery all others have
    /// been told of already.
    pub(super) fn nothing_boots(&mut self) -> Failure {
        for failure in self.verdicts.iter().filter_map(|verdict| verdict.as_ref().err()) {
            self.memory.note(failure);
        }
        let all: Vec<usize> = (0..self.verdicts.len()).collect();
        let text = match self.role {
            Role::Boot => self.not_by_themselves(self.failures("no entry can boot:", &all)),
            Role::Recovery if self.struck.is_empty() => {
                "there is no recovery entry that can boot".to_owned()
            }
            Role::Recovery => self.failures("no recovery entry can boot:", &self.struck),
        };
        Failure::new(Stage::Menu, text)
    }

    /// Once, where a locked image has nothing that boots by itself: shows what may be
    /// chosen, and why it has to be. Whether there is such an entry.
    pub(super) fn stays(&mut self) -> bool {
        let is_asked = self.role == Role::Boot && self.session.config.mode == Mode::Locked;
        let why = self.not_by_themselves(String::new());
        if self.stays || !is_asked || why.is_empty() {
            return false;
        }
        self.stays = true;
        let why = why.replacen("\r\n  ", ": ", 1).replace("\r\n  ", "; ");
        self.status = ["Nothing boots by itself", &why].concat();
        true
    }

    /// Those that would boot, and are not tried.
    fn not_by_themselves(&self, mut text: String) -> String {
        for index in (0..self.verdicts.len()).filter(|index| self.rank(*index).is_none()) {
            let entry =
                self.menu.entries.get(index).filter(|_| self.role_of(index) == Some(self.role));
            let Some(entry) = entry else { continue };
            let why = self.memory.starts.why_not(self.slot_of(index).as_deref());
            text.extend(["\r\n  ", &entry.id, ": ", &why]);
        }
        text
    }

    fn failures(&self, text: &str, of: &[usize]) -> String {
        let failures = of.iter().filter_map(|index| self.verdicts.get(*index)?.as_ref().err());
        failures.fold(text.to_owned(), |text, failure| format!("{text}\r\n  {failure}"))
    }
}

/// Devices come and go while the menu is shown.
impl Feed for BootMenu<'_> {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.devices.descriptors()
    }

    fn changed(&mut self) -> Option<Update> {
        let has_changed = self.devices.changed();
        self.voice.hold();
        self.session.drivers.hear(&self.voice);
        if has_changed {
            self.look();
        }
        let said = self.voice.release();
        // Whatever is news is said; a device that holds no menu is none.
        let say = Some(said.join("; ")).filter(|said| !said.is_empty())?;
        Some(Update { items: self.items(), default: self.default(), say: Some(say) })
    }

    fn save_default(&mut self, index: usize) -> String {
        let Some(entry) = self.menu.entries.get(index) else { return String::new() };
        let id = entry.loader_id();
        if self.memory.wishes.is_with_firmware() {
            return efi::save_default(&id);
        }
        efi::kept(&id, self.memory.keep_default(&entry.id))
    }
}

fn no_such_entry() -> Failure {
    Failure::new(Stage::Menu, "there is no such entry")
}

/// Gives a menu the numbers that its volumes have beside the others.
fn renumber(merged: &mut Menu, first: usize) {
    for entry in &mut merged.entries {
        entry.volume = entry.volume.saturating_add(first);
    }
    if let Some(next) = &mut merged.settings.next_entry {
        next.volume = next.volume.saturating_add(first);
    }
}

/// Whether two entries are the same row.
fn is_one(row: &Entry, other: &Entry) -> bool {
    row.volume == other.volume && row.id == other.id
}

/// Whether a file of an entry is on the other device that is called so.
fn needs(entry: &Entry, name: &str) -> bool {
    entry.files().filter_map(menu::split).any(|(other, _)| other == name)
}

/// In which order entries are tried after one of `count` has failed.
fn order_after(index: usize, fallback: &[usize], count: usize) -> impl Iterator<Item = usize> {
    fallback.iter().copied().chain(index..count).chain(0..index)
}

/// Which volumes bring updates of ring and policy for nothing.
fn idle_updates(volumes: &[Volume], authority: Option<&Volume>) -> Vec<String> {
    let authority = authority.map(Volume::name);
    let idle = volumes.iter().filter(|volume| Some(volume.name()) != authority);
    idle.filter_map(idle_update).collect()
}

fn idle_update(volume: &Volume) -> Option<String> {
    let files = volume.judging();
    let updates = [RING_PATH, POLICY_PATH];
    let path = updates.into_iter().find(|path| files.size(path).is_ok())?;
    let name = volume.name();
    Some(format!("{name}: {path} does not count: this is not the first boot partition"))
}

/// Whether updates of ring and policy count that lie there.
const fn is_authority(tier: Tier) -> bool {
    !tier.removable && tier.role.is_boot()
}

#[cfg(test)]
mod tests;
