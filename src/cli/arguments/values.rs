//! What every command is told, as values.
//!
//! Nothing is read or looked up here.

use std::path::PathBuf;

use super::super::cmdline::Cmdline;
use super::super::kernel_kind::Kind;
use super::super::source::Source;
use crate::base::arch::Arch;
use crate::plan::{Decompress, Request, Slot};
use crate::source::StateDevice;

/// A command with all that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Command {
    /// That of this command, or the overview.
    Help(Option<&'static str>),
    Version,
    Load(Box<Load>),
    Unload(Slot),
    Exec,
    Boot(Box<Boot>),
    Check(Box<Check>),
    Bless {
        entry: Option<String>,
        state: Option<StateDevice>,
        json: bool,
    },
    Slot {
        act: Act,
        state: Option<StateDevice>,
        json: bool,
    },
    Choose {
        choice: Choice,
        state: Option<StateDevice>,
        json: bool,
    },
    History {
        state: Option<StateDevice>,
        json: bool,
    },
    Status {
        settle: bool,
        state: Option<StateDevice>,
        json: bool,
    },
    Image {
        file: PathBuf,
        json: bool,
    },
    List(Box<Asked>),
    Explain(Box<Explain>),
    Verify(Box<Verify>),
}

impl Command {
    pub(in crate::cli) fn wants_json(&self) -> bool {
        match self {
            Self::Load(load) => load.json,
            Self::List(asked) => asked.json,
            Self::Explain(explain) => explain.asked.json,
            Self::Verify(verify) => verify.asked.json,
            Self::Boot(boot) => boot.asked.json,
            Self::Check(check) => check.asked.json,
            Self::Status { json, .. }
            | Self::Image { json, .. }
            | Self::Bless { json, .. }
            | Self::Slot { json, .. }
            | Self::Choose { json, .. }
            | Self::History { json, .. } => *json,
            _ => false,
        }
    }
}

/// What is done with a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Act {
    /// All are shown.
    List,
    SetPrimary(String),
    MarkGood(String),
    MarkBad(String, Insists),
    Install(String, Insists),
}

/// Whether even the last good slot may go.
pub(in crate::cli) type Insists = bool;

/// What is to boot if nobody chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Choice {
    pub(in crate::cli) when: When,
    /// Id of an entry, or `@saved`; none to forget what was chosen.
    pub(in crate::cli) id: Option<String>,
}

/// For which starts it is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum When {
    Always,
    /// The next one only.
    Once,
}

/// `turnout load`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Load {
    /// Id of an entry, in place of files.
    pub(in crate::cli) entry: Option<String>,
    pub(in crate::cli) kernel: PathBuf,
    pub(in crate::cli) initrds: Vec<PathBuf>,
    pub(in crate::cli) devicetree: Option<PathBuf>,
    pub(in crate::cli) overlays: Vec<PathBuf>,
    pub(in crate::cli) cmdline: Cmdline,
    pub(in crate::cli) request: Request,
    pub(in crate::cli) decompress: Decompress,
    pub(in crate::cli) slot: Slot,
    /// What the kernel's file has to be.
    pub(in crate::cli) kind: Option<Kind>,
    /// Nothing of EFI is handed over by kexec_load.
    pub(in crate::cli) without_efi: bool,
    /// The plan is told although it is loaded.
    pub(in crate::cli) shows_plan: bool,
    pub(in crate::cli) dry_run: bool,
    pub(in crate::cli) json: bool,
    pub(in crate::cli) inputs: Inputs,
    /// Where manifests and entries are, and whose signatures count.
    pub(in crate::cli) asked: Asked,
}

/// `turnout boot`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Boot {
    /// Id of an entry; none for the menu's default.
    pub(in crate::cli) entry: Option<String>,
    pub(in crate::cli) asked: Asked,
    pub(in crate::cli) leave: Leave,
    /// Also by kexec where this pair of kernels has failed.
    pub(in crate::cli) retry: bool,
    /// Likewise, and with what stops.
    pub(in crate::cli) force: bool,
}

/// `turnout check`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Check {
    /// Only what the next start finds; else all of this machine.
    pub(in crate::cli) next_start: bool,
    /// This machine's, unless it is about the next start.
    pub(in crate::cli) asked: Asked,
}

/// How `turnout boot` leaves this system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::cli) enum Leave {
    /// By `systemctl kexec`.
    #[default]
    Orderly,
    /// By its own quiesce, without stopping services.
    Now,
    /// By the firmware, this once.
    Firmware,
    /// Not yet: it is loaded and stays so until it is used or changed.
    Stage,
    /// It is loaded as late as can be.
    Defer,
    /// What was deferred is loaded now, as this system goes down.
    Deferred,
    /// What was staged is verified again, as this system goes down.
    Staged,
}

/// A machine that is described by files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Inputs {
    pub(in crate::cli) arch: Option<Arch>,
    pub(in crate::cli) iomem: Option<PathBuf>,
    pub(in crate::cli) memmap: Option<PathBuf>,
    pub(in crate::cli) boot_params: Option<PathBuf>,
    pub(in crate::cli) fdt: Option<PathBuf>,
    pub(in crate::cli) page_size: Option<u64>,
}

impl Inputs {
    pub(in crate::cli) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether more than an architecture is said of a machine.
    pub(in crate::cli) fn is_machine(&self) -> bool {
        *self != Self { arch: self.arch, ..Self::default() }
    }

    /// Whether the machine to plan for is the one that the program runs on.
    pub(in crate::cli) fn is_live(&self, here: Arch) -> bool {
        self.is_empty() || *self == Self { arch: Some(here), ..Self::default() }
    }

    /// A machine that is not this one needs a memory map, and a board its device
    /// tree.
    ///
    /// # Errors
    /// What is missing.
    pub(in crate::cli) fn check(&self, here: Arch) -> Result<(), String> {
        if self.is_live(here) {
            return Ok(());
        }
        let arch = self.arch.unwrap_or(here);
        let fdt = self.fdt.is_some() || arch == Arch::X86_64;
        let needed = [("--iomem", self.iomem.is_some()), ("--fdt", fdt)];
        let missing: Vec<_> =
            needed.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join(" and ");
        Err(format!("to plan for a machine of its own, {arch} needs {missing}"))
    }
}

/// `turnout list`, and whose signatures count for the others that read a menu.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Asked {
    pub(in crate::cli) source: Source,
    pub(in crate::cli) keys: Option<PathBuf>,
    pub(in crate::cli) policy: Option<PathBuf>,
    /// Of the machine that is asked about; none for this one's.
    pub(in crate::cli) arch: Option<Arch>,
    /// Likewise; empty for this machine's.
    pub(in crate::cli) boards: Vec<String>,
    pub(in crate::cli) devices: Vec<String>,
    pub(in crate::cli) json: bool,
}

/// `turnout explain`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Explain {
    pub(in crate::cli) entry: Option<String>,
    pub(in crate::cli) asked: Asked,
    /// The machine to plan for; empty for this one.
    pub(in crate::cli) inputs: Inputs,
}

/// `turnout verify`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Verify {
    pub(in crate::cli) what: What,
    pub(in crate::cli) asked: Asked,
}

/// What is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) enum What {
    /// Every entry of the menu.
    #[default]
    Menu,
    /// The entry of this id.
    Entry(String),
    /// This manifest and the files that it names.
    Manifest(PathBuf),
}

/// Nothing named yet, and for everything else what is best.
impl Default for Load {
    fn default() -> Self {
        Self {
            entry: None,
            kernel: PathBuf::new(),
            initrds: Vec::new(),
            devicetree: None,
            overlays: Vec::new(),
            cmdline: Cmdline::Own,
            request: Request::Auto,
            decompress: Decompress::Auto,
            slot: Slot::Normal,
            kind: None,
            without_efi: false,
            shows_plan: false,
            dry_run: false,
            json: false,
            inputs: Inputs::default(),
            asked: Asked::default(),
        }
    }
}
