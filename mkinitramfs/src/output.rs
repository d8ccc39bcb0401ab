//! Writes files so that there is either the old one or the whole new one.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Replaces `path` by `bytes`: a temporary file beside it, flushed, renamed.
///
/// # Errors
/// What the file system reports; the old file is then still there.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = beside(path)?;
    let written = write(&temporary, bytes).and_then(|()| rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Creates a file that is not there yet, with these permissions.
///
/// # Errors
/// There is a file of this name, or what the file system reports.
pub fn create(path: &Path, permissions: u32, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(permissions).open(path);
    let mut file = file.with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(bytes).and_then(|()| file.sync_all())?;
    Ok(())
}

/// `.NAME.PID.new` in the same directory, so that renaming stays on one file
/// system.
fn beside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().with_context(|| format!("{} is no file name", path.display()))?;
    let name = format!(".{}.{}.new", name.to_string_lossy(), std::process::id());
    Ok(path.with_file_name(name))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)?;
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let dir = std::env::temp_dir().join(format!("turnout-output-{}", std::process::id()));
        fs::create_dir_all(dir.join("taken")).unwrap();
        let error = replace(&dir.join("taken"), b"x").unwrap_err();
        assert!(error.to_string().contains("cannot write"), "{error}");
        replace(&dir.join("file"), b"old").unwrap();
        replace(&dir.join("file"), b"new").unwrap();
        assert_eq!(fs::read(dir.join("file")).unwrap(), b"new");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "no temporary file is left");
        assert!(create(&dir.join("file"), 0o600, b"x").is_err());
        fs::remove_dir_all(dir).unwrap();
    }
}
