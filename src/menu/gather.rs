//! Puts a menu together from files and directories: what each gave, what was left
//! out, each id once and never more than there may be.

use std::collections::BTreeSet;

use crate::base::switches::Switch;
use crate::base::text::quoted;
use crate::menu::grub::environment::Variables;
use crate::menu::{
    Code, Diagnostic, Files, Format, Found, MAX_ENTRIES, Menu, Read, Target, paths, uki,
};

/// Where menus are looked for, and for which machine.
pub(super) struct Search<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) target: &'a Target<'a>,
    /// What variables in entries stand for.
    pub(super) known: &'a Variables,
}

/// Reads a menu that is one file, with what it includes.
pub(super) type ParseFile = fn(&dyn Files, &str, &Target<'_>) -> Menu;

/// The same, or the build's switch that has left it out.
pub(super) enum Parser {
    Here(ParseFile),
    LeftOut(&'static str),
}

impl Parser {
    /// What a build can leave out: nothing then refers to it, and the linker leaves
    /// it out.
    pub(super) const fn switched(switch: &'static Switch, parse: ParseFile) -> Self {
        if switch.on { Self::Here(parse) } else { Self::LeftOut(switch.name) }
    }

    fn menu(&self, search: &Search<'_>, path: &str) -> Menu {
        match self {
            Self::Here(parse) => parse(search.files, path, search.target),
            Self::LeftOut(feature) => {
                let detail = format!("this program was built without {feature}");
                let fault = Diagnostic::new(path, None, Code::Unreadable, detail);
                Menu { diagnostics: vec![fault], ..Menu::default() }
            }
        }
    }
}

impl Menu {
    pub(super) fn read_file(&mut self, search: &Search<'_>, path: &str, parser: &Parser) {
        let found = if search.files.has(path) {
            let menu = parser.menu(search, path);
            let mut faults = menu.diagnostics.iter().filter(|fault| fault.file == path);
            let fault = faults.find(|fault| fault.code == Code::Unreadable);
            let count = Found::Entries(menu.entries.len());
            let found = fault.map_or(count, |fault| Found::Unreadable(fault.detail.clone()));
            self.append(menu);
            found
        } else {
            Found::Absent
        };
        self.note(path, found);
    }

    /// Reports what came of looking at a file or directory.
    pub(super) fn note(&mut self, path: &str, found: Found) {
        self.read.push(Read { path: path.to_owned(), found });
    }

    /// Has each file of a directory read that is meant to be an entry.
    pub(super) fn read_directory(
        &mut self,
        files: &dyn Files,
        directory: &str,
        is_entry: fn(&str) -> bool,
        read: impl Fn(&mut Self, &str),
    ) {
        let before = self.entries.len();
        let found = match files.names(directory) {
            Ok(names) if names.is_empty() => Found::Absent,
            Ok(names) => {
                let names = names.iter().filter(|name| is_entry(name));
                for name in self.limited(directory, names) {
                    read(self, &format!("{directory}/{name}"));
                }
                Found::Entries(self.entries.len().saturating_sub(before))
            }
            Err(why) => self.unreadable(directory, why),
        };
        self.note(directory, found);
    }

    /// As many names as are looked at; that there are more is said.
    fn limited<'a>(
        &mut self,
        directory: &str,
        mut names: impl Iterator<Item = &'a String>,
    ) -> Vec<&'a String> {
        let taken = names.by_ref().take(MAX_ENTRIES).collect();
        if let Some(name) = names.next() {
            self.too_many(&format!("{directory}/{name}"));
        }
        taken
    }

    fn too_many(&mut self, file: &str) {
        let detail =
            format!("only the first {MAX_ENTRIES} entries are read; this and later ones are not");
        self.diagnostics.push(Diagnostic::new(file, None, Code::EntryCount, detail));
    }

    pub(super) fn unreadable(&mut self, path: &str, why: String) -> Found {
        self.diagnostics.push(Diagnostic::new(path, None, Code::Unreadable, why.clone()));
        Found::Unreadable(why)
    }

    /// Looks where the files are of a menu that was found below `prefix`, and
    /// which of them are unified kernel images.
    pub(super) fn place(&mut self, search: &Search<'_>, prefix: &str) {
        let Search { files, target, .. } = search;
        for entry in &mut self.entries {
            entry.relocate(|path| paths::locate(path, prefix, |path| files.has(path)));
            if entry.format == Format::BLS {
                uki::adopt(*files, entry, prefix, target.arch);
            }
        }
    }

    /// Puts another menu of the volume behind this one.
    pub(super) fn append(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.diagnostics.extend(other.diagnostics);
        self.read.extend(other.read);
        let settings = core::mem::take(&mut self.settings);
        self.settings = settings.or(other.settings);
    }

    /// Keeps each id once and no more entries than there may be.
    pub(super) fn limit(&mut self) {
        self.drop_duplicates();
        if let Some(entry) = self.entries.get(MAX_ENTRIES) {
            let file = entry.file.clone();
            self.too_many(&file);
            self.entries.truncate(MAX_ENTRIES);
        }
    }

    /// Keeps the first of several entries with one id, so that an id, and the
    /// manifest that is named after it, always means one entry.
    fn drop_duplicates(&mut self) {
        let mut seen = BTreeSet::new();
        let diagnostics = &mut self.diagnostics;
        self.entries.retain(|entry| {
            let first = seen.insert(entry.id.clone());
            if !first {
                let detail = format!("another file already gives the entry {}", quoted(&entry.id));
                let file = Diagnostic::new(&entry.file, entry.line, Code::DuplicateId, detail);
                diagnostics.push(file);
            }
            first
        });
    }
}
