//! `tests/sizes [--update] [x86_64|aarch64]...`: what takes room in the two
//! programs, by crate and module, and whether it may.

use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use turnout::base::arch::Arch;
use turnout_qemu::arguments::{self, MISUSED};
use turnout_qemu::build;
use turnout_qemu::place;
use turnout_qemu::sizes::{Check, Program, Sizes};

const USAGE: &str = "usage: tests/sizes [--update] [x86_64|aarch64]...

Builds turnout-init and turnout as they are released, and reads the linker's maps.
Without an architecture: both. Fails if a program is over its limit, has a command in
it that must not be there, or is not as docs/sizes.txt says.

  --update     writes docs/sizes.txt anew, with both architectures";

struct Arguments {
    update: bool,
    archs: Vec<Arch>,
}

fn main() -> ExitCode {
    let arguments = match parse(lexopt::Parser::from_env()) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("sizes: {error:#}");
            return ExitCode::from(MISUSED);
        }
    };
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sizes: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Gives `None` for --help.
fn parse(mut words: lexopt::Parser) -> Result<Option<Arguments>> {
    let mut arguments = Arguments { update: false, archs: Vec::new() };
    while let Some(word) = words.next()? {
        use lexopt::prelude::{Long, Short, Value};
        match word {
            Long("update") => arguments.update = true,
            Long("help") | Short('h') => return Ok(None),
            Value(word) => arguments.archs.push(arguments::arch(&word)?),
            other => return Err(arguments::unknown(other)),
        }
    }
    if arguments.archs.is_empty() || arguments.update {
        arguments.archs = vec![Arch::X86_64, Arch::Aarch64];
    }
    Ok(Some(arguments))
}

/// Whether everything holds.
fn run(arguments: &Arguments) -> Result<bool> {
    let sizes = arguments.archs.iter().map(|arch| measure(*arch)).collect::<Result<Vec<_>>>()?;
    let report: String = sizes.iter().map(Sizes::report).collect();
    print!("{report}");
    let file = record();
    if arguments.update {
        fs::write(&file, format!("{HEAD}{report}"))?;
    }
    let recorded = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let checks: Vec<_> = sizes.iter().flat_map(|sizes| sizes.checks(&recorded)).collect();
    Ok(say(&checks))
}

/// What the file begins with.
const HEAD: &str = "\
Bytes of each program, and KiB of what is in it, by crate, and for turnout by module:
the linker's maps, as \"tests/sizes --update\" read them.

";

fn record() -> PathBuf {
    place::tree().join("docs/sizes.txt")
}

fn measure(arch: Arch) -> Result<Sizes> {
    let [init, commands] = build::mapped(arch)?;
    let init = Program::read("turnout-init", &init)?;
    Ok(Sizes::new(arch, init, Program::read("turnout", &commands)?))
}

fn say(checks: &[Check]) -> bool {
    for check in checks {
        println!("{check}");
    }
    let passed = checks.iter().filter(|check| check.holds).count();
    let failed = checks.len().saturating_sub(passed);
    println!("\n{passed} passed, {failed} failed");
    failed == 0
}
