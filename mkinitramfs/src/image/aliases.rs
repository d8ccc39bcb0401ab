//! Which modules answer to another name: `crypto-crc32c`, say, of which ext4 only
//! knows that it would like to have one; or to what a device says of itself. It must
//! never read a file: who has read them fills it.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, fits};
use super::suffix::canonical;

/// Names of modules by other names, both with `_`; and by pattern.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: BTreeMap<String, BTreeSet<String>>,
    patterns: Vec<(String, String)>,
}

impl Names {
    /// What depmod has written down.
    pub(super) fn listed(list: &str) -> Self {
        let mut names = Self::default();
        list.lines().filter_map(listed).for_each(|(alias, module)| names.add(alias, module));
        names
    }

    /// What modules say of themselves.
    pub(super) fn said<'f>(modules: impl Iterator<Item = &'f Facts>) -> Self {
        let mut names = Self::default();
        for module in modules {
            module.aliases.iter().for_each(|alias| names.add(alias, &module.name));
        }
        names
    }

    fn add(&mut self, alias: &str, module: &str) {
        let module = canonical(module);
        if alias.contains(':') {
            self.patterns.push((alias.to_owned(), module));
        } else {
            self.names.entry(canonical(alias)).or_default().insert(module);
        }
    }

    /// The modules with this other name, which has `_` for `-`.
    pub(super) fn of(&self, alias: &str) -> Option<Vec<String>> {
        self.names.get(alias).map(|modules| modules.iter().cloned().collect())
    }

    /// Patterns of devices, each with a module for them.
    pub(super) fn patterns(&self) -> &[(String, String)] {
        &self.patterns
    }

    /// The modules for the device of this modalias.
    pub(super) fn matching(&self, modalias: &str) -> BTreeSet<String> {
        let fitting = self.patterns.iter().filter(|(pattern, _)| fits(pattern, modalias));
        fitting.map(|(_, module)| module.clone()).collect()
    }
}

/// Alias and module in a line of `modules.alias`: `alias fs-ext4 ext4`. Patterns may
/// have blanks in them.
fn listed(line: &str) -> Option<(&str, &str)> {
    let (alias, module) = line.strip_prefix("alias ")?.trim_end().rsplit_once(' ')?;
    Some((alias.trim(), module)).filter(|(alias, _)| !alias.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depmods_list_is_read_with_its_patterns() {
        let names = Names::listed(
            "# made\nalias crypto-a a-fast\nalias crypto-a a_generic\n\
             alias pci:v*d* x-y\nalias dmi:*pn a b* z\nsoftdep y\nalias\nalias  x\n",
        );
        assert_eq!(names.of("crypto_a").unwrap(), ["a_fast", "a_generic"]);
        assert_eq!(names.names.len(), 1);
        let patterns = [("pci:v*d*", "x_y"), ("dmi:*pn a b*", "z")];
        assert!(names.patterns.iter().map(|(a, b)| (a.as_str(), b.as_str())).eq(patterns));
        assert!(fits("pci:v*d*", "pci:v1d2") && fits("[pci:", "[pci:") && !fits("[pci:", "x"));
    }
}
