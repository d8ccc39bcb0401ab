//! Where a machine is read from: the files of the running kernel, or files that
//! somebody brought from another machine.
//!
//! Every reader of [`super::machine`] names the running kernel's path and goes
//! through [`Sources`]. What another machine is described by stands in for that
//! path; whatever was not brought is absent. Nothing of this machine ever gets
//! into the description of another one.

use std::io;
use std::path::{Path, PathBuf};

use super::{Error, file};
use crate::base::arch::Arch;

/// The sources of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The machine's architecture.
    pub arch: Arch,
    /// Page size of the kernel that runs there, in bytes, where it was given.
    pub page_size: Option<u64>,
    /// For a machine that is described: paths of the running kernel, and what
    /// stands in for them (or, for directories, for everything below).
    stand_ins: Option<Vec<(&'static str, PathBuf)>>,
}

impl Sources {
    /// This machine.
    #[must_use]
    pub const fn live() -> Self {
        Self { arch: super::arch::native(), page_size: None, stand_ins: None }
    }

    /// A machine of which nothing is known but what `stand_ins` hold.
    #[must_use]
    pub const fn described(
        arch: Arch,
        page_size: Option<u64>,
        stand_ins: Vec<(&'static str, PathBuf)>,
    ) -> Self {
        Self { arch, page_size, stand_ins: Some(stand_ins) }
    }

    /// Whether this is the machine that the program runs on.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.stand_ins.is_none()
    }

    /// The path that is really opened; `None` if nothing stands in for it.
    fn find(&self, path: &str) -> Option<PathBuf> {
        let Some(stand_ins) = &self.stand_ins else { return Some(path.into()) };
        stand_ins.iter().find_map(|(real, stand_in)| {
            let rest = Path::new(path).strip_prefix(real).ok()?;
            Some(if rest.as_os_str().is_empty() { stand_in.clone() } else { stand_in.join(rest) })
        })
    }

    fn resolve(&self, path: &str) -> Result<PathBuf, Error> {
        let found = self.find(path);
        found.ok_or_else(|| Error::new(path, io::Error::from(io::ErrorKind::NotFound)))
    }

    /// `read(2)`: as [`file::read_bytes`].
    ///
    /// # Errors
    /// The errno, or EFBIG where the file is larger than `limit` bytes.
    pub fn read_bytes(&self, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
        file::read_bytes(&self.resolve(path)?, limit)
    }

    /// `read(2)`: as [`file::read_text`].
    ///
    /// # Errors
    /// As [`Sources::read_bytes`].
    pub fn read_text(&self, path: &str) -> Result<String, Error> {
        file::read_text(self.resolve(path)?)
    }

    /// `read(2)`: as [`file::read_start`].
    ///
    /// # Errors
    /// The errno.
    pub fn read_start(&self, path: &str, limit: u64) -> Result<String, Error> {
        file::read_start(self.resolve(path)?, limit)
    }

    /// `read(2)`: as [`file::read_first`].
    ///
    /// # Errors
    /// The errno.
    pub fn read_first(&self, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
        file::read_first(&self.resolve(path)?, limit)
    }

    /// `read(2)`: as [`file::read_line`].
    ///
    /// # Errors
    /// As [`Sources::read_bytes`].
    pub fn read_line(&self, path: &str) -> Result<String, Error> {
        file::read_line(self.resolve(path)?)
    }

    /// `read(2)`: as [`file::read_number`].
    #[must_use]
    pub fn read_number(&self, path: &str) -> Option<u64> {
        file::read_number(self.find(path)?)
    }

    /// `readdir(3)`: as [`file::names`].
    ///
    /// # Errors
    /// The errno.
    pub fn names(&self, path: &str) -> Result<Vec<String>, Error> {
        file::names(self.resolve(path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_read_from_its_own_files() {
        assert_eq!(Sources::live().find("/proc/iomem"), Some("/proc/iomem".into()));
        assert!(Sources::live().is_live());
    }

    #[test]
    fn another_machine_has_only_what_was_brought() {
        let stand_ins = vec![
            ("/proc/iomem", "their/iomem".into()),
            ("/sys/firmware/memmap", "their/memmap".into()),
        ];
        let sources = Sources::described(Arch::X86_64, None, stand_ins);
        assert_eq!(sources.find("/proc/iomem"), Some("their/iomem".into()));
        assert_eq!(
            sources.find("/sys/firmware/memmap/0/start"),
            Some("their/memmap/0/start".into())
        );
        assert_eq!(sources.find("/proc/iomem2"), None);
        let absent = sources.read_text("/proc/meminfo").unwrap_err();
        assert!(absent.is_absence());
        assert_eq!(absent.what, "/proc/meminfo");
    }
}
