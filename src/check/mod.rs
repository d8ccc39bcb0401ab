//! May this machine kexec, and what should be put right first?
//!
//! A table of findings: each row looks at what was read of the machine and says what
//! is wrong, in a sentence, with the lines that put it right. Pure: the machine is read
//! in [`crate::sys::survey`], from the root that it is given, so that a directory can
//! stand for a machine. What could not be read is no finding of its own and no proof
//! that all is well; a row says so where it matters.
//! Specification: docs/check.md, which lists every code.

pub mod facts;
pub mod releases;
mod rules;
pub mod settings;
mod shell;
mod versions;

pub use facts::Facts;

use crate::base::sort;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know, or nothing that anybody could put right on this machine.
    Notes,
    /// It may go wrong, and somebody can put it right.
    Warns,
    /// There is no kexec here, or none that should be tried.
    Stops,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Upper-case, stable.
    pub code: &'static str,
    /// What is said of it.
    pub said: Said,
}

/// What a row has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// How bad.
    pub weight: Weight,
    /// What is the case, with the value; it can be read alone.
    pub sentence: String,
    /// What to do, with the exact lines; empty where nothing can be done.
    pub remedy: String,
}

impl Said {
    fn new(weight: Weight, sentence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { weight, sentence: sentence.into(), remedy: remedy.into() }
    }

    fn stops(sentence: impl Into<String>, remedy: impl Into<String>) -> Option<Self> {
        Some(Self::new(Weight::Stops, sentence, remedy))
    }

    fn warns(sentence: impl Into<String>, remedy: impl Into<String>) -> Option<Self> {
        Some(Self::new(Weight::Warns, sentence, remedy))
    }

    fn notes(sentence: impl Into<String>, remedy: impl Into<String>) -> Option<Self> {
        Some(Self::new(Weight::Notes, sentence, remedy))
    }
}

/// A row of the table.
struct Row {
    code: &'static str,
    look: Look,
}

/// How a row looks at a machine.
enum Look {
    /// For one thing.
    One(fn(&Facts) -> Option<Said>),
    /// For a thing that there may be more than one of.
    Each(fn(&Facts) -> Vec<Said>),
}

impl Row {
    const fn one(code: &'static str, look: fn(&Facts) -> Option<Said>) -> Self {
        Self { code, look: Look::One(look) }
    }

    const fn each(code: &'static str, look: fn(&Facts) -> Vec<Said>) -> Self {
        Self { code, look: Look::Each(look) }
    }

    fn look(&self, facts: &Facts) -> Vec<Finding> {
        let said = match self.look {
            Look::One(look) => look(facts).into_iter().collect(),
            Look::Each(look) => look(facts),
        };
        said.into_iter().map(|said| Finding { code: self.code, said }).collect()
    }
}

/// Every code of the table, in its order.
pub fn codes() -> impl Iterator<Item = &'static str> {
    rules::all().map(|row| row.code)
}

/// Everything that is found, the worst first.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = rules::all().flat_map(|row| row.look(facts)).collect();
    sort::sort_by_key(&mut found, |finding| core::cmp::Reverse(finding.said.weight));
    found
}

/// What is said of the next start, by whoever asks for nothing else.
const OF_NEXT_START: [&str; 11] = [
    "NOT_ROOT",
    "RING_BROKEN",
    "NO_ENTRY",
    "ENTRY_REFUSED",
    "NOTHING_SIGNED",
    "NOTHING_BOOTS",
    "KEPT_ONLY",
    "NEWEST_UNSIGNED",
    "NEWEST_NO_ENTRY",
    "OLDER_DEFAULT",
    "FIRMWARE_WAITS",
];

/// Of these the first two say nothing that the others do not say too.
const SAME: [&str; 2] = ["NO_ENTRY", "ENTRY_REFUSED"];
const SAID_BY: [&str; 5] =
    ["NOTHING_SIGNED", "NOTHING_BOOTS", "KEPT_ONLY", "NEWEST_UNSIGNED", "NEWEST_NO_ENTRY"];

/// What is found of the next start, the worst first, each thing once.
#[must_use]
pub fn of_next_start(facts: &Facts) -> Vec<Finding> {
    let mut found = findings(facts);
    found.retain(|one| OF_NEXT_START.contains(&one.code) && one.said.weight != Weight::Notes);
    if found.iter().any(|one| SAID_BY.contains(&one.code)) {
        found.retain(|one| !SAME.contains(&one.code));
    }
    found
}

/// Makes notes of the warnings that somebody has looked at and takes as they are. What
/// stops stays so: there is nothing to take.
pub fn accept(found: &mut [Finding], codes: &[String]) {
    let is_accepted = |one: &&mut Finding| codes.iter().any(|code| code == one.code);
    for one in found.iter_mut().filter(is_accepted) {
        if one.said.weight == Weight::Warns {
            one.said.weight = Weight::Notes;
            one.said.sentence.push_str(" (accepted in turnout.conf)");
        }
    }
    sort::sort_by_key(found, |finding| core::cmp::Reverse(finding.said.weight));
}

/// Whether the machine may kexec: nothing stops it, and nothing warns.
#[must_use]
pub fn is_ready(found: &[Finding]) -> bool {
    found.iter().all(|finding| finding.said.weight == Weight::Notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_said_first() {
        let mut facts = Facts::default();
        facts.kernel.release = "6.1.0".to_owned();
        facts.kernel.load_disabled = Some(true);
        let weights: Vec<Weight> = findings(&facts).iter().map(|one| one.said.weight).collect();
        assert!(weights.is_sorted_by(|left, right| left >= right), "{weights:?}");
        assert_eq!(weights.first(), Some(&Weight::Stops));
    }

    #[test]
    fn a_code_is_one_row() {
        let mut known = Vec::new();
        for code in codes() {
            assert!(!known.contains(&code), "{code} is there twice");
            known.push(code);
        }
    }

    #[test]
    fn a_warning_that_is_accepted_is_a_note_that_says_so_and_a_stop_stays() {
        let of = |code, weight| Finding { code, said: Said::new(weight, "it is so", "do this") };
        let mut found =
            [of("STOPS", Weight::Stops), of("A", Weight::Warns), of("B", Weight::Warns)];
        accept(&mut found, &["STOPS".to_owned(), "A".to_owned()]);
        let order: Vec<_> = found.iter().map(|one| (one.code, one.said.weight)).collect();
        let expected = [("STOPS", Weight::Stops), ("B", Weight::Warns), ("A", Weight::Notes)];
        assert_eq!(order, expected);
        assert_eq!(found[2].said.sentence, "it is so (accepted in turnout.conf)");
        assert_eq!(found[0].said.sentence, "it is so");
        assert!(is_ready(&found[2..]) && !is_ready(&found[1..]));
    }

    #[test]
    fn only_what_can_be_put_right_makes_a_machine_unready() {
        let of = |weight| Finding { code: "X", said: Said::new(weight, "", "") };
        assert!(is_ready(&[]));
        assert!(is_ready(&[of(Weight::Notes)]));
        assert!(!is_ready(&[of(Weight::Notes), of(Weight::Warns)]));
        assert!(!is_ready(&[of(Weight::Stops)]));
    }
}
