//! GRUB's menus: its scripts (`grub.cfg`), evaluated as GRUB evaluates them, and its
//! environment block.

mod commands;
mod devices;
pub(crate) mod environment;
mod evaluator;
mod scope;
mod script;
mod world;
