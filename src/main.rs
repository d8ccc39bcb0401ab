//! PID 1 of a boot environment, and a command on a running system.

use std::process::ExitCode;

use turnout::{boot, sys};

/// Usage is wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    if sys::is_pid_1() {
        boot::run();
    }
    eprintln!("turnout: not PID 1");
    ExitCode::from(USAGE)
}
