//! Any bytes as a manifest: one that is read is written again as it was, and its
//! slots stand where they must.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::trust::manifest::{self, Manifest, System};
use turnout::trust::slots::Slot;

fn check(manifest: &Manifest) {
    assert!(manifest.files().count() <= 1 + 32 + 1 + 16);
    if let System::Linux(linux) = &manifest.system {
        for slot in &linux.slots {
            assert_eq!(linux.options.matches(slot.placeholder()).count(), 1);
        }
        assert!(linux.slots.is_sorted() && linux.slots.len() <= Slot::ALL.len());
    }
}

fuzz_target!(|bytes: &[u8]| match manifest::parse(bytes) {
    Ok(manifest) => {
        assert_eq!(manifest.write().as_bytes(), bytes);
        check(&manifest);
    }
    Err(error) => assert!(!error.to_string().is_empty()),
});
