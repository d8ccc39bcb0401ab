//! The prompt of an open image, without a machine: its words ([`parse`]), the line
//! that somebody types ([`line`]), what Tab means ([`complete`]), and what is put
//! together from it ([`draft`]).
//!
//! One word a line, and the rest of the line is its argument as it stands: nothing is
//! quoted, expanded or run. This grammar is to stay; a later word is one more row.

pub mod complete;
pub mod draft;
pub mod line;
mod words;

pub use words::{Command, Kind, Word, help, parse};
