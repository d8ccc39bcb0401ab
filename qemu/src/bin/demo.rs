//! `./qemu/demo [x86_64|aarch64] [--batch ENTRY]`: boots Turnout from a fresh
//! disk. With `--batch`, exit status 0 only if the next system was reached;
//! otherwise 1, and the last line says why.

use anyhow::{Context, Result};
use std::process::ExitCode;
use turnout::base::arch::Arch;
use turnout_qemu::arguments::{self, MISUSED};
use turnout_qemu::demo::{self, Demo, Outcome};
use turnout_qemu::setup;

const USAGE: &str = "usage: ./qemu/demo [x86_64|aarch64] [--batch good|tampered|unsigned]

Boots Turnout from a fresh disk in a virtual machine, x86_64 if not told otherwise,
and shows its menu on the terminal. With --batch it chooses the entry itself, and
ends with 0 if the next system was reached.
Ctrl-A X ends the machine; Ctrl-C goes to the guest.";

/// What is to be done.
struct Arguments {
    arch: Arch,
    batch: Option<String>,
}

fn main() -> ExitCode {
    let arguments = match parse(lexopt::Parser::from_env()) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("demo: {error:#}");
            return ExitCode::from(MISUSED);
        }
    };
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    setup(&["--demo", arguments.arch.name()])?;
    let Some(entry) = &arguments.batch else {
        let ended_well = Demo::prepare(arguments.arch, demo::FOR_A_PERSON)?.interactive()?;
        return Ok(if ended_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    match Demo::prepare(arguments.arch, demo::FOR_A_PROGRAM)?.batch(entry)? {
        Outcome::Reached(line) => {
            println!("{line}");
            Ok(ExitCode::SUCCESS)
        }
        Outcome::NotReached(line) => {
            println!("{line}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Gives `None` for --help.
fn parse(mut words: lexopt::Parser) -> Result<Option<Arguments>> {
    let mut arguments = Arguments { arch: Arch::X86_64, batch: None };
    while let Some(word) = words.next()? {
        use lexopt::prelude::{Long, Short, Value};
        match word {
            Long("batch") => {
                let id = words.value().context("--batch: say which entry")?;
                arguments.batch = Some(demo::entry(&id)?.to_owned());
            }
            Long("help") | Short('h') => return Ok(None),
            Value(value) => arguments.arch = arguments::arch(&value)?,
            other => return Err(arguments::unknown(other)),
        }
    }
    Ok(Some(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> String {
        match parse(lexopt::Parser::from_args(words)) {
            Ok(_) => panic!("{words:?} is taken"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_that_names_it() {
        assert_eq!(
            said(&["--batch", "best"]),
            "--batch: \"best\" is no entry of the demo; say good, tampered or unsigned"
        );
        assert_eq!(said(&["riscv64"]), "\"riscv64\" is no architecture; say x86_64 or aarch64");
        assert_eq!(said(&["--fast"]), "invalid option '--fast'; see --help");
        assert_eq!(said(&["--batch"]).lines().count(), 1);
    }
}
