//! What is written down about a kernel that was loaded, and about a jump that was
//! asked for.
//!
//! Texts of `key value` lines ([`super::lines`]), in a fixed order, each value in one
//! line; a text that is not understood is no record, never half of one. They are
//! availability and evidence, not trust: nothing boots because a record says so.
//! Specification: docs/fast-reboot.md, "What is written down".

use super::lines::{Problem, Reader, Writer};
use crate::base::digest::Digest;
use crate::plan::{Engine, Slot};

/// Longest text of a record that is read or written, in bytes.
pub const MAX_TEXT: usize = 64 << 10;

/// In the place of a kernel's digest: whatever the firmware starts by itself.
pub const NO_KERNEL: Digest = Digest([0; 32]);
const THE_DEFAULT: &str = "the firmware's default";

/// How many pairs of kernels are remembered; the oldest are forgotten first.
const MAX_PAIRS: usize = 64;

/// A file of what was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// As it was named, or the path on its boot partition.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of the bytes that were loaded.
    pub digest: Digest,
}

/// What loaded a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// `turnout load`.
    Load,
    /// `kexec`.
    Kexec,
    /// `turnout boot`, which leaves at once.
    Boot,
    /// `turnout boot --stage`, which leaves later.
    Stage,
}

impl By {
    const ALL: [Self; 4] = [Self::Load, Self::Kexec, Self::Boot, Self::Stage];

    /// The word for it in records and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Kexec => "kexec",
            Self::Boot => "boot",
            Self::Stage => "stage",
        }
    }

    /// The command that somebody has typed.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::Load => "turnout load",
            Self::Kexec => "kexec",
            Self::Boot => "turnout boot",
            Self::Stage => "turnout boot --stage",
        }
    }
}

/// A kernel that is loaded: `/run/turnout/loaded` and `/run/turnout/loaded-crash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Which of the two.
    pub slot: Slot,
    /// What loaded it.
    pub by: By,
    /// The user who asked for it, such as `root` or `alice by sudo`.
    pub user: String,
    /// Seconds since 1970.
    pub when: u64,
    /// The boot id of the system that loaded it.
    pub boot_id: String,
    /// Id of the entry; none for files that were named.
    pub entry: Option<String>,
    /// The kernel's own release, where its image tells.
    pub release: Option<String>,
    /// Who signed it, or `unsigned`.
    pub trust: String,
    /// What is less than that about how it was loaded.
    pub remark: Option<String>,
    /// Which system call.
    pub engine: Engine,
    /// The kernel, or the unified kernel image.
    pub kernel: File,
    /// In order.
    pub initrds: Vec<File>,
    /// Of its own.
    pub devicetree: Option<File>,
    /// With slots filled in.
    pub cmdline: String,
    /// The token in it, where its signed command line has room for one.
    pub token: Option<String>,
}

/// How a system was asked to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By kexec.
    Kexec,
    /// By the firmware, because it was asked so or because this pair failed before.
    Firmware,
}

impl Way {
    pub(super) const ALL: [Self; 2] = [Self::Kexec, Self::Firmware];

    /// The word for it in records and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kexec => "kexec",
            Self::Firmware => "firmware",
        }
    }
}

/// A jump that was asked for: `/var/lib/turnout/asked`, flushed before the system is
/// left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which way.
    pub way: Way,
    /// Seconds since 1970.
    pub when: u64,
    /// The boot id of the system that asked.
    pub boot_id: String,
    /// Its kernel's release (uname -r).
    pub from: String,
    /// What was loaded.
    pub entry: Option<String>,
    /// The next kernel's release.
    pub to: Option<String>,
    /// Digest of the kernel's file.
    pub kernel: Digest,
    /// Of the initrds, in order.
    pub initrds: Vec<Digest>,
    /// The command line.
    pub cmdline: String,
    /// The token in it.
    pub token: Option<String>,
    /// What the firmware was told to start if the jump fails, in words; none where there
    /// is nothing to tell.
    pub fallback: Option<String>,
    /// Whether a watchdog was armed over the jump.
    pub watchdog: bool,
    /// Whether a watchdog said already of the system that asked that it had reset the
    /// machine.
    pub was_reset: bool,
}

/// From which kernel to which: what fails once is not tried again unless told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Release of the kernel that was left.
    pub from: String,
    /// Release of the kernel that was started; where it is not known its digest.
    pub to: String,
}

impl File {
    fn line(&self) -> String {
        format!("{} {} {}", self.digest, self.size, self.path)
    }

    fn read(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let digest = Digest::from_hex(words.next()?)?;
        let size = words.next()?.parse().ok()?;
        Some(Self { path: words.next()?.to_owned(), size, digest })
    }
}

/// The value whose name this is.
fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, word: &str) -> Option<T> {
    all.iter().copied().find(|one| name(*one) == word)
}

const fn name_of_slot(slot: Slot) -> &'static str {
    match slot {
        Slot::Normal => "normal",
        Slot::Crash => "crash",
    }
}

fn number(word: &str) -> Option<u64> {
    word.parse().ok()
}

impl Loaded {
    /// As it is written down.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = Writer::new("loaded");
        out.line("slot", name_of_slot(self.slot));
        out.line("by", self.by.name());
        out.line("user", &self.user);
        out.line("when", &self.when.to_string());
        out.line("boot-id", &self.boot_id);
        out.maybe("entry", self.entry.as_deref());
        out.maybe("release", self.release.as_deref());
        out.line("trust", &self.trust);
        out.maybe("remark", self.remark.as_deref());
        out.line("engine", self.engine.name());
        out.line("kernel", &self.kernel.line());
        self.initrds.iter().for_each(|initrd| out.line("initrd", &initrd.line()));
        out.maybe("devicetree", self.devicetree.as_ref().map(File::line).as_deref());
        out.line("cmdline", &self.cmdline);
        out.maybe("token", self.token.as_deref());
        out.end()
    }

    /// Who signed it, with the remark.
    #[must_use]
    pub fn trust_in_words(&self) -> String {
        match &self.remark {
            Some(remark) => format!("{}; {remark}", self.trust),
            None => self.trust.clone(),
        }
    }

    /// Undoes [`Loaded::text`].
    ///
    /// # Errors
    /// The line that is none of a record, and what is wrong with it.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let mut lines = Reader::new(text);
        lines.begin("loaded")?;
        let loaded = Self {
            slot: lines
                .take_as("slot", |word| named(&[Slot::Normal, Slot::Crash], name_of_slot, word))?,
            by: lines.take_as("by", |word| named(&By::ALL, By::name, word))?,
            user: lines.take("user")?,
            when: lines.take_as("when", number)?,
            boot_id: lines.take("boot-id")?,
            entry: lines.maybe("entry")?,
            release: lines.maybe("release")?,
            trust: lines.take("trust")?,
            remark: lines.maybe("remark")?,
            engine: lines.take_as("engine", |word| {
                named(&[Engine::File, Engine::Segments], Engine::name, word)
            })?,
            kernel: lines.take_as("kernel", File::read)?,
            initrds: lines.all_as("initrd", File::read)?,
            devicetree: lines.maybe_as("devicetree", File::read)?,
            cmdline: lines.take("cmdline")?,
            token: lines.maybe("token")?,
        };
        lines.finish().map(|()| loaded)
    }
}

impl Asked {
    /// As it is written down.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = Writer::new("asked");
        out.line("way", self.way.name());
        out.line("when", &self.when.to_string());
        out.line("boot-id", &self.boot_id);
        out.line("from", &self.from);
        out.maybe("entry", self.entry.as_deref());
        out.maybe("to", self.to.as_deref());
        out.line("kernel", &self.kernel.to_string());
        self.initrds.iter().for_each(|initrd| out.line("initrd", &initrd.to_string()));
        out.line("cmdline", &self.cmdline);
        out.maybe("token", self.token.as_deref());
        out.maybe("fallback", self.fallback.as_deref());
        out.line("watchdog", if self.watchdog { "yes" } else { "no" });
        out.maybe("was-reset", self.was_reset.then_some("yes"));
        out.end()
    }

    /// Undoes [`Asked::text`].
    ///
    /// # Errors
    /// The line that is none of a record, and what is wrong with it.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let mut lines = Reader::new(text);
        lines.begin("asked")?;
        let asked = Self {
            way: lines.take_as("way", |word| named(&Way::ALL, Way::name, word))?,
            when: lines.take_as("when", number)?,
            boot_id: lines.take("boot-id")?,
            from: lines.take("from")?,
            entry: lines.maybe("entry")?,
            to: lines.maybe("to")?,
            kernel: lines.take_as("kernel", Digest::from_hex)?,
            initrds: lines.all_as("initrd", Digest::from_hex)?,
            cmdline: lines.take("cmdline")?,
            token: lines.maybe("token")?,
            fallback: lines.maybe("fallback")?,
            watchdog: lines.take_as("watchdog", yes_or_no)?,
            was_reset: lines.maybe_as("was-reset", yes_or_no)?.unwrap_or(false),
        };
        lines.finish().map(|()| asked)
    }

    /// From which kernel to which it leads.
    #[must_use]
    pub fn pair(&self) -> Pair {
        let to = match (&self.to, self.kernel) {
            (Some(to), _) => to.clone(),
            (None, NO_KERNEL) => THE_DEFAULT.to_owned(),
            (None, kernel) => format!("sha256:{kernel}"),
        };
        Pair { from: self.from.clone(), to }
    }

    /// What was asked for, in words.
    #[must_use]
    pub fn what(&self) -> &str {
        match &self.entry {
            Some(entry) => entry,
            None if self.kernel == NO_KERNEL => THE_DEFAULT,
            None => "files that were named",
        }
    }
}

fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

impl Pair {
    /// All of them as they are written down, the newest last.
    #[must_use]
    pub fn text(pairs: &[Self]) -> String {
        let mut out = Writer::new("failed");
        for pair in pairs {
            out.line("from", &pair.from);
            out.line("to", &pair.to);
        }
        out.end()
    }

    /// Undoes [`Pair::text`].
    ///
    /// # Errors
    /// The line that is none of a record, and what is wrong with it.
    pub fn read(text: &str) -> Result<Vec<Self>, Problem> {
        let mut lines = Reader::new(text);
        lines.begin("failed")?;
        let mut pairs = Vec::new();
        while let Some(from) = lines.maybe("from")? {
            pairs.push(Self { from, to: lines.take("to")? });
        }
        lines.finish().map(|()| pairs)
    }

    /// These with one more, which becomes the newest.
    #[must_use]
    pub fn with(pairs: &[Self], one: Self) -> Vec<Self> {
        let mut with = Self::without(pairs, &one);
        with.push(one);
        with.drain(..with.len().saturating_sub(MAX_PAIRS));
        with
    }

    /// These without this one.
    #[must_use]
    pub fn without(pairs: &[Self], one: &Self) -> Vec<Self> {
        pairs.iter().filter(|pair| *pair != one).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
