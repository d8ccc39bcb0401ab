//! The jump into the loaded kernel (reboot(2), LINUX_REBOOT_CMD_KEXEC).

use nix::sys::reboot::{RebootMode, reboot};

use super::quiesce::Quiet;
use super::{Error, only_pid_1};

/// Starts the loaded kernel. Returns only if the kernel refused.
#[must_use]
pub fn jump(_quiet: Quiet) -> Error {
    const CALL: &str = "reboot(LINUX_REBOOT_CMD_KEXEC)";
    if let Err(error) = only_pid_1(CALL) {
        return error;
    }
    let Err(errno) = reboot(RebootMode::RB_KEXEC);
    Error::new(CALL, errno)
}
