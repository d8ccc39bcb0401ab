//! A call that PID 1 makes, handed over, and the answer to it (seccomp_unotify(2)).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc::{self, c_long};

nix::ioctl_readwrite!(
    /// Takes the next call.
    receive,
    b'!',
    0,
    libc::seccomp_notif
);
nix::ioctl_readwrite!(
    /// Answers one.
    send,
    b'!',
    1,
    libc::seccomp_notif_resp
);
nix::ioctl_write_ptr!(
    /// Puts a descriptor into the caller.
    add_descriptor,
    b'!',
    3,
    libc::seccomp_notif_addfd
);

/// Where a process's calls are handed over.
#[derive(Debug)]
pub(crate) struct Listener(pub(super) OwnedFd);

/// A call that waits for its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    id: u64,
    /// The thread that makes it.
    pub(crate) thread: u32,
    pub(crate) number: c_long,
    pub(crate) arguments: [u64; 6],
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Listener {
    /// The next call; none if its caller is gone meanwhile.
    pub(crate) fn next(&self) -> io::Result<Option<Call>> {
        // SAFETY: a structure of numbers, for which zeros are values; the kernel wants them.
        let mut notice: libc::seccomp_notif = unsafe { core::mem::zeroed() };
        // SAFETY: the kernel writes one such structure, which lives through the call.
        match unsafe { receive(self.0.as_raw_fd(), &raw mut notice) } {
            Ok(_) => Ok(Some(Call {
                id: notice.id,
                thread: notice.pid,
                number: c_long::from(notice.data.nr),
                arguments: notice.data.args,
            })),
            Err(Errno::ENOENT | Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Has the kernel make the call itself.
    pub(crate) fn make(&self, call: &Call) -> io::Result<()> {
        const CONTINUE: u32 = 1;
        self.answer(call, 0, 0, CONTINUE)
    }

    /// Answers with a value; nothing is done.
    pub(crate) fn give(&self, call: &Call, value: i64) -> io::Result<()> {
        self.answer(call, value, 0, 0)
    }

    /// Answers with an errno; nothing is done.
    pub(crate) fn fail(&self, call: &Call, errno: i32) -> io::Result<()> {
        self.answer(call, 0, errno.saturating_neg(), 0)
    }

    /// Answers with a descriptor of the same file.
    pub(crate) fn give_file(&self, call: &Call, file: BorrowedFd<'_>) -> io::Result<()> {
        let added = libc::seccomp_notif_addfd {
            id: call.id,
            flags: u32::try_from(libc::SECCOMP_ADDFD_FLAG_SEND).unwrap_or(0),
            srcfd: file.as_raw_fd().cast_unsigned(),
            newfd: 0,
            newfd_flags: libc::O_CLOEXEC.cast_unsigned(),
        };
        // SAFETY: the kernel reads one such structure, which lives through the call.
        gone_is_fine(unsafe { add_descriptor(self.0.as_raw_fd(), &raw const added) })
    }

    fn answer(&self, call: &Call, val: i64, error: i32, flags: u32) -> io::Result<()> {
        let mut response = libc::seccomp_notif_resp { id: call.id, val, error, flags };
        // SAFETY: the kernel reads one such structure, which lives through the call.
        gone_is_fine(unsafe { send(self.0.as_raw_fd(), &raw mut response) })
    }
}

/// A caller that was killed meanwhile needs no answer.
fn gone_is_fine(result: nix::Result<i32>) -> io::Result<()> {
    match result {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
