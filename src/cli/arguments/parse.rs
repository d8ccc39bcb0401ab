//! Reads a command line by the table.

use std::ffi::OsString;

use lexopt::Parser;
use lexopt::prelude::{Long, Short, Value};

use super::flags::{Flag, Take};
use super::misuse::{Misuse, unknown};
use super::table::{COMMANDS, Row};
use super::typed::{Taken, Typed};
use super::values::Command;

/// Reads the arguments behind the program's name.
///
/// # Errors
/// A sentence about what is wrong with them.
pub(in crate::cli) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Command, Misuse> {
    let mut parser = Parser::from_args(arguments);
    match parser.next()? {
        Some(Long("help") | Short('h')) => Ok(Command::Help(None)),
        Some(Long("version") | Short('V')) => Ok(Command::Version),
        Some(Long(name)) => {
            let names = ["--help", "--version"].into_iter();
            Err(unknown(&format!("--{name}"), "option of \"turnout\"", names))
        }
        Some(Value(word)) if word == "help" => help(&mut parser),
        Some(Value(word)) => {
            let row = row(&word)?;
            row.read(&mut parser).map_err(|misuse| misuse.within(row.name))
        }
        Some(other) => Err(other.unexpected().into()),
        None => Err(Misuse::unknown("no command says what to do".to_owned())),
    }
}

/// `turnout help`, and of which command.
fn help(parser: &mut Parser) -> Result<Command, Misuse> {
    match parser.next()? {
        Some(Value(word)) => Ok(Command::Help(Some(row(&word)?.name))),
        _ => Ok(Command::Help(None)),
    }
}

fn row(word: &OsString) -> Result<&'static Row, Misuse> {
    let word = word.to_string_lossy();
    let names = COMMANDS.iter().map(|row| row.name);
    COMMANDS.iter().find(|row| row.name == word).ok_or_else(|| unknown(&word, "command", names))
}

impl Row {
    fn read(&self, parser: &mut Parser) -> Result<Command, Misuse> {
        let mut typed = Typed::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("help") | Short('h') => return Ok(Command::Help(Some(self.name))),
                Long(name) => self.flag(name)?.apply(&mut typed, parser)?,
                Value(word) if typed.words.len() < self.operands.takes.len() => {
                    typed.words.push_back(word);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        match self.operands.needs {
            Some(what) if typed.words.is_empty() => {
                Err(format!("\"turnout {}\" needs {what}", self.name).into())
            }
            _ => (self.finish)(typed),
        }
    }

    fn flag(&self, name: &str) -> Result<&'static Flag, Misuse> {
        self.flags().find(|flag| flag.name == name).ok_or_else(|| {
            let names: Vec<_> = self.flags().map(Flag::typed).collect();
            let what = format!("option of \"turnout {}\"", self.name);
            unknown(&format!("--{name}"), &what, names.iter().map(String::as_str))
        })
    }
}

impl Flag {
    fn apply(&self, typed: &mut Typed, parser: &mut Parser) -> Taken {
        match self.take {
            Take::Alone(take) => take(typed),
            Take::Value(_, take) => take(typed, parser.value()?),
        }
    }
}
