//! Chooses kernel modules from a module tree, dependencies first.
//!
//! Distribution packages carry no `modules.dep` (depmod makes it on the
//! machine), so the modules' own `.modinfo` is read instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Result, ensure};

use turnout::drivers::class::Class;
use turnout::drivers::table::Driver;

use super::facts::Facts;
use super::parallel;
use super::partners::Rule;
use super::suffix::{canonical, unpacked_path};
use super::wanted::{Meaning, portable};

pub use super::module_home::is_release;
pub use super::module_tree::Tree;
pub use super::wanted::Wanted;

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
    /// Files below /lib/firmware that it asks for; an image has none.
    pub firmware: Vec<String>,
    /// Why it is packed: who asked for it, or needs it.
    pub why: String,
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
    /// The modules `wanted`, what they need, and their partners.
    ///
    /// # Errors
    /// A word that means nothing here, a dependency that is neither a module nor built
    /// in; a module for another release.
    pub fn select(&self, wanted: &[Wanted]) -> Result<Selection> {
        let mut resolver =
            Resolver { tree: self, chosen: Vec::new(), seen: BTreeMap::new(), notes: Vec::new() };
        self.read_ahead(wanted)?;
        // What somebody named is loaded first, and makes what it needs be loaded.
        for always in [true, false] {
            let these = wanted.iter().filter(|wanted| wanted.always == always);
            these.into_iter().try_for_each(|wanted| resolver.want(wanted))?;
        }
        resolver.add_partners()?;
        resolver.note_efivarfs();
        resolver.finish()
    }

    /// Lets all processors read what has been named and what that needs.
    fn read_ahead(&self, wanted: &[Wanted]) -> Result<()> {
        let mut names = Vec::new();
        for wanted in wanted {
            names.extend(self.meaning(&wanted.word)?.modules);
        }
        let mut seen = BTreeSet::new();
        while !names.is_empty() {
            names.retain(|name| self.has_module(name) && seen.insert(name.clone()));
            let facts: Result<Vec<_>> =
                parallel::map(&names, |name| self.facts(name)).into_iter().collect();
            let needed = facts?;
            let needed = needed.iter().flat_map(|facts| &facts.depends);
            names = needed.map(|name| canonical(name)).collect();
        }
        Ok(())
    }
}

/// A module that was chosen.
struct Chosen {
    facts: Arc<Facts>,
    needs: Vec<String>,
    likes: Vec<String>,
    reason: Reason,
}

/// For what a module is chosen.
#[derive(Debug, Clone)]
struct Reason {
    /// In words.
    why: String,
    /// The module without which it would not be there; itself, if it was asked for.
    root: String,
    always: bool,
    /// Whether it was asked for, and did not come along.
    is_asked: bool,
}

/// One selection in the making.
struct Resolver<'a> {
    tree: &'a Tree,
    /// In load order.
    chosen: Vec<Chosen>,
    /// What was looked at, and whether it was packed.
    seen: BTreeMap<String, bool>,
    notes: Vec<String>,
}

impl Resolver<'_> {
    fn want(&mut self, wanted: &Wanted) -> Result<()> {
        let Meaning { modules, builtin } = self.tree.meaning(&wanted.word)?;
        for name in builtin {
            if self.seen.insert(name.clone(), false).is_none() && wanted.always {
                self.notes.push(format!("{name}: built into the kernel"));
            }
        }
        for name in modules {
            let reason = Reason {
                why: wanted.why.clone(),
                root: name.clone(),
                always: wanted.always,
                is_asked: true,
            };
            self.add(&name, reason)?;
        }
        Ok(())
    }

    /// Adds a module that must be there, or finds that it is built in; `owner` is the
    /// file that says so.
    fn require(&mut self, name: &str, owner: &Facts, reason: Reason) -> Result<()> {
        match self.tree.named(name) {
            None => Err(self.tree.unknown(&owner.path, name)),
            Some(meaning) if meaning.modules.is_empty() => Ok(()),
            Some(_) => self.add(name, reason),
        }
    }

    fn add(&mut self, name: &str, reason: Reason) -> Result<()> {
        if self.seen.insert(name.to_owned(), true).is_some() {
            return Ok(());
        }
        let facts = self.tree.facts(name)?;
        self.check_release(&facts)?;
        self.note_passed_over(&facts);
        let likes = self.liked(&facts, &reason)?;
        let mut needs = Vec::new();
        for name in facts.depends.iter().map(|name| canonical(name)) {
            self.require(&name, &facts, needed(&facts.name, &reason))?;
            needs.extend(self.tree.has_module(&name).then_some(name));
        }
        needs.retain(|name| self.seen.get(name) == Some(&true));
        self.chosen.push(Chosen { facts, needs, likes, reason });
        Ok(())
    }

    /// Links of `weak-updates` are for kernels that keep the symbols of another one.
    fn check_release(&self, module: &Facts) -> Result<()> {
        let release = self.tree.release();
        let fits = module.release == release || module.path.starts_with("weak-updates/");
        ensure!(fits, "{} is for kernel {}, not for {release}", module.path, module.release);
        Ok(())
    }

    fn note_passed_over(&mut self, module: &Facts) {
        for other in self.tree.passed_over(&module.name) {
            self.notes.push(format!("{}: {} is taken, not {other}", module.name, module.path));
        }
    }

    /// Adds what a module would like to have, if there is any; gives the names.
    fn liked(&mut self, module: &Facts, reason: &Reason) -> Result<Vec<String>> {
        let soft = module.soft_before.iter().map(String::as_str);
        let mut likes = Vec::new();
        for name in soft.chain(unsaid(&module.name).iter().copied()).map(canonical) {
            if self.tree.has_builtin(&name) {
                continue;
            }
            let found = match self.tree.has_module(&name) {
                true => Some(name.clone()),
                false => portable(self.tree.called(&name)?),
            };
            let Some(found) = found else {
                let path = &module.path;
                self.notes
                    .push(format!("{name}: not there, {path} would like it but can do without"));
                continue;
            };
            self.require(&found, module, needed(&module.name, reason))?;
            likes.push(found);
        }
        Ok(likes)
    }

    /// Partners may have partners: what is added is looked at in its turn.
    fn add_partners(&mut self) -> Result<()> {
        let mut next = 0;
        while let Some(Chosen { facts, reason, .. }) = self.chosen.get(next) {
            let facts = Arc::clone(facts);
            let reason = reason.clone();
            for rule in Rule::of(&facts, reason.is_asked) {
                self.follow(rule, &facts, &reason)?;
            }
            next = next.saturating_add(1);
        }
        Ok(())
    }

    fn follow(&mut self, rule: &Rule, module: &Facts, reason: &Reason) -> Result<()> {
        if rule.is_choice() && self.is_met(rule) {
            return Ok(());
        }
        let why = format!("{} of {}", rule.what, reason.root);
        let mut is_there = false;
        for name in rule.partners {
            is_there |= self.tree.named(name).is_some();
            if self.tree.has_module(name) && !self.seen.contains_key(*name) {
                self.note_partner(name, &why, reason.always);
                let reason = Reason {
                    why: format!("{why} need it"),
                    root: (*name).to_owned(),
                    always: reason.always,
                    is_asked: false,
                };
                self.require(name, module, reason)?;
            }
        }
        if !is_there && reason.always {
            let names = rule.partners.join(", ");
            self.notes.push(format!("{why} need {names}, which the kernel does not have"));
        }
        Ok(())
    }

    fn is_met(&self, rule: &Rule) -> bool {
        let first_is_builtin =
            rule.partners.first().is_some_and(|name| self.tree.has_builtin(name));
        first_is_builtin || self.chosen.iter().any(|chosen| rule.is_met_by(&chosen.facts))
    }

    fn note_partner(&mut self, name: &str, why: &str, is_named: bool) {
        if is_named {
            self.notes.push(format!("{name}: {why} need it"));
        }
    }

    /// Only who chose by hand can have forgotten it.
    fn note_efivarfs(&mut self) {
        let is_named = self.chosen.iter().any(|chosen| chosen.reason.always);
        if is_named && self.tree.has_module(EFIVARFS) && !self.seen.contains_key(EFIVARFS) {
            self.notes.push(format!("{EFIVARFS}: not packed; {WITHOUT_EFIVARFS}"));
        }
    }

    /// Reads what was chosen.
    fn finish(self) -> Result<Selection> {
        let tree = self.tree;
        let modules = parallel::map(&self.chosen, |chosen| chosen.pack(tree));
        Ok(Selection { modules: modules.into_iter().collect::<Result<_>>()?, notes: self.notes })
    }
}

impl Chosen {
    fn pack(&self, tree: &Tree) -> Result<Module> {
        let Self { facts, needs, likes, reason } = self;
        Ok(Module {
            name: facts.name.clone(),
            path: unpacked_path(&facts.path).to_owned(),
            bytes: tree.bytes(&facts.path)?,
            machine: facts.machine,
            class: facts.class,
            needs: needs.clone(),
            likes: likes.clone(),
            aliases: facts.aliases.clone(),
            firmware: facts.firmware.clone(),
            why: reason.why.clone(),
            always: reason.always,
            no_shutdown: facts.no_shutdown,
        })
    }
}

/// The reason for what a module needs.
fn needed(by: &str, reason: &Reason) -> Reason {
    Reason { why: format!("{by} needs it"), is_asked: false, ..reason.clone() }
}

/// What the variables of EFI firmware are read through.
const EFIVARFS: &str = "efivarfs";
const WITHOUT_EFIVARFS: &str = "on a machine with EFI add --module efivarfs, or what bootctl \
                                chose and the firmware's variables are not read";

/// Modules that another one asks for only when it is at work, and then through a
/// program that an image does not have: the character sets of FAT's names, of
/// which a kernel's configuration says the second (FAT_DEFAULT_IOCHARSET); a checksum.
fn unsaid(name: &str) -> &'static [&'static str] {
    match name {
        "vfat" => &["nls_cp437", "nls_ascii", "nls_iso8859_1"],
        // Its softdep says crc32, which is also the name of a library.
        "f2fs" => &["crypto-crc32"],
        _ => &[],
    }
}
