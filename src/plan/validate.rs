//! What kexec_load does not check: the kernel would take segments anywhere, and
//! find out after the old system is gone.

use core::fmt;

use super::layout::{Segment, span};
use super::{MAX_SEGMENTS, Machine, Placement};
use crate::base::addr::Range;
use crate::base::sort;

impl Placement<'_> {
    /// Checks what kexec_load does not: that there are 1 to 16 segments of
    /// whole pages, disjoint, in memory that may be overwritten, at most half
    /// of all memory; that what the kernel takes for itself is such memory too
    /// and holds no segment but its own; that the entry is in a segment, and
    /// that every checked region lies in bytes that are loaded.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self, machine: &Machine) -> Result<(), Invalid> {
        if self.segments.is_empty() || self.segments.len() > MAX_SEGMENTS {
            return Err(Invalid::Count(self.segments.len()));
        }
        let available = machine.available();
        self.segments.iter().try_for_each(|one| one.validate(machine.page_size, &available))?;
        let mut sorted: Vec<_> = self.segments.iter().collect();
        sort::sort_by_key(&mut sorted, |segment| segment.range);
        if let Some(&[low, high]) =
            sorted.array_windows().find(|[low, high]| low.range.overlaps(high.range))
        {
            return Err(Invalid::Overlap(low.name, high.name));
        }
        self.windows.iter().try_for_each(|window| self.validate_window(*window, &available))?;
        self.validate_sizes(machine)?;
        self.validate_targets()
    }

    fn validate_window(&self, window: Range, available: &[Range]) -> Result<(), Invalid> {
        if !available.iter().any(|free| free.contains(window)) {
            return Err(Invalid::WindowNotFree(window));
        }
        let others = self.segments.iter().filter(|segment| segment.name != "kernel");
        match others.into_iter().find(|segment| segment.range.overlaps(window)) {
            Some(segment) => Err(Invalid::InWindow(segment.name, window)),
            None => Ok(()),
        }
    }

    fn validate_sizes(&self, machine: &Machine) -> Result<(), Invalid> {
        let sizes = self.segments.iter().map(|segment| segment.range.len());
        let size = sizes.fold(0, u64::saturating_add);
        let limit = machine.total_ram / 2;
        if size > limit { Err(Invalid::TooBig { size, limit }) } else { Ok(()) }
    }

    fn validate_targets(&self) -> Result<(), Invalid> {
        if !self.is_loaded(span(self.entry, self.entry.saturating_add(1))) {
            return Err(Invalid::Entry(self.entry));
        }
        for check in &self.checks {
            if let Some(region) = check.regions.iter().find(|region| !self.is_loaded(**region)) {
                return Err(Invalid::Region(check.name.clone(), *region));
            }
        }
        Ok(())
    }

    fn is_loaded(&self, range: Range) -> bool {
        self.segments.iter().any(|segment| segment.loaded().contains(range))
    }
}

impl Segment<'_> {
    /// Where its bytes lie, without the zeros behind them.
    fn loaded(&self) -> Range {
        Range::with_len(self.range.start(), self.bytes.len() as u64).unwrap_or(self.range)
    }

    fn validate(&self, page_size: u64, available: &[Range]) -> Result<(), Invalid> {
        let Self { name, range, .. } = *self;
        if range.is_empty() || range.shrink_to(page_size) != Some(range) {
            return Err(Invalid::Pages(name, range));
        }
        if !range.contains(self.loaded()) {
            return Err(Invalid::Bytes { name, range, size: self.bytes.len() });
        }
        if !available.iter().any(|free| free.contains(range)) {
            return Err(Invalid::NotFree(name, range));
        }
        Ok(())
    }
}

/// A rule for segments that a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// This many segments.
    Count(usize),
    /// Not whole pages.
    Pages(&'static str, Range),
    /// More bytes than memory.
    Bytes {
        /// Name of the segment.
        name: &'static str,
        /// Its memory.
        range: Range,
        /// Its bytes.
        size: usize,
    },
    /// Memory that may not be overwritten.
    NotFree(&'static str, Range),
    /// Two segments share memory.
    Overlap(&'static str, &'static str),
    /// The kernel would take memory that may not be overwritten.
    WindowNotFree(Range),
    /// A segment lies in the memory that the kernel takes for itself.
    InWindow(&'static str, Range),
    /// More memory than the kernel lets a load have.
    TooBig {
        /// All segments together.
        size: u64,
        /// Half of the memory.
        limit: u64,
    },
    /// The entry lies in no segment.
    Entry(u64),
    /// A checked region is not loaded.
    Region(String, Range),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count} segments, but kexec_load takes 1 to 16"),
            Self::Pages(name, range) => write!(f, "the {name} at {range} is not in whole pages"),
            Self::Bytes { name, range, size } => {
                write!(f, "the {name} has {size} bytes, more than fit in {range}")
            }
            Self::NotFree(name, range) => {
                write!(f, "the {name} at {range} lies in memory that is not free")
            }
            Self::Overlap(low, high) => write!(f, "the {low} and the {high} overlap"),
            Self::WindowNotFree(window) => {
                write!(f, "the kernel would take {window} for itself, which is not free")
            }
            Self::InWindow(name, window) => {
                write!(f, "the {name} lies in {window}, which the kernel takes for itself")
            }
            Self::TooBig { size, limit } => {
                write!(f, "the segments need {size} bytes, but the running kernel takes at most ")?;
                write!(f, "{limit}, half of its memory")
            }
            Self::Entry(entry) => write!(f, "the entry {entry:#x} lies in no segment"),
            Self::Region(name, range) => {
                write!(f, "the {name} is checked at {range}, where nothing is loaded")
            }
        }
    }
}

impl core::error::Error for Invalid {}
