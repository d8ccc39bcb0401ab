//! The state area as commands read and change it.
//!
//! Whatever is changed is read and written under one lock, so that of two commands at
//! once none undoes what the other did. No command makes an area, or writes one whose
//! generations are damaged: that is a start's business (`docs/rollback.md`).

use super::answer::complain;
use crate::base::text::quoted;
use crate::failure::{Failure, Stage};
use crate::rollback::State;
use crate::rollback::store::{self, Fault, Medium, Which};
use crate::rollback::texts::Texts;
use crate::slots::Slots;
use crate::slots::running::ThisBoot;
use crate::source::StateDevice;
use crate::sys::state_area::StateArea;
use crate::sys::{self, file};

/// What an area holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// The device.
    pub(super) device: String,
    pub(super) state: State,
}

/// What an area holds now, and what came of the change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed<T> {
    /// The device.
    pub(super) device: String,
    pub(super) state: State,
    pub(super) outcome: T,
}

/// Reads the area.
///
/// # Errors
/// This is not root; there is no area, or it cannot be used.
pub(super) fn read(device: &StateDevice) -> Result<Held, Failure> {
    held(find(device)?)
}

/// Reads the area; none where there is none.
///
/// # Errors
/// As [`read`].
pub(super) fn read_if_there(device: &StateDevice) -> Result<Option<Held>, Failure> {
    find_if_there(device)?.map(held).transpose()
}

/// What the area holds, and the copies of ring and policy beside it; none where there is
/// no area.
///
/// # Errors
/// As [`read`].
pub(super) fn read_with_texts(
    device: &StateDevice,
) -> Result<Option<(State, Vec<Texts>)>, Failure> {
    let Some(mut area) = find_if_there(device)? else { return Ok(None) };
    let state = look(&mut area).map_err(at_disk)?;
    Ok(Some((state, store::all_texts(&mut area))))
}

fn held(mut area: StateArea) -> Result<Held, Failure> {
    let state = look(&mut area).map_err(at_disk)?;
    Ok(Held { device: area.path().to_owned(), state })
}

/// Reads an area that another command may just be writing: what is damaged counts only if
/// it still is while none does.
///
/// # Errors
/// It cannot be used.
pub(super) fn look(area: &mut StateArea) -> Result<State, Fault> {
    let held = match store::read(Which::Area, area) {
        Err(Fault::Lost(..)) => {
            let _lock = area.lock(complain)?;
            store::read(Which::Area, area)
        }
        held => held,
    }?;
    Ok(held.state())
}

/// Reads the area, has it changed, and writes it once, if it is another then; all of
/// that while no other command does.
///
/// # Errors
/// As [`read`], those of the change, after which nothing is written, and another command
/// that does not end.
pub(super) fn change<T>(
    device: &StateDevice,
    change: impl FnOnce(&mut State) -> Result<T, Failure>,
) -> Result<Changed<T>, Failure> {
    change_area(find(device)?, change)
}

/// The same where there is an area; none where there is none.
///
/// # Errors
/// As [`change`].
pub(super) fn change_if_there<T>(
    device: &StateDevice,
    change: impl FnOnce(&mut State) -> Result<T, Failure>,
) -> Result<Option<Changed<T>>, Failure> {
    find_if_there(device)?.map(|area| change_area(area, change)).transpose()
}

fn change_area<T>(
    mut area: StateArea,
    change: impl FnOnce(&mut State) -> Result<T, Failure>,
) -> Result<Changed<T>, Failure> {
    let _lock = area.lock(complain).map_err(at_disk)?;
    let device = area.path().to_owned();
    change_in(&mut area, change).map(|(state, outcome)| Changed { device, state, outcome })
}

/// The same of the slots ([`of_slots`]).
///
/// # Errors
/// As [`change`].
pub(super) fn change_slots<T>(
    device: &StateDevice,
    this: &ThisBoot,
    change_them: impl FnOnce(&mut Slots) -> Result<T, Failure>,
) -> Result<T, Failure> {
    change(device, |state| of_slots(state, this, change_them)).map(|changed| changed.outcome)
}

/// Changes the slots of a state: where that confirms the start, what it may raise is
/// confirmed too, and it is kept which start that was.
///
/// # Errors
/// Those of the change; or it would confirm the start of another system.
pub(super) fn of_slots<T>(
    state: &mut State,
    this: &ThisBoot,
    change: impl FnOnce(&mut Slots) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let other = state.slots.is_of_another(this).map(sentence_of_another);
    let was_open = state.slots.attempt.is_some();
    let outcome = change(&mut state.slots)?;
    if !was_open || state.slots.attempt.is_some() {
        return Ok(outcome);
    }
    if let Some(sentence) = other {
        return Err(Failure::new(Stage::Discover, sentence));
    }
    state.slots.counters.blessed = this.id;
    if let Some(confirmed) = store::confirm(state) {
        *state = confirmed;
    }
    Ok(outcome)
}

fn sentence_of_another([this, other]: [&str; 2]) -> String {
    let other = match other {
        "" => "a recovery system".to_owned(),
        other => format!("slot {}", quoted(other)),
    };
    format!(
        "this system is slot {}, by its command line, and the start that waits for a confirmation \
         is of {other}: Turnout did not start this system, and nothing was confirmed",
        quoted(this)
    )
}

/// What the running kernel says of its start; nothing where there is no /proc.
pub(super) fn this_boot() -> ThisBoot {
    let cmdline = sys::running_cmdline().unwrap_or_default();
    let boot_id = file::read_line("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    ThisBoot::new(&cmdline, &boot_id)
}

fn change_in<T>(
    medium: &mut dyn Medium,
    change: impl FnOnce(&mut State) -> Result<T, Failure>,
) -> Result<(State, T), Failure> {
    let mut held = store::read(Which::Area, medium).map_err(at_disk)?;
    let mut state = held.state();
    let outcome = change(&mut state)?;
    store::put(Which::Area, &mut held, &state, medium).map_err(at_disk)?;
    Ok((state, outcome))
}

/// # Errors
/// This is somebody else.
pub(super) fn only_root() -> Result<(), Failure> {
    match sys::is_root() {
        true => Ok(()),
        false => Err(Failure::new(Stage::Read, "only root can reach the state area")),
    }
}

fn find(device: &StateDevice) -> Result<StateArea, Failure> {
    only_root()?;
    StateArea::find(device).map_err(|fault| Failure::new(Stage::Discover, fault))
}

fn find_if_there(device: &StateDevice) -> Result<Option<StateArea>, Failure> {
    only_root()?;
    match StateArea::find(device) {
        Ok(area) => Ok(Some(area)),
        Err(Fault::NoPartition) => Ok(None),
        Err(fault) => Err(Failure::new(Stage::Discover, fault)),
    }
}

fn at_disk(fault: Fault) -> Failure {
    Failure::new(Stage::Read, fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::frame;
    use crate::rollback::generations::{Generations, Place, Write};
    use crate::rollback::{Floors, Record};
    use crate::slots::rules::{Count, Rules, Target};
    use crate::slots::{Cause, Stage as At};

    /// Two places, and how often they were written.
    struct Memory {
        places: [Vec<u8>; 2],
        writes: u32,
    }

    impl Medium for Memory {
        fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
            Ok(self.places.clone().map(Ok))
        }

        fn write(&mut self, write: &Write) -> Result<(), Fault> {
            let place = if write.place == Place::First { 0 } else { 1 };
            self.places[place].clone_from(&write.bytes);
            self.writes += 1;
            Ok(())
        }

        fn create(&mut self) -> Result<(), Fault> {
            panic!("a command makes no area")
        }
    }

    fn provisioned() -> Memory {
        let mut memory = Memory { places: [vec![], vec![]], writes: 0 };
        let record = Some(Record::new(Floors::default()));
        let state = State { record, ..State::default() };
        store::put(Which::Area, &mut Generations::fresh(), &state, &mut memory).unwrap();
        Memory { writes: 0, ..memory }
    }

    #[test]
    fn a_change_is_one_write_and_none_where_nothing_changes() {
        let mut memory = provisioned();
        let set = |state: &mut State| {
            state.slots.default = Some("a".to_owned());
            Ok(())
        };
        let (state, ()) = change_in(&mut memory, set).unwrap();
        assert_eq!((state.slots.default.as_deref(), memory.writes), (Some("a"), 1));
        change_in(&mut memory, set).unwrap();
        assert_eq!(memory.writes, 1);
        let held = store::read(Which::Area, &mut memory).unwrap().state();
        assert_eq!(held, state);
    }

    /// B is good; A was started, and waits for its confirmation.
    fn waiting() -> State {
        let mut slots = Slots::default();
        slots.declare(["A", "B"].into_iter(), 3);
        slots.mark_good("B").unwrap();
        let rules = Rules { count: Count::All, tries: 3, is_declared: true };
        let (slot, cause, stage) = (Some("A"), Cause::Order, At::Mounting);
        slots.begin(&Target { slot, entry: "os", named_tries: None, cause, stage }, &rules);
        State { slots, ..State::default() }
    }

    fn bless(state: &mut State, this: &ThisBoot) -> Result<(), Failure> {
        of_slots(state, this, |slots| {
            slots.bless().map(drop).map_err(|refusal| Failure::new(Stage::Discover, refusal))
        })
    }

    #[test]
    fn which_start_was_confirmed_is_kept() {
        let this = ThisBoot::new("quiet", "one");
        let mut state = waiting();
        of_slots(&mut state, &this, |slots| {
            slots.once = Some("B".to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(state.slots.counters.blessed, [0; 8], "nothing was confirmed");
        bless(&mut state, &this).unwrap();
        assert_eq!(state.slots.counters.blessed, this.id);
        assert_eq!(state.slots.running(&this).map(|slot| slot.name.as_str()), Some("A"));
    }

    #[test]
    fn a_system_that_something_else_has_started_confirms_no_start() {
        let failure = bless(&mut waiting(), &ThisBoot::new("rauc.slot=B", "one")).unwrap_err();
        assert_eq!(
            failure.sentence(),
            "this system is slot \"B\", by its command line, and the start that waits for a \
             confirmation is of slot \"A\": Turnout did not start this system, and nothing was \
             confirmed"
        );
        assert_eq!(failure.exit_status(), 3);
        assert!(bless(&mut waiting(), &ThisBoot::new("rauc.slot=A", "one")).is_ok());
        let said = sentence_of_another(["B", ""]);
        assert!(said.contains("a confirmation is of a recovery system: Turnout"), "{said}");
    }

    #[test]
    fn a_refused_change_writes_nothing() {
        let mut memory = provisioned();
        let refused = change_in(&mut memory, |state| {
            state.slots.default = Some("a".to_owned());
            Err::<(), _>(Failure::new(Stage::Discover, "no"))
        });
        assert_eq!(refused.unwrap_err().sentence(), "no");
        assert_eq!(memory.writes, 0);
    }

    #[test]
    fn a_damaged_area_is_left_alone() {
        let size = store::AREA_FRAME;
        let mut memory = Memory { places: [vec![0; size], vec![7; size]], writes: 0 };
        let failure = change_in(&mut memory, |_| Ok(())).unwrap_err();
        assert!(failure.sentence().starts_with("the state area is damaged"), "{failure}");
        assert_eq!((failure.exit_status(), memory.writes), (4, 0));
        assert!(frame::read(&memory.places[1]).is_err());
    }
}
