//! How fast a file is hashed while it is read, against one call of the sha2 crate
//! over the same bytes on the same processor: `cargo bench --bench verification`.
//!
//! Each figure is the best of several runs: whatever else the machine does only
//! ever makes it slower.

use std::hint::black_box;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use turnout::sys::clock::{HASHING, counter};
use turnout::sys::{Error, read};

const LEN: usize = 16 << 20;
const RUNS: usize = 30;

fn main() -> Result<(), Error> {
    let path = std::env::temp_dir().join(format!("turnout-bench-{}", std::process::id()));
    let bytes: Vec<u8> = (0..LEN).map(|at| at.to_le_bytes()[1] ^ at.to_le_bytes()[0]).collect();
    std::fs::write(&path, &bytes).map_err(|error| Error::new(path.display().to_string(), error))?;
    let result = measure(&path, &bytes);
    let _ = std::fs::remove_file(&path);
    let (reading, one_call) = result?;
    let thousandths = one_call.saturating_mul(1000) / reading.max(1);
    println!("hashing while reading   {reading:>12} ticks for {LEN} bytes");
    println!("one call of the crate   {one_call:>12} ticks");
    println!("speed of the former     {:>10}.{:03}", thousandths / 1000, thousandths % 1000);
    Ok(())
}

/// Ticks of the processor's counter, by turns: for hashing in pieces while the
/// file is read, and for one call.
fn measure(path: &Path, bytes: &[u8]) -> Result<(u64, u64), Error> {
    let mut reading = u64::MAX;
    let mut one_call = u64::MAX;
    for _ in 0..RUNS {
        let before = HASHING.ticks();
        black_box(read::blob(path, LEN as u64)?);
        reading = reading.min(HASHING.ticks().saturating_sub(before));
        let start = counter();
        black_box(Sha256::digest(black_box(bytes)));
        one_call = one_call.min(counter().saturating_sub(start));
    }
    Ok((reading, one_call))
}
