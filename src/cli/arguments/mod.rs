//! What somebody typed, as a value.
//!
//! [`table`] is the one table of commands, and [`flags`] of the options that they take: the
//! parser goes by them, and the help, manual pages and completions are made of them.
//! Nothing is read or looked up here; a command line that contradicts itself is refused
//! before anything is done.

mod described;
mod finish;
mod flags;
mod help;
mod misuse;
mod parse;
mod table;
#[cfg(test)]
mod tests;
mod typed;
mod values;

pub(super) use described::{commands, groups, options};
pub(super) use help::help;
pub(super) use parse::parse;
pub(super) use values::{
    Act, Asked, Boot, Check, Choice, Command, Explain, Inputs, Leave, Load, Verify, What, When,
};
