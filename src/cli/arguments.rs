//! What somebody typed, as a value. Nothing is read or looked up here; a
//! command line that contradicts itself is refused before anything is done.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Parser;
use lexopt::prelude::{Long, Short, Value, ValueExt as _};

use super::cmdline::Cmdline;
use super::explain::Explain;
use super::judge::Asked;
use super::verify::{Verify, What};
use crate::base::arch::Arch;
use crate::plan::{Decompress, Request, Slot};
use crate::sys::arch;

/// What `--help` prints.
pub(super) const USAGE: &str = "\
turnout is a kexec, and shows what Turnout makes of boot menus and signatures. (What
boots machines is turnout-init, PID 1 of an initramfs made by mkinitramfs.)

  turnout load KERNEL [--initrd FILE]... [--dtb FILE] [--dtb-overlay FILE]...
               [--cmdline TEXT | --append TEXT | --reuse-cmdline]
               [--engine auto|file|segments] [--vmlinux auto|always|never]
               [--crash] [--dry-run] [--json]
  turnout unload [--crash]
  turnout exec
  turnout bless [ENTRY] [--json]
  turnout list [SOURCE] [TRUST] [--json]
  turnout explain [ENTRY] [SOURCE] [TRUST] [--json]
  turnout verify [ENTRY | --manifest FILE] [SOURCE] [TRUST] [--json]
  turnout status [--json]
  turnout image FILE [--json]
  turnout --help | --version

SOURCE is a boot partition or several; without it those of this machine:
  --root DIR | --root NAME=DIR[,uuid=U][,label=L][,partlabel=P]... | --device DEV
  --config PATH [--format bls|uki|extlinux|native|kboot]    this menu file only
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
    Bless { entry: Option<String>, json: bool },
    Status { json: bool },
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
            Self::Status { json } | Self::Image { json, .. } | Self::Bless { json, .. } => *json,
            _ => false,
        }
    }
}

/// `turnout load`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) kernel: PathBuf,
    pub(super) initrds: Vec<PathBuf>,
    pub(super) devicetree: Option<PathBuf>,
    pub(super) overlays: Vec<PathBuf>,
    pub(super) cmdline: Cmdline,
    pub(super) request: Request,
    pub(super) decompress: Decompress,
    pub(super) slot: Slot,
    pub(super) dry_run: bool,
    pub(super) json: bool,
    pub(super) inputs: Inputs,
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

/// Reads the arguments behind the program's name.
///
/// # Errors
/// A sentence about what is wrong with them.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    parse_all(&mut Parser::from_args(arguments)).map_err(|error| error.to_string())
}

fn parse_all(parser: &mut Parser) -> Result<Command, lexopt::Error> {
    match parser.next()? {
        Some(Long("help") | Short('h')) => Ok(Command::Help),
        Some(Long("version") | Short('V')) => Ok(Command::Version),
        Some(Value(word)) => match word.to_str() {
            Some("help") => Ok(Command::Help),
            Some("load") => load(parser),
            Some("unload") => unload(parser),
            Some("exec") => end(parser, Command::Exec),
            Some("bless") => bless(parser),
            Some("status") => status(parser),
            Some("image") => image(parser),
            Some("list") => list(parser),
            Some("explain") => explain(parser),
            Some("verify") => verify(parser),
            _ => Err(format!("there is no command {word:?}").into()),
        },
        Some(other) => Err(other.unexpected()),
        None => Err("this is not PID 1, and no command says what to do".into()),
    }
}

fn end(parser: &mut Parser, command: Command) -> Result<Command, lexopt::Error> {
    match parser.next()? {
        Some(other) => Err(other.unexpected()),
        None => Ok(command),
    }
}

fn unload(parser: &mut Parser) -> Result<Command, lexopt::Error> {
    let mut slot = Slot::Normal;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("crash") => slot = Slot::Crash,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Unload(slot))
}

fn bless(parser: &mut Parser) -> Result<Command, lexopt::Error> {
    let (mut entry, mut json) = (None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => json = true,
            Value(id) if entry.is_none() => entry = Some(id.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Bless { entry, json })
}

fn status(parser: &mut Parser) -> Result<Command, lexopt::Error> {
    let mut json = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => json = true,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Status { json })
}

fn image(parser: &mut Parser) -> Result<Command, lexopt::Error> {
    let (mut file, mut json) = (None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => json = true,
            Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            other => return Err(other.unexpected()),
        }
    }
    let file = file.ok_or("\"turnout image\" needs a file")?;
    Ok(Command::Image { file, json })
}

fn list(parser: &mut Parser) -> Result<Command, lexopt::Error> {
    let mut asked = Asked::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long(name) => {
                let name = name.to_owned();
                asked.take(&name, parser)?;
            }
            other => return Err(other.unexpected()),
        }
    }
    asked.source.check()?;
    Ok(Command::List(Box::new(asked)))
}

fn explain(parser: &mut Parser) -> Result<Command, lexopt::Error> {
    let mut explain = Explain::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(id) if explain.entry.is_none() => explain.entry = Some(id.string()?),
            Long(name) => {
                let name = name.to_owned();
                explain.take(&name, parser)?;
            }
            other => return Err(other.unexpected()),
        }
    }
    explain.asked.source.check()?;
    if explain.inputs.is_machine() {
        explain.inputs.check(arch::native())?;
    }
    Ok(Command::Explain(Box::new(explain)))
}

fn verify(parser: &mut Parser) -> Result<Command, lexopt::Error> {
    let mut verify = Verify::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(id) if verify.what == What::Menu => verify.what = What::Entry(id.string()?),
            Value(id) => return Err(Value(id).unexpected()),
            Long(name) => {
                let name = name.to_owned();
                verify.take(&name, parser)?;
            }
            other => return Err(other.unexpected()),
        }
    }
    verify.asked.source.check()?;
    Ok(Command::Verify(Box::new(verify)))
}

impl Verify {
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), lexopt::Error> {
        match name {
            "manifest" if self.what == What::Menu => {
                self.what = What::Manifest(parser.value()?.into());
                Ok(())
            }
            "manifest" => Err("only one of ENTRY and --manifest, once".into()),
            _ => self.asked.take(name, parser),
        }
    }
}

impl Explain {
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), lexopt::Error> {
        match name {
            "iomem" | "memmap" | "boot-params" | "fdt" | "page-size" => {
                self.inputs.take(name, parser)
            }
            _ => {
                self.asked.take(name, parser)?;
                self.inputs.arch = self.asked.arch;
                Ok(())
            }
        }
    }
}

impl Asked {
    const OPTIONS: [&str; 9] =
        ["root", "device", "config", "format", "keys", "policy", "arch", "board", "device-id"];

    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), lexopt::Error> {
        if name == "json" {
            self.json = true;
            return Ok(());
        }
        if !Self::OPTIONS.contains(&name) {
            return Err(format!("there is no option --{name} here").into());
        }
        let value = parser.value()?;
        match name {
            "keys" => once(&mut self.keys, name, value.into()),
            "policy" => once(&mut self.policy, name, value.into()),
            "arch" => once(&mut self.arch, name, value.parse_with(arch)?),
            "board" => value.string().map(|name| self.boards.push(name)),
            "device-id" => value.string().map(|id| self.devices.push(id)),
            _ => Ok(self.source.take(name, &value)?),
        }
    }
}

fn load(parser: &mut Parser) -> Result<Command, lexopt::Error> {
    let mut kernel = None;
    let mut load = Load::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(path) if kernel.is_none() => kernel = Some(PathBuf::from(path)),
            Long(name) => {
                let name = name.to_owned();
                load.take(&name, parser)?;
            }
            other => return Err(other.unexpected()),
        }
    }
    load.kernel = kernel.ok_or("\"turnout load\" needs a kernel")?;
    if !load.dry_run && !load.inputs.is_empty() {
        return Err("a machine is described only for --dry-run".into());
    }
    load.inputs.check(arch::native())?;
    Ok(Command::Load(Box::new(load)))
}

/// Nothing named yet, and for everything else what is best.
impl Default for Load {
    fn default() -> Self {
        Self {
            kernel: PathBuf::new(),
            initrds: Vec::new(),
            devicetree: None,
            overlays: Vec::new(),
            cmdline: Cmdline::Own,
            request: Request::Auto,
            decompress: Decompress::Auto,
            slot: Slot::Normal,
            dry_run: false,
            json: false,
            inputs: Inputs::default(),
        }
    }
}

impl Load {
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), lexopt::Error> {
        match name {
            "initrd" => self.initrds.push(parser.value()?.into()),
            "dtb" => once(&mut self.devicetree, name, parser.value()?.into())?,
            "dtb-overlay" => self.overlays.push(parser.value()?.into()),
            "cmdline" => self.set_cmdline(Cmdline::Given(parser.value()?.string()?))?,
            "append" => self.set_cmdline(Cmdline::Append(parser.value()?.string()?))?,
            "reuse-cmdline" => self.set_cmdline(Cmdline::Reuse)?,
            "engine" => self.request = parser.value()?.parse_with(engine)?,
            "vmlinux" => self.decompress = parser.value()?.parse_with(decompress)?,
            "crash" => self.slot = Slot::Crash,
            "dry-run" => self.dry_run = true,
            "json" => self.json = true,
            _ => self.inputs.take(name, parser)?,
        }
        Ok(())
    }

    fn set_cmdline(&mut self, cmdline: Cmdline) -> Result<(), lexopt::Error> {
        if self.cmdline != Cmdline::Own {
            return Err("only one of --cmdline, --append and --reuse-cmdline, once".into());
        }
        self.cmdline = cmdline;
        Ok(())
    }
}

impl Inputs {
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), lexopt::Error> {
        match name {
            "arch" => once(&mut self.arch, name, parser.value()?.parse_with(arch)?),
            "iomem" => once(&mut self.iomem, name, parser.value()?.into()),
            "memmap" => once(&mut self.memmap, name, parser.value()?.into()),
            "boot-params" => once(&mut self.boot_params, name, parser.value()?.into()),
            "fdt" => once(&mut self.fdt, name, parser.value()?.into()),
            "page-size" => once(&mut self.page_size, name, parser.value()?.parse_with(page_size)?),
            _ => Err(format!("there is no option --{name} here").into()),
        }
    }
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), lexopt::Error> {
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

fn arch(word: &str) -> Result<Arch, &'static str> {
    Arch::parse(word).ok_or("it is x86_64 or aarch64")
}

fn page_size(word: &str) -> Result<u64, &'static str> {
    let size = word.parse().ok();
    size.filter(|size| [4096, 16384, 65536].contains(size)).ok_or("it is 4096, 16384 or 65536")
}

#[cfg(test)]
mod tests {
    use super::super::source::{Directory, Place, Source};
    use super::*;
    use crate::menu::Format;
    use crate::plan::Engine;

    fn read(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn loaded(line: &str) -> Load {
        match read(line) {
            Ok(Command::Load(load)) => *load,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_option_of_load_arrives() {
        let load = loaded(
            "load --initrd a /vmlinuz --initrd=b --append quiet --dtb board.dtb --dtb-overlay o --engine segments \
             --vmlinux always --crash --dry-run --json --arch aarch64 --iomem i --memmap m --boot-params p --fdt f \
             --page-size 65536",
        );
        let expected = Load {
            kernel: "/vmlinuz".into(),
            initrds: vec!["a".into(), "b".into()],
            devicetree: Some("board.dtb".into()),
            overlays: vec!["o".into()],
            cmdline: Cmdline::Append("quiet".into()),
            request: Request::Only(Engine::Segments),
            decompress: Decompress::Always,
            slot: Slot::Crash,
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
        assert_eq!(read("status --json"), Ok(Command::Status { json: true }));
        let entry = Some("debian".to_owned());
        assert_eq!(read("bless --json debian"), Ok(Command::Bless { entry, json: true }));
        assert_eq!(read("bless"), Ok(Command::Bless { entry: None, json: false }));
        let image = Command::Image { file: "k".into(), json: false };
        assert_eq!(read("image k"), Ok(image));
    }

    #[test]
    fn every_option_of_verify_arrives() {
        let line = "verify good --root main=/mnt,uuid=1 --root other=/x --keys k --policy p \
                    --arch aarch64 --board a,b --board c --device-id 7 --json";
        let main = Directory {
            name: "main".into(),
            path: "/mnt".into(),
            uuid: Some("1".into()),
            ..Directory::default()
        };
        let other = Directory { name: "other".into(), path: "/x".into(), ..Directory::default() };
        let place = Place::Directories(vec![main, other]);
        let asked = Asked {
            source: Source { place, ..Source::default() },
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
        let source = Source { place: Place::Device("d".into()), ..Source::default() };
        let expected = Verify { what, asked: Asked { source, ..Asked::default() } };
        let line = "verify --device d --manifest m";
        assert_eq!(read(line), Ok(Command::Verify(Box::new(expected))));
    }

    #[test]
    fn every_option_of_list_and_explain_arrives() {
        let source = Source {
            place: Place::Here,
            config: Some("/extlinux/extlinux.conf".into()),
            format: Some(Format::Syslinux),
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
    fn what_cannot_be_meant_is_refused_with_the_word() {
        let cases = [
            ("", "this is not PID 1, and no command says what to do"),
            ("frobnicate", "there is no command \"frobnicate\""),
            ("load", "\"turnout load\" needs a kernel"),
            ("load a b", "unexpected argument \"b\""),
            ("load k --frob", "there is no option --frob here"),
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
            ("status --crash", "invalid option '--crash'"),
            ("verify a b", "unexpected argument \"b\""),
            ("verify a --manifest m", "only one of ENTRY and --manifest, once"),
            ("verify --root a --device b", "only one of --root and --device"),
            ("verify --crash", "there is no option --crash here"),
            ("list good", "unexpected argument \"good\""),
            ("list --initrd f", "there is no option --initrd here"),
            ("list --format bls", "--format bls says how to read a file, and --config names none"),
            ("list --config a --format lilo", "there is no format \"lilo\"; there is bls,"),
            ("list --config a --config b", "--config is there twice"),
            ("list --root a --root b", "a second root needs a name: --root NAME=DIR, not \"b\""),
            ("explain a b", "unexpected argument \"b\""),
            ("explain --fdt f --arch aarch64", "to plan for a machine of its own, aarch64 needs"),
        ];
        for (line, expected) in cases {
            let said = read(line).unwrap_err();
            assert!(said.starts_with(expected), "{line}: {said}");
        }
    }
}
