//! Physical address ranges: half-open, checked, never passed through text.

use core::fmt;

/// Bytes from `start` (inclusive) to `end` (exclusive).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    start: u64,
    end: u64,
}

impl Range {
    /// `None` if `end` lies before `start`.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start <= end { Some(Self { start, end }) } else { None }
    }

    /// `None` if `start + len` does not fit in 64 bits.
    #[must_use]
    pub const fn with_len(start: u64, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// The range from two inclusive ends, as /proc/iomem and sysfs write them.
    #[must_use]
    pub const fn inclusive(first: u64, last: u64) -> Option<Self> {
        match last.checked_add(1) {
            Some(end) => Self::new(first, end),
            None => None,
        }
    }

    /// First byte.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// One past the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there is no byte in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether every byte of `other` is in `self`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Whether the two share a byte.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// What is left of `self` without `hole`: nothing, one piece or two.
    pub fn minus(self, hole: Self) -> impl Iterator<Item = Self> {
        let below = Self::new(self.start, hole.start.min(self.end));
        let above = Self::new(hole.end.max(self.start), self.end);
        let pieces = if self.overlaps(hole) { [below, above] } else { [Some(self), None] };
        pieces.into_iter().flatten().filter(|piece| !piece.is_empty())
    }

    /// The largest range inside `self` whose ends are multiples of `align`.
    #[must_use]
    pub fn shrink_to(self, align: u64) -> Option<Self> {
        Self::new(align_up(self.start, align)?, align_down(self.end, align)?)
    }
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

/// The smallest multiple of `align` at or above `value`; `None` on overflow or
/// if `align` is zero.
#[must_use]
pub const fn align_up(value: u64, align: u64) -> Option<u64> {
    value.checked_next_multiple_of(align)
}

/// The largest multiple of `align` at or below `value`; `None` if `align` is
/// zero.
#[must_use]
pub const fn align_down(value: u64, align: u64) -> Option<u64> {
    match value.checked_rem(align) {
        Some(rest) => value.checked_sub(rest),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> Range {
        Range::new(start, end).unwrap()
    }

    #[test]
    fn a_range_never_ends_before_it_starts() {
        assert_eq!(Range::new(2, 1), None);
        assert_eq!(Range::with_len(u64::MAX, 1), None);
        assert_eq!(Range::inclusive(0, u64::MAX), None);
        assert_eq!(Range::inclusive(0, 0xfff), Range::new(0, 0x1000));
    }

    #[test]
    fn taking_a_hole_out_leaves_what_lies_beside_it() {
        let cases = [
            ((4, 6), vec![range(0, 4), range(6, 10)]),
            ((0, 10), vec![]),
            ((0, 3), vec![range(3, 10)]),
            ((7, 12), vec![range(0, 7)]),
            ((10, 12), vec![range(0, 10)]),
        ];
        for ((start, end), left) in cases {
            assert_eq!(range(0, 10).minus(range(start, end)).collect::<Vec<_>>(), left);
        }
    }

    #[test]
    fn shrinking_rounds_inward() {
        assert_eq!(range(0x1001, 0x3fff).shrink_to(0x1000), Range::new(0x2000, 0x3000));
        assert_eq!(range(0x1001, 0x1fff).shrink_to(0x1000), None);
        assert_eq!(align_up(u64::MAX, 2), None);
        assert_eq!(align_down(7, 0), None);
    }
}
