//! Any bytes as an armored signature, and as a key ring.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::sshsig;

fuzz_target!(|bytes: &[u8]| {
    for signature in sshsig::parse(bytes).unwrap_or_default() {
        let _ = signature.verifies(b"message");
    }
    if let Ok(ring) = KeyRing::parse(bytes) {
        assert!(!ring.keys().is_empty());
    }
});
