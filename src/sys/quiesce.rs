//! What has to be still before the jump: further loads, the disks, the devices,
//! the console. In this order, because nothing may be loaded in place of what
//! was verified, and nothing may be printed after the console is given back.

use super::console::Console;
use super::kexec::{self, Staged};
use super::patience::{self, End};
use super::watchdog::{self, Armed};
use super::{Error, teardown};
use crate::config::Watchdog;
use crate::drivers::leaving::Leaving;

/// The machine is ready to jump; only [`super::jump::jump`] takes this. It holds
/// the watchdogs open until then.
#[derive(Debug)]
pub struct Quiet(#[expect(dead_code, reason = "held open, not used")] Armed);

/// How the machine is left.
#[derive(Debug)]
pub struct Leave<'a> {
    /// Drivers that are taken down.
    pub unbind: &'a [String],
    /// Modules whose drivers leave their devices by rule.
    pub leaving: &'a [Leaving<'a>],
    /// What becomes of the watchdogs.
    pub watchdog: Watchdog,
    /// The last line on the console.
    pub last_words: &'a str,
}

/// For PID 1: forbids further loads, takes swap, mounts, arrays and the drivers
/// that are named down, sets the watchdogs, says the last words and drains the
/// console. What does not work is said, and goes on all the same: the kernel still
/// shuts every device down that can be.
///
/// Nothing is written back: every file system was mounted read-only and the state
/// is written through. sync(2) would wait for a disk that was left alone while it
/// was mounted, and with it the jump.
///
/// # Errors
/// Further loads cannot be forbidden. After that no other kernel can be loaded
/// before a reset, whatever fails.
pub fn quiesce(_staged: Staged, console: &Console, leave: &Leave<'_>) -> Result<Quiet, Error> {
    kexec::disable_loading()?;
    let rest = "disks and devices to come to rest";
    let said = patience::during(rest, End::Unknown, || teardown::all(leave.unbind, leave.leaving));
    for line in said {
        console.line(&format!("turnout: {line}"));
    }
    let (armed, said) = watchdog::apply(leave.watchdog);
    for line in said {
        console.line(&format!("turnout: {line}"));
    }
    console.line(leave.last_words);
    console.restore_kernel();
    console.restore();
    Ok(Quiet(armed))
}

/// `sync(2)`: for a running system, as the administrator left it: writes back what is in
/// memory, and changes nothing that would be missed if the jump were refused.
#[must_use]
pub fn still_enough(_staged: Staged) -> Quiet {
    nix::unistd::sync();
    Quiet(Armed::default())
}

/// The same without writing anything back: what is in memory alone is lost at the jump.
#[must_use]
pub fn as_it_is(_staged: Staged) -> Quiet {
    Quiet(Armed::default())
}

/// As [`still_enough`], and has a watchdog count over the jump; gives a sentence for each.
#[must_use]
pub fn of_running(staged: Staged, setting: Watchdog) -> (Quiet, Vec<String>) {
    let _quiet = still_enough(staged);
    let (armed, said) = watchdog::apply(setting);
    (Quiet(armed), said)
}
