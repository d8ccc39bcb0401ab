//! Which device a directory shows, for the tools of a running system: by what menus
//! know it, and which part of its file system is mounted there.
//!
//! From the mount table (proc_pid_mountinfo(5)), sysfs, the device's own first bytes
//! where they may be read, and else from the links that udev keeps, which everybody may
//! read. Nothing is mounted here, and nothing opened for writing.

use std::path::{Path, PathBuf};

use super::{block, file, mount};
use crate::menu::Identity;

/// Where udev keeps one directory of links for each property of devices.
const LINKS: &str = "/dev/disk";

/// What is mounted at a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounted {
    /// What its device is called and known by.
    pub identity: Identity,
    /// The directory of its file system that is the root there, such as `/@` for a
    /// subvolume of btrfs; empty for its top.
    pub subvolume: String,
    /// Whether it is the top of a btrfs, which menus may lie in the subvolumes of.
    pub is_btrfs_top: bool,
}

/// `/proc/self/mountinfo`: what is mounted at this very directory; nothing where it is a
/// directory of the file system above it, or cannot be told.
#[must_use]
pub fn at(directory: &Path) -> Option<Mounted> {
    let place = std::fs::canonicalize(directory).ok()?;
    let table = file::read_text("/proc/self/mountinfo").ok()?;
    let line = Line::on(&table, place.to_str()?)?;
    let subvolume = line.root.trim_end_matches('/').to_owned();
    let identity = line.device().map(|name| identity(&name)).unwrap_or_default();
    let is_btrfs_top = line.kind == "btrfs" && subvolume.is_empty();
    Some(Mounted { identity, subvolume, is_btrfs_top })
}

/// What menus know a device by.
fn identity(name: &str) -> Identity {
    let found = block::named(name).map(|found| found.identity()).unwrap_or_default();
    let linked = |property| linked(&Path::new(LINKS).join(property), &Path::new("/dev").join(name));
    Identity {
        uuid: found.uuid.or_else(|| linked("by-uuid")),
        label: found.label.or_else(|| linked("by-label")),
        partuuid: found.partuuid.or_else(|| linked("by-partuuid")),
        partlabel: found.partlabel.or_else(|| linked("by-partlabel")),
        ..found
    }
}

/// The name of the first link there that leads to the device.
fn linked(links: &Path, device: &Path) -> Option<String> {
    let device = std::fs::canonicalize(device).ok()?;
    let leads =
        |name: &String| std::fs::canonicalize(links.join(name)).ok() == Some(device.clone());
    file::names(links).ok()?.into_iter().find(leads).map(|name| unescape(&name))
}

/// udev writes what is no plain character in a name as `\xhh`, byte by byte.
fn unescape(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("\\x") {
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.extend(before.bytes());
        match byte {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(b"\\x"),
        }
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    bytes.extend(rest.bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A line of the mount table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// `major:minor`.
    pub(super) numbers: String,
    /// The directory of the file system that is mounted.
    root: String,
    /// Linux's name of the file system.
    pub(super) kind: String,
    /// What was mounted, as somebody named it.
    pub(super) source: String,
}

impl Line {
    /// The last that is mounted on a place: it is on top.
    pub(super) fn on(table: &str, place: &str) -> Option<Self> {
        let mut lines = table.lines().filter_map(Self::parse);
        lines.rfind(|(on, _)| on == place).map(|(_, line)| line)
    }

    /// The place, and what is there. Kind and source come behind a lone hyphen.
    pub(super) fn parse(line: &str) -> Option<(String, Self)> {
        let mut fields = line.split(' ').skip(2);
        let numbers = fields.next()?.to_owned();
        let root = mount::unescape(fields.next()?);
        let place = mount::unescape(fields.next()?);
        let mut behind = fields.skip_while(|field| *field != "-").skip(1);
        let kind = behind.next()?.to_owned();
        let source = mount::unescape(behind.next()?);
        Some((place, Self { numbers, root, kind, source }))
    }

    /// The kernel's name of the device. A btrfs has numbers of its own, for it may have
    /// several: there the source names one.
    fn device(&self) -> Option<String> {
        block::name_of(&self.numbers).or_else(|| {
            let path: PathBuf = std::fs::canonicalize(&self.source).ok()?;
            Some(path.strip_prefix("/dev").ok()?.to_str()?.replace('/', "!"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_what_was_mounted_there_last() {
        let table = "\
            22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n\
            30 22 0:31 /@boot /bo\\040ot rw - btrfs /dev/mapper/a rw,subvol=/@boot\n\
            31 22 8:1 / /bo\\040ot rw shared:3 master:4 - vfat /dev/sda1 rw\n\
            broken\n\
            32 22 8:1 / /none rw\n";
        let line = |numbers: &str, root: &str, kind: &str, source: &str| Line {
            numbers: numbers.to_owned(),
            root: root.to_owned(),
            kind: kind.to_owned(),
            source: source.to_owned(),
        };
        assert_eq!(Line::on(table, "/bo ot"), Some(line("8:1", "/", "vfat", "/dev/sda1")));
        let lower = table.replace("31 22 8:1 / /bo", "31 22 8:1 / /other");
        assert_eq!(
            Line::on(&lower, "/bo ot"),
            Some(line("0:31", "/@boot", "btrfs", "/dev/mapper/a"))
        );
        for nowhere in ["/none", "/boot", "/bo"] {
            assert_eq!(Line::on(table, nowhere), None);
        }
    }

    #[test]
    fn a_link_of_udev_names_a_device_to_everybody() {
        let scratch = std::env::temp_dir().join(format!("turnout-links-{}", std::process::id()));
        let links = scratch.join("by-label");
        std::fs::create_dir_all(&links).unwrap();
        for device in ["sda1", "sda2"] {
            std::fs::write(scratch.join(device), "").unwrap();
        }
        std::os::unix::fs::symlink("../sda1", links.join("OTHER")).unwrap();
        std::os::unix::fs::symlink("../sda2", links.join("My\\x20disk\\x2f\\xc3\\xa4\\xz"))
            .unwrap();
        let found = ["sda2", "sdb"].map(|device| linked(&links, &scratch.join(device)));
        std::fs::remove_dir_all(&scratch).unwrap();
        assert_eq!(found, [Some("My disk/ä\\xz".to_owned()), None]);
    }

    #[test]
    fn a_directory_that_nothing_is_mounted_on_is_no_device() {
        assert_eq!(at(&std::env::temp_dir().join("no such directory")), None);
        assert!(at(Path::new("/")).is_some(), "this system's root");
        assert_eq!(at(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path()), None);
    }
}
