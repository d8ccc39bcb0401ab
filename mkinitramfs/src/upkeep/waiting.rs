//! Says what somebody is waited for, once it takes long enough to be wondered at.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// What takes less is not worth a word.
const PATIENCE: Duration = Duration::from_secs(2);

/// A wait, until it is dropped.
#[derive(Debug)]
pub struct Waiting {
    _over: Sender<()>,
}

impl Waiting {
    /// Begins; `what` is a sentence for the standard error.
    #[must_use]
    pub fn begin(what: String) -> Self {
        let (over, is_over) = mpsc::channel();
        thread::spawn(move || {
            if is_over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                eprintln!("turnout-sign: {what}");
            }
        });
        Self { _over: over }
    }
}
