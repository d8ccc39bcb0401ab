//! Puts the menu on the console and waits for a choice: joins the pure state
//! machine of [`crate::choose`] with the terminal, the clock, the signals, and
//! whoever holds the entries.

use core::time::Duration;
use std::rc::Rc;

use super::session::Session;
use super::voice::note_signals;
use crate::choose::frame::{Frame, Size, draw, leave};
use crate::choose::keys::{Input, Key, SEQUENCE_TIMEOUT};
use crate::choose::screen::frame;
use crate::choose::{Chooser, Chosen, Step, Update};
use crate::sys::terminal::Terminal;
use crate::sys::{AsFd as _, BorrowedFd, clock, vigil};

/// How soon a console that was busy is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// How often the consoles are asked for their sizes.
const LOOK: Duration = vigil::TURN;
/// From this time on it is worth a line how long the menu took to be drawn.
const SLOW: Duration = Duration::from_millis(500);

/// Who holds the entries while the menu is on the screen.
pub(super) trait Feed {
    /// What can be read once [`Feed::changed`] has something to tell.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>>;

    /// The entries as they are now; none if nothing has changed. Called whenever
    /// one of the descriptors can be read, and empties it.
    fn changed(&mut self) -> Option<Update>;

    /// Makes an entry the default of the boots to come; gives the sentence that
    /// says so, or why not.
    fn save_default(&mut self, index: usize) -> String;
}

/// What a menu on the consoles came to.
pub(super) struct Outcome {
    /// What to boot; `None` if there is nothing that could.
    pub(super) chosen: Option<Chosen>,
    /// Command lines as somebody edited them, for the next menu.
    pub(super) edits: Vec<String>,
}

/// Shows the menu on every console until somebody, or the time, has chosen.
pub(super) fn show(session: &Session, chooser: Chooser, feed: &mut dyn Feed) -> Outcome {
    session.console.begin_screen();
    let views = session.console.each().into_iter().map(View::new).collect();
    let mut screen = Screen { session, feed, chooser, views };
    let chosen = screen.run();
    screen.close();
    let edits = screen.chooser.into_edits();
    session.console.end_screen();
    Outcome { chosen, edits }
}

/// A menu that is on the consoles.
struct Screen<'a> {
    session: &'a Session,
    feed: &'a mut dyn Feed,
    chooser: Chooser,
    views: Vec<View>,
}

/// What one console shows and sends.
struct View {
    terminal: Rc<Terminal>,
    input: Input,
    /// When a sequence that has begun is given up.
    patience: Option<Duration>,
    size: Size,
    shown: Option<Frame>,
    /// Whether the menu has changed since it was drawn here.
    stale: bool,
}

impl View {
    fn new(terminal: Rc<Terminal>) -> Self {
        let size = size(&terminal);
        Self { terminal, input: Input::default(), patience: None, size, shown: None, stale: false }
    }

    /// Draws, unless the console still has enough to do with what it was sent.
    fn draw(&mut self, chooser: &Chooser, colour: bool) {
        if self.terminal.is_busy() {
            self.stale = true;
            return;
        }
        let next = frame(chooser, self.size);
        self.terminal.send(&draw(self.shown.as_ref(), &next, colour));
        self.shown = Some(next);
        self.stale = false;
    }

    fn read(&mut self, now: Duration) -> Vec<Key> {
        let bytes = self.terminal.read();
        if bytes.is_empty() {
            return self.give_up(now).into_iter().collect();
        }
        let keys = self.input.keys(&bytes, now);
        if self.input.is_noisy() {
            self.terminal.ignore();
        }
        let is_pending = self.input.is_pending();
        self.patience = is_pending.then(|| now.saturating_add(SEQUENCE_TIMEOUT));
        keys
    }

    /// An Escape alone, once it is certain that nothing follows.
    fn give_up(&mut self, now: Duration) -> Option<Key> {
        let is_over = self.patience.is_some_and(|end| end <= now);
        if !is_over {
            return None;
        }
        self.patience = None;
        self.input.give_up()
    }
}

fn size(terminal: &Terminal) -> Size {
    let (columns, rows) = terminal.size();
    Size { columns: columns.into(), rows: rows.into() }
}

impl Screen<'_> {
    fn run(&mut self) -> Option<Chosen> {
        let mut step = self.open();
        loop {
            step = match step {
                Step::Take(chosen) => return Some(chosen),
                Step::Nothing => return None,
                Step::Save(index) => {
                    let said = self.feed.save_default(index);
                    self.chooser.say(&said)
                }
                Step::Log => self.chooser.show_log(self.session.console.log()),
                Step::Redraw(until) => {
                    self.redraw();
                    self.wait(until)
                }
                Step::Repaint(until) => {
                    self.views.iter_mut().for_each(|view| view.shown = None);
                    self.redraw();
                    self.wait(until)
                }
                Step::Wait(until) => self.wait(until),
            }
        }
    }

    /// A hidden menu boots without having been drawn. Otherwise the countdown
    /// starts once the menu has left the machine, on every console that takes it:
    /// at 9600 baud that is a second later.
    fn open(&mut self) -> Step {
        self.look();
        if !self.chooser.is_hidden() {
            // What was said before: a console that is busy is not drawn on.
            self.session.console.drain();
            let start = clock::elapsed();
            self.redraw();
            self.session.console.drain();
            let time = clock::elapsed().saturating_sub(start);
            if time >= SLOW {
                self.session
                    .voice()
                    .say(&format!("the menu took {} ms to be drawn", time.as_millis()));
            }
        }
        self.chooser.start(clock::elapsed())
    }

    fn redraw(&mut self) {
        let colour = self.session.config.colour;
        self.views.iter_mut().for_each(|view| view.draw(&self.chooser, colour));
    }

    /// Follows a console whose size has changed, and one that was busy.
    fn look(&mut self) {
        for view in &mut self.views {
            let size = size(&view.terminal);
            if size != view.size {
                view.size = size;
                view.shown = None;
                view.stale = true;
            }
        }
        let sizes = self.views.iter().map(|view| view.size);
        self.chooser.resize(sizes.reduce(Size::common).unwrap_or_default());
        let colour = self.session.config.colour;
        let stale = self.views.iter_mut().filter(|view| view.stale);
        stale.for_each(|view| view.draw(&self.chooser, colour));
    }

    /// Sleeps until a key, a signal, the feed or the time comes, and lets the menu
    /// act on it.
    fn wait(&mut self, until: Option<Duration>) -> Step {
        let session = self.session;
        let left = until.map(|until| until.saturating_sub(clock::elapsed()));
        // Asked first: on a noisy line there is always something to read.
        if left == Some(Duration::ZERO) {
            return self.chooser.tick(clock::elapsed());
        }
        let mut others = vec![session.signals.as_fd()];
        others.extend(self.feed.descriptors());
        let patience = self.patience(left);
        let (_, others) = vigil::attend(|| session.console.wait(&others, Some(patience)));
        self.look();
        if others.iter().skip(1).any(|ready| *ready)
            && let Some(update) = self.feed.changed()
        {
            update.say.iter().for_each(|text| session.voice().say(text));
            return self.chooser.update(update, clock::elapsed());
        }
        if others.first() == Some(&true)
            && let Some(note) = note_signals(&session.signals)
        {
            return self.chooser.say(&note);
        }
        self.take_keys(until)
    }

    /// How long to sleep at most.
    fn patience(&self, left: Option<Duration>) -> Duration {
        let now = clock::elapsed();
        let ends = self.views.iter().filter_map(|view| view.patience);
        let ends = ends.map(|end| end.saturating_sub(now));
        let retry = self.views.iter().any(|view| view.stale).then_some(RETRY);
        left.into_iter().chain(ends).chain(retry).fold(LOOK, Duration::min)
    }

    /// What was pressed on any of the consoles.
    fn take_keys(&mut self, until: Option<Duration>) -> Step {
        let now = clock::elapsed();
        let mut step = Step::Wait(until);
        for view in &mut self.views {
            let keys = view.read(now);
            if !keys.is_empty() {
                vigil::somebody_is_there();
                step = step.then(self.chooser.keys(&keys, now));
            }
        }
        step
    }

    /// Puts the cursor below the menu, so that what follows can be read beside
    /// it.
    fn close(&self) {
        for view in &self.views {
            if let Some(shown) = &view.shown {
                view.terminal.send(&leave(shown));
            }
        }
    }
}
