//! The updates of policy and key ring that are in force, as the state area keeps
//! them: so that deleting a file from the boot partition neither brings an older
//! policy back nor keeps the machine from booting.
//!
//! They are nothing but copies, with their signatures, and are judged as the files
//! on the boot partition are: what is in a state area anybody may have written who
//! can write to the disk. Which of them is wanted says the digest in the record.
//!
//! ```text
//! offset  bytes  what, numbers in little endian
//!      0      8  magic "TURNTXTS"
//!      8      4  format version: 1
//!     12     16  lengths of policy, its signatures, key ring, its signatures
//!     28      n  these four, one behind the other; both of a text that is not
//!                kept have no bytes
//!   28+n     32  SHA-256 of everything before
//! ```

use super::{Document, Record};
use crate::base::digest::Digest;
use crate::trust::MAX_FILE;

/// What a place for texts begins with.
pub const MAGIC: [u8; 8] = *b"TURNTXTS";
const VERSION: [u8; 4] = 1_u32.to_le_bytes();
/// Bytes that tell how many follow.
pub const HEADER: usize = 28;
const CHECKSUM: usize = 32;
/// Longest that a place holds, in bytes.
pub const MAX: usize = HEADER + 4 * MAX_FILE + CHECKSUM;

/// A text and the signatures over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The text.
    pub text: Vec<u8>,
    /// What lies beside it.
    pub signatures: Vec<u8>,
}

/// What is in force and was not built into the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// `/turnout/policy`.
    pub policy: Option<Signed>,
    /// `/turnout/allowed_signers`.
    pub ring: Option<Signed>,
}

impl Signed {
    /// Whether it is this document.
    #[must_use]
    pub fn is(&self, document: Document) -> bool {
        document.version > 0 && Digest::of(&self.text) == document.digest
    }
}

impl Texts {
    /// How many of the recorded documents are here.
    #[must_use]
    pub fn matches(&self, record: &Record) -> usize {
        let policy = self.policy.iter().filter(|text| text.is(record.policy));
        let ring = self.ring.iter().filter(|text| text.is(record.ring));
        policy.count().saturating_add(ring.count())
    }

    fn parts(&self) -> [&[u8]; 4] {
        let [policy, policy_signatures] = parts(self.policy.as_ref());
        let [ring, ring_signatures] = parts(self.ring.as_ref());
        [policy, policy_signatures, ring, ring_signatures]
    }
}

fn parts(signed: Option<&Signed>) -> [&[u8]; 2] {
    signed.map_or([&[], &[]], |signed| [&signed.text, &signed.signatures])
}

/// The bytes of a place; `None` where one of the texts is longer than such a file
/// may be.
#[must_use]
pub fn write(texts: &Texts) -> Option<Vec<u8>> {
    let parts = texts.parts();
    let mut out = [MAGIC.as_slice(), &VERSION].concat();
    for part in parts {
        let len = Some(part.len()).filter(|len| *len <= MAX_FILE)?;
        out.extend_from_slice(&u32::try_from(len).ok()?.to_le_bytes());
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    let checksum = Digest::of(&out);
    out.extend_from_slice(&checksum.0);
    read(&out).is_some().then_some(out)
}

/// How many bytes a place has that begins with these, at most [`MAX`]; `None`
/// where it holds nothing.
#[must_use]
pub fn length(header: &[u8]) -> Option<usize> {
    let all: usize = lengths(header)?.iter().sum();
    all.checked_add(HEADER + CHECKSUM)
}

/// Each at most as long as such a file may be.
fn lengths(bytes: &[u8]) -> Option<[usize; 4]> {
    let rest = bytes.strip_prefix(&MAGIC)?.strip_prefix(&VERSION)?;
    let (numbers, _) = rest.split_first_chunk::<16>()?;
    let mut lengths = [0; 4];
    for (length, number) in lengths.iter_mut().zip(numbers.as_chunks::<4>().0) {
        *length = usize::try_from(u32::from_le_bytes(*number)).ok()?;
    }
    lengths.iter().all(|length| *length <= MAX_FILE).then_some(lengths)
}

/// Reads a place: exactly as many bytes as [`length`] says. `None` where they are
/// not what [`write()`] gives: torn, changed, or never written.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Texts> {
    let lengths = lengths(bytes)?;
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    if Digest::of(body).0 != *checksum {
        return None;
    }
    let mut rest = body.get(HEADER..)?;
    let mut parts = lengths.into_iter().map(|length| {
        let (part, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(part.to_vec())
    });
    let policy = signed(parts.next()??, parts.next()??)?;
    let ring = signed(parts.next()??, parts.next()??)?;
    rest.is_empty().then_some(Texts { policy, ring })
}

/// There are no signatures over nothing, and no text without some.
fn signed(text: Vec<u8>, signatures: Vec<u8>) -> Option<Option<Signed>> {
    match (text.is_empty(), signatures.is_empty()) {
        (true, true) => Some(None),
        (false, false) => Some(Some(Signed { text, signatures })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(text: &str) -> Option<Signed> {
        Some(Signed { text: text.into(), signatures: b"signature".to_vec() })
    }

    fn all() -> Vec<Texts> {
        vec![
            Texts::default(),
            Texts { policy: signed("policy"), ring: None },
            Texts { policy: None, ring: signed("ring") },
            Texts { policy: signed("policy"), ring: signed("ring") },
        ]
    }

    #[test]
    fn every_pair_reads_as_it_was_written() {
        for texts in all() {
            let bytes = write(&texts).unwrap();
            assert_eq!(length(&bytes), Some(bytes.len()));
            assert_eq!(length(&bytes[..HEADER]), Some(bytes.len()));
            assert_eq!(read(&bytes), Some(texts));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_no_text() {
        let good = write(&all()[3]).unwrap();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                assert_eq!(read(&bytes), None, "byte {at}");
            }
            assert_eq!(read(&good[..at]), None, "{at} bytes");
        }
        assert_eq!((read(&[]), length(&[0; HEADER])), (None, None));
    }

    #[test]
    fn a_right_checksum_over_wrong_content_is_no_text_all_the_same() {
        let good = write(&all()[3]).unwrap();
        for (at, value) in [(8, 2), (12, 5), (12, 7), (13, 1), (14, 2), (16, 0), (24, 10)] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let body = bytes.len() - CHECKSUM;
            let checksum = Digest::of(&bytes[..body]);
            bytes[body..].copy_from_slice(&checksum.0);
            assert_eq!(read(&bytes), None, "byte {at}");
        }
    }

    #[test]
    fn the_longest_that_files_may_be_fit_and_no_more() {
        let longest = Signed { text: vec![b'x'; MAX_FILE], signatures: vec![b'x'; MAX_FILE] };
        let texts = Texts { policy: Some(longest.clone()), ring: Some(longest.clone()) };
        assert_eq!(write(&texts).unwrap().len(), MAX);
        let longer = Signed { text: vec![b'x'; MAX_FILE + 1], ..longest };
        assert_eq!(write(&Texts { policy: Some(longer), ring: None }), None);
    }

    #[test]
    fn a_text_without_signatures_is_none() {
        let unsigned = Signed { text: b"policy".to_vec(), signatures: Vec::new() };
        assert_eq!(write(&Texts { policy: Some(unsigned), ring: None }), None);
    }
}
