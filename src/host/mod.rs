//! A running system that is left for the next one without its firmware: what is
//! written down before, and what the next system concludes from it.
//!
//! Values in, values out: files are read and written in [`crate::sys::records`]. It
//! never guesses: what no record, no token and no boot id says is "not proven".
//! Specification: docs/fast-reboot.md.

pub mod arrival;
pub mod date;
pub mod deferred;
pub mod event;
pub mod leaving;
mod lines;
pub mod next_start;
pub mod proof;
pub mod pstore;
pub mod record;
pub mod staged;
pub mod token;
pub mod user;

pub use lines::Problem;
