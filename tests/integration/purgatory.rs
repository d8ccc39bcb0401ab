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

/// The entry code turns on SSE and nothing behind it, and what is more than SSE2
/// may run only where the loader has seen it. Any linker for this host comes with
/// an objdump.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_blob_has_newer_instructions_only_where_the_loader_allows_them() {
    let elf = concat!(env!("OUT_DIR"), "/purgatory.elf");
    let arguments = ["-d", "--no-show-raw-insn", "-M", "intel", elf];
    let output = std::process::Command::new("objdump").args(arguments).output().unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    let mut function = "";
    let mut digests = 0;
    for line in listing.lines() {
        function = line.strip_suffix(">:").unwrap_or(function);
        let Some((_, instruction)) = line.split_once(":\t") else { continue };
        let new = ["sha256rnds2", "sha256msg", "pshufb", "palignr", "pinsrd", "pextrd"];
        if new.iter().any(|new| instruction.starts_with(new)) {
            assert!(function.contains("instructions"), "{instruction} in {function}");
            digests += 1;
        }
        let never = ["v", "cpuid", "xgetbv", "syscall"];
        let is_never = never.iter().any(|never| instruction.starts_with(never));
        assert!(!is_never, "{instruction} in {function}");
    }
    assert!(digests > 96, "{digests} instructions for digests");
}
