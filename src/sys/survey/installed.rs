//! The kernels on this system's root, and their modules. Specification: kmod,
//! modules.builtin; Debian's, Fedora's and kernel-install's names of kernels.

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

/// What the kernels call themselves that have modules and, in `/boot` or beside those, an
/// image: what somebody has put aside under another name has no modules.
#[must_use]
pub fn kernels(tree: &Tree) -> Vec<String> {
    let mut found = tree.names("lib/modules");
    found.retain(|release| {
        release.starts_with(|c: char| c.is_ascii_digit())
            && (tree.has(&format!("boot/vmlinuz-{release}"))
                || tree.has(&format!("lib/modules/{release}/vmlinuz")))
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_one_with_an_image_and_modules_of_its_own() {
        let root = std::env::temp_dir().join(format!("turnout-kernels-{}", std::process::id()));
        let put = |path: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        for name in ["6.1.0-50-amd64", "6.1.0-50-amd64.old", "6.12.90+deb13-amd64", "0-rescue-1"] {
            put(&format!("boot/vmlinuz-{name}"));
        }
        put("boot/vmlinuz.old");
        put("lib/modules/6.1.0-50-amd64/modules.builtin");
        put("lib/modules/6.1.0-49-amd64/updates/dkms.ko");
        put("lib/modules/6.11.4-301.fc41.x86_64/vmlinuz");
        put("lib/modules/next/vmlinuz");
        let found = kernels(&Tree::at(&root));
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, ["6.1.0-50-amd64", "6.11.4-301.fc41.x86_64"]);
    }

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
