//! Stands for the kernel: answers every call of one start, has one of them fail, and
//! sees how it ends.
//!
//! What would leave the container is remembered and never made: for those calls
//! [`Listener::make`] must not be called.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::libc::{self, c_long};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::calls::{self, Answer, Fault};
use crate::scene::LOADED;
use crate::sys::memory;
use crate::sys::notice::{Call, Listener};
use crate::sys::process::{Process, Start};
use crate::sys::terminal::Terminal;
use crate::verdict::{End, Seen};

/// No start has to take longer: twice the longest wait that PID 1 makes for a disk while
/// nobody is there, 20 s.
const LIMIT: Duration = Duration::from_secs(40);
/// Who has nothing to do for so long, waits.
const QUIET: Duration = Duration::from_millis(700);
/// A menu shows its help for it, a prompt the letter.
const ANY_KEY: &[u8] = b"h";
/// After so many of them somebody presses Enter: a terminal that could not be set gives
/// whole lines only.
const PATIENCE: u32 = 5;
const ENTER: &[u8] = b"\r";
/// reboot(2).
const RESTART: u64 = 0x0123_4567;
const KEXEC: u64 = 0x4558_4543;
const IGNORE_CTRL_ALT_DEL: u64 = 0;
/// kexec_load(2) with these flags only asks whether it is there.
const ASKING: u64 = 0xff00;
/// KEXEC_FILE_UNLOAD.
const UNLOAD: u64 = 1;
/// The terminals that a start opens.
const CONSOLES: [&str; 2] = ["/dev/console", "/dev/ttyS0"];

/// One call of a start that is to fail: the how manyth of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) number: c_long,
    pub(crate) nth: u32,
    pub(crate) fault: Fault,
}

/// How often each call was made.
pub(crate) type Counts = BTreeMap<c_long, u32>;

/// One start.
pub(crate) struct Machine<'a> {
    process: Process,
    listener: Listener,
    terminal: &'a mut Terminal,
    root: &'a Path,
    target: Option<Target>,
    state: State,
}

/// What was seen so far.
struct State {
    began: Instant,
    counts: Counts,
    said: Vec<u8>,
    is_loaded: bool,
    is_struck: bool,
    has_hung_up: bool,
    end: Option<End>,
    strange: Vec<String>,
    /// When the first thread has called last.
    heard: Instant,
    key: Key,
    /// How many keys were.
    pressed: u32,
}

/// What has become of the last key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    None,
    Pressed,
    /// By the first thread.
    Read,
}

/// What is known after it.
pub(crate) struct Outcome {
    pub(crate) seen: Seen,
    pub(crate) counts: Counts,
    /// Whether the call that was to fail was made.
    pub(crate) is_struck: bool,
    /// Whether it was to read keys: then that console counts as hung up.
    pub(crate) has_hung_up: bool,
}

impl<'a> Machine<'a> {
    /// Starts PID 1 on a tree that is as new.
    pub(crate) fn start(
        start: &Start<'_>,
        root: &'a Path,
        terminal: &'a mut Terminal,
        target: Option<Target>,
    ) -> Result<Self> {
        let (process, listener) = start.begin().context("starting PID 1 under a filter")?;
        let now = Instant::now();
        let state = State {
            began: now,
            counts: Counts::new(),
            said: Vec::new(),
            is_loaded: false,
            is_struck: false,
            has_hung_up: false,
            end: None,
            strange: Vec::new(),
            heard: now,
            key: Key::None,
            pressed: 0,
        };
        Ok(Self { process, listener, terminal, root, target, state })
    }

    /// Goes on until the start has ended in one way or another.
    pub(crate) fn run(mut self) -> Result<Outcome> {
        while self.state.end.is_none() {
            self.turn()?;
        }
        self.listen();
        let time = self.state.began.elapsed();
        let status = self.process.end()?;
        let end = self.state.end.unwrap_or(End::Hang);
        let seen = Seen {
            end,
            said: String::from_utf8_lossy(&self.state.said).into_owned(),
            is_loaded: self.state.is_loaded,
            strange: std::mem::take(&mut self.state.strange),
            status: (end == End::Gone).then(|| format!("{status:?}")),
            time,
        };
        let State { counts, is_struck, has_hung_up, .. } = self.state;
        Ok(Outcome { seen, counts, is_struck, has_hung_up })
    }

    /// Answers a call, listens to the console, or notices that nothing happens.
    fn turn(&mut self) -> Result<()> {
        let [called, printed, gone] = self.wait()?;
        if printed {
            self.listen();
        }
        if called {
            if let Some(call) = self.listener.next()? {
                self.answer(&call)?;
            }
        } else if gone {
            self.state.end = Some(End::Gone);
        }
        self.look_at_the_clock();
        Ok(())
    }

    fn wait(&self) -> Result<[bool; 3]> {
        let mut polled = [self.listener.as_fd(), self.terminal.person(), self.process.handle()]
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        poll(&mut polled, PollTimeout::from(100_u8))?;
        Ok(polled.map(|fd| fd.revents().is_some_and(|seen| seen.contains(PollFlags::POLLIN))))
    }

    fn listen(&mut self) {
        let printed = self.terminal.printed();
        if self.state.key == Key::Read && !printed.is_empty() {
            self.state.end.get_or_insert(End::Waits);
        }
        self.state.said.extend(printed);
    }

    /// Somebody presses a key where it is quiet: who waits for one answers.
    fn look_at_the_clock(&mut self) {
        if self.state.began.elapsed() > LIMIT {
            self.state.end.get_or_insert(End::Hang);
        } else if self.state.heard.elapsed() > QUIET {
            self.state.heard = Instant::now();
            self.listen();
            self.state.key = Key::Pressed;
            self.state.pressed = self.state.pressed.saturating_add(1);
            let is_unheard = self.state.pressed > PATIENCE;
            self.terminal.type_keys(if is_unheard { ENTER } else { ANY_KEY });
        }
    }

    fn answer(&mut self, call: &Call) -> Result<()> {
        if self.is_of_first_thread(call) {
            self.state.heard = Instant::now();
            if self.state.key == Key::Pressed && self.reads_console(call) {
                self.state.key = Key::Read;
            }
        }
        let count = self.state.counts.entry(call.number).or_default();
        *count = count.saturating_add(1);
        let nth = *count;
        let target = self.target.filter(|one| one.number == call.number && one.nth == nth);
        let target = target.filter(|_| !self.is_for_wake(call));
        let Some(target) = target else { return self.answer_well(call) };
        self.state.is_struck = true;
        self.state.has_hung_up = self.reads_console(call);
        match target.fault {
            Fault::Errno(errno) => Ok(self.listener.fail(call, errno)?),
            Fault::Short => self.answer_half(call),
        }
    }

    fn reads_console(&self, call: &Call) -> bool {
        call.number == libc::SYS_read && self.file_of(call).is_some_and(|file| file.is_terminal())
    }

    /// Whether it writes to an eventfd, which fails only where 2^64 - 2 writes came
    /// before (eventfd(2)): of all that is written to, it alone is no kind of file.
    fn is_for_wake(&self, call: &Call) -> bool {
        let meta = self.file_of(call).filter(|_| call.number == libc::SYS_write);
        let mode = meta.and_then(|file| file.metadata().ok()).map(|meta| meta.mode());
        mode.is_some_and(|mode| mode & libc::S_IFMT == 0)
    }

    /// The file that its first argument stands for.
    fn file_of(&self, call: &Call) -> Option<File> {
        let [descriptor, ..] = call.arguments;
        memory::file(self.process.handle(), i32::try_from(descriptor).ok()?).ok()
    }

    fn is_of_first_thread(&self, call: &Call) -> bool {
        i32::try_from(call.thread) == Ok(self.process.id.as_raw())
    }

    fn answer_well(&mut self, call: &Call) -> Result<()> {
        match calls::answer(call.number) {
            Answer::Pretended => self.pretend(call),
            Answer::Refused => {
                self.state.strange.push(calls::name(call.number));
                Ok(self.listener.fail(call, libc::EPERM)?)
            }
            Answer::Kernel if self.opens_console(call) => {
                Ok(self.listener.give_file(call, self.terminal.line())?)
            }
            // Nobody has to wait for the time that PID 1 gives to who reads.
            Answer::Kernel if is_sleep(call) && self.is_of_first_thread(call) => {
                Ok(self.listener.give(call, 0)?)
            }
            Answer::Kernel => Ok(self.listener.make(call)?),
        }
    }

    fn opens_console(&self, call: &Call) -> bool {
        let [first, second, ..] = call.arguments;
        let path = match call.number {
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => first,
            libc::SYS_openat => second,
            _ => return false,
        };
        CONSOLES.contains(&memory::text(self.process.id, path).as_str())
    }

    /// As the kernel would, as far as PID 1 can tell.
    fn pretend(&mut self, call: &Call) -> Result<()> {
        match call.number {
            libc::SYS_reboot => self.reboot(call),
            libc::SYS_kexec_load => self.load_segments(call),
            libc::SYS_kexec_file_load => self.load_files(call),
            _ => Ok(self.listener.give(call, 0)?),
        }
    }

    /// Nothing is answered to who ends the machine: no start goes on after that.
    fn reboot(&mut self, call: &Call) -> Result<()> {
        let [_, _, what, ..] = call.arguments;
        // The kernel takes an unsigned int.
        let end = match what & u64::from(u32::MAX) {
            IGNORE_CTRL_ALT_DEL => return Ok(self.listener.give(call, 0)?),
            RESTART => End::Reset,
            KEXEC => End::Jump,
            _ => End::Other,
        };
        self.state.end.get_or_insert(end);
        Ok(())
    }

    fn load_segments(&mut self, call: &Call) -> Result<()> {
        let [_, segments, _, flags, ..] = call.arguments;
        if flags & ASKING != 0 {
            return Ok(self.listener.fail(call, libc::EINVAL)?);
        }
        self.set_loaded(call, segments > 0)
    }

    fn load_files(&mut self, call: &Call) -> Result<()> {
        let [kernel, _, _, _, flags, ..] = call.arguments;
        if flags & UNLOAD != 0 {
            return self.set_loaded(call, false);
        }
        // As PID 1 asks whether the call is there.
        let is_none = u32::try_from(kernel & u64::from(u32::MAX)) == Ok(u32::MAX);
        if is_none {
            Ok(self.listener.fail(call, libc::EBADF)?)
        } else {
            self.set_loaded(call, true)
        }
    }

    fn set_loaded(&mut self, call: &Call, is_loaded: bool) -> Result<()> {
        self.state.is_loaded = is_loaded;
        fs::write(self.root.join(LOADED), if is_loaded { "1\n" } else { "0\n" })?;
        Ok(self.listener.give(call, 0)?)
    }

    /// Half of the bytes that were to be read or written, which the kernel may always do.
    fn answer_half(&mut self, call: &Call) -> Result<()> {
        match self.half(call) {
            Ok(count) => Ok(self.listener.give(call, i64::try_from(count)?)?),
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                Ok(self.listener.fail(call, errno)?)
            }
        }
    }

    fn half(&self, call: &Call) -> io::Result<usize> {
        let [descriptor, address, length, offset, ..] = call.arguments;
        let number = i32::try_from(descriptor).map_err(io::Error::other)?;
        let mut file = memory::file(self.process.handle(), number)?;
        let span = Span::of(self, call, address, length)?;
        match call.number {
            libc::SYS_read | libc::SYS_readv => self.give(&span, |to| file.read(to)),
            libc::SYS_pread64 => self.give(&span, |to| file.read_at(to, offset)),
            libc::SYS_pwrite64 => file.write_at(&self.take(&span)?, offset),
            _ => file.write(&self.take(&span)?),
        }
    }

    fn give(
        &self,
        span: &Span,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut bytes = vec![0; span.length];
        let count = read(&mut bytes)?;
        bytes.truncate(count);
        if bytes.is_empty() {
            return Ok(0);
        }
        memory::write(self.process.id, span.address, &bytes)
    }

    fn take(&self, span: &Span) -> io::Result<Vec<u8>> {
        memory::read(self.process.id, span.address, span.length)
    }
}

/// Where bytes lie in PID 1's memory.
struct Span {
    address: usize,
    length: usize,
}

impl Span {
    /// Half of what the call reads into or writes from, of the first part with bytes
    /// where it has several.
    fn of(machine: &Machine<'_>, call: &Call, address: u64, length: u64) -> io::Result<Self> {
        let whole = match call.number {
            libc::SYS_readv | libc::SYS_writev => machine.first_part(address, length)?,
            _ => Self { address: to_usize(address)?, length: to_usize(length)? },
        };
        let is_empty = whole.length == 0;
        Ok(Self { length: if is_empty { 0 } else { (whole.length / 2).max(1) }, ..whole })
    }
}

impl Machine<'_> {
    /// Of an array of struct iovec (readv(2)).
    fn first_part(&self, address: u64, count: u64) -> io::Result<Span> {
        const PART: usize = 16;
        let length = to_usize(count)?.saturating_mul(PART);
        let bytes = memory::read(self.process.id, to_usize(address)?, length)?;
        for part in bytes.chunks_exact(PART) {
            let (address, length) = part.split_at(PART / 2);
            let part = Span { address: word(address)?, length: word(length)? };
            if part.length > 0 {
                return Ok(part);
            }
        }
        Ok(Span { address: 0, length: 0 })
    }
}

fn word(bytes: &[u8]) -> io::Result<usize> {
    Ok(usize::from_ne_bytes(bytes.try_into().map_err(io::Error::other)?))
}

fn to_usize(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(io::Error::other)
}

fn is_sleep(call: &Call) -> bool {
    [libc::SYS_nanosleep, libc::SYS_clock_nanosleep].contains(&call.number)
}
