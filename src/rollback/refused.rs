//! What was not booted, and why: kept where it outlasts the reset, for whoever
//! asks afterwards.
//!
//! The newest come first, equal ones are counted, and there are few: the list is
//! for people, and decides nothing. It is news only if something was refused that
//! the list does not have; a count alone is worth no write but the last one before
//! a reset, and ends at 255, so that a machine that resets for ever does not
//! write for ever.
//!
//! A record of one, in order: count (one byte), length of the code (one byte),
//! code, length of the entry's id (one byte), id.

use core::fmt;

use crate::base::json::Object;
use crate::base::text::printable;

/// Most that are kept.
pub const MAX: usize = 8;
/// Longest code and longest id that is kept, in bytes; the rest is cut off.
const MAX_CODE: usize = 24;
const MAX_ENTRY: usize = 96;

/// What was not booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason code, or the name of the step that failed.
    pub code: String,
    /// The entry's id; empty where no entry had been chosen.
    pub entry: String,
    /// In how many starts, from 1; 255 is as many or more.
    pub count: u8,
}

/// What this start has refused so far, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// Oldest first.
    list: Vec<Refused>,
    /// How many of them, from the first on, a store has taken.
    kept: usize,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = if self.entry.is_empty() { "boot" } else { &self.entry };
        write!(f, "{}: {}", printable(entry), printable(&self.code))?;
        match self.count {
            1 => Ok(()),
            255 => f.write_str(" (255 times or more)"),
            count => write!(f, " ({count} times)"),
        }
    }
}

impl Refused {
    /// Its members as `docs/rollback.md` has them.
    pub fn write_json(&self, out: &mut Object<'_>) {
        out.text("entry", &self.entry);
        out.text("code", &self.code);
        out.number("count", self.count.into());
    }

    fn is_of(&self, other: &Self) -> bool {
        self.code == other.code && self.entry == other.entry
    }
}

impl Noted {
    /// Takes note of an entry that was not booted, unless it was noted before. Of too
    /// many, the first stays, which was to boot by itself, and the last ones: however
    /// many a menu puts in between hide neither.
    pub fn note(&mut self, code: &str, entry: &str) {
        let new = Refused { code: cut(code, MAX_CODE), entry: cut(entry, MAX_ENTRY), count: 1 };
        if self.list.iter().any(|one| one.is_of(&new)) {
            return;
        }
        if self.list.len() == MAX {
            self.list.remove(1);
            self.kept = self.kept.saturating_sub(usize::from(self.kept > 1));
        }
        self.list.push(new);
    }

    /// Whether nothing was noted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn fresh(&self) -> &[Refused] {
        self.list.get(self.kept..).unwrap_or_default()
    }

    /// Whether something was refused that `list` does not have.
    #[must_use]
    pub fn is_news_to(&self, list: &[Refused]) -> bool {
        self.fresh().iter().any(|new| !list.iter().any(|old| old.is_of(new)))
    }

    /// The list with what is not in it yet; what is there is counted.
    #[must_use]
    pub fn merged(&self, list: &[Refused]) -> Vec<Refused> {
        let mut merged = list.to_vec();
        for new in self.fresh() {
            let before = merged.iter().position(|old| old.is_of(new));
            let count = before.map_or(0, |at| merged.remove(at).count).saturating_add(1);
            merged.insert(0, Refused { count, ..new.clone() });
        }
        merged.truncate(MAX);
        merged
    }

    /// A store has taken all of them.
    pub const fn keep(&mut self) {
        self.kept = self.list.len();
    }
}

/// As many whole characters as fit.
fn cut(text: &str, limit: usize) -> String {
    let end = text.floor_char_boundary(limit);
    text.get(..end).unwrap_or_default().to_owned()
}

/// The bytes of the record; `None` where the list is not one that [`read`] gives.
pub(super) fn write(list: &[Refused]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for one in list {
        out.push(one.count);
        for text in [&one.code, &one.entry] {
            out.push(u8::try_from(text.len()).ok()?);
            out.extend_from_slice(text.as_bytes());
        }
    }
    read(&out).is_some().then_some(out)
}

/// The list that a record holds: at least one, each of them once.
pub(super) fn read(mut bytes: &[u8]) -> Option<Vec<Refused>> {
    let mut list: Vec<Refused> = Vec::new();
    while let Some((count, rest)) = bytes.split_first() {
        bytes = rest;
        let code = word(&mut bytes, MAX_CODE)?;
        let one = Refused { code, entry: word(&mut bytes, MAX_ENTRY)?, count: *count };
        if one.count == 0 || list.len() == MAX || list.iter().any(|old| old.is_of(&one)) {
            return None;
        }
        list.push(one);
    }
    Some(list).filter(|list| !list.is_empty())
}

/// Takes a length and as many bytes from the front.
fn word(bytes: &mut &[u8], limit: usize) -> Option<String> {
    let (len, rest) = bytes.split_first()?;
    let (word, rest) = rest.split_at_checked(usize::from(*len))?;
    *bytes = rest;
    let word = core::str::from_utf8(word).ok().filter(|word| word.len() <= limit)?;
    Some(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, entry: &str, count: u8) -> Refused {
        Refused { code: code.into(), entry: entry.into(), count }
    }

    fn noted(all: &[(&str, &str)]) -> Noted {
        let mut noted = Noted::default();
        all.iter().for_each(|(code, entry)| noted.note(code, entry));
        noted
    }

    #[test]
    fn the_newest_come_first_and_equal_ones_are_counted() {
        let noted = noted(&[("FLOOR", "old"), ("STORE", "good"), ("FLOOR", "old")]);
        let list = noted.merged(&[refused("read", "x", 2), refused("FLOOR", "old", 4)]);
        let expected =
            [refused("STORE", "good", 1), refused("FLOOR", "old", 5), refused("read", "x", 2)];
        assert_eq!(list, expected);
        assert_eq!(noted.merged(&[refused("FLOOR", "old", 255)])[1].count, 255);
    }

    #[test]
    fn only_what_the_list_does_not_have_is_news() {
        let mut noted = noted(&[("FLOOR", "old")]);
        assert!(noted.is_news_to(&[refused("FLOOR", "other", 1)]));
        assert!(!noted.is_news_to(&[refused("FLOOR", "old", 1)]));
        noted.keep();
        assert!(!noted.is_news_to(&[]), "it was kept before");
        assert_eq!(
            noted.merged(&[refused("FLOOR", "old", 1)])[0].count,
            1,
            "it counts once a start"
        );
    }

    #[test]
    fn the_list_is_bounded_in_number_and_length() {
        let ids: Vec<String> = (0..20).map(|number| format!("é{number:0200}")).collect();
        let mut noted = Noted::default();
        ids.iter().for_each(|id| noted.note(&"C".repeat(99), id));
        // Cut short they are all the same.
        let [one] = &noted.merged(&[])[..] else { panic!("{noted:?}") };
        assert_eq!((one.entry.len(), one.code.len(), one.count), (96, 24, 1));
        let mut many = Noted::default();
        (0..20).for_each(|number| many.note("FLOOR", &number.to_string()));
        let list = many.merged(&[refused("FLOOR", "before", 9)]);
        let ids: Vec<_> = list.iter().map(|one| one.entry.as_str()).collect();
        assert_eq!(ids, ["19", "18", "17", "16", "15", "14", "13", "0"]);
        many.keep();
        many.note("FLOOR", "20");
        assert_eq!(many.fresh(), [refused("FLOOR", "20", 1)], "the others were kept before");
        let longest: Vec<_> = (0..MAX)
            .map(|number| refused(&"c".repeat(24), &format!("{number:096}"), 255))
            .collect();
        assert_eq!(write(&longest).unwrap().len(), 8 * (3 + 24 + 96));
    }

    #[test]
    fn a_record_reads_as_it_was_written_and_in_no_other_way() {
        let list = vec![refused("FLOOR", "débian", 255), refused("read", "", 1)];
        let bytes = write(&list).unwrap();
        assert_eq!(read(&bytes), Some(list));
        for end in 1..bytes.len() - 1 {
            let is_one = end == 15;
            assert_eq!(read(&bytes[..end]).is_some(), is_one, "{end} bytes");
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0, 1, b'c', 0]), None, "counted never");
        assert_eq!(read(&[1, 1, b'c', 0, 2, 1, b'c', 0]), None, "the same one twice");
        assert_eq!(read(&[1, 1, 0xff, 0]), None, "no text");
        assert_eq!(write(&[refused(&"c".repeat(25), "", 1)]), None);
    }
}
