//! `./qemu/demo [x86_64|aarch64] [--batch ENTRY]`: boots Turnout from a fresh
//! disk. With `--batch`, exit status 0 only if the next system was reached;
//! otherwise 1, and the last line says why.

use anyhow::{Result, bail};
use std::process::ExitCode;
use turnout::arch::Arch;
use turnout_qemu::demo::{Demo, Outcome};
use turnout_qemu::setup;

const USAGE: &str = "usage: ./qemu/demo [x86_64|aarch64] [--batch good|tampered|unsigned]";

fn main() -> ExitCode {
    let (arch, batch) = match parse() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("demo: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(arch, batch.as_deref()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arch: Arch, batch: Option<&str>) -> Result<ExitCode> {
    setup(&["--demo", arch.name()])?;
    let demo = Demo::prepare(arch)?;
    let Some(entry) = batch else {
        return Ok(if demo.interactive()? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    let (line, code) = match demo.batch(entry)? {
        Outcome::Reached(line) => (line, ExitCode::SUCCESS),
        Outcome::NotReached(line) => (line, ExitCode::FAILURE),
    };
    println!("{line}");
    Ok(code)
}

/// Architecture and entry, or `None` for --help.
fn parse() -> Result<Option<(Arch, Option<String>)>> {
    let mut arguments = lexopt::Parser::from_env();
    let (mut arch, mut batch) = (Arch::X86_64, None);
    while let Some(argument) = arguments.next()? {
        use lexopt::prelude::{Long, Short, Value};
        match argument {
            Long("batch") => batch = Some(arguments.value()?.to_string_lossy().into_owned()),
            Long("help") | Short('h') => return Ok(None),
            Value(value) => match Arch::parse(&value.to_string_lossy()) {
                Some(given) => arch = given,
                None => bail!("{} is no architecture", value.display()),
            },
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some((arch, batch)))
}
