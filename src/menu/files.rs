//! The files of one volume, as the parsers of menus see them.
//!
//! Paths are absolute within the volume, with `/` between their parts. What is
//! behind them is none of the parsers' business: a mounted partition, or a map
//! in a test. Nothing here writes.

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

    /// The names in a directory, sorted, without `.` and `..`; none if there is
    /// no such directory.
    ///
    /// # Errors
    /// A sentence that names the directory and says why it cannot be read.
    fn names(&self, directory: &str) -> Result<Vec<String>, String>;

    /// Whether a regular file is there.
    fn has(&self, path: &str) -> bool;
}

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

    fn names(&self, directory: &str) -> Result<Vec<String>, String> {
        let start = format!("{}/", directory.trim_end_matches('/'));
        let below = self.0.keys().filter_map(|path| path.strip_prefix(&start));
        let names: BTreeSet<&str> = below.filter_map(|path| path.split('/').next()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
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
        assert_eq!(files.names("/a").unwrap(), ["b", "c"]);
        assert_eq!(files.names("/").unwrap(), ["a", "e"]);
        assert_eq!((files.has("/a/b"), files.has("/a/c")), (true, false));
    }
}
