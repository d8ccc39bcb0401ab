//! Any bytes as a manifest: one that is read is written again as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::trust::manifest;

fuzz_target!(|bytes: &[u8]| match manifest::parse(bytes) {
    Ok(manifest) => assert_eq!(manifest.write().as_bytes(), bytes),
    Err(error) => assert!(!error.to_string().is_empty()),
});
