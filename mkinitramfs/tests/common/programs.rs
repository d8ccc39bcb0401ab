//! Programs of this workspace that cargo builds for no test of this package.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::common::finish;

/// Where cargo puts the programs of this build, with the boot binary `turnout`
/// and the token in software (tests/token/provider.rs) among them.
///
/// The same selection and profile as the whole workspace's tests have, so that
/// after those nothing is left to build.
pub(crate) fn programs() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let directory = Path::new(env!("CARGO_BIN_EXE_turnout-sign")).parent().unwrap();
        let profile = match directory.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--workspace", "--profile", profile]);
        finish(cargo.args(["--bin", "turnout", "--example", "software_token"])).expect(0, &[]);
        directory.to_owned()
    })
}
