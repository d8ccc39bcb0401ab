//! The lines of formats in which every line stands for itself, so that bytes
//! which are no text cost one line and not the file.

use crate::menu::metered::Metered;
use crate::menu::{Diagnostic, MAX_FILE_SIZE};

/// What some editors begin a file with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Every line without the blanks around it, with its number from 1; or why it is
/// no text.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, Result<&str, &'static str>)> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    (1..).zip(bytes.split(|byte| *byte == b'\n').map(text))
}

fn text(line: &[u8]) -> Result<&str, &'static str> {
    if line.contains(&0) {
        return Err("contains a NUL byte");
    }
    core::str::from_utf8(line).map(str::trim).or(Err("is not valid UTF-8"))
}

/// The first word of a line, and the rest.
pub(crate) fn split_word(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word, rest.trim_start())
}

/// A value without the one pair of quotes around it.
pub(crate) fn unquote(value: &str) -> &str {
    within(value, '"').or_else(|| within(value, '\'')).unwrap_or(value)
}

fn within(value: &str, quote: char) -> Option<&str> {
    value.strip_prefix(quote)?.strip_suffix(quote)
}

/// Whether a path is one on another device or machine: a URL, `host::path`,
/// `sda1:/path`, `(hd0,1)/path`.
pub(crate) fn is_elsewhere(path: &str) -> bool {
    path.contains(":/") || path.contains("::") || path.starts_with('(')
}

/// What is said of such a path.
pub(crate) const ELSEWHERE: &str = "is on another device or machine, where nothing is looked up";

/// The bytes of a menu file; why there are none is a diagnostic.
pub(crate) fn read(files: &Metered<'_>, path: &str) -> Result<Vec<u8>, Diagnostic> {
    let why = match files.read(path, MAX_FILE_SIZE) {
        Ok(Some(bytes)) => return Ok(bytes),
        Ok(None) => "there is no such file".to_owned(),
        Err(why) => why,
    };
    Err(files.fault(path, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_cost_their_line() {
        let bytes = b"\xef\xbb\xbf a b\t\r\n\n\xff\nc\0d\ne";
        let found: Vec<_> = lines(bytes).collect();
        let expected = [
            (1, Ok("a b")),
            (2, Ok("")),
            (3, Err("is not valid UTF-8")),
            (4, Err("contains a NUL byte")),
            (5, Ok("e")),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_is_a_word_and_the_rest() {
        let cases = [("a", ("a", "")), ("a \t b  c", ("a", "b  c")), ("", ("", ""))];
        for (line, expected) in cases {
            assert_eq!(split_word(line), expected);
        }
    }

    #[test]
    fn one_pair_of_quotes_of_either_kind_is_taken_off() {
        let cases = [
            ("'a b'", "a b"),
            ("\"a 'b'\"", "a 'b'"),
            ("''a''", "'a'"),
            ("'a\"", "'a\""),
            ("'", "'"),
            ("", ""),
        ];
        for (value, expected) in cases {
            assert_eq!(unquote(value), expected);
        }
    }
}
