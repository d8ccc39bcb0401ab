//! The commands of a running system: load, unload, exec, bless, list, explain,
//! verify, status, image.
//!
//! Reads arguments, calls the same modules as PID 1, and prints. It never
//! decides what may be loaded or how: [`crate::plan`] and the running kernel do.
//! What a command prints and with which status it ends is in docs/cli.md.

mod arguments;
mod bless;
mod cmdline;
mod explain;
mod image;
mod judge;
mod list;
mod load;
mod source;
mod status;
mod verify;

use std::ffi::OsString;
use std::io::Write as _;

use crate::base::json;
use crate::base::text::printable;
use crate::failure::{Failure, Stage};
use crate::plan::Slot;
use crate::steps;
use crate::sys::quiesce::still_enough;
use crate::sys::{self, kexec};

use arguments::Command;

/// Exit status of a command line that cannot be understood.
const USAGE_STATUS: u8 = 2;

/// Does what the arguments, without the program's name, say; gives the exit
/// status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let command = match arguments::parse(arguments) {
        Ok(command) => command,
        Err(what) => {
            complain(&format!("{what}\n\n{}", arguments::USAGE));
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

/// What a command that came to its end has to say.
struct Answer {
    text: String,
    /// The exit status: 0, or 1 where something was checked and refused.
    status: u8,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self { text, status: 0 }
    }
}

fn obey(command: Command) -> Result<Answer, Failure> {
    let text = match command {
        Command::Help => Ok(arguments::USAGE.to_owned()),
        Command::Version => Ok(format!("turnout {}", env!("CARGO_PKG_VERSION"))),
        Command::Load(load) => load::run(&load),
        Command::Unload(slot) => unload(slot),
        Command::Exec => exec(),
        Command::Bless { entry, json } => bless::run(entry.as_deref(), json),
        Command::Status { json } => Ok(status::run(json)),
        Command::Image { file, json } => image::run(&file, json),
        Command::List(asked) => return list::run(&asked),
        Command::Explain(wish) => return explain::run(&wish),
        Command::Verify(wish) => return verify::run(&wish),
    };
    text.map(Answer::from)
}

/// A reader that has gone away wants no more; that is no failure.
fn print(text: &str) {
    let mut out = std::io::stdout();
    let text = text.trim_end_matches('\n');
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn report(failure: &Failure, json: bool) -> u8 {
    let status = failure.exit_status();
    if json {
        print(&json::object(|out| out.object("error", |out| write_failure(failure, out))));
    }
    let said = match &failure.entry {
        Some(_) => failure.to_string(),
        None => failure.sentence(),
    };
    complain(&printable(&said));
    status
}

fn write_failure(failure: &Failure, out: &mut json::Object<'_>) {
    out.text("stage", &failure.stage.to_string());
    out.maybe_text("entry", failure.entry.as_deref());
    out.text("message", &failure.sentence());
    out.number("status", failure.exit_status().into());
}

/// A line on standard error, where there is one.
fn complain(what: &str) {
    let _ = writeln!(std::io::stderr(), "turnout: {what}");
}

fn unload(slot: Slot) -> Result<String, Failure> {
    steps::load::unload(slot)?;
    match kexec::is_loaded(slot) {
        Some(true) => Err(Failure::new(Stage::Load, "the kernel is still loaded")),
        _ => Ok(String::new()),
    }
}

fn exec() -> Result<String, Failure> {
    let nothing = || Failure::new(Stage::Menu, "no kernel is loaded: \"turnout load\" comes first");
    let staged = kexec::staged(Slot::Normal).ok_or_else(nothing)?;
    if sys::is_run_by_systemd() {
        complain("jumping at once; \"systemctl kexec\" would have stopped the services first");
    }
    Err(steps::load::jump(still_enough(staged)))
}
