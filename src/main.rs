//! The commands of a running system. It never boots by itself, whatever its
//! process number: that is what `turnout-init` is for.

use std::process::ExitCode;

use turnout::cli;

fn main() -> ExitCode {
    ExitCode::from(cli::run(std::env::args_os().skip(1)))
}
