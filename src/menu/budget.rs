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
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use std::sync::Arc;

use super::diagnostic::{Code, Diagnostic};

const MIB: u64 = 1 << 20;
const RESOURCES: usize = 5;
/// What is bounded for all devices together too.
const SHARED: [Resource; 2] = [Resource::Kept, Resource::Time];

/// Time since some moment that stays the same.
pub use crate::base::patience::Clock;

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
    /// Whether that is the limit of all devices together.
    is_of_all: bool,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        let of = if self.is_of_all { "all devices together" } else { "it" };
        f.write_str("the rest of this device is left out: before it is verified, at most ")?;
        match self.resource {
            Resource::Read => write!(f, "{limit} bytes of it are read"),
            Resource::Kept => write!(f, "{limit} bytes of {of} are kept in memory"),
            Resource::Names => write!(f, "{limit} names on it are looked at"),
            Resource::Expanded => write!(f, "{limit} bytes are put in for its variables"),
            Resource::Time => {
                return write!(f, "{} ms are spent on {of} (unverified-time)", limit / 1000);
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
    /// What all devices share, if there are others.
    allowance: Option<Arc<Allowance>>,
    /// How much of that is held back for this one.
    held: [Cell<u64>; RESOURCES],
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
        Self {
            limits,
            allowance: None,
            held: Default::default(),
            clock,
            spent: Default::default(),
            ended: Default::default(),
        }
    }

    /// That of one device of several: its limits are lower where the others leave it
    /// no more. All that it may cost is held back for it.
    #[must_use]
    pub fn of_several(limits: Limits, clock: Clock, allowance: Arc<Allowance>) -> Self {
        let kept = allowance.kept.share(limits.kept);
        let time = allowance.micros.share(micros(limits.time));
        let limits = Limits { kept, time: Duration::from_micros(time), ..limits };
        let mut budget = Self::new(limits, clock);
        budget.allowance = Some(allowance);
        SHARED.into_iter().for_each(|shared| budget.hold(shared, budget.limits.of(shared)));
        budget
    }

    /// Its menus are read: leaves the others what it has not spent, but for the quarter
    /// that judging is sure to have. What judging takes beyond that is taken as long as
    /// there is some.
    pub fn settle(&self) {
        for resource in SHARED {
            let limit = self.limits.of(resource);
            let judging = self.spent_on(resource).saturating_add(limit / 4);
            self.release(resource, judging.min(limit));
        }
    }

    /// Holds back no more than so much.
    fn release(&self, resource: Resource, amount: u64) {
        let more = self.held_of(resource).saturating_sub(amount);
        if let Some(pool) = self.pool(resource) {
            pool.give_back(more);
            self.hold(resource, self.held_of(resource).saturating_sub(more));
        }
    }

    fn pool(&self, resource: Resource) -> Option<&Pool> {
        self.allowance.as_ref()?.pool(resource)
    }

    fn held_of(&self, resource: Resource) -> u64 {
        self.held.get(resource as usize).map_or(0, Cell::get)
    }

    fn hold(&self, resource: Resource, amount: u64) {
        if let Some(held) = self.held.get(resource as usize) {
            held.set(amount);
        }
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
        let exceeded = match self.cover(resource, sum) {
            Ok(()) if sum <= limit => return Ok(()),
            Err(exceeded) if sum <= limit => exceeded,
            _ => Exceeded { resource, limit, is_of_all: false },
        };
        if let Some(ended) = self.ended.get(purpose as usize) {
            ended.set(Some(exceeded));
        }
        Err(exceeded)
    }

    /// Takes what is not held back for the device from what all share.
    fn cover(&self, resource: Resource, sum: u64) -> Result<(), Exceeded> {
        let Some(pool) = self.pool(resource) else { return Ok(()) };
        let sum = sum.min(self.limits.of(resource));
        if !pool.take(sum.saturating_sub(self.held_of(resource))) {
            return Err(Exceeded { resource, limit: pool.most, is_of_all: true });
        }
        self.hold(resource, sum.max(self.held_of(resource)));
        Ok(())
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

impl Drop for Budget {
    /// What was spent stays spent.
    fn drop(&mut self) {
        for resource in SHARED {
            self.release(resource, self.spent_on(resource));
        }
    }
}

/// What all devices together may cost, of what adds up: what is kept for as long as a
/// menu is shown, and time. Each has a budget of its own besides, for which its part
/// of this is held back from the start.
#[derive(Debug)]
pub struct Allowance {
    kept: Pool,
    micros: Pool,
}

impl Allowance {
    /// As much as so many devices may cost, all together may at most.
    const DEVICES: u64 = 4;
    /// Which part of the memory that is there they may keep: it is copied for the
    /// screen.
    const OF_MEMORY: u64 = 16;

    /// For devices with these limits, where so many bytes are available.
    #[must_use]
    pub const fn new(limits: Limits, available: u64) -> Self {
        let kept = limits.kept.saturating_mul(Self::DEVICES);
        let share = available / Self::OF_MEMORY;
        Self {
            kept: Pool::new(if kept < share { kept } else { share }),
            micros: Pool::new(micros(limits.time).saturating_mul(Self::DEVICES)),
        }
    }

    const fn pool(&self, resource: Resource) -> Option<&Pool> {
        match resource {
            Resource::Kept => Some(&self.kept),
            Resource::Time => Some(&self.micros),
            Resource::Read | Resource::Names | Resource::Expanded => None,
        }
    }
}

/// What is left of one thing, of which devices that are read at one time take.
#[derive(Debug)]
struct Pool {
    most: u64,
    left: AtomicU64,
}

impl Pool {
    const fn new(most: u64) -> Self {
        Self { most, left: AtomicU64::new(most) }
    }

    /// Takes what a device wants, but no more than half of what is left, so that none
    /// leaves the next one nothing.
    fn share(&self, wanted: u64) -> u64 {
        let left = self.left.load(Relaxed);
        let share = wanted.min(left / 2);
        if self.take(share) { share } else { 0 }
    }

    /// Takes so much if there is so much.
    fn take(&self, amount: u64) -> bool {
        self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(amount)).is_ok()
    }

    fn give_back(&self, amount: u64) {
        self.left.fetch_add(amount, Relaxed);
    }
}

/// Time in microseconds.
pub(super) const fn micros(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000).saturating_add(time.subsec_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::{Memory, Metered};

    const MIB: u64 = 1 << 20;

    thread_local! {
        static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    fn ticking() -> Duration {
        NOW.get()
    }

    fn device(allowance: &Arc<Allowance>) -> Budget {
        Budget::of_several(Limits::DEFAULT, ticking, Arc::clone(allowance))
    }

    fn allowance(available: u64) -> Arc<Allowance> {
        Arc::new(Allowance::new(Limits::DEFAULT, available))
    }

    /// Judges a device for so long.
    fn judge(budget: &Budget, time: Duration) -> Result<(), String> {
        let files = Memory::default();
        let files = Metered::judging(&files, budget);
        NOW.set(NOW.get() + time);
        files.small("/a", 1).map(drop)
    }

    /// What 64 devices keep, each as much as it may.
    fn kept_by_all(available: u64) -> Vec<u64> {
        let files = Memory::default();
        let allowance = allowance(available);
        let kept = (0..64).map(|_| {
            let budget = device(&allowance);
            let files = Metered::judging(&files, &budget);
            while budget.kept() < budget.limits.kept {
                assert!(files.keep(1));
                let rest = budget.limits.kept - budget.kept();
                assert!(files.keep(usize::try_from(rest).unwrap()));
            }
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

    #[test]
    fn sixty_four_slow_devices_take_no_more_time_than_four() {
        let allowance = allowance(64 << 30);
        let began = ticking();
        let devices: Vec<Budget> = (0..64).map(|_| device(&allowance)).collect();
        let together: Duration = devices.iter().map(|budget| budget.limits.time).sum();
        assert!(together <= Duration::from_secs(20), "none is promised what another has");
        drop(devices);
        for _ in 0..64 {
            let budget = device(&allowance);
            while judge(&budget, Duration::from_millis(10)).is_ok() {}
        }
        // Each is stopped at the first look after its end.
        let most = Duration::from_millis(20_000 + 64 * 10);
        assert!(ticking() - began <= most, "{:?}", ticking() - began);
    }

    #[test]
    fn judging_has_its_quarter_whatever_later_devices_take_and_more_if_there_is_some() {
        let allowance = allowance(64 << 30);
        let first = device(&allowance);
        first.settle();
        let others: Vec<Budget> = (0..64).map(|_| device(&allowance)).collect();
        assert_eq!(judge(&first, Duration::from_millis(1250)), Ok(()));
        let said = judge(&first, Duration::from_millis(100)).unwrap_err();
        let all = "at most 20000 ms are spent on all devices together (unverified-time)";
        assert!(said.ends_with(all), "{said}");
        drop(others);
        let next = device(&allowance);
        next.settle();
        assert_eq!(judge(&next, Duration::from_millis(4900)), Ok(()));
        let said = judge(&next, Duration::from_millis(200)).unwrap_err();
        assert!(said.ends_with("at most 5000 ms are spent on it (unverified-time)"), "{said}");
    }
}
