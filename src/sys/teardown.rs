//! What PID 1 takes apart before the jump, so that no device is still at work
//! for the old kernel when the new one finds it.
//!
//! Best effort: every fault is a sentence for the console and keeps nothing from
//! going on. Nothing here is for a running system.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use nix::libc;

use super::{Error, file, mount};

/// struct dm_ioctl of include/uapi/linux/dm-ioctl.h; only its first words are
/// not zero for DM_REMOVE_ALL.
#[repr(C)]
struct DmIoctl {
    version: [u32; 3],
    data_size: u32,
    data_start: u32,
    rest: [u32; 73],
}

nix::ioctl_readwrite!(
    /// DM_REMOVE_ALL.
    dm_remove_all,
    0xfd,
    1,
    DmIoctl
);

/// Swap off, file systems off, device mapper and md arrays apart, drivers off
/// their devices, in this order; gives what did not work.
#[must_use]
pub(super) fn all(unbind: &[String]) -> Vec<String> {
    let mut faults = swap_off();
    faults.extend(mount::release_all());
    faults.extend(remove_device_mapper().err());
    faults.extend(stop_arrays());
    faults.extend(unbind.iter().flat_map(|driver| unbind_driver(driver)));
    faults.iter().map(ToString::to_string).collect()
}

fn swap_off() -> Vec<Error> {
    let swaps = file::read_text("/proc/swaps").unwrap_or_default();
    let paths = swaps.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().next());
    paths.map(mount::unescape).filter_map(|path| swap_off_one(&path).err()).collect()
}

fn swap_off_one(path: &str) -> Result<(), Error> {
    let what = format!("swapoff {path}");
    let name = match CString::new(path) {
        Ok(name) => name,
        Err(error) => return Err(Error::new(what, io::Error::from(error))),
    };
    // SAFETY: the string is NUL-terminated and lives through the call.
    if unsafe { libc::swapoff(name.as_ptr()) } == 0 { Ok(()) } else { Err(Error::last(what)) }
}

/// Without device mapper there is nothing to remove.
fn remove_device_mapper() -> Result<(), Error> {
    const CONTROL: &str = "/dev/mapper/control";
    let Ok(control) = File::options().read(true).write(true).open(CONTROL) else { return Ok(()) };
    let size = u32::try_from(size_of::<DmIoctl>()).unwrap_or(0);
    let mut request =
        DmIoctl { version: [4, 0, 0], data_size: size, data_start: size, rest: [0; 73] };
    // SAFETY: the kernel reads and writes at most data_size bytes, which is the
    // size of the structure.
    unsafe { dm_remove_all(control.as_raw_fd(), &raw mut request) }
        .map_err(|errno| Error::new("removing device mapper devices", errno))?;
    Ok(())
}

/// Linux, Documentation/admin-guide/md.rst, array_state.
fn stop_arrays() -> Vec<Error> {
    let arrays = file::names("/sys/block").unwrap_or_default();
    let arrays = arrays.iter().filter(|name| name.starts_with("md"));
    arrays.filter_map(|name| stop_array(name).err()).collect()
}

fn stop_array(name: &str) -> Result<(), Error> {
    file::write_text(&format!("/sys/block/{name}/md/array_state"), "clear")
}

/// Takes a driver off all its devices, on whichever bus it is.
fn unbind_driver(driver: &str) -> Vec<Error> {
    let buses = file::names("/sys/bus").unwrap_or_default();
    let folders = buses.iter().map(|bus| format!("/sys/bus/{bus}/drivers/{driver}"));
    let folders: Vec<_> = folders.filter(|folder| file::names(folder).is_ok()).collect();
    if folders.is_empty() {
        let none = io::Error::other("there is no such driver");
        return vec![Error::new(format!("unbinding {driver}"), none)];
    }
    folders.iter().flat_map(|folder| unbind_all(folder)).collect()
}

/// The devices of a driver are the links in its directory, but for `module`.
fn unbind_all(folder: &str) -> Vec<Error> {
    let names = file::names(folder).unwrap_or_default();
    let devices = names.iter().filter(|name| is_device(folder, name));
    let unbind = format!("{folder}/unbind");
    devices.filter_map(|device| file::write_text(&unbind, device).err()).collect()
}

fn is_device(folder: &str, name: &str) -> bool {
    name != "module" && std::path::Path::new(folder).join(name).is_symlink()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_has_the_size_that_the_number_of_the_call_says() {
        let size = (linux_raw_sys::ioctl::DM_REMOVE_ALL >> 16) & 0x3fff;
        assert_eq!(u32::try_from(size_of::<DmIoctl>()), Ok(size));
    }

    #[test]
    fn a_driver_that_is_not_there_is_said() {
        let faults = unbind_driver("turnout-no-such-driver");
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["unbinding turnout-no-such-driver: there is no such driver"]);
    }
}
