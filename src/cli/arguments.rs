//! What somebody typed, as a value.
//!
//! [`COMMANDS`] is the one table of commands and of the options that each takes.
//! Nothing is read or looked up here; a command line that contradicts itself is
//! refused before anything is done.

use core::{fmt, mem};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::Parser;
use lexopt::prelude::{Long, Short, Value, ValueExt as _};

use super::cmdline::Cmdline;
use super::kernel_kind::Kind;
use super::source::Source;
use super::words;
use crate::base::arch::Arch;
use crate::base::similar::similar;
use crate::plan::{Decompress, Request, Slot};
use crate::source::StateDevice;
use crate::sys::arch;

/// What `--help` prints.
pub(super) const USAGE: &str = "\
turnout is a kexec, and shows what Turnout makes of boot menus and signatures. (What
boots machines is turnout-init, PID 1 of an initramfs made by mkinitramfs.)

  turnout load ./KERNEL [--initrd FILE]... [--dtb FILE] [--dtb-overlay FILE]...
               [--cmdline TEXT | --append TEXT | --reuse-cmdline]
               [--engine auto|file|segments] [--vmlinux auto|always|never]
               [--crash] [--dry-run] [SOURCE] [TRUST] [--json]
  turnout load ENTRY [--engine auto|file|segments] [--vmlinux auto|always|never]
               [--crash] [--dry-run] [SOURCE] [TRUST] [--json]
  turnout unload [--crash]
  turnout exec
  turnout boot [ENTRY] [--now | --firmware | --stage | --defer] [--retry]
               [--force] [SOURCE] [TRUST] [--json]
  turnout boot --deferred | --staged
  turnout check [--json]
  turnout check --next-start [SOURCE] [TRUST] [--json]
  turnout bless [ENTRY] [--state-device DEV] [--json]
  turnout slot [list | set-primary NAME | set-state NAME good |
                set-state NAME bad [--force] | install NAME [--force]]
               [--state-device DEV] [--json]
  turnout set-default ID | @saved | --clear [--state-device DEV] [--json]
  turnout set-oneshot ID | --clear [--state-device DEV] [--json]
  turnout history [--state-device DEV] [--json]
  turnout list [SOURCE] [TRUST] [--json]
  turnout explain [ENTRY] [SOURCE] [TRUST] [--json]
  turnout verify [ENTRY | --manifest FILE] [SOURCE] [TRUST] [--json]
  turnout status [--settle] [--state-device DEV] [--json]
  turnout image FILE [--json]
  turnout --help | --version

SOURCE is a boot partition or several; without it those of this machine:
  --root DIR | --root NAME=DIR[,uuid=U][,label=L][,partlabel=P]... | --device DEV
  --config PATH [--format bls|uki|extlinux|grub|native|kboot]  this menu file only
TRUST says whose signatures count, and for which machine:
  --keys FILE  --policy FILE  --arch A  --board NAME...  --device-id ID...

--dry-run shows the plan and loads nothing. With any of these it plans for the
machine that they describe, and reads nothing of this one; so does explain:
  --arch x86_64|aarch64  --iomem FILE  --memmap DIR  --boot-params FILE
  --fdt FILE  --page-size BYTES";

/// A command with all that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    Version,
    Load(Box<Load>),
    Unload(Slot),
    Exec,
    Boot(Box<Boot>),
    Check(Box<Check>),
    Bless { entry: Option<String>, state: Option<StateDevice>, json: bool },
    Slot { act: Act, state: Option<StateDevice>, json: bool },
    Choose { choice: Choice, state: Option<StateDevice>, json: bool },
    History { state: Option<StateDevice>, json: bool },
    Status { settle: bool, state: Option<StateDevice>, json: bool },
    Image { file: PathBuf, json: bool },
    List(Box<Asked>),
    Explain(Box<Explain>),
    Verify(Box<Verify>),
}

impl Command {
    pub(super) fn wants_json(&self) -> bool {
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
pub(super) enum Act {
    /// All are shown.
    List,
    SetPrimary(String),
    MarkGood(String),
    MarkBad(String, Insists),
    Install(String, Insists),
}

/// Whether even the last good slot may go.
pub(super) type Insists = bool;

/// What is to boot if nobody chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) when: When,
    /// Id of an entry, or `@saved`; none to forget what was chosen.
    pub(super) id: Option<String>,
}

/// For which starts it is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// The next one only.
    Once,
}

/// `turnout load`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    /// Id of an entry, in place of files.
    pub(super) entry: Option<String>,
    pub(super) kernel: PathBuf,
    pub(super) initrds: Vec<PathBuf>,
    pub(super) devicetree: Option<PathBuf>,
    pub(super) overlays: Vec<PathBuf>,
    pub(super) cmdline: Cmdline,
    pub(super) request: Request,
    pub(super) decompress: Decompress,
    pub(super) slot: Slot,
    /// What the kernel's file has to be.
    pub(super) kind: Option<Kind>,
    /// Nothing of EFI is handed over by kexec_load.
    pub(super) without_efi: bool,
    /// The plan is told although it is loaded.
    pub(super) shows_plan: bool,
    pub(super) dry_run: bool,
    pub(super) json: bool,
    pub(super) inputs: Inputs,
    /// Where manifests and entries are, and whose signatures count.
    pub(super) asked: Asked,
}

/// `turnout boot`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Boot {
    /// Id of an entry; none for the menu's default.
    pub(super) entry: Option<String>,
    pub(super) asked: Asked,
    pub(super) leave: Leave,
    /// Also by kexec where this pair of kernels has failed.
    pub(super) retry: bool,
    /// Likewise, and with what stops.
    pub(super) force: bool,
}

/// `turnout check`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Check {
    /// Only what the next start finds; else all of this machine.
    pub(super) next_start: bool,
    /// This machine's, unless it is about the next start.
    pub(super) asked: Asked,
}

/// How `turnout boot` leaves this system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Leave {
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
pub(super) struct Inputs {
    pub(super) arch: Option<Arch>,
    pub(super) iomem: Option<PathBuf>,
    pub(super) memmap: Option<PathBuf>,
    pub(super) boot_params: Option<PathBuf>,
    pub(super) fdt: Option<PathBuf>,
    pub(super) page_size: Option<u64>,
}

impl Inputs {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether more than an architecture is said of a machine.
    pub(super) fn is_machine(&self) -> bool {
        *self != Self { arch: self.arch, ..Self::default() }
    }

    /// Whether the machine to plan for is the one that the program runs on.
    pub(super) fn is_live(&self, here: Arch) -> bool {
        self.is_empty() || *self == Self { arch: Some(here), ..Self::default() }
    }

    /// A machine that is not this one needs a memory map, and a board its device
    /// tree.
    fn check(&self, here: Arch) -> Result<(), String> {
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
pub(super) struct Asked {
    pub(super) source: Source,
    pub(super) keys: Option<PathBuf>,
    pub(super) policy: Option<PathBuf>,
    /// Of the machine that is asked about; none for this one's.
    pub(super) arch: Option<Arch>,
    /// Likewise; empty for this machine's.
    pub(super) boards: Vec<String>,
    pub(super) devices: Vec<String>,
    pub(super) json: bool,
}

/// `turnout explain`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Explain {
    pub(super) entry: Option<String>,
    pub(super) asked: Asked,
    /// The machine to plan for; empty for this one.
    pub(super) inputs: Inputs,
}

/// `turnout verify`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verify {
    pub(super) what: What,
    pub(super) asked: Asked,
}

/// What is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum What {
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

impl Load {
    /// With a slash it is a file, else an entry, which has all that belongs to it.
    fn take(&mut self, named: PathBuf) -> Result<(), Misuse> {
        let id = named.to_str().filter(|name| !name.contains('/') && !name.is_empty());
        let Some(id) = id else {
            self.kernel = named;
            return Ok(());
        };
        let own = [
            ("--initrd", !self.initrds.is_empty()),
            ("--dtb", self.devicetree.is_some()),
            ("--dtb-overlay", !self.overlays.is_empty()),
            ("a command line", self.cmdline != Cmdline::Own),
        ];
        if let Some((what, _)) = own.iter().find(|(_, is_named)| *is_named) {
            let why = format!(
                "{what} comes with a file, and {id} is an entry; a file has a slash: ./{id}"
            );
            return Err(Misuse::Wrong(why));
        }
        self.entry = Some(id.to_owned());
        Ok(())
    }
}

/// A command, the options that it takes, and what it makes of them.
struct Row {
    name: &'static str,
    operand: Operand,
    options: &'static [&'static [Flag]],
    finish: fn(Typed) -> Result<Command, Misuse>,
}

/// Every command, for those who write about them.
pub(super) fn commands() -> Vec<words::Command> {
    COMMANDS.iter().map(Row::described).collect()
}

/// Whether a command takes words besides options.
enum Operand {
    None,
    Optional,
    /// What it is.
    Needed(&'static str),
    /// At most so many.
    UpTo(usize),
}

/// An option, and what it does with what was typed.
struct Flag {
    name: &'static str,
    take: Take,
}

enum Take {
    Alone(fn(&mut Typed) -> Taken),
    Value(fn(&mut Typed, OsString) -> Taken),
}

type Taken = Result<(), lexopt::Error>;

const fn alone(name: &'static str, take: fn(&mut Typed) -> Taken) -> Flag {
    Flag { name, take: Take::Alone(take) }
}

const fn value(name: &'static str, take: fn(&mut Typed, OsString) -> Taken) -> Flag {
    Flag { name, take: Take::Value(take) }
}

/// Every command.
const COMMANDS: [Row; 15] = [
    Row {
        name: "load",
        operand: Operand::Needed("a kernel"),
        options: &[KERNEL, CRASH, DRY_RUN, JSON, SOURCE, TRUST, ARCH, MACHINE],
        finish: load,
    },
    Row { name: "unload", operand: Operand::None, options: &[CRASH], finish: unload },
    Row { name: "exec", operand: Operand::None, options: &[], finish: exec },
    Row {
        name: "boot",
        operand: Operand::Optional,
        options: &[LEAVE, RETRY, FORCE, SOURCE, TRUST, JSON],
        finish: boot,
    },
    Row {
        name: "check",
        operand: Operand::None,
        options: &[NEXT_START, SOURCE, TRUST, ARCH, JSON],
        finish: check,
    },
    Row { name: "bless", operand: Operand::Optional, options: &[STATE, JSON], finish: bless },
    Row { name: "slot", operand: Operand::UpTo(3), options: &[FORCE, STATE, JSON], finish: slot },
    Row {
        name: "set-default",
        operand: Operand::Optional,
        options: &[CLEAR, STATE, JSON],
        finish: set_default,
    },
    Row {
        name: "set-oneshot",
        operand: Operand::Optional,
        options: &[CLEAR, STATE, JSON],
        finish: set_oneshot,
    },
    Row { name: "history", operand: Operand::None, options: &[STATE, JSON], finish: history },
    Row {
        name: "list",
        operand: Operand::None,
        options: &[SOURCE, TRUST, ARCH, JSON],
        finish: list,
    },
    Row {
        name: "explain",
        operand: Operand::Optional,
        options: &[SOURCE, TRUST, ARCH, MACHINE, JSON],
        finish: explain,
    },
    Row {
        name: "verify",
        operand: Operand::Optional,
        options: &[MANIFEST, SOURCE, TRUST, ARCH, JSON],
        finish: verify,
    },
    Row { name: "status", operand: Operand::None, options: &[SETTLE, STATE, JSON], finish: status },
    Row { name: "image", operand: Operand::Needed("a file"), options: &[JSON], finish: image },
];

const KERNEL: &[Flag] = &[
    value("initrd", |typed, file| add(&mut typed.load.initrds, file.into())),
    value("dtb", |typed, file| once(&mut typed.load.devicetree, "dtb", file.into())),
    value("dtb-overlay", |typed, file| add(&mut typed.load.overlays, file.into())),
    value("cmdline", |typed, text| typed.load.set_cmdline(Cmdline::Given(text.string()?))),
    value("append", |typed, text| typed.load.set_cmdline(Cmdline::Append(text.string()?))),
    alone("reuse-cmdline", |typed| typed.load.set_cmdline(Cmdline::Reuse)),
    value("engine", |typed, word| set(&mut typed.load.request, word.parse_with(engine)?)),
    value("vmlinux", |typed, word| set(&mut typed.load.decompress, word.parse_with(decompress)?)),
];

const CRASH: &[Flag] = &[alone("crash", |typed| set(&mut typed.load.slot, Slot::Crash))];

const DRY_RUN: &[Flag] = &[alone("dry-run", |typed| set(&mut typed.load.dry_run, true))];

/// How this system is left.
const LEAVE: &[Flag] = &[
    alone("now", |typed| typed.set_leave(Leave::Now)),
    alone("firmware", |typed| typed.set_leave(Leave::Firmware)),
    alone("stage", |typed| typed.set_leave(Leave::Stage)),
    alone("defer", |typed| typed.set_leave(Leave::Defer)),
    alone("deferred", |typed| typed.set_leave(Leave::Deferred)),
    alone("staged", |typed| typed.set_leave(Leave::Staged)),
];

/// A kexec that has failed is tried again.
const RETRY: &[Flag] = &[alone("retry", |typed| set(&mut typed.retry, true))];

/// What else would be refused is done.
const FORCE: &[Flag] = &[alone("force", |typed| set(&mut typed.force, true))];

/// Nothing else is looked at.
const NEXT_START: &[Flag] = &[alone("next-start", |typed| set(&mut typed.next_start, true))];

/// A choice is forgotten.
const SETTLE: &[Flag] = &[alone("settle", |typed| set(&mut typed.settle, true))];
const CLEAR: &[Flag] = &[alone("clear", |typed| set(&mut typed.clear, true))];

const JSON: &[Flag] = &[alone("json", |typed| set(&mut typed.json, true))];

const ARCH: &[Flag] =
    &[value("arch", |typed, word| once(&mut typed.arch, "arch", word.parse_with(arch_of)?))];

/// A machine that is described by files.
const MACHINE: &[Flag] = &[
    value("iomem", |typed, file| once(&mut typed.load.inputs.iomem, "iomem", file.into())),
    value("memmap", |typed, file| once(&mut typed.load.inputs.memmap, "memmap", file.into())),
    value("boot-params", |typed, file| {
        once(&mut typed.load.inputs.boot_params, "boot-params", file.into())
    }),
    value("fdt", |typed, file| once(&mut typed.load.inputs.fdt, "fdt", file.into())),
    value("page-size", |typed, size| {
        once(&mut typed.load.inputs.page_size, "page-size", size.parse_with(page_size)?)
    }),
];

/// Where the menu is.
const SOURCE: &[Flag] = &[
    value("root", |typed, value| typed.source("root", &value)),
    value("device", |typed, value| typed.source("device", &value)),
    value("config", |typed, value| typed.source("config", &value)),
    value("format", |typed, value| typed.source("format", &value)),
];

/// Whose signatures count, and for which machine.
const TRUST: &[Flag] = &[
    value("keys", |typed, file| once(&mut typed.asked.keys, "keys", file.into())),
    value("policy", |typed, file| once(&mut typed.asked.policy, "policy", file.into())),
    value("board", |typed, name| add(&mut typed.asked.boards, name.string()?)),
    value("device-id", |typed, id| add(&mut typed.asked.devices, id.string()?)),
];

/// Where the machine's state is, where no type of partition says so.
const STATE: &[Flag] = &[value("state-device", |typed, device| {
    once(&mut typed.state, "state-device", device.parse_with(state_device)?)
})];

const MANIFEST: &[Flag] = &[value("manifest", |typed, file| {
    if typed.manifest.replace(file.into()).is_some() {
        return Err(ONE_OF_ENTRY_AND_MANIFEST.into());
    }
    Ok(())
})];

const ONE_OF_ENTRY_AND_MANIFEST: &str = "only one of ENTRY and --manifest, once";

/// Everything that can be typed, whatever the command.
#[derive(Default)]
struct Typed {
    /// The words besides the options.
    words: VecDeque<OsString>,
    load: Load,
    asked: Asked,
    manifest: Option<PathBuf>,
    arch: Option<Arch>,
    state: Option<StateDevice>,
    leave: Leave,
    retry: bool,
    force: bool,
    clear: bool,
    settle: bool,
    next_start: bool,
    json: bool,
}

impl Typed {
    fn source(&mut self, name: &str, value: &OsStr) -> Taken {
        Ok(self.asked.source.take(name, value)?)
    }

    fn set_leave(&mut self, leave: Leave) -> Taken {
        if self.leave != Leave::Orderly {
            return Err("only one of --now, --firmware, --stage and --defer, once".into());
        }
        self.leave = leave;
        Ok(())
    }

    /// The next word as text.
    fn word(&mut self) -> Result<Option<String>, lexopt::Error> {
        self.words.pop_front().map(OsString::string).transpose()
    }

    /// The next word as a path; empty where there is none.
    fn path(&mut self) -> PathBuf {
        self.words.pop_front().unwrap_or_default().into()
    }

    fn asked(self) -> Result<Asked, Misuse> {
        self.asked.source.check()?;
        Ok(Asked { arch: self.arch, json: self.json, ..self.asked })
    }
}

/// Why a command line cannot be understood, and what to do about it.
#[derive(Debug)]
pub(super) enum Misuse {
    /// There is no such command or option.
    Unknown(String),
    /// It is not used so.
    Wrong(String),
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(what) => write!(f, "{what} (\"turnout --help\" lists them)"),
            Self::Wrong(what) => write!(f, "{what} (\"turnout --help\" shows how it is used)"),
        }
    }
}

impl From<lexopt::Error> for Misuse {
    fn from(error: lexopt::Error) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<String> for Misuse {
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

/// Reads the arguments behind the program's name.
///
/// # Errors
/// A sentence about what is wrong with them.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Misuse> {
    let mut parser = Parser::from_args(arguments);
    match parser.next()? {
        Some(Long("help") | Short('h')) => Ok(Command::Help),
        Some(Long("version") | Short('V')) => Ok(Command::Version),
        Some(Long(name)) => {
            let names = ["--help", "--version"].into_iter();
            Err(unknown(&format!("--{name}"), "option of \"turnout\"", names))
        }
        Some(Value(word)) if word == "help" => Ok(Command::Help),
        Some(Value(word)) => row(&word.to_string_lossy())?.read(&mut parser),
        Some(other) => Err(other.unexpected().into()),
        None => Err(Misuse::Unknown("no command says what to do".to_owned())),
    }
}

fn row(word: &str) -> Result<&'static Row, Misuse> {
    let names = COMMANDS.iter().map(|row| row.name);
    COMMANDS.iter().find(|row| row.name == word).ok_or_else(|| unknown(word, "command", names))
}

/// That there is no such thing, and which one may be meant.
fn unknown<'a>(word: &str, what: &str, names: impl Iterator<Item = &'a str>) -> Misuse {
    let near = similar(word, names).first().map(|name| format!("; did you mean {name:?}?"));
    Misuse::Unknown(format!("{word:?} is no {what}{}", near.unwrap_or_default()))
}

impl Row {
    fn described(&self) -> words::Command {
        let options = self.options.iter().copied().flatten().map(Flag::described).collect();
        let usage = self.name.to_owned();
        words::Command {
            name: self.name,
            operands: "",
            takes: Vec::new(),
            about: "",
            usage,
            options,
        }
    }

    fn read(&self, parser: &mut Parser) -> Result<Command, Misuse> {
        let mut typed = Typed::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long(name) => self.flag(name)?.apply(&mut typed, parser)?,
                Value(word) if self.has_room(&typed) => typed.words.push_back(word),
                other => return Err(other.unexpected().into()),
            }
        }
        match self.operand {
            Operand::Needed(what) if typed.words.is_empty() => {
                Err(Misuse::Wrong(format!("\"turnout {}\" needs {what}", self.name)))
            }
            _ => (self.finish)(typed),
        }
    }

    fn has_room(&self, typed: &Typed) -> bool {
        let most = match self.operand {
            Operand::None => 0,
            Operand::Optional | Operand::Needed(_) => 1,
            Operand::UpTo(most) => most,
        };
        typed.words.len() < most
    }

    fn flag(&self, name: &str) -> Result<&'static Flag, Misuse> {
        let mut all = self.options.iter().copied().flatten();
        all.find(|flag| flag.name == name).ok_or_else(|| {
            let names: Vec<_> = self.options.iter().copied().flatten().map(Flag::typed).collect();
            let what = format!("option of \"turnout {}\"", self.name);
            unknown(&format!("--{name}"), &what, names.iter().map(String::as_str))
        })
    }
}

impl Flag {
    fn described(&self) -> words::Opt {
        let value = matches!(self.take, Take::Value(_)).then_some("VALUE");
        words::Opt {
            names: vec![self.name],
            short: None,
            value,
            kind: words::Kind::Free,
            repeats: false,
            group: None,
            about: "",
        }
    }

    fn typed(&self) -> String {
        format!("--{}", self.name)
    }

    fn apply(&self, typed: &mut Typed, parser: &mut Parser) -> Taken {
        match self.take {
            Take::Alone(take) => take(typed),
            Take::Value(take) => take(typed, parser.value()?),
        }
    }
}

fn load(mut typed: Typed) -> Result<Command, Misuse> {
    let kernel = typed.path();
    let mut load = mem::take(&mut typed.load);
    load.inputs.arch = typed.arch;
    load.json = typed.json;
    load.asked = typed.asked()?;
    load.take(kernel)?;
    if !load.dry_run && !load.inputs.is_empty() {
        return Err(Misuse::Wrong("a machine is described only for --dry-run".to_owned()));
    }
    load.inputs.check(arch::native())?;
    Ok(Command::Load(Box::new(load)))
}

fn unload(typed: Typed) -> Result<Command, Misuse> {
    Ok(Command::Unload(typed.load.slot))
}

fn exec(_: Typed) -> Result<Command, Misuse> {
    Ok(Command::Exec)
}

fn boot(mut typed: Typed) -> Result<Command, Misuse> {
    let entry = typed.word()?;
    let leave = typed.leave;
    let retry = typed.retry;
    let force = typed.force;
    Ok(Command::Boot(Box::new(Boot { entry, leave, retry, force, asked: typed.asked()? })))
}

const ONLY_NEXT_START: &str =
    "this machine is checked as it is: other menus and keys only with --next-start";

fn check(typed: Typed) -> Result<Command, Misuse> {
    let next_start = typed.next_start;
    let asked = typed.asked()?;
    if !next_start && asked != (Asked { json: asked.json, ..Asked::default() }) {
        return Err(Misuse::Wrong(ONLY_NEXT_START.to_owned()));
    }
    Ok(Command::Check(Box::new(Check { next_start, asked })))
}

fn bless(mut typed: Typed) -> Result<Command, Misuse> {
    let entry = typed.word()?;
    let state = typed.state;
    Ok(Command::Bless { entry, state, json: typed.json })
}

/// What `turnout slot` does, besides showing all.
const ACTS: [&str; 4] = ["list", "set-primary", "set-state", "install"];

fn slot(mut typed: Typed) -> Result<Command, Misuse> {
    let verb = typed.word()?.unwrap_or_else(|| "list".to_owned());
    let act = match verb.as_str() {
        "list" => Act::List,
        "set-primary" => Act::SetPrimary(name_for(&verb, &mut typed)?),
        "set-state" => {
            let name = name_for(&verb, &mut typed)?;
            marking(name, &mut typed)?
        }
        "install" => Act::Install(name_for(&verb, &mut typed)?, typed.force),
        _ => return Err(unknown(&verb, "verb of \"turnout slot\"", ACTS.into_iter())),
    };
    if let Some(more) = typed.words.pop_front() {
        return Err(lexopt::Error::UnexpectedArgument(more).into());
    }
    if typed.force && !matches!(act, Act::MarkBad(..) | Act::Install(..)) {
        let why = "--force is for \"install\" and \"set-state NAME bad\" only";
        return Err(Misuse::Wrong(why.to_owned()));
    }
    Ok(Command::Slot { act, state: typed.state, json: typed.json })
}

fn name_for(verb: &str, typed: &mut Typed) -> Result<String, Misuse> {
    let name = typed.word()?;
    name.ok_or_else(|| {
        Misuse::Wrong(format!(
            "\"turnout slot {verb}\" needs the name of a slot (\"turnout slot list\" shows them)"
        ))
    })
}

fn marking(name: String, typed: &mut Typed) -> Result<Act, Misuse> {
    match typed.word()?.as_deref() {
        Some("good") => Ok(Act::MarkGood(name)),
        Some("bad") => Ok(Act::MarkBad(name, typed.force)),
        Some(other) => Err(Misuse::Wrong(format!("a slot is set good or bad, not {other:?}"))),
        None => Err(Misuse::Wrong("\"turnout slot set-state NAME\" needs good or bad".to_owned())),
    }
}

fn set_default(typed: Typed) -> Result<Command, Misuse> {
    choose(typed, When::Always)
}

fn set_oneshot(typed: Typed) -> Result<Command, Misuse> {
    choose(typed, When::Once)
}

/// An empty id forgets, as with bootctl.
fn choose(mut typed: Typed, when: When) -> Result<Command, Misuse> {
    let id = match (typed.word()?, typed.clear) {
        (Some(_), true) => Err("only one of ID and --clear"),
        (None, false) => Err("it needs the id of an entry, or --clear to forget what was set"),
        (Some(id), false) if id == "@saved" && when == When::Once => {
            Err("@saved is for \"turnout set-default\" only")
        }
        (id, _) => Ok(id.filter(|id| !id.is_empty())),
    };
    let choice = Choice { when, id: id.map_err(|why| Misuse::Wrong(why.to_owned()))? };
    let state = typed.state;
    Ok(Command::Choose { choice, state, json: typed.json })
}

fn history(typed: Typed) -> Result<Command, Misuse> {
    Ok(Command::History { state: typed.state, json: typed.json })
}

fn list(typed: Typed) -> Result<Command, Misuse> {
    Ok(Command::List(Box::new(typed.asked()?)))
}

fn explain(mut typed: Typed) -> Result<Command, Misuse> {
    let entry = typed.word()?;
    let inputs = Inputs { arch: typed.arch, ..typed.load.inputs.clone() };
    let asked = typed.asked()?;
    if inputs.is_machine() {
        inputs.check(arch::native())?;
    }
    Ok(Command::Explain(Box::new(Explain { entry, asked, inputs })))
}

fn verify(mut typed: Typed) -> Result<Command, Misuse> {
    let what = match (typed.word()?, typed.manifest.take()) {
        (Some(_), Some(_)) => return Err(Misuse::Wrong(ONE_OF_ENTRY_AND_MANIFEST.to_owned())),
        (Some(id), None) => What::Entry(id),
        (None, Some(path)) => What::Manifest(path),
        (None, None) => What::Menu,
    };
    Ok(Command::Verify(Box::new(Verify { what, asked: typed.asked()? })))
}

fn status(typed: Typed) -> Result<Command, Misuse> {
    Ok(Command::Status { settle: typed.settle, state: typed.state, json: typed.json })
}

fn image(mut typed: Typed) -> Result<Command, Misuse> {
    Ok(Command::Image { file: typed.path(), json: typed.json })
}

impl Load {
    fn set_cmdline(&mut self, cmdline: Cmdline) -> Taken {
        if self.cmdline != Cmdline::Own {
            return Err("only one of --cmdline, --append and --reuse-cmdline, once".into());
        }
        self.cmdline = cmdline;
        Ok(())
    }
}

/// An option of which the last counts.
fn set<T>(place: &mut T, value: T) -> Taken {
    *place = value;
    Ok(())
}

/// An option that can be there several times.
fn add<T>(list: &mut Vec<T>, value: T) -> Taken {
    list.push(value);
    Ok(())
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Taken {
    if place.replace(value).is_some() {
        return Err(format!("--{name} is there twice").into());
    }
    Ok(())
}

fn engine(word: &str) -> Result<Request, &'static str> {
    Request::parse(word).ok_or("it is auto, file or segments")
}

fn decompress(word: &str) -> Result<Decompress, &'static str> {
    Decompress::parse(word).ok_or("it is auto, always or never")
}

fn arch_of(word: &str) -> Result<Arch, &'static str> {
    Arch::parse(word).ok_or("it is x86_64 or aarch64")
}

fn state_device(word: &str) -> Result<StateDevice, &'static str> {
    StateDevice::parse(word).ok_or("it is PARTUUID=..., PARTLABEL=... or /dev/...")
}

fn page_size(word: &str) -> Result<u64, &'static str> {
    let size = word.parse().ok();
    size.filter(|size| [4096, 16384, 65536].contains(size)).ok_or("it is 4096, 16384 or 65536")
}

#[cfg(test)]
mod tests {
    use super::super::source::{Location, Source};
    use super::*;
    use crate::menu::Format;
    use crate::menu::Identity;
    use crate::plan::Engine;
    use crate::source::directory::Directory;

    fn read(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|misuse| misuse.to_string())
    }

    fn loaded(line: &str) -> Load {
        match read(line) {
            Ok(Command::Load(load)) => *load,
            other => panic!("{other:?}"),
        }
    }

    /// Its lines as one, whatever they are broken at.
    fn in_one(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_command_is_in_the_document_as_it_is_typed() {
        let document = in_one(include_str!("../../docs/cli.md"));
        let (_, commands) = USAGE.split_once("\n\n").unwrap();
        let (commands, _) = commands.split_once("\n\n").unwrap();
        let commands: Vec<_> = commands.split("  turnout ").skip(1).map(in_one).collect();
        assert!(commands.len() > 15, "{commands:?}");
        for command in commands {
            assert!(document.contains(&format!("turnout {command}")), "{command}");
        }
    }

    #[test]
    fn a_failed_kexec_is_tried_again_without_giving_up_what_else_protects() {
        let boot = |line: &str| match read(line) {
            Ok(Command::Boot(boot)) => (boot.retry, boot.force),
            other => panic!("{other:?}"),
        };
        assert_eq!(boot("boot debian --retry"), (true, false));
        assert_eq!(boot("boot debian --force"), (false, true));
        assert!(read("slot install A --retry").is_err());
    }

    #[test]
    fn every_option_of_load_arrives() {
        let load = loaded(
            "load --initrd a /vmlinuz --initrd=b --append quiet --dtb board.dtb --dtb-overlay o --engine segments \
             --vmlinux always --crash --dry-run --json --arch aarch64 --iomem i --memmap m --boot-params p --fdt f \
             --page-size 65536",
        );
        let asked = Asked { arch: Some(Arch::Aarch64), json: true, ..Asked::default() };
        let expected = Load {
            entry: None,
            asked,
            kernel: "/vmlinuz".into(),
            initrds: vec!["a".into(), "b".into()],
            devicetree: Some("board.dtb".into()),
            overlays: vec!["o".into()],
            cmdline: Cmdline::Append("quiet".into()),
            request: Request::Only(Engine::Segments),
            decompress: Decompress::Always,
            slot: Slot::Crash,
            kind: None,
            without_efi: false,
            shows_plan: false,
            dry_run: true,
            json: true,
            inputs: Inputs {
                arch: Some(Arch::Aarch64),
                iomem: Some("i".into()),
                memmap: Some("m".into()),
                boot_params: Some("p".into()),
                fdt: Some("f".into()),
                page_size: Some(65536),
            },
        };
        assert_eq!(load, expected);
    }

    #[test]
    fn what_is_loaded_is_a_file_with_a_slash_and_an_entry_without() {
        let entry = loaded("load --crash debian --root /mnt --keys ring");
        assert_eq!((entry.entry.as_deref(), entry.slot), (Some("debian"), Slot::Crash));
        assert_eq!(entry.asked.keys, Some("ring".into()));
        let file = loaded("load ./debian");
        assert_eq!((file.entry, file.kernel), (None, "./debian".into()));
        for (with, what) in [
            ("--initrd a", "--initrd"),
            ("--dtb a", "--dtb"),
            ("--dtb-overlay a", "--dtb-overlay"),
            ("--append a", "a command line"),
        ] {
            let error = read(&format!("load debian {with}")).unwrap_err().to_string();
            let expected = format!(
                "{what} comes with a file, and debian is an entry; a file has a slash: ./debian"
            );
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn a_machine_that_is_not_this_one_needs_its_map() {
        let check = |inputs: Inputs| inputs.check(Arch::X86_64);
        let other = Inputs { arch: Some(Arch::Aarch64), ..Inputs::default() };
        let said = check(other.clone()).unwrap_err();
        assert_eq!(said, "to plan for a machine of its own, aarch64 needs --iomem and --fdt");
        let with_map = Inputs { iomem: Some("i".into()), ..other };
        assert!(check(with_map.clone()).unwrap_err().ends_with("aarch64 needs --fdt"));
        assert_eq!(check(Inputs { fdt: Some("f".into()), ..with_map }), Ok(()));
        let here = Inputs { arch: Some(Arch::X86_64), ..Inputs::default() };
        assert_eq!(check(here.clone()), Ok(()));
        let half = Inputs { memmap: Some("m".into()), ..here };
        assert!(check(half).unwrap_err().ends_with("x86_64 needs --iomem"));
    }

    #[test]
    fn the_other_commands_are_read() {
        assert_eq!(read("--help"), Ok(Command::Help));
        assert_eq!(read("-V"), Ok(Command::Version));
        assert_eq!(read("unload"), Ok(Command::Unload(Slot::Normal)));
        assert_eq!(read("unload --crash"), Ok(Command::Unload(Slot::Crash)));
        assert_eq!(read("exec"), Ok(Command::Exec));
        let state = None;
        assert_eq!(read("status --json"), Ok(Command::Status { settle: false, state, json: true }));
        let settled = Command::Status { settle: true, state: None, json: false };
        assert_eq!(read("status --settle"), Ok(settled));
        let entry = Some("debian".to_owned());
        assert_eq!(
            read("bless --json debian"),
            Ok(Command::Bless { entry, state: None, json: true })
        );
        let state = Some(StateDevice::Named("mmcblk0p3".into()));
        assert_eq!(
            read("bless --state-device /dev/mmcblk0p3"),
            Ok(Command::Bless { entry: None, state, json: false })
        );
        let refused = read("status --state-device LABEL=state").unwrap_err();
        assert!(refused.contains("it is PARTUUID=..., PARTLABEL=... or /dev/..."), "{refused}");
        let image = Command::Image { file: "k".into(), json: false };
        assert_eq!(read("image k"), Ok(image));
    }

    fn act(line: &str) -> Act {
        match read(line) {
            Ok(Command::Slot { act, state: None, json: false }) => act,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_verbs_of_slots_are_read() {
        let name = || "A".to_owned();
        assert_eq!(act("slot"), Act::List);
        assert_eq!(act("slot list"), Act::List);
        assert_eq!(act("slot set-primary A"), Act::SetPrimary(name()));
        assert_eq!(act("slot set-state A good"), Act::MarkGood(name()));
        assert_eq!(act("slot set-state A bad"), Act::MarkBad(name(), false));
        assert_eq!(act("slot --force set-state A bad"), Act::MarkBad(name(), true));
        assert_eq!(act("slot install A"), Act::Install(name(), false));
        assert_eq!(act("slot install A --force"), Act::Install(name(), true));
        let state = Some(StateDevice::Named("sda3".into()));
        let expected = Command::Slot { act: Act::List, state, json: true };
        assert_eq!(read("slot --json --state-device /dev/sda3"), Ok(expected));
    }

    #[test]
    fn choices_are_read() {
        let read = |line: &[&str]| match parse(line.iter().map(OsString::from)) {
            Ok(Command::Choose { choice: Choice { when, id }, .. }) => (when, id),
            other => panic!("{line:?}: {other:?}"),
        };
        let some = |id: &str| Some(id.to_owned());
        assert_eq!(read(&["set-default", "a"]), (When::Always, some("a")));
        assert_eq!(read(&["set-default", "@saved"]), (When::Always, some("@saved")));
        assert_eq!(read(&["set-default", ""]), (When::Always, None));
        assert_eq!(read(&["set-oneshot", "a.conf"]), (When::Once, some("a.conf")));
        assert_eq!(read(&["set-oneshot", "--clear"]), (When::Once, None));
    }

    #[test]
    fn every_option_of_verify_arrives() {
        let line = "verify good --root main=/mnt,uuid=1 --root other=/x --keys k --policy p \
                    --arch aarch64 --board a,b --board c --device-id 7 --json";
        let named = |name: &str| Identity { name: name.into(), ..Identity::default() };
        let main = Identity { uuid: Some("1".into()), ..named("main") };
        let main = Directory { identity: main, path: "/mnt".into() };
        let other = Directory { identity: named("other"), path: "/x".into() };
        let location = Location::Directories(vec![main, other]);
        let asked = Asked {
            source: Source { location, ..Source::default() },
            keys: Some("k".into()),
            policy: Some("p".into()),
            arch: Some(Arch::Aarch64),
            boards: vec!["a,b".into(), "c".into()],
            devices: vec!["7".into()],
            json: true,
        };
        let expected = Verify { what: What::Entry("good".into()), asked };
        assert_eq!(read(line), Ok(Command::Verify(Box::new(expected))));
        let what = What::Manifest("m".into());
        let source = Source { location: Location::Device("d".into()), ..Source::default() };
        let expected = Verify { what, asked: Asked { source, ..Asked::default() } };
        let line = "verify --device d --manifest m";
        assert_eq!(read(line), Ok(Command::Verify(Box::new(expected))));
    }

    #[test]
    fn every_option_of_list_and_explain_arrives() {
        let source = Source {
            location: Location::Here,
            config: Some("/extlinux/extlinux.conf".into()),
            format: Format::named("extlinux"),
        };
        let asked = Asked { source, json: true, ..Asked::default() };
        let line = "list --config /extlinux/extlinux.conf --format syslinux --json";
        assert_eq!(read(line), Ok(Command::List(Box::new(asked))));
        let line = "explain good --arch aarch64 --iomem i --fdt f --keys k";
        let expected = Explain {
            entry: Some("good".into()),
            asked: Asked { arch: Some(Arch::Aarch64), keys: Some("k".into()), ..Asked::default() },
            inputs: Inputs {
                arch: Some(Arch::Aarch64),
                iomem: Some("i".into()),
                fdt: Some("f".into()),
                ..Inputs::default()
            },
        };
        assert_eq!(read(line), Ok(Command::Explain(Box::new(expected))));
        assert!(read("explain --arch aarch64").is_ok());
    }

    #[test]
    fn help_shows_every_command_with_all_its_options() {
        for row in COMMANDS {
            assert!(USAGE.contains(&format!("  turnout {}", row.name)), "{}", row.name);
            for flag in row.options.iter().copied().flatten() {
                assert!(USAGE.contains(&flag.typed()), "{}: {}", row.name, flag.name);
            }
        }
        let formats: Vec<_> = Format::all().map(Format::name).collect();
        assert!(USAGE.contains(&format!("--format {}", formats.join("|"))));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_word() {
        let cases = [
            ("", "no command says what to do (\"turnout --help\" lists them)"),
            ("frobnicate", "\"frobnicate\" is no command (\"turnout --help\" lists them)"),
            (
                "lod k",
                "\"lod\" is no command; did you mean \"load\"? (\"turnout --help\" lists them)",
            ),
            (
                "load k --inird i",
                "\"--inird\" is no option of \"turnout load\"; did you mean \"--initrd\"? \
                 (\"turnout --help\" lists them)",
            ),
            ("--hepl", "\"--hepl\" is no option of \"turnout\"; did you mean \"--help\"?"),
            ("load", "\"turnout load\" needs a kernel"),
            ("load a b", "unexpected argument \"b\""),
            ("load k --frob", "\"--frob\" is no option of \"turnout load\""),
            (
                "load k --engine fast",
                "cannot parse argument \"fast\": it is auto, file or segments",
            ),
            (
                "load k --vmlinux maybe",
                "cannot parse argument \"maybe\": it is auto, always or never",
            ),
            (
                "load k --cmdline a --append b",
                "only one of --cmdline, --append and --reuse-cmdline, once",
            ),
            ("load k --iomem f", "a machine is described only for --dry-run"),
            (
                "load k --dry-run --page-size 5",
                "cannot parse argument \"5\": it is 4096, 16384 or 65536",
            ),
            ("load k --dry-run --fdt a --fdt b", "--fdt is there twice"),
            ("load k --initrd", "missing argument for option '--initrd'"),
            ("exec now", "unexpected argument \"now\""),
            ("image", "\"turnout image\" needs a file"),
            ("bless a b", "unexpected argument \"b\""),
            ("status --crash", "\"--crash\" is no option of \"turnout status\""),
            ("verify a b", "unexpected argument \"b\""),
            ("verify a --manifest m", "only one of ENTRY and --manifest, once"),
            ("verify --manifest m --manifest n", "only one of ENTRY and --manifest, once"),
            ("verify --root a --device b", "only one of --root and --device"),
            ("verify --crash", "\"--crash\" is no option of \"turnout verify\""),
            ("list good", "unexpected argument \"good\""),
            ("list --initrd f", "\"--initrd\" is no option of \"turnout list\""),
            ("list --format bls", "--format bls says how to read a file, and --config names none"),
            ("list --config a --format lilo", "there is no format \"lilo\"; there is bls,"),
            ("list --config a --config b", "--config is there twice"),
            ("list --root a --root b", "a second root needs a name: --root NAME=DIR, not \"b\""),
            ("explain a b", "unexpected argument \"b\""),
            ("history all", "unexpected argument \"all\""),
            ("explain --fdt f --arch aarch64", "to plan for a machine of its own, aarch64 needs"),
        ];
        for (line, expected) in cases {
            let said = read(line).unwrap_err();
            assert!(said.starts_with(expected), "{line}: {said}");
        }
    }

    #[test]
    fn a_verb_that_cannot_be_meant_is_refused_with_the_word() {
        let cases = [
            (
                "slot set-primery A",
                "\"set-primery\" is no verb of \"turnout slot\"; did you mean \"set-primary\"?",
            ),
            (
                "slot install",
                "\"turnout slot install\" needs the name of a slot (\"turnout slot list\" shows them)",
            ),
            ("slot set-state A", "\"turnout slot set-state NAME\" needs good or bad"),
            ("slot set-state A fine", "a slot is set good or bad, not \"fine\""),
            ("slot set-primary A B", "unexpected argument \"B\""),
            ("slot set-state A bad now", "unexpected argument \"now\""),
            ("slot set-primary A --force", "--force is for \"install\" and \"set-state NAME bad\""),
            ("set-default", "it needs the id of an entry, or --clear to forget what was set"),
            ("set-default a --clear", "only one of ID and --clear"),
            ("set-oneshot @saved", "@saved is for \"turnout set-default\" only"),
        ];
        for (line, expected) in cases {
            let said = read(line).unwrap_err();
            assert!(said.starts_with(expected), "{line}: {said}");
        }
    }
}
