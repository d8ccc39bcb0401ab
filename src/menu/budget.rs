//! What a device may cost before anything of it is verified.
//!
//! Every reader of menus, manifests and signatures sees a device only through
//! [`super::metered::Metered`], which draws on the [`Budget`] of that device: bytes
//! that are read, bytes that are kept, names that are looked at, what is put in
//! for variables, and time. At the end of any of them the rest of the device is
//! left out, and whoever asks for more is told so at once, without a look at the
//! device. Menus may use up three quarters; the last quarter is for the trust
//! anchor and for judging the entries that were found. Time comes from the
//! caller's clock. Must never let one device draw on another one's budget.

use core::cell::Cell;
use core::fmt;
use core::time::Duration;

use super::diagnostic::{Code, Diagnostic};

const MIB: u64 = 1 << 20;
const RESOURCES: usize = 5;

/// Time since some moment that stays the same.
pub type Clock = fn() -> Duration;

/// How much a device may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that are read; the other figures but time are shares of it.
    pub memory: u64,
    /// Most bytes that are kept of what was read.
    pub kept: u64,
    /// Longest time.
    pub time: Duration,
}

impl Limits {
    /// What one may cost where nobody says.
    pub const DEFAULT: Self = Self::new(64 * MIB, Duration::from_secs(5));

    /// Of `memory` bytes to read a quarter may be kept: what is kept is copied
    /// for the screen or the answer of a command.
    #[must_use]
    pub const fn new(memory: u64, time: Duration) -> Self {
        Self { memory, kept: memory / 4, time }
    }

    fn of(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Read => self.memory,
            Resource::Kept => self.kept,
            Resource::Names => self.memory / 512,
            Resource::Expanded => self.memory / 8,
            Resource::Time => micros(self.time),
        }
    }
}

/// What a device may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    /// Bytes that were read.
    Read,
    /// Bytes that are kept.
    Kept,
    /// Names that were looked at, in directories or as paths.
    Names,
    /// Bytes that were put in for variables.
    Expanded,
    /// Microseconds.
    Time,
}

/// What a device is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For what menus it has.
    Menus,
    /// For ring and policy, and for the manifests of entries.
    Judging,
}

impl Purpose {
    const fn share(self, whole: u64) -> u64 {
        match self {
            Self::Menus => whole - whole / 4,
            Self::Judging => whole,
        }
    }
}

/// That a device has cost what it may, and in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    resource: Resource,
    limit: u64,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        f.write_str("the rest of this device is left out: before it is verified, at most ")?;
        match self.resource {
            Resource::Read => write!(f, "{limit} bytes of it are read"),
            Resource::Kept => write!(f, "{limit} bytes of it are kept in memory"),
            Resource::Names => write!(f, "{limit} names on it are looked at"),
            Resource::Expanded => write!(f, "{limit} bytes are put in for its variables"),
            Resource::Time => {
                return write!(f, "{} ms are spent on it (unverified-time)", limit / 1000);
            }
        }?;
        f.write_str(" (unverified-memory)")
    }
}

impl From<Exceeded> for String {
    fn from(exceeded: Exceeded) -> Self {
        exceeded.to_string()
    }
}

impl Exceeded {
    /// The one diagnostic that says so.
    #[must_use]
    pub fn diagnostic(self) -> Diagnostic {
        Diagnostic::new("/", None, Code::Budget, self.into())
    }
}

/// What one device has cost until now, and may cost.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    clock: Clock,
    spent: [Cell<u64>; RESOURCES],
    /// For each purpose, how it came to its end.
    ended: [Cell<Option<Exceeded>>; 2],
}

impl Default for Budget {
    /// For whoever reads what nobody waits for: a tool on the host that builds.
    fn default() -> Self {
        Self::new(Limits::DEFAULT, || Duration::ZERO)
    }
}

impl Budget {
    /// Nothing spent yet.
    #[must_use]
    pub fn new(limits: Limits, clock: Clock) -> Self {
        Self { limits, clock, spent: Default::default(), ended: Default::default() }
    }

    /// How judging the entries came to its end, if it did.
    #[must_use]
    pub fn judging_ended(&self) -> Option<Exceeded> {
        self.end_of(Purpose::Judging)
    }

    /// How many bytes are kept of the device.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.spent_on(Resource::Kept)
    }

    /// What the clock says.
    pub(super) fn now(&self) -> Duration {
        (self.clock)()
    }

    /// How the budget for a purpose came to its end, if it did.
    pub(super) fn end_of(&self, purpose: Purpose) -> Option<Exceeded> {
        self.ended.get(purpose as usize).and_then(Cell::get)
    }

    /// Spends so much. `since` is when the device was last turned to, whose time
    /// is not spent yet.
    ///
    /// # Errors
    /// It, or time, was more than there is left; or something was before.
    pub(super) fn draw(
        &self,
        purpose: Purpose,
        since: Duration,
        resource: Resource,
        amount: u64,
    ) -> Result<(), Exceeded> {
        if let Some(exceeded) = self.end_of(purpose) {
            return Err(exceeded);
        }
        let time = self.spent_on(Resource::Time);
        let time = time.saturating_add(micros(self.now().saturating_sub(since)));
        self.check(purpose, Resource::Time, time)?;
        let sum = self.add(resource, amount);
        self.check(purpose, resource, sum)
    }

    fn check(&self, purpose: Purpose, resource: Resource, sum: u64) -> Result<(), Exceeded> {
        let limit = purpose.share(self.limits.of(resource));
        if sum <= limit {
            return Ok(());
        }
        let exceeded = Exceeded { resource, limit };
        if let Some(ended) = self.ended.get(purpose as usize) {
            ended.set(Some(exceeded));
        }
        Err(exceeded)
    }

    fn spent_on(&self, resource: Resource) -> u64 {
        self.spent.get(resource as usize).map_or(u64::MAX, Cell::get)
    }

    /// Adds to what was spent, and gives the sum.
    pub(super) fn add(&self, resource: Resource, amount: u64) -> u64 {
        let sum = self.spent_on(resource).saturating_add(amount);
        if let Some(spent) = self.spent.get(resource as usize) {
            spent.set(sum);
        }
        sum
    }
}

/// What may be kept in memory of all devices together. Each has a budget of its own;
/// only what is kept for as long as a menu is shown adds up.
#[derive(Debug)]
pub struct Allowance {
    left: u64,
}

impl Allowance {
    /// As much as so many devices may keep, all together may at most.
    const DEVICES: u64 = 4;
    /// Which part of the memory that is there they may: what is kept is copied for
    /// the screen.
    const OF_MEMORY: u64 = 16;

    /// For devices with these limits, where so many bytes are available.
    #[must_use]
    pub fn new(limits: Limits, available: u64) -> Self {
        Self { left: limits.kept.saturating_mul(Self::DEVICES).min(available / Self::OF_MEMORY) }
    }

    /// The limits of the next device: it may take half of what is left, so that
    /// none leaves the next one nothing.
    #[must_use]
    pub fn limits(&self, limits: Limits) -> Limits {
        Limits { kept: limits.kept.min(self.left / 2), ..limits }
    }

    /// A device has kept something.
    pub fn take(&mut self, budget: &Budget) {
        self.left = self.left.saturating_sub(budget.kept());
    }
}

/// Time in microseconds.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::{Memory, Metered};

    const MIB: u64 = 1 << 20;

    /// What 64 devices keep, each as much as it may.
    fn kept_by_all(available: u64) -> Vec<u64> {
        let files = Memory::default();
        let mut allowance = Allowance::new(Limits::DEFAULT, available);
        let kept = (0..64).map(|_| {
            let budget = Budget::new(allowance.limits(Limits::DEFAULT), || Duration::ZERO);
            let files = Metered::judging(&files, &budget);
            while budget.kept() < budget.limits.kept {
                assert!(files.keep(1));
                let rest = budget.limits.kept - budget.kept();
                assert!(files.keep(usize::try_from(rest).unwrap()));
            }
            allowance.take(&budget);
            budget.kept()
        });
        kept.collect()
    }

    #[test]
    fn sixty_four_devices_keep_no_more_than_a_share_of_memory() {
        for (available, first, all) in [
            (64 << 30, 16 * MIB, 64 * MIB),
            (400 * MIB, 25 * MIB / 2, 25 * MIB),
            (32 * MIB, MIB, 2 * MIB),
        ] {
            let kept = kept_by_all(available);
            let sum: u64 = kept.iter().sum();
            assert_eq!((kept[0], sum <= all), (first, true), "{available}: {sum}");
            assert!(kept[9] >= 2048, "the tenth device still has a menu: {kept:?}");
        }
    }
}
