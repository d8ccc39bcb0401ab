//! What systemd is asked and told, by its own programs.
//!
//! One program at a time, with arguments that are fixed here; nothing is given to a shell.
//! None is run by a test or a development build ([`super::guard`]). What an answer means
//! is decided in [`crate::host::leaving`].

use super::program::Program;
use super::{Error, guard};
use crate::host::leaving;

const MANAGER: [&str; 3] =
    ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"];
const LOGIN: [&str; 3] =
    ["org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"];
/// Have `systemctl reboot` go through the firmware also while a kernel is loaded (255+), or
/// another root is prepared (256+).
const SKIP_OTHERS: [(&str, &str); 2] =
    [("SYSTEMCTL_SKIP_AUTO_KEXEC", "1"), ("SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT", "1")];

/// A setting of the manager that is a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// `RuntimeWatchdogSec`: while the system runs.
    RuntimeWatchdog,
    /// `KExecWatchdogSec`: over a jump.
    KexecWatchdog,
}

impl Setting {
    /// As it is called in system.conf.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RuntimeWatchdog => "RuntimeWatchdogSec",
            Self::KexecWatchdog => "KExecWatchdogSec",
        }
    }

    const fn property(self) -> &'static str {
        match self {
            Self::RuntimeWatchdog => "RuntimeWatchdogUSec",
            Self::KexecWatchdog => "KExecWatchdogUSec",
        }
    }
}

/// The manager's version; none where it does not tell.
#[must_use]
pub fn version() -> Option<u32> {
    leaving::version_of(&run(command("systemctl", &["--version"])).ok()?)
}

/// A setting, in microseconds; none where the manager does not tell.
#[must_use]
pub fn setting(setting: Setting) -> Option<u64> {
    leaving::number_of(&property(MANAGER, setting.property())?)
}

/// Changes a setting until the manager reads its files again.
///
/// # Errors
/// What the program says.
pub fn set(setting: Setting, micros: u64) -> Result<(), Error> {
    let [name, path, interface] = MANAGER;
    let micros = micros.to_string();
    let words = ["set-property", name, path, interface, setting.property(), "t", &micros];
    run(command("busctl", &words)).map(drop)
}

/// What somebody keeps the system from, as logind has it; none where it does not tell.
#[must_use]
pub fn inhibited() -> Option<leaving::Inhibited> {
    let said = property(LOGIN, "BlockInhibited")?;
    leaving::text_of(&said).map(|block| leaving::Inhibited { block: block.to_owned() })
}

fn property([name, path, interface]: [&str; 3], property: &str) -> Option<String> {
    run(command("busctl", &["get-property", name, path, interface, property])).ok()
}

/// Has the services stopped, and the loaded kernel started then. Comes back at once.
///
/// # Errors
/// What the program says; then nothing was stopped.
pub fn kexec() -> Result<(), Error> {
    run(command("systemctl", &["kexec"])).map(drop)
}

/// The same where nothing is loaded yet: a unit loads it as it is stopped.
///
/// # Errors
/// As [`kexec`].
pub fn kexec_later() -> Result<(), Error> {
    let mode = "--job-mode=replace-irreversibly";
    run(command("systemctl", &["start", "--no-block", mode, "kexec.target"])).map(drop)
}

/// Has the services stopped, and the machine started by its firmware then.
///
/// # Errors
/// As [`kexec`].
pub fn reboot_by_firmware() -> Result<(), Error> {
    run(Program { variables: &SKIP_OTHERS, ..command("systemctl", &["reboot"]) }).map(drop)
}

/// Where this system goes. Where the manager does not tell, it may be restarted.
#[must_use]
pub fn goal() -> leaving::Goal {
    let jobs = run(command("systemctl", &["list-jobs", "--no-legend", "--no-pager"]));
    jobs.map_or(leaving::Goal::Restarts, |jobs| leaving::Goal::of_jobs(&jobs))
}

/// Starts a unit, and waits for that.
///
/// # Errors
/// As [`kexec`]: it is not installed, for one.
pub fn start(unit: &str) -> Result<(), Error> {
    run(command("systemctl", &["start", unit])).map(drop)
}

/// Stops the machine's services the way that a machine without systemd has, and starts it
/// by its firmware.
///
/// # Errors
/// As [`kexec`]: there is no such program, for one.
pub fn reboot_without() -> Result<(), Error> {
    run(command("reboot", &[])).map(drop)
}

const fn command<'a>(name: &'a str, words: &'a [&'a str]) -> Program<'a> {
    Program { name, words, variables: &[] }
}

/// What it prints.
fn run(command: Program<'_>) -> Result<String, Error> {
    let what = in_words(command);
    guard::may(&what)?;
    let output = command.output().map_err(|source| Error::new(&what, source))?;
    let Some(failure) = output.failure else { return Ok(output.printed) };
    let said = output.complaint.trim();
    let why = if said.is_empty() { failure } else { said.replace('\n', "; ") };
    Err(Error::refusal(what, &why))
}

/// The program and its first word.
fn in_words(command: Program<'_>) -> String {
    let mut words = command.name.to_owned();
    if let Some(first) = command.words.first() {
        words.push(' ');
        words.push_str(first);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_asks_nothing_of_its_host() {
        for refused in [kexec(), kexec_later(), reboot_by_firmware(), reboot_without(), start("x")]
        {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.ends_with(": not asked of the kernel: this is a test"), "{refused}");
        }
        assert_eq!((version(), setting(Setting::KexecWatchdog), inhibited()), (None, None, None));
    }

    #[test]
    fn a_program_is_named_with_its_first_word() {
        assert_eq!(in_words(command("systemctl", &["start", "x"])), "systemctl start");
        assert_eq!(in_words(command("reboot", &[])), "reboot");
    }
}
