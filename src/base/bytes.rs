//! Reads fields of binary formats without ever going past the end.

/// The `N` bytes at offset `at`, if the file reaches that far.
#[must_use]
pub fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
