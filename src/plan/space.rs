//! Memory that segments are placed in: each place is given out once.

use crate::base::addr::{Range, align_down, align_up};
use crate::memmap;

/// Free memory, in ascending order.
#[derive(Debug, Clone)]
pub(super) struct Space {
    free: Vec<Range>,
    page_size: u64,
}

/// What a segment asks for. Sizes and addresses in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    /// What it is, for the error.
    pub(super) name: &'static str,
    pub(super) size: u64,
    /// The place starts `offset` bytes behind a multiple of this.
    pub(super) align: u64,
    pub(super) offset: u64,
    /// The place lies in this range.
    pub(super) within: Range,
}

/// No place for this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRoom {
    /// Name of the segment.
    pub name: &'static str,
    /// Its size in memory.
    pub size: u64,
    /// The longest free range, of whatever alignment, where it may lie.
    pub longest: u64,
}

impl Space {
    pub(super) const fn new(free: Vec<Range>, page_size: u64) -> Self {
        Self { free, page_size }
    }

    /// Takes the lowest place, in whole pages.
    pub(super) fn take_lowest(&mut self, want: &Want) -> Result<Range, NoRoom> {
        let place = self.candidates(want).find_map(|range| lowest(range, &self.in_pages(want)?));
        self.take(want, place)
    }

    /// Takes the highest place, in whole pages.
    pub(super) fn take_highest(&mut self, want: &Want) -> Result<Range, NoRoom> {
        let in_pages = self.in_pages(want);
        let place = self.candidates(want).rev().find_map(|range| highest(range, &in_pages?));
        self.take(want, place)
    }

    /// Takes any place, in whole pages, each as likely as another; `random` says
    /// which.
    pub(super) fn take_random(&mut self, want: &Want, random: u64) -> Result<Range, NoRoom> {
        let place = self.in_pages(want).and_then(|want| {
            let places: Vec<_> = self.candidates(&want).filter_map(|r| places(r, &want)).collect();
            let count = places.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
            nth(&places, random.checked_rem(count)?, &want)
        });
        self.take(want, place)
    }

    /// Gives a place back that was taken.
    pub(super) fn give_back(&mut self, place: Range) {
        self.free = memmap::merge(self.free.iter().copied().chain([place]));
    }

    fn in_pages(&self, want: &Want) -> Option<Want> {
        let size = align_up(want.size.max(1), self.page_size)?;
        Some(Want { size, align: want.align.max(self.page_size), ..*want })
    }

    fn candidates(&self, want: &Want) -> impl DoubleEndedIterator<Item = Range> {
        let within = want.within;
        self.free.iter().filter_map(move |range| {
            Range::new(range.start().max(within.start()), range.end().min(within.end()))
        })
    }

    fn take(&mut self, want: &Want, place: Option<Range>) -> Result<Range, NoRoom> {
        let Some(place) = place else {
            let longest = self.candidates(want).map(Range::len).max().unwrap_or(0);
            return Err(NoRoom { name: want.name, size: want.size, longest });
        };
        self.free = self.free.iter().flat_map(|range| range.minus(place)).collect();
        Ok(place)
    }
}

/// The lowest place in the range, and how many there are a multiple of
/// `want.align` apart.
fn places(range: Range, want: &Want) -> Option<(Range, u64)> {
    let lowest = lowest(range, want)?;
    let more = range.end().checked_sub(lowest.end())?.checked_div(want.align)?;
    Some((lowest, more.checked_add(1)?))
}

fn nth(places: &[(Range, u64)], mut index: u64, want: &Want) -> Option<Range> {
    for (lowest, count) in places {
        if index < *count {
            let start = lowest.start().checked_add(index.checked_mul(want.align)?)?;
            return Range::with_len(start, want.size);
        }
        index = index.saturating_sub(*count);
    }
    None
}

fn lowest(range: Range, want: &Want) -> Option<Range> {
    let base = align_up(range.start().saturating_sub(want.offset), want.align)?;
    let place = Range::with_len(base.checked_add(want.offset)?, want.size)?;
    range.contains(place).then_some(place)
}

fn highest(range: Range, want: &Want) -> Option<Range> {
    let last = range.end().checked_sub(want.size)?.checked_sub(want.offset)?;
    let start = align_down(last, want.align)?.checked_add(want.offset)?;
    let place = Range::with_len(start, want.size)?;
    range.contains(place).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Range = Range::new(0, u64::MAX).unwrap();

    fn range(start: u64, end: u64) -> Range {
        Range::new(start, end).unwrap()
    }

    fn space() -> Space {
        Space::new(vec![range(0x1000, 0x4000), range(0x11000, 0x20000)], 0x1000)
    }

    fn want(size: u64, align: u64) -> Want {
        Want { name: "kernel", size, align, offset: 0, within: ALL }
    }

    #[test]
    fn a_place_is_given_out_once() {
        let mut space = space();
        assert_eq!(space.take_lowest(&want(0x1001, 1)), Ok(range(0x1000, 0x3000)));
        assert_eq!(space.take_lowest(&want(1, 1)), Ok(range(0x3000, 0x4000)));
        assert_eq!(space.take_lowest(&want(1, 1)), Ok(range(0x11000, 0x12000)));
        assert_eq!(space.take_highest(&want(0x2000, 1)), Ok(range(0x1e000, 0x20000)));
        assert_eq!(space.take_highest(&want(0x2000, 1)), Ok(range(0x1c000, 0x1e000)));
    }

    #[test]
    fn alignment_offset_and_bounds_are_kept() {
        assert_eq!(space().take_lowest(&want(1, 0x8000)), Ok(range(0x18000, 0x19000)));
        assert_eq!(space().take_highest(&want(0x3000, 0x8000)), Ok(range(0x18000, 0x1b000)));
        let offset = Want { offset: 0x2000, ..want(0x1000, 0x10000) };
        assert_eq!(space().take_lowest(&offset), Ok(range(0x2000, 0x3000)));
        assert_eq!(space().take_highest(&offset), Ok(range(0x12000, 0x13000)));
        let within = Want { within: range(0x2800, 0x14000), ..want(0x1000, 1) };
        assert_eq!(space().take_lowest(&within), Ok(range(0x3000, 0x4000)));
        assert_eq!(space().take_highest(&within), Ok(range(0x13000, 0x14000)));
    }

    #[test]
    fn a_random_place_is_any_of_them_and_no_other() {
        let want = want(0x3000, 0x2000);
        let any: Vec<_> = (0..8).map(|n| space().take_random(&want, n).unwrap().start()).collect();
        let six = [0x12000, 0x14000, 0x16000, 0x18000, 0x1a000, 0x1c000];
        assert_eq!(any, [&six[..], &six[..2]].concat());
        let page = Want { size: 0x1000, ..want };
        assert_eq!(space().take_random(&page, 0), Ok(range(0x2000, 0x3000)));
        assert_eq!(space().take_random(&page, 1), Ok(range(0x12000, 0x13000)));
    }

    #[test]
    fn what_was_given_back_is_free_again_as_one_piece() {
        let mut space = space();
        let place = space.take_lowest(&want(0x1000, 1)).unwrap();
        space.give_back(place);
        assert_eq!(space.take_random(&want(0x3000, 0x1000), 0), Ok(range(0x1000, 0x4000)));
    }

    #[test]
    fn what_does_not_fit_is_said_with_the_longest_range() {
        let error = NoRoom { name: "kernel", size: 0x10000, longest: 0xf000 };
        assert_eq!(space().take_lowest(&want(0x10000, 1)), Err(error.clone()));
        assert_eq!(space().take_highest(&want(0x10000, 1)), Err(error));
        for (size, align, offset) in [(u64::MAX, 1, 0), (1, 1 << 63, 0), (1, 1, u64::MAX)] {
            let error = NoRoom { name: "kernel", size, longest: 0xf000 };
            let want = Want { offset, ..want(size, align) };
            assert_eq!(space().take_lowest(&want), Err(error.clone()));
            assert_eq!(space().take_highest(&want), Err(error.clone()));
            assert_eq!(space().take_random(&want, 7), Err(error));
        }
    }
}
