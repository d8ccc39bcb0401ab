//! What every test of the programs needs: a directory, and a way to run them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of the test's own, removed when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("turnout-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }

    /// Writes a file, and makes the directories above it.
    pub(crate) fn write(&self, below: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn read(&self, below: &str) -> Vec<u8> {
        let path = self.path(below);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Exit code and what was printed, standard output first.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Done {
    /// Asserts the exit code and that each of `words` was printed.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.text);
        for word in words {
            assert!(self.text.contains(word), "{word:?} is not in:\n{}", self.text);
        }
    }
}

/// Runs a program with no terminal to ask on.
pub(crate) fn run<A: AsRef<OsStr>>(program: &str, args: &[A]) -> Done {
    finish(Command::new(program).args(args))
}

/// Runs a command with no terminal to ask on.
pub(crate) fn finish(command: &mut Command) -> Done {
    let output = command.stdin(Stdio::null()).output();
    done(&output.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

fn done(output: &Output) -> Done {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    Done { code: output.status.code().unwrap_or(-1), text }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
