//! Any bytes as a policy: one that is read is written again as it was, and no
//! threshold in it is out of reach.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::trust::Namespace;
use turnout::trust::policy;

fuzz_target!(|bytes: &[u8]| match policy::parse(bytes) {
    Ok(policy) => {
        assert_eq!(policy.write().as_bytes(), bytes);
        for namespace in [Namespace::Boot, Namespace::Recovery, Namespace::Policy] {
            assert!((1..=policy.signatures).contains(&policy.threshold(namespace)));
        }
        assert!(policy.step > 0 && policy.signatures <= 8);
    }
    Err(error) => assert!(!error.to_string().is_empty()),
});
