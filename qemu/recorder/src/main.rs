//! A guest program of the conformance suite: gives each of many command lines to two
//! programs that are called `kexec`, and prints what became of it: exit status, what
//! is loaded afterwards, and what the system calls were handed.
//!
//! `recorder run DIRECTORY` reads `DIRECTORY/lines` (see [`lines`]). A jump is
//! recorded and then kept from happening: the program that asks for it is killed.
//! What it prints is read by the judge in tests/boot/cases/conform. It must never run
//! outside of a test's machine, and says so.

mod call;
mod lines;
mod memory;
mod state;
mod trace;

use anyhow::{Context, Result, bail, ensure};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// A word on the command line of every machine of the tests.
const OF_A_TEST: &str = "turnout.ticks";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match obey(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("recorder: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn obey(arguments: &[OsString]) -> Result<()> {
    let (act, rest) = arguments.split_first().context("run DIRECTORY")?;
    match (act.to_str(), rest) {
        (Some(trace::BECOME), [whom, program, words @ ..]) => {
            trace::become_traced(whom, Path::new(program), words)
        }
        (Some("run"), [directory]) => {
            let words = fs::read_to_string("/proc/cmdline")?;
            let is_test = words.split_ascii_whitespace().any(|word| word == OF_A_TEST);
            ensure!(is_test, "this is no machine of a test: it would load kernels here");
            lines::run(Path::new(directory))
        }
        _ => bail!("run DIRECTORY"),
    }
}
