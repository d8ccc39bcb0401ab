//! The state machine: keys and times in, steps out. Its frames are in [`frames`].

use super::frame::{Frame, draw};
use super::screen::frame;
use super::*;
use crate::base::text::printable;

mod frames;

const SECONDS_5: Timeout = Timeout::Seconds(5);

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

/// A menu whose countdown runs since time 0.
fn started(items: Vec<Item>, default: usize) -> Chooser {
    let mut chooser = Chooser::new(items, Some(default), SECONDS_5);
    assert_eq!(chooser.start(at(0)), Step::Redraw(Some(at(1000))));
    chooser
}

fn in_submenus() -> Vec<Item> {
    let paths: [&[&str]; 5] = [&[], &["Advanced"], &["Advanced"], &["Advanced", "Old"], &[]];
    let mut items = items(&[true; 5]);
    for (item, path) in items.iter_mut().zip(paths) {
        item.submenu = path.iter().map(|title| (*title).to_owned()).collect();
    }
    items
}

fn press(chooser: &mut Chooser, key: Key) -> Step {
    chooser.keys(&[key], at(10))
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
    assert_eq!(chooser.keys(&[Key::Down], at(10)), Step::Redraw(None));
    assert_eq!(chooser.tick(at(u64::MAX)), Step::Wait(None));
    assert_eq!(chooser.keys(&[Key::Enter], at(20)), take(1));
}

#[test]
fn every_key_with_a_meaning_stops_the_countdown_and_repaints_for_whoever_has_come() {
    let keys = "jkph?ed 19".chars().map(Key::Char).chain([
        Key::Up,
        Key::Down,
        Key::PageUp,
        Key::PageDown,
        Key::Home,
        Key::End,
        Key::Help,
    ]);
    for key in keys {
        let mut chooser = started(items(&[true, true]), 0);
        let step = chooser.keys(&[key], at(100));
        let until = Some(at(100) + REARM);
        let expected = if key == Key::Char('d') { Step::Save(0) } else { Step::Repaint(until) };
        assert_eq!(step, expected, "{key:?}");
        assert_eq!(chooser.tick(at(5000)), Step::Wait(until), "{key:?}");
    }
}

#[test]
fn a_key_without_a_meaning_does_nothing_alone_or_among_others() {
    let none = [Key::Other, Key::Char('x'), Key::Char('0'), Key::Left, Key::Escape, Key::Delete];
    for key in none {
        let mut chooser = started(items(&[true, true]), 0);
        for keys in [&[key][..], &[Key::Down, key], &[key, Key::Enter], &[Key::Down, key, key]] {
            assert_eq!(chooser.keys(keys, at(100)), Step::Wait(Some(at(1000))), "{keys:?}");
        }
        assert_eq!(chooser.tick(at(5000)), take(0));
    }
    let mut chooser = started(items(&[true, true]), 0);
    assert_eq!(chooser.keys(&[Key::Down, Key::Enter], at(100)), take(1), "both have one");
}

#[test]
fn a_stopped_countdown_starts_again_when_nobody_is_there() {
    let mut chooser = started(items(&[true, true]), 0);
    chooser.keys(&[Key::Down], at(0));
    chooser.keys(&[Key::Up], at(10_000));
    chooser.keys(&[Key::Down], at(20_000));
    let rearm = at(20_000) + REARM;
    assert_eq!(chooser.tick(rearm - at(1)), Step::Wait(Some(rearm)));
    assert_eq!(chooser.tick(rearm), Step::Redraw(Some(rearm + at(1000))));
    assert_eq!(chooser.selected, 0, "what is selected is what is about to boot");
    assert_eq!(chooser.tick(rearm + at(5000)), take(0));
}

#[test]
fn a_pane_that_was_left_open_keeps_no_machine_from_booting() {
    for key in ['p', 'h', 'e'] {
        let mut chooser = started(items(&[true]), 0).with_editing(Editing::Allowed);
        chooser.keys(&[Key::Char(key)], at(0));
        chooser.keys(&[Key::Char('x')], at(50));
        let rearm = if key == 'e' { at(50) + REARM } else { REARM };
        assert!(!matches!(chooser.pane, Pane::List), "{key}");
        assert_eq!(chooser.tick(rearm), Step::Redraw(Some(rearm + at(1000))), "{key}");
        assert!(matches!(chooser.pane, Pane::List), "{key}");
        assert_eq!(chooser.tick(rearm + at(5000)), take(0), "never what was being edited");
    }
}

#[test]
fn keys_move_the_selection_and_stay_within_the_list() {
    let mut chooser = chooser(&[true; 26], 0, Timeout::Forever);
    let cases = [
        (Key::Up, 0),
        (Key::Down, 1),
        (Key::PageDown, 11),
        (Key::Char('k'), 10),
        (Key::PageUp, 0),
        (Key::PageUp, 0),
        (Key::End, 25),
        (Key::Char('j'), 25),
        (Key::Char('9'), 8),
        (Key::Other, 8),
        (Key::Home, 0),
    ];
    for (key, selected) in cases {
        press(&mut chooser, key);
        assert_eq!(chooser.selected, selected, "{key:?}");
    }
}

#[test]
fn a_digit_without_an_entry_leaves_the_selection() {
    let mut chooser = chooser(&[true, true], 1, Timeout::Forever);
    press(&mut chooser, Key::Char('3'));
    assert_eq!(press(&mut chooser, Key::Enter), take(1));
    press(&mut chooser, Key::Char('1'));
    assert_eq!(press(&mut chooser, Key::Right), take(0));
}

#[test]
fn a_submenu_is_opened_and_left_and_the_default_in_it_still_boots() {
    let mut chooser = started(in_submenus(), 3);
    assert_eq!(chooser.selected_row().0, 1, "the submenu that holds the default");
    assert_eq!(press(&mut chooser, Key::Enter), Step::Redraw(Some(at(10) + REARM)));
    assert_eq!((chooser.level.len(), chooser.selected), (1, 3));
    assert_eq!(chooser.rows().len(), 3);
    press(&mut chooser, Key::Home);
    assert_eq!(chooser.selected, 1);
    press(&mut chooser, Key::Left);
    assert_eq!((chooser.level.len(), chooser.selected_row().0), (0, 1));
    for key in [Key::Right, Key::End, Key::Enter] {
        press(&mut chooser, key);
    }
    assert_eq!(chooser.level, ["Advanced", "Old"]);
    assert_eq!(press(&mut chooser, Key::Enter), take(3));
    assert_eq!(press(&mut chooser, Key::Escape), Step::Redraw(Some(at(10) + REARM)));
    assert_eq!(chooser.level, ["Advanced"]);
    assert_eq!(chooser.tick(at(10) + REARM), Step::Redraw(Some(at(1010) + REARM)));
    assert!(chooser.level.is_empty(), "the countdown is seen from above");
    assert_eq!(chooser.tick(at(5010) + REARM), take(3));
}

#[test]
fn a_submenu_has_no_command_line_and_is_no_default() {
    let mut chooser = started(in_submenus(), 1).with_editing(Editing::Allowed);
    press(&mut chooser, Key::Char('e'));
    assert_eq!(chooser.status, "A submenu has no command line: open it first.");
    assert_eq!(press(&mut chooser, Key::Char('d')), Step::Redraw(Some(at(10) + REARM)));
    assert!(chooser.status.starts_with("A submenu cannot be the default"));
}

#[test]
fn a_hotkey_selects_its_entry_wherever_it_is_but_takes_no_key_from_the_menu() {
    let mut items = in_submenus();
    items[3].hotkey = Some('m');
    items[4].hotkey = Some('j');
    let mut chooser = started(items, 0);
    press(&mut chooser, Key::Char('m'));
    assert_eq!((chooser.selected, chooser.level.len()), (3, 2));
    assert_eq!(press(&mut chooser, Key::Enter), take(3));
    let mut chooser = started(chooser.items, 0);
    press(&mut chooser, Key::Char('j'));
    assert_eq!(chooser.selected, 1, "j goes down");
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
    let mut empty = Chooser::new(vec![], None, Timeout::Forever);
    assert_eq!(press(&mut empty, Key::Enter), Step::Nothing);
}

#[test]
fn where_nothing_boots_by_itself_a_menu_that_stays_ends_after_its_time() {
    for (timeout, end) in [(SECONDS_5, at(5000)), (Timeout::Forever, REARM)] {
        let mut alone = chooser(&[false, false], 0, timeout).staying();
        assert_eq!(alone.start(at(0)), Step::Redraw(Some(end)));
        assert_eq!(alone.tick(end), Step::Nothing);
        let mut taken = chooser(&[false, false], 0, timeout).staying();
        taken.start(at(0));
        assert_eq!(taken.keys(&[Key::Char('2')], at(1)), Step::Redraw(Some(at(1) + REARM)));
        assert_eq!(taken.keys(&[Key::Enter], at(2)), take(1));
    }
    for timeout in [Timeout::Hidden, Timeout::Disabled] {
        assert_eq!(chooser(&[false], 0, timeout).staying().start(at(0)), Step::Nothing);
    }
}

#[test]
fn a_person_may_choose_what_cannot_boot() {
    let mut chooser = started(items(&[true, false]), 0);
    chooser.keys(&[Key::Char('2')], at(1));
    assert_eq!(chooser.keys(&[Key::Enter], at(2)), take(1));
}

/// What the caller does: each failure makes one more entry unbootable.
#[test]
fn failures_end_when_every_entry_has_had_its_turn() {
    let mut bootable = [true; 4];
    let mut taken = Vec::new();
    while let Step::Take(Chosen { index, .. }) = chooser(&bootable, 2, Timeout::Hidden).start(at(0))
    {
        taken.push(index);
        bootable[index] = false;
    }
    assert_eq!(taken, [2, 3, 0, 1]);
}

fn update(items: Vec<Item>, default: Option<usize>) -> Update {
    Update { items, default, say: Some("vdb1: 2 entries".to_owned()) }
}

#[test]
fn a_menu_in_which_nothing_can_boot_any_more_ends_once_nobody_is_there() {
    for timeout in [Timeout::Seconds(5), Timeout::Forever] {
        let mut alone = chooser(&[true, true], 0, timeout);
        alone.start(at(0));
        let step = alone.update(update(items(&[false; 2]), Some(0)), at(10));
        assert_eq!(step, Step::Redraw(Some(at(10) + REARM)));
        assert_eq!(alone.tick(at(10) + REARM), Step::Nothing);
    }
    let mut busy = started(items(&[true, true]), 0);
    busy.keys(&[Key::Down], at(10));
    let rearm = at(10) + REARM;
    let step = busy.update(update(items(&[false; 2]), Some(0)), at(20));
    assert_eq!(step, Step::Redraw(Some(rearm)));
    assert_eq!(busy.tick(rearm), Step::Nothing);
}

#[test]
fn rows_that_are_added_move_neither_the_selection_nor_the_countdown() {
    let mut chooser = started(items(&[true, true]), 0);
    let step = chooser.update(update(items(&[true; 4]), Some(0)), at(100));
    assert_eq!(step, Step::Redraw(Some(at(1000))), "the countdown goes on");
    assert_eq!(chooser.status, "vdb1: 2 entries");
    chooser.keys(&[Key::Char('2'), Key::Char('p')], at(200));
    let step = chooser.update(update(items(&[true; 9]), Some(0)), at(300));
    assert_eq!(step, Step::Redraw(Some(at(200) + REARM)));
    assert_eq!((chooser.selected, chooser.rows().len()), (1, 9));
    assert!(matches!(chooser.pane, Pane::Reading(_)), "what is read stays open");
}

#[test]
fn a_default_that_changes_gets_its_full_time_unless_somebody_is_there() {
    let mut chooser = started(items(&[true, true]), 0);
    let failed = update(items(&[false, true]), Some(0));
    assert_eq!(chooser.update(failed.clone(), at(4000)), Step::Redraw(Some(at(5000))));
    assert_eq!(chooser.selected, 1);
    assert_eq!(chooser.note, "The default a cannot boot: refused(UNSIGNED); b is next.");
    assert_eq!(chooser.tick(at(9000)), take(1));
    let mut chooser = started(items(&[true, true]), 0);
    chooser.keys(&[Key::Char('1')], at(10));
    chooser.update(failed, at(4000));
    assert_eq!(chooser.selected, 0, "nobody's selection is moved");
    assert_eq!(chooser.tick(at(10) + REARM), Step::Redraw(Some(at(1010) + REARM)));
    assert_eq!(chooser.tick(at(5010) + REARM), take(1));
}

#[test]
fn a_menu_in_which_nothing_can_boot_any_more_waits_and_goes_on_when_something_can() {
    let mut chooser = started(items(&[true]), 0);
    let step = chooser.update(update(items(&[false]), Some(0)), at(100));
    let end = Some(at(100) + REARM);
    assert_eq!((step, chooser.tick(at(9000))), (Step::Redraw(end), Step::Wait(end)));
    let step = chooser.update(update(items(&[false, true]), Some(0)), at(10_000));
    assert_eq!(step, Step::Redraw(Some(at(11_000))));
    assert_eq!(chooser.tick(at(15_000)), take(1));
}

#[test]
fn plus_and_minus_change_the_countdown_for_this_time() {
    let mut chooser = started(items(&[true]), 0);
    assert_eq!(chooser.keys(&[Key::Char('+')], at(2000)), Step::Redraw(Some(at(3000))));
    assert_eq!(chooser.status, "The countdown is 10 s this time.");
    assert_eq!(chooser.tick(at(11_999)), Step::Redraw(Some(at(12_000))));
    chooser.keys(&[Key::Char('T'), Key::Char('-'), Key::Char('-')], at(12_000));
    assert_eq!(chooser.status, "The countdown is 1 s this time.");
    assert_eq!(chooser.tick(at(13_000)), take(0));
    let mut forever = self::chooser(&[true], 0, Timeout::Forever);
    forever.start(at(0));
    assert_eq!(forever.keys(&[Key::Char('t')], at(0)), Step::Redraw(None));
    assert_eq!(forever.status, "There is no countdown: the menu waits for a choice.");
}

#[test]
fn an_edited_command_line_is_booted_once_and_remembered() {
    let mut items = items(&[true, true]);
    items[1].options = "root=/dev/vda1 ro".to_owned();
    let mut chooser = started(items, 1).with_editing(Editing::Allowed);
    press(&mut chooser, Key::Char('e'));
    for character in " single".chars() {
        press(&mut chooser, Key::Char(character));
    }
    let options = Some("root=/dev/vda1 ro single".to_owned());
    assert_eq!(press(&mut chooser, Key::Enter), Step::Take(Chosen { index: 1, options }));
    let edits = chooser.into_edits();
    assert_eq!(edits, ["root=/dev/vda1 ro single"]);
    let mut again = self::chooser(&[true], 0, SECONDS_5);
    again = again.with_editing(Editing::Allowed).with_edits(edits);
    again.keys(&[Key::Char('e'), Key::Up], at(0));
    let options = Some("root=/dev/vda1 ro single".to_owned());
    assert_eq!(press(&mut again, Key::Enter), Step::Take(Chosen { index: 0, options }));
}

#[test]
fn an_edit_that_changes_nothing_boots_the_entry_as_it_stands() {
    let mut chooser = started(items(&[true]), 0).with_editing(Editing::Allowed);
    press(&mut chooser, Key::Char('e'));
    assert_eq!(chooser.keys(&[Key::Char('x'), Key::Backspace, Key::Enter], at(1)), take(0));
    assert_eq!(chooser.into_edits(), [""; 0]);
}

#[test]
fn an_edit_that_is_cancelled_boots_nothing() {
    let mut chooser = started(items(&[true]), 0).with_editing(Editing::Allowed);
    press(&mut chooser, Key::Char('e'));
    let step = chooser.keys(&[Key::Char('x'), Key::Escape], at(1));
    assert_eq!(step, Step::Redraw(Some(at(1) + REARM)));
    assert!(matches!(chooser.pane, Pane::List));
    assert_eq!(chooser.into_edits(), ["x"], "and is not lost");
}

#[test]
fn a_locked_menu_says_why_nothing_is_edited() {
    let why = "The command line is part of what was signed.";
    let mut chooser = started(items(&[true]), 0).with_editing(Editing::Refused(why));
    chooser.keys(&[Key::Char('e')], at(1));
    assert!(matches!(chooser.pane, Pane::List));
    assert_eq!(chooser.status, why);
    assert_eq!(chooser.keys(&[Key::Char('x')], at(2)), Step::Wait(Some(at(1) + REARM)));
}

#[test]
fn every_edit_is_kept_up_to_a_bound() {
    let mut chooser = started(items(&[true]), 0).with_editing(Editing::Allowed);
    for n in 0..100 {
        press(&mut chooser, Key::Char('e'));
        n.to_string().chars().for_each(|c| drop(press(&mut chooser, Key::Char(c))));
        press(&mut chooser, Key::Escape);
    }
    assert_eq!(chooser.edits.len(), MAX_EDITS);
    assert_eq!(chooser.edits.last().map(String::as_str), Some("99"));
}

/// Bytes from a small generator (Numerical Recipes' LCG): the same in every run.
struct Random(u32);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(self.0 >> 8).unwrap() % below
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next(256)).unwrap()
    }

    /// What a broken line sends, or somebody's cat: 8-bit noise, 7-bit noise, or
    /// pieces of what keys send.
    fn bytes(&mut self) -> Vec<u8> {
        const PIECES: [&[u8]; 12] = [
            b"\x1b[", b"\x1b", b"\x1bO", b"1", b"A", b"\x1b[B", b"~", b"e", b"x", b"p", b"L",
            b"\x1b]",
        ];
        let length = self.next(40) + 1;
        match self.next(3) {
            0 => (0..length).map(|_| self.byte()).collect(),
            1 => (0..length).map(|_| self.byte() & 0x7f).collect(),
            _ => (0..length).flat_map(|_| PIECES[self.next(PIECES.len())]).copied().collect(),
        }
    }
}

/// Feeds the same bytes to a menu, and draws it after every read; gives whether
/// they pressed Enter, and what it took.
fn feed(chooser: &mut Chooser, input: &mut keys::Input, bytes: &[u8], now: Duration) -> bool {
    let keys = input.keys(bytes, now);
    let pressed = keys.iter().any(|key| matches!(key, Key::Enter | Key::Right));
    match chooser.keys(&keys, now) {
        Step::Take(_) => assert!(pressed, "{}: taken without Enter", bytes.escape_ascii()),
        Step::Log => drop(chooser.show_log(vec!["a line".to_owned()])),
        Step::Nothing => panic!("there is an entry"),
        _ => {}
    }
    let size = Size { columns: 40, rows: 12 };
    assert!(frame(chooser, size).text().iter().all(|line| line.len() < 40));
    pressed
}

#[test]
fn no_bytes_take_an_entry_but_by_enter_and_none_stop_the_machine_from_booting() {
    let mut random = Random(1);
    for round in 0..10_000 {
        let editing = if round % 2 == 0 { Editing::Allowed } else { Editing::Refused("no") };
        let mut chooser = started(in_submenus(), 3).with_editing(editing);
        let mut input = keys::Input::default();
        let bytes = random.bytes();
        let mut now = at(0);
        for part in bytes.chunks(random.next(8) + 1) {
            feed(&mut chooser, &mut input, part, now);
            now += at(7);
        }
        // Nobody types any more. A minute later the countdown runs, if it does not
        // run still.
        let ends = (0..=70_u64).map(|second| chooser.tick(now + at(1000 * second)));
        assert_eq!(ends.last(), Some(take(3)), "{}", bytes.escape_ascii());
    }
}

#[test]
fn eight_bit_noise_does_not_even_stop_the_countdown() {
    let mut random = Random(7);
    for _ in 0..1000 {
        let mut chooser = started(items(&[true, true]), 0);
        let mut input = keys::Input::default();
        for n in 0..50 {
            let mut noise: Vec<u8> = (0..16).map(|_| random.byte()).collect();
            noise.push(0xff);
            feed(&mut chooser, &mut input, &noise, at(n * 90));
        }
        assert!(matches!(chooser.countdown, Countdown::Running { .. }));
        assert_eq!(chooser.tick(at(5000)), take(0));
    }
}
