//! Reads the canonical texts: lines of `FIELD VALUE`, each field in its place.
//!
//! Manifest and policy share these rules, so that both have one spelling only.
//! Nothing here skips what it does not understand. Specification:
//! `docs/manifest.md`, `docs/policy.md`.

use core::fmt;
use core::str::FromStr;

use super::{AtLine, MAX_FILE, Shown, line_of};
use crate::base::digest::Digest;

/// Why a text cannot be read.
pub type Error = AtLine<Problem>;

/// What is wrong in a line of a manifest or a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Longer than 64 KiB; the length in bytes.
    TooLong(usize),
    /// Not UTF-8.
    NotUtf8,
    /// The last line has no line feed.
    NoFinalLineFeed,
    /// A control character, carriage return and tab included.
    Control(char),
    /// A blank at the end of the line.
    TrailingBlank,
    /// More than one blank after the field's name.
    LeadingBlank,
    /// Another field must stand here.
    Expected {
        /// Name of the field that must stand here.
        field: &'static str,
        /// The line that does.
        found: Shown,
    },
    /// The text ends before this field.
    Missing(&'static str),
    /// A line that is no field of this text, or a field out of its order.
    Unexpected(Shown),
    /// The field has no value.
    NoValue(&'static str),
    /// A format version other than 1.
    Version(Shown),
    /// Not a value that the field can have.
    Value {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: Shown,
    },
    /// Not a decimal number of the field's range without leading zeros.
    Number {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: Shown,
    },
    /// The value that holds without the line: it has one form, no line.
    Default {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: Shown,
    },
    /// Not `PATH SIZE sha256:HEX`.
    File(Shown),
    /// Not a plain absolute path.
    Path(Shown),
    /// Not `sha256:` and 64 lower-case hexadecimal digits.
    Digest(Shown),
    /// Not `SHA256:` and 43 base64 digits.
    Fingerprint(Shown),
    /// One line too many of this field.
    TooMany {
        /// Name of the field.
        field: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// The value stands in an earlier line too, or behind one that belongs after
    /// it.
    Order {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: Shown,
    },
    /// A slot that the command line does not have exactly once.
    Slot {
        /// As it stands in a command line.
        slot: &'static str,
        /// How often it does.
        found: usize,
    },
    /// A threshold above the number of signatures that are tried.
    Unreachable {
        /// The threshold.
        threshold: u8,
        /// Signatures tried.
        signatures: u8,
    },
}

/// The lines that are not read yet.
pub(super) struct Lines<'a> {
    rest: &'a str,
    line: u32,
}

/// Refuses what is too long to be read, so that it need not be hashed.
pub(super) fn check_length(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > MAX_FILE {
        return Err(Error { line: 1, problem: Problem::TooLong(bytes.len()) });
    }
    Ok(())
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        check_length(bytes)?;
        let rest = match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let line = line_of(bytes, error.valid_up_to());
                return Err(Error { line, problem: Problem::NotUtf8 });
            }
        };
        Ok(Self { rest, line: 1 })
    }

    /// The next line without its line feed.
    fn peek(&self) -> Result<Option<&'a str>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let split = self.rest.split_once('\n');
        let (line, _) = split.ok_or_else(|| self.error(Problem::NoFinalLineFeed))?;
        if let Some(control) = line.chars().find(|c| c.is_control()) {
            return Err(self.error(Problem::Control(control)));
        }
        if line.ends_with(char::is_whitespace) {
            return Err(self.error(Problem::TrailingBlank));
        }
        Ok(Some(line))
    }

    /// The value of the next line, if its field is `field`; the value is `None`
    /// where the line is the name alone. Does not move on.
    fn peek_field(&self, field: &str) -> Result<Option<Option<&'a str>>, Error> {
        let Some(line) = self.peek()? else { return Ok(None) };
        let value = match line.strip_prefix(field) {
            Some("") => None,
            Some(rest) if rest.starts_with(' ') => rest.get(1..),
            _ => return Ok(None),
        };
        if value.is_some_and(|value| value.starts_with(char::is_whitespace)) {
            return Err(self.error(Problem::LeadingBlank));
        }
        Ok(Some(value))
    }

    /// Whether the next line's field is `field`.
    pub(super) fn is_at(&self, field: &str) -> Result<bool, Error> {
        Ok(self.peek_field(field)?.is_some())
    }

    fn advance(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.line = self.line.saturating_add(1);
    }

    pub(super) fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.peek_field(field)? else { return Ok(None) };
        let value = value.ok_or_else(|| self.error(Problem::NoValue(field)))?;
        let value = read(value).map_err(|problem| self.error(problem))?;
        self.advance();
        Ok(Some(value))
    }

    pub(super) fn require<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<T, Error> {
        match self.optional(field, read)? {
            Some(value) => Ok(value),
            None => Err(self.unexpected(field)?),
        }
    }

    /// All lines of this field, at most `most`.
    pub(super) fn repeat<T>(
        &mut self,
        field: &'static str,
        most: usize,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Error> {
        let mut values = Vec::new();
        while self.is_at(field)? {
            if values.len() == most {
                return Err(self.error(Problem::TooMany { field, most }));
            }
            values.extend(self.optional(field, &read)?);
        }
        Ok(values)
    }

    /// The same where each value may stand once, in ascending order.
    pub(super) fn ascending<T: Ord>(
        &mut self,
        field: &'static str,
        most: usize,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Error> {
        let mut values = Vec::new();
        while let Some(text) = self.peek_field(field)? {
            let text = text.unwrap_or_default();
            if values.len() == most {
                return Err(self.error(Problem::TooMany { field, most }));
            }
            let earlier = self.error(Problem::Order { field, value: Shown::text(text) });
            let Some(value) = self.optional(field, &read)? else { break };
            if values.last().is_some_and(|last| *last >= value) {
                return Err(earlier);
            }
            values.push(value);
        }
        Ok(values)
    }

    /// A line whose value may be empty; the line is then the field's name alone.
    pub(super) fn text(&mut self, field: &'static str) -> Result<String, Error> {
        let Some(value) = self.peek_field(field)? else {
            return Err(self.unexpected(field)?);
        };
        self.advance();
        Ok(value.unwrap_or_default().to_owned())
    }

    pub(super) fn end(&self) -> Result<(), Error> {
        match self.peek()? {
            None => Ok(()),
            Some(line) => Err(self.error(Problem::Unexpected(Shown::text(line)))),
        }
    }

    /// The error for a line, or the end, where `field` should be.
    fn unexpected(&self, field: &'static str) -> Result<Error, Error> {
        let problem = match self.peek()? {
            None => Problem::Missing(field),
            Some(line) => Problem::Expected { field, found: Shown::text(line) },
        };
        Ok(self.error(problem))
    }

    /// `problem`, of the line that was read last.
    pub(super) fn behind(&self, problem: Problem) -> Error {
        Error { line: self.line.saturating_sub(1), problem }
    }

    fn error(&self, problem: Problem) -> Error {
        Error { line: self.line, problem }
    }
}

/// The value of a text's first line, `1`.
pub(super) fn version(value: &str) -> Result<(), Problem> {
    if value == "1" { Ok(()) } else { Err(Problem::Version(Shown::text(value))) }
}

/// A decimal number in the one form that writing it gives.
pub(super) fn number<T: FromStr + ToString>(
    field: &'static str,
    value: &str,
) -> Result<T, Problem> {
    match value.parse::<T>() {
        Ok(number) if number.to_string() == value => Ok(number),
        _ => Err(Problem::Number { field, value: Shown::text(value) }),
    }
}

/// The same for a line that is left out where its value is `default`.
pub(super) fn other_than<T: FromStr + ToString + PartialEq>(
    default: &T,
    field: &'static str,
    value: &str,
) -> Result<T, Problem> {
    let number = number(field, value)?;
    if number == *default {
        return Err(Problem::Default { field, value: Shown::text(value) });
    }
    Ok(number)
}

pub(super) fn sha256(value: &str) -> Result<Digest, Problem> {
    let digest = value.strip_prefix("sha256:").and_then(Digest::from_hex);
    digest.ok_or_else(|| Problem::Digest(Shown::text(value)))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(len) => {
                write!(f, "the file is {len} bytes long, {MAX_FILE} are allowed")
            }
            Self::NotUtf8 => f.write_str("this is not UTF-8 text"),
            Self::NoFinalLineFeed => f.write_str("the last line does not end in a line feed"),
            Self::Control(c) => write!(f, "there is a control character, {c:?}"),
            Self::TrailingBlank => f.write_str("there is a blank at the end"),
            Self::LeadingBlank => f.write_str("there is more than one blank after the field name"),
            Self::Expected { field, found } => {
                write!(f, "\"{field}\" must stand here, not {found}")
            }
            Self::Missing(field) => write!(f, "the text ends before \"{field}\""),
            Self::Unexpected(found) => write!(
                f,
                "{found} may not stand here: the field is not known, or not in its place, or \
                 nothing may follow"
            ),
            Self::NoValue(field) => write!(f, "\"{field}\" has no value"),
            Self::Version(value) => {
                write!(f, "format version {value} is not understood, only 1 is")
            }
            Self::Value { field, value } => write!(f, "{value} cannot be signed as {field}"),
            Self::Number { field, value } => {
                write!(
                    f,
                    "the {field} {value} is not a decimal number without leading zeros in range"
                )
            }
            Self::Default { field, value } => {
                write!(f, "{field} is {value} without this line too; leave the line out")
            }
            Self::File(value) => write!(f, "{value} is not of the form PATH SIZE sha256:HEX"),
            Self::Path(value) => {
                write!(f, "the path {value} is not absolute and plain (no blanks, no \"..\")")
            }
            Self::Digest(value) => {
                write!(f, "{value} is not \"sha256:\" and 64 lower-case hexadecimal digits")
            }
            Self::Fingerprint(value) => {
                write!(f, "{value} is not a fingerprint as ssh-keygen -l prints it (SHA256:...)")
            }
            Self::TooMany { field, most } => {
                write!(f, "there are more than {most} \"{field}\" lines")
            }
            Self::Order { field, value } => {
                write!(f, "the {field} {value} must stand once, and in its order")
            }
            Self::Slot { slot, found } => {
                write!(f, "the slot {slot} must stand in options once, and does {found} times")
            }
            Self::Unreachable { threshold, signatures } => write!(
                f,
                "of {signatures} signatures that are tried, {threshold} can never be good"
            ),
        }
    }
}
