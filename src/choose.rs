//! Choosing an entry: the menu as a state machine.
//!
//! Keys and the time go in, a [`Step`] comes out; this module neither reads a
//! clock nor draws ([`screen`] does) nor boots. It owns the one countdown there
//! is. Two rules keep an unattended machine from waiting forever: only a key
//! with a meaning stops the countdown, and a stopped countdown starts again
//! when nobody has pressed such a key for [`REARM`].

pub mod keys;
pub mod screen;

use core::time::Duration;

use crate::menu::Timeout;
use keys::Key;

/// How long after the last key a stopped countdown starts again.
pub const REARM: Duration = Duration::from_secs(300);

/// How far Page Up and Page Down go.
const PAGE: usize = 10;

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

/// What the caller has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Sleep until a key comes, or until this time.
    Wait(Option<Duration>),
    /// Draw, then sleep likewise.
    Redraw(Option<Duration>),
    /// Boot this item. If a person chose it, it may be one that cannot boot:
    /// then its reason is what they asked for.
    Take(Chosen),
    /// Make the item with this index the default, say how that went
    /// ([`Chooser::say`]), and draw.
    Save(usize),
    /// Nothing in the menu can boot.
    Nothing,
}

/// The menu on the screen. Made anew, with new marks and a status, after an
/// attempt to boot has failed.
#[derive(Debug)]
pub struct Chooser {
    heading: String,
    items: Vec<Item>,
    /// What the countdown takes: always bootable.
    default: Option<usize>,
    selected: usize,
    timeout: Timeout,
    countdown: Countdown,
    status: String,
    /// Why the configured default is not what the countdown takes.
    note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Countdown {
    /// Not started yet, or there is none.
    Idle,
    /// Ends at `deadline`; the screen shows `seconds`.
    Running { deadline: Duration, seconds: u64 },
    /// Stopped by a key; runs again from `rearm` on.
    Stopped { rearm: Duration },
}

impl Chooser {
    /// A menu of `items` in this order. `default` is the configured default
    /// entry; if it cannot boot, the next one that can takes its place.
    #[must_use]
    pub fn new(items: Vec<Item>, default: Option<usize>, timeout: Timeout) -> Self {
        let wanted = default.filter(|index| *index < items.len());
        let default = next_bootable(&items, wanted.unwrap_or(0));
        let note = note(&items, wanted, default);
        Self {
            heading: "Turnout".to_owned(),
            selected: default.or(wanted).unwrap_or(0),
            items,
            default,
            timeout,
            countdown: Countdown::Idle,
            status: String::new(),
            note,
        }
    }

    /// Sets the first line of the screen.
    #[must_use]
    pub fn with_heading(self, heading: &str) -> Self {
        Self { heading: heading.to_owned(), ..self }
    }

    /// Sets what is said about the attempt before this one.
    #[must_use]
    pub fn with_status(self, status: &str) -> Self {
        Self { status: status.to_owned(), ..self }
    }

    /// Replaces what is said below the menu.
    pub fn say(&mut self, status: &str) {
        status.clone_into(&mut self.status);
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
            (None, _) => Step::Nothing,
            (Some(default), Timeout::Hidden | Timeout::Disabled) => take(default),
            (Some(_), _) => self.count_down(now),
        }
    }

    /// A key was pressed.
    pub fn key(&mut self, key: Key, now: Duration) -> Step {
        let last = self.items.len().saturating_sub(1);
        let selected = match key {
            Key::Other => return Step::Wait(self.wake()),
            Key::Enter if self.items.is_empty() => return Step::Nothing,
            Key::Enter => return take(self.selected),
            Key::Space => self.selected,
            Key::Up => self.selected.saturating_sub(1),
            Key::Down => self.selected.saturating_add(1),
            Key::PageUp => self.selected.saturating_sub(PAGE),
            Key::PageDown => self.selected.saturating_add(PAGE),
            Key::Home => 0,
            Key::End => last,
            Key::Digit(digit) => self.numbered(digit),
            Key::Default => {
                self.stop(now);
                return Step::Save(self.selected);
            }
        };
        self.selected = selected.min(last);
        self.stop(now);
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
            (Countdown::Stopped { rearm }, Some(default)) if rearm <= now => {
                self.selected = default;
                self.count_down(now)
            }
            _ => Step::Wait(self.wake()),
        }
    }

    /// The entries have changed. The selection stays where somebody put it, and
    /// the countdown goes on, unless it would now boot something else: then it
    /// starts anew, so that there is time to read what.
    pub fn update(&mut self, update: Update, now: Duration) -> Step {
        let before = self.default;
        let wanted = update.default.filter(|index| *index < update.items.len());
        self.items = update.items;
        self.default = next_bootable(&self.items, wanted.unwrap_or(0));
        self.note = note(&self.items, wanted, self.default);
        if let Some(text) = update.say {
            self.status = text;
        }
        if self.default != before && !matches!(self.countdown, Countdown::Stopped { .. }) {
            self.selected = self.default.unwrap_or(self.selected);
            return self.count_down(now);
        }
        Step::Redraw(self.wake())
    }

    fn count_down(&mut self, now: Duration) -> Step {
        if let Timeout::Seconds(seconds) = self.timeout {
            let seconds = u64::from(seconds);
            let deadline = now.saturating_add(Duration::from_secs(seconds));
            self.countdown = Countdown::Running { deadline, seconds };
        }
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
            Countdown::Stopped { rearm } => Some(rearm),
        }
    }

    /// The item that a digit means; the selected one if there is no such item.
    fn numbered(&self, digit: u8) -> usize {
        let index = usize::from(digit).checked_sub(1);
        index.filter(|index| *index < self.items.len()).unwrap_or(self.selected)
    }
}

impl Item {
    /// What to call it: the title, or the id if there is none.
    fn name(&self) -> &str {
        if self.title.is_empty() { &self.id } else { &self.title }
    }
}

const fn take(index: usize) -> Step {
    Step::Take(Chosen { index, options: None })
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

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn item(id: &str, bootable: bool) -> Item {
        let mark = if bootable { "ready" } else { "refused(UNSIGNED)" };
        Item {
            id: id.to_owned(),
            title: format!("Title of {id}"),
            mark: mark.to_owned(),
            bootable,
            ..Item::default()
        }
    }

    /// Items named a, b, c...; true for those that can boot.
    fn items(bootable: &[bool]) -> Vec<Item> {
        let ids = ('a'..='z').map(String::from);
        ids.zip(bootable).map(|(id, bootable)| item(&id, *bootable)).collect()
    }

    fn chooser(bootable: &[bool], default: usize, timeout: Timeout) -> Chooser {
        Chooser::new(items(bootable), Some(default), timeout)
    }

    #[test]
    fn the_countdown_counts_whole_seconds_and_takes_the_default() {
        let mut chooser = chooser(&[true, true], 1, Timeout::Seconds(2));
        assert_eq!(chooser.tick(at(500)), Step::Wait(None), "not before it is started");
        assert_eq!(chooser.start(at(1000)), Step::Redraw(Some(at(2000))));
        assert_eq!(chooser.tick(at(1999)), Step::Wait(Some(at(2000))));
        assert_eq!(chooser.tick(at(2000)), Step::Redraw(Some(at(3000))));
        assert_eq!(chooser.tick(at(2999)), Step::Wait(Some(at(3000))));
        assert_eq!(chooser.tick(at(3000)), take(1));
    }

    #[test]
    fn a_late_caller_loses_no_time() {
        let mut chooser = chooser(&[true], 0, Timeout::Seconds(10));
        chooser.start(at(0));
        assert_eq!(chooser.tick(at(7300)), Step::Redraw(Some(at(8000))));
        assert_eq!(chooser.tick(at(60_000)), take(0));
    }

    #[test]
    fn a_hidden_or_disabled_menu_takes_the_default_at_once() {
        for timeout in [Timeout::Hidden, Timeout::Disabled] {
            assert_eq!(chooser(&[true, true], 1, timeout).start(at(0)), take(1));
            assert_eq!(chooser(&[true, false, true], 1, timeout).start(at(0)), take(2));
        }
    }

    #[test]
    fn only_a_menu_that_is_shown_waits_with_what_it_will_boot() {
        let seconds = Timeout::Seconds(3);
        assert_eq!(chooser(&[true, false, true], 1, seconds).waits_with(), Some(2));
        assert_eq!(chooser(&[true, true], 1, Timeout::Forever).waits_with(), Some(1));
        assert_eq!(chooser(&[false], 0, seconds).waits_with(), None);
        for timeout in [Timeout::Hidden, Timeout::Disabled] {
            assert_eq!(chooser(&[true], 0, timeout).waits_with(), None);
        }
    }

    #[test]
    fn a_menu_without_countdown_waits_for_a_person() {
        let mut chooser = chooser(&[true, true], 0, Timeout::Forever);
        assert_eq!(chooser.start(at(0)), Step::Redraw(None));
        assert_eq!(chooser.key(Key::Down, at(10)), Step::Redraw(None));
        assert_eq!(chooser.tick(at(u64::MAX)), Step::Wait(None));
        assert_eq!(chooser.key(Key::Enter, at(20)), take(1));
    }

    #[test]
    fn every_key_with_a_meaning_stops_the_countdown_and_no_other_does() {
        let keys = [
            Key::Up,
            Key::Down,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::Space,
            Key::Digit(9),
        ];
        for key in keys {
            let mut chooser = chooser(&[true, true], 0, Timeout::Seconds(5));
            chooser.start(at(0));
            assert_eq!(chooser.key(key, at(100)), Step::Redraw(Some(at(100) + REARM)), "{key:?}");
            assert_eq!(chooser.tick(at(5000)), Step::Wait(Some(at(100) + REARM)), "{key:?}");
        }
        let mut chooser = chooser(&[true], 0, Timeout::Seconds(5));
        chooser.start(at(0));
        assert_eq!(chooser.key(Key::Other, at(100)), Step::Wait(Some(at(1000))));
        assert_eq!(chooser.tick(at(5000)), take(0));
    }

    #[test]
    fn a_stopped_countdown_starts_again_when_nobody_is_there() {
        let mut chooser = chooser(&[true, true], 0, Timeout::Seconds(5));
        chooser.start(at(0));
        chooser.key(Key::Down, at(0));
        chooser.key(Key::Up, at(10_000));
        chooser.key(Key::Down, at(20_000));
        let rearm = at(20_000) + REARM;
        assert_eq!(chooser.tick(rearm - at(1)), Step::Wait(Some(rearm)));
        assert_eq!(chooser.tick(rearm), Step::Redraw(Some(rearm + at(1000))));
        assert_eq!(chooser.selected, 0, "what is selected is what is about to boot");
        assert_eq!(chooser.tick(rearm + at(5000)), take(0));
    }

    #[test]
    fn keys_move_the_selection_and_stay_within_the_list() {
        let mut chooser = chooser(&[true; 26], 0, Timeout::Forever);
        let cases = [
            (Key::Up, 0),
            (Key::Down, 1),
            (Key::PageDown, 11),
            (Key::PageUp, 1),
            (Key::PageUp, 0),
            (Key::End, 25),
            (Key::Down, 25),
            (Key::Digit(9), 8),
            (Key::Other, 8),
            (Key::Home, 0),
        ];
        for (key, selected) in cases {
            chooser.key(key, at(0));
            assert_eq!(chooser.selected, selected, "{key:?}");
        }
    }

    #[test]
    fn a_digit_without_an_entry_leaves_the_selection() {
        let mut chooser = chooser(&[true, true], 1, Timeout::Forever);
        chooser.key(Key::Digit(3), at(0));
        assert_eq!(chooser.key(Key::Enter, at(0)), take(1));
        chooser.key(Key::Digit(1), at(0));
        assert_eq!(chooser.key(Key::Enter, at(0)), take(0));
    }

    #[test]
    fn a_default_that_cannot_boot_gives_way_to_the_next_and_the_screen_says_so() {
        let cases: [(&[bool], usize, Option<usize>, &str); 5] = [
            (
                &[false, true, true],
                0,
                Some(1),
                "The default a cannot boot: refused(UNSIGNED); b is next.",
            ),
            (
                &[true, false, false],
                1,
                Some(0),
                "The default b cannot boot: refused(UNSIGNED); a is next.",
            ),
            (&[false, false], 1, None, "The default b cannot boot: refused(UNSIGNED)."),
            (&[true, true], 1, Some(1), ""),
            (&[true, true], 7, Some(0), ""),
        ];
        for (bootable, default, expected, note) in cases {
            let chooser = chooser(bootable, default, Timeout::Hidden);
            assert_eq!((chooser.default, chooser.note.as_str()), (expected, note));
        }
    }

    #[test]
    fn if_nothing_can_boot_there_is_no_countdown() {
        for timeout in [Timeout::Seconds(5), Timeout::Forever, Timeout::Hidden, Timeout::Disabled] {
            assert_eq!(chooser(&[false, false], 0, timeout).start(at(0)), Step::Nothing);
            assert_eq!(Chooser::new(vec![], None, timeout).start(at(0)), Step::Nothing);
        }
        assert_eq!(
            Chooser::new(vec![], None, Timeout::Forever).key(Key::Enter, at(0)),
            Step::Nothing
        );
    }

    #[test]
    fn a_person_may_choose_what_cannot_boot() {
        let mut chooser = chooser(&[true, false], 0, Timeout::Seconds(5));
        chooser.start(at(0));
        chooser.key(Key::Digit(2), at(1));
        assert_eq!(chooser.key(Key::Enter, at(2)), take(1));
    }

    /// What the caller does: each failure makes one more entry unbootable.
    #[test]
    fn failures_end_when_every_entry_has_had_its_turn() {
        let mut bootable = [true; 4];
        let mut taken = Vec::new();
        while let Step::Take(Chosen { index, .. }) =
            chooser(&bootable, 2, Timeout::Hidden).start(at(0))
        {
            taken.push(index);
            bootable[index] = false;
        }
        assert_eq!(taken, [2, 3, 0, 1]);
    }
}
