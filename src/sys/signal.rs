//! Signals of PID 1: all blocked, read from a descriptor, none obeyed.
//!
//! The kernel sends SIGINT for Ctrl-Alt-Del and SIGCHLD for children; neither
//! may end or interrupt a boot.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::reboot::set_cad_enabled;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::Error;

/// The descriptor on which blocked signals arrive.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// `pthread_sigmask(3)`, `reboot(2)`, `signalfd(2)`: blocks every signal but the one by
    /// which this program ends itself ([`super::memory`]), and makes Ctrl-Alt-Del a signal
    /// instead of a reset.
    ///
    /// # Errors
    /// The errno of the call that failed.
    pub fn block() -> Result<Self, Error> {
        let mut all = SigSet::all();
        all.remove(Signal::SIGABRT);
        all.thread_block().map_err(|errno| Error::new("blocking signals", errno))?;
        set_cad_enabled(false).map_err(|errno| Error::new("disabling Ctrl-Alt-Del", errno))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        SignalFd::with_flags(&all, flags).map(Self).map_err(|errno| Error::new("signalfd", errno))
    }

    /// On which none arrives, and nothing of the process changes.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(SignalFd::new(&SigSet::empty()).unwrap())
    }

    /// `read(2)`, `waitpid(2)`: takes all that arrived, reaps children, and gives the name
    /// of the last signal that somebody sent on purpose.
    #[must_use]
    pub fn take(&self) -> Option<&'static str> {
        let mut last = None;
        while let Ok(Some(info)) = self.0.read_signal() {
            last = i32::try_from(info.ssi_signo).ok().and_then(name).or(last);
        }
        reap();
        last
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn name(signal: i32) -> Option<&'static str> {
    let signal = nix::sys::signal::Signal::try_from(signal).ok()?;
    (signal != nix::sys::signal::Signal::SIGCHLD).then(|| signal.as_str())
}

fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
}
