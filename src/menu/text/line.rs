//! The line syntax that boot entries and loader.conf share: a key, separators,
//! a literal value.
//!
//! The Boot Loader Specification (UAPI.1) leaves the details open; these are
//! systemd-boot's: CR ends a line as LF does, blanks around a line are dropped,
//! `#` starts a comment only at the start of a line, and one pair of double
//! quotes around a value is taken off.

use crate::base::text::{quoted, shown};
use crate::menu::{Code, Diagnostic, MAX_FILE_SIZE};

/// Most lines that a file may have.
const MAX_LINES: usize = 1024;

/// How much of a key a message shows, in columns.
const KEY_COLUMNS: usize = 64;

/// What some editors put before the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The separators of boot entries and loader.conf.
pub const BLANKS: &[char] = &[' ', '\t'];

/// One key with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Line number, from 1.
    pub number: usize,
    /// The first word.
    pub key: &'a str,
    /// The rest, without quotes; may be empty.
    pub value: &'a str,
}

/// The text of a menu file, if it is small enough and is text at all.
///
/// # Errors
/// Too long, too many lines, a NUL byte, or not UTF-8.
pub fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Diagnostic> {
    if bytes.len() > MAX_FILE_SIZE {
        let detail = format!("the file is larger than {MAX_FILE_SIZE} bytes");
        return Err(Diagnostic::new(file, None, Code::FileSize, detail));
    }
    let text = core::str::from_utf8(bytes)
        .map_err(|error| encoding(file, bytes.get(..error.valid_up_to()), "is not valid UTF-8"))?;
    if let Some(nul) = text.find('\0') {
        return Err(encoding(file, bytes.get(..nul), "contains a NUL byte"));
    }
    if text.lines().count() > MAX_LINES {
        let detail = format!("the file has more than {MAX_LINES} lines");
        return Err(Diagnostic::new(file, None, Code::FileSize, detail));
    }
    Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))
}

/// A diagnostic for the line that follows the good bytes.
fn encoding(file: &str, good: Option<&[u8]>, what: &str) -> Diagnostic {
    let line = good.unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
    let line = line.saturating_add(1);
    Diagnostic::new(file, Some(line), Code::Encoding, format!("the line {what}"))
}

/// Every line of `text` that has a key and, after one or more `separators`, a
/// value. Comments and lines without a value are passed over.
pub fn pairs<'a>(text: &'a str, separators: &'static [char]) -> impl Iterator<Item = Line<'a>> {
    let numbered = (1..).zip(text.split('\n'));
    let lines = numbered.flat_map(|(number, line)| line.split('\r').map(move |l| (number, l)));
    lines.filter_map(move |(number, line)| {
        let line = line.trim_matches(BLANKS);
        let (key, value) = line.split_once(separators)?;
        let value = unquote(value.trim_start_matches(separators));
        (!key.is_empty() && !key.starts_with('#')).then_some(Line { number, key, value })
    })
}

fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

impl Line<'_> {
    /// A diagnostic about this line's value.
    pub(crate) fn complain(&self, file: &str, code: Code, what: &str) -> Diagnostic {
        Diagnostic::new(file, Some(self.number), code, self.quote(what))
    }

    /// The key and the value, each cut, and what is wrong with them.
    pub(crate) fn quote(&self, what: &str) -> String {
        format!("{} {} {what}", shown(self.key, KEY_COLUMNS), quoted(self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, &str, &str)> {
        pairs(text, BLANKS).map(|line| (line.number, line.key, line.value)).collect()
    }

    #[test]
    fn tabs_blanks_and_both_line_ends_separate() {
        let text = "title\t Debian \r\n\n# linux /no\n  linux   /vmlinuz\roptions quiet";
        let expected = [(1, "title", "Debian"), (4, "linux", "/vmlinuz"), (4, "options", "quiet")];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn one_pair_of_double_quotes_is_taken_off() {
        let cases = [
            ("t \"a b\"", "a b"),
            ("t \"\"a\"\"", "\"a\""),
            ("t \"", "\""),
            ("t \"\"", ""),
            ("t 'a'", "'a'"),
            ("t a=\"b\"", "a=\"b\""),
        ];
        for (text, value) in cases {
            assert_eq!(read(text), [(1, "t", value)], "{text}");
        }
    }

    #[test]
    fn a_key_without_a_value_and_a_comment_are_passed_over() {
        assert_eq!(read("title\n#title x\n # title y\n\n"), []);
        assert_eq!(read("options a # b"), [(1, "options", "a # b")]);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(text("x.conf", b"\xef\xbb\xbftitle a"), Ok("title a"));
    }

    #[test]
    fn bytes_that_are_not_text_are_refused_with_their_line() {
        let cases: [(&[u8], &str); 2] = [
            (b"a b\nc \xff\n", "x.conf:2: ENCODING: the line is not valid UTF-8"),
            (b"a b\n\nc \0\n", "x.conf:3: ENCODING: the line contains a NUL byte"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(text("x.conf", bytes).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let large = vec![b'a'; MAX_FILE_SIZE + 1];
        let long = "\n".repeat(MAX_LINES + 1);
        let cases = [
            (large.as_slice(), "x.conf: FILE_SIZE: the file is larger than 65536 bytes"),
            (long.as_bytes(), "x.conf: FILE_SIZE: the file has more than 1024 lines"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(text("x.conf", bytes).unwrap_err().to_string(), expected);
        }
        assert!(text("x.conf", &large[1..]).is_ok());
    }
}
