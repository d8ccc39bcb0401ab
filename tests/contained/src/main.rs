//! The program that is PID 1 of a machine, unchanged, in an unprivileged container:
//! first a start without a fault on each machine, then one for each of its system calls
//! and each way in which that may fail. Every start has to end as the design promises:
//! in a jump, at a menu, or in a reset with its reason.
//!
//! `tests/run` starts it; `contained-tests --help` says with what.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the calls are read as a 64-bit kernel hands them over");

mod built;
mod calls;
mod machine;
mod scene;
mod sweep;
mod sys;
mod verdict;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use built::Key;
use scene::Scene;
use sweep::{Choice, Plan};
use sys::container;
use sys::terminal::Terminal;

const USAGE: &str = "\
contained-tests [--whole] [--program FILE] [SCENE[/CALL[/NTH[/FAULT]]]]...

--whole         each call with each of its faults; else each fourth with one of them
--program FILE  this is PID 1, and not the program that is released
SCENE...        only these, and what PID 1 has printed";
/// Set where a host is known to give ordinary users no containers.
const FORBIDDEN: &str = "TURNOUT_NO_CONTAINERS";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("contained-tests: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is as it should be.
fn run() -> Result<bool> {
    let Some(plan) = parse()? else {
        println!("{USAGE}");
        return Ok(true);
    };
    let program = match &plan.program {
        Some(file) => fs::read(file).with_context(|| file.display().to_string())?,
        None => built::program()?,
    };
    // Dropped here, before its directory is out of sight.
    let scenes = Scene::all(&Key::make()?)?;
    let terminals: Vec<_> = (0..sweep::WORKERS)
        .map(|_| Terminal::open())
        .collect::<Result<_, _>>()
        .context("/dev/ptmx: no pseudo-terminals for the consoles")?;
    if let Err(error) = container::enter() {
        return without_container(&error);
    }
    sweep::run(&plan, &program, &scenes, terminals)
}

/// What the arguments ask for; nothing if that is help.
fn parse() -> Result<Option<Plan>> {
    let mut plan = Plan::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("whole") => plan.whole = true,
            lexopt::Arg::Long("program") => plan.program = Some(parser.value()?.into()),
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(None),
            lexopt::Arg::Value(word) => plan.choices.push(Choice::parse(&word.to_string_lossy())?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(plan))
}

/// A host without containers shows nothing, which only who says so may pass over.
fn without_container(error: &anyhow::Error) -> Result<bool> {
    if std::env::var_os(FORBIDDEN).is_some() {
        println!("NOT RUN: no container: {error:#} ({FORBIDDEN} is set)");
        println!("0 passed, 0 failed");
        return Ok(true);
    }
    bail!("no container: {error:#}; where the host forbids them, set {FORBIDDEN}=1")
}
