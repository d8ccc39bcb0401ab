//! The list of what upkeep has made, in `/var/lib/turnout/signed`: what may be dropped
//! when it is of no use any more, and by who purges the package. A path stands there
//! before there is anything at it.
//!
//! One absolute path a line, in an order in which all of it can be removed: files, then
//! directories, which end in `/`, the deepest first. Before the path of a manifest or a
//! signature stands the SHA-256 of what upkeep has written, in hexadecimal, and a blank:
//! a file of other bytes is somebody else's. Lines of before have no digest.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use turnout::base::digest::Digest;
use turnout::trust::MAX_FILE;

use crate::signing::sign::read_if_there;
use crate::upkeep::disk::Disk;
use crate::upkeep::waiting::Waiting;

/// How long another run may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Digits of a SHA-256.
const DIGITS: usize = 64;
const TURN: Duration = Duration::from_millis(50);

/// The list. Two runs never have it at the same time.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    lines: BTreeSet<String>,
    _lock: File,
}

impl Ledger {
    /// Whether there is one.
    #[must_use]
    pub fn is_there(state: &Path) -> bool {
        path(state).is_file()
    }

    /// Reads the one in the directory `state`, once nobody else has it.
    ///
    /// # Errors
    /// It cannot be read, or somebody has it for too long.
    pub fn open(state: &Path) -> Result<Self> {
        fs::create_dir_all(state).with_context(|| format!("cannot create {}", state.display()))?;
        let lock = lock(state)?;
        let path = path(state);
        let text = read_if_there(&path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter(|line| path_in(line).is_absolute());
        let lines = lines.map(str::to_owned).collect();
        Ok(Self { path, lines, _lock: lock })
    }

    /// Whether upkeep has made what is at this path now.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        let shown = path.to_string_lossy();
        self.lines.contains(&*shown) || self.lines.contains(&line_now(path))
    }

    /// Writes down what is about to be made: files, and the directories that are not there
    /// yet.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note(&mut self, disk: &Disk, paths: &[PathBuf]) -> Result<()> {
        let before = self.lines.len();
        for path in paths {
            self.lines.insert(path.to_string_lossy().into_owned());
            self.add_above(path);
        }
        if self.lines.len() == before { Ok(()) } else { self.write(disk) }
    }

    /// Writes down what a small file is about to be.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note_bytes(&mut self, disk: &Disk, path: &Path, bytes: &[u8]) -> Result<()> {
        let before = self.lines.len();
        self.lines.insert(line(path, bytes));
        self.add_above(path);
        if self.lines.len() == before { Ok(()) } else { self.write(disk) }
    }

    fn add_above(&mut self, path: &Path) {
        let above = path.ancestors().skip(1).take_while(|above| !above.exists());
        self.lines.extend(above.map(|above| format!("{}/", above.display())));
    }

    /// Forgets what is not there any more, or is somebody else's by now.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn forget_gone(&mut self, disk: &Disk) -> Result<()> {
        let before = self.lines.len();
        let lines = self.lines.clone();
        self.lines.retain(|line| is_there(line, &lines));
        if self.lines.len() == before { Ok(()) } else { self.write(disk) }
    }

    fn write(&self, disk: &Disk) -> Result<()> {
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort_by_key(|line| (line.ends_with('/'), Reverse(line.matches('/').count())));
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        disk.write(&self.path, text.as_bytes())
    }
}

fn path_in(line: &str) -> &Path {
    let noted = line.split_once(' ').filter(|(digest, _)| is_digest(digest));
    Path::new(noted.map_or(line, |(_, path)| path))
}

fn is_digest(word: &str) -> bool {
    word.len() == DIGITS && word.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Whether a line is of what is there. One without a digest says nothing more beside one
/// that has it.
fn is_there(line: &str, lines: &BTreeSet<String>) -> bool {
    let path = path_in(line);
    let now = line_now(path);
    let is_of_before = line.starts_with('/');
    let is_mine = if is_of_before { !lines.contains(&now) } else { line == now };
    is_mine && path.symlink_metadata().is_ok()
}

fn line(path: &Path, bytes: &[u8]) -> String {
    format!("{} {}", Digest::of(bytes), path.display())
}

/// The line of a small file as it is now; that of an empty one for what is none.
fn line_now(path: &Path) -> String {
    let there = path.symlink_metadata();
    let is_small = there.is_ok_and(|there| there.is_file() && there.len() <= MAX_FILE as u64);
    let bytes = if is_small { fs::read(path).unwrap_or_default() } else { Vec::new() };
    line(path, &bytes)
}

fn path(state: &Path) -> PathBuf {
    state.join("signed")
}

fn lock(state: &Path) -> Result<File> {
    let path = state.join("lock");
    let name = path.display();
    let file = File::create(&path).with_context(|| format!("cannot create {name}"))?;
    let _waiting = Waiting::begin(format!("waiting for another turnout-sign upkeep ({name})"));
    let begin = Instant::now();
    while file.try_lock().is_err() {
        if begin.elapsed() > PATIENCE {
            bail!("another turnout-sign upkeep has {name} for {} s: end it", PATIENCE.as_secs());
        }
        thread::sleep(TURN);
    }
    Ok(file)
}
