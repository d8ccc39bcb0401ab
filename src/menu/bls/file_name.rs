//! What the name of a boot entry's file says: the id and the boot counter.
//!
//! Boot Loader Specification (UAPI.1): 1 to 255 characters of `A-Z a-z 0-9 + -
//! _ .`; a counter `+LEFT` or `+LEFT-DONE` may stand directly before `.conf`.

use crate::menu::{Code, Diagnostic};

const SUFFIX: &str = ".conf";
/// Longest file name, in bytes.
const MAX_LENGTH: usize = 255;

/// A well-formed file name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName<'a> {
    /// The name without `.conf` and without the counter. Never empty.
    pub id: &'a str,
    /// The counter, if the name carries one.
    pub counter: Option<Counter>,
}

/// How often an entry was tried and how often it still may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// Attempts left; 0 marks the entry as bad.
    pub left: u32,
    /// Attempts made; 0 if the name does not say.
    pub done: u32,
}

/// Whether a file in `/loader/entries` is meant to be a boot entry. Hidden
/// files, names that systemd-boot reserves (`auto-`) and everything that does
/// not end in `.conf` are passed over without a word.
#[must_use]
pub fn is_entry(file: &str) -> bool {
    !file.starts_with('.') && !file.starts_with("auto-") && stem(file, SUFFIX).is_some()
}

/// Takes the name of a `.conf` apart; `None` if it is no well-formed entry name.
#[must_use]
pub fn parse(file: &str) -> Option<FileName<'_>> {
    parse_with(file, SUFFIX)
}

/// The same, of a file with this suffix.
pub(crate) fn parse_with<'a>(file: &'a str, suffix: &str) -> Option<FileName<'a>> {
    let well_formed = file.len() <= MAX_LENGTH && file.bytes().all(is_allowed);
    let stem = stem(file, suffix).filter(|_| well_formed)?;
    let (id, counter) = split_counter(stem);
    (!id.is_empty()).then_some(FileName { id, counter })
}

/// The name without its suffix, in any case; `None` if it has another.
pub(crate) fn stem<'a>(file: &'a str, suffix: &str) -> Option<&'a str> {
    let (stem, found) = file.split_at_checked(file.len().checked_sub(suffix.len())?)?;
    found.eq_ignore_ascii_case(suffix).then_some(stem)
}

/// What is wrong with the name of the file at `path`, which [`parse`] refuses.
pub(crate) fn complain(path: &str) -> Diagnostic {
    let detail = "the file name is too long or has characters other than A-Z a-z 0-9 + - _ .";
    Diagnostic::new(path, None, Code::FileName, detail.to_owned())
}

const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'_' | b'.')
}

/// Read from the end: Debian's versions contain a `+` (`+deb13`) that starts
/// no counter.
fn split_counter(stem: &str) -> (&str, Option<Counter>) {
    match stem.rsplit_once('+').map(|(id, counter)| (id, parse_counter(counter))) {
        Some((id, Some(counter))) => (id, Some(counter)),
        _ => (stem, None),
    }
}

fn parse_counter(text: &str) -> Option<Counter> {
    let (left, done) = text.split_once('-').unwrap_or((text, "0"));
    Some(Counter { left: parse_digits(left)?, done: parse_digits(done)? })
}

/// Digits only: `u32::from_str` would also take a sign.
fn parse_digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(id: &str, counter: Option<(u32, u32)>) -> Option<FileName<'_>> {
        Some(FileName { id, counter: counter.map(|(left, done)| Counter { left, done }) })
    }

    #[test]
    fn a_counter_is_read_from_the_last_plus_sign() {
        let cases = [
            ("debian.conf", name("debian", None)),
            ("debian+3.conf", name("debian", Some((3, 0)))),
            ("debian+003-12.CONF", name("debian", Some((3, 12)))),
            ("debian-6.12.73+deb13-amd64.conf", name("debian-6.12.73+deb13-amd64", None)),
            (
                "debian-6.12.73+deb13-amd64+2-1.conf",
                name("debian-6.12.73+deb13-amd64", Some((2, 1))),
            ),
            ("a+1-.conf", name("a+1-", None)),
            ("a+.conf", name("a+", None)),
            ("a++1.conf", name("a+", Some((1, 0)))),
            ("a+1-2-3.conf", name("a+1-2-3", None)),
            ("a+99999999999.conf", name("a+99999999999", None)),
        ];
        for (file, expected) in cases {
            assert_eq!(parse(file), expected, "{file}");
        }
    }

    #[test]
    fn names_outside_the_specification_are_refused() {
        let long = format!("{}.conf", "a".repeat(251));
        for file in ["a b.conf", "ü.conf", "a\u{1b}.conf", "a/b.conf", "+3.conf", "a~1.conf", &long]
        {
            assert_eq!(parse(file), None, "{file}");
        }
    }

    #[test]
    fn files_that_are_no_entries_are_passed_over() {
        for file in [".a.conf", ".conf", "auto-windows.conf", "a.conf.bak", "conf", "README", "é"]
        {
            assert!(!is_entry(file), "{file}");
        }
        assert!(is_entry("a b.conf"), "a bad name is an entry that gets a diagnostic");
        assert!(is_entry("a.Conf"));
    }
}
