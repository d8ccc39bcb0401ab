//! `turnout bless`: the running system says that it works.
//!
//! It confirms what PID 1 wrote down before it jumped here, and nothing else, in one
//! write: the attempt, so that its slot is good, and the trial, so that the floor rises to
//! that system's version at the next start. It raises no floor itself and never makes a
//! state area (`docs/rollback.md`, `docs/survive.md`). What `turnout boot` told the firmware
//! for the case that this system would not come up is taken back (`docs/fast-reboot.md`).

use crate::base::json::{self, Object};
use crate::base::text::printable;
use crate::failure::{Failure, Stage};
use crate::rollback::store::confirm;
use crate::rollback::{State, System, Trial};
use crate::slots::running::ThisBoot;
use crate::slots::verbs::Confirmed;
use crate::source::StateDevice;

use super::{boot, store};

/// What a confirmation has done.
#[derive(Debug, PartialEq, Eq)]
struct Blessed {
    /// The attempt that was open.
    start: Option<Confirmed>,
    /// The system whose version may become the floor.
    trial: Option<Trial>,
    /// Whether that was not confirmed before.
    is_new: bool,
    /// What the firmware was told to start if this system would not come up.
    taken_back: Option<String>,
}

/// Gives what is to be printed. With `entry` nothing else is confirmed.
pub(super) fn run(
    entry: Option<&str>,
    device: &StateDevice,
    json: bool,
) -> Result<String, Failure> {
    store::only_root()?;
    let this = store::this_boot();
    let (blessed, device) = match store::change(device, |state| bless(state, entry, &this)) {
        Ok(changed) => {
            let taken_back = boot::clear_fallback()?;
            (Blessed { taken_back, ..changed.outcome }, Some(changed.device))
        }
        Err(failure) if store::has_area(device) => return Err(failure),
        Err(failure) => (Blessed::of_fallback(failure)?, None),
    };
    Ok(match json {
        true => json::object(|out| write_json(&blessed, device.as_deref(), out)),
        false => text(&blessed),
    })
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
    Ok(Blessed { start, trial, is_new, taken_back: None })
}

/// Refuses where the last jump was to another entry, as far as that is known: of the start
/// of a good slot, which writes once and before its menu is read, it may not be.
fn check(state: &State, entry: &str) -> Result<(), Failure> {
    let attempt = state.slots.attempt.as_ref().map(|attempt| attempt.entry.as_str());
    let last = state.trial.as_ref().map(|trial| trial.entry.as_str()).or(attempt);
    match last.filter(|last| !last.is_empty() && *last != entry) {
        Some(last) => Err(Failure::new(
            Stage::Discover,
            format!("the last jump was to {last}, not to {entry}: nothing was confirmed"),
        )),
        None => Ok(()),
    }
}

fn text(blessed: &Blessed) -> String {
    let trial = blessed.trial.as_ref().map(|trial| match blessed.is_new {
        true => format!("confirmed {}: the floor rises at the next start", named(trial)),
        false => format!("{} was confirmed before", named(trial)),
    });
    let start = blessed.start.as_ref().map(started);
    let back = blessed.taken_back.as_ref();
    let back = back.map(|told| format!("the firmware no longer starts {}", printable(told)));
    let lines: Vec<String> = trial.into_iter().chain(start).chain(back).collect();
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
    /// Of a machine without a state area.
    ///
    /// # Errors
    /// There is nothing to take back either: the failure that says so.
    fn of_fallback(failure: Failure) -> Result<Self, Failure> {
        let Some(told) = boot::clear_fallback()? else { return Err(failure) };
        Ok(Self { start: None, trial: None, is_new: false, taken_back: Some(told) })
    }

    const fn result(&self) -> &'static str {
        let is_done = self.is_new || self.start.is_some() || self.taken_back.is_some();
        match (is_done, &self.trial) {
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

fn write_json(blessed: &Blessed, device: Option<&str>, out: &mut Object<'_>) {
    out.text("result", blessed.result());
    out.maybe_text("device", device);
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
    out.maybe_text("fallback", blessed.taken_back.as_deref());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
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

    fn in_json(blessed: &Blessed) -> Value {
        let text = json::object(|out| write_json(blessed, Some("/dev/sda3"), out));
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
            "slot": null, "fallback": null,
        });
        assert_eq!(in_json(&blessed), expected);
    }

    #[test]
    fn what_the_firmware_was_told_is_no_longer_so() {
        let blessed = Blessed {
            start: None,
            trial: None,
            is_new: false,
            taken_back: Some("\"old\", by next_entry in /boot/grub/grubenv".to_owned()),
        };
        assert_eq!(
            text(&blessed),
            "the firmware no longer starts \"old\", by next_entry in /boot/grub/grubenv"
        );
        assert_eq!(in_json(&blessed)["result"], "confirmed");
        assert_eq!(in_json(&blessed)["fallback"], blessed.taken_back.unwrap());
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
            "security_version": null, "manifest": null, "slot": "A", "fallback": null,
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
