//! Builds the programs of a machine: `turnout-init`, `turnout` and the helpers,
//! static, for the guest; the image tools for the host.

use crate::{command, place};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use turnout::base::arch::Arch;

/// Builds a static guest program of `package`.
pub fn guest_program(
    arch: Arch,
    package: &str,
    program: &str,
    features: &[&str],
) -> Result<PathBuf> {
    let target = format!("{arch}-unknown-linux-musl");
    let mut cargo = cargo_build(&["-p", package, "--bin", program, "--release"]);
    cargo.args(["--target", &target]);
    if !features.is_empty() {
        cargo.args(["--features", &features.join(",")]);
    }
    command::run(&mut cargo)?;
    let built = place::cargo_target().join(target).join("release").join(program);
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
