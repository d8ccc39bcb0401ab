//! What stands in the list: the entries of one level, and the submenus below it.
//!
//! A level is named by the titles that lead to it. A submenu stands where its
//! first entry would; the selected row is told by an entry in it, so that it
//! stays selected whatever is added.

use super::Item;
use crate::base::sort;

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// The item with this index.
    Entry(usize),
    /// A submenu.
    Submenu {
        title: String,
        /// The items in it, at whatever depth.
        items: Vec<usize>,
    },
}

impl Row {
    pub(super) fn holds(&self, index: usize) -> bool {
        match self {
            Self::Entry(own) => *own == index,
            Self::Submenu { items, .. } => items.contains(&index),
        }
    }

    /// An item that stands for the row.
    pub(super) fn first(&self) -> usize {
        match self {
            Self::Entry(index) => *index,
            Self::Submenu { items, .. } => items.first().copied().unwrap_or(0),
        }
    }
}

/// The rows of a level, in the order of the items.
pub(super) fn rows(items: &[Item], level: &[String]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    // Where the row of each submenu is, sorted by title.
    let mut known: Vec<(&str, usize)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(below) = item.submenu.strip_prefix(level) else { continue };
        match below.first() {
            None => rows.push(Row::Entry(index)),
            Some(title) => {
                let at = place_of(&mut known, title, rows.len());
                add(&mut rows, at, title, index);
            }
        }
    }
    rows
}

/// Where the row of a submenu is, or, if it has none yet, the next place.
fn place_of<'a>(known: &mut Vec<(&'a str, usize)>, title: &'a str, next: usize) -> usize {
    match known.binary_search_by(|(known, _)| (*known).cmp(title)) {
        Ok(place) => known.get(place).map_or(next, |(_, at)| *at),
        Err(place) => {
            known.insert(place, (title, next));
            next
        }
    }
}

/// Adds an item to the submenu whose row is, or is to be, at `at`.
fn add(rows: &mut Vec<Row>, at: usize, title: &str, index: usize) {
    match rows.get_mut(at) {
        Some(Row::Submenu { items, .. }) => items.push(index),
        _ => rows.push(Row::Submenu { title: title.to_owned(), items: vec![index] }),
    }
}

/// What to call an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Its title; behind it the version, then the device, where another item has
    /// the same title.
    pub(super) text: String,
    /// Whether only the id tells it from another one.
    pub(super) is_ambiguous: bool,
}

/// The names of all items, as systemd-boot makes titles differ.
pub(super) fn names(items: &[Item]) -> Vec<Name> {
    let mut names: Vec<String> = items.iter().map(|item| item.name().to_owned()).collect();
    for suffix in [version as fn(&Item) -> &str, device] {
        let suffixes: Vec<&str> = items.iter().map(suffix).collect();
        for index in told_apart(&names, &suffixes) {
            if let (Some(name), Some(suffix)) = (names.get_mut(index), suffixes.get(index)) {
                name.push_str(&format!(" ({suffix})"));
            }
        }
    }
    let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    let ambiguous = told_apart(&names, &ids);
    names
        .into_iter()
        .enumerate()
        .map(|(index, text)| Name { text, is_ambiguous: ambiguous.binary_search(&index).is_ok() })
        .collect()
}

fn version(item: &Item) -> &str {
    &item.version
}

fn device(item: &Item) -> &str {
    item.place.split(' ').next().unwrap_or_default()
}

/// The items with a suffix, and with a name that another item has too whose
/// suffix is not the same. In order.
fn told_apart(names: &[String], suffixes: &[&str]) -> Vec<usize> {
    let mut keys: Vec<(&str, &str, usize)> =
        names.iter().zip(suffixes).zip(0..).map(|((n, s), i)| (n.as_str(), *s, i)).collect();
    sort::sort(&mut keys);
    let groups = keys.chunk_by(|a, b| a.0 == b.0);
    let told = groups.filter(|group| differ(group)).flatten().filter(|one| !one.1.is_empty());
    let mut told: Vec<usize> = told.map(|one| one.2).collect();
    sort::sort(&mut told);
    told
}

/// Whether the suffixes of a sorted group are not all the same.
fn differ(group: &[(&str, &str, usize)]) -> bool {
    group.first().map(|one| one.1) != group.last().map(|one| one.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, title: &str, version: &str, place: &str) -> Item {
        let [id, title, version, place] = [id, title, version, place].map(str::to_owned);
        Item { id, title, version, place, ..Item::default() }
    }

    fn within(id: &str, submenu: &[&str]) -> Item {
        let submenu = submenu.iter().map(|title| (*title).to_owned()).collect();
        Item { submenu, ..item(id, id, "", "") }
    }

    fn submenu(title: &str, items: &[usize]) -> Row {
        Row::Submenu { title: title.to_owned(), items: items.to_vec() }
    }

    #[test]
    fn a_submenu_stands_where_its_first_entry_would() {
        let items = [
            within("a", &[]),
            within("b", &["more"]),
            within("c", &[]),
            within("d", &["more", "deep"]),
            within("e", &["other"]),
        ];
        assert_eq!(
            rows(&items, &[]),
            [Row::Entry(0), submenu("more", &[1, 3]), Row::Entry(2), submenu("other", &[4])]
        );
        assert_eq!(
            rows(&items, &["more"].map(str::to_owned)),
            [Row::Entry(1), submenu("deep", &[3])]
        );
        assert_eq!(rows(&items, &["more", "deep"].map(str::to_owned)), [Row::Entry(3)]);
        assert_eq!(rows(&items, &["none"].map(str::to_owned)), []);
    }

    #[test]
    fn titles_that_are_the_same_get_version_then_device_then_id() {
        let items = [
            item("a", "Debian", "6.1", "vda1 /a.conf"),
            item("b", "Debian", "6.2", "vda1 /b.conf"),
            item("c", "Fedora", "6.1", "vda1 /c.conf"),
            item("d", "Debian", "6.2", "vdb1 /b.conf"),
            item("e", "Debian", "6.2", "vdb1 /e.conf"),
            item("f", "", "6.1", "vdb1 /f.conf"),
        ];
        let names = names(&items);
        let expected = [
            ("Debian (6.1)", false),
            ("Debian (6.2) (vda1)", false),
            ("Fedora", false),
            ("Debian (6.2) (vdb1)", true),
            ("Debian (6.2) (vdb1)", true),
            ("f", false),
        ];
        let found: Vec<_> = names.iter().map(|n| (n.text.as_str(), n.is_ambiguous)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_all_have_in_common_is_not_said() {
        let items = [item("a", "Debian", "6.1", "vda1 x"), item("b", "Debian", "6.1", "vda1 y")];
        let names = names(&items);
        assert!(names.iter().all(|name| name.text == "Debian" && name.is_ambiguous));
    }
}
