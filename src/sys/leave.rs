//! The last things before a running system is left by kexec: the watchdog, and the seal.
//!
//! What is done is decided in [`crate::host::leaving`].

use std::path::Path;

use super::systemd::{self, Setting};
use super::{Error, file, guard};
use crate::host::leaving::Watchdogs;

/// How many more kernels may be loaded for a reboot (Linux 6.3); it only ever shrinks.
const LIMIT: &str = "/proc/sys/kernel/kexec_load_limit_reboot";
const CLASS: &str = "/sys/class/watchdog";
const STOP_ON_REBOOT: &str = "/sys/module/watchdog/parameters/stop_on_reboot";
/// The kernel's own, which ends with it.
const SOFTWARE: &str = "Software Watchdog";

/// `/proc/sys/kernel/kexec_load_limit_reboot`: has the running kernel take no other kernel,
/// and give the loaded one up no more; whether it can do that. Nothing undoes it.
///
/// # Errors
/// The errno of the write.
pub fn seal() -> Result<bool, Error> {
    guard::may("kernel.kexec_load_limit_reboot")?;
    // It takes no number that is not less than what it has.
    if loads_left() == Some(0) {
        return Ok(true);
    }
    match file::write_text(LIMIT, "0") {
        Err(error) if error.is_absence() => Ok(false),
        sealed => sealed.map(|()| true),
    }
}

/// `/proc/sys/kernel/kexec_load_limit_reboot`: how many more calls that load or unload a
/// kernel for a reboot the running kernel takes; none where that is not limited, or it does
/// not tell.
#[must_use]
pub fn loads_left() -> Option<u64> {
    left(&file::read_line(LIMIT).ok()?)
}

/// Without a limit it is -1.
fn left(said: &str) -> Option<u64> {
    said.parse().ok()
}

/// `/sys/class/watchdog`: what there is of watchdogs; what turnout.conf says is not looked
/// at.
#[must_use]
pub fn watchdogs() -> Watchdogs {
    let stop_on_reboot = file::read_line(STOP_ON_REBOOT);
    let stops = |value: &str| stop_on_reboot.as_ref().is_ok_and(|has| has == value);
    Watchdogs {
        there: has_hardware(Path::new(CLASS)),
        stops_on_reboot: stops("1"),
        may_stop: stops("-1"),
        runtime: systemd::setting(Setting::RuntimeWatchdog),
        kexec: systemd::setting(Setting::KexecWatchdog),
        ..Watchdogs::default()
    }
}

fn has_hardware(class: &Path) -> bool {
    let names = file::names(class).unwrap_or_default();
    let identities = names.iter().map(|name| file::read_line(class.join(name).join("identity")));
    let mut hardware = identities.filter(|identity| !identity.as_ref().is_ok_and(is_software));
    hardware.next().is_some()
}

fn is_software(identity: &String) -> bool {
    identity == SOFTWARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_own_watchdog_is_no_cover() {
        let class = std::env::temp_dir().join(format!("turnout-watchdogs-{}", std::process::id()));
        assert!(!has_hardware(&class));
        std::fs::create_dir_all(class.join("watchdog0")).unwrap();
        std::fs::write(class.join("watchdog0/identity"), "Software Watchdog\n").unwrap();
        assert!(!has_hardware(&class));
        std::fs::create_dir_all(class.join("watchdog1")).unwrap();
        std::fs::write(class.join("watchdog1/identity"), "i6300ESB timer\n").unwrap();
        let found = has_hardware(&class);
        std::fs::remove_dir_all(class).unwrap();
        assert!(found);
    }

    #[test]
    fn a_kernel_without_a_limit_has_no_number_of_loads() {
        assert_eq!((left("-1"), left("0"), left("1")), (None, Some(0), Some(1)));
    }

    #[test]
    fn a_test_seals_nothing() {
        let refused = seal().unwrap_err().to_string();
        assert!(refused.ends_with("this is a test"), "{refused}");
    }
}
