//! Rules that are wrong on purpose, by a name each, so that a test can put one in and see
//! that it is found.
//!
//! Outside of tests every rule is right, and nothing of this is in a program.

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
    /// A try costs two.
    CostsTwo,
    /// Tries never come back by a pause.
    HealsNever,
    /// Every start begins with the first pause again.
    PausesForgotten,
    /// What fell back is forgotten by the write before the jump.
    AttemptClosedAtJump,
}

#[cfg(test)]
pub(super) use for_tests::is;
#[cfg(test)]
pub(super) use for_tests::within;

/// All of them.
#[cfg(test)]
pub(super) const ALL: [Wrong; 28] = [
    Wrong::SpentAfterLoad,
    Wrong::UnconfirmedForgotten,
    Wrong::GoodForEver,
    Wrong::OnceKept,
    Wrong::TriesAfterShortPause,
    Wrong::TriesBeforePause,
    Wrong::PausesDoNotGrow,
    Wrong::NoPause,
    Wrong::LastResortForEver,
    Wrong::NoLastResort,
    Wrong::OtherDeviceCharged,
    Wrong::KillerMountedAgain,
    Wrong::MoveCostsBoth,
    Wrong::MoveCostsNone,
    Wrong::OrderWithoutTries,
    Wrong::EmptyTried,
    Wrong::LastGoodEmptied,
    Wrong::LastGoodMarkedBad,
    Wrong::FloorPassesLastGood,
    Wrong::PrimaryWithoutTries,
    Wrong::BlessWithoutTries,
    Wrong::RecoveryLoops,
    Wrong::BlessesThePrimary,
    Wrong::ReplacedStaysGood,
    Wrong::CostsTwo,
    Wrong::HealsNever,
    Wrong::PausesForgotten,
    Wrong::AttemptClosedAtJump,
];

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
    fn with<T>(rule: Wrong, act: impl FnOnce() -> T) -> T {
        IN_FORCE.set(Some(rule));
        let result = act();
        IN_FORCE.set(None);
        result
    }

    /// The same, or nothing replaced.
    pub(in super::super) fn within<T>(rule: Option<Wrong>, act: impl FnOnce() -> T) -> T {
        match rule {
            Some(rule) => with(rule, act),
            None => act(),
        }
    }
}
