//! The commands of a running system: load, unload, exec, bless, slot, set-default,
//! set-oneshot, history, list, explain, verify, status, image.
//!
//! Reads arguments, calls the same modules as PID 1, and prints. It never
//! decides what may be loaded or how: [`crate::plan`] and the running kernel do.
//! What a command prints and with which status it ends is in docs/cli.md.

mod allow;
mod answer;
mod arguments;
mod bless;
mod boot;
mod brief;
mod came_up;
mod check;
mod choice;
mod cmdline;
pub mod described;
mod exec;
mod explain;
mod firmware_environment;
mod image;
mod images;
mod judge;
mod kernel_kind;
mod kexec;
mod list;
mod load;
mod loading;
mod offer;
mod outlook;
mod planning;
mod rauc;
mod remembered;
mod settings;
mod slot;
mod source;
mod status;
mod store;
mod target;
mod told;
mod tpm;
mod unload;
mod verify;
mod volumes;
pub mod words;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::base::switches;
use crate::failure::Failure;
use crate::sys::clock;

use answer::{Answer, complain, print, report};
use arguments::Command;
use settings::state_device;

/// Exit status of a command line that cannot be understood.
const USAGE_STATUS: u8 = 2;

/// A program that this one is as well, by the name that it is called by.
struct Other {
    name: &'static str,
    run: fn(Vec<OsString>) -> u8,
}

/// Names that other programs call, so that a link of that name is all that they need.
const OTHERS: [Other; 3] = [
    Other { name: "turnout-rauc", run: |words| as_other(words, rauc::run) },
    Other { name: "fw_printenv", run: |words| as_other(words, firmware_environment::run_print) },
    Other { name: "fw_setenv", run: |words| as_other(words, firmware_environment::run_set) },
];

/// Does what the arguments say to the program of this name, which may be a path; gives
/// the exit status.
pub fn run_as(name: &OsStr, arguments: impl Iterator<Item = OsString>) -> u8 {
    match other(name) {
        Some(other) => (other.run)(arguments.collect()),
        None if is_kexec(name) => kexec::run(arguments.collect()),
        None => run(arguments),
    }
}

/// A program that takes plain words: what it cannot make sense of is said in one line.
fn as_other(words: Vec<OsString>, run: fn(&[String]) -> Result<Answer, Misused>) -> u8 {
    let plain: Result<Vec<String>, _> = words.into_iter().map(OsString::into_string).collect();
    let answered = match plain {
        Ok(plain) => run(&plain),
        Err(word) => Err(Misused::Words(format!("{} is no text", word.display()))),
    };
    match answered {
        Ok(answer) if answer.text.is_empty() => answer.status,
        Ok(answer) => {
            // What said everything as it went has no more to say.
            if !answer.text.is_empty() {
                print(&answer.text);
            }
            answer.status
        }
        Err(Misused::Words(what)) => {
            complain(&what);
            USAGE_STATUS
        }
        Err(Misused::Failed(failure)) => report(&failure, false),
    }
}

/// Why a program of another name did nothing.
enum Misused {
    /// It was asked for what there is not.
    Words(String),
    Failed(Failure),
}

impl From<Failure> for Misused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// kexec-tools takes words that are no text, and has statuses of its own.
fn is_kexec(name: &OsStr) -> bool {
    Path::new(name).file_name().is_some_and(|name| name == "kexec")
}

fn other(name: &OsStr) -> Option<&'static Other> {
    let name = Path::new(name).file_name()?;
    OTHERS.iter().find(|other| name == other.name)
}

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
        Command::Help(command) => Ok(arguments::help(command)),
        Command::Version => Ok(switches::version("turnout")),
        Command::Load(load) => load::run(&load),
        Command::Unload(slot) => unload::run(slot),
        Command::Exec => exec::run(),
        Command::Boot(boot) => return boot::run(&boot),
        Command::Check(check) => return check::run(&check),
        Command::Bless { entry, state, json } => {
            bless::run(entry.as_deref(), &state_device(state)?, json)
        }
        Command::Slot { act, state, json } => slot::run(&act, &state_device(state)?, json),
        Command::Choose { choice, state, json } => {
            choice::run(&choice, &state_device(state)?, json)
        }
        Command::History { state, json } => slot::history(&state_device(state)?, json),
        Command::Status { settle, state, json } => status::run(settle, &state_device(state)?, json),
        Command::Image { file, json } => image::run(&file, json),
        Command::List(asked) => return list::run(&asked),
        Command::Explain(explain) => return explain::run(&explain),
        Command::Verify(verify) => return verify::run(&verify),
    };
    text.map(Answer::from)
}
