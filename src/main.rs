//! The commands of a running system. It never boots by itself, whatever its
//! process number: that is what `turnout-init` is for.

use std::process::ExitCode;

use turnout::cli;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    ExitCode::from(cli::run_as(&name, words))
}
