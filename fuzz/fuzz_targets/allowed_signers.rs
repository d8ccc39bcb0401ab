//! Any bytes as a key ring: one that is read has keys, none of them weak or
//! twice there, each allowed something.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::trust::allowed_signers::KeyRing;

fn check(ring: &KeyRing) {
    assert!((1..=64).contains(&ring.keys().len()));
    for (number, key) in ring.keys().iter().enumerate() {
        assert_eq!(key.public.weakness(), None);
        assert!(!key.namespaces.is_empty());
        assert!(ring.find(&key.public).is_some());
        let earlier = ring.keys().iter().take(number);
        assert!(earlier.filter(|one| one.public.point == key.public.point).count() == 0);
    }
}

fuzz_target!(|bytes: &[u8]| match KeyRing::parse(bytes) {
    Ok(ring) => check(&ring),
    Err(error) => assert!(!error.to_string().is_empty()),
});
