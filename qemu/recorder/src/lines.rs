//! The command lines, and what is printed of each.
//!
//! A line of the file is `STATE<TAB>WORD<TAB>WORD...`: the state as [`State::parse`]
//! reads it, then the words after the program's name. One that begins with `!` is a
//! command of the shell for what follows. Lines are counted from 0, the shell's too.
//!
//! Printed is `@ NUMBER SIDE NAME=VALUE<TAB>NAME=VALUE...`, with values escaped.

use crate::call::Call;
use crate::state::{self, State};
use crate::trace::{self, Outcome, Program};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::Command;

/// Whose program: kexec-tools' is where a package puts it.
const SIDES: [(&str, &str); 2] = [("theirs", state::THEIRS), ("ours", "/ours/kexec")];

pub(crate) fn run(directory: &Path) -> Result<()> {
    let lines = fs::read(directory.join("lines"))?;
    let lines = lines.strip_suffix(b"\n").unwrap_or(&lines);
    for (number, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        match line.strip_prefix(b"!") {
            Some(command) => shell(command)?,
            None => both(number, line).with_context(|| format!("line {number}"))?,
        }
    }
    println!("@ done");
    Ok(())
}

fn shell(command: &[u8]) -> Result<()> {
    let command = OsString::from_vec(command.to_vec());
    let status = Command::new("/bin/sh").arg("-c").arg(&command).status()?;
    println!("! {} ({status})", command.display());
    Ok(())
}

fn both(number: usize, line: &[u8]) -> Result<()> {
    let mut words = line.split(|byte| *byte == b'\t').map(|word| OsString::from_vec(word.into()));
    let state = State::parse(&words.next().context("no state")?.to_string_lossy())?;
    let words: Vec<OsString> = words.collect();
    for (side, program) in SIDES {
        state::reach(state)?;
        let before = state::now()?;
        let program = Program { path: Path::new(program), is_root: state.is_root, words: &words };
        let outcome = trace::run(&program)?;
        println!("@ {number} {side} {}", shown(&outcome, before, state::now()?));
    }
    Ok(())
}

fn shown(outcome: &Outcome, before: State, after: State) -> String {
    let mut fields = vec![
        format!("before={before}"),
        format!("status={}", outcome.status),
        format!("after={after}"),
        format!("out={}", outcome.output.escape_ascii()),
        format!("said={}", outcome.errors.escape_ascii()),
    ];
    fields.extend(outcome.calls.iter().map(Call::shown));
    fields.join("\t")
}
