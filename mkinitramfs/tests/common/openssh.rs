//! Whether OpenSSH is there, and a token in software for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::common::finish;

/// Whether OpenSSH is installed. Without it the tests that need it say so and
/// pass.
pub(crate) fn have_openssh() -> bool {
    let asked = Command::new("ssh-keygen").arg("-?").stdin(Stdio::null()).output();
    if asked.is_err() {
        println!("skipped: OpenSSH is not installed");
    }
    asked.is_ok()
}

/// The token in software (tests/token/provider.rs), built once.
pub(crate) fn token_library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "mkinitramfs", "--example", "software_token"]);
        finish(&mut cargo).expect(0, &[]);
        programs().join("examples/libsoftware_token.so")
    })
}

/// Where cargo puts the programs of this build.
pub(crate) fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_turnout-sign")).parent().unwrap()
}
