//! kexec-tools' way to read a command line (getopt_long): options stand anywhere, also
//! behind the kernel; long names may be cut short as long as one option is meant;
//! letters may be written together; `--` ends the options; of what contradicts itself
//! the last word counts.
//!
//! Values are kept byte for byte. Nothing is read or looked up.

use std::ffi::OsString;

use lexopt::Parser;
use lexopt::prelude::{Long, Short, Value};

use super::job::Job;
use super::options::{Answers, Does, OPTIONS, Row};
use crate::base::arch::Arch;
use crate::base::similar::similar;
use crate::base::text::quoted;

/// What a command line comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    /// An answer; what stands behind the option is not looked at.
    Answer(Answers),
    Job(Box<Job>),
}

/// Reads the arguments behind the program's name, on a machine of `arch`.
///
/// # Errors
/// A sentence about the first word that cannot be understood.
pub(super) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    arch: Arch,
) -> Result<Asked, String> {
    let mut parser = Parser::from_args(arguments);
    let mut job = Job::default();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let row = match argument {
            Long(name) => long(name, arch)?,
            Short(letter) => short(letter, arch)?,
            Value(word) => {
                job.operands.push(word);
                continue;
            }
        };
        let value = value(row, &mut parser)?;
        if let Some(answer) = apply(row, &mut job, value) {
            return Ok(Asked::Answer(answer));
        }
    }
    Ok(Asked::Job(Box::new(job)))
}

/// The option of this name, or the only one whose name begins so.
fn long(name: &str, arch: Arch) -> Result<&'static Row, String> {
    let known: Vec<_> = OPTIONS.iter().filter(|row| row.on.has(arch)).collect();
    if let Some(exact) = known.iter().find(|row| row.names.contains(&name)) {
        return Ok(exact);
    }
    let meant: Vec<_> = known.into_iter().filter(|row| row.begins_with(name)).collect();
    match meant.as_slice() {
        [] => Err(unknown(name, arch)),
        [row] => Ok(row),
        rows => Err(ambiguous(name, rows)),
    }
}

fn ambiguous(name: &str, rows: &[&Row]) -> String {
    let names: Vec<_> =
        rows.iter().flat_map(|row| row.names).filter(|long| long.starts_with(name)).collect();
    let names: Vec<_> = names.iter().map(|name| format!("--{name}")).collect();
    format!("{} can mean {}: write more of it", quoted(&format!("--{name}")), names.join(", "))
}

fn unknown(name: &str, arch: Arch) -> String {
    let said = quoted(&format!("--{name}"));
    if OPTIONS.iter().any(|row| row.names.contains(&name)) {
        return format!("{said} is no option on {arch}");
    }
    let names = OPTIONS.iter().flat_map(|row| row.names).copied();
    let near = similar(name, names).first().map(|near| format!("; did you mean --{near}?"));
    format!(
        "{said} is no option of kexec{} (\"kexec --help\" lists them)",
        near.unwrap_or_default()
    )
}

fn short(letter: char, arch: Arch) -> Result<&'static Row, String> {
    let known = OPTIONS.iter().filter(|row| row.on.has(arch));
    known.into_iter().find(|row| row.short == Some(letter)).ok_or_else(|| {
        let said = quoted(&format!("-{letter}"));
        format!("{said} is no option of kexec (\"kexec --help\" lists them)")
    })
}

/// The value that the option takes; an error where it has one and takes none, or takes
/// one and has none.
fn value(row: &Row, parser: &mut Parser) -> Result<Option<OsString>, String> {
    let Some(what) = row.value else { return Ok(None) };
    match parser.value() {
        Ok(value) => Ok(Some(value)),
        // There is nothing else that can be wrong with it.
        Err(_) => Err(format!("{} needs its {what}", row.name())),
    }
}

/// Notes what the option says; gives what it asks for, where that is an answer.
fn apply(row: &'static Row, job: &mut Job, value: Option<OsString>) -> Option<Answers> {
    match row.does {
        Does::Answers(answer) => return Some(answer),
        Does::Sets(set) => set(job),
        Does::Takes(take) => take(job, value.unwrap_or_default()),
        Does::Accepted(why) => job.note(&row.name(), why),
        Does::Refused(why) => job.refuse(&row.name(), why),
        Does::NoMode(why) => job.set_no_mode(&row.name(), why),
    }
    None
}
