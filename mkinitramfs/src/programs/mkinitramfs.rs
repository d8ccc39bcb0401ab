//! `mkinitramfs`: packs Turnout, modules and keys into an initramfs; and checks
//! the configuration of the kernel that is to run it (`mkinitramfs check`).
//! Exit codes: 0 done, 1 it would be a bad image or cannot be written, 2 usage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::arguments;
use crate::image::compress::{self, Compress};
use crate::image::cpio::Archive;
use crate::image::hardening::Config;
use crate::image::initramfs::{Image, Input, choose_mode};
use crate::image::modules::{Selection, Tree};
use crate::output;
use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser, ValueEnum};
use turnout::trust::verify;

/// Of an xz image that could be smaller.
const NO_BRANCHES: &str = "without the filter for arm64's branches, which Linux knows since 6.12: \
                           name the kernel with --release if it is as new";

/// What is packed unless another one is named.
const INIT: &str = "turnout-init";

/// Packs Turnout, kernel modules and a key ring into an initramfs
///
/// The same input gives the same bytes.
#[derive(Parser)]
#[command(
    version,
    after_help = "mkinitramfs check --config FILE checks a kernel's configuration.\n\
                  Exit codes: 0 done, 1 no image was written, 2 usage."
)]
struct Cli {
    /// Static turnout-init for the target; without it the one beside this program
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Module tree of the target's kernel: .../lib/modules/RELEASE
    #[arg(long, value_name = "DIR", requires = "release")]
    modules_dir: Option<PathBuf>,
    /// Release of the target's kernel, as uname -r prints it there
    #[arg(long)]
    release: Option<String>,
    /// Modules to load at boot; what they depend on comes along
    #[arg(long, value_name = "NAME", num_args = 1.., requires = "modules_dir")]
    module: Vec<String>,
    /// Key ring, in OpenSSH's allowed_signers format
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// How many keys must sign, what is too old and what is revoked; see
    /// docs/policy.md
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Whether only signed entries boot; locked if there are --keys
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Settings of the image; must not contain "mode"
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to compress the archive
    #[arg(long, value_enum, default_value_t = Compress::Zstd)]
    compress: Compress,
    /// Accept a binary that was built for fault injection
    #[arg(long)]
    allow_test_hooks: bool,
    /// Where to write the image; - is the standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

/// Checks a kernel's configuration against what a boot environment needs
///
/// docs/hardening.md has the list.
#[derive(Parser)]
#[command(
    name = "mkinitramfs check",
    after_help = "Exit codes: 0 it has all that is required, 1 it has not, 2 usage."
)]
struct Check {
    /// .config, /boot/config-RELEASE or /proc/config.gz; may be in gzip
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    Locked,
    Open,
}

/// What the program can be called with.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command().subcommand(Check::command().name("check"))
}

/// Does what the arguments say.
#[must_use]
pub fn main() -> ExitCode {
    let result = match std::env::args_os().nth(1) {
        Some(word) if word == "check" => {
            arguments::parse(std::env::args_os().skip(1)).map(|cli| check(&cli))
        }
        _ => arguments::parse(std::env::args_os()).map(|cli| run(&cli).map(|()| true)),
    };
    match result {
        Err(end) => end,
        Ok(done) => ended(done),
    }
}

fn ended(done: Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{}: {error:#}", arguments::called("mkinitramfs"));
            ExitCode::from(1)
        }
    }
}

/// Whether the configuration has all that is required; prints what it has not.
fn check(cli: &Check) -> Result<bool> {
    let Input { name, bytes } = input(&cli.config)?;
    let config = Config::read(&bytes).with_context(|| name.clone())?;
    let (required, findings) = config.check();
    for finding in &findings {
        println!("{finding}");
    }
    let met = required.saturating_sub(findings.len());
    println!("{name}: {met} of {required} requirements for {} are met", config.arch);
    Ok(findings.is_empty())
}

fn run(cli: &Cli) -> Result<()> {
    let mode = choose_mode(cli.mode.map(Mode::into), cli.keys.is_some())?;
    let selection = select(cli)?;
    let image = Image {
        binary: binary(cli.binary.as_deref())?,
        release: cli.release.clone(),
        modules: selection.modules,
        keys: cli.keys.as_deref().map(input).transpose()?,
        policy: cli.policy.as_deref().map(input).transpose()?,
        mode,
        config: cli.config.as_deref().map(input).transpose()?,
    };
    let arch = image.arch(cli.allow_test_hooks)?;
    let branches = compress::branches(arch, cli.release.as_deref());
    let note = image.note().map(str::to_owned);
    let archive = image.build(cli.allow_test_hooks)?;
    let raw = archive.write()?;
    let raw_size = raw.len();
    let bytes = cli.compress.apply(raw, branches)?;
    output::write(&cli.output, &bytes)?;
    let notes: Vec<String> = selection.notes.into_iter().chain(note).collect();
    let mut lines = listing(&archive, &notes);
    lines.push_str(&format!("{raw_size:>10}  archive\n"));
    let name = cli.output.display();
    lines.push_str(&format!("{:>10}  {name}, {}\n", bytes.len(), cli.compress.name()));
    if cli.compress == Compress::Xz && branches.is_none() {
        lines.push_str(&format!("{:>10}  {NO_BRANCHES}\n", "-"));
    }
    tell(&lines, &cli.output);
    Ok(())
}

/// Where it is in nobody's way: the standard output may be the image.
fn tell(lines: &str, output: &Path) {
    if output::is_standard_output(output) {
        eprint!("{lines}");
    } else {
        print!("{lines}");
    }
}

/// What becomes `/init`.
fn binary(asked: Option<&Path>) -> Result<Input> {
    if let Some(path) = asked {
        return input(path);
    }
    let here = std::env::current_exe().context("cannot tell where this program is")?;
    input(&here.with_file_name(INIT)).context("no --binary is given")
}

fn select(cli: &Cli) -> Result<Selection> {
    let (Some(dir), Some(release)) = (&cli.modules_dir, &cli.release) else {
        return Ok(Selection::default());
    };
    Tree::open(dir)?.select(release, &cli.module)
}

fn input(path: &Path) -> Result<Input> {
    let name = path.display().to_string();
    let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
    Ok(Input { name, bytes })
}

/// One line per file: its length in bytes and its path in the image.
fn listing(archive: &Archive, notes: &[String]) -> String {
    let mut lines = String::new();
    for (path, content) in archive.files() {
        lines.push_str(&format!("{:>10}  /{path}\n", content.len()));
    }
    for note in notes {
        lines.push_str(&format!("{:>10}  {note}\n", "-"));
    }
    lines
}

impl From<Mode> for verify::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Locked => Self::Locked,
            Mode::Open => Self::Open,
        }
    }
}
