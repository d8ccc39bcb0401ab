//! `turnout boot`: verify, load, record, and the orderly way out of this system.

use super::arguments::Boot;
use crate::failure::{Failure, Stage};

/// Leaves this system; comes back where it was only staged, or with the reason why not.
pub(super) fn run(_boot: &Boot) -> Result<String, Failure> {
    Err(Failure::new(Stage::Start, "\"turnout boot\" does nothing yet"))
}
