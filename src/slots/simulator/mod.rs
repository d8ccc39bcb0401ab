//! The rules on their own: all that may happen to a machine with two slots and a recovery
//! system, in every order up to a length, with every state held against laws that know
//! nothing of the rules ([`oracle`]).
//!
//! A start calls the rules in the order in which PID 1 does ([`machine`]). From every state
//! that is come to, the machine is then left alone with slots of which one boots, or none,
//! or with what kills it: where that ends, and after how many starts, are laws as well.
//! The power fails in every kind of start before each of its writes; what a write looks
//! like that it cuts off is tried in `rollback::crash`. More than two dozen wrong rules are
//! put in one by one, and each has to break the law that knows of it.
//!
//! Not in the model: what the watchdog says of a reset (no rule goes by it), a second
//! search in the same start, entries without a counter in their name, `count off`, two
//! devices that kill in turn, and machines on which recovery systems are not counted.
//! `boot::slots` tests what PID 1 makes of such starts, one by one.

mod machine;
mod oracle;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;

use stateright::{Checker as _, HasDiscoveries, Model, Property};

use super::rules::{Count, Rules};
use super::wrong::{self, Wrong, within};
use super::{Attempt, Cause, Counters, Outcome, Slots, Stage};
use machine::{End, Fate, Machine, NAMES, Story, system};
use oracle::Law;

/// Longest sequence in every run of the tests.
const LENGTH: usize = 3;
/// Longest sequence in the long run.
const LONG: usize = 8;
/// Starts within which a slot boots that can.
const BOUND: u8 = 40;
/// Starts that may follow each other without a pause where nothing boots.
const HOT: u8 = 24;

/// A start, and what becomes of what it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Start {
    /// This becomes of the first slot; the other one is well.
    First(Fate),
    /// No slot can be loaded, and this becomes of the recovery system.
    NoneLoads(Fate),
    /// Somebody takes the other slot.
    Hand(Fate),
    /// Another device's mount ends all.
    StickKills,
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Act {
    /// A start from its beginning to its end.
    Start(Start),
    /// The power fails in a start after so many of its writes, and before the next one.
    Cut(Start, u8),
    /// The system that runs confirms itself.
    Bless,
    /// The system that runs is replaced without a word.
    Update,
    /// The floor is to rise to what runs.
    Raise,
    Install(usize),
    SetPrimary(usize),
    SetOnce(usize),
    MarkBad(usize),
    /// A slot's disk is taken out, or put back.
    Disk(usize),
}

/// Where the machine is, and which law was broken on the way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    machine: Machine,
    /// The slot that is up, or a recovery system.
    up: Option<Option<usize>>,
    broken: Option<Law>,
}

/// A machine that is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Alone {
    /// This slot is well, and the other one is not.
    One(usize, Fate),
    /// No slot is, and this becomes of the recovery system.
    None(Fate, Fate),
    /// Nothing comes up, and a stick kills.
    Stick,
}

struct World {
    rules: Rules,
    wrong: Option<Wrong>,
    /// Whether every try is accounted for: that hides what other laws would find.
    is_exact: bool,
    seeds: Vec<Slots>,
    /// Starts until the end of a machine that is left alone.
    known: Mutex<HashMap<u64, u8>>,
    hasher: RandomState,
    /// Every write: what the disk had, and what it was to have. None where nobody asks.
    writes: Option<Mutex<HashSet<(Slots, Slots)>>>,
    /// The first law that was broken.
    broken: Mutex<Option<Broken>>,
}

/// A law that was broken, by what, and what was before.
#[derive(Debug, Clone, PartialEq)]
struct Broken {
    law: Law,
    act: Act,
    before: State,
}

/// Without what no later start goes by, so that states which differ in nothing else are one.
fn plain(machine: &mut Machine, rules: &Rules) {
    let Machine { slots, holds, .. } = machine;
    let last = slots
        .last_started()
        .and_then(|name| slots.find(name))
        .map(|slot| u8::try_from(slot).unwrap());
    let stage = Stage::Mounting;
    let start = |slot| super::Start {
        slot: Some(slot),
        stage,
        outcome: Outcome::Open,
        cause: Cause::Order,
    };
    slots.history = last.filter(|_| !rules.is_declared).map(start).into_iter().collect();
    let Counters { pauses, recoveries, .. } = slots.counters;
    slots.counters = Counters { pauses, recoveries, ..Counters::default() };
    let old: Vec<u8> = slots.list.iter().map(|slot| slot.priority).collect();
    for slot in &mut slots.list {
        slot.last = Outcome::Open;
        let below = old.iter().filter(|other| **other < slot.priority).count();
        slot.priority = u8::try_from(below).unwrap();
        let number = NAMES.iter().position(|name| *name == slot.name).unwrap();
        let is_same = slot.jumped == Some(system(number, holds[number]));
        slot.jumped = slot.jumped.map(|_| system(number, if is_same { 0 } else { 1 }));
    }
    *holds = [0; 2];
    slots.attempt.iter_mut().for_each(plain_attempt);
}

fn plain_attempt(attempt: &mut Attempt) {
    attempt.entry.clear();
    attempt.manifest = None;
    attempt.spent &= attempt.device.is_some();
    let is_mount = attempt.exact && attempt.stage == Stage::Mounting;
    attempt.stage = if is_mount { Stage::Mounting } else { Stage::Jumped };
    attempt.exact = true;
    if !matches!(attempt.cause, Cause::Recovery | Cause::LastResort) {
        attempt.cause = Cause::Order;
    }
}

const fn story(fates: [Fate; 2], recovery: Fate) -> Story {
    Story {
        fates,
        recovery,
        is_by_name: false,
        stick_kills: false,
        by_hand: false,
        cut_after: None,
    }
}

impl Start {
    const ALL: [Self; 12] = [
        Self::First(Fate::Ok),
        Self::First(Fate::Hang),
        Self::First(Fate::PanicAtMount),
        Self::First(Fate::PanicAtRead),
        Self::First(Fate::Fails),
        Self::First(Fate::Refused),
        Self::NoneLoads(Fate::Ok),
        Self::NoneLoads(Fate::Hang),
        Self::NoneLoads(Fate::Fails),
        Self::Hand(Fate::Ok),
        Self::Hand(Fate::Hang),
        Self::StickKills,
    ];

    const fn story(self) -> Story {
        let well = story([Fate::Ok; 2], Fate::Ok);
        match self {
            Self::First(fate) => story([fate, Fate::Ok], Fate::Ok),
            Self::NoneLoads(recovery) => story([Fate::Fails; 2], recovery),
            Self::Hand(fate) => Story { by_hand: true, ..story([fate; 2], Fate::Ok) },
            Self::StickKills => Story { stick_kills: true, ..well },
        }
    }
}

impl Act {
    const fn story(self) -> Option<Story> {
        match self {
            Self::Start(start) => Some(start.story()),
            Self::Cut(start, after) => Some(Story { cut_after: Some(after), ..start.story() }),
            _ => None,
        }
    }
}

impl Alone {
    const ALL: [Self; 9] = [
        Self::One(0, Fate::Hang),
        Self::One(1, Fate::Hang),
        Self::One(0, Fate::PanicAtMount),
        Self::One(1, Fate::PanicAtMount),
        Self::None(Fate::Hang, Fate::Hang),
        Self::None(Fate::PanicAtMount, Fate::Hang),
        Self::None(Fate::Fails, Fate::Ok),
        Self::None(Fate::Fails, Fate::Fails),
        Self::Stick,
    ];

    const fn story(self) -> Story {
        let story = match self {
            Self::One(0, other) => story([Fate::Ok, other], Fate::Hang),
            Self::One(_, other) => story([other, Fate::Ok], Fate::Hang),
            Self::None(fate, recovery) => story([fate; 2], recovery),
            Self::Stick => Story { stick_kills: true, ..story([Fate::Hang; 2], Fate::Hang) },
        };
        Story { is_by_name: true, ..story }
    }

    /// Starts until the law is kept, and the law.
    const fn bound(self) -> (Law, u8) {
        match self {
            Self::One(..) => (Law::BootsInTheEnd, BOUND),
            Self::None(..) | Self::Stick => (Law::BacksOff, HOT),
        }
    }

    const fn is_over(self, end: End) -> bool {
        match self {
            Self::One(slot, _) => matches!(end, End::Up(Some(up)) if up == slot),
            Self::None(..) | Self::Stick => matches!(end, End::Rested(_)),
        }
    }

    /// Whether the law says nothing of this machine: a slot that nobody may try does not
    /// boot, one whose disk is out neither, and where good starts are not counted, a good
    /// slot that hangs is started for ever.
    fn is_exempt(self, machine: &Machine, rules: &Rules) -> bool {
        let is_silent = rules.count == Count::Unconfirmed;
        let is_good = |slot: usize| machine.slots.get(NAMES[slot]).is_some_and(|it| it.confirmed);
        match self {
            Self::One(slot, fate) => {
                let known = machine.slots.get(NAMES[slot]);
                let never = known.is_some_and(|it| it.empty || (it.bad && !it.good_once));
                let is_here = machine.is_here[if rules.is_declared { slot } else { 0 }];
                let mounts = rules.is_declared || fate != Fate::PanicAtMount;
                never || !is_here || !mounts || (is_silent && is_good(1 - slot))
            }
            Self::None(Fate::Fails, _) => false,
            Self::None(..) | Self::Stick => {
                is_silent && (!rules.is_declared || is_good(0) || is_good(1))
            }
        }
    }
}

impl World {
    /// Starts until the end of a machine that is left alone, up to a bound.
    fn left_alone(&self, from: &Machine, alone: Alone) -> u8 {
        let (_, bound) = alone.bound();
        let mut path = Vec::new();
        let mut machine = from.clone();
        let mut rest = bound;
        while path.len() < usize::from(bound) {
            let here = self.hasher.hash_one((&machine, alone));
            if let Some(known) = self.known.lock().unwrap().get(&here) {
                rest = *known;
                break;
            }
            path.push(here);
            let log = machine.start(self.rules, alone.story());
            if alone.is_over(log.end) {
                rest = 0;
                break;
            }
            if log.end == End::Up(None) {
                // It confirms itself, and somebody resets the machine.
                let _ = machine.slots.bless();
            }
            plain(&mut machine, &self.rules);
        }
        for here in path.into_iter().rev() {
            rest = rest.saturating_add(1);
            self.known.lock().unwrap().insert(here, rest);
        }
        rest
    }

    fn check_alone(&self, machine: &Machine) -> Result<(), Law> {
        for alone in Alone::ALL {
            let (law, bound) = alone.bound();
            if !alone.is_exempt(machine, &self.rules) && self.left_alone(machine, alone) > bound {
                return Err(law);
            }
        }
        Ok(())
    }

    /// How often a start writes.
    fn writes_of(&self, state: &State, start: Start) -> u8 {
        let log = within(self.wrong, || state.machine.clone().start(self.rules, start.story()));
        u8::try_from(log.writes.len()).unwrap()
    }

    fn act(&self, state: &mut State, act: Act) -> Result<(), Law> {
        let before = state.machine.slots.clone();
        if let Some(story) = act.story() {
            let log = state.machine.start(self.rules, story);
            state.up = if let End::Up(up) = log.end { Some(up) } else { None };
            let after = state.machine.slots.clone();
            self.remember(before.clone(), log.writes.iter());
            return oracle::start(&before, &after, &log, &self.rules, self.is_exact);
        }
        self.verb(state, act);
        self.remember(before.clone(), [&state.machine.slots].into_iter());
        oracle::keeps_a_last_good(&before, &state.machine.slots)?;
        oracle::verb(&before, &state.machine.slots, act, state.up)
    }

    fn remember<'s>(&self, before: Slots, writes: impl Iterator<Item = &'s Slots>) {
        let Some(all) = &self.writes else { return };
        let mut all = all.lock().unwrap();
        let mut before = before;
        for after in writes {
            let write = (before, after.clone());
            before = after.clone();
            all.insert(write);
        }
    }

    fn verb(&self, state: &mut State, act: Act) {
        let Machine { slots, is_here, holds } = &mut state.machine;
        let done = match act {
            Act::Bless => slots.bless().map(|_| ()),
            Act::Install(slot) => slots.install(NAMES[slot], false).map(|()| holds[slot] ^= 1),
            Act::SetPrimary(slot) => slots.set_primary(NAMES[slot]),
            Act::SetOnce(slot) => slots.set_once(Some(NAMES[slot])),
            Act::MarkBad(slot) => slots.mark_bad(NAMES[slot], false),
            _ => Ok(()),
        };
        // A refusal changes nothing, and is none of a law.
        let _ = done;
        match act {
            Act::Disk(slot) => is_here[slot] ^= true,
            Act::Update => {
                let running = state.up.flatten();
                running.into_iter().for_each(|slot| holds[slot] ^= 1);
            }
            Act::Raise => {
                let Some(slot) = state.up.flatten() else { return };
                let confirmed = system(slot, holds[slot]);
                if slots.may_rise(&self.rules, |digest| digest == confirmed).is_ok() {
                    slots.fall(NAMES[1 - slot]);
                }
            }
            _ => {}
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        let machine =
            |slots: &Slots| Machine { slots: slots.clone(), is_here: [true; 2], holds: [0; 2] };
        // All but the first one have come up before: verbs may come first.
        let up = |nth: usize| Some(Some(0)).filter(|_| nth > 0);
        let state = |(nth, slots)| State { machine: machine(slots), up: up(nth), broken: None };
        self.seeds.iter().enumerate().map(state).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Act>) {
        if state.broken.is_some() {
            return;
        }
        for start in Start::ALL {
            actions.push(Act::Start(start));
            actions.extend((0..self.writes_of(state, start)).map(|after| Act::Cut(start, after)));
        }
        actions.push(Act::Disk(0));
        if self.rules.is_declared {
            actions.push(Act::Disk(1));
        }
        if state.up.is_none() {
            return;
        }
        actions.extend([Act::Bless, Act::Update, Act::Raise]);
        for slot in [0, 1] {
            let verbs = [Act::Install, Act::SetPrimary, Act::SetOnce, Act::MarkBad];
            actions.extend(verbs.map(|verb| verb(slot)));
        }
    }

    fn next_state(&self, last: &State, act: Act) -> Option<State> {
        within(self.wrong, || {
            let mut next = last.clone();
            let done = self.act(&mut next, act);
            plain(&mut next.machine, &self.rules);
            let done = done.and_then(|()| self.check_alone(&next.machine));
            next.broken = done.err();
            if let Some(law) = next.broken {
                let before = last.clone();
                self.broken.lock().unwrap().get_or_insert(Broken { law, act, before });
            }
            (next != *last).then_some(next)
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("all laws", |_, state: &State| state.broken.is_none())]
    }
}

const fn rules(count: Count, is_declared: bool) -> Rules {
    Rules { count, tries: 3, is_declared }
}

/// Slots as they may have become over a longer time than any sequence here.
fn seeds(rules: &Rules) -> Vec<Slots> {
    let mut fresh = Slots::default();
    if rules.is_declared {
        fresh.declare(NAMES.into_iter(), rules.tries);
    }
    let mut all = vec![fresh];
    let mut good = Slots::default();
    good.declare(NAMES.into_iter(), rules.tries);
    for (number, slot) in good.list.iter_mut().enumerate() {
        slot.jumped = Some(system(number, 0));
        slot.from_name = !rules.is_declared;
        slot.confirm();
        slot.last = Outcome::Open;
    }
    let mut worn = good.clone();
    for slot in &mut worn.list {
        slot.confirmed = false;
        slot.left = 0;
    }
    worn.counters.pauses = 3;
    worn.counters.recoveries = 4;
    let mut new = worn.clone();
    new.list.iter_mut().for_each(|slot| slot.good_once = false);
    new.counters.pauses = 1;
    new.counters.recoveries = 1;
    let mut bad = worn.clone();
    bad.list[0].bad = true;
    bad.list[1].good_once = false;
    bad.list[1].left = 2;
    all.extend([good, worn, new, bad]);
    all
}

/// What a run has seen.
struct Seen {
    states: usize,
    transitions: usize,
    /// The law that was broken first, and by what.
    broken: Option<Broken>,
    writes: HashSet<(Slots, Slots)>,
}

impl World {
    fn new(rules: Rules, wrong: Option<Wrong>) -> Self {
        Self {
            rules,
            wrong,
            is_exact: true,
            seeds: seeds(&rules),
            known: Mutex::default(),
            hasher: RandomState::new(),
            writes: None,
            broken: Mutex::default(),
        }
    }

    fn explore(self, length: usize) -> Seen {
        let checker = self.checker().threads(1).finish_when(HasDiscoveries::Any);
        // The last states are made and looked at, and not gone on from.
        let checker = checker.target_max_depth(length + 1).spawn_bfs().join();
        let world = checker.model();
        let writes = world.writes.as_ref();
        Seen {
            states: checker.unique_state_count(),
            transitions: checker.state_count(),
            broken: world.broken.lock().unwrap().take(),
            writes: writes
                .map(|all| core::mem::take(&mut *all.lock().unwrap()))
                .unwrap_or_default(),
        }
    }
}

const ALL: [Rules; 4] = [
    rules(Count::All, true),
    rules(Count::Unconfirmed, true),
    rules(Count::All, false),
    rules(Count::Unconfirmed, false),
];

/// Every write that there is in sequences of this length.
pub(crate) fn writes(length: usize) -> HashSet<(Slots, Slots)> {
    let world = |rules| World { writes: Some(Mutex::default()), ..World::new(rules, None) };
    ALL.into_iter().flat_map(|rules| world(rules).explore(length).writes).collect()
}

/// No law is broken by any sequence of this length.
fn none_breaks_a_law(length: usize) {
    for rules in ALL {
        let seen = World::new(rules, None).explore(length);
        assert_eq!(seen.broken, None, "{rules:?}");
        println!(
            "sequences of up to {length}, {:?}, {}: {} states, {} transitions",
            rules.count,
            if rules.is_declared { "slots declared" } else { "entries" },
            seen.states,
            seen.transitions,
        );
    }
}

#[test]
fn no_sequence_of_what_may_happen_breaks_a_law() {
    none_breaks_a_law(LENGTH);
}

#[test]
#[ignore = "for the long run, in release: an hour"]
fn no_longer_sequence_of_what_may_happen_breaks_a_law() {
    (LENGTH + 1..=LONG).for_each(none_breaks_a_law);
}

/// The law that each wrong rule is found by.
const FOUND_BY: [(Wrong, Law); 28] = [
    (Wrong::SpentAfterLoad, Law::TriesByCause),
    (Wrong::UnconfirmedForgotten, Law::BootsInTheEnd),
    (Wrong::GoodForEver, Law::BootsInTheEnd),
    (Wrong::OnceKept, Law::BootsInTheEnd),
    (Wrong::TriesAfterShortPause, Law::TriesByCause),
    (Wrong::TriesBeforePause, Law::TriesByCause),
    (Wrong::PausesDoNotGrow, Law::BacksOff),
    (Wrong::NoPause, Law::BacksOff),
    (Wrong::LastResortForEver, Law::BacksOff),
    (Wrong::NoLastResort, Law::Order),
    (Wrong::OtherDeviceCharged, Law::Counted),
    (Wrong::KillerMountedAgain, Law::BacksOff),
    (Wrong::MoveCostsBoth, Law::Counted),
    (Wrong::MoveCostsNone, Law::TriesByCause),
    (Wrong::OrderWithoutTries, Law::BootsInTheEnd),
    (Wrong::EmptyTried, Law::Order),
    (Wrong::LastGoodEmptied, Law::LastGood),
    (Wrong::LastGoodMarkedBad, Law::LastGood),
    (Wrong::FloorPassesLastGood, Law::LastGood),
    (Wrong::PrimaryWithoutTries, Law::TriesByCause),
    (Wrong::BlessWithoutTries, Law::TriesByCause),
    (Wrong::RecoveryLoops, Law::BacksOff),
    (Wrong::BlessesThePrimary, Law::TriesByCause),
    (Wrong::ReplacedStaysGood, Law::TriesByCause),
    (Wrong::CostsTwo, Law::Counted),
    (Wrong::HealsNever, Law::BootsInTheEnd),
    (Wrong::PausesForgotten, Law::BootsInTheEnd),
    (Wrong::AttemptClosedAtJump, Law::Counted),
];

/// What a wrong rule breaks first, in the shortest sequence that breaks anything.
fn first_broken(rule: Wrong, is_exact: bool) -> Option<Broken> {
    let runs = ALL.into_iter().flat_map(|rules| [1, 2, 3].map(|length| (rules, length)));
    let world = |rules| World { is_exact, ..World::new(rules, Some(rule)) };
    let mut found = runs.filter_map(|(rules, length)| world(rules).explore(length).broken);
    found.next()
}

#[test]
fn every_wrong_rule_breaks_the_law_that_knows_of_it() {
    let mut found = Vec::new();
    for rule in wrong::ALL {
        let broken = first_broken(rule, true);
        let law = broken.as_ref().map(|broken| broken.law);
        let name = law.map_or("nothing is broken", Law::name);
        println!("{rule:?}: {:?}: {name}", broken.map(|broken| broken.act));
        found.push((rule, law));
    }
    assert_eq!(found, FOUND_BY.map(|(rule, law)| (rule, Some(law))));
}

#[test]
fn where_tries_are_not_accounted_for_a_cut_that_costs_two_is_found_as_that() {
    let found = first_broken(Wrong::CostsTwo, false).unwrap();
    assert_eq!(found.law, Law::OneTryACut);
    assert!(matches!(found.act, Act::Cut(..)), "{:?}", found.act);
}

#[test]
fn no_law_is_one_that_nothing_breaks() {
    let others = Law::ALL.into_iter().filter(|law| *law != Law::OneTryACut);
    for law in others {
        assert!(FOUND_BY.into_iter().any(|(_, it)| it == law), "{law:?}");
    }
}
