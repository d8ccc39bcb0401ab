//! Writes JSON (RFC 8259), and nothing else: what Turnout reads is never JSON.
//!
//! Objects and arrays are written as they are built, so that no tree of values
//! is ever in memory. Every string is escaped here and nowhere else; text that
//! came from outside needs no other care.

use super::text::is_printable;

/// An object that is being written.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut String,
    first: bool,
}

/// An array that is being written.
#[derive(Debug)]
pub struct Array<'a> {
    out: &'a mut String,
    first: bool,
}

/// One object as text, on one line and without a line end.
#[must_use]
pub fn object(fill: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::new();
    write_object(&mut out, fill);
    out
}

fn write_object(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    fill(&mut Object { out, first: true });
    out.push('}');
}

impl Object<'_> {
    fn member(&mut self, name: &str) -> &mut String {
        comma(self.out, &mut self.first);
        quote(self.out, name);
        self.out.push(':');
        self.out
    }

    /// A string.
    pub fn text(&mut self, name: &str, value: &str) {
        quote(self.member(name), value);
    }

    /// A string, or null.
    pub fn maybe_text(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    /// An integer. A reader that keeps numbers as doubles loses what is above
    /// 2^53; no address or size of a machine is.
    pub fn number(&mut self, name: &str, value: u64) {
        self.member(name).push_str(&value.to_string());
    }

    /// An integer, or null.
    pub fn maybe_number(&mut self, name: &str, value: Option<u64>) {
        match value {
            Some(value) => self.number(name, value),
            None => self.null(name),
        }
    }

    /// true or false.
    pub fn flag(&mut self, name: &str, value: bool) {
        self.member(name).push_str(if value { "true" } else { "false" });
    }

    /// true, false, or null where nobody knows.
    pub fn maybe_flag(&mut self, name: &str, value: Option<bool>) {
        match value {
            Some(value) => self.flag(name, value),
            None => self.null(name),
        }
    }

    /// null.
    pub fn null(&mut self, name: &str) {
        self.member(name).push_str("null");
    }

    /// An object inside this one.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        write_object(self.member(name), fill);
    }

    /// An array inside this object.
    pub fn array(&mut self, name: &str, fill: impl FnOnce(&mut Array<'_>)) {
        let out = self.member(name);
        out.push('[');
        fill(&mut Array { out, first: true });
        out.push(']');
    }
}

impl Array<'_> {
    /// A string.
    pub fn text(&mut self, value: &str) {
        comma(self.out, &mut self.first);
        quote(self.out, value);
    }

    /// An object.
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        comma(self.out, &mut self.first);
        write_object(self.out, fill);
    }
}

fn comma(out: &mut String, first: &mut bool) {
    if !core::mem::replace(first, false) {
        out.push(',');
    }
}

/// Control characters are escaped as RFC 8259, section 7, asks; whatever turns or
/// hides text as well, because it may be looked at on a terminal.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => escape(out, c),
        }
    }
    out.push('"');
}

/// By its UTF-16 code units: two for what is beyond the Basic Multilingual Plane.
fn escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_reader_finds_every_kind_of_value_as_it_was_written() {
        let text = object(|o| {
            o.text("text", "a");
            o.maybe_text("none", None);
            o.number("number", u64::MAX);
            o.maybe_number("maybe", Some(0));
            o.flag("flag", true);
            o.maybe_flag("unknown", None);
            o.object("inner", |o| o.array("empty", |_| {}));
            o.array("list", |a| {
                a.text("x");
                a.object(|_| {});
                a.text("y");
            });
        });
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = json!({
            "text": "a", "none": null, "number": u64::MAX, "maybe": 0, "flag": true,
            "unknown": null, "inner": {"empty": []}, "list": ["x", {}, "y"],
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn every_character_comes_back_and_none_that_turns_or_hides_text_is_written_raw() {
        let hidden = ['\u{202e}', '\u{2028}', '\u{3164}', '\u{e0041}'];
        let all: String = ('\0'..='\u{2ff}').chain(hidden).chain(['日', '\u{10ffff}']).collect();
        let text = object(|o| o.text(&all, &all));
        assert!(!text.contains(char::is_control) && !text.contains(hidden), "{text:?}");
        assert!(text.contains(r"\u202e\u2028\u3164\udb40\udc41日"), "{text:?}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read.get(&all).and_then(serde_json::Value::as_str), Some(all.as_str()));
    }
}
