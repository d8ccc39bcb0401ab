//! Runs a program and looks at the system calls that matter before they are made.
//!
//! The program becomes traced by itself: this one starts itself again, and that
//! process asks to be traced and sets a filter before it becomes the other. The filter
//! stops it at those calls only, for every stop costs an emulated machine a while
//! (ptrace(2), seccomp(2)).

use crate::call::{Call, NUMBERS};
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, setgid, setuid};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// How this program is told to become another.
pub(crate) const BECOME: &str = "become";
const ROOT: &str = "root";
/// Somebody who may nothing.
const NOBODY: u32 = 65534;
/// What both programs are called by.
const NAME: &str = "kexec";
const OUTPUT: &str = "/output";
const ERRORS: &str = "/errors";

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a Path,
    pub(crate) is_root: bool,
    pub(crate) words: &'a [OsString],
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its exit status, `jumps`, or the signal that ended it.
    pub(crate) status: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
}

/// The other side of [`run`]: comes back only if it could not become the program.
pub(crate) fn become_traced(whom: &OsStr, program: &Path, words: &[OsString]) -> Result<()> {
    if whom != ROOT {
        setgid(Gid::from_raw(NOBODY))?;
        setuid(Uid::from_raw(NOBODY))?;
    }
    prctl::set_no_new_privs()?;
    ptrace::traceme()?;
    set_filter()?;
    let error = Command::new(program).arg0(NAME).args(words).exec();
    Err(error).with_context(|| program.display().to_string())
}

/// Stops at the calls of [`NUMBERS`], lets all others through. What the kernel reads is
/// the number alone: all programs here are of one architecture.
fn set_filter() -> Result<()> {
    let mut filter = vec![rule(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for number in NUMBERS {
        let skip_if_other = 1;
        let test = rule(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number, skip_if_other);
        filter.extend([test, rule(libc::BPF_RET, libc::SECCOMP_RET_TRACE, 0)]);
    }
    filter.push(rule(libc::BPF_RET, libc::SECCOMP_RET_ALLOW, 0));
    let program =
        libc::sock_fprog { len: u16::try_from(filter.len())?, filter: filter.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which outlives the call, and writes nothing.
    #[expect(unsafe_code, reason = "nix has no seccomp")]
    let set =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    Errno::result(set).map(drop).context("setting the filter")
}

/// One instruction; `otherwise` says how many it skips where a test fails.
fn rule(code: u32, value: u32, otherwise: u8) -> libc::sock_filter {
    let code = u16::try_from(code).unwrap_or_default();
    libc::sock_filter { code, jt: 0, jf: otherwise, k: value }
}

pub(crate) fn run(program: &Program<'_>) -> Result<Outcome> {
    let mut command = Command::new("/proc/self/exe");
    command.arg(BECOME).arg(if program.is_root { ROOT } else { "nobody" });
    command.arg(program.path).args(program.words).stdin(Stdio::null());
    command.stdout(File::create(OUTPUT)?).stderr(File::create(ERRORS)?);
    let child = command.spawn()?;
    let main = Pid::from_raw(i32::try_from(child.id())?);
    let mut tracer = Tracer::start(main)?;
    let status = tracer.follow(main)?;
    Ok(Outcome {
        status: if tracer.jumped { "jumps".to_owned() } else { status },
        calls: tracer.calls,
        output: fs::read(OUTPUT)?,
        errors: fs::read(ERRORS)?,
    })
}

/// Threads and children are followed as well.
#[derive(Debug, Default)]
struct Tracer {
    calls: Vec<Call>,
    jumped: bool,
}

impl Tracer {
    /// The program stops where it has become the other.
    fn start(main: Pid) -> Result<Self> {
        match waitpid(main, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            other => bail!("the program did not start: {other:?}"),
        }
        let options = Options::PTRACE_O_TRACESECCOMP
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(main, options)?;
        go_on(main, None)?;
        Ok(Self::default())
    }

    /// To the end of all of them; gives the first one's status.
    fn follow(&mut self, main: Pid) -> Result<String> {
        let mut status = String::new();
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == main => status = code.to_string(),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => {
                    signal.as_str().clone_into(&mut status);
                }
                Ok(WaitStatus::PtraceEvent(pid, _, event)) => self.event(pid, event)?,
                // A new thread begins with a stop of its own.
                Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)) => go_on(pid, None)?,
                Ok(WaitStatus::Stopped(pid, signal)) => go_on(pid, Some(signal))?,
                Ok(_) => {}
                Err(Errno::ECHILD) => return Ok(status),
                Err(error) => bail!("waiting for the program: {error}"),
            }
        }
    }

    /// The machine must go on with the next line, so nobody jumps.
    fn call(&mut self, pid: Pid) -> Result<()> {
        let Some(call) = Call::entered(pid)? else { return go_on(pid, None) };
        self.jumped |= matches!(call, Call::Jump(_));
        self.calls.push(call);
        if self.jumped { Ok(kill(pid, Signal::SIGKILL)?) } else { go_on(pid, None) }
    }

    fn event(&mut self, pid: Pid, event: i32) -> Result<()> {
        if event == ptrace::Event::PTRACE_EVENT_SECCOMP as i32 {
            return self.call(pid);
        }
        if event == ptrace::Event::PTRACE_EVENT_EXEC as i32 {
            self.calls.push(Call::Exec(fs::read(format!("/proc/{pid}/cmdline"))?));
        }
        go_on(pid, None)
    }
}

/// One that has just been killed is no error.
fn go_on(pid: Pid, signal: Option<Signal>) -> Result<()> {
    match ptrace::cont(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => bail!("going on: {error}"),
    }
}
