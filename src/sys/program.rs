//! Runs programs of the system: without a shell, a terminal or a name that is looked for
//! where whoever calls says, and with what they print in memory.
//!
//! On posix_spawn(3p) itself: the standard library's way to it takes over 20 KiB of a
//! program that has no room, most of it a sorted map of the environment.

use std::env::vars_os;
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, execv, pipe2};

use super::wait::wait;

const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// What every program is given, whatever whoever calls has.
const ENVIRONMENT: [(&str, &str); 2] = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")];

/// A program, and what it is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program<'a> {
    /// Its name, without a folder.
    pub(super) name: &'a str,
    /// The words after its name.
    pub(super) words: &'a [&'a str],
    /// What is added to the environment.
    pub(super) variables: &'a [(&'a str, &'a str)],
}

/// What a program left.
#[derive(Debug)]
pub(super) struct Output {
    /// What it printed.
    pub(super) printed: String,
    /// What it complained of.
    pub(super) complaint: String,
    /// How it failed; none where it did not.
    pub(super) failure: Option<String>,
}

impl Program<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    /// It cannot be started: there is none, for one.
    pub(super) fn output(&self) -> io::Result<Output> {
        let (printed, to_printed) = pipe2(OFlag::O_CLOEXEC)?;
        let (complaint, to_complaint) = pipe2(OFlag::O_CLOEXEC)?;
        let child = self.start(&to_printed, &to_complaint)?;
        drop((to_printed, to_complaint));
        let [printed, complaint] = read([Stream::of(printed), Stream::of(complaint)])?;
        Ok(Output { printed: printed.text(), complaint: complaint.text(), failure: ended(child)? })
    }

    /// In the first place that has it, as execvp(3) looks.
    fn start(&self, printed: &OwnedFd, complaint: &OwnedFd) -> io::Result<Pid> {
        let actions = actions(printed, complaint)?;
        let attributes = attributes()?;
        let words = words(self.name, self.words)?;
        let environment = self.environment()?;
        let mut result = Err(Errno::ENOENT);
        for place in PLACES {
            let path = CString::new(format!("{place}/{}", self.name))?;
            result = posix_spawn(path.as_c_str(), &actions, &attributes, &words, &environment);
            if !matches!(result, Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES)) {
                break;
            }
        }
        Ok(result?)
    }

    fn environment(&self) -> io::Result<Vec<CString>> {
        let mut environment = Vec::new();
        for (name, value) in vars_os().filter(|(name, _)| !self.sets(name)) {
            environment.push(CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())?);
        }
        for (name, value) in ENVIRONMENT.iter().chain(self.variables) {
            environment.push(CString::new([*name, "=", *value].concat())?);
        }
        Ok(environment)
    }

    fn sets(&self, name: &OsString) -> bool {
        ENVIRONMENT.iter().chain(self.variables).any(|(own, _)| name == *own)
    }
}

/// Becomes the program at this path; comes back only with the reason why not.
pub(super) fn replace_this(path: &str, rest: &[&str]) -> io::Error {
    let words = match words(path, rest) {
        Ok(words) => words,
        Err(error) => return error,
    };
    // SAFETY: no handler of ours is installed or taken away, only the one that the
    // standard library sets at the start (SIG_IGN), which a program would inherit.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    match words.first().map(|path| execv(path, &words)) {
        Some(Err(errno)) => errno.into(),
        _ => Errno::ENOENT.into(),
    }
}

fn words(name: &str, rest: &[&str]) -> io::Result<Vec<CString>> {
    let mut words = vec![CString::new(name)?];
    for word in rest {
        words.push(CString::new(*word)?);
    }
    Ok(words)
}

const NULL: &CStr = c"/dev/null";

fn actions(printed: &OwnedFd, complaint: &OwnedFd) -> nix::Result<PosixSpawnFileActions> {
    let mut actions = PosixSpawnFileActions::init()?;
    actions.add_open(0, NULL, OFlag::O_RDONLY, Mode::empty())?;
    actions.add_dup2(printed.as_raw_fd(), 1)?;
    actions.add_dup2(complaint.as_raw_fd(), 2)?;
    Ok(actions)
}

/// SIGPIPE, which is ignored here, ends a program as usual.
fn attributes() -> nix::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    Ok(attributes)
}

/// One of the two that a program writes.
struct Stream {
    from: File,
    bytes: Vec<u8>,
}

impl Stream {
    fn of(pipe: OwnedFd) -> Self {
        Self { from: pipe.into(), bytes: Vec::new() }
    }

    /// Reads what is there, and waits where nothing is; whether more may come.
    fn more(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 1024];
        match self.from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
            Ok(count) => {
                self.bytes.extend_from_slice(buffer.get(..count).unwrap_or(&buffer));
                Ok(count > 0)
            }
        }
    }

    fn rest(&mut self) -> io::Result<()> {
        while self.more()? {}
        Ok(())
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Both to their ends, in whatever order they are written: a program waits for ever for a
/// reader of the one of which nothing is read.
fn read([mut first, mut second]: [Stream; 2]) -> io::Result<[Stream; 2]> {
    loop {
        let [of_first, of_second] = wait([&first.from, &second.from], None);
        if of_first && !first.more()? {
            second.rest()?;
            break;
        }
        if of_second && !second.more()? {
            first.rest()?;
            break;
        }
    }
    Ok([first, second])
}

fn ended(child: Pid) -> nix::Result<Option<String>> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, 0)) => return Ok(None),
            Ok(WaitStatus::Exited(_, status)) => return Ok(Some(format!("exit status: {status}"))),
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return Ok(Some(format!("signal: {}", signal as i32)));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Output {
        let variables = &[("TURNOUT_ADDED", "an addition")];
        Program { name: "sh", words: &["-c", script], variables }.output().unwrap()
    }

    #[test]
    fn what_is_printed_and_complained_of_is_kept_apart() {
        let output = shell("echo printed; echo complaint >&2");
        assert_eq!((&*output.printed, &*output.complaint), ("printed\n", "complaint\n"));
        assert_eq!(output.failure, None);
    }

    #[test]
    fn both_may_be_longer_than_a_pipe_and_come_in_any_order() {
        let long = "i=0; while [ $i -lt 3000 ]; do printf %064d $i STREAM; i=$((i+1)); done;";
        let [printed, complaint] = [long.replace("STREAM", ""), long.replace("STREAM", ">&2")];
        for script in [format!("{printed}{complaint}"), format!("{complaint}{printed}")] {
            let output = shell(&script);
            assert_eq!((output.printed.len(), output.complaint.len()), (192_000, 192_000));
        }
    }

    #[test]
    fn a_failure_is_told_with_its_status_or_signal() {
        assert_eq!(shell("exit 3").failure.unwrap(), "exit status: 3");
        assert_eq!(shell("kill -9 $$").failure.unwrap(), "signal: 9");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_absence() {
        let absent = Program { name: "turnout-none-such", words: &[], variables: &[] };
        let error = absent.output().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_environment_is_inherited_but_for_what_is_set_here() {
        let printed = shell("echo $TURNOUT_ADDED:$LC_ALL:$PATH:$CARGO_PKG_NAME; env").printed;
        let first = "an addition:C:/usr/sbin:/usr/bin:/sbin:/bin:turnout\n";
        assert!(printed.starts_with(first), "{printed}");
        assert_eq!(printed.lines().filter(|line| line.starts_with("PATH=")).count(), 1);
    }

    #[test]
    fn nothing_is_read_from_whoever_calls_and_a_broken_pipe_ends_a_program() {
        assert_eq!(shell("cat").printed, "");
        let ignored = shell("sed -n 's/^SigIgn:\t//p' /proc/self/status").printed;
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        assert_eq!(ignored & 1 << (Signal::SIGPIPE as i32 - 1), 0);
    }

    #[test]
    fn what_cannot_be_started_leaves_this_process() {
        assert_eq!(replace_this("/a\0b", &[]).kind(), io::ErrorKind::InvalidInput);
    }
}
