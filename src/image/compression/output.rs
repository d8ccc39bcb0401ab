//! What a decoder writes to: a vector that grows with its content and never
//! beyond a limit.

use super::Reason;
use crate::base::patience::Patience;

/// How much room the first bytes get; from then on it doubles.
const FIRST: usize = 1 << 20;
/// After so many bytes the clock is looked at again.
const LOOK: u64 = 1 << 20;

/// Decoded bytes.
pub(super) struct Output {
    bytes: Vec<u8>,
    limit: u64,
    patience: Patience,
    /// How many bytes there are when the clock is looked at next.
    next_look: u64,
}

impl Output {
    pub(super) const fn new(limit: u64, patience: Patience) -> Self {
        Self { bytes: Vec::new(), limit, patience, next_look: 0 }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn extend(&mut self, more: &[u8]) -> Result<(), Reason> {
        self.reserve(more.len())?;
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Lengthens it by as many zeros as fit, `more` or fewer but not none, and
    /// gives everything: for decoders that write in place.
    pub(super) fn grow(&mut self, more: usize) -> Result<&mut [u8], Reason> {
        let room = self.limit.saturating_sub(self.bytes.len() as u64);
        let more = more.min(usize::try_from(room).unwrap_or(usize::MAX));
        if more == 0 {
            return Err(Reason::TooLong(self.limit));
        }
        self.reserve(more)?;
        self.bytes.resize(self.bytes.len().saturating_add(more), 0);
        Ok(&mut self.bytes)
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Copies `count` bytes from `distance` bytes back, each as soon as it is
    /// written.
    pub(super) fn repeat(&mut self, distance: usize, count: usize) -> Result<(), Reason> {
        self.reserve(count)?;
        let from = self.bytes.len().checked_sub(distance).filter(|_| distance > 0);
        let mut left = count;
        while left > 0 {
            let start = from.ok_or(Reason::Damaged)?;
            // All that is there already: twice as much in every round.
            let part = left.min(self.bytes.len().saturating_sub(start));
            self.bytes.extend_from_within(start..start.saturating_add(part));
            left = left.saturating_sub(part);
        }
        Ok(())
    }

    /// Makes room for `more` bytes.
    fn reserve(&mut self, more: usize) -> Result<(), Reason> {
        if more <= self.bytes.capacity().saturating_sub(self.bytes.len()) {
            return self.check(more);
        }
        self.check(more)?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let needed = self.bytes.len().saturating_add(more);
        let doubled = self.bytes.capacity().saturating_mul(2).max(FIRST).min(limit).max(needed);
        let additional = doubled.saturating_sub(self.bytes.len());
        self.bytes.try_reserve_exact(additional).ok().ok_or(Reason::Memory(doubled))
    }

    fn check(&mut self, more: usize) -> Result<(), Reason> {
        let total = (self.bytes.len() as u64).saturating_add(more as u64);
        if total > self.limit {
            return Err(Reason::TooLong(self.limit));
        }
        if total < self.next_look {
            return Ok(());
        }
        self.next_look = total.saturating_add(LOOK);
        if self.patience.is_over() { Err(Reason::Late) } else { Ok(()) }
    }
}
