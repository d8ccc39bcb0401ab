//! `/etc/turnout/turnout.conf`: what the commands of a running system take where no
//! option says it. Lines of a key and a value; `#` begins a comment.
//!
//! It is read by commands only, never by PID 1: an image has its own configuration
//! (`docs/config.md`). Specification: `docs/cli.md`, "The state area".

use core::mem;
use std::path::Path;

use crate::base::text::quoted;
use crate::check;
use crate::failure::{Failure, Stage};
use crate::host::leaving::Wish;
use crate::source::StateDevice;
use crate::sys::file;

/// Where it is.
pub(super) const PATH: &str = "/etc/turnout/turnout.conf";
/// Every key.
const KEYS: &str = "state-device, crash, watchdog and accept";

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    state_device: Option<StateDevice>,
    /// Whether a crash kernel may have an initrd and a command line that nobody signed.
    crash_unsigned: bool,
    /// What becomes of the watchdog over a jump.
    watchdog: Option<Wish>,
    /// Findings of a check that are taken as they are.
    accepted: Vec<String>,
}

/// Where the state area is: what was typed counts before what the file says.
///
/// # Errors
/// The file cannot be read or understood.
pub(super) fn state_device(typed: Option<StateDevice>) -> Result<StateDevice, Failure> {
    match typed {
        Some(typed) => Ok(typed),
        None => Ok(read(Path::new(PATH))?.state_device.unwrap_or_default()),
    }
}

/// Whether a crash kernel may have an initrd and a command line that nobody signed.
///
/// # Errors
/// The file cannot be read or understood.
pub(super) fn allows_unsigned_crash() -> Result<bool, Failure> {
    Ok(read(Path::new(PATH))?.crash_unsigned)
}

/// What becomes of the watchdog over a jump.
///
/// # Errors
/// The file cannot be read or understood.
pub(super) fn watchdog() -> Result<Wish, Failure> {
    Ok(read(Path::new(PATH))?.watchdog.unwrap_or_default())
}

/// Codes of a check's findings that are taken as they are.
///
/// # Errors
/// The file cannot be read or understood.
pub(super) fn accepted() -> Result<Vec<String>, Failure> {
    Ok(read(Path::new(PATH))?.accepted)
}

fn read(path: &Path) -> Result<Settings, Failure> {
    let text = file::read_text_if_there(path);
    let text = text.map_err(|error| Failure::new(Stage::Read, error))?.unwrap_or_default();
    let name = path.display();
    parse(&text).map_err(|what| Failure::new(Stage::Discover, format!("{name}:{what}")))
}

/// # Errors
/// The number of the line and what is wrong with it.
fn parse(text: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for (line, number) in text.lines().zip(1_usize..) {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            settings.take(line).map_err(|what| format!("{number}: {what}"))?;
        }
    }
    Ok(settings)
}

impl Settings {
    fn take(&mut self, line: &str) -> Result<(), String> {
        let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim();
        let is_twice = match key {
            "state-device" => self.state_device.replace(device(value)?).is_some(),
            "crash" => mem::replace(&mut self.crash_unsigned, is_unsigned(value)?),
            "watchdog" => self.watchdog.replace(wish(value)?).is_some(),
            "accept" => {
                self.accepted.push(code(value)?);
                false
            }
            _ => return Err(format!("{} is no key: there is {KEYS}", quoted(key))),
        };
        if is_twice { Err(format!("{key} is there twice")) } else { Ok(()) }
    }
}

fn device(value: &str) -> Result<StateDevice, String> {
    StateDevice::parse(value).ok_or_else(|| {
        format!(
            "state-device cannot be {}: it is auto, PARTUUID=..., PARTLABEL=... or /dev/...",
            quoted(value)
        )
    })
}

/// Without the line what nobody signed is refused: there is no word for that.
fn is_unsigned(value: &str) -> Result<bool, String> {
    if value == "unsigned" {
        return Ok(true);
    }
    Err(format!("crash cannot be {}: it is unsigned, or the line is left out", quoted(value)))
}

fn code(value: &str) -> Result<String, String> {
    if check::codes().any(|code| code == value) {
        return Ok(value.to_owned());
    }
    Err(format!("accept cannot be {}: it is a code that turnout check prints", quoted(value)))
}

/// The kernel's own limit of a watchdog's timeout is far above it.
const LONGEST: u64 = 3600;

fn wish(value: &str) -> Result<Wish, String> {
    let seconds = value.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds));
    match (value, seconds) {
        ("auto", _) => Ok(Wish::Auto),
        ("off", _) => Ok(Wish::Off),
        (_, Some(seconds)) => Ok(Wish::Seconds(seconds)),
        _ => Err(format!(
            "watchdog cannot be {}: it is auto, off, or 1 to {LONGEST} seconds",
            quoted(value)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_device_is_read() {
        assert_eq!(parse("").unwrap(), Settings::default());
        let text = "# where its type cannot be set\n\n  state-device \t/dev/mmcblk0p3 \n";
        let state_device = Some(StateDevice::Named("mmcblk0p3".to_owned()));
        assert_eq!(parse(text).unwrap(), Settings { state_device, ..Settings::default() });
        assert_eq!(parse("watchdog 90").unwrap().watchdog, Some(Wish::Seconds(90)));
        assert_eq!(parse("watchdog off").unwrap().watchdog, Some(Wish::Off));
        assert!(parse("crash  unsigned\n").unwrap().crash_unsigned);
        let accepted = parse("accept KNOWN_TROUBLE\naccept NO_ENTRY\n").unwrap().accepted;
        assert_eq!(accepted, ["KNOWN_TROUBLE", "NO_ENTRY"]);
    }

    #[test]
    fn what_is_typed_counts_before_it() {
        let typed = StateDevice::Named("sda3".to_owned());
        assert_eq!(state_device(Some(typed.clone())).unwrap(), typed);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        for (text, said) in [
            (
                "\nstate-devise auto",
                "2: \"state-devise\" is no key: there is state-device, crash, watchdog and accept",
            ),
            ("watchdog 0", "1: watchdog cannot be \"0\": it is auto, off, or 1 to 3600 seconds"),
            ("watchdog off\nwatchdog auto", "2: watchdog is there twice"),
            ("accept NO_WACHDOG", "1: accept cannot be \"NO_WACHDOG\": it is a code that turnout "),
            ("accept", "1: accept cannot be \"\": it is a code"),
            ("crash", "1: crash cannot be \"\": it is unsigned, or the line is left out"),
            ("crash signed", "1: crash cannot be \"signed\": it is unsigned, "),
            ("crash unsigned\ncrash unsigned", "2: crash is there twice"),
            ("state-device", "1: state-device cannot be \"\": it is auto, PARTUUID=..."),
            ("state-device LABEL=a", "1: state-device cannot be \"LABEL=a\": it is auto, "),
            ("state-device auto\nstate-device auto", "2: state-device is there twice"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_is_named_and_one_that_is_not_there_says_nothing() {
        let path = std::env::temp_dir().join(format!("turnout-conf-{}", std::process::id()));
        assert_eq!(read(&path).unwrap(), Settings::default());
        std::fs::write(&path, "state-device auto\ncount all\n").unwrap();
        let failure = read(&path).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        let expected = format!("{}:2: \"count\" is no key: ", path.display());
        assert!(failure.sentence().starts_with(&expected), "{failure}");
        assert_eq!(failure.exit_status(), 3);
    }
}
