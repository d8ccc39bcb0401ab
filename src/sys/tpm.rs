//! The TPM through the kernel's resource manager, /dev/tpmrm0 (Linux,
//! Documentation/security/tpm): a command is written, its answer read.
//!
//! All waiting is bounded: the device is opened without blocking, so that a write
//! only hands the command over, and the answer is polled for until a budget of
//! time is used up. After that the device is not touched again: nobody could tell
//! to which command an answer belongs. What the bytes say is none of its
//! business ([`crate::tpm`]).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::patience::{self, End};
use super::vigil::{self, TURN};
use super::{Error, clock};
use crate::tpm::MAX_MESSAGE;

const DEVICE: &str = "/dev/tpmrm0";

/// An open TPM.
#[derive(Debug)]
pub struct Tpm {
    file: File,
    /// Waiting that is allowed from one [`Tpm::renew`] to the next.
    limit: Duration,
    /// What is left of that.
    left: Duration,
    /// It has not answered, and never will be asked again.
    stalled: bool,
}

impl Tpm {
    /// `open(2)`: opens the TPM, if there is one. All calls together wait for `limit` at
    /// most.
    ///
    /// # Errors
    /// The errno of the device, where there is one.
    pub fn open(limit: Duration) -> Result<Option<Self>, Error> {
        let open = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(DEVICE);
        match open {
            Ok(file) => Ok(Some(Self::over(file, limit))),
            Err(error) => {
                let error = Error::new(DEVICE, error);
                if error.is_absence() { Ok(None) } else { Err(error) }
            }
        }
    }

    /// One whose answers are worked out by a thread; it does not answer where those
    /// are none.
    #[cfg(test)]
    pub(crate) fn fake(
        limit: Duration,
        mut chip: impl FnMut(&[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> Self {
        use std::os::fd::OwnedFd;
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let mut command = vec![0; MAX_MESSAGE];
            while let Ok(len) = theirs.read(&mut command)
                && len > 0
            {
                let answer = chip(&command[..len]);
                let _ = answer.map(|answer| theirs.write_all(&answer));
            }
        });
        Self::over(File::from(OwnedFd::from(ours)), limit)
    }

    const fn over(file: File, limit: Duration) -> Self {
        Self { file, limit, left: limit, stalled: false }
    }

    /// Allows the calls that follow the whole of the limit again: for another
    /// attempt to boot. A TPM that has stalled stays lost.
    pub const fn renew(&mut self) {
        self.left = self.limit;
    }

    /// `write(2)`, `poll(2)`, `read(2)`: has the TPM carry out one command and gives its
    /// answer, a refusal as well.
    ///
    /// # Errors
    /// The errno of the device; ETIMEDOUT when the time is used up, in this call
    /// and in each that follows.
    pub fn call(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        if self.stalled {
            return Err(self.timeout());
        }
        let start = Instant::now();
        let end = End::At(clock::elapsed().saturating_add(self.left));
        let answer = patience::during("the TPM", end, || self.exchange(command, start));
        self.left = self.left.saturating_sub(start.elapsed());
        self.stalled |= answer.is_err();
        answer
    }

    fn exchange(&mut self, command: &[u8], start: Instant) -> Result<Vec<u8>, Error> {
        // The kernel takes a command whole or not at all (tpm-dev-common.c).
        let written = self.file.write(command).map_err(|error| Error::new(DEVICE, error))?;
        if written != command.len() {
            return Err(Error::new(DEVICE, std::io::Error::from_raw_os_error(libc::EMSGSIZE)));
        }
        self.await_answer(start)?;
        let mut answer = vec![0; MAX_MESSAGE];
        let len = self.file.read(&mut answer).map_err(|error| Error::new(DEVICE, error))?;
        answer.truncate(len);
        Ok(answer)
    }

    fn await_answer(&self, start: Instant) -> Result<(), Error> {
        loop {
            let left = self.left.saturating_sub(start.elapsed());
            vigil::wait(clock::elapsed().saturating_add(left));
            let timeout = PollTimeout::try_from(left.min(TURN)).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) if left.is_zero() => return Err(self.timeout()),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(Error::new(DEVICE, errno)),
            }
        }
    }

    fn timeout(&self) -> Error {
        let what = format!("{DEVICE}: no answer in {} s", self.limit.as_secs());
        Error::new(what, std::io::Error::from_raw_os_error(libc::ETIMEDOUT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    /// A TPM and what stands in for the chip.
    fn tpm(limit: Duration) -> (Tpm, UnixStream) {
        let (ours, chip) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Tpm::over(File::from(OwnedFd::from(ours)), limit), chip)
    }

    #[test]
    fn an_answer_comes_back_whole() {
        let (mut tpm, mut chip) = tpm(Duration::from_secs(10));
        chip.write_all(b"answer").unwrap();
        assert_eq!(tpm.call(b"command").unwrap(), b"answer");
        let mut command = [0; 7];
        chip.read_exact(&mut command).unwrap();
        assert_eq!(&command, b"command");
    }

    #[test]
    fn a_tpm_that_stalls_costs_its_limit_once_and_is_not_asked_again() {
        let (mut tpm, mut chip) = tpm(Duration::from_secs(1));
        let start = Instant::now();
        for _ in 0..10 {
            let error = tpm.call(b"command").unwrap_err();
            assert_eq!(error.source.raw_os_error(), Some(libc::ETIMEDOUT));
            assert_eq!(error.what, "/dev/tpmrm0: no answer in 1 s");
            tpm.renew();
        }
        let time = start.elapsed();
        assert!(time >= Duration::from_secs(1) && time < Duration::from_secs(5), "{time:?}");
        chip.set_nonblocking(true).unwrap();
        let mut commands = [0; 100];
        assert_eq!(chip.read(&mut commands).unwrap(), b"command".len());
    }

    #[test]
    fn answers_that_are_each_in_time_use_up_one_budget() {
        let (mut tpm, mut chip) = tpm(Duration::from_millis(200));
        let slow = std::thread::spawn(move || {
            for _ in 0..4 {
                std::thread::sleep(Duration::from_millis(120));
                let _ = chip.write_all(b"answer");
            }
            chip
        });
        assert!(tpm.call(b"command").is_ok());
        assert!(tpm.call(b"command").is_err(), "more than the limit in all");
        drop(slow.join());
    }
}
