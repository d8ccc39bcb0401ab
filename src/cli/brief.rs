//! `turnout check --next-start` in few lines: the last ones of a package manager, and what
//! somebody reads who logs in.

use super::told::{INDENT, REMEDY, fold, word, write};
use crate::base::json;
use crate::base::text::printable;
use crate::check::{Facts, Finding, Weight, is_ready};

/// Most lines.
const LINES: usize = 6;

/// The worst first; what does not fit is counted. Where all is well one line says what
/// starts.
pub(super) fn as_text(found: &[Finding], facts: &Facts) -> String {
    let warned: Vec<&Finding> =
        found.iter().filter(|one| one.said.weight != Weight::Notes).collect();
    if warned.is_empty() {
        return starts(facts);
    }
    let mut lines: Vec<String> = Vec::new();
    for (index, one) in warned.iter().enumerate() {
        let left = warned.len().saturating_sub(index);
        let own = lines_of(one);
        // The last line is for how many there are besides.
        let room = LINES.saturating_sub(lines.len()).saturating_sub(usize::from(left > 1));
        if own.len() > room && index > 0 {
            lines.push(format!("and {left} more: turnout check"));
            break;
        }
        lines.extend(shortened(own, room));
    }
    lines.join("\n")
}

fn lines_of(one: &Finding) -> Vec<String> {
    let mut out = String::new();
    fold(&format!("{} {}: ", word(one.said.weight), one.code), &one.said.sentence, &mut out);
    for (index, line) in one.said.remedy.lines().enumerate() {
        fold(if index == 0 { REMEDY } else { INDENT }, line, &mut out);
    }
    out.lines().map(str::to_owned).collect()
}

/// In so many lines, of which the last ones, with what to do, are not left out.
fn shortened(mut lines: Vec<String>, room: usize) -> Vec<String> {
    let remedy = lines.iter().position(|line| line.starts_with(REMEDY)).unwrap_or(lines.len());
    let kept = lines.len().saturating_sub(remedy);
    let end = room.saturating_sub(kept).max(1);
    if end < remedy {
        lines.drain(end..remedy);
        if let Some(last) = lines.get_mut(end.saturating_sub(1)) {
            last.push_str(" ...");
        }
    }
    lines.truncate(room.max(1));
    lines
}

fn starts(facts: &Facts) -> String {
    let starts = facts.outlook.as_ref().and_then(|outlook| outlook.starts());
    let Some(entry) = starts else { return "nothing is said of the next start".to_owned() };
    let release = entry.release.as_deref().unwrap_or("a kernel that does not say its version");
    printable(&format!("the next start has {}: {release}", entry.id)).into_owned()
}

/// The same for programs, all of it.
pub(super) fn as_json(found: &[Finding], facts: &Facts) -> String {
    let starts = facts.outlook.as_ref().and_then(|outlook| outlook.starts());
    json::object(|out| {
        out.flag("ready", is_ready(found));
        out.maybe_text("entry", starts.map(|entry| entry.id.as_str()));
        out.maybe_text("release", starts.and_then(|entry| entry.release.as_deref()));
        out.array("installed", |list| {
            let outlook = facts.outlook.iter();
            outlook.flat_map(|outlook| &outlook.installed).for_each(|one| list.text(one));
        });
        out.array("findings", |list| {
            found.iter().for_each(|one| list.object(|out| write(one, out)));
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Said;
    use crate::check::facts::{Outlook, Prospect, Verdict};

    fn finding(weight: Weight, sentence: &str) -> Finding {
        let said = Said { weight, sentence: sentence.to_owned(), remedy: "do this".to_owned() };
        Finding { code: "CODE", said }
    }

    fn facts() -> Facts {
        let release = Some("6.1.0-50-amd64".to_owned());
        let entry = Prospect { id: "debian".to_owned(), release, verdict: Verdict::Boots };
        let outlook = Outlook { entries: vec![entry], ..Outlook::default() };
        Facts { outlook: Some(outlook), ..Facts::default() }
    }

    fn lines(found: &[Finding]) -> Vec<String> {
        let text = as_text(found, &facts());
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        assert!(lines.len() <= LINES && lines.iter().all(|line| line.len() <= 84), "{text}");
        lines
    }

    #[test]
    fn where_all_is_well_a_line_says_what_starts() {
        assert_eq!(lines(&[]), ["the next start has debian: 6.1.0-50-amd64"]);
        let note = finding(Weight::Notes, "accepted");
        assert_eq!(lines(&[note]), ["the next start has debian: 6.1.0-50-amd64"]);
        assert_eq!(as_text(&[], &Facts::default()), "nothing is said of the next start");
    }

    #[test]
    fn two_things_with_what_to_do_fit() {
        let found = [finding(Weight::Stops, "one"), finding(Weight::Warns, "two")];
        assert_eq!(
            lines(&found),
            ["stop CODE: one", "  => do this", "warn CODE: two", "  => do this"]
        );
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let found: Vec<Finding> =
            (0..5).map(|_| finding(Weight::Warns, &"word ".repeat(20))).collect();
        let lines = lines(&found);
        assert_eq!(lines.last().map(String::as_str), Some("and 4 more: turnout check"));
        assert_eq!(lines.iter().filter(|line| line.starts_with("  => ")).count(), 1);
    }

    #[test]
    fn of_a_long_one_the_start_and_what_to_do_stay() {
        let long = finding(Weight::Stops, &"word ".repeat(400));
        let alone = lines(core::slice::from_ref(&long));
        assert_eq!(alone.len(), LINES);
        assert_eq!(alone.last().map(String::as_str), Some("  => do this"));
        assert!(alone[4].ends_with(" ..."), "{alone:?}");
        let both = lines(&[long.clone(), long]);
        assert_eq!(both[4..], ["  => do this", "and 1 more: turnout check"]);
    }

    #[test]
    fn programs_get_all_of_it() {
        let text = as_json(&[finding(Weight::Stops, "a")], &facts());
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "ready": false, "entry": "debian", "release": "6.1.0-50-amd64", "installed": [],
            "findings": [
                { "code": "CODE", "weight": "stop", "sentence": "a", "remedy": "do this" }
            ],
        });
        assert_eq!(read, expected);
    }
}
