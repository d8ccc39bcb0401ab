//! The consoles: every terminal that the kernel prints on, all of them at once.
//!
//! Output never waits for a line that stands still: what a terminal does not take
//! is queued, within bounds, and one that takes nothing for [`STALL`] is passed
//! over until it moves again. Input comes from any of them; one that has hung up
//! is no longer listened to. Output processing stays on, so that a line printed
//! with a bare LF by anybody (a panic, the standard library) still reads right.

use core::cell::{Cell, Ref, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcdrain,
    tcgetattr, tcsetattr,
};

use super::{Error, file};

/// The terminal that the kernel prefers: standard input, output and error.
const DEVICE: &str = "/dev/console";
/// In its place on a machine without one: the boot goes on unseen.
const NOTHING: &str = "/dev/null";
/// The names of all consoles. tty0 is the virtual terminal in the foreground.
const ACTIVE: &str = "/sys/class/tty/console/active";
const PRINTK: &str = "/proc/sys/kernel/printk";
/// A terminal that does not tell its size, such as one on a serial line: a VT100.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// How long a terminal may take nothing before nobody waits for it.
const STALL: Duration = Duration::from_secs(1);
/// Longest wait for the last byte, however slowly a line moves.
const MAX_DRAIN: Duration = Duration::from_secs(15);
/// How often a line is asked whether it is empty.
const DRAIN_STEP: Duration = Duration::from_micros(200);
/// Output that is kept for a terminal that does not take it, in bytes; more than
/// any screen.
const MAX_QUEUE: usize = 32 << 10;
/// With more than this in the kernel's own buffer a line is busy, in bytes.
const BUSY: usize = 128;
/// Lines that are kept for the log view.
const MAX_LOG: usize = 200;

/// All of the machine's consoles.
#[derive(Debug)]
pub struct Console {
    /// More come with the modules that drive them.
    terminals: RefCell<Vec<Rc<Terminal>>>,
    log: RefCell<Log>,
    printk: Option<String>,
}

/// What was said.
#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<String>,
    /// While a menu is on the screen: how many of the last lines wait for its
    /// end.
    held: Option<usize>,
}

impl Console {
    /// Opens every console, and sets them raw; /dev/console becomes standard
    /// input, output and error. A machine without a console boots all the same.
    ///
    /// # Errors
    /// The errno of the open, if not even /dev/null is there.
    pub fn open() -> Result<Self, Error> {
        let device = open(DEVICE).or_else(|_| open(NOTHING))?;
        become_stdio(&device);
        let console = Self::on(Vec::new());
        console.find_more();
        if console.terminals().is_empty() {
            console.terminals.borrow_mut().push(Rc::new(Terminal::raw(DEVICE, device)));
        }
        Ok(console)
    }

    fn on(terminals: Vec<Terminal>) -> Self {
        let terminals = RefCell::new(terminals.into_iter().map(Rc::new).collect());
        Self { terminals, log: RefCell::default(), printk: file::read_line(PRINTK).ok() }
    }

    /// Opens the consoles that have come since.
    fn find_more(&self) {
        for name in active() {
            let is_known = self.terminals().iter().any(|terminal| terminal.name == name);
            if !is_known && let Ok(device) = open(&format!("/dev/{name}")) {
                self.terminals.borrow_mut().push(Rc::new(Terminal::raw(&name, device)));
            }
        }
    }

    /// Each of them, as long as it is needed.
    #[must_use]
    pub fn each(&self) -> Vec<Rc<Terminal>> {
        self.terminals().clone()
    }

    fn terminals(&self) -> Ref<'_, Vec<Rc<Terminal>>> {
        self.terminals.borrow()
    }

    /// Puts the terminals back as they were found, all output sent.
    pub fn restore(&self) {
        self.drain();
        self.terminals().iter().for_each(|terminal| terminal.restore());
    }

    /// Writes bytes as they are on every console. One that cannot be written to
    /// must not stop a boot, so nothing is returned.
    pub fn write(&self, bytes: &[u8]) {
        self.terminals().iter().for_each(|terminal| terminal.send(bytes));
        self.settle();
    }

    /// Writes one line, or several, and keeps it for the log. While a menu is on
    /// the screen it waits. The text has to be free of control characters
    /// ([`crate::base::text`]) but CR LF.
    pub fn line(&self, text: &str) {
        let mut log = self.log.borrow_mut();
        log.push(text);
        if log.held.is_none() {
            drop(log);
            self.write(format!("{text}\r\n").as_bytes());
        }
    }

    /// The last lines that were said.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        let log = self.log.borrow();
        log.lines.iter().flat_map(|line| line.split("\r\n")).map(str::to_owned).collect()
    }

    fn pump(&self) {
        self.terminals().iter().for_each(|terminal| terminal.pump());
    }

    /// Hands the kernel what is queued, as long as each terminal takes something.
    fn settle(&self) {
        while self.terminals().iter().any(|terminal| terminal.is_waited_for()) {
            let terminals = self.terminals();
            let waiting = terminals.iter().filter(|terminal| terminal.is_waited_for());
            let pollout = |one| PollFd::new(AsFd::as_fd(one), PollFlags::POLLOUT);
            let mut polled: Vec<_> = waiting.map(|terminal| pollout(&terminal.device)).collect();
            let _ = poll(&mut polled, timeout(Some(STALL)));
            self.pump();
        }
    }

    /// Waits until the last byte has left the machine, on every line that moves.
    pub fn drain(&self) {
        self.settle();
        let start = Instant::now();
        let mut moving = (usize::MAX, start);
        loop {
            let left: usize = self.terminals().iter().map(|one| one.outstanding()).sum();
            let now = Instant::now();
            if left < moving.0 {
                moving = (left, now);
            }
            let is_stuck = now.duration_since(moving.1) >= STALL;
            if left == 0 || is_stuck || now.duration_since(start) >= MAX_DRAIN {
                return;
            }
            std::thread::sleep(DRAIN_STEP);
            self.pump();
        }
    }

    /// Takes the bytes that were typed anywhere; call it when [`Console::wait`]
    /// says there are some.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        self.terminals().iter().flat_map(|terminal| terminal.read()).collect()
    }

    /// Whether nobody can type anywhere any more.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        self.terminals().iter().all(|terminal| terminal.deaf.get())
    }

    /// Waits for a key on any console, for one of `others` or for the time, or
    /// until a terminal takes some of what is queued for it; tells whether there
    /// is a key to read, and which of the others can be read.
    #[must_use]
    pub fn wait(&self, others: &[BorrowedFd<'_>], time: Option<Duration>) -> (bool, Vec<bool>) {
        let mut polled: Vec<_> = others.iter().map(|fd| pollin(*fd)).collect();
        let terminals = self.terminals();
        polled.extend(terminals.iter().filter_map(|terminal| terminal.polled()));
        let _ = poll(&mut polled, timeout(time));
        let own = polled.split_off(others.len());
        let typed = PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR;
        let typed = own.iter().any(|fd| fd.revents().is_some_and(|flags| flags.intersects(typed)));
        self.pump();
        (typed, polled.iter().map(|fd| fd.any().unwrap_or(false)).collect())
    }

    /// A menu takes the screen: kernel messages stay off it, but those of a dying
    /// kernel, and so do our own lines. Every console is listened to again, and
    /// those that have come since are opened.
    pub fn begin_screen(&self) {
        self.find_more();
        let _ = file::write_text(PRINTK, "1");
        self.log.borrow_mut().held = Some(0);
        self.terminals().iter().for_each(|terminal| terminal.ignored.set(false));
    }

    /// The menu is gone: what was said meanwhile follows it.
    pub fn end_screen(&self) {
        let held = self.log.borrow_mut().take_held();
        for line in held {
            self.write(format!("{line}\r\n").as_bytes());
        }
        self.restore_kernel();
    }

    /// Lets the kernel speak as it did before.
    pub fn restore_kernel(&self) {
        if let Some(levels) = &self.printk {
            let _ = file::write_text(PRINTK, levels);
        }
    }
}

impl Log {
    fn push(&mut self, line: &str) {
        if self.lines.len() == MAX_LOG {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
        self.held = self.held.map(|held| held.saturating_add(1));
    }

    fn take_held(&mut self) -> Vec<String> {
        let held = self.held.take().unwrap_or(0);
        let before = self.lines.len().saturating_sub(held);
        self.lines.iter().skip(before).cloned().collect()
    }
}

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
    fn new(name: &str, device: File) -> Self {
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
    fn raw(name: &str, device: File) -> Self {
        let terminal = Self::new(name, device);
        terminal.set_raw();
        terminal
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
    fn restore(&self) {
        let Some(termios) = &self.cooked else { return };
        let is_held = termios.control_flags.contains(ControlFlags::CRTSCTS);
        if !is_held && self.outstanding() == 0 {
            let _ = tcdrain(&self.device);
        }
        let _ = tcsetattr(&self.device, SetArg::TCSANOW, termios);
    }

    /// Queues bytes, and hands over what the terminal takes now. What is more
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
    fn pump(&self) {
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

    fn is_waited_for(&self) -> bool {
        !self.queue.borrow().is_empty() && self.moved.get().elapsed() < STALL
    }

    /// How many bytes have not left the machine yet, as far as the kernel tells.
    fn outstanding(&self) -> usize {
        let mut count: libc::c_int = 0;
        // SAFETY: TIOCOUTQ writes one int to the pointer, which is valid for the
        // call; an error leaves it as it is.
        let _ = unsafe { libc::ioctl(self.device.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
        self.queue.borrow().len().saturating_add(usize::try_from(count).unwrap_or(0))
    }

    /// Whether there is more to send than the terminal should lag behind.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.outstanding() > BUSY
    }

    /// Takes what was typed here. A line that has hung up can be read for ever and
    /// gives nothing: it is not waited for again.
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

    /// Stops listening here until the next menu.
    pub fn ignore(&self) {
        self.ignored.set(true);
    }

    const fn is_heard(&self) -> bool {
        !self.deaf.get() && !self.ignored.get()
    }

    /// What to wait for here.
    fn polled(&self) -> Option<PollFd<'_>> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, self.is_heard());
        flags.set(PollFlags::POLLOUT, !self.queue.borrow().is_empty());
        (!flags.is_empty()).then(|| PollFd::new(self.device.as_fd(), flags))
    }

    /// Columns and rows; 80 by 24 where the terminal does not know.
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

/// Writes one line on every console of the machine, whatever state this program
/// is in; where there is none, on standard error. It waits for lines that move,
/// and never fails.
pub fn everywhere(text: &str) {
    let device = |name: &String| Some(Terminal::new(name, open(&format!("/dev/{name}")).ok()?));
    let terminals: Vec<_> = active().iter().filter_map(device).collect();
    if terminals.is_empty() {
        let _ = writeln!(std::io::stderr(), "{text}\r");
        return;
    }
    let console = Console::on(terminals);
    console.line(text);
    console.drain();
}

/// The names of the consoles.
fn active() -> Vec<String> {
    let names = file::read_line(ACTIVE).unwrap_or_default();
    names.split_ascii_whitespace().map(str::to_owned).collect()
}

/// Never waits: not for a carrier, and later not for a line that is held.
fn open(path: &str) -> Result<File, Error> {
    File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_CLOEXEC | libc::O_NONBLOCK)
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
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    fn terminal(end: UnixStream) -> Terminal {
        end.set_nonblocking(true).unwrap();
        Terminal::new("test", File::from(std::os::fd::OwnedFd::from(end)))
    }

    fn on<const N: usize>(ends: [UnixStream; N]) -> Console {
        Console::on(ends.into_iter().map(terminal).collect())
    }

    #[test]
    fn what_was_typed_on_any_console_is_read_and_the_lines_stay_open() {
        let (mut person, end) = UnixStream::pair().unwrap();
        let (mut another, second) = UnixStream::pair().unwrap();
        let (_other, quiet) = UnixStream::pair().unwrap();
        let console = on([end, second]);
        for (who, keys) in [(&mut person, b"j\r"), (&mut another, b"kk")] {
            who.write_all(keys).unwrap();
            assert_eq!(console.wait(&[quiet.as_fd()], None), (true, vec![false]));
            assert_eq!(console.read(), keys);
        }
        assert!(!console.is_deaf());
    }

    #[test]
    fn a_line_that_hung_up_is_not_waited_for_again_and_the_others_are() {
        let (person, end) = UnixStream::pair().unwrap();
        let (mut another, second) = UnixStream::pair().unwrap();
        let (_other, quiet) = UnixStream::pair().unwrap();
        let console = on([end, second]);
        drop(person);
        assert_eq!(console.wait(&[quiet.as_fd()], None), (true, vec![false]));
        assert_eq!(console.read(), b"");
        assert!(!console.is_deaf(), "somebody can still type on the other one");
        let none = Some(Duration::ZERO);
        assert_eq!(console.wait(&[quiet.as_fd()], none), (false, vec![false]));
        another.write_all(b"j").unwrap();
        assert_eq!(console.wait(&[quiet.as_fd()], none), (true, vec![false]));
        assert_eq!(console.read(), b"j");
        drop(another);
        assert_eq!((console.read(), console.is_deaf()), (vec![], true));
    }

    #[test]
    fn a_noisy_line_is_ignored_until_the_next_menu() {
        let (mut person, end) = UnixStream::pair().unwrap();
        let console = on([end]);
        console.each()[0].ignore();
        person.write_all(b"noise").unwrap();
        assert_eq!(console.wait(&[], Some(Duration::ZERO)), (false, vec![]));
        assert_eq!(console.read(), b"");
        assert!(!console.is_deaf());
    }

    #[test]
    fn a_line_that_takes_nothing_stops_neither_the_boot_nor_the_other_consoles() {
        let (_held, end) = UnixStream::pair().unwrap();
        let (mut person, second) = UnixStream::pair().unwrap();
        let console = on([end, second]);
        let flood = vec![b'x'; 1 << 20];
        console.each()[0].send(&flood);
        let start = Instant::now();
        (0..100).for_each(|_| console.line("turnout: still here"));
        console.drain();
        assert!(start.elapsed() < STALL * 3, "{:?}", start.elapsed());
        let mut seen = [0; 2100];
        person.read_exact(&mut seen).unwrap();
        assert!(seen.starts_with(b"turnout: still here\r\n"));
        let kept = console.each()[0].queue.borrow().len();
        assert!(kept <= MAX_QUEUE, "{kept}");
    }

    #[test]
    fn a_line_that_is_slow_gets_everything() {
        let (mut person, end) = UnixStream::pair().unwrap();
        let console = on([end]);
        let bytes = 1 << 20;
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            let mut count = 0;
            while count < bytes {
                count += person.read(&mut buffer).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(count, bytes);
        });
        (0..bytes / 1024).for_each(|_| console.write(&[b'x'; 1024]));
        console.drain();
        reader.join().unwrap();
    }

    #[test]
    fn what_is_said_while_a_menu_is_up_follows_it_and_is_in_the_log_at_once() {
        let (mut person, end) = UnixStream::pair().unwrap();
        let console = on([end]);
        console.line("before");
        console.log.borrow_mut().held = Some(0);
        console.line("meanwhile");
        assert_eq!(console.log(), ["before", "meanwhile"]);
        let held = console.log.borrow_mut().take_held();
        assert_eq!(held, ["meanwhile"]);
        console.line("a\r\nb");
        let mut seen = [0; 14];
        person.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"before\r\na\r\nb\r\n");
        (0..2 * MAX_LOG).for_each(|n| console.line(&n.to_string()));
        assert_eq!(console.log().len(), MAX_LOG);
        assert_eq!(console.log().last().map(String::as_str), Some("399"));
    }

    #[test]
    fn a_terminal_without_a_size_has_80_columns_and_24_rows() {
        let (_person, end) = UnixStream::pair().unwrap();
        assert_eq!(terminal(end).size(), DEFAULT_SIZE);
    }
}
