//! The files of the library, and who imports whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::tokens::{Code, Named};

/// One file.
pub(super) struct File {
    /// From the root of the tree, such as `src/menu/mod.rs`.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) code: Code,
}

impl File {
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), code: Code::of(text) }
    }

    /// The words of its module's path: none for the root of a crate.
    fn module(&self) -> Vec<&str> {
        let path = self.name.split_once("src/").map_or(&*self.name, |(_, below)| below);
        let path = path.strip_suffix(".rs").unwrap_or(path);
        match path {
            "lib" | "main" => Vec::new(),
            program if program.starts_with("bin/") => Vec::new(),
            module => module.strip_suffix("/mod").unwrap_or(module).split('/').collect(),
        }
    }

    /// Whether `other` is the front of a folder that this file lies in: what a
    /// front defines is what its folder speaks of, and no import.
    fn is_below(&self, other: &Self) -> bool {
        let front = other.module();
        !front.is_empty() && self.module().starts_with(&front)
    }
}

/// The room of a file, by its name.
pub(super) fn room(name: &str) -> &str {
    let below = name.strip_prefix("src/").unwrap_or(name);
    below.split_once('/').map_or(below, |(room, _)| room)
}

/// Files by name, and their modules.
pub(super) struct House {
    pub(super) files: Vec<File>,
}

/// That one file names something of another, and where first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) line: usize,
}

impl House {
    /// Reads all Rust files below `folder`, but for those that only tests are
    /// made of.
    pub(super) fn read(folder: &str) -> Self {
        let files = sources(folder).into_iter().filter(|path| !is_for_tests(path));
        let files = files.map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            File::new(&relative(&path), &text)
        });
        Self { files: files.collect() }
    }

    /// Each import of one file by another, once.
    pub(super) fn imports(&self) -> Vec<Import> {
        let modules: BTreeMap<Vec<&str>, &File> =
            self.files.iter().map(|file| (file.module(), file)).collect();
        self.files.iter().flat_map(|file| imports_of(file, &modules)).collect()
    }

    /// Groups of files each of which imports, in the end, all the others of it.
    pub(super) fn circles(&self) -> Vec<BTreeSet<String>> {
        let mut reach: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for import in self.imports() {
            reach.entry(import.from).or_default().insert(import.to);
        }
        while widen(&mut reach) {}
        let circles: BTreeSet<_> = reach.keys().map(|name| circle_of(name, &reach)).collect();
        circles.into_iter().filter(|circle| !circle.is_empty()).collect()
    }
}

/// All that a file reaches and that reach it; none if it does not come back to
/// itself.
fn circle_of(name: &str, reach: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let all = reach.get(name).into_iter().flatten();
    all.filter(|other| reach.get(*other).is_some_and(|back| back.contains(name))).cloned().collect()
}

/// Adds what can be reached by one more step; false once there is nothing more.
fn widen(reach: &mut BTreeMap<String, BTreeSet<String>>) -> bool {
    let before = reach.clone();
    let mut grew = false;
    for all in reach.values_mut() {
        let further: Vec<String> =
            all.iter().filter_map(|name| before.get(name)).flatten().cloned().collect();
        for name in further {
            grew |= all.insert(name);
        }
    }
    grew
}

fn imports_of(file: &File, modules: &BTreeMap<Vec<&str>, &File>) -> Vec<Import> {
    let mut found: Vec<Import> = Vec::new();
    for named in file.code.paths() {
        let Some(target) = resolve(file, &named, modules) else { continue };
        let is_known = found.iter().any(|known| known.to == target.name);
        if !is_known && target.name != file.name && !file.is_below(target) {
            found.push(Import {
                from: file.name.clone(),
                to: target.name.clone(),
                line: named.line,
            });
        }
    }
    found
}

/// The file of the innermost module in a path.
fn resolve<'f>(
    file: &File,
    named: &Named,
    modules: &BTreeMap<Vec<&str>, &'f File>,
) -> Option<&'f File> {
    let mut path = absolute(file, named)?;
    while !path.is_empty() {
        if let Some(target) = modules.get(&path) {
            return Some(target);
        }
        path.pop();
    }
    None
}

/// A path from the crate's root on; none if it is of another crate, or of this
/// file's own names.
fn absolute<'n>(file: &'n File, named: &'n Named) -> Option<Vec<&'n str>> {
    let mut words = named.words.iter().map(String::as_str).peekable();
    let mut path = match *words.peek()? {
        "crate" | "turnout" => {
            words.next();
            Vec::new()
        }
        "self" => {
            words.next();
            file.module()
        }
        _ => file.module(),
    };
    while words.next_if_eq(&"super").is_some() {
        path.pop();
    }
    path.extend(words);
    Some(path)
}

/// Rust files below a folder of the tree.
pub(super) fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The name of a file, from the root of the tree.
pub(super) fn relative(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string()
}

fn is_for_tests(path: &Path) -> bool {
    let words = path.components().filter_map(|part| part.as_os_str().to_str());
    let tests = ["tests", "tests.rs", "testing.rs", "properties.rs", "fixtures.rs"];
    words.into_iter().any(|word| tests.contains(&word))
}
