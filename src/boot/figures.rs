//! What the benchmark asks for with `turnout.ticks` on the kernel command line:
//! counters and sizes, printed right before the jump.

use super::voice::Voice;
use crate::bundle::Bundle;
use crate::plan::Plan;
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
    voice: &Voice<'_>,
    plan: &Plan<'_, Sealed>,
    bundle: &Bundle<Sealed>,
    moments: &Moments,
) {
    if !asked_for() {
        return;
    }
    let files = size_of_files(bundle);
    let loaded = plan.placement().map_or(files, |placement| {
        placement.segments.iter().map(|segment| segment.bytes.len() as u64).sum()
    });
    voice.say(&format!(
        "peak rss {} KiB, payload {} KiB",
        machine::peak_memory() / 1024,
        loaded / 1024
    ));
    if let Some(ticks) = moments.prepared {
        voice.say(&format!("prepared in {ticks} ticks"));
    }
    voice.say(&format!(
        "spent hash={} trust={} ticks",
        clock::HASHING.ticks(),
        clock::TRUST.ticks()
    ));
    voice.say(&format!(
        "ticks start={} open={} load={} jump={} loaded={loaded} hashed={files}",
        clock::counter_at_start(),
        moments.open,
        moments.after_load.saturating_sub(moments.open),
        clock::counter(),
    ));
}

/// Prints the time since the start, where a boot ends without a jump.
pub(super) fn print_elapsed(voice: &Voice<'_>) {
    if asked_for() {
        let time = clock::elapsed();
        voice.say(&format!("elapsed {}.{:06} s", time.as_secs(), time.subsec_micros()));
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
