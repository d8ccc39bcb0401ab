//! The boot matrix: real kernels in QEMU, every good boot and every refusal.
//!
//! `tests/run` starts it; `boot-tests [--jobs N] [--list] [--long] [FILTER]...`
//! runs the cases whose `ARCH/name` contains one of the filters; without filters
//! all but the long ones, with `--long` only those. A refusal passes only on its
//! reason, and only if the next system was never reached.

mod cases;
mod expect;
mod signing;
mod world;

use anyhow::{Context, Result};
use cases::Case;
use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;
use turnout::arch::Arch;
use turnout_qemu::setup;
use world::World;

const ARCHS: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

struct Arguments {
    jobs: usize,
    list: bool,
    long: bool,
    filters: Vec<String>,
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
    let mut parsed = Arguments { jobs: 2, list: false, long: false, filters: Vec::new() };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        use lexopt::prelude::{Long, Value, ValueExt};
        match argument {
            Long("jobs") => parsed.jobs = arguments.value()?.parse()?,
            Long("list") => parsed.list = true,
            Long("long") => parsed.long = true,
            Value(filter) => parsed.filters.push(filter.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(parsed)
}

fn run() -> Result<bool> {
    let arguments = parse()?;
    let chosen = choose(&arguments);
    if arguments.list {
        chosen.iter().for_each(|(arch, case)| println!("{arch}/{}", case.name));
        return Ok(true);
    }
    let archs: Vec<Arch> =
        ARCHS.into_iter().filter(|arch| chosen.iter().any(|(a, _)| a == arch)).collect();
    setup(&archs.iter().map(|arch| arch.name()).collect::<Vec<_>>())?;
    let worlds = archs.into_iter().map(World::build).collect::<Result<Vec<_>>>()?;
    let chosen = without_skipped(chosen)?;
    let total = chosen.len();
    let failed = run_all(chosen, &worlds, arguments.jobs)?;
    println!("\n{} passed, {failed} failed", total.saturating_sub(failed));
    Ok(failed == 0)
}

fn choose(arguments: &Arguments) -> VecDeque<(Arch, &'static Case)> {
    let all = cases::all().flat_map(|case| case.archs.iter().map(move |arch| (*arch, case)));
    all.filter(|(arch, case)| is_chosen(*arch, case, arguments)).collect()
}

fn is_chosen(arch: Arch, case: &Case, arguments: &Arguments) -> bool {
    let name = format!("{arch}/{}", case.name);
    match arguments.filters.as_slice() {
        [] => case.boot.long == arguments.long,
        filters => filters.iter().any(|filter| name.contains(filter.as_str())),
    }
}

/// Says what is left out, and why: a kernel that this release of Debian has not.
fn without_skipped(
    chosen: VecDeque<(Arch, &'static Case)>,
) -> Result<VecDeque<(Arch, &'static Case)>> {
    let mut kept = VecDeque::new();
    for (arch, case) in chosen {
        match missing_kernel(arch, case)? {
            Some(reason) => println!("skip   {arch}/{}: {reason}", case.name),
            None => kept.push_back((arch, case)),
        }
    }
    Ok(kept)
}

fn missing_kernel(arch: Arch, case: &Case) -> Result<Option<String>> {
    let flavours = [Some(case.boot.flavour), case.boot.next];
    for flavour in flavours.into_iter().flatten() {
        if let Some(reason) = flavour.missing(arch)? {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

/// Runs the cases on `jobs` threads and gives how many failed.
fn run_all(
    chosen: VecDeque<(Arch, &'static Case)>,
    worlds: &[World],
    jobs: usize,
) -> Result<usize> {
    let queue = Mutex::new(chosen);
    let failed = Mutex::new(0_usize);
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some((arch, case)) = queue.lock().ok().and_then(|mut q| q.pop_front()) {
                    let passed = run_one(arch, case, worlds);
                    if let Ok(mut failed) = failed.lock() {
                        *failed += usize::from(!passed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().ok().context("a case panicked")?;
    Ok(failed)
}

fn run_one(arch: Arch, case: &Case, worlds: &[World]) -> bool {
    let start = Instant::now();
    let world = worlds.iter().find(|world| world.arch == arch);
    let result = world.context("no world").and_then(|world| expect::run(world, case));
    let host = start.elapsed().as_secs_f32();
    match result {
        Ok(guest) => {
            let guest = guest.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.3} s"));
            println!("ok     {arch}/{} (guest {guest}, host {host:.1} s)", case.name);
            true
        }
        Err(error) => {
            println!("FAILED {arch}/{} (host {host:.1} s)\n{error:#}\n", case.name);
            false
        }
    }
}
