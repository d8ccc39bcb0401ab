//! The devices that may have drivers: those of the buses, by their `uevent` files
//! (Linux, Documentation/ABI/testing/sysfs-bus-* and sysfs-uevent).
//!
//! Not by their `modalias` files: cards in a reader have none. Nothing is written here,
//! so that no device is announced again to whoever else listens.

use super::file;
use crate::drivers::device::Device;
use crate::drivers::event::Event;

const BUSES: &str = "/sys/bus";
/// Buses of what needs no driver, and of which there may be thousands.
const PASSED: [&str; 6] =
    ["clockevents", "clocksource", "event_source", "memory", "node", "workqueue"];
/// Most devices that are looked at.
const MAX: usize = 16_384;
/// The kernel's own bound is a page.
const MAX_UEVENT: u64 = 4096;

/// `/sys/bus`: all of them.
#[must_use]
pub fn all() -> Vec<Device> {
    below(BUSES)
}

#[inline(never)]
fn below(buses: &str) -> Vec<Device> {
    let mut devices = Vec::new();
    for bus in file::names(buses).unwrap_or_default() {
        if PASSED.contains(&bus.as_str()) {
            continue;
        }
        let place = [buses, "/", &bus, "/devices"].concat();
        for id in file::names(&place).unwrap_or_default() {
            if devices.len() >= MAX {
                return devices;
            }
            devices.extend(device(&place, &bus, &id));
        }
    }
    devices
}

/// None where it is gone already. What has a driver is not asked further: it may be at
/// its start for long, and kernels since 6.10 show no `uevent` file meanwhile.
fn device(place: &str, bus: &str, id: &str) -> Option<Device> {
    let link = [place, "/", id].concat();
    let driver = std::fs::read_link([&link, "/driver"].concat()).ok();
    let driver = driver.and_then(|driver| Some(driver.file_name()?.to_str()?.to_owned()));
    let mut modalias = String::new();
    if driver.is_none() {
        let text = file::read_first([&link, "/uevent"].concat().as_ref(), MAX_UEVENT).ok()?;
        Event::of_file(&text).modalias.clone_into(&mut modalias);
    }
    let path = path(&std::fs::read_link(link).ok()?)?;
    Some(Device { path, subsystem: bus.to_owned(), modalias, driver })
}

/// The place of a device that a link on its bus leads to.
fn path(link: &std::path::Path) -> Option<String> {
    let link = link.to_str()?.trim_start_matches("../");
    link.starts_with("devices/").then(|| ["/", link].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_by_its_uevent_file_which_is_not_read_where_it_has_a_driver() {
        let root = std::env::temp_dir().join(format!("turnout-devices-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        for (bus, id, text) in [
            ("mmc", "mmc0:0001", "MMC_TYPE=SD\nMODALIAS=mmc:block\n"),
            ("pci", "0000:00:1f.2", ""),
            ("memory", "memory0", "MODALIAS=x\n"),
        ] {
            let device = root.join("devices").join(id);
            std::fs::create_dir_all(&device).unwrap();
            if text.is_empty() {
                // Nobody writes into it: whoever opens it waits for ever.
                nix::unistd::mkfifo(&device.join("uevent"), nix::sys::stat::Mode::S_IRWXU).unwrap();
                std::os::unix::fs::symlink("../../bus/x/drivers/ahci", device.join("driver"))
                    .unwrap();
            } else {
                std::fs::write(device.join("uevent"), text).unwrap();
            }
            let links = root.join("bus").join(bus).join("devices");
            std::fs::create_dir_all(&links).unwrap();
            std::os::unix::fs::symlink(format!("../../../devices/{id}"), links.join(id)).unwrap();
        }
        std::os::unix::fs::symlink("../../../devices/gone", root.join("bus/pci/devices/gone"))
            .unwrap();
        let found = below(root.join("bus").to_str().unwrap());
        std::fs::remove_dir_all(&root).unwrap();
        let device = |id: &str, bus: &str, modalias: &str, driver: Option<&str>| Device {
            path: format!("/devices/{id}"),
            subsystem: bus.to_owned(),
            modalias: modalias.to_owned(),
            driver: driver.map(str::to_owned),
        };
        assert_eq!(
            found,
            [
                device("mmc0:0001", "mmc", "mmc:block", None),
                device("0000:00:1f.2", "pci", "", Some("ahci")),
            ]
        );
    }
}
