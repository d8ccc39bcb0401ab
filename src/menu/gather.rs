//! Puts a menu together from files and directories: what each gave, what was left
//! out, each id once and never more than there may be.

use crate::base::sort::insert;
use crate::base::switches::Switch;
use crate::base::text::quoted;
use crate::menu::budget::Exceeded;
use crate::menu::entry::MAX_PROBLEMS;
use crate::menu::grub::environment::Variables;
use crate::menu::metered::{Listing, Metered, Sieve};
use crate::menu::{
    Code, Diagnostic, Entry, Format, Found, MAX_ENTRIES, Menu, Read, Target, paths, uki,
};

/// Most entries of a volume before the first of several with one id is kept.
const MAX_FOUND: usize = 4 * MAX_ENTRIES;
/// Most diagnostics of a volume.
const MAX_DIAGNOSTICS: usize = MAX_ENTRIES;
/// The same where the budget has ended, and nothing can be paid for any more.
const MAX_UNPAID_DIAGNOSTICS: usize = 64;

/// Where menus are looked for, and for which machine.
pub(super) struct Search<'a> {
    pub(super) files: &'a Metered<'a>,
    pub(super) target: &'a Target<'a>,
    /// What variables in entries stand for.
    pub(super) known: &'a Variables,
    /// What was found in directories of addons.
    pub(super) addons: uki::Addons,
}

impl<'a> Search<'a> {
    /// What reading images takes, of a menu below `prefix`.
    pub(super) const fn images(&'a self, prefix: &'a str) -> uki::Place<'a> {
        let Self { files, target, addons, .. } = self;
        uki::Place { files, addons, target, prefix }
    }
}

/// Reads a menu that is one file, with what it includes.
pub(super) type ParseFile = fn(&Metered<'_>, &str, &Target<'_>) -> Menu;

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

impl Entry {
    /// Leaves out the files that the budget does not pay for; an entry without them
    /// must not boot.
    fn give_up(&mut self, exceeded: Option<Exceeded>) {
        for files in [&mut self.initrds, &mut self.overlays, &mut self.addons] {
            files.clear();
        }
        self.problems.retain(|problem| problem.code != Code::Budget);
        self.problems.truncate(MAX_PROBLEMS.saturating_sub(1));
        self.problems.extend(exceeded.map(Exceeded::diagnostic));
    }
}

impl Menu {
    pub(super) fn read_file(&mut self, search: &Search<'_>, path: &str, parser: &Parser) {
        let found = if search.files.has(path) {
            let mut menu = parser.menu(search, path);
            let own = menu.read.pop_if(|read| read.path == path);
            let mut faults = menu.diagnostics.iter().filter(|fault| fault.file == path);
            let fault = faults.find(|fault| matches!(fault.code, Code::Unreadable | Code::Budget));
            let count = Found::Entries(menu.entries.len());
            let found = fault.map_or(count, |fault| Found::Unreadable(fault.detail.clone()));
            self.append(menu);
            own.map_or(found, |own| own.found)
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
        files: &Metered<'_>,
        directory: &str,
        is_entry: fn(&str) -> bool,
        read: impl Fn(&mut Self, &str),
    ) {
        let before = self.entries.len();
        let found = match files.names(directory, Sieve { wanted: is_entry, most: MAX_ENTRIES }) {
            Ok(Listing { is_there: false, .. }) => Found::Absent,
            Ok(Listing { names, left_out, .. }) => {
                for name in names.iter().take_while(|_| files.ended().is_none()) {
                    read(self, &format!("{directory}/{name}"));
                }
                self.say_left_out(directory, left_out);
                Found::Entries(self.entries.len().saturating_sub(before))
            }
            Err(why) => self.unreadable(files, directory, why),
        };
        self.note(directory, found);
    }

    /// Says that a directory or a file has more entries than are read.
    pub(super) fn say_left_out(&mut self, file: &str, count: u64) {
        if count > 0 {
            let detail = format!("only the first {MAX_ENTRIES} entries are read; {count} are not");
            self.diagnostics.push(Diagnostic::new(file, None, Code::EntryCount, detail));
        }
    }

    /// Keeps an entry as long as the budget lasts.
    pub(super) fn keep(&mut self, files: &Metered<'_>, entry: Entry) {
        if self.entries.len() >= MAX_FOUND {
            self.say_full(&entry.file);
        } else if files.keep(entry.weight()) {
            self.entries.push(entry);
        }
    }

    fn say_full(&mut self, file: &str) {
        if self.diagnostics.last().is_none_or(|last| last.code != Code::EntryCount) {
            let detail = format!("only the first {MAX_FOUND} entries and profiles are looked at");
            self.diagnostics.push(Diagnostic::new(file, None, Code::EntryCount, detail));
        }
    }

    pub(super) fn unreadable(&mut self, files: &Metered<'_>, path: &str, why: String) -> Found {
        self.diagnostics.push(files.fault(path, why.clone()));
        Found::Unreadable(why)
    }

    /// Says once that the budget has ended, in place of every file that was not
    /// read for it.
    pub(super) fn end(&mut self, exceeded: Option<Exceeded>) {
        let Some(exceeded) = exceeded else { return };
        self.diagnostics.retain(|diagnostic| diagnostic.code != Code::Budget);
        self.diagnostics.push(exceeded.diagnostic());
    }

    /// Keeps no more diagnostics than there may be and the budget pays for.
    fn limit_diagnostics(&mut self, files: &Metered<'_>) {
        let has_ended = files.ended().is_some();
        self.cut_diagnostics(if has_ended { MAX_UNPAID_DIAGNOSTICS } else { MAX_DIAGNOSTICS });
        self.diagnostics.retain(|diagnostic| has_ended || files.keep(diagnostic.weight()));
    }

    /// Puts what was looked at in vain before this menu, whose diagnostics count with
    /// it: no more are kept than of one menu.
    pub(crate) fn behind(self, vain: Self) -> Self {
        let mut menu = Self { diagnostics: vain.diagnostics, read: vain.read, ..self };
        menu.diagnostics.extend(self.diagnostics);
        menu.read.extend(self.read);
        menu.cut_diagnostics(MAX_DIAGNOSTICS);
        menu
    }

    /// Keeps the first diagnostics; that the budget has ended stays.
    fn cut_diagnostics(&mut self, most: usize) {
        let count = self.diagnostics.len();
        if count <= most {
            return;
        }
        let end = self.diagnostics.pop().filter(|last| last.code == Code::Budget);
        self.diagnostics.truncate(most);
        let detail = format!("of {count} diagnostics only the first {most} are kept");
        self.diagnostics.push(Diagnostic::new("/", None, Code::Budget, detail));
        self.diagnostics.extend(end);
    }

    /// Looks where the files are of a menu that was found below `prefix`, and
    /// which of them are unified kernel images. What that adds is paid for too.
    pub(super) fn place(&mut self, search: &Search<'_>, prefix: &str) {
        for entry in &mut self.entries {
            let paid = entry.weight();
            entry.relocate(|path| paths::locate(path, prefix, |path| search.files.has(path)));
            if entry.format == Format::BLS {
                uki::adopt(search.images(prefix), entry);
            }
            let more = entry.weight().saturating_sub(paid);
            if more > 0 && !search.files.keep(more) {
                entry.give_up(search.files.ended());
            }
        }
    }

    /// Puts another menu of the volume behind this one.
    pub(super) fn append(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.diagnostics.extend(other.diagnostics);
        self.read.extend(other.read);
        self.missed.extend(other.missed);
        self.cleared.extend(other.cleared);
        let settings = core::mem::take(&mut self.settings);
        self.settings = settings.or(other.settings);
    }

    /// Keeps each id once and no more entries than there may be.
    pub(super) fn limit(&mut self, files: &Metered<'_>) {
        self.unite();
        self.drop_duplicates();
        if let Some(entry) = self.entries.get(MAX_ENTRIES) {
            let file = entry.file.clone();
            let more = self.entries.len().saturating_sub(MAX_ENTRIES);
            self.say_left_out(&file, more as u64);
            self.entries.truncate(MAX_ENTRIES);
        }
        self.limit_diagnostics(files);
    }

    /// Keeps the first of several entries with one id, so that an id, and the
    /// manifest that is named after it, always means one entry.
    fn drop_duplicates(&mut self) {
        let mut seen = Vec::new();
        let diagnostics = &mut self.diagnostics;
        self.entries.retain(|entry| {
            let first = insert(&mut seen, &entry.id);
            if !first {
                let detail = format!("another file already gives the entry {}", quoted(&entry.id));
                let file = Diagnostic::new(&entry.file, entry.line, Code::DuplicateId, detail);
                diagnostics.push(file);
            }
            first
        });
    }
}
