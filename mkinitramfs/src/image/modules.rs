//! Chooses kernel modules from a module tree, dependencies first.
//!
//! Distribution packages carry no `modules.dep` (depmod makes it on the
//! machine), so the modules' own `.modinfo` is read instead. What is built into
//! the kernel needs no module. Module names treat `-` and `_` alike.
//!
//! Compressed modules are unpacked here: a kernel need not have been built to do
//! it, and the image as a whole is compressed better.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use turnout::image::compression::Compressor;

use crate::image::aliases::Aliases;
use crate::image::modinfo::{self, Modinfo};
use turnout::base::similar::similar;

/// No module comes near it: one that unpacks to more was made to fill the memory.
const MAX_MODULE: u64 = 256 << 20;

/// A kernel's module tree: `.../lib/modules/RELEASE`.
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    /// Path below `dir` of each module, by its name.
    files: BTreeMap<String, String>,
    builtin: BTreeSet<String>,
    builtin_aliases: BTreeSet<String>,
}

/// A module to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name, with `_`.
    pub name: String,
    /// Path below the tree, such as `kernel/fs/ext4/ext4.ko`, whatever the file is
    /// compressed with.
    pub path: String,
    /// The module, unpacked but not stripped: that breaks modules and their
    /// signatures.
    pub bytes: Vec<u8>,
    /// ELF machine number.
    pub machine: u16,
}

/// A module of the tree, as the kernel takes it.
pub(super) struct Unpacked {
    pub(super) bytes: Vec<u8>,
    pub(super) info: Modinfo,
}

/// What to pack, and what a person should know about it.
#[derive(Debug, Default)]
pub struct Selection {
    /// In load order.
    pub modules: Vec<Module>,
    /// Sentences about names for which there is no module.
    pub notes: Vec<String>,
}

impl Tree {
    /// Reads which modules there are and what is built in.
    ///
    /// # Errors
    /// `dir` has no `kernel` directory, or one name belongs to two files.
    pub fn open(dir: &Path) -> Result<Self> {
        ensure!(
            dir.join("kernel").is_dir(),
            "{} has no kernel directory; --modules-dir takes .../lib/modules/RELEASE",
            dir.display()
        );
        let mut files = BTreeMap::new();
        walk(dir, "kernel", &mut files)?;
        let builtin = lines(&dir.join("modules.builtin"))?;
        let builtin = builtin.lines().filter_map(module_name).collect();
        let builtin_aliases = lines(&dir.join("modules.builtin.modinfo"))?;
        let builtin_aliases = builtin_aliases.split('\0').filter_map(builtin_alias).collect();
        Ok(Self { dir: dir.to_owned(), files, builtin, builtin_aliases })
    }

    /// The modules `wanted`, and what they need, for the kernel `release`.
    ///
    /// # Errors
    /// A name, or a dependency, that is neither a module nor built in; a module
    /// for another release.
    pub fn select(&self, release: &str, wanted: &[String]) -> Result<Selection> {
        let mut resolver = Resolver {
            tree: self,
            release,
            seen: BTreeSet::new(),
            aliases: Aliases::default(),
            selection: Selection::default(),
        };
        for name in wanted {
            resolver.require(name, "--module")?;
        }
        Ok(resolver.selection)
    }

    /// Name and path of each module, by name.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(name, path)| (name.as_str(), path.as_str()))
    }

    /// What depmod has written down about other names, if it was here.
    pub(super) fn alias_list(&self) -> Result<Option<String>> {
        let list = self.dir.join("modules.alias");
        if list.exists() { lines(&list).map(Some) } else { Ok(None) }
    }

    /// Reads a module, and unpacks it if need be.
    pub(super) fn read(&self, path: &str) -> Result<Unpacked> {
        let file = self.dir.join(path);
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let bytes = match compressor(path) {
            Some(compressor) => compressor
                .decode(&bytes, MAX_MODULE)
                .with_context(|| format!("cannot unpack {}", file.display()))?,
            None => bytes,
        };
        let info = modinfo::read(&bytes).with_context(|| file.display().to_string())?;
        Ok(Unpacked { bytes, info })
    }
}

/// One selection in the making.
struct Resolver<'a> {
    tree: &'a Tree,
    release: &'a str,
    seen: BTreeSet<String>,
    aliases: Aliases,
    selection: Selection,
}

impl Resolver<'_> {
    /// Adds a module that must be there; `owner` is who says so.
    fn require(&mut self, name: &str, owner: &str) -> Result<()> {
        let name = canonical(name);
        if self.tree.builtin.contains(&name) {
            self.note_builtin(&name, owner);
            return Ok(());
        }
        let Some(path) = self.tree.files.get(&name) else { return Err(self.unknown(&name, owner)) };
        self.add(&name, path)
    }

    fn add(&mut self, name: &str, path: &str) -> Result<()> {
        if !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let Unpacked { bytes, info } = self.tree.read(path)?;
        ensure!(
            info.release == self.release,
            "{path} is for kernel {}, not for {}",
            info.release,
            self.release
        );
        for name in &info.soft_before {
            self.prefer(name, path)?;
        }
        for name in unsaid(name) {
            self.prefer(name, path)?;
        }
        for name in &info.depends {
            self.require(name, path)?;
        }
        self.selection.modules.push(Module {
            name: name.to_owned(),
            path: unpacked_path(path).to_owned(),
            bytes,
            machine: info.machine,
        });
        Ok(())
    }

    /// Adds a module, or one that answers to the alias, if there is any.
    fn prefer(&mut self, name: &str, owner: &str) -> Result<()> {
        let name = canonical(name);
        if self.tree.builtin.contains(&name) || self.tree.builtin_aliases.contains(&name) {
            self.note_builtin(&name, owner);
            return Ok(());
        }
        let module = match self.tree.files.contains_key(&name) {
            true => Some(name.clone()),
            false => self.by_alias(&name)?,
        };
        match module {
            Some(module) => self.require(&module, owner),
            None => {
                let note = format!("{name}: not there, {owner} would like it but can do without");
                self.selection.notes.push(note);
                Ok(())
            }
        }
    }

    /// The portable one of the modules that answer to an alias, so that the
    /// image does not depend on one processor's instructions.
    fn by_alias(&mut self, alias: &str) -> Result<Option<String>> {
        let modules = self.aliases.modules(self.tree, alias)?;
        let generic = modules.iter().find(|name| name.ends_with("_generic"));
        Ok(generic.or(modules.first()).cloned())
    }

    fn note_builtin(&mut self, name: &str, owner: &str) {
        if self.seen.insert(name.to_owned()) && owner == "--module" {
            self.selection.notes.push(format!("{name}: built into the kernel"));
        }
    }

    fn unknown(&self, name: &str, owner: &str) -> anyhow::Error {
        let names = self.tree.files.keys().chain(&self.tree.builtin);
        let near = similar(name, names.map(String::as_str)).join(", ");
        let hint = if near.is_empty() { String::new() } else { format!("; there is {near}") };
        let dir = self.tree.dir.display();
        anyhow::anyhow!("{owner} needs {name}, which is neither in {dir} nor built in{hint}")
    }
}

/// Modules that another one asks for only when it is at work, and then through a
/// program that an image does not have: the character sets of FAT's names, of
/// which a kernel's configuration says the second (FAT_DEFAULT_IOCHARSET).
fn unsaid(name: &str) -> &'static [&'static str] {
    match name {
        "vfat" => &["nls_cp437", "nls_ascii", "nls_iso8859_1"],
        _ => &[],
    }
}

/// Collects the module files below `dir/below`.
fn walk(dir: &Path, below: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    let here = dir.join(below);
    let entries = fs::read_dir(&here).with_context(|| format!("cannot read {}", here.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{} is not UTF-8", here.display()))?;
        let path = format!("{below}/{name}");
        if entry.file_type()?.is_dir() {
            walk(dir, &path, files)?;
        } else if let Some(module) = module_name(&path)
            && let Some(other) = files.insert(module.clone(), path.clone())
        {
            bail!("the module {module} is there twice: {other} and {path}");
        }
    }
    Ok(())
}

/// A file of the tree as text; empty if there is none.
fn lines(path: &Path) -> Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The module in a file such as `kernel/fs/ext4/ext4.ko` or `x.ko.xz`.
fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    unpacked_path(file).strip_suffix(".ko").map(canonical)
}

/// What a module file is compressed with, by its name (`depmod.d(5)`).
fn compressor(path: &str) -> Option<Compressor> {
    match path.rsplit_once(".ko")?.1 {
        ".xz" => Some(Compressor::Xz),
        ".zst" => Some(Compressor::Zstd),
        ".gz" => Some(Compressor::Gzip),
        _ => None,
    }
}

/// The path without the suffix of a compressor.
fn unpacked_path(path: &str) -> &str {
    match compressor(path) {
        Some(_) => path.rsplit_once('.').map_or(path, |(path, _)| path),
        None => path,
    }
}

/// The alias in `crc32c_generic.alias=crypto-crc32c`.
fn builtin_alias(field: &str) -> Option<String> {
    let (key, value) = field.split_once('=')?;
    key.ends_with(".alias").then(|| canonical(value))
}

pub(super) fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_after_its_file() {
        assert_eq!(module_name("kernel/a/dm-mod.ko").as_deref(), Some("dm_mod"));
        assert_eq!(module_name("kernel/a/x.ko.xz").as_deref(), Some("x"));
        assert_eq!(module_name("modules.order"), None);
        assert_eq!(module_name("kernel/a/x.ko.old"), None);
    }

    #[test]
    fn a_built_in_alias_is_told_from_other_fields() {
        assert_eq!(builtin_alias("x.alias=crypto-a").as_deref(), Some("crypto_a"));
        assert_eq!(builtin_alias("x.license=GPL"), None);
        assert_eq!(builtin_alias(""), None);
    }

    #[test]
    fn a_directory_that_is_no_module_tree_is_refused_with_advice() {
        let error = Tree::open(Path::new("/dev")).unwrap_err().to_string();
        assert!(error.contains("/dev has no kernel directory"), "{error}");
    }
}
