//! What menus of several formats are written in: lines, patterns and versions.

pub mod glob;
pub mod line;
pub(crate) mod lines;
pub mod version;
