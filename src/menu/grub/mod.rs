//! GRUB's menus: its scripts (`grub.cfg`), evaluated as GRUB evaluates them, and its
//! environment block.
//!
//! Follows GRUB's manual, and what GRUB was measured to do where the manual is silent. A
//! script never writes, waits, or reaches beyond the devices that it is shown.

mod blscfg;
mod commands;
mod default;
mod devices;
pub(crate) mod environment;
mod evaluator;
mod expand;
mod lexer;
mod listing;
mod parser;
mod places;
mod printed;
mod reader;
mod rules;
mod scope;
mod script;
mod world;

#[cfg(test)]
mod agreement;
#[cfg(test)]
#[path = "../../../tests/integration/grub/made_up/mod.rs"]
mod made_up;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traps;

pub use printed::{Printed, script_output};
pub(super) use reader::{find, is_path, read};

use super::Format;

pub(super) const FORMAT: Format = Format::other("grub");
