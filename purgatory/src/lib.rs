#![no_std]
#![deny(unsafe_code)]
//! The purgatory's contract with the loader, and what it does with it.
//!
//! The purgatory is the code that the old kernel jumps to and that jumps to the
//! new kernel. This library is the half that both sides share: the parameter
//! [`Block`] that the loader patches into the blob, and the walk over its checks
//! ([`verify`]). The other half, `blob.rs`, is the freestanding program.
//!
//! Nothing here may panic, allocate, or touch memory that it was not handed:
//! the blob runs it with no kernel underneath.
//!
//! # What the loader must provide
//!
//! - A copy of the blob with the block put in by [`install`], in one segment,
//!   at an address that is a multiple of 4096. The kexec entry address is that
//!   address. Stack and variables are bytes of the blob, so its length is all
//!   the memory it needs.
//! - Every region of every check inside a segment, and none that overlaps the
//!   blob, which changes while it runs.
//! - Page tables ([`Roots`]) that map the blob, every region and the registers
//!   of the UART to themselves, and on x86_64 what the next kernel's boot protocol
//!   wants mapped; in a region of a check, with every bit set that a CPU would
//!   set. Without them the old kernel's map stays in force on x86_64, and MMU and
//!   data cache stay off on aarch64.
//! - The UART and, on aarch64, the conduit of the machine that it runs on;
//!   without them a refusal is silent or, at EL1, has no end.
//!
//! Specification: Linux Documentation/arch/x86/boot.rst (64-bit boot protocol)
//! and Documentation/arch/arm64/booting.rst; Arm DEN0022 (PSCI).

mod block;
// Beside the other code that is written for one architecture.
#[path = "arch/sha256/mod.rs"]
#[allow(unsafe_code)]
mod instructions;
#[allow(unsafe_code)]
mod sha256;
mod walk;

pub use block::{
    BLOCK_OFFSET, BLOCK_SIZE, Block, Check, Conduit, Error, MAGIC, MAX_CHECKS, MAX_REGIONS, Name,
    REGION_COUNT_OFFSET, REGIONS_OFFSET, ROOTS_OFFSET, Region, Roots, Uart, VERSION, install,
};
pub use sha256::{Compressor, Sha256};
pub use walk::{Fault, verify};
