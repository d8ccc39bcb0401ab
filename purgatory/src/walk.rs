//! The walk over the checks of a block: pure, so that a host can run it.

use core::slice::Iter;

use crate::block::{Block, Check, Name, Region};
use crate::sha256::{BLOCK, Compressor, Sha256};

/// Why the next kernel must not be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes in memory are not the bytes that were loaded.
    Mismatch(Name),
    /// The block names regions that it does not have, names memory that cannot
    /// be read, or has no check at all.
    Block,
}

/// Hashes every check of `block`, two at a time, and stops at the first that is
/// found to fail.
///
/// `memory` gives the bytes of a region, or `None` if there can be none there.
///
/// # Errors
///
/// The fault that was found. A block without checks is one too: it was never
/// filled.
pub fn verify<'m>(
    block: &Block,
    compressor: Compressor,
    memory: impl Fn(Region) -> Option<&'m [u8]>,
) -> Result<(), Fault> {
    let checks = block.checks().filter(|checks| !checks.is_empty()).ok_or(Fault::Block)?;
    let mut checks = checks.iter();
    let mut one = Lane::new(block, compressor);
    let mut other = Lane::new(block, compressor);
    loop {
        let blocks = [one.blocks(&mut checks, &memory)?, other.blocks(&mut checks, &memory)?];
        match blocks {
            [&[], &[]] => return Ok(()),
            [blocks, &[]] => one.compress(blocks),
            [&[], blocks] => other.compress(blocks),
            both => Lane::compress_two([&mut one, &mut other], both),
        }
    }
}

/// A check in the making.
struct Lane<'b, 'm> {
    block: &'b Block,
    /// `None` before the first and behind the last.
    check: Option<&'b Check>,
    regions: Iter<'b, Region>,
    /// What is left of the last region.
    bytes: &'m [u8],
    hash: Sha256,
}

impl<'b, 'm> Lane<'b, 'm> {
    fn new(block: &'b Block, compressor: Compressor) -> Self {
        let hash = Sha256::new(compressor);
        Self { block, check: None, regions: [].iter(), bytes: &[], hash }
    }

    /// The blocks to compress next, after all that comes before them: the odd
    /// bytes at the ends of regions, the ends of checks. None are left when
    /// there are no more checks.
    fn blocks(
        &mut self,
        checks: &mut Iter<'b, Check>,
        memory: impl Fn(Region) -> Option<&'m [u8]>,
    ) -> Result<&'m [[u8; BLOCK]], Fault> {
        loop {
            self.bytes = self.hash.align(self.bytes);
            let (blocks, tail) = self.bytes.as_chunks();
            if !blocks.is_empty() {
                return Ok(blocks);
            }
            self.hash.push_all(tail);
            self.bytes = &[];
            if let Some(region) = self.regions.next() {
                self.bytes = memory(*region).ok_or(Fault::Block)?;
                continue;
            }
            self.finish()?;
            let Some(check) = checks.next() else { return Ok(&[]) };
            self.regions = self.block.regions_of(check).ok_or(Fault::Block)?.iter();
            self.check = Some(check);
            self.hash.restart();
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        match self.check.take() {
            Some(check) if self.hash.finish() != check.digest() => {
                Err(Fault::Mismatch(check.name()))
            }
            _ => Ok(()),
        }
    }

    fn compress(&mut self, blocks: &[[u8; BLOCK]]) {
        self.hash.compress(blocks);
        self.skip(blocks.len());
    }

    fn compress_two([one, other]: [&mut Self; 2], blocks: [&[[u8; BLOCK]]; 2]) {
        let count = Sha256::compress_two([&mut one.hash, &mut other.hash], blocks);
        one.skip(count);
        other.skip(count);
    }

    fn skip(&mut self, blocks: usize) {
        self.bytes = self.bytes.get(blocks.saturating_mul(BLOCK)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, vec::Vec};

    use super::*;
    use crate::block::{BLOCK_SIZE, MAX_REGIONS, Uart};
    use crate::sha256::tests::compressors;

    /// The memory of the tests: `MEMORY` lies at `BASE`, nothing anywhere else.
    const BASE: u64 = 0x1000;
    const MEMORY: &[u8] = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

    fn memory(region: Region) -> Option<&'static [u8]> {
        let start = usize::try_from(region.start.checked_sub(BASE)?).ok()?;
        let len = usize::try_from(region.len).ok()?;
        MEMORY.get(start..)?.get(..len)
    }

    fn sha256(message: &[u8]) -> [u8; 32] {
        use sha2::Digest;
        sha2::Sha256::digest(message).into()
    }

    /// By all that this machine has, which must agree.
    fn verify<'m>(block: &Block, memory: impl Fn(Region) -> Option<&'m [u8]>) -> Result<(), Fault> {
        let [results @ .., last] = &compressors()
            .into_iter()
            .map(|compressor| super::verify(block, compressor, &memory))
            .collect::<Vec<_>>()[..]
        else {
            unreachable!()
        };
        assert!(results.iter().all(|result| result == last));
        *last
    }

    fn at(offset: u64, len: u64) -> Region {
        Region { start: BASE + offset, len }
    }

    fn block(checks: &[(&str, [u8; 32], &[Region])]) -> Block {
        let mut block = Block::new(BASE, 0);
        block.set_uart(Uart::None).unwrap();
        for (name, digest, regions) in checks {
            block.add_check(name, *digest, regions).unwrap();
        }
        block
    }

    #[test]
    fn right_digests_pass() {
        let block = block(&[
            ("linux", sha256(&MEMORY[..10]), &[at(0, 10)]),
            ("initrd 0", sha256(&MEMORY[10..]), &[at(10, 46)]),
        ]);
        assert_eq!(verify(&block, memory), Ok(()));
    }

    #[test]
    fn the_check_that_fails_is_named() {
        let mut wrong = sha256(&MEMORY[10..]);
        wrong[31] ^= 1;
        let block = block(&[
            ("linux", sha256(&MEMORY[..10]), &[at(0, 10)]),
            ("initrd 0", wrong, &[at(10, 46)]),
        ]);
        let name = Name::new("initrd 0").unwrap();
        assert_eq!(verify(&block, memory), Err(Fault::Mismatch(name)));
    }

    #[test]
    fn a_file_in_several_places_has_the_digest_of_the_whole_file() {
        let pieces = [at(20, 36), at(7, 0), at(0, 20)];
        let file = [&MEMORY[20..], &MEMORY[..20]].concat();
        assert_eq!(verify(&block(&[("linux", sha256(&file), &pieces)]), memory), Ok(()));

        let in_another_order = [at(0, 20), at(20, 36)];
        let block = block(&[("linux", sha256(&file), &in_another_order)]);
        let name = Name::new("linux").unwrap();
        assert_eq!(verify(&block, memory), Err(Fault::Mismatch(name)));
    }

    /// Checks of many lengths, so that either side of a pair ends first, in the
    /// middle of a block and at its end; and each of them wrong once.
    #[test]
    fn checks_in_pairs_are_told_apart() {
        let message: Vec<u8> = (0..2000_u16).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect();
        let lens = [300, 64, 0, 1000, 63, 128, 65, 1, 200];
        for wrong in 0..=lens.len() {
            let mut block = Block::new(BASE, 0);
            for (index, len) in lens.into_iter().enumerate() {
                let mut digest = sha256(&message[index..index + len]);
                digest[0] ^= u8::from(index == wrong);
                let start = BASE + index as u64;
                let cut = len as u64 / 3;
                let regions = [
                    Region { start, len: cut },
                    Region { start: start + cut, len: len as u64 - cut },
                ];
                block.add_check(&format!("check {index}"), digest, &regions).unwrap();
            }
            let name = Name::new(&format!("check {wrong}")).unwrap();
            let expected = if wrong == lens.len() { Ok(()) } else { Err(Fault::Mismatch(name)) };
            let verdict = verify(&block, |region| {
                let start = usize::try_from(region.start - BASE).unwrap();
                message.get(start..start + usize::try_from(region.len).unwrap())
            });
            assert_eq!(verdict, expected);
        }
    }

    #[test]
    fn no_checks_is_a_fault_not_a_pass() {
        assert_eq!(verify(&Block::TEMPLATE, memory), Err(Fault::Block));
    }

    #[test]
    fn memory_that_cannot_be_read_is_a_fault() {
        let block = block(&[("linux", sha256(MEMORY), &[at(0, 57)])]);
        assert_eq!(verify(&block, memory), Err(Fault::Block));
    }

    #[test]
    fn counts_beyond_the_tables_are_a_fault() {
        let good = block(&[("linux", sha256(MEMORY), &[at(0, 56)])]);
        for counts in [[2, 0, 1], [1, 1, 1], [u32::MAX, u32::MAX, 1], [0, 0, 33], [0, 65, 1]] {
            let mut bytes = good.to_bytes();
            let first_check = BLOCK_SIZE - crate::block::CHECKS_SIZE;
            bytes[first_check + 52..][..4].copy_from_slice(&counts[0].to_le_bytes());
            bytes[first_check + 48..][..4].copy_from_slice(&counts[1].to_le_bytes());
            bytes[56..60].copy_from_slice(&counts[2].to_le_bytes());
            assert_eq!(verify(&Block::from_bytes(&bytes), memory), Err(Fault::Block), "{counts:?}");
        }
        const { assert!(MAX_REGIONS == 64, "the counts above assume it") };
    }
}
