//! The only place that knows what this program was compiled for.

use crate::base::arch::Arch;

/// What this program was compiled for, and therefore runs on.
#[must_use]
pub const fn native() -> Arch {
    if cfg!(target_arch = "aarch64") { Arch::Aarch64 } else { Arch::X86_64 }
}
