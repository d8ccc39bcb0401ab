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
    /// What is between the braces, as it stands: a command that has it as an argument.
    pub(super) text: String,
    pub(super) script: Script,
}

/// One word before its variables are replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word(pub(super) Vec<Part>);

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Characters that mean themselves. Unquoted `*` and `?` are wildcards.
    Text { text: String, is_quoted: bool },
    /// `$name`, `${name}`, `$1`, `$?`, `$#`, `$*`, `$@`: the name without `$` and braces.
    Variable { name: String, is_quoted: bool },
}
