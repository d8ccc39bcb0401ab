//! Which of the two system calls loads the next kernel, and why.

use core::fmt;

use crate::arch::Arch;

/// A way to load a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// kexec_file_load: the running kernel reads and places the files.
    File,
    /// kexec_load: Turnout places segments, its purgatory checks them.
    Segments,
}

impl Engine {
    /// The name of the system call.
    #[must_use]
    pub const fn system_call(self) -> &'static str {
        match self {
            Self::File => "kexec_file_load",
            Self::Segments => "kexec_load",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.system_call())
    }
}

/// What the configuration or the command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Whatever suits.
    Auto,
    /// This one or nothing.
    Only(Engine),
}

impl Request {
    /// Reads `auto`, `file` or `segments`; anything else is `None`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "file" => Some(Self::Only(Engine::File)),
            "segments" => Some(Self::Only(Engine::Segments)),
            _ => None,
        }
    }
}

/// What bears on the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Architecture of the running kernel.
    pub arch: Arch,
    /// Whether the running kernel has kexec_file_load.
    pub kexec_file_load: bool,
    /// Whether the running kernel has kexec_load.
    pub kexec_load: bool,
    /// Lockdown, if it is on.
    pub lockdown: Option<Lockdown>,
    /// Whether the entry brings a device tree of its own.
    pub devicetree: bool,
}

/// How much the running kernel keeps even root from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lockdown {
    /// The kernel cannot be changed.
    Integrity,
    /// Nor can its memory be read.
    Confidentiality,
}

impl Lockdown {
    /// Reads /sys/kernel/security/lockdown, where brackets mark the mode.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| match word {
            "[integrity]" => Some(Self::Integrity),
            "[confidentiality]" => Some(Self::Confidentiality),
            _ => None,
        })
    }
}

/// Chooses the engine; the second value says why, for people.
///
/// # Errors
/// No engine can do what is asked: a device tree of the entry's own is refused
/// rather than dropped, and lockdown is not worked round.
pub const fn choose_engine(
    request: Request,
    facts: &Facts,
) -> Result<(Engine, &'static str), Error> {
    let (engine, reason) = match request {
        Request::Only(engine) => (engine, "it was asked for"),
        Request::Auto => preferred(facts),
    };
    match (engine, facts) {
        (Engine::File, Facts { kexec_file_load: false, .. })
        | (Engine::Segments, Facts { kexec_load: false, .. }) => Err(Error::Missing(engine)),
        (Engine::File, Facts { devicetree: true, .. }) => Err(Error::Devicetree),
        (Engine::Segments, Facts { lockdown: Some(mode), .. }) => Err(Error::Lockdown(*mode)),
        _ => Ok((engine, reason)),
    }
}

const fn preferred(facts: &Facts) -> (Engine, &'static str) {
    if facts.devicetree {
        return (Engine::Segments, "the entry has a device tree of its own");
    }
    if facts.lockdown.is_some() {
        return (Engine::File, "the running kernel is locked down");
    }
    match (facts.arch, facts.kexec_file_load, facts.kexec_load) {
        (_, false, _) => (Engine::Segments, "the running kernel has no kexec_file_load"),
        (_, true, false) => (Engine::File, "the running kernel has no kexec_load"),
        (Arch::X86_64, ..) => (Engine::File, "it is the default on x86_64"),
        (Arch::Aarch64, ..) => (Engine::Segments, "it is the default on aarch64"),
    }
}

/// Why no engine can load an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The running kernel does not have this system call.
    Missing(Engine),
    /// kexec_file_load cannot pass a device tree.
    Devicetree,
    /// The running kernel forbids kexec_load.
    Lockdown(Lockdown),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(engine) => write!(f, "the running kernel has no {engine}"),
            Self::Devicetree => f.write_str(
                "kexec_file_load cannot pass on the entry's device tree; only kexec_load can",
            ),
            Self::Lockdown(mode) => {
                let mode = match mode {
                    Lockdown::Integrity => "integrity",
                    Lockdown::Confidentiality => "confidentiality",
                };
                write!(f, "the running kernel forbids kexec_load (lockdown={mode})")
            }
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::Engine::{File, Segments};
    use super::Request::{Auto, Only};
    use super::*;

    const BOTH: Facts = Facts {
        arch: Arch::X86_64,
        kexec_file_load: true,
        kexec_load: true,
        lockdown: None,
        devicetree: false,
    };
    const LOCKED: Option<Lockdown> = Some(Lockdown::Integrity);

    #[test]
    fn each_machine_gets_the_engine_that_suits_it() {
        let no_file = Facts { kexec_file_load: false, ..BOTH };
        let cases = [
            (Auto, BOTH, File, "it is the default on x86_64"),
            (Auto, no_file, Segments, "the running kernel has no kexec_file_load"),
            (Auto, Facts { arch: Arch::Aarch64, ..BOTH }, Segments, "it is the default on aarch64"),
            (
                Auto,
                Facts { arch: Arch::Aarch64, kexec_load: false, ..BOTH },
                File,
                "the running kernel has no kexec_load",
            ),
            (
                Auto,
                Facts { arch: Arch::Aarch64, lockdown: LOCKED, ..BOTH },
                File,
                "the running kernel is locked down",
            ),
            (
                Auto,
                Facts { devicetree: true, ..BOTH },
                Segments,
                "the entry has a device tree of its own",
            ),
            (Only(Segments), BOTH, Segments, "it was asked for"),
            (Only(File), BOTH, File, "it was asked for"),
        ];
        for (request, facts, engine, reason) in cases {
            assert_eq!(choose_engine(request, &facts), Ok((engine, reason)), "{facts:?}");
        }
    }

    #[test]
    fn what_no_engine_can_do_is_refused_with_the_cause() {
        let none = Facts { kexec_file_load: false, kexec_load: false, ..BOTH };
        let devicetree = Facts { devicetree: true, ..BOTH };
        let cases = [
            (Auto, none, Error::Missing(Segments)),
            (Only(File), none, Error::Missing(File)),
            (Only(File), devicetree, Error::Devicetree),
            (Auto, Facts { lockdown: LOCKED, ..devicetree }, Error::Lockdown(Lockdown::Integrity)),
            (
                Only(Segments),
                Facts { lockdown: Some(Lockdown::Confidentiality), ..BOTH },
                Error::Lockdown(Lockdown::Confidentiality),
            ),
            (Auto, Facts { lockdown: LOCKED, ..none }, Error::Missing(File)),
        ];
        for (request, facts, error) in cases {
            assert_eq!(choose_engine(request, &facts), Err(error), "{facts:?}");
        }
        assert_eq!(
            Error::Lockdown(Lockdown::Integrity).to_string(),
            "the running kernel forbids kexec_load (lockdown=integrity)"
        );
    }

    #[test]
    fn the_lockdown_mode_is_the_one_in_brackets() {
        assert_eq!(Lockdown::parse("[none] integrity confidentiality\n"), None);
        assert_eq!(Lockdown::parse("none [integrity] confidentiality\n"), LOCKED);
        let confidentiality = Some(Lockdown::Confidentiality);
        assert_eq!(Lockdown::parse("none integrity [confidentiality]\n"), confidentiality);
    }

    #[test]
    fn the_words_of_the_configuration_are_read() {
        let read = ["auto", "file", "segments", "File"].map(Request::parse);
        assert_eq!(read, [Some(Auto), Some(Only(File)), Some(Only(Segments)), None]);
    }
}
