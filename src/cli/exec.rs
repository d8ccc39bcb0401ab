//! `turnout exec`: starts the loaded kernel, and stops nothing before.

use super::answer::complain;
use crate::failure::{Failure, Stage};
use crate::plan::Slot;
use crate::steps::load::jump;
use crate::sys::quiesce::still_enough;
use crate::sys::{self, kexec};

/// Comes back only with the reason why it was not started.
pub(super) fn run() -> Result<String, Failure> {
    let staged = kexec::staged(Slot::Normal).ok_or_else(|| {
        Failure::new(Stage::Menu, "no kernel is loaded: \"turnout load\" comes first")
    })?;
    if sys::is_run_by_systemd() {
        complain("jumping at once; \"systemctl kexec\" would have stopped the services first");
    }
    Err(jump(still_enough(staged)))
}
