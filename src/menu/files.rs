//! The files of one volume, as the parsers of menus see them.
//!
//! Paths are absolute within the volume, with `/` between their parts. What is
//! behind them is none of the parsers' business: a mounted partition, or a map
//! in a test. Nothing here writes.

use core::ops::ControlFlow;
use std::collections::{BTreeMap, BTreeSet};

/// The files of one volume.
pub trait Files {
    /// A whole file of at most `limit` bytes; `None` if there is none.
    ///
    /// # Errors
    /// A sentence that names the file and says why it cannot be read.
    fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String>;

    /// `length` bytes of a file from `offset` on, or as many as there are; `None`
    /// if there is no such file.
    ///
    /// # Errors
    /// As [`Files::read`].
    fn read_at(&self, path: &str, offset: u64, length: usize) -> Result<Option<Vec<u8>>, String>;

    /// A whole file of at most `limit` bytes that decides, such as a manifest: never
    /// through a symbolic link; `None` if there is none.
    ///
    /// # Errors
    /// As [`Files::read`].
    fn small(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String>;

    /// The length of a regular file, in bytes.
    ///
    /// # Errors
    /// As [`Files::read`]; and that there is none.
    fn size(&self, path: &str) -> Result<u64, String>;

    /// Whether there is such a directory.
    fn is_directory(&self, path: &str) -> bool;

    /// Shows every name in a directory, without `.` and `..`, in any order, until
    /// `visit` has enough; none if there is no such directory. A name that is not
    /// UTF-8 is shown as `None`.
    ///
    /// # Errors
    /// A sentence that names the directory and says why it cannot be read.
    fn each_name(&self, directory: &str, visit: &mut Visit<'_>) -> Result<(), String>;
}

/// Is shown a name.
pub type Visit<'a> = dyn FnMut(Option<&str>) -> ControlFlow<()> + 'a;

/// Files in memory: their absolute paths and their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory(pub BTreeMap<String, Vec<u8>>);

impl<P: Into<String>, B: Into<Vec<u8>>> FromIterator<(P, B)> for Memory {
    fn from_iter<T: IntoIterator<Item = (P, B)>>(files: T) -> Self {
        Self(files.into_iter().map(|(path, bytes)| (path.into(), bytes.into())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        match self.0.get(path) {
            Some(bytes) if bytes.len() > limit => {
                Err(format!("{path}: {} bytes long, at most {limit} are read", bytes.len()))
            }
            found => Ok(found.cloned()),
        }
    }

    fn read_at(&self, path: &str, offset: u64, length: usize) -> Result<Option<Vec<u8>>, String> {
        let Some(bytes) = self.0.get(path) else { return Ok(None) };
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(length).min(bytes.len());
        Ok(bytes.get(start..end).map(<[u8]>::to_vec))
    }

    fn small(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        self.read(path, limit)
    }

    fn size(&self, path: &str) -> Result<u64, String> {
        let found = self.0.get(path).map(|bytes| bytes.len() as u64);
        found.ok_or_else(|| format!("{path}: there is no such file"))
    }

    /// One that has a file.
    fn is_directory(&self, path: &str) -> bool {
        let start = format!("{}/", path.trim_end_matches('/'));
        let next = self.0.range(start.clone()..).next();
        next.is_some_and(|(path, _)| path.starts_with(&start))
    }

    fn each_name(&self, directory: &str, visit: &mut Visit<'_>) -> Result<(), String> {
        let start = format!("{}/", directory.trim_end_matches('/'));
        let below = self.0.keys().filter_map(|path| path.strip_prefix(&start));
        let names: BTreeSet<&str> = below.filter_map(|path| path.split('/').next()).collect();
        let _ = names.into_iter().try_for_each(|name| visit(Some(name)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_memory_are_read_whole_in_part_and_by_directory() {
        let files: Memory = [("/a/b", "text"), ("/a/c/d", ""), ("/e", "")].into_iter().collect();
        assert_eq!(files.read("/a/b", 4), Ok(Some(b"text".to_vec())));
        assert_eq!(files.read("/a/b", 3), Err("/a/b: 4 bytes long, at most 3 are read".to_owned()));
        assert_eq!(files.read("/a", 4), Ok(None));
        assert_eq!(files.read_at("/a/b", 1, 2), Ok(Some(b"ex".to_vec())));
        assert_eq!(files.read_at("/a/b", 9, 2), Ok(Some(vec![])));
        for (directory, expected) in [("/a", "b c"), ("/", "a e"), ("/none", "")] {
            let mut names = Vec::new();
            let all = files.each_name(directory, &mut |name| {
                names.extend(name.map(str::to_owned));
                ControlFlow::Continue(())
            });
            assert_eq!((all, names.join(" ").as_str()), (Ok(()), expected));
        }
        let none = Err("/a/c: there is no such file".to_owned());
        assert_eq!((files.size("/a/b"), files.size("/a/c")), (Ok(4), none));
        for (path, expected) in
            [("/a", true), ("/", true), ("/a/c/", true), ("/a/b", false), ("/b", false)]
        {
            assert_eq!(files.is_directory(path), expected, "{path}");
        }
    }
}
