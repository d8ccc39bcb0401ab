//! Commands that put rows into a menu, and those that lead to another menu.

use std::rc::Rc;

use super::{Row, nothing};
use crate::menu::grub::blscfg;
use crate::menu::grub::evaluator::{Call, Evaluator, Flow, Item, MAX_ROWS, Status};
use crate::menu::grub::places;
use crate::menu::grub::script::Block;
use crate::menu::grub::world::{Found, Place};
use crate::menu::{Code, Diagnostic};

pub(super) const ROWS: &[Row] = &[
    Row { name: "menuentry", run: menuentry },
    Row { name: "submenu", run: submenu },
    Row { name: "hiddenentry", run: nothing },
    Row { name: "configfile", run: configfile },
    Row { name: "normal", run: normal },
    Row { name: "extract_entries_configfile", run: extract },
    Row { name: "extract_entries_source", run: extract },
    Row { name: "blscfg", run: blscfg::blscfg },
    Row { name: "blsuki", run: blscfg::blsuki },
];

/// What stands behind `menuentry`.
#[derive(Default)]
struct Words<'a> {
    id: Option<&'a str>,
    hotkey: Option<&'a str>,
    source: Option<&'a str>,
    is_unrestricted: bool,
    /// What is no option; the title first.
    arguments: Vec<String>,
}

fn menuentry(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    add(evaluator, call, false)
}

fn submenu(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    add(evaluator, call, true)
}

fn add(evaluator: &mut Evaluator<'_>, call: &Call<'_>, is_submenu: bool) -> Flow {
    let mut lacking = Vec::new();
    let row = Words::parse(call.words, |option| lacking.push(option.to_owned()));
    for option in lacking {
        let detail = [call.name, ": ", &option, " has no value"].concat();
        evaluator.complain(call.line, Code::Syntax, detail);
    }
    let Some(title) = row.arguments.first().cloned() else {
        return refuse(evaluator, call, "has no title".to_owned());
    };
    let Some(body) = row.body(evaluator, call) else {
        return refuse(evaluator, call, "has no block".to_owned());
    };
    let item = Item {
        stem: evaluator.stem(call, &title),
        title,
        id: row.id.map(str::to_owned),
        is_submenu,
        hotkey: row.hotkey.and_then(single_key),
        is_restricted: !row.is_unrestricted,
        arguments: row.arguments,
        body,
        file: evaluator.file.clone(),
        line: call.line,
        doubts: evaluator.doubts.clone(),
    };
    evaluator.add_item(item, call.line)
}

fn refuse(evaluator: &mut Evaluator<'_>, call: &Call<'_>, what: String) -> Flow {
    evaluator.complain(call.line, Code::Syntax, [call.name, ": ", &what].concat());
    Flow::Next(Status::BAD_ARGUMENT)
}

/// GRUB has names for keys that no terminal tells apart; only a character counts.
fn single_key(text: &str) -> Option<char> {
    let mut chars = text.chars();
    let key = chars.next().filter(char::is_ascii_graphic)?;
    chars.next().is_none().then(|| key.to_ascii_lowercase())
}

impl<'a> Words<'a> {
    /// Takes the words apart. An option that is none of these is an argument, as with
    /// GRUB. Where one has no value, GRUB leaves out the row; here the option alone is,
    /// and `lacking` told of it.
    fn parse(words: &'a [String], mut lacking: impl FnMut(&str)) -> Self {
        let mut row = Self::default();
        let mut rest = words.iter().map(String::as_str).peekable();
        while let Some(word) = rest.next() {
            if word == "--" {
                row.arguments.extend(rest.map(str::to_owned));
                break;
            }
            let (name, value) = word.split_once('=').map_or((word, None), |(a, b)| (a, Some(b)));
            match name {
                "--unrestricted" => row.is_unrestricted = true,
                "--class" | "--users" | "--hotkey" | "--source" | "--id" => {
                    match value.or_else(|| rest.next_if(|next| !next.starts_with('-'))) {
                        Some(value) => row.set(name, value),
                        None => lacking(name),
                    }
                }
                _ => row.arguments.push(word.to_owned()),
            }
        }
        row
    }

    fn set(&mut self, name: &str, value: &'a str) {
        match name {
            "--id" => self.id = Some(value),
            "--hotkey" => self.hotkey = Some(value),
            "--source" => self.source = Some(value),
            _ => {}
        }
    }

    fn body(&self, evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Option<Rc<Block>> {
        if let Some(block) = call.block {
            return Some(Rc::clone(block));
        }
        Some(Rc::new(Block::of(evaluator.parse(self.source?, call.line)?)))
    }
}

impl Item {
    /// About how many bytes it and the row that it becomes take.
    fn weight(&self) -> usize {
        let texts = self.arguments.iter().chain([&self.title, &self.file]);
        let texts = texts.chain(&self.id).chain(&self.stem);
        let doubts = self.doubts.iter().map(Diagnostic::weight);
        let sum: usize = texts.map(String::len).chain(doubts).sum();
        size_of::<Self>().saturating_add(sum.saturating_mul(2))
    }
}

impl Evaluator<'_> {
    /// What the script itself has of a title with variables in it. In a loop, a function
    /// or another row several titles may come from one place, and nothing else tells
    /// them apart.
    fn stem(&self, call: &Call<'_>, title: &str) -> Option<String> {
        let is_repeated = self.loops > 0 || self.scope.arguments.is_some();
        let mut words = call.source.iter().skip(1).filter(|_| !is_repeated);
        words.find(|word| word.makes(title))?.stem()
    }

    /// Puts a row into the menu, as long as there may be more.
    pub(in crate::menu::grub) fn add_item(&mut self, item: Item, line: usize) -> Flow {
        if self.items.len() >= MAX_ROWS {
            let detail = "only the first 512 entries of a menu are kept".to_owned();
            if self.diagnostics.last().is_none_or(|last| last.code != Code::ScriptLimit) {
                self.complain(line, Code::ScriptLimit, detail);
            }
            return Flow::Stop;
        }
        if !self.world.keep(0, item.weight()) {
            return Flow::Stop;
        }
        self.items.push(item);
        Flow::SUCCESS
    }

    /// Evaluates a file in a context of its own: only what is exported goes in. A menu
    /// that it makes is the one that is shown, and nobody comes back from it.
    fn enter(&mut self, call: &Call<'_>, path: &str) -> Flow {
        let place = match self.place(path) {
            Ok(place) => place,
            Err(why) => {
                self.complain(call.line, Code::Device, [call.name, ": ", &why].concat());
                return Flow::SUCCESS;
            }
        };
        if self.leads_elsewhere(&place) {
            return Flow::Stop;
        }
        let within = self.scope_within();
        let scope = core::mem::replace(&mut self.scope, within);
        let items = core::mem::take(&mut self.items);
        let flow = self.configure(&place, call.line);
        if !self.items.is_empty() || flow == Flow::Stop {
            return Flow::Stop;
        }
        self.scope = scope;
        self.items = items;
        flow
    }

    /// Whether a configuration is another device's own, whose entries are listed there.
    pub(in crate::menu::grub) fn leads_elsewhere(&mut self, place: &Place) -> bool {
        let is_there = matches!(self.world.look(place), Found::File(_));
        let has_subvolumes = self.world.file_system(place.device) == Some("btrfs");
        let is_found =
            self.world.has_menus_of_others() && places::is_found(&place.path, has_subvolumes);
        if place.device != 0 && is_there && is_found {
            self.loaded.leads_to = Some(self.world.path(place));
            return true;
        }
        false
    }

    /// Evaluates a configuration, which can ask where it lies.
    pub(in crate::menu::grub) fn configure(&mut self, place: &Place, line: usize) -> Flow {
        let file = ["(", self.world.name(place.device), ")", &place.path].concat();
        let directory = file.rsplit_once('/').unwrap_or_default().0;
        for (name, value) in [("config_file", file.as_str()), ("config_directory", directory)] {
            self.scope.set(name, value);
            self.scope.export(name);
        }
        match self.source(place, line) {
            Flow::Return(status) => Flow::Next(status),
            flow => flow,
        }
    }
}

/// `configfile FILE`.
fn configfile(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    match call.words.first() {
        Some(path) => evaluator.enter(call, path),
        None => Flow::Next(Status::BAD_ARGUMENT),
    }
}

/// `extract_entries_source FILE`: only the rows of another configuration.
fn extract(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let Some(path) = call.words.first() else { return Flow::Next(Status::BAD_ARGUMENT) };
    let Ok(place) = evaluator.place(path) else { return Flow::Next(Status::UNKNOWN_DEVICE) };
    let (flow, items) = evaluator.within(|within| within.configure(&place, call.line));
    for item in items {
        if evaluator.add_item(item, call.line) == Flow::Stop {
            return Flow::Stop;
        }
    }
    flow
}

/// `normal [FILE]`: the configuration beside GRUB's own files, if none is named.
fn normal(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let prefix = evaluator.scope.get("prefix").unwrap_or_default();
    let path = call.words.first().cloned().unwrap_or_else(|| [prefix, "/grub.cfg"].concat());
    evaluator.enter(call, &path)
}
