//! What the next start of this machine finds in its menus.

use super::Refusal;

/// Every entry, in the order in which they are tried; nothing of it is for a person to
/// choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Whether nothing boots that nobody signed.
    pub is_locked: bool,
    /// The entries.
    pub entries: Vec<Prospect>,
    /// Id of the one that the menus begin with.
    pub default: Option<String>,
    /// What the kernels that are installed call themselves.
    pub installed: Vec<String>,
}

/// What becomes of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    /// Its id.
    pub id: String,
    /// What its kernel calls itself, or else what the entry is called after.
    pub release: Option<String>,
    /// Whether it boots.
    pub verdict: Verdict,
}

/// Whether an entry boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody has looked: another one comes first.
    Unseen,
    /// By itself.
    Boots,
    /// To recover the machine, where nothing else boots.
    Recovers,
    /// It does not.
    Refused(Refusal),
}

impl Outlook {
    /// What starts by itself.
    #[must_use]
    pub fn starts(&self) -> Option<&Prospect> {
        self.first(&Verdict::Boots)
    }

    /// What starts where nothing boots.
    #[must_use]
    pub fn recovers(&self) -> Option<&Prospect> {
        self.first(&Verdict::Recovers)
    }

    /// What the menus begin with.
    #[must_use]
    pub fn begins(&self) -> Option<&Prospect> {
        let default = self.default.as_ref()?;
        self.entries.iter().find(|one| one.id == *default)
    }

    fn first(&self, verdict: &Verdict) -> Option<&Prospect> {
        self.entries.iter().find(|one| one.verdict == *verdict)
    }

    /// The entries of a kernel.
    pub fn of_release<'a>(&'a self, release: &'a str) -> impl Iterator<Item = &'a Prospect> {
        self.entries.iter().filter(move |one| one.release.as_deref() == Some(release))
    }
}

impl Prospect {
    /// Why it does not boot.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match &self.verdict {
            Verdict::Refused(refusal) => Some(refusal),
            Verdict::Unseen | Verdict::Boots | Verdict::Recovers => None,
        }
    }
}
