//! Where a kernel's modules lie, and for which release they are.
//!
//! Given is a tree (`.../lib/modules/RELEASE`), a folder of such trees, or the root of a
//! system or of an unpacked kernel package. Nothing here reads a module.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// What a tree has at least one of.
const MODULES: [&str; 4] = ["kernel", "updates", "extra", "weak-updates"];

/// Where trees lie below a root.
const BELOW: [&str; 3] = ["", "lib/modules", "usr/lib/modules"];

/// The tree at or below `dir`, that of `release` if there are several.
///
/// # Errors
/// There is none, or nothing says which.
pub(super) fn find(dir: &Path, release: Option<&str>) -> Result<PathBuf> {
    if let Some(parent) = dir.parent()
        && dir.file_name().is_some_and(|name| name == "kernel")
        && is_tree(parent)
    {
        return Ok(parent.to_owned());
    }
    if is_tree(dir) {
        return Ok(dir.to_owned());
    }
    choose(dir, trees_below(dir), release)
}

fn is_tree(dir: &Path) -> bool {
    MODULES.iter().any(|folder| dir.join(folder).is_dir())
}

/// The trees below a root, by release; `lib` may be a link to `usr/lib`.
fn trees_below(dir: &Path) -> BTreeMap<String, PathBuf> {
    let folders = BELOW.iter().filter_map(|below| fs::read_dir(dir.join(below)).ok());
    let trees = folders.flatten().flatten().map(|entry| entry.path()).filter(|path| is_tree(path));
    trees.filter_map(|path| Some((folder_name(&path)?.to_owned(), path))).collect()
}

fn choose(
    dir: &Path,
    mut trees: BTreeMap<String, PathBuf>,
    release: Option<&str>,
) -> Result<PathBuf> {
    let dir = dir.display();
    let there = trees.keys().cloned().collect::<Vec<_>>().join(", ");
    if let Some(release) = release
        && !trees.is_empty()
    {
        let found = trees.remove(release);
        return found
            .with_context(|| format!("{dir} has no modules of kernel {release}; it has {there}"));
    }
    match (trees.pop_first(), trees.is_empty()) {
        (Some((_, tree)), true) => Ok(tree),
        (Some(_), false) => bail!("{dir} has modules of {there}: name one with --release"),
        (None, _) => bail!(
            "{dir} has no kernel directory; --modules-dir takes .../lib/modules/RELEASE, or a \
             folder with lib/modules/RELEASE in it"
        ),
    }
}

/// The last part of a path, if it is a name.
pub(super) fn folder_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// Whether a folder's name can be a kernel's release: they begin with a version.
#[must_use]
pub fn is_release(name: &str) -> bool {
    let is_plain = !name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
    is_plain && name.starts_with(|first: char| first.is_ascii_digit()) && name.contains('.')
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;

    fn root(name: &str, folders: &[&str]) -> Scratch {
        let dir = std::env::temp_dir().join(format!("turnout-home-{name}-{}", std::process::id()));
        folders.iter().for_each(|folder| fs::create_dir_all(dir.join(folder)).unwrap());
        Scratch(dir)
    }

    #[test]
    fn a_tree_is_found_at_and_below_what_is_named() {
        let root = root("one", &["usr/lib/modules/6.1/kernel/kernel", "usr/lib/modules/odd"]);
        std::os::unix::fs::symlink("usr/lib", root.0.join("lib")).unwrap();
        let tree = root.0.join("usr/lib/modules/6.1");
        for below in ["", "usr/lib/modules", "usr/lib/modules/6.1", "usr/lib/modules/6.1/kernel"] {
            assert_eq!(find(&root.0.join(below), None).unwrap(), tree, "{below}");
        }
        assert!(find(&root.0.join("lib"), None).is_err());
    }

    #[test]
    fn of_several_one_has_to_be_named() {
        let root = root("two", &["lib/modules/6.1/kernel", "lib/modules/6.12/extra"]);
        let said = |release| find(&root.0, release).unwrap_err().to_string();
        assert!(said(None).ends_with("has modules of 6.1, 6.12: name one with --release"));
        assert!(said(Some("6.2")).ends_with("no modules of kernel 6.2; it has 6.1, 6.12"));
        assert_eq!(find(&root.0, Some("6.12")).unwrap(), root.0.join("lib/modules/6.12"));
    }

    #[test]
    fn a_release_begins_with_a_version() {
        assert!(is_release("6.12.117+deb13-amd64") && !is_release("tree") && !is_release("6"));
    }
}
