//! Finds private keys in what is about to be packed into an image, whatever they
//! are wrapped in: text by its words, base64 and DER by how they begin.
//!
//! It tells forms and reads no key. What it does not know it does not find: a
//! bare seed of 32 bytes looks like any other.
//!
//! Forms: OpenSSH's PROTOCOL.key, PKCS #1 (RFC 8017), #8 (RFC 5958) and #12
//! (RFC 7292), SEC 1 (RFC 5915), JWK (RFC 7517), and those of minisign, signify,
//! age, PuTTY and ssh.com.

use base64ct::{Base64Unpadded, Encoding as _};
use memchr::memmem::find;

/// Words that are in every key of a form.
const WORDS: &[(&[u8], &str)] = &[
    (b"PuTTY-User-Key-File-", "a PuTTY private key"),
    (b"AGE-SECRET-KEY-", "an age private key"),
    (b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY", "an SSH2 private key"),
    (b"SSH PRIVATE KEY FILE FORMAT", "an SSH1 private key"),
    (OPENSSH, "a binary OpenSSH private key"),
];

const OPENSSH: &[u8] = b"openssh-key-v1\0";

/// No private key has fewer characters of base64.
const BASE64_LEAST: usize = 28;

/// As many characters of base64 as are decoded of a place where a key may begin:
/// enough for all that [`beginning`] looks at.
const BASE64_HEAD: usize = 64;

/// The form of private key that `bytes` hold, if they hold one anywhere.
#[must_use]
pub fn private_key(bytes: &[u8]) -> Option<&'static str> {
    let words = WORDS.iter().find(|(words, _)| find(bytes, words).is_some());
    words
        .map(|(_, kind)| *kind)
        .or_else(|| has_pem_key(bytes).then_some("a private key"))
        .or_else(|| is_jwk(bytes).then_some("a JSON web key with its private part"))
        .or_else(|| beginning(bytes))
        .or_else(|| in_base64(bytes))
}

/// Whether there is a line `-----BEGIN ... PRIVATE KEY`, whatever the kind.
fn has_pem_key(mut bytes: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN ";
    while let Some(at) = find(bytes, BEGIN) {
        bytes = bytes.get(at.saturating_add(BEGIN.len())..).unwrap_or_default();
        let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        let label = line.get(..64).unwrap_or(line);
        if find(label, b"PRIVATE KEY").is_some() {
            return true;
        }
    }
    false
}

/// RFC 7518, section 6: `d` is private in keys of every kind that has one, and `k`
/// is a whole symmetric key.
fn is_jwk(bytes: &[u8]) -> bool {
    has_member(bytes, b"\"kty\"") && (has_member(bytes, b"\"d\"") || has_member(bytes, b"\"k\""))
}

/// Whether a JSON text has a member of this name, in its quotes.
fn has_member(mut bytes: &[u8], name: &[u8]) -> bool {
    while let Some(at) = find(bytes, name) {
        bytes = bytes.get(at.saturating_add(name.len())..).unwrap_or_default();
        if bytes.trim_ascii_start().starts_with(b":") {
            return true;
        }
    }
    false
}

/// A key wherever a run of base64 begins, or a line inside it: what stands on the
/// lines before may be text in the same letters.
fn in_base64(bytes: &[u8]) -> Option<&'static str> {
    let mut starts = (0..bytes.len()).filter(|at| begins_run(bytes, *at));
    starts.find_map(|at| beginning(&decoded(bytes.get(at..)?)?))
}

fn begins_run(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    before.is_none_or(|before| !is_base64(*before))
}

/// What the base64 in front says, over line ends; none if there is not enough of
/// it for a key.
fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let run = bytes.iter().take_while(|byte| is_base64(**byte) || matches!(byte, b'\r' | b'\n'));
    let letters: Vec<u8> = run.copied().filter(|byte| is_base64(*byte)).take(BASE64_HEAD).collect();
    let whole = letters.len().saturating_sub(letters.len() % 4);
    let letters = letters.get(..whole).filter(|letters| letters.len() >= BASE64_LEAST)?;
    Base64Unpadded::decode_vec(core::str::from_utf8(letters).ok()?).ok()
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// The form of private key that begins so.
fn beginning(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(OPENSSH) {
        return Some("an OpenSSH private key");
    }
    if bytes.starts_with(b"EdScB2") || bytes.starts_with(b"Ed\0\0B2") {
        return Some("a minisign private key");
    }
    if bytes.starts_with(b"EdBK") {
        return Some("a signify private key");
    }
    in_der(bytes)
}

/// A key as a DER SEQUENCE: by the first fields of its type.
fn in_der(bytes: &[u8]) -> Option<&'static str> {
    /// INTEGER of one byte.
    const VERSION: &[u8] = &[2, 1];
    const SEQUENCE: &[u8] = &[0x30];
    /// The start of an OBJECT IDENTIFIER 1.2.840.113549.1, less its length.
    const PKCS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1];
    let fields = contents(bytes, SEQUENCE)?;
    if let Some(algorithm) = contents(fields, SEQUENCE) {
        let number = algorithm.strip_prefix(&[6])?.get(1..)?.strip_prefix(PKCS)?;
        let is_encryption = number.starts_with(&[5]) || number.starts_with(&[12, 1]);
        return is_encryption.then_some("an encrypted PKCS #8 private key");
    }
    match fields.strip_prefix(VERSION)? {
        [0, 2, ..] => Some("a PKCS #1 private key"),
        [1, 4, 20..=66, ..] => Some("a SEC 1 private key"),
        [0 | 1, rest @ ..] => {
            contents(rest, SEQUENCE)?.starts_with(&[6]).then_some("a PKCS #8 private key")
        }
        [3, rest @ ..] => contents(rest, SEQUENCE)?.starts_with(&[6]).then_some("a PKCS #12 store"),
        _ => None,
    }
}

/// What is in the element of this tag that comes first, as far as it is there
/// (X.690, 8.1.3: lengths in the short form and the long one).
fn contents<'a>(bytes: &'a [u8], tag: &[u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.strip_prefix(tag)?.split_first()?;
    match length {
        0..=0x7f => Some(rest),
        0x81..=0x84 => rest.get(usize::from(length & 0x7f)..),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_form_of_private_key_is_found_anywhere_in_a_file() {
        for kind in ["OPENSSH ", "", "ENCRYPTED ", "RSA ", "EC "] {
            let pem = format!("text\r\n-----BEGIN {kind}PRIVATE KEY-----\nAAAA\n");
            assert_eq!(private_key(pem.as_bytes()), Some("a private key"), "{kind}");
        }
        assert!(private_key(b"\x00\x01openssh-key-v1\x00rest").is_some());
        assert!(private_key(b"PuTTY-User-Key-File-3: ssh-ed25519").is_some());
    }

    /// The first 24 bytes of keys that openssl genpkey, ecparam and pkcs12 made, and
    /// of OpenSSH's.
    const BEGINNINGS: &[(&[u8], &str)] = &[
        (b"openssh-key-v1\0\0\0\0\x04none\0\0\0\0", "an OpenSSH private key"),
        (
            b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20abcdefgh",
            "a PKCS #8 private key",
        ),
        (
            b"\x30\x82\x04\xbd\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01abc",
            "a PKCS #8 private key",
        ),
        (
            b"\x30\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00\xb5abcdefghijkl",
            "a PKCS #1 private key",
        ),
        (b"\x30\x77\x02\x01\x01\x04\x20abcdefghijklmnopqr", "a SEC 1 private key"),
        (
            b"\x30\x81\x9b\x30\x57\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d\x30\x4aabcdef",
            "an encrypted PKCS #8 private key",
        ),
        (
            b"\x30\x82\x05\x02\x02\x01\x03\x30\x82\x04\xb8\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\
              \x01a",
            "a PKCS #12 store",
        ),
    ];

    #[test]
    fn keys_without_their_pem_lines_are_found_as_base64_and_as_they_are() {
        for (bytes, kind) in BEGINNINGS {
            let found = private_key(bytes).unwrap();
            assert!(found == *kind || found == "a binary OpenSSH private key", "{found}");
            let text = Base64Unpadded::encode_string(bytes);
            let (first, rest) = text.split_at(10);
            for file in [
                text.clone(),
                format!("KEY={text}\n"),
                format!("a line of words\nletters\n{text}"),
                format!("{{\"key\":\"{text}\"}}"),
                format!("{first}\r\n{rest}\r\n"),
            ] {
                assert_eq!(private_key(file.as_bytes()), Some(*kind), "{file}");
            }
        }
    }

    #[test]
    fn keys_of_other_tools_are_found() {
        for (text, kind) in [
            (
                "untrusted comment: minisign encrypted secret key\n\
                 RWRTY0IyGm7C0ZqCwAGRVsVvM2OMHqoWmAAAAAAAAAA=\n",
                "a minisign private key",
            ),
            ("untrusted comment: key\nRWRCSwAAACpV2oDR0m6cRgAAAAAAAA==\n", "a signify private key"),
            ("# created: today\nAGE-SECRET-KEY-1QQPQRL", "an age private key"),
            ("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/56wAA", "an SSH2 private key"),
            (
                "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\" : \"nWGxne\",\"x\":\"11qY\"}",
                "a JSON web key with its private part",
            ),
            ("{\"k\":\"AyM1\",\n\"kty\":\"oct\"}", "a JSON web key with its private part"),
        ] {
            assert_eq!(private_key(text.as_bytes()), Some(kind), "{text}");
        }
    }

    #[test]
    fn public_keys_and_certificates_are_not_private() {
        let public = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----BEGIN CERTIFICATE-----\n";
        assert_eq!(private_key(public), None);
        assert_eq!(private_key(b"a ssh-ed25519 AAAA my PRIVATE KEY comment"), None);
        assert_eq!(private_key(b"-----BEGIN "), None);
        assert_eq!(private_key(b"{\"kty\":\"OKP\",\"x\":\"d\",\"kid\":\"\\\"d\\\"\"}"), None);
        let spki = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00abcdefghijklmnopqrst";
        let certificate = b"\x30\x82\x01\x52\x30\x82\x01\x04\xa0\x03\x02\x01\x02\x02\x14abcdefgh";
        let minisign = b"EdabcdefgABCDEFGHIJKLMNOPQRSTUVWXYZ0123456";
        for bytes in [&spki[..], certificate, minisign] {
            assert_eq!(private_key(bytes), None);
            assert_eq!(private_key(Base64Unpadded::encode_string(bytes).as_bytes()), None);
        }
    }

    #[test]
    fn damaged_and_empty_files_have_no_key() {
        for (bytes, _) in BEGINNINGS {
            for length in 0..bytes.len().min(5) {
                assert_eq!(private_key(&bytes[..length]), None);
            }
        }
        assert_eq!(private_key(&[0x30, 0x84]), None);
        assert_eq!(private_key(&[0x30; 4096]), None);
    }
}
