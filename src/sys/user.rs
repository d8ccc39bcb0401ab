//! Who runs this program, and whether the kernel lets it boot (capabilities(7)).

use super::{effective_user, file};
use crate::host::user::{Caller, login};

/// Number of CAP_SYS_BOOT (include/uapi/linux/capability.h).
const CAP_SYS_BOOT: u32 = 22;

/// `/proc/self/status`: whether the kernel will let this process load kernels and start
/// them; none where it does not tell.
#[must_use]
pub fn may_boot() -> Option<bool> {
    may_boot_by(&file::read_text("/proc/self/status").ok()?)
}

fn may_boot_by(status: &str) -> Option<bool> {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let bits = u64::from_str_radix(effective.trim(), 16).ok()?;
    Some(bits & (1 << CAP_SYS_BOOT) != 0)
}

/// `geteuid(2)`, `/proc/self/loginuid`: a name for people ([`Caller::name`]).
#[must_use]
pub fn name() -> String {
    let caller = Caller {
        user: effective_user(),
        login: file::read_line("/proc/self/loginuid").ok().as_deref().and_then(login),
        sudo: std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty()),
    };
    caller.name(&file::read_text("/etc/passwd").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_to_boot_is_read() {
        assert_eq!(may_boot_by("Name:\tx\nCapEff:\t000001ffffffffff\n"), Some(true));
        assert_eq!(may_boot_by("CapEff:\t0000000000400000\n"), Some(true));
        assert_eq!(may_boot_by("CapEff:\t00000000a80425fb\n"), Some(false));
        assert_eq!(may_boot_by("CapEff:\tall\n"), None);
        assert_eq!(may_boot_by("CapInh:\t0\n"), None);
    }
}
