//! One terminal that the kernel prints on: raw, never waited for when it stands
//! still, and with a bounded queue of what it has not taken yet.

use core::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcdrain,
    tcgetattr, tcsetattr,
};

use super::Error;

/// A terminal that does not tell its size, such as one on a serial line: a VT100.
const DEFAULT_SIZE: (u16, u16) = (80, 24);
/// How long a terminal may take nothing before nobody waits for it.
pub(super) const STALL: Duration = Duration::from_secs(1);
/// Output that is kept for a terminal that does not take it, in bytes; more than
/// any screen.
pub(super) const MAX_QUEUE: usize = 32 << 10;
/// With more than this in the kernel's own buffer a line is busy, in bytes.
const BUSY: usize = 128;

/// One of the consoles.
#[derive(Debug)]
pub struct Terminal {
    /// As the kernel calls it.
    name: String,
    device: File,
    /// As it was found.
    cooked: Option<Termios>,
    /// Nothing will ever be typed: the line hung up, or there is none.
    deaf: Cell<bool>,
    /// Nobody listens until the next menu: the line is all noise.
    ignored: Cell<bool>,
    /// What the terminal has not taken yet.
    queue: RefCell<VecDeque<u8>>,
    /// When it last took something, or had nothing to take.
    moved: Cell<Instant>,
}

impl Terminal {
    pub(super) fn new(name: &str, device: File) -> Self {
        let cooked = tcgetattr(&device).ok();
        Self {
            name: name.to_owned(),
            device,
            cooked,
            deaf: Cell::new(false),
            ignored: Cell::new(false),
            queue: RefCell::default(),
            moved: Cell::new(Instant::now()),
        }
    }

    /// Keys arrive one by one, unechoed, and none of them sends a signal.
    pub(super) fn raw(name: &str, device: File) -> Self {
        let terminal = Self::new(name, device);
        terminal.set_raw();
        terminal
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.queue.borrow().len()
    }

    fn set_raw(&self) {
        let Some(mut termios) = self.cooked.clone() else { return };
        termios.local_flags &=
            !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
        termios.input_flags &= !(InputFlags::ICRNL | InputFlags::IXON | InputFlags::BRKINT);
        for (index, value) in
            [(SpecialCharacterIndices::VMIN, 1), (SpecialCharacterIndices::VTIME, 0)]
        {
            if let Some(slot) = termios.control_chars.get_mut(index as usize) {
                *slot = value;
            }
        }
        let _ = tcsetattr(&self.device, SetArg::TCSANOW, &termios);
    }

    /// What the line's own chip still holds is waited for only where nothing but
    /// time is needed to send it.
    pub(super) fn restore(&self) {
        let Some(termios) = &self.cooked else { return };
        let is_held = termios.control_flags.contains(ControlFlags::CRTSCTS);
        if !is_held && self.outstanding() == 0 {
            let _ = tcdrain(&self.device);
        }
        let _ = tcsetattr(&self.device, SetArg::TCSANOW, termios);
    }

    /// `write(2)`: queues bytes, and hands over what the terminal takes now. What is more
    /// than the queue holds is lost.
    pub fn send(&self, bytes: &[u8]) {
        let mut queue = self.queue.borrow_mut();
        if queue.is_empty() {
            self.moved.set(Instant::now());
        }
        let room = MAX_QUEUE.saturating_sub(queue.len());
        queue.extend(bytes.iter().take(room));
        drop(queue);
        self.pump();
    }

    /// Hands the terminal as much of the queue as it takes. One that will never
    /// take anything again loses it.
    pub(super) fn pump(&self) {
        let mut queue = self.queue.borrow_mut();
        loop {
            let (next, _) = queue.as_slices();
            if next.is_empty() {
                return;
            }
            match nix::unistd::write(&self.device, next) {
                Ok(taken @ 1..) => {
                    queue.drain(..taken);
                    self.moved.set(Instant::now());
                }
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => return,
                Err(_) => queue.clear(),
            }
        }
    }

    pub(super) fn is_waited_for(&self) -> bool {
        !self.queue.borrow().is_empty() && self.moved.get().elapsed() < STALL
    }

    /// How many bytes have not left the machine yet, as far as the kernel tells.
    pub(super) fn outstanding(&self) -> usize {
        let mut count: libc::c_int = 0;
        // SAFETY: TIOCOUTQ writes one int to the pointer, which is valid for the
        // call; an error leaves it as it is.
        let _ = unsafe { libc::ioctl(self.device.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
        self.queue.borrow().len().saturating_add(usize::try_from(count).unwrap_or(0))
    }

    /// `ioctl(2)`: whether there is more to send than the terminal should lag behind.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.outstanding() > BUSY
    }

    /// `read(2)`: takes what was typed here. A line that has hung up can be read for ever
    /// and gives nothing: it is not waited for again.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        if !self.is_heard() {
            return Vec::new();
        }
        let mut buffer = [0; 64];
        let len = match nix::unistd::read(&self.device, &mut buffer) {
            Err(Errno::EINTR | Errno::EAGAIN) => return Vec::new(),
            other => other.unwrap_or(0),
        };
        self.deaf.set(len == 0);
        buffer.get(..len).unwrap_or_default().to_vec()
    }

    /// As the kernel calls it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether nobody can type here any more.
    pub(super) const fn is_deaf(&self) -> bool {
        self.deaf.get()
    }

    /// Listens again.
    pub(super) fn heed(&self) {
        self.ignored.set(false);
    }

    /// Stops listening here until the next menu.
    pub fn ignore(&self) {
        self.ignored.set(true);
    }

    const fn is_heard(&self) -> bool {
        !self.deaf.get() && !self.ignored.get()
    }

    /// What to wait for here.
    pub(super) fn polled(&self) -> Option<PollFd<'_>> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, self.is_heard());
        flags.set(PollFlags::POLLOUT, !self.queue.borrow().is_empty());
        (!flags.is_empty()).then(|| PollFd::new(self.device.as_fd(), flags))
    }

    /// Waits for room.
    pub(super) fn pollout(&self) -> PollFd<'_> {
        PollFd::new(self.device.as_fd(), PollFlags::POLLOUT)
    }

    /// `ioctl(2)`: columns and rows; 80 by 24 where the terminal does not know.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCGWINSZ writes one winsize to the pointer, which is valid
        // for the call; an error leaves it as it is.
        let result =
            unsafe { libc::ioctl(self.device.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
        match (result, size.ws_col, size.ws_row) {
            (0, columns @ 1.., rows @ 1..) => (columns, rows),
            _ => DEFAULT_SIZE,
        }
    }
}

/// Never waits: not for a carrier, and later not for a line that is held.
pub(super) fn open(path: &str) -> Result<File, Error> {
    File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)
        .map_err(|source| Error::new(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_terminal_without_a_size_has_80_columns_and_24_rows() {
        let (_person, end) = UnixStream::pair().unwrap();
        let end = File::from(std::os::fd::OwnedFd::from(end));
        assert_eq!(Terminal::new("test", end).size(), DEFAULT_SIZE);
    }
}
