//! The prompt of an open image, without a machine: its words ([`parse`]), the line
//! that somebody types ([`mod@line`]), what Tab means ([`complete`]), and what is put
//! together from it ([`draft`]), and how rows are told ([`told`]).
//!
//! One word a line, and the rest of the line is its argument as it stands: nothing is
//! quoted, expanded or run. Only where there is no file of that name, "linux" takes what is
//! behind the first blank as the command line, and "initrd" several files, as in GRUB. This grammar is to stay; a later word is one more row.

pub mod complete;
pub mod draft;
pub mod line;
pub mod told;
mod words;

pub use words::{Command, Kind, Word, help, parse};
