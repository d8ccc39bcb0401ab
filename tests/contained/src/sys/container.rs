//! Makes an unprivileged container of this very process, for good: nothing that is
//! started in it can do more to the machine than an ordinary user, and it sees no file
//! of the machine.
//!
//! Must never go on with a right that counts outside (user_namespaces(7)): what the
//! kernel says of the container is read back, and looked at.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_dumpable;
use nix::unistd::{Gid, Uid, chdir, getegid, geteuid, pivot_root, setgroups, setresgid, setresuid};

/// Who root gives its rights up for: nobody, who owns no file (the value of
/// /proc/sys/kernel/overflowuid).
const NOBODY: u32 = 65534;
/// Where the container's root is put together: any directory will do.
const PLACE: &str = "/tmp";

/// Gives up root, goes into namespaces of its own, and leaves all files behind but
/// an empty tmpfs.
pub(crate) fn enter() -> Result<()> {
    give_up_root()?;
    let (user, group) = (geteuid(), getegid());
    ensure!(!user.is_root(), "this is still root");
    let outside = fs::read_link("/proc/self/ns/user")?;
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    unshare(all).context("unshare(2): this host gives ordinary users no namespaces")?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    ensure!(fs::read_link("/proc/self/ns/user")? != outside, "no user namespace of its own");
    check_map(&fs::read_to_string("/proc/self/uid_map")?, user.as_raw()).context("uid_map")?;
    check_map(&fs::read_to_string("/proc/self/gid_map")?, group.as_raw()).context("gid_map")?;
    leave_files()
}

/// To change from root to another user takes every capability away (capabilities(7)).
fn give_up_root() -> Result<()> {
    if geteuid().is_root() {
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        setgroups(&[])?;
        setresgid(group, group, group)?;
        setresuid(user, user, user)?;
        // Else the files of /proc/self would still be root's.
        set_dumpable(true)?;
    }
    let status = fs::read_to_string("/proc/self/status")?;
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        let value = status.lines().find_map(|line| line.strip_prefix(set)).map(str::trim);
        if value.is_none_or(|value| value.bytes().any(|digit| digit != b'0')) {
            bail!(
                "{set} {} before the container was made: not one right is wanted",
                value.unwrap_or("?")
            );
        }
    }
    Ok(())
}

/// Only root of the container is anybody outside, and there it is this user.
fn check_map(map: &str, outside: u32) -> Result<()> {
    let fields: Vec<&str> = map.split_ascii_whitespace().collect();
    let expected = outside.to_string();
    ensure!(
        outside != 0 && fields == ["0", &expected, "1"],
        "\"{}\" maps more than root to {outside}, or root to root",
        map.trim()
    );
    Ok(())
}

/// Nothing of the machine's files can be reached from here on.
fn leave_files() -> Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), PLACE, Some("tmpfs"), flags, None::<&str>).context("mounting a tmpfs")?;
    chdir(PLACE)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    ensure!(!Path::new("/proc").exists(), "the machine's files are still there");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_whose_root_is_root_outside_is_refused() {
        assert!(check_map("         0      65534          1\n", 65534).is_ok());
        for (map, outside) in [
            ("0 0 1", 0),
            ("0 0 4294967295", 65534),
            ("0 65534 2", 65534),
            ("0 65534 1\n1 0 1", 65534),
            ("", 65534),
        ] {
            let error = check_map(map, outside).map_err(|error| error.to_string());
            assert!(error.is_err_and(|why| why.contains("maps more than root")), "{map}");
        }
    }
}
