//! The table of rules, in the order in which they are looked at.

mod kernel;

use super::Rule;

/// Every rule.
pub(super) const ALL: [Rule; 1] = [kernel::load_disabled];
