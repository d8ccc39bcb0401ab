//! Choosing an entry: the menu as a state machine.
//!
//! Keys and the time go in, a [`Step`] comes out; this module neither reads a
//! clock nor draws ([`screen`] does) nor boots. It owns the one countdown there
//! is. Two rules keep an unattended machine from waiting forever: only a key
//! with a meaning stops the countdown, and a stopped countdown starts again
//! when nobody has pressed such a key for [`REARM`].

mod edit;
pub mod frame;
pub mod keys;
mod pane;
pub mod prompt;
mod rows;
pub mod screen;
#[cfg(test)]
mod tests;

use core::mem;
use core::time::Duration;

use crate::menu::Timeout;
use edit::{Edited, Editor};
use frame::Size;
use keys::Key;
use pane::{Pane, Reading};
use rows::{Name, Row};

/// How long after the last key a stopped countdown starts again.
pub const REARM: Duration = Duration::from_secs(60);

/// How far Page Up and Page Down go in the list.
const PAGE: usize = 10;
/// How much `+` and `-` change the countdown, in seconds, and its bounds.
const TIMEOUT_STEP: u32 = 5;
const MIN_TIMEOUT: u32 = 1;
const MAX_TIMEOUT: u32 = 3600;
/// Edited command lines that are kept.
const MAX_EDITS: usize = 20;

/// One row of the menu. All text may come from outside: it is made printable
/// when it is drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// The entry's id.
    pub id: String,
    /// What a person calls it.
    pub title: String,
    /// One word for its state, such as `ready` or `refused(UNSIGNED)`.
    pub mark: String,
    /// A sentence that explains the mark; may be empty.
    pub detail: String,
    /// Whether the countdown may take it.
    pub bootable: bool,
    /// Its version; may be empty. Told where titles are the same.
    pub version: String,
    /// Titles of the submenus that it is in, outermost first.
    pub submenu: Vec<String>,
    /// The key that its menu file gives it.
    pub hotkey: Option<char>,
    /// Device and menu file, such as `vda1 /loader/entries/x.conf`.
    pub place: String,
    /// Its command line.
    pub options: String,
    /// What the details pane tells, in this order: what it is, and its value.
    pub facts: Vec<(&'static str, String)>,
}

impl Item {
    /// What to call it: the title, or the id if there is none.
    fn name(&self) -> &str {
        if self.title.is_empty() { &self.id } else { &self.title }
    }
}

/// What somebody, or the countdown, has chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Index of the item.
    pub index: usize,
    /// The command line as it was edited; only where that is allowed.
    pub options: Option<String>,
}

/// The menu as it has become while it was on the screen. Rows are only added,
/// never moved: an index keeps its meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// All rows.
    pub items: Vec<Item>,
    /// The configured default entry.
    pub default: Option<usize>,
    /// What happened, in words for the status line.
    pub say: Option<String>,
}

/// Whether somebody may edit a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Editing {
    /// Anybody may.
    Allowed,
    /// Nobody may: the sentence that says why.
    Refused(&'static str),
}

/// What the caller has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Sleep until a key comes, or until this time.
    Wait(Option<Duration>),
    /// Draw, then sleep likewise.
    Redraw(Option<Duration>),
    /// Draw all of the screen anew, then sleep likewise: somebody has come, who
    /// may have connected only now.
    Repaint(Option<Duration>),
    /// Boot this item. If a person chose it, it may be one that cannot boot:
    /// then its reason is what they asked for.
    Take(Chosen),
    /// Make the item with this index the default, say how that went
    /// ([`Chooser::say`]), and draw.
    Save(usize),
    /// Show the log ([`Chooser::show_log`]), and draw.
    Log,
    /// Nothing in the menu can boot.
    Nothing,
}

impl Step {
    /// Both, one after the other: nothing that is to be drawn is forgotten, and
    /// what ends the menu ends it.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        match (self, next) {
            (Self::Redraw(_), Self::Wait(until)) => Self::Redraw(until),
            (Self::Repaint(_), Self::Wait(until) | Self::Redraw(until)) => Self::Repaint(until),
            (Self::Wait(_) | Self::Redraw(_) | Self::Repaint(_), next) => next,
            (end, _) => end,
        }
    }
}

/// The menu on the screen. Made anew, with new marks and a status, after an
/// attempt to boot has failed.
#[derive(Debug)]
pub struct Chooser {
    heading: String,
    items: Vec<Item>,
    /// What to call the items, in their order.
    names: Vec<Name>,
    /// Titles of the submenu that is open, outermost first.
    level: Vec<String>,
    /// What the countdown takes: always bootable.
    default: Option<usize>,
    /// The selected item, or one in the selected submenu.
    selected: usize,
    timeout: Timeout,
    countdown: Countdown,
    /// What happened last.
    status: String,
    /// Whether that was a failure.
    has_failed: bool,
    /// Why the configured default is not what the countdown takes.
    note: String,
    pane: Pane,
    editing: Editing,
    /// Whether it is shown although nothing boots by itself.
    stays: bool,
    /// Command lines as they were edited, oldest first.
    edits: Vec<String>,
    /// The smallest console: a pane scrolls as far as is right for it.
    size: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Countdown {
    /// Not started yet, or there is none.
    Idle,
    /// Ends at `deadline`; the screen shows `seconds`.
    Running { deadline: Duration, seconds: u64 },
    /// Nothing can boot any more: the menu ends at `end`.
    Ending { end: Duration },
    /// Stopped by a key; runs again from `rearm` on.
    Stopped { rearm: Duration },
}

/// How a key moves through rows or lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Motion {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

impl Motion {
    /// Where it leads from `position`, if `last` is as far as it goes.
    fn from(self, position: usize, page: usize, last: usize) -> usize {
        let to = match self {
            Self::Up => position.saturating_sub(1),
            Self::Down => position.saturating_add(1),
            Self::PageUp => position.saturating_sub(page),
            Self::PageDown => position.saturating_add(page),
            Self::Home => 0,
            Self::End => last,
        };
        to.min(last)
    }
}

/// What a key means in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Move(Motion),
    /// Select the row with this number, from 0.
    Number(usize),
    /// Select this item.
    Hotkey(usize),
    /// Boot, or open a submenu.
    Open,
    /// Leave a submenu.
    Leave,
    Edit,
    Default,
    /// Stop the countdown, and nothing else.
    Stay,
    Longer,
    Shorter,
    Details,
    Log,
    Help,
}

impl Chooser {
    /// A menu of `items` in this order. `default` is the configured default
    /// entry; if it cannot boot, the next one that can takes its place.
    #[must_use]
    pub fn new(items: Vec<Item>, default: Option<usize>, timeout: Timeout) -> Self {
        let mut chooser = Self {
            heading: "Turnout".to_owned(),
            items: Vec::new(),
            names: Vec::new(),
            level: Vec::new(),
            default: None,
            selected: 0,
            timeout,
            countdown: Countdown::Idle,
            status: String::new(),
            has_failed: false,
            note: String::new(),
            pane: Pane::List,
            editing: Editing::Refused("Nothing is edited here."),
            stays: false,
            edits: Vec::new(),
            size: Size::default(),
        };
        let wanted = chooser.set_items(items, default);
        chooser.selected = chooser.default.or(wanted).unwrap_or(0);
        chooser
    }

    /// Sets the first line of the screen.
    #[must_use]
    pub fn with_heading(self, heading: &str) -> Self {
        Self { heading: heading.to_owned(), ..self }
    }

    /// Sets what is said about the attempt before this one.
    #[must_use]
    pub fn with_status(self, status: &str) -> Self {
        Self { status: status.to_owned(), has_failed: true, ..self }
    }

    /// Stays for its time where nothing boots by itself: what is there may be chosen.
    #[must_use]
    pub fn staying(self) -> Self {
        Self { stays: true, note: String::new(), ..self }
    }

    /// Sets whether command lines can be edited.
    #[must_use]
    pub fn with_editing(self, editing: Editing) -> Self {
        Self { editing, ..self }
    }

    /// Sets the command lines that were edited before.
    #[must_use]
    pub fn with_edits(self, edits: Vec<String>) -> Self {
        Self { edits, ..self }
    }

    /// The command lines that were edited, for the next menu.
    #[must_use]
    pub fn into_edits(self) -> Vec<String> {
        self.edits
    }

    /// Replaces what is said below the menu.
    pub fn say(&mut self, status: &str) -> Step {
        status.clone_into(&mut self.status);
        self.has_failed = false;
        Step::Redraw(self.wake())
    }

    /// The size of the smallest console.
    pub const fn resize(&mut self, smallest: Size) {
        self.size = smallest;
    }

    /// Shows these lines in place of the list, the last of them first.
    pub fn show_log(&mut self, lines: Vec<String>) -> Step {
        self.pane = Pane::Reading(Reading::log(lines, self.size));
        Step::Redraw(self.wake())
    }

    /// Whether the menu boots at once, without being drawn.
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        self.default.is_some() && matches!(self.timeout, Timeout::Hidden | Timeout::Disabled)
    }

    /// What it boots if nobody does anything but, perhaps, press Enter; none if
    /// that is at once.
    #[must_use]
    pub const fn waits_with(&self) -> Option<usize> {
        if self.is_hidden() { None } else { self.default }
    }

    /// Starts the countdown, if the menu has one. To be called when the menu
    /// is on the screen: a slow console must not eat up the time to read it.
    /// All times count from one moment of the caller's choice.
    pub fn start(&mut self, now: Duration) -> Step {
        match (self.default, self.timeout) {
            (None, Timeout::Seconds(seconds)) if self.stays => self.end_after(seconds.into(), now),
            (None, Timeout::Forever) if self.stays => self.end_after(REARM.as_secs(), now),
            (None, _) => Step::Nothing,
            (Some(default), Timeout::Hidden | Timeout::Disabled) => take(default),
            (Some(_), _) => self.count_down(now),
        }
    }

    /// These keys were pressed, all of them at once: more than a single one where
    /// a terminal or a program sent them. If one of several has no meaning, none
    /// has: then it is not somebody who uses the menu.
    pub fn keys(&mut self, keys: &[Key], now: Duration) -> Step {
        let mut step = Step::Wait(self.wake());
        if keys.len() > 1 && !keys.iter().all(|key| self.knows(*key)) {
            return step;
        }
        for key in keys {
            step = step.then(self.key(*key, now));
            if !matches!(step, Step::Wait(_) | Step::Redraw(_) | Step::Repaint(_)) {
                break;
            }
        }
        step
    }

    /// The entries have changed. The selection stays where somebody put it, and
    /// the countdown goes on, unless it would now boot something else: then it
    /// starts anew, so that there is time to read what.
    pub fn update(&mut self, update: Update, now: Duration) -> Step {
        let before = self.default;
        self.set_items(update.items, update.default);
        if let Some(text) = update.say {
            drop(self.say(&text));
        }
        if self.default != before && !matches!(self.countdown, Countdown::Stopped { .. }) {
            self.return_to_default();
            return self.count_down(now);
        }
        Step::Redraw(self.wake())
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Step {
        match (self.countdown, self.default) {
            (Countdown::Running { deadline, .. }, Some(default)) if deadline <= now => {
                take(default)
            }
            (Countdown::Running { deadline, seconds }, _)
                if whole_seconds(deadline, now) < seconds =>
            {
                let seconds = whole_seconds(deadline, now);
                self.countdown = Countdown::Running { deadline, seconds };
                Step::Redraw(self.wake())
            }
            (Countdown::Stopped { rearm }, Some(_)) if rearm <= now => {
                self.close_pane();
                self.return_to_default();
                self.count_down(now)
            }
            (Countdown::Stopped { rearm: end } | Countdown::Ending { end }, None) if end <= now => {
                Step::Nothing
            }
            _ => Step::Wait(self.wake()),
        }
    }

    /// Takes the items over; gives the index of the configured default.
    fn set_items(&mut self, items: Vec<Item>, default: Option<usize>) -> Option<usize> {
        let wanted = default.filter(|index| *index < items.len());
        self.default = next_bootable(&items, wanted.unwrap_or(0));
        self.note = note(&items, wanted, self.default);
        self.names = rows::names(&items);
        self.items = items;
        wanted
    }

    /// What is about to boot is what is selected.
    fn return_to_default(&mut self) {
        self.level.clear();
        self.selected = self.default.unwrap_or(self.selected);
    }

    fn key(&mut self, key: Key, now: Duration) -> Step {
        if !self.knows(key) {
            return Step::Wait(self.wake());
        }
        match (mem::take(&mut self.pane), self.command(key)) {
            (Pane::List, Some(command)) => self.obey(command, now),
            (Pane::List, None) => Step::Wait(self.wake()),
            (Pane::Reading(reading), _) => self.read(reading, key, now),
            (Pane::Edit(editor), _) => self.edit(editor, key, now),
        }
    }

    /// Whether a key means something where it is pressed.
    fn knows(&self, key: Key) -> bool {
        match self.pane {
            Pane::List => self.command(key).is_some(),
            Pane::Reading(_) => pane::motion(key).is_some() || pane::closes(key),
            Pane::Edit(_) => key != Key::Other,
        }
    }

    fn command(&self, key: Key) -> Option<Command> {
        let is_below = !self.level.is_empty();
        Some(match key {
            Key::Enter | Key::Right => Command::Open,
            Key::Left | Key::Escape | Key::Backspace if is_below => Command::Leave,
            Key::Help | Key::Char('h' | '?') => Command::Help,
            Key::Char('k') => Command::Move(Motion::Up),
            Key::Char('j') => Command::Move(Motion::Down),
            Key::Char('e') => Command::Edit,
            Key::Char('d') => Command::Default,
            Key::Char('+' | 't') => Command::Longer,
            Key::Char('-' | 'T') => Command::Shorter,
            Key::Char('p') => Command::Details,
            Key::Char('L') => Command::Log,
            Key::Char(' ') => Command::Stay,
            Key::Char(digit @ '1'..='9') => Command::Number(number(digit)),
            Key::Char(other) => Command::Hotkey(self.with_hotkey(other)?),
            key => Command::Move(pane::motion(key)?),
        })
    }

    fn with_hotkey(&self, key: char) -> Option<usize> {
        self.items.iter().position(|item| item.hotkey == Some(key))
    }

    fn obey(&mut self, command: Command, now: Duration) -> Step {
        if matches!(command, Command::Longer | Command::Shorter) {
            return self.change_timeout(command == Command::Longer, now);
        }
        let somebody_came = matches!(self.countdown, Countdown::Running { .. });
        self.stop(now);
        match command {
            Command::Open => return self.open(),
            Command::Log => return Step::Log,
            Command::Default => return self.save(),
            Command::Move(motion) => self.move_selection(motion),
            Command::Number(number) => self.select_row(number),
            Command::Hotkey(index) => self.select(index),
            Command::Leave => drop(self.level.pop()),
            Command::Edit => self.start_editing(),
            Command::Details => self.show(Reading::details(self.items.get(self.selected))),
            Command::Help => self.show(Reading::help()),
            Command::Stay | Command::Longer | Command::Shorter => {}
        }
        if somebody_came { Step::Repaint(self.wake()) } else { Step::Redraw(self.wake()) }
    }

    fn show(&mut self, reading: Reading) {
        self.pane = Pane::Reading(reading);
    }

    fn rows(&self) -> Vec<Row> {
        rows::rows(&self.items, &self.level)
    }

    /// The row that is selected, and which one it is.
    fn selected_row(&self) -> (usize, Option<Row>) {
        let rows = self.rows();
        let place = rows.iter().position(|row| row.holds(self.selected)).unwrap_or(0);
        (place, rows.into_iter().nth(place))
    }

    fn move_selection(&mut self, motion: Motion) {
        let last = self.rows().len().saturating_sub(1);
        let place = motion.from(self.selected_row().0, PAGE, last);
        self.select_row(place);
    }

    /// There may be no such row.
    fn select_row(&mut self, place: usize) {
        if let Some(row) = self.rows().get(place) {
            self.selected = row.first();
        }
    }

    fn select(&mut self, index: usize) {
        if let Some(item) = self.items.get(index) {
            self.level.clone_from(&item.submenu);
            self.selected = index;
        }
    }

    fn open(&mut self) -> Step {
        match self.selected_row().1 {
            None => Step::Nothing,
            Some(Row::Entry(index)) => take(index),
            Some(Row::Submenu { title, items }) => {
                let default = self.default.filter(|index| items.contains(index));
                self.selected = default.or(items.first().copied()).unwrap_or(self.selected);
                self.level.push(title);
                Step::Redraw(self.wake())
            }
        }
    }

    fn save(&mut self) -> Step {
        match self.selected_row().1 {
            Some(Row::Entry(index)) => Step::Save(index),
            _ => self.say("A submenu cannot be the default: open it and take an entry in it."),
        }
    }

    fn start_editing(&mut self) {
        match (self.editing, self.selected_row().1) {
            (Editing::Refused(why), _) => drop(self.say(why)),
            (Editing::Allowed, Some(Row::Entry(index))) => {
                let options = self.items.get(index).map_or("", |item| item.options.as_str());
                self.pane = Pane::Edit(Editor::new(options));
            }
            (Editing::Allowed, _) => {
                drop(self.say("A submenu has no command line: open it first."));
            }
        }
    }

    fn edit(&mut self, mut editor: Editor, key: Key, now: Duration) -> Step {
        self.stop(now);
        match editor.key(key, &self.edits) {
            Edited::Open => self.pane = Pane::Edit(editor),
            Edited::Cancelled => self.keep_edit(&editor),
            Edited::Done => {
                self.keep_edit(&editor);
                let options = editor.is_changed().then(|| editor.text());
                return Step::Take(Chosen { index: self.selected, options });
            }
        }
        Step::Redraw(self.wake())
    }

    fn keep_edit(&mut self, editor: &Editor) {
        let text = editor.text();
        if editor.is_changed() && self.edits.last() != Some(&text) {
            let excess = self.edits.len().saturating_add(1).saturating_sub(MAX_EDITS);
            self.edits.drain(..excess);
            self.edits.push(text);
        }
    }

    fn read(&mut self, reading: Reading, key: Key, now: Duration) -> Step {
        self.stop(now);
        if let Some(motion) = pane::motion(key) {
            self.pane = Pane::Reading(reading.scrolled(motion, self.size));
        }
        Step::Redraw(self.wake())
    }

    fn close_pane(&mut self) {
        if let Pane::Edit(editor) = mem::take(&mut self.pane) {
            self.keep_edit(&editor);
        }
    }

    /// For this time only. A countdown that runs starts anew.
    fn change_timeout(&mut self, longer: bool, now: Duration) -> Step {
        let Timeout::Seconds(seconds) = self.timeout else {
            return self.say("There is no countdown: the menu waits for a choice.");
        };
        let seconds = if longer {
            seconds.saturating_add(TIMEOUT_STEP)
        } else {
            seconds.saturating_sub(TIMEOUT_STEP)
        };
        let seconds = seconds.clamp(MIN_TIMEOUT, MAX_TIMEOUT);
        self.timeout = Timeout::Seconds(seconds);
        drop(self.say(&format!("The countdown is {seconds} s this time.")));
        match self.countdown {
            Countdown::Running { .. } => self.count_down(now),
            Countdown::Idle | Countdown::Stopped { .. } | Countdown::Ending { .. } => {
                self.stop(now);
                Step::Redraw(self.wake())
            }
        }
    }

    fn count_down(&mut self, now: Duration) -> Step {
        self.countdown = match (self.timeout, self.default) {
            (Timeout::Seconds(seconds), Some(_)) => {
                let seconds = u64::from(seconds);
                let deadline = now.saturating_add(Duration::from_secs(seconds));
                Countdown::Running { deadline, seconds }
            }
            (_, Some(_)) => Countdown::Idle,
            (_, None) => Countdown::Ending { end: now.saturating_add(REARM) },
        };
        Step::Redraw(self.wake())
    }

    fn end_after(&mut self, seconds: u64, now: Duration) -> Step {
        self.countdown =
            Countdown::Ending { end: now.saturating_add(Duration::from_secs(seconds)) };
        Step::Redraw(self.wake())
    }

    fn stop(&mut self, now: Duration) {
        if self.countdown != Countdown::Idle {
            self.countdown = Countdown::Stopped { rearm: now.saturating_add(REARM) };
        }
    }

    /// When the state next changes by itself.
    const fn wake(&self) -> Option<Duration> {
        match self.countdown {
            Countdown::Idle => None,
            Countdown::Running { deadline, seconds } => {
                Some(deadline.saturating_sub(Duration::from_secs(seconds.saturating_sub(1))))
            }
            Countdown::Stopped { rearm: end } | Countdown::Ending { end } => Some(end),
        }
    }
}

const fn take(index: usize) -> Step {
    Step::Take(Chosen { index, options: None })
}

/// The row that a digit from 1 on means.
fn number(digit: char) -> usize {
    let digit = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
    digit.unwrap_or(0).saturating_sub(1)
}

/// The first bootable item from `start` on, then from the top: after the last
/// one failed, those before it get their turn.
fn next_bootable(items: &[Item], start: usize) -> Option<usize> {
    let indices = (start..items.len()).chain(0..start);
    indices.into_iter().find(|index| items.get(*index).is_some_and(|item| item.bootable))
}

/// Says so if the configured default is not what the countdown takes.
fn note(items: &[Item], wanted: Option<usize>, default: Option<usize>) -> String {
    match (wanted.and_then(|index| items.get(index)), default.and_then(|index| items.get(index))) {
        (Some(wanted), Some(default)) if wanted.id != default.id => {
            format!(
                "The default {} cannot boot: {}; {} is next.",
                wanted.id, wanted.mark, default.id
            )
        }
        (Some(wanted), None) => format!("The default {} cannot boot: {}.", wanted.id, wanted.mark),
        _ => String::new(),
    }
}

/// The time left, rounded up to whole seconds.
fn whole_seconds(deadline: Duration, now: Duration) -> u64 {
    let left = deadline.saturating_sub(now);
    left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0))
}
