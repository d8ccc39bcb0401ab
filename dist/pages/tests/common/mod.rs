//! What the tests of pages and completions share.

#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory of its own, with every page and completion in it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("turnout-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        let program = env!("CARGO_BIN_EXE_turnout-pages");
        let written = Command::new(program).arg("--output").arg(&path).output().unwrap();
        assert!(written.status.success(), "{}", errors(&written));
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn files(&self, path: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.join(path)).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty());
        files
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What `qemu/setup` has unpacked for these tests: `None`, and a word about it, where it
/// has not; a failure where tests/run has set all tools up.
pub(crate) fn unpacked() -> Option<PathBuf> {
    let unit = cache()?.join("tools/pages");
    if unit.is_dir() {
        return Some(unit);
    }
    let is_set_up = std::env::var_os("TURNOUT_TOOLS").is_some();
    assert!(!is_set_up, "qemu/setup ran, and there is no {}", unit.display());
    println!("skipped: there is no {} (qemu/setup brings it)", unit.display());
    None
}

/// A program that `qemu/setup` has unpacked.
pub(crate) fn tool(name: &str) -> Command {
    Command::new(tools().join(name))
}

/// Where those are.
pub(crate) fn tools() -> PathBuf {
    cache().unwrap().join("tools/bin")
}

fn cache() -> Option<PathBuf> {
    let place =
        |variable, below: &str| Some(PathBuf::from(std::env::var_os(variable)?).join(below));
    place("TURNOUT_CACHE", "")
        .or_else(|| place("XDG_CACHE_HOME", "turnout"))
        .or_else(|| place("HOME", ".cache/turnout"))
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
