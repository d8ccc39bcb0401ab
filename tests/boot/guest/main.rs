//! `turnout boot`, and what Debian restarts itself with, on a real Debian: systemd,
//! kdump-tools, kexec-tools, a watchdog, all as they are installed.
//!
//! `tests/run` starts it; `guest-tests [--list] [--long] [FILTER]...`. A line of checks
//! shares one guest, in which one comes after the other: those that leave a system come
//! last. The lines run beside each other.

mod checks;
mod guest;

use anyhow::{Context, Result, bail, ensure};
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
--long    Debian 12 instead of 13
FILTER    only the lines whose name contains it";

/// One thing that must be so.
struct Check {
    name: &'static str,
    run: fn(&mut Guest) -> Result<()>,
}

/// Checks that share one guest.
struct Line {
    name: &'static str,
    releases: &'static [Release],
    checks: &'static [Check],
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
    let release = if arguments.long { Release::Bookworm } else { Release::Trixie };
    let lines: Vec<&Line> =
        checks::LINES.iter().filter(|line| is_chosen(line, release, &arguments)).collect();
    ensure!(!lines.is_empty(), "no line has \"{}\" in its name", arguments.filters.join(" "));
    if arguments.list {
        lines.iter().for_each(|line| list(line, release));
        return Ok(true);
    }
    let turnout = build::commands(Arch::X86_64)?;
    let programs = Programs { turnout, tools: Tools::build()? };
    let count = run_beside(&lines, release, &programs);
    println!("\n{} passed, {} failed", count.passed, count.failed);
    Ok(count.failed == 0)
}

fn is_chosen(line: &Line, release: Release, arguments: &Arguments) -> bool {
    let filters = &arguments.filters;
    line.releases.contains(&release)
        && (filters.is_empty() || filters.iter().any(|filter| line.name.contains(filter.as_str())))
}

fn list(line: &Line, release: Release) {
    line.checks.iter().for_each(|check| println!("{}", name(line, check, release)));
}

fn name(line: &Line, check: &Check, release: Release) -> String {
    format!("debian-{}/{}/{}", release.number(), line.name, check.name)
}

fn run_beside(lines: &[&Line], release: Release, programs: &Programs) -> Count {
    let mut all = Count::default();
    thread::scope(|scope| {
        let running: Vec<_> =
            lines.iter().map(|line| scope.spawn(|| run_line(line, release, programs))).collect();
        for line in running {
            let count = line.join().unwrap_or(Count { passed: 0, failed: 1 });
            all.passed = all.passed.saturating_add(count.passed);
            all.failed = all.failed.saturating_add(count.failed);
        }
    });
    all
}

/// A guest that does not come up is every check's failure.
fn run_line(line: &Line, release: Release, programs: &Programs) -> Count {
    let guest = Guest::start(line.name, release, programs).context("no guest");
    let mut count = Count::default();
    let mut guest = match guest {
        Ok(guest) => guest,
        Err(error) => {
            eprintln!("FAILED debian-{}/{}: {error:#}", release.number(), line.name);
            return Count { passed: 0, failed: line.checks.len() };
        }
    };
    for check in line.checks {
        if is_good(&name(line, check, release), || (check.run)(&mut guest)) {
            count.passed = count.passed.saturating_add(1);
        } else {
            count.failed = count.failed.saturating_add(1);
        }
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
