//! What PID 1 takes apart before the jump, so that no device is still at work
//! for the old kernel when the new one finds it.
//!
//! Best effort: every fault is a sentence for the console and keeps nothing from
//! going on. Nothing here is for a running system.

use core::time::Duration;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use nix::libc;

use super::thread::{Job, Shelf, Work};
use super::{Error, clock, file, hung_tasks, mount};
use crate::drivers::leaving::Leaving;

/// How long a driver may take to let go of its devices.
const PATIENCE: Duration = Duration::from_secs(10);

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
/// their devices, in this order: those that are named, and those of the modules that are
/// to leave. Gives what did not work, and which module has left what.
#[must_use]
pub(super) fn all(unbind: &[String], leaving: &[Leaving<'_>]) -> Vec<String> {
    let mut faults = swap_off();
    faults.extend(mount::release_all());
    faults.extend(remove_device_mapper().err());
    faults.extend(stop_arrays());
    let mut said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    for driver in unbind {
        said.append(&mut unbind_driver(driver));
    }
    for one in leaving {
        said.append(&mut leave(one));
    }
    said
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

/// Takes a driver off all its devices, on whichever bus it is; gives what did not work.
fn unbind_driver(driver: &str) -> Vec<String> {
    let buses = file::names("/sys/bus").unwrap_or_default();
    let folders = buses.iter().map(|bus| format!("/sys/bus/{bus}/drivers/{driver}"));
    let folders: Vec<_> = folders.filter(|folder| file::names(folder).is_ok()).collect();
    if folders.is_empty() {
        return vec![["unbinding ", driver, ": there is no such driver"].concat()];
    }
    unbind(driver, folders, PATIENCE)
}

/// Takes the drivers of a module off their devices on PCI, where nobody else sees to it
/// that they come to rest (Linux, drivers/pci/pci-driver.c, `pci_device_shutdown`).
/// Says so, and what did not work; nothing where there are none.
fn leave(leaving: &Leaving<'_>) -> Vec<String> {
    let drivers = file::names(["/sys/module/", leaving.module, "/drivers"].concat());
    let drivers = drivers.unwrap_or_default();
    let drivers = drivers.iter().filter_map(|driver| driver.strip_prefix("pci:"));
    let folders: Vec<_> = drivers.map(|name| ["/sys/bus/pci/drivers/", name].concat()).collect();
    let devices: Vec<_> = folders.iter().flat_map(|folder| devices_of(folder)).collect();
    if devices.is_empty() {
        return Vec::new();
    }
    let mut said = unbind(leaving.module, folders, PATIENCE);
    if said.is_empty() {
        let devices = devices.join(" ");
        said.push([leaving.module, " is taken off ", &devices, ": ", leaving.why].concat());
    }
    said
}

/// The directories of drivers that are to leave all their devices.
struct Unbinding(Vec<String>);

impl Work for Unbinding {
    type Place = ();
    type Product<'p> = Vec<String>;

    fn run(self, _: &(), shelf: &Shelf<Vec<String>>) {
        let faults = self.0.iter().flat_map(|folder| unbind_all(folder));
        shelf.put(faults.map(|fault| fault.to_string()).collect());
    }
}

/// Has drivers leave their devices, and waits for so long; gives what did not work. What
/// has not ended goes on: the kernel waits for it at the jump, and resets the machine if
/// that never ends ([`super::hung_tasks`]).
fn unbind(name: &str, folders: Vec<String>, patience: Duration) -> Vec<String> {
    let Some(job) = Job::start(Unbinding(folders)) else {
        return vec![["unbinding ", name, ": there is no thread for it"].concat()];
    };
    if job.wait_until(clock::elapsed().saturating_add(patience)) {
        return job.finish(Option::unwrap_or_default);
    }
    hung_tasks::mind_all();
    let seconds = patience.as_secs().to_string();
    vec![
        ["unbinding ", name, " has not ended after ", &seconds, " s, and is not waited for"]
            .concat(),
    ]
}

fn unbind_all(folder: &str) -> Vec<Error> {
    let unbind = format!("{folder}/unbind");
    let devices = devices_of(folder);
    devices.iter().filter_map(|device| file::write_text(&unbind, device).err()).collect()
}

/// The devices of a driver are the links in its directory, but for `module`.
fn devices_of(folder: &str) -> Vec<String> {
    let mut names = file::names(folder).unwrap_or_default();
    names.retain(|name| is_device(folder, name));
    names
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
        let said = unbind_driver("turnout-no-such-driver");
        assert_eq!(said, ["unbinding turnout-no-such-driver: there is no such driver"]);
        let leaving = Leaving { module: "turnout_no_such_module", why: "it has no .shutdown" };
        assert_eq!(leave(&leaving), [""; 0]);
    }

    /// A directory as sysfs has one for a driver, whose `unbind` is what `make` makes.
    fn driver(name: &str, make: impl Fn(&std::path::Path)) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("turnout-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for link in ["0000:00:04.0", "module"] {
            std::os::unix::fs::symlink("/", folder.join(link)).unwrap();
        }
        std::fs::write(folder.join("bind"), "").unwrap();
        make(&folder.join("unbind"));
        folder
    }

    #[test]
    fn a_driver_leaves_its_devices_and_nothing_else() {
        let folder = driver("leaves", |unbind| std::fs::write(unbind, "").unwrap());
        let faults = unbind("x", vec![folder.display().to_string()], PATIENCE);
        let written = std::fs::read_to_string(folder.join("unbind")).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((faults.as_slice(), written.as_str()), (&[][..], "0000:00:04.0"));
    }

    #[test]
    fn a_driver_that_does_not_let_go_is_not_waited_for() {
        clock::start();
        // Nobody reads from it: whoever opens it to write waits for ever.
        let folder = driver("hangs", |unbind| {
            nix::unistd::mkfifo(unbind, nix::sys::stat::Mode::S_IRWXU).unwrap();
        });
        let folders = vec![folder.display().to_string()];
        let said = unbind("sym53c8xx", folders, Duration::from_secs(1));
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(said, ["unbinding sym53c8xx has not ended after 1 s, and is not waited for"]);
    }
}
