//! `turnout-sign`: keys, signatures and checks for the entries of a boot
//! partition, for key rings and for policies. Exit codes: 0 done, 1 something
//! was refused, 2 anything else.

mod files;
mod keygen;
mod policy;
mod predict;
mod ring;
mod select;
mod show;
mod sign;
mod signer;
mod upkeep;
mod verify;

use std::process::ExitCode;

use crate::arguments;
use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};

/// Signs what Turnout boots
#[derive(Parser)]
#[command(
    name = "turnout-sign",
    version,
    after_help = "Exit codes: 0 done, 1 something was refused, 2 anything else."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes an Ed25519 key in OpenSSH's format: FILE (0600) and FILE.pub
    Keygen(keygen::Keygen),
    /// Writes DIR/turnout/ENTRY.manifest and its signature
    Sign(sign::Sign),
    /// Checks entries as a locked device would
    Verify(verify::Verify),
    /// Tells what the TPM's PCRs hold once entries have been booted
    Predict(predict::Predict),
    /// Signs what the boot menu has, as turnout.conf says, for hooks of packages
    Upkeep(upkeep::Upkeep),
    /// Says in words what is in a manifest, policy, key ring, signature or key
    Show(show::Show),
    /// Checks and signs key rings
    #[command(subcommand)]
    Ring(ring::Ring),
    /// Writes, checks and signs policies
    #[command(subcommand)]
    Policy(policy::Command),
}

/// What a command that checks something found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Refused,
}

/// What the program can be called with.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Does what the arguments say.
#[must_use]
pub fn main() -> ExitCode {
    match arguments::parse(std::env::args_os()) {
        Err(end) => end,
        Ok(Cli { command }) => ended(run(command)),
    }
}

fn run(command: Command) -> Result<Verdict> {
    match command {
        Command::Keygen(args) => args.run(),
        Command::Sign(args) => args.run(),
        Command::Verify(args) => args.run(),
        Command::Predict(args) => args.run(),
        Command::Upkeep(args) => args.run(),
        Command::Show(args) => args.run(),
        Command::Ring(command) => command.run(),
        Command::Policy(command) => command.run(),
    }
}

fn ended(done: Result<Verdict>) -> ExitCode {
    match done {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Refused) => ExitCode::from(1),
        Err(error) => {
            eprintln!("turnout-sign: {error:#}");
            ExitCode::from(2)
        }
    }
}
