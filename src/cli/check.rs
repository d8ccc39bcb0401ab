//! `turnout check`: what was found, for eyes and for monitoring.

use core::fmt::Write as _;

use super::answer::Answer;
use crate::base::json::{self, Object};
use crate::check::{Finding, Weight, findings, is_ready};
use crate::sys::survey::{Tree, survey};

/// Gives what is to be printed; the status is 0 for a machine that is ready.
pub(super) fn run(json: bool) -> Answer {
    let found = findings(&survey(&Tree::live()));
    let text = if json { as_json(&found) } else { as_text(&found) };
    Answer { text, status: u8::from(!is_ready(&found)) }
}

fn as_text(found: &[Finding]) -> String {
    let mut out = String::new();
    for one in found {
        let _ = writeln!(out, "{:<5} {}: {}", word(one.weight), one.code, one.sentence);
        for line in one.remedy.lines() {
            let _ = writeln!(out, "      {line}");
        }
    }
    out.push_str(if is_ready(found) { "ready" } else { "not ready" });
    out
}

fn as_json(found: &[Finding]) -> String {
    json::object(|out| {
        out.flag("ready", is_ready(found));
        out.array("findings", |list| {
            found.iter().for_each(|one| list.object(|out| write(one, out)));
        });
    })
}

fn write(one: &Finding, out: &mut Object<'_>) {
    out.text("code", one.code);
    out.text("weight", word(one.weight));
    out.text("sentence", &one.sentence);
    out.text("remedy", &one.remedy);
}

const fn word(weight: Weight) -> &'static str {
    match weight {
        Weight::Stops => "stop",
        Weight::Warns => "warn",
        Weight::Notes => "note",
    }
}
