//! The commands of a running system: load, unload, exec, bless, list, explain,
//! verify, status, image.
//!
//! Reads arguments, calls the same modules as PID 1, and prints. It never
//! decides what may be loaded or how: [`crate::plan`] and the running kernel do.
//! What a command prints and with which status it ends is in docs/cli.md.

mod answer;
mod arguments;
mod bless;
mod cmdline;
mod exec;
mod explain;
mod image;
mod judge;
mod list;
mod load;
mod source;
mod status;
mod tpm;
mod unload;
mod verify;
mod volumes;

use std::ffi::OsString;

use crate::base::switches;
use crate::failure::Failure;
use crate::sys::clock;

use answer::{Answer, complain, print, report};
use arguments::Command;

/// Exit status of a command line that cannot be understood.
const USAGE_STATUS: u8 = 2;

/// Does what the arguments, without the program's name, say; gives the exit
/// status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    clock::start();
    let command = match arguments::parse(arguments) {
        Ok(command) => command,
        Err(what) => {
            complain(&what.to_string());
            return USAGE_STATUS;
        }
    };
    let json = command.wants_json();
    match obey(command) {
        Ok(answer) => {
            print(&answer.text);
            answer.status
        }
        Err(failure) => report(&failure, json),
    }
}

fn obey(command: Command) -> Result<Answer, Failure> {
    let text = match command {
        Command::Help => Ok(arguments::USAGE.to_owned()),
        Command::Version => Ok(switches::version("turnout")),
        Command::Load(load) => load::run(&load),
        Command::Unload(slot) => unload::run(slot),
        Command::Exec => exec::run(),
        Command::Bless { entry, state, json } => bless::run(entry.as_deref(), &state, json),
        Command::Status { state, json } => Ok(status::run(&state, json)),
        Command::Image { file, json } => image::run(&file, json),
        Command::List(asked) => return list::run(&asked),
        Command::Explain(explain) => return explain::run(&explain),
        Command::Verify(verify) => return verify::run(&verify),
    };
    text.map(Answer::from)
}
