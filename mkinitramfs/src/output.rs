//! Writes what was asked for where it was asked for.
//!
//! A file is replaced so that there is either the old one or the whole new one,
//! and keeps its mode, its owner and every symbolic link that leads to it. What is
//! no file is written to and never replaced: a device such as /dev/null, a FIFO,
//! and `-`, which is the standard output. A disk is never written to.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

/// The path that stands for the standard output.
const STANDARD_OUTPUT: &str = "-";

/// Whether this path stands for the standard output; a file of that name is `./-`.
#[must_use]
pub fn is_standard_output(path: &Path) -> bool {
    path == Path::new(STANDARD_OUTPUT)
}

/// Writes `bytes` to what is at `path`, or to a new file there.
///
/// # Errors
/// It is a directory, a disk, a socket, or a link that leads nowhere; bytes that
/// are no text would go to a terminal; or what the file system reports: an old
/// file is then still there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_standard_output(path) {
        return write_out(bytes);
    }
    let name = path.display();
    match fs::metadata(path) {
        Ok(old) if old.is_file() => {
            let place = fs::canonicalize(path).with_context(|| format!("cannot find {name}"))?;
            replace(&place, Some(&old), bytes).with_context(|| format!("cannot write {name}"))
        }
        Ok(other) => {
            check_writable(path, &other)?;
            pour(path, bytes).with_context(|| format!("cannot write to {name}"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            refuse_dangling(path)?;
            replace(path, None, bytes).with_context(|| format!("cannot write {name}"))
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {name}")),
    }
}

fn write_out(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    ensure!(
        !out.is_terminal() || std::str::from_utf8(bytes).is_ok(),
        "the standard output is a terminal, and this is no text: redirect it"
    );
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.context("cannot write to the standard output")
}

/// What is not a file takes bytes or it does not.
fn check_writable(path: &Path, there: &Metadata) -> Result<()> {
    let kind = there.file_type();
    let name = path.display();
    if kind.is_dir() {
        bail!("{name} is a directory: name a file in it");
    }
    if kind.is_block_device() {
        bail!("{name} is a disk, which is not written to: write a file, and copy that");
    }
    ensure!(!kind.is_socket(), "{name} is a socket, which takes no file");
    if kind.is_fifo() && io::stderr().is_terminal() {
        eprintln!("{name} is a FIFO: this waits for its reader");
    }
    Ok(())
}

/// A link to nothing: whether the file that it names was meant, nobody can tell.
fn refuse_dangling(path: &Path) -> Result<()> {
    let Ok(to) = fs::read_link(path) else { return Ok(()) };
    let name = path.display();
    bail!("{name} is a link to {}, which is not there: make that, or remove the link", to.display())
}

/// Into a device or a FIFO.
fn pour(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(bytes)
}

/// A temporary file beside it, flushed, renamed.
fn replace(path: &Path, old: Option<&Metadata>, bytes: &[u8]) -> Result<()> {
    let temporary = beside(path)?;
    let written = write_new(&temporary, old, bytes).and_then(|()| rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
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

fn write_new(path: &Path, old: Option<&Metadata>, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if old.is_some() {
        // Until it has the old one's mode, nobody else reads it.
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    if let Some(old) = old {
        keep_attributes(path, &file, old)?;
    }
    Ok(file.sync_all()?)
}

/// The mode comes last: a new owner clears bits of it.
fn keep_attributes(path: &Path, file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Only root may give a file away; the mode is then still the old one's.
        let _ = chown(path, Some(old.uid()), Some(old.gid()));
    }
    file.set_permissions(old.permissions())
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)?;
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let directory =
                std::env::temp_dir().join(format!("turnout-output-{name}-{}", std::process::id()));
            fs::create_dir_all(&directory).unwrap();
            Self(directory)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn count(&self) -> usize {
            fs::read_dir(&self.0).unwrap().count()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn refused(path: &Path) -> String {
        format!("{:#}", write(path, b"new").unwrap_err())
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let scratch = Scratch::new("failed");
        fs::create_dir(scratch.path("taken")).unwrap();
        let said = refused(&scratch.path("taken"));
        assert!(said.ends_with("/taken is a directory: name a file in it"), "{said}");
        write(&scratch.path("file"), b"old").unwrap();
        write(&scratch.path("file"), b"new").unwrap();
        assert_eq!(fs::read(scratch.path("file")).unwrap(), b"new");
        assert_eq!(scratch.count(), 2, "no temporary file is left");
        assert!(create(&scratch.path("file"), 0o600, b"x").is_err());
        let said = refused(&scratch.path("nowhere/file"));
        assert!(said.contains("cannot write ") && said.ends_with("(os error 2)"), "{said}");
    }

    #[test]
    fn a_link_leads_to_the_new_file_and_a_mode_stays() {
        let scratch = Scratch::new("link");
        let file = scratch.path("file");
        fs::write(&file, b"old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("file", scratch.path("link")).unwrap();
        write(&scratch.path("link"), b"new").unwrap();
        assert_eq!(fs::read_link(scratch.path("link")).unwrap(), Path::new("file"));
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(scratch.count(), 2, "no temporary file is left");
    }

    #[test]
    fn a_link_to_nothing_is_left_as_it_is() {
        let scratch = Scratch::new("dangling");
        let link = scratch.path("link");
        symlink("gone", &link).unwrap();
        let said = refused(&link);
        let expected = "is a link to gone, which is not there: make that, or remove the link";
        assert!(said.ends_with(expected), "{said}");
        assert_eq!(scratch.count(), 1);
    }

    #[test]
    fn a_device_is_written_to_and_stays_one() {
        // As root the old way would have replaced this node; without the right to
        // do so it failed, which is no less wrong.
        write(Path::new("/dev/null"), b"new").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
