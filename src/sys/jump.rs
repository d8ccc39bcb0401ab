//! The jump into the loaded kernel (reboot(2), LINUX_REBOOT_CMD_KEXEC).

use std::io;

use nix::sys::reboot::{RebootMode, reboot};

use super::quiesce::Quiet;
use super::{Error, guard, kexec};
use crate::plan::Slot;

/// `reboot(2)`: starts the loaded kernel. Returns only if the kernel refused.
#[must_use]
pub fn jump(_quiet: Quiet) -> Error {
    const CALL: &str = "reboot(LINUX_REBOOT_CMD_KEXEC)";
    if let Err(error) = guard::may(CALL) {
        return error;
    }
    if kexec::staged(Slot::Normal).is_none() {
        return Error::new(CALL, io::Error::other("the loaded kernel is gone"));
    }
    let Err(errno) = reboot(RebootMode::RB_KEXEC);
    Error::new(CALL, errno)
}
