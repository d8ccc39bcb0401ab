//! PID 1 of a locked image, traced by the kernel that runs it: it executes
//! nothing, and opens no file of an entry twice.

use super::{Boot, Case, Expect, PLAIN, case, nothing};
use crate::world::{INITRD, LINUX, SECOND};
use anyhow::{Result, ensure};

/// A probe where every open of a path goes through, and events for execve, and
/// for mount, of which there must be some. All of it goes to the console.
/// (Documentation/trace/kprobetrace.rst, kernel-parameters.txt)
const TRACED: &str = "ignore_loglevel tp_printk \
    trace_event=sched:sched_process_exec,syscalls:sys_enter_execve,\
    syscalls:sys_enter_execveat,syscalls:sys_enter_mount \
    kprobe_event=p:opens,do_filp_open,path=+0(+0($arg2)):string,flags=+0($arg3):x32,comm=$comm";

pub(super) const CASES: &[Case] = &[case(
    "pid_1_executes_nothing_and_opens_each_file_once",
    Boot { first_options: TRACED, ..PLAIN },
    nothing,
    Expect::Prints(executes_nothing_and_opens_each_file_once),
)];

fn executes_nothing_and_opens_each_file_once(text: &str) -> Result<()> {
    executes_nothing(text)?;
    let opens: Vec<Open> = text.lines().filter_map(Open::parse).collect();
    let manifest = ["/turnout/good.manifest", "/turnout/good.manifest.sig"];
    for path in [LINUX, INITRD, SECOND].into_iter().chain(manifest) {
        let times = opens.iter().filter(|open| open.is_of(path)).count();
        ensure!(times == 1, "{path} was opened {times} times");
    }
    Ok(())
}

/// The kernel starts /init, and says so; nobody starts anything after that.
fn executes_nothing(text: &str) -> Result<()> {
    let started: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("sched_process_exec: "))
        .map(|(_, event)| event)
        .filter(|event| event.contains(" pid=1 ") || event.contains("old_pid=1"))
        .collect();
    let [init] = started.as_slice() else { anyhow::bail!("PID 1 executed {started:?}") };
    ensure!(init.contains("filename=/init "), "PID 1 is {init}");
    ensure!(text.contains("sys_mount("), "system calls are not traced");
    for call in ["sys_execve(", "sys_execveat("] {
        ensure!(!text.contains(call), "somebody called {call}");
    }
    Ok(())
}

/// An open by PID 1.
struct Open<'a> {
    path: &'a str,
    flags: u32,
}

impl<'a> Open<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (_, event) = line.split_once("opens: (do_filp_open")?;
        let (path, rest) = event.split_once("path=\"")?.1.split_once('"')?;
        let flags = rest.split_once("flags=0x")?.1.split(' ').next()?;
        let flags = u32::from_str_radix(flags, 16).ok()?;
        rest.contains("comm=\"init\"").then_some(Self { path, flags })
    }

    /// With O_PATH a file is found, not opened.
    fn is_of(&self, path: &str) -> bool {
        const O_PATH: u32 = 0o10_000_000;
        let name = path.trim_start_matches('/');
        let same = self.path.trim_start_matches("/boot/").trim_start_matches('/') == name;
        same && self.flags & O_PATH == 0
    }
}
