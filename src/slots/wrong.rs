//! Rules that are wrong on purpose, by a name each, so that a test can put one in and see
//! that it is found.
//!
//! Outside of tests every rule is right, and nothing of this is in a program.

#![allow(dead_code, unused_imports, reason = "until the simulator names all of them")]

/// A rule that is replaced by a wrong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A try is spent only once the kernel is loaded.
    SpentAfterLoad,
    /// An attempt that jumped and was not confirmed is forgotten.
    UnconfirmedForgotten,
    /// A good slot that nobody confirms stays good.
    GoodForEver,
    /// The choice for one start is kept.
    OnceKept,
    /// Tries come back after every pause.
    TriesAfterShortPause,
    /// Tries come back when a pause begins.
    TriesBeforePause,
    /// Pauses do not grow.
    PausesDoNotGrow,
    /// The machine is reset at once where nothing boots.
    NoPause,
    /// A last resort is tried at every start.
    LastResortForEver,
    /// What was good once is never tried again without tries.
    NoLastResort,
    /// A slot is counted for what another device's mount did.
    OtherDeviceCharged,
    /// The device whose mount killed the last start is mounted again.
    KillerMountedAgain,
    /// The device whose mount killed the last start is skipped for ever.
    KillerSkippedForEver,
    /// A choice by hand costs both slots a try.
    MoveCostsBoth,
    /// A choice by hand costs no slot a try.
    MoveCostsNone,
    /// The order does not mind whether tries are left.
    OrderWithoutTries,
    /// An empty slot is tried.
    EmptyTried,
    /// Installing may empty the last good slot.
    LastGoodEmptied,
    /// The last good slot may be marked bad.
    LastGoodMarkedBad,
    /// A floor may rise past the last good slot.
    FloorPassesLastGood,
    /// Making a slot the first leaves it without tries.
    PrimaryWithoutTries,
    /// A confirmation does not give the tries back.
    BlessWithoutTries,
    /// A recovery system that hangs is started again without a pause.
    RecoveryLoops,
    /// What is confirmed is the slot with the highest priority.
    BlessesThePrimary,
    /// A slot that is full of another system stays confirmed.
    ReplacedStaysGood,
}

#[cfg(test)]
pub(super) use for_tests::is;
#[cfg(test)]
pub(super) use for_tests::with;

/// Whether this rule is the wrong one.
#[cfg(not(test))]
pub(super) const fn is(_: Wrong) -> bool {
    false
}

#[cfg(test)]
mod for_tests {
    use super::Wrong;
    use std::cell::Cell;

    std::thread_local! {
        static IN_FORCE: Cell<Option<Wrong>> = const { Cell::new(None) };
    }

    pub(in super::super) fn is(rule: Wrong) -> bool {
        IN_FORCE.get() == Some(rule)
    }

    /// Does something with a rule replaced.
    pub(in super::super) fn with<T>(rule: Wrong, act: impl FnOnce() -> T) -> T {
        IN_FORCE.set(Some(rule));
        let result = act();
        IN_FORCE.set(None);
        result
    }
}
