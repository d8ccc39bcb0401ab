//! Finds the devices that may hold a menu, and reads what menus they have.
//!
//! Waits on the kernel's announcements, with a deadline, never with a sleep. A
//! device that was named is the only one that is ever mounted; of several that
//! say they are the same, the first that came. One that does not answer holds up no
//! other: its menu comes when it does.

use core::mem;
use core::time::Duration;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::drivers::Drivers;
use super::mirrors::Mirrors;
use super::missing::{missing, since};
use super::slots::owner;
use super::voice::{Voice, note_signals};
use super::volume::{self, Opened, Opening, Volume};
use crate::base::text::printable;
use crate::config::Config;
use crate::drivers::queue::LIMIT;
use crate::failure::{Failure, Stage};
use crate::menu::{self, Allowance, By, Entry, Menu, Missed, Target, Timeout};
use crate::rollback::store::Fault;
use crate::source::report::{Outcome, Report};
use crate::source::{
    self, Candidate, Guid, PartitionType, Passed, Role, Scan, Selector, StateDevice, Tier,
};
use crate::sys::block::Inventory;
use crate::sys::patience::End;
use crate::sys::signal::Signals;
use crate::sys::state_area::StateArea;
use crate::sys::thread::Job;
use crate::sys::uevent::Uevents;
use crate::sys::wait::wait;
use crate::sys::{AsFd as _, BorrowedFd, clock, hung_tasks, machine, vigil};

/// Lines that are printed of what was left out of menus that were read together.
const MAX_SAID: usize = 64;

/// Most devices that are mounted, those that are gone included.
const MAX_VOLUMES: usize = 64;

/// How long the others wait for a device that does not answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a menu that is shown stands still for one.
const PATIENCE_AT_MENU: Duration = Duration::from_secs(1);
/// How long it is waited for where there is no other.
const LAST_PATIENCE: Duration = Duration::from_secs(120);

/// Menus that were read together, with their volumes.
pub(super) type Fresh = Vec<(Volume, Menu)>;

/// A device and how well it suits.
pub(super) type Ranked = (Tier, Candidate);

/// The block devices of the machine, as they come and go.
pub(super) struct Devices<'s> {
    config: &'s Config,
    signals: &'s Signals,
    drivers: &'s Drivers,
    uevents: Uevents,
    inventory: Inventory,
    mirrors: Mirrors,
    /// What is there and has not been looked at yet.
    pending: Vec<Candidate>,
    report: Report,
    /// Those that have not answered yet.
    slow: Vec<Slow>,
    /// Those that are passed over, and why.
    passed: Vec<(Passed, Candidate)>,
    /// Mounted ones without an entry, until it is known whether the menu of another one
    /// looks for them.
    empty: Vec<Volume>,
    /// Those that were let go again, having none.
    idle: Vec<Idle>,
    /// What is to be known of devices that menus look for and that are passed over.
    hints: Vec<String>,
    /// What all devices together may cost yet.
    allowance: Arc<Allowance>,
}

/// A device that is used no more.
pub(super) struct Lost {
    pub(super) name: String,
    /// What became of it.
    pub(super) why: &'static str,
}

/// Who is asked and told while devices are read.
pub(super) struct Host<'a> {
    pub(super) target: Target<'a>,
    pub(super) voice: &'a Voice<'a>,
    /// Whether a device may be mounted; asked right before.
    pub(super) gate: &'a mut dyn FnMut(&Candidate) -> bool,
    /// Whether no menu says enough: something is looked for that any may have.
    pub(super) wants_all: bool,
}

/// A device without a menu that was let go again.
struct Idle {
    tier: Tier,
    candidate: Candidate,
    /// What menus looked for when it was, and it is not.
    tried: Rc<Vec<Missed>>,
}

impl Idle {
    /// Whether it may be what was not looked for there yet.
    fn may_be(&self, missed: &[Missed]) -> bool {
        let mut new = missed.iter().filter(|missed| !self.tried.contains(missed));
        new.any(|missed| may_be(&self.candidate, core::slice::from_ref(missed)))
    }
}

/// A device that has not answered in time.
struct Slow {
    candidate: Candidate,
    /// Until when it is waited for at most, after the start.
    end: Duration,
    job: Job<Opening>,
}

impl Slow {
    fn answers(&self) -> bool {
        self.job.wait(Duration::ZERO)
    }
}

/// Watches the devices from now on.
///
/// # Errors
/// The kernel does not announce them.
pub(super) fn discover<'s>(
    config: &'s Config,
    signals: &'s Signals,
    drivers: &'s Drivers,
) -> Result<Devices<'s>, Failure> {
    let uevents = Uevents::open().map_err(|error| Failure::new(Stage::Discover, error))?;
    Ok(Devices {
        config,
        signals,
        drivers,
        uevents,
        inventory: Inventory::default(),
        mirrors: Mirrors::default(),
        pending: Vec::new(),
        report: Report::default(),
        slow: Vec::new(),
        passed: Vec::new(),
        empty: Vec::new(),
        idle: Vec::new(),
        hints: Vec::new(),
        allowance: Arc::new(Allowance::new(config.unverified, machine::room().available)),
    })
}

impl Devices<'_> {
    /// Takes note of devices that came and went; those that are gone, or of which another
    /// one holds the same and newer.
    pub(super) fn look(&mut self) -> Vec<Lost> {
        let changes = self.inventory.refresh();
        changes.gone.iter().for_each(|name| self.forget(name));
        let (members, others): (Vec<_>, _) =
            changes.fresh.into_iter().partition(|one| one.read_member().is_some());
        self.pending.extend(others);
        let config = self.config;
        for idle in &self.idle {
            self.mirrors.set_empty(&idle.candidate.name, true);
        }
        let turn =
            self.mirrors.turn(&changes.gone, members, clock::elapsed(), |one| worth(config, one));
        turn.replaced.iter().for_each(|name| self.forget(name));
        self.pending.extend(turn.read);
        for candidate in turn.passed {
            self.report.note(volume::looked(&candidate, Outcome::Passed(Passed::Mirror)));
        }
        let gone = changes.gone.into_iter().map(|name| Lost { name, why: "was taken out" });
        let older = "is not used any more: another member of its array is newer";
        let replaced = turn.replaced.into_iter().map(|name| Lost { name, why: older });
        gone.chain(replaced).collect()
    }

    fn forget(&mut self, name: &str) {
        self.pending.retain(|candidate| candidate.name != *name);
        self.slow.retain(|slow| slow.candidate.name != *name);
        self.passed.retain(|(_, candidate)| candidate.name != *name);
        self.idle.retain(|idle| idle.candidate.name != *name);
        self.report.forget(name);
    }

    /// Those that are to be looked at, best first; the others are told of in the
    /// report.
    pub(super) fn rank(&mut self) -> Vec<Ranked> {
        let mut ranked = Vec::new();
        for candidate in mem::take(&mut self.pending) {
            match self.tier(&candidate) {
                Ok(tier) => ranked.push((tier, candidate)),
                Err(why) => {
                    self.report.note(volume::looked(&candidate, Outcome::Passed(why)));
                    self.passed.push((why, candidate));
                }
            }
        }
        source::rank(&mut ranked);
        ranked
    }

    /// Where a device comes. A slot's is looked at whatever it is.
    fn tier(&self, candidate: &Candidate) -> Result<Tier, Passed> {
        let config = self.config;
        match owner(config, candidate) {
            Some(_) => Ok(Tier { removable: candidate.removable, role: Role::Boot }),
            None => source::tier(candidate, &config.device, config.scan()),
        }
    }

    /// Leaves devices alone until the next time.
    pub(super) fn hold_back(&mut self, ranked: Vec<Ranked>) {
        self.pending.extend(ranked.into_iter().map(|(_, candidate)| candidate));
    }

    /// Reads the menus of devices beside those that are mounted; where there is no
    /// entry yet, until what a menu says is enough.
    pub(super) fn read(
        &mut self,
        ranked: Vec<Ranked>,
        mounted: &Mounted<'_>,
        host: &mut Host<'_>,
    ) -> Fresh {
        let mut fresh = self.take_late(mounted, host.voice);
        let mut ranked = VecDeque::from(ranked);
        // Each menu is asked once.
        let mut asked = 0;
        while let Some((tier, candidate)) = ranked.pop_front() {
            let outcome = match self.against(&candidate, mounted.volumes, &fresh, host.voice) {
                Some(why) => Outcome::Passed(why),
                None if self.is_intruder(&candidate, mounted, &fresh) => {
                    Outcome::Passed(Passed::Duplicate)
                }
                None => {
                    let patience = self.patience(&candidate, mounted);
                    self.open(&candidate, tier, patience, host, &mut fresh)
                }
            };
            if let Some(other) = self.instead(&candidate, &outcome) {
                ranked.push_front(other);
            }
            self.report.note(volume::looked(&candidate, outcome));
            let mut new = fresh.iter().skip(asked);
            let is_enough = !mounted.has_entries && new.any(|(_, menu)| settles_all(menu));
            if is_enough && !host.wants_all {
                break;
            }
            asked = fresh.len();
        }
        self.hold_back(ranked.into());
        self.recall(mounted, host, &mut fresh);
        self.keep_wanted(mounted, &mut fresh);
        fresh
    }

    /// The member of an array that is to be read where another one could not be, or has
    /// no entry. What was begun with that goes on, for as long as its disk hangs.
    fn instead(&mut self, candidate: &Candidate, outcome: &Outcome) -> Option<Ranked> {
        let other = match outcome {
            Outcome::Unmounted(_) | Outcome::NoFileSystem => self.mirrors.fail(&candidate.name)?,
            Outcome::Read { entries: 0, .. } => self.mirrors.lack(&candidate.name)?,
            _ => return None,
        };
        Some((self.tier(&other).ok()?, other))
    }

    /// Whether one that was passed over may be the state area.
    pub(super) fn have_state_area(&self) -> bool {
        let kind = Some(PartitionType::Gpt(Guid::STATE_AREA));
        let is_typed = self.passed.iter().any(|(_, one)| one.kind == kind);
        is_typed || self.config.state_device != StateDevice::ByType
    }

    /// Looks again at devices without a menu of their own that the menu of another one
    /// may mean, and at those of a type that holds no menus that it names; each once.
    fn recall(&mut self, mounted: &Mounted<'_>, host: &mut Host<'_>, fresh: &mut Fresh) {
        let missed = self.missed(mounted, fresh);
        let all = mem::take(&mut self.idle);
        let (wanted, idle): (Vec<_>, _) = all.into_iter().partition(|idle| idle.may_be(&missed));
        self.idle = idle;
        let wanted = wanted.into_iter().map(|idle| (idle.tier, idle.candidate));
        let named = self.take_named(&missed);
        for (tier, candidate) in wanted.chain(named) {
            if self.against(&candidate, mounted.volumes, fresh, host.voice).is_none() {
                let patience = self.patience(&candidate, mounted);
                let outcome = self.open(&candidate, tier, patience, host, fresh);
                self.report.note(volume::looked(&candidate, outcome));
            }
        }
    }

    /// Those that are passed over only for their type, where all file systems of Linux
    /// are looked at anyway.
    fn take_named(&mut self, missed: &[Missed]) -> Vec<Ranked> {
        if self.config.device != Selector::Auto || self.config.scan() != Scan::All {
            return Vec::new();
        }
        let (named, passed) = mem::take(&mut self.passed).into_iter().partition(|(why, one)| {
            let identity = one.identity();
            *why == Passed::Type && missed.iter().any(|missed| missed.is_meant(&identity))
        });
        self.passed = passed;
        let named: Vec<(Passed, Candidate)> = named;
        let tier = |removable| Tier { removable, role: Role::Linux };
        named.into_iter().map(|(_, candidate)| (tier(candidate.removable), candidate)).collect()
    }

    /// Keeps those without an entry that the menu of another one looks for, or whose
    /// own looks for others; the rest is let go again.
    fn keep_wanted(&mut self, mounted: &Mounted<'_>, fresh: &mut Fresh) {
        let tried = Rc::new(self.missed(mounted, fresh));
        let wanted: Vec<bool> =
            self.empty.iter().map(|volume| self.is_wanted(volume, mounted, fresh)).collect();
        for (volume, is_wanted) in mem::take(&mut self.empty).into_iter().zip(wanted) {
            let is_room = mounted.volumes.len().saturating_add(fresh.len()) < MAX_VOLUMES;
            if is_room && (is_wanted || !volume.missed.is_empty()) {
                fresh.push((volume, Menu::default()));
            } else {
                let tried = Rc::clone(&tried);
                self.idle.push(Idle {
                    tier: volume.tier,
                    candidate: volume.candidate.clone(),
                    tried,
                });
            }
        }
    }

    /// Whether a menu has looked for a device in vain.
    fn is_wanted(&self, volume: &Volume, mounted: &Mounted<'_>, fresh: &Fresh) -> bool {
        let here = mounted.volumes.iter().filter(|volume| volume.is_here);
        let mut all = here.chain(fresh.iter().map(|(volume, _)| volume)).chain(&self.empty);
        all.any(|asking| asking.wants(volume))
    }

    /// Whether a device that anybody can put in would take the place of one that is
    /// built in and that a menu has looked for.
    fn is_intruder(&self, candidate: &Candidate, mounted: &Mounted<'_>, fresh: &Fresh) -> bool {
        let mut twins = self.empty.iter().filter(|other| replaces(candidate, &other.candidate));
        twins.any(|other| self.is_wanted(other, mounted, fresh))
    }

    /// What menus have looked for and has not been there.
    fn missed(&self, mounted: &Mounted<'_>, fresh: &Fresh) -> Vec<Missed> {
        let here = mounted.volumes.iter().filter(|volume| volume.is_here);
        let all = here.chain(fresh.iter().map(|(volume, _)| volume)).chain(&self.empty);
        all.flat_map(|volume| volume.missed.iter().cloned()).collect()
    }

    /// What is to be said of devices that are passed over and that the menu of a volume
    /// looks for: each once.
    pub(super) fn hint(&mut self, volume: &Volume) -> Vec<String> {
        let mut said = Vec::new();
        for missed in &volume.missed {
            let mut passed = self.passed.iter().map(|(_, one)| one);
            let meant = passed.find(|one| missed.is_meant(&one.identity()));
            let Some(meant) = meant else { continue };
            let line = hint(volume.name(), meant, &self.config.device);
            if !self.hints.contains(&line) {
                self.hints.push(line.clone());
                said.push(line);
            }
        }
        said
    }

    /// Those that have answered at last.
    fn take_late(&mut self, mounted: &Mounted<'_>, voice: &Voice<'_>) -> Fresh {
        let mut fresh = Fresh::new();
        for slow in mem::take(&mut self.slow) {
            if !slow.answers() {
                self.slow.push(slow);
                continue;
            }
            let Slow { candidate, job, .. } = slow;
            hung_tasks::mind();
            voice.say(&format!("{} answers at last", candidate.name));
            let why = match self.mirrors.is_spare(&candidate) {
                true => Some(Passed::Mirror),
                false => self.against(&candidate, mounted.volumes, &fresh, voice),
            };
            let outcome = match why {
                Some(why) => Outcome::Passed(why),
                None => self.settle(job.finish(answer), voice, &mut fresh),
            };
            self.report.note(volume::looked(&candidate, outcome));
        }
        fresh
    }

    /// Why a device is not to be mounted, all the same. What has an identifier
    /// that another one has too is told of.
    fn against(
        &self,
        candidate: &Candidate,
        mounted: &[Volume],
        fresh: &Fresh,
        voice: &Voice<'_>,
    ) -> Option<Passed> {
        let mounted = mounted.iter().chain(fresh.iter().map(|(volume, _)| volume));
        let here = mounted.clone().filter(|volume| volume.is_here);
        let slot = owner(self.config, candidate).and_then(|slot| slot.device.as_ref());
        let selector = slot.unwrap_or(&self.config.device);
        let shared = match selector {
            Selector::Auto => source::twin(here.map(|volume| &volume.candidate), candidate),
            // All that were named share what they were named by.
            explicit => {
                let mut named = here.filter(|volume| explicit.selects(&volume.candidate));
                named.next().map(|volume| (&volume.candidate, explicit.to_string()))
            }
        };
        let is_named = *selector != Selector::Auto && shared.is_some();
        if let Some((first, identifier)) = shared {
            let name = &candidate.name;
            let first = &first.name;
            let what = if is_named { ", and is not used" } else { "" };
            let line = format!("{name} is {identifier} as {first} is: {first} comes first{what}");
            voice.say(&line);
        }
        if is_named {
            return Some(Passed::Duplicate);
        }
        (mounted.count() >= MAX_VOLUMES).then_some(Passed::Count)
    }

    /// How long the others wait for a device.
    fn patience(&self, candidate: &Candidate, mounted: &Mounted<'_>) -> Duration {
        let hangs = self.slow.iter().any(|slow| slow.candidate.disk == candidate.disk);
        patience(hangs, mounted.has_entries)
    }

    /// Mounts a device and reads its menu; a device without one is let go again.
    fn open(
        &mut self,
        candidate: &Candidate,
        tier: Tier,
        patience: Duration,
        host: &mut Host<'_>,
        fresh: &mut Fresh,
    ) -> Outcome {
        let Host { target, voice, .. } = *host;
        if !(host.gate)(candidate) {
            let why = Passed::Killed;
            voice.say(&[&candidate.name, ": ", &why.to_string()].concat());
            return Outcome::Passed(why);
        }
        // Two of one UUID cannot be mounted at once, not of every file system.
        self.empty.retain(|other| source::twin([&other.candidate], candidate).is_none());
        let kind = candidate.filesystem.as_ref().map_or("", |found| found.kind.name());
        let slot = owner(self.config, candidate);
        let why = match slot {
            Some(slot) => ["slot ", &slot.name].concat(),
            None => source::why(candidate, &self.config.device),
        };
        let what = if tier.role.is_boot() { "boot partition" } else { "file system" };
        voice.say(&format!("{what} {} ({why}, {kind})", candidate.name));
        if let Some(line) = self.lacking(candidate) {
            voice.say(&line);
        }
        let opening = Opening {
            candidate: candidate.clone(),
            tier,
            arch: target.arch,
            boards: target.boards.to_vec(),
            used: target.used.to_vec(),
            limits: self.config.unverified,
            allowance: Arc::clone(&self.allowance),
            drivers: self.drivers.clone(),
        };
        let Some(job) = Job::start(opening.clone()) else {
            return self.settle(opening.open(), voice, fresh);
        };
        let began = clock::elapsed();
        let end = began.saturating_add(patience);
        if voice.during(&candidate.name, End::At(end), || job.wait_until(end)) {
            return self.settle(job.finish(answer), voice, fresh);
        }
        let why = format!("{} does not answer", candidate.name);
        voice.say(&format!("{why}: it is not waited for any more"));
        hung_tasks::bear();
        let end = began.saturating_add(LAST_PATIENCE);
        self.slow.push(Slow { candidate: candidate.clone(), end, job });
        Outcome::Unmounted(format!("{why}: check the disk and its cable"))
    }

    /// That members are missing of the array that is read from this one.
    fn lacking(&self, candidate: &Candidate) -> Option<String> {
        let member = candidate.read_member()?;
        let count = self.mirrors.count(candidate);
        let is_whole = u32::try_from(count).is_ok_and(|count| count >= member.disks);
        let name = &candidate.name;
        (!is_whole).then(|| format!("{name} is {member}: {count} of {} are here", member.disks))
    }

    /// What came of a device that was opened; its menu is put to the others.
    fn settle(&mut self, opened: Opened, voice: &Voice<'_>, fresh: &mut Fresh) -> Outcome {
        match opened {
            Ok((mut volume, mut menu)) => {
                let outcome = volume::outcome(&menu);
                volume.budget.settle();
                volume.missed = mem::take(&mut menu.missed);
                if menu.entries.is_empty() {
                    say_diagnostics(&menu, voice);
                    if self.empty.len() < MAX_VOLUMES {
                        self.empty.push(volume);
                    }
                } else {
                    fresh.push((volume, menu));
                }
                outcome
            }
            Err(outcome) => {
                if let Outcome::Unmounted(why) = &outcome {
                    voice.say(why);
                }
                outcome
            }
        }
    }

    /// True once a device came, went or answered, false when the time is over. One
    /// that is there and does not answer yet is given its own.
    pub(super) fn wait(&self, deadline: Duration, voice: &Voice<'_>) -> bool {
        let hear = Hear { uevents: &self.uevents, signals: self.signals, drivers: self.drivers };
        hear.loads(voice, &|| self.has_answer())
            || voice.during("a device with a menu", End::At(deadline), || {
                let deadline = self.slow.iter().map(|slow| slow.end).fold(deadline, Duration::max);
                hear.wait(deadline, voice, &|| self.has_answer())
            })
    }

    /// What can be read once [`Self::changed`] has something to tell.
    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let slow = self.slow.iter().map(|slow| slow.job.as_fd());
        let others = self.drivers.descriptor().into_iter().chain(slow);
        core::iter::once(self.uevents.as_fd()).chain(others).collect()
    }

    fn has_answer(&self) -> bool {
        self.slow.iter().any(Slow::answers)
    }

    /// Whether a device came, went or answered since this was asked.
    pub(super) fn changed(&self) -> bool {
        let has_answer = self.has_answer();
        self.uevents.block_changed() || has_answer
    }

    /// That there is no menu, and everything that was looked at. It is of
    /// [`Stage::Discover`] if nothing was there to be mounted.
    pub(super) fn nothing_found(&self) -> Failure {
        let found = self.report.devices.iter().any(|looked| was_read(&looked.outcome));
        let (stage, what) = match found {
            true => (Stage::Menu, "no menu entry"),
            false => (Stage::Discover, "no boot partition"),
        };
        let device = &self.config.device;
        let wait = self.config.wait.as_secs();
        let none = match self.report.devices.is_empty() {
            true => " none (is the driver's module in the image?)",
            false => "",
        };
        let report = &self.report;
        let mut text =
            format!("{what} ({device}) after {wait} s; block devices seen:{none}{report}");
        let said = since(self.drivers).into_iter().chain(missing(self.drivers));
        for line in self.hints.iter().cloned().chain(said) {
            text.push_str("\r\n");
            text.push_str(&line);
        }
        Failure::new(stage, text)
    }
}

/// How much of an array's members this one is wanted: most where it is a slot's.
fn worth(config: &Config, candidate: &Candidate) -> u8 {
    let is_looked_at = source::tier(candidate, &config.device, config.scan()).is_ok();
    match owner(config, candidate) {
        Some(_) => 2,
        None => is_looked_at.into(),
    }
}

/// Whether a device that anybody can put in says that it is one that is built in.
fn replaces(candidate: &Candidate, other: &Candidate) -> bool {
    candidate.removable && !other.removable && source::twin([other], candidate).is_some()
}

/// Whether a device that is not mounted may be one that was looked for.
fn may_be(candidate: &Candidate, missed: &[Missed]) -> bool {
    let identity = candidate.identity();
    missed.iter().any(|missed| missed.by == By::File || missed.is_meant(&identity))
}

/// That the menu of a volume looks for a device that is passed over, and what has it
/// looked at.
fn hint(volume: &str, meant: &Candidate, device: &Selector) -> String {
    let what = source::describe(meant);
    let mut line = [volume, ": its menu looks for ", &what, ", which is passed over; "].concat();
    line.push_str(match device {
        Selector::Auto => "\"scan all\"",
        _ => "\"device auto\" with \"scan all\"",
    });
    if let Some(selector) = source::selector(meant).filter(|_| *device == Selector::Auto) {
        line.push_str(" or \"device ");
        line.push_str(&printable(&selector.to_string()));
        line.push('"');
    }
    line.push_str(" in the image's configuration has it looked at");
    line
}

/// How long the others wait for a device, of a disk that did not answer before or
/// while there are entries.
const fn patience(disk_hangs: bool, has_entries: bool) -> Duration {
    match (disk_hangs, has_entries) {
        (true, _) => Duration::ZERO,
        (false, true) => PATIENCE_AT_MENU,
        (false, false) => PATIENCE,
    }
}

/// What came of a thread that has ended.
fn answer(opened: Option<Opened>) -> Opened {
    opened.unwrap_or_else(|| Err(Outcome::Unmounted("it was not read".to_owned())))
}

/// What is mounted already.
pub(super) struct Mounted<'a> {
    pub(super) volumes: &'a [Volume],
    /// Whether the menu has an entry.
    pub(super) has_entries: bool,
}

const fn was_read(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Passed(_))
}

/// What was left out of a menu, and why; that the budget has ended comes last and
/// is always said.
pub(super) fn say_diagnostics(menu: &Menu, voice: &Voice<'_>) {
    let is_end = |diagnostic: &&menu::Diagnostic| diagnostic.code == menu::Code::Budget;
    let (ends, others): (Vec<_>, Vec<_>) = menu.diagnostics.iter().partition(is_end);
    let said = others.iter().take(MAX_SAID).chain(&ends);
    said.for_each(|diagnostic| voice.say(&diagnostic.to_string()));
    match others.len().saturating_sub(MAX_SAID) {
        0 => {}
        more => voice.say(&format!("{more} more faults of menus are not told")),
    }
}

/// Whether nobody is asked, and an entry that is there boots: then no other
/// device is needed.
pub(super) fn settles_all(menu: &Menu) -> bool {
    let is_hidden = matches!(menu.settings.timeout, Some(Timeout::Hidden | Timeout::Disabled));
    let wanted = menu.settings.default.as_ref().map(|wanted| &wanted.what);
    let Some(menu::What::Pattern(pattern)) = wanted.filter(|_| is_hidden) else { return false };
    let found = menu.named_by(pattern).and_then(|index| menu.entries.get(index));
    found.is_some_and(Entry::is_bootable)
}

/// The state area, once there is one; it may be on another disk. What is not
/// there so long after the start, and after the last driver, is waited for no more.
pub(super) fn find_state_area(
    config: &Config,
    signals: &Signals,
    drivers: &Drivers,
    voice: &Voice<'_>,
) -> Result<StateArea, Fault> {
    let uevents = Uevents::open().map_err(|error| Fault::Medium(error.to_string()))?;
    let hear = Hear { uevents: &uevents, signals, drivers };
    loop {
        match StateArea::find(&config.state_device) {
            Err(Fault::NoPartition | Fault::NoDevice(_)) => {}
            found => return found,
        }
        let deadline = drivers.extend(config.wait, config.wait);
        let goes_on = hear.loads(voice, &|| false)
            || voice.during("the partition with the state", End::At(deadline), || {
                hear.wait(deadline, voice, &|| false)
            });
        if !goes_on {
            return StateArea::find(&config.state_device);
        }
    }
}

/// What is heard of while a device is waited for.
struct Hear<'a> {
    uevents: &'a Uevents,
    signals: &'a Signals,
    drivers: &'a Drivers,
}

impl Hear<'_> {
    /// Waits for what is being loaded: true once it is, or something else has happened;
    /// false where nothing is.
    fn loads(&self, voice: &Voice<'_>, has_happened: &dyn Fn() -> bool) -> bool {
        let Some(what) = self.drivers.busy_with() else { return false };
        let end = clock::elapsed().saturating_add(LIMIT);
        voice.during(&what, End::Unknown, || {
            self.wait(end, voice, &|| {
                has_happened() || self.drivers.busy_with().as_ref() != Some(&what)
            });
        });
        true
    }

    /// True once a block device came or went, or something else has happened; false when
    /// the time is over.
    fn wait(&self, deadline: Duration, voice: &Voice<'_>, has_happened: &dyn Fn() -> bool) -> bool {
        let Self { uevents, signals, drivers } = self;
        loop {
            let left = deadline.saturating_sub(clock::elapsed());
            if left.is_zero() {
                return false;
            }
            vigil::wait(deadline);
            let loader = drivers.descriptor().unwrap_or_else(|| uevents.as_fd());
            let [event, signal, _] =
                wait([*uevents, *signals, &loader], Some(left.min(vigil::TURN)));
            drivers.hear(voice);
            if signal && let Some(note) = note_signals(signals) {
                voice.say(&note);
            }
            if has_happened() || (event && uevents.block_changed()) {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::filesystem::{FileSystem, Kind};
    use crate::source::{Guid, PartitionType};

    fn debian_root() -> Candidate {
        Candidate {
            name: "vda2".to_owned(),
            disk: "vda".to_owned(),
            kind: Some(PartitionType::Gpt(Guid::LINUX_FILE_SYSTEM)),
            is_partitioned: false,
            no_auto: false,
            partuuid: Some("aa-02".to_owned()),
            partlabel: None,
            filesystem: Some(FileSystem {
                kind: Kind::Ext4,
                uuid: Some("5d2f-9c".to_owned()),
                label: Some("root".to_owned()),
            }),
            member: None,
            removable: false,
            size: 20 << 30,
            fault: None,
        }
    }

    #[test]
    fn a_device_that_a_menu_looks_for_and_an_image_passes_over_is_said_with_the_next_step() {
        let root = debian_root();
        let what = "vda1: its menu looks for vda2: 20 GiB, Linux file system, ext4 label root, \
                    which is passed over; ";
        let end = " in the image's configuration has it looked at";
        let by_default = "\"scan all\" or \"device UUID=5d2f-9c\"";
        assert_eq!(hint("vda1", &root, &Selector::Auto), [what, by_default, end].concat());
        let named = Selector::Label("ESP".to_owned());
        let expected = [what, "\"device auto\" with \"scan all\"", end].concat();
        assert_eq!(hint("vda1", &root, &named), expected);
    }

    #[test]
    fn a_device_is_looked_at_again_for_what_it_is_or_may_hold() {
        for (by, value, expected) in [
            (By::Uuid, "5D2F-9C", true),
            (By::Name, "vda,gpt2", true),
            (By::Label, "root", true),
            (By::Label, "data", false),
            // Which files it has is known only once it is mounted.
            (By::File, "/boot/flag", true),
        ] {
            let missed = [Missed { by, value: value.to_owned() }];
            assert_eq!(may_be(&debian_root(), &missed), expected, "{by:?} {value}");
        }
        assert!(!may_be(&debian_root(), &[]));
    }

    #[test]
    fn what_was_looked_for_in_vain_on_a_device_has_it_mounted_no_second_time() {
        let missed = ["/a", "/b"].map(|value| Missed { by: By::File, value: value.to_owned() });
        let tier = Tier { removable: false, role: Role::Linux };
        let tried = Rc::new(missed[..1].to_vec());
        let idle = Idle { tier, candidate: debian_root(), tried };
        assert!(!idle.may_be(&missed[..1]) && idle.may_be(&missed));
    }

    #[test]
    fn only_what_can_be_taken_out_replaces_what_is_built_in() {
        let stick =
            |name: &str, removable| Candidate { name: name.to_owned(), removable, ..debian_root() };
        let root = debian_root();
        assert!(replaces(&stick("sda1", true), &root));
        assert!(!replaces(&stick("sda1", false), &root));
        assert!(!replaces(&stick("sda1", true), &stick("sdb1", true)));
        let other = Candidate { partuuid: None, filesystem: None, ..stick("sda1", true) };
        assert!(!replaces(&other, &root));
    }

    #[test]
    fn a_menu_that_is_shown_and_a_disk_that_hangs_already_are_not_held_up() {
        for (disk_hangs, has_entries, seconds) in
            [(false, false, 20), (false, true, 1), (true, false, 0), (true, true, 0)]
        {
            let patience = patience(disk_hangs, has_entries).as_secs();
            assert_eq!(patience, seconds, "{disk_hangs} {has_entries}");
        }
    }
}
