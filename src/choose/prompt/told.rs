//! What the prompt tells in rows: each cut to one line of the terminal, a screen at a
//! time. It must never show text from outside as it came, and never wait itself.

use crate::base::text::{cut, printable};
use crate::choose::Item;
use crate::choose::keys::Key;

/// What is asked after a screen.
pub const MORE: &str = "-- Enter for more, q to stop --";
/// The fewest columns that a row is cut to, whatever a terminal says.
const MIN_COLUMNS: usize = 20;

/// What a key means after [`MORE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The next screen.
    More,
    /// No more of it.
    Stop,
    /// No more of it, and the key begins the next line.
    Typed,
    /// Nothing.
    Nothing,
}

impl From<Key> for Answer {
    fn from(key: Key) -> Self {
        match key {
            Key::Enter | Key::Char(' ') | Key::PageDown | Key::Down => Self::More,
            Key::Char('q' | 'Q') | Key::Control('C') | Key::Escape => Self::Stop,
            Key::Other => Self::Nothing,
            _ => Self::Typed,
        }
    }
}

/// The line as far as a terminal of so many columns shows it in one.
#[must_use]
pub fn fitted(line: &str, columns: usize) -> String {
    cut(&printable(line), room(columns)).into_owned()
}

/// Entries, one row each: the number that "boot" takes, the title, whether it can boot,
/// and why not.
#[must_use]
pub fn rows(items: &[Item], columns: usize) -> Vec<String> {
    let mut rows = Vec::with_capacity(items.len());
    for item in items {
        let number = rows.len().saturating_add(1).to_string();
        let indent = " ".repeat(3_usize.saturating_sub(number.len()));
        let title = fitted(&item.title, room(columns) / 2);
        let why = if item.bootable { "" } else { &item.detail };
        let row = [&indent, &number, "  ", &title, "  ", &item.mark, "  ", why].concat();
        rows.push(fitted(row.trim_end(), columns));
    }
    rows
}

/// A terminal may begin a new line behind its last column.
fn room(columns: usize) -> usize {
    columns.max(MIN_COLUMNS).saturating_sub(1)
}

/// The id of the entry that was listed with this number; else the name as it stands.
#[must_use]
pub fn entry_called<'a>(listed: &'a [String], name: &'a str) -> &'a str {
    let number = name.parse::<usize>().ok();
    let id = number.and_then(|number| listed.get(number.checked_sub(1)?));
    id.map_or(name, String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(title: &str, why: &str) -> Item {
        Item {
            title: title.to_owned(),
            mark: if why.is_empty() { "ready" } else { "refused(UNSIGNED)" }.to_owned(),
            detail: why.to_owned(),
            bootable: why.is_empty(),
            ..Item::default()
        }
    }

    #[test]
    fn an_entry_is_one_line_of_the_terminal_with_its_number_and_its_mark() {
        let items = [
            item("Debian", ""),
            item(&"long ".repeat(30), &"no manifest ".repeat(20)),
            item("ctrl\u{1b}[2J", ""),
        ];
        let found = rows(&items, 80);
        assert_eq!(found[0], "  1  Debian  ready");
        let long =
            "  2  long long long long long long long ...  refused(UNSIGNED)  no manifest ...";
        assert_eq!(found[1], long);
        assert_eq!(found[2], "  3  ctrl\\u{1b}[2J  ready");
        for columns in [0, 20, 40, 80, 132] {
            let most = columns.max(MIN_COLUMNS);
            assert!(rows(&items, columns).iter().all(|row| row.len() < most), "{columns}");
        }
        assert_eq!(fitted(&"x".repeat(100), 40), ["x".repeat(36).as_str(), "..."].concat());
    }

    #[test]
    fn a_number_names_what_was_listed_with_it_and_an_id_itself() {
        let listed = ["debian".to_owned(), "fedora".to_owned()];
        for (name, expected) in
            [("1", "debian"), ("2", "fedora"), ("0", "0"), ("3", "3"), ("fedora", "fedora")]
        {
            assert_eq!(entry_called(&listed, name), expected);
        }
        assert_eq!(entry_called(&[], "1"), "1", "nothing was listed");
    }

    #[test]
    fn enter_goes_on_q_stops_and_what_is_typed_is_not_lost() {
        for (key, answer) in [
            (Key::Enter, Answer::More),
            (Key::Char(' '), Answer::More),
            (Key::Char('q'), Answer::Stop),
            (Key::Control('C'), Answer::Stop),
            (Key::Char('b'), Answer::Typed),
            (Key::Other, Answer::Nothing),
        ] {
            assert_eq!(Answer::from(key), answer, "{key:?}");
        }
    }
}
