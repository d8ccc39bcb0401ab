//! `cargo pictures`: draws the pictures of docs/ anew, from the menu as it is and the
//! benchmark's figures in docs/bench.json.

use anyhow::Result;
use std::process::ExitCode;
use turnout_qemu::pictures::{self, Picture};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pictures: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    pictures::all()?.iter().try_for_each(Picture::write)
}
