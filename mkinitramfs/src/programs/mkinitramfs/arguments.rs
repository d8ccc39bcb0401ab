//! What `mkinitramfs` can be called with.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};
use turnout::base::arch::Arch;
use turnout::trust::verify;

use crate::image::compress::Compress;

use super::forms::Forms;
use super::picked::Picked;
use super::tree::Kernel;
use super::weight::Weight;

/// Packs Turnout, kernel modules and a key ring into an initramfs
///
/// The same input gives the same bytes.
#[derive(Parser)]
#[command(
    version,
    group = ArgGroup::new("kernel").multiple(true),
    after_help = "mkinitramfs check --config FILE checks a kernel's configuration.\n\
                  mkinitramfs disk --uki FILE -o OUT makes a disk of a signed EFI program.\n\
                  Exit codes: 0 done, 1 no image was written, 2 usage."
)]
pub(super) struct Cli {
    /// Static turnout-init for the target; without it the one beside this program
    #[arg(long, value_name = "FILE")]
    pub(super) binary: Option<PathBuf>,
    #[command(flatten)]
    pub(super) kernel: Kernel,
    #[command(flatten)]
    pub(super) picked: Picked,
    /// Key ring, in OpenSSH's allowed_signers format
    #[arg(long, value_name = "FILE")]
    pub(super) keys: Option<PathBuf>,
    /// How many keys must sign, what is too old and what is revoked; see
    /// docs/policy.md
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Whether only signed entries boot; locked if there are --keys
    #[arg(long, value_enum)]
    pub(super) mode: Option<Mode>,
    /// Settings of the image; must not contain "mode"
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// How to compress the archive
    #[arg(long, value_enum, default_value_t = Compress::Zstd)]
    pub(super) compress: Compress,
    /// Compress each module by itself: the image is larger, and takes less memory of the
    /// machine, which unpacks only those that it loads
    #[arg(long)]
    pub(super) compress_modules: bool,
    /// Accept a binary that was built for fault injection
    #[arg(long)]
    pub(super) allow_test_hooks: bool,
    #[command(flatten)]
    pub(super) weight: Weight,
    #[command(flatten)]
    pub(super) forms: Forms,
}

/// Checks a kernel's configuration against what a boot environment needs, or prints one
///
/// docs/hardening.md has the list, docs/first-kernel.md the classes.
#[derive(Parser)]
#[command(
    name = "mkinitramfs check",
    after_help = "Exit codes: 0 it has all that is required, 1 it has not, 2 usage.",
    group(ArgGroup::new("what").required(true).args(["config", "fragment"]))
)]
pub(super) struct Check {
    /// .config, /boot/config-RELEASE or /proc/config.gz; may be in gzip
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print a configuration of a first kernel, for "make allnoconfig" of Linux
    #[arg(long)]
    pub(super) fragment: bool,
    /// What the kernel has drivers for, built in; without it the usual classes are in a
    /// fragment, and none is asked of a configuration
    #[arg(long, value_name = "CLASS", num_args = 1..)]
    pub(super) class: Vec<String>,
    /// Of the usual classes all but these
    #[arg(long, value_name = "CLASS", num_args = 1.., requires = "fragment", conflicts_with = "class")]
    pub(super) without: Vec<String>,
    /// Architecture of the kernel; that of this machine if none is named
    #[arg(long, requires = "fragment", value_parser = arch)]
    pub(super) arch: Option<Arch>,
    /// The kernel's own command line: its consoles, the one to be used last at the end
    #[arg(long, value_name = "TEXT", requires = "fragment")]
    pub(super) cmdline: Option<String>,
    /// Image to build into the kernel; its name ends in .cpio
    #[arg(long, value_name = "FILE", requires = "fragment")]
    pub(super) initramfs: Option<String>,
}

fn arch(word: &str) -> Result<Arch, String> {
    Arch::parse(word).ok_or_else(|| "it is x86_64 or aarch64".to_owned())
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Mode {
    Locked,
    Open,
}

impl From<Mode> for verify::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Locked => Self::Locked,
            Mode::Open => Self::Open,
        }
    }
}
