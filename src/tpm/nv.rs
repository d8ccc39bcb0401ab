//! NV indexes: their public areas, and the names that tell one from another that
//! was made in its place.

use crate::base::digest::Digest;

use super::alg::HashAlg;
use super::wire::{Error, Reader, put_sized};

/// Attributes of an index, TPMA_NV (Part 2, 13.4).
pub mod attribute {
    /// Its policy lets it be written.
    pub const POLICYWRITE: u32 = 1 << 3;
    /// The owner can read it.
    pub const OWNERREAD: u32 = 1 << 17;
    /// Its own authorization, an empty one here, lets it be read.
    pub const AUTHREAD: u32 = 1 << 18;
    /// Wrong authorizations are not counted against dictionary attacks.
    pub const NO_DA: u32 = 1 << 25;
    /// It has been written since it was made.
    pub const WRITTEN: u32 = 1 << 29;
}

/// What anybody can know of an index: TPMS_NV_PUBLIC with SHA-256 for its name
/// (Part 2, 13.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public {
    /// The handle.
    pub index: u32,
    /// Bits of [`attribute`].
    pub attributes: u32,
    /// Digest of the policy; empty if there is none.
    pub policy: Vec<u8>,
    /// Length of the data in bytes.
    pub size: u16,
}

impl Public {
    /// The index's name: algorithm, and digest of the public area (Part 1, 16).
    /// An index that was deleted and made again differently, or not written
    /// since, has another.
    #[must_use]
    pub fn name(&self) -> [u8; 34] {
        let mut name = [0; 34];
        let (alg, digest) = name.split_at_mut(2);
        alg.copy_from_slice(&HashAlg::SHA256.0.to_be_bytes());
        digest.copy_from_slice(&Digest::of(&self.bytes()).0);
        name
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.index.to_be_bytes());
        out.extend_from_slice(&HashAlg::SHA256.0.to_be_bytes());
        out.extend_from_slice(&self.attributes.to_be_bytes());
        put_sized(&mut out, &self.policy);
        out.extend_from_slice(&self.size.to_be_bytes());
        out
    }

    pub(super) fn read(mut reader: Reader<'_>) -> Result<Self, Error> {
        let index = reader.u32()?;
        let alg = HashAlg(reader.u16()?);
        if alg != HashAlg::SHA256 {
            return Err(Error::NameAlgorithm { index, alg });
        }
        let attributes = reader.u32()?;
        let policy = reader.sized()?.to_vec();
        let size = reader.u16()?;
        reader.end()?;
        Ok(Self { index, attributes, policy, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> Public {
        let attributes = attribute::POLICYWRITE | attribute::AUTHREAD | attribute::NO_DA;
        Public { index: 0x0180_0001, attributes, policy: vec![7; 32], size: 64 }
    }

    #[test]
    fn a_public_area_that_was_written_is_read_again() {
        assert_eq!(Public::read(Reader(&public().bytes())), Ok(public()));
    }

    #[test]
    fn every_field_changes_the_name() {
        let name = public().name();
        assert_eq!(name[..2], [0, 0x0b]);
        assert_eq!(name[2..], Digest::of(&public().bytes()).0);
        let written = public().attributes | attribute::WRITTEN;
        for other in [
            Public { index: 0x0180_0002, ..public() },
            Public { attributes: written, ..public() },
            Public { policy: Vec::new(), ..public() },
            Public { size: 65, ..public() },
        ] {
            assert_ne!(other.name(), name);
        }
    }

    #[test]
    fn an_index_that_is_named_by_another_algorithm_is_refused() {
        let mut bytes = public().bytes();
        bytes[5] = 0x0c;
        let error = Public::read(Reader(&bytes)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "NV index 0x01800001 is named by sha384, and Turnout makes none but by sha256"
        );
    }
}
