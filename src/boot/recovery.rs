//! The prompt of an open image that has booted nothing. It offers no shell and runs
//! nothing: there is nothing else in the image. Its words are those of
//! [`crate::choose::prompt`]; what they do is done by [`super::by_hand`].

use core::time::Duration;
use std::rc::Rc;

use super::by_hand::{Hand, Reply};
use super::rest::Rest;
use super::session::{Memory, Session};
use crate::base::text::printable;
use crate::choose::keys::{Input, Key, SEQUENCE_TIMEOUT};
use crate::choose::prompt::complete::{Completed, complete, in_lines, stem};
use crate::choose::prompt::line::{Line, Typed, keep};
use crate::choose::prompt::parse;
use crate::choose::prompt::told::{Answer, MORE};
use crate::sys::terminal::Terminal;
use crate::sys::{AsFd as _, clock, vigil};

/// What is said before the first question.
const NEXT: &str = "\"retry\" looks again, \"list\" and \"boot\" take an entry, \"from\", \"linux\" and \"go\" boot without \
     one; \"help\" tells all words";

/// How long after the last key somebody is still taken to be there, in a pause that would
/// be over.
const STAYS: Duration = Duration::from_secs(600);

/// Asks until somebody wants what is not done here. Where nobody can type, or nobody does
/// until the pause is over, the machine is to be reset.
pub(super) fn ask(session: &Session, memory: &mut Memory, rest: Option<Rest>) -> Reply {
    let hand = match Hand::new(session, memory) {
        Ok(hand) => hand,
        Err(failure) => {
            session.report(&failure);
            return Reply::Silence;
        }
    };
    session.console.line(NEXT);
    rest.iter().for_each(|rest| session.voice().say(&rest.told()));
    Prompt::new(session, hand, rest.map(|rest| rest.until)).run()
}

/// The prompt on all consoles.
struct Prompt<'s> {
    session: &'s Session,
    hand: Hand<'s>,
    inputs: Vec<(Rc<Terminal>, Input)>,
    /// What was pressed and has had no effect yet: several lines may come at once.
    waiting: Vec<Key>,
    history: Vec<String>,
    /// Until when somebody is waited for, where that has an end.
    until: Option<Duration>,
}

impl<'s> Prompt<'s> {
    fn new(session: &'s Session, hand: Hand<'s>, until: Option<Duration>) -> Self {
        let terminals = session.console.each().into_iter();
        let inputs = terminals.map(|terminal| (terminal, Input::of_prompt())).collect();
        Self { session, hand, inputs, waiting: Vec::new(), history: Vec::new(), until }
    }

    fn run(mut self) -> Reply {
        while let Some(line) = self.read_line() {
            keep(&mut self.history, &line);
            match parse(&line) {
                Ok(None) => {}
                Ok(Some(command)) => {
                    let columns = self.size().0;
                    if let Some(reply) = self.hand.act(command, columns) {
                        return reply;
                    }
                    self.tell_by_screens();
                }
                Err(why) => self.session.console.line(&why),
            }
        }
        self.session.console.line("");
        Reply::Silence
    }

    /// A line that somebody has entered; none once nobody can.
    fn read_line(&mut self) -> Option<String> {
        let console = &self.session.console;
        let (mut line, begin) = Line::new(self.size().0);
        console.write(begin.as_bytes());
        while let Some(key) = self.next_key() {
            match line.key(key, &self.history) {
                Typed::Open => {}
                Typed::Line(text) => {
                    console.line("");
                    return Some(text);
                }
                Typed::Complete { is_again } => self.complete(&mut line, is_again),
            }
            console.write(line.repaint().as_bytes());
        }
        None
    }

    /// The next key that somebody has pressed; none once nobody can.
    fn next_key(&mut self) -> Option<Key> {
        while self.waiting.is_empty() {
            let is_over = self.until.is_some_and(|until| until <= clock::elapsed());
            if is_over || self.session.console.is_deaf() {
                return None;
            }
            self.waiting = self.keys();
        }
        vigil::somebody_is_there();
        self.until = self.until.map(|until| until.max(clock::elapsed().saturating_add(STAYS)));
        Some(self.waiting.remove(0))
    }

    /// Tells what came of a line, and asks after each screen of it.
    fn tell_by_screens(&mut self) {
        let told = self.hand.take_told();
        let rows = self.size().1.saturating_sub(1).max(1);
        for (number, screen) in told.chunks(rows).enumerate() {
            if number > 0 && !self.wants_more() {
                return;
            }
            screen.iter().for_each(|line| self.session.console.line(&printable(line)));
        }
    }

    /// Whether somebody wants the next screen; what is typed instead begins the next line.
    fn wants_more(&mut self) -> bool {
        let console = &self.session.console;
        console.write(MORE.as_bytes());
        let mut answer = Answer::Nothing;
        while answer == Answer::Nothing {
            let Some(key) = self.next_key() else { return false };
            answer = Answer::from(key);
            if answer == Answer::Typed {
                self.waiting.insert(0, key);
            }
        }
        console.line("");
        answer == Answer::More
    }

    /// Columns and rows that every console has.
    fn size(&self) -> (usize, usize) {
        let sizes = self.inputs.iter().map(|(terminal, _)| terminal.size());
        let least = sizes.reduce(|one, other| (one.0.min(other.0), one.1.min(other.1)));
        least.map_or((80, 24), |(columns, rows)| (columns.into(), rows.into()))
    }

    /// Waits for keys on any console.
    fn keys(&mut self) -> Vec<Key> {
        let Session { console, signals, .. } = self.session;
        let is_pending = self.inputs.iter().any(|(_, input)| input.is_pending());
        let time = if is_pending { SEQUENCE_TIMEOUT } else { vigil::TURN };
        let (typed, others) = vigil::attend(|| console.wait(&[signals.as_fd()], Some(time)));
        if others.contains(&true) {
            let _ = signals.take();
        }
        let now = clock::elapsed();
        self.inputs
            .iter_mut()
            .flat_map(|(terminal, input)| take(terminal, input, typed, now))
            .collect()
    }

    /// Completes what is typed, or says what could stand there.
    fn complete(&mut self, line: &mut Line, is_again: bool) {
        let console = &self.session.console;
        let text = line.text();
        let Some(stem) = stem(&text) else { return };
        let speaks = self.hand.speaks_before(stem.kind);
        if speaks {
            console.line("");
        }
        let names = self.hand.names(stem);
        if speaks {
            console.write(line.again().as_bytes());
        }
        line.key(Key::End, &[]);
        match complete(stem.text, names) {
            Completed::More(more) => line.insert(&more),
            Completed::Several(names) if is_again => {
                console.line("");
                let (columns, rows) = self.size();
                for told in in_lines(&names, columns, rows.saturating_sub(4)) {
                    console.line(&printable(&told));
                }
                console.write(line.again().as_bytes());
            }
            Completed::Several(_) | Completed::Nothing => console.write(b"\x07"),
        }
        // It counts as the key before the next one.
        line.key(Key::Tab, &[]);
    }
}

/// What one console has sent; an Escape alone once nothing follows.
fn take(terminal: &Terminal, input: &mut Input, typed: bool, now: Duration) -> Vec<Key> {
    let bytes = if typed { terminal.read() } else { Vec::new() };
    if bytes.is_empty() && input.is_pending() {
        return input.give_up().into_iter().collect();
    }
    input.keys(&bytes, now)
}
