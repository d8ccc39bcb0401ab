//! The two programs: what they are called with, and what they do with it.
//!
//! The commands are here and not beside `main`, so that manual pages and completions are
//! made of the very definitions that the programs read their arguments by.

pub mod mkinitramfs;
pub mod turnout_sign;
