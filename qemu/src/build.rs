//! Builds the programs of a machine: `turnout-init`, `turnout` and the helpers,
//! static, for the guest; the image tools for the host.

use crate::{command, place};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use turnout::base::arch::Arch;

/// Builds PID 1 and the clock of guests for all of `archs` in one go: of runs of cargo beside
/// each other one waits for the other, and the compiler has one thread for our library.
pub fn ahead(archs: &[Arch]) -> Result<()> {
    let mut cargo = cargo_build(&["-p", "turnout", "--bin", "turnout-init", "--release"]);
    cargo.args(["-p", "ticks", "--bin", "ticks"]);
    for arch in archs {
        cargo.args(["--target", &triple(*arch)]);
    }
    command::run(&mut cargo)
}

/// Builds a static guest program of `package`.
pub fn guest_program(
    arch: Arch,
    package: &str,
    program: &str,
    features: &[&str],
) -> Result<PathBuf> {
    let target = triple(arch);
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

/// A program, and what the linker says of it.
#[derive(Debug, Clone)]
pub struct Mapped {
    /// The program.
    pub program: PathBuf,
    /// The linker's map.
    pub map: PathBuf,
}

/// Builds PID 1 and the commands as they are released, in this order.
pub fn mapped(arch: Arch) -> Result<[Mapped; 2]> {
    let programs = ["turnout-init", "turnout"];
    let target = triple(arch);
    let mut cargo = cargo_build(&["-p", "turnout", "--bins", "--release"]);
    cargo.args(["--target", &target, "--message-format", "json-render-diagnostics"]);
    let maps = script_directory(&command::output(&mut cargo)?)?;
    let directory = place::cargo_target().join(target).join("release");
    Ok(programs.map(|program| Mapped {
        program: directory.join(program),
        map: maps.join(format!("{program}.map")),
    }))
}

/// Where turnout's build script has written, by what cargo says of the build.
fn script_directory(messages: &str) -> Result<PathBuf> {
    let said = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut directories =
        said.filter_map(|said| Some(PathBuf::from(said.get("out_dir")?.as_str()?)));
    directories
        .find(|directory| is_of_turnout(directory))
        .context("cargo does not say where turnout's build script has written")
}

/// Whether it is `.../build/turnout-HASH/out`.
fn is_of_turnout(directory: &Path) -> bool {
    let package = directory.parent().and_then(Path::file_name).unwrap_or_default();
    package.to_string_lossy().starts_with("turnout-")
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

fn triple(arch: Arch) -> String {
    format!("{arch}-unknown-linux-musl")
}

fn cargo_build(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(place::tree()).args(["build", "--quiet"]).args(arguments);
    cargo
}
