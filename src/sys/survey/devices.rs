//! Devices and their drivers. Specification: Linux, Documentation/ABI/testing/sysfs-bus-pci,
//! sysfs-uevent and sysfs-kernel-iommu_groups.

use super::Tree;
use crate::check::facts::{Bound, Devices};
use crate::drivers::deferred;
use crate::drivers::device::Device;
use crate::drivers::event::Event;

/// What a disk, or the controller of one, is on.
const BUSES: [&str; 9] =
    ["amba", "mmc", "pci", "platform", "scsi", "usb", "virtio", "vmbus", "xen"];
/// Most devices of a bus that are looked at.
const MOST: usize = 1024;
const PCI: &str = "sys/bus/pci/devices";

pub(super) fn read(tree: &Tree) -> Devices {
    let bound = tree.names(PCI).into_iter().filter_map(|address| bound(tree, address)).collect();
    let modules = tree.text("proc/modules").unwrap_or_default();
    let names = modules.lines().filter_map(|line| line.split(' ').next());
    let deferred = tree.text("sys/kernel/debug/devices_deferred").unwrap_or_default();
    Devices {
        bound,
        modules: names.map(str::to_owned).collect(),
        unbound: BUSES.iter().flat_map(|bus| unbound(tree, bus)).collect(),
        deferred: deferred::parse(&deferred),
    }
}

fn unbound(tree: &Tree, bus: &str) -> Vec<Device> {
    let place = format!("sys/bus/{bus}/devices");
    let names = tree.names(&place).into_iter().take(MOST);
    let unbound = names.filter(|name| tree.link(&format!("{place}/{name}/driver")).is_none());
    let devices = unbound.filter_map(|name| {
        let uevent = tree.text(&format!("{place}/{name}/uevent"))?;
        let modalias = Event::of_file(uevent.as_bytes()).modalias.to_owned();
        Some(Device { path: name, subsystem: bus.to_owned(), modalias, driver: None })
    });
    devices.filter(|device| !device.modalias.is_empty()).collect()
}

fn bound(tree: &Tree, address: String) -> Option<Bound> {
    let device = format!("{PCI}/{address}");
    let driver = tree.target_name(&format!("{device}/driver"))?;
    let class = tree.number(&format!("{device}/class"))?;
    let domain = tree.line(&format!("{device}/iommu_group/type"));
    Some(Bound {
        address,
        class: u32::try_from(class).ok()?,
        driver,
        module: tree.target_name(&format!("{device}/driver/module")),
        functions: tree.number(&format!("{device}/sriov_numvfs")).unwrap_or(0),
        translated: domain.is_some_and(|domain| domain.starts_with("DMA")),
    })
}
