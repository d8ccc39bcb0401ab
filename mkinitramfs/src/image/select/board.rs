//! An image for a board, whose device tree says which devices it has.
//!
//! Parts of a device are devices of its driver's making, which no tree names. Drivers
//! that are called like a power controller come along; regulators that only such a driver
//! can make devices for always, for the controller's own driver may be built in; and all hosts
//! of USB, which cards behind a PCIe bridge and controllers of two roles have.

use anyhow::{Context as _, Result, ensure};
use turnout::fdt::Fdt;

use crate::image::binary;
use crate::image::facts::Facts;
use crate::image::modules::Tree;
use turnout::base::arch::Arch;

use super::rules::{self, is_for};
use super::{Picks, when_met};

/// Nodes on which disks hang, by how their names begin (Devicetree Specification v0.4,
/// section 2.2.2).
const DISKS: [&str; 8] = ["mmc", "sdhci", "sdmmc", "sata", "ufs", "usb", "pcie", "nvme"];

/// Folders below `kernel/drivers/` with nothing that a disk or a keyboard hangs on.
const NO_DISK: [&str; 27] = [
    "accessibility/",
    "bluetooth/",
    "char/hw_random/",
    "cpufreq/",
    "crypto/",
    "devfreq/",
    "edac/",
    "gpu/",
    "hwmon/",
    "hwtracing/",
    "iio/",
    "infiniband/",
    "input/touchscreen/",
    "leds/",
    "md/",
    "media/",
    "mtd/",
    "net/",
    "perf/",
    "power/supply/",
    "rtc/",
    "soundwire/",
    "staging/",
    "target/",
    "thermal/",
    "video/",
    "w1/",
];

/// Modules for the board of the device tree `dtb`, from the file `from`.
///
/// # Errors
/// It is no device tree, the kernel is for another machine, or a module cannot be read.
pub fn board(tree: &Tree, from: &str, dtb: &[u8]) -> Result<Picks> {
    let fdt = Fdt::parse(dtb).with_context(|| from.to_owned())?;
    let name = fdt.board().unwrap_or("a board").to_owned();
    let modules = tree.survey(may_matter)?;
    let is_arm = modules.iter().all(|one| binary::arch(one.machine) == Some(Arch::Aarch64));
    ensure!(is_arm, "{from} is for a board, and {} is not for arm64", tree.dir().display());
    let mut picks = Picks::default();
    for named in [
        rules::DISKS,
        rules::USB_DISKS,
        rules::USB_HOSTS,
        rules::COMMON_KEYBOARDS,
        rules::FILE_SYSTEMS,
        rules::MIRRORS,
    ] {
        let there = named.modules.iter().filter(|one| tree.has_module(one));
        picks.wanted.extend(there.map(|one| when_met(one, named.why)));
    }
    let parts = modules.iter().filter(|module| is_part_of_any(module));
    picks.wanted.extend(parts.map(|one| when_met(&one.name, "parts of power controllers")));
    for modalias in fdt.modaliases() {
        let mut is_met = !tree.builtin_matching(&modalias).is_empty();
        for module in modules.iter().filter(|module| module.matches(&modalias)) {
            is_met = true;
            picks.wanted.push(when_met(&module.name, &format!("{name} has {modalias}")));
            let parts = modules.iter().filter(|part| is_part(part, module));
            let why = format!("a part of {}", module.name);
            picks.wanted.extend(parts.map(|part| when_met(&part.name, &why)));
        }
        if !is_met && is_for_disks(&modalias) {
            picks.notes.push(format!(
                "{modalias} of {name}: no driver of this kernel says that it is for this"
            ));
        }
    }
    picks.notes.extend(picks.wanted.iter().map(|one| format!("{}: {}", one.word, one.why)));
    picks.notes.sort();
    picks.notes.dedup();
    Ok(picks)
}

/// Whether a board's disks or keyboards can want what lies there; a node that is there
/// and enabled is reason enough then.
fn may_matter(path: &str) -> bool {
    match path.strip_prefix("kernel/") {
        Some(below) => below
            .strip_prefix("drivers/")
            .is_some_and(|below| !NO_DISK.iter().any(|folder| below.starts_with(folder))),
        None => true,
    }
}

/// Whether only the driver of a power controller can make a device for it.
fn is_part_of_any(module: &Facts) -> bool {
    module.path.contains("/drivers/regulator/")
        && !module.aliases.is_empty()
        && module.aliases.iter().all(|alias| alias.starts_with("platform:"))
}

fn is_for_disks(modalias: &str) -> bool {
    let node = modalias.strip_prefix("of:N").unwrap_or_default();
    DISKS.iter().any(|begin| node.starts_with(begin))
}

/// Whether it is a part of a power controller, by a word that both names have.
fn is_part(part: &Facts, whole: &Facts) -> bool {
    let is_whole = whole.path.contains("/drivers/mfd/");
    let mut words = whole.name.split('_').filter(|word| word.len() > 4 && *word != "regulator");
    is_whole
        && part.name != whole.name
        && is_for(part, &["platform:"])
        && words.any(|word| part.name.split('_').any(|other| other == word))
}

#[cfg(test)]
mod tests {
    use super::super::rules::tests::module;
    use super::*;

    #[test]
    fn parts_of_a_power_controller_are_told_by_its_name() {
        let whole = module("kernel/drivers/mfd/rohm-bd718x7.ko", &[], &["of:N*T*Crohm,bd71837"]);
        let part = |path: &str| module(path, &[], &["platform:x"]);
        assert!(is_part(&part("kernel/drivers/regulator/bd718x7-regulator.ko"), &whole));
        assert!(!is_part(&part("kernel/drivers/regulator/axp20x-regulator.ko"), &whole));
        assert!(!is_part(&whole, &whole));
    }

    /// The driver of RK3399's controller is built into Debian's kernel.
    #[test]
    fn parts_that_no_node_names_come_along_by_themselves() {
        let part = |path: &str, alias| is_part_of_any(&module(path, &[], &[alias]));
        let regulator = "kernel/drivers/regulator/rk808-regulator.ko";
        assert!(part(regulator, "platform:rk808-regulator"));
        assert!(!part(regulator, "of:N*T*Cfcs,fan53555"));
        assert!(!part("kernel/drivers/rtc/rtc-rk808.ko", "platform:rk808-rtc"));
    }

    #[test]
    fn what_no_disk_hangs_on_is_not_looked_at() {
        assert!(may_matter("kernel/drivers/usb/misc/onboard_usb_dev.ko.xz"));
        assert!(may_matter("updates/dkms/usb.ko") && !may_matter("kernel/sound/core/snd.ko"));
        assert!(!may_matter("kernel/drivers/net/phy/realtek.ko"));
    }

    #[test]
    fn nodes_of_disks_are_told_by_name() {
        assert!(is_for_disks("of:NmmcT(null)Cbrcm,bcm2712-sdhci"));
        assert!(!is_for_disks("of:NgpuT(null)Cbrcm,v3d"));
    }
}
