//! `turnout bless`: the running system says that it works.
//!
//! It confirms what PID 1 wrote down before it jumped here, and nothing else; at
//! the next start the floor rises to that system's version. It raises no floor
//! itself and never makes a state area (`docs/rollback.md`).

use crate::base::json::{self, Object};
use crate::base::text::printable;
use crate::failure::{Failure, Stage};
use crate::rollback::store::confirm;
use crate::rollback::{State, System, Trial};
use crate::source::StateDevice;

use super::store;

/// What a confirmation has done.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It is written down now.
    Confirmed(Trial),
    /// It was written down before.
    Already(Trial),
    /// The last jump can raise no floor.
    Nothing,
}

/// Gives what is to be printed. With `entry` nothing else is confirmed.
pub(super) fn run(
    entry: Option<&str>,
    device: &StateDevice,
    json: bool,
) -> Result<String, Failure> {
    let changed = store::change(device, |state| {
        let (outcome, next) = decide(state, entry)?;
        *state = next;
        Ok(outcome)
    })?;
    Ok(match json {
        true => json::object(|out| write_json(&changed.outcome, &changed.device, out)),
        false => text(&changed.outcome),
    })
}

/// What has happened once the second value is written.
fn decide(state: &State, entry: Option<&str>) -> Result<(Outcome, State), Failure> {
    let Some(trial) = state.trial.clone() else { return Ok((Outcome::Nothing, state.clone())) };
    if let Some(entry) = entry.filter(|entry| *entry != trial.entry) {
        return Err(Failure::new(
            Stage::Discover,
            format!("the last jump was to {}, not to {entry}: nothing was confirmed", trial.entry),
        ));
    }
    Ok(match confirm(state) {
        Some(confirmed) if !trial.confirmed => (Outcome::Confirmed(trial), confirmed),
        _ => (Outcome::Already(trial), state.clone()),
    })
}

fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Confirmed(trial) => {
            format!("confirmed {}: the floor rises at the next start", named(trial))
        }
        Outcome::Already(trial) => format!("{} was confirmed before", named(trial)),
        Outcome::Nothing => {
            "nothing to confirm: the system that was booted last is not above the floor".to_owned()
        }
    }
}

fn named(trial: &Trial) -> String {
    let entry = printable(&trial.entry);
    let System { role, security_version, .. } = trial.system;
    format!("{entry} (role {}, security version {security_version})", role.name())
}

fn write_json(outcome: &Outcome, device: &str, out: &mut Object<'_>) {
    let (result, trial) = match outcome {
        Outcome::Confirmed(trial) => ("confirmed", Some(trial)),
        Outcome::Already(trial) => ("already-confirmed", Some(trial)),
        Outcome::Nothing => ("nothing", None),
    };
    out.text("result", result);
    out.text("device", device);
    out.maybe_text("entry", trial.map(|trial| trial.entry.as_str()));
    let system = trial.map(|trial| trial.system);
    out.maybe_text("role", system.map(|system| system.role.name()));
    out.maybe_number("security_version", system.map(|system| system.security_version.into()));
    out.maybe_text(
        "manifest",
        system.map(|system| format!("sha256:{}", system.manifest)).as_deref(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use crate::rollback::{Role, System};
    use serde_json::json;

    fn tried(confirmed: bool) -> State {
        let manifest = Digest([0xab; 32]);
        let system = System { role: Role::Boot, security_version: 9, manifest };
        let trial = Some(Trial { entry: "debian".to_owned(), system, confirmed });
        State { trial, ..State::default() }
    }

    #[test]
    fn the_system_that_was_jumped_to_is_confirmed() {
        let (outcome, written) = decide(&tried(false), Some("debian")).unwrap();
        assert_eq!(written, tried(true));
        assert_eq!(
            text(&outcome),
            "confirmed debian (role boot, security version 9): the floor rises at the next start"
        );
        let read: serde_json::Value = serde_json::from_str(&json::object(|out| {
            write_json(&outcome, "/dev/sda3", out);
        }))
        .unwrap();
        let expected = json!({
            "result": "confirmed", "device": "/dev/sda3", "entry": "debian", "role": "boot",
            "security_version": 9, "manifest": format!("sha256:{}", "ab".repeat(32)),
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_confirmed_or_not_there_is_left_as_it_is() {
        let (outcome, written) = decide(&tried(true), None).unwrap();
        assert_eq!(
            (text(&outcome).as_str(), written),
            ("debian (role boot, security version 9) was confirmed before", tried(true))
        );
        let nothing = decide(&State::default(), Some("debian")).unwrap();
        assert_eq!(nothing, (Outcome::Nothing, State::default()));
    }

    #[test]
    fn another_system_than_the_named_one_is_not_confirmed() {
        let failure = decide(&tried(false), Some("ubuntu")).unwrap_err();
        assert_eq!(
            failure.sentence(),
            "the last jump was to debian, not to ubuntu: nothing was confirmed"
        );
        assert_eq!(failure.exit_status(), 3);
    }
}
