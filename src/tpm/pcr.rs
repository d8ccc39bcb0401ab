//! Platform configuration registers: selections of them, and what extending
//! does to one.

use sha2::{Digest as _, Sha256};

use crate::base::digest::Digest;

use super::POLICY_PCR;
use super::alg::HashAlg;
use super::wire::{Error, Reader};

/// PCRs that a PC client has (PC Client Platform TPM Profile, 4.6).
pub const COUNT: u32 = 24;
/// Bytes of the bit map of so many.
const MAP_BYTES: u8 = 3;
/// Most banks that are read; TPMs of today have four at most.
pub const MAX_BANKS: usize = 16;

/// Some PCRs of one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// The bank.
    pub alg: HashAlg,
    /// Bit n stands for PCR n.
    pub pcrs: u32,
}

impl Selection {
    /// PCRs of the SHA-256 bank, by number; numbers that no PCR has are left out.
    #[must_use]
    pub fn sha256(pcrs: &[u32]) -> Self {
        let known = pcrs.iter().filter(|pcr| **pcr < COUNT);
        Self { alg: HashAlg::SHA256, pcrs: known.fold(0, |all, pcr| all | 1 << pcr) }
    }

    /// Whether there is any PCR in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.pcrs == 0
    }

    /// A TPML_PCR_SELECTION with this alone (Part 2, 10.9.7).
    pub(super) fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&1_u32.to_be_bytes());
        out.extend_from_slice(&self.alg.0.to_be_bytes());
        out.push(MAP_BYTES);
        let [first, second, third, _] = self.pcrs.to_le_bytes();
        out.extend_from_slice(&[first, second, third]);
    }

    /// A TPML_PCR_SELECTION.
    pub(super) fn read_list(reader: &mut Reader<'_>) -> Result<Vec<Self>, Error> {
        let count = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        if count > MAX_BANKS {
            return Err(Error::Count { count, most: MAX_BANKS });
        }
        (0..count).map(|_| Self::read(reader)).collect()
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let alg = HashAlg(reader.u16()?);
        let len = reader.u8()?;
        let map = reader.bytes(len.into())?;
        let bytes = [0, 1, 2, 3].map(|index| map.get(index).copied().unwrap_or(0));
        Ok(Self { alg, pcrs: u32::from_le_bytes(bytes) })
    }
}

/// A PCR of the SHA-256 bank, as a host can compute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pcr(pub Digest);

impl Pcr {
    /// As it is after a reset of the machine.
    pub const ZERO: Self = Self(Digest([0; 32]));

    /// What TPM2_PCR_Extend makes of it (Part 1, 11.4.4).
    #[must_use]
    pub fn extended(self, digest: &Digest) -> Self {
        let hash = Sha256::new().chain_update(self.0.0).chain_update(digest.0);
        Self(Digest(hash.finalize().into()))
    }
}

/// The authPolicy of TPM2_PolicyPCR alone, in a session of SHA-256: satisfied
/// while the digest of the selected PCRs' values, one after the other, is
/// `pcr_digest` (Part 3, 23.7).
#[must_use]
pub fn policy(selection: Selection, pcr_digest: &Digest) -> Digest {
    let mut text = vec![0; 32];
    text.extend_from_slice(&POLICY_PCR.to_be_bytes());
    selection.put(&mut text);
    text.extend_from_slice(&pcr_digest.0);
    Digest::of(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_a_bit_map_with_the_lowest_pcr_in_the_first_byte() {
        let mut out = Vec::new();
        Selection::sha256(&[0, 8, 9, 23, 24, 99]).put(&mut out);
        assert_eq!(out, [0, 0, 0, 1, 0, 0x0b, 3, 0b1, 0b11, 0x80]);
        let read = Selection::read_list(&mut Reader(&out)).unwrap();
        assert_eq!(read, [Selection::sha256(&[0, 8, 9, 23])]);
    }

    #[test]
    fn extending_hashes_the_old_value_and_the_digest() {
        let digest = Digest::of(b"event");
        let mut both = [0; 64];
        both[32..].copy_from_slice(&digest.0);
        assert_eq!(Pcr::ZERO.extended(&digest).0, Digest::of(&both));
    }

    #[test]
    fn a_list_of_more_banks_than_a_tpm_has_is_refused() {
        let error = Selection::read_list(&mut Reader(&[0, 0, 1, 0])).unwrap_err();
        assert_eq!(error, Error::Count { count: 256, most: 16 });
    }
}
