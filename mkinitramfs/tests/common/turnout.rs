//! The boot binary as a program of this host.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::common::finish;

/// Builds `turnout` beside the host tools; cargo builds programs of other
/// packages for no test.
pub(crate) fn program() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    finish(cargo.args(["build", "--quiet", "--package", "turnout", "--bin", "turnout"]))
        .expect(0, &[]);
    Path::new(env!("CARGO_BIN_EXE_turnout-sign")).with_file_name("turnout")
}
