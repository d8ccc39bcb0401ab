//! A console's screen as a picture: the bytes by which a menu is drawn for the first
//! time, as a VT100 would show them.
//!
//! It knows what `choose::frame` sends and no more: text, ends of lines, and colours
//! (ECMA-48 SGR); any other sequence changes nothing that is seen.

use crate::svg::{Area, MONOSPACE, Set, Svg};

/// Of one character, and of the letters in it.
const CELL_WIDTH: usize = 8;
const CELL_HEIGHT: usize = 18;
const BASE_LINE: usize = 13;
const FONT_SIZE: usize = 13;
/// Around the screen.
const MARGIN: usize = 14;
const PAPER: &str = "#1b1f27";
const INK: &str = "#d5d9e0";
const ALARM: &str = "#ff7b72";
const ESCAPE: char = '\x1b';

/// Text of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    /// Column of its first character, from 0.
    column: usize,
    look: Look,
    text: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Look {
    #[default]
    Plain,
    Bold,
    Reverse,
    Alarm,
}

#[derive(Debug, Default)]
struct Screen {
    lines: Vec<Vec<Run>>,
    look: Look,
}

/// The picture of a screen of so many columns; `title` says what it shows.
#[must_use]
pub fn picture(title: &str, columns: usize, sent: &str) -> String {
    let lines = Screen::read(sent).lines;
    let width = columns * CELL_WIDTH + 2 * MARGIN;
    let height = lines.len() * CELL_HEIGHT + 2 * MARGIN;
    let area = Area { x: 0, y: 0, width, height };
    let mut svg = Svg::new(title, area, MONOSPACE, FONT_SIZE);
    svg.fill(area, PAPER, 6);
    for (row, line) in lines.iter().enumerate() {
        line.iter().for_each(|run| run.draw(&mut svg, MARGIN + row * CELL_HEIGHT));
    }
    svg.finish()
}

impl Run {
    fn width(&self) -> usize {
        self.text.chars().count() * CELL_WIDTH
    }

    fn draw(&self, svg: &mut Svg, y: usize) {
        let x = MARGIN + self.column * CELL_WIDTH;
        if self.look == Look::Reverse {
            let area = Area { x, y, width: self.width(), height: CELL_HEIGHT };
            svg.fill(area, INK, 0);
        }
        let set = Set {
            fill: self.look.ink(),
            bold: self.look == Look::Bold,
            ends: false,
            width: Some(self.width()),
        };
        svg.write(x, y + BASE_LINE, set, &self.text);
    }
}

impl Look {
    const fn ink(self) -> &'static str {
        match self {
            Self::Plain | Self::Bold => INK,
            Self::Reverse => PAPER,
            Self::Alarm => ALARM,
        }
    }
}

impl Screen {
    fn read(sent: &str) -> Self {
        let mut screen = Self { lines: vec![Vec::new()], look: Look::Plain };
        let mut pieces = sent.split(ESCAPE);
        screen.write(pieces.next().unwrap_or_default());
        for piece in pieces {
            let mut ends = piece.split_inclusive(|sign: char| sign.is_ascii_alphabetic());
            let sequence = ends.next().unwrap_or_default();
            screen.obey(sequence);
            screen.write(piece.strip_prefix(sequence).unwrap_or_default());
        }
        screen
    }

    /// Each sequence ends in a letter.
    fn obey(&mut self, sequence: &str) {
        self.look = match sequence {
            "[0m" => Look::Plain,
            "[1m" => Look::Bold,
            "[7m" => Look::Reverse,
            "[31m" => Look::Alarm,
            _ => self.look,
        };
    }

    fn write(&mut self, text: &str) {
        for (number, part) in text.split("\r\n").enumerate() {
            if number > 0 {
                self.lines.push(Vec::new());
            }
            self.add(part);
        }
    }

    fn add(&mut self, text: &str) {
        let Some(line) = self.lines.last_mut().filter(|_| !text.is_empty()) else { return };
        let column = line.iter().map(|run| run.text.chars().count()).sum();
        line.push(Run { column, look: self.look, text: text.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turnout::choose::frame::{Frame, Style, draw};

    #[test]
    fn what_a_frame_sends_is_read_back_with_its_looks() {
        let mut frame = Frame::default();
        frame.line("turnout", Style::Bold);
        frame.fill(2);
        frame.line("> 1 a", Style::Reverse);
        frame.line("  2 b", Style::Plain);
        frame.line("no", Style::Alarm);
        let sent = String::from_utf8(draw(None, &frame, true)).unwrap();
        let run = |look, text: &str| vec![Run { column: 0, look, text: text.to_owned() }];
        let expected = [
            run(Look::Bold, "turnout"),
            Vec::new(),
            run(Look::Reverse, "> 1 a"),
            run(Look::Plain, "  2 b"),
            run(Look::Alarm, "no"),
        ];
        assert_eq!(Screen::read(&sent).lines, expected);
    }

    #[test]
    fn a_selected_row_is_dark_letters_on_a_bar_of_its_length() {
        let svg = picture("x", 10, "\x1b[7mab\x1b[0m");
        let bar = "<rect x=\"14\" y=\"14\" width=\"16\" height=\"18\" rx=\"0\" fill=\"#d5d9e0\"/>";
        assert!(svg.contains(bar), "{svg}");
        assert!(svg.contains("fill=\"#1b1f27\" textLength=\"16\""), "{svg}");
    }
}
