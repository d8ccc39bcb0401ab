//! Machines that QEMU cannot be: from what their devices say of themselves follows which
//! drivers of an image are loaded, and in which order. The devices are described as their
//! buses do it (`tests/boot/described`): no recording of such a machine was at hand. The
//! image is a real one.

use anyhow::{Context, Result, ensure};
use core::time::Duration;
use turnout::base::arch::Arch;
use turnout::drivers::matching::drivers_for;
use turnout::drivers::queue::{Queue, Rank, State};
use turnout::drivers::table::{self, Driver};

const HEADING: &[u8] = b"turnout-drivers ";

/// The end of a file of text, and how an archive's next header begins (cpio(5), newc).
const NEXT_FILE: &[u8] = b"\n070701";

/// A machine's devices, and what has to be loaded for them, in this order.
struct Described {
    name: &'static str,
    devices: &'static str,
    drivers: &'static [&'static str],
}

/// Those that Debian's kernels of both architectures run on have the same devices.
fn machines(arch: Arch) -> Vec<Described> {
    let hyperv = Described {
        name: "Hyper-V",
        devices: include_str!("described/hyperv"),
        drivers: match arch {
            Arch::X86_64 => &["hv_vmbus", "hv_storvsc", "hyperv_keyboard", "hid_hyperv", "sd_mod"],
            Arch::Aarch64 => &["hv_vmbus", "hv_storvsc", "sd_mod"],
        },
    };
    let xen = Described {
        name: "Xen",
        devices: include_str!("described/xen"),
        drivers: &["xen_blkfront"],
    };
    vec![hyperv, xen]
}

/// The table of an image that is not compressed has the drivers of all these machines.
pub(crate) fn check(image: &[u8], arch: Arch) -> Result<()> {
    let text = table_in(image)?;
    let drivers = table::parse(text).map_err(|error| anyhow::anyhow!("{error}"))?;
    machines(arch).iter().try_for_each(|machine| {
        let loaded = loaded(&drivers, machine.devices);
        let wanted: Vec<&str> =
            loaded.iter().copied().filter(|name| machine.drivers.contains(name)).collect();
        ensure!(
            wanted == machine.drivers,
            "on {} these are loaded: {}; wanted are, in this order: {}",
            machine.name,
            loaded.join(" "),
            machine.drivers.join(" ")
        );
        Ok(())
    })
}

fn table_in(image: &[u8]) -> Result<&str> {
    let start = image.windows(HEADING.len()).position(|part| part == HEADING);
    let text = image.get(start.context("the image has no table of drivers")?..).unwrap_or_default();
    // Up to three bytes of padding, or none, are between a file and the next one's header.
    let next = text.windows(NEXT_FILE.len()).position(|part| part == NEXT_FILE);
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let end = next.map_or(end, |next| end.min(next.saturating_add(1)));
    Ok(str::from_utf8(text.get(..end).unwrap_or_default())?)
}

/// The drivers of a machine, in the order in which one worker loads them.
fn loaded<'t>(drivers: &'t [Driver<'t>], devices: &str) -> Vec<&'t str> {
    let mut queue = Queue::new(drivers);
    for modalias in devices.lines().filter_map(|line| line.strip_prefix("MODALIAS=")) {
        for place in drivers_for(drivers, modalias) {
            queue.want(place, Rank::Disk);
        }
    }
    let mut order = Vec::new();
    while let Some(place) = queue.next(Duration::ZERO) {
        order.extend(drivers.get(place).map(|driver| driver.name.as_str()));
        queue.ended(place, State::Loaded, Duration::ZERO);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "turnout-drivers 1\n\
        driver kernel/drivers/block/xen-blkfront.ko\nclass storage\nalias xen:vbd\n\
        driver kernel/drivers/scsi/hv_storvsc.ko\nclass storage\nneeds hv_vmbus\n\
        alias vmbus:d96361baa104294db60572e2ffb1dc7f\n\
        driver kernel/drivers/hv/hv_vmbus.ko\nclass hypervisor\nalias acpi*:VMBUS:*\n\
        driver kernel/drivers/scsi/sd_mod.ko\nclass storage\nalias scsi:t-0x00*\n";

    #[test]
    fn what_a_machine_needs_is_found_in_an_image_dependencies_first() {
        let image = [b"0707", TABLE.as_bytes(), b"\0\0trailer"].concat();
        check(&image, Arch::Aarch64).unwrap();
        let unpadded = [TABLE.as_bytes(), b"0707010000000a"].concat();
        check(&unpadded, Arch::Aarch64).unwrap();
    }

    #[test]
    fn an_image_without_a_machines_driver_is_told_by_the_machines_name() {
        let (without, _) = TABLE.split_once("driver kernel/drivers/scsi/sd_mod.ko").unwrap();
        let error = check(without.as_bytes(), Arch::Aarch64).unwrap_err().to_string();
        assert_eq!(
            error,
            "on Hyper-V these are loaded: hv_vmbus hv_storvsc; wanted are, in this order: \
             hv_vmbus hv_storvsc sd_mod"
        );
        assert!(check(b"no table", Arch::Aarch64).is_err());
    }
}
