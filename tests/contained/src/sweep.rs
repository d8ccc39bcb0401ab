//! Which starts are made, side by side, and what is told of them.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::libc;

use crate::calls::{self, Fault};
use crate::machine::{Counts, Machine, Outcome, Target};
use crate::scene::{PROGRAM, Scene};
use crate::sys::filter;
use crate::sys::process::Start;
use crate::sys::terminal::Terminal;
use crate::verdict::End;

/// Where the program lies.
const PLACE: &str = "/program";
/// Starts that are made at the same time: most wait for something now and then.
pub(crate) const WORKERS: usize = 8;
/// Threads take turns as they like: what nobody has made to fail is counted this often,
/// and the most counts.
const RECORDS: usize = 3;

/// The first page that is asked for is the standard library's, for the main thread's
/// second stack.
const BEFORE_MAIN: &str = "it is asked for before PID 1's first line runs";
/// The menu that nobody can end any more is one that was told to wait for ever.
const HUNG_UP: &str = "its only console has hung up, and is not listened to (docs/console.md)";
/// Of the calls of a start, how manyth has a fault where not all have.
const SAMPLE: usize = 4;

/// What is to be done.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// What is PID 1; none is the program that is released.
    pub(crate) program: Option<PathBuf>,
    pub(crate) whole: bool,
    pub(crate) choices: Vec<Choice>,
}

/// Some of the starts: SCENE/CALL/NTH/FAULT, as much of it as there is.
#[derive(Debug)]
pub(crate) struct Choice(Vec<String>);

/// One start with a fault.
#[derive(Debug, Clone, Copy)]
struct Job<'a> {
    scene: &'a Scene,
    target: Target,
}

/// What came of all of them.
#[derive(Debug, Default)]
struct Tally {
    ends: BTreeMap<String, usize>,
    unmade: usize,
    failed: Vec<String>,
    slowest: Option<(Duration, String)>,
}

impl Choice {
    /// # Errors
    /// More parts than there are.
    pub(crate) fn parse(word: &str) -> Result<Self> {
        let parts: Vec<String> = word.split('/').map(str::to_owned).collect();
        ensure!(parts.len() <= 4, "\"{word}\": at most SCENE/CALL/NTH/FAULT");
        Ok(Self(parts))
    }

    fn takes(&self, name: &str) -> bool {
        let mut parts = name.split('/');
        self.0.iter().all(|wanted| parts.next().is_some_and(|part| part == wanted))
    }
}

impl Job<'_> {
    /// Why it may end so all the same, if it may.
    fn excuse(&self, outcome: &Outcome) -> Option<&'static str> {
        let Target { number, nth, .. } = self.target;
        let is_first = nth == 1 && [libc::SYS_mmap, libc::SYS_mprotect].contains(&number);
        let is_deaf = outcome.has_hung_up && outcome.seen.end == End::Hang;
        is_first.then_some(BEFORE_MAIN).or(is_deaf.then_some(HUNG_UP))
    }

    fn name(&self) -> String {
        let Target { number, nth, fault } = self.target;
        format!("{}/{}/{nth}/{fault}", self.scene.name, calls::name(number))
    }
}

/// Makes them all; whether each has ended as it may.
pub(crate) fn run(
    plan: &Plan,
    program: &[u8],
    scenes: &[Scene],
    terminals: Vec<Terminal>,
) -> Result<bool> {
    // Written once, before a process is made that could have it open for writing: none
    // could be started from it then.
    fs::write(PLACE, program)?;
    fs::set_permissions(PLACE, fs::Permissions::from_mode(0o755))?;
    let mut workers: Vec<Worker> = terminals
        .into_iter()
        .enumerate()
        .map(|(n, one)| Worker::new(n, one))
        .collect::<Result<_>>()?;
    let mut jobs = Vec::new();
    let chosen = scenes.iter().filter(|scene| plan.names_scene(scene.name));
    for scene in chosen {
        let worker = workers.first_mut().context("no worker")?;
        let counts = worker.record(scene)?;
        let made: u32 = counts.values().sum();
        println!("{}: {made} calls of {} kinds in a start", scene.name, counts.len());
        jobs.extend(plan.jobs(scene, &counts));
    }
    let began = Instant::now();
    let tally = sweep(plan, &jobs, workers)?;
    tally.tell(jobs.len(), began.elapsed());
    Ok(tally.failed.is_empty())
}

impl Plan {
    fn names_scene(&self, name: &str) -> bool {
        let first = |choice: &Choice| choice.0.first().is_some_and(|first| first == name);
        self.choices.is_empty() || self.choices.iter().any(first)
    }

    /// The faults of every call that a start has made.
    fn jobs<'a>(&self, scene: &'a Scene, counts: &Counts) -> Vec<Job<'a>> {
        let mut jobs = Vec::new();
        for (number, count) in counts {
            for nth in 1..=*count {
                for fault in self.faults(*number, nth) {
                    let job = Job { scene, target: Target { number: *number, nth, fault } };
                    if self.takes(&job) {
                        jobs.push(job);
                    }
                }
            }
        }
        let is_sample = !self.whole && self.choices.is_empty();
        jobs.into_iter().step_by(if is_sample { SAMPLE } else { 1 }).collect()
    }

    /// All that the call may have, or one in turn.
    fn faults(&self, number: i64, nth: u32) -> Vec<Fault> {
        let all = calls::faults(number);
        if self.whole || !self.choices.is_empty() {
            return all.to_vec();
        }
        let turn = usize::try_from(nth).unwrap_or(0).checked_rem(all.len());
        turn.and_then(|turn| all.get(turn)).copied().into_iter().collect()
    }

    fn takes(&self, job: &Job<'_>) -> bool {
        let name = job.name();
        self.choices.is_empty() || self.choices.iter().any(|choice| choice.takes(&name))
    }
}

/// Makes starts one after the other, in a directory and on a console of its own.
struct Worker {
    root: PathBuf,
    terminal: Terminal,
}

impl Worker {
    fn new(number: usize, terminal: Terminal) -> Result<Self> {
        let root = PathBuf::from(format!("/machine-{number}"));
        fs::create_dir_all(&root)?;
        Ok(Self { root, terminal })
    }

    fn make(&mut self, scene: &Scene, target: Option<Target>) -> Result<Outcome> {
        scene.put(&self.root, Path::new(PLACE))?;
        self.terminal.renew()?;
        let console = self.terminal.line().try_clone_to_owned()?;
        let start = Start {
            root: &path(&self.root)?,
            program: &path(&Path::new("/").join(PROGRAM))?,
            filter: &filter::program(),
            console: console.as_fd(),
        };
        Machine::start(&start, &self.root, &mut self.terminal, target)?.run()
    }

    /// How often a start makes each call, if it ends as it should.
    fn record(&mut self, scene: &Scene) -> Result<Counts> {
        let mut most = Counts::new();
        for _ in 0..RECORDS {
            let outcome = self.make(scene, None)?;
            let seen = &outcome.seen;
            ensure!(
                seen.end == scene.end && seen.fault().is_none(),
                "{}: without a fault it ended with {:?}{}, and {:?} was expected:\n{}",
                scene.name,
                seen.end,
                seen.fault().map_or_else(String::new, |why| format!(" ({why})")),
                scene.end,
                seen.said
            );
            for (number, count) in outcome.counts {
                let most = most.entry(number).or_default();
                *most = count.max(*most);
            }
        }
        Ok(most)
    }
}

fn path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_encoded_bytes())?)
}

/// The jobs that are left, and what came of the others.
struct Queue<'a> {
    jobs: &'a [Job<'a>],
    next: AtomicUsize,
    tally: Mutex<Tally>,
    /// Whether each start is told.
    is_told: bool,
}

/// Shares the jobs among the workers.
fn sweep(plan: &Plan, jobs: &[Job<'_>], workers: Vec<Worker>) -> Result<Tally> {
    let tally = Mutex::new(Tally::default());
    let is_told = !plan.choices.is_empty();
    let queue = &Queue { jobs, next: AtomicUsize::new(0), tally, is_told };
    thread::scope(|scope| {
        let threads: Vec<_> = workers
            .into_iter()
            .map(|mut worker| scope.spawn(move || queue.work(&mut worker)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("a worker has panicked")))
        })
    })?;
    let mut tally = queue.tally.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut tally))
}

impl Queue<'_> {
    fn work(&self, worker: &mut Worker) -> Result<()> {
        while let Some(job) = self.jobs.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = worker.make(job.scene, Some(job.target)).with_context(|| job.name())?;
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.add(job, &outcome, self.is_told);
        }
        Ok(())
    }
}

impl Tally {
    fn add(&mut self, job: &Job<'_>, outcome: &Outcome, is_told: bool) {
        let name = job.name();
        let Outcome { seen, is_struck, .. } = outcome;
        let end = self.ends.entry(format!("{:?}", seen.end)).or_default();
        *end = end.saturating_add(1);
        self.unmade = self.unmade.saturating_add(usize::from(!is_struck));
        if self.slowest.as_ref().is_none_or(|(time, _)| *time < seen.time) {
            self.slowest = Some((seen.time, name.clone()));
        }
        let fault = seen.fault();
        if is_told || fault.is_some() {
            println!(
                "{name}: {:?} after {:.3} s\n{}",
                seen.end,
                seen.time.as_secs_f64(),
                seen.said
            );
        }
        match (fault, job.excuse(outcome)) {
            (None, _) => {}
            (Some(why), Some(excuse)) => println!("known  {name}: {why}: {excuse}"),
            (Some(why), None) => {
                println!("FAILED {name}: {why}");
                self.failed.push(name);
            }
        }
    }

    fn tell(&self, starts: usize, time: Duration) {
        let a_minute = 60.0 / time.as_secs_f64();
        let ends: Vec<String> = self.ends.iter().map(|(end, n)| format!("{n} {end}")).collect();
        println!(
            "{starts} starts in {:.1} s, {:.0} a minute: {}; in {} of them the call was not made",
            time.as_secs_f64(),
            a_minute * count(starts),
            ends.join(", "),
            self.unmade
        );
        if let Some((time, name)) = &self.slowest {
            println!("the slowest: {name}, {:.1} s", time.as_secs_f64());
        }
        let failed = self.failed.len();
        println!("{} passed, {failed} failed", starts.saturating_sub(failed));
    }
}

/// As a number to calculate with.
fn count(starts: usize) -> f64 {
    u32::try_from(starts).map_or(f64::INFINITY, f64::from)
}
