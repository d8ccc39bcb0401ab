#![allow(unsafe_code)]
//! How fast the purgatory's SHA-256 is on this machine, against the sha2 crate
//! and OpenSSL: `cargo bench -p purgatory`.
//!
//! With `RUSTFLAGS='--cfg sha2_backend="soft"'` the sha2 crate computes in plain
//! integers too, and the line "portable" has something to be compared with.
//! Each figure is the best of several runs: whatever else the machine does only
//! ever makes it slower.

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use purgatory::{Block, Compressor, Region, Sha256, verify};
use sha2::Digest;

const LEN: usize = 1 << 20;
const RUNS: usize = 300;
/// The second word of OpenSSL's view of CPUID, without SHA, AVX2 and BMI2.
const NO_SHA: &str = "0:~0x20000128";

fn main() {
    let bytes: Vec<u8> = (0..LEN).map(|at| at.to_le_bytes()[1] ^ at.to_le_bytes()[0]).collect();
    let crate_speed = speed(LEN, || {
        black_box(sha2::Sha256::digest(black_box(&bytes)));
    });
    let portable = purgatory_speeds("portable", Compressor::PORTABLE, &bytes);
    let instructions = instructions().map(|one| purgatory_speeds("instructions", one, &bytes));
    println!("sha2 crate                {crate_speed:>6} MB/s");
    println!("portable / sha2 crate     {:>6.2}", ratio(portable, crate_speed));
    if let Some(instructions) = instructions {
        println!("instructions / sha2 crate {:>6.2}", ratio(instructions, crate_speed));
    }
    for (name, capabilities) in [("OpenSSL", None), ("OpenSSL without SHA", Some(NO_SHA))] {
        if let Some(speed) = openssl(capabilities) {
            println!("{name:<25} {speed:>6} MB/s");
            println!("portable / {name:<20} {:.2}", ratio(portable, speed));
        }
    }
}

/// One message, and two checks of which each is half as long; gives the first.
fn purgatory_speeds(name: &str, compressor: Compressor, bytes: &[u8]) -> u64 {
    let one = speed(LEN, || {
        let mut hash = Sha256::new(compressor);
        hash.update(black_box(bytes));
        black_box(hash.finish());
    });
    let block = two_checks(bytes);
    let two = speed(LEN, || {
        let verdict = verify(black_box(&block), compressor, |region| bytes_of(bytes, region));
        assert_eq!(verdict, Ok(()));
    });
    println!("{name:<25} {one:>6} MB/s, two at once {two} MB/s ({:.2})", ratio(two, one));
    one
}

/// Address 1 is the first byte: a check of address 0 is refused.
fn two_checks(bytes: &[u8]) -> Block {
    let mut block = Block::new(1, 1);
    let mut start = 1;
    for half in bytes.chunks(LEN / 2) {
        let digest = sha2::Sha256::digest(half).into();
        let region = Region { start, len: half.len() as u64 };
        assert_eq!(block.add_check("half", digest, &[region]), Ok(()));
        start += region.len;
    }
    block
}

fn instructions() -> Option<Compressor> {
    #[cfg(target_arch = "x86_64")]
    let present = std::is_x86_feature_detected!("sha")
        && std::is_x86_feature_detected!("ssse3")
        && std::is_x86_feature_detected!("sse4.1");
    #[cfg(target_arch = "aarch64")]
    let present = std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
    let present = false;
    // SAFETY: just asked.
    present.then(|| unsafe { Compressor::instructions() })
}

/// Megabytes per second.
fn speed(bytes: usize, mut run: impl FnMut()) -> u64 {
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    let best = times.min().unwrap_or_default().as_nanos().max(1);
    u64::try_from(bytes as u128 * 1000 / best).unwrap_or(0)
}

/// The bytes of a region; the first of them all is at address 1.
fn bytes_of(bytes: &[u8], region: Region) -> Option<&[u8]> {
    let start = usize::try_from(region.start).ok()?;
    bytes.get(start - 1..start - 1 + usize::try_from(region.len).ok()?)
}

fn ratio(one: u64, other: u64) -> f64 {
    float(one) / float(other)
}

/// What `openssl speed` says, if there is an OpenSSL.
fn openssl(capabilities: Option<&str>) -> Option<u64> {
    let mut command = Command::new("openssl");
    command.args(["speed", "-seconds", "1", "-bytes", "16384", "-evp", "sha256"]);
    if let Some(capabilities) = capabilities {
        command.env("OPENSSL_ia32cap", capabilities);
    }
    let output = String::from_utf8(command.output().ok()?.stdout).ok()?;
    let last = output.split_ascii_whitespace().last()?;
    let thousands: f64 = last.strip_suffix('k')?.parse().ok()?;
    format!("{:.0}", thousands / 1000.0).parse().ok()
}

fn float(speed: u64) -> f64 {
    f64::from(u32::try_from(speed).unwrap_or(u32::MAX))
}
