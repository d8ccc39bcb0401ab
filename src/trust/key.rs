//! Public keys: the OpenSSH encoding, the weak ones, and the one way in which a
//! signature is checked.
//!
//! Only `verify_strict` is ever called: the plain rule accepts signatures under
//! a key of 32 zero bytes (a point of order 4) for a quarter of all messages, so
//! an erased key slot would be a universal key. Encoding: RFC 8709, section 4,
//! and OpenSSH's PROTOCOL.u2f for keys on a token.

use core::fmt;

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use ed25519_dalek::{Signature, VerifyingKey};

use super::wire::{Wire, put_string};
use crate::base::digest::Digest;

/// The type of a key in a file.
pub const KEY_TYPE: &str = "ssh-ed25519";
/// The type of a key on a FIDO token.
pub const SK_KEY_TYPE: &str = "sk-ssh-ed25519@openssh.com";
/// How every application of OpenSSH begins: no key of a web site is one.
const APPLICATION_PREFIX: &str = "ssh:";
/// Longest application, in bytes.
pub const MAX_APPLICATION: usize = 255;

/// The encoding of an Ed25519 public key. Not necessarily a good one: see
/// [`PublicKey::weakness`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The point, which alone makes two keys different.
    pub point: [u8; 32],
    /// Where the private key is.
    pub holder: Holder,
}

/// Where a private key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// In a file or an agent: type `ssh-ed25519`.
    File,
    /// On a FIDO token, which signs for this application only: type
    /// `sk-ssh-ed25519@openssh.com`. Printable ASCII, starting `ssh:`.
    Token(String),
}

/// SHA-256 of a public key's encoding: what `ssh-keygen -l` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Why a key must not be trusted, whoever listed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// 32 zero bytes.
    Zero,
    /// 32 bytes of 0xFF.
    Ones,
    /// y is not below 2^255 - 19, so the same point has another encoding.
    NonCanonical,
    /// No point of the curve has this y.
    NotOnCurve,
    /// A point of order 1, 2, 4 or 8: signatures under it can be made up.
    SmallOrder,
}

/// Why the encoding of a key cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Not standard base64 with padding.
    Base64,
    /// Ends too early, or bytes follow the key.
    Length,
    /// Neither [`KEY_TYPE`] nor [`SK_KEY_TYPE`].
    Type(super::Shown),
    /// A token's application that is not one of OpenSSH's.
    Application(super::Shown),
}

impl PublicKey {
    /// A key of type `ssh-ed25519`.
    #[must_use]
    pub const fn in_file(point: [u8; 32]) -> Self {
        Self { point, holder: Holder::File }
    }

    /// Reads the base64 word of an OpenSSH public key line.
    ///
    /// # Errors
    /// Anything but exactly one Ed25519 key.
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        let blob = Base64::decode_vec(text).ok().ok_or(Error::Base64)?;
        Self::from_blob(&blob)
    }

    /// Reads the blob `string type, string key`, and for a token's key `string
    /// application` behind it.
    ///
    /// # Errors
    /// Anything but exactly one Ed25519 key.
    pub fn from_blob(blob: &[u8]) -> Result<Self, Error> {
        let mut wire = Wire(blob);
        let kind = wire.string().ok_or(Error::Length)?;
        let on_token = kind == SK_KEY_TYPE.as_bytes();
        if !on_token && kind != KEY_TYPE.as_bytes() {
            return Err(Error::Type(super::Shown::bytes(kind)));
        }
        let key = wire.string().ok_or(Error::Length)?;
        let point = key.try_into().ok().ok_or(Error::Length)?;
        let holder = if on_token {
            Holder::Token(application(wire.string().ok_or(Error::Length)?)?)
        } else {
            Holder::File
        };
        if wire.0.is_empty() { Ok(Self { point, holder }) } else { Err(Error::Length) }
    }

    /// The blob that [`PublicKey::from_blob`] reads.
    #[must_use]
    pub fn to_blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        put_string(&mut blob, self.kind().as_bytes());
        put_string(&mut blob, &self.point);
        if let Holder::Token(application) = &self.holder {
            put_string(&mut blob, application.as_bytes());
        }
        blob
    }

    /// The name of the key's type.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.holder {
            Holder::File => KEY_TYPE,
            Holder::Token(_) => SK_KEY_TYPE,
        }
    }

    /// What `ssh-keygen -l` prints of the key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Digest::of(&self.to_blob()).0)
    }

    /// Why no key ring may contain this key, if there is a reason.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        match self.point {
            bytes if bytes == [0; 32] => Some(Weakness::Zero),
            bytes if bytes == [0xff; 32] => Some(Weakness::Ones),
            bytes if !is_canonical(&bytes) => Some(Weakness::NonCanonical),
            bytes => match VerifyingKey::from_bytes(&bytes) {
                Ok(key) if key.is_weak() => Some(Weakness::SmallOrder),
                Ok(_) => None,
                Err(_) => Some(Weakness::NotOnCurve),
            },
        }
    }

    /// Whether `signature` over `message` was made with this key, by the strict
    /// rule: canonical S, neither the key nor R of small order, no cofactor.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.point)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}

impl Fingerprint {
    /// Reads what `ssh-keygen -l` prints: `SHA256:` and base64 without padding.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let base64 = text.strip_prefix("SHA256:")?;
        let decoded = Base64Unpadded::decode(base64, &mut bytes).ok()?;
        (decoded.len() == 32).then_some(Self(bytes))
    }
}

fn application(bytes: &[u8]) -> Result<String, Error> {
    let text = core::str::from_utf8(bytes).ok().filter(|text| {
        text.len() <= MAX_APPLICATION
            && text.starts_with(APPLICATION_PREFIX)
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    });
    text.map(str::to_owned).ok_or_else(|| Error::Application(super::Shown::bytes(bytes)))
}

/// Whether y, the low 255 bits, is below 2^255 - 19. The other encodings that
/// are not canonical (x = 0 with the sign bit set) are of small order.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", Base64Unpadded::encode_string(&self.0))
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "all its bytes are zero, as in an erased key slot",
            Self::Ones => "all its bytes are 0xff, as in an erased key slot",
            Self::NonCanonical => "its encoding is not canonical",
            Self::NotOnCurve => "it is not a point of the curve",
            Self::SmallOrder => "it is a point of small order, for which anyone can sign",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64 => f.write_str("the key is not base64"),
            Self::Length => f.write_str("the key has the wrong length"),
            Self::Type(kind) => write!(
                f,
                "the key is of type {kind}; only {KEY_TYPE} and {SK_KEY_TYPE} are understood, \
                 create one with turnout-sign keygen or ssh-keygen -t ed25519 or -t ed25519-sk"
            ),
            Self::Application(value) => write!(
                f,
                "the application {value} of the token's key does not start with \
                 \"{APPLICATION_PREFIX}\", or is not a word of printable ASCII"
            ),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hex: &str) -> PublicKey {
        PublicKey::in_file(core::array::from_fn(|i| {
            u8::from_str_radix(hex.get(2 * i..2 * i + 2).unwrap(), 16).unwrap()
        }))
    }

    #[test]
    fn erased_small_order_and_non_canonical_keys_are_weak() {
        let cases = [
            ("00".repeat(32), Weakness::Zero),
            ("ff".repeat(32), Weakness::Ones),
            // The identity, and the same point with the sign bit of x = 0.
            (format!("01{}", "00".repeat(31)), Weakness::SmallOrder),
            (format!("01{}80", "00".repeat(30)), Weakness::SmallOrder),
            // Orders 2 and 8.
            (format!("ec{}7f", "ff".repeat(30)), Weakness::SmallOrder),
            (
                "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a".to_owned(),
                Weakness::SmallOrder,
            ),
            // p, p + 1 and the largest y, with and without the sign bit.
            (format!("ed{}7f", "ff".repeat(30)), Weakness::NonCanonical),
            (format!("ee{}ff", "ff".repeat(30)), Weakness::NonCanonical),
            (format!("ff{}7f", "ff".repeat(30)), Weakness::NonCanonical),
            (format!("02{}", "00".repeat(31)), Weakness::NotOnCurve),
        ];
        for (hex, weakness) in cases {
            assert_eq!(key(&hex).weakness(), Some(weakness), "{hex}");
        }
    }

    #[test]
    fn an_ordinary_key_is_not_weak() {
        // RFC 8032, section 7.1, test 1.
        let good = key("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(good.weakness(), None);
    }

    #[test]
    fn a_zero_key_verifies_nothing() {
        let mut signature = [0; 64];
        signature[0] = 1; // R = identity, S = 0
        let accepted =
            (0..=255_u8).filter(|i| PublicKey::in_file([0; 32]).verify(&[*i], &signature));
        assert_eq!(accepted.count(), 0);
    }
}
