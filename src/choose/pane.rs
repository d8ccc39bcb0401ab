//! What can stand in place of the list: text to read, or a line to edit.

use super::edit::Editor;
use super::frame::{Size, wrap};
use super::keys::Key;
use super::{Item, Motion};
use crate::base::text::printable;

/// Lines around the text of a pane: its heading, the countdown, the keys.
const AROUND: usize = 3;

/// The keys, in lines of at most 38 columns.
const HELP: [&str; 12] = [
    "Up Down j k    select",
    "PgUp PgDn Home End",
    "1-9            select by its number",
    "Enter Right    boot, open a submenu",
    "Esc Left       leave a submenu",
    "p              details of the entry",
    "e              edit its command line",
    "d              make it the default",
    "+ -  t T       change the countdown",
    "L              what happened until now",
    "h ? F1         this help",
    "Space          stop the countdown",
];

/// What is on the screen below the heading.
#[derive(Debug, Default)]
pub(super) enum Pane {
    #[default]
    List,
    Reading(Reading),
    Edit(Editor),
}

/// Text that is read, and how far.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) title: &'static str,
    /// Printable lines, as wide as they may be.
    lines: Vec<String>,
    /// The first line that is shown, after they were wrapped for the smallest
    /// console.
    top: usize,
}

impl Reading {
    pub(super) fn help() -> Self {
        let lines = HELP.iter().map(|line| (*line).to_owned()).collect();
        Self { title: "Keys", lines, top: 0 }
    }

    /// All that is known of an item.
    pub(super) fn details(item: Option<&Item>) -> Self {
        Self { title: "Details", lines: item.map(facts).unwrap_or_default(), top: 0 }
    }

    pub(super) fn log(lines: Vec<String>, size: Size) -> Self {
        let lines = lines.iter().map(|line| printable(line).into_owned()).collect();
        Self { title: "Log", lines, top: 0 }.scrolled(Motion::End, size)
    }

    /// After a key that moves.
    pub(super) fn scrolled(self, motion: Motion, size: Size) -> Self {
        let room = room(size);
        let last = self.wrapped(size).len().saturating_sub(room);
        Self { top: motion.from(self.top, room.saturating_sub(1).max(1), last), ..self }
    }

    /// The lines on a console with room for `room` of them, where `size` is that
    /// of the smallest; and which of how many they are.
    pub(super) fn shown(&self, size: Size, room: usize) -> (Vec<String>, String) {
        let lines = self.wrapped(size);
        let total = lines.len();
        let shown: Vec<_> = lines.into_iter().skip(self.top).take(room).collect();
        let end = self.top.saturating_add(shown.len());
        let place = if shown.len() < total {
            format!("{}-{end} of {total}", self.top.saturating_add(1))
        } else {
            String::new()
        };
        (shown, place)
    }

    fn wrapped(&self, size: Size) -> Vec<String> {
        let width = size.columns.saturating_sub(1).max(1);
        self.lines.iter().flat_map(|line| wrap(line, width, usize::MAX)).collect()
    }
}

/// How many lines of text fit.
pub(super) const fn room(size: Size) -> usize {
    let room = size.rows.saturating_sub(AROUND);
    if room == 0 { 1 } else { room }
}

/// Where a key leads, whatever it moves through.
pub(super) const fn motion(key: Key) -> Option<Motion> {
    Some(match key {
        Key::Up | Key::Char('k') => Motion::Up,
        Key::Down | Key::Char('j') => Motion::Down,
        Key::PageUp => Motion::PageUp,
        Key::PageDown | Key::Char(' ') => Motion::PageDown,
        Key::Home => Motion::Home,
        Key::End => Motion::End,
        _ => return None,
    })
}

/// Whether a key goes back to the list.
pub(super) const fn closes(key: Key) -> bool {
    matches!(
        key,
        Key::Escape
            | Key::Enter
            | Key::Left
            | Key::Backspace
            | Key::Help
            | Key::Char('q' | 'p' | 'L' | 'h' | '?')
    )
}
/// What is known of an item, a line each.
fn facts(item: &Item) -> Vec<String> {
    let own = [
        ("entry", &*item.id),
        ("title", &*item.title),
        ("state", &*item.mark),
        ("reason", &*item.detail),
    ];
    let others = item.facts.iter().map(|(what, value)| (*what, &**value));
    own.into_iter()
        .chain(others)
        .filter(|(_, value)| !value.is_empty())
        .map(|(what, value)| format!("{what}: {}", printable(value)))
        .collect()
}
