//! What differs between the architectures: the entry code and the jump, the
//! registers of a UART, the reset, and the few routines that compilers call.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(all(target_arch = "aarch64", feature = "test-hooks"))]
pub(crate) use aarch64::probe;
#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::{begin_line, block, reset};

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(all(target_arch = "x86_64", feature = "test-hooks"))]
pub(crate) use x86_64::probe;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{begin_line, block, reset};

#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
compile_error!("the purgatory is written for x86_64 and aarch64");
