//! What petitboot's two formats share: a list of named entries, one after the
//! other.

use crate::base::text::quoted;
use crate::menu::metered::Metered;
use crate::menu::settings::{Wanted, What};
use crate::menu::text::line::Line;
use crate::menu::text::lines::{ELSEWHERE, is_elsewhere, unquote};
use crate::menu::{Code, Diagnostic, Entry, Format, MAX_ENTRIES, Menu, safe_id};

/// Longest name: it names the manifest's file too.
const MAX_NAME: usize = 200;
/// Most diagnostics that are kept.
const MAX_DIAGNOSTICS: usize = 64;

/// A list that is being read.
pub(super) struct Flat<'a> {
    format: Format,
    file: &'a str,
    entries: Vec<Entry>,
    default: Option<Wanted>,
    diagnostics: Vec<Diagnostic>,
    /// Whether lines belong to the last entry.
    pub(super) is_open: bool,
}

impl<'a> Flat<'a> {
    pub(super) fn new(format: Format, file: &'a str) -> Self {
        Self {
            format,
            file,
            entries: Vec::new(),
            default: None,
            diagnostics: Vec::new(),
            is_open: false,
        }
    }

    /// Begins the entry of this name, unless it cannot be one.
    pub(super) fn begin(&mut self, line: &Line<'_>, name: &str) {
        self.is_open = false;
        if name.is_empty() || name.len() > MAX_NAME {
            return self.complain(line, Code::ValueSize, "is no name of an entry");
        }
        if self.entries.len() >= MAX_ENTRIES {
            return self.complain(line, Code::EntryCount, "is one entry too many");
        }
        let id = safe_id(name);
        let title = (id != name).then(|| name.to_owned());
        self.entries.push(Entry {
            id,
            title,
            format: self.format,
            file: self.file.to_owned(),
            line: Some(line.number),
            ..Entry::default()
        });
        self.is_open = true;
    }

    /// The entry that has begun.
    pub(super) fn last(&mut self) -> Option<&mut Entry> {
        self.entries.last_mut().filter(|_| self.is_open)
    }

    pub(super) fn set_default(&mut self, line: &Line<'_>) {
        let what = What::Named(safe_id(line.value));
        let file = self.file.to_owned();
        self.default = Some(Wanted { what, file, line: Some(line.number) });
    }

    /// A line that is no text costs the entry that it is in.
    pub(super) fn no_text(&mut self, number: usize, what: &str) {
        let detail = format!("the line {what}");
        if let Some(entry) = self.last() {
            entry.problem(Some(number), Code::Encoding, detail.clone());
        }
        self.say(Some(number), Code::Encoding, detail);
    }

    pub(super) fn complain(&mut self, line: &Line<'_>, code: Code, what: &str) {
        self.say(Some(line.number), code, line.quote(what));
    }

    pub(super) fn say(&mut self, line: Option<usize>, code: Code, detail: String) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(Diagnostic::new(self.file, line, code, detail));
        }
    }

    /// The menu. An entry that names nothing to boot is left out.
    pub(super) fn finish(mut self, files: &Metered<'_>) -> Menu {
        let mut menu = Menu::default();
        for entry in core::mem::take(&mut self.entries) {
            if entry.linux.is_some() || !entry.problems.is_empty() {
                menu.keep(files, entry);
                continue;
            }
            let detail = format!("{} names nothing to boot and is left out", quoted(&entry.id));
            self.say(entry.line, Code::NoKernel, detail);
        }
        menu.settings.default = self.default;
        menu.diagnostics = self.diagnostics;
        menu
    }
}

impl Entry {
    /// The absolute form of a path that counts from the root of the volume.
    pub(super) fn path_here(&mut self, line: &Line<'_>) -> Option<String> {
        let line = Line { value: unquote(line.value), ..*line };
        if is_elsewhere(line.value) {
            self.complain(&line, Code::Path, ELSEWHERE);
            return None;
        }
        self.path(&line)
    }
}
