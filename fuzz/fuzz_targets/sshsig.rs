//! Any bytes as armored signatures, over any message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::trust::sshsig;

fuzz_target!(|bytes: &[u8]| match sshsig::parse(bytes) {
    Ok(signatures) => {
        assert!((1..=8).contains(&signatures.len()));
        for signature in &signatures {
            let _ = signature.verifies(b"message");
            assert!(!signature.namespace.is_empty());
        }
        assert!(sshsig::parse_at_most(bytes, signatures.len() - 1).is_err());
    }
    Err(error) => assert!(!error.to_string().is_empty()),
});
