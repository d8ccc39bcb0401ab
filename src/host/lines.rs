//! The text of a record: a first line that says what it is, a line for each value, and
//! a last line, so that half a record is none.
//!
//! A line is a key, a blank and the value. What would end a line or drive a terminal is
//! written as `\xNN`, a backslash as two. Any bytes give a value or the number of the
//! line that is wrong; none of them can make a reader go on for ever.

use core::fmt;

use crate::base::text::quoted;

/// Before the kind of a record, with the number of this format.
const HEAD: &str = "turnout-record 1";
const LAST: &str = "end\n";

/// Why a text is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    line: usize,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// A record that is being written.
pub(super) struct Writer(String);

impl Writer {
    pub(super) fn new(kind: &str) -> Self {
        Self([HEAD, " ", kind, "\n"].concat())
    }

    pub(super) fn line(&mut self, key: &str, value: &str) {
        self.0.push_str(key);
        self.0.push(' ');
        value.chars().for_each(|c| escape(c, &mut self.0));
        self.0.push('\n');
    }

    pub(super) fn maybe(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.line(key, value);
        }
    }

    pub(super) fn end(mut self) -> String {
        self.0.push_str(LAST);
        self.0
    }
}

/// All control characters have two hexadecimal digits.
fn escape(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c => out.push(c),
    }
}

/// Undoes [`escape`]; none for what that never writes.
fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => out.push(escaped(&mut rest)?),
            c if c.is_control() => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn escaped(rest: &mut core::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        '\\' => Some('\\'),
        'x' => {
            let high = rest.next()?.to_digit(16)?;
            let low = rest.next()?.to_digit(16)?;
            char::from_u32((high << 4) | low).filter(|c| c.is_control())
        }
        _ => None,
    }
}

/// Texts that may hold several records, as they are read.
pub(super) struct Reader<'a> {
    rest: &'a str,
    /// Of the next line, from 1.
    line: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    /// Reads the first line of a record.
    pub(super) fn begin(&mut self, kind: &str) -> Result<(), Problem> {
        let head = [HEAD, " ", kind].concat();
        match self.peek() {
            Some(line) if line == head => {
                self.advance();
                Ok(())
            }
            line => Err(self.unexpected(&head, line)),
        }
    }

    /// Reads the last line of a record.
    pub(super) fn end(&mut self) -> Result<(), Problem> {
        match self.peek() {
            Some("end") => {
                self.advance();
                Ok(())
            }
            line => Err(self.unexpected("end", line)),
        }
    }

    /// Reads the last line of a text.
    pub(super) fn finish(&mut self) -> Result<(), Problem> {
        self.end()?;
        match self.rest {
            "" => Ok(()),
            _ => Err(self.problem("nothing belongs behind the end".to_owned())),
        }
    }

    /// The value of a line that has to be there.
    pub(super) fn take(&mut self, key: &str) -> Result<String, Problem> {
        match self.maybe(key)? {
            Some(value) => Ok(value),
            None => Err(self.unexpected(key, self.peek())),
        }
    }

    /// The value of a line that need not be there.
    pub(super) fn maybe(&mut self, key: &str) -> Result<Option<String>, Problem> {
        let value = self.peek().and_then(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let Some(value) = value else { return Ok(None) };
        let value = unescape(value).ok_or_else(|| self.no_value(key, value))?;
        self.advance();
        Ok(Some(value))
    }

    /// The same as what `read` makes of it.
    pub(super) fn maybe_as<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let line = self.line;
        let Some(value) = self.maybe(key)? else { return Ok(None) };
        let read = read(&value).ok_or_else(|| Problem { line, ..self.no_value(key, &value) })?;
        Ok(Some(read))
    }

    /// What `read` makes of a line that has to be there.
    pub(super) fn take_as<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Problem> {
        match self.maybe_as(key, read)? {
            Some(value) => Ok(value),
            None => Err(self.unexpected(key, self.peek())),
        }
    }

    /// What `read` makes of each line with this key.
    pub(super) fn all_as<T>(
        &mut self,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, Problem> {
        let mut all = Vec::new();
        while let Some(one) = self.maybe_as(key, &read)? {
            all.push(one);
        }
        Ok(all)
    }

    /// The next line; none where the text ends before the line does.
    fn peek(&self) -> Option<&'a str> {
        self.rest.split_once('\n').map(|(line, _)| line)
    }

    fn advance(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.line = self.line.saturating_add(1);
    }

    fn unexpected(&self, wanted: &str, line: Option<&str>) -> Problem {
        let wanted = quoted(wanted);
        self.problem(match line {
            Some(line) => format!("it should begin with {wanted}, and is {}", quoted(line)),
            None => format!("the text ends where {wanted} should be"),
        })
    }

    fn no_value(&self, key: &str, value: &str) -> Problem {
        self.problem(format!("{key} cannot be {}", quoted(value)))
    }

    const fn problem(&self, what: String) -> Problem {
        Problem { line: self.line, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, Option<u64>), Problem> {
        let mut reader = Reader::new(text);
        reader.begin("test")?;
        let name = reader.take("name")?;
        let size = reader.maybe_as("size", |size| size.parse().ok())?;
        reader.finish()?;
        Ok((name, size))
    }

    fn write(name: &str) -> String {
        let mut writer = Writer::new("test");
        writer.line("name", name);
        writer.end()
    }

    #[test]
    fn no_value_ends_its_line_or_drives_a_terminal() {
        let name = "a\nend\nb\\x0a \u{1b}[2J\u{85}\r ü ";
        let text = write(name);
        assert_eq!(
            text,
            "turnout-record 1 test\nname a\\x0aend\\x0ab\\\\x0a \\x1b[2J\\x85\\x0d ü \nend\n"
        );
        assert_eq!(read(&text), Ok((name.to_owned(), None)));
        assert_eq!(read(&write("")), Ok((String::new(), None)));
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_line() {
        for (text, said) in [
            ("", "line 1: the text ends where \"turnout-record 1 test\" should be"),
            ("turnout-record 2 test\n", "line 1: it should begin with \"turnout-record 1 test\", "),
            ("turnout-record 1 test\nnam a\n", "line 2: it should begin with \"name\", and is"),
            ("turnout-record 1 test\nname a", "line 2: the text ends where \"name\" should be"),
            ("turnout-record 1 test\nname a\n", "line 3: the text ends where \"end\" should be"),
            ("turnout-record 1 test\nname \\q\nend\n", "line 2: name cannot be \"\\\\q\""),
            ("turnout-record 1 test\nname \\x41\nend\n", "line 2: name cannot be "),
            ("turnout-record 1 test\nname a\r\nend\n", "line 2: name cannot be \"a\\\\r\""),
            ("turnout-record 1 test\nname a\nsize b\nend\n", "line 3: size cannot be \"b\""),
            ("turnout-record 1 test\nname a\nend\n\n", "line 4: nothing belongs behind the end"),
        ] {
            let problem = read(text).unwrap_err().to_string();
            assert!(problem.starts_with(&said.replace("\\\\", "\\")), "{text:?}: {problem}");
        }
    }
}
