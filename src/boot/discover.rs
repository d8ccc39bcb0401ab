//! Waits for devices: on the kernel's announcements, with a deadline, never with
//! a sleep.

use core::time::Duration;

use super::Station;
use crate::rollback::store::Fault;
use crate::sys::clock;
use crate::sys::state_area::StateArea;
use crate::sys::uevent::Uevents;
use crate::sys::wait::wait;

impl Station {
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
    pub(super) fn wait_for_block(&self, uevents: &Uevents, deadline: Duration) -> bool {
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
}
