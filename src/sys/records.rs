//! Where records of loads and jumps lie: `/run/turnout` for what is loaded now,
//! `/var/lib/turnout` for what the next system has to know.
//!
//! A record is written whole beside the old one, flushed, and renamed over it; the
//! folder is flushed too, so that after a crash there is the old record or the new
//! one. Both folders are root's alone: a command line may hold a secret. What is in a
//! record is [`crate::host::record`]'s business.

use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::libc;

use super::{Error, file, guard, watchdog};
use crate::host::Problem;
use crate::host::arrival::Arrival;
use crate::host::deferred::Deferred;
use crate::host::proof::Here;
use crate::host::record::{Asked, Loaded, MAX_TEXT, Pair};
use crate::plan::Slot;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const RELEASE: &str = "/proc/sys/kernel/osrelease";
/// Gone with the system that made it.
const NOW: &str = "/run/turnout";
/// Stays.
const NEXT: &str = "/var/lib/turnout";

const ASKED: &str = "asked";
const FAILED: &str = "failed";
const HISTORY: &str = "history";
const DEFERRED: &str = "deferred";

/// `/proc/sys/kernel/random/boot_id`: the running system's; empty where the kernel does not
/// tell.
#[must_use]
pub fn boot_id() -> String {
    file::read_line(BOOT_ID).unwrap_or_default()
}

/// `/proc/sys/kernel/osrelease`: the running kernel's release (uname -r); empty where it
/// does not tell.
#[must_use]
pub fn release() -> String {
    file::read_line(RELEASE).unwrap_or_default()
}

/// What the running system says of how it came up.
#[must_use]
pub fn here() -> Here {
    Here {
        boot_id: boot_id(),
        cmdline: super::running_cmdline().unwrap_or_default(),
        release: release(),
        was_reset: watchdog::that_reset().is_some(),
    }
}

/// `rename(2)`, `fsync(2)`: writes down what is loaded.
///
/// # Errors
/// The errno, with the file's name.
pub fn keep_loaded(loaded: &Loaded) -> Result<(), Error> {
    may()?;
    Folder::new(NOW).write(name_of(loaded.slot), &loaded.text())
}

/// `unlink(2)`, `fsync(2)`: nothing is loaded there any more.
///
/// # Errors
/// As [`keep_loaded`].
pub fn forget_loaded(slot: Slot) -> Result<(), Error> {
    may()?;
    Folder::new(NOW).remove(name_of(slot))
}

/// `read(2)`: what was written down as loaded, by this very system. That it still is, only
/// the kernel can say ([`super::kexec::is_loaded`]).
///
/// # Errors
/// A file that cannot be read, or not understood.
pub fn loaded(slot: Slot) -> Result<Option<Loaded>, Error> {
    let loaded = Folder::new(NOW).read(name_of(slot), Loaded::read)?;
    Ok(loaded.filter(|loaded| loaded.slot == slot && loaded.boot_id == boot_id()))
}

/// `rename(2)`, `fsync(2)`: writes down, flushed, what is asked for.
///
/// # Errors
/// As [`keep_loaded`].
pub fn ask(asked: &Asked) -> Result<(), Error> {
    may()?;
    Folder::new(NEXT).write(ASKED, &asked.text())
}

/// `unlink(2)`, `fsync(2)`: takes back what was asked for: this system was not left after
/// all.
///
/// # Errors
/// As [`keep_loaded`].
pub fn forget_asked() -> Result<(), Error> {
    may()?;
    Folder::new(NEXT).remove(ASKED)
}

/// `read(2)`: what was asked for last.
///
/// # Errors
/// As [`loaded`].
pub fn asked() -> Result<Option<Asked>, Error> {
    Folder::new(NEXT).read(ASKED, Asked::read)
}

/// `read(2)`: the pairs of kernels that have failed on this machine.
///
/// # Errors
/// As [`loaded`].
pub fn failed() -> Result<Vec<Pair>, Error> {
    Folder::new(NEXT).read(FAILED, Pair::read).map(Option::unwrap_or_default)
}

/// `rename(2)`, `fsync(2)`: writes down, flushed, which pairs have failed.
///
/// # Errors
/// As [`keep_loaded`].
pub fn keep_failed(pairs: &[Pair]) -> Result<(), Error> {
    may()?;
    Folder::new(NEXT).write(FAILED, &Pair::text(pairs))
}

/// `read(2)`: how the last systems that were asked for came up, the newest last.
///
/// # Errors
/// As [`loaded`].
pub fn history() -> Result<Vec<Arrival>, Error> {
    Folder::new(NEXT).read(HISTORY, Arrival::read).map(Option::unwrap_or_default)
}

/// `rename(2)`, `fsync(2)`: writes down, flushed, how this system came up, as the newest of
/// these.
///
/// # Errors
/// As [`keep_loaded`].
pub fn keep_arrival(arrival: &Arrival, history: Vec<Arrival>) -> Result<(), Error> {
    may()?;
    Folder::new(NEXT).write(HISTORY, &arrival.clone().text_with(history))
}

/// `rename(2)`, `fsync(2)`: writes down what is to be loaded as this system goes down.
///
/// # Errors
/// As [`keep_loaded`].
pub fn defer(deferred: &Deferred) -> Result<(), Error> {
    may()?;
    Folder::new(NOW).write(DEFERRED, &deferred.text())
}

/// `read(2)`: what is to be loaded as this system goes down.
///
/// # Errors
/// As [`loaded`].
pub fn deferred() -> Result<Option<Deferred>, Error> {
    let deferred = Folder::new(NOW).read(DEFERRED, Deferred::read)?;
    Ok(deferred.filter(|deferred| deferred.boot_id == boot_id()))
}

/// `unlink(2)`, `fsync(2)`: nothing is.
///
/// # Errors
/// As [`keep_loaded`].
pub fn forget_deferred() -> Result<(), Error> {
    may()?;
    Folder::new(NOW).remove(DEFERRED)
}

const fn name_of(slot: Slot) -> &'static str {
    match slot {
        Slot::Normal => "loaded",
        Slot::Crash => "loaded-crash",
    }
}

/// No test and no development build writes records of the machine that it runs on.
fn may() -> Result<(), Error> {
    guard::may("writing a record")
}

/// A folder of records.
struct Folder(PathBuf);

impl Folder {
    fn new(path: impl AsRef<Path>) -> Self {
        Self(path.as_ref().to_owned())
    }

    /// What a record says; none where there is none.
    fn read<T>(
        &self,
        name: &str,
        understand: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<Option<T>, Error> {
        let path = self.0.join(name);
        let bytes = match file::read_bytes(&path, MAX_TEXT as u64) {
            Ok(bytes) => bytes,
            Err(error) if error.is_absence() => return Ok(None),
            Err(error) => return Err(error),
        };
        let refusal = |why: &str| Error::refusal(path.display().to_string(), why);
        let text = core::str::from_utf8(&bytes).map_err(|error| refusal(&error.to_string()))?;
        understand(text).map(Some).map_err(|problem| refusal(&problem.to_string()))
    }

    /// Has the record on the disk, or the one before it.
    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.0.join(name);
        if text.len() > MAX_TEXT {
            return Err(at(&path, std::io::Error::from_raw_os_error(libc::EFBIG)));
        }
        self.make()?;
        // Of two commands at once each has a file of its own.
        let beside = self.0.join(format!("{name}.{}", std::process::id()));
        write_whole(&beside, text).map_err(|source| at(&beside, source))?;
        fs::rename(&beside, &path).map_err(|source| at(&path, source))?;
        self.flush()
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Ok(()) => self.flush(),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(at(&path, source)),
        }
    }

    fn make(&self) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(at(&self.0, source))
            }
            _ => Ok(()),
        }
    }

    fn flush(&self) -> Result<(), Error> {
        File::open(&self.0)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| at(&self.0, source))
    }
}

fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    // What another command left there, interrupted, may be anything.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn at(path: &Path, source: std::io::Error) -> Error {
    Error::new(path.display().to_string(), source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// A place of its own, gone with the value.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("turnout-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn folder(&self) -> Folder {
            Folder::new(self.0.join("turnout"))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn pairs(to: &str) -> Vec<Pair> {
        vec![Pair { from: "6.1".to_owned(), to: to.to_owned() }]
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_record_is_written_whole_and_for_root_alone() {
        let place = Place::new("records");
        let folder = place.folder();
        assert_eq!(folder.read(FAILED, Pair::read).unwrap(), None);
        for to in ["6.12", "6.13"] {
            folder.write(FAILED, &Pair::text(&pairs(to))).unwrap();
            assert_eq!(folder.read(FAILED, Pair::read).unwrap(), Some(pairs(to)));
        }
        assert_eq!((mode(&folder.0), mode(&folder.0.join(FAILED))), (0o700, 0o600));
        let names: Vec<_> = file::names(&folder.0).unwrap();
        assert_eq!(names, [FAILED], "nothing is left beside it");
        folder.remove(FAILED).unwrap();
        folder.remove(FAILED).unwrap();
        assert_eq!(folder.read(FAILED, Pair::read).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_written_is_named_and_the_old_record_stays() {
        let place = Place::new("records-not");
        let nowhere = Folder::new(place.0.join("missing/turnout"));
        let error = nowhere.write(FAILED, &Pair::text(&[])).unwrap_err().to_string();
        assert!(error.starts_with(&nowhere.0.display().to_string()), "{error}");
        let folder = place.folder();
        folder.write(FAILED, &Pair::text(&pairs("6.12"))).unwrap();
        let error = folder.write(FAILED, &"x".repeat(MAX_TEXT + 1)).unwrap_err();
        assert_eq!(error.source.raw_os_error(), Some(libc::EFBIG));
        assert!(error.what.ends_with("/turnout/failed"), "{error}");
        // Something that is no file stands where the new record is to be written.
        fs::create_dir(folder.0.join(format!("{FAILED}.{}", std::process::id()))).unwrap();
        let error = folder.write(FAILED, &Pair::text(&pairs("6.13"))).unwrap_err();
        assert!(error.what.contains("/turnout/failed."), "{error}");
        assert_eq!(folder.read(FAILED, Pair::read).unwrap(), Some(pairs("6.12")));
    }

    #[test]
    fn a_record_that_is_not_understood_is_said_with_its_file_and_line() {
        let place = Place::new("records-odd");
        let folder = place.folder();
        folder.write(FAILED, "turnout-record 1 failed\nfrom a\nend\n").unwrap();
        let error = folder.read(FAILED, Pair::read).unwrap_err().to_string();
        let path = folder.0.join(FAILED).display().to_string();
        assert_eq!(error, format!("{path}: line 3: it should begin with \"to\", and is \"end\""));
        fs::write(folder.0.join(FAILED), b"turnout\xff").unwrap();
        let error = folder.read(FAILED, Pair::read).unwrap_err().to_string();
        assert!(error.contains("invalid utf-8"), "{error}");
        fs::write(folder.0.join(FAILED), vec![b'a'; MAX_TEXT + 1]).unwrap();
        let error = folder.read(FAILED, Pair::read).unwrap_err();
        assert_eq!(error.source.raw_os_error(), Some(libc::EFBIG));
    }

    #[test]
    fn a_test_writes_no_record_of_its_machine() {
        for refused in [forget_loaded(Slot::Normal), forget_asked(), keep_failed(&[])] {
            let refused = refused.unwrap_err().to_string();
            assert_eq!(refused, "writing a record: not asked of the kernel: this is a test");
        }
    }
}
