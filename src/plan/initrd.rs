//! Several initrds as the one that a kernel takes.

use std::borrow::Cow;

use crate::addr::Range;
use crate::bundle::{Blob, Digest};

use super::{Check, Segment};

/// The kernel looks for the next archive at multiples of this.
const ALIGN: usize = 4;

/// The bytes of all initrds of an entry, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initrd<'a> {
    /// The one initrd itself, or a copy of all with zeros between them.
    pub bytes: Cow<'a, [u8]>,
    /// Where each file lies in `bytes`, and its digest.
    pub parts: Vec<(core::ops::Range<usize>, Digest)>,
}

/// Joins the initrds; `None` if there is not a byte in them. One alone is not
/// copied.
#[must_use]
pub fn join<B: AsRef<[u8]>>(blobs: &[Blob<B>]) -> Option<Initrd<'_>> {
    let (mut parts, mut end) = (Vec::new(), 0_usize);
    for blob in blobs {
        let start = end.next_multiple_of(ALIGN);
        end = start.checked_add(blob.bytes.as_ref().len())?;
        parts.push((start..end, blob.digest));
    }
    if end == 0 {
        return None;
    }
    let bytes = match blobs {
        [blob] => Cow::Borrowed(blob.bytes.as_ref()),
        _ => Cow::Owned(concatenate(blobs, end)),
    };
    Some(Initrd { bytes, parts })
}

fn concatenate<B: AsRef<[u8]>>(blobs: &[Blob<B>], size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size);
    for blob in blobs {
        bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
        bytes.extend_from_slice(blob.bytes.as_ref());
    }
    bytes
}

/// Initrds that have a place in memory.
pub(super) struct Placed<'a> {
    pub(super) initrd: Initrd<'a>,
    pub(super) range: Range,
}

impl<'a> Placed<'a> {
    /// Where the bytes lie, without the rest of the last page.
    pub(super) fn bytes(&self) -> Range {
        let size = self.initrd.bytes.len() as u64;
        Range::with_len(self.range.start(), size).unwrap_or(self.range)
    }

    /// One check per file.
    pub(super) fn checks(&self) -> Vec<Check> {
        let check = |(index, (place, digest)): (usize, &(core::ops::Range<usize>, Digest))| {
            let start = self.range.start().saturating_add(place.start as u64);
            let region = Range::with_len(start, place.len() as u64);
            let name = format!("initrd {}", index.saturating_add(1));
            Check { name, digest: *digest, regions: region.into_iter().collect() }
        };
        self.initrd.parts.iter().enumerate().map(check).collect()
    }

    pub(super) fn into_segment(self) -> Segment<'a> {
        Segment { name: "initrd", bytes: self.initrd.bytes, range: self.range }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_initrd_is_borrowed() {
        let blobs = [Blob::hash("/initrd", b"abcde".to_vec())];
        let initrd = join(&blobs).unwrap();
        assert!(matches!(initrd.bytes, Cow::Borrowed(b"abcde")));
        assert_eq!(initrd.parts, [(0..5, Digest::of(b"abcde"))]);
    }

    #[test]
    fn several_start_at_multiples_of_four() {
        let blobs = ["abcde", "", "fghi", "j"].map(|text| Blob::hash("/i", text.as_bytes()));
        let initrd = join(&blobs).unwrap();
        assert_eq!(*initrd.bytes, *b"abcde\0\0\0fghij");
        let places: Vec<_> = initrd.parts.iter().map(|(place, _)| place.clone()).collect();
        assert_eq!(places, [0..5, 8..8, 8..12, 12..13]);
        for (place, digest) in initrd.parts {
            assert_eq!(Digest::of(&initrd.bytes[place]), digest);
        }
    }

    #[test]
    fn nothing_is_no_initrd() {
        assert_eq!(join::<Vec<u8>>(&[]), None);
        assert_eq!(join(&[Blob::hash("/initrd", b"")]), None);
    }
}
