//! What a menu says of itself: how long it is shown, what boots if nobody
//! chooses, and whether entries may be edited.

/// How long a person has to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// The menu counts down this many seconds; never 0.
    Seconds(u32),
    /// The menu waits for a person, however long (`menu-force`).
    Forever,
    /// The default boots at once (`menu-hidden` or `0`).
    Hidden,
    /// The default boots at once and no key may change that
    /// (`menu-disabled`).
    Disabled,
}

/// A partition that says nothing gets a menu: unlike systemd-boot, which hides
/// it then, Turnout has no key that could still bring it up.
impl Default for Timeout {
    fn default() -> Self {
        Self::Seconds(5)
    }
}

/// The entry that boots by itself, as a menu names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which one.
    pub what: What,
    /// Path of the file that says so.
    pub file: String,
    /// The line that says so, from 1.
    pub line: Option<usize>,
}

/// How a menu names an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The first entry, of any volume, whose id matches this pattern.
    Pattern(String),
    /// The entry of the same volume with this id, this title or this number in
    /// its menu, from 0.
    Named(String),
    /// The one that was saved last (`@saved`).
    Saved,
}

/// What a menu chose for one boot only, and cannot be told apart from a choice that was
/// used before but by who remembers it (GRUB's `next_entry`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextEntry {
    /// The volume of the menu.
    pub volume: usize,
    /// What the device is called whose environment block says so, where that is not the
    /// menu's own.
    pub device: Option<String>,
    /// As it stands in the block.
    pub value: String,
}

/// The settings of one menu, or of several that were put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long the menu waits; `None` if it does not say.
    pub timeout: Option<Timeout>,
    /// What boots by itself; `None` if it does not say.
    pub default: Option<Wanted>,
    /// What an environment block says was saved last.
    pub saved: Option<Wanted>,
    /// Whether command lines may be edited, where the image allows that.
    pub editor: bool,
    /// Ids of the entries that are tried after the default, in this order.
    pub fallback: Vec<String>,
    /// What `default` came from, if it is for one boot only.
    pub next_entry: Option<NextEntry>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: None,
            default: None,
            saved: None,
            editor: true,
            fallback: Vec::new(),
            next_entry: None,
        }
    }
}

impl Settings {
    /// What `self` does not say, `later` does; what either forbids is forbidden.
    #[must_use]
    pub(super) fn or(self, later: Self) -> Self {
        Self {
            timeout: self.timeout.or(later.timeout),
            default: self.default.or(later.default),
            saved: self.saved.or(later.saved),
            editor: self.editor && later.editor,
            fallback: if self.fallback.is_empty() { later.fallback } else { self.fallback },
            next_entry: self.next_entry.or(later.next_entry),
        }
    }
}
