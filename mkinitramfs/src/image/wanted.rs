//! What a word for modules means: a module's name, another name of it, a device's
//! modalias, a file or a folder of the tree, or a class.

use std::path::Path;

use anyhow::{Result, anyhow, bail, ensure};

use turnout::base::similar::similar;
use turnout::drivers::class::Class;

use super::module_tree::Tree;
use super::suffix::{canonical, module_name};

/// Modules that somebody, or something, wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `ahci`, `fs-ext4`, `pci:v00008086d...`, `kernel/drivers/ata/ahci.ko`,
    /// `kernel/drivers/ata/` or `@storage`.
    pub word: String,
    /// Why, for reports.
    pub why: String,
    /// Whether they are loaded whatever devices there are.
    pub always: bool,
}

impl Wanted {
    /// What a person named.
    #[must_use]
    pub fn named(word: &str) -> Self {
        Self { word: word.to_owned(), why: "--module".to_owned(), always: true }
    }
}

/// What a word stands for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    /// Names of modules.
    pub(super) modules: Vec<String>,
    /// Names of what the kernel has without.
    pub(super) builtin: Vec<String>,
}

impl Tree {
    /// What `word` means.
    ///
    /// # Errors
    /// Nothing of the tree, with what comes near; what cannot be read.
    pub(super) fn meaning(&self, word: &str) -> Result<Meaning> {
        if let Some(class) = word.strip_prefix('@') {
            return self.of_class(class);
        }
        if word.contains(':') {
            return self.for_device(word);
        }
        if word.contains('/') {
            return self.at_path(word);
        }
        let name = module_name(word).unwrap_or_else(|| canonical(word));
        match self.named(&name) {
            Some(meaning) => Ok(meaning),
            None => self.by_alias(word, &name),
        }
    }

    /// The module, or what is built in, of this very name.
    pub(super) fn named(&self, name: &str) -> Option<Meaning> {
        if self.builtin.has(name) {
            return Some(Meaning { builtin: vec![name.to_owned()], ..Meaning::default() });
        }
        let module = self.has_module(name).then(|| name.to_owned());
        module.map(|module| Meaning { modules: vec![module], ..Meaning::default() })
    }

    fn of_class(&self, word: &str) -> Result<Meaning> {
        let Some(class) = Class::named(word) else {
            let all = Class::ALL.map(Class::name).join(", @");
            bail!("there is no class @{word}; there is @{all}");
        };
        let modules = self.survey_class(class)?;
        let modules: Vec<_> = modules.iter().map(|module| module.name.clone()).collect();
        ensure!(!modules.is_empty(), "{} has no module of @{word}", self.dir().display());
        Ok(Meaning { modules, ..Meaning::default() })
    }

    fn for_device(&self, modalias: &str) -> Result<Meaning> {
        let meaning =
            Meaning { modules: self.matching(modalias)?, builtin: self.builtin_matching(modalias) };
        let dir = self.dir().display();
        ensure!(
            meaning != Meaning::default(),
            "no module in {dir} is for {modalias}, nor built in"
        );
        Ok(meaning)
    }

    /// A file or a folder of the tree; `kernel/` may be left out.
    fn at_path(&self, word: &str) -> Result<Meaning> {
        let below = Path::new(word).strip_prefix(self.dir()).ok().and_then(Path::to_str);
        let below = below.unwrap_or(word).trim_start_matches("./").trim_end_matches('/');
        let full = format!("kernel/{below}");
        if let Some(name) = module_name(below) {
            let found = self.files.at(below).or_else(|| self.files.at(&full));
            let found = found.ok_or_else(|| self.no_such_file(word, &name))?;
            return Ok(Meaning { modules: vec![found.to_owned()], ..Meaning::default() });
        }
        let folders = [format!("{below}/"), format!("{full}/")];
        let modules = self.where_path(|path| folders.iter().any(|one| path.starts_with(one)));
        ensure!(!modules.is_empty(), "{} has no module in {word}", self.dir().display());
        Ok(Meaning { modules, ..Meaning::default() })
    }

    fn where_path(&self, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let fitting = self.paths().filter(|(_, path)| fits(path));
        fitting.map(|(name, _)| name.to_owned()).collect()
    }

    fn no_such_file(&self, word: &str, name: &str) -> anyhow::Error {
        let dir = self.dir().display();
        match self.path_of(name) {
            Some(path) => anyhow!("the module {name} in {dir} is {path}, not {word}"),
            None => anyhow!("{word} is not in {dir}{}", self.near(name)),
        }
    }

    fn by_alias(&self, word: &str, name: &str) -> Result<Meaning> {
        if let Some(builtin) = self.builtin.called(name) {
            return Ok(Meaning { builtin: vec![builtin.to_owned()], ..Meaning::default() });
        }
        let module = portable(self.called_by_word(word)?);
        let module = module.ok_or_else(|| self.unknown("--module", word))?;
        Ok(Meaning { modules: vec![module], ..Meaning::default() })
    }

    pub(super) fn unknown(&self, owner: &str, name: &str) -> anyhow::Error {
        let (dir, hint) = (self.dir().display(), self.near(name));
        anyhow!("{owner} needs {name}, which is neither in {dir} nor built in{hint}")
    }

    fn near(&self, name: &str) -> String {
        let near = similar(name, self.names()).join(", ");
        if near.is_empty() { String::new() } else { format!("; there is {near}") }
    }
}

/// The portable one of the modules that answer to an alias, so that the
/// image does not depend on one processor's instructions.
pub(super) fn portable(modules: Vec<String>) -> Option<String> {
    let generic = modules.iter().position(|name| name.ends_with("_generic"));
    modules.into_iter().nth(generic.unwrap_or(0))
}
