//! Which entry boots if nobody chooses, where somebody besides the menu has a
//! say: what firmware variables hold comes before what the menu's files say.

use crate::base::text::quoted;
use crate::menu::Menu;

/// Who wishes for a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// For the next boot only (`LoaderEntryOneShot`).
    OneShot,
    /// Until it is changed (`LoaderEntryDefault`).
    Saved,
    /// The configuration of this machine.
    Configured,
}

/// A wish for a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Whose it is.
    pub from: From,
    /// Id or pattern, as in loader.conf.
    pub pattern: String,
}

/// The entry that the first wish which is not stale names, else the menu's own
/// default, and a sentence for each stale one. No file is looked at.
#[must_use]
pub fn resolve_default(menu: &Menu, wishes: &[Wish]) -> (Option<usize>, Vec<String>) {
    let mut said = Vec::new();
    for wish in wishes {
        match menu.named_by(&wish.pattern) {
            Some(index) => return (Some(index), said),
            None => said.push(wish.stale()),
        }
    }
    (menu.default, said)
}

impl Wish {
    fn stale(&self) -> String {
        let whose = match self.from {
            From::OneShot => "entry for this one boot",
            From::Saved => "saved default",
            From::Configured => "configured default",
        };
        format!("the {whose}, {}, is not in the menu and is passed over", quoted(&self.pattern))
    }
}
