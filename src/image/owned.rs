//! A `vmlinux` that owns its bytes, so that they can be changed for another
//! virtual address without a copy.
//!
//! Follows what a bzImage's decompressor does with the relocation lists (Linux
//! `Documentation/arch/x86/boot.rst`, `CONFIG_X86_NEED_RELOCS`). The lists were
//! checked when the file was parsed: each word is in a segment's bytes.

use core::fmt;

use super::Vmlinux;
use super::vmlinux::{Parts, Relocation};
use crate::base::bytes::field;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedVmlinux {
    bytes: Vec<u8>,
    parts: Parts,
}

impl OwnedVmlinux {
    /// `parts` is what [`Parts::new`] made of `bytes`.
    pub(super) const fn new(bytes: Vec<u8>, parts: Parts) -> Self {
        Self { bytes, parts }
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> Vmlinux<'_> {
        Vmlinux::over(&self.bytes, &self.parts)
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Makes the kernel one that runs `distance` bytes above the virtual address
    /// that it was linked for, or was moved to before. False if it has no lists
    /// to do it by, and has not changed.
    pub fn relocate(&mut self, distance: u64) -> bool {
        let Some(lists) = self.parts.lists.clone() else { return false };
        for at in lists.abs64.step_by(4) {
            self.relocate_word(Relocation::Abs64, at, distance);
        }
        for at in lists.inverse32.step_by(4) {
            self.relocate_word(Relocation::Inverse32, at, distance);
        }
        for at in lists.abs32.step_by(4) {
            self.relocate_word(Relocation::Abs32, at, distance);
        }
        true
    }

    /// Changes the word that the list names at offset `at` of the file.
    fn relocate_word(&mut self, kind: fn(u64) -> Relocation, at: usize, distance: u64) {
        let Some(word) = field(&self.bytes, at) else { return };
        let relocation = kind(i64::from(i32::from_le_bytes(word)).cast_unsigned());
        let Some(place) = self.parts.file_offset(relocation.phys()) else { return };
        let Some(bytes) = self.bytes.get_mut(place..) else { return };
        match relocation {
            Relocation::Abs64(_) => add64(bytes, distance),
            Relocation::Abs32(_) => add32(bytes, distance),
            Relocation::Inverse32(_) => add32(bytes, distance.wrapping_neg()),
        }
    }
}

fn add64(bytes: &mut [u8], distance: u64) {
    if let Some(word) = bytes.first_chunk_mut() {
        *word = u64::from_le_bytes(*word).wrapping_add(distance).to_le_bytes();
    }
}

/// Adds the low half of the distance; it wraps like the address does.
fn add32(bytes: &mut [u8], distance: u64) {
    let [a, b, c, d, ..] = distance.to_le_bytes();
    if let Some(word) = bytes.first_chunk_mut() {
        let sum = u32::from_le_bytes(*word).wrapping_add(u32::from_le_bytes([a, b, c, d]));
        *word = sum.to_le_bytes();
    }
}

impl fmt::Debug for OwnedVmlinux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kernel().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{unpacked, vmlinux};

    #[test]
    fn every_listed_word_moves_and_no_other() {
        let file = vmlinux();
        let before = unpacked(&file);
        let mut after = before.clone().into_vmlinux().unwrap();
        assert!(after.relocate(0x1_2340_0000));
        let segments: Vec<_> = after.kernel().segments().map(|one| one.bytes.to_vec()).collect();
        let mut text = [1; 32];
        text[..8].copy_from_slice(&0x0101_0102_2441_0101_u64.to_le_bytes());
        text[8..12].copy_from_slice(&0x0101_0101_u32.wrapping_sub(0x2340_0000).to_le_bytes());
        let mut data = [0; 16];
        data[..12].fill(2);
        for at in [0, 8] {
            data[at..at + 4].copy_from_slice(&0x2542_0202_u32.to_le_bytes());
        }
        assert_eq!(segments, [text.to_vec(), data.to_vec()]);
    }

    #[test]
    fn a_kernel_without_lists_stays_as_it_is() {
        let file = vmlinux();
        let file = &file[..file.len() - 7 * 4];
        let before = unpacked(file).into_vmlinux().unwrap();
        let mut after = before.clone();
        assert!(!after.relocate(0x20_0000));
        assert_eq!(after, before);
    }
}
