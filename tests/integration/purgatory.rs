//! The purgatory that build.rs made for this target, as the loader will take it.

#![allow(clippy::unwrap_used)]

use purgatory::{BLOCK_OFFSET, BLOCK_SIZE, Block, Error, MAGIC, Region, install};

static BLOB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/purgatory.bin"));

fn block() -> Block {
    let mut block = Block::new(0x10_0200, 0x9_0000);
    block.add_check("linux", [0; 32], &[Region { start: 0x10_0000, len: 0x1000 }]).unwrap();
    block
}

fn installed(block: &Block) -> Result<Vec<u8>, Error> {
    let mut blob = BLOB.to_vec();
    install(&mut blob, block)?;
    Ok(blob)
}

#[test]
fn the_block_is_where_the_library_says() {
    assert_eq!(&BLOB[BLOCK_OFFSET..][..MAGIC.len()], &MAGIC);
    let template = BLOB[BLOCK_OFFSET..].first_chunk().unwrap();
    assert_eq!(Block::from_bytes(template), Block::TEMPLATE);
}

#[test]
fn installing_a_block_leaves_the_code_alone() {
    let blob = installed(&block()).unwrap();
    let behind = BLOCK_OFFSET + BLOCK_SIZE;
    assert_eq!(blob[BLOCK_OFFSET..behind], block().to_bytes());
    assert_eq!(blob[..BLOCK_OFFSET], BLOB[..BLOCK_OFFSET]);
    assert_eq!(blob[behind..], BLOB[behind..]);
}

#[test]
fn the_stack_is_part_of_the_blob() {
    assert!(BLOB.len() > BLOCK_OFFSET + BLOCK_SIZE + 4096);
    assert_eq!(BLOB.len() % 16, 0);
    assert!(BLOB[BLOB.len() - 4096..].iter().all(|byte| *byte == 0));
}

#[cfg(not(feature = "test-hooks"))]
#[test]
fn a_release_cannot_be_asked_to_corrupt_memory() {
    assert_eq!(block().set_corrupt(0x10_0000), Err(Error::NoTestHooks));
}

#[cfg(feature = "test-hooks")]
#[test]
fn a_build_for_tests_can_be_asked_to_corrupt_memory() {
    let mut block = block();
    block.set_corrupt(0x10_0000).unwrap();
    let blob = installed(&block).unwrap();
    let block = Block::from_bytes(blob[BLOCK_OFFSET..].first_chunk().unwrap());
    assert_eq!(block.corrupt(), 0x10_0000);
}
