//! Who runs this program.

use super::{effective_user, file};
use crate::host::user::{Caller, login};

/// A name for people ([`Caller::name`]).
#[must_use]
pub fn name() -> String {
    let caller = Caller {
        user: effective_user(),
        login: file::read_line("/proc/self/loginuid").ok().as_deref().and_then(login),
        sudo: std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty()),
    };
    caller.name(&file::read_text("/etc/passwd").unwrap_or_default())
}
