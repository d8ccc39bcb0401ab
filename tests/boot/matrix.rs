//! The boot matrix: real kernels in QEMU, every good boot and every refusal.
//!
//! `tests/run` starts it; `boot-tests [--jobs N] [--list] [--long] [--without FILTER]
//! [FILTER]...` runs the cases whose `ARCH/name` contains one of the filters; without
//! filters all but the long ones, with `--long` only those. A refusal passes only on its
//! reason, and only if the next system was never reached.

mod cases;
mod described;
mod expect;
mod long_run;
mod power;
mod recipe;
mod schedule;
mod signing;
mod stick;
mod world;

use anyhow::{Context, Result, bail, ensure};
use cases::Case;
use schedule::{Durations, Progress};
use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;
use turnout::base::arch::Arch;
use turnout_qemu::build::{self, Tools};
use turnout_qemu::setup;
use world::World;

const ARCHS: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];
const USAGE: &str = "\
boot-tests [--jobs N] [--list] [--long] [--without FILTER] [FILTER]...

--jobs N  so many machines at a time (2)
--list    print the names of the cases, and run none
--long    the cases of the long run, and no others
--without FILTER
          none of the cases whose ARCH/name contains it
FILTER    only the cases whose ARCH/name contains it, long or not";

struct Arguments {
    jobs: usize,
    list: bool,
    long: bool,
    help: bool,
    without: Vec<String>,
    filters: Vec<String>,
}

/// A case on one architecture.
struct Chosen {
    arch: Arch,
    case: &'static Case,
    name: String,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("boot-tests: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Arguments> {
    let mut parsed = Arguments {
        jobs: 2,
        list: false,
        long: false,
        help: false,
        without: Vec::new(),
        filters: Vec::new(),
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        use lexopt::prelude::{Long, Short, Value, ValueExt};
        match argument {
            Long("jobs") => parsed.jobs = arguments.value()?.parse()?,
            Long("list") => parsed.list = true,
            Long("long") => parsed.long = true,
            Long("without") => {
                parsed.without.push(arguments.value()?.to_string_lossy().into_owned());
            }
            Long("help") | Short('h') => parsed.help = true,
            Value(filter) => parsed.filters.push(filter.to_string_lossy().into_owned()),
            other => bail!("{}; --help shows all of them", other.unexpected()),
        }
    }
    Ok(parsed)
}

fn run() -> Result<bool> {
    let arguments = parse()?;
    if arguments.help {
        println!("{USAGE}");
        return Ok(true);
    }
    let mut chosen = choose(&arguments)?;
    if arguments.list {
        chosen.iter().for_each(|chosen| println!("{}", chosen.name));
        return Ok(true);
    }
    let worlds = build_worlds(&chosen)?;
    let durations = Durations::known();
    schedule::longest_first(&mut chosen, |chosen| durations.expected(&chosen.name));
    let total = chosen.len();
    let failed = Run::new(chosen, &worlds, durations, arguments.jobs).finish();
    println!("\n{} passed, {failed} failed", total.saturating_sub(failed));
    Ok(failed == 0)
}

fn choose(arguments: &Arguments) -> Result<Vec<Chosen>> {
    let mut chosen: Vec<Chosen> = cases::all().flat_map(on_each_arch).collect();
    let unknown = long_run::unknown(|name| chosen.iter().any(|one| one.name == name));
    ensure!(unknown.is_empty(), "tests/boot/long_run.rs: no case is called {}", unknown.join(", "));
    chosen.retain(|chosen| is_chosen(chosen, arguments));
    let filters = arguments.filters.join(" ");
    ensure!(!chosen.is_empty(), "no case has \"{filters}\" in its name; --list shows them all");
    Ok(chosen)
}

fn on_each_arch(case: &'static Case) -> impl Iterator<Item = Chosen> {
    case.archs.iter().map(move |arch| Chosen {
        arch: *arch,
        case,
        name: format!("{arch}/{}", case.name),
    })
}

fn is_chosen(chosen: &Chosen, arguments: &Arguments) -> bool {
    if arguments.without.iter().any(|filter| chosen.name.contains(filter.as_str())) {
        return false;
    }
    match arguments.filters.as_slice() {
        [] => is_long(chosen) == arguments.long,
        filters => filters.iter().any(|filter| chosen.name.contains(filter.as_str())),
    }
}

fn is_long(chosen: &Chosen) -> bool {
    chosen.case.boot.long || long_run::is_left(&chosen.name)
}

/// Of each architecture that a case needs.
fn build_worlds(chosen: &[Chosen]) -> Result<Vec<World>> {
    let archs: Vec<Arch> =
        ARCHS.into_iter().filter(|arch| chosen.iter().any(|one| one.arch == *arch)).collect();
    let names: Vec<&str> = archs.iter().map(|arch| arch.name()).collect();
    setup(&names)?;
    let tools = Tools::build()?;
    println!("building for {}", names.join(" and "));
    build::ahead(&archs)?;
    thread::scope(|scope| {
        let mut building = Vec::new();
        for arch in archs {
            let tools = tools.clone();
            building.push(scope.spawn(move || World::build(arch, tools)));
        }
        building.into_iter().map(joined).collect()
    })
}

fn joined(world: ScopedJoinHandle<'_, Result<World>>) -> Result<World> {
    world.join().unwrap_or_else(|_| bail!("building panicked"))
}

/// What the threads of a run share.
struct Run<'a> {
    worlds: &'a [World],
    jobs: usize,
    durations: Durations,
    queue: Mutex<VecDeque<Chosen>>,
    tally: Mutex<Tally>,
}

/// What came out so far.
struct Tally {
    failed: usize,
    progress: Progress,
    /// Of the cases that passed: one that failed waited for nothing.
    measured: BTreeMap<String, f32>,
}

impl<'a> Run<'a> {
    fn new(cases: Vec<Chosen>, worlds: &'a [World], durations: Durations, jobs: usize) -> Self {
        let ahead = cases.iter().map(|one| durations.expected(&one.name)).sum();
        let progress = Progress::new(cases.len(), jobs, ahead);
        println!("{} cases, {jobs} at a time {}", cases.len(), progress.shown());
        let tally = Tally { failed: 0, progress, measured: BTreeMap::new() };
        Self { worlds, jobs, durations, queue: Mutex::new(cases.into()), tally: Mutex::new(tally) }
    }

    /// Runs every case, and gives how many failed.
    fn finish(self) -> usize {
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work());
            }
        });
        let tally = self.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.durations.store(tally.measured);
        tally.failed
    }

    fn work(&self) {
        while let Some(chosen) = self.next() {
            let start = Instant::now();
            let world = self.worlds.iter().find(|world| world.arch == chosen.arch);
            let result = world.context("no world").and_then(|one| expect::run(one, chosen.case));
            self.tell(chosen.name, result, start.elapsed().as_secs_f32());
        }
    }

    fn next(&self) -> Option<Chosen> {
        held(&self.queue).pop_front()
    }

    /// Prints what became of a case; the lock keeps its lines together.
    fn tell(&self, name: String, result: Result<Option<f64>>, host: f32) {
        let mut tally = held(&self.tally);
        tally.progress.step(self.durations.expected(&name), host);
        let far = tally.progress.shown();
        match result {
            Ok(guest) => {
                let guest = guest.map_or_else(|| "-".to_owned(), |s| format!("{s:.3} s"));
                println!("ok     {name} (guest {guest}, host {host:.1} s) {far}");
                tally.measured.insert(name, host);
            }
            Err(error) => {
                println!("FAILED {name} (host {host:.1} s) {far}\n{error:#}\n");
                tally.failed += 1;
            }
        }
    }
}

/// A case that panicked has left nothing half done in what is shared.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
