//! What is built into a kernel, and which other names and devices that answers to.
//!
//! `modules.builtin` has paths; `modules.builtin.modinfo` has `NAME.key=value`,
//! NUL-separated, of everything that has a module's information. Kernels come with
//! both, one or none (Linux, Documentation/kbuild/kbuild.rst).

use std::collections::BTreeSet;

use super::facts::fits;
use super::suffix::{canonical, module_name};

/// What a kernel has without a module.
#[derive(Debug, Default)]
pub(super) struct Builtin {
    names: BTreeSet<String>,
    /// Alias and name.
    aliases: Vec<(String, String)>,
}

impl Builtin {
    /// From the two files; a file that is not there is empty.
    pub(super) fn read(list: &str, modinfo: &str) -> Self {
        let mut builtin = Self::default();
        builtin.names.extend(list.lines().filter_map(module_name));
        for field in modinfo.split('\0') {
            let Some((module, key, value)) = split(field) else { continue };
            builtin.names.insert(canonical(module));
            if key == "alias" {
                builtin.aliases.push((value.to_owned(), canonical(module)));
            }
        }
        builtin
    }

    /// Whether it is there, under its own name with `_`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Names, with `_`.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// What has this other name, which has `_` for `-`.
    pub(super) fn called(&self, alias: &str) -> Option<&str> {
        let found = self.aliases.iter().find(|(known, _)| canonical(known) == alias);
        found.map(|(_, name)| name.as_str())
    }

    /// What is for the device of this modalias.
    pub(super) fn matching(&self, modalias: &str) -> BTreeSet<String> {
        let fitting = self.aliases.iter().filter(|(alias, _)| fits(alias, modalias));
        fitting.map(|(_, name)| name.clone()).collect()
    }
}

/// `crc32c_generic.alias=crypto-crc32c`; parameters have a second dot in their value only.
fn split(field: &str) -> Option<(&str, &str, &str)> {
    let (before, value) = field.split_once('=')?;
    let (module, key) = before.split_once('.')?;
    Some((module, key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_file_tells_of_names_and_one_of_aliases() {
        let modinfo = "i8042.file=drivers/input/serio/i8042\0i8042.alias=serio:ty*\0\
                       crc32c.alias=crypto-crc32c\0crc32c.parm=a.b:x=y\0odd\0";
        for builtin in [Builtin::read("", modinfo), Builtin::read("kernel/a/x-y.ko\n", modinfo)] {
            assert!(builtin.has("i8042") && builtin.has("crc32c") && !builtin.has("odd"));
            assert_eq!(builtin.called("crypto_crc32c"), Some("crc32c"));
            assert!(builtin.matching("serio:ty06").iter().eq(["i8042"]));
            assert!(builtin.matching("pci:v1").is_empty());
        }
        assert!(Builtin::read("kernel/a/x-y.ko\n", "").has("x_y"));
    }
}
