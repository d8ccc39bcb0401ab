//! Why a command line cannot be understood.

use core::fmt;

use crate::base::similar::similar;

/// Why a command line cannot be understood, and where its help is.
#[derive(Debug)]
pub(in crate::cli) struct Misuse {
    why: Why,
    /// The command whose help it is; none for that of all.
    command: Option<&'static str>,
}

#[derive(Debug)]
enum Why {
    /// There is no such command or option.
    Unknown(String),
    /// It is not used so.
    Wrong(String),
}

impl Misuse {
    pub(super) fn unknown(what: String) -> Self {
        Self { why: Why::Unknown(what), command: None }
    }

    /// That it is this command which is not understood.
    pub(super) fn within(self, command: &'static str) -> Self {
        Self { command: Some(command), ..self }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.command.map_or(String::new(), |command| format!(" {command}"));
        match &self.why {
            Why::Unknown(what) => write!(f, "{what} (\"turnout{of} --help\" lists them)"),
            Why::Wrong(what) => write!(f, "{what} (\"turnout{of} --help\" shows how it is used)"),
        }
    }
}

impl From<lexopt::Error> for Misuse {
    fn from(error: lexopt::Error) -> Self {
        error.to_string().into()
    }
}

impl From<String> for Misuse {
    fn from(what: String) -> Self {
        Self { why: Why::Wrong(what), command: None }
    }
}

impl From<&str> for Misuse {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}

/// That there is no such thing, and which one may be meant.
pub(super) fn unknown<'a>(word: &str, what: &str, names: impl Iterator<Item = &'a str>) -> Misuse {
    let near = similar(word, names).first().map(|name| format!("; did you mean {name:?}?"));
    Misuse::unknown(format!("{word:?} is no {what}{}", near.unwrap_or_default()))
}
