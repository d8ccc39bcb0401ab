//! A kernel's module tree: which modules there are, what is built in, and what a
//! module's file holds.
//!
//! What is built into the kernel needs no module. Module names treat `-` and `_`
//! alike. Compressed modules are unpacked here: a kernel need not have been built
//! to do it, and the image as a whole is compressed better. It must never choose:
//! that is [`super::modules`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use turnout::drivers::class::Class;

use super::aliases::Names;
use super::builtin::Builtin;
use super::class::class_at;
use super::facts::Facts;
use super::module_files::Files;
use super::module_home::{self, folder_name};
use super::suffix::compressor;
use super::{modinfo, parallel};

/// No module comes near it: one that unpacks to more was made to fill the memory.
const MAX_MODULE: u64 = 256 << 20;

const ALIAS_LIST: &str = "modules.alias";

/// A kernel's module tree: `.../lib/modules/RELEASE`.
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    release: String,
    pub(super) files: Files,
    pub(super) builtin: Builtin,
    /// By name: a module is read once.
    known: Mutex<BTreeMap<String, Arc<Facts>>>,
    pub(super) likely: OnceLock<Names>,
    pub(super) all: OnceLock<Names>,
}

impl Tree {
    /// Reads which modules there are and what is built in, at `dir` or in the tree that
    /// is below it (`lib/modules/RELEASE`). Without `release` the modules tell it.
    ///
    /// # Errors
    /// There is no tree or more than one, its modules are for another release, or one
    /// name belongs to two files.
    pub fn open(dir: &Path, release: Option<&str>) -> Result<Self> {
        let dir = module_home::find(dir, release)?;
        let list = lines(&dir.join("modules.builtin"))?;
        let modinfo = lines(&dir.join("modules.builtin.modinfo"))?;
        let mut tree = Self {
            files: Files::find(&dir)?,
            builtin: Builtin::read(&list, &modinfo),
            release: String::new(),
            known: Mutex::default(),
            likely: OnceLock::new(),
            all: OnceLock::new(),
            dir,
        };
        tree.release = tree.find_release(release)?;
        Ok(tree)
    }

    /// What the first of the modules says; of a tree without any, its name.
    fn find_release(&self, asked: Option<&str>) -> Result<String> {
        let dir = self.dir.display();
        if let Some(path) = self.files.taken.values().min_by_key(|path| self.distance(path)) {
            let found = self.read(path)?.1.release;
            let asked = asked.unwrap_or(&found);
            ensure!(asked == found, "the modules in {dir} are for kernel {found}, not {asked}");
            return Ok(found);
        }
        let named = folder_name(&self.dir).filter(|name| module_home::is_release(name));
        match (asked, named) {
            (Some(asked), Some(named)) if asked != named => {
                bail!("{dir} is for kernel {named}, by its name, not for {asked}")
            }
            (Some(release), _) | (None, Some(release)) => Ok(release.to_owned()),
            (None, None) => bail!("nothing in {dir} says for which kernel it is; give --release"),
        }
    }

    /// How far a module is from those that came with the kernel, and then its path.
    fn distance<'p>(&self, path: &'p str) -> (bool, &'p str) {
        (!path.starts_with("kernel/"), path)
    }

    /// The release of its kernel.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Where the tree is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether there is such a module; `name` has `_`.
    #[must_use]
    pub fn has_module(&self, name: &str) -> bool {
        self.files.taken.contains_key(name)
    }

    /// Whether the kernel has it, under this name or another; `name` has `_`.
    #[must_use]
    pub fn has_builtin(&self, name: &str) -> bool {
        self.builtin.has(name) || self.builtin.called(name).is_some()
    }

    /// What is built in for the device of this modalias.
    #[must_use]
    pub fn builtin_matching(&self, modalias: &str) -> Vec<String> {
        self.builtin.matching(modalias).into_iter().collect()
    }

    /// The path of a module.
    pub(super) fn path_of(&self, name: &str) -> Option<&str> {
        self.files.taken.get(name).map(String::as_str)
    }

    /// Files of that name which are not loaded, because another folder comes first.
    pub(super) fn passed_over(&self, name: &str) -> impl Iterator<Item = &String> {
        self.files.passed_over.get(name).into_iter().flatten()
    }

    /// Every name that can be asked for.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let modules = self.files.taken.keys().map(String::as_str);
        modules.chain(self.builtin.names()).collect::<BTreeSet<_>>().into_iter()
    }

    /// Name and path of each module, by name.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.taken.iter().map(|(name, path)| (name.as_str(), path.as_str()))
    }

    /// Whether depmod has written down other names.
    pub(super) fn has_alias_list(&self) -> bool {
        self.dir.join(ALIAS_LIST).exists()
    }

    /// What depmod has written down about other names.
    pub(super) fn alias_list(&self) -> Result<String> {
        lines(&self.dir.join(ALIAS_LIST))
    }

    /// What is known of a module; `name` has `_`.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be read.
    pub fn facts(&self, name: &str) -> Result<Arc<Facts>> {
        if let Some(facts) = self.remembered(name) {
            return Ok(facts);
        }
        let dir = self.dir.display();
        let path = self.path_of(name).with_context(|| format!("{dir} has no module {name}"))?;
        let (bytes, info) = self.read(path)?;
        let facts = Arc::new(Facts::new(name, path, bytes.len(), info));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), Arc::clone(&facts));
        Ok(facts)
    }

    /// What is known of the modules that had to be read so far, by name.
    pub(super) fn read_so_far(&self) -> Vec<Arc<Facts>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().map(Arc::clone).collect()
    }

    fn remembered(&self, name: &str) -> Option<Arc<Facts>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// What is known of all modules in the files that are `wanted`, by name.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub fn survey(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Arc<Facts>>> {
        let names: Vec<_> =
            self.paths().filter(|(_, path)| wanted(path)).map(|(name, _)| name).collect();
        parallel::map(&names, |name| self.facts(name)).into_iter().collect()
    }

    /// What is known of all modules of a class, by name. What lies beside `kernel` has to
    /// be read to tell.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub fn survey_class(&self, class: Class) -> Result<Vec<Arc<Facts>>> {
        let mut modules =
            self.survey(|path| class_at(path) == class || !path.starts_with("kernel/"))?;
        modules.retain(|module| module.class == class);
        Ok(modules)
    }

    /// Reads a module, and unpacks it if need be.
    pub(super) fn read(&self, path: &str) -> Result<(Vec<u8>, modinfo::Modinfo)> {
        let bytes = self.bytes(path)?;
        let info = modinfo::read(&bytes).with_context(|| self.dir.join(path).display().to_string());
        Ok((bytes, info?))
    }

    /// A module as the kernel takes it.
    pub(super) fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.dir.join(path);
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        match compressor(path) {
            Some(compressor) => compressor
                .decode(&bytes, MAX_MODULE)
                .with_context(|| format!("cannot unpack {}", file.display())),
            None => Ok(bytes),
        }
    }
}

/// A file of the tree as text; empty if there is none.
fn lines(path: &Path) -> Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_no_module_tree_is_refused_with_advice() {
        let error = Tree::open(Path::new("/dev"), None).unwrap_err().to_string();
        assert!(error.contains("/dev has no kernel directory"), "{error}");
    }
}
