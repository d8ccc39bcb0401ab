//! Whether a task that hangs ends the machine ([`super::kernel_settings`]): not while
//! something is read that nobody has to wait for, or was left alone.
//!
//! Part of every reset, the one for want of memory too: must never allocate. There
//! is nothing to say if a write fails: a kernel may have no such setting.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::fs::File;
use std::io::Write as _;

const PLACE: &str = "/proc/sys/kernel/hung_task_panic";

static BORNE: Borne = Borne(AtomicUsize::new(0));
/// No other task is borne.
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// How many tasks may hang.
#[derive(Debug)]
struct Borne(AtomicUsize);

impl Borne {
    fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether that was the last.
    fn one_less(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

/// `/proc/sys/kernel/hung_task_panic`: has no task that hangs end the machine: this one
/// may, as its disk may not be the one that boots. For each that is borne [`mind`] is
/// called once it has ended; for what is left alone for good, never.
pub fn bear() {
    BORNE.one_more();
    if !IS_OVER.load(Ordering::Relaxed) {
        set("0");
    }
}

/// `/proc/sys/kernel/hung_task_panic`: one that was borne has ended: if it was the last,
/// any that hangs ends the machine again.
pub fn mind() {
    if BORNE.one_less() {
        set("1");
    }
}

/// `/proc/sys/kernel/hung_task_panic`: any task that hangs ends the machine, from now on:
/// it is being left anyway, and a device that does not come to rest is not to hold that up.
pub fn mind_all() {
    IS_OVER.store(true, Ordering::Relaxed);
    set("1");
}

fn set(value: &str) {
    if super::is_pid_1() && !cfg!(test) {
        let file = File::options().write(true).open(PLACE);
        let _ = file.and_then(|mut file| file.write_all(value.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_left_alone_is_borne_after_the_menu_too() {
        let borne = Borne(AtomicUsize::new(0));
        borne.one_more();
        assert!(borne.one_less(), "what was read beside a menu has ended");
        borne.one_more();
        borne.one_more();
        assert!(!borne.one_less(), "the other one still hangs");
    }
}
