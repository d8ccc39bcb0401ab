//! Which files of a tree are modules, and which of two of one name is loaded.
//!
//! Every folder beside `kernel` counts, and `updates` comes first, as depmod.d(5) has it
//! where nothing is configured; `extra` and `weak-updates` lie around it as Fedora
//! configures them. Links are followed, into other packages too, but never to a folder
//! that holds the tree, and no folder is read twice: a circle ends. It must never read
//! what a file holds.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::suffix::{canonical, module_name};

/// Folders of no tree that a person has: a link has led out of it.
const MAX_FOLDERS: usize = 1 << 16;

/// Links to the sources that a kernel was built from.
const SOURCES: [&str; 2] = ["build", "source"];

/// The modules of a tree.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Path below the tree of each module, by its name.
    pub(super) taken: BTreeMap<String, String>,
    /// Those of the same name that are not loaded.
    pub(super) passed_over: BTreeMap<String, BTreeSet<String>>,
}

/// What is left to read, and what was.
struct Walk<'a> {
    dir: &'a Path,
    /// `dir`, without links.
    home: PathBuf,
    seen: BTreeSet<PathBuf>,
    files: Files,
}

impl Files {
    /// Finds the modules below `dir`.
    ///
    /// # Errors
    /// One name belongs to two files and nothing says which is loaded; what cannot be
    /// read.
    pub(super) fn find(dir: &Path) -> Result<Self> {
        let home = fs::canonicalize(dir).with_context(|| cannot_read(dir))?;
        let mut walk = Walk { dir, home, seen: BTreeSet::new(), files: Self::default() };
        for name in names(dir)? {
            if !SOURCES.contains(&name.as_str()) && dir.join(&name).is_dir() {
                walk.folder(&name)?;
            }
        }
        Ok(walk.files)
    }

    fn add(&mut self, name: String, path: String) -> Result<()> {
        let Entry::Occupied(mut taken) = self.taken.entry(name.clone()) else {
            self.taken.insert(name, path);
            return Ok(());
        };
        let other = match rank(&path).cmp(&rank(taken.get())) {
            std::cmp::Ordering::Less => taken.insert(path),
            std::cmp::Ordering::Greater => path,
            std::cmp::Ordering::Equal => {
                bail!("the module {name} is there twice: {} and {path}", taken.get())
            }
        };
        self.passed_over.entry(name).or_default().insert(other);
        Ok(())
    }
}

impl Walk<'_> {
    /// Collects the modules below `dir/below`.
    fn folder(&mut self, below: &str) -> Result<()> {
        let here = self.dir.join(below);
        let real = fs::canonicalize(&here).with_context(|| cannot_read(&here))?;
        if self.home.starts_with(&real) || !self.seen.insert(real) {
            return Ok(());
        }
        let found = self.seen.len();
        let dir = self.dir.display();
        ensure!(found < MAX_FOLDERS, "{dir} has over {found} folders: which link leads out of it?");
        for name in names(&here)? {
            let path = format!("{below}/{name}");
            // A link to nothing is no module; depmod passes it over as well.
            let Ok(there) = fs::metadata(self.dir.join(&path)) else { continue };
            if there.is_dir() {
                self.folder(&path)?;
            } else if there.is_file()
                && let Some(module) = module_name(&path)
            {
                self.files.add(module, path)?;
            }
        }
        Ok(())
    }
}

/// The names in a folder, in order, but for those that no module has.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| cannot_read(dir))? {
        let name = entry.with_context(|| cannot_read(dir))?.file_name().into_string();
        names.extend(name.ok().filter(|name| is_plain(name)));
    }
    names.sort_unstable();
    Ok(names)
}

/// Lists of modules have a name's end at a blank, and a line's at a control character.
fn is_plain(name: &str) -> bool {
    !name.contains(|character: char| character.is_whitespace() || character.is_control())
}

/// The lower one is loaded.
fn rank(path: &str) -> usize {
    match path.split('/').next().unwrap_or_default() {
        "updates" => 0,
        "extra" => 1,
        "kernel" => 2,
        "weak-updates" => 4,
        _ => 3,
    }
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

impl Files {
    /// The module whose file this is, whatever that is compressed with.
    pub(super) fn at(&self, path: &str) -> Option<&str> {
        let name = module_name(path)?;
        let (name, taken) = self.taken.get_key_value(&canonical(&name))?;
        (super::suffix::unpacked_path(taken) == super::suffix::unpacked_path(path))
            .then_some(name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::testing::Scratch;
    use super::*;

    fn tree(name: &str, files: &[&str]) -> Scratch {
        let dir = std::env::temp_dir().join(format!("turnout-files-{name}-{}", std::process::id()));
        for file in files {
            let file = dir.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        Scratch(dir)
    }

    fn found(dir: &Path) -> Vec<String> {
        Files::find(dir).unwrap().taken.into_values().collect()
    }

    #[test]
    fn the_one_in_updates_is_loaded_and_then_that_in_extra() {
        let files = [
            "kernel/a/x.ko",
            "updates/dkms/x.ko.xz",
            "extra/x.ko",
            "extra/z/y.ko",
            "kernel/y.ko",
            "weak-updates/w/v.ko",
            "misc/v.ko",
        ];
        let scratch = tree("rank", &files);
        let files = Files::find(&scratch.0).unwrap();
        let taken: Vec<_> = files.taken.values().collect();
        assert_eq!(taken, ["misc/v.ko", "updates/dkms/x.ko.xz", "extra/z/y.ko"]);
        assert!(files.passed_over["x"].iter().eq(["extra/x.ko", "kernel/a/x.ko"]));
        assert_eq!(files.at("extra/z/y.ko.zst"), Some("y"));
        assert_eq!(files.at("kernel/y.ko"), None);
    }

    #[test]
    fn two_in_one_folder_are_an_error() {
        let scratch = tree("twice", &["kernel/a/x-y.ko", "kernel/b/x_y.ko"]);
        let error = Files::find(&scratch.0).unwrap_err().to_string();
        let said = "the module x_y is there twice: kernel/a/x-y.ko and kernel/b/x_y.ko";
        assert_eq!(error, said);
    }

    #[test]
    fn links_are_followed_but_not_in_circles_nor_to_the_sources() {
        let scratch = tree("links", &["r/kernel/a/x.ko", "store/y.ko", "r/sources/z.ko"]);
        let dir = scratch.0.join("r");
        for (to, link) in [
            ("../store", "r/extra"),
            ("../kernel", "r/kernel/circle"),
            ("..", "r/updates"),
            ("/", "r/kernel/out"),
            ("gone.ko", "r/kernel/gone.ko"),
            ("../../store/y.ko", "r/kernel/w.ko"),
        ] {
            symlink(to, scratch.0.join(link)).unwrap();
        }
        fs::rename(dir.join("sources"), dir.join("build")).unwrap();
        assert_eq!(found(&dir), ["kernel/w.ko", "kernel/a/x.ko", "extra/y.ko"]);
    }

    #[test]
    fn a_name_that_would_break_a_list_is_no_modules() {
        let scratch = tree("plain", &["kernel/a b.ko", "kernel/c\nalways.ko", "kernel/d.ko"]);
        assert_eq!(found(&scratch.0), ["kernel/d.ko"]);
    }
}
