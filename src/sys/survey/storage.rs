//! Disks and file systems. Specification: proc_pid_mountinfo(5), proc_swaps(5); Linux,
//! Documentation/admin-guide/md.rst and ABI/testing/sysfs-block-dm.

use super::chain::{self, Chain};
use super::{Tree, locked};
use crate::check::facts::{Mount, Root, Storage};
use crate::sys::mounted::Line;

/// File systems whose disk is another machine.
const NETWORK: [&str; 14] = [
    "9p",
    "afs",
    "ceph",
    "cifs",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.sshfs",
    "gfs2",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
];

/// A root in memory.
const MEMORY: [&str; 4] = ["overlay", "ramfs", "rootfs", "tmpfs"];

pub(super) fn read(tree: &Tree) -> Storage {
    let table = tree.text("proc/self/mountinfo").unwrap_or_default();
    let chain = Line::on(&table, "/").and_then(|line| chain::of_mount(tree, &line));
    let chain = chain.unwrap_or_default();
    Storage {
        mounts: mounts(&table),
        iscsi: iscsi(tree),
        fabrics: fabrics(tree),
        drbd: drbd(tree),
        degraded: tree.names("sys/block").iter().filter_map(|name| degraded(tree, name)).collect(),
        lockspaces: tree.names("sys/kernel/dlm"),
        swaps: swaps(tree, &table),
        locked: locked::read(tree, &chain.crypts),
        root: root(&table, chain),
    }
}

fn mounts(table: &str) -> Vec<Mount> {
    let lines = table.lines().filter_map(Line::parse);
    let network = lines.filter(|(_, line)| NETWORK.contains(&&*line.kind));
    network.map(|(place, line)| Mount { kind: line.kind, place }).collect()
}

fn root(table: &str, chain: Chain) -> Root {
    let kind = Line::on(table, "/").map(|line| line.kind).unwrap_or_default();
    let over_network = chain.over_network || NETWORK.contains(&&*kind);
    let mut modules = chain.modules;
    if !kind.is_empty() && !MEMORY.contains(&&*kind) {
        // One module drives all three of them.
        let module = if ["ext2", "ext3"].contains(&&*kind) { "ext4" } else { &kind };
        modules.insert(0, module.to_owned());
    }
    Root { kind, modules, over_network }
}

fn iscsi(tree: &Tree) -> Vec<String> {
    const SESSIONS: &str = "sys/class/iscsi_session";
    let sessions = tree.names(SESSIONS).into_iter();
    sessions.filter_map(|session| tree.line(&format!("{SESSIONS}/{session}/targetname"))).collect()
}

fn fabrics(tree: &Tree) -> Vec<String> {
    const CONTROLLERS: &str = "sys/class/nvme";
    let controllers = tree.names(CONTROLLERS).into_iter();
    let found = controllers.filter_map(|name| {
        let transport = tree.line(&format!("{CONTROLLERS}/{name}/transport"))?;
        ["tcp", "rdma", "fc"].contains(&&*transport).then(|| format!("{name} ({transport})"))
    });
    found.collect()
}

/// Without a size it is not attached.
fn drbd(tree: &Tree) -> Vec<String> {
    let disks = tree.names("sys/block").into_iter().filter(|name| name.starts_with("drbd"));
    disks.filter(|name| tree.number(&format!("sys/block/{name}/size")) > Some(0)).collect()
}

fn degraded(tree: &Tree, name: &str) -> Option<String> {
    let md = format!("sys/block/{name}/md");
    let missing = tree.number(&format!("{md}/degraded")).unwrap_or(0);
    let action = tree.line(&format!("{md}/sync_action")).unwrap_or_default();
    if ["recover", "resync", "reshape"].contains(&&*action) {
        return Some(format!("array {name} is being rebuilt ({action})"));
    }
    (missing > 0).then(|| format!("array {name} lacks {missing} of its members"))
}

/// Swap whose device, or whose file, lies on a network.
fn swaps(tree: &Tree, table: &str) -> Vec<String> {
    let text = tree.text("proc/swaps").unwrap_or_default();
    let paths = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    paths.filter(|path| is_on_network(tree, table, path)).map(str::to_owned).collect()
}

fn is_on_network(tree: &Tree, table: &str, path: &str) -> bool {
    match path.strip_prefix("/dev/") {
        Some(name) => chain::of_device(tree, name).is_some_and(|chain| chain.over_network),
        None => mounts(table).iter().any(|mount| is_below(path, &mount.place)),
    }
}

fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| place == "/" || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_lies_on_what_is_mounted_above_it() {
        assert!(is_below("/srv/swap", "/srv") && is_below("/swap", "/"));
        assert!(!is_below("/srv2/swap", "/srv") && !is_below("/swap", "/srv"));
    }
}
