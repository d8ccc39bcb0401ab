//! Whether OpenSSH is there to be asked.

use std::process::{Command, Stdio};

/// Whether OpenSSH is installed. Without it the tests that need it say so and
/// pass.
pub(crate) fn have_openssh() -> bool {
    let asked = Command::new("ssh-keygen").arg("-?").stdin(Stdio::null()).output();
    if asked.is_err() {
        println!("skipped: OpenSSH is not installed");
    }
    asked.is_ok()
}
