//! `turnout list`: every entry of every source, whether it will boot, and why
//! not.

use core::fmt::Write as _;

use super::answer::{Answer, complain};
use super::arguments::Asked;
use super::judge::{Judge, Seen};
use crate::base::json::{self, Array, Object};
use crate::base::text::{columns, cut, printable};
use crate::failure::{Cause, Failure};
use crate::menu::{Diagnostic, Entry};
use crate::preflight::{Preflight, Reason, mark};
use crate::trust::verify::{Attested, Mode};

/// Exit status where there is no entry.
const NOTHING: u8 = 3;
/// Columns of the terminals that people have when nothing works.
const COLUMNS: usize = 80;
/// Widest column of states.
const MAX_STATE: usize = 26;

/// An entry and what is known of it.
pub(super) struct Row<'a> {
    pub(super) entry: &'a Entry,
    pub(super) found: Preflight,
    /// The command line of the menu, or else of a unified kernel image.
    pub(super) options: Option<String>,
    pub(super) is_default: bool,
}

/// Gives what is to be printed.
pub(super) fn run(asked: &Asked) -> Result<Answer, Failure> {
    let (judge, notes) = Judge::new(asked)?;
    let rows = rows(&judge)?;
    if rows.is_empty() {
        let mut nothing = vec![judge.menus.nothing()];
        nothing.extend(judge.menus.fruitless());
        nothing.push("\"turnout explain\" shows what was looked at".to_owned());
        complain(&printable(&nothing.join("; ")));
    }
    let text = match asked.json {
        true => json::object(|out| write_json(&judge, &rows, &notes, out)),
        false => text(&judge, &rows, &notes),
    };
    Ok(Answer { text, status: if rows.is_empty() { NOTHING } else { 0 } })
}

/// Every entry, looked into.
pub(super) fn rows(judge: &Judge) -> Result<Vec<Row<'_>>, Failure> {
    let menu = &judge.menus.menu;
    let mut seen = Seen::new();
    let entries = menu.entries.iter().enumerate();
    entries
        .map(|(index, entry)| {
            let is_default = menu.default == Some(index);
            let (found, own) = judge.inspect(entry, &mut seen)?;
            Ok(Row { entry, found, options: options(entry, own), is_default })
        })
        .collect()
}

/// The command line of the menu; where a unified kernel image is to say, its own,
/// as far as that is known.
pub(super) fn options(entry: &Entry, own: Option<String>) -> Option<String> {
    let says = !entry.options.is_empty() || entry.uki.is_none();
    if says { Some(entry.options.clone()) } else { own }
}

fn text(judge: &Judge, rows: &[Row<'_>], notes: &[String]) -> String {
    let mut out = String::new();
    let width = rows.iter().map(|row| mark(row.found.verdict()).len()).max().unwrap_or(0);
    let width = width.clamp("STATE".len(), MAX_STATE);
    if !rows.is_empty() {
        // A string takes whatever is written to it.
        let _ = writeln!(out, "  {:<width$}  ENTRY", "STATE");
    }
    for row in rows {
        row.write(judge, width, &mut out);
    }
    if let Some(words) = default_in_words(rows) {
        out.push('\n');
        write_wrapped("", &words, &mut out);
    }
    out.push_str(trust_in_words(judge));
    out.push('\n');
    notes.iter().for_each(|note| write_wrapped("", note, &mut out));
    if let Some(advice) = judge.menus.advice() {
        write_wrapped("", advice, &mut out);
    }
    for diagnostic in &judge.menus.menu.diagnostics {
        write_wrapped("", &diagnostic.to_string(), &mut out);
    }
    out
}

/// What the star means.
fn default_in_words(rows: &[Row<'_>]) -> Option<String> {
    let index = rows.iter().position(|row| row.is_default)?;
    let mut round = rows.iter().cycle().skip(index).take(rows.len());
    let Some(boots) = round.find(|row| row.boots_by_itself()) else {
        return Some("* is the default. No entry boots by itself.".to_owned());
    };
    Some(if boots.is_default {
        "* boots if nobody chooses.".to_owned()
    } else {
        format!("* is the default and cannot boot: {} boots if nobody chooses.", boots.entry.id)
    })
}

/// How entries are judged.
pub(super) const fn trust_in_words(judge: &Judge) -> &'static str {
    match (judge.mode, &judge.anchor.ring) {
        (Mode::Locked, _) => "Locked: only what is signed boots.",
        (Mode::Open, Some(_)) => "Open: what nobody signed boots too.",
        (Mode::Open, None) => {
            "Open: nothing is verified, for there is no key ring; --keys FILE names one."
        }
    }
}

impl Row<'_> {
    fn boots_by_itself(&self) -> bool {
        ["ready", "unsigned"].contains(&mark(self.found.verdict()).as_str())
    }

    /// State and id; below them what people call it, and why it does not boot.
    fn write(&self, judge: &Judge, width: usize, out: &mut String) {
        let star = if self.is_default { '*' } else { ' ' };
        let state = mark(self.found.verdict());
        let indent = " ".repeat(width.saturating_add(4));
        let id = judge.menus.told(self.entry.volume, &self.entry.id);
        let id = printable(&id);
        // A string takes whatever is written to it.
        let _ = writeln!(out, "{star} {:<width$}  {id}", cut(&state, width));
        if let Some(name) = self.name() {
            write_wrapped(&indent, &name, out);
        }
        let reasons = self.found.reasons.iter().map(|one| ("", one));
        for (word, Reason { code, detail }) in
            reasons.chain(self.found.notes.iter().map(|one| ("note: ", one)))
        {
            write_wrapped(&indent, &format!("{word}{code}: {detail}"), out);
        }
    }

    /// Submenus, title and tries left, as far as they tell more than the id.
    fn name(&self) -> Option<String> {
        let title = self.entry.title.iter();
        let mut name =
            self.entry.submenu.iter().chain(title).cloned().collect::<Vec<_>>().join(" > ");
        if let Some(counter) = self.entry.counter {
            let gap = if name.is_empty() { "" } else { ", " };
            name.push_str(&format!("{gap}{} tries left", counter.left));
        }
        Some(name).filter(|name| !name.is_empty() && *name != self.entry.id)
    }

    fn write_json(&self, judge: &Judge, out: &mut Object<'_>) {
        let entry = self.entry;
        out.text("id", &entry.id);
        out.text("source", &self.told(judge, &entry.file));
        out.maybe_text("title", entry.title.as_deref());
        out.maybe_text("version", entry.version.as_deref());
        let kernel = entry.linux.as_ref().or(entry.uki.as_ref());
        out.maybe_text("linux", kernel.map(|path| self.told(judge, path)).as_deref());
        out.array("initrd", |list| self.write_paths(judge, &entry.initrds, list));
        let tree = entry.devicetree.as_ref();
        out.maybe_text("devicetree", tree.map(|path| self.told(judge, path)).as_deref());
        out.maybe_text("options", self.options.as_deref());
        out.flag("default", self.is_default);
        out.maybe_number("tries_left", entry.counter.map(|counter| counter.left.into()));
        out.flag("bootable", self.found.verdict().is_ok());
        out.array("reasons", |list| write_reasons(&self.found.reasons, list));
        out.text("trust", trust(&self.found));
        let state = mark(self.found.verdict());
        out.text("state", state.split('(').next().unwrap_or_default());
        out.array("notes", |list| write_reasons(&self.found.notes, list));
        out.text("format", entry.format.name());
        out.maybe_number("line", entry.line.map(|line| line as u64));
        out.array("submenu", |list| entry.submenu.iter().for_each(|title| list.text(title)));
        out.maybe_text("hotkey", entry.hotkey.map(String::from).as_deref());
        out.maybe_number("profile", entry.profile.map(u64::from));
        out.array("addons", |list| self.write_paths(judge, &entry.addons, list));
        out.array("overlays", |list| self.write_paths(judge, &entry.overlays, list));
    }

    /// A path with the name of its volume.
    fn told(&self, judge: &Judge, path: &str) -> String {
        judge.menus.told(self.entry.volume, path)
    }

    fn write_paths(&self, judge: &Judge, paths: &[String], list: &mut Array<'_>) {
        paths.iter().for_each(|path| list.text(&self.told(judge, path)));
    }
}

/// What trust says for itself, in a word.
fn trust(found: &Preflight) -> &'static str {
    match &found.trust {
        Ok(Attested::Signed(_)) => "signed",
        Ok(Attested::Unsigned(_)) => "unsigned",
        Err(failure) => match failure.cause {
            Cause::Refused(_) | Cause::Barred(..) => "refused",
            Cause::Broken(..) | Cause::Other(_) => "unknown",
        },
    }
}

fn write_json(judge: &Judge, rows: &[Row<'_>], notes: &[String], out: &mut Object<'_>) {
    write_entries(judge, rows, out);
    write_diagnostics(&judge.menus.menu.diagnostics, out);
    out.text("mode", judge.mode.name());
    out.array("notes", |list| notes.iter().for_each(|note| list.text(note)));
}

pub(super) fn write_entries(judge: &Judge, rows: &[Row<'_>], out: &mut Object<'_>) {
    out.array("entries", |list| {
        rows.iter().for_each(|row| list.object(|out| row.write_json(judge, out)));
    });
}

pub(super) fn write_diagnostics(diagnostics: &[Diagnostic], out: &mut Object<'_>) {
    out.array("diagnostics", |list| {
        for Diagnostic { file, line, code, detail } in diagnostics {
            list.object(|out| {
                out.text("file", file);
                out.maybe_number("line", line.map(|line| line as u64));
                out.text("code", code.name());
                out.text("detail", detail);
            });
        }
    });
}

fn write_reasons(reasons: &[Reason], list: &mut Array<'_>) {
    for Reason { code, detail } in reasons {
        list.object(|out| {
            out.text("code", code);
            out.text("detail", detail);
        });
    }
}

/// Writes outside text in lines that fit, each after `indent`. A word that is
/// longer than a line is not broken, so that it can be copied.
pub(super) fn write_wrapped(indent: &str, text: &str, out: &mut String) {
    let text = printable(text);
    let mut at = 0_usize;
    for word in text.split_ascii_whitespace() {
        let width = columns(word);
        if at > 0 && at.saturating_add(width) >= COLUMNS {
            out.push('\n');
            at = 0;
        }
        let gap = if at == 0 { indent } else { " " };
        out.push_str(gap);
        out.push_str(word);
        at = at.saturating_add(gap.len()).saturating_add(width);
    }
    out.push('\n');
}
