//! The ends that are not a boot: reset and power-off.
//!
//! Nothing is written back before: what PID 1 writes is written through, and
//! sync(2) would wait for a disk that does not answer.

use std::io::Write as _;
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};

use super::deadline::OF_START;
use super::{hung_tasks, vigil};

/// How often is told what is left of a wait.
const REPEAT: Duration = Duration::from_secs(60);

/// Tells why, waits, and resets the machine. Never returns; outside PID 1 it
/// ends the process with exit status 4 instead.
pub fn after(delay: Duration, reason: &str) -> ! {
    rest(delay, reason);
    now()
}

/// Tells that the machine is reset after this time, and why, and waits for so long; each
/// minute it tells what is left. No limit of the start ends that, and the watchdogs are
/// fed.
pub fn rest(time: Duration, reason: &str) {
    OF_START.lift();
    let mut left = time;
    loop {
        say(&format!("turnout: reset in {} s: {reason}", left.as_secs()));
        let turn = turn(left);
        vigil::sleep(turn);
        left = left.saturating_sub(turn);
        if left.is_zero() {
            return;
        }
    }
}

/// How long it is waited before that is told again. Nothing is told for less than a second.
fn turn(left: Duration) -> Duration {
    if left < REPEAT.saturating_add(vigil::TURN) { left } else { REPEAT }
}

/// `reboot(2)`: resets the machine at once.
pub fn now() -> ! {
    hung_tasks::mind_all();
    end(RebootMode::RB_AUTOBOOT)
}

/// `reboot(2)`: turns the machine off.
pub fn power_off() -> ! {
    end(RebootMode::RB_POWER_OFF)
}

fn end(how: RebootMode) -> ! {
    if !super::is_pid_1() {
        std::process::exit(4);
    }
    // A machine that refuses even this stays here, in sight of its watchdog:
    // the end of PID 1 would be a kernel panic.
    loop {
        let Err(errno) = reboot(how);
        // The crate's own words for it would be the only use of a table of 12 KiB.
        let error = std::io::Error::from(errno);
        say(&format!("turnout: the kernel refused to reset: {error}"));
        std::thread::sleep(Duration::from_secs(10));
    }
}

/// A line on every console that never fails and never panics.
fn say(line: &str) {
    if super::is_pid_1() {
        super::console::everywhere(line);
    } else {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_tells_each_minute_what_is_left() {
        let told = |time: Duration| {
            let mut left = time;
            let mut all = Vec::new();
            while !left.is_zero() {
                all.push(left.as_secs());
                left -= turn(left);
            }
            all
        };
        assert_eq!(told(Duration::from_secs(30)), [30]);
        assert_eq!(told(Duration::from_millis(60_500)), [60]);
        assert_eq!(told(Duration::from_secs(150)), [150, 90, 30]);
        let long = told(Duration::from_secs(600));
        assert_eq!(long, [600, 540, 480, 420, 360, 300, 240, 180, 120, 60]);
    }
}
