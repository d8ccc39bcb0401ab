//! The command lines of `turnout` and `kexec`, for those who write about them.

use super::words::{Kind, Program};
use super::{arguments, kexec};

/// `turnout`.
#[must_use]
pub fn turnout() -> Program {
    Program {
        name: "turnout",
        commands: arguments::commands(),
        options: arguments::options(),
        takes: Vec::new(),
        groups: arguments::groups(),
    }
}

/// kexec-tools' command line.
#[must_use]
pub fn kexec() -> Program {
    Program {
        name: "kexec",
        commands: Vec::new(),
        options: kexec::options(),
        takes: vec![Kind::File],
        groups: Vec::new(),
    }
}
