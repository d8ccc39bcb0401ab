//! `cargo unsafe-share`: how many lines of the tree are unsafe, folder by folder.

use anyhow::Result;
use std::process::ExitCode;
use turnout_qemu::unsafe_share::{count, sum};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unsafe-share: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let parts = count()?;
    println!("unsafe code: {}", sum(&parts));
    parts.iter().for_each(|part| println!("  {}: {}", part.folder, part.lines));
    Ok(())
}
