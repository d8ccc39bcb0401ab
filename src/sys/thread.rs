//! Work beside the main thread: a [`Job`], which is waited for only as long as
//! somebody wants to; and work that goes on as long as the program does.
//!
//! A read of a disk that does not answer may never come back, so nobody has to
//! wait for the end of a thread: a job that is given up keeps what it works on, and
//! is left alone. Signals are blocked before a thread is made, and so in it too:
//! they stay with the main thread. A panic in it ends as every panic does
//! ([`super::panic`]). Made by pthread_create(3): the standard library's threads
//! bring a handler for stack overflows along, which is more code than all of this.

use core::fmt;
use core::mem::MaybeUninit;
use core::ptr;
use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::libc::{self, c_void, pthread_attr_t, pthread_t};

use super::clock;
use super::vigil::{self, Stall, TURN};
use super::wait::wait;
use super::wake::Wake;

/// Bytes of stack. The C library's own choice may be as little as 128 KiB.
const STACK: usize = 2 << 20;

/// What can be done beside the main thread.
pub trait Work: Send + 'static {
    /// Where it keeps what its product borrows from.
    type Place: Default + Send + Sync + 'static;
    /// What comes of it.
    type Product<'p>: Send;

    /// Does it. The product counts as soon as it is on the shelf, even if the work
    /// goes on.
    fn run<'p>(self, place: &'p Self::Place, shelf: &Shelf<Self::Product<'p>>);
}

/// Where a product is laid down.
#[derive(Debug)]
pub struct Shelf<T>(Mutex<Option<T>>);

impl<T> Shelf<T> {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// In place of what lies there.
    pub fn put(&self, product: T) {
        *self.lock() = Some(product);
    }

    fn take(&self) -> Option<T> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What both threads have. The shelf comes before the place that the product on it
/// borrows from: fields are dropped in their order.
struct Task<W: Work> {
    shelf: Shelf<W::Product<'static>>,
    place: W::Place,
    work: Mutex<Option<W>>,
}

impl<W: Work> Task<W> {
    fn of(work: W) -> Arc<Self> {
        let work = Mutex::new(Some(work));
        Arc::new(Self { shelf: Shelf::new(), place: W::Place::default(), work })
    }

    fn run(&self) {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        // SAFETY: the place lies in this task, and does not move. Whatever borrows
        // from it is on the stack of the work, which ends before `self` is given up;
        // on the shelf, which goes before the place; or with whom `Job::finish` calls,
        // who cannot keep it and has a task of its own meanwhile.
        let place: &'static W::Place = unsafe { &*ptr::from_ref(&self.place) };
        if let Some(work) = work {
            work.run(place, &self.shelf);
        }
    }
}

/// One thread's part in what both have.
struct Part<W: Work> {
    task: Arc<Task<W>>,
    /// Awake as soon as only the main thread has a part.
    end: Arc<Wake>,
}

impl<W: Work> Part<W> {
    fn other(&self) -> Self {
        Self { task: Arc::clone(&self.task), end: Arc::clone(&self.end) }
    }

    /// Does the work. Once its end is told the task is the main thread's alone: who
    /// drops it there has its memory back, and not some time later.
    fn run(self) {
        let Self { task, end } = self;
        task.run();
        drop(task);
        end.up();
    }
}

/// Work that was begun. Who drops it leaves it alone: what it has is given back
/// when it ends, if it ever does.
pub struct Job<W: Work>(Part<W>);

/// Can be read once the work has ended.
impl<W: Work> AsFd for Job<W> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.end.as_fd()
    }
}

impl<W: Work> fmt::Debug for Job<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

impl<W: Work> Job<W> {
    /// `pthread_create(3)`: begins the work in a thread of its own; none if there is no
    /// thread to be had.
    #[must_use]
    pub fn start(work: W) -> Option<Self> {
        let part = Part { end: Arc::new(Wake::new().ok()?), task: Task::of(work) };
        let argument = Box::into_raw(Box::new(part.other()));
        match create(run::<W>, argument.cast()) {
            Some(thread) => {
                detach(thread);
                Some(Self(part))
            }
            None => {
                // SAFETY: made above, and no thread has it.
                drop(unsafe { Box::from_raw(argument) });
                None
            }
        }
    }

    /// Waits for the end of the work, for so long at most; whether it has ended.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        wait([&self.0.end], Some(time)) == [true]
    }

    /// Waits for the end of the work as long as anything is got done; false once
    /// nothing was for so long.
    #[must_use]
    pub fn wait_while_it_works(&self, patience: Duration) -> bool {
        let mut stall = Stall::watch();
        while !self.wait(TURN) {
            if stall.is_over(patience) {
                return false;
            }
        }
        true
    }

    /// Waits for the end of the work, for so long and no longer; whether it has
    /// ended.
    #[must_use]
    pub fn wait_until(&self, end: Duration) -> bool {
        loop {
            vigil::wait(end);
            let left = end.saturating_sub(clock::elapsed());
            if self.wait(left.min(TURN)) || left.is_zero() {
                return self.wait(Duration::ZERO);
            }
        }
    }

    /// Does something with the product, if there is one; whatever of it is left is
    /// given back after that.
    pub fn finish<R>(self, then: impl for<'p> FnOnce(Option<W::Product<'p>>) -> R) -> R {
        then(self.0.task.shelf.take())
    }
}

extern "C" fn run<W: Work>(part: *mut c_void) -> *mut c_void {
    // SAFETY: `Job::start` passes a box of this type, and gives it up.
    let part = unsafe { Box::from_raw(part.cast::<Part<W>>()) };
    part.run();
    ptr::null_mut()
}

/// `pthread_create(3)`: does `work` for as long as the program runs, if a thread is to be
/// had.
pub fn aside(work: fn()) {
    let argument = Box::into_raw(Box::new(work));
    match create(call, argument.cast()) {
        Some(thread) => detach(thread),
        // SAFETY: made above, and no thread has it.
        None => drop(unsafe { Box::from_raw(argument) }),
    }
}

extern "C" fn call(work: *mut c_void) -> *mut c_void {
    // SAFETY: `aside` passes a box of this type, and gives it up.
    let work = unsafe { Box::from_raw(work.cast::<fn()>()) };
    work();
    ptr::null_mut()
}

/// Nobody waits for it.
fn detach(thread: pthread_t) {
    // SAFETY: every thread is made joinable, and only who made it knows it.
    let _ = unsafe { libc::pthread_detach(thread) };
}

/// A joinable thread that begins with `routine`, which must know what to do with
/// the argument; none if there is no memory for it.
fn create(
    routine: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> Option<pthread_t> {
    let mut attributes = MaybeUninit::<pthread_attr_t>::uninit();
    // SAFETY: the call initialises what it is given, and fails with neither C
    // library for Linux.
    let _ = unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) };
    // SAFETY: initialised above.
    let _ = unsafe { libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK) };
    let mut thread = MaybeUninit::uninit();
    // SAFETY: the attributes are initialised, the thread's place is writable, and
    // the argument is one for this routine, as every caller says.
    let errno = unsafe {
        libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), routine, argument)
    };
    if errno != 0 {
        return None;
    }
    // SAFETY: the call has succeeded, and so has written it.
    Some(unsafe { thread.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Adds one to a number that comes, and then waits for the end of its world.
    struct Adder(Receiver<u32>);

    impl Work for Adder {
        type Place = OnceLock<String>;
        type Product<'p> = &'p str;

        fn run<'p>(self, place: &'p OnceLock<String>, shelf: &Shelf<&'p str>) {
            let Ok(number) = self.0.recv() else { return };
            shelf.put(place.get_or_init(|| (number + 1).to_string()));
            while self.0.recv().is_ok() {}
        }
    }

    fn start() -> (Sender<u32>, Job<Adder>) {
        let (main, work) = channel();
        (main, Job::start(Adder(work)).unwrap())
    }

    const SOON: Duration = Duration::from_secs(10);

    fn length(product: Option<&str>) -> usize {
        product.map_or(0, str::len)
    }

    #[test]
    fn work_is_done_while_the_main_thread_does_its_own() {
        let (main, job) = start();
        assert!(!job.wait(Duration::ZERO), "it has nothing to do yet");
        main.send(99).unwrap();
        drop(main);
        assert!(job.wait(SOON) && job.wait(Duration::ZERO));
        assert_eq!(job.finish(length), 3);
    }

    #[test]
    fn what_is_ready_is_had_though_the_work_never_ends() {
        let (main, job) = start();
        main.send(9).unwrap();
        while job.0.task.place.get().is_none() || job.0.task.shelf.lock().is_none() {
            std::thread::yield_now();
        }
        assert!(!job.wait(Duration::from_millis(10)));
        assert_eq!(job.finish(length), 2);
        // The thread still has what it works on.
        main.send(0).unwrap();
    }

    #[test]
    fn what_is_given_up_is_given_back_when_it_ends() {
        let (main, job) = start();
        let task = Arc::downgrade(&job.0.task);
        main.send(9).unwrap();
        drop(job);
        assert!(task.upgrade().is_some(), "the thread works on it");
        drop(main);
        let start = std::time::Instant::now();
        while task.upgrade().is_some() {
            assert!(start.elapsed() < SOON);
            std::thread::yield_now();
        }
    }

    #[test]
    fn memory_is_back_as_soon_as_work_that_has_ended_is_given_up() {
        for _ in 0..200 {
            let (main, job) = start();
            let task = Arc::downgrade(&job.0.task);
            main.send(9).unwrap();
            drop(main);
            assert!(job.wait(SOON));
            drop(job);
            assert!(task.upgrade().is_none(), "its thread still has it");
        }
    }

    #[test]
    fn nothing_comes_of_work_that_lays_nothing_down() {
        let (main, job) = start();
        drop(main);
        assert!(job.wait(SOON));
        assert_eq!(job.finish(length), 0);
    }
}
