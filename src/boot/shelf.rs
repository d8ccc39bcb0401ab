//! The menu of a boot partition, each entry with what is known of it before
//! anybody chooses: are its files there, and who signed it.
//!
//! A manifest and its signature are read here, once; the big files are read
//! only when the entry is chosen.

use super::Station;
use crate::choose::Item;
use crate::failure::{Failure, Stage};
use crate::menu::{self, Entry, Menu};
use crate::source::{self, Candidate};
use crate::sys::mount;
use crate::sys::read::Root;
use crate::trust;
use crate::trust::verify::{Attested, Evidence, check_manifest};

const LOADER_CONF: &str = "/loader/loader.conf";
const ENTRIES: &str = "/loader/entries";
/// Largest menu file in bytes; the parser refuses more too.
const MAX_MENU_FILE: u64 = 64 << 10;
const MAX_MENU_FILES: usize = 1024;

/// A mounted boot partition and its menu.
pub(super) struct Shelf {
    pub(super) root: Root,
    pub(super) menu: Menu,
    /// One verdict an entry, in the menu's order.
    verdicts: Vec<Result<Attested, Failure>>,
}

impl Shelf {
    /// The menu of the first partition that has one.
    ///
    /// # Errors
    /// Why the last one has none; the reasons of those before it are on the
    /// console.
    pub(super) fn first(station: &Station, partitions: &[Candidate]) -> Result<Self, Failure> {
        let mut last = Failure::new(Stage::Discover, "there is no boot partition");
        for (index, partition) in partitions.iter().enumerate() {
            if index > 0 {
                station.say(&last.to_string());
            }
            match Self::open(station, partition) {
                Ok(shelf) => return Ok(shelf),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    fn open(station: &Station, partition: &Candidate) -> Result<Self, Failure> {
        let at_menu = |error| Failure::new(Stage::Menu, error);
        let device = format!("/dev/{}", partition.name);
        let kind = partition.filesystem.as_ref().map_or("", |found| found.kind.name());
        let why = source::why(partition, &station.config.device);
        station.say(&format!("boot partition {} ({why}, {kind})", partition.name));
        mount::release_boot_partition().map_err(at_menu)?;
        mount::boot_partition(&device, kind).map_err(at_menu)?;
        let root = Root::open(mount::BOOT).map_err(at_menu)?;
        let menu = read_menu(station, &root)?;
        for diagnostic in &menu.diagnostics {
            station.say(&diagnostic.to_string());
        }
        if menu.entries.is_empty() {
            return Err(Failure::new(Stage::Menu, format!("{device}: no menu entry in {ENTRIES}")));
        }
        let examine =
            |entry: &Entry| examine(station, &root, entry).map_err(|failure| failure.of(&entry.id));
        let verdicts = menu.entries.iter().map(examine).collect();
        Ok(Self { root, menu, verdicts })
    }

    /// The entry at `index` and what its manifest says.
    ///
    /// # Errors
    /// Why it cannot boot.
    pub(super) fn get(&self, index: usize) -> Result<(&Entry, &Attested), Failure> {
        let absent = || Failure::new(Stage::Menu, format!("there is no entry {index}"));
        let entry = self.menu.entries.get(index).ok_or_else(absent)?;
        let attested = self.verdicts.get(index).ok_or_else(absent)?.as_ref();
        Ok((entry, attested.map_err(Clone::clone)?))
    }

    /// Marks an entry that failed, so that it is not taken by itself again.
    pub(super) fn strike(&mut self, index: usize, failure: Failure) {
        if let Some(verdict) = self.verdicts.get_mut(index) {
            *verdict = Err(failure);
        }
    }

    /// The next entry that can boot, going round.
    pub(super) fn next_after(&self, index: usize) -> Option<usize> {
        let ready = |index: &usize| self.verdicts.get(*index).is_some_and(Result::is_ok);
        (index..self.verdicts.len()).chain(0..index).find(ready)
    }

    /// The rows of the menu.
    pub(super) fn items(&self) -> Vec<Item> {
        self.menu.entries.iter().zip(&self.verdicts).map(item).collect()
    }

    /// One line an entry: why it does not boot.
    pub(super) fn nothing_boots(&self) -> String {
        let mut text = String::from("no entry can boot:");
        for failure in self.verdicts.iter().filter_map(|verdict| verdict.as_ref().err()) {
            text.push_str("\r\n  ");
            text.push_str(&failure.to_string());
        }
        text
    }
}

fn item((entry, verdict): (&Entry, &Result<Attested, Failure>)) -> Item {
    let (bootable, mark, detail) = match verdict {
        Ok(Attested::Signed(signed)) => {
            (true, "ready".to_owned(), format!("signed by {}", signed.signers().join(", ")))
        }
        Ok(Attested::Unsigned(_)) => {
            (true, "unsigned".to_owned(), "not verified: the image is open".to_owned())
        }
        Err(failure) => (false, failure.mark(), failure.sentence()),
    };
    Item { id: entry.id.clone(), title: entry.name().to_owned(), bootable, mark, detail }
}

fn read_menu(station: &Station, root: &Root) -> Result<Menu, Failure> {
    let loader_conf = root.menu_text(LOADER_CONF, MAX_MENU_FILE).unwrap_or_else(|error| {
        station.say(&error.to_string());
        None
    });
    let names = root.names(ENTRIES, MAX_MENU_FILES);
    let mut files = Vec::new();
    let names = names.map_err(|error| Failure::new(Stage::Menu, error))?;
    for name in names.into_iter().filter(|name| menu::file_name::is_entry(name)) {
        match root.menu_text(&format!("{ENTRIES}/{name}"), MAX_MENU_FILE) {
            Ok(Some(bytes)) => files.push((name, bytes)),
            Ok(None) => {}
            Err(error) => station.say(&error.to_string()),
        }
    }
    Ok(menu::build(loader_conf.as_deref(), &files, station.arch))
}

/// What can be said of an entry without reading its big files.
fn examine(station: &Station, root: &Root, entry: &Entry) -> Result<Attested, Failure> {
    if let Some(problem) = entry.problems.first() {
        return Err(Failure::broken(problem.code.name(), problem.to_string()));
    }
    let broken = |error: crate::sys::Error| Failure::broken("FILE", error.to_string());
    for path in entry.linux.iter().chain(&entry.initrds).chain(&entry.devicetree) {
        root.size(path).map_err(broken)?;
    }
    let manifest = root.small(&trust::manifest_path(&entry.id), MAX_MENU_FILE).map_err(broken)?;
    let signature = root.small(&trust::signature_path(&entry.id), MAX_MENU_FILE).map_err(broken)?;
    let evidence = Evidence { manifest: manifest.as_deref(), signature: signature.as_deref() };
    check_manifest(&station.context(), &entry.id, evidence).map_err(Failure::refused)
}
