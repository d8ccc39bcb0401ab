//! Which drivers are taken off their devices before the jump, by rule.
//!
//! At a kexec Linux calls `.shutdown` of each driver that has one. Of the others it only
//! forbids the device to reach memory by itself, which does not quiesce the firmware in
//! it (Launchpad bug 1869948); what a driver does when it is unbound does. Which drivers
//! have no `.shutdown` mkinitramfs reads from the modules that it packs
//! (`no-shutdown` in the table); [`QUIRKS`] are the exceptions, each with its source.
//! What the image's configuration says comes before both.
//!
//! Pure. It must never name what the last line on the console needs, what a watchdog
//! that is armed over the jump hangs on, or what boards live on (clocks, regulators).

use super::class::Class;
use super::table::Driver;

/// A module whose drivers leave their devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving<'t> {
    /// Its name, with `_`.
    pub module: &'t str,
    /// Why, for a sentence that ends with it.
    pub why: &'static str,
}

/// What becomes of a driver whatever its module says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quirk {
    Unbind(&'static str),
    Keep,
}

const NO_SHUTDOWN: &str = "it has no .shutdown";

const QUIRKS: [(&str, Quirk); 7] = [
    // The card wrote into the next kernel's initrd; with the module taken out it did not:
    // Launchpad bug 1869948.
    ("ena", Quirk::Unbind("Launchpad bug 1869948")),
    // The firmware went on over the jump: open-power/op-build issue 538.
    ("mlx5_core", Quirk::Unbind("op-build issue 538")),
    // The next kernel's probe found channels at work: kexec list, 2009.
    ("ioatdma", Quirk::Unbind("it breaks the next probe")),
    // BMCs' keyboards were dead afterwards: zfsbootmenu issue 504. Each has a .shutdown.
    ("xhci_pci", Quirk::Keep),
    ("xhci_hcd", Quirk::Keep),
    // Every start resets its device (Virtual I/O Device 1.2, 3.1.1).
    ("virtio_pci", Quirk::Keep),
    // Every driver of libata: taking it off has sd stop the disk (drivers/scsi/sd.c,
    // `sd_shutdown`), and the next system waits until it turns again. An ATA
    // controller does nothing that nobody has asked it to.
    ("libata", Quirk::Keep),
];

/// The modules that are to leave their devices, in the table's order; `kept` are names
/// of modules that the image has stay, or `all` for every one.
#[must_use]
pub fn leaving<'t>(table: &'t [Driver<'t>], kept: &[String]) -> Vec<Leaving<'t>> {
    let by_quirk = QUIRKS.iter().filter_map(|(module, quirk)| match quirk {
        Quirk::Unbind(why) => Some(Leaving { module, why }),
        Quirk::Keep => None,
    });
    let by_rule = table.iter().filter(|driver| driver.no_shutdown && is_left(driver));
    let by_rule = by_rule.map(|driver| Leaving { module: &driver.name, why: NO_SHUTDOWN });
    by_quirk.chain(by_rule).filter(|one| !is_kept(one.module, kept)).collect()
}

fn is_kept(module: &str, kept: &[String]) -> bool {
    kept.iter().any(|one| one == "all" || one == module)
}

/// Whether a driver without `.shutdown` is taken off.
fn is_left(driver: &Driver<'_>) -> bool {
    let is_of_class = matches!(
        driver.class,
        Class::Storage | Class::Usb | Class::Mmc | Class::Network | Class::Other
    );
    is_of_class && !QUIRKS.iter().any(|(module, _)| is_on(driver, module))
}

/// Whether a driver is this module, or one on top of it.
fn is_on(driver: &Driver<'_>, module: &str) -> bool {
    driver.name == module || driver.needs.contains(&module)
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    const TABLE: &str = "turnout-drivers 1\n\
        driver kernel/drivers/scsi/sym53c8xx_2/sym53c8xx.ko\nclass storage\nneeds scsi_mod\nno-shutdown\n\
        driver kernel/drivers/scsi/megaraid/megaraid_sas.ko\nclass storage\n\
        driver kernel/drivers/ata/ata_piix.ko\nclass storage\nneeds scsi_mod libata\nno-shutdown\n\
        driver kernel/drivers/usb/host/xhci-pci.ko\nclass usb\nno-shutdown\n\
        driver kernel/drivers/watchdog/i6300esb.ko\nclass watchdog\nno-shutdown\n\
        driver kernel/drivers/gpu/drm/nouveau/nouveau.ko\nclass display\nno-shutdown\n\
        driver kernel/drivers/clk/clk-x.ko\nclass platform\nno-shutdown\n\
        driver kernel/drivers/net/ethernet/mellanox/mlx5_core.ko\nclass network\n\
        driver kernel/drivers/mmc/host/sdhci-pci.ko\nclass mmc\nno-shutdown\n";

    fn modules(kept: &[&str]) -> Vec<String> {
        let table = table::parse(TABLE).unwrap();
        let kept: Vec<String> = kept.iter().map(|&name| name.to_owned()).collect();
        leaving(&table, &kept).iter().map(|one| one.module.to_owned()).collect()
    }

    #[test]
    fn what_has_no_shutdown_leaves_but_for_what_the_jump_needs() {
        let expected = ["ena", "mlx5_core", "ioatdma", "sym53c8xx", "sdhci_pci"];
        assert_eq!(modules(&[]), expected);
    }

    #[test]
    fn an_image_keeps_what_it_names() {
        let expected = ["ena", "mlx5_core", "ioatdma", "sdhci_pci"];
        assert_eq!(modules(&["sym53c8xx", "nothing"]), expected);
        assert_eq!(modules(&["all"]), [""; 0]);
    }

    #[test]
    fn a_quirk_is_there_once_and_says_why() {
        for (at, (module, quirk)) in QUIRKS.iter().enumerate() {
            assert!(!QUIRKS[..at].iter().any(|(other, _)| other == module), "{module}");
            assert!(!module.contains('-'), "{module}");
            assert!(!matches!(quirk, Quirk::Unbind("")), "{module}");
        }
    }
}
