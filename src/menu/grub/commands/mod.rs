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

use super::evaluator::{Call, Evaluator, Flow, Row, Status};

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
    for table in TABLES {
        for row in table {
            if row.name == name {
                return Some(row);
            }
        }
    }
    load::foreign_row(name).or_else(|| quiet::row(name))
}

/// What a command does that does nothing here.
fn nothing(_: &mut Evaluator<'_>, _: &Call<'_>) -> Flow {
    Flow::SUCCESS
}

/// The number that a word begins with, as GRUB reads one: decimal, hexadecimal after
/// `0x`, or octal after `0`; it has 32 bits, whatever it is written as.
fn number(word: &str) -> Option<i32> {
    let digits = word.strip_prefix('-');
    let is_negative = digits.is_some();
    let (base, digits) = base(digits.unwrap_or(word).trim_start_matches(BLANKS));
    let values = digits.chars().map_while(|digit| digit.to_digit(base));
    let add =
        |sum: Option<u64>, value| sum?.checked_mul(base.into())?.checked_add(u64::from(value));
    if base != 16 {
        values.clone().next()?;
    }
    let value = values.fold(Some(0), add).unwrap_or(u64::MAX);
    let value = if is_negative { value.wrapping_neg() } else { value };
    let [.., a, b, c, d] = value.to_be_bytes();
    Some(i32::from_be_bytes([a, b, c, d]))
}

/// What may stand before a number.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// By what a number counts, and its digits.
fn base(digits: &str) -> (u32, &str) {
    if let Some(digits) = digits.strip_prefix("0x") {
        return (16, digits);
    }
    let is_octal = digits
        .strip_prefix('0')
        .is_some_and(|rest| rest.starts_with(|next: char| next.is_digit(8)));
    (if is_octal { 8 } else { 10 }, digits)
}

/// The number that a whole word is, in decimals.
///
/// # Errors
/// With which status GRUB refuses it.
fn count(word: &str) -> Result<i32, Status> {
    let digits = word.trim_start_matches(BLANKS).trim_start_matches('0');
    if !word.contains(|digit: char| digit.is_ascii_digit()) || word.starts_with('-') {
        return Err(Status::BAD_NUMBER);
    }
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Status::BAD_ARGUMENT);
    }
    Ok(number(digits).unwrap_or_default())
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
            ("- 5", Some(-5)),
            (" -5", None),
            ("0X1", Some(0)),
            ("-3", Some(-3)),
            ("12abc", Some(12)),
            ("0", Some(0)),
            ("08", Some(8)),
            ("018", Some(1)),
            (" 5 ", Some(5)),
            ("0xg", Some(0)),
            ("4294967297", Some(1)),
            ("9223372036854775808", Some(0)),
            ("99999999999999999999", Some(-1)),
            ("-99999999999999999999", Some(1)),
            ("+5", None),
            ("", None),
            ("-", None),
            ("abc", None),
        ];
        for (word, expected) in cases {
            assert_eq!(number(word), expected, "{word}");
        }
    }
}
