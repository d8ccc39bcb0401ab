//! Any bytes as the start of a disk or of a partition, and as a variable of the
//! firmware.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::efi::variables;
use turnout::source::filesystem::{fat_directory, fat_label, identify};
use turnout::source::gpt::Header;
use turnout::source::mbr::{MAX_SECTORS, Table};
use turnout::source::raid::{Member, Place};

/// Size of the devices of tests/data/raid.
const MEMBER: u64 = 24 << 20;

fuzz_target!(|bytes: &[u8]| {
    let _ = identify(bytes);
    if let Some(range) = fat_directory(bytes) {
        assert!(range.start <= range.end);
    }
    let _ = fat_label(bytes);
    for place in Place::ALL {
        let Some(member) = Member::parse(bytes, place, MEMBER) else { continue };
        let is_within = member.data.start < member.data.end && member.data.end <= MEMBER;
        assert!(member.fault.is_some() || is_within);
        assert!(member.to_string().len() < 512);
    }
    let _ = variables::value(bytes).map(variables::text);
    let (block, table) = bytes.split_at_checked(512).unwrap_or((bytes, &[]));
    let _ = Header::parse(block).map(|header| header.partitions(table));
    let Some(mut chain) = Table::parse(block) else { return };
    // A chain that leads back into itself has an end all the same.
    let mut links = 0;
    while chain.next_sector().is_some() {
        chain.add(table.get(..512).unwrap_or(block));
        links += 1;
        assert!(links <= MAX_SECTORS);
    }
    assert!(chain.partitions().len() <= 4 + 4 * MAX_SECTORS);
});
