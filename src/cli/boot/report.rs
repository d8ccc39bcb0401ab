//! What a departure says: a line for each step as it is done, or one object at its end.

use crate::base::json;
use crate::base::text::printable;
use crate::cli::answer::{Answer, complain, print};

/// What was done, in order.
pub(super) struct Report {
    json: bool,
    steps: Vec<String>,
    warnings: Vec<String>,
    pub(super) facts: Facts,
    /// Where a line goes.
    say: fn(&str),
}

/// What programs want to know.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// `leaving`, `staged`, `already-staged`, `kept`, `taken-out`, or `nothing`.
    pub(super) result: &'static str,
    /// `kexec` or `firmware`.
    pub(super) way: Option<&'static str>,
    pub(super) entry: Option<String>,
    pub(super) release: Option<String>,
    pub(super) token: Option<String>,
    /// What the firmware starts next, in words.
    pub(super) fallback: Option<String>,
    /// Seconds.
    pub(super) watchdog: Option<u64>,
    pub(super) sealed: bool,
    /// Bytes of memory that are held.
    pub(super) held: Option<u64>,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        let facts = Facts { result: "nothing", ..Facts::default() };
        Self { json, steps: Vec::new(), warnings: Vec::new(), facts, say: print }
    }

    /// A step that is done, or that begins. It is seen at once, whatever follows.
    pub(super) fn line(&mut self, line: &str) {
        self.steps.push(line.to_owned());
        if !self.json {
            (self.say)(&printable(line));
        }
    }

    /// What has to be known, and stops nothing.
    pub(super) fn warn(&mut self, what: &str) {
        self.warnings.push(what.to_owned());
        // Also for programs: where this ends in a failure, its object has no place for them.
        complain(&printable(&format!("warning: {what}")));
    }

    /// For programs; for people everything has been said.
    pub(super) fn answer(self) -> Answer {
        let text = if self.json { self.object() } else { String::new() };
        Answer { text, status: 0 }
    }

    fn object(&self) -> String {
        let facts = &self.facts;
        json::object(|out| {
            out.text("result", facts.result);
            out.maybe_text("way", facts.way);
            out.maybe_text("entry", facts.entry.as_deref());
            out.maybe_text("release", facts.release.as_deref());
            out.maybe_text("token", facts.token.as_deref());
            out.maybe_text("fallback", facts.fallback.as_deref());
            out.maybe_number("watchdog", facts.watchdog);
            out.flag("sealed", facts.sealed);
            out.maybe_number("held", facts.held);
            out.array("steps", |list| self.steps.iter().for_each(|step| list.text(step)));
            out.array("warnings", |list| self.warnings.iter().for_each(|one| list.text(one)));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::RefCell;

    #[test]
    fn programs_get_one_object_with_every_step() {
        let mut report = Report::new(true);
        report.line("loaded");
        report.warn("careful");
        report.facts.result = "leaving";
        let said: serde_json::Value = serde_json::from_str(&report.answer().text).unwrap();
        let expected = serde_json::json!({
            "result": "leaving", "way": null, "entry": null, "release": null, "token": null,
            "fallback": null, "watchdog": null, "sealed": false, "held": null,
            "steps": ["loaded"], "warnings": ["careful"],
        });
        assert_eq!(said, expected);
    }

    #[test]
    fn each_line_is_said_at_once_and_cannot_draw() {
        thread_local! {
            static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
        }
        let say: fn(&str) = |line| SAID.with_borrow_mut(|said| said.push(line.to_owned()));
        let mut report = Report { say, ..Report::new(false) };
        for (at, line) in ["first", "last\u{1b}[2J"].into_iter().enumerate() {
            report.line(line);
            assert_eq!(SAID.with_borrow(Vec::len), at + 1, "whatever follows");
        }
        assert_eq!(report.answer().text, "");
        let said = SAID.take();
        assert!(said[1].starts_with("last") && !said[1].contains('\u{1b}'), "{said:?}");
    }
}
