//! A SHA-256 digest, as a value that can be compared, kept and shown.

use core::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From exactly 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut digest = [0; 32];
        if pairs.len() != digest.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
            *byte = (nibble(*high)? << 4) | nibble(*low)?;
        }
        Some(Self(digest))
    }

    /// The digest of all parts, one after the other.
    #[must_use]
    pub fn of_all<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(parts.fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into())
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a' - 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again_and_nothing_else_is() {
        let digest = Digest::of(b"a");
        assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
        let shown = digest.to_string();
        for wrong in [
            &shown.replacen(char::is_alphanumeric, "", 1),
            &format!("{shown}0"),
            &shown.to_uppercase(),
            "",
        ] {
            assert_eq!(Digest::from_hex(wrong), None, "{wrong}");
        }
    }
}
