//! Where the harness keeps things: the source tree, the cache of downloads,
//! and a scratch directory for each run.

use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the source tree.
pub fn tree() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The cache that `qemu/setup` fills, by the same rule as in that script.
pub fn cache() -> Result<PathBuf> {
    if let Some(cache) = env::var_os("TURNOUT_CACHE") {
        return Ok(cache.into());
    }
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(base.join("turnout"))
}

/// A program that `qemu/setup` unpacked; one that it did not is this machine's.
pub fn tool(name: &str) -> PathBuf {
    match cache() {
        Ok(cache) if cache.join("tools/bin").join(name).is_file() => {
            cache.join("tools/bin").join(name)
        }
        _ => PathBuf::from(name),
    }
}

/// Where cargo builds for this tree.
pub fn cargo_target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => tree().join(target),
        None => tree().join("target"),
    }
}

/// A directory of one run, removed when the value is dropped. It holds disks
/// and throw-away keys, so it lies in the cache and never in the tree.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes the directory, and removes those of runs that were killed.
    pub fn new(name: &str) -> Result<Self> {
        let parent = cache()?.join("run");
        remove_stale(&parent);
        let path = parent.join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A fresh directory inside.
    pub fn subdirectory(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Removes the directories whose name ends in the id of no running process.
fn remove_stale(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let alive =
            name.rsplit_once('-').is_some_and(|(_, pid)| Path::new("/proc").join(pid).exists());
        if !alive {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}
