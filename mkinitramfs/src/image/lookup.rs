//! Finds modules of a tree by another name, or by a device that they are for.
//!
//! On an installed system depmod has written these down (`modules.alias`). A
//! package has only the modules. To read them all takes a while where they are
//! compressed: those of crypto and of file systems, where nearly all that is asked
//! for by name lies, are read first, and the others only if none of these answers.

use std::sync::{Arc, OnceLock};

use anyhow::Result;

use super::aliases::Names;
use super::module_tree::Tree;
use super::suffix::canonical;

impl Tree {
    /// The modules that answer to `alias`, which has `_` for `-`.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn called(&self, alias: &str) -> Result<Vec<String>> {
        match self.likely_names()?.of(alias) {
            Some(found) => Ok(found),
            None => Ok(self.all_names()?.of(alias).unwrap_or_default()),
        }
    }

    /// The same, where a name that nothing has is more likely mistyped: other names have
    /// a dash (`fs-ext4`), or are old ones of file systems (`ext3`).
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn called_by_word(&self, word: &str) -> Result<Vec<String>> {
        match word.contains('-') {
            true => self.called(&canonical(word)),
            false => Ok(self.likely_names()?.of(word).unwrap_or_default()),
        }
    }

    /// The modules that are for the device of this modalias, by name.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn matching(&self, modalias: &str) -> Result<Vec<String>> {
        Ok(self.all_names()?.matching(modalias).into_iter().collect())
    }

    /// Patterns of devices, each with a module for them, that depmod has written down.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn listed_patterns(&self) -> Result<&[(String, String)]> {
        match self.has_alias_list() {
            true => Ok(self.all_names()?.patterns()),
            false => Ok(&[]),
        }
    }

    /// What depmod has written down; without that what is in the likely folders.
    fn likely_names(&self) -> Result<&Names> {
        if self.has_alias_list() {
            return self.all_names();
        }
        cached(&self.likely, || self.said(is_likely))
    }

    fn all_names(&self) -> Result<&Names> {
        cached(&self.all, || match self.has_alias_list() {
            true => Ok(Names::listed(&self.alias_list()?)),
            false => self.said(|_| true),
        })
    }

    fn said(&self, wanted: impl Fn(&str) -> bool) -> Result<Names> {
        Ok(Names::said(self.survey(wanted)?.iter().map(Arc::as_ref)))
    }
}

fn cached(cell: &OnceLock<Names>, make: impl FnOnce() -> Result<Names>) -> Result<&Names> {
    if let Some(names) = cell.get() {
        return Ok(names);
    }
    let names = make()?;
    Ok(cell.get_or_init(|| names))
}

fn is_likely(path: &str) -> bool {
    path.contains("/crypto/") || path.starts_with("kernel/fs/")
}
