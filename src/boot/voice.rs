//! What PID 1 says to people: a line, or several, on every console, or kept for
//! whoever has the screen.
//!
//! Names in a text may come from a disk: none of them drives the terminal.

use core::cell::RefCell;

use crate::base::text::printable;
use crate::sys::console::Console;
use crate::sys::patience::{self, End};
use crate::sys::signal::Signals;
use crate::sys::vigil;
use crate::trust::verify::Mode;

/// Says lines, as long as nobody holds them.
pub(super) struct Voice<'c> {
    console: &'c Console,
    /// What waits for the end of [`Voice::hold`].
    held: Option<RefCell<Vec<String>>>,
}

impl<'c> Voice<'c> {
    pub(super) const fn on(console: &'c Console) -> Self {
        Self { console, held: None }
    }

    /// Says one line, or several with CR LF between them.
    pub(super) fn say(&self, text: &str) {
        vigil::work();
        if let Some(held) = &self.held {
            held.borrow_mut().push(text.to_owned());
            return;
        }
        let lines: Vec<_> = text.split("\r\n").map(printable).collect();
        self.console.line(&format!("turnout: {}", lines.join("\r\n")));
    }

    /// Says each of them.
    pub(super) fn say_all(&self, lines: &[String]) {
        lines.iter().for_each(|line| self.say(line));
    }

    /// Does what may take its time, and says so if it does: `what` is for a sentence
    /// that begins with "waiting for". Whoever has the screen is not disturbed.
    pub(super) fn during<T>(&self, what: &str, end: End, work: impl FnOnce() -> T) -> T {
        let _waiting = self.held.is_none().then(|| patience::wait_for(what, end));
        work()
    }

    /// From now on nothing is said, and everything is kept.
    pub(super) fn hold(&mut self) {
        self.held = Some(RefCell::default());
    }

    /// Speaks again; gives what was kept.
    pub(super) fn release(&mut self) -> Vec<String> {
        self.held.take().map(RefCell::into_inner).unwrap_or_default()
    }
}

/// Name, version and mode: the first thing to be seen, at the start and in the
/// menu.
pub(super) fn heading(mode: Mode) -> String {
    format!("turnout {} ({})", env!("CARGO_PKG_VERSION"), mode.name())
}

/// Takes what signals came; none of them has an effect, and that is to be said.
pub(super) fn note_signals(signals: &Signals) -> Option<String> {
    let name = signals.take()?;
    Some(format!("{name} has no effect here: choose an entry"))
}
