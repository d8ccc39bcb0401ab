//! Small text files of the kernel and of the image, read whole with a limit.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc;

use super::Error;
use crate::base::sort;

/// Largest kernel or image text file that is read, in bytes.
pub const MAX_TEXT: u64 = 1 << 20;

/// `read(2)`: reads a file of at most `limit` bytes.
///
/// # Errors
/// The errno, or EFBIG where the file is larger.
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    File::open(path).and_then(|file| read_all(file, limit)).map_err(|source| at(path, source))
}

fn read_all(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()).is_ok_and(|len| len > limit) {
        true => Err(io::Error::from_raw_os_error(libc::EFBIG)),
        false => Ok(bytes),
    }
}

fn at(path: &Path, source: io::Error) -> Error {
    Error::new(path.display().to_string(), source)
}

/// `read(2)`: reads the first `limit` bytes of a file that may be longer.
///
/// # Errors
/// The errno, with the file's name.
pub fn read_first(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|source| Error::new(path.display().to_string(), source))?;
    Ok(bytes)
}

/// `read(2)`: the same of a text file; bytes that are not UTF-8 become U+FFFD.
///
/// # Errors
/// As [`read_first`].
pub fn read_start(path: impl AsRef<Path>, limit: u64) -> Result<String, Error> {
    let bytes = read_first(path.as_ref(), limit)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `read(2)`: reads a text file; bytes that are not UTF-8 become U+FFFD.
///
/// # Errors
/// As [`read_bytes`].
pub fn read_text(path: impl AsRef<Path>) -> Result<String, Error> {
    let bytes = read_bytes(path.as_ref(), MAX_TEXT)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `open(2)`, `read(2)`: reads a text file where something else may lie: nobody waits for a
/// FIFO, and what is no regular file is not read.
///
/// # Errors
/// As [`read_bytes`], or that it is no regular file.
pub fn read_regular(path: impl AsRef<Path>) -> Result<String, Error> {
    let path = path.as_ref();
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path);
    let file = file.map_err(|source| at(path, source))?;
    if !file.metadata().map_err(|source| at(path, source))?.is_file() {
        return Err(Error::refusal(path.display().to_string(), "it is no regular file"));
    }
    let bytes = read_all(file, MAX_TEXT).map_err(|source| at(path, source))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `read(2)`: reads a text file that need not be there.
///
/// # Errors
/// As [`read_bytes`], but for ENOENT.
pub fn read_text_if_there(path: impl AsRef<Path>) -> Result<Option<String>, Error> {
    match path.as_ref().try_exists() {
        Ok(false) => Ok(None),
        _ => read_text(path).map(Some),
    }
}

/// `read(2)`: reads a one-line file without its line end.
///
/// # Errors
/// As [`read_bytes`].
pub fn read_line(path: impl AsRef<Path>) -> Result<String, Error> {
    Ok(read_text(path)?.trim_end().to_owned())
}

/// `read(2)`: reads a number in a kernel file, decimal or with 0x.
#[must_use]
pub fn read_number(path: impl AsRef<Path>) -> Option<u64> {
    let text = read_line(path).ok()?;
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `write(2)`: writes to a kernel file that exists already.
///
/// # Errors
/// The errno, with the file's name.
pub fn write_text(path: &str, text: &str) -> Result<(), Error> {
    let open = File::options().write(true).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| Error::new(path, source))
}

/// `readdir(3)`: the names in a directory, sorted; an unreadable name is left out.
///
/// # Errors
/// The errno, with the directory's name.
pub fn names(path: impl AsRef<Path>) -> Result<Vec<String>, Error> {
    let path = path.as_ref();
    let entries =
        std::fs::read_dir(path).map_err(|source| Error::new(path.display().to_string(), source))?;
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    sort::sort(&mut names);
    Ok(names)
}
