//! `turnout slot` and `turnout history`: the slots of the machine and its last starts,
//! as the state area has them, and what the running system changes of the slots.
//!
//! Each verb is one write. Nothing here says what may boot: only in which order what may
//! boot is tried (`docs/survive.md`).

use super::arguments::Act;
use super::came_up::{self, Looked};
use super::store::{self, Held};
use crate::base::json;
use crate::base::similar::similar;
use crate::base::text::{columns, printable, quoted};
use crate::failure::{Failure, Stage};
use crate::rollback::store::Fault;
use crate::slots::verbs::Refusal;
use crate::slots::{Slot, Slots};
use crate::source::StateDevice;

/// Gives what is to be printed.
pub(super) fn run(act: &Act, device: &StateDevice, json: bool) -> Result<String, Failure> {
    if *act == Act::List {
        let held = store::read(device)?;
        return Ok(if json { in_json(&held) } else { list(&held.state.slots) });
    }
    let this = store::this_boot();
    let changed = store::change(device, |state| {
        store::of_slots(state, &this, |slots| obey(slots, act).map_err(refused))
    })?;
    let held = Held { device: changed.device, state: changed.state };
    Ok(if json { in_json(&held) } else { changed.outcome })
}

/// Gives what is to be printed of the last starts, and of the jumps from running systems.
/// A machine without a state area may have jumps all the same.
pub(super) fn history(device: &StateDevice, json: bool) -> Result<String, Failure> {
    let held = store::read_if_there(device)?;
    let jumps = came_up::look();
    if held.is_none() && !jumps.has_any() {
        return Err(Failure::new(Stage::Discover, Fault::NoPartition));
    }
    Ok(if json { history_in_json(held.as_ref(), &jumps) } else { all(held.as_ref(), &jumps) })
}

fn history_in_json(held: Option<&Held>, jumps: &Looked) -> String {
    json::object(|out| {
        out.maybe_text("device", held.map(|held| held.device.as_str()));
        out.array("history", |list| {
            held.iter().for_each(|held| held.state.slots.write_history(list));
        });
        out.array("jumps", |list| jumps.write_list(list));
    })
}

/// The starts, then the jumps, the newest first.
fn all(held: Option<&Held>, jumps: &Looked) -> String {
    let starts = held.map(|held| held.state.slots.history_lines()).unwrap_or_default();
    let starts = starts.iter().map(|line| printable(line).into_owned());
    let lines: Vec<String> = starts.chain(jumps.lines()).collect();
    match lines.as_slice() {
        [] => "no start was counted yet".to_owned(),
        lines => lines.join("\n"),
    }
}

/// Does it; gives the sentence that says so.
fn obey(slots: &mut Slots, act: &Act) -> Result<String, Refusal> {
    let name = match act {
        Act::List => return Ok(String::new()),
        Act::SetPrimary(name) => slots.set_primary(name).map(|()| name),
        Act::MarkGood(name) => slots.mark_good(name).map(|()| name),
        Act::MarkBad(name, insists) => slots.mark_bad(name, *insists).map(|()| name),
        Act::Install(name, insists) => slots.install(name, *insists).map(|()| name),
    }?;
    let slot = slots.get(name);
    Ok(slot.map(|slot| said(act, slot)).unwrap_or_default())
}

fn said(act: &Act, slot: &Slot) -> String {
    let name = printable(&slot.name);
    match act {
        Act::SetPrimary(_) if slot.confirmed => format!("{name} is tried first from now on"),
        Act::SetPrimary(_) => {
            let tries = if slot.left == 1 { "one try" } else { &format!("{} tries", slot.left) };
            format!("{name} is tried first from now on, with {tries} until it is confirmed")
        }
        Act::Install(..) => {
            format!("{name} is empty: nobody tries it before \"turnout slot set-primary\" names it")
        }
        Act::MarkBad(..) if slot.good_once => {
            format!("{name} is bad: it is tried, once, where nothing else boots")
        }
        Act::MarkBad(..) => format!("{name} is bad: nobody tries it"),
        Act::MarkGood(_) | Act::List => format!("{name} is good"),
    }
}

/// A refusal, with what to do about it.
pub(super) fn refused(refusal: Refusal) -> Failure {
    let advice = match &refusal {
        Refusal::Unknown(name, names) => {
            let near = similar(name, names.iter().map(String::as_str));
            near.first().map(|near| format!("; did you mean {}?", quoted(near)))
        }
        Refusal::LastGood(_) => Some(" (--force does it all the same)".to_owned()),
        _ => None,
    };
    Failure::new(Stage::Discover, format!("{refusal}{}", advice.unwrap_or_default()))
}

/// A refusal as a command says it that cannot insist.
pub(super) fn refused_for_good(refusal: &Refusal) -> String {
    let advice = match refusal {
        Refusal::LastGood(_) => " (turnout slot install and set-state do it with --force)",
        _ => "",
    };
    format!("{refusal}{advice}")
}

fn in_json(held: &Held) -> String {
    json::object(|out| {
        out.text("device", &held.device);
        held.state.slots.write_json(out);
    })
}

/// Every slot with its state, and what is to be tried before all of them.
fn list(slots: &Slots) -> String {
    if slots.list.is_empty() {
        return "there is no slot yet: a start makes them, where the image declares slots or the \
                name of an entry counts"
            .to_owned();
    }
    let primary = slots.primary().map(usize::from);
    let mut lines = lines(slots, primary);
    if primary.is_some() {
        lines.push("* is tried first.".to_owned());
    }
    let once = slots.once.as_deref();
    lines.extend(once.map(|once| format!("{} is tried before that, once.", printable(once))));
    lines.join("\n")
}

/// A line for each slot, those with a star first.
fn lines(slots: &Slots, primary: Option<usize>) -> Vec<String> {
    let names = slots.list.iter().map(|slot| columns(&printable(&slot.name)));
    let width = names.chain(["SLOT".len()]).max().unwrap_or_default();
    let lines = slots.list.iter().enumerate().map(|(number, slot)| {
        let star = if Some(number) == primary { '*' } else { ' ' };
        let name = printable(&slot.name);
        let state = slot.state_in_words();
        let last = slot.last.name();
        let line = format!("{star} {name:<width$}  {state:<32} {last}");
        line.trim_end().to_owned()
    });
    let head = format!("  {:<width$}  {:<32} LAST", "SLOT", "STATE");
    core::iter::once(head).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::State;
    use crate::slots::Outcome;

    fn two() -> Slots {
        let mut slots = Slots::default();
        slots.declare(["A", "system-b"].into_iter(), 3);
        slots.mark_good("A").unwrap();
        slots
    }

    fn name(name: &str) -> String {
        name.to_owned()
    }

    #[test]
    fn every_slot_has_a_line_and_the_first_one_a_star() {
        let mut slots = two();
        let said = "  SLOT      STATE                            LAST
* A         good                             confirmed
  system-b  unconfirmed, 3 of 3 tries left   open
* is tried first.";
        assert_eq!(list(&slots), said);
        slots.once = Some("system-b".to_owned());
        assert!(list(&slots).ends_with("\nsystem-b is tried before that, once."));
        assert!(list(&Slots::default()).starts_with("there is no slot yet: a start makes them"));
    }

    #[test]
    fn a_slot_that_is_tried_no_more_says_so_and_has_no_star() {
        let mut slots = two();
        slots.list.iter_mut().for_each(|slot| {
            slot.confirmed = false;
            slot.left = 0;
        });
        assert!(list(&slots).contains("\n* A         exhausted, 0 of 3 tries left "));
        slots.list[0].last_resort = true;
        let said = "  SLOT      STATE                            LAST
  A         exhausted, last resort used      confirmed
  system-b  exhausted, 0 of 3 tries left     open";
        assert_eq!(list(&slots), said);
    }

    #[test]
    fn each_verb_says_what_it_has_done() {
        let mut slots = two();
        let mut said = |act: Act| obey(&mut slots, &act).unwrap();
        assert_eq!(
            said(Act::Install(name("system-b"), false)),
            "system-b is empty: nobody tries it before \"turnout slot set-primary\" names it"
        );
        assert_eq!(
            said(Act::SetPrimary(name("system-b"))),
            "system-b is tried first from now on, with 3 tries until it is confirmed"
        );
        assert_eq!(said(Act::MarkBad(name("system-b"), false)), "system-b is bad: nobody tries it");
        assert_eq!(said(Act::MarkGood(name("system-b"))), "system-b is good");
        assert_eq!(said(Act::SetPrimary(name("system-b"))), "system-b is tried first from now on");
        assert_eq!(
            said(Act::MarkBad(name("A"), false)),
            "A is bad: it is tried, once, where nothing else boots"
        );
        assert_eq!(slots.get("A").unwrap().standing(), "bad");
        assert_eq!(slots.primary(), Some(1));
    }

    #[test]
    fn the_last_good_slot_goes_only_where_somebody_insists() {
        for act in [Act::MarkBad, Act::Install] {
            let mut slots = two();
            let failure = obey(&mut slots, &act(name("A"), false)).map_err(refused).unwrap_err();
            assert_eq!(
                failure.sentence(),
                "\"A\" is the only slot that was ever good: without it nothing is left to fall \
                 back to (--force does it all the same)"
            );
            assert_eq!((failure.exit_status(), &slots), (3, &two()));
            obey(&mut slots, &act(name("A"), true)).unwrap();
            assert_ne!(slots, two());
        }
    }

    #[test]
    fn a_slot_that_is_not_there_is_answered_with_those_that_are() {
        let failure = obey(&mut two(), &Act::SetPrimary(name("sistem-b"))).map_err(refused);
        assert_eq!(
            failure.unwrap_err().sentence(),
            "there is no slot \"sistem-b\": there are A, system-b; did you mean \"system-b\"?"
        );
        let failure = obey(&mut Slots::default(), &Act::SetPrimary(name("A"))).map_err(refused);
        let said = failure.unwrap_err().sentence();
        assert!(said.starts_with("there is no slot \"A\", nor any other yet"), "{said}");
    }

    #[test]
    fn slots_are_shown_whole_as_json() {
        let state = State { slots: two(), ..State::default() };
        let held = Held { device: "/dev/sda3".to_owned(), state };
        let read: serde_json::Value = serde_json::from_str(&in_json(&held)).unwrap();
        assert_eq!(read["device"], "/dev/sda3");
        assert_eq!(read["primary"], "A");
        assert_eq!(read["slots"][1]["standing"], "unconfirmed");
        assert_eq!(read["slots"][1]["last"], Outcome::Open.name());
    }
}
