//! Draws the menu: the state as a frame for a console of some size.
//!
//! A frame reads right at 80 by 25 and at 40 by 12, and no line ever reaches the
//! last column, where terminals differ. Everything that is drawn here is ASCII;
//! outside text is made printable, so a frame holds no control character.

use super::frame::{Frame, Size, Style, padded, wrap};
use super::pane::{self, Pane, Reading};
use super::rows::Row;
use super::{Chooser, Countdown, Editing, Editor, Item, REARM};
use crate::base::text::{columns, cut, printable};
use crate::menu::Timeout;

/// From this height on there is room for empty lines and long sentences.
const ROOMY_ROWS: usize = 16;
/// From this width on the help line names every key.
const ROOMY_COLUMNS: usize = 64;

/// Fewest columns in which a name still says something.
const MIN_NAME: usize = 16;

/// The screen for this state.
#[must_use]
pub fn frame(chooser: &Chooser, size: Size) -> Frame {
    let mut frame = match &chooser.pane {
        Pane::List => list(chooser, size),
        Pane::Reading(reading) => page(chooser, reading, size),
        Pane::Edit(editor) => editing(chooser, editor, size),
    };
    frame.truncate(size.rows.max(1));
    frame
}

const fn width(size: Size) -> usize {
    size.columns.saturating_sub(1)
}

fn list(chooser: &Chooser, size: Size) -> Frame {
    let width = width(size);
    let gap = usize::from(size.rows >= ROOMY_ROWS);
    let mut below = Frame::default();
    add_below(&mut below, chooser, width, gap);
    let used = below.height().saturating_add(gap).saturating_add(1);
    let room = size.rows.saturating_sub(used).max(1);
    let list = List::new(chooser, width, room);
    let mut frame = Frame::default();
    frame.line(&list.heading(chooser, width), Style::Bold);
    frame.fill(gap.saturating_add(1));
    list.draw(&mut frame);
    frame.append(below);
    frame
}

/// The rows of the open level, and the part of them that is on the screen: a
/// page, so that moving within one rewrites two lines only.
struct List {
    /// Name and mark of each row.
    rows: Vec<(String, String)>,
    selected: usize,
    start: usize,
    room: usize,
    widths: Widths,
}

/// Widths of a row's parts, the same for all rows.
struct Widths {
    number: usize,
    name: usize,
    mark: usize,
}

impl List {
    fn new(chooser: &Chooser, width: usize, room: usize) -> Self {
        let rows = chooser.rows();
        let selected = rows.iter().position(|row| row.holds(chooser.selected)).unwrap_or(0);
        let marks: Vec<_> = rows.iter().map(|row| mark(chooser, row)).collect();
        let number = rows.len().to_string().len();
        let around = number.saturating_add("> ".len() + " ".len() + " []".len());
        let room_for_both = width.saturating_sub(around);
        let mark = widest(&marks).min(room_for_both / 2);
        let room_for_name = room_for_both.saturating_sub(mark);
        let names = names(chooser, &rows, room_for_name);
        let widths = Widths { number, name: widest(&names).min(room_for_name), mark };
        let start = selected.checked_div(room).unwrap_or(0).saturating_mul(room);
        Self { rows: names.into_iter().zip(marks).collect(), selected, start, room, widths }
    }

    /// What the menu is, where in it one is, and which of its rows are shown.
    fn heading(&self, chooser: &Chooser, width: usize) -> String {
        let mut heading = printable(&chooser.heading).into_owned();
        for title in &chooser.level {
            heading.push_str(&format!(" > {}", printable(title)));
        }
        let total = self.rows.len();
        if self.room < total {
            let end = self.start.saturating_add(self.room).min(total);
            heading.push_str(&format!("  {}-{end} of {total}", self.start.saturating_add(1)));
        }
        cut(&heading, width).into_owned()
    }

    fn draw(&self, frame: &mut Frame) {
        let height = frame.height().saturating_add(self.room.min(self.rows.len()));
        let shown = self.rows.iter().enumerate().skip(self.start).take(self.room);
        for (index, (name, mark)) in shown {
            let selected = index == self.selected;
            let style = if selected { Style::Reverse } else { Style::Plain };
            frame.line(&self.widths.row(index, name, mark, selected), style);
        }
        frame.fill(height);
    }
}

impl Widths {
    fn row(&self, index: usize, name: &str, mark: &str, selected: bool) -> String {
        let marker = if selected { '>' } else { ' ' };
        let name = padded(&cut(name, self.name), self.name);
        let mark = cut(mark, self.mark);
        let number = index.saturating_add(1);
        let digits = self.number;
        format!("{marker} {number:>digits$} {name} [{mark}]")
    }
}

fn widest(texts: &[String]) -> usize {
    texts.iter().map(|text| columns(text)).max().unwrap_or(0)
}

/// What to call the rows: with the ids, if there is room for all of them.
fn names(chooser: &Chooser, rows: &[Row], room: usize) -> Vec<String> {
    let with_ids: Vec<String> = rows.iter().map(|row| name(chooser, row, true)).collect();
    if widest(&with_ids) <= room {
        return with_ids;
    }
    rows.iter().map(|row| name(chooser, row, false)).collect()
}

fn name(chooser: &Chooser, row: &Row, with_id: bool) -> String {
    let index = match row {
        Row::Submenu { title, .. } => return printable(title).into_owned(),
        Row::Entry(index) => *index,
    };
    let (Some(item), Some(name)) = (chooser.items.get(index), chooser.names.get(index)) else {
        return String::new();
    };
    let text = printable(&name.text);
    if name.text == item.id || !(with_id || name.is_ambiguous) {
        text.into_owned()
    } else {
        format!("{text} ({})", printable(&item.id))
    }
}

fn mark(chooser: &Chooser, row: &Row) -> String {
    match row {
        Row::Entry(index) => {
            let mark = chooser.items.get(*index).map_or("", |item| item.mark.as_str());
            printable(mark).into_owned()
        }
        Row::Submenu { items, .. } => {
            let entries = if items.len() == 1 { "entry" } else { "entries" };
            let default = chooser.default.is_some_and(|default| items.contains(&default));
            let default = if default { ", default" } else { "" };
            format!("{} {entries}{default}", items.len())
        }
    }
}

/// What stands below the list. Its height depends on nothing that a key or the
/// time changes, so no line moves.
fn add_below(frame: &mut Frame, chooser: &Chooser, width: usize, gap: usize) {
    let most = gap.saturating_add(2);
    frame.fill(gap);
    for line in detail(chooser, width, most) {
        frame.line(&line, Style::Plain);
    }
    let style = if chooser.has_failed { Style::Alarm } else { Style::Plain };
    for line in wrap(&printable(&chooser.status), width, most) {
        frame.line(&line, style);
    }
    for line in wrap(&printable(&chooser.note), width, 1) {
        frame.line(&line, Style::Alarm);
    }
    frame.line(&cut(&countdown(chooser, width), width), Style::Plain);
    frame.line(&cut(help(chooser, width), width), Style::Plain);
}

const fn help(chooser: &Chooser, width: usize) -> &'static str {
    match (width >= ROOMY_COLUMNS, chooser.editing) {
        (true, Editing::Allowed) => {
            "arrows or 1-9 select, p details, e edit, L log, h help, Enter boots"
        }
        (true, Editing::Refused(_)) => {
            "arrows or 1-9 select, p details, L log, h help, Enter boots"
        }
        (false, _) => "arrows select, h help, Enter boots",
    }
}

/// The selected item's reason, in as many lines as the longest reason takes.
fn detail(chooser: &Chooser, width: usize, most: usize) -> Vec<String> {
    let longest = chooser.items.iter().max_by_key(|item| item.detail.len());
    let height = longest.map_or(0, |item| reason(item, width, most).len());
    let selected = match chooser.selected_row().1 {
        Some(Row::Entry(index)) => chooser.items.get(index),
        _ => None,
    };
    let mut lines = selected.map(|item| reason(item, width, height)).unwrap_or_default();
    lines.resize(height, String::new());
    lines
}

fn reason(item: &Item, width: usize, most: usize) -> Vec<String> {
    wrap(&printable(&item.detail), width, most)
}

fn countdown(chooser: &Chooser, width: usize) -> String {
    let Some(default) = chooser.default.and_then(|index| chooser.items.get(index)) else {
        let told = if chooser.stays { "Waiting for a choice" } else { "No entry can boot." };
        return told.to_owned();
    };
    match (chooser.countdown, chooser.timeout) {
        (Countdown::Running { seconds, .. }, _) => booting(default, seconds, width),
        (Countdown::Idle, Timeout::Seconds(seconds)) => booting(default, seconds.into(), width),
        (Countdown::Idle | Countdown::Ending { .. }, _) => "Waiting for a choice".to_owned(),
        (Countdown::Stopped { .. }, _) => {
            format!("Countdown stopped; resumes after {} min", REARM.as_secs() / 60)
        }
    }
}

/// The line that changes every second. A title that is not ASCII gives way to
/// the id: only behind ASCII can the number alone be rewritten.
fn booting(item: &Item, seconds: u64, width: usize) -> String {
    let name = if item.title.is_ascii() { item.name() } else { &item.id };
    let when = format!(" in {seconds} s");
    let hint = "; press a key to stop";
    let room = width.saturating_sub("Booting ".len()).saturating_sub(when.len());
    let hint = if room >= hint.len().saturating_add(MIN_NAME) { hint } else { "" };
    let name = printable(name);
    format!("Booting {}{when}{hint}", cut(&name, room.saturating_sub(hint.len())))
}

/// Text to read in place of the list.
fn page(chooser: &Chooser, reading: &Reading, size: Size) -> Frame {
    let width = width(size);
    let (lines, place) = reading.shown(chooser.size.common(size), pane::room(size));
    let mut frame = Frame::default();
    frame.line(&cut(format!("{}  {place}", reading.title).trim_end(), width), Style::Bold);
    for line in lines {
        frame.line(&cut(&line, width), Style::Plain);
    }
    frame.fill(size.rows.saturating_sub(2).max(1));
    frame.line(&cut(&countdown(chooser, width), width), Style::Plain);
    frame.line(&cut("arrows scroll, Esc goes back", width), Style::Plain);
    frame
}

/// The command line in place of the list.
fn editing(chooser: &Chooser, editor: &Editor, size: Size) -> Frame {
    let width = width(size);
    let id = chooser.items.get(chooser.selected).map_or("", |item| item.id.as_str());
    let mark = if editor.is_changed() { "UNSIGNED, edited" } else { "not edited yet" };
    let style = if editor.is_changed() { Style::Alarm } else { Style::Plain };
    let mut frame = Frame::default();
    frame.line(&cut(&format!("Command line of {}", printable(id)), width), Style::Bold);
    frame.line(&cut(&format!("[{mark}]"), width), style);
    frame.fill(3);
    let (line, column) = editor.view(width);
    frame.line(&line, Style::Plain);
    frame.place_cursor(column);
    frame.fill(5);
    let length = editor.text().len();
    frame.line(
        &cut(&format!("{length} bytes. It boots so this once; nothing is written."), width),
        Style::Plain,
    );
    for line in wrap("Home End Del, Ctrl-A E K U W; Up Down: earlier edits", width, 2) {
        frame.line(&line, Style::Plain);
    }
    frame.line(&cut(&countdown(chooser, width), width), Style::Plain);
    frame.line(&cut("Esc goes back, Enter boots", width), Style::Plain);
    frame
}
