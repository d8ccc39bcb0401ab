//! PID 1 of a boot environment, and nothing that it does not reach: a machine
//! carries no command in its image.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::ExitCode;

use turnout::base::switches;
use turnout::{boot, sys};

/// Remembers what was not to be had, for the sentence that PID 1 ends with.
#[global_allocator]
static MEMORY: sys::memory::Allocator = sys::memory::Allocator;

/// Nothing was booted, as nothing could be.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    if sys::is_pid_1() {
        boot::run();
    }
    match std::env::args_os().nth(1) {
        Some(word) if word == OsStr::new("--version") => version(),
        _ => decline(),
    }
}

fn version() -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{}", switches::version("turnout-init"));
    ExitCode::SUCCESS
}

/// As any other process it would fight with the one that runs the machine.
fn decline() -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{}", boot::NOT_PID_1);
    ExitCode::from(REFUSED)
}
