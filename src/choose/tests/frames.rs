//! What the menu looks like: every frame here is text as it is on the screen.

use super::*;

const LARGE: Size = Size { columns: 80, rows: 25 };
const SMALL: Size = Size { columns: 40, rows: 12 };

fn row(id: &str, title: &str, mark: &str, detail: &str) -> Item {
    let [id, title, mark, detail] = [id, title, mark, detail].map(str::to_owned);
    Item { bootable: mark == "ready", id, title, mark, detail, ..Item::default() }
}

fn demo() -> Vec<Item> {
    let mut items = vec![
        row("good", "Debian GNU/Linux 12 (bookworm)", "ready", "signed by demo"),
        row("tampered", "Debian GNU/Linux 12, tampered with", "ready", "signed by demo"),
        row(
            "unsigned",
            "unsigned",
            "refused(UNSIGNED)",
            "there is no /turnout/unsigned.manifest, so nothing says what this entry should be",
        ),
    ];
    items[0].options = "root=LABEL=root ro console=ttyS0,115200n8 quiet".to_owned();
    items[0].facts = vec![
        ("source", "vda1 /loader/entries/good.conf".to_owned()),
        ("kernel", "/vmlinuz-6.1.0-50-amd64".to_owned()),
        ("initrd", "/initrd.img-6.1.0-50-amd64".to_owned()),
        ("command line", items[0].options.clone()),
        ("sha256", "0".repeat(64)),
    ];
    items
}

fn shown(items: Vec<Item>, seconds: u32) -> Chooser {
    let mut chooser = Chooser::new(items, Some(0), Timeout::Seconds(seconds))
        .with_heading("turnout 0.1.0 (locked)");
    assert_ne!(chooser.start(Duration::ZERO), Step::Nothing);
    chooser
}

fn text(chooser: &Chooser, size: Size) -> String {
    let lines = frame(chooser, size).text();
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_menu_looks_like_this() {
    let mut chooser = shown(demo(), 5);
    assert_eq!(
        text(&chooser, LARGE),
        "\
turnout 0.1.0 (locked)

> 1 Debian GNU/Linux 12 (bookworm) (good)         [ready]
  2 Debian GNU/Linux 12, tampered with (tampered) [ready]
  3 unsigned                                      [refused(UNSIGNED)]

signed by demo

Booting Debian GNU/Linux 12 (bookworm) in 5 s; press a key to stop
arrows or 1-9 select, p details, L log, h help, Enter boots"
    );
    press(&mut chooser, Key::Char('3'));
    assert_eq!(
        text(&chooser, LARGE),
        "\
turnout 0.1.0 (locked)

  1 Debian GNU/Linux 12 (bookworm) (good)         [ready]
  2 Debian GNU/Linux 12, tampered with (tampered) [ready]
> 3 unsigned                                      [refused(UNSIGNED)]

there is no /turnout/unsigned.manifest, so nothing says what this entry should
be
Countdown stopped; resumes after 1 min
arrows or 1-9 select, p details, L log, h help, Enter boots"
    );
}

#[test]
fn a_small_console_gets_the_same_cut_to_its_width() {
    let mut items = demo();
    items[0].mark = "failed(INITRD_DIGEST)".to_owned();
    items[0].bootable = false;
    let mut chooser = Chooser::new(items, Some(0), Timeout::Seconds(30))
        .with_heading("turnout 0.1.0 (locked)")
        .with_status(
            "refused good: INITRD_DIGEST: /initrd.img-6.1.0-50-amd64 is not the file that was signed",
        );
    chooser.start(Duration::ZERO);
    press(&mut chooser, Key::End);
    assert_eq!(
        text(&chooser, SMALL),
        "\
turnout 0.1.0 (locked)
  1 Debian GNU/Li... [failed(INITRD...]
  2 Debian GNU/Li... [ready]
> 3 unsigned         [refused(UNSIG...]
there is no /turnout/unsigned.manifest,
so nothing says what this entry shou...
refused good: INITRD_DIGEST:
/initrd.img-6.1.0-50-amd64 is not th...
The default good cannot boot: failed...
Countdown stopped; resumes after 1 min
arrows select, h help, Enter boots"
    );
}

#[test]
fn a_submenu_shows_how_many_entries_it_has_and_whether_the_default_is_among_them() {
    let mut chooser = shown(in_submenus(), 5);
    chooser.default = Some(3);
    let rows = frame(&chooser, LARGE).text();
    assert_eq!(rows[3], "  2 Advanced       [3 entries, default]");
    press(&mut chooser, Key::Char('2'));
    press(&mut chooser, Key::Enter);
    let rows = frame(&chooser, LARGE).text();
    assert_eq!(rows[0], "turnout 0.1.0 (locked) > Advanced");
    assert_eq!(rows[4], "> 3 Old            [1 entry, default]");
}

#[test]
fn the_details_tell_all_and_scroll() {
    let mut chooser = shown(demo(), 5);
    chooser.resize(SMALL);
    press(&mut chooser, Key::Char('p'));
    assert_eq!(
        text(&chooser, SMALL),
        "\
Details  1-9 of 12
entry: good
title: Debian GNU/Linux 12 (bookworm)
state: ready
reason: signed by demo
source: vda1 /loader/entries/good.conf
kernel: /vmlinuz-6.1.0-50-amd64
initrd: /initrd.img-6.1.0-50-amd64
command line: root=LABEL=root ro
console=ttyS0,115200n8 quiet
Countdown stopped; resumes after 1 min
arrows scroll, Esc goes back"
    );
    press(&mut chooser, Key::End);
    assert!(text(&chooser, SMALL).starts_with("Details  4-12 of 12\nreason: signed"));
    press(&mut chooser, Key::Escape);
    assert!(text(&chooser, SMALL).contains("> 1 Debian"));
    chooser.resize(LARGE);
    press(&mut chooser, Key::Char('p'));
    assert!(text(&chooser, LARGE).starts_with("Details\nentry: good\n"));
}

#[test]
fn the_help_names_every_key_and_fits_a_small_console() {
    let mut chooser = shown(demo(), 5);
    press(&mut chooser, Key::Help);
    assert_eq!(
        text(&chooser, LARGE).lines().take(14).collect::<Vec<_>>().join("\n"),
        "\
Keys
Up Down j k    select
PgUp PgDn Home End
1-9            select by its number
Enter Right    boot, open a submenu
Esc Left       leave a submenu
p              details of the entry
e              edit its command line
d              make it the default
+ -  t T       change the countdown
L              what happened until now
h ? F1         this help
Space          stop the countdown
"
    );
    chooser.resize(SMALL);
    assert!(text(&chooser, SMALL).starts_with("Keys  1-9 of 12\n"));
    press(&mut chooser, Key::PageDown);
    assert!(text(&chooser, SMALL).starts_with("Keys  4-12 of 12\n"));
}

#[test]
fn the_log_begins_with_its_end() {
    let mut chooser = shown(demo(), 5);
    chooser.resize(SMALL);
    assert_eq!(press(&mut chooser, Key::Char('L')), Step::Log);
    chooser.show_log((1..=20).map(|n| format!("turnout: line {n}\u{1b}[2J")).collect());
    assert_eq!(
        text(&chooser, SMALL).lines().take(3).collect::<Vec<_>>(),
        ["Log  12-20 of 20", "turnout: line 12\\u{1b}[2J", "turnout: line 13\\u{1b}[2J"]
    );
    press(&mut chooser, Key::Home);
    assert!(text(&chooser, SMALL).starts_with("Log  1-9 of 20\nturnout: line 1\\"));
}

#[test]
fn a_command_line_that_was_edited_is_marked_as_unsigned() {
    let mut chooser = shown(demo(), 5).with_editing(Editing::Allowed);
    press(&mut chooser, Key::Char('e'));
    assert_eq!(
        text(&chooser, LARGE),
        "\
Command line of good
[not edited yet]

 root=LABEL=root ro console=ttyS0,115200n8 quiet

47 bytes. It boots so this once; nothing is written.
Home End Del, Ctrl-A E K U W; Up Down: earlier edits
Countdown stopped; resumes after 1 min
Esc goes back, Enter boots"
    );
    press(&mut chooser, Key::Char('!'));
    assert_eq!(
        text(&chooser, SMALL),
        "\
Command line of good
[UNSIGNED, edited]

< console=ttyS0,115200n8 quiet!

48 bytes. It boots so this once; not...
Home End Del, Ctrl-A E K U W; Up Down:
earlier edits
Countdown stopped; resumes after 1 min
Esc goes back, Enter boots"
    );
}

#[test]
fn a_menu_in_which_nothing_can_boot_says_so() {
    let chooser = Chooser::new(demo().split_off(2), None, Timeout::Seconds(5));
    assert!(text(&chooser, LARGE).contains("\nNo entry can boot.\n"));
    let empty = Chooser::new(vec![], None, Timeout::Hidden);
    assert!(text(&empty, SMALL).starts_with("Turnout\nNo entry can boot.\n"));
}

#[test]
fn a_menu_without_countdown_says_that_it_waits() {
    let chooser = Chooser::new(demo(), None, Timeout::Forever);
    assert!(text(&chooser, LARGE).contains("\nWaiting for a choice\n"));
}

#[test]
fn ids_give_way_to_titles_where_there_is_no_room_for_both() {
    let long = "6a9857a393724b7a981ebb5b8495b9ea-6.1.0-50-amd64".to_owned();
    let mut items = demo();
    items[0].id.clone_from(&long);
    let lines = frame(&shown(items.clone(), 5), LARGE).text();
    assert_eq!(lines[2], "> 1 Debian GNU/Linux 12 (bookworm)     [ready]");
    assert_eq!(lines[3], "  2 Debian GNU/Linux 12, tampered with [ready]");
    items[1].title = items[0].title.clone();
    items[0].version = "6.1.0-50".to_owned();
    items[1].version = "6.1.0-49".to_owned();
    let lines = frame(&shown(items, 5), LARGE).text();
    assert_eq!(lines[2], "> 1 Debian GNU/Linux 12 (bookworm) (6.1.0-50) [ready]");
    assert_eq!(lines[3], "  2 Debian GNU/Linux 12 (bookworm) (6.1.0-49) [ready]");
}

#[test]
fn three_hundred_entries_are_shown_page_by_page() {
    let items = (1..=301).map(|n| row(&format!("e{n}"), "Same title", "ready", "")).collect();
    let mut chooser = shown(items, 5);
    let cases = [
        (Key::Home, "turnout 0.1.0 (locked)  1-20 of 301", ">   1 Same title (e1)   [ready]"),
        (Key::PageDown, "turnout 0.1.0 (locked)  1-20 of 301", "    1 Same title (e1)   [ready]"),
        (Key::PageDown, "turnout 0.1.0 (locked)  21-40 of 301", ">  21 Same title (e21)  [ready]"),
        (Key::End, "turnout 0.1.0 (locked)  301-301 of 301", "> 301 Same title (e301) [ready]"),
    ];
    for (key, heading, first) in cases {
        press(&mut chooser, key);
        let lines = frame(&chooser, LARGE).text();
        assert_eq!((lines[0].as_str(), lines[2].as_str()), (heading, first));
        assert_eq!(lines.len(), 25, "no line below the list moves");
    }
}

#[test]
fn no_frame_is_larger_than_its_console() {
    let long = "very long ".repeat(40);
    for count in [0, 1, 9, 300] {
        let items = (0..count).map(|n| row(&format!("{n}{long}"), &long, &long, &long)).collect();
        let mut chooser = Chooser::new(items, Some(0), Timeout::Seconds(9))
            .with_status(&long)
            .with_editing(Editing::Allowed);
        for key in [Key::End, Key::Char('p'), Key::Escape, Key::Char('e')] {
            press(&mut chooser, key);
            for (columns, rows) in [(80, 25), (40, 12), (132, 50), (20, 9), (4, 3), (1, 1), (0, 0)]
            {
                let size = Size { columns, rows };
                chooser.resize(size);
                let lines = frame(&chooser, size).text();
                assert!(lines.len() <= rows.max(1), "{} lines on {columns}x{rows}", lines.len());
                let widest = lines.iter().map(|line| crate::base::text::columns(line)).max();
                assert!(columns < 20 || widest < Some(columns), "{widest:?} on {columns}x{rows}");
                let selected = lines.iter().filter(|line| line.starts_with('>')).count();
                let expected = usize::from(count > 0);
                assert!(
                    rows < 9 || key != Key::End || selected == expected,
                    "the selection is on the screen"
                );
            }
        }
    }
}

#[test]
fn outside_text_cannot_drive_the_terminal() {
    let evil = "\u{1b}[2J\r\n\u{9b}1m\u{202e}";
    let mut item = row(evil, evil, evil, evil);
    (item.options, item.place) = (evil.to_owned(), evil.to_owned());
    item.facts = vec![("source", evil.to_owned())];
    let mut chooser = Chooser::new(vec![item], Some(0), Timeout::Seconds(5))
        .with_status(evil)
        .with_heading(evil)
        .with_editing(Editing::Allowed);
    for key in ['1', 'p', 'p', 'e'] {
        press(&mut chooser, Key::Char(key));
        for line in frame(&chooser, Size { columns: 400, rows: 25 }).text() {
            assert!(printable(&line) == line, "{line:?}");
        }
    }
}

#[test]
fn everything_that_is_not_from_outside_is_ascii() {
    let mut chooser = shown(demo(), 5).with_editing(Editing::Allowed);
    for key in ['1', 'p', 'p', 'h', 'h', 'd', 'e'] {
        press(&mut chooser, Key::Char(key));
        assert!(frame(&chooser, LARGE).text().iter().all(|line| line.is_ascii()), "{key}");
    }
}

#[test]
fn the_seconds_are_seen_however_long_the_name_is() {
    let long = "x".repeat(100);
    let cases = [
        (80, long.as_str(), format!("Booting {}... in 30 s; press a key to stop", "x".repeat(39))),
        (40, &long, format!("Booting {}... in 30 s", "x".repeat(20))),
        (80, "Größe", "Booting id in 30 s; press a key to stop".to_owned()),
    ];
    for (columns, title, expected) in cases {
        let chooser = shown(vec![row("id", title, "ready", "")], 30);
        let lines = frame(&chooser, Size { columns, rows: 12 }).text();
        assert_eq!(lines[2], expected);
    }
}

#[test]
fn a_tick_and_a_first_screen_are_short_enough_for_a_slow_line() {
    let mut chooser = shown(demo(), 100);
    let before = frame(&chooser, LARGE);
    chooser.tick(Duration::from_secs(1));
    let after = frame(&chooser, LARGE);
    let bytes = draw(Some(&before), &after, true);
    assert_eq!(bytes, b"\x1b[9;43H99 s; press a key to stop\x1b[K");
    assert_eq!(draw(Some(&after), &after, true), b"", "nothing changed, nothing sent");
    chooser.tick(Duration::from_secs(2));
    let next = draw(Some(&after), &frame(&chooser, LARGE), true);
    assert_eq!(next, b"\x1b[9;44H8", "nine bytes: 10 ms at 9600 baud");
    let ids = (40..48).map(|number| format!("debian-6.1.0-{number}"));
    let title = "Debian GNU/Linux 12 (bookworm)";
    let usual = ids.map(|id| row(&id, title, "ready", "signed by release and backup"));
    let first = frame(&shown(usual.collect(), 5), LARGE);
    let bytes = draw(None, &first, true).len();
    assert!(bytes < 1024, "{bytes} bytes for eight entries");
}

/// What a terminal shows after these bytes: a VT100 with the few sequences that
/// are used here, and not more.
struct Vt100 {
    lines: Vec<Vec<char>>,
    size: Size,
    cursor: bool,
    row: usize,
    column: usize,
}

impl Vt100 {
    fn new(size: Size) -> Self {
        Self { lines: vec![vec![]; size.rows], size, cursor: true, row: 0, column: 0 }
    }

    fn show(&mut self, bytes: &[u8]) {
        let text = core::str::from_utf8(bytes).unwrap();
        let mut rest = text.chars().peekable();
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
                    self.control(end, &parameters);
                }
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                c => self.print(c),
            }
        }
    }

    fn control(&mut self, end: char, parameters: &str) {
        match (end, parameters) {
            ('J', "2") => self.lines.iter_mut().for_each(Vec::clear),
            ('H', "") => (self.row, self.column) = (0, 0),
            ('H', place) => {
                let (row, column) = place.split_once(';').unwrap();
                self.row = row.parse::<usize>().unwrap() - 1;
                self.column = column.parse::<usize>().unwrap() - 1;
            }
            ('K', "") => self.lines[self.row].truncate(self.column),
            ('m', "0" | "1" | "7" | "31") => {}
            ('l' | 'h', "?25") => self.cursor = end == 'h',
            other => panic!("{other:?}"),
        }
    }

    fn print(&mut self, c: char) {
        let Self { size, row, column, .. } = *self;
        assert!(column + 1 < size.columns && !c.is_control(), "{c:?} at {row},{column}");
        let line = &mut self.lines[row];
        line.resize(line.len().max(column + 1), ' ');
        line[column] = c;
        self.column += 1;
    }

    fn text(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.iter().collect()).collect()
    }
}

#[test]
fn only_what_changed_is_sent_and_the_screen_is_right_at_every_size_with_and_without_colour() {
    let mut random = Random(3);
    let keys = [
        "jkpeL+d 123x".chars().map(Key::Char).collect(),
        vec![
            Key::Up,
            Key::Down,
            Key::End,
            Key::Home,
            Key::Escape,
            Key::Left,
            Key::Right,
            Key::Help,
        ],
    ]
    .concat();
    for (size, colour) in [(LARGE, true), (LARGE, false), (SMALL, true), (SMALL, false)] {
        let mut chooser = shown(demo(), 12).with_editing(Editing::Allowed);
        chooser.resize(size);
        let mut screen = Vt100::new(size);
        let mut previous: Option<Frame> = None;
        for step in 0..500_u64 {
            let key = keys[random.next(keys.len())];
            if chooser.keys(&[key], at(step * 1000)) == Step::Log {
                chooser.show_log(vec!["turnout: a line".to_owned(); 30]);
            }
            let next = frame(&chooser, size);
            screen.show(&draw(previous.as_ref(), &next, colour));
            let mut expected = next.text();
            expected.resize(size.rows, String::new());
            assert_eq!(screen.text(), expected, "after step {step}, {key:?}");
            assert_eq!(screen.cursor, matches!(chooser.pane, Pane::Edit(_)));
            previous = Some(next);
        }
    }
}
