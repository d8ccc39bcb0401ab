//! What outlasts a start: which systems a machine has to choose from, how often each
//! may still be tried, and how the last starts began and ended.
//!
//! A slot is a system that can be replaced as one: a device that the image declares, or,
//! where it declares none, an entry. A try is spent before anything of a slot is touched
//! and comes back only with a cause, so that whatever kills a start has been counted.
//! Nothing here reads a disk, a clock or a signature: facts come in, the next state comes
//! out, and whoever calls writes it. Nothing here ever decides what may boot, only in
//! which order what may boot is tried: whoever writes to the disk can change all of it.
//! Specification: `docs/survive.md`.
//!
//! | module | holds |
//! |---|---|
//! | [`record`] | the records of the state area |
//! | [`rules`] | what a start does with them |
//! | [`running`] | which slot the running system is of |
//! | [`verbs`] | what the running system does with them |
//! | [`told`] | what the system that is started is told |
//! | [`texts`] | both for people, and as JSON |

pub mod record;
pub mod rules;
pub mod running;
#[cfg(test)]
pub(crate) mod simulator;
#[cfg(test)]
mod tests;
pub mod texts;
pub mod told;
pub mod verbs;
mod wrong;

use crate::base::digest::Digest;

/// Most slots that are kept.
pub const MAX: usize = 8;
/// Longest name of a slot that an image declares, in bytes.
pub const MAX_DECLARED: usize = 32;
/// Longest name of a slot that is kept, in bytes ([`name_of`]).
pub const MAX_NAME: usize = 64;
/// Longest id of an entry that is kept, in bytes.
pub const MAX_ID: usize = 128;
/// Most starts that are kept.
pub const MAX_HISTORY: usize = 32;
/// How often a system that nobody has confirmed is tried, where nothing else is said.
pub const TRIES: u8 = 3;
/// Most tries: `${tries}` of a signed command line has two digits.
pub const MAX_TRIES: u8 = 99;

/// All of it, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Slots {
    /// In the order in which they came; a place never changes its number while it is
    /// somebody's.
    pub list: Vec<Slot>,
    /// What is to be tried first at the next start only: a slot or an entry.
    pub once: Option<String>,
    /// What boots if nobody chooses, where no firmware remembers it: an entry's id or
    /// `@saved`.
    pub default: Option<String>,
    /// The attempt that nobody has confirmed or settled yet.
    pub attempt: Option<Attempt>,
    /// How it went since something was confirmed.
    pub counters: Counters,
    /// The last attempts, the newest first.
    pub history: Vec<Start>,
}

/// A system that can be replaced as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slot {
    /// As the image declares it, or [`name_of`] an entry.
    pub name: String,
    /// False where the system has said that it is not to be tried.
    pub enabled: bool,
    /// Whether what is in it was confirmed since it was installed.
    pub good_once: bool,
    /// Whether its last start was: it does not count down.
    pub confirmed: bool,
    /// Whether the system has said that it is bad.
    pub bad: bool,
    /// Whether something is being installed into it.
    pub empty: bool,
    /// Whether its tries are from the name of a file: a name that lost its counter is a
    /// confirmation.
    pub from_name: bool,
    /// Whether it was tried without a try left, having been good once.
    pub last_resort: bool,
    /// The highest is tried first.
    pub priority: u8,
    /// Tries left.
    pub left: u8,
    /// Tries that it is given, from 1.
    pub most: u8,
    /// How its last attempt ended.
    pub last: Outcome,
    /// SHA-256 of the manifest that was jumped to last; none where nothing signed was.
    pub jumped: Option<Digest>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Outcome {
    /// It has not, or there was none.
    #[default]
    Open,
    /// The system has confirmed itself.
    Confirmed,
    /// It has not, until the next start.
    NotConfirmed,
    /// It was refused by trust.
    Refused,
    /// It could not be read, or loaded.
    Failed,
    /// A watchdog has reset the machine.
    Watchdog,
    /// The boot environment itself came to its end: a panic, a hang, no power.
    Died,
}

/// How far an attempt came. What is kept is the last of them that was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Devices are looked for.
    Discovering,
    /// A device is being mounted.
    Mounting,
    /// The entry's files are being read.
    Reading,
    /// Signatures are being checked.
    Verifying,
    /// The running kernel has it.
    Loaded,
    /// The next kernel has the machine.
    Jumped,
}

/// An attempt at a start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// Number of its slot; none of a recovery system, or while nothing was chosen.
    pub slot: Option<u8>,
    /// Id of the entry; empty as long as it is not known.
    pub entry: String,
    /// The device that is being mounted, where that is another than the slot's.
    pub device: Option<String>,
    /// SHA-256 of the manifest; none before the jump, or where nothing was signed.
    pub manifest: Option<Digest>,
    /// How far it came.
    pub stage: Stage,
    /// Why it was this one.
    pub cause: Cause,
    /// Whether it has cost a try.
    pub spent: bool,
    /// Whether later stages are written down: a start of a slot that is good writes once.
    pub exact: bool,
}

/// Why a slot was attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It was next in the order.
    Order,
    /// It was to be tried first, once.
    Once,
    /// Somebody chose it.
    Hand,
    /// It has no tries left, and was good once.
    LastResort,
    /// Nothing else booted: a recovery system.
    Recovery,
}

/// How it went since something was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Counters {
    /// Attempts that were ever begun.
    pub starts: u32,
    /// Attempts that nobody has confirmed, in a row.
    pub resets: u16,
    /// Starts of a recovery system since the last pause or confirmation.
    pub recoveries: u16,
    /// Starts that came after a reset by a watchdog, ever.
    pub watchdogs: u16,
    /// Pauses that were begun since.
    pub pauses: u8,
    /// Confirmed starts of one default in a row, by nobody's hand.
    pub row: u8,
    /// The first bytes of the SHA-256 of that default's id.
    pub row_of: [u8; 8],
    /// The first bytes of the SHA-256 of the boot id of the last start that confirmed
    /// itself ([`running::ThisBoot`]); zeros where that is not known.
    pub blessed: [u8; 8],
}

/// One of the last attempts, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Start {
    /// Number of the slot; none of a recovery system, and where the slot is forgotten.
    pub slot: Option<u8>,
    /// How far it came, as it was written down.
    pub stage: Stage,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was this one.
    pub cause: Cause,
}

/// What an entry's slot is called where the image declares none: its id, or as much of it
/// as fits and the beginning of its SHA-256.
#[must_use]
pub fn name_of(id: &str) -> String {
    if id.len() <= MAX_NAME {
        return id.to_owned();
    }
    let digest = Digest::of(id.as_bytes()).to_string();
    let head = id.get(..id.floor_char_boundary(MAX_NAME - 17)).unwrap_or_default();
    let tail = digest.get(..16).unwrap_or_default();
    [head, "~", tail].concat()
}

/// Whether an image may declare a slot of this name: it may be filled into a signed
/// command line, and can end no word there, nor lead out of a directory or be taken for an
/// option: it begins with a letter or a digit.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let takes = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.len() <= MAX_DECLARED
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(takes)
}

impl Slot {
    /// One that nobody has confirmed yet.
    #[must_use]
    pub fn new(name: &str, tries: u8) -> Self {
        let most = tries.clamp(1, MAX_TRIES);
        Self {
            name: name.to_owned(),
            enabled: true,
            good_once: false,
            confirmed: false,
            bad: false,
            empty: false,
            from_name: false,
            last_resort: false,
            priority: 0,
            left: most,
            most,
            last: Outcome::Open,
            jumped: None,
        }
    }

    /// Whether it may be tried at all.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        self.enabled && !self.empty
    }
}

impl Slots {
    /// Number of the slot of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|slot| slot.name == name)
    }

    /// The slot of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Slot> {
        self.list.iter().find(|slot| slot.name == name)
    }

    /// The slot of an attempt.
    #[must_use]
    pub fn slot_of(&self, attempt: &Attempt) -> Option<&Slot> {
        self.list.get(usize::from(attempt.slot?))
    }
}
