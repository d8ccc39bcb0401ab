//! The line that somebody types at the prompt, and the bytes that bring a console from
//! what it shows to what it is to show: as few as can be, for a line of 9600 baud, and
//! with nothing but backspaces, so that any terminal will do.

use crate::choose::edit::{Edited, Editor};
use crate::choose::keys::Key;

/// What stands before the line, without the blank after it.
const PROMPT: &str = "recovery>";
/// The fewest columns that are written to, whatever a terminal says.
const MIN_WIDTH: usize = 20;
/// Lines that are kept.
const MAX_HISTORY: usize = 20;

/// What a key has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// It goes on.
    Open,
    /// This line was entered.
    Line(String),
    /// Tab: complete it. Whether it was pressed twice.
    Complete {
        /// The key before was Tab too.
        is_again: bool,
    },
}

/// The line, and what consoles show of it.
#[derive(Debug)]
pub struct Line {
    editor: Editor,
    /// How many columns the line has.
    width: usize,
    shown: String,
    column: usize,
    was_tab: bool,
}

impl Line {
    /// A new line on consoles with so many columns, and the bytes that begin it.
    #[must_use]
    pub fn new(columns: usize) -> (Self, String) {
        let width = columns.max(MIN_WIDTH).saturating_sub(PROMPT.len()).saturating_sub(1);
        let editor = Editor::new("");
        let (shown, column) = editor.view(width);
        let begin = [PROMPT, &shown].concat();
        (Self { editor, width, shown, column, was_tab: false }, begin)
    }

    /// What is typed so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.editor.text()
    }

    /// A key was pressed; `history` has earlier lines, oldest first.
    pub fn key(&mut self, key: Key, history: &[String]) -> Typed {
        let is_again = core::mem::replace(&mut self.was_tab, key == Key::Tab);
        match key {
            Key::Tab => return Typed::Complete { is_again },
            Key::Control('C') => self.editor = Editor::new(""),
            key => match self.editor.key(key, history) {
                Edited::Open => {}
                Edited::Done => return Typed::Line(self.text()),
                Edited::Cancelled => self.editor = Editor::new(""),
            },
        }
        Typed::Open
    }

    /// Goes on with this text, as if it was typed.
    pub fn insert(&mut self, text: &str) {
        for character in text.chars() {
            self.editor.key(Key::Char(character), &[]);
        }
    }

    /// Begins the line anew below what was printed meanwhile: the bytes for it.
    #[must_use]
    pub fn again(&mut self) -> String {
        self.shown = " ".to_owned();
        self.column = 1;
        let begin = [PROMPT, " "].concat();
        begin + &self.repaint()
    }

    /// The bytes that bring consoles up to date.
    #[must_use]
    pub fn repaint(&mut self) -> String {
        let (new, column) = self.editor.view(self.width);
        let mut out = String::new();
        let mut at = self.column;
        if new != self.shown {
            let both = new.bytes().zip(self.shown.bytes());
            let same = both.take_while(|(one, other)| one == other).count();
            go(&mut out, &new, at, same);
            out.push_str(new.get(same..).unwrap_or_default());
            let rest = self.shown.len().saturating_sub(new.len());
            out.push_str(&" ".repeat(rest));
            at = new.len().saturating_add(rest);
        }
        go(&mut out, &new, at, column);
        self.shown = new;
        self.column = column;
        out
    }
}

/// Moves the cursor to a column: back, or over what stands there.
fn go(out: &mut String, shown: &str, from: usize, to: usize) {
    if to <= from {
        out.push_str(&"\u{8}".repeat(from.saturating_sub(to)));
    } else {
        out.push_str(shown.get(from..to).unwrap_or_default());
    }
}

/// Keeps a line for later, unless it is empty or was the last one too.
pub fn keep(history: &mut Vec<String>, line: &str) {
    if line.trim().is_empty() || history.last().is_some_and(|last| last == line) {
        return;
    }
    if history.len() >= MAX_HISTORY {
        history.remove(0);
    }
    history.push(line.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal of one line that knows nothing but backspace.
    struct Screen {
        cells: Vec<u8>,
        at: usize,
    }

    impl Screen {
        fn new() -> Self {
            Self { cells: Vec::new(), at: 0 }
        }

        fn take(&mut self, bytes: &str) {
            for byte in bytes.bytes() {
                match byte {
                    8 => self.at = self.at.checked_sub(1).expect("before the line"),
                    b' '..=b'~' => {
                        if self.at == self.cells.len() {
                            self.cells.push(byte);
                        }
                        self.cells[self.at] = byte;
                        self.at += 1;
                    }
                    byte => panic!("{byte}"),
                }
            }
        }

        fn text(&self) -> String {
            String::from_utf8(self.cells.clone()).unwrap().trim_end().to_owned()
        }
    }

    #[test]
    fn a_character_costs_one_byte_and_taking_it_back_three() {
        let (mut line, begin) = Line::new(80);
        assert_eq!(begin, "recovery> ");
        line.key(Key::Char('g'), &[]);
        assert_eq!(line.repaint(), "g");
        line.key(Key::Backspace, &[]);
        assert_eq!(line.repaint(), "\u{8} \u{8}");
        line.key(Key::Backspace, &[]);
        assert_eq!(line.repaint(), "");
    }

    #[test]
    fn whatever_is_typed_the_screen_shows_the_line_and_stays_in_it() {
        let history = ["first line".to_owned(), "x".repeat(300)];
        let keys = [
            Key::Char('a'),
            Key::Char('b'),
            Key::Left,
            Key::Char(' '),
            Key::Home,
            Key::Delete,
            Key::End,
            Key::Up,
            Key::Up,
            Key::Down,
            Key::Backspace,
            Key::Control('W'),
            Key::Control('K'),
            Key::Control('U'),
            Key::Control('C'),
            Key::Escape,
            Key::Other,
        ];
        let mut state = 7_u32;
        for columns in [0, 40, 80] {
            let (mut line, begin) = Line::new(columns);
            let mut screen = Screen::new();
            screen.take(&begin);
            for _ in 0..4000 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                line.key(keys[(state >> 16) as usize % keys.len()], &history);
                screen.take(&line.repaint());
                let (shown, column) = line.editor.view(line.width);
                assert_eq!(screen.text(), format!("{PROMPT}{shown}").trim_end());
                assert_eq!(screen.at, PROMPT.len() + column);
                assert!(screen.cells.len() < columns.max(MIN_WIDTH));
            }
        }
    }

    #[test]
    fn enter_gives_the_line_and_ctrl_c_and_escape_clear_it() {
        let (mut line, _) = Line::new(80);
        line.insert("boot debian");
        assert_eq!(line.key(Key::Enter, &[]), Typed::Line("boot debian".to_owned()));
        for key in [Key::Control('C'), Key::Escape, Key::Control('U')] {
            line.insert("x");
            assert_eq!((line.key(key, &[]), line.text()), (Typed::Open, String::new()));
        }
    }

    #[test]
    fn a_second_tab_is_told_from_the_first() {
        let (mut line, _) = Line::new(80);
        assert_eq!(line.key(Key::Tab, &[]), Typed::Complete { is_again: false });
        assert_eq!(line.key(Key::Tab, &[]), Typed::Complete { is_again: true });
        line.key(Key::Char('a'), &[]);
        assert_eq!(line.key(Key::Tab, &[]), Typed::Complete { is_again: false });
        assert_eq!(line.again(), "recovery> a");
        assert_eq!(line.repaint(), "");
    }

    #[test]
    fn the_last_lines_are_kept() {
        let mut history = Vec::new();
        for line in ["", "  ", "a", "a", "b"] {
            keep(&mut history, line);
        }
        assert_eq!(history, ["a", "b"]);
        (0..50).for_each(|n| keep(&mut history, &n.to_string()));
        assert_eq!((history.len(), history.last().map(String::as_str)), (MAX_HISTORY, Some("49")));
    }
}
