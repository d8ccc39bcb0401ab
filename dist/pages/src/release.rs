//! What pages say of the release that they come with. It changes with the version in
//! Cargo.toml, so that the same release gives the same pages.

/// Its day.
pub(crate) const DATE: &str = "2026-11-30";

/// Where packages put docs/.
pub(crate) const DOCUMENTS: &str = "/usr/share/doc/turnout";
