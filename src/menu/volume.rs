//! Every menu of one volume: which files are looked at, and in which order.
//!
//! Menus lie below the root of a volume or below its `/boot`; of these the first
//! that has an entry counts, for each format by itself. The order is fixed and
//! documented (docs/menus.md); what was looked at is reported whether it was
//! there or not.

use std::collections::BTreeSet;

use super::settings::{Wanted, What};
use super::vars::{self, Variables};
use super::{
    Code, Diagnostic, Files, Format, Found, MAX_ENTRIES, MAX_FILE_SIZE, Menu, Read, Target, bls,
    file_name, loader_conf, paths, sort,
};
use crate::order;
use crate::text::quoted;

/// Where a menu's own root may be on its volume.
const PREFIXES: [&str; 2] = ["", "/boot"];
const LOADER_CONF: &str = "/loader/loader.conf";
const ENTRIES: &str = "/loader/entries";

/// Every menu of a volume. [`super::merge`] makes of one or more of these what
/// is shown, and says which entry is the default.
#[must_use]
pub fn read_volume(files: &dyn Files, target: &Target<'_>) -> Menu {
    read_below(files, target, "")
}

/// The same, of a system whose root is the directory `root` of the volume, such
/// as a subvolume of btrfs: `/@`.
#[must_use]
pub fn read_below(files: &dyn Files, target: &Target<'_>, root: &str) -> Menu {
    let mut menu = Menu::default();
    let known = vars::read(files, root, &mut menu.read);
    menu.settings.saved = saved_entry(&known);
    for prefix in PREFIXES.map(|prefix| format!("{root}{prefix}")) {
        let mut found = boot_loader_specification(files, target, &prefix, &known);
        let is_last = !found.entries.is_empty();
        for entry in &mut found.entries {
            entry.relocate(|path| paths::locate(path, &prefix, |path| files.has(path)));
        }
        menu.append(found);
        if is_last {
            break;
        }
    }
    menu.limit();
    menu
}

/// Only the menu file, or the directory of entries, at `path`.
///
/// # Errors
/// There is no such menu, or its format is none that is known.
pub fn read_config(
    files: &dyn Files,
    path: &str,
    format: Option<Format>,
    target: &Target<'_>,
) -> Result<Menu, String> {
    let path =
        paths::normalise(path).map_err(|what| format!("the path {} {what}", quoted(path)))?;
    let format = format.or_else(|| guess(&path));
    let format =
        format.ok_or_else(|| format!("{path}: no menu file by its name; name its format"))?;
    let mut menu = match format {
        Format::Bls => bls_config(files, &path, target),
        other => return Err(format!("{path}: no menu of the format {} is read yet", other.name())),
    };
    if menu.read.iter().all(|read| read.found == Found::Absent) {
        return Err(format!("{path}: there is no such file"));
    }
    menu.limit();
    Ok(menu)
}

/// The format of a file with such a name.
fn guess(path: &str) -> Option<Format> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_bls = path.contains("/loader/") || path.ends_with(ENTRIES) || file_name::is_entry(name);
    is_bls.then_some(Format::Bls)
}

/// One entry file, a directory of them, or loader.conf with the entries beside it.
fn bls_config(files: &dyn Files, path: &str, target: &Target<'_>) -> Menu {
    let mut menu = Menu::default();
    let known = vars::read(files, "", &mut Vec::new());
    menu.settings.saved = saved_entry(&known);
    if let Some(prefix) = path.strip_suffix(LOADER_CONF) {
        menu.append(boot_loader_specification(files, target, prefix, &known));
    } else if files.has(path) {
        menu.read_entry(files, path, target, &known);
        let found = Found::Entries(menu.entries.len());
        menu.read.push(Read { path: path.to_owned(), found });
    } else {
        menu.read_entries(files, path, target, &known);
    }
    menu
}

/// The entry that GRUB would take, where entries are its menu.
fn saved_entry(known: &Variables) -> Option<Wanted> {
    let saved = known.get("saved_entry").filter(|name| !name.is_empty())?;
    let (file, what) = (known.file.clone(), What::Named(saved.to_owned()));
    Some(Wanted { what, file, line: None })
}

fn boot_loader_specification(
    files: &dyn Files,
    target: &Target<'_>,
    prefix: &str,
    known: &Variables,
) -> Menu {
    let mut menu = Menu::default();
    menu.read_settings(files, &format!("{prefix}{LOADER_CONF}"));
    menu.read_entries(files, &format!("{prefix}{ENTRIES}"), target, known);
    order::sort_by(&mut menu.entries, sort::order);
    menu
}

impl Menu {
    fn read_settings(&mut self, files: &dyn Files, path: &str) {
        let found = match files.read(path, MAX_FILE_SIZE) {
            Ok(Some(bytes)) => {
                self.settings = loader_conf::parse(path, &bytes, &mut self.diagnostics);
                Found::Settings
            }
            Ok(None) => Found::Absent,
            Err(why) => self.unreadable(path, why),
        };
        self.read.push(Read { path: path.to_owned(), found });
    }

    fn read_entries(
        &mut self,
        files: &dyn Files,
        directory: &str,
        target: &Target<'_>,
        known: &Variables,
    ) {
        let found = match files.names(directory) {
            Ok(names) if names.is_empty() => Found::Absent,
            Ok(names) => {
                let names = names.iter().filter(|name| file_name::is_entry(name));
                for name in self.limited(directory, names) {
                    self.read_entry(files, &format!("{directory}/{name}"), target, known);
                }
                Found::Entries(self.entries.len())
            }
            Err(why) => self.unreadable(directory, why),
        };
        self.read.push(Read { path: directory.to_owned(), found });
    }

    fn read_entry(
        &mut self,
        files: &dyn Files,
        path: &str,
        target: &Target<'_>,
        known: &Variables,
    ) {
        let bytes = match files.read(path, MAX_FILE_SIZE) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(why) => {
                self.unreadable(path, why);
                return;
            }
        };
        let entry = bls::parse(path, &bytes, known);
        match entry.and_then(|entry| bls::check_architecture(entry, target.arch)) {
            Ok(entry) => self.entries.push(entry),
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
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

    /// Puts another menu of the volume behind this one.
    fn append(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.diagnostics.extend(other.diagnostics);
        self.read.extend(other.read);
        let settings = core::mem::take(&mut self.settings);
        self.settings = settings.or(other.settings);
    }

    /// Keeps each id once and no more entries than there may be.
    fn limit(&mut self) {
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
