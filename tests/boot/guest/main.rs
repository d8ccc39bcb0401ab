//! `turnout boot`, and what Debian restarts itself with, on a real Debian: systemd,
//! kdump-tools, kexec-tools, a watchdog, all as they are installed.
//!
//! `tests/run` starts it; `guest-tests [--list] [--long] [FILTER]...`. A line of checks
//! shares one guest, in which one comes after the other: those that leave a system come
//! last. The lines run beside each other.

mod checks;
mod first;
mod guest;
mod upkeep;

use anyhow::{Result, bail, ensure};
use guest::Guest;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;
use turnout::base::arch::Arch;
use turnout_qemu::build::{self, Tools};
use turnout_qemu::debian::Release;

const USAGE: &str = "\
guest-tests [--list] [--long] [FILTER]...

--list    print the names of the checks, and run none
--long    also the checks that are too slow for every change, and on Debian 12 too
FILTER    only the lines whose name contains it";

/// One thing that must be so.
struct Check {
    name: &'static str,
    /// Whether it is for the long run only.
    is_long: bool,
    run: fn(&mut Guest) -> Result<()>,
}

/// Checks that share one guest.
struct Line {
    name: &'static str,
    releases: &'static [Release],
    begin: fn(&str, Release, &Programs) -> Result<Guest>,
    checks: &'static [Check],
}

/// What of it all is run.
#[derive(Clone, Copy)]
struct Plan {
    release: Release,
    long: bool,
}

impl Plan {
    fn checks(self, line: &Line) -> impl Iterator<Item = &'static Check> {
        line.checks.iter().filter(move |check| self.long || !check.is_long)
    }

    fn name(self, line: &Line, check: &Check) -> String {
        format!("debian-{}/{}/{}", self.release.number(), line.name, check.name)
    }
}

/// What was built.
struct Programs {
    turnout: PathBuf,
    tools: Tools,
}

#[derive(Default)]
struct Arguments {
    list: bool,
    long: bool,
    help: bool,
    filters: Vec<String>,
}

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

impl Count {
    const fn note(&mut self, is_good: bool) {
        if is_good {
            self.passed = self.passed.saturating_add(1);
        } else {
            self.failed = self.failed.saturating_add(1);
        }
    }

    const fn add(&mut self, other: &Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("guest-tests: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Arguments> {
    let mut parsed = Arguments::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        use lexopt::prelude::{Long, Short, Value, ValueExt};
        match argument {
            Long("list") => parsed.list = true,
            Long("long") => parsed.long = true,
            Long("help") | Short('h') => parsed.help = true,
            Value(filter) => parsed.filters.push(filter.string()?),
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
    let releases: &[Release] =
        if arguments.long { &[Release::Trixie, Release::Bookworm] } else { &[Release::Trixie] };
    let plans = releases.iter().map(|&release| Plan { release, long: arguments.long });
    if arguments.list {
        plans.for_each(|plan| list(plan, &arguments));
        return Ok(true);
    }
    let turnout = build::commands(Arch::X86_64)?;
    let programs = Programs { turnout, tools: Tools::build()? };
    let count = plans.fold(Count::default(), |mut count, plan| {
        count.add(&run_beside(plan, &arguments, &programs));
        count
    });
    let all = count.passed.saturating_add(count.failed);
    ensure!(all > 0, "no line has \"{}\" in its name", arguments.filters.join(" "));
    println!("\n{} passed, {} failed", count.passed, count.failed);
    Ok(count.failed == 0)
}

fn chosen(plan: Plan, arguments: &Arguments) -> impl Iterator<Item = &'static Line> {
    let filters = arguments.filters.clone();
    checks::LINES.iter().filter(move |line| {
        line.releases.contains(&plan.release)
            && plan.checks(line).next().is_some()
            && (filters.is_empty() || filters.iter().any(|it| line.name.contains(it.as_str())))
    })
}

fn list(plan: Plan, arguments: &Arguments) {
    for line in chosen(plan, arguments) {
        plan.checks(line).for_each(|check| println!("{}", plan.name(line, check)));
    }
}

fn run_beside(plan: Plan, arguments: &Arguments, programs: &Programs) -> Count {
    let mut all = Count::default();
    thread::scope(|scope| {
        let running: Vec<_> = chosen(plan, arguments)
            .map(|line| scope.spawn(move || run_line(line, plan, programs)))
            .collect();
        for line in running {
            all.add(&line.join().unwrap_or(Count { passed: 0, failed: 1 }));
        }
    });
    all
}

/// A guest that does not come up is every check's failure.
fn run_line(line: &Line, plan: Plan, programs: &Programs) -> Count {
    let mut count = Count::default();
    let mut guest = match (line.begin)(line.name, plan.release, programs) {
        Ok(guest) => guest,
        Err(error) => {
            println!("FAILED debian-{}/{}: {error:#}", plan.release.number(), line.name);
            return Count { passed: 0, failed: plan.checks(line).count() };
        }
    };
    for check in plan.checks(line) {
        count.note(is_good(&plan.name(line, check), || (check.run)(&mut guest)));
    }
    count
}

fn is_good(name: &str, run: impl FnOnce() -> Result<()>) -> bool {
    let start = Instant::now();
    let result = run();
    let took = start.elapsed().as_secs_f64();
    match &result {
        Ok(()) => println!("ok     {name} (host {took:.1} s)"),
        Err(error) => println!("FAILED {name} (host {took:.1} s): {error:#}"),
    }
    result.is_ok()
}
