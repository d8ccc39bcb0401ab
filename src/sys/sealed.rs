//! Memory that nothing can change any more: what was hashed is what is loaded.
//!
//! The bytes go into a memfd, the digest is taken as they arrive, and the seals
//! (memfd_create(2), F_ADD_SEALS in fcntl(2)) keep everything and everybody from
//! changing them afterwards.

use core::slice;
use std::fs::File;
use std::io::{Read, Write as _};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use sha2::{Digest as _, Sha256};

use super::clock::HASHING;
use super::{Error, patience, vigil};
use crate::base::digest::Digest;

/// How much is read and then hashed while it is still in the cache, in bytes.
const CHUNK: usize = 128 << 10;

/// Bytes that nothing can change any more: a sealed memfd, mapped read-only.
#[derive(Debug)]
pub struct Sealed {
    fd: OwnedFd,
    map: Map,
    /// The file that was read, where it is to be given to the kernel itself.
    file: Option<File>,
}

/// Whether files stay open that have been read: PID 1 has to unmount them.
static KEEPS_FILES: AtomicBool = AtomicBool::new(false);

/// From now on the files that are read stay open, to be given to the kernel themselves:
/// where its rules are about them and not about their bytes.
pub fn keep_files() {
    KEEPS_FILES.store(true, Ordering::Relaxed);
}

/// A file has not the bytes any more that were read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changed;

impl Sealed {
    /// `memfd_create(2)`, `mmap(2)`: a sealed copy of bytes that were put together in
    /// memory.
    ///
    /// # Errors
    /// The errno of the memory file.
    pub fn copy(name: &str, bytes: &[u8]) -> Result<Self, Error> {
        Self::copy_all(name, &[bytes])
    }

    /// `memfd_create(2)`, `mmap(2)`: the same of several, one after the other.
    ///
    /// # Errors
    /// As [`Self::copy`].
    pub fn copy_all(name: &str, parts: &[&[u8]]) -> Result<Self, Error> {
        let mut file = File::from(memfd(name)?);
        let written = parts.iter().try_for_each(|bytes| file.write_all(bytes));
        written.map_err(|source| Error::new(format!("memory for {name}"), source))?;
        let size = parts.iter().fold(0_usize, |sum, bytes| sum.saturating_add(bytes.len()));
        seal(OwnedFd::from(file), name, size)
    }
}

impl Sealed {
    /// With the file that it was read from, if files stay open.
    pub(super) fn with_file(self, file: File) -> Self {
        let file = KEEPS_FILES.load(Ordering::Relaxed).then_some(file);
        Self { file, ..self }
    }

    /// What the kernel is given: the very file where that was kept, or else these bytes.
    pub(super) fn for_kernel(&self) -> BorrowedFd<'_> {
        self.file.as_ref().map_or_else(|| self.fd.as_fd(), File::as_fd)
    }

    /// Whether the file that was kept, if any was, still has these bytes: then whoever
    /// read it meanwhile had them too.
    pub(super) fn check_file(&self) -> Result<(), Changed> {
        let Some(file) = &self.file else { return Ok(()) };
        is_same(file, self.as_ref()).then_some(()).ok_or(Changed)
    }
}

/// Whether a file has these bytes and no more; one that cannot be read has not.
fn is_same(file: &File, bytes: &[u8]) -> bool {
    let mut found = vec![0; CHUNK];
    let mut at = 0_u64;
    for expected in bytes.chunks(CHUNK) {
        let (space, _) = found.split_at_mut(expected.len());
        if file.read_exact_at(space, at).is_err() || space != expected {
            return false;
        }
        at = at.saturating_add(expected.len() as u64);
    }
    file.read_at(&mut [0], at).is_ok_and(|more| more == 0)
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
    let len = NonZeroUsize::new(size).ok_or_else(|| Error::refusal(name, "empty"))?;
    let map = Map::new(&fd, len, ProtFlags::PROT_READ, name)?;
    Ok(Sealed { fd, map, file: None })
}

/// A memfd that is still being written.
pub(super) struct Memory {
    fd: OwnedFd,
    map: Map,
}

impl Memory {
    pub(super) fn new(path: &str, size: u64) -> Result<Self, Error> {
        let len = usize::try_from(size).ok().and_then(NonZeroUsize::new);
        let len = len.ok_or_else(|| Error::refusal(path, "empty"))?;
        let fd = memfd(path)?;
        let length =
            i64::try_from(size).map_err(|error| Error::new(path, std::io::Error::other(error)))?;
        nix::unistd::ftruncate(&fd, length)
            .map_err(|errno| Error::new(format!("memory for {path}"), errno))?;
        let map = Map::new(&fd, len, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, path)?;
        Ok(Self { fd, map })
    }

    /// Reads the file to the end of the map, hashing each piece as it comes.
    pub(super) fn fill(
        &mut self,
        path: &str,
        file: &mut impl Read,
        stop: &AtomicBool,
    ) -> Result<Digest, Error> {
        let mut hash = Sha256::new();
        let len = self.map.len.get();
        patience::opened(len as u64);
        // SAFETY: the map is readable and writable over `len` bytes, was zeroed
        // by the kernel, and this is the only reference to it.
        let mut rest = unsafe { slice::from_raw_parts_mut(self.map.address.as_ptr(), len) };
        while !rest.is_empty() {
            let at = len.saturating_sub(rest.len()) as u64;
            let position = Position { path, at, size: len as u64 };
            let chunk = rest.len().min(CHUNK);
            let (space, _) = rest.split_at_mut(chunk);
            let count = read_some(position, file, space, stop)?;
            let (read, left) = rest.split_at_mut(count);
            HASHING.spend(|| hash.update(&*read));
            vigil::work();
            rest = left;
            patience::read(len.saturating_sub(rest.len()) as u64);
        }
        Ok(Digest(hash.finalize().into()))
    }

    pub(super) fn seal(self, path: &str) -> Result<Sealed, Error> {
        let Self { fd, map } = self;
        let size = map.len.get();
        // F_SEAL_WRITE is refused while a writable map exists.
        drop(map);
        seal(fd, path, size)
    }
}

/// Reads a file of `size` bytes to its end, and keeps its digest and the first
/// `keep` bytes.
pub(super) fn digest(
    path: &str,
    size: u64,
    file: &mut impl Read,
    keep: usize,
    stop: &AtomicBool,
) -> Result<(Digest, Vec<u8>), Error> {
    if size == 0 {
        return Err(Error::refusal(path, "empty"));
    }
    let mut hash = Sha256::new();
    let mut kept = Vec::new();
    let mut at = 0_u64;
    let mut buffer = vec![0; CHUNK];
    while at < size {
        let left = usize::try_from(size.saturating_sub(at)).unwrap_or(CHUNK);
        let (space, _) = buffer.split_at_mut(left.min(CHUNK));
        let count = read_some(Position { path, at, size }, file, space, stop)?;
        let (read, _) = space.split_at(count);
        hash.update(read);
        vigil::work();
        kept.extend(read.iter().take(keep.saturating_sub(kept.len())));
        at = at.saturating_add(count as u64);
    }
    Ok((Digest(hash.finalize().into()), kept))
}

/// Where in a file is read: `at` of its `size` bytes have been read before.
#[derive(Clone, Copy)]
struct Position<'a> {
    path: &'a str,
    at: u64,
    size: u64,
}

/// Reads at least a byte, or none if it has to be tried again.
fn read_some(
    Position { path, at, size }: Position<'_>,
    file: &mut impl Read,
    space: &mut [u8],
    stop: &AtomicBool,
) -> Result<usize, Error> {
    if stop.load(Ordering::Relaxed) {
        return Err(Error::refusal(path, "nobody wants it any more"));
    }
    match file.read(space) {
        Ok(0) => {
            Err(Error::refusal(path, &format!("ended {} bytes early", size.saturating_sub(at))))
        }
        Ok(count) => Ok(count),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(0),
        Err(source) => Err(unreadable(path, at, size, &source)),
    }
}

/// What the device gave instead of bytes, and where.
pub(super) fn unreadable(path: &str, at: u64, size: u64, source: &std::io::Error) -> Error {
    Error::refusal(path, &format!("byte {at} of {size} cannot be read: {source}"))
}

/// Bytes of all memfds that are there.
static HELD: AtomicU64 = AtomicU64::new(0);

/// How many bytes of memory files lie in.
pub(super) fn held() -> u64 {
    HELD.load(Ordering::Relaxed)
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
        HELD.fetch_add(len.get() as u64, Ordering::Relaxed);
        Ok(Self { address: address.cast(), len })
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: address and length are those of the mmap call, and every
        // reference into the map borrows from its owner.
        let _ = unsafe { munmap(self.address.cast(), self.len.get()) };
        HELD.fetch_sub(self.len.get() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_file_that_was_kept_is_given_itself_and_may_not_have_changed() {
        let path = std::env::temp_dir().join(format!("turnout-sealed-{}", std::process::id()));
        let bytes = vec![7; CHUNK + 1];
        std::fs::write(&path, &bytes).unwrap();
        let copy = || Sealed::copy("kernel", &bytes).unwrap();
        let alone = copy();
        assert_eq!(alone.for_kernel().as_raw_fd(), alone.fd.as_raw_fd());
        assert_eq!(alone.check_file(), Ok(()));
        let kept = Sealed { file: Some(File::open(&path).unwrap()), ..copy() };
        assert_ne!(kept.for_kernel().as_raw_fd(), kept.fd.as_raw_fd());
        assert_eq!(kept.check_file(), Ok(()));
        for changed in [[&bytes[..], b"x"].concat(), bytes[1..].to_vec(), vec![8; CHUNK + 1]] {
            std::fs::write(&path, changed).unwrap();
            assert_eq!(kept.check_file(), Err(Changed));
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_copy_is_sealed_too() {
        let copy = Sealed::copy_all("initrd", &[b"ini", b"", b"trd"]).unwrap();
        assert_eq!(copy.as_ref(), b"initrd");
        assert_eq!(nix::unistd::write(&copy.fd, b"x"), Err(nix::errno::Errno::EPERM));
    }
}
