//! The modules of a kernel on this system's root. Specification: kmod, modules.builtin.

use super::Tree;
use crate::image::initramfs;

/// What there is for one kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Whether there is a folder for it.
    pub is_there: bool,
    /// Names of what is built into it.
    pub builtin: Option<Vec<String>>,
}

/// Of the kernel of this version, which is one word from a kernel's image.
#[must_use]
pub fn installed(tree: &Tree, release: &str) -> Installed {
    if release.contains('/') || release.starts_with('.') {
        return Installed::default();
    }
    let folder = format!("lib/modules/{release}");
    let list = tree.text(&format!("{folder}/modules.builtin"));
    Installed { is_there: tree.has(&folder), builtin: list.map(|text| initramfs::listed(&text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_is_listed() {
        let root = std::env::temp_dir().join(format!("turnout-installed-{}", std::process::id()));
        let folder = root.join("lib/modules/6.1.0");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("modules.builtin"), "kernel/fs/ext4/ext4.ko\n").unwrap();
        let tree = Tree::at(&root);
        let found = ["6.1.0", "6.2.0", "../modules/6.1.0"].map(|name| installed(&tree, name));
        std::fs::remove_dir_all(root).unwrap();
        let there = Installed { is_there: true, builtin: Some(vec!["ext4".to_owned()]) };
        assert_eq!(found, [there, Installed::default(), Installed::default()]);
    }
}
