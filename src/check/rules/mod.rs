//! The table of rules: a file for each part of the machine, in the order in which they
//! are looked at, which is that of findings of equal weight.

mod cpus;
mod crash;
mod devices;
mod kernel;
mod known;
mod next_start;
mod outlook;
mod rights;
mod security;
mod shutdown;
mod storage;
mod systemd;
mod target;
mod trust;
mod watchdog;

use super::Row;

const TABLES: &[&[Row]] = &[
    rights::ROWS,
    trust::ROWS,
    outlook::ROWS,
    kernel::ROWS,
    security::ROWS,
    cpus::ROWS,
    known::ROWS,
    target::ROWS,
    systemd::ROWS,
    shutdown::ROWS,
    watchdog::ROWS,
    devices::ROWS,
    storage::ROWS,
    crash::ROWS,
    next_start::ROWS,
];

/// Every rule.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().copied().flatten()
}

/// What a machine is found to have, for the rows' own tests.
#[cfg(test)]
mod testing {
    use crate::check::{Facts, Said, findings};

    /// What is said under this code.
    pub(super) fn said(code: &str, facts: &Facts) -> Vec<Said> {
        let found = findings(facts).into_iter();
        found.filter(|one| one.code == code).map(|one| one.said).collect()
    }

    /// The one sentence that is said under this code.
    pub(super) fn sentence(code: &str, facts: &Facts) -> String {
        let said = said(code, facts);
        assert_eq!(said.len(), 1, "{code}: {said:?}");
        said[0].sentence.clone()
    }
}
