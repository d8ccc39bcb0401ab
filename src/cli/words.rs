//! The command lines of `turnout` and `kexec` as values: what manual pages and completions
//! are made of. [`super::described`] has them, by the very tables that are parsed by.
//!
//! No program of ours reaches it: what is said here costs no byte of them.

/// A program and how it is called.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What can be said after it; empty where options come right after the name.
    pub commands: Vec<Command>,
    /// What can be said without a command.
    pub options: Vec<Opt>,
}

/// A command of a program.
#[derive(Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What it takes besides options, as its usage has it, such as `[ENTRY]`.
    pub operands: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// What it takes.
    pub options: Vec<Opt>,
}

/// An option.
#[derive(Debug)]
pub struct Opt {
    /// Long names without the dashes, the one to show first.
    pub names: Vec<&'static str>,
    /// The letter.
    pub short: Option<char>,
    /// What its value is, such as `FILE` or `auto|file|segments`; none where it takes none.
    pub value: Option<&'static str>,
    /// What it is for, in a few words.
    pub about: &'static str,
}
