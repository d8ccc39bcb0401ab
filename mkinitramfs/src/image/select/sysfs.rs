//! What a machine's sysfs and its mounts say, below whatever folder they lie.
//!
//! Specification: Linux, Documentation/ABI/testing/sysfs-uevent and proc_pid_mountinfo(5).

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context as _, Result};

/// A device that says what it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// Its folder's name: `0000:00:1f.2`.
    pub(super) name: String,
    pub(super) modalias: String,
    /// Whether a driver has it.
    pub(super) is_bound: bool,
    /// The module of that driver; none if it is built in.
    pub(super) module: Option<String>,
}

/// All devices that say what they are, by their folders.
pub(super) fn devices(root: &Path) -> Result<Vec<Device>> {
    let top = root.join("sys/devices");
    let mut found = Vec::new();
    let mut open = folders(&top).with_context(|| cannot_read(&top))?;
    while let Some(folder) = open.pop() {
        found.extend(device(&folder));
        open.extend(folders(&folder).or_else(pass_over).with_context(|| cannot_read(&folder))?);
    }
    found.sort_by(|one, other| (&one.name, &one.modalias).cmp(&(&other.name, &other.modalias)));
    Ok(found)
}

fn cannot_read(folder: &Path) -> String {
    format!("cannot read {}", folder.display())
}

/// Folders in it; links lead to devices that have folders elsewhere.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.filter_map(Result::ok);
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.map(|entry| entry.path()).collect())
}

/// A device may go while others are looked at, and a container may not see all.
fn pass_over(error: io::Error) -> io::Result<Vec<PathBuf>> {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(Vec::new()),
        _ => Err(error),
    }
}

fn device(folder: &Path) -> Option<Device> {
    let uevent = fs::read_to_string(folder.join("uevent")).ok()?;
    let modalias = uevent.lines().find_map(|line| line.strip_prefix("MODALIAS="))?;
    let module = fs::read_link(folder.join("driver/module")).ok();
    Some(Device {
        name: folder.file_name()?.to_str()?.to_owned(),
        modalias: modalias.to_owned(),
        is_bound: uevent.lines().any(|line| line.starts_with("DRIVER=")),
        module: module.and_then(|link| Some(link.file_name()?.to_str()?.to_owned())),
    })
}

/// A file system that is mounted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// `MAJOR:MINOR`.
    pub(super) number: String,
    pub(super) point: String,
    /// `ext4`.
    pub(super) kind: String,
    /// `/dev/sda1`.
    pub(super) source: String,
}

/// The file systems that are mounted, in their order.
pub(super) fn mounts(root: &Path) -> Result<Vec<Mount>> {
    let file = root.join("proc/self/mountinfo");
    let text = fs::read_to_string(&file);
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.lines().filter_map(mount).collect())
}

fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ');
    let mut after = after.split(' ');
    Some(Mount {
        number: before.nth(2)?.to_owned(),
        point: before.nth(1)?.to_owned(),
        kind: after.next()?.to_owned(),
        source: after.next()?.to_owned(),
    })
}

/// The block device's name, and those of what it is made of.
pub(super) fn block_devices(root: &Path, mount: &Mount) -> Vec<String> {
    let link = fs::read_link(root.join("sys/dev/block").join(&mount.number)).ok();
    // File systems of several disks have a number that no disk has.
    let path = link.unwrap_or_else(|| PathBuf::from(&mount.source));
    let mut open: Vec<String> =
        path.file_name().and_then(|name| name.to_str()).map(str::to_owned).into_iter().collect();
    let mut found = Vec::new();
    while let Some(name) = open.pop() {
        let slaves = fs::read_dir(root.join("sys/class/block").join(&name).join("slaves"));
        let slaves = slaves.into_iter().flatten().filter_map(Result::ok);
        open.extend(slaves.filter_map(|slave| slave.file_name().into_string().ok()));
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_goes_while_it_is_read_is_passed_over_and_a_broken_disk_is_not() {
        let gone = folders(Path::new("/nowhere/at-all")).or_else(pass_over).unwrap();
        assert!(gone.is_empty());
        assert!(pass_over(io::ErrorKind::PermissionDenied.into()).unwrap().is_empty());
        assert!(pass_over(io::ErrorKind::InvalidData.into()).is_err());
        let error = devices(Path::new("/nowhere")).unwrap_err().to_string();
        assert_eq!(error, "cannot read /nowhere/sys/devices");
    }

    #[test]
    fn a_line_of_mountinfo_is_taken_apart() {
        let line = "36 35 98:1 / /boot rw,noatime shared:1 - ext4 /dev/root rw,errors=continue";
        let found = mount(line).unwrap();
        assert_eq!((found.number.as_str(), found.point.as_str()), ("98:1", "/boot"));
        assert_eq!((found.kind.as_str(), found.source.as_str()), ("ext4", "/dev/root"));
        assert_eq!(mount("36 35 98:1 / /boot rw"), None);
    }
}
