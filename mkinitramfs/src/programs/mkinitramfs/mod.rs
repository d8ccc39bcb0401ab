//! `mkinitramfs`: packs Turnout, modules and keys into an initramfs; and checks
//! the configuration of the kernel that is to run it (`mkinitramfs check`).
//! Exit codes: 0 done, 1 it would be a bad image or cannot be written, 2 usage.

mod arguments;
mod build;
mod check;
mod files;
mod forms;
mod picked;
mod tree;
mod weight;

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory as _;

use arguments::{Check, Cli};
use build::run;
use check::check;
use forms::{Disk, make_disk};

/// What the program can be called with.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
        .subcommand(Check::command().name("check"))
        .subcommand(Disk::command().name("disk"))
}

/// Does what the arguments say.
#[must_use]
pub fn main() -> ExitCode {
    let result = match std::env::args_os().nth(1) {
        Some(word) if word == "check" => {
            crate::arguments::parse(std::env::args_os().skip(1)).map(|cli| check(&cli))
        }
        Some(word) if word == "disk" => crate::arguments::parse(std::env::args_os().skip(1))
            .map(|cli| make_disk(&cli).map(|()| true)),
        _ => crate::arguments::parse(std::env::args_os()).map(|cli| run(&cli).map(|()| true)),
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
            eprintln!("{}: {error:#}", crate::arguments::called("mkinitramfs"));
            ExitCode::from(1)
        }
    }
}
