//! `/loader/loader.conf`, systemd-boot's settings: how long the menu is shown
//! and what boots if nobody chooses.
//!
//! Follows loader.conf(5). Keys that only concern firmware or the look of
//! systemd-boot's menu are ignored, like unknown ones.

use crate::menu::settings::{Settings, Timeout, Wanted, What};
use crate::menu::text::line::{self, Line};
use crate::menu::{Code, Diagnostic};

/// Longest `default` pattern, in bytes.
const MAX_PATTERN: usize = 512;
/// What is yes and what is no, in any case.
const YES: [&str; 6] = ["1", "y", "yes", "t", "true", "on"];
const NO: [&str; 6] = ["0", "n", "no", "f", "false", "off"];

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
        self.set(file, line).map_err(|what| line.complain(file, Code::Setting, what))
    }

    fn set(&mut self, file: &str, line: &Line<'_>) -> Result<(), &'static str> {
        match line.key {
            "timeout" => self.timeout = Some(timeout(line.value)?),
            "default" => {
                let what = pattern(line.value)?;
                let line = Some(line.number);
                self.default = Some(Wanted { what, file: file.to_owned(), line });
            }
            "editor" => self.editor = boolean(line.value)?,
            _ => {}
        }
        Ok(())
    }
}

/// Reads how long a menu is shown.
///
/// # Errors
/// What is wrong with the value, to come after it in a sentence.
pub fn timeout(value: &str) -> Result<Timeout, &'static str> {
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

fn pattern(value: &str) -> Result<What, &'static str> {
    match value {
        "@saved" => Ok(What::Saved),
        _ if value.starts_with('@') => Err("is not supported and is ignored"),
        _ if value.len() > MAX_PATTERN => Err("is too long"),
        _ => Ok(What::Pattern(value.to_owned())),
    }
}

fn boolean(value: &str) -> Result<bool, &'static str> {
    if YES.iter().any(|word| word.eq_ignore_ascii_case(value)) {
        Ok(true)
    } else if NO.iter().any(|word| word.eq_ignore_ascii_case(value)) {
        Ok(false)
    } else {
        Err("is neither yes nor no")
    }
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
            ("timeout 5", Timeout::Seconds(5)),
            ("timeout 0", Timeout::Hidden),
            ("timeout menu-hidden", Timeout::Hidden),
            ("timeout menu-force", Timeout::Forever),
            ("timeout menu-disabled", Timeout::Disabled),
            ("#timeout 3\ntimeout\t4 \r\nconsole-mode keep", Timeout::Seconds(4)),
            ("timeout 1\ntimeout 2", Timeout::Seconds(2)),
        ];
        for (text, timeout) in cases {
            let settings = Settings { timeout: Some(timeout), ..Settings::default() };
            assert_eq!(read(text), (settings, vec![]), "{text}");
        }
    }

    #[test]
    fn a_default_is_a_pattern_or_what_was_saved() {
        for (text, what) in [
            ("default a-*", What::Pattern("a-*".to_owned())),
            ("default a\ndefault @saved", What::Saved),
        ] {
            let (settings, diagnostics) = read(text);
            assert_eq!(settings.default.map(|wanted| wanted.what), Some(what), "{text}");
            assert_eq!(diagnostics, [""; 0]);
        }
    }

    #[test]
    fn the_editor_is_forbidden_by_every_form_of_no() {
        for (words, allowed) in [(YES, true), (NO, false)] {
            for word in words {
                let text = format!("editor {}\nauto-firmware no", word.to_uppercase());
                let settings = Settings { editor: allowed, ..Settings::default() };
                assert_eq!(read(&text), (settings, vec![]));
            }
        }
    }

    #[test]
    fn a_setting_without_meaning_is_reported_and_ignored() {
        let cases = [
            ("timeout -1", "timeout \"-1\" is no number of seconds"),
            ("timeout 1a", "timeout \"1a\" is no number of seconds"),
            ("timeout 18446744073709551616", "timeout \"18446744073709551616\" is out of range"),
            ("editor perhaps", "editor \"perhaps\" is neither yes nor no"),
            ("default @last\u{1b}", "default \"@last\\u{1b}\" is not supported and is ignored"),
        ];
        for (text, message) in cases {
            let expected = format!("loader.conf:1: SETTING: {message}");
            assert_eq!(read(text), (Settings::default(), vec![expected]));
        }
        let (settings, diagnostics) =
            read(&format!("timeout 3\ndefault {}", "x".repeat(MAX_PATTERN + 1)));
        let seconds = Some(Timeout::Seconds(3));
        assert_eq!(settings, Settings { timeout: seconds, ..Settings::default() });
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
