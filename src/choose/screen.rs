//! Draws the menu: the state as lines of text, and lines as bytes for a VT100.
//!
//! The smallest console counts: a serial line with 9600 baud and 40 columns. So
//! nothing but the changed end of a changed line is sent, no line ever reaches
//! the last column, and neither colour nor any attribute carries a meaning.
//! Outside text is made printable here, so a frame holds no control character.

use super::{Chooser, Countdown, Item, REARM};
use crate::menu::Timeout;
use crate::text::{columns, cut, printable, split_at_column};

/// Selects UTF-8 (ISO 2022), resets attributes, hides the cursor, clears.
const OPEN: &[u8] = b"\x1b%G\x1b[0m\x1b[?25l\x1b[2J\x1b[H";

/// From this height on there is room for empty lines and long sentences.
const ROOMY_ROWS: usize = 16;

/// Fewest columns in which a name still says something.
const MIN_NAME: usize = 16;

const HELP: &str = "arrows or 1-9 select, Enter boots";

/// Size of the console, in characters.
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

/// What the screen shows, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Vec<String>);

impl Frame {
    /// The lines, without line ends.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

/// The screen for this state.
#[must_use]
pub fn frame(chooser: &Chooser, size: Size) -> Frame {
    let width = size.columns.saturating_sub(1);
    let gap = usize::from(size.rows >= ROOMY_ROWS);
    let below = below(chooser, width, gap);
    let used = below.len().saturating_add(gap).saturating_add(1);
    let room = size.rows.saturating_sub(used).max(1);
    let list = Window::new(chooser, room);
    let mut lines = vec![heading(chooser, list, width)];
    lines.resize(gap.saturating_add(1), String::new());
    lines.extend(list.rows(chooser, width));
    lines.extend(below);
    lines.truncate(size.rows.max(1));
    Frame(lines)
}

/// The part of the list that is on the screen: pages, so that moving within
/// one rewrites two lines only.
#[derive(Debug, Clone, Copy)]
struct Window {
    start: usize,
    room: usize,
}

impl Window {
    fn new(chooser: &Chooser, room: usize) -> Self {
        let page = chooser.selected.checked_div(room).unwrap_or(0);
        Self { start: page.saturating_mul(room), room }
    }

    fn rows(self, chooser: &Chooser, width: usize) -> Vec<String> {
        let layout = Layout::new(&chooser.items, width);
        let items = chooser.items.iter().enumerate();
        let shown = items.skip(self.start).take(self.room);
        let rows = shown.map(|(index, item)| layout.row(index, item, index == chooser.selected));
        let mut rows: Vec<_> = rows.collect();
        rows.resize(self.room.min(chooser.items.len()), String::new());
        rows
    }
}

/// Widths of a row's parts, the same for all rows.
struct Layout {
    number: usize,
    name: usize,
    mark: usize,
}

impl Layout {
    /// Marker, blanks and brackets around the three parts.
    const FIXED: usize = "> ".len() + " ".len() + " []".len();

    fn new(items: &[Item], width: usize) -> Self {
        let widest = |of: fn(&Item) -> String| items.iter().map(|item| columns(&of(item))).max();
        let number = items.len().to_string().len();
        let room = width.saturating_sub(number).saturating_sub(Self::FIXED);
        let mark = widest(mark).unwrap_or(0).min(room / 2);
        let name = widest(name).unwrap_or(0).min(room.saturating_sub(mark));
        Self { number, name, mark }
    }

    fn row(&self, index: usize, item: &Item, selected: bool) -> String {
        let marker = if selected { '>' } else { ' ' };
        let (name, mark) = (name(item), mark(item));
        let (name, mark) = (cut(&name, self.name), cut(&mark, self.mark));
        let padding = self.name.saturating_sub(columns(&name));
        let (number, digits) = (index.saturating_add(1), self.number);
        format!("{marker} {number:>digits$} {name}{:padding$} [{mark}]", "")
    }
}

/// Title, and the id if it is something else.
fn name(item: &Item) -> String {
    let title = printable(item.name());
    if item.name() == item.id {
        title.into_owned()
    } else {
        format!("{title} ({})", printable(&item.id))
    }
}

fn mark(item: &Item) -> String {
    printable(&item.mark).into_owned()
}

fn heading(chooser: &Chooser, list: Window, width: usize) -> String {
    let mut heading = printable(&chooser.heading).into_owned();
    let total = chooser.items.len();
    if list.room < total {
        let end = list.start.saturating_add(list.room).min(total);
        heading.push_str(&format!("  {}-{end} of {total}", list.start.saturating_add(1)));
    }
    cut(&heading, width).into_owned()
}

/// What stands below the list. Its height depends on nothing that a key or the
/// time changes, so no line moves.
fn below(chooser: &Chooser, width: usize, gap: usize) -> Vec<String> {
    let most = gap.saturating_add(2);
    let mut lines = vec![String::new(); gap];
    lines.extend(detail(chooser, width, most));
    lines.extend(wrap(&printable(&chooser.status), width, most));
    lines.extend(wrap(&printable(&chooser.note), width, 1));
    lines.push(cut(&countdown(chooser, width), width).into_owned());
    lines.push(cut(HELP, width).into_owned());
    lines
}

/// The selected item's reason, in as many lines as the longest reason takes.
fn detail(chooser: &Chooser, width: usize, most: usize) -> Vec<String> {
    let wrapped = |item: &Item| wrap(&printable(&item.detail), width, most);
    let height = chooser.items.iter().map(|item| wrapped(item).len()).max().unwrap_or(0);
    let mut lines = chooser.items.get(chooser.selected).map(wrapped).unwrap_or_default();
    lines.resize(height, String::new());
    lines
}

fn countdown(chooser: &Chooser, width: usize) -> String {
    let Some(default) = chooser.default.and_then(|index| chooser.items.get(index)) else {
        return "No entry can boot.".to_owned();
    };
    match (chooser.countdown, chooser.timeout) {
        (Countdown::Running { seconds, .. }, _) => booting(default, seconds, width),
        (Countdown::Idle, Timeout::Seconds(seconds)) => booting(default, seconds.into(), width),
        (Countdown::Idle, _) => "Waiting for a choice".to_owned(),
        (Countdown::Stopped { .. }, _) => {
            format!("Countdown stopped; resumes after {} min", REARM.as_secs() / 60)
        }
    }
}

/// The line that changes every second. A title that is not ASCII gives way to
/// the id: only behind ASCII can the number alone be rewritten.
fn booting(item: &Item, seconds: u64, width: usize) -> String {
    let name = if item.title.is_ascii() { item.name() } else { &item.id };
    let (when, hint) = (format!(" in {seconds} s"), "; press a key to stop");
    let room = width.saturating_sub("Booting ".len()).saturating_sub(when.len());
    let hint = if room >= hint.len().saturating_add(MIN_NAME) { hint } else { "" };
    let name = printable(name);
    format!("Booting {}{when}{hint}", cut(&name, room.saturating_sub(hint.len())))
}

/// Breaks printable text into lines, between words if it can be; what does not
/// fit into `most` lines is cut off.
fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && lines.len() < most {
        let is_last = lines.len().saturating_add(1) == most;
        let (line, after) = if is_last { (rest, "") } else { break_line(rest, width) };
        lines.push(cut(line, width).into_owned());
        rest = after.trim_start();
    }
    lines
}

fn break_line(text: &str, width: usize) -> (&str, &str) {
    let (head, tail) = split_at_column(text, width.max(1));
    if tail.is_empty() || tail.starts_with(' ') {
        return (head, tail);
    }
    match head.rfind(' ').and_then(|space| text.split_at_checked(space)) {
        Some((line, after)) if !line.trim().is_empty() => (line, after),
        _ => (head, tail),
    }
}

/// The bytes that turn the screen from `previous` into `next`. Without
/// `previous` the screen is cleared: so it is at first, and whenever something
/// else has written to the console.
#[must_use]
pub fn draw(previous: Option<&Frame>, next: &Frame) -> Vec<u8> {
    match previous {
        None => [OPEN, next.0.join("\r\n").as_bytes()].concat(),
        Some(previous) => changes(previous, next).into_bytes(),
    }
}

/// The bytes that give the console back: the cursor below the menu, visible.
#[must_use]
pub fn leave(frame: &Frame) -> Vec<u8> {
    format!("\x1b[{};1H\r\n\x1b[?25h", frame.0.len()).into_bytes()
}

fn changes(previous: &Frame, next: &Frame) -> String {
    let mut changes = String::new();
    let height = previous.0.len().max(next.0.len());
    for (row, index) in (1_usize..).zip(0..height) {
        let line = |frame: &Frame| frame.0.get(index).cloned().unwrap_or_default();
        let (old, new) = (line(previous), line(next));
        if old != new {
            changes.push_str(&rewrite(row, &old, &new));
        }
    }
    changes
}

/// Moves to the first character that changed, and writes from there. Only in
/// ASCII is the column of a character certain.
fn rewrite(row: usize, old: &str, new: &str) -> String {
    let pairs = old.bytes().zip(new.bytes());
    let kept = pairs.take_while(|(old, new)| old == new && old.is_ascii()).count();
    let column = kept.saturating_add(1);
    let changed = new.get(kept..).unwrap_or_default();
    format!("\x1b[{row};{column}H{changed}\x1b[K")
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::super::Step;
    use super::super::keys::Key;
    use super::*;

    const SMALL: Size = Size { columns: 40, rows: 12 };

    fn item(id: &str, title: &str, mark: &str, detail: &str) -> Item {
        let text = str::to_owned;
        let bootable = mark == "ready";
        let (id, title, mark, detail) = (text(id), text(title), text(mark), text(detail));
        Item { id, title, mark, detail, bootable, ..Item::default() }
    }

    fn demo() -> Vec<Item> {
        vec![
            item("good", "Debian GNU/Linux 12 (bookworm)", "ready", ""),
            item("tampered", "Debian GNU/Linux 12, tampered with", "ready", ""),
            item(
                "unsigned",
                "unsigned",
                "refused(UNSIGNED)",
                "there is no /turnout/unsigned.manifest, so nothing says what this entry should be",
            ),
        ]
    }

    fn started(items: Vec<Item>, seconds: u32) -> Chooser {
        let mut chooser = Chooser::new(items, Some(0), Timeout::Seconds(seconds))
            .with_heading("Turnout (locked)");
        assert_ne!(chooser.start(Duration::ZERO), Step::Nothing);
        chooser
    }

    fn text(chooser: &Chooser, size: Size) -> String {
        frame(chooser, size).0.join("\n")
    }

    /// What a terminal shows after these bytes: a VT100 with the few sequences
    /// that this module uses, and not more.
    fn show(screen: &mut Vec<Vec<char>>, bytes: &[u8], size: Size) {
        let text = core::str::from_utf8(bytes).unwrap();
        let (mut row, mut column) = (0, 0);
        let mut rest = text.chars().peekable();
        screen.resize(size.rows, vec![]);
        while let Some(c) = rest.next() {
            match c {
                '\x1b' if rest.next_if_eq(&'%').is_some() => assert_eq!(rest.next(), Some('G')),
                '\x1b' => {
                    assert_eq!(rest.next(), Some('['));
                    let mut parameters = String::new();
                    let end = loop {
                        match rest.next().unwrap() {
                            c if c.is_ascii_alphabetic() => break c,
                            c => parameters.push(c),
                        }
                    };
                    match (end, parameters.as_str()) {
                        ('J', "2") => screen.iter_mut().for_each(Vec::clear),
                        ('H', "") => (row, column) = (0, 0),
                        ('H', place) => {
                            let (r, c) = place.split_once(';').unwrap();
                            (row, column) =
                                (r.parse::<usize>().unwrap() - 1, c.parse::<usize>().unwrap() - 1);
                        }
                        ('K', "") => screen[row].truncate(column),
                        ('m', "0") | ('l' | 'h', "?25") => {}
                        other => panic!("{other:?}"),
                    }
                }
                '\r' => column = 0,
                '\n' => row += 1,
                c => {
                    assert!(
                        column + 1 < size.columns && !c.is_control(),
                        "{c:?} at {row},{column}"
                    );
                    let line = &mut screen[row];
                    line.resize(line.len().max(column + 1), ' ');
                    line[column] = c;
                    column += 1;
                }
            }
        }
    }

    #[test]
    fn the_menu_looks_like_this() {
        let mut chooser = started(demo(), 5);
        let expected = "\
Turnout (locked)

> 1 Debian GNU/Linux 12 (bookworm) (good)         [ready]
  2 Debian GNU/Linux 12, tampered with (tampered) [ready]
  3 unsigned                                      [refused(UNSIGNED)]



Booting Debian GNU/Linux 12 (bookworm) in 5 s; press a key to stop
arrows or 1-9 select, Enter boots";
        assert_eq!(text(&chooser, Size::default()), expected);
        chooser.key(Key::Digit(3), Duration::ZERO);
        let expected = "\
Turnout (locked)

  1 Debian GNU/Linux 12 (bookworm) (good)         [ready]
  2 Debian GNU/Linux 12, tampered with (tampered) [ready]
> 3 unsigned                                      [refused(UNSIGNED)]

there is no /turnout/unsigned.manifest, so nothing says what this entry should
be
Countdown stopped; resumes after 5 min
arrows or 1-9 select, Enter boots";
        assert_eq!(text(&chooser, Size::default()), expected);
    }

    #[test]
    fn a_small_console_gets_the_same_cut_to_its_width() {
        let mut items = demo();
        items[0].mark = "failed(INITRD_DIGEST)".to_owned();
        items[0].bootable = false;
        let mut chooser = Chooser::new(items, Some(0), Timeout::Seconds(30)).with_status(
            "refused good: INITRD_DIGEST: /initrd.img-6.1.0-50-amd64 is not the file that was signed",
        );
        chooser.start(Duration::ZERO);
        chooser.key(Key::End, Duration::ZERO);
        let expected = "\
Turnout
  1 Debian GNU/Li... [failed(INITRD...]
  2 Debian GNU/Li... [ready]
> 3 unsigned         [refused(UNSIG...]
there is no /turnout/unsigned.manifest,
so nothing says what this entry shou...
refused good: INITRD_DIGEST:
/initrd.img-6.1.0-50-amd64 is not th...
The default good cannot boot: failed...
Countdown stopped; resumes after 5 min
arrows or 1-9 select, Enter boots";
        assert_eq!(text(&chooser, SMALL), expected);
    }

    #[test]
    fn a_menu_in_which_nothing_can_boot_says_so() {
        let chooser = Chooser::new(demo().split_off(2), None, Timeout::Seconds(5));
        assert!(text(&chooser, Size::default()).contains("\nNo entry can boot.\n"));
        let empty = Chooser::new(vec![], None, Timeout::Hidden);
        assert!(text(&empty, SMALL).starts_with("Turnout\nNo entry can boot.\n"));
    }

    #[test]
    fn a_menu_without_countdown_says_that_it_waits() {
        let chooser = Chooser::new(demo(), None, Timeout::Forever);
        assert!(text(&chooser, Size::default()).contains("\nWaiting for a choice\n"));
    }

    #[test]
    fn three_hundred_entries_are_shown_page_by_page() {
        let items = (1..=301).map(|n| item(&format!("e{n}"), "Same title", "ready", "")).collect();
        let mut chooser = started(items, 5);
        let cases = [
            (Key::Home, "Turnout (locked)  1-20 of 301", ">   1 Same title (e1)   [ready]"),
            (Key::PageDown, "Turnout (locked)  1-20 of 301", "    1 Same title (e1)   [ready]"),
            (Key::PageDown, "Turnout (locked)  21-40 of 301", ">  21 Same title (e21)  [ready]"),
            (Key::End, "Turnout (locked)  301-301 of 301", "> 301 Same title (e301) [ready]"),
        ];
        for (key, heading, first) in cases {
            chooser.key(key, Duration::ZERO);
            let lines = frame(&chooser, Size::default()).0;
            assert_eq!((lines[0].as_str(), lines[2].as_str()), (heading, first));
            assert_eq!(lines.len(), 25, "no line below the list moves");
        }
    }

    #[test]
    fn no_frame_is_larger_than_its_console() {
        let long = "very long ".repeat(40);
        for count in [0, 1, 9, 300] {
            let items =
                (0..count).map(|n| item(&format!("{n}{long}"), &long, &long, &long)).collect();
            let mut chooser = Chooser::new(items, Some(0), Timeout::Seconds(9)).with_status(&long);
            chooser.key(Key::End, Duration::ZERO);
            for (columns, rows) in [(80, 25), (40, 12), (132, 50), (20, 9), (4, 3), (1, 1), (0, 0)]
            {
                let lines = frame(&chooser, Size { columns, rows }).0;
                assert!(lines.len() <= rows.max(1), "{} lines on {columns}x{rows}", lines.len());
                if columns >= 20 {
                    let widest = lines.iter().map(|line| super::columns(line)).max();
                    assert!(widest < Some(columns), "{widest:?} columns on {columns}x{rows}");
                }
                let selected = lines.iter().filter(|line| line.starts_with('>')).count();
                assert!(
                    rows < 9 || selected == usize::from(count > 0),
                    "the selection is on the screen"
                );
            }
        }
    }

    #[test]
    fn outside_text_cannot_drive_the_terminal() {
        let evil = "\u{1b}[2J\r\n\u{9b}1m\u{202e}";
        let chooser =
            Chooser::new(vec![item(evil, evil, evil, evil)], Some(0), Timeout::Seconds(5))
                .with_status(evil)
                .with_heading(evil);
        for line in frame(&chooser, Size { columns: 400, rows: 25 }).0 {
            assert!(printable(&line) == line, "{line:?}");
        }
    }

    #[test]
    fn only_what_changed_is_sent_and_the_screen_is_right() {
        let mut chooser = started(demo(), 12);
        let size = Size::default();
        let mut screen = Vec::new();
        let mut previous = None;
        let seconds = Duration::from_secs;
        for step in 0..7 {
            match step {
                0 => {}
                1 => drop(chooser.tick(seconds(1))),
                2 => drop(chooser.tick(seconds(3))),
                3 => drop(chooser.key(Key::Down, seconds(4))),
                4 => drop(chooser.key(Key::Down, seconds(4))),
                5 => drop(chooser.key(Key::Home, seconds(4))),
                _ => drop(chooser.tick(seconds(1000))),
            }
            let next = frame(&chooser, size);
            show(&mut screen, &draw(previous.as_ref(), &next), size);
            let shown: Vec<String> = screen.iter().map(|line| line.iter().collect()).collect();
            assert_eq!(shown[..next.0.len()], next.0, "after step {step}");
            previous = Some(next);
        }
    }

    #[test]
    fn a_tick_is_short_enough_for_a_slow_line() {
        let mut chooser = started(demo(), 100);
        let before = frame(&chooser, Size::default());
        chooser.tick(Duration::from_secs(1));
        let after = frame(&chooser, Size::default());
        let bytes = draw(Some(&before), &after);
        assert_eq!(bytes, b"\x1b[9;43H99 s; press a key to stop\x1b[K");
        assert!(bytes.len() < 80);
        assert_eq!(draw(Some(&after), &after), b"", "nothing changed, nothing sent");
        let first = draw(None, &before);
        assert!(first.len() < 600, "{} bytes", first.len());
    }

    #[test]
    fn the_seconds_are_seen_however_long_the_name_is() {
        let long = "x".repeat(100);
        let cases = [
            (
                80,
                long.as_str(),
                format!("Booting {}... in 30 s; press a key to stop", "x".repeat(39)),
            ),
            (40, &long, format!("Booting {}... in 30 s", "x".repeat(20))),
            (80, "Größe", "Booting id in 30 s; press a key to stop".to_owned()),
        ];
        for (columns, title, expected) in cases {
            let chooser = started(vec![item("id", title, "ready", "")], 30);
            let lines = frame(&chooser, Size { columns, rows: 12 }).0;
            assert_eq!(lines[2], expected);
        }
    }

    #[test]
    fn a_line_that_is_not_ascii_is_rewritten_from_there() {
        let old = Frame(vec!["aü1".to_owned()]);
        let new = Frame(vec!["aü2".to_owned()]);
        assert_eq!(draw(Some(&old), &new), "\x1b[1;2Hü2\x1b[K".as_bytes());
    }

    #[test]
    fn lines_that_are_gone_are_cleared() {
        let old = Frame(vec!["a".to_owned(), "b".to_owned()]);
        let new = Frame(vec!["a".to_owned()]);
        assert_eq!(draw(Some(&old), &new), b"\x1b[2;1H\x1b[K");
        assert_eq!(leave(&new), b"\x1b[1;1H\r\n\x1b[?25h");
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
