//! Puts the menu on the console and waits for a choice: joins the pure state
//! machine of [`crate::choose`] with the terminal, the clock, the signals, and
//! whoever holds the entries.

use core::time::Duration;

use super::shelf::Shelf;
use super::{Station, heading};
use crate::choose::keys::{Decoder, SEQUENCE_TIMEOUT};
use crate::choose::screen::{Frame, Size, draw, frame, leave};
use crate::choose::{Chooser, Chosen, Step, Update};
use crate::sys::{AsFd as _, BorrowedFd, clock};

/// Who holds the entries while the menu is on the screen.
pub(super) trait Desk {
    /// What can be read once [`Desk::changed`] has something to tell.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>>;

    /// The entries as they are now; none if nothing has changed. Called whenever
    /// one of the descriptors can be read, and empties it.
    fn changed(&mut self) -> Option<Update>;

    /// Makes an entry the default of the boots to come; gives the sentence that
    /// says so, or why not.
    fn save_default(&mut self, index: usize) -> String;
}

impl Station {
    pub(super) fn menu(&self, shelf: &Shelf<'_>, status: &str, next: Option<usize>) -> Chooser {
        Chooser::new(shelf.items(), next, shelf.menu.timeout)
            .with_heading(&heading(self.config.mode))
            .with_status(status)
    }

    /// What to boot; `None` if there is nothing that could.
    pub(super) fn choose(&self, chooser: Chooser, desk: &mut dyn Desk) -> Option<Chosen> {
        self.console.quiet_kernel();
        let decoder = Decoder::default();
        let mut menu = Screen { station: self, desk, chooser, decoder, shown: None };
        let choice = menu.run();
        menu.close();
        self.console.restore_kernel();
        choice
    }
}

/// A menu that is on the console.
struct Screen<'a> {
    station: &'a Station,
    desk: &'a mut dyn Desk,
    chooser: Chooser,
    decoder: Decoder,
    shown: Option<Frame>,
}

impl Screen<'_> {
    fn run(&mut self) -> Option<Chosen> {
        let mut step = self.open();
        loop {
            step = match step {
                Step::Take(chosen) => return Some(chosen),
                Step::Nothing => return None,
                Step::Save(index) => self.save(index),
                Step::Redraw(until) => {
                    self.redraw();
                    self.wait(until)
                }
                Step::Wait(until) => self.wait(until),
            }
        }
    }

    /// A hidden menu boots without having been drawn. Otherwise the countdown
    /// starts once the menu has left the machine: at 9600 baud that is a
    /// second later.
    fn open(&mut self) -> Step {
        if !self.chooser.is_hidden() {
            self.redraw();
            self.station.console.drain();
        }
        self.chooser.start(clock::elapsed())
    }

    fn save(&mut self, index: usize) -> Step {
        let said = self.desk.save_default(index);
        self.chooser.say(&said);
        Step::Redraw(Some(clock::elapsed()))
    }

    fn redraw(&mut self) {
        let (columns, rows) = self.station.console.size();
        let size = Size { columns: columns.into(), rows: rows.into() };
        let next = frame(&self.chooser, size);
        self.station.console.write(&draw(self.shown.as_ref(), &next));
        self.shown = Some(next);
    }

    /// Sleeps until a key, a signal or the time comes, and lets the menu act
    /// on it.
    fn wait(&mut self, until: Option<Duration>) -> Step {
        let station = self.station;
        let left = until.map(|until| until.saturating_sub(clock::elapsed()));
        // Asked first: on a noisy line there is always something to read.
        if left == Some(Duration::ZERO) {
            return self.chooser.tick(clock::elapsed());
        }
        let patience = if self.decoder.is_pending() { Some(SEQUENCE_TIMEOUT) } else { None };
        let time = left.into_iter().chain(patience).min();
        let mut others = vec![station.signals.as_fd()];
        others.extend(self.desk.descriptors());
        let (typed, others) = station.console.wait(&others, time);
        let signal = others.first() == Some(&true);
        if others.iter().skip(1).any(|ready| *ready)
            && let Some(update) = self.desk.changed()
        {
            return self.chooser.update(update, clock::elapsed());
        }
        if signal && let Some(note) = station.note_signals() {
            self.chooser.say(&note);
            return Step::Redraw(until);
        }
        if !typed {
            self.decoder.give_up();
            return self.chooser.tick(clock::elapsed());
        }
        let keys = self.station.console.read();
        if keys.is_empty() {
            return self.chooser.tick(clock::elapsed());
        }
        self.type_keys(&keys, until)
    }

    fn type_keys(&mut self, keys: &[u8], until: Option<Duration>) -> Step {
        let mut step = Step::Wait(until);
        for byte in keys {
            let Some(key) = self.decoder.push(*byte) else { continue };
            step = match (step, self.chooser.key(key, clock::elapsed())) {
                // A key without a meaning must not swallow the redraw that one
                // before it asked for.
                (Step::Redraw(_), Step::Wait(until)) => Step::Redraw(until),
                (_, end @ (Step::Take(_) | Step::Save(_))) => return end,
                (_, next) => next,
            };
        }
        step
    }

    /// Puts the cursor below the menu, so that what follows can be read beside
    /// it.
    fn close(&self) {
        if let Some(shown) = &self.shown {
            self.station.console.write(&leave(shown));
        }
    }
}
