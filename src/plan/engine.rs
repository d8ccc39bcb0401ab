//! Which of the two system calls loads the next kernel, and why.

use core::fmt;

use super::errno::is_inability;
use super::guards::FileRule;

/// A way to load a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// kexec_file_load: the running kernel reads and places the files.
    File,
    /// kexec_load: Turnout places segments, its purgatory checks them.
    Segments,
}

impl Engine {
    /// The word for it in configurations and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Segments => "segments",
        }
    }

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
    /// kexec_file_load wherever it can do it, else kexec_load.
    FileFirst,
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

/// Which of the two places a kernel is loaded into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// For the next kexec.
    Normal,
    /// For the next panic, in memory that `crashkernel=` reserved.
    Crash,
}

/// What bears on the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts {
    /// Whether the running kernel has kexec_file_load.
    pub kexec_file_load: bool,
    /// Whether the running kernel has kexec_load.
    pub kexec_load: bool,
    /// Lockdown, if it is on.
    pub lockdown: Option<Lockdown>,
    /// Whether the firmware checks signatures: the running kernel may demand
    /// some too, and then takes nothing by kexec_load.
    pub secure_boot: bool,
    /// Whether `kernel.kexec_load_disabled` is 1, or no load is left of
    /// `kernel.kexec_load_limit_reboot` (`_panic` for a crash kernel).
    pub load_disabled: bool,
    /// Whether the running kernel is the first domain of a Xen hypervisor.
    pub xen_dom0: bool,
    /// Whether the entry brings a device tree of its own.
    pub devicetree: bool,
    /// Whether memory may be handed over to the next kernel (KHO). A crash kernel gets
    /// none.
    pub handover: bool,
    /// What counts of the file of a kernel besides its bytes.
    pub file_rule: Option<FileRule>,
}

impl Facts {
    /// A machine with both calls and nothing else to say about it.
    #[must_use]
    pub const fn plain() -> Self {
        Self {
            kexec_file_load: true,
            kexec_load: true,
            lockdown: None,
            secure_boot: false,
            load_disabled: false,
            xen_dom0: false,
            devicetree: false,
            handover: false,
            file_rule: None,
        }
    }
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

    /// The word that the kernel has for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::Confidentiality => "confidentiality",
        }
    }
}

/// Whether `auto` goes on to kexec_load after kexec_file_load failed with this
/// errno: only where the kernel could not ([`is_inability`]) and nothing locks
/// it. Whoever asked for one engine gets no other.
#[must_use]
pub const fn falls_back(request: Request, facts: &Facts, engine: Engine, errno: i32) -> bool {
    let free =
        facts.lockdown.is_none() && !facts.secure_boot && !facts.handover && facts.kexec_load;
    is_open(request) && matches!(engine, Engine::File) && free && is_inability(errno)
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
        Request::FileFirst => file_first(facts),
    };
    match (engine, facts) {
        (_, Facts { xen_dom0: true, .. }) => Err(Error::Xen),
        (_, Facts { load_disabled: true, .. }) => Err(Error::Disabled),
        (Engine::File, Facts { kexec_file_load: false, .. })
        | (Engine::Segments, Facts { kexec_load: false, .. }) => Err(Error::Missing(engine)),
        (Engine::File, Facts { devicetree: true, .. }) => Err(Error::Devicetree),
        (Engine::Segments, Facts { lockdown: Some(mode), .. }) => Err(Error::Lockdown(*mode)),
        (Engine::Segments, Facts { handover: true, .. }) if is_open(request) => {
            Err(Error::Handover)
        }
        _ => Ok((engine, reason)),
    }
}

const fn file_first(facts: &Facts) -> (Engine, &'static str) {
    if facts.devicetree {
        return (Engine::Segments, "the entry has a device tree of its own");
    }
    if facts.kexec_load && !facts.kexec_file_load {
        return (Engine::Segments, "the running kernel has no kexec_file_load");
    }
    (Engine::File, "it was asked for first")
}

/// Whether it is left open which engine it is in the end.
const fn is_open(request: Request) -> bool {
    matches!(request, Request::Auto | Request::FileFirst)
}

const fn preferred(facts: &Facts) -> (Engine, &'static str) {
    if facts.devicetree {
        return (Engine::Segments, "the entry has a device tree of its own");
    }
    if facts.lockdown.is_some() {
        return (Engine::File, "the running kernel is locked down");
    }
    if facts.secure_boot {
        return (Engine::File, "Secure Boot is on, where kernels may refuse kexec_load");
    }
    if facts.kexec_file_load {
        if facts.handover {
            return (Engine::File, "memory is handed over (KHO), which kexec_load would lose");
        }
        match facts.file_rule {
            Some(FileRule::Selinux) => {
                return (Engine::File, "SELinux is enforcing, and judges kernels by their files");
            }
            Some(FileRule::Ima) => {
                return (Engine::File, "IMA appraises kernels, and judges them by their files");
            }
            None => {}
        }
    }
    if facts.kexec_file_load && !facts.kexec_load {
        return (Engine::File, "the running kernel has no kexec_load");
    }
    (Engine::Segments, "it is faster, and everything is checked again at the jump")
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
    /// kexec_load would lose what is handed over.
    Handover,
    /// The running kernel takes no more kernels.
    Disabled,
    /// A Xen hypervisor runs the machine.
    Xen,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(engine) => write!(f, "the running kernel has no {engine}"),
            Self::Devicetree => f.write_str(
                "kexec_file_load cannot pass on the entry's device tree; only kexec_load can",
            ),
            Self::Lockdown(mode) => write!(
                f,
                "the running kernel forbids kexec_load (lockdown={}); only kexec_file_load, of an \
                 image that it has a key for, is left",
                mode.name()
            ),
            Self::Handover => f.write_str(
                "the running kernel may hand memory over to the next (KHO), which only \
                 kexec_file_load carries, and that is not possible here; \"--engine segments\" \
                 loses it",
            ),
            Self::Disabled => f.write_str(
                "the running kernel takes no more kernels before a reset: \
                 kernel.kexec_load_disabled is 1 or the load limit is used up",
            ),
            Self::Xen => f.write_str(
                "this is the first domain of a Xen hypervisor: a kernel would replace the \
                 hypervisor, which Turnout cannot do",
            ),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::Engine::{File, Segments};
    use super::Request::{Auto, FileFirst, Only};
    use super::*;

    const BOTH: Facts = Facts::plain();
    const FASTER: &str = "it is faster, and everything is checked again at the jump";
    const KHO: Facts = Facts { handover: true, ..BOTH };
    const LOCKED: Option<Lockdown> = Some(Lockdown::Integrity);

    #[test]
    fn each_machine_gets_the_engine_that_suits_it() {
        let no_file = Facts { kexec_file_load: false, ..BOTH };
        let cases = [
            (Auto, BOTH, Segments, FASTER),
            (Auto, no_file, Segments, FASTER),
            (
                Auto,
                Facts { secure_boot: true, ..BOTH },
                File,
                "Secure Boot is on, where kernels may refuse kexec_load",
            ),
            (Only(Segments), Facts { secure_boot: true, ..BOTH }, Segments, "it was asked for"),
            (
                Auto,
                Facts { kexec_load: false, ..BOTH },
                File,
                "the running kernel has no kexec_load",
            ),
            (Auto, Facts { lockdown: LOCKED, ..BOTH }, File, "the running kernel is locked down"),
            (
                Auto,
                Facts { devicetree: true, ..BOTH },
                Segments,
                "the entry has a device tree of its own",
            ),
            (Auto, KHO, File, "memory is handed over (KHO), which kexec_load would lose"),
            (Only(Segments), KHO, Segments, "it was asked for"),
            (
                Auto,
                Facts { file_rule: Some(FileRule::Selinux), ..BOTH },
                File,
                "SELinux is enforcing, and judges kernels by their files",
            ),
            (
                Auto,
                Facts { file_rule: Some(FileRule::Ima), ..BOTH },
                File,
                "IMA appraises kernels, and judges them by their files",
            ),
            (Auto, Facts { file_rule: Some(FileRule::Selinux), ..no_file }, Segments, FASTER),
            (Only(Segments), BOTH, Segments, "it was asked for"),
            (Only(File), BOTH, File, "it was asked for"),
        ];
        for (request, facts, engine, reason) in cases {
            assert_eq!(choose_engine(request, &facts), Ok((engine, reason)), "{facts:?}");
        }
    }

    #[test]
    fn whoever_wants_the_file_engine_first_gets_the_other_where_it_cannot_do_it() {
        let engine = |facts: Facts| choose_engine(FileFirst, &facts).map(|(engine, _)| engine);
        assert_eq!(choose_engine(FileFirst, &BOTH), Ok((File, "it was asked for first")));
        assert_eq!(engine(Facts { kexec_load: false, ..BOTH }), Ok(File));
        assert_eq!(engine(Facts { kexec_file_load: false, ..BOTH }), Ok(Segments));
        assert_eq!(engine(Facts { devicetree: true, ..BOTH }), Ok(Segments));
        let none = Facts { kexec_file_load: false, kexec_load: false, ..BOTH };
        assert_eq!(engine(none), Err(Error::Missing(File)));
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
            (Auto, Facts { kexec_file_load: false, ..KHO }, Error::Handover),
            (Auto, Facts { devicetree: true, ..KHO }, Error::Handover),
            (Only(File), Facts { load_disabled: true, ..BOTH }, Error::Disabled),
            (Only(Segments), Facts { xen_dom0: true, ..BOTH }, Error::Xen),
        ];
        for (request, facts, error) in cases {
            assert_eq!(choose_engine(request, &facts), Err(error), "{facts:?}");
        }
        let said = Error::Lockdown(Lockdown::Integrity).to_string();
        assert!(said.starts_with("the running kernel forbids kexec_load (lockdown=integrity);"));
    }

    #[test]
    fn nothing_that_was_refused_is_tried_by_the_other_call() {
        const ENOSYS: i32 = 38;
        const EPERM: i32 = 1;
        assert!(falls_back(Auto, &BOTH, File, ENOSYS));
        assert!(falls_back(FileFirst, &BOTH, File, ENOSYS));
        assert!(!falls_back(FileFirst, &BOTH, File, EPERM));
        assert!(!falls_back(Auto, &BOTH, File, EPERM));
        assert!(!falls_back(Auto, &BOTH, Segments, ENOSYS));
        assert!(!falls_back(Only(File), &BOTH, File, ENOSYS));
        assert!(!falls_back(Auto, &Facts { lockdown: LOCKED, ..BOTH }, File, ENOSYS));
        assert!(!falls_back(Auto, &Facts { secure_boot: true, ..BOTH }, File, ENOSYS));
        assert!(!falls_back(Auto, &KHO, File, ENOSYS));
        assert!(!falls_back(Auto, &Facts { kexec_load: false, ..BOTH }, File, ENOSYS));
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
