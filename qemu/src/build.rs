//! Builds the programs of a machine: `turnout-init`, `turnout` and the helpers,
//! static, for the guest; the image tools for the host.

use crate::{command, place};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use turnout::base::arch::Arch;

/// Where static binaries come from; `qemu/setup` chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// rustup's musl targets.
    Musl,
    /// Debian's compiler and GNU targets, linked statically.
    Debian,
}

impl Toolchain {
    /// What `qemu/setup` wrote into the cache.
    pub fn chosen() -> Result<Self> {
        let file = place::cache()?.join("toolchain");
        let text = fs::read_to_string(&file).unwrap_or_default();
        match text.trim() {
            "musl" => Ok(Self::Musl),
            "debian" => Ok(Self::Debian),
            other => bail!("{}: \"{other}\" is no toolchain (run qemu/setup)", file.display()),
        }
    }

    fn target(self, arch: Arch) -> String {
        match self {
            Self::Musl => format!("{arch}-unknown-linux-musl"),
            Self::Debian => format!("{arch}-unknown-linux-gnu"),
        }
    }

    fn target_directory(self) -> PathBuf {
        match self {
            Self::Musl => place::cargo_target(),
            Self::Debian => place::cargo_target().join("debian"),
        }
    }

    /// Debian's compiler lies beside rustup's; the x86_64 target is the host's,
    /// so its static linking is asked for here and not in .cargo/config.toml.
    fn prepare(self, cargo: &mut Command) {
        if self == Self::Debian {
            cargo.env("RUSTC", "/usr/bin/rustc").env(
                "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
                "-C target-feature=+crt-static --cfg curve25519_dalek_backend=\"serial\" \
                 --cfg sha2_512_backend=\"soft\"",
            );
        }
    }
}

/// Builds a static guest program of `package`.
pub fn guest_program(
    arch: Arch,
    package: &str,
    program: &str,
    features: &[&str],
) -> Result<PathBuf> {
    let toolchain = Toolchain::chosen()?;
    let target = toolchain.target(arch);
    let mut cargo = cargo_build(&["-p", package, "--bin", program, "--release"]);
    cargo.args(["--target", &target, "--target-dir"]).arg(toolchain.target_directory());
    if !features.is_empty() {
        cargo.args(["--features", &features.join(",")]);
    }
    toolchain.prepare(&mut cargo);
    command::run(&mut cargo)?;
    let built = toolchain.target_directory().join(target).join("release").join(program);
    fs::canonicalize(&built).with_context(|| built.display().to_string())
}

/// Builds PID 1 for `arch` and keeps a copy: another set of features would
/// replace the one in cargo's directory.
pub fn init(arch: Arch, features: &[&str], keep: &Path) -> Result<PathBuf> {
    let built = guest_program(arch, "turnout", "turnout-init", features)?;
    let name = [&["turnout-init", arch.name()], features].concat().join("-");
    let copy = keep.join(name);
    fs::copy(built, &copy)?;
    Ok(copy)
}

/// Builds the commands of a running system.
pub fn commands(arch: Arch) -> Result<PathBuf> {
    guest_program(arch, "turnout", "turnout", &[])
}

/// The host tools.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `mkinitramfs`.
    pub mkinitramfs: PathBuf,
    /// `turnout-sign`.
    pub sign: PathBuf,
}

impl Tools {
    /// Builds both.
    pub fn build() -> Result<Self> {
        command::run(&mut cargo_build(&["-p", "mkinitramfs", "--bins"]))?;
        let directory = place::cargo_target().join("debug");
        Ok(Self {
            mkinitramfs: directory.join("mkinitramfs"),
            sign: directory.join("turnout-sign"),
        })
    }
}

fn cargo_build(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(place::tree()).args(["build", "--quiet"]).args(arguments);
    cargo
}
