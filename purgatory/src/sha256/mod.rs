//! SHA-256 as a stream (FIPS 180-4), by whatever compresses fastest.
//!
//! Own code, because nothing in the purgatory may panic, ask the CPU what it can
//! do, or call memcpy.

pub(crate) mod portable;

use crate::instructions;

/// Bytes that are compressed at once.
pub(crate) const BLOCK: usize = 64;
const LENGTH_FIELD: usize = 8;

/// FIPS 180-4, section 5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// FIPS 180-4, section 4.2.2, by sixteen rounds.
#[rustfmt::skip]
pub(crate) const K: [[u32; 16]; 4] = [
    [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5,
        0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3,
        0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    ],
    [
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc,
        0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
        0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    ],
    [
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13,
        0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3,
        0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    ],
    [
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5,
        0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208,
        0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ],
];

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compressor {
    instructions: bool,
}

impl Compressor {
    /// In plain integers: on every CPU.
    pub const PORTABLE: Self = Self { instructions: false };

    /// In the CPU's instructions for SHA-256.
    ///
    /// # Safety
    ///
    /// The CPU has what [`crate::Block::set_sha_instructions`] means, and is set
    /// up to run it.
    #[must_use]
    pub const unsafe fn instructions() -> Self {
        Self { instructions: true }
    }

    fn one(self, state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
        if !self.instructions {
            portable::compress(state, blocks);
            return;
        }
        // SAFETY: who made this value answers for the instructions.
        unsafe { instructions::compress([state], [blocks]) }
    }

    /// Two messages at once, as far as both have blocks.
    fn two(self, states: [&mut [u32; 8]; 2], blocks: [&[[u8; BLOCK]]; 2]) {
        if self.instructions {
            // SAFETY: who made this value answers for the instructions.
            unsafe { instructions::compress(states, blocks) }
            return;
        }
        let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
        for (state, blocks) in states.into_iter().zip(blocks) {
            portable::compress(state, blocks.get(..count).unwrap_or_default());
        }
    }
}

/// A digest in the making.
#[derive(Clone, Debug)]
pub struct Sha256 {
    compressor: Compressor,
    state: [u32; 8],
    block: [u8; BLOCK],
    /// Bytes of `block` in use; always fewer than all of them.
    pending: usize,
    /// Bytes taken so far.
    length: u64,
}

impl Sha256 {
    /// The digest of nothing yet.
    #[must_use]
    pub const fn new(compressor: Compressor) -> Self {
        Self { compressor, state: INITIAL, block: [0; BLOCK], pending: 0, length: 0 }
    }

    /// Starts again.
    pub(crate) const fn restart(&mut self) {
        (self.state, self.pending, self.length) = (INITIAL, 0, 0);
    }

    /// Takes the next bytes of the message.
    pub fn update(&mut self, bytes: &[u8]) {
        let rest = self.align(bytes);
        let (blocks, tail) = rest.as_chunks();
        self.compress(blocks);
        self.push_all(tail);
    }

    /// Takes bytes until a block is full, so that the rest can be compressed
    /// where it lies; gives the rest.
    pub(crate) fn align<'m>(&mut self, bytes: &'m [u8]) -> &'m [u8] {
        let room = BLOCK.saturating_sub(self.pending) % BLOCK;
        let (first, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.push_all(first);
        rest
    }

    /// Takes whole blocks; nothing may be pending.
    pub(crate) fn compress(&mut self, blocks: &[[u8; BLOCK]]) {
        self.compressor.one(&mut self.state, blocks);
        self.count(blocks.len());
    }

    /// Takes equally many blocks for each of two messages; nothing may be
    /// pending. Gives how many it took.
    pub(crate) fn compress_two([one, other]: [&mut Self; 2], blocks: [&[[u8; BLOCK]]; 2]) -> usize {
        one.compressor.two([&mut one.state, &mut other.state], blocks);
        let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
        one.count(count);
        other.count(count);
        count
    }

    fn count(&mut self, blocks: usize) {
        let bytes = u64::try_from(blocks).unwrap_or(u64::MAX).wrapping_mul(64);
        self.length = self.length.wrapping_add(bytes);
    }

    /// The digest of everything taken.
    #[must_use]
    pub fn finish(&mut self) -> [u8; 32] {
        let bits = self.length.wrapping_mul(8).to_be_bytes();
        self.push(0x80);
        while self.pending != BLOCK - LENGTH_FIELD {
            self.push(0);
        }
        self.push_all(&bits);
        self.state_bytes()
    }

    /// Less than a block at each end of a region. By bytes: a copy of a slice
    /// would be a call of memcpy, which the blob lacks.
    pub(crate) fn push_all(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.push(*byte));
    }

    fn push(&mut self, byte: u8) {
        if let Some(free) = self.block.get_mut(self.pending) {
            *free = byte;
        }
        self.length = self.length.wrapping_add(1);
        self.pending = self.pending.saturating_add(1);
        if self.pending >= BLOCK {
            self.compressor.one(&mut self.state, &[self.block]);
            self.pending = 0;
        }
    }

    fn state_bytes(&self) -> [u8; 32] {
        let mut digest = [0; 32];
        let (words, _) = digest.as_chunks_mut();
        for (to, from) in words.iter_mut().zip(self.state) {
            *to = from.to_be_bytes();
        }
        digest
    }
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;
    use std::{format, string::String, vec, vec::Vec};

    use super::{Compressor, Sha256};
    use crate::instructions;

    /// All that this machine has.
    pub(crate) fn compressors() -> Vec<Compressor> {
        let mut all = vec![Compressor::PORTABLE];
        if instructions::are_present() {
            // SAFETY: just asked.
            all.push(unsafe { Compressor::instructions() });
        }
        all
    }

    fn hex(digest: [u8; 32]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn digest_of(compressor: Compressor, pieces: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new(compressor);
        pieces.iter().for_each(|piece| hash.update(piece));
        hash.finish()
    }

    /// FIPS 180-2, appendix B, and the NIST example values for SHA-256.
    #[test]
    fn the_vectors_of_nist_hold() {
        let million = vec![b'a'; 1_000_000];
        let vectors: [(&[u8], &str); 4] = [
            (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ];
        for compressor in compressors() {
            for (message, expected) in vectors {
                assert_eq!(hex(digest_of(compressor, &[message])), expected, "{compressor:?}");
            }
        }
    }

    #[test]
    fn a_message_in_pieces_has_the_digest_of_the_whole_at_every_length_and_cut() {
        use sha2::Digest;
        let message: Vec<u8> = (0..=255).collect();
        for compressor in compressors() {
            for end in 0..message.len() {
                let whole: [u8; 32] = sha2::Sha256::digest(&message[..end]).into();
                for cut in 0..=end {
                    let pieces = [&message[..cut], &message[cut..end]];
                    let digest = digest_of(compressor, &pieces);
                    assert_eq!(digest, whole, "{end} bytes, cut at {cut}, {compressor:?}");
                }
            }
        }
    }

    #[test]
    fn two_messages_at_once_do_not_mix() {
        use sha2::Digest;
        let message: Vec<u8> = (0..4096_u16).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect();
        for compressor in compressors() {
            for (one, other) in [(0, 5), (1, 1), (7, 7), (9, 3)] {
                let pieces = [&message[..one * 64], &message[1024..1024 + other * 64]];
                let mut hashes = [Sha256::new(compressor), Sha256::new(compressor)];
                let [first, second] = &mut hashes;
                let blocks = pieces.map(|piece| piece.as_chunks().0);
                let taken = Sha256::compress_two([first, second], blocks);
                assert_eq!(taken, one.min(other));
                for (hash, piece) in hashes.iter_mut().zip(pieces) {
                    let expected: [u8; 32] = sha2::Sha256::digest(&piece[..taken * 64]).into();
                    assert_eq!(hash.finish(), expected, "{one} and {other} by {compressor:?}");
                }
            }
        }
    }
}
