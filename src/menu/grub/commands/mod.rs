//! The commands of scripts, as tables: a name and what it does. What only paints,
//! sounds or prepares the firmware is known and does nothing.
//!
//! A command that is in no table does what GRUB does with one: it says so and
//! succeeds.

mod block;
mod control;
mod load;
mod menu;
mod print;
mod quiet;
mod regexp;
mod search;
mod test;
mod variables;

pub(super) use menu::MAX_ROWS;

use super::evaluator::{Call, Command, Evaluator, Flow, Status};

/// A command and its name.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) run: Command,
}

impl Row {
    /// Whether it wants `{ ... }` as it is, and not as a word.
    pub(super) fn takes_block(&self) -> bool {
        ["menuentry", "submenu", "hiddenentry"].contains(&self.name)
    }
}

/// All that are known.
const TABLES: [&[Row]; 9] = [
    variables::ROWS,
    test::ROWS,
    control::ROWS,
    print::ROWS,
    regexp::ROWS,
    menu::ROWS,
    load::ROWS,
    block::ROWS,
    search::ROWS,
];

/// The command of this name.
pub(super) fn find(name: &str) -> Option<&'static Row> {
    let mut rows = TABLES.iter().copied().flatten();
    let row = rows.find(|row| row.name == name);
    row.or_else(|| load::foreign_row(name)).or_else(|| quiet::row(name))
}

/// What a command does that does nothing here.
fn nothing(_: &mut Evaluator<'_>, _: &Call<'_>) -> Flow {
    Flow::SUCCESS
}

/// The number that a word is, as GRUB reads one: decimal, `0x` hexadecimal, or octal
/// after a `0`, with what follows it; too large a one counts as the largest.
fn number(word: &str) -> Option<i64> {
    let (is_negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let (base, digits) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None if digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    let values = digits.chars().map_while(|digit| digit.to_digit(base));
    let add = |sum: i64, value| sum.saturating_mul(base.into()).saturating_add(i64::from(value));
    let value = values.clone().fold(0, add);
    values.clone().next()?;
    Some(if is_negative { value.saturating_neg() } else { value })
}

/// An option that can stand before the words of a command, and what it is given.
struct Options<'c> {
    words: &'c [String],
}

/// One option of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Given<'c> {
    name: &'c str,
    value: Option<&'c str>,
}

impl<'c> Options<'c> {
    const fn new(words: &'c [String]) -> Self {
        Self { words }
    }

    /// The next option, `--name=value`, `--name value`, `-n value`; those that have
    /// values are in `valued`. `None` at the first word that is none.
    fn next(&mut self, valued: &[&str]) -> Option<Given<'c>> {
        let (word, rest) = self.words.split_first()?;
        if !word.starts_with('-') || word == "-" {
            return None;
        }
        self.words = rest;
        if word == "--" {
            return None;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        let is_value_next = value.is_none() && valued.contains(&name);
        let value = if is_value_next { self.word() } else { value };
        Some(Given { name, value })
    }

    fn word(&mut self) -> Option<&'c str> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(word)
    }
}

/// What is said of a command that is given too few words, or too many.
fn wants(evaluator: &mut Evaluator<'_>, call: &Call<'_>, what: &str) -> Flow {
    evaluator.fail(call, Status::BAD_ARGUMENT, &["it wants ", what].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bases_and_signs() {
        let cases = [
            ("10", Some(10)),
            ("010", Some(8)),
            ("0x1F", Some(31)),
            ("-3", Some(-3)),
            ("12abc", Some(12)),
            ("0", Some(0)),
            ("08", Some(0)),
            ("99999999999999999999", Some(i64::MAX)),
            ("", None),
            ("-", None),
            ("abc", None),
        ];
        for (word, expected) in cases {
            assert_eq!(number(word), expected, "{word}");
        }
    }
}
