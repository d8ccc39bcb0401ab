//! What is loaded, and how it comes to be so before a command line is tried.

use anyhow::{Context, Result, bail};
use std::fmt::{self, Display};
use std::fs;
use std::process::{Command, Stdio};

/// kexec-tools' program, which also brings a state about.
pub(crate) const THEIRS: &str = "/sbin/kexec";
/// What it loads for that.
const KERNEL: &str = "/k/other";

/// What is loaded in either slot, and whose command line comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) ordinary: bool,
    pub(crate) crash: bool,
    pub(crate) is_root: bool,
}

impl State {
    /// `none`, `ordinary`, `crash` or `both`; behind `user:` for one who is not root.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (name, is_root) = match text.strip_prefix("user:") {
            Some(name) => (name, false),
            None => (text, true),
        };
        let (ordinary, crash) = match name {
            "none" => (false, false),
            "ordinary" => (true, false),
            "crash" => (false, true),
            "both" => (true, true),
            other => bail!("{other:?} is no state"),
        };
        Ok(Self { ordinary, crash, is_root })
    }
}

impl Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match (self.ordinary, self.crash) {
            (false, false) => "none",
            (true, false) => "ordinary",
            (false, true) => "crash",
            (true, true) => "both",
        })
    }
}

pub(crate) fn now() -> Result<State> {
    Ok(State { ordinary: flag("kexec_loaded")?, crash: flag("kexec_crash_loaded")?, is_root: true })
}

fn flag(name: &str) -> Result<bool> {
    let path = format!("/sys/kernel/{name}");
    Ok(fs::read_to_string(&path).context(path)?.trim() == "1")
}

/// Where the kernel does not let it, the state stays; the judge is told which it is.
pub(crate) fn reach(wanted: State) -> Result<()> {
    let now = now()?;
    if now.ordinary != wanted.ordinary {
        change(if wanted.ordinary { &["-c", "-l", KERNEL] } else { &["-c", "-u"] })?;
    }
    if now.crash != wanted.crash {
        change(if wanted.crash { &["-c", "-p", KERNEL] } else { &["-c", "-p", "-u"] })?;
    }
    Ok(())
}

fn change(words: &[&str]) -> Result<()> {
    let mut command = Command::new(THEIRS);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().context(THEIRS)?;
    Ok(())
}
