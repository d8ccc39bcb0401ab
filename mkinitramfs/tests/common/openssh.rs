//! Whether OpenSSH is there, and a token in software for it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::programs::programs;

/// Whether OpenSSH is installed. Without it the tests that need it say so and
/// pass.
pub(crate) fn have_openssh() -> bool {
    let asked = Command::new("ssh-keygen").arg("-?").stdin(Stdio::null()).output();
    if asked.is_err() {
        println!("skipped: OpenSSH is not installed");
    }
    asked.is_ok()
}

/// The token in software, for `SSH_SK_PROVIDER`.
pub(crate) fn token_library() -> PathBuf {
    programs().join("examples/libsoftware_token.so")
}
