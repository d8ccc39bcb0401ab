//! Which slot a start is of, and in which order slots are tried: the joint of the pure
//! rules of [`crate::slots`] with devices, menu and state area.
//!
//! What happens is put into the state in memory here; whoever holds the store writes that
//! before anything else is touched ([`super::session::Memory::keep_slots`]). Nothing here
//! decides what may boot, and no state area, or one that takes nothing, keeps anything
//! from booting. Specification: `docs/survive.md`.

use crate::base::digest::Digest;
use crate::base::json::Object;
use crate::base::text::printable;
use crate::config::{Config, Declared};
use crate::failure::{self, Failure};
use crate::menu::Entry;
use crate::rollback::store::Fault;
use crate::slots::rules::{Count, Rules, Settled, Target, Turn};
use crate::slots::told::Start;
use crate::slots::{Attempt, Cause, Outcome, Slots, Stage, name_of};
use crate::source::{self, Candidate, Selector};
use crate::steps::prepare::slot_values;
use crate::trust::Role;
use crate::trust::slots::SlotValues;

/// When an entry is tried, by its turn, its slot's place, and its own in the slot: the
/// lowest first, those with the same in the menu's order.
pub(super) type Rank = (Turn, usize, u8);

/// What becomes of the slots in this start.
pub(super) struct Starts {
    pub(super) rules: Rules,
    /// As they are in memory.
    pub(super) slots: Slots,
    /// What nobody has confirmed of the last start.
    pub(super) settled: Option<Settled>,
    /// As they were before this search began: that is what the order goes by.
    before: Slots,
    /// The slots that the image declares, in the order in which this search tries them.
    steps: Vec<Step>,
    /// What is about to be started.
    taken: Option<Taken>,
    /// Slots that have paid a try in this start: the next search costs them none.
    paid: Vec<String>,
    /// Attempts of this start that are over: the next search goes on with them.
    over: usize,
    /// Whether the one that is presumed before the first mount was settled.
    has_presumed: bool,
    /// Whether the store has them.
    is_open: bool,
    /// Whether a store that has them has not taken them: the next start finds what this one
    /// has found.
    is_untaken: bool,
    /// What is to be tried first, once, and is used up in the store.
    pub(super) once: Option<String>,
    /// Whether there is none, and starts would be counted.
    lacks_store: bool,
    /// What was wrong with the store and has been said.
    said: String,
}

/// What is begun while nothing is known of what will be started.
const UNKNOWN: Target<'_> = Target {
    slot: None,
    entry: "",
    named_tries: None,
    cause: Cause::Order,
    stage: Stage::Mounting,
};

const COUNTS_NO_NAMES: &str = "boot counters are not counted: there is no state area";

/// A slot of the image that is to be tried.
struct Step {
    name: String,
    turn: Turn,
    device: Option<Selector>,
    progress: Progress,
}

/// What is about to be started.
struct Taken {
    slot: Option<String>,
    named_tries: Option<u8>,
    cause: Cause,
}

/// How far a slot is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Its device was not read yet.
    Waiting,
    /// Its entries are in the menu.
    Read,
    /// Nothing of it boots in this search.
    Over,
}

/// A row of the menu that is about to be started.
pub(super) struct Taking<'a> {
    /// Name of its slot; none of one that belongs to no slot.
    pub(super) slot: Option<&'a str>,
    pub(super) entry: &'a Entry,
    pub(super) role: Role,
    /// Whether it is to be tried first, once.
    pub(super) is_once: bool,
    /// Whether somebody chose it.
    pub(super) by_hand: bool,
}

impl Starts {
    /// Before anything was read.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            rules: config.rules(),
            slots: Slots::default(),
            settled: None,
            before: Slots::default(),
            steps: Vec::new(),
            taken: None,
            paid: Vec::new(),
            over: 0,
            has_presumed: false,
            is_open: false,
            is_untaken: false,
            once: None,
            lacks_store: false,
            said: String::new(),
        }
    }

    /// Takes what the store has, once in a start: `stored` is none where there is no state
    /// area. Gives what is to be said of it.
    pub(super) fn open(
        &mut self,
        config: &Config,
        stored: Option<Slots>,
        by_watchdog: bool,
    ) -> Vec<String> {
        if self.is_open {
            return Vec::new();
        }
        self.is_open = stored.is_some();
        self.rules = config.rules();
        self.lacks_store = !self.is_open && self.rules.count != Count::Off;
        if !self.is_open && !self.rules.is_declared {
            // Nothing outlasts this start: whatever fails may be tried again in it.
            self.rules.count = Count::Off;
        }
        if self.is_open {
            // What was paid before it came is in no store.
            self.paid.clear();
            self.taken = None;
        }
        self.slots = stored.unwrap_or_default();
        self.once = self.slots.once.take();
        self.settled = self.slots.settle(by_watchdog);
        if self.rules.is_declared {
            let names = config.slots.iter().map(|slot| slot.name.as_str());
            self.slots.declare(names, self.rules.tries);
        }
        if by_watchdog && self.tells() {
            self.slots.counters.watchdogs = self.slots.counters.watchdogs.saturating_add(1);
        }
        self.settled.iter().map(|settled| told(settled, &self.slots)).collect()
    }

    /// What the store is to have; none where there is none that was read.
    pub(super) fn kept(&self) -> Option<&Slots> {
        Some(&self.slots).filter(|_| self.is_open)
    }

    /// The store has not taken them. What the last start left is then left for ever, and
    /// what is for one start would be for every one. Whether that is news.
    pub(super) fn are_untaken(&mut self) -> bool {
        self.once = None;
        !core::mem::replace(&mut self.is_untaken, true)
    }

    /// Whether starts are counted on this machine at all, those of recovery systems too.
    pub(super) fn counts(&self) -> bool {
        let is_used = self.rules.is_declared || !self.slots.list.is_empty();
        match self.rules.count {
            Count::Off => false,
            Count::All => true,
            Count::Unconfirmed => is_used,
        }
    }

    /// What is filled into a signed command line for the slot of an entry, and for its
    /// tries once this start was counted; as the menu says where nothing counts it.
    pub(super) fn values(
        &self,
        slot: Option<String>,
        entry: &Entry,
        manifest: Option<Digest>,
    ) -> SlotValues {
        let menus = slot_values(entry);
        // Without a store they are those in memory: it is only less that is known.
        let is_counted = self.is_open || self.rules.is_declared;
        let counted = slot.as_deref().filter(|_| is_counted).and_then(|slot| {
            let named_tries = named_tries(entry);
            self.slots.tries_in(&Start { slot, named_tries, manifest }, &self.rules)
        });
        let declared = slot.filter(|_| self.rules.is_declared);
        let given = declared.as_ref().map(|_| self.rules.tries);
        SlotValues {
            tries: counted.map(u32::from).or(menus.tries).or(given.map(u32::from)),
            // What was declared is the image's word, and a menu is not signed.
            name: declared.or(menus.name),
            token: None,
        }
    }

    /// Whether the next system is told anything of its start.
    pub(super) fn tells(&self) -> bool {
        self.is_open && self.counts()
    }

    /// What the next system is told of its start, of which so many tries are left.
    pub(super) fn tell(&self, tries: Option<u32>, out: &mut Object<'_>) {
        let attempt = self.slots.attempt.as_ref();
        let last = self.settled.as_ref().map(|settled| settled.outcome.name());
        out.maybe_text("slot", self.attempted());
        match tries {
            Some(tries) => out.number("tries_left", tries.into()),
            None => out.null("tries_left"),
        }
        out.maybe_text("cause", attempt.map(|attempt| attempt.cause.name()));
        out.maybe_text("last_start", last);
    }

    /// Whether a pause comes before a recovery system is started.
    pub(super) fn rests_before_recovery(&self) -> bool {
        // Where nothing is taken, that pause would come before each.
        self.tells() && !self.is_untaken && self.slots.rests_before_recovery(self.settled.as_ref())
    }

    /// Whether a fault of the store is news.
    pub(super) fn is_news(&mut self, fault: &Fault) -> bool {
        let fault = fault.to_string();
        let is_news = self.said != fault;
        self.said = fault;
        is_news
    }

    /// A search for something to boot begins.
    pub(super) fn plan(&mut self, config: &Config) {
        self.before.clone_from(&self.slots);
        self.before.once.clone_from(&self.once);
        self.has_presumed = false;
        let order =
            if self.rules.is_declared { self.before.order(&self.rules) } else { Vec::new() };
        let declared = order.into_iter().filter_map(|name| {
            let declared = config.slots.iter().find(|slot| slot.name == name)?;
            let turn = self.before.turn_of(name, None, &self.rules);
            Some(Step::of(declared, turn))
        });
        self.steps = declared.collect();
    }

    fn step(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.progress != Progress::Over)
    }

    /// The device that is to be read before any other is touched.
    pub(super) fn target(&self) -> Option<Selector> {
        let step = self.step().filter(|step| step.progress == Progress::Waiting)?;
        step.device.clone()
    }

    /// Names of the slots that are being tried: the one whose turn it is, once its entries
    /// are to be found, and the one that somebody chose.
    pub(super) fn current(&self) -> Vec<String> {
        let step = self.step().filter(|step| step.progress == Progress::Read);
        let step = step.map(|step| step.name.as_str());
        self.attempted().into_iter().chain(step).map(str::to_owned).collect()
    }

    /// Name of the slot of the open attempt.
    fn attempted(&self) -> Option<&str> {
        let attempt = self.slots.attempt.as_ref()?;
        self.slots.slot_of(attempt).map(|slot| slot.name.as_str())
    }

    /// When an entry of this slot is tried; none if only by somebody's hand.
    pub(super) fn rank(&self, slot: Option<&str>, entry: &Entry) -> Option<(Turn, usize)> {
        if self.is_once(entry) {
            return Some((Turn::Once, 0));
        }
        let name = slot?;
        if self.rules.is_declared {
            let place = self.steps.iter().position(|step| step.name == name)?;
            return Some((self.steps.get(place)?.turn, place));
        }
        match self.before.turn_of(name, named_tries(entry), &self.rules) {
            Turn::Never => None,
            turn => Some((turn, 0)),
        }
    }

    /// Whether an entry was to be tried first at this start.
    pub(super) fn is_once(&self, entry: &Entry) -> bool {
        let once = self.before.once.as_deref();
        once.is_some_and(|once| entry.id == once || entry.loader_id() == once)
    }

    /// Whether something is to be tried first that no slot is called as: an entry, which
    /// any device may have.
    pub(super) fn wants_entry(&self) -> bool {
        let once = self.before.once.as_deref();
        once.is_some_and(|once| !self.rules.is_declared || self.before.get(once).is_none())
    }

    /// Whether the mount of this device has ended the last start, and it is to be passed
    /// over.
    pub(super) fn is_killer(&self, config: &Config, candidate: &Candidate) -> bool {
        let settled = self.settled.as_ref().filter(|it| it.died_at_mount() && !self.is_untaken);
        let Some(settled) = settled else { return false };
        let owner = owner(config, candidate);
        // Two that kill in turn would never let a slot boot: only its own device is mounted.
        let target = self.step().filter(|step| step.device.is_some() && settled.is_again);
        if target.is_some_and(|it| owner.is_none_or(|slot| slot.name != it.name)) {
            return true;
        }
        let spares_others = self.rules.is_declared && self.slots.counters.resets >= 2;
        match (&settled.attempt.device, &settled.name) {
            (Some(_), _) if spares_others && owner.is_none() => true,
            (Some(device), _) => *device == id_of(candidate),
            (None, Some(name)) => owner.is_some_and(|slot| slot.name == *name),
            (None, None) => false,
        }
    }

    /// A device is about to be mounted: spends the try of the slot whose it is, or of the
    /// one that is presumed, if it is the first.
    pub(super) fn mounts(&mut self, candidate: &Candidate) {
        let own = self.step().filter(|step| step.is_waited_for_on(candidate));
        match own.map(|step| (step.name.clone(), step.turn)) {
            Some((name, turn)) => {
                self.begin(&name, turn, Stage::Mounting);
                self.slots.reach(Stage::Mounting, None);
            }
            None => {
                if let Some(name) = self.presumed() {
                    let turn = self.before.turn_of(&name, None, &self.rules);
                    self.begin(&name, turn, Stage::Mounting);
                } else if self.slots.attempt.is_none() && self.is_of_no_slot() {
                    self.attempt(&UNKNOWN);
                }
                self.slots.reach(Stage::Mounting, Some(&id_of(candidate)));
            }
        }
    }

    /// Whether what is mounted while no attempt is open is an attempt of its own: of
    /// whatever kills the machine something is left.
    fn is_of_no_slot(&self) -> bool {
        self.counts() && (!self.rules.is_declared || self.step().is_none())
    }

    /// The slot of which a start is before its device is known, once a search.
    fn presumed(&mut self) -> Option<String> {
        let is_first = !core::mem::replace(&mut self.has_presumed, true);
        if !is_first || self.slots.attempt.is_some() {
            return None;
        }
        let name = match self.step() {
            Some(Step { device: Some(_), .. }) => return None,
            Some(step) => Some(step.name.clone()),
            None if self.rules.is_declared => None,
            None => self.last_name(),
        };
        name.filter(|name| self.before.turn_of(name, None, &self.rules) != Turn::Never)
    }

    /// The slot that is to be tried once, if it is known, or the one of the last start.
    fn last_name(&self) -> Option<String> {
        if let Some(once) = &self.before.once {
            return self.before.get(once).map(|slot| slot.name.clone());
        }
        let slot = self.before.history.first()?.slot?;
        self.before.list.get(usize::from(slot)).map(|slot| slot.name.clone())
    }

    fn begin(&mut self, name: &str, turn: Turn, stage: Stage) {
        if self.attempted() == Some(name) {
            return;
        }
        let cause = cause(turn);
        self.attempt(&Target { slot: Some(name), entry: "", named_tries: None, cause, stage });
    }

    fn attempt(&mut self, target: &Target<'_>) {
        self.once = None;
        self.slots.begin(target, &self.rules);
        if self.slots.reopen(self.over) {
            self.over = self.over.saturating_sub(1);
        }
        if self.attempted().is_some_and(|name| self.paid.iter().any(|paid| paid == name)) {
            self.slots.spare();
        }
    }

    fn fail(&mut self, outcome: Outcome) {
        let has_paid = self.slots.attempt.as_ref().is_some_and(|attempt| attempt.spent);
        let name = self.attempted().map(str::to_owned);
        self.paid.extend(name.filter(|_| has_paid));
        self.over = self.over.saturating_add(usize::from(self.slots.attempt.is_some()));
        self.slots.fail(outcome);
    }

    /// A device is read now, or passed over: if it is a slot's, that is not waited for.
    pub(super) fn sees(&mut self, candidate: &Candidate) {
        let mut steps = self.steps.iter_mut();
        let step = steps.find(|step| step.is_waited_for_on(candidate));
        step.into_iter().for_each(|step| step.progress = Progress::Read);
    }

    /// Time is over, and the device of the slot whose turn it is has not come: that costs
    /// a try too. Gives the sentence that says so.
    pub(super) fn lacks_device(&mut self) -> Option<String> {
        let step = self.step()?;
        let (name, turn) = (step.name.clone(), step.turn);
        let device = step.device.as_ref().map(Selector::to_string).unwrap_or_default();
        self.begin(&name, turn, Stage::Discovering);
        self.gives_up(&name, Outcome::Failed);
        Some(["slot ", &name, " is not there: no device is ", &printable(&device)].concat())
    }

    /// Nothing of a slot boots in this search.
    pub(super) fn gives_up(&mut self, name: &str, outcome: Outcome) {
        self.fails(name, outcome);
        let step = self.steps.iter_mut().find(|step| step.name == name);
        step.into_iter().for_each(|step| step.progress = Progress::Over);
    }

    /// The attempt came back, if it is of this slot, and the next one is of another.
    pub(super) fn fails(&mut self, name: &str, outcome: Outcome) {
        if self.attempted() == Some(name) {
            self.fail(outcome);
        }
    }

    /// No entry of a slot is to be found. Where nobody knows its device, that may still
    /// come: then it has cost nothing.
    pub(super) fn lacks_entries(&mut self, name: &str) {
        let step = self.steps.iter().find(|step| step.name == name);
        let is_known = step.is_some_and(|step| step.device.is_some());
        if !is_known && self.attempted() == Some(name) {
            self.slots.leave();
        }
        self.gives_up(name, Outcome::Failed);
    }

    /// The search came to nothing. What is mounted from now on is no slot's attempt.
    pub(super) fn ends(&mut self, failure: &Failure) {
        self.fail(outcome_of([failure].into_iter()));
        self.steps.iter_mut().for_each(|step| step.progress = Progress::Over);
        self.has_presumed = true;
    }

    /// An entry is about to be read, to be started.
    pub(super) fn takes(&mut self, taking: &Taking<'_>) {
        self.once = None;
        self.taken = None;
        let is_recovery = taking.role == Role::Recovery;
        let slot = taking.slot.filter(|_| !is_recovery);
        if slot.is_none() && !(is_recovery && self.counts()) {
            self.slots.leave();
            return;
        }
        let cause = self.cause_of(taking);
        let named_tries = named_tries(taking.entry);
        self.taken = Some(Taken { slot: slot.map(str::to_owned), named_tries, cause });
        // What was begun of no slot is no start of a recovery system.
        let may_move = taking.by_hand || slot.is_none();
        let is_moved = may_move && self.slots.attempt.as_ref().is_some_and(|it| it.cause != cause);
        let entry = taking.entry.id.as_str();
        if self.is_of(slot) && !is_moved && self.is_counted(slot) {
            self.slots.enter(entry);
        } else {
            self.attempt(&Target { slot, entry, named_tries, cause, stage: Stage::Reading });
        }
        self.slots.reach(Stage::Reading, None);
    }

    /// Whether starts of a slot are still counted: one that was confirmed meanwhile may be
    /// good now.
    fn is_counted(&self, slot: Option<&str>) -> bool {
        let slot = slot.and_then(|name| self.slots.get(name));
        self.rules.count == Count::All || slot.is_none_or(|slot| !slot.confirmed)
    }

    /// What is started is of no slot.
    pub(super) fn leaves(&mut self) {
        self.taken = None;
        self.slots.leave();
    }

    /// The next kernel is about to have the machine: with which entry, and by which
    /// manifest.
    pub(super) fn jumps(&mut self, entry: &str, manifest: Option<Digest>) {
        let Some(Taken { slot, named_tries, cause }) = &self.taken else { return };
        let target = Target {
            slot: slot.as_deref(),
            entry,
            named_tries: *named_tries,
            cause: *cause,
            stage: Stage::Loaded,
        };
        self.slots.jump(&target, manifest, &self.rules);
    }

    /// Whether the open attempt is of this slot.
    fn is_of(&self, slot: Option<&str>) -> bool {
        self.slots.attempt.is_some() && self.attempted() == slot
    }

    fn cause_of(&self, taking: &Taking<'_>) -> Cause {
        match taking.role {
            _ if taking.by_hand => Cause::Hand,
            Role::Recovery => Cause::Recovery,
            Role::Boot if taking.is_once => Cause::Once,
            Role::Boot => {
                self.rank(taking.slot, taking.entry).map_or(Cause::Hand, |(turn, _)| cause(turn))
            }
        }
    }

    /// What the name of an entry that may boot says of a slot that nobody declares: one that
    /// has lost its counter, or has one that nothing counts. `manifest` is what it is signed
    /// by, if it is. Gives a sentence.
    pub(super) fn hears(&mut self, entry: &Entry, manifest: Option<Digest>) -> Option<String> {
        if self.rules.is_declared {
            return None;
        }
        if entry.counter.is_some() {
            return self.counts_no_names().map(str::to_owned);
        }
        let name = name_of(&entry.id);
        if !self.slots.name_lost_counter(&name, manifest) {
            return None;
        }
        self.before.name_lost_counter(&name, manifest);
        Some([&printable(&name), " has no counter in its name any more: that confirms it"].concat())
    }

    /// A name has a boot counter: what is to be said once, where no store counts for it.
    fn counts_no_names(&mut self) -> Option<&'static str> {
        if !self.lacks_store || !self.said.is_empty() {
            return None;
        }
        COUNTS_NO_NAMES.clone_into(&mut self.said);
        Some(COUNTS_NO_NAMES)
    }

    /// Why an entry of this slot is not tried by itself.
    pub(super) fn why_not(&self, slot: Option<&str>) -> String {
        let slot = slot.and_then(|name| self.before.get(name));
        match slot {
            Some(slot) => ["slot ", &*printable(&slot.to_string()), ": only by hand"].concat(),
            None => "of no slot of this image: only by hand".to_owned(),
        }
    }
}

impl Step {
    fn of(declared: &Declared, turn: Turn) -> Self {
        let Declared { name, device } = declared.clone();
        let progress = if device.is_some() { Progress::Waiting } else { Progress::Read };
        Self { name, turn, device, progress }
    }

    fn is_waited_for_on(&self, candidate: &Candidate) -> bool {
        let device = self.device.as_ref().filter(|_| self.progress == Progress::Waiting);
        device.is_some_and(|device| device.selects(candidate))
    }
}

/// The slot whose menu is on a device, as the image declares it.
pub(super) fn owner<'c>(config: &'c Config, candidate: &Candidate) -> Option<&'c Declared> {
    config.slots.iter().find(|slot| slot.device.as_ref().is_some_and(|it| it.selects(candidate)))
}

/// The slot that an entry on a device is of; none where slots are declared and it is of
/// none of them.
pub(super) fn slot_of(
    config: &Config,
    device: Option<&Candidate>,
    entry: &Entry,
) -> Option<String> {
    if config.slots.is_empty() {
        return Some(name_of(&entry.id));
    }
    let by_word =
        |slot: &&Declared| slot.device.is_none() && entry.slot.as_ref() == Some(&slot.name);
    let found = device.and_then(|device| owner(config, device));
    let found = found.or_else(|| config.slots.iter().find(by_word));
    found.map(|slot| slot.name.clone())
}

/// The first of the rows, in this order, that is tried before all others.
pub(super) fn first(
    mut order: impl Iterator<Item = usize>,
    rank: impl Fn(usize) -> Option<Rank>,
) -> Option<usize> {
    let mut best: Option<(Rank, usize)> = None;
    order.by_ref().for_each(|index| {
        let Some(rank) = rank(index) else { return };
        if best.is_none_or(|(least, _)| rank < least) {
            best = Some((rank, index));
        }
    });
    best.map(|(_, index)| index)
}

/// What the failures of a slot's entries come to.
pub(super) fn outcome_of<'f>(mut failures: impl Iterator<Item = &'f Failure>) -> Outcome {
    let is_refusal = |failure: &Failure| {
        matches!(failure.cause, failure::Cause::Refused(_) | failure::Cause::Barred(..))
    };
    if failures.any(is_refusal) { Outcome::Refused } else { Outcome::Failed }
}

const fn cause(turn: Turn) -> Cause {
    match turn {
        Turn::Once => Cause::Once,
        Turn::Tries | Turn::Never => Cause::Order,
        Turn::LastResort => Cause::LastResort,
    }
}

fn named_tries(entry: &Entry) -> Option<u8> {
    entry.counter.map(|counter| u8::try_from(counter.left).unwrap_or(u8::MAX))
}

/// What a device is known by from one start to the next.
fn id_of(candidate: &Candidate) -> String {
    source::selector(candidate).map_or_else(|| candidate.name.clone(), |it| it.to_string())
}

/// What the last start came to.
fn told(settled: &Settled, slots: &Slots) -> String {
    let Settled { attempt, name, outcome, .. } = settled;
    let Attempt { device, cause, .. } = attempt;
    let what = name.as_deref().unwrap_or(match cause {
        Cause::Recovery => "a recovery system",
        _ => "what is in no slot",
    });
    let slot = name.as_ref().and_then(|name| slots.get(name));
    let mut line =
        ["the last start of ", &printable(what), " was not confirmed (", outcome.name()].concat();
    if settled.died_at_mount() {
        line.push_str(" while a device was mounted");
        device.iter().for_each(|device| line.extend([": ", &*printable(device)]));
    }
    line.push(')');
    slot.into_iter().for_each(|slot| line.extend([": ", &*printable(&slot.to_string())]));
    line
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod told_values {
    use super::*;
    use crate::menu::bls::file_name::Counter;
    use crate::trust::verify::Mode;

    fn entry(slot: Option<&str>, left: Option<u32>) -> Entry {
        Entry {
            id: "e".to_owned(),
            slot: slot.map(str::to_owned),
            counter: left.map(|left| Counter { left, done: 0 }),
            ..Entry::default()
        }
    }

    fn starts(config: &Config, has_store: bool) -> Starts {
        let mut starts = Starts::new(config);
        assert!(starts.open(config, has_store.then(Slots::default), false).is_empty());
        starts
    }

    fn config(names: &[&str]) -> Config {
        let declared = |name: &&str| Declared { name: (*name).to_owned(), device: None };
        Config { slots: names.iter().map(declared).collect(), ..Config::new(Mode::Locked) }
    }

    #[test]
    fn a_signed_command_line_is_told_the_image_s_name_of_the_slot_or_else_the_menu_s() {
        let image = config(&["A"]);
        let declared = starts(&image, true);
        let name = |slot: Option<&str>, own: Option<&str>| {
            declared.values(slot.map(str::to_owned), &entry(own, None), None).name
        };
        assert_eq!(name(Some("A"), None).as_deref(), Some("A"));
        assert_eq!(name(Some("A"), Some("b")).as_deref(), Some("A"), "a menu is not signed");
        assert_eq!(name(None, Some("b")).as_deref(), Some("b"));
        assert_eq!(name(None, None), None);
        let undeclared = starts(&config(&[]), true);
        let values = undeclared.values(Some("e".to_owned()), &entry(None, None), None);
        assert_eq!(values, SlotValues::default(), "an id is the name of no slot");
    }

    #[test]
    fn it_is_told_the_tries_that_are_counted_or_else_those_of_the_file_s_name() {
        let tries = |image: &[&str], has_store: bool, left: Option<u32>| {
            let image = config(image);
            let slot = if image.slots.is_empty() { "e" } else { "A" };
            let starts = starts(&image, has_store);
            starts.values(Some(slot.to_owned()), &entry(None, left), None).tries
        };
        assert_eq!(tries(&["A"], true, None), Some(2));
        assert_eq!(tries(&["A"], true, Some(9)), Some(2));
        assert_eq!(tries(&[], true, Some(3)), Some(2));
        for left in [None, Some(3)] {
            assert_eq!(tries(&[], false, left), left, "nothing counts");
            assert_eq!(tries(&["A"], false, left), Some(2), "a lost store refuses nothing");
        }
        assert_eq!(tries(&[], true, None), None);
        let image = Config { count: Some(Count::Off), ..config(&["A"]) };
        let values = starts(&image, true).values(Some("A".to_owned()), &entry(None, None), None);
        assert_eq!(values.tries, Some(3));
    }
}
