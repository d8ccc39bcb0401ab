//! What a command says: its answer on standard output, what went wrong on standard
//! error, and with JSON there too.

use std::io::Write as _;

use crate::base::json;
use crate::base::text::printable;
use crate::failure::Failure;

/// What a command that came to its end has to say.
pub(super) struct Answer {
    pub(super) text: String,
    /// The exit status: 0, or 1 where something was checked and refused.
    pub(super) status: u8,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self { text, status: 0 }
    }
}

/// A reader that has gone away wants no more; that is no failure.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout();
    let text = text.trim_end_matches('\n');
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Says what went wrong; gives the exit status.
pub(super) fn report(failure: &Failure, json: bool) -> u8 {
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
pub(super) fn complain(what: &str) {
    complain_as("turnout", what);
}

/// The same of the program by another name.
pub(super) fn complain_as(name: &str, what: &str) {
    let _ = writeln!(std::io::stderr(), "{name}: {what}");
}
