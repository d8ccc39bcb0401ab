//! GRUB's menus: its scripts (`grub.cfg`), evaluated as GRUB evaluates them, and its
//! environment block.

mod commands;
mod devices;
pub(crate) mod environment;
mod evaluator;
mod expand;
mod lexer;
mod parser;
mod printed;
mod rules;
mod scope;
mod script;
mod world;

pub use printed::{Printed, script_output};
