//! Writes cpio archives in the "newc" format, the one that Linux unpacks.
//!
//! The bytes depend on the entries alone: they are sorted by path, numbered in
//! that order, and carry no time and no owner. Specification: Linux,
//! `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use turnout::base::cpio::{self as newc, Member};

const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFCHR: u32 = 0o020_000;

/// A tree of files in memory.
#[derive(Debug, Default)]
pub struct Archive(BTreeMap<String, Node>);

#[derive(Debug, Default)]
struct Node {
    /// Type and permissions, as in `st_mode`.
    mode: u32,
    device: (u32, u32),
    content: Vec<u8>,
}

impl Archive {
    /// Adds a directory, 0755, and those above it.
    pub fn directory(&mut self, path: &str) {
        self.put(path, Node { mode: S_IFDIR | 0o755, ..Node::default() });
    }

    /// Adds a file and the directories above it.
    pub fn file(&mut self, path: &str, permissions: u32, content: Vec<u8>) {
        self.put(path, Node { mode: S_IFREG | permissions, content, ..Node::default() });
    }

    /// Adds a character device and the directories above it.
    pub fn character_device(&mut self, path: &str, permissions: u32, device: (u32, u32)) {
        self.put(path, Node { mode: S_IFCHR | permissions, device, ..Node::default() });
    }

    fn put(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.0.contains_key(parent)
        {
            self.directory(parent);
        }
        self.0.insert(path.to_owned(), node);
    }

    /// Path and length of every file, in archive order.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .filter(|(_, node)| node.mode & S_IFREG == S_IFREG)
            .map(|(path, node)| (path.as_str(), node.content.as_slice()))
    }

    /// The archive's bytes.
    ///
    /// # Errors
    /// A file of 4 GiB or more.
    pub fn write(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for (inode, (path, node)) in (1..).zip(&self.0) {
            put_node(&mut out, inode, path, node).with_context(|| format!("/{path}"))?;
        }
        put_node(&mut out, 0, newc::TRAILER, &Node::default())?;
        Ok(out)
    }
}

fn put_node(out: &mut Vec<u8>, inode: u32, path: &str, node: &Node) -> Result<()> {
    ensure!(u32::try_from(node.content.len()).is_ok(), "too long for a cpio archive");
    ensure!(u32::try_from(path.len().saturating_add(1)).is_ok(), "path too long");
    let links = if node.mode & S_IFDIR == S_IFDIR { 2 } else { 1 };
    let content = node.content.as_slice();
    newc::put(out, &Member { inode, mode: node.mode, links, device: node.device, path, content });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Archive {
        let mut archive = Archive::default();
        archive.file("/lib/modules/6.1/kernel/a.ko", 0o644, b"module".to_vec());
        archive.file("/init", 0o755, b"binary!".to_vec());
        archive.character_device("/dev/console", 0o600, (5, 1));
        archive.directory("/lib");
        archive.directory("/lib-x");
        archive
    }

    /// What the cpio crate reads: path, mode, content.
    fn read(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        loop {
            let mut reader = cpio::newc::Reader::new(bytes).unwrap();
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            let mut content = Vec::new();
            std::io::copy(&mut reader, &mut content).unwrap();
            if reader.entry().is_trailer() {
                return entries;
            }
            assert_eq!(reader.entry().mtime(), 0);
            bytes = reader.finish().unwrap();
            entries.push((name, mode, content));
        }
    }

    #[test]
    fn another_reader_finds_what_was_put_in_parents_first() {
        let bytes = example().write().unwrap();
        let entries = read(&bytes);
        let paths: Vec<_> = entries.iter().map(|(path, ..)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "dev",
                "dev/console",
                "init",
                "lib",
                "lib-x",
                "lib/modules",
                "lib/modules/6.1",
                "lib/modules/6.1/kernel",
                "lib/modules/6.1/kernel/a.ko"
            ]
        );
        assert_eq!(entries[1].1, 0o020_600);
        assert_eq!(entries[2].1, 0o100_755);
        assert_eq!(entries[2].2, b"binary!");
        assert_eq!(entries[3].1, 0o040_755);
        assert_eq!(entries[8].2, b"module");
    }

    #[test]
    fn the_console_is_character_device_5_1() {
        let bytes = example().write().unwrap();
        let (_, after) =
            bytes.split_at(bytes.windows(12).position(|w| w == b"dev/console\0").unwrap() - 110);
        let reader = cpio::newc::Reader::new(after).unwrap();
        assert_eq!((reader.entry().rdev_major(), reader.entry().rdev_minor()), (5, 1));
    }

    #[test]
    fn the_order_of_adding_does_not_show() {
        let mut other = Archive::default();
        other.directory("/lib-x");
        other.character_device("/dev/console", 0o600, (5, 1));
        other.file("/init", 0o755, b"binary!".to_vec());
        other.file("/lib/modules/6.1/kernel/a.ko", 0o644, b"module".to_vec());
        assert_eq!(other.write().unwrap(), example().write().unwrap());
    }
}
