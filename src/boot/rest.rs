//! What comes after nothing has booted, where starts are counted: a pause that is longer
//! each time, until something has confirmed itself, and after the longest one all tries
//! again, as the disk may be back. Then the machine is reset.
//!
//! The pause is written down before it begins, so that a power cut makes none shorter the
//! next time. Without a store it is `reset-delay`. Specification: `docs/survive.md`.

use core::time::Duration;

use super::session::{Memory, Session};
use crate::slots::rules::{self, Pause};
use crate::sys::{clock, reset};

/// A pause that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    pause: Pause,
    /// Its number since something was confirmed, from 1.
    number: u8,
    /// Whether the next start will know of it.
    is_kept: bool,
    /// When it is over, since the start.
    pub(super) until: Duration,
}

/// How long a pause takes: where the next start does not know of it, as long as any, for
/// it may be the hundredth.
fn length(pause: Pause, is_kept: bool) -> Duration {
    if is_kept { pause.time } else { rules::pause(u8::MAX).time }
}

impl Rest {
    /// Begins a pause; none where starts are not counted.
    pub(super) fn begin(session: &Session, memory: &mut Memory) -> Option<Self> {
        if memory.standing.has_read_nothing() {
            memory.open_store(session, true);
        }
        if !memory.starts.tells() {
            return None;
        }
        let slots = &mut memory.starts.slots;
        let pause = slots.rest();
        let number = slots.counters.pauses;
        let is_kept = memory.keep_slots(session);
        let time = length(pause, is_kept).max(session.config.reset_delay);
        Some(Self { pause, number, is_kept, until: clock::elapsed().saturating_add(time) })
    }

    /// Which pause it is, to follow on the reason for it.
    fn note(&self) -> String {
        if !self.is_kept {
            return "; the longest pause, as none can be counted".to_owned();
        }
        let mut note =
            ["; pause ", &self.number.to_string(), " since a start was confirmed"].concat();
        if self.pause.is_long {
            note.push_str(": after it every slot has its tries again");
        } else {
            let next = rules::pause(self.number).time.as_secs();
            note.extend([", the next one takes ", &next.to_string(), " s"]);
        }
        note
    }

    fn left(&self) -> Duration {
        self.until.saturating_sub(clock::elapsed())
    }

    /// What is said where somebody may still do something.
    pub(super) fn told(&self) -> String {
        let seconds = self.left().as_secs().to_string();
        ["without a key the machine is reset in ", &seconds, " s", &self.note()].concat()
    }

    /// Waits for its end, and resets the machine.
    fn end(self, session: &Session, memory: &mut Memory, reason: &str) -> ! {
        reset::rest(self.left(), &[reason, &self.note()].concat());
        memory.starts.slots.rested(self.pause);
        memory.keep_slots(session);
        reset::now()
    }
}

/// Resets the machine, after what is left of the pause or, where there is none, after
/// `reset-delay`.
pub(super) fn then_reset(
    session: &Session,
    memory: &mut Memory,
    rest: Option<Rest>,
    reason: &str,
) -> ! {
    memory.keep_refused(session);
    match rest {
        Some(rest) => rest.end(session, memory, reason),
        None => reset::after(session.config.reset_delay, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Slots;

    #[test]
    fn a_pause_that_nothing_remembers_is_the_longest() {
        let pause = rules::pause(0);
        let [kept, lost] = [true, false].map(|is_kept| length(pause, is_kept).as_secs());
        assert_eq!((kept, lost), (10, 600));
        let rest = Rest { pause, number: 1, is_kept: false, until: Duration::ZERO };
        assert_eq!(rest.note(), "; the longest pause, as none can be counted");
    }

    #[test]
    fn a_pause_says_which_it_is_and_what_comes_after() {
        let mut slots = Slots::default();
        let mut note = || {
            let pause = slots.rest();
            let number = slots.counters.pauses;
            Rest { pause, number, is_kept: true, until: Duration::ZERO }.note()
        };
        let next = |number: u8, seconds: u64| {
            format!("; pause {number} since a start was confirmed, the next one takes {seconds} s")
        };
        assert_eq!([note(), note(), note()], [next(1, 30), next(2, 120), next(3, 600)]);
        let long = "since a start was confirmed: after it every slot has its tries again";
        assert_eq!([note(), note()], [4, 5].map(|number| format!("; pause {number} {long}")));
    }
}
