//! The rules of GRUB's language that surprise, by a name each, so that a test can
//! switch one off and see that it is missed.
//!
//! Outside of tests every rule holds, and nothing of this is in a program. A test of
//! this crate says `evaluator.without = Some(Trap::...)`; see
//! `super::printed::printed_without`.

/// A rule, numbered as in the list of traps that GRUB was measured for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trap {
    /// 1: an unknown command succeeds.
    UnknownSucceeds,
    /// 2: a test without words is true.
    EmptyTestIsTrue,
    /// 3: one word is true unless it is empty.
    OneWordIsItsLength,
    /// 4: an operator without an operand is a word.
    OperatorAloneIsAWord,
    /// 5: what is no number counts as 0.
    NoNumberIsZero,
    /// 6: numbers may be octal and hexadecimal.
    NumbersHaveBases,
    /// 7: words beside one another are all to be true, and `-o` is what is between.
    WordsAreAnded,
    /// 8: three words are tried before two, and both before `!`.
    ThreeWordsFirst,
    /// 9: `]` may be missing.
    BracketMayBeMissing,
    /// 10 and 11: a value that is not quoted is split.
    UnquotedValueIsSplit,
    /// 12: `"$@"` without arguments is one empty word.
    QuotedNoneIsOneWord,
    /// 13 and 14: `\` in quotes stays before most characters.
    BackslashStaysInQuotes,
    /// 15: only the first word of a command can be an assignment.
    OneAssignmentIsDone,
    /// 16: `set` without `=` fails.
    SetNeedsAnAssignment,
    /// 17: a file that is not there is no error of `source`.
    MissingSourceSucceeds,
    /// 18: `insmod` succeeds.
    InsmodSucceeds,
    /// 19: functions nest 64 deep.
    DepthIsLimited,
    /// 20: `!` is a command.
    NotIsACommand,
    /// 21: `return` gives its number to `$?`.
    ReturnHasANumber,
    /// 22: wildcards in the value of a variable are replaced.
    WildcardsFromVariables,
    /// 23: commands come before functions, functions before assignments.
    CommandsComeFirst,
    /// 24: only exported variables are seen by a context within another.
    OnlyExportedAreSeen,
    /// 25: a search in vain leaves the variable as it was.
    MissKeepsVariable,
}

#[cfg(test)]
impl Trap {
    pub(super) const ALL: [Self; 23] = [
        Self::UnknownSucceeds,
        Self::EmptyTestIsTrue,
        Self::OneWordIsItsLength,
        Self::OperatorAloneIsAWord,
        Self::NoNumberIsZero,
        Self::NumbersHaveBases,
        Self::WordsAreAnded,
        Self::ThreeWordsFirst,
        Self::BracketMayBeMissing,
        Self::UnquotedValueIsSplit,
        Self::QuotedNoneIsOneWord,
        Self::BackslashStaysInQuotes,
        Self::OneAssignmentIsDone,
        Self::SetNeedsAnAssignment,
        Self::MissingSourceSucceeds,
        Self::InsmodSucceeds,
        Self::DepthIsLimited,
        Self::NotIsACommand,
        Self::ReturnHasANumber,
        Self::WildcardsFromVariables,
        Self::CommandsComeFirst,
        Self::OnlyExportedAreSeen,
        Self::MissKeepsVariable,
    ];
}
