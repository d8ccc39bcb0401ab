//! Menus of Petitboot: its own format and kboot's, both files of `name=value` or
//! `name value` lines.

pub(crate) mod kboot;
mod lines;
pub(crate) mod native;
