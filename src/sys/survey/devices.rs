//! Devices on PCI. Specification: Linux, Documentation/ABI/testing/sysfs-bus-pci and
//! sysfs-kernel-iommu_groups.

use super::Tree;
use crate::check::facts::{Bound, Devices};

const PCI: &str = "sys/bus/pci/devices";

pub(super) fn read(tree: &Tree) -> Devices {
    let bound = tree.names(PCI).into_iter().filter_map(|address| bound(tree, address)).collect();
    let modules = tree.text("proc/modules").unwrap_or_default();
    let names = modules.lines().filter_map(|line| line.split(' ').next());
    Devices { bound, modules: names.map(str::to_owned).collect() }
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
