//! Reads the files of a boot partition, each exactly once, into sealed memory.
//!
//! A path never leaves the partition: openat2(2) resolves it beneath its root
//! and on no other mount. Symbolic links are followed only where distributions
//! keep the names of kernels and menus as links, and never to a manifest, a
//! signature or anything else that decides. Only regular files are read, nothing
//! blocks on another one; how much is read is limited before memory is taken,
//! and a file that changes meanwhile is refused.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use linux_raw_sys::general::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, PosixFadviseAdvice, ResolveFlag, openat2, posix_fadvise};
use nix::libc;
use nix::sys::statfs::fstatfs;

pub use super::sealed::{Sealed, keep_files};

use super::sealed::{Memory, digest, unreadable};
use super::{Error, machine};
use crate::bundle::Blob;
use crate::image::HEAD;
use crate::menu::{self, Files, Visit};

/// How often a path is resolved that the kernel could not be sure of, because
/// something was mounted or renamed meanwhile (openat2(2), EAGAIN).
const RESOLUTIONS: usize = 16;

/// Files of fewer bytes never make memory short.
const LARGE: u64 = 16 << 20;

/// Memory is short where a file is larger than this part of what is left.
const LITTLE: u64 = 8;

/// The root of a mounted boot partition.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    links: Links,
    /// The directory of its file system that is mounted there; empty for its top.
    subvolume: String,
}

/// What becomes of a symbolic link on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    /// It ends the path.
    Refused,
    /// It is followed, up to the 40 that the kernel follows, if it leads to a
    /// place beneath the root.
    Followed,
}

impl Links {
    /// Those file systems on which /boot/vmlinuz and /boot/loader may be links.
    const fn of(magic: u32) -> Self {
        match magic {
            EXT4_SUPER_MAGIC | XFS_SUPER_MAGIC | BTRFS_SUPER_MAGIC => Self::Followed,
            _ => Self::Refused,
        }
    }

    fn resolve(self) -> ResolveFlag {
        let inside = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_MAGICLINKS
            | ResolveFlag::RESOLVE_NO_XDEV;
        match self {
            Self::Refused => inside | ResolveFlag::RESOLVE_NO_SYMLINKS,
            Self::Followed => inside,
        }
    }

    /// What the path has that openat2(2) refused.
    const fn explain(self, errno: Errno) -> Option<&'static str> {
        match (errno, self) {
            (Errno::ELOOP, Self::Refused) => {
                Some("there is a symbolic link on this path, and none may lead here")
            }
            (Errno::ELOOP, Self::Followed) => {
                Some("the symbolic links on this path lead in a circle, or are more than 40")
            }
            (Errno::EXDEV, _) => Some("this path leads out of the boot partition"),
            (Errno::EAGAIN, _) => Some("this path cannot be followed: it keeps changing"),
            (Errno::ENXIO, _) => Some("not a regular file"),
            _ => None,
        }
    }
}

impl Root {
    /// `open(2)`, `fstatfs(2)`: opens the directory.
    ///
    /// # Errors
    /// The errno, with the path.
    pub fn open(path: &str) -> Result<Self, Error> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_PATH;
        let directory = nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty())
            .map_err(|errno| Error::new(path, errno))?;
        let on = fstatfs(directory.as_fd()).map_err(|errno| Error::new(path, errno))?;
        // The number has another type on every architecture.
        let magic = u32::try_from(on.filesystem_type().0).unwrap_or(0);
        Ok(Self { directory, links: Links::of(magic), subvolume: String::new() })
    }

    /// The same where only this directory of the file system is mounted (`/@`): a menu
    /// whose paths begin at the file system's top finds its files too.
    #[must_use]
    pub fn of_subvolume(self, subvolume: String) -> Self {
        Self { subvolume, ..self }
    }

    /// A path of the file system as it is called below what is mounted.
    #[must_use]
    pub fn inside<'a>(&self, path: &'a str) -> &'a str {
        let below = path.strip_prefix(&self.subvolume);
        below.filter(|below| below.starts_with('/')).unwrap_or(path)
    }

    fn resolve(&self, path: &str, flags: OFlag, links: Links) -> Result<OwnedFd, Error> {
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(links.resolve());
        let below = match self.inside(path).trim_start_matches('/') {
            "" => ".",
            below => below,
        };
        let mut result = openat2(&self.directory, below, how);
        for _ in 1..RESOLUTIONS {
            match result {
                Err(Errno::EAGAIN | Errno::EINTR) => {
                    result = openat2(&self.directory, below, how);
                }
                _ => break,
            }
        }
        result.map_err(|errno| match links.explain(errno) {
            Some(why) => Error::refusal(path, why),
            None => Error::new(path, errno),
        })
    }

    /// Opens a regular file beneath the root, without blocking on anything
    /// that is not one.
    fn regular(&self, path: &str, links: Links) -> Result<Opened, Error> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        if_regular(path, File::from(self.resolve(path, flags, links)?))
    }

    /// `openat2(2)`: opens a regular file for a tool of the host: through symbolic links
    /// that stay beneath the root, on whatever file system it is there.
    ///
    /// # Errors
    /// The errno, or what is wrong with the path.
    pub fn file(&self, path: &str) -> Result<File, Error> {
        self.regular(path, Links::Followed).map(|opened| opened.file)
    }

    /// `openat2(2)`, `fstat(2)`: looks whether a regular file is there, and how long it is,
    /// in bytes. The file is not opened.
    ///
    /// # Errors
    /// The errno, or what is wrong with the path.
    pub fn size(&self, path: &str) -> Result<u64, Error> {
        let file = File::from(self.resolve(path, OFlag::O_PATH, self.links)?);
        if_regular(path, file).map(|opened| opened.size)
    }

    /// `openat2(2)`, `read(2)`: reads a small file that decides, such as a manifest or a
    /// signature, whole and never through a symbolic link; `None` if there is none.
    ///
    /// # Errors
    /// The errno, what is wrong with the path, a file of more than `limit`
    /// bytes, or one that changed its length while it was read.
    pub fn small(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        read_small(path, self.regular(path, Links::Refused), limit)
    }

    /// `openat2(2)`, `read(2)`: reads a menu's text: as [`Root::small`], but through
    /// symbolic links where distributions have them.
    ///
    /// # Errors
    /// As [`Root::small`].
    pub fn menu_text(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        read_small(path, self.regular(path, self.links), limit)
    }

    /// `openat2(2)`, `readdir(3)`: shows every name in a directory, as
    /// [`Files::each_name`].
    ///
    /// # Errors
    /// The errno, or what is wrong with the path.
    pub fn each_name(&self, path: &str, visit: &mut Visit<'_>) -> Result<(), Error> {
        let fd = match self.resolve(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY, self.links) {
            Err(error) if error.is_absence() => return Ok(()),
            other => other?,
        };
        nix::dir::Dir::from_fd(fd)
            .and_then(|mut directory| show(directory.iter(), visit))
            .map_err(|errno| Error::new(path, errno))
    }

    /// `openat2(2)`, `read(2)`: reads a file of at most `limit` bytes into sealed memory
    /// and hashes it on the way, until somebody sets `stop`.
    ///
    /// # Errors
    /// The errno; what is wrong with the path; an empty file; one longer than
    /// `limit`; one that shrank or grew while it was read; that it was stopped.
    pub fn blob(&self, path: &str, limit: u64, stop: &AtomicBool) -> Result<Blob<Sealed>, Error> {
        read(path, self.regular(path, self.links)?, limit, stop)
    }

    /// `openat2(2)`, `read(2)`: reads a file as [`Root::blob`] does, and keeps no more than
    /// its start.
    ///
    /// # Errors
    /// As [`Root::blob`].
    pub fn head(&self, path: &str, limit: u64, stop: &AtomicBool) -> Result<Blob<Head>, Error> {
        read_head(path, self.regular(path, self.links)?, limit, stop)
    }
}

/// The first bytes of a file, [`HEAD`] or all that there are.
#[derive(Debug)]
pub struct Head(pub Vec<u8>);
/// What menus are made of, through symbolic links where distributions have them.
impl Files for Root {
    fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        self.menu_text(path, limit as u64).map_err(|error| error.to_string())
    }

    fn read_at(&self, path: &str, offset: u64, length: usize) -> Result<Option<Vec<u8>>, String> {
        let file = match self.regular(path, self.links) {
            Err(error) if error.is_absence() => return Ok(None),
            opened => opened.map_err(|error| error.to_string())?.file,
        };
        let mut bytes = vec![0; length];
        let mut filled = 0_usize;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(filled as u64);
            match file.read_at(rest, at) {
                Ok(0) => break,
                Ok(read) => filled = filled.saturating_add(read),
                Err(source) => return Err(Error::new(path, source).to_string()),
            }
        }
        bytes.truncate(filled);
        Ok(Some(bytes))
    }

    fn small(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        Self::small(self, path, limit as u64).map_err(|error| error.to_string())
    }

    fn size(&self, path: &str) -> Result<u64, String> {
        Self::size(self, path).map_err(|error| error.to_string())
    }

    fn is_directory(&self, path: &str) -> bool {
        self.resolve(path, OFlag::O_PATH | OFlag::O_DIRECTORY, self.links).is_ok()
    }

    fn each_name(&self, directory: &str, visit: &mut Visit<'_>) -> Result<(), String> {
        Self::each_name(self, directory, visit).map_err(|error| error.to_string())
    }
}

/// The devices that the files of an entry are on.
#[derive(Debug, Clone)]
pub struct Roots {
    /// The one of its menu.
    home: Arc<Root>,
    /// Others, by what an entry calls them.
    others: Vec<(String, Arc<Root>)>,
}

impl From<Arc<Root>> for Roots {
    fn from(home: Arc<Root>) -> Self {
        Self { home, others: Vec::new() }
    }
}

impl Roots {
    /// Another device, of which files are called `(name)/path`.
    #[must_use]
    pub fn with(mut self, name: &str, root: Arc<Root>) -> Self {
        self.others.push((name.to_owned(), root));
        self
    }

    /// The root of the device of a file, and the path on it.
    fn at<'p>(&self, path: &'p str) -> Result<(&Root, &'p str), Error> {
        let Some((name, on_device)) = menu::split(path) else { return Ok((&self.home, path)) };
        match self.others.iter().find(|(other, _)| other == name) {
            Some((_, root)) => Ok((root, on_device)),
            None => Err(Error::refusal(path, "its device is not here")),
        }
    }

    /// `openat2(2)`, `fstat(2)`: as [`Root::size`].
    ///
    /// # Errors
    /// As [`Root::size`]; and that the device is not here.
    pub fn size(&self, path: &str) -> Result<u64, Error> {
        let (root, on_device) = self.at(path)?;
        root.size(on_device).map_err(|error| on_its_device(path, error))
    }
}

/// What is wrong with a file, with the name of its device where it has one.
fn on_its_device(path: &str, error: Error) -> Error {
    match menu::split(path) {
        Some((name, _)) => Error { what: menu::join(name, &error.what), ..error },
        None => error,
    }
}

/// The files of one entry, which may not take more than so much memory together.
#[derive(Debug)]
pub struct Reading<'a> {
    roots: &'a Roots,
    stop: &'a AtomicBool,
    left: u64,
}

impl<'a> Reading<'a> {
    /// Nothing read yet, and at most `limit` bytes to come, until somebody sets
    /// `stop`.
    #[must_use]
    pub const fn new(roots: &'a Roots, limit: u64, stop: &'a AtomicBool) -> Self {
        Self { roots, stop, left: limit }
    }

    /// `openat2(2)`, `read(2)`: reads one more file, as [`Root::blob`]; its path is then
    /// that on its device, which is what a manifest names.
    ///
    /// # Errors
    /// As [`Root::blob`], with the device.
    pub fn blob(&mut self, path: &str) -> Result<Blob<Sealed>, Error> {
        let (root, on_device) = self.roots.at(path)?;
        let blob = root.blob(on_device, self.left, self.stop);
        let blob = blob.map_err(|error| on_its_device(path, error))?;
        self.left = self.left.saturating_sub(blob.size);
        Ok(blob)
    }

    /// `openat2(2)`, `read(2)`: reads one more file, as [`Root::head`].
    ///
    /// # Errors
    /// As [`Root::head`], with the device.
    pub fn head(&mut self, path: &str) -> Result<Blob<Head>, Error> {
        let (root, on_device) = self.roots.at(path)?;
        let blob = root.head(on_device, self.left, self.stop);
        let blob = blob.map_err(|error| on_its_device(path, error))?;
        self.left = self.left.saturating_sub(blob.size);
        Ok(blob)
    }
}

/// `stat(2)`: how long a file is that an administrator named, in bytes; `None` if that cannot be told, which reading it then says.
#[must_use]
pub fn size(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|meta| meta.len())
}

/// `open(2)`, `read(2)`: reads a file that an administrator named, wherever it is, as
/// [`Root::blob`] does one of the boot partition. Symbolic links are followed:
/// /boot/vmlinuz is one on many systems.
///
/// # Errors
/// As [`Root::blob`].
pub fn blob(path: &Path, limit: u64) -> Result<Blob<Sealed>, Error> {
    let name = path.display().to_string();
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|source| Error::new(&name, source))?;
    read(&name, if_regular(&name, file)?, limit, &AtomicBool::new(false))
}

/// Up to the first error: a damaged directory may give one for ever.
fn show(
    entries: impl Iterator<Item = nix::Result<nix::dir::Entry>>,
    visit: &mut Visit<'_>,
) -> nix::Result<()> {
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && visit(str::from_utf8(name).ok()).is_break() {
            break;
        }
    }
    Ok(())
}

/// A regular file, and its length in bytes when it was opened.
struct Opened {
    file: File,
    size: u64,
}

/// The file, unless it is something else.
fn if_regular(path: &str, file: File) -> Result<Opened, Error> {
    let meta = file.metadata().map_err(|source| Error::new(path, source))?;
    if meta.is_file() {
        Ok(Opened { file, size: meta.len() })
    } else {
        Err(Error::refusal(path, "not a regular file"))
    }
}

fn check_size(path: &str, size: u64, limit: u64) -> Result<(), Error> {
    if size > limit {
        return Err(Error::refusal(path, &format!("{size} bytes long, at most {limit} are read")));
    }
    Ok(())
}

fn read_small(
    path: &str,
    opened: Result<Opened, Error>,
    limit: u64,
) -> Result<Option<Vec<u8>>, Error> {
    let Opened { mut file, size } = match opened {
        Err(error) if error.is_absence() => return Ok(None),
        other => other?,
    };
    check_size(path, size, limit)?;
    let mut bytes = Vec::new();
    let result = file.by_ref().take(size).read_to_end(&mut bytes);
    let read = bytes.len() as u64;
    result.map_err(|source| unreadable(path, read, size, &source))?;
    if read < size {
        return Err(Error::refusal(path, &format!("ended {} bytes early", size.abs_diff(read))));
    }
    expect_end(path, &mut file)?;
    Ok(Some(bytes))
}

fn read(
    path: &str,
    Opened { mut file, size }: Opened,
    limit: u64,
    stop: &AtomicBool,
) -> Result<Blob<Sealed>, Error> {
    check_size(path, size, limit)?;
    let mut memory = Memory::new(path, size)?;
    let digest = memory.fill(path, &mut file, stop)?;
    expect_end(path, &mut file)?;
    let bytes = memory.seal(path)?;
    if size > LARGE && size > machine::room().available / LITTLE {
        forget(&file);
    }
    Ok(Blob { path: path.to_owned(), bytes: bytes.with_file(file), size, digest })
}

/// Has the kernel give up what it keeps of a file, which is not read again. It would
/// do so when memory runs short; but nobody can tell how much that gives to whom
/// ([`machine::room`]).
fn forget(file: &File) {
    // Where it cannot, it keeps it.
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}

/// Reads a file in pieces of which only the first is kept.
fn read_head(
    path: &str,
    Opened { mut file, size }: Opened,
    limit: u64,
    stop: &AtomicBool,
) -> Result<Blob<Head>, Error> {
    check_size(path, size, limit)?;
    let (digest, head) = digest(path, size, &mut file, HEAD, stop)?;
    expect_end(path, &mut file)?;
    Ok(Blob { path: path.to_owned(), bytes: Head(head), size, digest })
}

fn expect_end(path: &str, file: &mut File) -> Result<(), Error> {
    match file.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Error::refusal(path, "grew while it was read")),
        Err(source) => Err(Error::new(path, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ops::ControlFlow;
    use std::ffi::OsStr;
    use std::io::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use crate::base::digest::Digest;

    fn names(root: &Root, path: &str) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        root.each_name(path, &mut |name| {
            names.extend(name.map(str::to_owned));
            ControlFlow::Continue(())
        })?;
        names.sort();
        Ok(names)
    }

    static GO: AtomicBool = AtomicBool::new(false);

    struct Tree(PathBuf);

    impl Tree {
        /// A root on which links are followed, whatever file system this is.
        fn new(name: &str) -> (Self, Root) {
            let path =
                std::env::temp_dir().join(format!("turnout-read-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            let mut root = Root::open(path.to_str().unwrap()).unwrap();
            root.links = Links::Followed;
            (Self(path), root)
        }

        fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        }

        fn link(&self, name: &str, to: &str) {
            symlink(to, self.0.join(name)).unwrap();
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.unwrap_err().to_string()
    }

    /// The read end of a pipe into which `write` is done, as the file of an
    /// entry that claims to have `size` bytes.
    fn device(size: u64, write: impl FnOnce(&mut File) + Send + 'static) -> Opened {
        let (reader, writer) = std::io::pipe().unwrap();
        std::thread::spawn(move || write(&mut File::from(OwnedFd::from(writer))));
        Opened { file: File::from(OwnedFd::from(reader)), size }
    }

    /// A terminal whose other end has gone: each read of it is EIO. It claims to
    /// have ten bytes.
    fn failing() -> Opened {
        Opened { file: File::from(nix::pty::openpty(None, None).unwrap().master), size: 10 }
    }

    #[test]
    fn a_blob_holds_the_bytes_and_their_digest() {
        let (tree, root) = Tree::new("bytes");
        let bytes: Vec<u8> = (0..400_017_u32).map(|n| n.to_le_bytes()[0]).collect();
        tree.file("kernel", &bytes);
        let blob = root.blob("/kernel", 400_017, &GO).unwrap();
        assert_eq!(blob.bytes.as_ref(), bytes);
        assert_eq!(blob.digest, Digest::of(&bytes));
        assert_eq!(root.size("/kernel").unwrap(), 400_017);
    }

    #[test]
    fn a_blob_can_no_longer_be_written() {
        let (tree, root) = Tree::new("sealed");
        tree.file("kernel", b"kernel");
        let blob = root.blob("kernel", 100, &GO).unwrap();
        let copy = blob.bytes.as_fd().try_clone_to_owned().unwrap();
        assert_eq!(nix::unistd::write(&copy, b"x"), Err(Errno::EPERM));
        assert_eq!(nix::unistd::ftruncate(&copy, 0), Err(Errno::EPERM));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let (tree, root) = Tree::new("kinds");
        std::fs::create_dir(tree.0.join("directory")).unwrap();
        nix::unistd::mkfifo(&tree.0.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(tree.0.join("socket")).unwrap();
        for path in ["/fifo", "/socket", "/directory"] {
            let expected = format!("{path}: not a regular file");
            assert_eq!(message(root.blob(path, 100, &GO)), expected);
            assert_eq!(message(root.small(path, 100)), expected);
            assert_eq!(message(root.size(path)), expected);
        }
        let devices = Root::open("/dev").unwrap();
        assert_eq!(message(devices.blob("/zero", 100, &GO)), "/zero: not a regular file");
    }

    #[test]
    fn what_is_empty_or_absent_or_too_long_is_told_apart() {
        let (tree, root) = Tree::new("sizes");
        tree.file("kernel", b"kernel");
        tree.file("empty", b"");
        assert_eq!(message(root.blob("/empty", 100, &GO)), "/empty: empty");
        let absent = "/none: No such file or directory (os error 2)";
        assert_eq!(message(root.blob("/none", 100, &GO)), absent);
        assert_eq!(root.small("/none", 5).unwrap(), None);
        assert_eq!(root.menu_text("/empty", 5).unwrap().as_deref(), Some(b"".as_slice()));
        let long = "/kernel: 6 bytes long, at most 5 are read";
        assert_eq!(message(root.blob("/kernel", 5, &GO)), long);
        assert_eq!(message(root.small("/kernel", 5)), long);
        assert_eq!(root.small("/kernel", 6).unwrap().as_deref(), Some(b"kernel".as_slice()));
    }

    #[test]
    fn a_file_over_the_limit_takes_no_memory() {
        let (tree, root) = Tree::new("huge");
        File::options().write(true).open(tree.file("huge", b"")).unwrap().set_len(1 << 43).unwrap();
        let refused = "/huge: 8796093022208 bytes long, at most 4096 are read";
        assert_eq!(message(root.blob("/huge", 4096, &GO)), refused);
        assert_eq!(message(root.menu_text("/huge", 4096)), refused);
    }

    #[test]
    fn many_files_take_no_more_memory_than_one() {
        let (tree, root) = Tree::new("together");
        for name in ["kernel", "first", "second"] {
            tree.file(name, b"kernel");
        }
        let roots = Roots::from(Arc::new(root));
        let mut reading = Reading::new(&roots, 13, &GO);
        assert!(reading.blob("/kernel").is_ok() && reading.blob("/first").is_ok());
        let second = message(reading.blob("/second"));
        assert_eq!(second, "/second: 6 bytes long, at most 1 are read");
    }

    #[test]
    fn files_of_other_devices_are_read_there_and_called_as_they_are_signed() {
        let (tree, root) = Tree::new("home");
        let (other_tree, other) = Tree::new("other");
        tree.file("kernel", b"kernel");
        other_tree.file("initrd", b"other");
        let roots = Roots::from(Arc::new(root)).with("vdb,gpt1", Arc::new(other));
        let mut reading = Reading::new(&roots, 13, &GO);
        let initrd = reading.blob("(vdb,gpt1)/initrd").unwrap();
        assert_eq!((initrd.path.as_str(), initrd.bytes.as_ref()), ("/initrd", &b"other"[..]));
        assert_eq!(reading.head("/kernel").unwrap().size, 6);
        assert_eq!(roots.size("(vdb,gpt1)/initrd").unwrap(), 5);
        let long = "(vdb,gpt1)/initrd: 5 bytes long, at most 2 are read";
        assert_eq!(message(reading.blob("(vdb,gpt1)/initrd")), long, "together");
        for path in ["(vdb,gpt1)/kernel", "/initrd"] {
            let none = format!("{path}: No such file or directory (os error 2)");
            assert_eq!(message(roots.size(path)), none);
        }
        let gone = "(vdc)/kernel: its device is not here";
        assert_eq!(message(roots.size("(vdc)/kernel")), gone);
        assert_eq!(message(reading.blob("(vdc)/kernel")), gone);
        let outside = "(vdb,gpt1)/../x: this path leads out of the boot partition";
        assert_eq!(message(reading.blob("(vdb,gpt1)/../x")), outside);
    }

    #[test]
    fn a_path_never_leaves_the_root() {
        let (tree, root) = Tree::new("paths");
        std::fs::create_dir(tree.0.join("inside")).unwrap();
        tree.file("inside/kernel", b"kernel");
        tree.file("kernel", b"kernel");
        tree.link("up", "../etc/passwd");
        tree.link("absolute", "/etc/passwd");
        tree.link("inside/sideways", "../../etc/passwd");
        let paths = ["/../etc/passwd", "/inside/../../kernel", "/up", "/absolute"];
        for path in paths.into_iter().chain(["/inside/sideways"]) {
            let expected = format!("{path}: this path leads out of the boot partition");
            assert_eq!(message(root.blob(path, 100, &GO)), expected);
            assert_eq!(message(root.size(path)), expected);
            assert_eq!(message(root.menu_text(path, 100)), expected);
        }
        assert!(root.blob("/inside/../kernel", 100, &GO).is_ok());
    }

    #[test]
    fn where_a_subvolume_is_mounted_paths_of_the_whole_file_system_lead_into_it() {
        let (tree, root) = Tree::new("subvolume");
        tree.file("boot", b"text");
        let root = root.of_subvolume("/@".to_owned());
        for path in ["/boot", "/@/boot", "@/boot"] {
            let found = root.size(path).ok();
            assert_eq!(found, Some(4).filter(|_| path.starts_with('/')), "{path}");
        }
        for path in ["/@home/boot", "/@boot", "/@/../boot"] {
            assert_eq!(root.size(path).ok(), None, "{path}");
        }
        assert_eq!(root.inside("/@/@/boot"), "/@/boot");
    }

    #[test]
    fn a_path_never_leads_to_another_mount() {
        let root = Root::open("/").unwrap();
        let expected = "/proc/version: this path leads out of the boot partition";
        assert_eq!(message(root.small("/proc/version", 4096)), expected);
    }

    #[test]
    fn links_inside_the_root_are_followed_where_distributions_have_them() {
        let (tree, root) = Tree::new("links");
        std::fs::create_dir_all(tree.0.join("loader.1/entries")).unwrap();
        tree.file("vmlinuz-6.1", b"kernel");
        tree.file("loader.1/entries/a.conf", b"title a");
        tree.link("vmlinuz", "vmlinuz-6.1");
        tree.link("loader", "loader.1");
        assert_eq!(root.blob("/vmlinuz", 6, &GO).unwrap().bytes.as_ref(), b"kernel");
        assert_eq!(root.size("/vmlinuz").unwrap(), 6);
        assert_eq!(names(&root, "/loader/entries").unwrap(), ["a.conf"]);
        let top = ["loader", "loader.1", "vmlinuz", "vmlinuz-6.1"];
        assert_eq!(names(&root, "/").unwrap(), top);
        assert!(root.menu_text("/loader/entries/a.conf", 9).unwrap().is_some());
    }

    #[test]
    fn nothing_that_decides_is_read_through_a_link() {
        let (tree, root) = Tree::new("decides");
        std::fs::create_dir(tree.0.join("real")).unwrap();
        tree.file("real/a.manifest", b"manifest");
        tree.link("turnout", "real");
        tree.link("real/b.manifest", "a.manifest");
        for path in ["/turnout/a.manifest", "/real/b.manifest"] {
            let why = "there is a symbolic link on this path, and none may lead here";
            assert_eq!(message(root.small(path, 100)), format!("{path}: {why}"));
        }
        assert!(root.small("/real/a.manifest", 100).unwrap().is_some());
    }

    #[test]
    fn on_other_file_systems_no_link_is_followed() {
        let (tree, mut root) = Tree::new("nolinks");
        root.links = Links::Refused;
        tree.file("kernel", b"kernel");
        std::fs::create_dir(tree.0.join("directory")).unwrap();
        tree.link("link", "kernel");
        tree.link("menu", "directory");
        let why = "there is a symbolic link on this path, and none may lead here";
        assert_eq!(message(root.blob("/link", 100, &GO)), format!("/link: {why}"));
        assert_eq!(message(root.size("/link")), format!("/link: {why}"));
        assert_eq!(message(names(&root, "/menu")), format!("/menu: {why}"));
    }

    #[test]
    fn links_are_followed_on_three_file_systems_and_on_fat_never() {
        // statfs(2): ext2 to ext4, XFS, Btrfs; FAT, tmpfs, squashfs, iso9660.
        let followed = [0xef53, 0x5846_5342, 0x9123_683e].map(Links::of);
        assert_eq!(followed, [Links::Followed; 3]);
        let refused = [0x4d44, 0x0102_1994, 0x7371_7368, 0x9660, 0].map(Links::of);
        assert_eq!(refused, [Links::Refused; 5]);
    }

    #[test]
    fn a_circle_of_links_and_a_magic_link_are_refused() {
        let (tree, root) = Tree::new("circle");
        tree.link("a", "b");
        tree.link("b", "a");
        let why = "the symbolic links on this path lead in a circle, or are more than 40";
        assert_eq!(message(root.blob("/a", 100, &GO)), format!("/a: {why}"));
        let mut root = Root::open("/proc/self").unwrap();
        root.links = Links::Followed;
        assert_eq!(message(root.size("exe")), format!("exe: {why}"));
    }

    #[test]
    fn a_menu_is_read_whole_in_part_and_by_directory() {
        let (tree, root) = Tree::new("menus");
        std::fs::create_dir(tree.0.join("loader")).unwrap();
        tree.file("loader/a.conf", b"title a");
        tree.link("loader/b.conf", "a.conf");
        let files: &dyn Files = &root;
        assert_eq!(names(&root, "/loader").unwrap(), ["a.conf", "b.conf"]);
        assert_eq!(names(&root, "/none").unwrap(), [""; 0]);
        assert_eq!(files.read("/loader/b.conf", 7), Ok(Some(b"title a".to_vec())));
        assert_eq!(files.read_at("/loader/a.conf", 6, 9), Ok(Some(b"a".to_vec())));
        assert_eq!(files.read_at("/loader/a.conf", 99, 9), Ok(Some(vec![])));
        assert_eq!((files.read("/x", 9), files.read_at("/x", 0, 9)), (Ok(None), Ok(None)));
        let folder = Err("/loader: not a regular file".to_owned());
        assert_eq!((files.size("/loader/b.conf"), files.size("/loader")), (Ok(7), folder));
        assert_eq!(files.read_at("/loader", 0, 1), Err("/loader: not a regular file".to_owned()));
    }

    #[test]
    fn short_reads_make_the_same_blob() {
        let file = device(10, |pipe| {
            for piece in [b"ke".as_slice(), b"r", b"nel", b"text"] {
                pipe.write_all(piece).unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let blob = read("/kernel", file, 100, &GO).unwrap();
        assert_eq!(blob.bytes.as_ref(), b"kerneltext");
        assert_eq!(blob.digest, Digest::of(b"kerneltext"));
    }

    #[test]
    fn a_device_that_fails_is_named_with_the_place() {
        let error = "Input/output error (os error 5)";
        let text = message(read("/kernel", failing(), 100, &GO));
        assert!(text.starts_with("/kernel: byte 0 of 10 cannot be read: "), "{text}");
        assert!(text.ends_with("(os error 5)"), "{text}");
        let small = message(read_small("/kernel", Ok(failing()), 100));
        let head = message(read_head("/kernel", failing(), 100, &GO));
        assert_eq!((small.as_str(), head.as_str()), (text.as_str(), text.as_str()));
        let eio = std::io::Error::from_raw_os_error(5);
        assert_eq!(
            unreadable("/kernel", 7, 10, &eio).to_string(),
            format!("/kernel: byte 7 of 10 cannot be read: {error}")
        );
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_refused() {
        let grew = "/kernel: grew while it was read";
        let file = device(6, |pipe| pipe.write_all(b"kernel+").unwrap());
        assert_eq!(message(read("/kernel", file, 100, &GO)), grew);

        let (tree, root) = Tree::new("grows");
        let path = tree.file("kernel", b"kernel");
        for small in [false, true] {
            let opened = root.regular("/kernel", Links::Refused).unwrap();
            File::options().append(true).open(&path).unwrap().write_all(b"+").unwrap();
            let text = if small {
                message(read_small("/kernel", Ok(opened), 100))
            } else {
                message(read("/kernel", opened, 100, &GO))
            };
            assert_eq!(text, grew);
        }
    }

    #[test]
    fn a_file_that_is_cut_while_it_is_read_is_refused() {
        let (tree, root) = Tree::new("shrinks");
        let path = tree.file("kernel", b"kernel");
        let big = root.regular("/kernel", Links::Refused).unwrap();
        let small = root.regular("/kernel", Links::Refused).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(2).unwrap();
        let cut = "/kernel: ended 4 bytes early";
        assert_eq!(message(read("/kernel", big, 100, &GO)), cut);
        assert_eq!(message(read_small("/kernel", Ok(small), 100)), cut);
    }

    #[test]
    fn of_a_file_that_is_rehearsed_only_the_start_and_the_digest_are_kept() {
        let (tree, root) = Tree::new("head");
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        tree.file("kernel", &bytes);
        tree.file("empty", b"");
        let blob = root.head("/kernel", 300_000, &GO).unwrap();
        assert_eq!((blob.digest, blob.size), (Digest::of(&bytes), 300_000));
        assert_eq!(blob.bytes.0, bytes[..HEAD]);
        let long = message(root.head("/kernel", 299_999, &GO));
        assert_eq!(long, "/kernel: 300000 bytes long, at most 299999 are read");
        assert_eq!(message(root.head("/empty", 9, &GO)), "/empty: empty");
        let stop = AtomicBool::new(true);
        let text = message(root.head("/kernel", 300_000, &stop));
        assert_eq!(text, "/kernel: nobody wants it any more");
    }

    #[test]
    fn reading_stops_when_nobody_wants_it_any_more() {
        let (tree, root) = Tree::new("stop");
        tree.file("kernel", b"kernel");
        let stop = AtomicBool::new(false);
        stop.store(true, Ordering::Relaxed);
        let text = message(root.blob("/kernel", 100, &stop));
        assert_eq!(text, "/kernel: nobody wants it any more");
    }

    #[test]
    fn a_directory_that_fails_for_ever_is_read_once() {
        let mut shown = 0_usize;
        let broken = std::iter::repeat_with(|| Err(Errno::EIO));
        let mut count = |_: Option<&str>| {
            shown += 1;
            ControlFlow::Continue(())
        };
        assert_eq!(show(broken, &mut count), Err(Errno::EIO));
        assert_eq!(shown, 0);
    }

    #[test]
    fn names_are_shown_until_somebody_has_enough() {
        let (tree, root) = Tree::new("enough");
        for name in ["a", "b", "c"] {
            tree.file(name, b"");
        }
        std::fs::write(tree.0.join(OsStr::from_bytes(b"\xff")), b"").unwrap();
        let mut shown = Vec::new();
        let all = root.each_name("/", &mut |name| {
            shown.push(name.map(str::to_owned));
            ControlFlow::Continue(())
        });
        assert!(all.is_ok() && shown.contains(&None), "{shown:?}");
        assert_eq!(shown.len(), 4);
        shown.clear();
        let some = root.each_name("/", &mut |name| {
            shown.push(name.map(str::to_owned));
            if shown.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(some.is_ok());
        assert_eq!(shown.len(), 2);
    }

    #[test]
    fn a_file_that_somebody_named_may_be_a_link_but_nothing_else() {
        let (tree, _) = Tree::new("named");
        tree.file("kernel", b"kernel");
        tree.link("link", "kernel");
        assert_eq!(blob(&tree.0.join("link"), 6).unwrap().bytes.as_ref(), b"kernel");
        assert!(message(blob(&tree.0, 6)).ends_with("not a regular file"));
        assert!(message(blob(&tree.0.join("link"), 5)).ends_with("at most 5 are read"));
    }
}
