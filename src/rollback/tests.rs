//! The stores on simulated media, cut off at every write.

use std::cell::Cell;

use super::frame::{self, Form, Frame};
use super::generations::{Generations, Place, Write};
use super::refused::Noted;
use super::store::{AREA_FRAME, INDEX_FRAME, InForce, Limits, Next, Raised, Store};
use super::store::{Fault, Media, Medium, Missing, Which, confirm, put, read};
use super::texts::{self, Signed, Texts};
use super::{Document, Floors, Record, Role, State, Strength, System, Trial, Unknown};
use crate::base::digest::Digest;
use crate::base::used::Used;
use crate::slots::Slots;

const STEP: u32 = 16;
const ZERO: Floors = Floors { boot: 0, recovery: 0 };
const LIMITS: Limits = Limits { floors: ZERO, step: STEP };

const fn next(entry: &str, system: System) -> Option<Next<'_>> {
    Some(Next { entry, system })
}

/// How the power fails: after so many sectors; how far into the next one; and
/// whether the sectors of a write reach the medium from its end.
#[derive(Debug, Clone, Copy)]
struct Cut {
    after: usize,
    torn: usize,
    backwards: bool,
}

/// What supplies both media.
#[derive(Default)]
struct Power {
    cut: Cell<Option<Cut>>,
    written: Cell<usize>,
}

/// A medium of two places; sectors of `sector` bytes are written at once, or
/// torn.
struct Disk<'a> {
    power: &'a Power,
    places: [Vec<u8>; 2],
    /// None where there is no room.
    texts: Option<[Vec<u8>; 2]>,
    sector: usize,
    fault: Option<Fault>,
    /// Whether the second place cannot be read.
    is_worn: bool,
}

impl<'a> Disk<'a> {
    fn blank(power: &'a Power, frame: usize, sector: usize) -> Self {
        let places = [vec![0; frame], vec![0; frame]];
        Self { power, places, texts: None, sector, fault: None, is_worn: false }
    }

    /// False once the power is off.
    fn write_sector(&self, place: &mut [u8], at: usize, bytes: &[u8]) -> bool {
        let written = self.power.written.get();
        self.power.written.set(written + 1);
        let torn = match self.power.cut.get() {
            Some(cut) if written > cut.after => return false,
            Some(cut) if written == cut.after => cut.torn.min(bytes.len()),
            _ => bytes.len(),
        };
        place[at..at + torn].copy_from_slice(&bytes[..torn]);
        torn == bytes.len()
    }

    fn write_all(&self, place: &mut [u8], bytes: &[u8]) -> Result<(), Fault> {
        let mut sectors: Vec<_> =
            (0..).step_by(self.sector).zip(bytes.chunks(self.sector)).collect();
        if self.power.cut.get().is_some_and(|cut| cut.backwards) {
            sectors.reverse();
        }
        if sectors.into_iter().all(|(at, bytes)| self.write_sector(place, at, bytes)) {
            Ok(())
        } else {
            Err(Fault::Medium("the power is off".into()))
        }
    }
}

impl Medium for Disk<'_> {
    fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => {
                let [first, second] = self.places.clone();
                let worn = || Err("Input/output error".to_owned());
                Ok([Ok(first), if self.is_worn { worn() } else { Ok(second) }])
            }
        }
    }

    fn write(&mut self, write: &Write) -> Result<(), Fault> {
        let at = usize::from(write.place.index());
        let mut place = std::mem::take(&mut self.places[at]);
        let written = self.write_all(&mut place, &write.bytes);
        self.places[at] = place;
        written
    }

    fn has_room_for_texts(&mut self) -> bool {
        self.texts.is_some()
    }

    fn read_texts(&mut self, place: Place) -> Option<Vec<u8>> {
        let bytes = &self.texts.as_ref()?[usize::from(place.index())];
        Some(bytes[..texts::length(bytes)?].to_vec())
    }

    fn write_texts(&mut self, place: Place, bytes: &[u8]) -> Result<(), Fault> {
        let mut texts = self.texts.take().unwrap();
        let written = self.write_all(&mut texts[usize::from(place.index())], bytes);
        self.texts = Some(texts);
        written
    }

    fn create(&mut self) -> Result<(), Fault> {
        self.fault = None;
        Ok(())
    }
}

fn system(security_version: u32) -> System {
    let manifest = Digest::of(&security_version.to_le_bytes());
    System { role: Role::Boot, security_version, manifest }
}

fn document(version: u32) -> Document {
    Document { version, digest: Digest::of(&version.to_le_bytes()) }
}

/// Both are the image's own.
const fn in_force(policy: Document, ring: Document) -> InForce<'static> {
    const NONE: &Texts = &Texts { policy: None, ring: None };
    InForce { policy, ring, texts: NONE }
}

struct Machine<'a> {
    strength: Strength,
    area: Disk<'a>,
    index: Disk<'a>,
}

impl<'a> Machine<'a> {
    fn blank(power: &'a Power, strength: Strength) -> Self {
        let area = Disk::blank(power, AREA_FRAME, 512);
        let index = Disk { fault: Some(Fault::NoIndex), ..Disk::blank(power, INDEX_FRAME, 8) };
        Self { strength, area, index }
    }

    /// As it leaves the factory.
    fn new(power: &'a Power, strength: Strength) -> Self {
        let mut machine = Self::blank(power, strength);
        assert_eq!(machine.open(Some(ZERO)).fault(), None);
        machine
    }

    fn media<T>(&mut self, act: impl FnOnce(&mut Media<'_>) -> T) -> T {
        act(&mut Media { area: &mut self.area, index: &mut self.index })
    }

    fn open(&mut self, factory: Option<Floors>) -> Store {
        let strength = self.strength;
        self.media(|media| Store::open(strength, factory, media))
    }

    /// A boot of PID 1 up to the jump into the system of this version, whose
    /// manifest is the only one on the boot partition. What was refused is news as
    /// long as the policy's version has not been there.
    fn boot(&mut self, version: u32, policy: u32) -> Result<Option<Raised>, Fault> {
        let mut store = self.open(None);
        assert_eq!(store.fault(), None);
        let mut noted = Noted::default();
        noted.note("FLOOR", &policy.to_string());
        self.media(|media| {
            store.settle(media)?;
            store.take(&in_force(document(policy), document(policy)), media)?;
            let raised = store.raise([system(version)], LIMITS, media)?;
            if store.floors().boot <= version {
                let next = next("system", system(version));
                let unwritten = store.before_jump(next, &Slots::default(), &mut noted, media)?;
                unwritten.map_or(Ok(()), Err)?;
            }
            Ok(raised)
        })
    }

    fn bless(&mut self) -> Result<bool, Fault> {
        let mut held = read(Which::Area, &mut self.area)?;
        let Some(state) = confirm(&held.state()) else { return Ok(false) };
        put(Which::Area, &mut held, &state, &mut self.area)?;
        Ok(true)
    }

    fn holder(&mut self) -> &mut Disk<'a> {
        match self.strength {
            Strength::Enforced => &mut self.index,
            _ => &mut self.area,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Boot { version: u32, policy: u32 },
    Bless,
}

/// Versions 7 and 100, each confirmed; 7 is the last that a floor of 16 and
/// more refuses.
const STORY: &[Act] = &[
    Act::Boot { version: 7, policy: 0 },
    Act::Bless,
    Act::Boot { version: 7, policy: 2 },
    Act::Boot { version: 100, policy: 2 },
    Act::Bless,
    Act::Boot { version: 100, policy: 3 },
    Act::Bless,
    Act::Boot { version: 100, policy: 3 },
];

fn act(machine: &mut Machine<'_>, one: Act) -> Result<(), Fault> {
    match one {
        Act::Boot { version, policy } => machine.boot(version, policy).map(drop),
        Act::Bless => machine.bless().map(drop),
    }
}

/// How many sectors the whole story writes.
fn length_of_the_story(strength: Strength) -> usize {
    let power = Power::default();
    let mut machine = Machine::new(&power, strength);
    STORY.iter().for_each(|one| act(&mut machine, *one).unwrap());
    let store = machine.open(None);
    assert_eq!(store.floors(), Floors { boot: 39, recovery: 0 });
    assert_eq!(store.record().unwrap().policy, document(3));
    power.written.get()
}

/// The story with one cut, after which the machine starts again.
fn story_with(cut: Cut, strength: Strength) {
    let power = Power::default();
    let mut machine = Machine::new(&power, strength);
    power.cut.set(Some(cut));
    let mut blessed = Vec::new();
    for one in STORY {
        let before = machine.open(None).record().unwrap();
        let was_confirmed = machine.open(None).trial().is_some_and(|trial| trial.confirmed);
        if let (Act::Bless, Some(trial)) = (one, machine.open(None).trial()) {
            blessed.push(trial.system.security_version);
        }
        let result = act(&mut machine, *one);
        if result.is_err() {
            power.cut.set(None);
        }
        let store = machine.open(None);
        assert_eq!(store.fault(), None, "{cut:?} {one:?}: one generation is always whole");
        let after = store.record().unwrap();
        check(before, after, &blessed, &format!("{cut:?} {one:?}"));
        let is_confirmed = store.trial().is_some_and(|trial| trial.confirmed);
        assert!(matches!(one, Act::Bless) || was_confirmed || !is_confirmed, "{cut:?} {one:?}");
        if result.is_err() {
            act(&mut machine, *one).unwrap();
        }
    }
    // At most one confirmation is lost.
    for one in [Act::Bless, Act::Boot { version: 100, policy: 3 }] {
        act(&mut machine, one).unwrap();
    }
    let floor = machine.open(None).floors().boot;
    assert!(floor >= 39, "{cut:?}: the floor ends at {floor}");
}

/// No floor falls, none rises above what was confirmed or by more than a step.
fn check(before: Record, after: Record, blessed: &[u32], what: &str) {
    let low = before.floors.boot;
    let high = after.floors.boot;
    assert!(low <= high, "{what}: the floor fell from {low} to {high}");
    assert!(high <= low + STEP, "{what}: the floor rose from {low} to {high}");
    let most = blessed.iter().max().copied().unwrap_or_default();
    assert!(high <= most, "{what}: the floor is {high}, and {most} was confirmed");
    let steps = u32::try_from(blessed.len()).unwrap();
    assert!(high <= steps * STEP, "{what}: {steps} confirmations raised the floor to {high}");
    assert!(before.policy.version <= after.policy.version, "{what}: the policy was set back");
    assert!(before.ring.version <= after.ring.version, "{what}: the key ring was set back");
}

fn cut_everywhere(strength: Strength, torn: &[usize]) {
    let sectors = length_of_the_story(strength);
    for after in 0..sectors {
        for torn in torn.iter().copied() {
            for backwards in [false, true] {
                story_with(Cut { after, torn, backwards }, strength);
            }
        }
    }
}

#[test]
fn a_cut_at_every_sector_of_the_state_area_sets_nothing_back() {
    cut_everywhere(Strength::Advisory, &[0, 1, 30, 511]);
}

#[test]
fn a_cut_at_every_write_of_tpm_and_state_area_sets_nothing_back() {
    cut_everywhere(Strength::Enforced, &[0, 3]);
}

#[test]
fn a_factory_image_that_is_cut_off_makes_the_stores_when_it_starts_again() {
    for strength in [Strength::Advisory, Strength::Enforced] {
        let power = Power::default();
        Machine::new(&power, strength);
        for after in 0..power.written.get() {
            for torn in [0, 5] {
                let power = Power::default();
                let mut machine = Machine::blank(&power, strength);
                power.cut.set(Some(Cut { after, torn, backwards: false }));
                machine.open(Some(Floors { boot: 3, recovery: 2 }));
                power.cut.set(None);
                let store = machine.open(Some(Floors { boot: 3, recovery: 2 }));
                assert_eq!(store.fault(), None, "{strength} {after} {torn}");
                assert_eq!(store.floors(), Floors { boot: 3, recovery: 2 });
            }
        }
    }
}

#[test]
fn what_is_whole_is_not_made_again_by_a_factory_image() {
    for strength in [Strength::Advisory, Strength::Enforced] {
        let power = Power::default();
        let mut machine = Machine::new(&power, strength);
        machine.boot(7, 0).unwrap();
        machine.bless().unwrap();
        machine.boot(7, 0).unwrap();
        let written = power.written.get();
        assert_eq!(machine.open(Some(ZERO)).floors().boot, 7);
        assert_eq!(power.written.get(), written);
    }
}

#[test]
fn damage_to_either_place_alone_sets_nothing_back() {
    for strength in [Strength::Advisory, Strength::Enforced] {
        for place in Place::BOTH {
            let power = Power::default();
            let mut machine = Machine::new(&power, strength);
            machine.boot(7, 4).unwrap();
            machine.bless().unwrap();
            machine.boot(7, 4).unwrap();
            machine.holder().places[usize::from(place.index())][40] ^= 1;
            let store = machine.open(None);
            let said: Vec<_> = store.damages().collect();
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].ends_with(" is damaged: its checksum is wrong"), "{said:?}");
            assert!(said[0].starts_with(&format!("the {place} generation of the ")), "{said:?}");
            assert_eq!((store.floors().boot, store.record().unwrap().policy.version), (7, 4));
            machine.boot(7, 4).unwrap();
            assert_eq!(machine.open(None).damages().count(), 0, "it was not written anew");
        }
    }
}

#[test]
fn the_floor_rises_only_for_what_was_booted_and_confirmed_and_is_signed() {
    for strength in [Strength::Advisory, Strength::Enforced] {
        let power = Power::default();
        let mut machine = Machine::new(&power, strength);
        assert_eq!(machine.boot(7, 0), Ok(None));
        assert_eq!(machine.boot(7, 0), Ok(None), "nothing was confirmed");
        machine.bless().unwrap();
        assert_eq!(machine.boot(8, 0), Ok(None), "the manifest of 7 is not there");
        assert_eq!(machine.open(None).trial().unwrap().system, system(8));
        machine.boot(7, 0).unwrap();
        machine.bless().unwrap();
        let raised = Raised { entry: "system".into(), role: Role::Boot, floor: 7, version: 7 };
        assert_eq!(machine.boot(7, 0), Ok(Some(raised)));
        assert_eq!(machine.open(None).trial(), None);
        assert_eq!(machine.bless(), Ok(false), "there is nothing left to confirm");
    }
}

/// As an attacker writes it who is root in the running system.
fn forge(machine: &mut Machine<'_>, system: System) {
    let mut held = read(Which::Area, &mut machine.area).unwrap();
    let trial = Some(Trial { entry: "forged".into(), system, confirmed: true });
    let state = State { trial, ..held.state() };
    put(Which::Area, &mut held, &state, &mut machine.area).unwrap();
}

#[test]
fn a_forged_confirmation_raises_nothing_that_no_signed_manifest_has() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Enforced);
    let signed = system(7);
    for forged in [
        System { security_version: 1000, ..signed },
        System { role: Role::Recovery, ..signed },
        System { manifest: Digest::of(b"another"), ..signed },
    ] {
        forge(&mut machine, forged);
        assert_eq!(machine.boot(7, 0), Ok(None), "{forged:?}");
        assert_eq!(machine.open(None).floors(), ZERO);
    }
}

#[test]
fn a_stolen_key_moves_the_floor_by_one_step_for_each_confirmation() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Enforced);
    for confirmations in 1..=3 {
        machine.boot(u32::MAX, 0).unwrap();
        machine.bless().unwrap();
        machine.boot(u32::MAX, 0).unwrap();
        assert_eq!(machine.open(None).floors().boot, confirmations * STEP);
    }
    machine.boot(u32::MAX, 0).unwrap();
    assert_eq!(machine.open(None).floors().boot, 3 * STEP, "without a confirmation");
}

#[test]
fn the_step_is_counted_from_the_floor_that_is_in_force() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    machine.boot(90, 0).unwrap();
    machine.bless().unwrap();
    let mut store = machine.open(None);
    let floors = Floors { boot: 80, recovery: 0 };
    let raised = machine
        .media(|media| store.raise([system(90)], Limits { floors, step: 4 }, media))
        .unwrap();
    assert_eq!(raised.map(|raised| raised.floor), Some(84));
}

#[test]
fn each_role_has_its_own_floor() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    let recovery = System { role: Role::Recovery, ..system(5) };
    let mut store = machine.open(None);
    machine
        .media(|media| {
            store.before_jump(
                next("rescue", recovery),
                &Slots::default(),
                &mut Noted::default(),
                media,
            )
        })
        .unwrap();
    machine.bless().unwrap();
    let mut store = machine.open(None);
    let raised = machine.media(|media| store.raise([recovery], LIMITS, media)).unwrap();
    assert_eq!(raised.map(|raised| raised.role), Some(Role::Recovery));
    assert_eq!(store.floors(), Floors { boot: 0, recovery: 5 });
}

#[test]
fn a_jump_to_anything_else_ends_a_trial() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    for other in [None, next("old", system(0))] {
        machine.boot(7, 0).unwrap();
        let mut store = machine.open(None);
        assert_eq!(store.trial().map(|trial| trial.entry).as_deref(), Some("system"));
        machine
            .media(|media| {
                store.before_jump(other, &Slots::default(), &mut Noted::default(), media)
            })
            .unwrap();
        assert_eq!(machine.bless(), Ok(false), "{other:?} would have confirmed another system");
    }
}

#[test]
fn a_machine_that_has_settled_writes_nothing() {
    for strength in [Strength::Advisory, Strength::Enforced] {
        let power = Power::default();
        let mut machine = Machine::new(&power, strength);
        for one in [Act::Boot { version: 7, policy: 2 }, Act::Bless] {
            act(&mut machine, one).unwrap();
        }
        machine.boot(7, 2).unwrap();
        let written = power.written.get();
        for _ in 0..3 {
            machine.boot(7, 2).unwrap();
            assert_eq!(machine.bless(), Ok(false));
        }
        assert_eq!(power.written.get(), written, "{strength}");
    }
}

fn taken(machine: &mut Machine<'_>, policy: Document, ring: Document) -> Result<(), String> {
    let mut store = machine.open(None);
    machine
        .media(|media| store.take(&in_force(policy, ring), media))
        .map_err(|fault| fault.to_string())
}

#[test]
fn an_older_policy_or_ring_than_the_recorded_one_leaves_recovery_only() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    machine.boot(1, 5).unwrap();
    let same = document(5);
    assert_eq!(
        taken(&mut machine, document(4), same).unwrap_err(),
        "the policy has version 4, and version 5 was in force before: it was set back"
    );
    assert_eq!(
        taken(&mut machine, same, Document::NONE).unwrap_err(),
        "the key ring has version 0, and version 5 was in force before: it was set back"
    );
    let other = Document { digest: Digest::of(b"other"), ..same };
    assert_eq!(
        taken(&mut machine, same, other).unwrap_err(),
        "the key ring of version 5 is not the one that was in force before"
    );
    assert_eq!(taken(&mut machine, document(6), same), Ok(()));
    assert!(taken(&mut machine, same, same).is_err());
}

#[test]
fn documents_without_a_number_are_not_told_apart() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    let mut store = machine.open(None);
    for text in [b"one", b"two"] {
        let document = Document { version: 0, digest: Digest::of(text) };
        assert_eq!(machine.media(|media| store.take(&in_force(document, document), media)), Ok(()));
    }
}

/// Every way in which a store can be gone, and what is said of it.
fn broken<'a>(power: &'a Power, strength: Strength) -> Vec<(Machine<'a>, &'static str)> {
    let mut list = broken_area(power, strength);
    if strength == Strength::Enforced {
        for (fault, sentence) in [
            (Fault::NoTpm, "there is no TPM, and it holds the floors"),
            (Fault::NoIndex, "the TPM has no index of Turnout's"),
            (Fault::Unwritten, "the TPM's index was never written: somebody made it anew"),
            (Fault::Foreign, "the TPM's index is not the one that was provisioned"),
        ] {
            let machine = changed(power, strength, |machine| machine.index.fault = Some(fault));
            list.push((machine, sentence));
        }
        let machine = changed(power, strength, |machine| flip(&mut machine.index.places));
        list.push((machine, "the TPM's index is damaged: neither generation can be used"));
    }
    list
}

fn broken_area<'a>(power: &'a Power, strength: Strength) -> Vec<(Machine<'a>, &'static str)> {
    vec![
        (
            changed(power, strength, |machine| machine.area.fault = Some(Fault::NoPartition)),
            "there is no state area",
        ),
        (
            changed(power, strength, |machine| flip(&mut machine.area.places)),
            "the state area is damaged: neither generation can be used",
        ),
        (
            changed(power, strength, |machine| {
                machine.area.places.iter_mut().for_each(|place| place.fill(0));
            }),
            "the state area is damaged: neither generation can be used: of both, it is blank",
        ),
        (
            changed(power, strength, |machine| {
                machine.area.places[0] = machine.area.places[1].clone();
            }),
            "the state area is damaged: its generations 2 and 2 were not written one after",
        ),
    ]
}

fn changed<'a>(
    power: &'a Power,
    strength: Strength,
    change: impl FnOnce(&mut Machine<'a>),
) -> Machine<'a> {
    let mut machine = Machine::new(power, strength);
    change(&mut machine);
    machine
}

/// Damages both places.
fn flip(places: &mut [Vec<u8>; 2]) {
    places.iter_mut().for_each(|place| place[100] ^= 1);
}

#[test]
fn without_a_sound_store_an_enforced_image_boots_recovery_only() {
    let power = Power::default();
    for (mut machine, sentence) in broken(&power, Strength::Enforced) {
        let store = machine.open(None);
        let refused = store.admits(Role::Boot).unwrap_err().to_string();
        assert!(refused.starts_with(sentence), "{refused}");
        assert_eq!(store.admits(Role::Recovery), Ok(()), "{sentence}");
    }
}

#[test]
fn without_a_sound_store_an_advisory_image_says_so_and_goes_on() {
    let power = Power::default();
    for (mut machine, sentence) in broken(&power, Strength::Advisory) {
        let mut store = machine.open(None);
        assert!(store.fault().unwrap().to_string().starts_with(sentence), "{sentence}");
        assert_eq!(store.admits(Role::Boot), Ok(()));
        assert_eq!((store.floors(), store.trial()), (ZERO, None));
        let written = power.written.get();
        machine.media(|media| {
            assert_eq!(store.settle(media), Ok(()));
            assert_eq!(store.take(&in_force(document(1), document(1)), media), Ok(()));
            assert_eq!(store.raise([system(7)], LIMITS, media), Ok(None));
            assert_eq!(
                store.before_jump(
                    next("system", system(7)),
                    &Slots::default(),
                    &mut Noted::default(),
                    media
                ),
                Ok(None)
            );
        });
        assert_eq!(power.written.get(), written, "{sentence}: it was written to");
    }
}

#[test]
fn a_lost_store_is_never_taken_for_an_empty_one() {
    let power = Power::default();
    for strength in [Strength::Advisory, Strength::Enforced] {
        for (mut machine, sentence) in broken(&power, strength) {
            let store = machine.open(None);
            assert!(store.fault().is_some(), "{sentence}");
            assert!(store.record().is_none() || strength == Strength::Enforced, "{sentence}");
        }
    }
}

#[test]
fn the_tpms_floors_hold_for_recovery_too_while_the_state_area_is_lost() {
    let power = Power::default();
    let mut machine = Machine::blank(&power, Strength::Enforced);
    machine.open(Some(Floors { boot: 3, recovery: 4 }));
    machine.area.fault = Some(Fault::NoPartition);
    assert_eq!(machine.open(None).floors(), Floors { boot: 3, recovery: 4 });
}

#[test]
fn a_store_that_has_not_been_read_is_none() {
    let store = Store::unread(Strength::Enforced);
    assert_eq!(store.admits(Role::Boot), Err(&Fault::Unread));
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Enforced);
    let mut none = Missing(Fault::NoTpm);
    let mut media = Media { area: &mut machine.area, index: &mut none };
    for factory in [None, Some(ZERO)] {
        let store = Store::open(Strength::Enforced, factory, &mut media);
        assert_eq!(store.admits(Role::Boot), Err(&Fault::NoTpm));
    }
}

#[test]
fn an_index_that_somebody_else_made_is_not_even_replaced_by_a_factory_image() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Enforced);
    machine.index.fault = Some(Fault::Foreign);
    assert_eq!(machine.open(Some(ZERO)).fault(), Some(&Fault::Foreign));
}

#[test]
fn a_record_moves_from_the_state_area_to_the_tpm_and_the_way_back_is_no_silent_one() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    machine.boot(7, 2).unwrap();
    machine.bless().unwrap();
    machine.boot(7, 2).unwrap();
    machine.strength = Strength::Enforced;
    assert_eq!(machine.open(None).fault(), Some(&Fault::NoIndex));
    assert_eq!(machine.open(Some(ZERO)).floors().boot, 7);
    machine.boot(9, 2).unwrap();
    machine.strength = Strength::Advisory;
    assert_eq!(machine.open(None).fault(), Some(&Fault::NoRecord));
}

#[test]
fn a_store_that_is_off_keeps_and_refuses_nothing() {
    let power = Power::default();
    let mut machine = Machine::blank(&power, Strength::Off);
    let mut store = machine.open(Some(Floors { boot: 9, recovery: 9 }));
    assert_eq!((store.fault(), store.floors()), (None, ZERO));
    assert_eq!(store.admits(Role::Boot), Ok(()));
    machine.media(|media| {
        assert_eq!(store.take(&in_force(document(3), document(3)), media), Ok(()));
        assert_eq!(
            store.before_jump(
                next("system", system(7)),
                &Slots::default(),
                &mut Noted::default(),
                media
            ),
            Ok(None)
        );
    });
    assert_eq!(power.written.get(), 0);
}

fn used(device: &str) -> Vec<Used> {
    Used::new(Some(device), "2").into_iter().collect()
}

#[test]
fn what_was_used_up_is_remembered_whatever_the_store_protects_from() {
    for strength in [Strength::Off, Strength::Advisory, Strength::Enforced] {
        let power = Power::default();
        let mut machine = Machine::new(&power, Strength::Advisory);
        machine.strength = strength;
        let mut store = machine.open(None);
        assert_eq!(store.used(), []);
        let kept = machine.media(|media| store.keep_used(used("12ab-01"), media));
        assert_eq!((kept, store.used()), (Ok(()), used("12ab-01")), "{strength}");
        let before = power.written.get();
        let again = machine.media(|media| store.keep_used(used("12ab-01"), media));
        assert_eq!((again, power.written.get()), (Ok(()), before), "it is no news");
        let mut store = machine.open(None);
        assert_eq!(store.used(), used("12ab-01"), "{strength}");
        // Nothing else loses it.
        let jumped = machine.media(|media| {
            store.before_jump(
                next("system", system(7)),
                &Slots::default(),
                &mut Noted::default(),
                media,
            )
        });
        assert_eq!((jumped, machine.open(None).used()), (Ok(None), used("12ab-01")));
    }
}

#[test]
fn without_a_state_area_nothing_is_remembered_and_why_is_told() {
    let power = Power::default();
    let mut machine = Machine::blank(&power, Strength::Off);
    let mut store = machine.open(None);
    let told = machine.media(|media| store.keep_used(used("12ab-01"), media));
    let why = told.unwrap_err().to_string();
    assert_eq!(
        why,
        "the state area is damaged: neither generation can be used: of both, it is blank"
    );
    assert_eq!(power.written.get(), 0);
    machine.strength = Strength::Advisory;
    let mut store = machine.open(Some(ZERO));
    power.cut.set(Some(Cut { after: 0, torn: 0, backwards: false }));
    power.written.set(0);
    let told = machine.media(|media| store.keep_used(used("12ab-01"), media));
    assert_eq!(told, Err(Fault::Medium("the power is off".into())));
}

#[test]
fn a_jump_whose_trial_cannot_be_written_is_told() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Enforced);
    let mut store = machine.open(None);
    power.cut.set(Some(Cut { after: 0, torn: 0, backwards: false }));
    let told = machine.media(|media| {
        store.before_jump(
            next("system", system(7)),
            &Slots::default(),
            &mut Noted::default(),
            media,
        )
    });
    assert_eq!(told, Err(Fault::Medium("the power is off".into())));
    assert!(store.binds(Role::Boot) && !store.binds(Role::Recovery));
}

#[test]
fn a_refusal_that_cannot_be_written_keeps_no_known_system_from_booting() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Enforced);
    machine.boot(7, 0).unwrap();
    let mut store = machine.open(None);
    let mut noted = noted("new");
    power.cut.set(Some(Cut { after: 0, torn: 0, backwards: false }));
    let told = machine.media(|media| {
        store.before_jump(next("system", system(7)), &Slots::default(), &mut noted, media)
    });
    assert_eq!(told, Ok(Some(Fault::Medium("the power is off".into()))));
    assert!(noted.is_news_to(&store.refused()), "it is not called kept");
}

#[test]
fn a_full_area_takes_the_trial_without_what_was_refused() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Enforced);
    let mut held = read(Which::Area, &mut machine.area).unwrap();
    // The trial has 48 bytes, and a refusal 15 more.
    let unknown = vec![Unknown { tag: 77, bytes: vec![7; AREA_FRAME - 24 - 32 - 4 - 50] }];
    let full = State { unknown, ..State::default() };
    put(Which::Area, &mut held, &full, &mut machine.area).unwrap();
    for _ in 0..2 {
        let mut store = machine.open(None);
        let told = machine.media(|media| {
            store.before_jump(
                next("system", system(7)),
                &Slots::default(),
                &mut noted("old"),
                media,
            )
        });
        let said = told.unwrap().unwrap().to_string();
        assert!(said.ends_with("two generations, and start a factory image once"), "{said}");
        let store = machine.open(None);
        assert_eq!(store.trial().map(|trial| trial.system), Some(system(7)));
        assert_eq!(store.refused(), []);
    }
}

/// Any order of boots, confirmations, cuts and damage.
#[test]
fn whatever_happens_no_floor_falls_and_none_rises_unconfirmed() {
    for seed in 0..300_u64 {
        let strength = if seed % 2 == 0 { Strength::Advisory } else { Strength::Enforced };
        let mut random = Random(seed);
        let power = Power::default();
        let mut machine = Machine::new(&power, strength);
        let mut blessed = Vec::new();
        let mut policy = 0;
        for _ in 0..40 {
            let before = machine.open(None).record().unwrap();
            let one = match random.below(3) {
                0 => Act::Bless,
                _ => {
                    policy += random.below(2);
                    Act::Boot { version: before.floors.boot + random.below(40), policy }
                }
            };
            if let (Act::Bless, Some(trial)) = (one, machine.open(None).trial()) {
                blessed.push(trial.system.security_version);
            }
            power.written.set(0);
            let after = usize::try_from(random.below(60)).unwrap();
            let torn = usize::try_from(random.below(9)).unwrap();
            power.cut.set(Some(Cut { after, torn, backwards: random.below(2) == 0 }));
            let cut = act(&mut machine, one).is_err();
            power.cut.set(None);
            let store = machine.open(None);
            assert_eq!(store.fault(), None, "seed {seed}, {one:?}");
            check(before, store.record().unwrap(), &blessed, &format!("seed {seed}, {one:?}"));
            if !cut && matches!(one, Act::Boot { .. }) && random.below(4) == 0 {
                let place = usize::try_from(random.below(2)).unwrap();
                machine.holder().places[place][30] ^= 0xff;
                let damaged = machine.open(None).record().unwrap();
                assert_eq!(damaged, store.record().unwrap(), "seed {seed}: damage set it back");
            }
        }
    }
}

/// Xorshift: enough to choose among a few.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
        u32::try_from((self.0 >> 33) % u64::from(limit)).unwrap()
    }
}

#[test]
fn generations_count_on_over_many_writes() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    for version in 1..50 {
        machine.boot(version, 0).unwrap();
        machine.bless().unwrap();
        machine.boot(version, 0).unwrap();
        assert_eq!(machine.open(None).floors().boot, version);
    }
    let held: Generations = read(Which::Area, &mut machine.area).unwrap();
    assert_eq!(held.number(), 2 + 49 * 4);
}

fn noted(entry: &str) -> Noted {
    let mut noted = Noted::default();
    noted.note("FLOOR", entry);
    noted
}

fn said(store: &Store) -> Vec<String> {
    store.refused().iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_refused_outlives_the_reset_and_is_counted_once_a_start() {
    for strength in [Strength::Advisory, Strength::Enforced] {
        let power = Power::default();
        let mut machine = Machine::new(&power, strength);
        for start in 1..=3 {
            let mut store = machine.open(None);
            let mut noted = noted("old");
            machine.media(|media| {
                // A jump that failed, and then the reset.
                store
                    .before_jump(next("system", system(7)), &Slots::default(), &mut noted, media)
                    .unwrap();
                store.before_reset(&mut noted, media).unwrap();
            });
            let count = if start == 1 { String::new() } else { format!(" ({start} times)") };
            assert_eq!(said(&machine.open(None)), [format!("old: FLOOR{count}")]);
        }
    }
}

#[test]
fn a_refusal_that_is_known_costs_no_write_before_a_jump_and_at_most_255_before_resets() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    let mut write = |jumps: bool| {
        let before = power.written.get();
        let mut store = machine.open(None);
        let mut noted = noted("old");
        machine.media(|media| match jumps {
            true => {
                assert_eq!(store.before_jump(None, &Slots::default(), &mut noted, media), Ok(None))
            }
            false => store.before_reset(&mut noted, media).unwrap(),
        });
        power.written.get() - before
    };
    const FRAME: usize = AREA_FRAME / 512;
    assert_eq!((write(true), write(true)), (FRAME, 0));
    let resets: usize = (0..300).map(|_| write(false)).sum();
    assert_eq!(resets, 254 * FRAME);
    assert_eq!(said(&machine.open(None)), ["old: FLOOR (255 times or more)"]);
}

#[test]
fn a_refusal_is_kept_where_the_tpm_is_lost_and_a_trial_stays_as_it_is() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Enforced);
    machine.boot(7, 0).unwrap();
    machine.index.fault = Some(Fault::NoTpm);
    let mut store = machine.open(None);
    machine
        .media(|media| store.before_jump(None, &Slots::default(), &mut noted("good"), media))
        .unwrap();
    let store = machine.open(None);
    assert_eq!(said(&store), ["good: FLOOR", "0: FLOOR"]);
    assert_eq!(store.trial().map(|trial| trial.system), Some(system(7)));
}

/// As the attacker leaves it who had the owner's password: provisioned, and with
/// the floors of a new machine.
fn set_index_back(machine: &mut Machine<'_>, floors: Floors) {
    machine.index.places.iter_mut().for_each(|place| place.fill(0));
    let state = State { record: Some(Record::new(floors)), ..State::default() };
    put(Which::Index, &mut Generations::fresh(), &state, &mut machine.index).unwrap();
}

#[test]
fn an_index_below_the_highest_floor_that_was_seen_is_no_sound_store() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Enforced);
    machine.boot(7, 0).unwrap();
    machine.bless().unwrap();
    machine.boot(7, 0).unwrap();
    set_index_back(&mut machine, Floors { boot: 0, recovery: 3 });
    let mut store = machine.open(None);
    let expected = "the TPM's index has boot floor 0, and 7 was seen: it was set back";
    assert_eq!(store.admits(Role::Boot).unwrap_err().to_string(), expected);
    assert_eq!(store.admits(Role::Recovery), Ok(()));
    assert_eq!(store.floors(), Floors { boot: 0, recovery: 3 });
    let written = power.written.get();
    machine.media(|media| {
        store.settle(media).unwrap();
        assert_eq!(store.raise([system(7)], LIMITS, media), Ok(None));
        store
            .before_jump(next("system", system(9)), &Slots::default(), &mut Noted::default(), media)
            .unwrap();
    });
    assert_eq!(power.written.get(), written, "nothing is built on it");
}

/// Writes what a machine has seen into its state area, as anybody can who has the
/// disk.
fn forge_seen(machine: &mut Machine<'_>, seen: Floors) {
    let mut held = read(Which::Area, &mut machine.area).unwrap();
    let state = State { seen, ..held.state() };
    put(Which::Area, &mut held, &state, &mut machine.area).unwrap();
}

#[test]
fn what_the_disk_says_was_seen_shuts_nothing_out_of_a_new_index() {
    let floors = Floors { boot: 3, recovery: 2 };
    let forged = Floors { boot: 5, recovery: u32::MAX };
    for after in 0..100 {
        let power = Power::default();
        let mut machine = Machine::new(&power, Strength::Enforced);
        forge_seen(&mut machine, forged);
        machine.index = Machine::blank(&power, Strength::Enforced).index;
        power.written.set(0);
        power.cut.set(Some(Cut { after, torn: 5, backwards: false }));
        let store = machine.open(Some(floors));
        let said = store.hearsay().unwrap();
        assert_eq!(
            said,
            "floor 5 and recovery floor 4294967295 were seen in the TPM before, and it begins \
             with 3 and 2: if such versions were released, give the image these floors"
        );
        power.cut.set(None);
        let is_done = power.written.get() <= after;
        for factory in [Some(floors), None] {
            let store = machine.open(factory);
            assert_eq!((store.fault(), store.floors()), (None, floors), "cut after {after}");
        }
        if is_done {
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn what_was_seen_is_kept_while_no_index_can_be_made() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Enforced);
    forge_seen(&mut machine, Floors { boot: 7, recovery: 0 });
    let mut none = Missing(Fault::NoIndex);
    let mut media = Media { area: &mut machine.area, index: &mut none };
    let store = Store::open(Strength::Enforced, Some(ZERO), &mut media);
    assert_eq!(store.fault(), Some(&Fault::NoIndex));
    assert_eq!(read(Which::Area, &mut machine.area).unwrap().state().seen.boot, 7);
}

#[test]
fn floors_that_move_to_the_tpm_are_told_because_they_can_be_forged() {
    let power = Power::default();
    let mut machine = Machine::blank(&power, Strength::Advisory);
    machine.open(Some(Floors { boot: 3, recovery: 2 }));
    machine.strength = Strength::Enforced;
    let store = machine.open(Some(ZERO));
    let expected = "floor 3 and recovery floor 2 are taken over from the state area, which whoever \
                    writes to the disk can forge";
    assert_eq!(store.hearsay(), Some(expected));
    assert_eq!(machine.open(Some(ZERO)).hearsay(), None, "the index is there");
}

#[test]
fn a_sound_area_without_a_record_gets_one_wherever_the_power_fails() {
    for after in 0..100 {
        let power = Power::default();
        let mut machine = Machine::new(&power, Strength::Enforced);
        machine.boot(7, 0).unwrap();
        machine.strength = Strength::Advisory;
        power.written.set(0);
        power.cut.set(Some(Cut { after, torn: 5, backwards: false }));
        machine.open(Some(ZERO));
        let is_done = power.written.get() <= after;
        power.cut.set(None);
        let store = machine.open(Some(ZERO));
        assert_eq!(store.fault(), None, "cut after {after}");
        assert_eq!(said(&store), ["0: FLOOR"], "the rest is kept");
        if is_done {
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn a_raised_floor_is_seen_in_the_tpm_before_it_is_said_to_have_been() {
    // The other way round, a cut in between would leave an index below it.
    for after in 0..200 {
        let power = Power::default();
        let mut machine = Machine::new(&power, Strength::Enforced);
        machine.boot(7, 0).unwrap();
        machine.bless().unwrap();
        power.written.set(0);
        power.cut.set(Some(Cut { after, torn: 0, backwards: false }));
        let is_done = machine.boot(7, 0).is_ok();
        power.cut.set(None);
        assert_eq!(machine.open(None).fault(), None, "cut after {after}");
        if is_done {
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn what_a_later_version_keeps_is_kept_and_copied_on_every_write() {
    for strength in [Strength::Advisory, Strength::Enforced] {
        let power = Power::default();
        let mut machine = Machine::new(&power, strength);
        let unknown = vec![Unknown { tag: 77, bytes: vec![7; 900] }];
        let mut held = read(Which::Area, &mut machine.area).unwrap();
        let state = State { unknown: unknown.clone(), ..held.state() };
        put(Which::Area, &mut held, &state, &mut machine.area).unwrap();
        STORY.iter().for_each(|one| act(&mut machine, *one).unwrap());
        machine
            .media(|media| Store::open(strength, None, media).before_reset(&mut noted("x"), media))
            .unwrap();
        let held = read(Which::Area, &mut machine.area).unwrap();
        assert_eq!(held.state().unknown, unknown, "{strength}");
        assert_eq!(machine.open(None).floors().boot, 39);
    }
}

/// Writes what the state area holds as version 1 did.
fn write_version_1(area: &mut Disk<'_>) {
    let State { record, trial, .. } = read(Which::Area, area).unwrap().state();
    for (place, generation) in area.places.iter_mut().zip([1, 2]) {
        let state = State { record, trial: trial.clone(), ..State::default() };
        *place = frame::write(&Frame { form: Form::One, generation, state }, AREA_FRAME).unwrap();
    }
}

#[test]
fn an_area_of_version_1_keeps_its_floors_and_is_replaced_at_the_next_write() {
    for strength in [Strength::Advisory, Strength::Enforced] {
        let power = Power::default();
        let mut machine = Machine::new(&power, strength);
        machine.boot(7, 4).unwrap();
        machine.bless().unwrap();
        write_version_1(&mut machine.area);
        let store = machine.open(None);
        assert_eq!((store.fault(), store.record().unwrap().policy.version), (None, 4));
        assert!(store.trial().unwrap().confirmed);
        machine.boot(7, 4).unwrap();
        assert_eq!(machine.open(None).floors().boot, 7);
        for place in &machine.area.places {
            assert_eq!(frame::read(place).unwrap().form, Form::Two);
        }
    }
}

/// An update of this version, as the boot partition has it.
fn text(version: u32) -> Signed {
    Signed { text: version.to_le_bytes().to_vec(), signatures: vec![0x5a; 700] }
}

/// A policy and a ring, either of which may be the image's own, which is version 0.
fn texts_of(policy: u32, ring: u32) -> Texts {
    let update = |version| Some(text(version)).filter(|_| version > 0);
    Texts { policy: update(policy), ring: update(ring) }
}

/// A start with these two in force.
fn take(machine: &mut Machine<'_>, policy: u32, ring: u32) -> Result<(), Fault> {
    let texts = texts_of(policy, ring);
    let in_force = InForce { policy: document(policy), ring: document(ring), texts: &texts };
    let mut store = machine.open(None);
    machine.media(|media| {
        store.settle(media)?;
        store.take(&in_force, media)
    })
}

fn with_texts<'a>(power: &'a Power, strength: Strength) -> Machine<'a> {
    let mut machine = Machine::new(power, strength);
    machine.area.texts = Some([vec![0; 4096], vec![0; 4096]]);
    machine
}

/// Whether both that are recorded can be had.
fn has_recorded(machine: &mut Machine<'_>) -> bool {
    let store = machine.open(None);
    let record = store.record().unwrap();
    let texts = machine.media(|media| store.texts(media));
    let policy = texts.iter().filter_map(|texts| texts.policy.as_ref());
    let ring = texts.iter().filter_map(|texts| texts.ring.as_ref());
    (record.policy.version == 0 || policy.into_iter().any(|text| text.is(record.policy)))
        && (record.ring.version == 0 || ring.into_iter().any(|text| text.is(record.ring)))
}

/// Of each start, the versions that are in force.
const UPDATES: &[(u32, u32)] = &[(2, 0), (2, 1), (3, 1), (4, 1), (4, 2), (5, 3), (6, 3)];

#[test]
fn the_recorded_texts_can_be_had_wherever_the_power_fails() {
    for strength in [Strength::Advisory, Strength::Enforced] {
        let power = Power::default();
        let mut machine = with_texts(&power, strength);
        let factory = power.written.get();
        for (policy, ring) in UPDATES {
            take(&mut machine, *policy, *ring).unwrap();
        }
        for after in 0..power.written.get() - factory {
            for (torn, backwards) in [(0, false), (5, false), (0, true), (5, true)] {
                updates_with(Cut { after, torn, backwards }, strength);
            }
        }
    }
}

fn updates_with(cut: Cut, strength: Strength) {
    let power = Power::default();
    let mut machine = with_texts(&power, strength);
    power.written.set(0);
    power.cut.set(Some(cut));
    for (policy, ring) in UPDATES {
        if take(&mut machine, *policy, *ring).is_err() {
            power.cut.set(None);
            assert!(has_recorded(&mut machine), "{cut:?}: {policy} and {ring}");
            take(&mut machine, *policy, *ring).unwrap();
        }
        assert!(has_recorded(&mut machine), "{cut:?}: {policy} and {ring}");
    }
    assert_eq!(machine.open(None).record().unwrap().policy, document(6));
}

#[test]
fn texts_that_are_kept_are_not_written_again_and_older_ones_replace_none() {
    let power = Power::default();
    let mut machine = with_texts(&power, Strength::Enforced);
    take(&mut machine, 3, 2).unwrap();
    let written = power.written.get();
    take(&mut machine, 3, 2).unwrap();
    assert!(matches!(take(&mut machine, 2, 2), Err(Fault::Older("policy", 2, 3))));
    assert!(matches!(take(&mut machine, 0, 2), Err(Fault::Older("policy", 0, 3))));
    assert_eq!(power.written.get(), written);
    assert!(has_recorded(&mut machine));
}

#[test]
fn texts_count_though_the_generations_beside_them_are_damaged() {
    let power = Power::default();
    let mut machine = with_texts(&power, Strength::Enforced);
    take(&mut machine, 3, 2).unwrap();
    flip(&mut machine.area.places);
    assert!(machine.open(None).fault().is_some());
    assert!(has_recorded(&mut machine));
}

#[test]
fn an_area_without_room_for_texts_remembers_their_versions_all_the_same() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    take(&mut machine, 3, 2).unwrap();
    assert!(!has_recorded(&mut machine));
    assert!(matches!(take(&mut machine, 2, 2), Err(Fault::Older("policy", 2, 3))));
}

#[test]
fn texts_that_the_medium_does_not_take_are_told_and_the_versions_are_kept() {
    let power = Power::default();
    let mut machine = with_texts(&power, Strength::Enforced);
    let texts = texts_of(2, 0);
    let in_force = InForce { policy: document(2), ring: document(0), texts: &texts };
    let mut store = machine.open(None);
    let mut full = Full(&mut machine.area);
    let media = &mut Media { area: &mut full, index: &mut machine.index };
    let told = store.take(&in_force, media).unwrap_err().to_string();
    assert_eq!(told, "no copy of policy and key ring is kept: no");
    assert_eq!(machine.open(None).record().unwrap().policy, document(2));
}

/// A state area that takes no texts.
struct Full<'a, 'b>(&'a mut Disk<'b>);

impl Medium for Full<'_, '_> {
    fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
        self.0.read()
    }

    fn write(&mut self, write: &Write) -> Result<(), Fault> {
        self.0.write(write)
    }

    fn create(&mut self) -> Result<(), Fault> {
        self.0.create()
    }

    fn has_room_for_texts(&mut self) -> bool {
        true
    }

    fn write_texts(&mut self, _: Place, _: &[u8]) -> Result<(), Fault> {
        Err(Fault::Medium("no".into()))
    }
}

fn slots_after(starts: u32) -> Slots {
    let mut slots = Slots::default();
    slots.declare(["A", "B"].into_iter(), 3);
    slots.counters.starts = starts;
    slots
}

fn keep(machine: &mut Machine<'_>, store: &mut Store, slots: &Slots) -> Result<(), Fault> {
    machine.media(|media| store.keep_slots(slots, media))
}

#[test]
fn slots_are_kept_in_one_write_whatever_the_store_protects_from() {
    for strength in [Strength::Off, Strength::Advisory, Strength::Enforced] {
        let power = Power::default();
        let made_by = if strength == Strength::Off { Strength::Advisory } else { strength };
        let mut machine = Machine { strength, ..Machine::new(&power, made_by) };
        let mut store = machine.open(None);
        for starts in 1..4 {
            let before = power.written.get();
            keep(&mut machine, &mut store, &slots_after(starts)).unwrap();
            assert_eq!(power.written.get() - before, 8, "{strength}: one place");
            keep(&mut machine, &mut store, &slots_after(starts)).unwrap();
            assert_eq!(power.written.get() - before, 8, "{strength}: what is known is not news");
            assert_eq!(machine.open(None), store, "{strength}");
        }
        assert_eq!(machine.open(None).slots(), slots_after(3));
        assert_eq!(store.slots_fault(), None);
    }
}

#[test]
fn the_trial_and_the_slots_go_to_the_disk_together() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    let mut store = machine.open(None);
    let before = power.written.get();
    let unwritten = machine.media(|media| {
        let next = next("system", system(7));
        store.before_jump(next, &slots_after(1), &mut noted("other"), media)
    });
    assert_eq!(unwritten, Ok(None));
    assert_eq!(power.written.get() - before, 8);
    let store = machine.open(None);
    assert_eq!(store.slots(), slots_after(1));
    assert_eq!(store.trial().map(|trial| trial.system), Some(system(7)));
    assert_eq!(store.refused().len(), 1);
}

#[test]
fn a_jump_of_an_image_without_rollback_keeps_its_slots() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    machine.strength = Strength::Off;
    let mut store = machine.open(None);
    let unwritten = machine.media(|media| {
        let next = next("system", system(7));
        store.before_jump(next, &slots_after(1), &mut noted("other"), media)
    });
    assert_eq!(unwritten, Ok(None));
    let store = machine.open(None);
    assert_eq!((store.slots(), store.trial(), store.refused().len()), (slots_after(1), None, 0));
}

/// Neither generation is whole.
fn without_an_area<'a>(power: &'a Power, strength: Strength, fill: u8) -> Machine<'a> {
    let mut machine = Machine::new(power, strength);
    machine.area.places.iter_mut().for_each(|place| place.fill(fill));
    machine
}

#[test]
fn a_lost_area_is_made_anew_for_the_slots_once_and_keeps_no_floor_that_nobody_gave() {
    for (strength, fill) in [(Strength::Off, 0), (Strength::Advisory, 0), (Strength::Advisory, 7)] {
        let power = Power::default();
        let mut machine = without_an_area(&power, strength, fill);
        let mut store = machine.open(None);
        assert_eq!(store.slots(), Slots::default());
        let fault = store.slots_fault().unwrap();
        assert!(matches!(fault, Fault::Lost(..)), "{strength}");
        assert_eq!(fault.is_blank_area(), fill == 0, "{strength}");
        let before = power.written.get();
        keep(&mut machine, &mut store, &Slots::default()).unwrap();
        assert_eq!(power.written.get(), before, "{strength}: nothing is made for nothing");
        for (starts, sectors) in [(1, 16), (2, 8), (3, 8)] {
            let before = power.written.get();
            keep(&mut machine, &mut store, &slots_after(starts)).unwrap();
            assert_eq!(power.written.get() - before, sectors, "{strength} {starts}");
        }
        assert_eq!((store.slots(), store.slots_fault()), (slots_after(3), None));
        let mut store = machine.open(None);
        assert_eq!((store.slots(), store.slots_fault()), (slots_after(3), None));
        let no_record = Some(Fault::NoRecord).filter(|_| strength == Strength::Advisory);
        assert_eq!((store.fault(), store.record()), (no_record.as_ref(), None));
        let before = power.written.get();
        keep(&mut machine, &mut store, &slots_after(4)).unwrap();
        assert_eq!(power.written.get() - before, 8, "{strength}");
        machine.strength = Strength::Advisory;
        let store = machine.open(Some(Floors { boot: 3, recovery: 2 }));
        assert_eq!(store.fault(), None, "a factory image gives it floors");
        assert_eq!(store.slots(), slots_after(4));
    }
}

/// As a later program has it, whose format this one does not know.
fn of_a_later_format(place: &mut [u8]) {
    place[8] = 9;
    let body = place.len() - 32;
    let Digest(checksum) = Digest::of(&place[..body]);
    place[body..].copy_from_slice(&checksum);
}

#[test]
fn an_area_that_cannot_be_read_or_is_of_a_later_format_is_not_made_anew_for_the_slots() {
    for strength in [Strength::Off, Strength::Advisory] {
        let power = Power::default();
        let mut later = Machine { strength, ..Machine::new(&power, Strength::Advisory) };
        let [first, second] = &mut later.area.places;
        of_a_later_format(first);
        second.fill(7);
        let mut worn = without_an_area(&power, strength, 7);
        worn.area.is_worn = true;
        for mut machine in [later, worn] {
            let before = machine.area.places.clone();
            let mut store = machine.open(None);
            let fault = keep(&mut machine, &mut store, &slots_after(1)).unwrap_err();
            assert!(matches!(fault, Fault::Lost(Which::Area, _)), "{strength}: {fault}");
            assert_eq!(machine.area.places, before, "{strength}: {fault}");
            assert_eq!((store.slots(), store.slots_fault()), (Slots::default(), Some(&fault)));
        }
    }
}

#[test]
fn an_area_beside_a_tpm_is_not_made_anew_for_the_slots() {
    let power = Power::default();
    let mut machine = without_an_area(&power, Strength::Enforced, 7);
    let mut store = machine.open(None);
    let fault = keep(&mut machine, &mut store, &slots_after(1)).unwrap_err();
    assert!(matches!(fault, Fault::Lost(Which::Area, _)), "{fault}");
    assert!(machine.area.places.iter().flatten().all(|byte| *byte == 7));
    assert_eq!(store.slots_fault(), Some(&fault));
}

#[test]
fn a_full_area_takes_the_slots_without_what_was_refused() {
    let power = Power::default();
    let mut machine = Machine::new(&power, Strength::Advisory);
    let mut held = read(Which::Area, &mut machine.area).unwrap();
    let unknown = vec![Unknown { tag: 12, bytes: vec![0; 3760] }];
    let full = State { unknown, ..held.state() };
    put(Which::Area, &mut held, &full, &mut machine.area).unwrap();
    let mut store = machine.open(None);
    let unwritten = machine.media(|media| {
        let mut noted = noted(&"n".repeat(96));
        store.before_jump(next("system", system(7)), &slots_after(1), &mut noted, media)
    });
    assert_eq!(unwritten, Ok(Some(Fault::NoRoom(4096))));
    let store = machine.open(None);
    assert_eq!(store.slots(), slots_after(1));
    assert_eq!(store.trial().map(|trial| trial.system), Some(system(7)));
    assert!(store.refused().is_empty());
}

#[test]
fn an_area_that_is_cut_off_while_it_is_made_anew_is_made_anew_again() {
    for strength in [Strength::Off, Strength::Advisory] {
        for after in 0..16 {
            let power = Power::default();
            let mut machine = without_an_area(&power, strength, 7);
            let mut store = machine.open(None);
            let after = power.written.get() + after;
            power.cut.set(Some(Cut { after, torn: 9, backwards: false }));
            keep(&mut machine, &mut store, &slots_after(1)).unwrap_err();
            power.cut.set(None);
            let mut store = machine.open(None);
            keep(&mut machine, &mut store, &slots_after(2)).unwrap();
            assert_eq!(machine.open(None).slots(), slots_after(2), "{strength} {after}");
        }
    }
}
