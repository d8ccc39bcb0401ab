//! Reads the files of an entry, each exactly once, into sealed memory.
//!
//! What was hashed is what will be loaded: the bytes go into a memfd, the
//! digest is taken as they arrive, and the seals keep everything and everybody
//! from changing them afterwards. A path never leaves the boot partition: it
//! is resolved by openat2(2) beneath its root, through no symbolic link and no
//! other mount.

use core::slice;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, OFlag, OpenHow, ResolveFlag, SealFlag, fcntl, openat2};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use sha2::{Digest as _, Sha256};

use super::Error;
use crate::bundle::{Blob, Digest};

/// How much is read and then hashed while it is still in the cache, in bytes.
const CHUNK: usize = 128 << 10;

/// The root of a mounted boot partition.
#[derive(Debug)]
pub struct Root(OwnedFd);

impl Root {
    /// Opens the directory.
    ///
    /// # Errors
    /// The errno, with the path.
    pub fn open(path: &str) -> Result<Self, Error> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_PATH;
        nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty())
            .map(Self)
            .map_err(|errno| Error::new(path, errno))
    }

    /// Opens a regular file beneath the root, without blocking on anything
    /// that is not one.
    fn regular(&self, path: &str) -> Result<(File, u64), Error> {
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
            .resolve(
                ResolveFlag::RESOLVE_BENEATH
                    | ResolveFlag::RESOLVE_NO_SYMLINKS
                    | ResolveFlag::RESOLVE_NO_MAGICLINKS
                    | ResolveFlag::RESOLVE_NO_XDEV,
            );
        let fd = openat2(&self.0, path.trim_start_matches('/'), how)
            .map_err(|errno| Error::new(path, errno))?;
        if_regular(path, File::from(fd))
    }

    /// Whether a regular file is there, and how long it is.
    ///
    /// # Errors
    /// The errno, with the path.
    pub fn size(&self, path: &str) -> Result<u64, Error> {
        self.regular(path).map(|(_, size)| size)
    }

    /// Reads a small file whole; `None` if there is none.
    ///
    /// # Errors
    /// The errno, or EFBIG-like text where it is larger than `limit` bytes.
    pub fn small(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let (file, size) = match self.regular(path) {
            Err(error) if error.source.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            other => other?,
        };
        if size > limit {
            return Err(refuse(path, &format!("{size} bytes long, at most {limit} are read")));
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(|source| Error::new(path, source))?;
        Ok(Some(bytes))
    }

    /// The regular files in a directory, by name; none if there is no such
    /// directory. At most `limit` names.
    ///
    /// # Errors
    /// The errno, with the path.
    pub fn names(&self, path: &str, limit: usize) -> Result<Vec<String>, Error> {
        let how = OpenHow::new()
            .flags(OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let fd = match openat2(&self.0, path.trim_start_matches('/'), how) {
            Ok(fd) => fd,
            Err(nix::errno::Errno::ENOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(Error::new(path, errno)),
        };
        let mut dir = nix::dir::Dir::from_fd(fd).map_err(|errno| Error::new(path, errno))?;
        let mut names: Vec<String> = dir
            .iter()
            .flatten()
            .take(limit)
            .filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Reads a file of at most `limit` bytes into sealed memory and hashes it
    /// on the way, until somebody sets `stop`.
    ///
    /// # Errors
    /// The errno; an empty file; one longer than `limit`; one that shrank or
    /// grew while it was read; that it was stopped.
    pub fn blob(&self, path: &str, limit: u64, stop: &AtomicBool) -> Result<Blob<Sealed>, Error> {
        read(path, self.regular(path)?, limit, stop)
    }
}

/// Reads a file that an administrator named, wherever it is, as [`Root::blob`]
/// does one of the boot partition. Symbolic links are followed: /boot/vmlinuz is
/// one on many systems.
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

/// The file and its length in bytes, unless it is something else.
fn if_regular(path: &str, file: File) -> Result<(File, u64), Error> {
    let meta = file.metadata().map_err(|source| Error::new(path, source))?;
    if meta.is_file() { Ok((file, meta.len())) } else { Err(refuse(path, "not a regular file")) }
}

fn read(
    path: &str,
    (mut file, size): (File, u64),
    limit: u64,
    stop: &AtomicBool,
) -> Result<Blob<Sealed>, Error> {
    if size > limit {
        return Err(refuse(path, &format!("{size} bytes long, at most {limit} are read")));
    }
    let mut memory = Memory::new(path, size)?;
    let digest = memory.fill(path, &mut file, stop)?;
    expect_end(path, &mut file)?;
    let bytes = memory.seal(path)?;
    Ok(Blob { path: path.to_owned(), bytes, digest })
}

fn refuse(path: &str, why: &str) -> Error {
    Error::new(path, std::io::Error::other(why.to_owned()))
}

fn expect_end(path: &str, file: &mut File) -> Result<(), Error> {
    match file.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(refuse(path, "grew while it was read")),
        Err(source) => Err(Error::new(path, source)),
    }
}

/// Bytes that nothing can change any more: a sealed memfd, mapped read-only.
#[derive(Debug)]
pub struct Sealed {
    fd: OwnedFd,
    map: Map,
}

impl Sealed {
    /// A sealed copy of bytes that were put together in memory.
    ///
    /// # Errors
    /// The errno of the memory file.
    pub fn copy(name: &str, bytes: &[u8]) -> Result<Self, Error> {
        let mut file = File::from(memfd(name)?);
        file.write_all(bytes).map_err(|source| Error::new(format!("memory for {name}"), source))?;
        seal(OwnedFd::from(file), name, bytes.len())
    }
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the map lives as long as `self`, is readable over `len`
        // bytes, and the seals of the memfd keep its content and size fixed.
        unsafe { slice::from_raw_parts(self.map.address.as_ptr(), self.map.len.get()) }
    }
}

impl AsFd for Sealed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn memfd(name: &str) -> Result<OwnedFd, Error> {
    memfd_create("turnout", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)
        .map_err(|errno| Error::new(format!("memory for {name}"), errno))
}

/// Seals the memfd and maps it to read.
fn seal(fd: OwnedFd, name: &str, size: usize) -> Result<Sealed, Error> {
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SEAL;
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))
        .map_err(|errno| Error::new(format!("sealing {name}"), errno))?;
    let len = NonZeroUsize::new(size).ok_or_else(|| refuse(name, "empty"))?;
    let map = Map::new(&fd, len, ProtFlags::PROT_READ, name)?;
    Ok(Sealed { fd, map })
}

/// A memfd that is still being written.
struct Memory {
    fd: OwnedFd,
    map: Map,
}

impl Memory {
    fn new(path: &str, size: u64) -> Result<Self, Error> {
        let len = usize::try_from(size).ok().and_then(NonZeroUsize::new);
        let len = len.ok_or_else(|| refuse(path, "empty"))?;
        let fd = memfd(path)?;
        let length =
            i64::try_from(size).map_err(|error| Error::new(path, std::io::Error::other(error)))?;
        nix::unistd::ftruncate(&fd, length)
            .map_err(|errno| Error::new(format!("memory for {path}"), errno))?;
        let map = Map::new(&fd, len, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, path)?;
        Ok(Self { fd, map })
    }

    /// Reads the file to the end of the map, hashing each piece as it comes.
    fn fill(&mut self, path: &str, file: &mut File, stop: &AtomicBool) -> Result<Digest, Error> {
        let mut hash = Sha256::new();
        let len = self.map.len.get();
        // SAFETY: the map is readable and writable over `len` bytes, was zeroed
        // by the kernel, and this is the only reference to it.
        let mut rest = unsafe { slice::from_raw_parts_mut(self.map.address.as_ptr(), len) };
        while !rest.is_empty() {
            if stop.load(Ordering::Relaxed) {
                return Err(refuse(path, "nobody wants it any more"));
            }
            let chunk = rest.len().min(CHUNK);
            let (space, _) = rest.split_at_mut(chunk);
            let count = match file.read(space) {
                Ok(0) => return Err(refuse(path, &format!("ended {} bytes early", rest.len()))),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => 0,
                Err(source) => return Err(Error::new(path, source)),
            };
            let (read, left) = rest.split_at_mut(count);
            hash.update(&*read);
            rest = left;
        }
        Ok(Digest(hash.finalize().into()))
    }

    fn seal(self, path: &str) -> Result<Sealed, Error> {
        let Self { fd, map } = self;
        let size = map.len.get();
        // F_SEAL_WRITE is refused while a writable map exists.
        drop(map);
        seal(fd, path, size)
    }
}

/// A shared mapping of a whole memfd.
#[derive(Debug)]
struct Map {
    address: NonNull<u8>,
    len: NonZeroUsize,
}

// SAFETY: a mapping belongs to the process, not to a thread.
unsafe impl Send for Map {}

// SAFETY: `Map` alone gives no access. What it holds is written only through
// `&mut Memory`, and read by several only once it is sealed.
unsafe impl Sync for Map {}

impl Map {
    fn new(fd: &OwnedFd, len: NonZeroUsize, access: ProtFlags, name: &str) -> Result<Self, Error> {
        // One call instead of a page fault every 4 KiB.
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        // SAFETY: the kernel chooses the address, so no existing mapping is
        // touched; the result is owned by the value returned here.
        let address = unsafe { mmap(None, len, access, flags, fd, 0) }
            .map_err(|errno| Error::new(format!("memory for {name}"), errno))?;
        Ok(Self { address: address.cast(), len })
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: address and length are those of the mmap call, and every
        // reference into the map borrows from its owner.
        let _ = unsafe { munmap(self.address.cast(), self.len.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    static GO: AtomicBool = AtomicBool::new(false);

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> (Self, Root) {
            let path =
                std::env::temp_dir().join(format!("turnout-read-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            let root = Root::open(path.to_str().unwrap()).unwrap();
            (Self(path), root)
        }

        fn file(&self, name: &str, bytes: &[u8]) {
            std::fs::write(self.0.join(name), bytes).unwrap();
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

    #[test]
    fn a_blob_holds_the_bytes_and_their_digest() {
        let (tree, root) = Tree::new("bytes");
        let bytes: Vec<u8> =
            (0..u32::try_from(3 * CHUNK + 17).unwrap()).map(|n| n.to_le_bytes()[0]).collect();
        tree.file("kernel", &bytes);
        let blob = root.blob("/kernel", 1 << 30, &GO).unwrap();
        assert_eq!(blob.bytes.as_ref(), bytes);
        assert_eq!(blob.digest, Digest::of(&bytes));
    }

    #[test]
    fn a_blob_can_no_longer_be_written() {
        let (tree, root) = Tree::new("sealed");
        tree.file("kernel", b"kernel");
        let blob = root.blob("kernel", 100, &GO).unwrap();
        let copy = blob.bytes.as_fd().try_clone_to_owned().unwrap();
        assert_eq!(nix::unistd::write(&copy, b"x"), Err(nix::errno::Errno::EPERM));
        assert_eq!(nix::unistd::ftruncate(&copy, 0), Err(nix::errno::Errno::EPERM));
    }

    #[test]
    fn only_regular_files_inside_the_root_are_read() {
        let (tree, root) = Tree::new("kinds");
        tree.file("kernel", b"kernel");
        tree.file("empty", b"");
        symlink("kernel", tree.0.join("link")).unwrap();
        nix::unistd::mkfifo(&tree.0.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let refused = |path| message(root.blob(path, 100, &GO));
        // The C libraries differ in their words for these, not in the number.
        assert!(refused("/link").ends_with("(os error 40)"), "{}", refused("/link"));
        assert!(refused("/../etc/passwd").ends_with("(os error 18)"), "not EXDEV");
        assert_eq!(refused("/fifo"), "/fifo: not a regular file");
        assert_eq!(refused("/empty"), "/empty: empty");
        assert_eq!(refused("/none"), "/none: No such file or directory (os error 2)");
        assert_eq!(
            message(root.blob("/kernel", 5, &GO)),
            "/kernel: 6 bytes long, at most 5 are read"
        );
        assert_eq!(message(root.small("/kernel", 5)), "/kernel: 6 bytes long, at most 5 are read");
        assert_eq!(root.small("/none", 5).unwrap(), None);
    }

    #[test]
    fn a_file_that_somebody_named_may_be_a_link_but_nothing_else() {
        let (tree, _) = Tree::new("named");
        tree.file("kernel", b"kernel");
        symlink("kernel", tree.0.join("link")).unwrap();
        assert_eq!(blob(&tree.0.join("link"), 6).unwrap().bytes.as_ref(), b"kernel");
        assert!(message(blob(&tree.0, 6)).ends_with("not a regular file"));
        assert!(message(blob(&tree.0.join("link"), 5)).ends_with("at most 5 are read"));
    }

    #[test]
    fn a_copy_is_sealed_too() {
        let copy = Sealed::copy("initrd", b"initrd").unwrap();
        assert_eq!(copy.as_ref(), b"initrd");
        assert_eq!(nix::unistd::write(&copy.fd, b"x"), Err(nix::errno::Errno::EPERM));
    }
}
