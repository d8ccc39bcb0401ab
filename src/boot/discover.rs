//! Waits for the boot partition: on the kernel's announcements, with a
//! deadline, never with a sleep.

use core::time::Duration;

use super::Station;
use crate::failure::{Failure, Stage};
use crate::rollback::store::Fault;
use crate::source::{self, Candidate};
use crate::sys::console::wait;
use crate::sys::state_area::StateArea;
use crate::sys::uevent::Uevents;
use crate::sys::{block, clock};

impl Station {
    /// The candidates, best first, as soon as there is one.
    pub(super) fn discover(&self) -> Result<Vec<Candidate>, Failure> {
        let uevents = Uevents::open().map_err(|error| Failure::new(Stage::Discover, error))?;
        let deadline = clock::elapsed().saturating_add(self.config.wait);
        loop {
            let candidates = block::candidates();
            let ranked = source::rank(&candidates, &self.config.device);
            if !ranked.is_empty() {
                return Ok(ranked.into_iter().cloned().collect());
            }
            if !self.wait_for_block(&uevents, deadline) {
                return Err(Failure::new(Stage::Discover, self.nothing_found(&candidates)));
            }
        }
    }

    /// The state area, once there is one; it may be on another disk. What is not
    /// there so long after the start is waited for no more.
    pub(super) fn find_state_area(&self) -> Result<StateArea, Fault> {
        let uevents = Uevents::open().map_err(|error| Fault::Medium(error.to_string()))?;
        loop {
            match StateArea::find() {
                Err(Fault::NoPartition) if self.wait_for_block(&uevents, self.config.wait) => {}
                found => return found,
            }
        }
    }

    /// True once a block device came or went, false when the time is over.
    fn wait_for_block(&self, uevents: &Uevents, deadline: Duration) -> bool {
        loop {
            let left = deadline.saturating_sub(clock::elapsed());
            if left.is_zero() {
                return false;
            }
            let [event, signal] = wait([uevents, &self.signals], Some(left));
            if signal && let Some(note) = self.note_signals() {
                self.say(&note);
            }
            if event && uevents.block_changed() {
                return true;
            }
        }
    }

    /// Takes what signals came; none of them has an effect, and that is said.
    pub(super) fn note_signals(&self) -> Option<String> {
        let name = self.signals.take()?;
        Some(format!("{name} has no effect here: choose an entry"))
    }

    fn nothing_found(&self, candidates: &[Candidate]) -> String {
        let mut text = format!(
            "no boot partition ({}) after {} s; block devices seen:",
            self.config.device,
            self.config.wait.as_secs()
        );
        for candidate in candidates {
            text.push_str("\r\n  ");
            text.push_str(&source::describe(candidate));
        }
        if candidates.is_empty() {
            text.push_str(" none (is the driver's module in the image?)");
        }
        text
    }
}
