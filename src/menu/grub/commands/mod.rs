//! The commands of scripts, as a table: a name and what it does. What only paints,
//! sounds or prepares the firmware is known and does nothing.
//!
//! A command that is not in the table does what GRUB does with one: it says so and
//! leaves `$?` as it was.

use super::evaluator::{Command, Flow, Status};

/// A command and its name.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) run: Command,
}

/// All that are known, by name.
pub(super) const COMMANDS: &[Row] = &[Row { name: "true", run: |_, _| Flow::Next(Status(0)) }];
