//! Makes entries of what a script has put into its menu: the body of each is evaluated
//! as choosing it would, in a copy of the environment.
//!
//! What is made is plain data: whatever was evaluated ends here. Every row of GRUB's
//! menu becomes an entry, for its numbers count all of them; one that loads no kernel
//! says why it cannot boot.

use super::FORMAT;
use super::default::{self, Row};
use super::evaluator::{Effect, Evaluator, Flow, Item, MAX_ROWS};
use crate::base::sort::insert;
use crate::base::text::quoted;
use crate::menu::entry::{MAX_PROBLEMS, MAX_TEXT};
use crate::menu::{Code, Diagnostic, Entry, safe_id};

/// Deepest submenu.
const MAX_DEPTH: usize = 8;
/// Longest id: it names the manifest's file too.
const MAX_ID: usize = 200;

/// Most that is said of entries.
const MAX_NOTES: usize = 512;

/// What has been made.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) entries: Vec<Entry>,
    /// What is said of entries that boot all the same.
    pub(super) notes: Vec<Diagnostic>,
    /// Sorted.
    ids: Vec<String>,
    /// How many rows there are, submenus with them.
    count: usize,
}

/// The submenu that rows are in.
#[derive(Default, Clone)]
pub(super) struct Above {
    titles: Vec<String>,
    /// `chosen` of the submenu.
    path: String,
    /// Whether a password is asked for on the way.
    is_restricted: bool,
}

impl Listing {
    /// What has been put into the menu of the context; in the context.
    pub(super) fn rows(&mut self, evaluator: &mut Evaluator<'_>, above: &Above) -> Vec<Row> {
        let mut rows = Vec::new();
        for item in core::mem::take(&mut evaluator.items) {
            if self.count >= MAX_ROWS {
                evaluator.file.clone_from(&item.file);
                let detail = "only the first 512 entries of all menus are kept".to_owned();
                evaluator.complain(item.line, Code::ScriptLimit, detail);
                break;
            }
            // However little is evaluated: copying the environment takes time.
            if !evaluator.world.keep(0, 0) {
                break;
            }
            self.count = self.count.saturating_add(1);
            let row = evaluator.apart(|body| match item.is_submenu {
                true => body.within(|body| self.row(body, &item, above)).0,
                false => self.row(body, &item, above),
            });
            rows.push(row);
        }
        rows
    }

    /// One row, in a copy of the environment.
    fn row(&mut self, body: &mut Evaluator<'_>, item: &Item, above: &Above) -> Row {
        let id = item.id.as_deref().unwrap_or(&item.title);
        let path = default::path(&above.path, id);
        body.file.clone_from(&item.file);
        body.scope.set("chosen", &path);
        body.scope.export("chosen");
        if item.is_submenu {
            body.scope.unset("default");
        }
        let flow = body.run_block(&item.body, item.arguments.clone());
        let is_menu = !body.items.is_empty() && (item.is_submenu || flow == Flow::Stop);
        let mut row = Row { id: id.to_owned(), title: item.title.clone(), ..Row::default() };
        let is_restricted = above.is_restricted || item.is_restricted && has_superusers(body);
        if is_menu {
            let mut titles = above.titles.clone();
            titles.push(cut(&item.title, MAX_TEXT));
            row.rows = self.submenu(body, item, &Above { titles, path, is_restricted });
            row.default = body.scope.get("default").unwrap_or_default().to_owned();
        } else if !item.is_submenu || body.loaded.linux.is_some() {
            body.items.clear();
            row.entry = self.entry(body, item, &Above { is_restricted, ..above.clone() });
        }
        row
    }

    fn submenu(&mut self, body: &mut Evaluator<'_>, item: &Item, above: &Above) -> Vec<Row> {
        if above.titles.len() > MAX_DEPTH {
            let detail = "submenus are nested deeper than 8 times".to_owned();
            body.complain(item.line, Code::ScriptLimit, detail);
            return Vec::new();
        }
        self.rows(body, above)
    }

    /// Makes an entry of what a body has loaded, and keeps it as long as the budget
    /// lasts.
    fn entry(&mut self, body: &mut Evaluator<'_>, item: &Item, above: &Above) -> Option<String> {
        let mut entry = Entry {
            id: self.unique_id(item),
            format: FORMAT,
            file: item.file.clone(),
            line: Some(item.line),
            submenu: above.titles.clone(),
            hotkey: item.hotkey,
            title: Some(cut(&item.title, MAX_TEXT)).filter(|title| !title.is_empty()),
            ..Entry::default()
        };
        if above.is_restricted {
            let detail = "the entry asks for a password, which Turnout cannot check".to_owned();
            entry.problem(Some(item.line), Code::UnsupportedKey, detail);
        }
        self.note_doubts(body, item);
        entry.take_loaded(body);
        if !body.world.keep(0, entry.weight()) {
            return None;
        }
        let id = entry.id.clone();
        self.entries.push(entry);
        Some(id)
    }

    /// What a script loads and boots without any menu: the entry that it is.
    pub(super) fn direct(&mut self, evaluator: &mut Evaluator<'_>, item: &Item) -> Row {
        let entry = self.entry(evaluator, item, &Above::default());
        Row { id: item.title.clone(), title: item.title.clone(), entry, ..Row::default() }
    }

    /// An unknown command decides nothing in GRUB, and nobody knows what it would have
    /// said: each entry that hangs on it is named.
    fn note_doubts(&mut self, body: &Evaluator<'_>, item: &Item) {
        let left = MAX_NOTES.saturating_sub(self.notes.len());
        for doubt in item.doubts.iter().chain(&body.loaded.doubts).take(left) {
            let what = ["the entry ", &quoted(&item.title), " hangs on it: ", &doubt.detail];
            let what = what.concat();
            self.notes.push(Diagnostic::new(&doubt.file, doubt.line, doubt.code, what));
        }
    }

    /// The id of the script, or else the title, without its variables where they are the
    /// state of a machine: a manifest is found by it. Safe for a path; numbered where it
    /// stands for an earlier entry.
    fn unique_id(&mut self, item: &Item) -> String {
        let id = item.id.as_ref().filter(|id| !id.is_empty());
        let name = id.or(item.stem.as_ref()).unwrap_or(&item.title);
        let name = if name.is_empty() { "untitled" } else { name.as_str() };
        let id = cut(&safe_id(name), MAX_ID);
        let mut unique = id.clone();
        let mut number = 2_u32;
        while !insert(&mut self.ids, &unique) {
            unique = [&id, "-", &number.to_string()].concat();
            number = number.saturating_add(1);
        }
        unique
    }
}

impl Entry {
    fn take_loaded(&mut self, body: &mut Evaluator<'_>) {
        let loaded = core::mem::take(&mut body.loaded);
        let loads = loaded.linux.iter().chain(&loaded.initrds).chain(&loaded.devicetree);
        let problems = loads.filter_map(|load| load.problem.as_ref()).chain(&loaded.problems);
        for problem in problems {
            let is_known = self.problems.iter().any(|known| known.detail == problem.detail);
            if !is_known && self.problems.len() < MAX_PROBLEMS {
                self.problems.push(problem.clone());
            }
        }
        if body.is_over() {
            let detail = "the script was not evaluated up to here".to_owned();
            self.problem(self.line, Code::ScriptLimit, detail);
        } else if loaded.linux.is_none() && self.problems.is_empty() {
            let what = match loaded.effect {
                _ if loaded.leads_to.is_some() => {
                    "the entry leads to the menu of another device, whose entries are listed there"
                }
                Some(Effect::Halt) => "the entry switches the machine off, and loads no kernel",
                Some(Effect::Reboot) => "the entry restarts the machine, and loads no kernel",
                Some(Effect::Exit) => "the entry goes back to the firmware, and loads no kernel",
                None => "the entry loads no kernel",
            };
            self.problem(self.line, Code::NoKernel, what.to_owned());
        }
        self.linux = loaded.linux.map(|load| load.path);
        self.initrds = loaded.initrds.into_iter().map(|load| load.path).collect();
        self.devicetree = loaded.devicetree.map(|load| load.path);
        self.options = loaded.options;
    }
}

fn has_superusers(evaluator: &Evaluator<'_>) -> bool {
    evaluator.scope.get("superusers").is_some_and(|users| !users.is_empty())
}

fn cut(text: &str, most: usize) -> String {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default().to_owned()
}
