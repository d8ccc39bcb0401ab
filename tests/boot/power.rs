//! Cases in which the power fails: everything that a machine does to its disk is
//! recorded, disks are rebuilt as a cut at any moment may leave them, judged by what their
//! state area says, and started.

use crate::expect::{CHAIN_DEADLINE, DEADLINE, tail};
use crate::world::{Prepared, area_of};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use turnout::rollback::State;
use turnout_qemu::area::{Area, Kept, LENGTH, Wrong};
use turnout_qemu::outage::{Cut, cuts};
use turnout_qemu::recording::Recording;
use turnout_qemu::serial::{Console, Event};

/// Where the seeds of all cuts come from: another one makes other disks.
const SEED: &str = "TURNOUT_POWER_SEED";
/// So often a rebuilt disk may be started until something good runs: each slot has three
/// tries.
const MOST_STARTS: usize = 7;
/// So many disks at least must be found to have lost what was kept, where nobody flushes.
const LEAST_FOUND: usize = 10;

/// What is done with a recording.
#[derive(Clone, Copy)]
pub(crate) struct Outage {
    /// The releases that confirm themselves while it is made, in order.
    pub(crate) confirms: &'static [u32],
    /// So many rebuilt disks are judged by their state area.
    pub(crate) judged: usize,
    /// So many others are judged and started.
    pub(crate) started: usize,
    /// So many at a time.
    pub(crate) at_once: usize,
    /// Whether the cuts must be found to lose what was kept.
    pub(crate) is_found: bool,
}

/// What one start may write.
#[derive(Clone, Copy)]
pub(crate) struct Wear {
    /// So many places of the state area, and nothing else.
    pub(crate) places: usize,
}

/// A recording, and what the disk held before.
struct Taken {
    recording: Recording,
    kept: Kept,
    before: PathBuf,
    text: String,
}

/// What is wrong with the state areas of disks, in words.
#[derive(Default)]
struct Found {
    /// They have lost what was kept.
    lost: Vec<String>,
    /// Anything else.
    others: Vec<String>,
}

/// Runs a case with a recording.
pub(crate) fn survives(prepared: &Prepared, outage: &Outage) -> Result<()> {
    judge_and_start(prepared, outage)?;
    Ok(fs::remove_file(&prepared.transcript)?)
}

fn judge_and_start(prepared: &Prepared, outage: &Outage) -> Result<()> {
    let taken = take(prepared)?;
    let expected =
        outage.confirms.iter().map(|number| format!("release {number} runs and is confirmed"));
    let missing = expected.into_iter().find(|text| !taken.text.contains(text));
    if let Some(missing) = missing {
        bail!("no \"{missing}\" in the recording\n{}", tail(&taken.text));
    }
    let seed = seed()?;
    let Found { lost, others } = judge_all(&taken, outage.judged, seed)?;
    if outage.is_found {
        // Places that reach the disk in any order make states that nobody wrote, too.
        println!(
            "       {} of {} disks have lost what was kept, and {} hold what nobody wrote",
            lost.len(),
            outage.judged,
            others.len()
        );
        ensure!(lost.len() >= LEAST_FOUND, "only {} cuts lose what was kept", lost.len());
        return Ok(());
    }
    ensure!(others.is_empty(), "{} disks are wrong: {}", others.len(), others.join("\n"));
    ensure!(lost.is_empty(), "{} disks have lost what was kept: {}", lost.len(), lost.join("\n"));
    start_all(prepared, &taken, outage, seed)
}

/// A healthy start writes what it may.
pub(crate) fn wears(prepared: &Prepared, wear: &Wear) -> Result<()> {
    let Taken { recording, kept, text, .. } = take(prepared)?;
    ensure!(text.contains("release 1 is the last"), "it was not started\n{}", tail(&text));
    let places = recording.writes_to(&kept.part()).len();
    let all = recording.writes().count();
    ensure!(places == wear.places, "{places} places were written, not {}", wear.places);
    ensure!(all == places, "{all} writes, of them {places} to the state area");
    println!("       a healthy start: {places} places of the state area, and no other write");
    Ok(fs::remove_file(&prepared.transcript)?)
}

fn seed() -> Result<u64> {
    match std::env::var(SEED) {
        Ok(text) => text.parse().with_context(|| format!("{SEED}={text}")),
        Err(_) => Ok(13),
    }
}

/// Starts the machine, which resets as it wants, and keeps what it does to its disk.
fn take(prepared: &Prepared) -> Result<Taken> {
    let before = prepared.disk.with_extension("before");
    fs::copy(&prepared.disk, &before)?;
    let log = prepared.disk.with_extension("log");
    File::create(&log)?;
    let mut machine = prepared.machine.clone();
    machine.reboot = true;
    machine.recording = Some(log.clone());
    let mut console = Console::start(&machine, &prepared.transcript)?;
    let has_ended = console.wait_for_end(CHAIN_DEADLINE)?;
    ensure!(has_ended, "the last release did not power off\n{}", tail(console.text()));
    let recording = Recording::open(&log)?;
    let start = area_of(&prepared.disk)?;
    let mut area = vec![0; LENGTH];
    File::open(&before)?.read_exact_at(&mut area, start)?;
    let kept = Kept::follow(&recording, start, Area::of(area))?;
    Ok(Taken { recording, kept, before, text: console.text().to_owned() })
}

/// What is wrong with the state areas of so many disks.
fn judge_all(taken: &Taken, count: usize, seed: u64) -> Result<Found> {
    let Taken { recording, kept, .. } = taken;
    ensure!(kept.states().any(|(_, state)| has_good(state)), "nothing was ever good");
    let mut found = Found::default();
    for cut in cuts(recording, &kept.part(), count, seed) {
        match judge(taken, cut) {
            Ok(()) => {}
            Err(Wrong::Lost(why)) => found.lost.push(format!("{cut}: {why:#}")),
            Err(Wrong::Unknown(why)) => found.others.push(format!("{cut}: {why:#}")),
        }
    }
    let events = recording.events().len();
    let writes = recording.writes().count();
    let states = kept.states().count();
    println!(
        "       {events} events, {writes} writes, {states} of them states; {count} disks judged"
    );
    Ok(found)
}

/// Whether a disk's state area is what it must be, and leaves something to fall back to.
fn judge(taken: &Taken, cut: Cut) -> Result<(), Wrong> {
    let state = taken.kept.judge(&taken.recording, cut)?;
    let good_from = taken.kept.states().find(|(_, state)| has_good(state));
    let was_good = good_from.is_some_and(|(after, _)| cut.events > after + 1);
    if was_good && !has_good(&state) {
        return Err(Wrong::Lost(anyhow!("no slot is good any more")));
    }
    Ok(())
}

/// Whether something is left to fall back to.
fn has_good(state: &State) -> bool {
    let mut slots = state.slots.list.iter();
    slots.any(|slot| slot.good_once && slot.is_usable() && !slot.bad)
}

/// Starts disks until all were, or one fails.
fn start_all(prepared: &Prepared, taken: &Taken, outage: &Outage, seed: u64) -> Result<()> {
    let cuts = cuts(&taken.recording, &taken.kept.part(), outage.started, seed);
    let next = AtomicUsize::new(0);
    let came_to: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let work = |worker: usize| -> Result<()> {
        while let Some(cut) = cuts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let end = start(prepared, taken, *cut, worker);
            let end = end.with_context(|| format!("the power failed after {cut}"))?;
            let mut came_to = came_to.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *came_to.entry(end).or_default() += 1;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..outage.at_once).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| bail!("starting a disk panicked"))
        })
    })?;
    let came_to = came_to.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    println!("       {} others judged and started: {came_to:?}", cuts.len());
    Ok(())
}

/// Rebuilds a disk, judges it and starts it until a release has confirmed itself; gives
/// which one, and after how many starts.
fn start(prepared: &Prepared, taken: &Taken, cut: Cut, worker: usize) -> Result<String> {
    judge(taken, cut).map_err(|wrong| anyhow!("{wrong}"))?;
    let disk = prepared.disk.with_extension(format!("cut-{worker}"));
    rebuild(taken, cut, &disk)?;
    let mut machine = prepared.machine.clone();
    machine.reboot = true;
    machine.disks.iter_mut().take(1).for_each(|(_, path)| path.clone_from(&disk));
    let transcript = prepared.transcript.with_extension(format!("cut-{worker}.log"));
    let mut console = Console::start(&machine, &transcript)?;
    let event = console.wait_for(&["runs and is confirmed"], DEADLINE)?;
    let jumps = console.text().matches("turnout: jumping to ").count();
    let Event::Seen { line, .. } = event else {
        bail!("nothing good runs: {event:?}, {jumps} jumps\n{}", tail(console.text()));
    };
    ensure!(jumps <= MOST_STARTS, "{line} only after {jumps} jumps\n{}", tail(console.text()));
    drop(console);
    fs::remove_file(&transcript)?;
    Ok(format!("{line} after {jumps} starts"))
}

fn rebuild(taken: &Taken, cut: Cut, disk: &Path) -> Result<()> {
    let mut bytes = fs::read(&taken.before)?;
    cut.apply(&taken.recording, 0, &mut bytes);
    Ok(fs::write(disk, bytes)?)
}
