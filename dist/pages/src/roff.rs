//! Writes roff with the macros of man(7), in ASCII.
//!
//! Only what mandoc and groff show the same is used.

use std::fmt::Write as _;

/// A manual page as it grows.
#[derive(Debug, Default)]
pub(crate) struct Roff {
    text: String,
    /// Whether a paragraph has just begun without a macro for it.
    is_fresh: bool,
}

/// The letters that a word is set in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Font {
    Roman,
    Bold,
    Italic,
}

/// What a page is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Title<'a> {
    pub(crate) name: &'a str,
    pub(crate) section: u8,
    pub(crate) date: &'a str,
    /// What it comes with, and of which version.
    pub(crate) source: &'a str,
    /// What a reader finds in its head.
    pub(crate) manual: &'a str,
}

impl Roff {
    pub(crate) fn new(title: &Title<'_>) -> Self {
        let mut roff = Self::default();
        let Title { name, section, date, source, manual } = title;
        let name = escaped(&name.to_uppercase());
        // mandoc reads no date with dashes that are escaped.
        let _ = writeln!(roff.text, r#".TH "{name}" {section} {date} "{source}" "{manual}""#);
        roff
    }

    pub(crate) fn finish(mut self) -> String {
        self.end_line();
        self.text
    }

    pub(crate) fn section(&mut self, name: &str) {
        self.control("SH", &[&name.to_uppercase()]);
        self.is_fresh = true;
    }

    pub(crate) fn subsection(&mut self, name: &str) {
        self.control("SS", &[name]);
        self.is_fresh = true;
    }

    /// A paragraph begins.
    pub(crate) fn paragraph(&mut self) {
        if self.is_fresh {
            self.end_line();
        } else {
            self.control("PP", &[]);
        }
        self.is_fresh = true;
    }

    /// A paragraph begins that goes on where the one before was indented.
    pub(crate) fn indented(&mut self, mark: &str, width: usize) {
        let mark = if mark == "*" { r"\(bu".to_owned() } else { escaped(mark) };
        self.end_line();
        let _ = writeln!(self.text, ".IP \"{mark}\" {width}");
        self.is_fresh = true;
    }

    /// What is written until [`Self::tagged`] is the tag of what comes then.
    pub(crate) fn tag(&mut self) {
        self.control("TP", &[]);
    }

    /// The tag is complete.
    pub(crate) fn tagged(&mut self) {
        self.end_line();
        self.is_fresh = true;
    }

    pub(crate) fn shift(&mut self) {
        self.control("RS", &["4"]);
        self.is_fresh = true;
    }

    pub(crate) fn unshift(&mut self) {
        self.control("RE", &[]);
        self.is_fresh = false;
    }

    /// Lines that stay as they are, in an item of a list or not.
    pub(crate) fn literal(&mut self, lines: &str, is_in_item: bool) {
        if !self.is_fresh && !is_in_item {
            self.control("PP", &[]);
        }
        self.control("RS", &[if is_in_item { "6" } else { "2" }]);
        self.control("nf", &[]);
        for line in lines.lines() {
            let _ = writeln!(self.text, "{}", protected(&escaped(line)));
        }
        self.control("fi", &[]);
        self.unshift();
    }

    pub(crate) fn line_break(&mut self) {
        self.control("br", &[]);
    }

    /// Words of a line.
    pub(crate) fn words(&mut self, words: &str, font: Font) {
        if words.is_empty() {
            return;
        }
        let words = escaped(words);
        let words = if self.is_at_start() { protected(words.trim_start()) } else { words };
        let _ = match font {
            Font::Roman => write!(self.text, "{words}"),
            Font::Bold => write!(self.text, r"\fB{words}\fR"),
            Font::Italic => write!(self.text, r"\fI{words}\fR"),
        };
        self.is_fresh = false;
    }

    /// What stands between the name of a page and what it is about.
    pub(crate) fn dash(&mut self) {
        self.text.push_str(r" \- ");
    }

    pub(crate) fn end_line(&mut self) {
        let written = self.text.trim_end_matches(' ').len();
        self.text.truncate(written);
        if !self.is_at_start() {
            self.text.push('\n');
        }
    }

    fn is_at_start(&self) -> bool {
        self.text.is_empty() || self.text.ends_with('\n')
    }

    fn control(&mut self, name: &str, words: &[&str]) {
        self.end_line();
        let _ = write!(self.text, ".{name}");
        for word in words {
            let _ = write!(self.text, " \"{}\"", escaped(word).replace('"', r"\(dq"));
        }
        self.text.push('\n');
        self.is_fresh = false;
    }
}

/// Every character as itself: quotes and dashes as they have to be typed.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str(r"\e"),
            '-' => escaped.push_str(r"\-"),
            '\'' => escaped.push_str(r"\(aq"),
            '`' => escaped.push_str(r"\(ga"),
            '^' => escaped.push_str(r"\(ha"),
            '~' => escaped.push_str(r"\(ti"),
            letter if letter.is_ascii() => escaped.push(letter),
            letter => {
                let _ = write!(escaped, r"\[u{:04X}]", u32::from(letter));
            }
        }
    }
    escaped
}

/// A line that is none of roff's own, whatever it begins with.
fn protected(line: &str) -> String {
    if line.starts_with('.') { format!(r"\&{line}") } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_taken_for_roff() {
        let mut roff = Roff::default();
        roff.paragraph();
        roff.words(".SH \\fB a'b `c` ~/.x -- \u{2588}", Font::Roman);
        roff.literal(".TH\n'quoted\n\nlast", false);
        assert_eq!(
            roff.finish(),
            ".PP\n\\&.SH \\efB a\\(aqb \\(gac\\(ga \\(ti/.x \\-\\- \\[u2588]\n.PP\n.RS \"2\"\n.nf\n\
             \\&.TH\n\\(aqquoted\n\nlast\n.fi\n.RE\n"
        );
    }

    #[test]
    fn a_paragraph_right_after_a_heading_needs_no_macro() {
        let mut roff = Roff::default();
        roff.section("Name of \"it\"");
        roff.paragraph();
        roff.words("one", Font::Bold);
        roff.paragraph();
        roff.words("two", Font::Italic);
        assert_eq!(roff.finish(), ".SH \"NAME OF \\(dqIT\\(dq\"\n\\fBone\\fR\n.PP\n\\fItwo\\fR\n");
    }
}
