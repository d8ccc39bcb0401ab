//! What can be said to a program, whichever table it was read from.
//!
//! Pages and completions are made of these values alone.

use turnout::cli::words;

/// A program.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// What is typed to call it.
    pub(crate) name: String,
    /// Everything that can be said; the first has no words, and is what can be said
    /// without a command.
    pub(crate) commands: Vec<Command>,
    /// Families of options, each explained once.
    pub(crate) groups: Vec<Group>,
}

/// A family of options.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// What options are of it by.
    pub(crate) name: String,
    /// What it is about, in a line.
    pub(crate) about: String,
}

/// A command, or a word that commands begin with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Command {
    /// What is typed behind the program's name, such as `ring sign`.
    pub(crate) words: Vec<String>,
    /// What it does, in a line or a few.
    pub(crate) about: String,
    /// How it is called, from the program's name on, in as many lines as there are ways;
    /// none for a word that only begins commands.
    pub(crate) usage: String,
    /// What its words besides options are.
    pub(crate) operands: Vec<Operand>,
    /// What it takes.
    pub(crate) options: Vec<Opt>,
}

/// A word besides options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operand {
    /// What it is.
    pub(crate) kind: Kind,
    /// Whether more of the same may follow.
    pub(crate) repeats: bool,
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opt {
    /// Every spelling with its dashes, the one to show first.
    pub(crate) spellings: Vec<String>,
    /// What follows it.
    pub(crate) value: Option<Value>,
    /// Whether it may be there more than once.
    pub(crate) repeats: bool,
    /// Name of the family that it is of.
    pub(crate) group: Option<String>,
    /// What it is for.
    pub(crate) about: String,
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// As a usage has it.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// Whether it may be left out, and stands behind an equals sign only.
    pub(crate) is_optional: bool,
}

/// What a value is, for whoever completes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody can tell.
    Free,
    File,
    Directory,
    /// A block device.
    Device,
    /// An id of the boot menu.
    Entry,
    /// The same, or a file, whose name has a slash.
    EntryOrFile,
    /// The name of a slot.
    Slot,
    /// One of these.
    Words(Vec<String>),
}

impl Program {
    /// The words that can follow these.
    pub(crate) fn after<'a>(&'a self, words: &'a [String]) -> impl Iterator<Item = Next<'a>> {
        self.commands.iter().filter_map(move |command| match command.words.split_last() {
            Some((word, before)) if before == words => Some(Next { word, about: &command.about }),
            _ => None,
        })
    }

    /// Every option that takes a value, once.
    pub(crate) fn spellings_with_value(&self) -> Vec<&str> {
        let options = self.commands.iter().flat_map(|command| &command.options);
        let taking = options.filter(|option| option.takes_next());
        let mut all: Vec<_> =
            taking.flat_map(|option| &option.spellings).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// A word that goes on with a command.
#[derive(Debug)]
pub(crate) struct Next<'a> {
    pub(crate) word: &'a str,
    pub(crate) about: &'a str,
}

impl Opt {
    /// Whether the word behind it is its value.
    pub(crate) fn takes_next(&self) -> bool {
        self.value.as_ref().is_some_and(|value| !value.is_optional)
    }
}

impl From<&words::Kind> for Kind {
    fn from(kind: &words::Kind) -> Self {
        match kind {
            words::Kind::Free => Self::Free,
            words::Kind::File => Self::File,
            words::Kind::Directory => Self::Directory,
            words::Kind::Device => Self::Device,
            words::Kind::Entry => Self::Entry,
            words::Kind::EntryOrFile => Self::EntryOrFile,
            words::Kind::Slot => Self::Slot,
            words::Kind::Words(words) => {
                Self::Words(words.iter().map(|word| (*word).to_owned()).collect())
            }
        }
    }
}

/// The first line of what may be several.
pub(crate) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
