//! TPM 2.0 in bytes: commands that are built here, and answers that are read
//! here, with no C library in between.
//!
//! It never talks to a device (`sys::tpm` does), holds no secret, and knows no
//! more commands than Turnout gives. Every size in an answer is checked against
//! what is left of it. Followed: TCG, Trusted Platform Module Library, revision
//! 1.59; "Part 2" is its Structures, "Part 3" its Commands.

pub mod alg;
pub mod command;
#[cfg(test)]
pub(crate) mod fake;
pub mod log;
pub mod nv;
pub mod pcr;
pub mod platform;
pub mod response;
mod wire;

pub use wire::Error;

/// Most bytes that a command or an answer has (TPM_PT_MAX_COMMAND_SIZE of PC
/// clients; Linux takes no more either).
pub const MAX_MESSAGE: usize = 4096;

/// Tags of commands and answers (Part 2, 6.9).
const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;

/// Command code of TPM2_PolicyPCR (Part 2, 6.5.2): in its command, and in the
/// digest of a policy that it is part of.
const POLICY_PCR: u32 = 0x017f;

/// Handles that every TPM has (Part 2, 7.4).
const OWNER: u32 = 0x4000_0001;
const NULL: u32 = 0x4000_0007;
const PASSWORD: u32 = 0x4000_0009;
const PLATFORM: u32 = 0x4000_000c;
