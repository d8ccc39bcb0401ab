//! The whole of a configuration: its files, its submenus, and what it says
//! outside of labels.

use std::rc::Rc;

use super::label::{Label, Outcome};
use super::place;
use crate::base::text::quoted;
use crate::menu::diagnostic::{Code, Diagnostic};
use crate::menu::entry::Entry;
use crate::menu::metered::Metered;
use crate::menu::settings::{Settings, Timeout, Wanted, What};
use crate::menu::text::line::Line;
use crate::menu::text::lines::{self, split_word};
use crate::menu::{MAX_ENTRIES, Menu, Target, fdtdir};

/// Most files that include one another.
const MAX_INCLUDES: usize = 8;
/// Most files that are read, each as often as it is included.
const MAX_FILES: usize = 128;
/// Most submenus within submenus.
const MAX_SUBMENUS: usize = 8;
/// Most directories in which a device tree is looked for.
const MAX_TREES: usize = 8;
/// Most diagnostics that are kept.
const MAX_DIAGNOSTICS: usize = 64;
/// Longest title of a submenu.
const MAX_TITLE: usize = 512;

/// What is read so far.
pub(super) struct Configuration<'a> {
    files: &'a Metered<'a>,
    boards: &'a [String],
    path: &'a str,
    directory: &'a str,
    /// The files that are being read, the outermost first.
    open: Vec<String>,
    files_read: usize,
    in_text: bool,
    /// The first is the menu itself.
    submenus: Vec<Submenu>,
    /// Index of the one that is being read.
    current: usize,
    /// How many submenus are open that are not kept.
    passed_over: usize,
    label: Option<Label>,
    found: Vec<Found>,
    trees: Vec<(String, Option<String>)>,
    defaults: Defaults,
    timeout: Option<u32>,
    total_timeout: Option<u32>,
    prompt: Option<u32>,
    has_ui: bool,
    editor: bool,
    diagnostics: Vec<Diagnostic>,
}

/// A menu within the menu.
#[derive(Default)]
struct Submenu {
    parent: usize,
    depth: usize,
    label: Option<String>,
    title: Option<String>,
    tag: String,
    /// Shared with the submenus below.
    append: Option<Rc<(usize, String)>>,
    password: Option<usize>,
}

/// A label that can be chosen.
struct Found {
    label: Label,
    submenu: usize,
}

/// What boots if nobody chooses, as the file asks for it in several ways: file
/// and line, and the value.
#[derive(Default)]
struct Defaults {
    nerf: Option<(Origin, String)>,
    on_timeout: Option<(Origin, String)>,
    default: Option<(Origin, String)>,
}

/// File, line and keyword.
type Origin = (String, usize, &'static str);

impl<'a> Configuration<'a> {
    pub(super) fn new(files: &'a Metered<'a>, path: &'a str, target: &Target<'a>) -> Self {
        Self {
            files,
            boards: target.boards,
            path,
            directory: place::working_directory(path),
            open: Vec::new(),
            files_read: 0,
            in_text: false,
            submenus: vec![Submenu::default()],
            current: 0,
            passed_over: 0,
            label: None,
            found: Vec::new(),
            trees: Vec::new(),
            defaults: Defaults::default(),
            timeout: None,
            total_timeout: None,
            prompt: None,
            has_ui: false,
            editor: true,
            diagnostics: Vec::new(),
        }
    }

    /// The menu of the file and of all that it includes.
    pub(super) fn parse(mut self) -> Menu {
        if let Err(diagnostic) = self.read(self.path) {
            self.say(diagnostic);
        }
        self.finish()
    }

    /// Reads one file, and by its lines what it includes.
    fn read(&mut self, path: &str) -> Result<(), Diagnostic> {
        let bytes = lines::read(self.files, path)?;
        self.files_read = self.files_read.saturating_add(1);
        self.open.push(path.to_owned());
        let submenu = self.current;
        let passed_over = self.passed_over;
        for (number, line) in lines::lines(&bytes) {
            match line {
                Ok(line) => self.line(number, line),
                Err(what) => self.no_text(number, what),
            }
        }
        self.end_text();
        if self.current != submenu {
            self.finish_label();
        }
        self.current = submenu;
        self.passed_over = passed_over;
        self.open.pop();
        Ok(())
    }

    fn line(&mut self, number: usize, line: &str) {
        let (key, value) = split_word(line);
        let mut key = key.to_ascii_lowercase();
        if self.in_text {
            self.in_text = key != "endtext";
            return;
        }
        let mut value = value;
        if key == "menu" {
            let (word, rest) = split_word(value);
            key = format!("menu {}", word.to_ascii_lowercase());
            value = rest;
        }
        if !key.is_empty() && !key.starts_with('#') {
            self.statement(&Line { number, key: &key, value });
        }
    }

    fn statement(&mut self, line: &Line<'_>) {
        match line.key {
            "label" => self.begin_label(line),
            "include" | "menu include" => self.include(line),
            "menu begin" => self.begin_submenu(line),
            "menu end" => self.end_submenu(line),
            "text" => self.in_text = line.value.eq_ignore_ascii_case("help"),
            "ipappend" | "sysappend" => self.say_sysappend(line),
            _ => {
                let taken = match &mut self.label {
                    Some(label) => label.take(line, self.directory),
                    None => self.take_outside(line),
                };
                if !taken && !self.take_anywhere(line) && !is_without_effect(line.key) {
                    self.complain(line, Code::UnsupportedKey, "is not understood and is ignored");
                }
            }
        }
    }

    /// What means something else within a label.
    fn take_outside(&mut self, line: &Line<'_>) -> bool {
        let Some(submenu) = self.submenus.get_mut(self.current) else { return false };
        let is_known = self.passed_over == 0;
        match line.key {
            "append" if is_known => {
                submenu.append = Some(Rc::new((line.number, line.value.to_owned())));
            }
            "menu label" if is_known => submenu.label = Some(title(line.value)),
            "menu passwd" if is_known => submenu.password = Some(line.number),
            "menu default" => {}
            _ => return false,
        }
        true
    }

    /// What means the same everywhere in the file.
    fn take_anywhere(&mut self, line: &Line<'_>) -> bool {
        match line.key {
            "default" => self.set_default(line),
            "ontimeout" => self.defaults.on_timeout = self.asked(line, "ontimeout"),
            "nerfdefault" => self.defaults.nerf = self.asked(line, "nerfdefault"),
            "ui" => self.has_ui = true,
            "timeout" => self.timeout = self.number(line).or(self.timeout),
            "totaltimeout" => self.total_timeout = self.number(line).or(self.total_timeout),
            "prompt" => self.prompt = self.number(line).or(self.prompt),
            "allowoptions" => self.editor = self.editor && line.value != "0",
            "menu master" => self.editor = false,
            "menu title" => self.set_submenu_title(line.value),
            _ => return false,
        }
        true
    }

    /// The last one counts, even if it is only the menu's program.
    fn set_default(&mut self, line: &Line<'_>) {
        let is_module = is_module(line.value);
        self.has_ui |= is_module;
        self.defaults.default = if is_module { None } else { self.asked(line, "default") };
    }

    fn asked(&self, line: &Line<'_>, key: &'static str) -> Option<(Origin, String)> {
        Some(((self.file().to_owned(), line.number, key), line.value.to_owned()))
    }

    fn number(&mut self, line: &Line<'_>) -> Option<u32> {
        let number = line.value.parse().ok();
        if number.is_none() {
            self.complain(line, Code::Setting, "is no number and is ignored");
        }
        number
    }

    /// The words of pxelinux that would tell the system where it came from.
    fn say_sysappend(&mut self, line: &Line<'_>) {
        if line.value != "0" {
            let what = "asks for words on the command line that Turnout does not add";
            self.complain(line, Code::Setting, what);
        }
    }

    fn include(&mut self, line: &Line<'_>) {
        let (file, tag) = split_word(line.value);
        let path = place::absolute(self.directory, file);
        if self.open.contains(&path) {
            return self.complain(line, Code::Setting, "includes a file from within itself");
        }
        if self.open.len() >= MAX_INCLUDES {
            return self.complain(line, Code::Setting, "is one file within another too many");
        }
        if self.files_read >= MAX_FILES {
            return self.complain(line, Code::FileSize, "is one included file too many");
        }
        if tag.is_empty() {
            self.read_included(&path, line);
        } else {
            self.begin_submenu(&Line { value: tag, ..*line });
            self.read_included(&path, line);
            self.end_submenu(line);
        }
    }

    fn read_included(&mut self, path: &str, line: &Line<'_>) {
        if let Err(Diagnostic { detail, .. }) = self.read(path) {
            self.complain(line, Code::Unreadable, &format!("cannot be read: {detail}"));
        }
    }

    fn begin_label(&mut self, line: &Line<'_>) {
        self.finish_label();
        match Label::new(self.file(), line) {
            Ok(label) => self.label = Some(label),
            Err(diagnostic) => self.say(diagnostic),
        }
    }

    /// Puts the label that was read among the entries.
    fn finish_label(&mut self) {
        // A label costs time even if it is not kept.
        let label = self.label.take().filter(|_| self.files.keep(0));
        let Some(mut label) = label else { return };
        let append = self.submenus.get(self.current).and_then(|submenu| submenu.append.as_deref());
        match label.finish(append, self.directory) {
            Outcome::Entry => self.add(label),
            Outcome::LeftOut(diagnostic) => self.say(diagnostic),
            Outcome::Nothing => {}
        }
    }

    fn add(&mut self, mut label: Label) {
        if self.found.len() == MAX_ENTRIES {
            let detail = format!("only the first {MAX_ENTRIES} entries are read");
            let entry = &label.entry;
            let diagnostic = Diagnostic::new(&entry.file, entry.line, Code::EntryCount, detail);
            return self.say_once(diagnostic);
        }
        for password in self.ancestors().filter_map(|submenu| submenu.password).collect::<Vec<_>>()
        {
            label.refuse_without_password(password);
        }
        self.choose_devicetree(&mut label);
        if self.files.keep(label.weight()) {
            self.found.push(Found { label, submenu: self.current });
        }
    }

    /// The submenu that is being read and those that it is in, the innermost
    /// first, without the menu itself.
    fn ancestors(&self) -> impl Iterator<Item = &Submenu> {
        self.chain(self.current)
    }

    fn chain(&self, from: usize) -> impl Iterator<Item = &Submenu> {
        core::iter::successors(self.submenu(from), |submenu| self.submenu(submenu.parent))
    }

    /// `None` of the menu that all are in.
    fn submenu(&self, index: usize) -> Option<&Submenu> {
        self.submenus.get(index).filter(|_| index != 0)
    }

    fn choose_devicetree(&mut self, label: &mut Label) {
        let Some((line, directory)) = label.fdtdir().cloned() else { return };
        label.entry.devicetree = self.tree_in(&directory);
        if let Some(exceeded) = self.files.ended() {
            // The one that was meant may be among what is left out.
            return label.entry.problem(Some(line), Code::Budget, exceeded.into());
        }
        if label.entry.devicetree.is_none() {
            let board = self.boards.first().map_or("this machine", String::as_str);
            let detail = format!(
                "fdtdir {} has no device tree for {}; the machine's own is kept",
                quoted(&directory),
                quoted(board)
            );
            self.say(Diagnostic::new(&label.entry.file, Some(line), Code::Setting, detail));
        }
    }

    /// Each directory is searched once.
    fn tree_in(&mut self, directory: &str) -> Option<String> {
        if let Some((_, tree)) = self.trees.iter().find(|(known, _)| known == directory) {
            return tree.clone();
        }
        if self.trees.len() >= MAX_TREES {
            return None;
        }
        let tree = fdtdir::find(self.files, directory, self.boards);
        self.trees.push((directory.to_owned(), tree.clone()));
        tree
    }

    fn begin_submenu(&mut self, line: &Line<'_>) {
        self.finish_label();
        let Some(parent) = self.submenus.get(self.current) else { return };
        if parent.depth >= MAX_SUBMENUS || self.passed_over > 0 || self.submenus.len() > MAX_ENTRIES
        {
            self.passed_over = self.passed_over.saturating_add(1);
            let what = "is one submenu too many; its entries are shown in the one above";
            return self.complain(line, Code::ValueSize, what);
        }
        let submenu = Submenu {
            parent: self.current,
            depth: parent.depth.saturating_add(1),
            tag: title(line.value),
            append: parent.append.clone(),
            ..Submenu::default()
        };
        self.current = self.submenus.len();
        self.submenus.push(submenu);
    }

    fn end_submenu(&mut self, line: &Line<'_>) {
        self.finish_label();
        if self.passed_over > 0 {
            self.passed_over = self.passed_over.saturating_sub(1);
        } else if self.current == 0 {
            self.complain(line, Code::Setting, "ends a submenu, and none has begun");
        } else {
            self.current = self.submenus.get(self.current).map_or(0, |submenu| submenu.parent);
        }
    }

    fn set_submenu_title(&mut self, value: &str) {
        if self.passed_over == 0
            && let Some(submenu) = self.submenus.get_mut(self.current)
        {
            submenu.title = Some(title(value));
        }
    }

    /// A line that is no text costs the entry that it is in.
    fn no_text(&mut self, number: usize, what: &str) {
        let detail = format!("the line {what}");
        let file = self.file().to_owned();
        if let Some(label) = self.label.as_mut().filter(|_| !self.in_text) {
            label.entry.problem(Some(number), Code::Encoding, detail.clone());
        }
        self.say(Diagnostic::new(&file, Some(number), Code::Encoding, detail));
    }

    fn end_text(&mut self) {
        if self.in_text {
            self.in_text = false;
            let detail = "text help has no endtext in this file".to_owned();
            self.say(Diagnostic::new(self.file(), None, Code::Setting, detail));
        }
    }

    fn file(&self) -> &str {
        self.open.last().map_or("", String::as_str)
    }

    fn complain(&mut self, line: &Line<'_>, code: Code, what: &str) {
        let diagnostic = line.complain(self.file(), code, what);
        self.say(diagnostic);
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    fn say_once(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.iter().all(|said| said.code != diagnostic.code) {
            self.say(diagnostic);
        }
    }

    /// The menu, when all has been read.
    fn finish(mut self) -> Menu {
        self.finish_label();
        if self.found.is_empty() {
            self.add_implied();
        }
        let default = self.default();
        let entries = self.entries(default.as_deref());
        let settings = Settings {
            timeout: self.timeout(),
            default: default.map(|id| Wanted {
                what: What::Named(id),
                file: self.path.to_owned(),
                line: None,
            }),
            editor: self.editor,
            ..Settings::default()
        };
        Menu { entries, settings, diagnostics: self.diagnostics, ..Menu::default() }
    }

    /// Without any label, `default` is the kernel itself and its options.
    fn add_implied(&mut self) {
        let Some(((file, number, key), value)) = self.defaults.default.take() else { return };
        let (kernel, options) = split_word(&value);
        self.open.push(file);
        self.current = 0;
        self.begin_label(&Line { number, key, value: kernel });
        if let Some(submenu) = self.submenus.first_mut()
            && !options.is_empty()
        {
            let empty = (number, String::new());
            let (number, append) = submenu.append.as_deref().unwrap_or(&empty);
            let append = format!("{append} {options}").trim_start().to_owned();
            submenu.append = Some(Rc::new((*number, append)));
        }
        self.finish_label();
    }

    /// Id of the entry that boots if nobody chooses. What counts first is what
    /// boots by itself.
    fn default(&mut self) -> Option<String> {
        let defaults = core::mem::take(&mut self.defaults);
        for (origin, value) in
            [defaults.nerf, defaults.on_timeout, defaults.default].into_iter().flatten()
        {
            match self.named(&value) {
                Some(id) => return Some(id),
                None => self.say_stale(&origin, &value),
            }
        }
        let mut found = self.found.iter().rev();
        let marked = found.find(|found| found.label.is_default && found.submenu == 0);
        marked.map(|found| found.label.entry.id.clone())
    }

    /// A label; or one with options behind it, which are not taken over.
    fn named(&self, value: &str) -> Option<String> {
        let found = self.labelled(value).or_else(|| self.labelled(split_word(value).0))?;
        Some(found.label.entry.id.clone())
    }

    /// The label of this name; where there is none, of the same in another case.
    fn labelled(&self, name: &str) -> Option<&Found> {
        let mut labels = self.found.iter();
        let exact = labels.clone().find(|found| found.label.name == name);
        exact.or_else(|| labels.find(|found| found.label.name.eq_ignore_ascii_case(name)))
    }

    fn say_stale(&mut self, (file, number, key): &Origin, value: &str) {
        let detail = format!("{key} {} matches no entry", quoted(value));
        self.say(Diagnostic::new(file, Some(*number), Code::Setting, detail));
    }

    /// Tenths of a second become seconds. 0 waits for a person, unless there is
    /// neither a menu nor a prompt to wait at.
    fn timeout(&self) -> Option<Timeout> {
        match (self.timeout, self.total_timeout.filter(|tenths| *tenths > 0)) {
            (None, None) => None,
            (Some(0), None) if self.prompt == Some(0) && !self.has_ui => Some(Timeout::Hidden),
            (Some(0), None) => Some(Timeout::Forever),
            (Some(0) | None, Some(tenths)) | (Some(tenths), _) => {
                Some(Timeout::Seconds(tenths.div_ceil(10)))
            }
        }
    }

    /// The entries with the titles of their submenus, which may follow behind
    /// their first entry. Hidden ones are only there for what names them.
    fn entries(&mut self, default: Option<&str>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for Found { label, submenu } in core::mem::take(&mut self.found) {
            let mut entry = label.entry;
            if label.is_hidden && default != Some(entry.id.as_str()) {
                let detail = format!("menu hide keeps {} out of the menu", quoted(&entry.id));
                self.say(Diagnostic::new(&entry.file, entry.line, Code::Setting, detail));
                continue;
            }
            entry.submenu = self.chain(submenu).map(Submenu::name).collect();
            entry.submenu.reverse();
            // The entry itself is paid for.
            if !self.files.keep(entry.submenu.iter().map(String::len).sum()) {
                entry.submenu.clear();
            }
            entries.push(entry);
        }
        entries
    }
}

impl Submenu {
    fn name(&self) -> String {
        let titles = self.label.iter().chain(&self.title).chain([&self.tag]);
        titles.into_iter().find(|title| !title.is_empty()).cloned().unwrap_or_default()
    }
}

/// A title without the mark of its hotkey.
fn title(value: &str) -> String {
    value.chars().filter(|c| *c != '^').take(MAX_TITLE).collect()
}

/// Whether a `default` is the menu's own program.
fn is_module(value: &str) -> bool {
    split_word(value).0.to_ascii_lowercase().ends_with(".c32")
}

/// Keywords of the look, of the hardware that syslinux drives itself, and of
/// what is said on its screen.
fn is_without_effect(key: &str) -> bool {
    const KEYS: [&str; 16] = [
        "say",
        "display",
        "font",
        "kbdmap",
        "serial",
        "console",
        "implicit",
        "noescape",
        "nocomplete",
        "nohalt",
        "onerror",
        "path",
        "background",
        "fallback",
        "endtext",
        "sendcookies",
    ];
    let is_help = key.strip_prefix('f').is_some_and(|rest| rest.parse::<u8>().is_ok());
    is_help || key.starts_with("menu ") || KEYS.contains(&key)
}
