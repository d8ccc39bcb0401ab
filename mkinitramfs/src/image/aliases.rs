//! Which modules answer to another name: `crypto-crc32c`, say, of which ext4 only
//! knows that it would like to have one.
//!
//! On an installed system depmod has written them down (`modules.alias`). A
//! package has only the modules, and to read them all takes half a minute where
//! they are compressed: those in `crypto` folders, where nearly all that is asked
//! for lies, are read first, and the others only if none of these answers.
//! Patterns, which are for devices, are left out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::module_tree::{Tree, canonical};

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// What depmod has written down; without that what is in `crypto` folders.
    first: Option<Names>,
    /// What is in the other folders.
    rest: Option<Names>,
}

/// Names of modules by alias, both with `_`.
#[derive(Debug, Default)]
struct Names(BTreeMap<String, BTreeSet<String>>);

impl Aliases {
    /// The modules of `tree` that answer to `alias`, which has `_` for `-`.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn modules(&mut self, tree: &Tree, alias: &str) -> Result<Vec<String>> {
        if self.first.is_none() {
            self.learn(tree)?;
        }
        if let Some(found) = self.first.as_ref().and_then(|names| names.of(alias)) {
            return Ok(found);
        }
        if self.rest.is_none() {
            self.rest = Some(Names::scan(tree, |path| !is_crypto(path))?);
        }
        Ok(self.rest.as_ref().and_then(|names| names.of(alias)).unwrap_or_default())
    }

    fn learn(&mut self, tree: &Tree) -> Result<()> {
        match tree.alias_list()? {
            Some(list) => {
                self.first = Some(Names::listed(&list));
                self.rest = Some(Names::default());
            }
            None => self.first = Some(Names::scan(tree, is_crypto)?),
        }
        Ok(())
    }
}

impl Names {
    fn listed(list: &str) -> Self {
        let mut names = Self::default();
        list.lines().filter_map(listed).for_each(|(alias, module)| names.add(alias, module));
        names
    }

    fn scan(tree: &Tree, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let mut names = Self::default();
        for (module, path) in tree.files().filter(|(_, path)| wanted(path)) {
            for alias in tree.read(path)?.info.aliases {
                names.add(&alias, module);
            }
        }
        Ok(names)
    }

    fn add(&mut self, alias: &str, module: &str) {
        if !alias.contains(['*', '?', '[']) {
            self.0.entry(canonical(alias)).or_default().insert(canonical(module));
        }
    }

    fn of(&self, alias: &str) -> Option<Vec<String>> {
        self.0.get(alias).map(|modules| modules.iter().cloned().collect())
    }
}

fn is_crypto(path: &str) -> bool {
    path.contains("/crypto/")
}

/// Alias and module in a line of `modules.alias`: `alias fs-ext4 ext4`.
fn listed(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_ascii_whitespace();
    (words.next()? == "alias").then_some(())?;
    Some((words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depmods_list_is_read_without_patterns() {
        let names = Names::listed(
            "# made\nalias crypto-a a-fast\nalias crypto-a a_generic\n\
                                   alias pci:v*d* x\nsoftdep y\nalias\n",
        );
        assert_eq!(names.of("crypto_a").unwrap(), ["a_fast", "a_generic"]);
        assert_eq!(names.0.len(), 1);
    }
}
