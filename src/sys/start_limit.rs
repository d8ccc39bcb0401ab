//! A start that nobody attends has an end: a machine that has started nothing by
//! then is reset, with the reason on every console.
//!
//! A thread of its own looks at the clock, as the main one may hang; all that it
//! ever does is to reset the machine. Until when, [`super::deadline`] knows.

use core::time::Duration;

use super::deadline::OF_START;
use super::vigil::TURN;
use super::{clock, panic, patience, reset, thread};

/// The start may take so long, from now on.
pub fn begin(limit: Option<Duration>) {
    if let Some(limit) = limit {
        OF_START.begin(limit);
        thread::aside(watch);
    }
}

fn watch() {
    while !OF_START.is_over(clock::elapsed()) {
        std::thread::sleep(TURN);
    }
    reset::after(panic::reset_delay(), &reason(OF_START.limit(), patience::current()));
}

fn reason(limit: Duration, waits_for: Option<String>) -> String {
    let waits_for = waits_for.map_or_else(String::new, |what| format!("; it waits for {what}"));
    let limit = limit.as_secs();
    format!("nothing was started in {limit} s, and nobody is there (start-limit){waits_for}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_setting_and_what_is_waited_for() {
        let limit = Duration::from_secs(990);
        assert_eq!(
            reason(limit, Some("vdb1".to_owned())),
            "nothing was started in 990 s, and nobody is there (start-limit); it waits for vdb1"
        );
        assert!(reason(limit, None).ends_with("(start-limit)"));
    }
}
