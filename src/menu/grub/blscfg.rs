//! `blscfg` of Fedora, RHEL and GRUB 2.14: entries of the Boot Loader Specification as
//! rows of a script's menu.
//!
//! Each file becomes a row whose body loads what the file says. As in GRUB, variables
//! are the script's; one without a value is nothing. The rows are sorted as the entries
//! of the specification are, which is how GRUB sorts files without `sort-key` too.

use std::rc::Rc;

use super::environment::variables;
use super::evaluator::{Call, Evaluator, Flow, Item};
use super::script::Block;
use super::world::Place;
use crate::base::sort::sort_by;
use crate::menu::bls::{file_name, sort};
use crate::menu::entry::MAX_TEXT;
use crate::menu::text::line::{self, Line};
use crate::menu::{Code, Diagnostic, Entry, MAX_ENTRIES, MAX_FILE_SIZE, Menu, split};

/// Where the files are if the script does not say (`blsdir`), the first that has any.
const DIRECTORIES: [&str; 2] = ["/loader/entries", "/boot/loader/entries"];
/// Where unified kernel images are.
const IMAGES: &str = "/EFI/Linux";

/// What a file says, as far as it is not how it is sorted.
#[derive(Default)]
struct File {
    /// What sorts it.
    entry: Entry,
    linux: String,
    initrds: Vec<String>,
    options: Option<String>,
    devicetree: String,
    hotkey: Option<char>,
    arguments: String,
    line: usize,
}

/// `blscfg [FILE or DIRECTORY]`; `default` and `non-default` are of no use here.
pub(super) fn blscfg(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let named = call.words.first().filter(|word| word.contains('/'));
    let mut files = match named.cloned().or_else(|| evaluator.set_directory()) {
        Some(path) => evaluator.bls_files(call, &path),
        None => Vec::new(),
    };
    for directory in DIRECTORIES.iter().take_while(|_| named.is_none()) {
        if files.is_empty() {
            files = evaluator.bls_files(call, directory);
        }
    }
    sort_by(&mut files, |a, b| sort::order(&a.entry, &b.entry));
    for file in files {
        let Some(item) = file.item(evaluator) else { return Flow::Stop };
        if evaluator.add_item(item, call.line) == Flow::Stop {
            return Flow::Stop;
        }
    }
    Flow::SUCCESS
}

/// `blsuki`: unified kernel images are entries of their own, wherever they lie in the
/// way of the specification.
pub(super) fn blsuki(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let named = call.words.iter().find(|word| word.contains('/'));
    if let Some(path) = named.filter(|path| !path.ends_with(IMAGES)) {
        let what = ["blsuki: ", path, " is not looked at; images count in ", IMAGES].concat();
        evaluator.complain(call.line, Code::Setting, what);
    }
    Flow::SUCCESS
}

impl Evaluator<'_> {
    fn set_directory(&self) -> Option<String> {
        self.scope.get("blsdir").filter(|path| !path.is_empty()).map(str::to_owned)
    }

    /// Those of a directory, or the only one.
    fn bls_files(&mut self, call: &Call<'_>, path: &str) -> Vec<File> {
        let place = match self.place(path.trim_end_matches('/')) {
            Ok(place) => place,
            Err(why) => {
                self.complain(call.line, Code::Device, ["blscfg: ", &why].concat());
                return Vec::new();
            }
        };
        if file_name::is_entry(place.path.rsplit('/').next().unwrap_or_default()) {
            return self.bls_file(&place).into_iter().collect();
        }
        let names = self.world.names(&place, MAX_ENTRIES);
        let names = names.iter().filter(|name| file_name::is_entry(name));
        let places = names.map(|name| Place {
            device: place.device,
            path: [place.path.trim_end_matches('/'), "/", name].concat(),
        });
        places.filter_map(|place| self.bls_file(&place)).collect()
    }

    /// A file that cannot be read, or names no kernel, is passed over: the reader of the
    /// specification says why.
    fn bls_file(&self, place: &Place) -> Option<File> {
        let path = self.world.path(place);
        let name = file_name::parse(path.rsplit('/').next()?)?;
        let bytes = self.world.read(place, MAX_FILE_SIZE).ok()??;
        let mut file = File::default();
        file.entry.id = name.id.to_owned();
        file.entry.counter = name.counter;
        for line in line::pairs(line::text(&path, &bytes).ok()?, line::BLANKS) {
            let value = self.bls_expand(line.value);
            if !self.world.keep(place.device, value.len()) {
                return None;
            }
            file.take(&line, value);
        }
        file.entry.file = path;
        (!file.linux.is_empty()).then_some(file)
    }

    /// A value with the script's variables in their places.
    fn bls_expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut end = 0_usize;
        for (at, variable) in variables(text) {
            let name = variable.trim_start_matches(['$', '{']).trim_end_matches('}');
            out.push_str(text.get(end..at).unwrap_or_default());
            out.push_str(self.scope.get(name).unwrap_or_default());
            end = at.saturating_add(variable.len());
            if out.len() > MAX_FILE_SIZE {
                return String::new();
            }
        }
        out.push_str(text.get(end..).unwrap_or_default());
        out
    }
}

impl File {
    fn take(&mut self, line: &Line<'_>, value: String) {
        match line.key {
            "title" => self.entry.title = Some(value),
            "version" => self.entry.version = Some(value),
            "sort-key" => self.entry.sort_key = Some(value),
            "machine-id" => self.entry.machine_id = Some(value),
            "linux" => {
                self.line = line.number;
                self.linux = value;
            }
            "initrd" => self.initrds.push(value),
            "devicetree" => self.devicetree = value,
            "options" => {
                let options = self.options.get_or_insert_default();
                if !options.is_empty() {
                    options.push(' ');
                }
                options.push_str(&value);
            }
            "grub_hotkey" => self.hotkey = value.chars().next(),
            "grub_arg" => {
                self.arguments.push_str(&value);
                self.arguments.push(' ');
            }
            _ => {}
        }
    }

    /// The row. Its body is what GRUB too makes of such a file: a script.
    fn item(self, evaluator: &mut Evaluator<'_>) -> Option<Item> {
        let script = self.script(evaluator);
        let body = Rc::new(Block::of(evaluator.parse(&script, self.line)?));
        let mut title = self.entry.title.unwrap_or_else(|| self.entry.id.clone());
        title.truncate(title.floor_char_boundary(MAX_TEXT));
        Some(Item {
            arguments: vec![title.clone()],
            title,
            is_submenu: false,
            hotkey: self.hotkey.filter(char::is_ascii_graphic),
            is_restricted: !self.arguments.contains("--unrestricted"),
            body,
            id: Some(self.entry.id),
            stem: None,
            file: self.entry.file,
            line: self.line,
            doubts: evaluator.doubts.clone(),
        })
    }

    fn script(&self, evaluator: &Evaluator<'_>) -> String {
        let known = |name: &str| evaluator.scope.get(name).unwrap_or_default();
        let default = || evaluator.bls_expand(known("default_kernelopts"));
        let options = self.options.clone().unwrap_or_else(default);
        let mut script = ["linux ", &self.linux, " ", &options, "\n"].concat();
        let initrds = [known("early_initrd"), &self.initrds.join(" ")].join(" ");
        for (command, files) in [("initrd ", initrds.trim()), ("devicetree ", &self.devicetree)] {
            if !files.is_empty() {
                script.push_str(command);
                script.push_str(files);
                script.push('\n');
            }
        }
        script
    }
}

/// Whether an entry is of such a row.
fn is_row(entry: &Entry) -> bool {
    entry.format == super::FORMAT && file_name::is_entry(&entry.file)
}

/// Whether a row that can boot was given words or initrds that the entry of its file has
/// not. How words are quoted differs in any case.
fn has_other_words(entry: &Entry, row: &Entry) -> bool {
    let has_other = !letters(&entry.options).eq(letters(&row.options));
    row.problems.is_empty() && (has_other || entry.initrds.len() != row.initrds.len())
}

fn letters(options: &str) -> impl Iterator<Item = char> {
    options.chars().filter(|it| !it.is_whitespace() && !['"', '\'', '\\'].contains(it))
}

/// Whether it says that a password is asked for.
fn asks(problem: &Diagnostic) -> bool {
    problem.code == Code::UnsupportedKey
}

impl Menu {
    /// Of a file that two have read, the reader of the specification and a script, one
    /// entry stays: the former's, as the script has it where it has values for variables
    /// that the former lacks, or has taken for nothing (`tuned_params` of RHEL). That a
    /// password is asked for is said by the script alone.
    pub(in crate::menu) fn unite(&mut self) {
        let mut kept: Vec<Entry> = Vec::with_capacity(self.entries.len());
        for row in core::mem::take(&mut self.entries) {
            let is_same = |entry: &&mut Entry| entry.format.is_specified() && entry.id == row.id;
            let same = is_row(&row).then(|| kept.iter_mut().find(is_same)).flatten();
            let Some(entry) = same else {
                kept.push(row);
                continue;
            };
            let has_none = entry.problems.iter().any(|problem| problem.code == Code::Variable);
            if has_none || has_other_words(entry, &row) {
                entry.linux = row.linux;
                entry.initrds = row.initrds;
                entry.devicetree = row.devicetree;
                entry.options = row.options;
                entry.problems = row.problems;
            } else {
                entry.problems.extend(row.problems.into_iter().filter(asks));
            }
        }
        self.entries = kept;
    }

    /// The same where the script lies on another volume than the file. Then its row
    /// stays, for the script's default means it, in the place of the other entry.
    pub(in crate::menu) fn unite_volumes(&mut self, names: &[String]) {
        let mut doubles = Vec::new();
        for at in 0..self.entries.len() {
            if let Some(twin) = self.twin(at, names).filter(|twin| !doubles.contains(twin)) {
                self.entries.swap(at, twin);
                doubles.push(at);
            }
        }
        for at in doubles.into_iter().rev() {
            self.entries.remove(at);
        }
    }

    /// Where the entry is that the reader of the specification has made of the file of a
    /// row, if the row is as good.
    fn twin(&self, at: usize, names: &[String]) -> Option<usize> {
        let row = self.entries.get(at).filter(|entry| is_row(entry))?;
        let (name, path) = split(&row.file)?;
        let twin = self.entries.iter().position(|entry| {
            let is_there = names.get(entry.volume).is_some_and(|own| own == name);
            is_there && entry.file == path && entry.format.is_specified()
        })?;
        let is_bootable = self.entries.get(twin).is_some_and(Entry::is_bootable);
        (row.is_bootable() || !is_bootable || row.problems.iter().any(asks)).then_some(twin)
    }
}
