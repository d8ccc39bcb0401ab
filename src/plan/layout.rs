//! What is placed in memory: segments, the checks of what lies in them, and what
//! else the next kernel takes.
//!
//! Holds places only; nothing here chooses one ([`super::space`] does) or judges
//! one ([`super::validate`] does).

use std::borrow::Cow;

use purgatory::Conduit;

use super::paging::Mapping;
use crate::base::addr::Range;
use crate::base::digest::Digest;

/// Wherever a PC kernel does not keep its own.
pub(super) const ANYWHERE: Range = span(1 << 20, u64::MAX);

/// The range, or an empty one if it would end before it starts.
pub(super) const fn span(start: u64, end: u64) -> Range {
    match Range::new(start, end) {
        Some(range) => range,
        None => span(end, end),
    }
}

/// Bytes and where they go.
#[derive(Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// What it is: `kernel`, `initrd`, `params` or `purgatory`.
    pub name: &'static str,
    /// What is loaded at the start of `range`; the rest becomes zeros.
    pub bytes: Cow<'a, [u8]>,
    /// The memory that it takes, in whole pages.
    pub range: Range,
}

/// Bytes that the purgatory must find unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it prints if they are not; at most 16 ASCII characters.
    pub name: String,
    /// SHA-256 over all regions, one after the other.
    pub digest: Digest,
    /// Where the bytes lie.
    pub regions: Vec<Range>,
}

impl Check {
    pub(super) fn of(name: &str, start: u64, bytes: &[u8]) -> Self {
        let region = Range::with_len(start, bytes.len() as u64);
        let regions = region.into_iter().collect();
        Self { name: name.to_owned(), digest: Digest::of(bytes), regions }
    }
}

/// What a planner decides.
pub(super) struct Layout<'a> {
    /// Where the kernel is entered, and with what.
    pub(super) entry: u64,
    pub(super) argument: u64,
    pub(super) conduit: Conduit,
    pub(super) segments: Vec<Segment<'a>>,
    pub(super) checks: Vec<Check>,
    /// Memory that the next kernel takes for itself, its segment included.
    pub(super) windows: Vec<Range>,
    /// Memory besides the segments that the next kernel's first instructions
    /// touch, before it has page tables of its own.
    pub(super) maps: Vec<Mapping>,
}
