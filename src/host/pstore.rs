//! Why a kernel ended, from what it left in persistent storage.
//!
//! The texts are the end of its log, as Linux' pstore keeps it: a line with the kind of
//! dump, then the log's lines, each with a priority and a time. They may be cut anywhere
//! and hold anything (Linux, Documentation/admin-guide/ramoops.rst).

use crate::base::text::shown;

/// Longest reason, in columns.
const MAX_REASON: usize = 200;

/// What says why a kernel ended, what says most first.
const SIGNS: [&str; 7] = [
    "Kernel panic - not syncing",
    "Unable to handle kernel",
    "BUG: ",
    "Oops: ",
    "general protection fault",
    "watchdog: ",
    "Internal error",
];

/// The line that says most, in whichever text; none where no text says anything.
#[must_use]
pub fn reason(texts: &[String]) -> Option<String> {
    let lines = || texts.iter().flat_map(|text| text.lines()).map(without_prefix);
    let found = SIGNS.iter().find_map(|sign| lines().find(|line| line.contains(sign)));
    found.map(|line| shown(line, MAX_REASON))
}

/// A line of the log without `<4>` and `[   12.345678]`.
fn without_prefix(line: &str) -> &str {
    let line =
        line.strip_prefix('<').and_then(|rest| Some(rest.split_once('>')?.1)).unwrap_or(line);
    let line = line.trim_start();
    let line =
        line.strip_prefix('[').and_then(|rest| Some(rest.split_once(']')?.1)).unwrap_or(line);
    line.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Option<String> {
        reason(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_panic_is_told_before_what_led_to_it() {
        let one = "Oops#1 Part1\n<1>[    9.1] BUG: kernel NULL pointer dereference, address: 0\n\
                   <4>[    9.2] Oops: 0002 [#1]\n";
        assert_eq!(of(&[one]).unwrap(), "BUG: kernel NULL pointer dereference, address: 0");
        let two = "Panic#2 Part1\n<0>[   12.345678] Kernel panic - not syncing: Fatal exception\n";
        let panic = "Kernel panic - not syncing: Fatal exception";
        assert_eq!(of(&[one, two]).unwrap(), panic);
        assert_eq!(of(&[two, one]).unwrap(), panic);
    }

    #[test]
    fn a_log_without_a_reason_gives_none() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["Panic#1 Part3\n<6>[    1.0] virtio_blk virtio1: 2/0/0 queues\n"]), None);
        assert_eq!(of(&["<", "[", "<>[]", "\u{0}\u{fffd}"]), None);
    }

    #[test]
    fn no_reason_drives_a_terminal_or_goes_on_for_ever() {
        let text = format!("Kernel panic - not syncing: \u{1b}[2J{}", "x".repeat(9999));
        let reason = of(&[&text]).unwrap();
        assert!(reason.starts_with("Kernel panic - not syncing: \\u{1b}[2Jx"), "{reason}");
        assert_eq!(reason.len(), MAX_REASON);
    }
}
