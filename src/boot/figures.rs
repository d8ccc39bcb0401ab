//! What the benchmark asks for with `turnout.ticks` on the kernel command line:
//! counters and sizes, printed right before the jump.

use super::Station;
use crate::bundle::Bundle;
use crate::plan::{Engine, Plan};
use crate::sys::read::Sealed;
use crate::sys::{clock, file, machine};

/// The counter at moments of a boot.
pub(super) struct Moments {
    /// How long the entry was prepared while the menu waited, if it was.
    pub(super) prepared: Option<u64>,
    /// When it was begun with: before the first file of the entry was opened or,
    /// for one that was prepared, when it was chosen.
    pub(super) open: u64,
    /// After the kernel had taken the last byte.
    pub(super) after_load: u64,
}

/// Prints the figures if somebody asked for them.
pub(super) fn print(
    station: &Station,
    plan: &Plan<'_>,
    bundle: &Bundle<Sealed>,
    moments: &Moments,
) {
    if !asked_for() {
        return;
    }
    let files = size_of_files(bundle);
    let loaded = match plan.engine {
        Engine::File => files,
        Engine::Segments => plan.segments.iter().map(|one| one.bytes.len() as u64).sum(),
    };
    let kib = |bytes: u64| bytes / 1024;
    station.say(&format!(
        "peak rss {} KiB, payload {} KiB",
        kib(machine::peak_memory()),
        kib(loaded)
    ));
    if let Some(ticks) = moments.prepared {
        station.say(&format!("prepared in {ticks} ticks"));
    }
    station.say(&format!(
        "spent hash={} trust={} ticks",
        clock::HASHING.ticks(),
        clock::TRUST.ticks()
    ));
    station.say(&format!(
        "ticks start={} open={} load={} jump={} loaded={loaded} hashed={files}",
        clock::counter_at_start(),
        moments.open,
        moments.after_load.saturating_sub(moments.open),
        clock::counter(),
    ));
}

/// Prints the time since the start, where a boot ends without a jump.
pub(super) fn print_elapsed(station: &Station) {
    if asked_for() {
        let time = clock::elapsed();
        station.say(&format!("elapsed {}.{:06} s", time.as_secs(), time.subsec_micros()));
    }
}

fn asked_for() -> bool {
    let cmdline = file::read_line("/proc/cmdline").unwrap_or_default();
    cmdline.split_ascii_whitespace().any(|word| word == "turnout.ticks")
}

/// Bytes of all files of the entry.
fn size_of_files(bundle: &Bundle<Sealed>) -> u64 {
    let trees = bundle.devicetree.iter().chain(&bundle.overlays);
    let files = bundle.initrds.iter().chain(trees).chain(&bundle.addons);
    files.map(|blob| blob.size).fold(bundle.linux.size, u64::saturating_add)
}
