//! Devices whose drivers wait for another device, as the kernel tells of them: in
//! debugfs, or where there is none, by the links between them (Linux,
//! Documentation/ABI/testing/sysfs-devices-supplier and sysfs-class-devlink).

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::file;
use crate::drivers::deferred::{self, Deferred};
use crate::drivers::device::Device;

const DEBUGFS: &str = "/sys/kernel/debug";

/// `mount(2)`, `umount2(2)`: all that wait; `devices` are those that may.
#[must_use]
pub fn all(devices: &[Device]) -> Vec<Deferred> {
    let told = by_debugfs();
    told.unwrap_or_else(|| {
        devices.iter().filter_map(by_links).take(deferred::MAX_DEVICES).collect()
    })
}

/// For PID 1: mounts debugfs as long as it is read.
fn by_debugfs() -> Option<Vec<Deferred>> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    mount(Some("debugfs"), DEBUGFS, Some("debugfs"), flags, None::<&str>).ok()?;
    let text = file::read_text([DEBUGFS, "/devices_deferred"].concat());
    let _ = umount2(DEBUGFS, MntFlags::MNT_DETACH);
    Some(deferred::parse(&text.ok()?))
}

/// A link to a supplier that has no driver is dormant.
fn by_links(device: &Device) -> Option<Deferred> {
    let place = ["/sys", &device.path].concat();
    let names = device.driver.is_none().then(|| file::names(&place))?.ok()?;
    let links = names.iter().filter_map(|name| Some((name, name.strip_prefix("supplier:")?)));
    let mut dormant = links.filter(|(name, _)| {
        let status = file::read_line([&place, "/", name, "/status"].concat());
        status.is_ok_and(|status| status == "dormant")
    });
    // Bus and name.
    let (_, supplier) = dormant.next()?.1.split_once(':')?;
    let reason = ["wait for supplier ", supplier].concat();
    Some(Deferred { device: device.name().to_owned(), reason })
}
