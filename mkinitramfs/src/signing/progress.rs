//! Shows how far a long read has come: on a terminal, and only if it takes long
//! enough for somebody to wonder.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use turnout::base::text::printable;

/// Nothing is shown of a read that takes less.
const PATIENCE: Duration = Duration::from_millis(400);
/// Time between two updates.
const STEP: Duration = Duration::from_millis(100);

/// One line on standard error that is written over until it is done.
#[derive(Debug)]
pub struct Progress {
    what: String,
    total: u64,
    /// When the line is next due; never, if nobody watches.
    due: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Begins; `what` is read, `total` bytes of it.
    #[must_use]
    pub fn new(what: &str, total: u64) -> Self {
        let due = io::stderr().is_terminal().then(|| Instant::now().checked_add(PATIENCE));
        Self { what: printable(what).into_owned(), total, due: due.flatten(), shown: false }
    }

    /// `done` bytes are read.
    pub fn at(&mut self, done: u64) {
        let now = Instant::now();
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = now.checked_add(STEP);
        self.shown = true;
        write(&line(&self.what, done, self.total));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            write("");
        }
    }
}

/// Erases the line (ECMA-48, EL) and writes another one in its place.
fn write(text: &str) {
    // Nothing depends on it.
    let _ = write!(io::stderr(), "\r\x1b[K{text}");
    let _ = io::stderr().flush();
}

fn line(what: &str, done: u64, total: u64) -> String {
    let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100).min(100);
    format!("reading {what}: {percent} % of {} MiB", total >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_file_share_and_size() {
        assert_eq!(line("/initrd", 100 << 20, 400 << 20), "reading /initrd: 25 % of 400 MiB");
        assert_eq!(line("/empty", 0, 0), "reading /empty: 100 % of 0 MiB");
    }

    #[test]
    fn where_nobody_watches_nothing_is_ever_due() {
        let mut progress = Progress { what: String::new(), total: 1, due: None, shown: false };
        progress.at(1);
        assert!(!progress.shown);
    }
}
