//! What a script of GRUB says, as a tree: the grammar of `grub.cfg` (GRUB manual,
//! "Writing full configuration files directly").
//!
//! A tree is made once and evaluated as often as it is needed. It holds no value of a
//! variable and refers to no device.

use std::rc::Rc;

/// Statements, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Script(pub(super) Vec<Statement>);

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// The line at which it begins, from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// What a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A command, a call of a function or an assignment: which, is known only when it
    /// is evaluated.
    Command {
        words: Vec<Word>,
        block: Option<Rc<Block>>,
    },
    If {
        arms: Vec<Arm>,
        otherwise: Script,
    },
    For {
        name: String,
        words: Vec<Word>,
        body: Script,
    },
    /// `until` runs while its condition fails.
    While {
        is_until: bool,
        condition: Script,
        body: Script,
    },
    Function {
        name: String,
        body: Rc<Script>,
    },
}

/// A condition and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arm {
    pub(super) condition: Script,
    pub(super) body: Script,
}

/// `{ ... }` as the last argument of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// All of the file; every block of it has the same.
    source: Rc<str>,
    start: usize,
    end: usize,
    pub(super) script: Script,
}

impl Block {
    /// One whose braces, with what is between them, are `start..end` of `source`.
    pub(super) const fn new(source: Rc<str>, start: usize, end: usize, script: Script) -> Self {
        Self { source, start, end, script }
    }

    /// One without a place of its own: what a command has put into the menu by itself.
    pub(super) fn of(script: Script) -> Self {
        Self::new(Rc::from(""), 0, 0, script)
    }

    /// Braces and what is between them, as it stands: what a command or a function
    /// that takes no block has as its last argument.
    pub(super) fn text(&self) -> &str {
        self.source.get(self.start..self.end).unwrap_or_default()
    }
}

/// One word before its variables are replaced. Nearly all have one part, and there are
/// thousands of them: that part needs no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    One(Part),
    /// Any other number.
    Parts(Vec<Part>),
}

impl Default for Word {
    fn default() -> Self {
        Self::Parts(Vec::new())
    }
}

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Characters that mean themselves. Unquoted `*` and `?` are wildcards.
    Text { text: String, is_quoted: bool },
    /// `$name`, `${name}`, `$1`, `$?`, `$#`, `$*`, `$@`: the name without `$` and braces.
    Variable { name: String, is_quoted: bool },
}

impl Word {
    /// Its text, if nothing of it is quoted or a variable: what may be a reserved word
    /// or a name.
    pub(super) fn bare(&self) -> Option<&str> {
        match self {
            Self::One(Part::Text { text, is_quoted: false }) => Some(text),
            _ => None,
        }
    }

    /// Its parts.
    pub(super) fn parts(&self) -> &[Part] {
        match self {
            Self::One(part) => core::slice::from_ref(part),
            Self::Parts(parts) => parts,
        }
    }

    /// Adds a part.
    pub(super) fn add(&mut self, part: Part) {
        *self = match core::mem::take(self) {
            Self::One(first) => Self::Parts(vec![first, part]),
            Self::Parts(parts) if parts.is_empty() => Self::One(part),
            Self::Parts(mut parts) => {
                parts.push(part);
                Self::Parts(parts)
            }
        };
    }

    /// What of it are no variables, if both are in it.
    pub(super) fn stem(&self) -> Option<String> {
        let stem: String = self.texts().collect();
        (!stem.is_empty() && self.texts().count() < self.parts().len()).then_some(stem)
    }

    /// Whether this text may be what it becomes: its characters are in it, in their order.
    pub(super) fn makes(&self, text: &str) -> bool {
        let mut rest = Some(text);
        for part in self.texts() {
            rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
        }
        let is_whole = self.texts().count() == self.parts().len();
        rest.is_some_and(|rest| !is_whole || rest.is_empty())
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts().iter().filter_map(|part| match part {
            Part::Text { text, .. } => Some(text.as_str()),
            Part::Variable { .. } => None,
        })
    }

    /// Adds characters.
    pub(super) fn push(&mut self, more: &str, quoted: bool) {
        let last = match self {
            Self::One(part) => Some(part),
            Self::Parts(parts) => parts.last_mut(),
        };
        match last {
            Some(Part::Text { text, is_quoted }) if *is_quoted == quoted => text.push_str(more),
            _ => self.add(Part::Text { text: more.to_owned(), is_quoted: quoted }),
        }
    }
}
