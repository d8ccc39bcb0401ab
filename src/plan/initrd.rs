//! Several initrds as the one that a kernel takes.
//!
//! For kexec_load each lies in memory of its own, page by page beside the one
//! before: nothing is copied, and the kernel skips the zeros in between (Linux
//! Documentation/driver-api/early-userspace/buffer-format.rst; its search for
//! microcode and ACPI tables skips them too, four at a time). Only where there are
//! more than kexec_load takes, the shortest neighbours are put together. For
//! kexec_file_load all of them become one file.

use std::borrow::Cow;

use crate::base::addr::Range;
use crate::base::digest::Digest;
use crate::bundle::Bundle;

use super::layout::{Check, Segment, span};
use super::system::whole;
use super::{Error, MAX_SEGMENTS, Machine, Prepared};

/// The kernel looks for the next archive at multiples of this.
const ALIGN: usize = 4;
const ZEROS: &[u8] = &[0; ALIGN];

/// The bytes of all initrds of an entry, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Initrd<'a> {
    /// Never none, and none of them empty.
    pub(super) pieces: Vec<Piece<'a>>,
    /// What lies where.
    pub(super) parts: Vec<Part>,
}

/// Bytes that lie together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// How many bytes behind the start of the first piece: whole pages.
    pub(super) at: usize,
    /// One initrd itself, or a copy of several with zeros between them.
    pub(super) bytes: Cow<'a, [u8]>,
}

/// One of several initrds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// `initrd` and the number of the file, or a section of the UKI.
    pub(super) name: String,
    /// Where it lies, in bytes behind the start of the first piece.
    pub(super) place: core::ops::Range<usize>,
    /// SHA-256 of its bytes.
    pub(super) digest: Digest,
}

/// What kexec_load leaves for initrds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// Pieces start at multiples of this.
    pub(super) page_size: u64,
    /// Most pieces.
    pub(super) most: usize,
}

/// The parameters and the purgatory.
const OWN_SEGMENTS: usize = 2;

impl Grid {
    pub(super) fn new(prepared: &Prepared<'_>, machine: &Machine) -> Self {
        let others = prepared.segments().saturating_add(OWN_SEGMENTS);
        let others = others.saturating_add(usize::from(machine.crash.is_some()));
        Self { page_size: machine.page_size, most: MAX_SEGMENTS.saturating_sub(others) }
    }
}

/// An initrd that is not empty.
pub(super) struct Source<'a> {
    name: String,
    pub(super) bytes: &'a [u8],
    digest: Option<Digest>,
}

/// The initrds of a bundle, without those that have not a byte. Those in a unified
/// kernel image and its addons are before the others, microcode first (UAPI.5).
/// `front` is an archive of Turnout's own that comes before all of them, so that
/// none of its files takes the place of one of theirs.
///
/// # Errors
/// A unified kernel image or an addon that cannot be read.
pub(super) fn sources<'a, B: AsRef<[u8]>>(
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
    let all = front.into_iter().chain(sections).chain(files);
    Ok(all.filter(|source| !source.bytes.is_empty()).collect())
}

/// The bytes of an entry's initrds, in the order in which the kernel unpacks them.
///
/// # Errors
/// A unified kernel image or an addon that cannot be read.
pub fn initrds<B: AsRef<[u8]>>(bundle: &Bundle<B>) -> Result<Vec<&[u8]>, Error> {
    Ok(sources(bundle, None)?.into_iter().map(|source| source.bytes).collect())
}

/// The initrds side by side; `None` if there are none.
///
/// # Errors
/// As [`sources`].
pub(super) fn join<'a, B: AsRef<[u8]>>(
    bundle: &'a Bundle<B>,
    front: Option<&'a [u8]>,
    grid: Grid,
) -> Result<Option<Initrd<'a>>, Error> {
    let sources = sources(bundle, front)?;
    let mut initrd = Initrd::default();
    for group in groups(&sources, grid.most) {
        initrd.add(group, grid.page_size);
    }
    Ok((!initrd.pieces.is_empty()).then_some(initrd))
}

/// Bytes that have to be copied where there may be so many pieces.
pub(super) fn copied(sources: &[Source<'_>], most: usize) -> u64 {
    let groups = groups(sources, most);
    let several = groups.into_iter().filter(|group| group.len() > 1);
    several.fold(0_u64, |sum, group| sum.saturating_add(length(group) as u64))
}

/// Each source for itself, or together with neighbours where there are too many:
/// always those two that are the shortest together.
fn groups<'s, 'a>(sources: &'s [Source<'a>], most: usize) -> Vec<&'s [Source<'a>]> {
    let mut ends: Vec<usize> = (1..=sources.len()).collect();
    while ends.len() > most.max(1) {
        let Some(shortest) = shortest_pair(&slices(sources, &ends)) else { break };
        ends.remove(shortest);
    }
    slices(sources, &ends)
}

/// The sources up to each end, from the end before it.
fn slices<'s, 'a>(sources: &'s [Source<'a>], ends: &[usize]) -> Vec<&'s [Source<'a>]> {
    let starts = [0].into_iter().chain(ends.iter().copied());
    starts.zip(ends).filter_map(|(start, end)| sources.get(start..*end)).collect()
}

/// Where the first of the two is.
fn shortest_pair(groups: &[&[Source<'_>]]) -> Option<usize> {
    let pairs = groups.array_windows().enumerate();
    let shortest =
        pairs.min_by_key(|(_, [first, second])| length(first).saturating_add(length(second)));
    shortest.map(|(at, _)| at)
}

pub(super) fn length(group: &[Source<'_>]) -> usize {
    group.iter().fold(0, |sum, source| sum.saturating_add(source.bytes.len()))
}

/// The bytes of all sources, in order, with the zeros that belong between them.
pub(super) fn in_one_file<'a>(sources: &[Source<'a>]) -> Vec<&'a [u8]> {
    let mut all = Vec::new();
    let mut end = 0_usize;
    for source in sources {
        let start = end.next_multiple_of(ALIGN);
        all.extend(ZEROS.get(..start.saturating_sub(end)));
        all.push(source.bytes);
        // All of them lie in memory: their lengths cannot add up to more.
        end = start.saturating_add(source.bytes.len());
    }
    all
}

impl<'a> Initrd<'a> {
    /// How many bytes it is from the first to the last.
    pub(super) fn size(&self) -> usize {
        self.pieces.last().map_or(0, |piece| piece.at.saturating_add(piece.bytes.len()))
    }

    fn add(&mut self, group: &[Source<'a>], page_size: u64) {
        let page = usize::try_from(page_size).unwrap_or(0).max(ALIGN);
        let at = self.size().next_multiple_of(page);
        let mut end = at;
        for Source { name, bytes, digest } in group {
            let start = end.next_multiple_of(ALIGN);
            end = start.saturating_add(bytes.len());
            let digest = digest.unwrap_or_else(|| Digest::of(bytes));
            self.parts.push(Part { name: name.clone(), place: start..end, digest });
        }
        let bytes = match group {
            [one] => Cow::Borrowed(one.bytes),
            several => Cow::Owned(in_one_file(several).concat()),
        };
        self.pieces.push(Piece { at, bytes });
    }
}

/// Initrds that have a place in memory.
pub(super) struct Placed<'a> {
    pub(super) initrd: Initrd<'a>,
    pub(super) range: Range,
}

impl<'a> Placed<'a> {
    /// Where the bytes lie, without the rest of the last page.
    pub(super) fn bytes(&self) -> Range {
        let size = self.initrd.size() as u64;
        Range::with_len(self.range.start(), size).unwrap_or(self.range)
    }

    /// One check for each part.
    pub(super) fn checks(&self) -> Vec<Check> {
        self.initrd.parts.iter().map(|part| self.check(part)).collect()
    }

    fn check(&self, part: &Part) -> Check {
        let start = self.range.start().saturating_add(part.place.start as u64);
        let region = Range::with_len(start, part.place.len() as u64);
        let regions = region.into_iter().collect();
        Check { name: part.name.clone(), digest: part.digest, regions }
    }

    /// A segment for each piece, up to where the next one starts.
    pub(super) fn into_segments(self) -> Vec<Segment<'a>> {
        let mut end = self.range.end();
        let mut segments = Vec::new();
        for Piece { at, bytes } in self.initrd.pieces.into_iter().rev() {
            let start = self.range.start().saturating_add(at as u64);
            let range = span(start, end);
            segments.push(Segment { name: "initrd", bytes, range });
            end = start;
        }
        segments.reverse();
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::{gzip, uki};
    use crate::plan::tests::bundle;

    const GRID: Grid = Grid { page_size: 4096, most: 12 };

    fn joined<'a>(bundle: &'a Bundle<Vec<u8>>, front: Option<&'a [u8]>, grid: Grid) -> Initrd<'a> {
        join(bundle, front, grid).unwrap().unwrap()
    }

    /// Where each piece begins, and its bytes.
    fn pieces<'b>(initrd: &'b Initrd<'_>) -> Vec<(usize, &'b [u8])> {
        initrd.pieces.iter().map(|piece| (piece.at, &*piece.bytes)).collect()
    }

    fn names<'b>(initrd: &'b Initrd<'_>) -> Vec<&'b str> {
        initrd.parts.iter().map(|part| part.name.as_str()).collect()
    }

    fn is_a_copy(piece: &Piece<'_>) -> bool {
        matches!(piece.bytes, Cow::Owned(_))
    }

    #[test]
    fn initrds_lie_side_by_side_and_none_is_copied() {
        let bundle = bundle(Vec::new(), &[b"abcde", b"", &[7; 4096], b"j"]);
        let initrd = joined(&bundle, Some(b"front"), GRID);
        let lie: [(usize, &[u8]); 4] =
            [(0, b"front"), (4096, b"abcde"), (8192, &[7; 4096]), (12288, b"j")];
        assert_eq!(pieces(&initrd), lie);
        assert_eq!(initrd.size(), 12289);
        for (piece, blob) in initrd.pieces.iter().skip(1).zip([0, 2, 3]) {
            assert!(core::ptr::eq(&*piece.bytes, bundle.initrds[blob].bytes.as_slice()));
        }
        assert_eq!(names(&initrd), ["measurements", "initrd 1", "initrd 3", "initrd 4"]);
        for (part, (at, bytes)) in initrd.parts.iter().zip(lie) {
            assert_eq!(part.place, at..at + bytes.len());
            assert_eq!(part.digest, Digest::of(bytes));
        }
    }

    #[test]
    fn large_pages_lie_further_apart() {
        let bundle = bundle(Vec::new(), &[b"abcde", b"fghi"]);
        let initrd = joined(&bundle, None, Grid { page_size: 65536, ..GRID });
        let lie: [(usize, &[u8]); 2] = [(0, b"abcde"), (65536, b"fghi")];
        assert_eq!(pieces(&initrd), lie);
    }

    #[test]
    fn of_too_many_the_shortest_neighbours_are_put_together() {
        let bundle = bundle(Vec::new(), &[&[1; 5000], b"ab", &[3; 5000], b"cd", b"efghi", b"j"]);
        let initrd = joined(&bundle, None, Grid { most: 4, ..GRID });
        let lie: [(usize, &[u8]); 4] =
            [(0, &[1; 5000]), (8192, b"ab"), (12288, &[3; 5000]), (20480, b"cd\0\0efghi\0\0\0j")];
        assert_eq!(pieces(&initrd), lie);
        let copies: Vec<_> = initrd.pieces.iter().map(is_a_copy).collect();
        assert_eq!(copies, [false, false, false, true]);
        for part in &initrd.parts {
            let piece = initrd.pieces.iter().rfind(|piece| piece.at <= part.place.start).unwrap();
            let place = part.place.start - piece.at..part.place.end - piece.at;
            assert_eq!(Digest::of(&piece.bytes[place]), part.digest, "{}", part.name);
        }
        let one = joined(&bundle, None, Grid { most: 0, ..GRID });
        assert_eq!((one.pieces.len(), one.parts.len()), (1, 6));
    }

    #[test]
    fn those_in_a_uki_are_before_the_others_whatever_their_order_there() {
        let sections: [(&str, &[u8]); 3] =
            [(".initrd", b"initrd!"), (".linux", b"kernel"), (".ucode", b"ucode")];
        let bundle = bundle(uki(&sections), &[b"first"]);
        let initrd = joined(&bundle, Some(b"front"), Grid { most: 1, ..GRID });
        let lie: [(usize, &[u8]); 1] = [(0, b"front\0\0\0ucode\0\0\0initrd!\0first")];
        assert_eq!(pieces(&initrd), lie);
        assert_eq!(names(&initrd), ["measurements", ".ucode", ".initrd", "initrd 1"]);
    }

    #[test]
    fn the_one_in_a_uki_is_borrowed() {
        let bundle = bundle(uki(&[(".linux", b"kernel"), (".initrd", b"initrd")]), &[]);
        let initrd = joined(&bundle, None, GRID);
        assert!(matches!(initrd.pieces[0].bytes, Cow::Borrowed(b"initrd")));
    }

    #[test]
    fn a_uki_that_unpack_would_refuse_gives_nothing() {
        let packed = gzip(&uki(&[(".linux", b"kernel"), (".initrd", b"initrd")]));
        assert_eq!(join(&bundle(packed, &[]), None, GRID), Ok(None));
    }

    #[test]
    fn in_one_file_each_starts_at_a_multiple_of_four() {
        let bundle = bundle(Vec::new(), &[b"abcde", b"", b"fghi", b"j"]);
        let sources = sources(&bundle, Some(b"front")).unwrap();
        assert_eq!(in_one_file(&sources).concat(), *b"front\0\0\0abcde\0\0\0fghij");
    }

    #[test]
    fn nothing_is_no_initrd() {
        assert_eq!(join(&bundle(Vec::new(), &[]), None, GRID), Ok(None));
        assert_eq!(join(&bundle(Vec::new(), &[b""]), None, GRID), Ok(None));
    }
}
