//! What lies below a block device: the devices that it is made of, down to the bus, and
//! the modules that drive them.
//!
//! Bounded: sysfs has no circles, but a directory that stands for it may.

use super::Tree;
use crate::sys::mounted::Line;

/// Devices that lie on one another.
const MAX_DEPTH: usize = 8;
/// Devices that are looked at in all.
const MAX_DEVICES: usize = 64;

/// What was found, from the top.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Names of the modules, each once.
    pub(super) modules: Vec<String>,
    /// Names of the encrypted volumes among them.
    pub(super) crypts: Vec<String>,
    /// Whether a network lies between.
    pub(super) over_network: bool,
    looked_at: usize,
}

/// Below a file system. One with several devices has numbers of its own, and names one
/// of them as its source.
pub(super) fn of_mount(tree: &Tree, line: &Line) -> Option<Chain> {
    let by_number = tree.resolve(&format!("sys/dev/block/{}", line.numbers));
    match by_number {
        Some(device) => Some(below(tree, &device)),
        None => of_device(tree, line.source.strip_prefix("/dev/")?),
    }
}

/// Below a device by its name in /dev, which may be a link.
pub(super) fn of_device(tree: &Tree, name: &str) -> Option<Chain> {
    let named = tree.resolve(&format!("sys/class/block/{}", name.replace('/', "!")));
    let device = named.or_else(|| {
        let linked = tree.target_name(&format!("dev/{name}"))?;
        tree.resolve(&format!("sys/class/block/{linked}"))
    });
    device.map(|device| below(tree, &device))
}

fn below(tree: &Tree, device: &str) -> Chain {
    let mut chain = Chain::default();
    chain.look(tree, device, MAX_DEPTH);
    chain
}

impl Chain {
    /// At a device's directory, from the root of the tree.
    fn look(&mut self, tree: &Tree, device: &str, depth: usize) {
        self.looked_at = self.looked_at.saturating_add(1);
        let Some(depth) = depth.checked_sub(1).filter(|_| self.looked_at <= MAX_DEVICES) else {
            return;
        };
        self.over_network |= is_remote(device);
        self.mapped(tree, device);
        self.transported(tree, device);
        self.drivers(tree, device);
        for lower in lower(tree, device) {
            self.look(tree, &lower, depth);
        }
    }

    /// What the device mapper, or md, makes of others.
    fn mapped(&mut self, tree: &Tree, device: &str) {
        if let Some(uuid) = tree.line(&format!("{device}/dm/uuid")) {
            self.add("dm_mod");
            if uuid.starts_with("CRYPT-") {
                self.add("dm_crypt");
                self.crypts.extend(tree.line(&format!("{device}/dm/name")));
            }
            if uuid.starts_with("mpath-") {
                self.add("dm_multipath");
            }
        }
        let level = tree.line(&format!("{}/md/level", disk(tree, device)));
        match level.as_deref() {
            Some("raid4" | "raid5" | "raid6") => self.add("raid456"),
            Some(level) => self.add(level),
            None => {}
        }
    }

    /// What carries NVMe over a network.
    fn transported(&mut self, tree: &Tree, controller: &str) {
        let transport = tree.line(&format!("{controller}/transport")).unwrap_or_default();
        if ["tcp", "rdma", "fc"].contains(&&*transport) {
            self.add(&format!("nvme_{transport}"));
        }
    }

    /// The drivers of the device, and of those that its path goes through.
    fn drivers(&mut self, tree: &Tree, device: &str) {
        let mut rest = Some(device);
        while let Some(path) = rest.filter(|path| path.starts_with("sys/devices/")) {
            if let Some(module) = tree.target_name(&format!("{path}/driver/module")) {
                self.add(&module);
            }
            rest = path.rsplit_once('/').map(|(above, _)| above);
        }
    }

    fn add(&mut self, module: &str) {
        let module = module.replace('-', "_");
        if !self.modules.contains(&module) {
            self.modules.push(module);
        }
    }
}

/// A partition's disk; the device itself where it is none.
fn disk<'a>(tree: &Tree, device: &'a str) -> &'a str {
    let above = device.rsplit_once('/').map(|(above, _)| above);
    above.filter(|_| tree.has(&format!("{device}/partition"))).unwrap_or(device)
}

/// The devices that this one is made of.
fn lower(tree: &Tree, device: &str) -> Vec<String> {
    let disk = disk(tree, device);
    let slaves = format!("{disk}/slaves");
    let mut found: Vec<String> = tree
        .names(&slaves)
        .iter()
        .filter_map(|name| tree.resolve(&format!("{slaves}/{name}")))
        .collect();
    // A namespace that several controllers may reach lies beside them.
    if let Some((subsystem, _)) = disk.rsplit_once('/').filter(|_| disk.contains("/nvme-subsys")) {
        let names = tree.names(subsystem);
        let controllers = names.iter().map(|name| format!("{subsystem}/{name}"));
        let controllers = controllers.filter(|path| tree.has(&format!("{path}/transport")));
        found.extend(controllers.filter_map(|path| tree.resolve(&path)));
    }
    found
}

/// iSCSI's sessions, NVMe's fabrics, and devices that are another machine's.
fn is_remote(device: &str) -> bool {
    let mut parts = device.split('/');
    let name = device.rsplit('/').next().unwrap_or_default();
    let is_there = ["nbd", "rbd", "drbd"].iter().any(|kind| name.starts_with(kind));
    is_there || parts.any(|part| part == "nvme-fabrics" || is_session(part))
}

fn is_session(part: &str) -> bool {
    let number = part.strip_prefix("session");
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machines_device_is_known_by_its_path() {
        for remote in [
            "sys/devices/platform/host3/session1/target3:0:0/3:0:0:1/block/sdb",
            "sys/devices/virtual/nvme-fabrics/ctl/nvme1",
            "sys/devices/virtual/block/nbd0",
            "sys/devices/virtual/block/drbd1",
        ] {
            assert!(is_remote(remote), "{remote}");
        }
        for local in [
            "sys/devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1",
            "sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda",
            "sys/devices/virtual/block/dm-0",
        ] {
            assert!(!is_remote(local), "{local}");
        }
    }
}
