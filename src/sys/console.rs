//! The consoles: every terminal that the kernel prints on, all of them at once.
//!
//! Output never waits for a line that stands still: what a terminal does not take
//! is queued, within bounds, and one that takes nothing for [`STALL`] is passed
//! over until it moves again. Input comes from any of them; one that has hung up
//! is no longer listened to. Output processing stays on, so that a line printed
//! with a bare LF by anybody (a panic, the standard library) still reads right.

use core::cell::{Ref, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::poll::{PollFlags, poll};

use super::terminal::{STALL, Terminal, open};
use super::wait::{pollin, timeout};
use super::{Error, clock, file, shout, vigil};

/// The terminal that the kernel prefers: standard input, output and error.
const DEVICE: &str = "/dev/console";
/// In its place on a machine without one: the boot goes on unseen.
const NOTHING: &str = "/dev/null";
/// The names of all consoles. tty0 is the virtual terminal in the foreground.
const ACTIVE: &str = "/sys/class/tty/console/active";
const PRINTK: &str = "/proc/sys/kernel/printk";

/// Longest wait for the last byte, however slowly a line moves.
const MAX_DRAIN: Duration = Duration::from_secs(15);
/// How often a line is asked whether it is empty.
const DRAIN_STEP: Duration = Duration::from_micros(200);
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
    /// `open(2)`, `tcsetattr(3)`: opens every console, and sets them raw; /dev/console
    /// becomes standard input, output and error. A machine without a console boots all the
    /// same.
    ///
    /// # Errors
    /// The errno of the open, if not even /dev/null is there.
    pub fn open() -> Result<Self, Error> {
        let device = open(DEVICE).or_else(|_| open(NOTHING))?;
        become_stdio(&device);
        let console = Self::on(Vec::new());
        console.find_more();
        if console.terminals().is_empty() {
            console.add(Terminal::raw(DEVICE, device));
        }
        Ok(console)
    }

    /// Keeps what is said, and shows it to nobody.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self::on(Vec::new())
    }

    fn on(terminals: Vec<Terminal>) -> Self {
        let terminals = RefCell::new(terminals.into_iter().map(Rc::new).collect());
        Self { terminals, log: RefCell::default(), printk: file::read_line(PRINTK).ok() }
    }

    /// Opens the consoles that have come since.
    fn find_more(&self) {
        for name in active() {
            let is_known = self.terminals().iter().any(|terminal| terminal.name() == name);
            if !is_known && let Ok(device) = open(&format!("/dev/{name}")) {
                self.add(Terminal::raw(&name, device));
            }
        }
    }

    fn add(&self, terminal: Terminal) {
        shout::tell(terminal.as_fd());
        self.terminals.borrow_mut().push(Rc::new(terminal));
    }

    /// Each of them, as long as it is needed.
    #[must_use]
    pub fn each(&self) -> Vec<Rc<Terminal>> {
        self.terminals().clone()
    }

    fn terminals(&self) -> Ref<'_, Vec<Rc<Terminal>>> {
        self.terminals.borrow()
    }

    /// `tcdrain(3)`, `tcsetattr(3)`: puts the terminals back as they were found, all output
    /// sent.
    pub fn restore(&self) {
        self.drain();
        self.terminals().iter().for_each(|terminal| terminal.restore());
    }

    /// `write(2)`: writes bytes as they are on every console. One that cannot be written to
    /// must not stop a boot, so nothing is returned.
    pub fn write(&self, bytes: &[u8]) {
        self.terminals().iter().for_each(|terminal| terminal.send(bytes));
        self.settle();
    }

    /// `write(2)`: writes one line, or several, and keeps it for the log. While a menu is
    /// on the screen it waits. The text has to be free of control characters
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
            let mut polled: Vec<_> = waiting.map(|terminal| terminal.pollout()).collect();
            let _ = poll(&mut polled, timeout(Some(STALL)));
            self.pump();
        }
    }

    /// `poll(2)`, `ioctl(2)`: waits until the last byte has left the machine, on every line
    /// that moves.
    pub fn drain(&self) {
        self.settle();
        let start = Instant::now();
        let end = clock::elapsed().saturating_add(MAX_DRAIN);
        let mut moving = (usize::MAX, start);
        loop {
            vigil::wait(end);
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
        self.terminals().iter().all(|terminal| terminal.is_deaf())
    }

    /// `poll(2)`: waits for a key on any console, for one of `others` or for the time, or
    /// until a terminal takes some of what is queued for it; tells whether there is a key
    /// to read, and which of the others can be read.
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

    /// `poll(2)`: whether something was typed on any console that was not read yet.
    #[must_use]
    pub fn is_called(&self) -> bool {
        let terminals = self.terminals();
        let mut polled: Vec<_> = terminals.iter().filter_map(|one| one.polled()).collect();
        let _ = poll(&mut polled, timeout(Some(Duration::ZERO)));
        // One that has hung up can be read for ever, and nobody is there.
        let hung_up = PollFlags::POLLHUP | PollFlags::POLLERR;
        let is_typed =
            |flags: PollFlags| flags.contains(PollFlags::POLLIN) && !flags.intersects(hung_up);
        polled.iter().any(|fd| fd.revents().is_some_and(is_typed))
    }

    /// `/proc/sys/kernel/printk`: a menu takes the screen: kernel messages stay off it, but
    /// those of a dying kernel, and so do our own lines. Every console is listened to
    /// again, and those that have come since are opened.
    pub fn begin_screen(&self) {
        self.find_more();
        let _ = file::write_text(PRINTK, "1");
        self.log.borrow_mut().held = Some(0);
        self.terminals().iter().for_each(|terminal| terminal.heed());
    }

    /// The menu is gone: what was said meanwhile follows it.
    pub fn end_screen(&self) {
        let held = self.log.borrow_mut().take_held();
        for line in held {
            self.write(format!("{line}\r\n").as_bytes());
        }
        self.restore_kernel();
    }

    /// `/proc/sys/kernel/printk`: lets the kernel speak as it did before.
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

/// `open(2)`, `write(2)`: writes one line on every console of the machine, whatever state
/// this program is in; where there is none, on standard error. It waits for lines that
/// move, and never fails.
pub fn everywhere(text: &str) {
    let names = active();
    let devices = names.iter().filter_map(|name| Some((name, open(&format!("/dev/{name}")).ok()?)));
    let terminals: Vec<_> = devices.map(|(name, device)| Terminal::new(name, device)).collect();
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

/// What a panic prints has to reach the console that is in use.
fn become_stdio(device: &File) {
    let _ = nix::unistd::dup2_stdin(device);
    let _ = nix::unistd::dup2_stdout(device);
    let _ = nix::unistd::dup2_stderr(device);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::fd::AsFd as _;
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
        let kept = console.each()[0].queued();
        assert!(kept <= crate::sys::terminal::MAX_QUEUE, "{kept}");
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
}
