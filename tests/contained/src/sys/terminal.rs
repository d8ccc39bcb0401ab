//! The console: a pseudo-terminal whose other end is held here (pty(7)).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use nix::libc;
use nix::sys::termios::{FlushArg, SetArg, Termios, tcflush, tcgetattr, tcsetattr};

/// Both ends.
#[derive(Debug)]
pub(crate) struct Terminal {
    person: File,
    line: OwnedFd,
    fresh: Termios,
}

impl Terminal {
    /// A terminal of its own.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
        let mut options = OpenOptions::new();
        let person = options.read(true).write(true).custom_flags(flags).open("/dev/ptmx")?;
        let unlocked: libc::c_int = 0;
        // SAFETY: the kernel reads one int, which lives through the call.
        if unsafe { libc::ioctl(person.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let flags = flags | libc::O_RDWR | libc::O_CLOEXEC;
        // SAFETY: takes numbers only (TIOCGPTPEER(2const)).
        let line = unsafe { libc::ioctl(person.as_raw_fd(), libc::TIOCGPTPEER, flags) };
        if line < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made it, and nobody else knows it.
        let line = unsafe { OwnedFd::from_raw_fd(line) };
        Ok(Self { person, fresh: tcgetattr(&line)?, line })
    }

    /// The end that is PID 1's console.
    pub(crate) fn line(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }

    /// The end where a person would sit.
    pub(crate) fn person(&self) -> BorrowedFd<'_> {
        self.person.as_fd()
    }

    /// As a new one, with nothing in it.
    pub(crate) fn renew(&mut self) -> io::Result<()> {
        tcsetattr(&self.line, SetArg::TCSANOW, &self.fresh)?;
        tcflush(&self.line, FlushArg::TCIOFLUSH)?;
        self.printed();
        Ok(())
    }

    /// What has been printed since it was asked the last time.
    pub(crate) fn printed(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        // It ends with EAGAIN, once there is nothing more.
        let _ = self.person.read_to_end(&mut all);
        all
    }

    /// Types keys.
    pub(crate) fn type_keys(&mut self, keys: &[u8]) {
        let _ = self.person.write_all(keys);
    }
}
