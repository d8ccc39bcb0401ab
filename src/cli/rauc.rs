//! `turnout-rauc`: the custom boot loader back end of RAUC, by the five verbs that its
//! documentation (Integration, "Custom") gives one; slots go by their `bootname`.
//!
//! RAUC marks a slot bad before it writes into it, and makes it the primary afterwards:
//! what is not running counts as being installed into from the one to the other, so that
//! half of a system is never tried. What is running is only marked.

use super::answer::Answer;
use super::slot::refused_for_good;
use super::{Misused, settings, store};
use crate::base::text::quoted;
use crate::failure::{Failure, Stage};
use crate::slots::running::ThisBoot;
use crate::slots::verbs::Refusal;
use crate::slots::{Slot, Slots};

/// What RAUC asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verb {
    /// Which slot is tried first.
    GetPrimary,
    /// Try this one first.
    SetPrimary(String),
    /// Whether this one can boot.
    GetState(String),
    /// This one can.
    SetGood(String),
    /// This one cannot, or is about to be replaced.
    SetBad(String),
    /// Which one is running.
    GetCurrent,
}

/// What there is.
const USAGE: &str = "turnout-rauc get-primary | set-primary NAME | get-state NAME | \
                                set-state NAME good|bad | get-current";

/// Does what RAUC asks for.
pub(super) fn run(words: &[String]) -> Result<Answer, Misused> {
    let verb = Verb::parse(words).map_err(Misused::Words)?;
    let device = settings::state_device(None)?;
    let this = store::this_boot();
    let text = store::change_slots(&device, &this, |slots| obey(&verb, slots, &this))?;
    Ok(Answer::from(text))
}

impl Verb {
    /// Reads the words behind the program's name.
    ///
    /// # Errors
    /// They are no verb of RAUC's.
    fn parse(words: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match words.as_slice() {
            ["get-primary"] => Self::GetPrimary,
            ["get-current"] => Self::GetCurrent,
            ["set-primary", name] => Self::SetPrimary((*name).to_owned()),
            ["get-state", name] => Self::GetState((*name).to_owned()),
            ["set-state", name, "good"] => Self::SetGood((*name).to_owned()),
            ["set-state", name, "bad"] => Self::SetBad((*name).to_owned()),
            ["set-state", _, state] => {
                return Err(format!("{} is no state: good or bad", quoted(state)));
            }
            _ => return Err(format!("{} is no call of RAUC's: {USAGE}", quoted(&words.join(" ")))),
        })
    }
}

/// Answers a verb: what is to be printed. The slots are to be written if they have
/// changed.
///
/// # Errors
/// No such slot, nothing that could be said, or the last good one would be lost.
fn obey(verb: &Verb, slots: &mut Slots, this: &ThisBoot) -> Result<String, Failure> {
    match verb {
        Verb::GetPrimary => primary(slots),
        Verb::GetCurrent => running(slots, this),
        Verb::GetState(name) => state(slots, name, this).map_err(refused),
        Verb::SetPrimary(name) => done(slots.set_primary(name)),
        Verb::SetGood(name) => done(slots.mark_good(name)),
        Verb::SetBad(name) => {
            let running = running(slots, this)?;
            done(set_bad(slots, name, &running))
        }
    }
}

fn done(result: Result<(), Refusal>) -> Result<String, Failure> {
    result.map(|()| String::new()).map_err(refused)
}

fn refused(refusal: Refusal) -> Failure {
    Failure::new(Stage::Discover, refused_for_good(&refusal))
}

fn primary(slots: &Slots) -> Result<String, Failure> {
    let slot = slots.primary().and_then(|number| slots.list.get(usize::from(number)));
    let slot = slot.ok_or_else(|| {
        Failure::new(Stage::Discover, "no slot is there that can boot: see turnout slot list")
    })?;
    Ok(slot.name.clone())
}

/// Whether it may be tried, and has tries left if it needs them.
pub(super) const fn can_boot(slot: &Slot) -> bool {
    slot.is_usable() && !slot.bad && (slot.confirmed || slot.left > 0)
}

/// The name of the slot that is running.
///
/// # Errors
/// It is not known: what is running could be taken for another one, and overwritten.
fn running(slots: &Slots, this: &ThisBoot) -> Result<String, Failure> {
    let slot = slots.running(this).ok_or_else(|| {
        Failure::new(
            Stage::Discover,
            "it is not known which slot is running: this start was of none, or was not counted; \
             put rauc.slot=${name} into the signed command line (docs/updaters.md)",
        )
    })?;
    Ok(slot.name.clone())
}

fn state(slots: &Slots, name: &str, this: &ThisBoot) -> Result<String, Refusal> {
    let slot = slots.get(name).ok_or_else(|| {
        let names = slots.list.iter().map(|slot| slot.name.clone()).collect();
        Refusal::Unknown(name.to_owned(), names)
    })?;
    let runs = slots.running(this).is_some_and(|running| running.name == name);
    Ok(if can_boot(slot) || (runs && !slot.bad) { "good" } else { "bad" }.to_owned())
}

fn set_bad(slots: &mut Slots, name: &str, running: &str) -> Result<(), Refusal> {
    if running == name { slots.mark_bad(name, false) } else { slots.install(name, false) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::State;
    use crate::slots::rules::{Count, Rules, Target};
    use crate::slots::{Cause, Stage as Reached};

    const RULES: Rules = Rules { count: Count::All, tries: 2, is_declared: true };

    fn machine() -> Slots {
        let mut slots = Slots::default();
        slots.declare(["system0", "system1"].into_iter(), 2);
        start(&mut slots, "system0");
        slots
    }

    fn start(slots: &mut Slots, name: &str) {
        slots.settle(false);
        let target = Target {
            slot: Some(name),
            entry: "os",
            named_tries: None,
            cause: Cause::Order,
            stage: Reached::Mounting,
        };
        slots.begin(&target, &RULES);
        slots.jump(&target, None, &RULES);
    }

    /// In a start whose command line says nothing.
    fn call(slots: &mut Slots, words: &str) -> String {
        call_in(&ThisBoot::new("quiet", "one"), slots, words)
    }

    fn call_in(this: &ThisBoot, slots: &mut Slots, words: &str) -> String {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        match Verb::parse(&words) {
            Ok(verb) => change(this, slots, &verb).unwrap_or_else(|failure| failure.sentence()),
            Err(what) => what,
        }
    }

    /// As the command does it: what is refused changes nothing.
    fn change(this: &ThisBoot, slots: &mut Slots, verb: &Verb) -> Result<String, Failure> {
        let mut state = State { slots: slots.clone(), ..State::default() };
        let text = store::of_slots(&mut state, this, |slots| obey(verb, slots, this))?;
        *slots = state.slots;
        Ok(text)
    }

    #[test]
    fn after_a_start_that_was_not_counted_only_the_command_line_tells_the_slot() {
        let unconfirmed = Rules { count: Count::Unconfirmed, ..RULES };
        let mut slots = machine();
        let this = ThisBoot::new("quiet", "one");
        call_in(&this, &mut slots, "set-state system0 good");
        call_in(&this, &mut slots, "set-primary system1");
        slots.mark_good("system1").unwrap();
        assert_eq!(call_in(&this, &mut slots, "get-current"), "system0");
        // A good slot's start, that of the other one, which writes nothing.
        let target = Target {
            slot: Some("system1"),
            entry: "os",
            named_tries: None,
            cause: Cause::Order,
            stage: Reached::Mounting,
        };
        slots.begin(&target, &unconfirmed);
        assert_eq!(slots.attempt, None);
        let next = ThisBoot::new("quiet", "two");
        let before = slots.clone();
        for words in ["get-current", "set-state system1 bad", "set-state system0 bad"] {
            let said = call_in(&next, &mut slots, words);
            assert!(said.starts_with("it is not known which slot is running: "), "{said}");
            assert!(said.contains("put rauc.slot=${name} into the signed command line"), "{said}");
            assert_eq!(slots, before);
        }
        let named = ThisBoot::new("quiet rauc.slot=system1", "two");
        assert_eq!(call_in(&named, &mut slots, "get-current"), "system1");
        assert_eq!(call_in(&named, &mut slots, "set-state system0 bad"), "");
        assert!(slots.get("system0").unwrap().empty && !slots.get("system1").unwrap().empty);
    }

    #[test]
    fn an_update_that_works_is_the_primary_and_good() {
        let mut slots = machine();
        assert_eq!(call(&mut slots, "get-current"), "system0");
        assert_eq!(call(&mut slots, "set-state system0 good"), "");
        assert_eq!(call(&mut slots, "get-current"), "system0");
        assert_eq!(call(&mut slots, "set-state system1 bad"), "");
        assert_eq!(call(&mut slots, "get-state system1"), "bad");
        assert_eq!(slots.order(&RULES), ["system0"], "half of it may be there");
        assert_eq!(call(&mut slots, "set-primary system1"), "");
        assert_eq!(call(&mut slots, "get-primary"), "system1");
        assert_eq!(call(&mut slots, "get-state system1"), "good");
        start(&mut slots, "system1");
        assert_eq!(call(&mut slots, "get-current"), "system1");
        assert_eq!(call(&mut slots, "set-state system1 good"), "");
        assert!(slots.get("system1").unwrap().confirmed);
        assert_eq!(call(&mut slots, "get-state system0"), "good");
    }

    #[test]
    fn an_update_that_fails_is_bad_once_its_tries_are_spent() {
        let mut slots = machine();
        call(&mut slots, "set-state system0 good");
        call(&mut slots, "set-state system1 bad");
        call(&mut slots, "set-primary system1");
        for _ in 0..2 {
            assert_eq!(slots.order(&RULES).first(), Some(&"system1"));
            start(&mut slots, "system1");
            assert_eq!(call(&mut slots, "get-state system1"), "good", "it is running");
        }
        slots.settle(false);
        assert_eq!(slots.order(&RULES), ["system0"]);
        start(&mut slots, "system0");
        assert_eq!(call(&mut slots, "get-state system1"), "bad");
        assert_eq!(call(&mut slots, "get-primary"), "system0", "whatever the priorities say");
        assert_eq!(call(&mut slots, "get-current"), "system0");
    }

    #[test]
    fn what_is_the_last_good_is_not_installed_into() {
        let mut slots = machine();
        call(&mut slots, "set-state system0 good");
        call(&mut slots, "set-primary system1");
        start(&mut slots, "system1");
        let refused = call(&mut slots, "set-state system0 bad");
        assert_eq!(
            refused,
            "\"system0\" is the only slot that was ever good: without it nothing is left to fall \
             back to (turnout slot install and set-state do it with --force)"
        );
        call(&mut slots, "set-state system1 good");
        assert_eq!(call(&mut slots, "set-state system0 bad"), "");
    }

    #[test]
    fn the_running_system_that_is_bad_is_kept_for_want_of_a_better() {
        let mut slots = machine();
        call(&mut slots, "set-state system0 good");
        call(&mut slots, "set-state system1 good");
        assert_eq!(call(&mut slots, "set-state system0 bad"), "");
        assert_eq!(call(&mut slots, "get-state system0"), "bad");
        assert_eq!(slots.order(&RULES), ["system1", "system0"]);
    }

    #[test]
    fn anything_else_is_refused_and_changes_nothing() {
        let mut slots = machine();
        let before = slots.clone();
        for (words, reason) in [
            ("get-state A", "there is no slot \"A\": there are system0, system1"),
            ("set-primary A", "there is no slot \"A\": there are system0, system1"),
            ("set-state A bad", "there is no slot \"A\": there are system0, system1"),
            ("set-state system0 fine", "\"fine\" is no state: good or bad"),
            ("get-primary now", "\"get-primary now\" is no call of RAUC's: turnout-rauc get-"),
        ] {
            let said = call(&mut slots, words);
            assert!(said.starts_with(reason), "{words}: {said}");
        }
        assert_eq!(slots, before);
        let said = call(&mut Slots::default(), "get-primary");
        assert_eq!(said, "no slot is there that can boot: see turnout slot list");
        let said = call(&mut Slots::default(), "get-current");
        assert!(said.starts_with("it is not known which slot is running: "), "{said}");
    }
}
