//! The hash algorithms of PCR banks and of the names of NV indexes.

use core::fmt;

/// A hash algorithm (TPM_ALG_ID; Part 2, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashAlg(pub u16);

impl HashAlg {
    /// SHA-1.
    pub const SHA1: Self = Self(0x0004);
    /// SHA-256.
    pub const SHA256: Self = Self(0x000b);
    /// SHA-384.
    pub const SHA384: Self = Self(0x000c);

    /// Length of a digest in bytes; `None` of an algorithm that is unknown here.
    #[must_use]
    pub const fn digest_size(self) -> Option<usize> {
        Some(match self.0 {
            0x0004 => 20,
            // SHA-256, SM3, SHA3-256.
            0x000b | 0x0012 | 0x0027 => 32,
            0x000c | 0x0028 => 48,
            0x000d | 0x0029 => 64,
            _ => return None,
        })
    }
}

impl fmt::Display for HashAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0x0004 => "sha1",
            0x000b => "sha256",
            0x000c => "sha384",
            0x000d => "sha512",
            0x0012 => "sm3_256",
            0x0027 => "sha3_256",
            0x0028 => "sha3_384",
            0x0029 => "sha3_512",
            other => return write!(f, "algorithm {other:#06x}"),
        })
    }
}
