//! Shell patterns as systemd-boot knows them: `*`, `?`, `[a-z]` and `\` to
//! take the next character literally. `/` is an ordinary character and there
//! is no negated set.

/// Most elements of a pattern that are compared for one text: patterns that
/// people write take a few for each byte of it.
const MAX_STEPS: usize = 4096;
/// The same for all texts together: several for each byte of a thousand long ones.
const MAX_ALL_STEPS: usize = 1 << 20;

/// A pattern, and how many of its elements may be compared yet. Case does not count.
#[derive(Debug)]
pub(crate) struct Pattern {
    lower_case: String,
    left: usize,
}

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Self {
        Self { lower_case: pattern.to_ascii_lowercase(), left: MAX_ALL_STEPS }
    }

    /// Whether it matches the whole of `text`. One that takes too long, for this
    /// text or for all together, matches nothing.
    pub(crate) fn matches(&mut self, text: &str) -> bool {
        let most = self.left.min(MAX_STEPS);
        let mut steps = Steps { left: most };
        let found = compare(&self.lower_case, &text.to_ascii_lowercase(), &mut steps);
        self.left = self.left.saturating_sub(most.saturating_sub(steps.left));
        found.unwrap_or(false)
    }
}

/// What may be compared yet.
struct Steps {
    left: usize,
}

impl Steps {
    /// Takes one, if there is one left.
    fn take(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }
}

/// Whether `pattern` matches the whole of `text`; case counts. A pattern that takes too
/// long matches nothing.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    compare(pattern, text, &mut Steps { left: MAX_STEPS }).unwrap_or(false)
}

/// The same; `None` if it takes too long. Works on bytes, and only the last `*` is ever
/// tried again.
fn compare(pattern: &str, text: &str, steps: &mut Steps) -> Option<bool> {
    let mut pattern = pattern.as_bytes();
    let mut text = text.as_bytes();
    let mut last_star = None;
    loop {
        steps.take()?;
        if let Some(after) = pattern.strip_prefix(b"*") {
            pattern = after;
            last_star = Some((pattern, text));
        } else if let Some(rest) = match_one(pattern, text, steps) {
            (pattern, text) = rest;
        } else if pattern.is_empty() && text.is_empty() {
            return Some(true);
        } else if let Some((after, [_, rest @ ..])) = last_star {
            pattern = after;
            text = rest;
            last_star = Some((pattern, text));
        } else {
            return Some(false);
        }
    }
}

/// Matches one pattern element against one byte; returns what is left of both.
fn match_one<'p, 't>(
    pattern: &'p [u8],
    text: &'t [u8],
    steps: &mut Steps,
) -> Option<(&'p [u8], &'t [u8])> {
    let (byte, text) = text.split_first()?;
    let (matched, pattern) = match pattern {
        [b'?', rest @ ..] => (true, rest),
        [b'[', rest @ ..] => match_set(rest, *byte, steps)?,
        _ => {
            let (wanted, rest) = literal(pattern)?;
            (wanted == *byte, rest)
        }
    };
    matched.then_some((pattern, text))
}

/// Matches a set whose `[` has been read; `None` if its `]` is missing, or no step is
/// left for a member. The first character is a member even if it is `]`.
fn match_set<'p>(set: &'p [u8], byte: u8, steps: &mut Steps) -> Option<(bool, &'p [u8])> {
    let (mut matched, mut rest) = match_member(set, byte)?;
    while !rest.starts_with(b"]") {
        steps.take()?;
        let (one, after) = match_member(rest, byte)?;
        matched |= one;
        rest = after;
    }
    Some((matched, rest.strip_prefix(b"]")?))
}

/// Matches one character or one range of a set.
fn match_member(set: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (first, rest) = literal(set)?;
    match rest {
        [b'-', end @ ..] if !end.starts_with(b"]") => {
            let (last, rest) = literal(end)?;
            Some(((first..=last).contains(&byte), rest))
        }
        _ => Some((first == byte, rest)),
    }
}

fn literal(pattern: &[u8]) -> Option<(u8, &[u8])> {
    let (byte, rest) = pattern.strip_prefix(b"\\").unwrap_or(pattern).split_first()?;
    Some((*byte, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_question_marks_and_sets_match() {
        let cases = [
            ("", ""),
            ("*", ""),
            ("debian-*", "debian-6.1.conf"),
            ("a*b*c", "abcbc"),
            ("[]a]-[a-c-f]", "]--"),
            ("[\\]-_]", "^"),
            ("\\*?", "*/"),
        ];
        for (pattern, text) in cases {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_does_not_match_is_not_found() {
        let cases = [
            ("", "a"),
            ("a", ""),
            ("A", "a"),
            ("a*b", "abc"),
            ("[a", "a"),
            ("[c-a]", "b"),
            ("\\", "\\"),
        ];
        for (pattern, text) in cases {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!matches(&format!("{}x", "*a".repeat(100)), &"a".repeat(255)));
        let long = "a".repeat(255);
        assert!(matches(&format!("*{long}"), &long) && matches("*a*a*a*", &long));
        // By its letters it would match, after more than 30,000 steps.
        let slow = format!("*{}b", "a".repeat(128));
        assert!(!matches(&slow, &format!("{}b", "a".repeat(400))));
    }

    #[test]
    fn every_member_of_a_set_is_a_step() {
        let mut pattern = Pattern::new(&format!("[{}]", "b".repeat(500)));
        assert!(!pattern.matches("a"));
        assert!((500..520).contains(&(MAX_ALL_STEPS - pattern.left)), "{pattern:?}");
        let long = Pattern::new(&format!("*[{}]c", "b".repeat(500))).matches(&"a".repeat(249));
        assert!(!long);
    }

    #[test]
    fn a_pattern_has_one_total_of_steps_for_all_texts() {
        let mut pattern = Pattern::new(&format!("*[{}]", "ab".repeat(250)));
        let text = "a".repeat(249);
        let times = (1..10_000).find(|_| {
            pattern.matches(&text);
            pattern.left == 0
        });
        assert_eq!(times, Some(MAX_ALL_STEPS / MAX_STEPS));
        assert!(!pattern.matches(""), "then nothing matches");
    }
}
