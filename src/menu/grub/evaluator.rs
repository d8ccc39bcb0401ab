//! The state of a script that is being evaluated, and what commands do with it.
//!
//! Must never take more steps, memory or files than there are limits for, and never
//! write to a device.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::scope::Scope;
use super::script::{Block, Script};
use super::world::{Place, World};
use crate::menu::{Code, Diagnostic};

/// Most steps of all scripts of one menu together.
pub(super) const MAX_STEPS: u32 = 100_000;
/// Deepest nesting of functions, files and menus (GRUB's own limit).
pub(super) const MAX_DEPTH: u32 = 64;

/// What a command gives back, as GRUB's `$?`: 0 is success; the numbers are those of
/// GRUB's `enum grub_err_t`, which scripts read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Status(pub(super) u8);

/// How evaluation goes on after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// With the next one.
    Next(Status),
    /// Out of so many loops.
    Break(u32),
    /// With the next turn of so many loops out.
    Continue(u32),
    /// Out of the function or file.
    Return(Status),
    /// Not at all: a menu is on the screen, an entry has booted, `exit`, or the limits
    /// are used up.
    Stop,
}

/// A command with its arguments, variables replaced.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    /// Without the name.
    pub(super) words: &'a [String],
    pub(super) block: Option<&'a Rc<Block>>,
    /// The line at which it stands.
    pub(super) line: usize,
}

/// A command of the table ([`super::commands`]).
pub(super) type Command = fn(&mut Evaluator<'_>, &Call<'_>) -> Flow;

/// A row that a script has put into its menu (`menuentry`, `submenu`, `blscfg`).
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) title: String,
    /// `--id`, where there is one.
    pub(super) id: Option<String>,
    pub(super) is_submenu: bool,
    pub(super) hotkey: Option<char>,
    /// Whether a superuser's password is asked for (`superusers` without
    /// `--unrestricted`).
    pub(super) is_restricted: bool,
    /// What it is evaluated with, as `$1` and so on.
    pub(super) arguments: Vec<String>,
    pub(super) body: Rc<Block>,
    pub(super) file: String,
    pub(super) line: usize,
}

/// What the body of an entry has loaded until now.
#[derive(Debug, Clone, Default)]
pub(super) struct Loaded {
    pub(super) linux: Option<Place>,
    pub(super) options: String,
    pub(super) initrds: Vec<Place>,
    pub(super) devicetree: Option<Place>,
    /// Why it cannot boot.
    pub(super) problems: Vec<Diagnostic>,
}

/// A script that is being evaluated.
pub(super) struct Evaluator<'w> {
    pub(super) world: &'w dyn World,
    pub(super) scope: Scope,
    pub(super) functions: BTreeMap<String, Rc<Script>>,
    /// The menu of the context.
    pub(super) items: Vec<Item>,
    pub(super) loaded: Loaded,
    /// What `echo` has printed, cut at a limit.
    pub(super) output: String,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The file that is being evaluated, as people are told it.
    pub(super) file: String,
    pub(super) steps: u32,
    pub(super) depth: u32,
}

impl Evaluator<'_> {
    /// Says what is wrong at a line of the file that is being evaluated.
    pub(super) fn complain(&mut self, line: usize, code: Code, detail: String) {
        self.diagnostics.push(Diagnostic::new(&self.file, Some(line), code, detail));
    }
}
