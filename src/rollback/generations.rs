//! Two generations of a state in two places: the older one is overwritten, so
//! that a write that is cut short destroys nothing that counts.
//!
//! A record that has changed goes to both places, one after the other, and so do
//! floors that were seen: damage to either place alone then never sets a floor back.
//! A trial goes to one. What is there already is not written again.

use core::fmt;

use super::State;
use super::frame::{self, Damage, Form, Frame};

/// One of the two places of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The one at the start.
    First,
    /// The other one.
    Second,
}

impl Place {
    /// Both, in their order.
    pub const BOTH: [Self; 2] = [Self::First, Self::Second];

    /// Counted from 0.
    #[must_use]
    pub const fn index(self) -> u8 {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// A generation that is whole, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Whole {
    place: Place,
    frame: Frame,
}

/// What the two places hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Generations {
    newest: Option<Whole>,
    /// None where the other place is damaged.
    older: Option<Frame>,
    damage: Option<(Place, Damage)>,
}

/// Why a store has nothing to go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Both places are damaged; each with its damage.
    Both(Damage, Damage),
    /// Two whole generations that nobody wrote one after the other.
    Apart(u64, u64),
}

impl Lost {
    /// Whether nothing more is lost by making the store anew.
    #[must_use]
    pub const fn is_for_good(&self) -> bool {
        match self {
            Self::Both(first, second) => first.is_for_good() && second.is_for_good(),
            Self::Apart(..) => true,
        }
    }
}

/// Why a state cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoStep {
    /// A place of so many bytes is too short.
    NoRoom(usize),
    /// No start would take the next generation: somebody has forged the last one.
    CountedOut,
}

/// Bytes for one of the places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where they go.
    pub place: Place,
    /// All bytes of the place.
    pub bytes: Vec<u8>,
}

impl Generations {
    /// A store in which nothing was ever written.
    #[must_use]
    pub const fn fresh() -> Self {
        Self { newest: None, older: None, damage: None }
    }

    /// What the bytes of both places say.
    ///
    /// # Errors
    /// Neither is whole, or the two do not belong together.
    pub fn read(first: Result<Frame, Damage>, second: Result<Frame, Damage>) -> Result<Self, Lost> {
        match (first, second) {
            (Err(first), Err(second)) => Err(Lost::Both(first, second)),
            (Ok(frame), Err(damage)) => Ok(Self::single(Place::First, frame, damage)),
            (Err(damage), Ok(frame)) => Ok(Self::single(Place::Second, frame, damage)),
            (Ok(first), Ok(second)) => Self::in_order(first, second),
        }
    }

    /// Only one place is whole, the other one has this damage.
    const fn single(place: Place, frame: Frame, damage: Damage) -> Self {
        let newest = Some(Whole { place, frame });
        Self { newest, older: None, damage: Some((place.other(), damage)) }
    }

    fn in_order(first: Frame, second: Frame) -> Result<Self, Lost> {
        let (place, newest, older) = if first.generation > second.generation {
            (Place::First, first, second)
        } else {
            (Place::Second, second, first)
        };
        if newest.generation.checked_sub(older.generation) != Some(1) {
            return Err(Lost::Apart(newest.generation, older.generation));
        }
        Ok(Self { newest: Some(Whole { place, frame: newest }), older: Some(older), damage: None })
    }

    /// The newest whole state; nothing at all in a fresh store.
    #[must_use]
    pub fn state(&self) -> State {
        self.newest.as_ref().map(|newest| newest.frame.state.clone()).unwrap_or_default()
    }

    /// The number of the newest generation; 0 in a fresh store.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.newest.as_ref().map_or(0, |newest| newest.frame.generation)
    }

    /// The place that is damaged while the other one is whole.
    #[must_use]
    pub const fn damage(&self) -> Option<&(Place, Damage)> {
        self.damage.as_ref()
    }

    /// The next write on the way to `state`, and what the places hold once it
    /// has reached the disk; `None` where there is nothing left to write.
    ///
    /// # Errors
    /// A place of this form has no room for the state, or the numbers have ended.
    pub fn step(&self, state: &State, form: Form) -> Result<Option<(Write, Self)>, NoStep> {
        if self.is_settled(state) {
            return Ok(None);
        }
        let place = self.newest.as_ref().map_or(Place::First, |newest| newest.place.other());
        let generation = self.number().saturating_add(1);
        if generation > frame::MAX_GENERATION {
            return Err(NoStep::CountedOut);
        }
        let frame = Frame { form, generation, state: state.clone() };
        let bytes = frame::write(&frame, form.size()).ok_or(NoStep::NoRoom(form.size()))?;
        let older = self.newest.as_ref().map(|newest| newest.frame.clone());
        let after = Self { newest: Some(Whole { place, frame }), older, damage: None };
        Ok(Some((Write { place, bytes }, after)))
    }

    fn is_settled(&self, state: &State) -> bool {
        let newest = self.newest.as_ref().map(|newest| &newest.frame.state);
        let older = self.older.as_ref().map(|older| &older.state);
        newest == Some(state)
            && older.is_some_and(|older| older.record == state.record && older.seen == state.seen)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Both(first, second) if first == second => {
                write!(f, "neither generation can be used: of both, {first}")
            }
            Self::Both(first, second) => write!(
                f,
                "neither generation can be used: of the first, {first}; of the second, {second}"
            ),
            Self::Apart(newer, older) => write!(
                f,
                "its generations {newer} and {older} were not written one after the other"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Floors, Record, Unknown};
    use super::*;

    fn floor(boot: u32) -> State {
        let floors = Floors { boot, recovery: 0 };
        State { record: Some(Record::new(floors)), ..State::default() }
    }

    fn frame(generation: u64, boot: u32) -> Frame {
        Frame { form: Form::Two, generation, state: floor(boot) }
    }

    /// All writes on the way to a state.
    fn writes(from: &Generations, state: &State) -> Vec<(Place, u64)> {
        let mut held = from.clone();
        let mut done = Vec::new();
        while let Some((write, after)) = held.step(state, Form::Two).unwrap() {
            done.push((write.place, frame::read(&write.bytes).unwrap().generation));
            held = after;
        }
        done
    }

    #[test]
    fn the_newer_of_two_counts_wherever_it_is() {
        let newer_first = Generations::read(Ok(frame(6, 2)), Ok(frame(5, 1))).unwrap();
        let newer_second = Generations::read(Ok(frame(5, 1)), Ok(frame(6, 2))).unwrap();
        assert_eq!((newer_first.state(), newer_second.state()), (floor(2), floor(2)));
        assert_eq!(writes(&newer_first, &floor(3)), [(Place::Second, 7), (Place::First, 8)]);
        assert_eq!(writes(&newer_second, &floor(3)), [(Place::First, 7), (Place::Second, 8)]);
    }

    #[test]
    fn one_whole_place_is_enough_and_the_damaged_one_is_written_anew() {
        let held = Generations::read(Err(Damage::Checksum), Ok(frame(6, 2))).unwrap();
        assert_eq!(held.state(), floor(2));
        assert_eq!(held.damage(), Some(&(Place::First, Damage::Checksum)));
        assert_eq!(writes(&held, &floor(2)), [(Place::First, 7)]);
    }

    #[test]
    fn what_is_there_is_not_written_again() {
        let held = Generations::read(Ok(frame(5, 1)), Ok(frame(6, 1))).unwrap();
        assert_eq!(writes(&held, &floor(1)), []);
        let cut_in_between = Generations::read(Ok(frame(7, 2)), Ok(frame(6, 1))).unwrap();
        assert_eq!(writes(&cut_in_between, &floor(2)), [(Place::Second, 8)]);
    }

    #[test]
    fn floors_that_were_seen_go_to_both_places() {
        let held = Generations::read(Ok(frame(5, 1)), Ok(frame(6, 1))).unwrap();
        let seen = State { seen: Floors { boot: 7, recovery: 0 }, ..floor(1) };
        assert_eq!(writes(&held, &seen), [(Place::First, 7), (Place::Second, 8)]);
    }

    #[test]
    fn a_fresh_store_is_written_to_both_places() {
        let fresh = Generations::fresh();
        assert_eq!(writes(&fresh, &floor(0)), [(Place::First, 1), (Place::Second, 2)]);
    }

    #[test]
    fn no_generation_is_written_that_no_start_takes() {
        const LAST: u64 = frame::MAX_GENERATION;
        let held = Generations::read(Ok(frame(LAST - 1, 1)), Ok(frame(LAST - 2, 1))).unwrap();
        let (write, held) = held.step(&floor(2), Form::Two).unwrap().unwrap();
        assert_eq!(frame::read(&write.bytes).unwrap().generation, LAST);
        assert_eq!(held.step(&floor(2), Form::Two), Err(NoStep::CountedOut));
    }

    #[test]
    fn what_a_place_has_no_room_for_is_not_cut_short() {
        let unknown = vec![Unknown { tag: 12, bytes: vec![0; 3952] }];
        let full = State { unknown, ..floor(0) };
        assert!(Generations::fresh().step(&full, Form::Two).is_ok());
        let unknown = vec![Unknown { tag: 12, bytes: vec![0; 3953] }];
        let too_full = State { unknown, ..floor(0) };
        let room = Generations::fresh().step(&too_full, Form::Two).unwrap_err();
        assert_eq!(room, NoStep::NoRoom(4096));
        assert_eq!(Generations::fresh().step(&full, Form::One).unwrap_err(), NoStep::NoRoom(138));
    }

    #[test]
    fn format_1_is_read_and_replaced_at_the_next_write() {
        let old = Frame { form: Form::One, ..frame(6, 1) };
        let held = Generations::read(Ok(frame(5, 1)), Ok(old)).unwrap();
        assert_eq!(writes(&held, &floor(1)), [], "it is no news");
        let (write, _) = held.step(&floor(2), Form::Two).unwrap().unwrap();
        assert_eq!(frame::read(&write.bytes).unwrap().form, Form::Two);
    }

    fn lost(first: Result<Frame, Damage>, second: Result<Frame, Damage>) -> String {
        Generations::read(first, second).unwrap_err().to_string()
    }

    #[test]
    fn without_a_whole_place_or_with_two_that_do_not_follow_there_is_nothing_to_go_by() {
        assert_eq!(
            lost(Err(Damage::Blank), Err(Damage::Blank)),
            "neither generation can be used: of both, it is blank"
        );
        assert_eq!(
            lost(Err(Damage::Checksum), Err(Damage::Magic)),
            "neither generation can be used: of the first, its checksum is wrong; \
             of the second, it does not begin like a generation"
        );
        for (first, second) in [(5, 5), (9, 5), (5, 7)] {
            let said = lost(Ok(frame(first, 1)), Ok(frame(second, 1)));
            assert!(said.ends_with("were not written one after the other"), "{said}");
        }
    }
}
