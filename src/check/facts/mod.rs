//! What the rules look at, as it was read: a file with a struct for each part of the
//! machine, filled in by the file of the same name in [`crate::sys::survey`].
//!
//! Nothing is judged here. What could not be read is none, or empty.

mod kernel;

pub use kernel::{Config, Kernel};

/// The whole machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the running kernel allows.
    pub kernel: Kernel,
}
