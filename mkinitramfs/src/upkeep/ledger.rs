//! The list of what upkeep has made, in `/var/lib/turnout/signed`: what may be dropped
//! when it is of no use any more, and by who purges the package. A path stands there
//! before there is anything at it.
//!
//! One absolute path a line, in an order in which all of it can be removed: files, then
//! directories, which end in `/`, the deepest first.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::signing::sign::read_if_there;
use crate::upkeep::disk::Disk;
use crate::upkeep::waiting::Waiting;

/// How long another run may take.
const PATIENCE: Duration = Duration::from_secs(300);
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
        let lines = text.lines().filter(|line| line.starts_with('/')).map(str::to_owned).collect();
        Ok(Self { path, lines, _lock: lock })
    }

    /// Whether upkeep has made it.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        self.lines.contains(&*path.to_string_lossy())
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
            let above = path.ancestors().skip(1).take_while(|above| !above.exists());
            self.lines.extend(above.map(|above| format!("{}/", above.display())));
        }
        if self.lines.len() == before { Ok(()) } else { self.write(disk) }
    }

    /// Forgets what is not there any more.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn forget_gone(&mut self, disk: &Disk) -> Result<()> {
        let before = self.lines.len();
        self.lines.retain(|line| Path::new(line).symlink_metadata().is_ok());
        if self.lines.len() == before { Ok(()) } else { self.write(disk) }
    }

    fn write(&self, disk: &Disk) -> Result<()> {
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort_by_key(|line| (line.ends_with('/'), Reverse(line.matches('/').count())));
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        disk.write(&self.path, text.as_bytes())
    }
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
