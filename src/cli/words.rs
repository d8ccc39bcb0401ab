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
    /// What it takes besides options, where it has no commands; the last may be repeated.
    pub takes: Vec<Kind>,
    /// Families of options that several commands take, each explained once.
    pub groups: Vec<Group>,
}

/// A command of a program.
#[derive(Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What it takes besides options, as its usage has it, such as `[ENTRY]`.
    pub operands: &'static str,
    /// What its first, second, ... word besides options is, for completion.
    pub takes: Vec<Kind>,
    /// What it does, in a line.
    pub about: &'static str,
    /// How it is called, from its name on, such as `unload [--crash]`; a line of `--help` each.
    pub usage: String,
    /// What it takes.
    pub options: Vec<Opt>,
}

/// A family of options, written as one word in the usage of the commands that take them.
#[derive(Debug)]
pub struct Group {
    /// That word, such as `SOURCE`.
    pub name: &'static str,
    /// What the family is about, in a line.
    pub about: &'static str,
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
    /// What completes its value; [`Kind::Free`] where it takes none.
    pub kind: Kind,
    /// Whether it can be there several times.
    pub repeats: bool,
    /// The name of its [`Group`], if it is of one.
    pub group: Option<&'static str>,
    /// What it is for, in a few words.
    pub about: &'static str,
}

/// What a word of a command line is, and so what completes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Nothing can be offered.
    Free,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A block device: a file below /dev.
    Device,
    /// One of these words.
    Words(Vec<&'static str>),
    /// The id of an entry of the menu, as `turnout list` shows it in its first column.
    Entry,
    /// The same, or a file, whose name has a slash.
    EntryOrFile,
    /// The name of a slot, as `turnout slot list` shows it in its first column.
    Slot,
}

impl Kind {
    /// What the table calls it: `FILE`, `DIR`, `DEV`, `ENTRY` or `ID`, `SLOT`, or the words
    /// themselves with `|` between them. What else it says cannot be offered.
    #[must_use]
    pub fn of(shown: &'static str) -> Self {
        match shown {
            "FILE" => Self::File,
            "DIR" => Self::Directory,
            "DEV" => Self::Device,
            "ENTRY" | "ID" => Self::Entry,
            "ENTRY|FILE" => Self::EntryOrFile,
            "SLOT" => Self::Slot,
            words if words.contains('|') => Self::Words(words.split('|').collect()),
            _ => Self::Free,
        }
    }
}
