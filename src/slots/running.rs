//! Which slot the system that asks is of: known only as far as somebody wrote it down.

use super::{Cause, Outcome, Slot, Slots};
use crate::base::digest::Digest;

/// Words of a command line that name the slot of the system that has it.
const WORDS: [&str; 2] = ["rauc.slot=", "turnout.slot="];

/// The start of the kernel that is running.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThisBoot {
    /// Its command line.
    pub cmdline: String,
    /// The first bytes of the SHA-256 of its boot id; zeros where it has none.
    pub id: [u8; 8],
}

impl ThisBoot {
    /// From /proc/cmdline and /proc/sys/kernel/random/boot_id; empty for what there is
    /// not.
    #[must_use]
    pub fn new(cmdline: &str, boot_id: &str) -> Self {
        let Digest(digest) = Digest::of(boot_id.as_bytes());
        let id = digest.first_chunk().copied().filter(|_| !boot_id.is_empty());
        Self { cmdline: cmdline.to_owned(), id: id.unwrap_or_default() }
    }
}

impl Slots {
    /// The slot that is running: the one that the command line names, or that of the
    /// attempt which nobody has confirmed yet, or the one that was confirmed in this very
    /// start.
    ///
    /// What was confirmed before says nothing: a start that is not counted leaves that
    /// alone.
    #[must_use]
    pub fn running(&self, this: &ThisBoot) -> Option<&Slot> {
        if let Some(named) = self.named(this) {
            return Some(named);
        }
        if let Some(attempt) = &self.attempt {
            return self.slot_of(attempt);
        }
        let is_this = this.id != [0; 8] && self.counters.blessed == this.id;
        let last = self.history.first().filter(|start| is_this && is_good(start.outcome))?;
        self.list.get(usize::from(last.slot?))
    }

    /// The slot that the command line names, where there is one of this name.
    fn named(&self, this: &ThisBoot) -> Option<&Slot> {
        let words = this.cmdline.split_ascii_whitespace();
        let names = words.filter_map(|word| WORDS.iter().find_map(|key| word.strip_prefix(key)));
        // As the kernel has it, the last one counts.
        names.filter_map(|name| self.get(name)).next_back()
    }

    /// Whether the start that waits for a confirmation is of another system than the one
    /// that is running: the names of this one's slot and of the other's, which is empty for
    /// a recovery system.
    #[must_use]
    pub fn is_of_another(&self, this: &ThisBoot) -> Option<[&str; 2]> {
        let named = self.named(this)?;
        let attempt = self.attempt.as_ref()?;
        match self.slot_of(attempt) {
            Some(slot) if slot.name == named.name => None,
            Some(slot) => Some([&named.name, &slot.name]),
            None if attempt.cause == Cause::Recovery => Some([&named.name, ""]),
            // Something is being installed into it since.
            None => None,
        }
    }
}

fn is_good(outcome: Outcome) -> bool {
    outcome == Outcome::Confirmed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Stage;
    use crate::slots::rules::{Count, Rules, Target};

    const RULES: Rules = Rules { count: Count::Unconfirmed, tries: 3, is_declared: true };

    /// A is good, B is not, and waits for its confirmation.
    fn waiting() -> Slots {
        let mut slots = Slots::default();
        slots.declare(["A", "B"].into_iter(), 3);
        slots.mark_good("A").unwrap();
        start(&mut slots, "B", Cause::Order);
        slots
    }

    fn start(slots: &mut Slots, name: &str, cause: Cause) {
        slots.settle(false);
        let slot = Some(name).filter(|_| cause != Cause::Recovery);
        let target = Target { slot, entry: "os", named_tries: None, cause, stage: Stage::Mounting };
        slots.begin(&target, &RULES);
        slots.jump(&target, None, &RULES);
    }

    fn name<'a>(slots: &'a Slots, cmdline: &str, boot_id: &str) -> Option<&'a str> {
        slots.running(&ThisBoot::new(cmdline, boot_id)).map(|slot| slot.name.as_str())
    }

    #[test]
    fn what_is_open_or_was_confirmed_in_this_start_is_running() {
        let mut slots = waiting();
        assert_eq!(name(&slots, "quiet", "one"), Some("B"));
        slots.bless().unwrap();
        assert_eq!(name(&slots, "quiet", "one"), None, "nobody wrote down when that was");
        slots.counters.blessed = ThisBoot::new("", "one").id;
        assert_eq!(name(&slots, "quiet", "one"), Some("B"));
    }

    #[test]
    fn after_a_start_that_is_not_counted_nothing_is_known() {
        let mut slots = waiting();
        slots.bless().unwrap();
        slots.counters.blessed = ThisBoot::new("", "one").id;
        start(&mut slots, "A", Cause::Hand);
        assert_eq!(slots.attempt, None, "it was good");
        assert_eq!(name(&slots, "quiet", "two"), None);
        assert_eq!(name(&slots, "rauc.slot=A quiet", "two"), Some("A"));
    }

    #[test]
    fn without_a_boot_id_no_start_is_this_one() {
        let mut slots = waiting();
        slots.bless().unwrap();
        assert_eq!((slots.counters.blessed, name(&slots, "", "")), ([0; 8], None));
    }

    #[test]
    fn the_command_line_counts_before_what_was_written_down() {
        let slots = waiting();
        assert_eq!(name(&slots, "root=x rauc.slot=A quiet", "one"), Some("A"));
        assert_eq!(name(&slots, "turnout.slot=A", "one"), Some("A"));
        assert_eq!(name(&slots, "rauc.slot=C my.rauc.slot=A", "one"), Some("B"), "none of ours");
    }

    #[test]
    fn a_start_of_another_system_is_told_from_this_one_s() {
        let mut slots = waiting();
        let is_other = |slots: &Slots, cmdline| {
            let this = ThisBoot::new(cmdline, "one");
            slots.is_of_another(&this).map(|names| names.map(str::to_owned))
        };
        assert_eq!(is_other(&slots, "rauc.slot=A"), Some(["A", "B"].map(str::to_owned)));
        assert_eq!(is_other(&slots, "rauc.slot=B"), None);
        assert_eq!(is_other(&slots, "quiet"), None);
        start(&mut slots, "", Cause::Recovery);
        assert_eq!(is_other(&slots, "rauc.slot=A"), Some(["A", ""].map(str::to_owned)));
        start(&mut slots, "B", Cause::Order);
        slots.install("B", false).unwrap();
        assert_eq!(is_other(&slots, "rauc.slot=B"), None, "of no slot any more");
    }
}
