//! The spare entry: the system that was signed last, by names of its own.
//!
//! A new initrd takes the old one's place before anything of ours runs; until it is signed
//! nothing would boot that has only this one. The spare is hard links to kernel and initrds
//! below `turnout/kept`, which cost nothing until the originals are replaced, an entry of
//! the Boot Loader Specification whose counter of tries is used up, so that it sorts last
//! and is no default, and a manifest. There is always a whole one: the next is made, signed
//! and verified under another name before the one before it goes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use turnout::base::digest::Digest;
use turnout::menu::Entry;
use turnout::trust::{manifest_path, signature_path};

use crate::signing::entry::{BootEntry, Roots};
use crate::upkeep::Keeper;
use crate::upkeep::changed::digests;
use crate::upkeep::disk::{Lasting, Pair, names};
use crate::upkeep::renew::Read;
use crate::upkeep::trust::below;

/// How ids of spare entries begin; also what `sign-except` calls them.
pub const KEPT: &str = "turnout-kept";
/// Where their files are.
pub const FILES: &str = "turnout/kept";
/// Where entries of the Boot Loader Specification are, below a prefix.
const ENTRIES: &str = "loader/entries";

/// Whether this is the id of a spare entry.
#[must_use]
pub fn is_kept(id: &str) -> bool {
    mark(id).is_some()
}

/// What tells a spare entry from others.
fn mark(id: &str) -> Option<&str> {
    let mark = id.strip_prefix(KEPT)?.strip_prefix('-')?;
    (mark.len() == 8 && mark.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(mark)
}

/// The id of the spare of this entry: another one for whatever differs.
fn id_of(read: &Read) -> String {
    let digests: String = digests(&read.boot).map(|digest| format!("{digest} ")).collect();
    let text = format!("{digests}{}\n{}", read.boot.bundle.options, title(&read.boot));
    let hex: String = Digest::of(text.as_bytes()).to_string().chars().take(8).collect();
    format!("{KEPT}-{hex}")
}

fn title(boot: &BootEntry) -> String {
    let name = boot.entry.name().chars().filter(|one| !one.is_control()).take(100);
    let name: String = name.collect();
    format!("Spare, as signed last: {name}")
}

impl Keeper<'_> {
    /// Sees to it that there is a spare of `read`, and of nothing else.
    ///
    /// # Errors
    /// It cannot be made; the one that was there is then still there.
    pub fn keep(&mut self, roots: &Roots, specs: &[String], read: &Read) -> Result<()> {
        let home = roots.home().to_owned();
        let id = id_of(read);
        if !place(&home).join(file_name(&id)).is_file() {
            // What an earlier run could not end would be in the way of this one.
            self.drop_kept(&home, |there| !has_file(&home, there))?;
            self.make_or_drop(roots, &home, &id, read)?;
        }
        let roots = Roots::parse(specs)?;
        let standing = self.renew(&roots, &id, Some(read));
        let boots = standing.map(|standing| standing.boots().is_some());
        if !matches!(boots, Ok(true)) {
            self.drop_kept(&home, |there| there == id)?;
            bail!("the spare entry {id} is dropped: {}", why(boots));
        }
        self.drop_kept(&home, |there| there != id)
    }

    fn make_or_drop(&mut self, roots: &Roots, home: &Path, id: &str, read: &Read) -> Result<()> {
        let made = self.make(roots, home, id, read);
        if made.is_err() {
            // Why it was not made is what there is to say.
            let _ = self.drop_kept(home, |there| there == id);
        }
        made
    }

    /// Links, then the entry's file: unsigned, it is refused.
    fn make(&mut self, roots: &Roots, home: &Path, id: &str, read: &Read) -> Result<()> {
        let is_image = read.boot.bundle.profile.is_some();
        let never = || Lasting("of a unified kernel image no spare entry is made".to_owned());
        (!is_image).then_some(()).ok_or_else(never)?;
        let directory = home.join(FILES).join(mark(id).unwrap_or_default());
        let kept = Links { directory, shown: format!("/{FILES}/{}", mark(id).unwrap_or_default()) };
        let entry = read.boot.entry.clone();
        let pairs = kept.pairs(roots, &entry)?;
        let conf = place(home).join(file_name(id));
        let mut made: Vec<PathBuf> = pairs.iter().map(|pair| pair.to.clone()).collect();
        made.push(conf.clone());
        self.ledger.note(self.disk, &made)?;
        self.disk.keep(&pairs)?;
        let text = kept.text(&title(&read.boot), &entry);
        self.disk.write(&conf, text.as_bytes())
    }

    /// Takes away the spare entries that `is_wanted_away`, each so that what is left of it
    /// at any moment is refused and not in the way.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn drop_kept(&mut self, home: &Path, is_wanted_away: impl Fn(&str) -> bool) -> Result<()> {
        for prefix in PREFIXES {
            let entries = home.join(prefix).join(ENTRIES);
            for name in names(&entries).iter().filter(|name| is_away(id_in(name), &is_wanted_away))
            {
                self.disk.remove(&entries.join(name))?;
            }
        }
        let papers = home.join("turnout");
        let ids = names(&papers);
        let ids = ids.iter().filter_map(|name| name.strip_suffix(".manifest"));
        for id in ids.filter(|id| is_away(id, &is_wanted_away)) {
            self.disk.remove(&below(home, &manifest_path(id)))?;
            self.disk.remove(&below(home, &signature_path(id)))?;
        }
        let files = home.join(FILES);
        for name in names(&files) {
            if is_away(&format!("{KEPT}-{name}"), &is_wanted_away) {
                self.disk.remove_directory(&files.join(name))?;
            }
        }
        Ok(())
    }
}

fn why(boots: Result<bool>) -> String {
    match boots {
        Ok(_) => "it would be refused".to_owned(),
        Err(error) => format!("{error:#}"),
    }
}

fn is_away(id: &str, is_wanted_away: impl Fn(&str) -> bool) -> bool {
    is_kept(id) && is_wanted_away(id)
}

/// The id in the name of an entry's file, which somebody may have taken the counter from.
fn id_in(name: &str) -> &str {
    let stem = name.strip_suffix(".conf").unwrap_or_default();
    stem.split_once('+').map_or(stem, |(id, _)| id)
}

/// Whether a spare entry has its file: it comes last and goes first.
fn has_file(home: &Path, id: &str) -> bool {
    let mut places = PREFIXES.iter().map(|prefix| home.join(prefix).join(ENTRIES));
    places.any(|entries| names(&entries).iter().any(|name| id_in(name) == id))
}

fn file_name(id: &str) -> String {
    format!("{id}+0.conf")
}

/// Where menus lie below a boot partition's root, in the order in which they are read.
const PREFIXES: [&str; 2] = ["", "boot"];

/// The directory of entries that a machine reads: the first that has one. Where none has,
/// the last, so that none is put before entries that others make later.
fn place(home: &Path) -> PathBuf {
    let mut places = PREFIXES.map(|prefix| home.join(prefix)).into_iter();
    let found = places.clone().find(|above| has_entry(above));
    let found = found.or_else(|| places.rfind(|above| above.is_dir()));
    found.unwrap_or_else(|| home.to_owned()).join(ENTRIES)
}

fn has_entry(above: &Path) -> bool {
    names(&above.join(ENTRIES)).iter().any(|name| name.ends_with(".conf"))
}

/// Names of a spare's files.
struct Links {
    directory: PathBuf,
    /// The same below the root of the boot partition.
    shown: String,
}

impl Links {
    /// Each file of the entry, and the name that it gets as well.
    fn pairs(&self, roots: &Roots, entry: &Entry) -> Result<Vec<Pair>> {
        let mut pairs = Vec::new();
        for (number, path) in entry.files().enumerate() {
            let from = roots.place(path).context("there is no root")?;
            let to = self.directory.join(name(number, path));
            pairs.push(Pair { file: roots.open(path)?, from, to });
        }
        Ok(pairs)
    }

    /// The entry's file, in the words of the Boot Loader Specification.
    fn text(&self, title: &str, entry: &Entry) -> String {
        let mut text = format!("title {title}\n");
        let keys = core::iter::once("linux")
            .chain(entry.initrds.iter().map(|_| "initrd"))
            .chain(entry.devicetree.iter().map(|_| "devicetree"))
            .chain(entry.overlays.iter().map(|_| "devicetree-overlay"));
        for (key, (number, path)) in keys.zip(entry.files().enumerate()) {
            text.push_str(&format!("{key} {}/{}\n", self.shown, name(number, path)));
        }
        if !entry.options.is_empty() {
            text.push_str(&format!("options {}\n", entry.options));
        }
        text
    }
}

/// Two files of an entry may have one name in two directories.
fn name(number: usize, path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    format!("{number}-{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_of_this_form_are_spares() {
        assert!(is_kept("turnout-kept-0123abcd"));
        for id in ["turnout-kept", "turnout-kept-", "turnout-kept-0123abcg", "turnout-kept-../../x"]
        {
            assert!(!is_kept(id), "{id}");
        }
        for name in ["turnout-kept-0123abcd+0.conf", "turnout-kept-0123abcd.conf"] {
            assert_eq!(id_in(name), "turnout-kept-0123abcd");
        }
        assert_eq!(id_in("README"), "");
    }
}
