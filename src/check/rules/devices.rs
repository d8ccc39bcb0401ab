//! Devices, whose drivers decide how they are left, and which a next system may not find.
//!
//! Specification: Linux, drivers/pci/pci-driver.c (`pci_device_shutdown`) and
//! Documentation/PCI/pci-iov-howto.rst.

use crate::check::facts::Bound;
use crate::check::{Facts, Row, Said, shell};
use crate::drivers::missing;

pub(super) const ROWS: &[Row] = &[
    Row::one("NO_SHUTDOWN", no_shutdown),
    Row::one("IOMMU_TRANSLATES", iommu_translates),
    Row::one("GPU_BOUND", gpu_bound),
    Row::one("VIRTUAL_FUNCTIONS", virtual_functions),
    Row::one("LENT_TO_GUEST", lent_to_guest),
    Row::one("NO_DRIVER", no_driver),
    Row::one("DEFERRED_PROBE", deferred_probe),
];

/// Lines of a kind, and names of modules of that kind.
const WITHOUT_SHUTDOWN: &str = include_str!("../data/without_shutdown.txt");

/// Of what virtual machines have: nothing is left behind in them.
const VIRTUAL_DISPLAYS: [&str; 8] =
    ["bochs", "bochs_drm", "cirrus", "hyperv_drm", "qxl", "vboxvideo", "virtio_pci", "vmwgfx"];

const DISPLAY: u32 = 3;

/// Most devices that one sentence names.
const MOST_NAMED: usize = 6;

fn no_shutdown(facts: &Facts) -> Option<Said> {
    let found = all(facts, is_without_shutdown);
    if found.is_empty() {
        return None;
    }
    let sentence = format!(
        "{}: the driver has no .shutdown, so nobody quiesces the device, which may go on writing \
         into memory",
        named(&found)
    );
    let unbind = unbind(&found);
    // A network card does so by itself, whenever a packet comes.
    let weight = if found.iter().any(|one| kind(one) == Some("network")) {
        Said::warns
    } else {
        Said::notes
    };
    weight(sentence, unbind)
}

/// What a device asks of memory by translated addresses means something else once the
/// translation has ended.
fn iommu_translates(facts: &Facts) -> Option<Said> {
    let found = all(facts, |one| one.translated && is_without_shutdown(one));
    if found.is_empty() {
        return None;
    }
    let sentence = format!(
        "{}: an IOMMU translates its addresses until the jump and the driver has no .shutdown, so \
         what it still writes goes anywhere",
        named(&found)
    );
    Said::warns(sentence, unbind(&found))
}

fn gpu_bound(facts: &Facts) -> Option<Said> {
    let found =
        all(facts, |one| one.base_class() == DISPLAY && !VIRTUAL_DISPLAYS.contains(&&*one.name()));
    if found.is_empty() {
        return None;
    }
    let sentence = format!(
        "{}: the graphics unit is not reset by a kexec; the screen may stay dark until its driver \
         is there again, and with some it does then too",
        named(&found)
    );
    Said::notes(sentence, "try it once with somebody at the machine")
}

fn virtual_functions(facts: &Facts) -> Option<Said> {
    let found = all(facts, |one| one.functions > 0);
    if found.is_empty() {
        return None;
    }
    let count: u64 = found.iter().map(|one| one.functions).fold(0, u64::saturating_add);
    let sentence = format!(
        "{}: {count} virtual functions are switched on, and the next kernel switches them off \
         while it starts, a second for each device",
        named(&found)
    );
    let lines = found
        .iter()
        .map(|one| format!("echo 0 > /sys/bus/pci/devices/{}/sriov_numvfs", one.address));
    Said::notes(sentence, lines.collect::<Vec<_>>().join("\n"))
}

fn lent_to_guest(facts: &Facts) -> Option<Said> {
    let found = all(facts, |one| one.name() == "vfio_pci");
    if found.is_empty() {
        return None;
    }
    let sentence =
        format!("{}: a virtual machine has the device, and loses it in the jump", named(&found));
    Said::notes(sentence, "stop the virtual machines first")
}

fn no_driver(facts: &Facts) -> Option<Said> {
    let found = facts.devices.unbound.iter().filter_map(missing::without_driver);
    let found: Vec<String> = found.take(MOST_NAMED).collect();
    let says = " has no driver here: what is on it nobody finds, and at a kexec nobody quiesces it";
    found.first()?;
    Said::notes([&found.join(", "), says].concat(), "")
}

fn deferred_probe(facts: &Facts) -> Option<Said> {
    let found = facts.devices.deferred.iter().take(MOST_NAMED).map(|one| one.told());
    let found: Vec<String> = found.collect();
    found.first()?;
    let sentence = [&found.join(", "), ": the driver waits for another device, or its driver"];
    Said::notes(sentence.concat(), "")
}

fn all(facts: &Facts, fits: impl Fn(&Bound) -> bool) -> Vec<&Bound> {
    facts.devices.bound.iter().filter(|one| fits(one)).collect()
}

fn is_without_shutdown(one: &Bound) -> bool {
    kind(one).is_some()
}

/// The kind of a driver without `.shutdown`.
fn kind(one: &Bound) -> Option<&'static str> {
    let name = one.name();
    let rows = WITHOUT_SHUTDOWN.lines().filter(|line| !line.starts_with('#'));
    let mut rows = rows.filter_map(|line| line.split_once(' '));
    let found = rows.find(|(_, names)| names.split(' ').any(|known| known == name));
    found.map(|(kind, _)| kind)
}

/// Such as `e1000 at 0000:00:03.0`, and how many more there are.
fn named(found: &[&Bound]) -> String {
    let shown: Vec<String> = found
        .iter()
        .take(MOST_NAMED)
        .map(|one| format!("{} at {}", one.name(), one.address))
        .collect();
    let more = found.len().saturating_sub(shown.len());
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// Lines for a program that systemd runs last of all, when no file system needs a disk.
fn unbind(found: &[&Bound]) -> String {
    let lines: Vec<String> = found.iter().map(|one| unbind_line(one)).collect();
    let lines = lines.join("\n");
    format!("in a program of /usr/lib/systemd/system-shutdown, which runs last:\n{lines}")
}

fn unbind_line(one: &Bound) -> String {
    let path = format!("/sys/bus/pci/drivers/{}/unbind", one.driver);
    format!("echo {} > {}", one.address, shell::word(&path))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use super::*;
    use crate::check::Weight;
    use crate::check::facts::Devices;
    use crate::drivers::deferred;
    use crate::drivers::device::Device;

    fn bound(class: u32, driver: &str) -> Bound {
        Bound {
            address: "0000:00:03.0".to_owned(),
            class,
            driver: driver.to_owned(),
            ..Bound::default()
        }
    }

    fn with(bound: Vec<Bound>) -> Facts {
        Facts { devices: Devices { bound, ..Devices::default() }, ..Facts::default() }
    }

    #[test]
    fn the_list_of_drivers_is_one_that_can_be_read() {
        let rows = WITHOUT_SHUTDOWN.lines().filter(|line| !line.starts_with('#'));
        for line in rows.filter(|line| !line.is_empty()) {
            let (kind, names) = line.split_once(' ').unwrap();
            assert!(["network", "storage", "display"].contains(&kind), "{line}");
            assert!(names.split(' ').all(|name| !name.is_empty() && !name.contains('-')), "{line}");
        }
    }

    #[test]
    fn a_card_that_nobody_quiesces_is_warned_of_with_the_line_that_takes_it_away() {
        let found = said("NO_SHUTDOWN", &with(vec![bound(0x02_0000, "8139cp")]));
        assert_eq!(found[0].weight, Weight::Warns);
        assert!(found[0].sentence.starts_with("8139cp at 0000:00:03.0: the driver has no"));
        assert!(
            found[0].remedy.ends_with("echo 0000:00:03.0 > /sys/bus/pci/drivers/8139cp/unbind")
        );
        let storage = said("NO_SHUTDOWN", &with(vec![bound(0x01_0000, "sym53c8xx")]));
        assert_eq!(storage[0].weight, Weight::Notes);
        for quiet in ["e1000e", "virtio-pci", "nvme", ""] {
            assert_eq!(said("NO_SHUTDOWN", &with(vec![bound(0x02_0000, quiet)])), [], "{quiet}");
        }
    }

    #[test]
    fn the_modules_name_counts_before_the_drivers() {
        let mut card = bound(0x02_0000, "other name");
        card.module = Some("alx".to_owned());
        assert!(sentence("NO_SHUTDOWN", &with(vec![card])).starts_with("alx at"));
    }

    #[test]
    fn translation_matters_where_nobody_quiesces_the_device() {
        let with_translation = |driver| {
            let device = Bound { translated: true, ..bound(0x02_0000, driver) };
            with(vec![device])
        };
        assert_eq!(said("IOMMU_TRANSLATES", &with_translation("alx")).len(), 1);
        assert_eq!(said("IOMMU_TRANSLATES", &with_translation("e1000e")), []);
        assert_eq!(said("IOMMU_TRANSLATES", &with(vec![bound(0x02_0000, "alx")])), []);
    }

    #[test]
    fn only_a_display_that_is_no_virtual_machines_counts() {
        assert_eq!(said("GPU_BOUND", &with(vec![bound(0x03_0000, "i915")])).len(), 1);
        assert_eq!(said("GPU_BOUND", &with(vec![bound(0x03_8000, "bochs-drm")])), []);
        assert_eq!(said("GPU_BOUND", &with(vec![bound(0x04_0300, "i915")])), []);
    }

    #[test]
    fn virtual_functions_are_counted() {
        let card = |functions| Bound { functions, ..bound(0x02_0000, "mlx5_core") };
        let found = sentence("VIRTUAL_FUNCTIONS", &with(vec![card(8), card(4), card(0)]));
        assert!(found.contains(": 12 virtual functions"), "{found}");
        assert_eq!(said("VIRTUAL_FUNCTIONS", &with(vec![card(0)])), []);
    }

    #[test]
    fn a_device_of_a_guest_is_said() {
        assert_eq!(said("LENT_TO_GUEST", &with(vec![bound(0x02_0000, "vfio-pci")])).len(), 1);
        assert_eq!(said("LENT_TO_GUEST", &with(vec![bound(0x02_0000, "igb")])), []);
    }

    #[test]
    fn a_controller_without_a_driver_and_one_that_waits_are_said() {
        let modalias = "pci:v00001000d00000097sv00001000sd00003090bc01sc07i00".to_owned();
        let device = Device {
            path: "0000:03:00.0".to_owned(),
            subsystem: "pci".to_owned(),
            modalias,
            driver: None,
        };
        let deferred = deferred::parse("fe340000.mmc\tplatform: wait for supplier clk\n");
        let devices = Devices { unbound: vec![device], deferred, ..Devices::default() };
        let facts = Facts { devices, ..Facts::default() };
        let found = sentence("NO_DRIVER", &facts);
        assert!(found.starts_with("pci 1000:0097 class 0107 (SAS controller) at 0000:03:00.0 has"));
        let found = sentence("DEFERRED_PROBE", &facts);
        assert!(
            found.starts_with("fe340000.mmc (platform: wait for supplier clk): the"),
            "{found}"
        );
        assert_eq!(said("NO_DRIVER", &with(Vec::new())), []);
        assert_eq!(said("DEFERRED_PROBE", &with(Vec::new())), []);
    }

    #[test]
    fn of_many_devices_some_are_named() {
        let found = sentence("LENT_TO_GUEST", &with(vec![bound(0x02_0000, "vfio-pci"); 9]));
        assert!(found.contains("0000:00:03.0 and 3 more: a virtual machine"), "{found}");
    }
}
