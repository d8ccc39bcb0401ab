//! Work beside the main thread, which waits for its end before it goes on; and
//! work that goes on as long as the program does.
//!
//! Signals are blocked before a thread is made, and so in it too: they stay with
//! the main thread. A panic in it ends as every panic does ([`super::panic`]).
//! Made by pthread_create(3): the standard library's threads bring a handler for
//! stack overflows along, which is more code than all of this.

use core::mem::MaybeUninit;
use core::ptr;
use std::sync::{Mutex, PoisonError};

use nix::libc::{self, c_void, pthread_attr_t, pthread_t};

/// Bytes of stack. The C library's own choice may be as little as 128 KiB.
const STACK: usize = 2 << 20;

/// What both threads see.
struct Task<T, F> {
    work: Mutex<Option<F>>,
    result: Mutex<Option<T>>,
}

impl<T, F: FnOnce() -> T> Task<T, F> {
    fn run(&self) {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = work.map(|work| work());
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = result;
    }
}

/// A thread that is waited for at the latest when this goes out of scope.
struct Thread(pthread_t);

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: the thread was made joinable, and is joined here alone.
        let _ = unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
    }
}

/// Does `main` while `work` is being done, and gives what came of both. There is
/// no second result where there was no work, or no thread to be had.
pub fn beside<T: Send, R, F: FnOnce() -> T + Send>(
    work: Option<F>,
    main: impl FnOnce() -> R,
) -> (R, Option<T>) {
    let has_work = work.is_some();
    let task = Task { work: Mutex::new(work), result: Mutex::new(None) };
    let thread = if has_work { start(&task) } else { None };
    let result = main();
    drop(thread);
    (result, task.result.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Does `work` for as long as the program runs, if a thread is to be had.
pub fn aside(work: fn()) {
    let argument = Box::into_raw(Box::new(work));
    match create(call, argument.cast()) {
        Some(thread) => {
            // SAFETY: the thread was made joinable, and nobody else knows it.
            let _ = unsafe { libc::pthread_detach(thread) };
        }
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

/// The thread must be gone before the task is.
fn start<T: Send, F: FnOnce() -> T + Send>(task: &Task<T, F>) -> Option<Thread> {
    create(run::<T, F>, ptr::from_ref(task).cast_mut().cast()).map(Thread)
}

extern "C" fn run<T, F: FnOnce() -> T>(task: *mut c_void) -> *mut c_void {
    // SAFETY: `start` passes a task of this type. It only reads the pointer, what
    // it does with the task is for shared references, and `beside` keeps the task
    // until the thread has ended, even when it unwinds.
    let task = unsafe { &*task.cast::<Task<T, F>>() };
    task.run();
    ptr::null_mut()
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

    #[test]
    fn work_is_done_while_the_main_thread_does_its_own() {
        let (main, work) = std::sync::mpsc::channel();
        let waiting = move || work.recv().map_or(0, |number: u32| number + 1);
        let result = beside(Some(waiting), || {
            main.send(1).unwrap();
            "both"
        });
        assert_eq!(result, ("both", Some(2)));
    }

    #[test]
    fn without_work_there_is_no_result() {
        assert_eq!(beside(None::<fn()>, || 1), (1, None));
    }
}
