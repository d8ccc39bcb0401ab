//! Mounts: the kernel's own file systems, and those of disks, read-only.

use core::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::window::Window;
use super::{Error, file};

/// Where PID 1 mounts file systems of disks, each in a directory of its own.
pub const VOLUMES: &str = "/run/boot";

/// The kernel's file systems that PID 1 needs: type, place.
const KERNEL: [(&str, &str); 4] =
    [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run")];

/// `mount(2)`: mounts proc, sys, devtmpfs and run.
///
/// # Errors
/// The errno of the first that failed; one that is mounted already is fine.
pub fn kernel_file_systems() -> Result<(), Error> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    KERNEL.iter().try_for_each(|(kind, place)| {
        match mount(Some(*kind), *place, Some(*kind), flags, None::<&str>) {
            Ok(()) | Err(Errno::EBUSY) => Ok(()),
            Err(errno) => Err(Error::new(format!("mounting {kind} on {place}"), errno)),
        }
    })
}

/// `mount(2)`: mounts the file system that tells of lockdown. A kernel without it has no
/// lockdown to tell of.
pub fn security_file_system() {
    const KIND: &str = "securityfs";
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    let _ = mount(Some(KIND), "/sys/kernel/security", Some(KIND), flags, None::<&str>);
}

/// What a mount is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing can be written.
    Read,
    /// Something is to be written.
    Write,
}

/// The variables of EFI, mounted for as long as this value.
#[derive(Debug)]
pub struct EfiVariables(#[expect(dead_code, reason = "held, not used")] MutexGuard<'static, ()>);

impl EfiVariables {
    /// Where they are then.
    pub const PLACE: &str = "/sys/firmware/efi/efivars";

    /// `mount(2)`: mounts them, once what another thread has mounted is gone.
    ///
    /// # Errors
    /// The errno: a machine without EFI has no such place, and a kernel without
    /// efivarfs no such file system.
    pub fn mount(access: Access) -> Result<Self, Error> {
        static MOUNTED: Mutex<()> = Mutex::new(());
        let alone = MOUNTED.lock().unwrap_or_else(PoisonError::into_inner);
        let least = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
        let flags = match access {
            Access::Read => least | MsFlags::MS_RDONLY,
            Access::Write => least,
        };
        mount(Some("efivarfs"), Self::PLACE, Some("efivarfs"), flags, None::<&str>)
            .map_err(|errno| Error::new("mounting efivarfs", errno))?;
        Ok(Self(alone))
    }
}

impl Drop for EfiVariables {
    fn drop(&mut self) {
        let _ = umount2(Self::PLACE, MntFlags::MNT_DETACH);
    }
}

/// `unshare(2)`, `mount(2)`: has what this process mounts from now on seen by nobody else,
/// and gone when it ends.
///
/// # Errors
/// The errno; only root may.
pub fn keep_to_this_process() -> Result<(), Error> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(None::<&str>, "/", None::<&str>, private, None::<&str>))
        .map_err(|errno| Error::new("a mount namespace of its own", errno))
}

/// Where a file system lies.
#[derive(Debug)]
pub struct Device<'a> {
    /// Path of the device.
    pub name: &'a str,
    /// The part of it that is the file system's, in bytes, if it is not all of it.
    pub window: Option<Range<u64>>,
}

/// A file system of a disk that is mounted until this is dropped; where something
/// still holds it then, as long as that does.
#[derive(Debug)]
pub struct Volume {
    place: String,
}

impl Volume {
    /// `mount(2)`: mounts a device on the directory `place`, which is made where it is not
    /// there, so that nothing on it is written or executed: read-only without journal
    /// replay, nosuid, nodev, noexec, and nosymfollow unless it is of a kind on which
    /// kernels have links for names (which [`super::read`] follows inside it only).
    /// `subvolume` is one more of the file system's own options. What shows a part of a
    /// device goes when what is mounted does.
    ///
    /// # Errors
    /// The errno, with device and type.
    pub fn mount(
        device: &Device<'_>,
        place: String,
        kind: &str,
        subvolume: Option<&str>,
    ) -> Result<Self, Error> {
        std::fs::create_dir_all(&place).map_err(|source| Error::new(&place, source))?;
        let options = match subvolume {
            Some(subvolume) => format!("{},{subvolume}", boot_options(kind)),
            None => boot_options(kind).to_owned(),
        };
        let name = device.name;
        let window = device.window.as_ref().map(|window| Window::show(name, window)).transpose()?;
        let source = window.as_ref().map_or(name, Window::path);
        mount(Some(source), place.as_str(), Some(kind), boot_flags(kind), Some(options.as_str()))
            .map_err(|errno| refused(name, kind, errno))?;
        Ok(Self { place })
    }

    /// The directory.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }
}

/// A volume that is not mounted any more needs nothing; one that is in use goes
/// when it is let go.
impl Drop for Volume {
    fn drop(&mut self) {
        if umount2(self.place.as_str(), MntFlags::empty()) == Err(Errno::EBUSY) {
            let _ = umount2(self.place.as_str(), MntFlags::MNT_DETACH);
        }
    }
}

/// What mount(2) means where it says that there is no such device.
fn refused(device: &str, kind: &str, errno: Errno) -> Error {
    let what = match errno {
        Errno::ENODEV => {
            format!("mounting {device}: {kind} is not in this kernel (module missing?)")
        }
        _ => format!("mounting {device} as {kind}"),
    };
    Error::new(what, errno)
}

fn boot_flags(kind: &str) -> MsFlags {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match kind {
        "ext4" | "xfs" | "btrfs" => flags,
        // Not in the crate's table: Linux 5.10 and later.
        _ => flags | MsFlags::from_bits_retain(NOSYMFOLLOW),
    }
}

const NOSYMFOLLOW: nix::libc::c_ulong =
    linux_raw_sys::general::MS_NOSYMFOLLOW as nix::libc::c_ulong;

/// What keeps a read-only mount from replaying the journal, and a damaged or
/// evil superblock from asking for a panic (`errors=` in ext4(5)).
fn boot_options(kind: &str) -> &'static str {
    match kind {
        "ext4" => "noload,errors=remount-ro",
        // A copy of a disk has the same UUID, which only XFS minds.
        "xfs" => "norecovery,nouuid",
        "f2fs" => "norecovery",
        "btrfs" => "rescue=nologreplay",
        _ => "",
    }
}

/// `umount2(2)`, `mount(2)`: takes off everything but the root and what the jump itself
/// still reads, the latest first; what is in use becomes read-only and goes as soon as it
/// is let go. Gives the faults.
pub fn release_all() -> Vec<Error> {
    let table = file::read_text("/proc/self/mountinfo").unwrap_or_default();
    let mut places = mount_points(&table);
    places.retain(|place| !["/", "/proc", "/sys", "/dev"].contains(&place.as_str()));
    places.iter().rev().filter_map(|place| release(place).err()).collect()
}

fn release(place: &str) -> Result<(), Error> {
    let result = match umount2(place, MntFlags::empty()) {
        Err(Errno::EBUSY) => {
            let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            let _ = mount(None::<&str>, place, None::<&str>, read_only, None::<&str>);
            umount2(place, MntFlags::MNT_DETACH)
        }
        other => other,
    };
    result.map_err(|errno| Error::new(format!("unmounting {place}"), errno))
}

/// `/proc/self/mountinfo`: what is mounted: the places, in the order of mounting, and
/// `major:minor` of the device on each.
#[must_use]
pub fn places() -> Vec<(String, String)> {
    let table = file::read_text("/proc/self/mountinfo").unwrap_or_default();
    mount_points(&table).into_iter().zip(devices(&table)).collect()
}

/// The third field of every line.
fn devices(table: &str) -> impl Iterator<Item = String> {
    table.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned)
}

/// The fifth field of every line (proc_pid_mountinfo(5)).
fn mount_points(table: &str) -> Vec<String> {
    table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape).collect()
}

/// The kernel writes blanks and backslashes in paths as `\ooo` (mangle_path).
pub(super) fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let octal = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(char::from(byte));
                out.push_str(part.get(3..).unwrap_or_default());
            }
            None => {
                out.push('\\');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_blanks() {
        let table = "\
            22 1 0:2 / / rw - rootfs none rw\n\
            36 22 259:2 / /mnt/a\\040b\\134c ro,nosuid shared:7 - ext4 /dev/nvme0n1p2 ro\n\
            broken\n";
        assert_eq!(mount_points(table), ["/", "/mnt/a b\\c"]);
        assert_eq!(unescape("a\\x"), "a\\x");
    }

    #[test]
    fn journals_are_never_replayed_and_no_superblock_asks_for_a_panic() {
        assert_eq!(boot_options("ext4"), "noload,errors=remount-ro");
        assert_eq!(boot_options("xfs"), "norecovery,nouuid");
        assert_eq!(boot_options("f2fs"), "norecovery");
        assert_eq!(boot_options("btrfs"), "rescue=nologreplay");
        assert_eq!(boot_options("vfat"), "");
    }

    #[test]
    fn links_are_dead_wherever_kernels_have_no_links_for_names() {
        let least =
            MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        for kind in ["ext4", "xfs", "btrfs"] {
            assert_eq!(boot_flags(kind).bits() & NOSYMFOLLOW, 0, "{kind}");
        }
        let kinds = ["vfat", "squashfs", "erofs", "f2fs", "iso9660", "exfat", "ntfs"];
        assert!(kinds.into_iter().all(|kind| boot_flags(kind).bits() & NOSYMFOLLOW != 0));
        assert!(kinds.into_iter().chain(["ext4"]).all(|kind| boot_flags(kind).contains(least)));
    }
}
