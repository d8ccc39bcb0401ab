//! The boot partition that a command is about: a directory, a block device, or
//! this machine's own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::boot::partition::ENTRIES;
use crate::failure::{Failure, Stage};
use crate::source::filesystem;
use crate::sys::read::Root;
use crate::sys::{file, mount};

/// Where boot partitions are mounted on a running system, in the order in which
/// one with a menu is looked for.
const PLACES: [&str; 3] = ["/boot", "/efi", "/boot/efi"];

/// Which boot partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// This machine's.
    #[default]
    Here,
    /// A directory that stands for one.
    Directory(PathBuf),
    /// A block device.
    Device(PathBuf),
}

impl Source {
    /// What `--root` says: `DIR`, or `NAME=DIR,uuid=U,...`, of which the
    /// directory counts.
    pub(super) fn root(value: OsString) -> Self {
        let directory = value.to_str().and_then(named).unwrap_or_else(|| PathBuf::from(value));
        Self::Directory(directory)
    }

    /// Opens the root of the partition. A device is mounted read-only where only
    /// this process sees it.
    pub(super) fn open(&self) -> Result<Root, Failure> {
        match self {
            Self::Here => open(Path::new(here()?)),
            Self::Directory(directory) => open(directory),
            Self::Device(device) => open_device(device),
        }
    }
}

/// The directory of `NAME=DIR,...`; a path with a slash before the first equals
/// sign is no name.
fn named(value: &str) -> Option<PathBuf> {
    let (name, rest) = value.split_once('=')?;
    let is_name = !name.is_empty() && !name.contains('/');
    is_name.then(|| PathBuf::from(rest.split(',').next().unwrap_or_default()))
}

fn here() -> Result<&'static str, Failure> {
    let has_menu = |place: &&str| file::names(format!("{place}{ENTRIES}")).is_ok();
    PLACES.into_iter().find(has_menu).ok_or_else(|| {
        let places = PLACES.join(", ");
        let why = format!(
            "there is no {ENTRIES} in {places}; name the boot partition with --root DIR or \
             --device DEV"
        );
        Failure::new(Stage::Discover, why)
    })
}

fn open(directory: &Path) -> Result<Root, Failure> {
    let Some(path) = directory.to_str() else {
        let why = format!("{}: the path is not UTF-8", directory.display());
        return Err(Failure::new(Stage::Read, why));
    };
    Root::open(path).map_err(|error| Failure::new(Stage::Read, error))
}

fn open_device(device: &Path) -> Result<Root, Failure> {
    let at_read = |error| Failure::new(Stage::Read, error);
    let name = device.display();
    let start = file::read_first(device, filesystem::PROBE_BYTES as u64).map_err(at_read)?;
    let found = filesystem::identify(&start).ok_or_else(|| {
        Failure::new(Stage::Read, format!("{name}: no file system that Turnout knows"))
    })?;
    mount::keep_to_this_process().map_err(at_read)?;
    mount::boot_partition(&name.to_string(), found.kind.name()).map_err(|error| {
        let why = format!("{error}; if it is mounted already, name the place with --root");
        Failure::new(Stage::Read, why)
    })?;
    open(Path::new(mount::BOOT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_a_directory_with_or_without_a_name() {
        let root = |value: &str| Source::root(OsString::from(value));
        let directory = |path: &str| Source::Directory(PathBuf::from(path));
        assert_eq!(root("/mnt"), directory("/mnt"));
        assert_eq!(root("main=/mnt,uuid=1-2,label=L"), directory("/mnt"));
        assert_eq!(root("./a=b"), directory("./a=b"));
        assert_eq!(root("=x"), directory("=x"));
    }
}
