//! A start as PID 1 makes it, without devices: which rules it calls in which order, and
//! what it writes between them.

use core::time::Duration;

use super::super::rules::{Count, Rules, Settled, Target, Turn};
use super::super::{Cause, Outcome, Slots, Stage};
use crate::base::digest::Digest;

/// The two slots, or entries.
pub(super) const NAMES: [&str; 2] = ["A", "B"];
const STICK: &str = "UUID=stick";
const DISK: &str = "UUID=disk";

/// What becomes of a system that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    /// It comes up.
    Ok,
    /// It hangs after the jump, until a watchdog resets the machine.
    Hang,
    /// The mount of its device ends the boot environment.
    PanicAtMount,
    /// Reading its files does.
    PanicAtRead,
    /// It cannot be loaded.
    Fails,
    /// Trust refuses it.
    Refused,
}

/// All that is not up to the rules in one start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Story {
    /// Of the slot that is tried first, and of the other one; or of A and of B.
    pub(super) fates: [Fate; 2],
    /// Whether the fates are of A and B.
    pub(super) is_by_name: bool,
    /// Of the recovery system.
    pub(super) recovery: Fate,
    /// Whether the mount of a device that is no slot's ends the boot environment.
    pub(super) stick_kills: bool,
    /// Whether somebody takes the other slot at the menu.
    pub(super) by_hand: bool,
    /// Writes that reach the disk until the power fails.
    pub(super) cut_after: Option<u8>,
}

/// What outlasts a start, and what is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Machine {
    /// As the disk has them.
    pub(super) slots: Slots,
    /// Whether each slot's disk is there.
    pub(super) is_here: [bool; 2],
    /// Which of two systems each slot holds.
    pub(super) holds: [u8; 2],
}

/// What a start came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// This slot is up, or a recovery system.
    Up(Option<usize>),
    /// The machine was reset, without a pause.
    Reset,
    /// It was reset after a pause.
    Rested(Duration),
    /// The power failed.
    Cut,
}

/// How an attempt of one slot went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// It came back.
    Back,
    /// The boot environment came to its end in it.
    Died,
    /// It was jumped to: the system of this number.
    On(u8),
    /// Another device's mount has ended it.
    Killed,
    /// Somebody chose another one.
    Moved,
}

/// One start, as it was.
#[derive(Debug)]
pub(super) struct Log {
    /// Slots in the order in which they were to be tried.
    pub(super) order: Vec<usize>,
    /// The one that the running system would have said to be the first.
    pub(super) primary: Option<usize>,
    pub(super) attempts: Vec<(usize, Went)>,
    /// What was written, one after the other.
    pub(super) writes: Vec<Slots>,
    /// Slots before a pause and after it.
    pub(super) pause: Option<[Slots; 2]>,
    pub(super) end: End,
}

/// A start on its way.
struct Run<'a> {
    machine: &'a mut Machine,
    rules: Rules,
    story: Story,
    slots: Slots,
    settled: Option<Settled>,
    log: Log,
}

/// The start is over.
struct Over(End);

pub(super) fn system(slot: usize, number: u8) -> Digest {
    Digest::of(&[u8::try_from(slot).unwrap(), number])
}

fn target(slot: Option<usize>, cause: Cause, stage: Stage, named: Option<u8>) -> Target<'static> {
    let slot = slot.map(|slot| NAMES[slot]);
    Target { slot, entry: slot.unwrap_or("rescue"), named_tries: named, cause, stage }
}

const fn cause(turn: Turn) -> Cause {
    match turn {
        Turn::Once => Cause::Once,
        Turn::LastResort => Cause::LastResort,
        Turn::Tries | Turn::Never => Cause::Order,
    }
}

impl Machine {
    pub(super) fn start(&mut self, rules: Rules, story: Story) -> Log {
        let slots = self.slots.clone();
        let log = Log {
            order: Vec::new(),
            primary: None,
            attempts: Vec::new(),
            writes: Vec::new(),
            pause: None,
            end: End::Reset,
        };
        let mut run = Run { machine: self, rules, story, slots, settled: None, log };
        let end = run.all().err().map_or(End::Reset, |Over(end)| end);
        Log { end, ..run.log }
    }
}

impl Run<'_> {
    fn all(&mut self) -> Result<(), Over> {
        self.settled = self.slots.settle(true);
        if self.rules.is_declared {
            self.slots.declare(NAMES.into_iter(), self.rules.tries);
        }
        let order = self.order();
        self.log.order = order.iter().map(|(slot, _)| *slot).collect();
        self.log.primary = self.slots.primary().map(usize::from);
        let is_read = self.rules.is_declared || self.mount_for_all(&order)?;
        for (nth, (slot, turn)) in order.into_iter().filter(|_| is_read).enumerate() {
            self.one(nth, slot, cause(turn))?;
        }
        self.stick(None)?;
        self.recovery()
    }

    fn order(&self) -> Vec<(usize, Turn)> {
        let turn = |slot: &usize| self.slots.turn_of(NAMES[*slot], self.named(), &self.rules);
        if self.rules.is_declared {
            let order = self.slots.order(&self.rules);
            let slots = order.into_iter().map(|name| NAMES.iter().position(|it| *it == name));
            return slots.flatten().map(|slot| (slot, turn(&slot))).collect();
        }
        let mut order: Vec<_> = [0, 1].into_iter().map(|slot| (slot, turn(&slot))).collect();
        order.sort_by_key(|(_, turn)| *turn);
        order.retain(|(_, turn)| *turn != Turn::Never);
        order
    }

    /// What the names of undeclared entries say.
    fn named(&self) -> Option<u8> {
        Some(self.rules.tries).filter(|_| !self.rules.is_declared)
    }

    /// Puts what is in memory on the disk, if that is news.
    fn write(&mut self) -> Result<(), Over> {
        if self.machine.slots == self.slots {
            return Ok(());
        }
        match &mut self.story.cut_after {
            Some(0) => return Err(Over(End::Cut)),
            Some(left) => *left -= 1,
            None => {}
        }
        self.machine.slots = self.slots.clone();
        self.log.writes.push(self.slots.clone());
        Ok(())
    }

    fn fate(&self, nth: usize, slot: usize) -> Fate {
        self.story.fates[if self.story.is_by_name { slot } else { nth.min(1) }]
    }

    fn is_killer(&self, device: Option<&str>, name: Option<&str>) -> bool {
        self.settled.as_ref().filter(|settled| settled.died_at_mount()).is_some_and(|settled| {
            settled.attempt.device.as_deref() == device
                && (device.is_some() || settled.name.as_deref() == name)
        })
    }

    fn went(&mut self, slot: usize, went: Went) {
        self.log.attempts.push((slot, went));
    }

    fn on(&self, slot: usize) -> Went {
        Went::On(self.machine.holds[slot])
    }

    /// The disk that all entries are on is A's. Whether they are in the menu.
    fn mount_for_all(&mut self, order: &[(usize, Turn)]) -> Result<bool, Over> {
        if !self.machine.is_here[0] || self.is_killer(Some(DISK), None) {
            return Ok(false);
        }
        let last = self.slots.last_started();
        let last = last.and_then(|name| NAMES.iter().position(|it| *it == name));
        let known = order.iter().find(|(slot, _)| Some(*slot) == last);
        let cause = known.map_or(Cause::Order, |(_, turn)| cause(*turn));
        let known = known.map(|(slot, _)| *slot);
        self.slots.begin(&target(known, cause, Stage::Mounting, self.named()), &self.rules);
        self.slots.reach(Stage::Mounting, Some(DISK));
        self.write()?;
        if self.story.fates[0] == Fate::PanicAtMount {
            let is_exact = self.slots.attempt.as_ref().is_some_and(|attempt| attempt.exact);
            let went = if is_exact { Went::Killed } else { Went::Died };
            known.into_iter().for_each(|slot| self.log.attempts.push((slot, went)));
            return Err(Over(End::Reset));
        }
        Ok(true)
    }

    /// One slot, and what becomes of it.
    fn one(&mut self, nth: usize, slot: usize, cause: Cause) -> Result<(), Over> {
        let fate = self.fate(nth, slot);
        let is_declared = self.rules.is_declared;
        if is_declared && self.is_killer(None, Some(NAMES[slot])) {
            return Ok(());
        }
        if is_declared && !self.machine.is_here[slot] {
            return self.lacks(slot, cause);
        }
        if is_declared {
            self.slots.begin(&target(Some(slot), cause, Stage::Mounting, None), &self.rules);
            self.write()?;
            if fate == Fate::PanicAtMount {
                self.went(slot, Went::Died);
                return Err(Over(End::Reset));
            }
            self.stick(Some(slot))?;
        }
        if self.story.by_hand {
            self.went(slot, Went::Moved);
            return self.read(1 - slot, Cause::Hand, fate);
        }
        self.read(slot, cause, fate)
    }

    /// Its disk does not come.
    fn lacks(&mut self, slot: usize, cause: Cause) -> Result<(), Over> {
        self.slots.begin(&target(Some(slot), cause, Stage::Discovering, None), &self.rules);
        self.slots.fail(Outcome::Failed);
        self.went(slot, Went::Back);
        Ok(())
    }

    /// A device that is no slot's is mounted for the menu.
    fn stick(&mut self, slot: Option<usize>) -> Result<(), Over> {
        if !self.story.stick_kills || self.is_killer(Some(STICK), None) {
            return Ok(());
        }
        if self.slots.attempt.is_none() && slot.is_none() {
            self.slots.begin(&target(None, Cause::Order, Stage::Mounting, None), &self.rules);
        }
        let is_exact = self.slots.attempt.as_ref().is_some_and(|attempt| attempt.exact);
        self.slots.reach(Stage::Mounting, Some(STICK));
        self.write()?;
        if let Some(slot) = slot {
            self.went(slot, if is_exact { Went::Killed } else { Went::Died });
        }
        Err(Over(End::Reset))
    }

    fn read(&mut self, slot: usize, cause: Cause, fate: Fate) -> Result<(), Over> {
        let is_open = self.slots.attempt.as_ref().is_some_and(|attempt| {
            self.slots.slot_of(attempt).is_some_and(|it| it.name == NAMES[slot])
        });
        if !is_open || cause == Cause::Hand {
            let target = target(Some(slot), cause, Stage::Reading, self.named());
            self.slots.begin(&target, &self.rules);
        }
        self.slots.enter(NAMES[slot]);
        self.slots.reach(Stage::Reading, None);
        self.write()?;
        let outcome = match fate {
            Fate::PanicAtRead | Fate::PanicAtMount => {
                self.went(slot, Went::Died);
                return Err(Over(End::Reset));
            }
            Fate::Fails => Outcome::Failed,
            Fate::Refused => Outcome::Refused,
            Fate::Ok | Fate::Hang => return self.jump(slot, cause, fate),
        };
        self.slots.fail(outcome);
        self.went(slot, Went::Back);
        Ok(())
    }

    fn jump(&mut self, slot: usize, cause: Cause, fate: Fate) -> Result<(), Over> {
        let manifest = system(slot, self.machine.holds[slot]);
        let target = target(Some(slot), cause, Stage::Reading, self.named());
        self.slots.jump(&target, Some(manifest), &self.rules);
        self.write()?;
        self.went(slot, self.on(slot));
        Err(Over(match fate {
            Fate::Ok => End::Up(Some(slot)),
            _ => End::Reset,
        }))
    }

    fn recovery(&mut self) -> Result<(), Over> {
        let is_counted = self.rules.count != Count::Off;
        if is_counted && self.slots.rests_before_recovery(self.settled.as_ref()) {
            return self.rest();
        }
        let target = target(None, Cause::Recovery, Stage::Reading, None);
        self.slots.begin(&target, &self.rules);
        self.write()?;
        if self.story.recovery == Fate::Fails {
            self.slots.fail(Outcome::Failed);
            return self.rest();
        }
        self.slots.jump(&target, Some(Digest::of(b"rescue")), &self.rules);
        self.write()?;
        Err(Over(match self.story.recovery {
            Fate::Ok => End::Up(None),
            _ => End::Reset,
        }))
    }

    fn rest(&mut self) -> Result<(), Over> {
        let pause = self.slots.rest();
        self.write()?;
        let before = self.slots.clone();
        self.slots.rested(pause);
        self.write()?;
        self.log.pause = Some([before, self.slots.clone()]);
        Err(Over(End::Rested(pause.time)))
    }
}
