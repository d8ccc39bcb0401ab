//! Findings of a check, put into words and into JSON.

use crate::base::json::{self, Object};
use crate::base::text::{printable, split_at_column};
use crate::check::{Finding, Weight, is_ready};

/// Of a terminal that nobody has widened.
pub(super) const COLUMNS: usize = 80;
/// What goes on from one line to the next is moved in by.
pub(super) const INDENT: &str = "     ";
/// What a remedy begins with.
pub(super) const REMEDY: &str = "  => ";

/// For eyes, with what it comes to at the end.
pub(super) fn as_text(found: &[Finding]) -> String {
    let mut out = String::new();
    for one in found {
        let said = &one.said;
        let head = format!("{} {}: ", word(said.weight), one.code);
        fold(&head, &said.sentence, &mut out);
        for (index, line) in said.remedy.lines().enumerate() {
            fold(if index == 0 { REMEDY } else { INDENT }, line, &mut out);
        }
    }
    out.push_str(if is_ready(found) { "ready" } else { "not ready" });
    out
}

/// A line in as many as it takes, broken at blanks. A word that is longer than a line
/// keeps one to itself.
pub(super) fn fold(head: &str, line: &str, out: &mut String) {
    let line = printable(line);
    let mut rest: &str = &line;
    let mut before = head;
    loop {
        let (part, tail) = break_at(rest, COLUMNS.saturating_sub(before.len()));
        out.push_str(before);
        out.push_str(part);
        out.push('\n');
        if tail.is_empty() {
            return;
        }
        rest = tail;
        before = INDENT;
    }
}

/// Before and after the last blank that leaves no more than `room` columns before it.
fn break_at(text: &str, room: usize) -> (&str, &str) {
    let (fits, rest) = split_at_column(text, room);
    if rest.is_empty() {
        return (text, "");
    }
    let whole = if rest.starts_with(' ') { Some(fits.len()) } else { fits.rfind(' ') };
    let at = whole.or_else(|| text.find(' ')).unwrap_or(text.len());
    let (head, tail) = text.split_at_checked(at).unwrap_or((text, ""));
    (head, tail.trim_start())
}

/// For programs.
pub(super) fn as_json(found: &[Finding]) -> String {
    json::object(|out| {
        out.flag("ready", is_ready(found));
        out.array("findings", |list| {
            found.iter().for_each(|one| list.object(|out| write(one, out)));
        });
    })
}

pub(super) fn write(one: &Finding, out: &mut Object<'_>) {
    out.text("code", one.code);
    out.text("weight", word(one.said.weight));
    out.text("sentence", &one.said.sentence);
    out.text("remedy", &one.said.remedy);
}

pub(super) const fn word(weight: Weight) -> &'static str {
    match weight {
        Weight::Stops => "stop",
        Weight::Warns => "warn",
        Weight::Notes => "note",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Said;

    fn finding(weight: Weight, sentence: &str, remedy: &str) -> Finding {
        let said = Said { weight, sentence: sentence.to_owned(), remedy: remedy.to_owned() };
        Finding { code: "CODE", said }
    }

    #[test]
    fn a_finding_fits_a_terminal_and_says_last_what_it_comes_to() {
        let sentence = "a sentence that goes on for longer than a line of a terminal has columns";
        let remedy = format!("first line\n{}", "word ".repeat(30));
        let text = as_text(&[finding(Weight::Warns, sentence, &remedy)]);
        let expected = [
            "warn CODE: a sentence that goes on for longer than a line of a terminal has",
            "     columns",
            "  => first line",
        ];
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], expected);
        assert!(lines.iter().all(|line| line.len() <= COLUMNS), "{text}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("     word")).count(), 2);
        assert_eq!(lines.last(), Some(&"not ready"));
        assert_eq!(as_text(&[finding(Weight::Notes, "good", "")]), "note CODE: good\nready");
    }

    #[test]
    fn a_word_that_is_longer_than_a_line_is_not_cut() {
        let long = "x".repeat(100);
        let text = as_text(&[finding(Weight::Stops, &format!("see {long} there"), "")]);
        assert!(text.contains(&format!("\n     {long}\n     there\n")), "{text}");
    }

    #[test]
    fn a_value_cannot_draw_on_the_terminal() {
        let text = as_text(&[finding(Weight::Notes, "a\u{1b}[2Jb\nstop CODE: c", "")]);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn programs_get_the_same() {
        let text = as_json(&[finding(Weight::Stops, "a", "b")]);
        let expected = r#"{"code":"CODE","weight":"stop","sentence":"a","remedy":"b"}"#;
        assert!(text.replace([' ', '\n'], "").contains(expected), "{text}");
        assert!(text.contains("\"ready\": false") || text.contains("\"ready\":false"), "{text}");
    }
}
