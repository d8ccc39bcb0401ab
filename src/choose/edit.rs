//! A line of text that somebody edits: a command line, before it is booted once.

use super::keys::Key;

/// Longest line, in characters; no kernel here takes more than 2047 bytes.
const MAX_LENGTH: usize = 4096;

/// What a key has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edited {
    /// It goes on.
    Open,
    /// Enter: take it.
    Done,
    /// Escape: forget it.
    Cancelled,
}

/// The line, and where in it the next character goes.
#[derive(Debug)]
pub(super) struct Editor {
    text: Vec<char>,
    cursor: usize,
    /// The line before anybody edited it.
    original: String,
    /// How far back in the history this line was taken from; 0 is the line
    /// itself.
    back: usize,
    /// The line itself, while another one is looked at.
    draft: String,
}

impl Editor {
    pub(super) fn new(text: &str) -> Self {
        let original = text.to_owned();
        let text: Vec<char> = text.chars().collect();
        Self { cursor: text.len(), text, original, back: 0, draft: String::new() }
    }

    /// The line as it is now.
    pub(super) fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Whether it is another line than the one that it began with.
    pub(super) fn is_changed(&self) -> bool {
        self.text() != self.original
    }

    /// A key was pressed; `history` has the lines of earlier edits, oldest first.
    pub(super) fn key(&mut self, key: Key, history: &[String]) -> Edited {
        match key {
            Key::Enter => return Edited::Done,
            Key::Escape => return Edited::Cancelled,
            Key::Up => self.recall(self.back.saturating_add(1), history),
            Key::Down => self.recall(self.back.saturating_sub(1), history),
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = self.cursor.saturating_add(1).min(self.text.len()),
            Key::Home | Key::Control('A') => self.cursor = 0,
            Key::End | Key::Control('E') => self.cursor = self.text.len(),
            Key::Control('K') => self.text.truncate(self.cursor),
            Key::Control('U') => self.remove_before(0),
            Key::Control('W') => self.remove_before(self.start_of_word()),
            Key::Backspace => self.remove_before(self.cursor.saturating_sub(1)),
            Key::Delete if self.cursor < self.text.len() => drop(self.text.remove(self.cursor)),
            Key::Char(character) => self.insert(character),
            _ => {}
        }
        Edited::Open
    }

    fn insert(&mut self, character: char) {
        if self.text.len() < MAX_LENGTH && self.cursor <= self.text.len() {
            self.text.insert(self.cursor, character);
            self.cursor = self.cursor.saturating_add(1);
        }
    }

    /// Takes out what is between `start` and the cursor.
    fn remove_before(&mut self, start: usize) {
        let end = self.cursor.min(self.text.len());
        self.text.drain(start.min(end)..end);
        self.cursor = start.min(end);
    }

    fn start_of_word(&self) -> usize {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        let blanks = before.iter().rev().take_while(|c| **c == ' ').count();
        let word = before.iter().rev().skip(blanks).take_while(|c| **c != ' ').count();
        self.cursor.saturating_sub(blanks).saturating_sub(word)
    }

    fn recall(&mut self, back: usize, history: &[String]) {
        let line = match history.len().checked_sub(back) {
            _ if back == self.back => return,
            None => return,
            Some(_) if back == 0 => Some(&self.draft),
            Some(index) => history.get(index),
        };
        let Some(line) = line.cloned() else { return };
        if self.back == 0 {
            self.draft = self.text();
        }
        self.text = line.chars().collect();
        (self.cursor, self.back) = (self.text.len(), back);
    }

    /// The part of the line that fits into `width` columns, with `<` and `>` where
    /// there is more, and the cursor's column. What is not ASCII, and so has no
    /// certain width, is shown as `?`.
    pub(super) fn view(&self, width: usize) -> (String, usize) {
        let room = width.saturating_sub(2).max(2);
        // By half of the room at a time, so that most keys move nothing.
        let steps = self.cursor.saturating_sub(room.saturating_sub(1)).div_ceil(room / 2);
        let start = steps.saturating_mul(room / 2);
        let shown = self.text.iter().skip(start).take(room);
        let shown: String = shown.map(|c| if is_plain(*c) { *c } else { '?' }).collect();
        let more = start.saturating_add(room) < self.text.len();
        let left = if start > 0 { '<' } else { ' ' };
        let right = if more { ">" } else { "" };
        let column = self.cursor.saturating_sub(start).saturating_add(1);
        (format!("{left}{shown}{right}"), column)
    }
}

const fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(editor: &mut Editor, text: &str) {
        for character in text.chars() {
            assert_eq!(editor.key(Key::Char(character), &[]), Edited::Open);
        }
    }

    #[test]
    fn keys_edit_the_line_as_in_a_shell() {
        let mut editor = Editor::new("root=/dev/vda1 ro quiet");
        for (keys, text, cursor) in [
            (&[Key::Control('W')][..], "root=/dev/vda1 ro ", 18),
            (&[Key::Char('s')], "root=/dev/vda1 ro s", 19),
            (&[Key::Home, Key::Delete], "oot=/dev/vda1 ro s", 0),
            (&[Key::Backspace], "oot=/dev/vda1 ro s", 0),
            (&[Key::Right, Key::Char('b')], "obot=/dev/vda1 ro s", 2),
            (&[Key::Control('K')], "ob", 2),
            (&[Key::Left, Key::Backspace], "b", 0),
            (&[Key::End, Key::Delete, Key::Right], "b", 1),
            (&[Key::Control('U')], "", 0),
            (&[Key::Control('W'), Key::Control('E')], "", 0),
        ] {
            keys.iter().for_each(|key| assert_eq!(editor.key(*key, &[]), Edited::Open));
            assert_eq!((&*editor.text(), editor.cursor), (text, cursor), "{keys:?}");
        }
    }

    #[test]
    fn earlier_edits_come_back_and_the_line_itself_is_not_lost() {
        let history = ["one", "two"].map(str::to_owned);
        let mut editor = Editor::new("line");
        for (key, text) in [
            (Key::Down, "line"),
            (Key::Char('!'), "line!"),
            (Key::Up, "two"),
            (Key::Up, "one"),
            (Key::Up, "one"),
            (Key::Down, "two"),
            (Key::Down, "line!"),
            (Key::Down, "line!"),
        ] {
            editor.key(key, &history);
            assert_eq!(editor.text(), text);
        }
    }

    #[test]
    fn a_long_line_scrolls_so_that_the_cursor_is_always_seen() {
        let text: String = ('a'..='z').cycle().take(200).collect();
        let mut editor = Editor::new(&text);
        for width in [8, 39, 79] {
            for key in [Key::Left, Key::Right] {
                for _ in 0..=200 {
                    let (shown, column) = editor.view(width);
                    assert!(shown.len() <= width && column < width, "{shown} {column}");
                    let under = shown.as_bytes().get(column).copied().map(char::from);
                    let expected = editor.text.get(editor.cursor).copied();
                    assert_eq!(under.filter(|c| *c != '>'), expected, "{shown} {column}");
                    editor.key(key, &[]);
                }
            }
        }
        editor.key(Key::Home, &[]);
        assert_eq!(editor.view(10), (" abcdefgh>".to_owned(), 1));
        editor.key(Key::End, &[]);
        assert_eq!(editor.view(10), ("<opqr".to_owned(), 5));
    }

    #[test]
    fn a_line_has_an_end_and_what_has_no_certain_width_is_a_question_mark() {
        let mut editor = Editor::new("gr\u{fc}\u{1b}日");
        assert_eq!(editor.view(20).0, " gr???");
        assert_eq!(editor.text(), "gr\u{fc}\u{1b}日", "it is only shown so");
        typed(&mut editor, &"x".repeat(MAX_LENGTH + 9));
        assert_eq!(editor.text.len(), MAX_LENGTH);
        assert!(editor.is_changed());
        assert_eq!(editor.key(Key::Enter, &[]), Edited::Done);
        assert_eq!(editor.key(Key::Escape, &[]), Edited::Cancelled);
    }
}
