//! Another process's memory and descriptors (process_vm_readv(2), pidfd_getfd(2)).

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use nix::libc;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

/// No path and no device's name of these tests is longer.
const MOST_TEXT: usize = 256;
const PAGE: usize = 4096;

/// The text at `address`, up to its NUL; nothing if it cannot be read.
pub(crate) fn text(process: Pid, address: u64) -> String {
    let Ok(address) = usize::try_from(address) else { return String::new() };
    // The next page may not be there.
    let here = PAGE.saturating_sub(address % PAGE).min(MOST_TEXT);
    let mut bytes = read(process, address, here).unwrap_or_default();
    if !bytes.contains(&0) {
        let next = address.saturating_add(here);
        bytes.extend(read(process, next, MOST_TEXT.saturating_sub(here)).unwrap_or_default());
    }
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// So many bytes at `address`.
pub(crate) fn read(process: Pid, address: usize, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let count = process_vm_readv(
        process,
        &mut [IoSliceMut::new(&mut bytes)],
        &[RemoteIoVec { base: address, len: length }],
    )?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Puts bytes at `address`.
pub(crate) fn write(process: Pid, address: usize, bytes: &[u8]) -> io::Result<usize> {
    let remote = [RemoteIoVec { base: address, len: bytes.len() }];
    Ok(process_vm_writev(process, &[IoSlice::new(bytes)], &remote)?)
}

/// The same open file as the process has under this number.
pub(crate) fn file(process: BorrowedFd<'_>, number: i32) -> io::Result<File> {
    Ok(File::from(descriptor(process, number)?))
}

pub(super) fn descriptor(process: BorrowedFd<'_>, number: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0);
    let fd = fd.ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the call has just made it, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
