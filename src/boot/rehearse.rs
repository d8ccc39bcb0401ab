//! What goes on beside the menu: the entry that it waits with is prepared, then
//! every other one is rehearsed, in the order in which they are shown.
//!
//! One thread does it, one task after the other; the menu gives it the next when
//! it hears of the last, so nothing of the menu is shared. What a task came to
//! changes the entry's row at once, and a default that turns out bad gives way to
//! the next that boots. The thread touches neither console nor signals, and stops
//! within a chunk of a file when somebody chooses. What nobody chose is given up,
//! without a word; and a read that does not come back even then is left alone, as
//! it may be one of another disk than the one that boots.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::choose::{Feed, Outcome, show};
use super::menu::BootMenu;
use super::prepare::{BundleCell, Demand, Order, Prepare, Ready};
use super::session::Session;
use crate::choose::{Chosen, Update};
use crate::config::STALL;
use crate::failure::Failure;
use crate::sys::patience::End;
use crate::sys::thread::{Job, Shelf, Work};
use crate::sys::wait::wait;
use crate::sys::wake::Wake;
use crate::sys::{self, AsFd as _, BorrowedFd, clock, hung_tasks, machine};

/// How long a thread that is not needed any more may do nothing: while it still
/// unpacks something it has the memory that the chosen one needs. It gives that
/// back, and its disk comes to rest.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the menu came to.
pub(super) enum Choice {
    /// Nothing in it can boot.
    Nothing,
    /// An entry that has not been prepared.
    Unprepared(Chosen),
    /// One that has been.
    Prepared(Prepared),
}

/// An entry that was prepared before it was chosen.
pub(super) struct Prepared {
    pub(super) index: usize,
    /// The clock's counter at the choice.
    pub(super) chosen_at: u64,
    job: Job<Rehearsing>,
}

impl Prepared {
    /// Does something with what that came to.
    pub(super) fn then<R>(
        self,
        then: impl for<'p> FnOnce(Option<Result<Ready<'p>, Failure>>) -> R,
    ) -> R {
        self.job.finish(then)
    }
}

/// What both threads see.
struct Shared {
    demand: Demand,
    state: Mutex<State>,
    /// Wakes the menu: there is an outcome.
    to_menu: Wake,
    /// Wakes the thread: there is a task, or the menu is over.
    to_thread: Wake,
}

#[derive(Default)]
struct State {
    task: Option<Task>,
    /// Of the last task.
    outcome: Option<(usize, Result<(), Failure>)>,
    /// The entry that is being prepared, or has been.
    prepares: Option<usize>,
    is_prepared: bool,
}

struct Task {
    index: usize,
    order: Order,
    /// Whether it is to be prepared, and not only rehearsed.
    is_prepared: bool,
}

impl Shared {
    fn new() -> Result<Self, sys::Error> {
        Ok(Self {
            demand: Demand::new(false),
            state: Mutex::default(),
            to_menu: Wake::new()?,
            to_thread: Wake::new()?,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a task; none once the menu is over.
    fn next(&self) -> Option<Task> {
        loop {
            self.to_thread.clear();
            if self.demand.is_urgent.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(task) = self.state().task.take() {
                return Some(task);
            }
            let _ = wait([&self.to_thread], None);
        }
    }

    fn begin(&self, index: usize) {
        let mut state = self.state();
        state.prepares = Some(index);
        state.is_prepared = false;
    }

    fn tell(&self, index: usize, outcome: Result<(), Failure>) {
        let mut state = self.state();
        state.outcome = Some((index, outcome));
        state.is_prepared = true;
        drop(state);
        self.to_menu.up();
    }

    /// Lets the thread finish what was chosen, and nothing else.
    fn end(&self, chosen: Option<&Chosen>) -> Wanted {
        let state = self.state();
        let unedited = chosen.filter(|chosen| chosen.options.is_none());
        let is_wanted = unedited.is_some_and(|chosen| state.prepares == Some(chosen.index));
        self.demand.is_dropped.store(!is_wanted, Ordering::Relaxed);
        self.demand.is_urgent.store(true, Ordering::Relaxed);
        self.to_thread.up();
        match (is_wanted, state.is_prepared) {
            (false, _) => Wanted::Nothing,
            (true, false) => Wanted::Unfinished,
            (true, true) => Wanted::Finished,
        }
    }
}

/// What of the thread's work was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Nothing,
    /// What it still prepares.
    Unfinished,
    /// What it has prepared.
    Finished,
}

/// The thread's work, until the menu is over.
struct Rehearsing {
    shared: Arc<Shared>,
    prepare: Prepare,
}

impl Work for Rehearsing {
    type Place = BundleCell;
    type Product<'p> = Result<Ready<'p>, Failure>;

    fn run<'p>(self, cell: &'p BundleCell, shelf: &Shelf<Self::Product<'p>>) {
        let Self { shared, prepare } = self;
        let limit = machine::memory_for_files();
        while let Some(Task { index, order, is_prepared }) = shared.next() {
            // What was prepared and failed may still lie there.
            let outcome = if is_prepared && cell.get().is_none() {
                shared.begin(index);
                let ready = prepare(&order, cell, &shared.demand);
                if shared.demand.is_dropped.load(Ordering::Relaxed) {
                    return;
                }
                let outcome = ready.as_ref().map(|_| ()).map_err(Clone::clone);
                shelf.put(ready);
                outcome
            } else {
                order.rehearse(limit, &shared.demand.is_urgent)
            };
            shared.tell(index, outcome.map_err(|failure| failure.of(order.id())));
        }
    }
}

/// The entries while the menu is on the screen.
struct Rehearsal<'a, 's> {
    session: &'a Session,
    menu: &'a mut BootMenu<'s>,
    /// None if there is no thread.
    shared: Option<&'a Shared>,
    /// What the menu was to wait with.
    default: Option<usize>,
    /// What it waits with, as long as the thread has not heard of it.
    to_prepare: Option<usize>,
    /// What the thread was last told to prepare.
    prepares: Option<usize>,
    /// Whether the thread has something to do.
    is_busy: bool,
    /// Why defaults have given way.
    failures: Vec<Failure>,
}

impl<'a, 's> Rehearsal<'a, 's> {
    /// The thread has its first task.
    fn new(
        session: &'a Session,
        menu: &'a mut BootMenu<'s>,
        shared: Option<&'a Shared>,
        default: Option<usize>,
    ) -> Self {
        let mut rehearsal = Self {
            session,
            menu,
            shared,
            default,
            to_prepare: default,
            prepares: None,
            is_busy: false,
            failures: Vec::new(),
        };
        rehearsal.go_on();
        rehearsal
    }
}

impl Rehearsal<'_, '_> {
    /// Gives the thread the next task, if there is one.
    fn go_on(&mut self) {
        let Some(shared) = self.shared.filter(|_| !self.is_busy) else { return };
        let Some((index, is_prepared)) = self.next() else { return };
        if let Ok(order) = Order::new(self.session, self.menu, index) {
            shared.state().task = Some(Task { index, order, is_prepared });
            shared.to_thread.up();
            self.is_busy = true;
        }
    }

    /// The next entry that has a verdict to be tried, and whether to prepare it.
    fn next(&mut self) -> Option<(usize, bool)> {
        if let Some(index) = self.to_prepare.take() {
            self.prepares = Some(index);
            return Some((index, true));
        }
        let next = self.menu.next_to_rehearse()?;
        let next = if self.prepares == Some(next) { self.menu.next_to_rehearse()? } else { next };
        Some((next, false))
    }

    /// What the thread has found out: none if that changes nothing, and a sentence
    /// if it changes what boots.
    fn learn(&mut self) -> Option<Option<String>> {
        let shared = self.shared?;
        shared.to_menu.clear();
        let (index, outcome) = shared.state().outcome.take()?;
        self.is_busy = false;
        let failure = outcome.err()?;
        let default = self.default.and_then(|default| self.menu.next_after(default));
        self.menu.refuse(index, &failure);
        if default != Some(index) {
            return Some(None);
        }
        self.menu.note(index, &failure);
        self.to_prepare = self.menu.next_after(index);
        self.to_prepare.into_iter().for_each(|next| self.menu.begin_other(next));
        let said = failure.to_string();
        self.failures.push(failure);
        Some(Some(said))
    }
}

impl Feed for Rehearsal<'_, '_> {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all = self.menu.descriptors();
        all.extend(self.shared.map(|shared| shared.to_menu.as_fd()));
        all
    }

    fn changed(&mut self) -> Option<Update> {
        let devices = self.menu.changed();
        let learned = self.learn();
        self.go_on();
        if devices.is_none() && learned.is_none() {
            return None;
        }
        let said = [learned.flatten(), devices.and_then(|update| update.say)];
        let said: Vec<String> = said.into_iter().flatten().collect();
        let say = Some(said.join("; ")).filter(|said| !said.is_empty());
        let default = match self.default {
            Some(default) => self.menu.default_from(Some(default)),
            None => self.menu.default(),
        };
        Some(Update { items: self.menu.items(), default, say })
    }

    fn save_default(&mut self, index: usize) -> String {
        self.menu.save_default(index)
    }
}

/// Shows the menu until somebody has chosen, and works meanwhile: what may boot by
/// itself is prepared.
pub(super) fn choose(session: &Session, menu: &mut BootMenu<'_>, prepare: Prepare) -> Choice {
    let chooser = menu.chooser();
    let default = chooser.waits_with();
    let started = default.and_then(|_| start(prepare));
    let shared = started.as_ref().map(|(shared, _)| &**shared);
    let mut rehearsal = Rehearsal::new(session, menu, shared, default);
    let Outcome { chosen, edits } = show(session, chooser, &mut rehearsal);
    let chosen_at = clock::counter();
    let failures = rehearsal.failures;
    menu.keep_edits(edits);
    let prepared = started.and_then(|(shared, job)| {
        let index = end(session, &shared, &job, chosen.as_ref())?;
        Some(Prepared { index, chosen_at, job })
    });
    failures.iter().for_each(|failure| session.report(failure));
    match (chosen, prepared) {
        (None, _) => Choice::Nothing,
        (Some(_), Some(prepared)) => Choice::Prepared(prepared),
        (Some(chosen), None) => Choice::Unprepared(chosen),
    }
}

/// None if there is no thread to be had.
fn start(prepare: Prepare) -> Option<(Arc<Shared>, Job<Rehearsing>)> {
    let shared = Arc::new(Shared::new().ok()?);
    let job = Job::start(Rehearsing { shared: Arc::clone(&shared), prepare })?;
    hung_tasks::bear();
    Some((shared, job))
}

/// The menu is over: lets the thread finish what was chosen, and nothing else.
/// Gives the index of what was chosen if that is prepared, or should have been.
fn end(
    session: &Session,
    shared: &Shared,
    job: &Job<Rehearsing>,
    chosen: Option<&Chosen>,
) -> Option<usize> {
    let wanted = shared.end(chosen);
    if wanted == Wanted::Unfinished {
        let voice = session.voice();
        voice.say("the kernel is still being prepared");
        let is_done = voice.during("the kernel", End::Read, || job.wait_while_it_works(STALL));
        shared.demand.is_dropped.store(!is_done, Ordering::Relaxed);
    } else if !job.wait_while_it_works(FAREWELL) {
        session.voice().say("what else is being read is not waited for");
    }
    if job.wait(Duration::ZERO) {
        hung_tasks::mind();
    }
    let is_wanted = wanted != Wanted::Nothing;
    chosen.filter(|_| is_wanted).map(|chosen| chosen.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(index: usize, options: Option<&str>) -> Chosen {
        Chosen { index, options: options.map(str::to_owned) }
    }

    /// What of the work was chosen, and whether the thread is to stop.
    fn end(prepares: Option<usize>, is_done: bool, chosen: Option<&Chosen>) -> (Wanted, bool) {
        let shared = Shared::new().unwrap();
        if let Some(index) = prepares {
            shared.begin(index);
        }
        if is_done {
            shared.tell(prepares.unwrap(), Ok(()));
        }
        let wanted = shared.end(chosen);
        assert!(shared.next().is_none(), "there is nothing more to do");
        (wanted, shared.demand.is_dropped.load(Ordering::Relaxed))
    }

    #[test]
    fn the_thread_finishes_only_what_was_chosen_as_it_stands() {
        let third = chosen(3, None);
        let edited = chosen(3, Some("single"));
        assert_eq!(end(Some(3), false, Some(&third)), (Wanted::Unfinished, false));
        assert_eq!(end(Some(3), true, Some(&third)), (Wanted::Finished, false));
        assert_eq!(end(Some(2), false, Some(&third)), (Wanted::Nothing, true));
        assert_eq!(end(Some(3), false, Some(&edited)), (Wanted::Nothing, true));
        assert_eq!(end(None, false, Some(&third)), (Wanted::Nothing, true));
        assert_eq!(end(Some(3), false, None), (Wanted::Nothing, true));
    }

    #[test]
    fn an_outcome_wakes_the_menu() {
        let shared = Shared::new().unwrap();
        shared.tell(1, Err(Failure::broken("FILE", "gone".to_owned())));
        let is_awake = wait([&shared.to_menu], Some(core::time::Duration::ZERO));
        assert_eq!(is_awake, [true]);
        let (index, outcome) = shared.state().outcome.take().unwrap();
        assert_eq!((index, outcome.unwrap_err().mark().as_str()), (1, "broken(FILE)"));
    }
}
