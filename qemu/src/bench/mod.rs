//! The benchmark of `./qemu/bench`: `ways` are measured (`measure` boots them,
//! `transcript` reads what they print) into rows (`model`), which are held against what
//! Turnout may cost (`budget`) and shown (`table` and `plot` for people,
//! `results` for programs).
//!
//! Data goes that way only: nothing that shows starts a machine.

pub mod budget;
pub mod measure;
pub mod model;
pub mod plot;
pub mod results;
pub mod table;
pub mod transcript;
mod ways;
