//! Hardware watchdogs, for the time between the jump and the next system's own
//! care for them.
//!
//! A watchdog that is armed here stays open until the jump and is never closed
//! with the magic 'V', so that it goes on counting through it, whatever becomes
//! of the two kernels (Linux, Documentation/watchdog/watchdog-api.rst). The kernel
//! takes a jump for a reboot, at which it would stop many of them; that is turned
//! off (watchdog-kernel-api.rst, watchdog_stop_on_reboot). A watchdog that nobody
//! asked for is not touched: opening it would start it.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;

use nix::libc::{self, c_int};

use super::module::Parameters;
use super::{Error, file};
use crate::config::Watchdog;

const CLASS: &str = "/sys/class/watchdog";
/// 0: a reboot stops no watchdog; 1: it stops each; -1: as the driver likes, and
/// most like to stop theirs.
const STOP_ON_REBOOT: &str = "/sys/module/watchdog/parameters/stop_on_reboot";

nix::ioctl_readwrite!(
    /// WDIOC_SETTIMEOUT of include/uapi/linux/watchdog.h.
    set_timeout,
    b'W',
    6,
    c_int
);
nix::ioctl_read!(
    /// WDIOC_KEEPALIVE; the int is not used.
    keep_alive,
    b'W',
    5,
    c_int
);

/// Watchdogs that are armed for as long as this value, and beyond.
#[derive(Debug, Default)]
pub struct Armed(#[expect(dead_code, reason = "held open, not used")] Vec<File>);

/// What modules have to be loaded with, so that a watchdog goes on at the jump.
#[must_use]
pub const fn module_parameters(setting: Watchdog) -> &'static [Parameters] {
    match setting {
        Watchdog::Seconds(_) => &[("watchdog", c"stop_on_reboot=0")],
        Watchdog::Off | Watchdog::Disarm => &[],
    }
}

/// Does as it is told to every watchdog of the machine; hands back a sentence for
/// each, also where it did not work: no fault here keeps a kernel from starting.
#[must_use]
pub fn apply(setting: Watchdog) -> (Armed, Vec<String>) {
    let mut armed = Vec::new();
    let mut said = Vec::new();
    for name in file::names(CLASS).unwrap_or_default() {
        let device = format!("/dev/{name}");
        let done = match setting {
            Watchdog::Off => continue,
            Watchdog::Disarm => disarm(&device).map(|()| "stopped".to_owned()),
            Watchdog::Seconds(seconds) => arm(&device, seconds).map(|(file, timeout)| {
                armed.push(file);
                format!("resets the machine in {timeout} s unless the next system serves it")
            }),
        };
        said.push(done.map_or_else(|error| explain(&error), |done| format!("{device} {done}")));
    }
    if setting != Watchdog::Off && said.is_empty() {
        said.push("there is no watchdog (is the driver's module in the image?)".to_owned());
    }
    if !armed.is_empty() && file::read_line(STOP_ON_REBOOT).is_ok_and(|value| value != "0") {
        said.push("the jump may stop it: watchdog.stop_on_reboot=0 is not in force".to_owned());
    }
    (Armed(armed), said)
}

fn explain(error: &Error) -> String {
    match error.source.raw_os_error() {
        Some(libc::EBUSY) => format!("{}: somebody else has it open and serves it", error.what),
        _ => error.to_string(),
    }
}

fn open(device: &str) -> Result<File, Error> {
    File::options().write(true).open(device).map_err(|source| Error::new(device, source))
}

/// Starts it and sets its timeout; gives the timeout in seconds that the driver
/// made of it, which may be another.
fn arm(device: &str, seconds: u32) -> Result<(File, c_int), Error> {
    let file = open(device)?;
    let mut timeout = c_int::try_from(seconds).unwrap_or(c_int::MAX);
    // SAFETY: reads and writes one int, which is valid for the call.
    unsafe { set_timeout(file.as_raw_fd(), &raw mut timeout) }
        .map_err(|errno| Error::new(format!("{device}: a timeout of {seconds} s"), errno))?;
    let mut unused = 0;
    // SAFETY: writes at most one int, which is valid for the call.
    unsafe { keep_alive(file.as_raw_fd(), &raw mut unused) }
        .map_err(|errno| Error::new(device, errno))?;
    Ok((file, timeout))
}

/// The magic close: only drivers without nowayout obey it.
fn disarm(device: &str) -> Result<(), Error> {
    open(device)?.write_all(b"V").map_err(|source| Error::new(device, source))
}
