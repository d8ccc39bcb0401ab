//! The console: one writer, raw input, and waiting for it.
//!
//! Output processing stays on, so that a line printed with a bare LF by
//! anybody (a panic, the standard library) still reads right.

use core::cell::Cell;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{
    InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcdrain, tcgetattr, tcsetattr,
};

use super::{Error, file};

const DEVICE: &str = "/dev/console";
/// In its place on a machine without one: the boot goes on unseen.
const NOTHING: &str = "/dev/null";
/// All consoles; the last one is /dev/console.
const ACTIVE: &str = "/sys/class/tty/console/active";
const PRINTK: &str = "/proc/sys/kernel/printk";
/// A terminal that does not tell its size: a serial line.
const DEFAULT_SIZE: (u16, u16) = (80, 25);

/// The machine's console.
#[derive(Debug)]
pub struct Console {
    device: File,
    /// Nothing will ever be typed: the line hung up, or there is none.
    deaf: Cell<bool>,
    cooked: Option<Termios>,
    printk: Option<String>,
}

impl Console {
    /// Opens /dev/console, makes it standard input, output and error, and sets
    /// it raw. A machine without a console boots all the same.
    ///
    /// # Errors
    /// The errno of the open, if not even /dev/null is there.
    pub fn open() -> Result<Self, Error> {
        let device = open(DEVICE).or_else(|_| open(NOTHING))?;
        become_stdio(&device);
        let console = Self::on(device);
        console.raw();
        Ok(console)
    }

    fn on(device: File) -> Self {
        let cooked = tcgetattr(&device).ok();
        Self { device, deaf: Cell::new(false), cooked, printk: file::read_line(PRINTK).ok() }
    }

    /// Keys arrive one by one, unechoed, and none of them sends a signal.
    pub fn raw(&self) {
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

    /// Puts the terminal back as it was found, all output sent.
    pub fn restore(&self) {
        if let Some(termios) = &self.cooked {
            let _ = tcsetattr(&self.device, SetArg::TCSADRAIN, termios);
        }
        self.drain();
    }

    /// Writes bytes as they are. A console that cannot be written to must not
    /// stop a boot, so nothing is returned.
    pub fn write(&self, bytes: &[u8]) {
        let _ = (&self.device).write_all(bytes);
    }

    /// Writes one line. The text has to be free of control characters
    /// ([`crate::text`]).
    pub fn line(&self, text: &str) {
        self.write(format!("{text}\r\n").as_bytes());
    }

    /// Writes one line on this console and on every other that the kernel has.
    /// One that takes nothing now is passed over.
    pub fn everywhere(&self, text: &str) {
        self.line(text);
        let active = file::read_line(ACTIVE).unwrap_or_default();
        for name in active.split_ascii_whitespace().rev().skip(1) {
            let other = File::options()
                .write(true)
                .custom_flags(nix::libc::O_NOCTTY | nix::libc::O_CLOEXEC | nix::libc::O_NONBLOCK)
                .open(format!("/dev/{name}"));
            let _ = other.and_then(|mut other| write!(other, "{text}\r\n"));
        }
    }

    /// Waits until the last byte has left the machine.
    pub fn drain(&self) {
        let _ = tcdrain(&self.device);
    }

    /// Takes the bytes that were typed; call it when [`Console::wait`] says
    /// there are some. A line that has hung up can be read for ever and gives
    /// nothing: it is not waited for again.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        let mut buffer = [0; 64];
        let len = match nix::unistd::read(&self.device, &mut buffer) {
            Err(Errno::EINTR | Errno::EAGAIN) => return Vec::new(),
            other => other.unwrap_or(0),
        };
        self.deaf.set(len == 0);
        buffer.get(..len).unwrap_or_default().to_vec()
    }

    /// Whether nobody can type here any more.
    #[must_use]
    pub const fn is_deaf(&self) -> bool {
        self.deaf.get()
    }

    /// Waits for a key, for one of `others` or for the time; tells whether there
    /// is a key to read, and which of the others can be read.
    #[must_use]
    pub fn wait(&self, others: &[BorrowedFd<'_>], time: Option<Duration>) -> (bool, Vec<bool>) {
        let own = (!self.is_deaf()).then(|| self.device.as_fd());
        let mut polled: Vec<_> =
            own.into_iter().chain(others.iter().copied()).map(pollin).collect();
        let _ = poll(&mut polled, timeout(time));
        let mut ready: Vec<_> = polled.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        let others = ready.split_off(ready.len().saturating_sub(others.len()));
        (ready.first() == Some(&true), others)
    }

    /// Columns and rows; 80 by 25 where the terminal does not know.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let mut size = nix::libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCGWINSZ writes one winsize to the pointer, which is valid
        // for the call; an error leaves it as it is.
        let result = unsafe {
            nix::libc::ioctl(self.device.as_raw_fd(), nix::libc::TIOCGWINSZ, &raw mut size)
        };
        match (result, size.ws_col, size.ws_row) {
            (0, columns @ 1.., rows @ 1..) => (columns, rows),
            _ => DEFAULT_SIZE,
        }
    }

    /// Keeps kernel messages off the screen while a menu is on it; only a
    /// dying kernel still speaks.
    pub fn quiet_kernel(&self) {
        let _ = file::write_text(PRINTK, "1");
    }

    /// Lets the kernel speak as it did before.
    pub fn restore_kernel(&self) {
        if let Some(levels) = &self.printk {
            let _ = file::write_text(PRINTK, levels);
        }
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

fn open(path: &str) -> Result<File, Error> {
    File::options()
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_NOCTTY | nix::libc::O_CLOEXEC)
        .open(path)
        .map_err(|source| Error::new(path, source))
}

/// What a panic prints has to reach the console that is in use.
fn become_stdio(device: &File) {
    let _ = nix::unistd::dup2_stdin(device);
    let _ = nix::unistd::dup2_stdout(device);
    let _ = nix::unistd::dup2_stderr(device);
}

/// Waits until one of the descriptors can be read or the time is over, and
/// tells for each whether it can be read. No time means: however long it takes.
#[must_use]
pub fn wait<const N: usize>(fds: [&dyn AsFd; N], time: Option<Duration>) -> [bool; N] {
    let mut polled = fds.map(|fd| pollin(fd.as_fd()));
    let _ = poll(&mut polled, timeout(time));
    polled.map(|fd| fd.any().unwrap_or(false))
}

fn pollin(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::POLLIN)
}

/// Rounded up, so that waiting for a moment never ends just before it and spins.
fn timeout(time: Option<Duration>) -> PollTimeout {
    let millis = |time: Duration| time.as_nanos().div_ceil(1_000_000);
    time.map_or(PollTimeout::NONE, |time| {
        i32::try_from(millis(time))
            .ok()
            .and_then(|time| PollTimeout::try_from(time).ok())
            .unwrap_or(PollTimeout::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn on(end: UnixStream) -> Console {
        Console::on(File::from(std::os::fd::OwnedFd::from(end)))
    }

    #[test]
    fn what_was_typed_is_read_and_the_line_stays_open() {
        let (mut person, end) = UnixStream::pair().unwrap();
        let (_other, quiet) = UnixStream::pair().unwrap();
        let console = on(end);
        person.write_all(b"j\r").unwrap();
        assert_eq!(console.wait(&[quiet.as_fd()], None), (true, vec![false]));
        assert_eq!(console.read(), b"j\r");
        assert!(!console.is_deaf());
    }

    #[test]
    fn a_line_that_hung_up_is_not_waited_for_again() {
        let (person, end) = UnixStream::pair().unwrap();
        let (_other, quiet) = UnixStream::pair().unwrap();
        let console = on(end);
        drop(person);
        assert_eq!(console.wait(&[quiet.as_fd()], None), (true, vec![false]));
        assert_eq!(console.read(), b"");
        assert!(console.is_deaf());
        assert_eq!(console.wait(&[quiet.as_fd()], Some(Duration::ZERO)), (false, vec![false]));
    }

    #[test]
    fn a_terminal_without_a_size_has_80_columns_and_25_rows() {
        let (_person, end) = UnixStream::pair().unwrap();
        assert_eq!(on(end).size(), DEFAULT_SIZE);
    }
}
