//! Chooses modules for machines that nobody named modules for: nearly all of them
//! ([`universal()`]), this one ([`host()`]), or a board ([`board()`]).
//!
//! A module's own words decide, as far as there are any: the devices that it says it is
//! for, and the symbols that it imports, so that a driver that no list knows comes
//! along. Nothing that is chosen here is loaded before a device asks for it.

mod board;
mod host;
mod known;
mod left_out;
mod rules;
mod sysfs;
mod universal;

use super::modules::Wanted;

pub use board::board;
pub use host::host;
pub use known::{Known, known};
pub use universal::universal;

/// What was chosen.
#[derive(Debug, Default)]
pub struct Picks {
    /// Modules, each with a reason.
    pub wanted: Vec<Wanted>,
    /// Drivers of disks that are not packed, to be named where one is missed.
    pub known: Vec<Known>,
    /// Sentences about what was left out.
    pub notes: Vec<String>,
}

/// A module, loaded when a device asks for it.
fn when_met(name: &str, why: &str) -> Wanted {
    Wanted { word: name.to_owned(), why: why.to_owned(), always: false }
}
