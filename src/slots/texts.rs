//! Slots and starts as people read them, and as JSON (`docs/survive.md`).

use core::fmt;

use super::{Attempt, Cause, Outcome, Slot, Slots, Stage, Start};
use crate::base::json::{Array, Object};

impl Outcome {
    /// Its word, stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Confirmed => "confirmed",
            Self::NotConfirmed => "not-confirmed",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Watchdog => "watchdog",
            Self::Died => "died",
        }
    }
}

impl Stage {
    /// Its word, stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discovering => "discovering",
            Self::Mounting => "mounting",
            Self::Reading => "reading",
            Self::Verifying => "verifying",
            Self::Loaded => "loaded",
            Self::Jumped => "jumped",
        }
    }
}

impl Cause {
    /// Its word, stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Once => "one-shot",
            Self::Hand => "hand",
            Self::LastResort => "last-resort",
            Self::Recovery => "recovery",
        }
    }
}

impl Slot {
    /// How it stands, in a word.
    #[must_use]
    pub const fn standing(&self) -> &'static str {
        match self {
            Self { enabled: false, .. } => "disabled",
            Self { empty: true, .. } => "empty",
            Self { bad: true, .. } => "bad",
            Self { confirmed: true, .. } => "good",
            Self { left: 0, .. } => "exhausted",
            Self { good_once: true, .. } => "doubtful",
            Self { .. } => "unconfirmed",
        }
    }

    fn write_json(&self, out: &mut Object<'_>) {
        out.text("name", &self.name);
        out.text("standing", self.standing());
        out.flag("enabled", self.enabled);
        out.flag("good_once", self.good_once);
        out.flag("confirmed", self.confirmed);
        out.flag("bad", self.bad);
        out.flag("empty", self.empty);
        out.flag("from_name", self.from_name);
        out.flag("last_resort", self.last_resort);
        out.number("priority", self.priority.into());
        out.number("tries_left", self.left.into());
        out.number("tries_most", self.most.into());
        out.text("last", self.last.name());
        out.maybe_text("manifest", self.jumped.map(|it| format!("sha256:{it}")).as_deref());
    }
}

impl Slot {
    /// How it stands, and what is left of its tries where they count.
    #[must_use]
    pub fn state_in_words(&self) -> String {
        let standing = self.standing();
        if self.confirmed || !self.is_usable() {
            return standing.to_owned();
        }
        if self.last_resort {
            return [standing, ", last resort used"].concat();
        }
        format!("{standing}, {} of {} tries left", self.left, self.most)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.state_in_words())
    }
}

impl Slots {
    /// Its members as `docs/survive.md` has them.
    pub fn write_json(&self, out: &mut Object<'_>) {
        let primary = self.primary().and_then(|number| self.list.get(usize::from(number)));
        out.maybe_text("primary", primary.map(|slot| slot.name.as_str()));
        out.maybe_text("one_shot", self.once.as_deref());
        out.maybe_text("default", self.default.as_deref());
        out.array("slots", |list| {
            self.list.iter().for_each(|slot| list.object(|out| slot.write_json(out)))
        });
        match &self.attempt {
            Some(attempt) => out.object("attempt", |out| self.write_attempt(attempt, out)),
            None => out.null("attempt"),
        }
        out.number("starts", self.counters.starts.into());
        out.number("resets", self.counters.resets.into());
        out.number("recoveries", self.counters.recoveries.into());
        out.number("pauses", self.counters.pauses.into());
        out.number("watchdog_resets", self.counters.watchdogs.into());
        out.number("confirmed_in_a_row", self.counters.row.into());
        out.array("history", |list| self.write_history(list));
    }

    fn write_attempt(&self, attempt: &Attempt, out: &mut Object<'_>) {
        out.maybe_text("slot", self.slot_of(attempt).map(|slot| slot.name.as_str()));
        out.text("entry", &attempt.entry);
        out.text("stage", attempt.stage.name());
        out.text("cause", attempt.cause.name());
        out.flag("spent", attempt.spent);
        out.flag("exact", attempt.exact);
        out.maybe_text("device", attempt.device.as_deref());
        out.maybe_text("manifest", attempt.manifest.map(|it| format!("sha256:{it}")).as_deref());
    }

    /// The last attempts, the newest first.
    pub fn write_history(&self, list: &mut Array<'_>) {
        for (start, number) in self.history.iter().zip(self.numbers()) {
            list.object(|out| {
                out.number("start", number.into());
                out.maybe_text("slot", self.name_in(start));
                out.text("outcome", start.outcome.name());
                out.text("stage", start.stage.name());
                out.text("cause", start.cause.name());
            });
        }
    }

    /// One line for each of the last attempts, the newest first.
    #[must_use]
    pub fn history_lines(&self) -> Vec<String> {
        let both = self.history.iter().zip(self.numbers());
        both.map(|(start, number)| {
            let slot = self.name_in(start).unwrap_or(match start.cause {
                Cause::Recovery => "(recovery)",
                _ => "(unknown)",
            });
            let [outcome, stage] = [start.outcome.name(), start.stage.name()];
            format!("{number:>6}  {slot:<20}  {outcome:<13}  {stage:<11}  {}", start.cause.name())
        })
        .collect()
    }

    fn name_in(&self, start: &Start) -> Option<&str> {
        self.list.get(usize::from(start.slot?)).map(|slot| slot.name.as_str())
    }

    /// Numbers of the starts in the history.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        let newest = self.counters.starts;
        (0..).map(move |age: u32| newest.saturating_sub(age))
    }
}
