//! What menus of several formats are written in: lines, patterns and versions.

pub mod line;
pub(crate) mod lines;
pub mod version;
