//! Several initrds as the one that a kernel takes.

use std::borrow::Cow;

use crate::base::addr::Range;
use crate::base::digest::Digest;
use crate::bundle::Bundle;

use super::Error;
use super::layout::{Check, Segment};
use super::system::whole;

/// The kernel looks for the next archive at multiples of this.
const ALIGN: usize = 4;

/// The bytes of all initrds of an entry, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initrd<'a> {
    /// The one initrd itself, or a copy of all with zeros between them.
    pub bytes: Cow<'a, [u8]>,
    /// What lies where in `bytes`.
    pub parts: Vec<Part>,
}

/// One of several initrds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `initrd` and the number of the file, or a section of the UKI.
    pub name: String,
    /// Where it lies.
    pub place: core::ops::Range<usize>,
    /// Its digest, if that is known already.
    pub digest: Option<Digest>,
}

/// Joins the initrds; `None` if there is not a byte in them. Those in a unified
/// kernel image and its addons are before the others, microcode first (UAPI.5).
/// One alone is not copied. `front` is an archive of Turnout's own that comes
/// before all of them, so that none of its files takes the place of one of
/// theirs.
///
/// # Errors
/// A unified kernel image or an addon that cannot be read.
pub fn join<'a, B: AsRef<[u8]>>(
    bundle: &'a Bundle<B>,
    front: Option<&'a [u8]>,
) -> Result<Option<Initrd<'a>>, Error> {
    let sources = sources(bundle, front)?;
    let mut parts = Vec::new();
    let mut end = 0_usize;
    for Source { name, bytes, digest } in &sources {
        let start = end.next_multiple_of(ALIGN);
        // All of them lie in memory: their lengths cannot add up to more.
        end = start.saturating_add(bytes.len());
        parts.push(Part { name: name.clone(), place: start..end, digest: *digest });
    }
    if end == 0 {
        return Ok(None);
    }
    let bytes = match sources.as_slice() {
        [one] => Cow::Borrowed(one.bytes),
        several => Cow::Owned(concatenate(several, end)),
    };
    Ok(Some(Initrd { bytes, parts }))
}

struct Source<'a> {
    name: String,
    bytes: &'a [u8],
    digest: Option<Digest>,
}

fn sources<'a, B: AsRef<[u8]>>(
    bundle: &'a Bundle<B>,
    front: Option<&'a [u8]>,
) -> Result<Vec<Source<'a>>, Error> {
    let front = front.map(|bytes| Source { name: "measurements".to_owned(), bytes, digest: None });
    let sections = whole(bundle)?.map(|whole| whole.initrds()).unwrap_or_default();
    let sections = sections.into_iter().map(|(name, bytes)| Source { name, bytes, digest: None });
    let files = bundle.initrds.iter().enumerate().map(|(index, blob)| Source {
        name: format!("initrd {}", index.saturating_add(1)),
        bytes: blob.bytes.as_ref(),
        digest: Some(blob.digest),
    });
    Ok(front.into_iter().chain(sections).chain(files).collect())
}

fn concatenate(sources: &[Source<'_>], size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size);
    for source in sources {
        bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
        bytes.extend_from_slice(source.bytes);
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

    /// One check for each part.
    pub(super) fn checks(&self) -> Vec<Check> {
        self.initrd.parts.iter().map(|part| self.check(part)).collect()
    }

    fn check(&self, part: &Part) -> Check {
        let start = self.range.start().saturating_add(part.place.start as u64);
        let region = Range::with_len(start, part.place.len() as u64);
        let digest = part.digest.unwrap_or_else(|| {
            Digest::of(self.initrd.bytes.get(part.place.clone()).unwrap_or_default())
        });
        Check { name: part.name.clone(), digest, regions: region.into_iter().collect() }
    }

    pub(super) fn into_segment(self) -> Segment<'a> {
        Segment { name: "initrd", bytes: self.initrd.bytes, range: self.range }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::{gzip, uki};
    use crate::plan::tests::bundle;

    fn places(initrd: &Initrd<'_>) -> Vec<core::ops::Range<usize>> {
        initrd.parts.iter().map(|part| part.place.clone()).collect()
    }

    #[test]
    fn one_initrd_is_borrowed() {
        let bundle = bundle(Vec::new(), &[b"abcde"]);
        let initrd = join(&bundle, None).unwrap().unwrap();
        assert!(matches!(initrd.bytes, Cow::Borrowed(b"abcde")));
        let digest = Some(Digest::of(b"abcde"));
        assert_eq!(initrd.parts, [Part { name: "initrd 1".to_owned(), place: 0..5, digest }]);
    }

    #[test]
    fn several_start_at_multiples_of_four() {
        let bundle = bundle(Vec::new(), &[b"abcde", b"", b"fghi", b"j"]);
        let initrd = join(&bundle, None).unwrap().unwrap();
        assert_eq!(*initrd.bytes, *b"abcde\0\0\0fghij");
        assert_eq!(places(&initrd), [0..5, 8..8, 8..12, 12..13]);
        for part in initrd.parts {
            assert_eq!(Some(Digest::of(&initrd.bytes[part.place])), part.digest);
        }
    }

    #[test]
    fn those_in_a_uki_are_before_the_others_whatever_their_order_there() {
        let sections: [(&str, &[u8]); 3] =
            [(".initrd", b"initrd!"), (".linux", b"kernel"), (".ucode", b"ucode")];
        let bundle = bundle(uki(&sections), &[b"first"]);
        let initrd = join(&bundle, None).unwrap().unwrap();
        assert_eq!(*initrd.bytes, *b"ucode\0\0\0initrd!\0first");
        assert_eq!(places(&initrd), [0..5, 8..15, 16..21]);
        let names: Vec<_> = initrd.parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, [".ucode", ".initrd", "initrd 1"]);
    }

    #[test]
    fn the_one_in_a_uki_is_borrowed() {
        let bundle = bundle(uki(&[(".linux", b"kernel"), (".initrd", b"initrd")]), &[]);
        assert!(matches!(join(&bundle, None).unwrap().unwrap().bytes, Cow::Borrowed(b"initrd")));
    }

    #[test]
    fn a_uki_that_unpack_would_refuse_gives_nothing() {
        let packed = gzip(&uki(&[(".linux", b"kernel"), (".initrd", b"initrd")]));
        assert_eq!(join(&bundle(packed, &[]), None), Ok(None));
    }

    #[test]
    fn what_turnout_hands_over_is_before_everything_else() {
        let bundle = bundle(uki(&[(".linux", b"kernel"), (".ucode", b"ucode")]), &[b"first"]);
        let initrd = join(&bundle, Some(b"front")).unwrap().unwrap();
        assert_eq!(*initrd.bytes, *b"front\0\0\0ucode\0\0\0first");
        let names: Vec<_> = initrd.parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["measurements", ".ucode", "initrd 1"]);
    }

    #[test]
    fn nothing_is_no_initrd() {
        assert_eq!(join(&bundle(Vec::new(), &[]), None), Ok(None));
        assert_eq!(join(&bundle(Vec::new(), &[b""]), None), Ok(None));
    }
}
