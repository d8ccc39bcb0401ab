//! `turnout bless`: the running system says that it works.
//!
//! It confirms what PID 1 wrote down before it jumped here, and nothing else, in one
//! write: the attempt, so that its slot is good, and the trial, so that the floor rises to
//! that system's version at the next start. It raises no floor itself and never makes a
//! state area (`docs/rollback.md`, `docs/survive.md`). Of a system that `turnout boot` asked
//! for it writes down too how it came up, and takes back what the firmware was told for the
//! case that it would not (`docs/fast-reboot.md`); nothing else is asked of the firmware.

use crate::base::json::{self, Object};
use crate::base::text::printable;
use crate::failure::{Failure, Stage};
use crate::host::arrival::{Arrival, Found};
use crate::rollback::store::{Fault, confirm};
use crate::rollback::{State, System, Trial};
use crate::slots::running::ThisBoot;
use crate::slots::verbs::Confirmed;
use crate::source::StateDevice;

use super::boot;
use super::came_up;
use super::store::{self, Changed};

/// What a confirmation has done.
#[derive(Debug, PartialEq, Eq)]
struct Blessed {
    /// The attempt that was open.
    start: Option<Confirmed>,
    /// The system whose version may become the floor.
    trial: Option<Trial>,
    /// Whether that was not confirmed before.
    is_new: bool,
}

/// What came of it all.
struct Done {
    /// Where there is a state area: its device, and what was confirmed in it.
    area: Option<Changed<Blessed>>,
    /// How this system came up, where a jump to it was asked for; whether that was not
    /// written down before.
    arrival: Option<Arrival>,
    is_new: bool,
    /// What the firmware was told for the case that this system would not come up, and
    /// is not any more.
    taken_back: Option<String>,
}

/// Gives what is to be printed. With `entry` nothing else is confirmed.
pub(super) fn run(
    entry: Option<&str>,
    device: &StateDevice,
    json: bool,
) -> Result<String, Failure> {
    let this = store::this_boot();
    let area = store::change_if_there(device, |state| bless(state, entry, &this))?;
    let jump = came_up::look();
    if area.is_none() {
        only_of(entry, jump.asked.is_some(), jump.found.arrival())?;
    }
    jump.settle()?;
    let taken_back = if jump.asked.is_some() { boot::clear_fallback()? } else { None };
    let is_new = matches!(jump.found, Found::New(_));
    let done = Done { area, arrival: jump.found.arrival().cloned(), is_new, taken_back };
    Ok(if json { json::object(|out| done.write_json(out)) } else { done.text() })
}

/// Without a state area there is only the jump to this system.
///
/// # Errors
/// An entry was named, and nobody asked for a jump, or for one to another entry.
fn only_of(entry: Option<&str>, is_asked: bool, to: Option<&Arrival>) -> Result<(), Failure> {
    match is_asked {
        true => is_of(entry, to.and_then(|arrival| arrival.entry.as_deref())),
        // As the unit does at each start, of a machine that may never have left this way.
        false if entry.is_none() => Ok(()),
        false => Err(Failure::new(Stage::Discover, Fault::NoPartition)),
    }
}

/// Closes the attempt, and confirms the trial.
fn bless(state: &mut State, entry: Option<&str>, this: &ThisBoot) -> Result<Blessed, Failure> {
    if let Some(entry) = entry {
        check(state, entry)?;
    }
    let trial = state.trial.clone();
    let is_new = trial.as_ref().is_some_and(|trial| !trial.confirmed);
    let start = store::of_slots(state, this, |slots| Ok(slots.bless().ok()))?;
    if let Some(confirmed) = confirm(state) {
        *state = confirmed;
    }
    Ok(Blessed { start, trial, is_new })
}

/// Refuses where the last jump was to another entry, as far as that is known: of the start
/// of a good slot, which writes once and before its menu is read, it may not be.
fn check(state: &State, entry: &str) -> Result<(), Failure> {
    let attempt = state.slots.attempt.as_ref().map(|attempt| attempt.entry.as_str());
    is_of(Some(entry), state.trial.as_ref().map(|trial| trial.entry.as_str()).or(attempt))
}

/// # Errors
/// The last jump was to another entry than the one that is to be confirmed.
fn is_of(entry: Option<&str>, last: Option<&str>) -> Result<(), Failure> {
    let Some(entry) = entry else { return Ok(()) };
    match last.filter(|last| !last.is_empty() && *last != entry) {
        Some(last) => Err(Failure::new(
            Stage::Discover,
            format!("the last jump was to {last}, not to {entry}: nothing was confirmed"),
        )),
        None => Ok(()),
    }
}

impl Done {
    fn text(&self) -> String {
        let area = self.area.as_ref().map(|changed| text(&changed.outcome));
        let arrival = self.arrival.as_ref().map(|arrival| {
            let sentence = arrival.sentence();
            format!("this system came up {}", printable(&sentence))
        });
        let taken = self
            .taken_back
            .as_ref()
            .map(|told| format!("the firmware no longer starts {}", printable(told)));
        let lines: Vec<String> = area.into_iter().chain(arrival).chain(taken).collect();
        match lines.as_slice() {
            [] => "nothing to confirm: no jump to this system was asked for".to_owned(),
            lines => lines.join("\n"),
        }
    }

    fn write_json(&self, out: &mut Object<'_>) {
        match &self.area {
            Some(changed) => write_json(&changed.outcome, &changed.device, out),
            None => self.write_without_area(out),
        }
        out.maybe_text("came_up", self.arrival.as_ref().map(|arrival| arrival.how.name()));
        out.maybe_text("fallback", self.taken_back.as_deref());
    }

    fn write_without_area(&self, out: &mut Object<'_>) {
        let result = match (self.is_new || self.taken_back.is_some(), &self.arrival) {
            (true, _) => "confirmed",
            (false, Some(_)) => "already-confirmed",
            (false, None) => "nothing",
        };
        out.text("result", result);
        out.null("device");
        out.maybe_text("entry", self.arrival.as_ref().and_then(|one| one.entry.as_deref()));
        ["role", "security_version", "manifest", "slot"].iter().for_each(|name| out.null(name));
    }
}

fn text(blessed: &Blessed) -> String {
    let trial = blessed.trial.as_ref().map(|trial| match blessed.is_new {
        true => format!("confirmed {}: the floor rises at the next start", named(trial)),
        false => format!("{} was confirmed before", named(trial)),
    });
    let start = blessed.start.as_ref().map(started);
    let lines: Vec<String> = trial.into_iter().chain(start).collect();
    if lines.is_empty() {
        return "nothing to confirm: the system that was booted last is not above the floor, and \
                no start of it waits for a confirmation"
            .to_owned();
    }
    lines.join("\n")
}

fn started(start: &Confirmed) -> String {
    match &start.slot {
        Some(slot) => format!("slot {} is good", printable(slot)),
        None => format!("the start of {} is confirmed", printable(&start.entry)),
    }
}

fn named(trial: &Trial) -> String {
    let entry = printable(&trial.entry);
    let System { role, security_version, .. } = trial.system;
    format!("{entry} (role {}, security version {security_version})", role.name())
}

impl Blessed {
    const fn result(&self) -> &'static str {
        match (self.is_new || self.start.is_some(), &self.trial) {
            (true, _) => "confirmed",
            (false, Some(_)) => "already-confirmed",
            (false, None) => "nothing",
        }
    }

    fn entry(&self) -> Option<&str> {
        let trial = self.trial.as_ref().map(|trial| trial.entry.as_str());
        let start = self.start.as_ref().map(|start| start.entry.as_str());
        trial.or(start).filter(|entry| !entry.is_empty())
    }
}

fn write_json(blessed: &Blessed, device: &str, out: &mut Object<'_>) {
    out.text("result", blessed.result());
    out.text("device", device);
    out.maybe_text("entry", blessed.entry());
    let system = blessed.trial.as_ref().map(|trial| trial.system);
    out.maybe_text("role", system.map(|system| system.role.name()));
    out.maybe_number("security_version", system.map(|system| system.security_version.into()));
    out.maybe_text(
        "manifest",
        system.map(|system| format!("sha256:{}", system.manifest)).as_deref(),
    );
    let slot = blessed.start.as_ref().and_then(|start| start.slot.as_deref());
    out.maybe_text("slot", slot);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use crate::host::proof::CameUp;
    use crate::host::record::{Pair, Way};
    use crate::rollback::{Role, System};
    use crate::slots::rules::{Count, Rules, Target};
    use crate::slots::{Cause, Slots, Stage as At};
    use serde_json::{Value, json};

    fn tried(confirmed: bool) -> State {
        let manifest = Digest([0xab; 32]);
        let system = System { role: Role::Boot, security_version: 9, manifest };
        let trial = Some(Trial { entry: "debian".to_owned(), system, confirmed });
        State { trial, ..State::default() }
    }

    /// Slot A was started, by this entry.
    fn started(entry: &str) -> Slots {
        let mut slots = Slots::default();
        slots.declare(["A", "B"].into_iter(), 3);
        let rules = Rules { count: Count::All, tries: 3, is_declared: true };
        let (slot, cause, stage) = (Some("A"), Cause::Order, At::Mounting);
        slots.begin(&Target { slot, entry, named_tries: None, cause, stage }, &rules);
        slots
    }

    fn arrival(entry: Option<&str>) -> Arrival {
        Arrival {
            how: CameUp::ByKexec,
            way: Way::Kexec,
            reason: None,
            when: 9,
            boot_id: "two".to_owned(),
            release: "6.12".to_owned(),
            asked_when: 7,
            asked_by: "one".to_owned(),
            pair: Pair { from: "6.1".to_owned(), to: "6.12".to_owned() },
            entry: entry.map(str::to_owned),
        }
    }

    fn jumped(is_new: bool, taken_back: Option<&str>) -> Done {
        let taken_back = taken_back.map(str::to_owned);
        Done { area: None, arrival: Some(arrival(Some("debian"))), is_new, taken_back }
    }

    fn whole(done: &Done) -> Value {
        serde_json::from_str(&json::object(|out| done.write_json(out))).unwrap()
    }

    #[test]
    fn a_system_that_was_jumped_to_is_confirmed_without_a_state_area() {
        let done = jumped(true, Some("\"old\", by next_entry in /boot/grub/grubenv"));
        assert_eq!(
            done.text(),
            "this system came up by kexec, as asked (debian, 6.1 to 6.12)\n\
             the firmware no longer starts \"old\", by next_entry in \
             /boot/grub/grubenv"
        );
        let expected = json!({
            "result": "confirmed", "device": null, "entry": "debian", "role": null,
            "security_version": null, "manifest": null, "slot": null, "came_up": "by-kexec",
            "fallback": "\"old\", by next_entry in /boot/grub/grubenv",
        });
        assert_eq!(whole(&done), expected);
        assert_eq!(whole(&jumped(false, None))["result"], "already-confirmed");
        let nothing = Done { area: None, arrival: None, is_new: false, taken_back: None };
        assert_eq!(whole(&nothing)["result"], "nothing");
        let said = "nothing to confirm: no jump to this system was asked for";
        assert_eq!(nothing.text(), said);
    }

    #[test]
    fn what_the_area_confirms_is_told_before_the_jump() {
        let mut state = tried(false);
        let outcome = bless(&mut state, None, &ThisBoot::default()).unwrap();
        let area = Some(Changed { device: "/dev/sda3".to_owned(), state, outcome });
        let done = Done { area, ..jumped(true, None) };
        assert!(done.text().starts_with("confirmed debian (role boot"), "{}", done.text());
        assert!(
            done.text().ends_with("\nthis system came up by kexec, as asked (debian, 6.1 to 6.12)")
        );
        let whole = whole(&done);
        assert_eq!(
            (&whole["device"], &whole["came_up"]),
            (&json!("/dev/sda3"), &json!("by-kexec"))
        );
        assert_eq!(whole["fallback"], Value::Null);
    }

    #[test]
    fn without_area_and_jump_there_is_nothing_to_confirm() {
        assert!(only_of(None, false, None).is_ok(), "a machine that was never left so");
        let failure = only_of(Some("debian"), false, None).unwrap_err();
        assert!(failure.sentence().contains("state area"), "{failure}");
        assert_eq!(failure.exit_status(), 3);
        let debian = arrival(Some("debian"));
        let failure = only_of(Some("ubuntu"), true, Some(&debian)).unwrap_err();
        let said = "the last jump was to debian, not to ubuntu: nothing was confirmed";
        assert_eq!((failure.sentence(), failure.exit_status()), (said.to_owned(), 3));
        for entry in [None, Some("debian")] {
            assert!(only_of(entry, true, Some(&debian)).is_ok());
        }
        assert!(only_of(Some("ubuntu"), true, Some(&arrival(None))).is_ok(), "files were named");
        assert!(only_of(Some("ubuntu"), true, None).is_ok(), "an earlier start answered it");
    }

    fn in_json(blessed: &Blessed) -> Value {
        let text = json::object(|out| write_json(blessed, "/dev/sda3", out));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_system_that_was_jumped_to_is_confirmed() {
        let mut state = tried(false);
        let blessed = bless(&mut state, Some("debian"), &ThisBoot::default()).unwrap();
        assert_eq!(state, tried(true));
        assert_eq!(
            text(&blessed),
            "confirmed debian (role boot, security version 9): the floor rises at the next start"
        );
        let expected = json!({
            "result": "confirmed", "device": "/dev/sda3", "entry": "debian", "role": "boot",
            "security_version": 9, "manifest": format!("sha256:{}", "ab".repeat(32)),
            "slot": null,
        });
        assert_eq!(in_json(&blessed), expected);
    }

    #[test]
    fn the_attempt_is_closed_with_it_and_its_slot_is_good() {
        let mut state = State { slots: started("debian"), ..tried(false) };
        let blessed = bless(&mut state, None, &ThisBoot::default()).unwrap();
        assert_eq!(
            text(&blessed),
            "confirmed debian (role boot, security version 9): the floor rises at the next start\n\
             slot A is good"
        );
        assert_eq!(state.trial, tried(true).trial);
        assert_eq!(
            (&state.slots.attempt, state.slots.get("A").unwrap().standing()),
            (&None, "good")
        );
    }

    #[test]
    fn an_attempt_alone_is_closed_too() {
        let mut state = State { slots: started("debian"), ..State::default() };
        let blessed = bless(&mut state, Some("debian"), &ThisBoot::default()).unwrap();
        assert_eq!(text(&blessed), "slot A is good");
        let expected = json!({
            "result": "confirmed", "device": "/dev/sda3", "entry": "debian", "role": null,
            "security_version": null, "manifest": null, "slot": "A",
        });
        assert_eq!(in_json(&blessed), expected);
        let again = bless(&mut state, Some("debian"), &ThisBoot::default()).unwrap();
        assert_eq!(again.result(), "nothing");
    }

    #[test]
    fn what_is_confirmed_or_not_there_is_left_as_it_is() {
        let mut state = tried(true);
        let blessed = bless(&mut state, None, &ThisBoot::default()).unwrap();
        assert_eq!(text(&blessed), "debian (role boot, security version 9) was confirmed before");
        assert_eq!((blessed.result(), state), ("already-confirmed", tried(true)));
        let mut state = State::default();
        let nothing = bless(&mut state, Some("debian"), &ThisBoot::default()).unwrap();
        assert!(text(&nothing).starts_with("nothing to confirm: the system that was booted last"));
        assert_eq!((nothing.result(), state), ("nothing", State::default()));
    }

    #[test]
    fn another_system_than_the_named_one_is_not_confirmed() {
        let attempted = State { slots: started("debian"), ..State::default() };
        for before in [tried(false), attempted] {
            let mut state = before.clone();
            let failure = bless(&mut state, Some("ubuntu"), &ThisBoot::default()).unwrap_err();
            assert_eq!(
                failure.sentence(),
                "the last jump was to debian, not to ubuntu: nothing was confirmed"
            );
            assert_eq!((failure.exit_status(), state), (3, before));
        }
    }

    #[test]
    fn the_start_of_another_system_is_not_confirmed() {
        let mut state = State { slots: started("debian"), ..tried(false) };
        let this = ThisBoot::new("root=x turnout.slot=B", "one");
        let failure = bless(&mut state, None, &this).unwrap_err();
        let said = failure.sentence();
        assert!(said.starts_with("this system is slot \"B\", by its command line, "), "{said}");
        assert_eq!((failure.exit_status(), state.trial), (3, tried(false).trial));
    }

    #[test]
    fn a_start_whose_entry_nobody_wrote_down_is_confirmed_by_any_name() {
        let mut state = State { slots: started(""), ..State::default() };
        let blessed = bless(&mut state, Some("debian"), &ThisBoot::default()).unwrap();
        assert_eq!((blessed.result(), blessed.entry()), ("confirmed", None));
    }
}
