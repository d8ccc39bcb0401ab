//! Version comparison (UAPI.10), by systemd's reading of it: where one version
//! has digits and the other has none, the one with digits is newer.
//!
//! A version is taken as a sequence of parts, and the sequences are compared
//! like words. That makes it a total order by construction, which sorting
//! relies on.

use core::cmp::Ordering;
use core::iter;

/// One part of a version. The order of the variants is the order of versions:
/// `~` is older than the end, everything else newer.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Tilde,
    End,
    Dash,
    Caret,
    Dot,
    Letters(&'a [u8]),
    /// Without leading zeros, so that the longer number is the greater one
    /// whatever its size.
    Digits(usize, &'a [u8]),
}

/// Compares two versions; any text is a version.
///
/// Characters other than ASCII letters, digits and `- . ~ ^` only separate, so
/// different texts can be equal.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    parts(a).cmp(parts(b))
}

fn parts(version: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = version.as_bytes();
    iter::from_fn(move || next(&mut rest)).chain(iter::once(Part::End))
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<Part<'a>> {
    let start = rest.iter().position(|byte| is_significant(*byte))?;
    *rest = rest.get(start..)?;
    match *rest.first()? {
        byte if byte.is_ascii_digit() => Some(digits(take(rest, u8::is_ascii_digit))),
        byte if byte.is_ascii_alphabetic() => {
            Some(Part::Letters(take(rest, u8::is_ascii_alphabetic)))
        }
        byte => {
            *rest = rest.get(1..)?;
            separator(byte)
        }
    }
}

const fn is_significant(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || separator(byte).is_some()
}

const fn separator(byte: u8) -> Option<Part<'static>> {
    match byte {
        b'~' => Some(Part::Tilde),
        b'-' => Some(Part::Dash),
        b'^' => Some(Part::Caret),
        b'.' => Some(Part::Dot),
        _ => None,
    }
}

fn take<'a>(rest: &mut &'a [u8], belongs: fn(&u8) -> bool) -> &'a [u8] {
    let end = rest.iter().position(|byte| !belongs(byte)).unwrap_or(rest.len());
    let (run, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    *rest = after;
    run
}

fn digits(run: &[u8]) -> Part<'_> {
    let zeros = run.iter().take_while(|digit| **digit == b'0').count();
    let digits = run.get(zeros..).unwrap_or_default();
    Part::Digits(digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_the_specification_lists_them() {
        let oldest_first = [
            "~rc",
            "",
            "-",
            "^",
            ".",
            "a",
            "ab",
            "b",
            "0",
            "1~rc1",
            "1",
            "1-1",
            "1^1",
            "1.a",
            "1.0",
            "1.1",
            "1a",
            "2",
            "2.9",
            "2.10",
            "2.18446744073709551616",
            "2.18446744073709551617",
        ];
        for pair in oldest_first.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
    }

    #[test]
    fn leading_zeros_and_foreign_characters_do_not_count() {
        for (a, b) in [("001", "1"), ("1_", "1"), ("ü1é", "1"), ("1.00", "1.0"), ("_", "")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        assert_eq!(compare("a_b", "ab"), Ordering::Less);
    }
}
