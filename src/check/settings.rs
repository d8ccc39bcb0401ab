//! The syntax that systemd's configuration and unit files share, as far as a check
//! needs it: sections, settings, time spans.
//!
//! Bounded by the text that it is given; it refuses nothing, and leaves out what it
//! does not understand. Specification: systemd.syntax(7), systemd.time(7).

/// A line `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Before the equals sign.
    pub name: String,
    /// Behind it; may be empty.
    pub value: String,
}

/// The settings of a section, in order. A line that ends in a backslash goes on in the
/// next.
#[must_use]
pub fn settings(text: &str, section: &str) -> Vec<Setting> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in joined(text) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = name == section;
        } else if inside && let Some((name, value)) = line.split_once('=') {
            let name = name.trim().to_owned();
            found.push(Setting { name, value: value.trim().to_owned() });
        }
    }
    found
}

/// Comments taken out, lines that go on joined.
fn joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        let (line, more) = line.strip_suffix('\\').map_or((line, false), |line| (line, true));
        match lines.last_mut().filter(|_| goes_on) {
            Some(last) => {
                last.push(' ');
                last.push_str(line);
            }
            None => lines.push(line.to_owned()),
        }
        goes_on = more;
    }
    lines
}

/// The value that a file of shell assignments (/etc/default, /etc/environment) gives a
/// name last, without quotes.
#[must_use]
pub fn assigned<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut values = text.lines().filter_map(|line| {
        let (found, value) = line.trim().split_once('=')?;
        (found == name).then_some(value)
    });
    values.next_back().map(|value| value.trim().trim_matches(['"', '\'']))
}

/// How long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// So many seconds, rounded up.
    Seconds(u64),
    /// Without an end.
    Infinite,
}

impl core::fmt::Display for Span {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(f, "{seconds} s"),
            Self::Infinite => f.write_str("without end"),
        }
    }
}

/// Microseconds of a unit.
const UNITS: &[(&[&str], u64)] = &[
    (&["usec", "us", "µs"], 1),
    (&["msec", "ms"], 1000),
    (&["seconds", "second", "sec", "s"], 1_000_000),
    (&["minutes", "minute", "min", "m"], 60_000_000),
    (&["hours", "hour", "hr", "h"], 3_600_000_000),
    (&["days", "day", "d"], 86_400_000_000),
    (&["weeks", "week", "w"], 604_800_000_000),
    (&["months", "month", "M"], 2_629_800_000_000),
    (&["years", "year", "y"], 31_557_600_000_000),
];

/// Reads `90`, `5min 20s`, `infinity`; without a unit it is seconds.
#[must_use]
pub fn span(text: &str) -> Option<Span> {
    let mut rest = text.trim();
    if rest == "infinity" {
        return Some(Span::Infinite);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (part, after) = first_part(rest)?;
        total = total.saturating_add(part);
        rest = after.trim_start();
    }
    (!text.trim().is_empty()).then(|| Span::Seconds(total.div_ceil(1_000_000)))
}

/// A number with its unit, in microseconds, and what follows. What is behind a point
/// is read to the microsecond.
fn first_part(text: &str) -> Option<(u64, &str)> {
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let (number, rest) =
        text.split_at_checked(text.find(|c| !is_number(c)).unwrap_or(text.len()))?;
    let rest = rest.trim_start();
    let (unit, rest) =
        rest.split_at_checked(rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len()))?;
    let unit = if unit.is_empty() { "s" } else { unit };
    let (_, size) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    Some((whole.saturating_mul(*size).saturating_add(part_of(fraction, *size)), rest))
}

/// So many millionths of a unit, of the digits behind a point.
fn part_of(fraction: &str, size: u64) -> u64 {
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let millionths: u64 = digits.parse().unwrap_or(0);
    size.saturating_mul(millionths) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_those_of_their_section() {
        let text =
            "# A=0\n[Unit]\nA=1\n[Manager]\nA = 2 \nB=3 \\\n# no\n  4\n;C=5\n[Install]\nA=6\n";
        let found = settings(text, "Manager");
        let found: Vec<String> =
            found.iter().map(|one| format!("{}={}", one.name, one.value)).collect();
        assert_eq!(found, ["A=2", "B=3    4"]);
        assert_eq!(settings("A=1", "Manager"), []);
    }

    #[test]
    fn the_last_assignment_counts() {
        let text = "# A=0\nA=1\n A='two'\nAB=3\n";
        assert_eq!(assigned(text, "A"), Some("two"));
        assert_eq!(assigned(text, "B"), None);
    }

    #[test]
    fn time_spans_are_read_as_systemd_reads_them() {
        let cases = [
            ("90", Some(Span::Seconds(90))),
            ("1min 30s", Some(Span::Seconds(90))),
            ("1min30s", Some(Span::Seconds(90))),
            ("2 h", Some(Span::Seconds(7200))),
            ("300ms20s 5day", Some(Span::Seconds(432_021))),
            ("0.5min", Some(Span::Seconds(30))),
            ("0", Some(Span::Seconds(0))),
            ("infinity", Some(Span::Infinite)),
            ("", None),
            ("off", None),
            ("5 parsecs", None),
            (".", None),
            ("99999999999999999999", None),
            ("9999999999999999999y", Some(Span::Seconds(u64::MAX.div_ceil(1_000_000)))),
        ];
        for (text, expected) in cases {
            assert_eq!(span(text), expected, "{text}");
        }
        assert!(Span::Infinite > Span::Seconds(u64::MAX));
    }
}
