//! The EFI variables of the Boot Loader Interface, as files of efivarfs.
//!
//! Mounted only as long as they are read, read-only, and writable only as long
//! as one is written (Linux Documentation/filesystems/efivarfs.rst). Nothing but
//! the variables of [`crate::efi::variables`] is ever looked at, and none is
//! written that has its value already: the firmware's memory wears out.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use linux_raw_sys::general::FS_IMMUTABLE_FL;
use nix::libc::c_long;

use super::mount::{self, Access, EfiVariables};
use super::{Error, file};
use crate::efi::variables::{self as interface, Variable};

nix::ioctl_read!(
    /// FS_IOC_GETFLAGS; the kernel writes an int.
    get_flags,
    b'f',
    1,
    c_long
);
nix::ioctl_write_ptr!(
    /// FS_IOC_SETFLAGS; the kernel reads an int.
    set_flags,
    b'f',
    2,
    c_long
);

/// Variables that are mounted for as long as this value.
#[derive(Debug)]
pub struct Variables {
    directory: PathBuf,
    /// Not those of a test.
    _mounted: Option<EfiVariables>,
}

/// Whether the machine has variables.
#[must_use]
pub fn has_efi() -> bool {
    Path::new(EfiVariables::PLACE).is_dir()
}

impl Variables {
    /// `mount(2)`: mounts them.
    ///
    /// # Errors
    /// The errno: a machine without EFI, or a kernel without efivarfs.
    pub fn open(access: Access) -> Result<Self, Error> {
        let mounted = EfiVariables::mount(access)?;
        Ok(Self { directory: EfiVariables::PLACE.into(), _mounted: Some(mounted) })
    }

    /// Those of a running system, to be written: as it has mounted them, for no file
    /// system is mounted on itself, or else where only this process sees them.
    ///
    /// # Errors
    /// As [`Variables::open`].
    pub fn of_system() -> Result<Self, Error> {
        let is_mounted = mount::places().iter().any(|(place, _)| place == EfiVariables::PLACE);
        if is_mounted {
            return Ok(Self { directory: EfiVariables::PLACE.into(), _mounted: None });
        }
        mount::keep_to_this_process()?;
        Self::open(Access::Write)
    }

    /// `read(2)`: the value of a variable; `None` if there is no such variable.
    ///
    /// # Errors
    /// The errno, or what is wrong with the variable.
    pub fn read(&self, variable: Variable) -> Result<Option<Vec<u8>>, Error> {
        let most = interface::ATTRIBUTES.saturating_add(interface::MAX_VALUE);
        let bytes = match file::read_bytes(&self.path(variable), most as u64) {
            Err(error) if error.is_absence() => return Ok(None),
            other => other.map_err(|error| named(variable, error.source))?,
        };
        let value = interface::value(&bytes).map_err(|error| wrong(variable, error))?;
        Ok(Some(value.to_vec()))
    }

    /// `read(2)`: whether there is such a variable, and if so whether it outlasts a reset.
    ///
    /// # Errors
    /// The errno.
    pub fn kept(&self, variable: Variable) -> Result<Option<bool>, Error> {
        match file::read_first(&self.path(variable), interface::ATTRIBUTES as u64) {
            Ok(start) => Ok(Some(interface::is_kept(&start))),
            Err(error) if error.is_absence() => Ok(None),
            Err(error) => Err(named(variable, error.source)),
        }
    }

    /// The text of a variable; `None` if there is no such variable.
    ///
    /// # Errors
    /// As [`Variables::read`], and a value that is no text.
    pub fn text(&self, variable: Variable) -> Result<Option<String>, Error> {
        let value = self.read(variable)?;
        value.as_deref().map(interface::text).transpose().map_err(|error| wrong(variable, error))
    }

    /// `write(2)`, `ioctl(2)`: gives a variable a value, unless it has that already.
    ///
    /// # Errors
    /// The errno. A variable that was set before the firmware handed the machine
    /// over, and not to be kept, cannot be changed any more.
    pub fn write(&self, variable: Variable, value: &[u8]) -> Result<(), Error> {
        if self.read(variable).is_ok_and(|old| old.as_deref() == Some(value)) {
            return Ok(());
        }
        let path = self.path(variable);
        make_mutable(&path);
        let written = File::options().write(true).create(true).truncate(false).open(path);
        // The kernel takes the whole variable in one call.
        written
            .and_then(|mut to| to.write_all(&interface::file(value)))
            .map_err(|source| named(variable, source))
    }

    /// `unlink(2)`, `ioctl(2)`: deletes a variable.
    ///
    /// # Errors
    /// The errno, or that it is still there; one that was not there is fine.
    pub fn delete(&self, variable: Variable) -> Result<(), Error> {
        let path = self.path(variable);
        make_mutable(&path);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(named(variable, error)),
            _ if path.exists() => Err(Error::refusal(variable.name(), "it is still there")),
            _ => Ok(()),
        }
    }

    fn path(&self, variable: Variable) -> PathBuf {
        self.directory.join(format!("{}-{}", variable.name(), interface::VENDOR))
    }
}

fn named(variable: Variable, source: std::io::Error) -> Error {
    Error::new(variable.name(), source)
}

fn wrong(variable: Variable, error: interface::Error) -> Error {
    Error::refusal(variable.name(), &error.to_string())
}

/// The kernel makes every variable immutable that it does not know, so that
/// nobody deletes what a machine needs. Where this does not help, the call after
/// it says why.
fn make_mutable(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    let mut flags: c_long = 0;
    // SAFETY: writes an int into a long, which is valid for the call.
    if unsafe { get_flags(file.as_raw_fd(), &raw mut flags) }.is_err() {
        return;
    }
    flags &= !c_long::from(FS_IMMUTABLE_FL);
    // SAFETY: reads an int out of a long, which is valid for the call.
    let _ = unsafe { set_flags(file.as_raw_fd(), &raw const flags) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use Variable::{EntryDefault, EntryOneShot};

    /// A directory in place of efivarfs.
    struct Directory(Variables);

    impl Directory {
        fn new(name: &str) -> Self {
            let name = format!("turnout-efivars-{name}-{}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&directory).unwrap();
            Self(Variables { directory, _mounted: None })
        }

        fn put(&self, file: &[u8]) {
            std::fs::write(self.0.path(EntryOneShot), file).unwrap();
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0.directory).unwrap();
        }
    }

    fn message<T: core::fmt::Debug>(result: Result<T, Error>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_variable_is_written_read_and_deleted() {
        let directory = Directory::new("all");
        let variables = &directory.0;
        assert_eq!(variables.text(EntryDefault).unwrap(), None);
        variables.write(EntryDefault, &interface::from_text("a.conf")).unwrap();
        assert_eq!(variables.text(EntryDefault).unwrap().as_deref(), Some("a.conf"));
        let names = file::names(&variables.directory).unwrap();
        assert_eq!(names, ["LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"]);
        variables.delete(EntryDefault).unwrap();
        assert_eq!(variables.text(EntryDefault).unwrap(), None);
        variables.delete(EntryDefault).unwrap();
    }

    #[test]
    fn what_has_its_value_already_is_not_written() {
        let directory = Directory::new("same");
        directory.put(&[6, 0, 0, 0, b'a', 0, 0, 0]);
        directory.0.write(EntryOneShot, &interface::from_text("a")).unwrap();
        let file = std::fs::read(directory.0.path(EntryOneShot)).unwrap();
        assert_eq!(file[0], 6, "the attributes are still those it had");
    }

    #[test]
    fn what_was_set_for_this_boot_is_told_from_what_outlasts_it() {
        let directory = Directory::new("kept");
        assert_eq!(directory.0.kept(EntryOneShot).unwrap(), None);
        directory.put(&[6, 0, 0, 0, b'a', 0, 0, 0]);
        assert_eq!(directory.0.kept(EntryOneShot).unwrap(), Some(false));
        directory.put(&[7, 0, 0, 0, b'a', 0, 0, 0]);
        assert_eq!(directory.0.kept(EntryOneShot).unwrap(), Some(true));
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named() {
        let directory = Directory::new("bad");
        directory.put(&[7]);
        assert_eq!(
            message(directory.0.read(EntryOneShot)),
            "LoaderEntryOneShot: its 1 bytes end before its value"
        );
        directory.put(&[7, 0, 0, 0, b'a', 0]);
        assert_eq!(
            message(directory.0.text(EntryOneShot)),
            "LoaderEntryOneShot: its value is no UTF-16 text with a NUL at its end"
        );
        directory.put(&[0; 8192]);
        let text = message(directory.0.read(EntryOneShot));
        assert!(text.starts_with("LoaderEntryOneShot: File too large"), "{text}");
        std::fs::remove_file(directory.0.path(EntryOneShot)).unwrap();
        std::fs::create_dir(directory.0.path(EntryOneShot)).unwrap();
        let text = message(directory.0.delete(EntryOneShot));
        assert!(text.starts_with("LoaderEntryOneShot: Is a directory"), "{text}");
    }
}
