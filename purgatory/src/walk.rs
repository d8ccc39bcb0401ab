//! The walk over the checks of a block: pure, so that a host can run it.

use crate::block::{Block, Check, Name, Region};
use crate::sha256::Sha256;

/// Why the next kernel must not be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes in memory are not the bytes that were loaded.
    Mismatch(Name),
    /// The block names regions that it does not have, names memory that cannot
    /// be read, or has no check at all.
    Block,
}

/// Hashes every check of `block`, in order, and stops at the first that fails.
///
/// `memory` gives the bytes of a region, or `None` if there can be none there.
///
/// # Errors
///
/// The first fault. A block without checks is a fault too: it was never filled.
pub fn verify<'m>(block: &Block, memory: impl Fn(Region) -> Option<&'m [u8]>) -> Result<(), Fault> {
    let checks = block.checks().filter(|checks| !checks.is_empty()).ok_or(Fault::Block)?;
    for check in checks {
        let digest = digest(block, check, &memory).ok_or(Fault::Block)?;
        if digest != check.digest() {
            return Err(Fault::Mismatch(check.name()));
        }
    }
    Ok(())
}

fn digest<'m>(
    block: &Block,
    check: &Check,
    memory: impl Fn(Region) -> Option<&'m [u8]>,
) -> Option<[u8; 32]> {
    let mut hash = Sha256::new();
    for region in block.regions_of(check)? {
        hash.update(memory(*region)?);
    }
    Some(hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{BLOCK_SIZE, MAX_REGIONS, Uart};

    /// The memory of the tests: `MEMORY` lies at `BASE`, nothing anywhere else.
    const BASE: u64 = 0x1000;
    const MEMORY: &[u8] = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

    fn memory(region: Region) -> Option<&'static [u8]> {
        let start = usize::try_from(region.start.checked_sub(BASE)?).ok()?;
        let len = usize::try_from(region.len).ok()?;
        MEMORY.get(start..)?.get(..len)
    }

    fn sha256(message: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(message);
        hash.finish()
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
