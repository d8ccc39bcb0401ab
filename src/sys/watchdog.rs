//! Hardware watchdogs: while PID 1 runs, and for the time between the jump and
//! the next system's own care for them.
//!
//! Those that are served from the start are fed by whatever shows that PID 1 is
//! alive ([`super::vigil`]), and by nothing else. One that is armed for the jump
//! stays open until then and is never closed with the magic 'V', so that it goes
//! on counting through it, whatever becomes of the two kernels (Linux,
//! Documentation/watchdog/watchdog-api.rst). The kernel takes a jump for a reboot,
//! at which it would stop many of them; that is turned off
//! (watchdog-kernel-api.rst, watchdog_stop_on_reboot). A watchdog that nobody
//! asked for is not touched: opening it would start it.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::libc::{self, c_int};

use super::{Error, file};
use crate::config::{Watchdog, WatchdogStart};

const CLASS: &str = "/sys/class/watchdog";
const PARAMETERS: &str = "/sys/module/watchdog/parameters";
/// Of one that runs already: what takes less has no time for a disk that has to
/// spin up.
const LEAST_SECONDS: u32 = 60;

nix::ioctl_readwrite!(
    /// WDIOC_SETTIMEOUT of include/uapi/linux/watchdog.h.
    set_timeout,
    b'W',
    6,
    c_int
);
nix::ioctl_read!(
    /// WDIOC_GETTIMEOUT.
    get_timeout,
    b'W',
    7,
    c_int
);
nix::ioctl_read!(
    /// WDIOC_KEEPALIVE; the int is not used.
    keep_alive,
    b'W',
    5,
    c_int
);

nix::ioctl_read!(
    /// WDIOC_GETBOOTSTATUS.
    get_boot_status,
    b'W',
    2,
    c_int
);

/// WDIOF_CARDRESET: the card has reset the machine.
const CARD_RESET: u64 = 0x20;

/// A watchdog that is open, and so counts.
#[derive(Debug)]
struct Running {
    device: String,
    file: File,
    /// Seconds, as the driver has them; none if it does not tell.
    timeout: Option<c_int>,
    /// Whether it is certain that it ran before it was opened.
    was_found: bool,
}

/// Those that are served while PID 1 runs.
static SERVED: Mutex<Vec<Running>> = Mutex::new(Vec::new());

/// Watchdogs that are armed for as long as this value, and beyond.
#[derive(Debug, Default)]
pub struct Armed(#[expect(dead_code, reason = "held open, not used")] Vec<Running>);

fn served() -> MutexGuard<'static, Vec<Running>> {
    SERVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `open(2)`, `ioctl(2)`: serves the watchdogs from now on; hands back a sentence for each
/// that was not served before, also where it did not work: no fault here ends a start. To
/// be called again once drivers were loaded.
#[must_use]
pub fn start(setting: WatchdogStart) -> Vec<String> {
    let mut served = served();
    let mut said = Vec::new();
    for name in names() {
        let device = format!("/dev/{name}");
        if served.iter().any(|running| running.device == device) {
            continue;
        }
        let found = find(&name);
        let Some(seconds) = seconds_at_start(setting, found != Found::Idle) else { continue };
        match Running::open(device, found == Found::Active, seconds) {
            Ok(running) => {
                let timeout = running.timeout_in_words();
                said.push(format!("{} resets the machine if it hangs {timeout}", running.device));
                served.push(running);
            }
            Err(error) => said.push(explain(&error)),
        }
    }
    said
}

/// The timeout that one is to be given; none where it is left alone. `may_run`:
/// whether it may reset the machine unless somebody serves it.
fn seconds_at_start(setting: WatchdogStart, may_run: bool) -> Option<Timeout> {
    match setting {
        WatchdogStart::Off => None,
        WatchdogStart::Seconds(seconds) => Some(Timeout::Exactly(seconds)),
        WatchdogStart::Auto => may_run.then_some(Timeout::AtLeast(LEAST_SECONDS)),
    }
}

/// What the kernel tells of one that was not opened here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It does not run, or the kernel serves it.
    Idle,
    /// The firmware may have started it, and the kernel was told to leave it to user
    /// space then (watchdog-parameters.rst): no file tells whether it runs.
    LeftToPrograms,
    Active,
}

fn find(name: &str) -> Found {
    let state = file::read_line(format!("{CLASS}/{name}/state"));
    let handled = file::read_line(format!("{PARAMETERS}/handle_boot_enabled"));
    let open_timeout = file::read_number(format!("{PARAMETERS}/open_timeout"));
    let is_left = handled.is_ok_and(|handled| handled == "N")
        || open_timeout.is_some_and(|seconds| seconds > 0);
    judge(state.is_ok_and(|state| state == "active"), is_left)
}

const fn judge(is_active: bool, is_left_to_programs: bool) -> Found {
    match (is_active, is_left_to_programs) {
        (true, _) => Found::Active,
        (false, true) => Found::LeftToPrograms,
        (false, false) => Found::Idle,
    }
}

/// Gives each that is served its whole time again.
pub(super) fn feed() {
    served().iter().for_each(Running::feed);
}

/// `/sys/class/watchdog`, `ioctl(2)`: which watchdog has reset the machine before this
/// start, as its driver has it; none if none has, or none tells. To be called once they are
/// served: one that is not is not opened to be asked, which would start it.
#[must_use]
pub fn that_reset() -> Option<String> {
    let served = served();
    let told = |name: &String| {
        let asked = || {
            let device = ["/dev/", name].concat();
            served.iter().find(|running| running.device == device)?.boot_status()
        };
        is_reset(file::read_number(format!("{CLASS}/{name}/bootstatus")).or_else(asked))
    };
    names().into_iter().find(told)
}

fn is_reset(boot_status: Option<u64>) -> bool {
    boot_status.is_some_and(|status| status & CARD_RESET != 0)
}

/// `open(2)`, `ioctl(2)`: does as it is told to every watchdog of the machine before the
/// jump; hands back a sentence for each, also where it did not work: no fault here keeps a
/// kernel from starting. Nothing is served any more then.
#[must_use]
pub fn apply(setting: Watchdog) -> (Armed, Vec<String>) {
    let mut before = core::mem::take(&mut *served());
    let mut armed = Vec::new();
    let mut said = Vec::new();
    let names = names();
    for name in &names {
        let device = format!("/dev/{name}");
        let at = before.iter().position(|running| running.device == device);
        let own = at.map(|at| before.swap_remove(at));
        let (kept, sentence) = leave(setting, name, device, own);
        armed.extend(kept);
        said.extend(sentence);
    }
    if setting != Watchdog::Off && names.is_empty() {
        said.push("there is no watchdog (is the driver's module in the image?)".to_owned());
    }
    if matches!(setting, Watchdog::Seconds(_)) && !armed.is_empty() && stops_on_reboot() {
        said.push("the jump may stop it: watchdog.stop_on_reboot=0 is not in force".to_owned());
    }
    (Armed(armed), said)
}

/// `open(2)`, `ioctl(2)`: stops what was armed for a jump that was refused; gives a
/// sentence for each.
#[must_use]
pub fn stop_all() -> Vec<String> {
    apply(Watchdog::Disarm).1
}

/// What becomes of one watchdog, which may be `own` from the start on: what is
/// held open until the jump, and what is said.
fn leave(
    setting: Watchdog,
    name: &str,
    device: String,
    own: Option<Running>,
) -> (Option<Running>, Option<String>) {
    let result = match (setting, own) {
        (Watchdog::Off, None) => return (None, None),
        (Watchdog::Off, Some(own)) if own.was_found => Ok(own.left("")),
        (Watchdog::Off | Watchdog::Disarm, Some(own)) => own.stop(name),
        (Watchdog::Disarm, None) => {
            Running::open(device, false, Timeout::AtLeast(0)).and_then(|running| running.stop(name))
        }
        (Watchdog::Seconds(seconds), Some(mut own)) => {
            own.set(Timeout::Exactly(seconds));
            Ok(own.armed(seconds))
        }
        (Watchdog::Seconds(seconds), None) => {
            Running::open(device, false, Timeout::Exactly(seconds))
                .map(|running| running.armed(seconds))
        }
    };
    match result {
        Ok((kept, sentence)) => (kept, Some(sentence)),
        Err(error) => (None, Some(explain(&error))),
    }
}

/// 0: a reboot stops no watchdog; 1: it stops each; -1: as the driver likes, and
/// most like to stop theirs.
fn stops_on_reboot() -> bool {
    file::read_line(format!("{PARAMETERS}/stop_on_reboot")).is_ok_and(|value| value != "0")
}

fn names() -> Vec<String> {
    file::names(CLASS).unwrap_or_default()
}

fn explain(error: &Error) -> String {
    match error.source.raw_os_error() {
        Some(libc::EBUSY) => format!("{}: somebody else has it open and serves it", error.what),
        _ => error.to_string(),
    }
}

/// How long one is to wait for a sign of life, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timeout {
    Exactly(u32),
    /// It keeps its own if that is as long.
    AtLeast(u32),
}

impl Timeout {
    /// What the driver is to be asked for; none if it has it.
    fn wanted(self, has: Option<c_int>) -> Option<c_int> {
        let (Self::Exactly(seconds) | Self::AtLeast(seconds)) = self;
        let wanted = c_int::try_from(seconds).unwrap_or(c_int::MAX);
        let is_enough = self == Self::AtLeast(seconds) && has.is_some_and(|has| has >= wanted);
        (!is_enough && wanted > 0).then_some(wanted)
    }
}

impl Running {
    /// Opens it, which starts it, and sets its timeout. A driver that does not take
    /// that keeps its own: what counts already must not be let go.
    fn open(device: String, was_found: bool, timeout: Timeout) -> Result<Self, Error> {
        let file = File::options().write(true).open(&device);
        let file = file.map_err(|source| Error::new(&device, source))?;
        let mut running = Self { device, file, timeout: None, was_found };
        running.set(timeout);
        Ok(running)
    }

    fn set(&mut self, timeout: Timeout) {
        self.timeout = self.asked();
        if let Some(mut seconds) = timeout.wanted(self.timeout) {
            // SAFETY: reads and writes one int, which is valid for the call.
            let set = unsafe { set_timeout(self.file.as_raw_fd(), &raw mut seconds) };
            self.timeout = if set.is_ok() { Some(seconds) } else { self.timeout };
        }
        self.feed();
    }

    /// The timeout that the driver has now.
    fn asked(&self) -> Option<c_int> {
        let mut seconds = 0;
        // SAFETY: writes one int, which is valid for the call.
        let result = unsafe { get_timeout(self.file.as_raw_fd(), &raw mut seconds) };
        result.ok().map(|_| seconds)
    }

    /// What the driver tells of the reset before this start.
    fn boot_status(&self) -> Option<u64> {
        let mut status = 0;
        // SAFETY: writes one int, which is valid for the call.
        let result = unsafe { get_boot_status(self.file.as_raw_fd(), &raw mut status) };
        result.ok().and_then(|_| u64::try_from(status).ok())
    }

    fn feed(&self) {
        let mut unused = 0;
        // SAFETY: writes at most one int, which is valid for the call.
        let _ = unsafe { keep_alive(self.file.as_raw_fd(), &raw mut unused) };
    }

    fn timeout_in_words(&self) -> String {
        self.timeout.map_or_else(|| "for too long".to_owned(), |seconds| format!("for {seconds} s"))
    }

    /// It was to have this timeout.
    fn armed(self, seconds: u32) -> (Option<Self>, String) {
        let is_set = self.timeout.is_some_and(|has| u32::try_from(has) == Ok(seconds));
        let note = format!(": its driver makes that of {seconds} s");
        self.left(if is_set { "" } else { &note })
    }

    /// It counts on, through the jump. `note` ends the sentence.
    fn left(self, note: &str) -> (Option<Self>, String) {
        self.feed();
        let after = self.timeout.map_or_else(String::new, |seconds| format!(" in {seconds} s"));
        let device = &self.device;
        let said =
            format!("{device} resets the machine{after} unless the next system serves it{note}");
        (Some(self), said)
    }

    /// The magic close, which only drivers without nowayout obey: one that does not
    /// is held open, with all of its time.
    fn stop(mut self, name: &str) -> Result<(Option<Self>, String), Error> {
        if file::read_number(format!("{CLASS}/{name}/nowayout")) == Some(1) {
            return Ok(self.left(": it cannot be stopped"));
        }
        self.file.write_all(b"V").map_err(|source| Error::new(&self.device, source))?;
        Ok((None, format!("{} stopped", self.device)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn only_what_was_asked_for_or_runs_already_is_served_from_the_start() {
        let exactly = Some(Timeout::Exactly(30));
        for (setting, found, expected) in [
            (WatchdogStart::Off, true, None),
            (WatchdogStart::Auto, false, None),
            (WatchdogStart::Auto, true, Some(Timeout::AtLeast(60))),
            (WatchdogStart::Seconds(30), false, exactly),
            (WatchdogStart::Seconds(30), true, exactly),
        ] {
            assert_eq!(seconds_at_start(setting, found), expected, "{setting:?} {found}");
        }
    }

    #[test]
    fn one_that_has_time_enough_keeps_its_timeout() {
        for (timeout, has, wanted) in [
            (Timeout::AtLeast(60), Some(180), None),
            (Timeout::AtLeast(60), Some(10), Some(60)),
            (Timeout::AtLeast(60), None, Some(60)),
            (Timeout::AtLeast(0), None, None),
            (Timeout::Exactly(30), Some(180), Some(30)),
        ] {
            assert_eq!(timeout.wanted(has), wanted, "{timeout:?} {has:?}");
        }
    }

    #[test]
    fn what_only_may_run_is_served_and_not_kept_over_the_jump() {
        for (is_active, is_left, expected) in [
            (false, false, Found::Idle),
            (false, true, Found::LeftToPrograms),
            (true, false, Found::Active),
            (true, true, Found::Active),
        ] {
            assert_eq!(judge(is_active, is_left), expected);
        }
        let (own, path) = running(judge(false, true) == Found::Active);
        let (kept, said) = leave(Watchdog::Off, "none", "/dev/w".to_owned(), Some(own));
        assert!(kept.is_none());
        assert_eq!(said.as_deref(), Some("/dev/w stopped"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn only_the_card_s_own_reset_is_one_of_a_watchdog() {
        for (status, expected) in [
            (None, false),
            (Some(0), false),
            (Some(0x20), true),
            (Some(0x8021), true),
            (Some(0x1), false),
            (Some(0xdf), false),
        ] {
            assert_eq!(is_reset(status), expected, "{status:?}");
        }
        let (own, path) = running(false);
        assert_eq!(own.boot_status(), None, "a driver that does not know the call");
        std::fs::remove_file(path).unwrap();
    }

    fn running(was_found: bool) -> (Running, std::path::PathBuf) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("turnout-watchdog-{number}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = File::create(&path).unwrap();
        (Running { device: "/dev/w".to_owned(), file, timeout: Some(30), was_found }, path)
    }

    #[test]
    fn a_driver_that_takes_another_timeout_is_told_of_and_held_open() {
        let (own, path) = running(false);
        let (kept, said) = own.armed(180);
        assert!(kept.is_some());
        let expected = "/dev/w resets the machine in 30 s unless the next system serves it: \
                        its driver makes that of 180 s";
        assert_eq!(said, expected);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_was_started_here_is_stopped_and_what_was_found_goes_on() {
        let (own, path) = running(false);
        let (kept, said) = leave(Watchdog::Off, "none", "/dev/w".to_owned(), Some(own));
        assert!(kept.is_none());
        assert_eq!(said.as_deref(), Some("/dev/w stopped"));
        assert_eq!(std::fs::read(&path).unwrap(), b"V");
        std::fs::remove_file(path).unwrap();

        let (found, path) = running(true);
        let (kept, said) = leave(Watchdog::Off, "none", "/dev/w".to_owned(), Some(found));
        assert!(kept.is_some());
        let goes_on = "/dev/w resets the machine in 30 s unless the next system serves it";
        assert_eq!(said.as_deref(), Some(goes_on));
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        std::fs::remove_file(path).unwrap();
    }
}
