//! `kexec`, for fingers and scripts that know it: kexec-tools' command line, done by
//! the same calls as `turnout load`, `unload` and `exec`.
//!
//! Exit statuses and what scripts read of the output are kexec-tools'; refusals are
//! one sentence of ours. Specification: docs/kexec.md.

mod act;
mod job;
mod options;
mod parse;
mod status;
mod types;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

use super::answer::{complain_as, print};
use super::words;
use crate::base::text::printable;
use crate::sys::{arch, clock, kexec};

use options::{Answers, OPTIONS, Row};
use parse::Asked;
use status::{DONE, MISUSED, Stopped};

/// The release of kexec-tools whose command line this is.
const AS_OF: &str = "2.0.32";

/// Every option, for those who write about them.
pub(super) fn options() -> Vec<words::Opt> {
    OPTIONS.iter().map(Row::described).collect()
}

/// Does what the arguments say; gives the exit status.
pub(super) fn run(arguments: Vec<OsString>) -> u8 {
    clock::start();
    match parse::parse(arguments, arch::native()) {
        Ok(Asked::Answer(answer)) => {
            print(&text(answer));
            DONE
        }
        Ok(Asked::Job(job)) => act::act(&job).unwrap_or_else(|stopped| report(&stopped)),
        Err(said) => report(&Stopped::new(MISUSED, said)),
    }
}

fn report(stopped: &Stopped) -> u8 {
    say(&stopped.said);
    stopped.status
}

/// A line on standard error.
fn say(what: &str) {
    complain_as("kexec", &printable(what));
}

fn text(answer: Answers) -> String {
    match answer {
        Answers::Help => help(),
        // Scripts look for the name, and some for the number behind it.
        Answers::Version => format!("kexec-tools {AS_OF} (turnout {})", env!("CARGO_PKG_VERSION")),
        Answers::CrashSize => kexec::crash_size().unwrap_or(0).to_string(),
    }
}

fn help() -> String {
    let mut text = "Usage: kexec [OPTION]... [KERNEL]\n\
                    Loads a kernel, starts it, or both; as kexec-tools, done by turnout.\n\n"
        .to_owned();
    let here = OPTIONS.iter().filter(|row| row.on.has(arch::native()));
    here.for_each(|row| {
        text.push_str(&row.line());
        text.push('\n');
    });
    text
}
