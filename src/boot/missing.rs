//! What is said where nothing boots of devices that have no driver, and of those whose
//! driver waits.

use super::drivers::Drivers;
use crate::drivers::missing::{Known, told};
use crate::drivers::queue::{LIMIT, SLOW, State};
use crate::sys::{clock, deferred, devices};

/// A sentence for each.
pub(super) fn missing(drivers: &Drivers) -> Vec<String> {
    let devices = devices::all();
    let fate = |place| fate(&drivers.state(place));
    told(&devices, &deferred::all(&devices), &Known { table: drivers.all(), fate: &fate })
}

/// That the wait began anew late, and with which driver; nothing where it did not.
pub(super) fn since(drivers: &Drivers) -> Option<String> {
    let (name, end) = drivers.last_load().filter(|(_, end)| *end >= SLOW)?;
    let seconds = end.as_secs();
    Some(format!(
        "that time began anew {seconds} s after the start: the last driver ({name}) was loaded then"
    ))
}

/// What has become of a module, for a sentence that begins with its name.
fn fate(state: &State) -> String {
    match state {
        State::Idle => "is in the image, and was not loaded for it".to_owned(),
        State::Waiting => "is to be loaded after others".to_owned(),
        State::Loading(since) => {
            let time = clock::elapsed().saturating_sub(*since);
            format!("has been starting for {} s", time.as_secs())
        }
        State::Loaded => "is loaded, and has not taken it".to_owned(),
        State::Absent => "was loaded, and found no hardware of its own".to_owned(),
        State::Failed(why) => ["could not be loaded: ", why].concat(),
        State::Without => "was not loaded, as one that it needs was not".to_owned(),
        State::GivenUp => format!("has not started in {} s", LIMIT.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn what_has_become_of_a_module_is_said() {
        for (state, expected) in [
            (State::Loaded, "is loaded, and has not taken it"),
            (
                State::Failed("module x: Exec format error".to_owned()),
                "could not be loaded: module x: Exec format error",
            ),
            (State::Loading(Duration::MAX), "has been starting for 0 s"),
            (State::GivenUp, "has not started in 120 s"),
        ] {
            assert_eq!(fate(&state), expected);
        }
    }

    #[test]
    fn without_drivers_nothing_is_said_of_the_last() {
        assert_eq!(since(&Drivers::default()), None);
    }
}
