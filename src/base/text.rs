//! Makes text that came from outside safe to show on a console.
//!
//! Titles, paths and values are read from a disk before anything is verified.
//! What leaves this module never contains a control character (C0, DEL, C1,
//! so no escape sequence), no direction-changing character and none that shows
//! nothing (format characters, fillers, blanks other than the space): it can
//! neither drive a terminal nor pretend to be other text. The console is taken
//! to be in UTF-8 mode; [`crate::choose::screen`] asks for it.

use std::borrow::Cow;

/// Longest excerpt of a foreign value that a message quotes, in columns.
const QUOTE_COLUMNS: usize = 64;

/// `text` with every unsafe character written as an escape such as `\u{1b}` or
/// `\n`.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) { Cow::Borrowed(text) } else { Cow::Owned(escape(text)) }
}

/// Like [`printable`], for bytes that may not be UTF-8: the offending bytes are
/// written as `\xNN`.
#[must_use]
pub fn printable_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(&printable(chunk.valid()));
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

/// A foreign value for use in a message: printable, in double quotes, cut to a
/// bounded length.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text, QUOTE_COLUMNS))
}

/// Any text made printable and cut to at most `limit` columns. However long the
/// text is, no more of it than that is looked at.
#[must_use]
pub fn shown(text: &str, limit: usize) -> String {
    // Two columns more, so that what is left out is seen to be: no character has more.
    let (start, _) = split_at_column(text, limit.saturating_add(2));
    cut(&printable(start), limit).into_owned()
}

/// An upper bound of the columns that printable `text` takes on a console.
///
/// Counts two for everything from U+1100 on, where the wide scripts begin: a
/// line may come out shorter than it could be, never longer.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

/// Printable `text` cut to at most `limit` columns, with `...` where something
/// was cut off.
#[must_use]
pub fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    const MORE: &str = "...";
    if columns(text) <= limit {
        return Cow::Borrowed(text);
    }
    match limit.checked_sub(MORE.len()) {
        Some(room) => Cow::Owned(format!("{}{MORE}", split_at_column(text, room).0)),
        None => Cow::Borrowed(split_at_column(text, limit).0),
    }
}

/// Splits printable `text` before the first character that would pass `limit`
/// columns.
#[must_use]
pub fn split_at_column(text: &str, limit: usize) -> (&str, &str) {
    let ends = text.char_indices().scan(0_usize, |used, (start, c)| {
        *used = used.saturating_add(char_columns(c));
        Some((start, *used))
    });
    let split = ends.skip_while(|(_, used)| *used <= limit).map(|(start, _)| start).next();
    text.split_at_checked(split.unwrap_or(text.len())).unwrap_or((text, ""))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_printable(c) { out.push(c) } else { out.extend(c.escape_default()) }
    }
    out
}

const fn char_columns(c: char) -> usize {
    if c < '\u{1100}' { 1 } else { 2 }
}

/// Whether a character shows something of its own and leaves the others as they
/// are.
pub(super) fn is_printable(c: char) -> bool {
    !c.is_control() && !is_invisible(c) && !is_other_blank(c)
}

/// Characters that change how others are shown, or show nothing themselves: the
/// Unicode Character Database's general categories Cf, Zl and Zp and its property
/// Default_Ignorable_Code_Point (DerivedCoreProperties.txt), with the Hangul
/// fillers and the variation selectors.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}'
        | '\u{34f}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{890}'..='\u{891}'
        | '\u{8e2}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}'
        | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Blanks that are not the space, by which two texts that look the same could
/// differ: general category Zs, and the Braille pattern without a dot.
const fn is_other_blank(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{2800}' | '\u{3000}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_in_a_title_is_shown_and_not_obeyed() {
        assert_eq!(printable("\u{1b}[2Jgood"), "\\u{1b}[2Jgood");
        assert_eq!(printable("\u{9b}2J"), "\\u{9b}2J");
        assert_eq!(printable("a\r\nb\u{7f}\u{8}"), "a\\r\\nb\\u{7f}\\u{8}");
    }

    #[test]
    fn no_character_can_turn_or_hide_the_text_around_it() {
        for c in
            ['\u{202e}', '\u{2066}', '\u{200f}', '\u{200b}', '\u{feff}', '\u{2028}', '\u{e0041}']
        {
            assert_eq!(printable(&format!("a{c}b")), format!("a{}b", c.escape_unicode()));
        }
    }

    #[test]
    fn characters_that_show_nothing_are_written_out() {
        for c in [
            '\u{3164}',
            '\u{115f}',
            '\u{1160}',
            '\u{ffa0}',
            '\u{2800}',
            '\u{34f}',
            '\u{fe0f}',
            '\u{180b}',
            '\u{a0}',
            '\u{2003}',
            '\u{3000}',
            '\u{e0100}',
            '\u{13430}',
        ] {
            assert_eq!(printable(&format!("a{c}b")), format!("a{}b", c.escape_unicode()));
        }
    }

    #[test]
    fn letters_of_every_script_pass_unchanged() {
        for text in ["Debian GNU/Linux 12 (bookworm)", "Größe", "日本語", "memmap=1M$0x1000 \\ \""]
        {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_as_hexadecimal() {
        assert_eq!(printable_bytes(b"a\xff\x1b[m\xc3("), "a\\xff\\u{1b}[m\\xc3(");
        assert_eq!(printable_bytes("ü".as_bytes()), "ü");
    }

    #[test]
    fn a_quoted_value_is_bounded() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"x".repeat(1000)).len(), QUOTE_COLUMNS + 2);
    }

    #[test]
    fn cutting_counts_columns_and_never_splits_a_character() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abc...");
        assert_eq!(cut("日本語日本語", 8), "日本...");
        assert_eq!(cut("日本語", 3), "...");
        assert_eq!(cut("abcdef", 2), "ab");
        assert_eq!(split_at_column("日本語", 3), ("日", "本語"));
        assert_eq!(split_at_column("abc", 9), ("abc", ""));
    }
}
