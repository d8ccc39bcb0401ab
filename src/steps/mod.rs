//! The steps from an entry to a loaded kernel, as PID 1 and the commands both
//! take them: who is to be trusted ([`anchor`]), what can be said of an entry
//! before its big files are read ([`examine`]), read, verify and identify
//! ([`prepare`]), plan and load ([`load`]).
//!
//! Each step takes values and gives one, or the [`crate::failure::Failure`] of
//! its stage. None of them knows who asked: they never look at a console, a menu
//! on a screen or a command line.

pub(crate) mod anchor;
pub(crate) mod examine;
pub(crate) mod load;
pub(crate) mod prepare;
