//! The processors. Specification: Linux, Documentation/ABI/testing/sysfs-devices-system-cpu;
//! ACPI 6.5, section 5.2.9 (FADT, ARM_BOOT_ARCH); Devicetree's bindings of arm's cpus.

use super::Tree;
use crate::check::facts::Cpus;

const CPUS: &str = "sys/devices/system/cpu";
const NODES: &str = "sys/firmware/devicetree/base/cpus";
const FADT: &str = "sys/firmware/acpi/tables/FACP";
/// Where it has the flags of arm.
const ARM_BOOT_ARCH: usize = 129;
const PSCI: u8 = 1;
/// Bytes of a table of ACPI, and of a property.
const MAX_TABLE: u64 = 4096;
/// No kernel has more.
const MAX_CPUS: u32 = 1 << 16;

pub(super) fn read(tree: &Tree) -> Cpus {
    let list = |name: &str| numbers(&tree.line(&format!("{CPUS}/{name}")).unwrap_or_default());
    let online = list("online");
    let mut offline = list("present");
    offline.retain(|cpu| !online.contains(cpu));
    let fadt = tree.bytes(FADT, MAX_TABLE);
    let nodes: Vec<Option<String>> = methods(tree);
    Cpus {
        possible: list("possible").len() as u64,
        online: online.len() as u64,
        offline: in_words(&offline),
        smt_off: tree.line(&format!("{CPUS}/smt/control")).is_some_and(|state| state == "off"),
        without_method: nodes.contains(&None),
        methods: once(nodes.into_iter().flatten()),
        acpi_psci: fadt.and_then(|table| Some(table.get(ARM_BOOT_ARCH)? & PSCI != 0)),
    }
}

/// How each processor in the device tree is started.
fn methods(tree: &Tree) -> Vec<Option<String>> {
    let nodes = tree.names(NODES).into_iter().filter(|name| name.starts_with("cpu@"));
    let property = |node: String| tree.line(&format!("{NODES}/{node}/enable-method"));
    nodes.map(|node| property(node).map(|text| text.trim_end_matches('\0').to_owned())).collect()
}

fn once(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = Vec::new();
    for name in names {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    known
}

/// A list as the kernel writes it, such as `0-3,8`.
fn numbers(list: &str) -> Vec<u32> {
    let parts = list.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<u32>().ok()?..=last.trim().parse::<u32>().ok()?.min(MAX_CPUS))
    });
    parts.flatten().collect()
}

/// The reverse.
fn in_words(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|left, right| left.checked_add(1) == Some(*right));
    let words = runs.filter_map(|run| match (run.first()?, run.last()?) {
        (first, last) if first == last => Some(first.to_string()),
        (first, last) => Some(format!("{first}-{last}")),
    });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_processors_is_read_and_written() {
        assert_eq!(numbers("0-2,8\n"), [0, 1, 2, 8]);
        for none in ["", "\n", "x", "3-", "5-2"] {
            assert_eq!(numbers(none), Vec::<u32>::new(), "{none}");
        }
        assert_eq!(numbers("0-4294967295").len(), 65537);
        assert_eq!(in_words(&[0, 1, 2, 8]), "0-2,8");
        assert_eq!(in_words(&[]), "");
    }
}
