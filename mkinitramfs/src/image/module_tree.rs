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

use anyhow::{Context as _, Result, bail, ensure};

use turnout::image::compression::Compressor;

use super::modinfo::{self, Modinfo};

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

/// A module of the tree, as the kernel takes it.
pub(super) struct Unpacked {
    pub(super) bytes: Vec<u8>,
    pub(super) info: Modinfo,
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

    /// Whether the kernel has it.
    pub(super) fn is_builtin(&self, name: &str) -> bool {
        self.builtin.contains(name)
    }

    /// Whether the kernel has it, under this name or another.
    pub(super) fn has_builtin(&self, name: &str) -> bool {
        self.builtin.contains(name) || self.builtin_aliases.contains(name)
    }

    /// The path of a module.
    pub(super) fn path_of(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(String::as_str)
    }

    /// Every name that can be asked for.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().chain(&self.builtin).map(String::as_str)
    }

    /// Where the tree is.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
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
pub(super) fn unpacked_path(path: &str) -> &str {
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
