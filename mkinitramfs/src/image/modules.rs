//! Chooses kernel modules from a module tree, dependencies first.
//!
//! Distribution packages carry no `modules.dep` (depmod makes it on the
//! machine), so the modules' own `.modinfo` is read instead.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use turnout::base::similar::similar;
use turnout::drivers::class::Class;
use turnout::drivers::table::Driver;

use super::aliases::Aliases;
use super::class::class_of;
use super::module_tree::{Unpacked, canonical, unpacked_path};

pub use super::module_tree::Tree;

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
    /// What it is for.
    pub class: Class,
    /// Names of the modules that have to be loaded before.
    pub needs: Vec<String>,
    /// Names of those that should be loaded before, and were packed.
    pub likes: Vec<String>,
    /// Patterns of the devices that it is for, and its other names.
    pub aliases: Vec<String>,
    /// Whether it is loaded whatever devices there are.
    pub always: bool,
    /// Whether its devices go on after a jump, for want of a `.shutdown`.
    pub no_shutdown: bool,
}

impl Module {
    /// Its part of the image's table of drivers.
    #[must_use]
    pub fn driver(&self) -> Driver<'_> {
        Driver {
            name: self.name.clone(),
            path: Some(&self.path),
            class: self.class,
            needs: self.needs.iter().map(String::as_str).collect(),
            likes: self.likes.iter().map(String::as_str).collect(),
            always: self.always,
            no_shutdown: self.no_shutdown,
            aliases: self.aliases.iter().map(String::as_str).collect(),
        }
    }
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
        if self.tree.is_builtin(&name) {
            self.note_builtin(&name, owner);
            return Ok(());
        }
        let Some(path) = self.tree.path_of(&name) else { return Err(self.unknown(&name, owner)) };
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
        let mut likes = Vec::new();
        for name in info.soft_before.iter().map(String::as_str).chain(unsaid(name).iter().copied())
        {
            likes.extend(self.prefer(name, path)?);
        }
        let mut needs = Vec::new();
        for name in &info.depends {
            self.require(name, path)?;
            needs.push(canonical(name));
        }
        needs.retain(|name| !self.tree.is_builtin(name));
        self.selection.modules.push(Module {
            name: name.to_owned(),
            path: unpacked_path(path).to_owned(),
            bytes,
            machine: info.machine,
            class: class_of(path),
            needs,
            likes,
            aliases: info.aliases,
            always: true,
            no_shutdown: false,
        });
        Ok(())
    }

    /// Adds a module, or one that answers to the alias, if there is any; gives its name.
    fn prefer(&mut self, name: &str, owner: &str) -> Result<Option<String>> {
        let name = canonical(name);
        if self.tree.has_builtin(&name) {
            self.note_builtin(&name, owner);
            return Ok(None);
        }
        let module = match self.tree.path_of(&name).is_some() {
            true => Some(name.clone()),
            false => self.by_alias(&name)?,
        };
        match &module {
            Some(module) => self.require(module, owner)?,
            None => {
                let note = format!("{name}: not there, {owner} would like it but can do without");
                self.selection.notes.push(note);
            }
        }
        Ok(module)
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
        let near = similar(name, self.tree.names()).join(", ");
        let hint = if near.is_empty() { String::new() } else { format!("; there is {near}") };
        let dir = self.tree.dir().display();
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
