//! What the kernel does when it fails itself, or loses PID 1: it resets the
//! machine. Without these settings a panic holds it for ever.
//!
//! PID 1 makes them as its first act, whatever the first kernel's command line
//! says; the next kernel begins with its own (Linux,
//! Documentation/admin-guide/sysctl/kernel.rst). What a kernel does not have is
//! left out. A warning is no failure, and a stall of RCU may end by itself: a
//! slow console causes one.

use core::time::Duration;
use std::path::Path;

use super::panic::reset_delay;
use super::{Error, file, guard};

const PLACE: &str = "/proc/sys";
/// How long a panic stays on the console, in seconds; 0 is for ever.
const PANIC: &str = "kernel/panic";

/// A file of [`PLACE`], and what is written to it.
struct Setting {
    path: &'static str,
    value: &'static str,
}

/// A hung task has been in a call that nothing interrupts for all this time; the
/// drivers of disks give up after a minute or three.
const AT_START: [Setting; 6] = [
    Setting { path: "kernel/panic_on_oops", value: "1" },
    Setting { path: "kernel/softlockup_panic", value: "1" },
    Setting { path: "kernel/hardlockup_panic", value: "1" },
    Setting { path: "kernel/hung_task_timeout_secs", value: "300" },
    Setting { path: "kernel/hung_task_panic", value: "1" },
    // There is nothing to kill but PID 1, and to look for it can take for ever.
    Setting { path: "vm/panic_on_oom", value: "1" },
];

/// `/proc/sys`: has every failure of the kernel end in a reset; gives a sentence for each
/// setting that could not be made.
#[must_use]
pub fn make() -> Vec<String> {
    match guard::may(PLACE) {
        Ok(()) => make_in(Path::new(PLACE)),
        Err(error) => vec![error.to_string()],
    }
}

/// `/proc/sys/kernel/panic`: has a panic stay on the console as long as every other reason;
/// gives why that could not be set.
#[must_use]
pub fn keep_panic_for(delay: Duration) -> Option<String> {
    let result =
        guard::may(PLACE).and_then(|()| write(Path::new(PLACE), PANIC, &panic_timeout(delay)));
    result.err().map(|error| error.to_string())
}

fn make_in(place: &Path) -> Vec<String> {
    let panic = write(place, PANIC, &panic_timeout(reset_delay()));
    let others = AT_START.iter().map(|setting| write(place, setting.path, setting.value));
    let faults = core::iter::once(panic).chain(others).filter_map(Result::err);
    faults.map(|error| error.to_string()).collect()
}

/// A panic that is not to stay at all is -1.
fn panic_timeout(delay: Duration) -> String {
    match delay.as_secs() {
        0 => "-1".to_owned(),
        seconds => seconds.to_string(),
    }
}

fn write(place: &Path, path: &str, value: &str) -> Result<(), Error> {
    match file::write_text(&place.join(path).to_string_lossy(), value) {
        Err(error) if error.is_absence() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_panic_ends_in_a_reset_whatever_the_command_line_says() {
        let place = std::env::temp_dir().join(format!("turnout-sysctl-{}", std::process::id()));
        fs::create_dir_all(place.join("kernel/hung_task_panic")).unwrap();
        for name in ["panic", "panic_on_oops", "softlockup_panic", "panic_on_warn"] {
            fs::write(place.join("kernel").join(name), "0").unwrap();
        }
        let said = make_in(&place);
        let read = |name| fs::read_to_string(place.join("kernel").join(name)).unwrap();
        let values = ["panic", "panic_on_oops", "softlockup_panic", "panic_on_warn"].map(read);
        assert_eq!(values, ["10", "1", "1", "0"]);
        let failed = place.join("kernel/hung_task_panic").display().to_string();
        assert_eq!(said, [format!("{failed}: Is a directory (os error 21)")]);
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn a_panic_that_is_not_to_be_read_is_never_one_that_stays() {
        assert_eq!(panic_timeout(Duration::ZERO), "-1");
        assert_eq!(panic_timeout(Duration::from_millis(900)), "-1");
        assert_eq!(panic_timeout(Duration::from_secs(3600)), "3600");
    }

    #[test]
    fn a_test_changes_no_setting_of_its_host() {
        let refused = make().concat();
        assert!(refused.ends_with("this is a test"), "{refused}");
        assert!(keep_panic_for(Duration::ZERO).is_some());
    }
}
