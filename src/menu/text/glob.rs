//! Shell patterns as systemd-boot knows them: `*`, `?`, `[a-z]` and `\` to
//! take the next character literally. `/` is an ordinary character and there
//! is no negated set.

/// Most elements of a pattern that are compared for one text: patterns that
/// people write take a few for each byte of it.
const MAX_STEPS: usize = 4096;

/// Whether `pattern` matches the whole of `text`; case counts.
///
/// Works on bytes, and only the last `*` is ever tried again. A pattern that
/// takes too long matches nothing.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern = pattern.as_bytes();
    let mut text = text.as_bytes();
    let mut last_star = None;
    for _ in 0..MAX_STEPS {
        if let Some(after) = pattern.strip_prefix(b"*") {
            pattern = after;
            last_star = Some((pattern, text));
        } else if let Some(rest) = match_one(pattern, text) {
            (pattern, text) = rest;
        } else if pattern.is_empty() && text.is_empty() {
            return true;
        } else if let Some((after, [_, rest @ ..])) = last_star {
            pattern = after;
            text = rest;
            last_star = Some((pattern, text));
        } else {
            return false;
        }
    }
    false
}

/// Matches one pattern element against one byte; returns what is left of both.
fn match_one<'p, 't>(pattern: &'p [u8], text: &'t [u8]) -> Option<(&'p [u8], &'t [u8])> {
    let (byte, text) = text.split_first()?;
    let (matched, pattern) = match pattern {
        [b'?', rest @ ..] => (true, rest),
        [b'[', rest @ ..] => match_set(rest, *byte)?,
        _ => {
            let (wanted, rest) = literal(pattern)?;
            (wanted == *byte, rest)
        }
    };
    matched.then_some((pattern, text))
}

/// Matches a set whose `[` has been read; `None` if its `]` is missing. The
/// first character is a member even if it is `]`.
fn match_set(set: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (mut matched, mut rest) = match_member(set, byte)?;
    while !rest.starts_with(b"]") {
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
}
