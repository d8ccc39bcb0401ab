//! What has to be still before the jump: further loads, the disks, the
//! console. In this order, because nothing may be loaded in place of what was
//! verified, and nothing may be printed after the console is given back.

use super::console::Console;
use super::kexec::{self, Staged};
use super::{Error, mount};

/// The machine is ready to jump; only [`super::jump::jump`] takes this.
#[derive(Debug)]
pub struct Quiet(());

/// Forbids further loads, writes back and releases the boot partition, says
/// `last_words` and drains the console.
///
/// # Errors
/// The errno of the step. After the first step no other kernel can be loaded
/// before a reset, whatever fails.
pub fn quiesce(_staged: Staged, console: &Console, last_words: &str) -> Result<Quiet, Error> {
    kexec::disable_loading()?;
    nix::unistd::sync();
    mount::release_boot_partition()?;
    console.line(last_words);
    console.restore_kernel();
    console.restore();
    Ok(Quiet(()))
}

/// For a running system, as the administrator left it: writes back what is in
/// memory, and changes nothing that would be missed if the jump were refused.
#[must_use]
pub fn still_enough(_staged: Staged) -> Quiet {
    nix::unistd::sync();
    Quiet(())
}
