//! PID 1 of a boot environment, and a kexec for a running system.

use std::process::ExitCode;

use turnout::{boot, cli, sys};

fn main() -> ExitCode {
    if sys::is_pid_1() {
        boot::run();
    }
    ExitCode::from(cli::run(std::env::args_os().skip(1)))
}
