//! The memory and the open files of a program that stands still.

use anyhow::{Context, Result};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// More than any buffer of a test's kernel has.
const MOST: u64 = 256 << 20;
/// So many hexadecimal digits of a digest tell one file of a test from another.
const DIGITS: usize = 16;

/// What stands at an address of the program.
pub(crate) fn read(pid: Pid, address: u64, length: u64) -> Result<Vec<u8>> {
    let length = usize::try_from(length.min(MOST))?;
    let mut bytes = vec![0; length];
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    memory
        .read_exact_at(&mut bytes, address)
        .with_context(|| format!("{length} at {address:#x}"))?;
    Ok(bytes)
}

/// The content of what is open under this number; nothing for -1.
pub(crate) fn descriptor(pid: Pid, number: u64) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/fd/{number}")).ok()
}

/// A short digest of what is left without the zeros at the end, which stand for the
/// rest of a page.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let digest = Sha256::digest(bytes.get(..length).unwrap_or_default());
    let mut text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(DIGITS);
    text
}
