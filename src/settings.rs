//! `/etc/turnout/turnout.conf`: what the programs of a running system take where no
//! option says it. Lines of a key and a value; `#` begins a comment.
//!
//! [`KEYS`] is the one table of them: what is read, the file that a package installs and
//! turnout.conf(5) are made of it. PID 1 never reads it: an image has its own
//! configuration (`docs/config.md`). Pure: a text in, values out.
//! Specification: `docs/cli.md`, "turnout.conf".

use core::mem;

use crate::base::text::quoted;
use crate::check;
use crate::host::leaving::Wish;
use crate::source::StateDevice;

/// Where it is.
pub const PATH: &str = "/etc/turnout/turnout.conf";

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the state area is.
    pub state_device: Option<StateDevice>,
    /// Whether a crash kernel may have an initrd and a command line that nobody signed.
    pub crash_unsigned: bool,
    /// What becomes of the watchdog over a jump.
    pub watchdog: Option<Wish>,
    /// Findings of a check that are taken as they are.
    pub accepted: Vec<String>,
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// How a line begins.
    pub name: &'static str,
    /// What is noted of its value; true where it was there already and may not be twice.
    take: fn(&mut Settings, &str) -> Result<bool, String>,
}

/// Every key.
pub const KEYS: &[Key] = &[
    Key {
        name: "state-device",
        take: |settings, value| Ok(settings.state_device.replace(device(value)?).is_some()),
    },
    Key {
        name: "crash",
        take: |settings, value| Ok(mem::replace(&mut settings.crash_unsigned, is_unsigned(value)?)),
    },
    Key {
        name: "watchdog",
        take: |settings, value| Ok(settings.watchdog.replace(wish(value)?).is_some()),
    },
    Key {
        name: "accept",
        take: |settings, value| {
            settings.accepted.push(code(value)?);
            Ok(false)
        },
    },
];

/// Reads the file's text.
///
/// # Errors
/// The number of the line and what is wrong with it.
pub fn parse(text: &str) -> Result<Settings, String> {
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
        let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            return Err(format!("{} is no key: there is {}", quoted(name), names()));
        };
        if (key.take)(self, value.trim())? {
            return Err(format!("{name} is there twice"));
        }
        Ok(())
    }
}

/// All keys, for a sentence.
fn names() -> String {
    let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    match names.split_last() {
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
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
}
