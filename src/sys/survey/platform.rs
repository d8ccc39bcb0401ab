//! Which machine it is, and which kernel runs there.

use super::Tree;
use crate::base::arch::Arch;
use crate::check::facts::Platform;
use crate::sys::arch;

const DEVICE_TREE: &str = "sys/firmware/devicetree/base";
/// Nodes that lie in one another.
const MAX_DEPTH: usize = 4;
/// The first processor's lines stand at the front.
const MAX_CPUINFO: u64 = 4096;

pub(super) fn read(tree: &Tree) -> Platform {
    let dmi = |name: &str| tree.line(&format!("sys/class/dmi/id/{name}")).unwrap_or_default();
    Platform {
        arch: native(tree),
        build: tree.line("proc/sys/kernel/version").unwrap_or_default(),
        cmdline: tree.line("proc/cmdline").unwrap_or_default(),
        vendor: dmi("sys_vendor"),
        product: dmi("product_name"),
        chassis: dmi("chassis_asset_tag"),
        processor: processor(&tree.start("proc/cpuinfo", MAX_CPUINFO)),
        has_efi: tree.has("sys/firmware/efi"),
        has_its: has_its(tree),
    }
}

/// Kernels say it since 6.1.
fn native(tree: &Tree) -> Option<Arch> {
    match tree.line("proc/sys/kernel/arch") {
        Some(name) => Arch::parse(&name),
        None => tree.is_live().then(arch::native),
    }
}

/// arm64 has no names of models there.
fn processor(cpuinfo: &str) -> String {
    let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let model = lines.find(|(key, _)| key.trim() == "model name");
    model.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// An ITS is a part of the interrupt controller, which lies on a bus or beside it.
fn has_its(tree: &Tree) -> bool {
    any_below(tree, DEVICE_TREE, MAX_DEPTH)
}

fn any_below(tree: &Tree, node: &str, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let nodes = tree.names(node).into_iter().map(|name| format!("{node}/{name}"));
    let mut nodes = nodes.filter(|child| tree.has(&format!("{child}/compatible")));
    nodes.any(|child| is_its(tree, &child) || any_below(tree, &child, depth))
}

fn is_its(tree: &Tree, node: &str) -> bool {
    let property = |name: &str| tree.line(&format!("{node}/{name}")).unwrap_or_default();
    let is_off = property("status").starts_with("disabled");
    !is_off && property("compatible").split('\0').any(|name| name == "arm,gic-v3-its")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_processor_is_named() {
        let text = "processor\t: 0\nmodel\t\t: 156\nmodel name\t: Intel(R) N5105 @ 2.00GHz\n";
        assert_eq!(processor(text), "Intel(R) N5105 @ 2.00GHz");
        assert_eq!(processor("processor\t: 0\nBogoMIPS\t: 125.00\n"), "");
    }
}
