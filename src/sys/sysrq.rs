//! The kernel's own keys, which work at every keyboard and on every serial line
//! (Linux, Documentation/admin-guide/sysrq.rst).

use super::{Error, file};

const SYSRQ: &str = "/proc/sys/kernel/sysrq";
const ALWAYS: &str = "sysrq_always_enabled";

/// `/proc/sys/kernel/sysrq`: switches them off. A kernel without them needs no switching
/// off.
///
/// # Errors
/// The errno, or that the kernel was started with the word that keeps them on.
pub fn switch_off() -> Result<(), Error> {
    match file::write_text(SYSRQ, "0") {
        Err(error) if error.is_absence() => return Ok(()),
        other => other?,
    }
    let cmdline = super::running_cmdline()?;
    if cmdline.split_ascii_whitespace().any(|word| word == ALWAYS) {
        let why = std::io::Error::other(format!("{ALWAYS} is on the kernel command line"));
        return Err(Error::new("switching SysRq off", why));
    }
    Ok(())
}
