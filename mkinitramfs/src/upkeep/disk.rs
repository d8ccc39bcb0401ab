//! What upkeep does to file systems, so that each step is there for good before the next
//! begins: a file's bytes are flushed before it gets its name, and the directory after.
//!
//! Nothing is written through a symbolic link, and no file is ever open for writing under
//! the name by which a machine reads it. A test can have the power go out at any step.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sys::statvfs::statvfs;

/// What a file is called until it has all its bytes, behind its name and a dot.
const UNFINISHED: &str = ".upkeep";

/// The file systems.
#[derive(Debug, Default)]
pub struct Disk {
    /// How many steps are left until the power goes out.
    left: Option<Cell<usize>>,
}

impl Disk {
    /// For a test: nothing happens any more after so many steps.
    #[must_use]
    pub const fn for_steps(steps: usize) -> Self {
        Self { left: Some(Cell::new(steps)) }
    }

    /// Takes a step, if there is power.
    fn step(&self) -> io::Result<()> {
        let Some(left) = &self.left else { return Ok(()) };
        let after = left.get().checked_sub(1).ok_or_else(|| io::Error::other("no power"))?;
        left.set(after);
        Ok(())
    }

    /// Puts a file in place, whole or not at all.
    ///
    /// # Errors
    /// What the file system reports; what was there before is then still there.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let name = path.display();
        ensure!(!path.is_symlink(), "{name} is a symbolic link: remove it");
        self.put(path, |file| file.write_all(bytes)).with_context(|| format!("cannot write {name}"))
    }

    fn put(&self, path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
        self.make_directories(parent(path))?;
        let unfinished = unfinished(path)?;
        let filled = self.fill(&unfinished, fill);
        let placed = filled.and_then(|()| self.step()).and_then(|()| fs::rename(&unfinished, path));
        if placed.is_err() && self.step().is_ok() {
            // The first error is the one to report.
            let _ = fs::remove_file(&unfinished);
        }
        placed?;
        Ok(flush(parent(path))?)
    }

    fn fill(
        &self,
        unfinished: &Path,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        self.step()?;
        remove_if_there(unfinished)?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o644).open(unfinished)?;
        self.step()?;
        fill(&mut file)?;
        file.sync_all()
    }

    /// Gives the file `from` the name `to` as well; where its file system cannot, copies
    /// it, if as much again stays free.
    ///
    /// # Errors
    /// Neither can be.
    pub fn keep(&self, from: &Path, to: &Path) -> Result<()> {
        let from =
            fs::canonicalize(from).with_context(|| format!("cannot find {}", from.display()))?;
        self.make_directories(parent(to))?;
        self.step()?;
        remove_if_there(to)?;
        self.step()?;
        match fs::hard_link(&from, to) {
            Ok(()) => Ok(flush(parent(to))?),
            Err(error) => self
                .copy(&from, to)
                .with_context(|| format!("{} cannot be linked to ({error})", from.display())),
        }
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let size = fs::metadata(from)?.len();
        let free = free(parent(to))?;
        ensure!(
            size.saturating_mul(2) <= free,
            "a copy of it takes {size} bytes, and as many must stay free: there are {free}"
        );
        let mut source = File::open(from)?;
        self.put(to, |file| io::copy(&mut source, file).map(drop))
    }

    /// Makes a directory and those above it.
    fn make_directories(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let above = path.parent().with_context(|| format!("{} is not there", path.display()))?;
        self.make_directories(above)?;
        self.step()?;
        fs::create_dir(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(flush(above)?)
    }

    /// Takes a file away, if it is there.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn remove(&self, path: &Path) -> Result<()> {
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        self.step()?;
        remove_if_there(path).with_context(|| format!("cannot remove {}", path.display()))?;
        Ok(flush(parent(path))?)
    }

    /// Takes a directory away with the files in it, which has no directories.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn remove_directory(&self, path: &Path) -> Result<()> {
        for name in names(path) {
            self.remove(&path.join(name))?;
        }
        if !path.is_dir() {
            return Ok(());
        }
        self.step()?;
        fs::remove_dir(path).with_context(|| format!("cannot remove {}", path.display()))?;
        Ok(flush(parent(path))?)
    }

    /// Takes away what a run that was cut off has left unfinished in a directory.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn sweep(&self, directory: &Path) -> Result<()> {
        let left = names(directory)
            .into_iter()
            .filter(|name| name.starts_with('.') && name.ends_with(UNFINISHED));
        for name in left {
            self.remove(&directory.join(name))?;
        }
        Ok(())
    }
}

/// Names in a directory, sorted; none where it cannot be read.
#[must_use]
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

fn unfinished(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| anyhow!("{} is no file name", path.display()))?;
    Ok(path.with_file_name(format!(".{}{UNFINISHED}", name.to_string_lossy())))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn flush(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// How many bytes are free for everybody.
fn free(directory: &Path) -> Result<u64> {
    let there = statvfs(directory)?;
    Ok(there.blocks_available().saturating_mul(there.fragment_size()))
}
