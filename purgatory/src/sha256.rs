//! SHA-256 as a stream, with padding of its own (FIPS 180-4, section 5.1.1).
//!
//! Only the compression function comes from the sha2 crate: the buffered API
//! around it has assertions, and nothing in the purgatory may panic.

use sha2::block_api::compress256;

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

const BLOCK: usize = 64;
const LENGTH_FIELD: usize = 8;

/// A digest in the making.
#[derive(Clone, Debug)]
pub struct Sha256 {
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
    pub const fn new() -> Self {
        Self { state: INITIAL, block: [0; BLOCK], pending: 0, length: 0 }
    }

    /// Takes the next bytes of the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let room = BLOCK.saturating_sub(self.pending) % BLOCK;
        let (first, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        first.iter().for_each(|byte| self.push(*byte));
        let (blocks, tail) = rest.as_chunks();
        compress256(&mut self.state, blocks);
        tail.iter().for_each(|byte| self.push(*byte));
    }

    /// The digest of everything taken.
    #[must_use]
    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.length.wrapping_mul(8).to_be_bytes();
        self.push(0x80);
        while self.pending != BLOCK - LENGTH_FIELD {
            self.push(0);
        }
        bits.iter().for_each(|byte| self.push(*byte));
        self.state_bytes()
    }

    /// Takes one byte. What is copied is less than a block at each end of a
    /// region; a copy of a slice would be a call of memcpy, which the blob lacks.
    fn push(&mut self, byte: u8) {
        if let Some(free) = self.block.get_mut(self.pending) {
            *free = byte;
        }
        self.pending = self.pending.saturating_add(1);
        if self.pending >= BLOCK {
            compress256(&mut self.state, &[self.block]);
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

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String, vec, vec::Vec};

    use super::Sha256;

    fn hex(digest: [u8; 32]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn digest_of(pieces: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new();
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
        for (message, expected) in vectors {
            assert_eq!(hex(digest_of(&[message])), expected);
        }
    }

    #[test]
    fn a_message_in_pieces_has_the_digest_of_the_whole_at_every_length() {
        use sha2::Digest;
        let message: Vec<u8> = (0..=255).collect();
        for end in 0..message.len() {
            let whole: [u8; 32] = sha2::Sha256::digest(&message[..end]).into();
            for cut in [0, end / 3, end / 2, end.saturating_sub(1), end] {
                let pieces = [&message[..cut], &message[cut..end]];
                assert_eq!(digest_of(&pieces), whole, "{end} bytes, cut at {cut}");
            }
        }
    }
}
