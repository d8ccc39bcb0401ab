//! Which kernel an image is for, and where its modules lie.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::image::modules::{Tree, Wanted, is_release};

/// Where kernels have their modules.
const MODULES: &str = "lib/modules";

/// The release of the kernel that runs.
const RUNNING: &str = "proc/sys/kernel/osrelease";

#[derive(Args, Debug, Default)]
pub(super) struct Kernel {
    /// Modules of the target's kernel: .../lib/modules/RELEASE, or a folder that has
    /// lib/modules/RELEASE in it; without it the one of --release in /lib/modules
    #[arg(long, value_name = "DIR", group = "kernel")]
    pub(super) modules_dir: Option<PathBuf>,
    /// Release of the target's kernel, as uname -r prints it there; without it what
    /// the modules are for
    #[arg(long, group = "kernel")]
    pub(super) release: Option<String>,
    /// Modules to load at boot, with what they depend on: a name, an alias (fs-ext4,
    /// pci:v...), a file or a folder (kernel/drivers/ata/), or a class (@storage)
    #[arg(long, value_name = "NAME", num_args = 1.., requires = "kernel")]
    pub(super) module: Vec<String>,
}

/// A kernel whose modules can be packed.
pub(super) struct Found {
    /// None where no modules are needed and none were named.
    pub(super) tree: Option<Tree>,
    /// What was taken that nobody named, in words.
    pub(super) note: Option<String>,
}

impl Kernel {
    /// Finds the modules, on the system below `root`; those of the kernel that runs there
    /// if they are for the same machine and nothing else is named.
    ///
    /// # Errors
    /// There are none, or they are for another kernel.
    pub(super) fn find(&self, root: &Path, is_host: bool, is_needed: bool) -> Result<Found> {
        let asked = self.release.as_deref();
        if let Some(dir) = &self.modules_dir {
            return found(dir, asked, asked.is_none());
        }
        if let Some(release) = asked {
            ensure!(is_release(release), "{release:?} is no kernel release, as uname -r prints it");
            return of_release(root, release, is_needed);
        }
        match (is_needed, is_host) {
            (true, true) => {
                let release = running(root)?;
                of_release(root, &release, true)
            }
            (true, false) => bail!(NO_KERNEL),
            (false, _) => Ok(Found { tree: None, note: None }),
        }
    }

    /// What --module names.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        self.module.iter().map(|word| Wanted::named(word)).collect()
    }
}

const NO_KERNEL: &str = "for which kernel? give --release RELEASE if its modules are in \
                         /lib/modules, or else --modules-dir DIR";

fn found(dir: &Path, release: Option<&str>, is_said: bool) -> Result<Found> {
    let tree = Tree::open(dir, release)?;
    let note = format!("modules of kernel {} in {}", tree.release(), tree.dir().display());
    Ok(Found { tree: Some(tree), note: is_said.then_some(note) })
}

fn of_release(root: &Path, release: &str, is_needed: bool) -> Result<Found> {
    let dir = root.join(MODULES).join(release);
    if dir.is_dir() {
        return found(&dir, Some(release), true);
    }
    let name = dir.display();
    ensure!(!is_needed, "{name} is not there: name the kernel's modules with --modules-dir DIR");
    let note = format!("{release}: taken as it is, there is no {name} to check it with");
    Ok(Found { tree: None, note: Some(note) })
}

fn running(root: &Path) -> Result<String> {
    let file = root.join(RUNNING);
    let release = fs::read_to_string(&file);
    let release = release.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(release.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Root(PathBuf);

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn root(name: &str) -> Root {
        let root =
            Root(std::env::temp_dir().join(format!("turnout-{name}-{}", std::process::id())));
        for release in ["6.1.0", "6.12.1"] {
            fs::create_dir_all(root.0.join("lib/modules").join(release).join("kernel")).unwrap();
        }
        fs::create_dir_all(root.0.join("proc/sys/kernel")).unwrap();
        fs::write(root.0.join(RUNNING), "6.12.1\n").unwrap();
        root
    }

    fn of(release: &str) -> Kernel {
        Kernel { release: Some(release.to_owned()), ..Kernel::default() }
    }

    fn said(found: Result<Found>) -> String {
        found.map_or_else(|error| error.to_string(), |found| found.note.unwrap_or_default())
    }

    #[test]
    fn a_release_is_looked_for_where_modules_lie() {
        let root = root("release");
        let tree = of("6.1.0").find(&root.0, false, false).unwrap().tree.unwrap();
        assert_eq!(tree.release(), "6.1.0");
        let unknown = of("9.9.9");
        assert!(said(unknown.find(&root.0, false, true)).contains("9.9.9 is not there"));
        let taken = unknown.find(&root.0, true, false);
        assert!(said(taken).starts_with("9.9.9: taken as it is, there is no "));
        let odd = of("../6.1.0").find(&root.0, false, false);
        assert_eq!(said(odd), "\"../6.1.0\" is no kernel release, as uname -r prints it");
    }

    #[test]
    fn this_machine_has_the_kernel_that_runs_and_another_has_none_unless_named() {
        let root = root("running");
        let none = Kernel::default();
        let note = said(none.find(&root.0, true, true));
        assert!(note.starts_with("modules of kernel 6.12.1 in "), "{note}");
        assert_eq!(said(none.find(&root.0, false, true)), NO_KERNEL);
        assert!(none.find(&root.0, false, false).unwrap().tree.is_none());
        let both = Kernel { modules_dir: Some(root.0.clone()), ..Kernel::default() };
        assert!(said(both.find(&root.0, true, true)).contains("name one with --release"));
    }
}
