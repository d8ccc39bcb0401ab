//! The entries of the Boot Loader Specification (UAPI.1): files and unified kernel
//! images, in one order, and `loader.conf` beside them.

use super::entry::{self, Known};
use super::{file_name, loader_conf, sort};
use crate::base::sort::sort_by;
use crate::base::text::quoted;
use crate::menu::gather::Search;
use crate::menu::{Code, Diagnostic, Found, MAX_FILE_SIZE, Menu, uki};

const LOADER_CONF: &str = "/loader/loader.conf";
const ENTRIES: &str = "/loader/entries";
/// What says that the files in [`ENTRIES`] are of type 1 (UAPI.1).
const KIND: &str = "/loader/entries.srel";

/// Whether a path is one of entries of type 1.
pub(crate) fn is_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    path.contains("/loader/") || path.ends_with(ENTRIES) || file_name::is_entry(name)
}

/// Whether a path is one of entries of type 2.
pub(crate) fn is_image_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    path.ends_with(uki::IMAGES) || uki::is_entry(name)
}

/// Everything below `prefix`, of both types.
pub(crate) fn find(search: &Search<'_>, prefix: &str) -> Menu {
    let mut menu = Menu::default();
    menu.read_settings(search, &format!("{prefix}{LOADER_CONF}"));
    menu.read_entries(search, &format!("{prefix}{ENTRIES}"));
    menu.check_kind(search, &format!("{prefix}{KIND}"));
    menu.read_images(search, &format!("{prefix}{}", uki::IMAGES), prefix);
    sort_by(&mut menu.entries, sort::order);
    menu
}

/// One entry file, a directory of them, or loader.conf with the entries beside it.
pub(crate) fn read(search: &Search<'_>, path: &str) -> Menu {
    let mut menu = Menu::default();
    let prefix = path.find("/loader/").and_then(|at| path.get(..at)).unwrap_or_default();
    menu.settings.saved = search.known.saved_entry();
    if path.ends_with(LOADER_CONF) {
        menu.append(find(search, prefix));
    } else if search.files.has(path) {
        menu.read_entry(search, path);
        menu.note(path, Found::Entries(menu.entries.len()));
    } else {
        menu.read_entries(search, path);
        sort_by(&mut menu.entries, sort::order);
    }
    menu.place(search, prefix);
    menu
}

/// One image, or a directory of them.
pub(crate) fn read_images(search: &Search<'_>, path: &str) -> Menu {
    let mut menu = Menu::default();
    let prefix = path.find(uki::IMAGES).and_then(|at| path.get(..at)).unwrap_or_default();
    if search.files.has(path) {
        menu.read_image(search, path, prefix);
        menu.note(path, Found::Entries(menu.entries.len()));
    } else {
        menu.read_images(search, path, prefix);
    }
    sort_by(&mut menu.entries, sort::order);
    menu
}

impl Menu {
    fn read_settings(&mut self, search: &Search<'_>, path: &str) {
        let found = match search.files.read(path, MAX_FILE_SIZE) {
            Ok(Some(bytes)) => {
                self.settings = loader_conf::parse(path, &bytes, &mut self.diagnostics);
                Found::Settings
            }
            Ok(None) => Found::Absent,
            Err(why) => self.unreadable(search.files, path, why),
        };
        self.note(path, found);
    }

    fn read_entries(&mut self, search: &Search<'_>, directory: &str) {
        self.read_directory(search.files, directory, file_name::is_entry, |menu, path| {
            menu.read_entry(search, path);
        });
    }

    fn read_images(&mut self, search: &Search<'_>, directory: &str, prefix: &str) {
        self.read_directory(search.files, directory, uki::is_entry, |menu, path| {
            menu.read_image(search, path, prefix);
        });
    }

    /// That the entries are said to be of another kind is told, no more: they are
    /// read as systemd-boot reads them, and each says for itself what is wrong.
    fn check_kind(&mut self, search: &Search<'_>, path: &str) {
        let Ok(Some(bytes)) = search.files.read(path, MAX_FILE_SIZE) else { return };
        if bytes.trim_ascii() != b"type1" {
            let kind = String::from_utf8_lossy(&bytes);
            let detail = format!("the entries are said to be {}, not type1", quoted(kind.trim()));
            self.diagnostics.push(Diagnostic::new(path, None, Code::Setting, detail));
        }
    }

    fn read_image(&mut self, search: &Search<'_>, path: &str, prefix: &str) {
        match uki::parse(search.images(prefix), path) {
            Ok(entries) => entries.into_iter().for_each(|entry| self.keep(search.files, entry)),
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
    }

    fn read_entry(&mut self, search: &Search<'_>, path: &str) {
        let bytes = match search.files.read(path, MAX_FILE_SIZE) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(why) => {
                self.unreadable(search.files, path, why);
                return;
            }
        };
        let known = Known { variables: search.known, budget: search.files };
        let entry = entry::parse(path, &bytes, &known);
        match entry.and_then(|entry| entry::check_architecture(entry, search.target.arch)) {
            Ok(entry) => self.keep(search.files, entry),
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
    }
}
