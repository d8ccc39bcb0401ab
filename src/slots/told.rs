//! What the system that is started is told of its slot: in places of the signed command
//! line, and in `/turnout/state.json`.

use super::rules::{Count, Rules};
use super::{Attempt, Cause, MAX_TRIES, Slots, name_of};
use crate::base::digest::Digest;

/// A start of an entry, as far as its slot's tries go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start<'a> {
    /// Name of its slot.
    pub slot: &'a str,
    /// Tries that the entry's file name gives it; none where it has no counter.
    pub named_tries: Option<u8>,
    /// SHA-256 of its manifest; none where nothing is signed.
    pub manifest: Option<Digest>,
}

impl Slots {
    /// Tries that are left to a slot once this start of it was counted; none where nobody
    /// counts its tries.
    #[must_use]
    pub fn tries_in(&self, start: &Start<'_>, rules: &Rules) -> Option<u8> {
        if rules.count == Count::Off {
            return None;
        }
        let Some(number) = self.find(&name_of(start.slot)) else {
            return tries_of_unknown(start.named_tries, rules);
        };
        let slot = self.list.get(number)?;
        let is_open = |attempt: &Attempt| attempt.slot.map(usize::from) == Some(number);
        let is_counted = self.attempt.as_ref().is_some_and(is_open);
        // The jump makes it doubtful ([`Slots::jump`]).
        let is_replaced = slot.confirmed && slot.jumped.is_some() && slot.jumped != start.manifest;
        Some(match slot.confirmed {
            true if is_replaced => slot.most.saturating_sub(1),
            true => slot.left,
            false if is_counted => slot.left,
            false => slot.left.saturating_sub(1),
        })
    }
}

impl Slots {
    /// What was started last, but for what was to be started once and recovery systems:
    /// the name of its slot.
    #[must_use]
    pub fn last_started(&self) -> Option<&str> {
        let stays = |cause: Cause| !matches!(cause, Cause::Once | Cause::Recovery);
        let mut starts = self.history.iter().filter(|start| stays(start.cause));
        let slot = starts.find_map(|start| start.slot)?;
        self.list.get(usize::from(slot)).map(|slot| slot.name.as_str())
    }
}

/// Of a slot that its first start makes.
fn tries_of_unknown(named: Option<u8>, rules: &Rules) -> Option<u8> {
    match named {
        _ if rules.is_declared => None,
        Some(named) => Some(named.min(MAX_TRIES).saturating_sub(1)),
        None if rules.count == Count::All => Some(rules.tries),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::rules::Target;
    use crate::slots::{Slot, Stage};

    const fn rules(count: Count, is_declared: bool) -> Rules {
        Rules { count, tries: 3, is_declared }
    }

    const fn start(slot: &str, named_tries: Option<u8>) -> Start<'_> {
        Start { slot, named_tries, manifest: None }
    }

    const fn target<'a>(slot: &'a str, named_tries: Option<u8>, cause: Cause) -> Target<'a> {
        Target { slot: Some(slot), entry: slot, named_tries, cause, stage: Stage::Mounting }
    }

    /// What is told before anything was begun, what once it was, and what is kept then.
    fn both(mut slots: Slots, named: Option<u8>, rules: &Rules) -> [Option<u8>; 3] {
        let before = slots.tries_in(&start("a", named), rules);
        slots.begin(&target("a", named, Cause::Order), rules);
        let after = slots.tries_in(&start("a", named), rules);
        [before, after, slots.get("a").map(|slot| slot.left)]
    }

    #[test]
    fn what_is_told_is_what_is_left_once_this_start_was_counted() {
        let declared = |slot: Slot| Slots { list: vec![slot], ..Slots::default() };
        let good = Slot { good_once: true, confirmed: true, ..Slot::new("a", 3) };
        let all = rules(Count::All, true);
        assert_eq!(both(declared(Slot::new("a", 3)), None, &all), [Some(2); 3]);
        assert_eq!(both(declared(good), None, &all), [Some(3); 3]);
        let exhausted = Slot { left: 0, ..Slot::new("a", 3) };
        assert_eq!(both(declared(exhausted), None, &all), [Some(0); 3]);
    }

    #[test]
    fn an_entry_without_a_slot_yet_is_told_what_its_first_start_leaves() {
        for (count, named, told) in [
            (Count::Unconfirmed, Some(3), Some(2)),
            (Count::Unconfirmed, Some(0), Some(0)),
            (Count::Unconfirmed, Some(255), Some(98)),
            (Count::Unconfirmed, None, None),
            (Count::All, None, Some(3)),
            (Count::All, Some(2), Some(1)),
        ] {
            assert_eq!(both(Slots::default(), named, &rules(count, false)), [told; 3], "{named:?}");
        }
        assert_eq!(
            Slots::default().tries_in(&start("a", Some(3)), &rules(Count::Off, false)),
            None
        );
        assert_eq!(Slots::default().tries_in(&start("a", Some(3)), &rules(Count::All, true)), None);
    }

    #[test]
    fn a_good_slot_with_another_system_than_the_confirmed_one_is_told_what_the_jump_leaves() {
        let [old, new] = [Digest([1; 32]), Digest([2; 32])];
        let good =
            Slot { good_once: true, confirmed: true, jumped: Some(old), ..Slot::new("a", 3) };
        for (manifest, told) in [(old, 3), (new, 2)] {
            let mut slots = Slots { list: vec![good.clone()], ..Slots::default() };
            let all = rules(Count::All, true);
            slots.begin(&target("a", None, Cause::Order), &all);
            let start = Start { manifest: Some(manifest), ..start("a", None) };
            assert_eq!(slots.tries_in(&start, &all), Some(told));
            slots.jump(&target("a", None, Cause::Order), Some(manifest), &all);
            assert_eq!(slots.list[0].left, told);
        }
    }

    /// A start of the slot `a` with this entry that is confirmed; how often it was written
    /// down before the jump.
    fn start_well(slots: &mut Slots, entry: &str) -> usize {
        let all = rules(Count::All, true);
        assert_eq!(slots.settle(false), None);
        let mut states = vec![slots.clone()];
        slots.begin(&Target { entry: "", ..target("a", None, Cause::Order) }, &all);
        states.push(slots.clone());
        slots.enter(entry);
        slots.reach(Stage::Reading, None);
        states.push(slots.clone());
        slots.jump(&Target { entry, ..target("a", None, Cause::Order) }, None, &all);
        states.push(slots.clone());
        slots.bless().unwrap();
        states.windows(2).filter(|both| both[0] != both[1]).count()
    }

    #[test]
    fn a_good_system_s_starts_make_a_row_though_each_writes_but_once_before_its_jump() {
        let mut slots = Slots { list: vec![Slot::new("a", 3)], ..Slots::default() };
        start_well(&mut slots, "e");
        assert!(!slots.is_instant("e", 2));
        assert_eq!([start_well(&mut slots, "e"), start_well(&mut slots, "e")], [1, 1]);
        assert!(slots.is_instant("e", 3) && !slots.is_instant("e", 4) && !slots.is_instant("f", 3));
        assert_eq!(start_well(&mut slots, "f"), 2, "another default is written down");
        assert!(!slots.is_instant("e", 1) && slots.is_instant("f", 1) && !slots.is_instant("f", 2));
        assert_eq!(start_well(&mut slots, "f"), 1);
        assert!(slots.is_instant("f", 2));
    }

    #[test]
    fn what_was_started_once_or_to_recover_is_not_what_was_started_last() {
        let all = rules(Count::All, false);
        let mut slots = Slots::default();
        assert_eq!(slots.last_started(), None);
        for (name, cause) in [("a", Cause::Hand), ("b", Cause::Once)] {
            slots.begin(&target(name, None, cause), &all);
            slots.bless().unwrap();
        }
        slots.begin(&Target { slot: None, ..target("r", None, Cause::Recovery) }, &all);
        assert_eq!(slots.last_started(), Some("a"));
    }
}
