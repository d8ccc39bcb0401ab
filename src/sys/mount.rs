//! Mounts: the kernel's own file systems, and the boot partition, read-only.

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::Error;

/// Where the boot partition is mounted.
pub const BOOT: &str = "/boot";

/// The kernel's file systems that PID 1 needs: type, place.
const KERNEL: [(&str, &str); 4] =
    [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run")];

/// Mounts proc, sys, devtmpfs and run.
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

/// Mounts the file system that tells of lockdown. A kernel without it has no
/// lockdown to tell of.
pub fn security_file_system() {
    const KIND: &str = "securityfs";
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    let _ = mount(Some(KIND), "/sys/kernel/security", Some(KIND), flags, None::<&str>);
}

/// Mounts a boot partition on [`BOOT`] so that nothing on it is written or
/// executed: read-only without journal replay, nosuid, nodev, noexec,
/// nosymfollow.
///
/// # Errors
/// The errno, with device and type.
pub fn boot_partition(device: &str, kind: &str) -> Result<(), Error> {
    let flags = MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOEXEC
        // Not in the crate's table: nosymfollow, Linux 5.10 and later.
        | MsFlags::from_bits_retain(NOSYMFOLLOW);
    mount(Some(device), BOOT, Some(kind), flags, Some(without_replay(kind)))
        .map_err(|errno| Error::new(format!("mounting {device} as {kind}"), errno))
}

const NOSYMFOLLOW: nix::libc::c_ulong =
    linux_raw_sys::general::MS_NOSYMFOLLOW as nix::libc::c_ulong;

/// The option that keeps a read-only mount from replaying the journal.
fn without_replay(kind: &str) -> &'static str {
    match kind {
        "ext4" => "noload",
        "xfs" => "norecovery",
        _ => "",
    }
}

/// Takes the boot partition off; where something still holds it, as soon as
/// that lets go.
///
/// # Errors
/// The errno; a partition that is not mounted is fine.
pub fn release_boot_partition() -> Result<(), Error> {
    let result = match umount2(BOOT, MntFlags::empty()) {
        Err(Errno::EBUSY) => umount2(BOOT, MntFlags::MNT_DETACH),
        other => other,
    };
    match result {
        Ok(()) | Err(Errno::EINVAL) => Ok(()),
        Err(errno) => Err(Error::new(format!("unmounting {BOOT}"), errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journals_are_never_replayed() {
        assert_eq!(without_replay("ext4"), "noload");
        assert_eq!(without_replay("xfs"), "norecovery");
        assert_eq!(without_replay("vfat"), "");
    }
}
