//! May this machine kexec, and what should be put right first?
//!
//! A table of findings: each row looks at what was read of the machine and says what
//! is wrong, in a sentence, with the lines that put it right. Pure: the machine is read
//! in [`crate::sys::survey`], from the root that it is given, so that a directory can
//! stand for a machine. What could not be read is no finding of its own and no proof
//! that all is well; a row says so where it matters.
//! Specification: docs/check.md, which lists every code.

pub mod facts;
mod rules;

pub use facts::Facts;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know.
    Notes,
    /// It may go wrong.
    Warns,
    /// There is no kexec here, or none that should be tried.
    Stops,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Upper-case, stable.
    pub code: &'static str,
    /// How bad.
    pub weight: Weight,
    /// What is the case, with the value.
    pub sentence: String,
    /// What to do, with the exact lines; empty where nothing can be done.
    pub remedy: String,
}

/// Looks for one kind of thing.
type Rule = fn(&Facts, &mut Vec<Finding>);

/// Everything that is found, the worst first.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in rules::ALL {
        rule(facts, &mut found);
    }
    found.sort_by_key(|finding| core::cmp::Reverse(finding.weight));
    found
}

/// Whether the machine may kexec: nothing stops it, and nothing warns.
#[must_use]
pub fn is_ready(found: &[Finding]) -> bool {
    found.iter().all(|finding| finding.weight == Weight::Notes)
}
