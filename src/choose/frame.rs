//! A screen as cells, and the bytes that turn one into the next on a VT100.
//!
//! The smallest console counts: a serial line with 9600 baud. So nothing is sent
//! but the cells that changed, and colour is an addition that can be left out:
//! no meaning hangs on it. Cells hold printable characters only.

use crate::base::text::columns;

/// Selects UTF-8 (ISO 2022), resets attributes, hides the cursor, clears.
const OPEN: &str = "\x1b%G\x1b[0m\x1b[?25l\x1b[2J\x1b[H";

/// Size of a console, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { columns: 80, rows: 25 }
    }
}

impl Size {
    /// As large as both consoles are.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self { columns: self.columns.min(other.columns), rows: self.rows.min(other.rows) }
    }
}

/// How a cell looks where there is colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// As everything else.
    #[default]
    Plain,
    /// A heading.
    Bold,
    /// The selected row.
    Reverse,
    /// What failed, and what is not signed.
    Alarm,
}

impl Style {
    /// ECMA-48 SGR.
    const fn sequence(self) -> &'static str {
        match self {
            Self::Plain => "\x1b[0m",
            Self::Bold => "\x1b[1m",
            Self::Reverse => "\x1b[7m",
            Self::Alarm => "\x1b[31m",
        }
    }
}

/// One character and how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    character: char,
    style: Style,
}

/// What a console shows, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    lines: Vec<Vec<Cell>>,
    /// Row and column of the cursor, from 0; hidden if there is none.
    cursor: Option<(usize, usize)>,
}

impl Frame {
    /// Adds a line of printable text.
    pub fn line(&mut self, text: &str, style: Style) {
        self.lines.push(text.chars().map(|character| Cell { character, style }).collect());
    }

    /// Adds empty lines until there are so many.
    pub fn fill(&mut self, height: usize) {
        self.lines.resize(self.lines.len().max(height), Vec::new());
    }

    /// Adds the lines of another frame.
    pub fn append(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }

    /// Cuts off what does not fit.
    pub fn truncate(&mut self, height: usize) {
        self.lines.truncate(height);
    }

    /// Shows the cursor in this column of the last line.
    pub const fn place_cursor(&mut self, column: usize) {
        self.cursor = Some((self.lines.len().saturating_sub(1), column));
    }

    /// How many lines there are.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.lines.len()
    }

    /// A line; empty below the last.
    fn row(&self, row: usize) -> &[Cell] {
        self.lines.get(row).map(Vec::as_slice).unwrap_or_default()
    }

    /// The lines as text.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.iter().map(|cell| cell.character).collect()).collect()
    }
}

/// The bytes that turn the screen from `previous` into `next`. Without
/// `previous` the screen is cleared: so it is at first, and whenever something
/// else has written to the console.
#[must_use]
pub fn draw(previous: Option<&Frame>, next: &Frame, colour: bool) -> Vec<u8> {
    let mut pen = Pen { out: String::new(), style: Style::Plain, colour };
    match previous {
        None => pen.all(next),
        Some(previous) => pen.changes(previous, next),
    }
    let was_shown = previous.is_some_and(|previous| previous.cursor.is_some());
    match next.cursor {
        Some((row, column)) if !pen.out.is_empty() || previous != Some(next) => {
            pen.go(row, column);
            pen.out.push_str(if was_shown { "" } else { "\x1b[?25h" });
        }
        None if was_shown => pen.out.push_str("\x1b[?25l"),
        _ => {}
    }
    pen.out.into_bytes()
}

/// The bytes that give the console back: the cursor below the menu, visible.
#[must_use]
pub fn leave(frame: &Frame) -> Vec<u8> {
    format!("\x1b[{};1H\r\n\x1b[?25h", frame.height()).into_bytes()
}

/// Whether a cell stays as it is, and so does the column of what is behind it.
fn is_kept((old, new): &(&Cell, &Cell)) -> bool {
    old == new && old.character.is_ascii()
}

fn is_ascii(line: &[Cell]) -> bool {
    line.iter().all(|cell| cell.character.is_ascii())
}

struct Pen {
    out: String,
    style: Style,
    colour: bool,
}

impl Pen {
    fn all(&mut self, frame: &Frame) {
        self.out.push_str(OPEN);
        for (index, line) in frame.lines.iter().enumerate() {
            if index > 0 {
                self.out.push_str("\r\n");
            }
            self.cells(line);
        }
    }

    fn changes(&mut self, previous: &Frame, next: &Frame) {
        for row in 0..previous.height().max(next.height()) {
            let old = self.looks(previous.row(row));
            let new = self.looks(next.row(row));
            if old != new {
                self.rewrite(row, &old, &new);
            }
        }
    }

    /// What of a line is to be seen.
    fn looks(&self, line: &[Cell]) -> Vec<Cell> {
        line.iter().map(|cell| Cell { style: self.visible(cell.style), ..*cell }).collect()
    }

    const fn visible(&self, style: Style) -> Style {
        if self.colour { style } else { Style::Plain }
    }

    /// Moves to the first cell that changed, and writes from there; up to the last
    /// that changed, if nothing behind it has moved. Only behind ASCII is the
    /// column of a character certain.
    fn rewrite(&mut self, row: usize, old: &[Cell], new: &[Cell]) {
        let kept = old.iter().zip(new).take_while(is_kept).count();
        let in_place = old.len() == new.len() && is_ascii(old) && is_ascii(new);
        let behind = old.iter().rev().zip(new.iter().rev()).take_while(is_kept).count();
        let end = if in_place { new.len().saturating_sub(behind) } else { new.len() };
        self.go(row, kept);
        self.cells(new.get(kept..end).unwrap_or_default());
        if !in_place {
            self.out.push_str("\x1b[K");
        }
    }

    fn go(&mut self, row: usize, column: usize) {
        let row = row.saturating_add(1);
        let column = column.saturating_add(1);
        self.out.push_str(&format!("\x1b[{row};{column}H"));
    }

    fn cells(&mut self, cells: &[Cell]) {
        for cell in cells {
            self.put_on(cell.style);
            self.out.push(cell.character);
        }
        self.put_on(Style::Plain);
    }

    /// Styles do not add up: each begins from plain.
    fn put_on(&mut self, style: Style) {
        let style = self.visible(style);
        if style == self.style {
            return;
        }
        if self.style != Style::Plain {
            self.out.push_str(Style::Plain.sequence());
        }
        if style != Style::Plain {
            self.out.push_str(style.sequence());
        }
        self.style = style;
    }
}

/// Breaks printable text into lines, between words if it can be; what does not
/// fit into `most` lines is cut off.
#[must_use]
pub(super) fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && lines.len() < most {
        let is_last = lines.len().saturating_add(1) == most;
        let (line, after) = if is_last { (rest, "") } else { break_line(rest, width) };
        lines.push(crate::base::text::cut(line, width).into_owned());
        rest = after.trim_start();
    }
    lines
}

fn break_line(text: &str, width: usize) -> (&str, &str) {
    let (head, tail) = crate::base::text::split_at_column(text, width.max(1));
    // A single character that is wider than the line goes on all the same.
    if head.is_empty() {
        let first = text.chars().next().map_or(0, char::len_utf8);
        return text.split_at_checked(first).unwrap_or((text, ""));
    }
    if tail.is_empty() || tail.starts_with(' ') {
        return (head, tail);
    }
    match head.rfind(' ').and_then(|space| text.split_at_checked(space)) {
        Some((line, after)) if !line.trim().is_empty() => (line, after),
        _ => (head, tail),
    }
}

/// Pads printable text with blanks to so many columns.
#[must_use]
pub(super) fn padded(text: &str, width: usize) -> String {
    let padding = width.saturating_sub(columns(text));
    format!("{text}{:padding$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(lines: &[(&str, Style)]) -> Frame {
        let mut frame = Frame::default();
        lines.iter().for_each(|(text, style)| frame.line(text, *style));
        frame
    }

    fn plain(lines: &[&str]) -> Frame {
        frame(&lines.iter().map(|line| (*line, Style::Plain)).collect::<Vec<_>>())
    }

    fn drawn(old: &[&str], new: &[&str]) -> String {
        String::from_utf8(draw(Some(&plain(old)), &plain(new), true)).unwrap()
    }

    #[test]
    fn only_the_cells_that_changed_are_sent() {
        assert_eq!(drawn(&["in 99 s; key"], &["in 98 s; key"]), "\x1b[1;5H8");
        assert_eq!(drawn(&["in 10 s; key"], &["in 9 s; key"]), "\x1b[1;4H9 s; key\x1b[K");
        assert_eq!(drawn(&["same"], &["same"]), "");
        assert_eq!(drawn(&["a", "b"], &["a", "b", "c"]), "\x1b[3;1Hc\x1b[K");
    }

    #[test]
    fn a_line_that_is_not_ascii_is_rewritten_from_there() {
        assert_eq!(drawn(&["aü1b"], &["aü2b"]), "\x1b[1;2Hü2b\x1b[K");
    }

    #[test]
    fn lines_that_are_gone_are_cleared() {
        assert_eq!(drawn(&["a", "b"], &["a"]), "\x1b[2;1H\x1b[K");
        assert_eq!(leave(&plain(&["a"])), b"\x1b[1;1H\r\n\x1b[?25h");
    }

    #[test]
    fn colour_is_an_addition_that_can_be_left_out() {
        let old = frame(&[("> a", Style::Reverse), ("  b", Style::Plain)]);
        let new = frame(&[("  a", Style::Plain), ("> b", Style::Reverse)]);
        assert_eq!(draw(Some(&old), &new, false), b"\x1b[1;1H \x1b[2;1H>");
        let in_colour = b"\x1b[1;1H  a\x1b[2;1H\x1b[7m> b\x1b[0m";
        assert_eq!(draw(Some(&old), &new, true), in_colour);
        let first = String::from_utf8(draw(None, &new, false)).unwrap();
        assert_eq!(first, format!("{OPEN}  a\r\n> b"));
    }

    #[test]
    fn the_cursor_is_shown_where_somebody_writes_and_hidden_elsewhere() {
        let mut editing = plain(&["abc"]);
        editing.place_cursor(2);
        let list = plain(&["abc"]);
        assert_eq!(draw(Some(&list), &editing, true), b"\x1b[1;3H\x1b[?25h");
        let mut moved = plain(&["abc"]);
        moved.place_cursor(0);
        assert_eq!(draw(Some(&editing), &moved, true), b"\x1b[1;1H");
        assert_eq!(draw(Some(&moved), &moved, true), b"");
        assert_eq!(draw(Some(&moved), &list, true), b"\x1b[?25l");
    }

    #[test]
    fn long_words_are_broken_only_if_they_must_be() {
        assert_eq!(wrap("one two three", 7, 9), ["one two", "three"]);
        assert_eq!(wrap("one two three", 8, 9), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4, 9), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("one two three", 7, 1), ["one ..."]);
        assert_eq!(wrap("  ", 7, 2), [""; 0]);
        assert_eq!(wrap("日本語", 1, 2).len(), 2);
    }
}
