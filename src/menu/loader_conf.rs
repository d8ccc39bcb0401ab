//! `/loader/loader.conf`, systemd-boot's settings: how long the menu is shown
//! and what boots if nobody chooses.
//!
//! Keys that only concern firmware or the look of systemd-boot's menu are
//! ignored, like unknown ones.

use super::line::{self, Line};
use super::{Code, Diagnostic};

/// Longest `default` pattern, in bytes.
const MAX_PATTERN: usize = 512;

/// How long a person has to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// The menu counts down this many seconds; never 0.
    Seconds(u32),
    /// The menu waits for a person, however long (`menu-force`).
    Forever,
    /// The default boots at once (`menu-hidden` or `0`).
    Hidden,
    /// The default boots at once and no key may change that
    /// (`menu-disabled`).
    Disabled,
}

/// A partition that says nothing gets a menu: unlike systemd-boot, which hides
/// it then, Turnout has no key that could still bring it up.
impl Default for Timeout {
    fn default() -> Self {
        Self::Seconds(5)
    }
}

/// What loader.conf says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// How long the menu waits.
    pub timeout: Timeout,
    /// Pattern of the entry that boots by itself.
    pub default: Option<String>,
}

/// Reads the settings. What cannot be used is reported and ignored.
#[must_use]
pub fn parse(file: &str, bytes: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Settings {
    let mut settings = Settings::default();
    match line::text(file, bytes) {
        Ok(text) => {
            let taken = line::pairs(text, line::BLANKS).map(|line| settings.take(file, &line));
            diagnostics.extend(taken.filter_map(Result::err));
        }
        Err(diagnostic) => diagnostics.push(diagnostic),
    }
    settings
}

impl Settings {
    fn take(&mut self, file: &str, line: &Line<'_>) -> Result<(), Diagnostic> {
        let complain = |what| line.complain(file, Code::Setting, what);
        match line.key {
            "timeout" => self.timeout = timeout(line.value).map_err(complain)?,
            "default" => self.default = Some(pattern(line.value).map_err(complain)?),
            _ => {}
        }
        Ok(())
    }
}

fn timeout(value: &str) -> Result<Timeout, &'static str> {
    match value {
        "menu-force" => Ok(Timeout::Forever),
        "menu-hidden" => Ok(Timeout::Hidden),
        "menu-disabled" => Ok(Timeout::Disabled),
        _ if !value.bytes().all(|byte| byte.is_ascii_digit()) => Err("is no number of seconds"),
        seconds => match seconds.parse().ok().ok_or("is out of range")? {
            0 => Ok(Timeout::Hidden),
            seconds => Ok(Timeout::Seconds(seconds)),
        },
    }
}

fn pattern(value: &str) -> Result<String, &'static str> {
    if value.starts_with('@') {
        return Err("is not supported and is ignored");
    }
    if value.len() > MAX_PATTERN { Err("is too long") } else { Ok(value.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Settings, Vec<String>) {
        let mut diagnostics = Vec::new();
        let settings = parse("loader.conf", text.as_bytes(), &mut diagnostics);
        (settings, diagnostics.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_form_of_timeout_is_read() {
        let cases = [
            ("", Timeout::Seconds(5)),
            ("timeout 5", Timeout::Seconds(5)),
            ("timeout 0", Timeout::Hidden),
            ("timeout menu-hidden", Timeout::Hidden),
            ("timeout menu-force", Timeout::Forever),
            ("timeout menu-disabled", Timeout::Disabled),
            ("#timeout 3\ntimeout\t4 \r\nconsole-mode keep", Timeout::Seconds(4)),
            ("timeout 1\ntimeout 2", Timeout::Seconds(2)),
        ];
        for (text, timeout) in cases {
            assert_eq!(read(text), (Settings { timeout, default: None }, vec![]), "{text}");
        }
    }

    #[test]
    fn a_setting_without_meaning_is_reported_and_ignored() {
        let cases = [
            ("timeout -1", "timeout \"-1\" is no number of seconds"),
            ("timeout 1a", "timeout \"1a\" is no number of seconds"),
            ("timeout 18446744073709551616", "timeout \"18446744073709551616\" is out of range"),
            ("default @saved", "default \"@saved\" is not supported and is ignored"),
            ("default @last\u{1b}", "default \"@last\\u{1b}\" is not supported and is ignored"),
        ];
        for (text, message) in cases {
            let expected = format!("loader.conf:1: SETTING: {message}");
            assert_eq!(read(text), (Settings::default(), vec![expected]));
        }
        let (settings, diagnostics) =
            read(&format!("timeout 3\ndefault {}", "x".repeat(MAX_PATTERN + 1)));
        assert_eq!(settings, Settings { timeout: Timeout::Seconds(3), default: None });
        assert!(
            diagnostics[0].starts_with("loader.conf:2: SETTING: default \"xxx"),
            "{diagnostics:?}"
        );
        assert!(diagnostics[0].ends_with("is too long"), "{diagnostics:?}");
    }

    #[test]
    fn settings_that_are_not_text_are_reported_whole() {
        let (settings, diagnostics) = read("timeout 3\n\0");
        assert_eq!(settings, Settings::default());
        assert_eq!(diagnostics, ["loader.conf:2: ENCODING: the line contains a NUL byte"]);
    }
}
