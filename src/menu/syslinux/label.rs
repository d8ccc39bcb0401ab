//! One `LABEL` of a configuration: what its lines say, and the entry that they
//! make together.

use super::{FORMAT, place};
use crate::base::text::quoted;
use crate::menu::entry::{self, Entry};
use crate::menu::text::line::Line;
use crate::menu::text::lines::{ELSEWHERE, is_elsewhere, split_word};
use crate::menu::{Code, Diagnostic};

/// Longest label: it names the manifest's file too.
const MAX_LABEL: usize = 200;
/// What cannot start Linux, by the suffix of `kernel` (syslinux's config.txt).
const FOREIGN_SUFFIXES: [&str; 7] = [".c32", ".com", ".cbt", ".0", ".bin", ".bs", ".bss"];
/// Where U-Boot would put its variables.
const VARIABLES: [&str; 2] = ["${", "$("];

/// A label, while its lines are read.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) entry: Entry,
    /// As it stands in the file.
    pub(super) name: String,
    pub(super) is_default: bool,
    pub(super) is_hidden: bool,
    kind: Kind,
    append: Option<(usize, String)>,
    fdtdir: Option<(usize, String)>,
}

/// What a label starts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A kernel.
    Linux,
    /// No line says: the file of the label's name.
    Implied,
    /// The first word of `append`, through `linux.c32`.
    Appended,
    /// Something else, as this line says.
    Foreign(usize, String),
    /// Nothing: a way between submenus, for which Turnout has keys of its own.
    Way,
}

/// What is made of a label.
pub(super) enum Outcome {
    Entry,
    LeftOut(Diagnostic),
    Nothing,
}

impl Label {
    /// A label of which only the name is known.
    ///
    /// # Errors
    /// The name cannot be one.
    pub(super) fn new(file: &str, line: &Line<'_>) -> Result<Self, Diagnostic> {
        if line.value.is_empty() {
            return Err(line.complain(file, Code::NoKernel, "names no entry"));
        }
        if line.value.len() > MAX_LABEL {
            return Err(line.complain(file, Code::ValueSize, "is too long"));
        }
        let id = entry::safe_id(line.value);
        let title = (id != line.value).then(|| line.value.to_owned());
        Ok(Self {
            entry: Entry {
                id,
                title,
                format: FORMAT,
                file: file.to_owned(),
                line: Some(line.number),
                ..Entry::default()
            },
            name: line.value.to_owned(),
            is_default: false,
            is_hidden: false,
            kind: Kind::Implied,
            append: None,
            fdtdir: None,
        })
    }

    /// About how many bytes of memory it takes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>().saturating_add(self.entry.weight()).saturating_add(self.name.len())
    }

    /// Takes one line over; false if its keyword is none of a label's.
    pub(super) fn take(&mut self, line: &Line<'_>, directory: &str) -> bool {
        match line.key {
            "linux" => self.set_kernel(line, directory),
            "kernel" | "com32" => self.set_kernel_by_suffix(line, directory),
            "boot" | "bss" | "pxe" | "fdimage" | "comboot" | "config" | "localboot" => {
                self.set_foreign(line);
            }
            "append" => self.append = Some((line.number, line.value.to_owned())),
            "initrd" => self.set_initrds(line, directory),
            "fdt" | "devicetree" => self.set_devicetree(line, directory),
            "fdtdir" | "devicetreedir" => {
                self.fdtdir = Some((line.number, place::absolute(directory, line.value)));
            }
            "fdtoverlays" | "devicetree-overlay" => self.set_overlays(line, directory),
            "kaslrseed" => self.entry.kaslr_seed = true,
            _ => return self.take_menu(line),
        }
        true
    }

    fn take_menu(&mut self, line: &Line<'_>) -> bool {
        match line.key {
            "menu label" => self.set_title(line),
            "menu default" => self.is_default = true,
            "menu hide" => self.is_hidden = true,
            "menu disable" | "menu disabled" => {
                self.entry.complain(line, Code::Setting, "keeps the entry from being chosen");
            }
            "menu passwd" => self.refuse_without_password(line.number),
            "menu goto" | "menu exit" | "menu quit" => self.kind = Kind::Way,
            "menu indent" => {}
            _ => return false,
        }
        true
    }

    /// The password itself is not shown.
    pub(super) fn refuse_without_password(&mut self, line: usize) {
        let detail = "menu passwd asks for a password, which Turnout cannot check".to_owned();
        self.entry.problem(Some(line), Code::UnsupportedKey, detail);
    }

    /// The character behind `^` is the hotkey.
    fn set_title(&mut self, line: &Line<'_>) {
        let mut behind = line.value.chars().skip_while(|c| *c != '^').skip(1);
        let hotkey = behind.next().filter(char::is_ascii_graphic);
        self.entry.hotkey = hotkey.map(|c| c.to_ascii_lowercase());
        let title = line.value.replace('^', "");
        if title.is_empty() {
            return;
        }
        self.entry.title = self.entry.text(&Line { value: &title, ..*line });
    }

    fn set_kernel(&mut self, line: &Line<'_>, directory: &str) {
        self.kind = Kind::Linux;
        self.entry.linux = None;
        if line.value.contains('#') {
            let what = "is a configuration of a FIT image, which Turnout does not boot";
            self.entry.complain(line, Code::UnsupportedKey, what);
        } else {
            self.entry.linux = self.path(line, directory);
        }
    }

    fn set_kernel_by_suffix(&mut self, line: &Line<'_>, directory: &str) {
        let name = line.value.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "linux.c32" => self.kind = Kind::Appended,
            "mboot.c32" => {
                self.kind = Kind::Linux;
                let what = "starts a multiboot kernel such as Xen, which Turnout cannot boot";
                self.entry.complain(line, Code::UnsupportedKey, what);
            }
            name if FOREIGN_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) => {
                self.set_foreign(line);
            }
            _ => self.set_kernel(line, directory),
        }
    }

    fn set_foreign(&mut self, line: &Line<'_>) {
        self.kind = Kind::Foreign(line.number, format!("{} {}", line.key, quoted(line.value)));
    }

    /// A list with commas between; a second line takes the place of the first.
    fn set_initrds(&mut self, line: &Line<'_>, directory: &str) {
        self.entry.initrds.clear();
        for value in line.value.split(',').map(str::trim).filter(|value| !value.is_empty()) {
            if let Some(path) = self.place(&Line { value, ..*line }, directory) {
                self.entry.add_initrd(&Line { value: &path, ..*line });
            }
        }
    }

    fn set_devicetree(&mut self, line: &Line<'_>, directory: &str) {
        self.entry.devicetree = if line.value == "-" { None } else { self.path(line, directory) };
    }

    fn set_overlays(&mut self, line: &Line<'_>, directory: &str) {
        let paths = line.value.split_ascii_whitespace();
        let paths: Vec<_> = paths.map(|path| place::absolute(directory, path)).collect();
        self.entry.set_overlays(&Line { value: &paths.join(" "), ..*line });
    }

    fn path(&mut self, line: &Line<'_>, directory: &str) -> Option<String> {
        let path = self.place(line, directory)?;
        self.entry.path(&Line { value: &path, ..*line })
    }

    fn place(&mut self, line: &Line<'_>, directory: &str) -> Option<String> {
        if is_elsewhere(line.value.trim_start_matches("::")) {
            self.entry.complain(line, Code::Path, ELSEWHERE);
            return None;
        }
        Some(place::absolute(directory, line.value))
    }

    /// Makes the entry, now that no line of the label follows. `append` is what
    /// holds for labels without an `append` of their own.
    pub(super) fn finish(&mut self, append: Option<&(usize, String)>, directory: &str) -> Outcome {
        match &self.kind {
            Kind::Way => return Outcome::Nothing,
            Kind::Foreign(line, what) => {
                let name = quoted(&self.name);
                let detail = format!("{what} starts no Linux; the entry {name} is left out");
                let file = &self.entry.file;
                return Outcome::LeftOut(Diagnostic::new(
                    file,
                    Some(*line),
                    Code::UnsupportedKey,
                    detail,
                ));
            }
            _ => {}
        }
        let (number, options) = self.append.take().or_else(|| append.cloned()).unwrap_or_default();
        let options = if options == "-" { String::new() } else { options };
        let line = Line { number, key: "append", value: &options };
        let line = self.finish_kernel(line, directory);
        if self.entry.initrds.is_empty() {
            self.take_initrds_of(&line, directory);
        }
        if VARIABLES.iter().any(|start| line.value.contains(start)) {
            let what = "contains a variable, which has no value here";
            self.entry.complain(&line, Code::Variable, what);
        }
        self.entry.add_options(&line);
        Outcome::Entry
    }

    /// The kernel that no line of its own names; what is left of `append`.
    fn finish_kernel<'a>(&mut self, append: Line<'a>, directory: &str) -> Line<'a> {
        let number = self.entry.line.unwrap_or_default();
        match self.kind {
            Kind::Implied => {
                let name = self.name.clone();
                let line = Line { number, key: "label", value: &name };
                self.set_kernel_by_suffix(&line, directory);
                append
            }
            Kind::Appended => {
                let (value, rest) = split_word(append.value);
                self.set_kernel(&Line { value, ..append }, directory);
                Line { value: rest, ..append }
            }
            _ => append,
        }
    }

    /// Of several `initrd=` the last one counts. They stay in the command line,
    /// as with syslinux.
    fn take_initrds_of(&mut self, append: &Line<'_>, directory: &str) {
        let words = append.value.split_ascii_whitespace();
        if let Some(value) = words.filter_map(|word| word.strip_prefix("initrd=")).next_back() {
            self.set_initrds(&Line { value, ..*append }, directory);
        }
    }

    /// The directory of device trees, if the machine's is to be found there: the
    /// line and the path.
    pub(super) fn fdtdir(&self) -> Option<&(usize, String)> {
        self.fdtdir.as_ref().filter(|_| self.entry.devicetree.is_none())
    }
}
