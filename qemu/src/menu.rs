//! Uses Turnout's menu over the serial line as a person would: waits until it
//! is drawn, selects an entry by its number or by going down to it, presses Enter.

use crate::serial::{Console, Event};
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

/// The end of the menu's last line: when it is there, all of the menu is.
pub const DRAWN: &str = "Enter boots";

/// How often the menu is looked at.
const AGAIN: Duration = Duration::from_secs(2);

/// Nobody reads for longer without anything to show.
const QUIET: Duration = Duration::from_secs(8);

/// Chooses the entry with this id, once the menu is drawn.
pub fn choose(console: &mut Console, id: &str, limit: Duration) -> Result<()> {
    wait_until_drawn(console, limit)?;
    choose_shown(console, id)
}

/// Chooses the entry with this id from a menu that is drawn.
///
/// # Errors
///
/// If it has none.
pub fn choose_shown(console: &mut Console, id: &str) -> Result<()> {
    let number =
        number_of(console.text(), id).with_context(|| format!("the menu has no entry \"{id}\""))?;
    console.send(&keys_to(number))?;
    std::thread::sleep(Duration::from_millis(300));
    console.send(b"\r")
}

/// Waits until the menu has all these entries, whose disks come one after the other.
///
/// # Errors
///
/// If one is not there in time.
pub fn wait_until_all(console: &mut Console, ids: &[&str], limit: Duration) -> Result<()> {
    wait_until_drawn(console, limit)?;
    let deadline = Instant::now() + limit;
    loop {
        let Some(missing) = ids.iter().find(|id| number_of(console.text(), id).is_none()) else {
            return Ok(());
        };
        if Instant::now() > deadline {
            bail!("the menu has no entry \"{missing}\"");
        }
        console.wait_for(&[DRAWN], AGAIN)?;
    }
}

/// Waits until so many entries have got a mark, and nothing is drawn any more.
///
/// # Errors
///
/// If that is not so in time.
pub fn wait_until_marked(
    console: &mut Console,
    mark: &str,
    count: usize,
    limit: Duration,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        let before = console.text().len();
        if console.wait_for(&[], QUIET)? == Event::Ended {
            bail!("the machine ended with its menu on the screen");
        }
        let text = console.text();
        let marked = text.matches(&format!("{mark}]")).count();
        if marked >= count && text.len() == before {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{marked} of {count} entries are {mark}");
        }
    }
}

/// Waits until the menu is on the screen.
pub fn wait_until_drawn(console: &mut Console, limit: Duration) -> Result<()> {
    match console.wait_for(&[DRAWN, "turnout: no boot partition"], limit)? {
        Event::Seen { index: 0, .. } => Ok(()),
        Event::Seen { line, .. } => bail!("{line}"),
        Event::Ended => bail!("the machine ended before it showed a menu"),
        Event::TimedOut => bail!("no menu within {} s", limit.as_secs()),
    }
}

/// What selects a row: its digit, or the way down from the first one.
fn keys_to(number: usize) -> Vec<u8> {
    if number <= 9 {
        return number.to_string().into_bytes();
    }
    let mut keys = b"\x1b[H".to_vec();
    keys.resize(keys.len() + number - 1, b'j');
    keys
}

/// The number before the entry: `  2 Title (id) [mark]`, or `2 id [mark]`.
fn number_of(text: &str, id: &str) -> Option<usize> {
    let row = text.split(['\n', ']']).rev().filter_map(row);
    let mut found = row.filter(|(_, name)| *name == id || name.ends_with(&format!("({id})")));
    found.next().map(|(number, _)| number)
}

/// Rows that come later are drawn where they belong, without a new line.
fn row(line: &str) -> Option<(usize, &str)> {
    let line = line.rsplit(DRAWN).next().unwrap_or_default();
    let line = line.trim_start_matches(['>', ' ']);
    let (number, rest) = line.split_once(' ')?;
    let (name, _) = rest.rsplit_once('[')?;
    Some((number.parse().ok()?, name.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_id_whatever_its_title() {
        let text = "Turnout (locked)\n\n> 1 Debian 12 (good)     [ready]\n  2 Debian (tampered) \
                    [ready]\n  3 unsigned    [refused(UNSIGNED)]\n\narrows or 1-9";
        assert_eq!(number_of(text, "good"), Some(1));
        assert_eq!(number_of(text, "tampered"), Some(2));
        assert_eq!(number_of(text, "unsigned"), Some(3));
        assert_eq!(number_of(text, "Debian"), None);
    }

    #[test]
    fn entries_that_come_later_are_found_where_they_are_drawn() {
        let text = "> 1 Good (good) [ready]\n\nh help, Enter boots  2 mmio    [ready]  3 sd  \
                    [failed(identify)]signed by trusted  10 Uas (uas) [ready]failed(identify)]";
        assert_eq!(number_of(text, "mmio"), Some(2));
        assert_eq!(number_of(text, "sd"), Some(3));
        assert_eq!(number_of(text, "good"), Some(1));
    }

    #[test]
    fn a_row_without_a_digit_is_reached_from_the_first_one() {
        assert_eq!(keys_to(9), b"9");
        assert_eq!(keys_to(12), b"\x1b[Hjjjjjjjjjjj");
    }
}
