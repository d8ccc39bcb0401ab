//! `turnout exec`: starts the loaded kernel, and stops nothing before.

use super::answer::complain;
use super::{came_up, loading};
use crate::failure::{Failure, Stage};
use crate::host::event::{Event, What};
use crate::host::record::{Loaded, Way};
use crate::host::token;
use crate::plan::Slot;
use crate::steps::load::jump;
use crate::sys::kexec::{self, Staged};
use crate::sys::quiesce::{as_it_is, still_enough};
use crate::sys::{self, journal, records, user};

/// Comes back only with the reason why it was not started.
pub(super) fn run() -> Result<String, Failure> {
    loading::need_root("start a kernel")?;
    let staged = kexec::staged(Slot::Normal).ok_or_else(|| {
        Failure::new(Stage::Menu, "no kernel is loaded: \"turnout load\" comes first")
    })?;
    if sys::is_run_by_systemd() {
        complain("jumping at once; \"systemctl kexec\" would have stopped the services first");
    }
    Err(start(staged, Disks::WrittenBack, "turnout exec"))
}

/// What is done about what is in memory alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disks {
    /// It is written back.
    WrittenBack,
    /// It is lost.
    AsTheyAre,
}

/// Starts the loaded kernel at once, by the command of this name, and tells the journal
/// before; comes back only with the reason why not.
pub(super) fn start(staged: Staged, disks: Disks, by: &str) -> Failure {
    came_up::settle_first();
    journal::tell(&leaving(records::loaded(Slot::Normal).ok().flatten().as_ref(), by));
    let quiet = match disks {
        Disks::WrittenBack => still_enough(staged),
        Disks::AsTheyAre => as_it_is(staged),
    };
    let failure = jump(quiet);
    loading::tell_refusal(&failure, Slot::Normal);
    failure
}

/// What is known of the next kernel is what was written down when it was loaded.
fn leaving(loaded: Option<&Loaded>, by: &str) -> Event {
    let known = loaded.and_then(|loaded| loaded.release.as_deref());
    let sentence =
        format!("leaving by kexec for {}, by {by}", known.unwrap_or("the loaded kernel"));
    let mut event =
        Event::new(What::Jump, sentence).with("WAY", Way::Kexec.name()).with("USER", user::name());
    if let Some(loaded) = loaded {
        event = event
            .with("KERNEL", loaded.kernel.path.clone())
            .with("KERNEL_SHA256", loaded.kernel.digest.to_string())
            .with("CMDLINE", token::hidden(&loaded.cmdline));
    }
    let of_entry = loaded.and_then(|loaded| loaded.entry.clone());
    of_entry.into_iter().fold(event, |event, entry| event.with("ENTRY", entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_told_who_leaves_and_by_what() {
        let event = leaving(None, "kexec -e");
        assert_eq!(event.sentence, "leaving by kexec for the loaded kernel, by kexec -e");
        assert_eq!(event.what, What::Jump);
        let names: Vec<_> = event.fields.iter().map(|field| field.name).collect();
        assert_eq!(names, ["WAY", "USER"]);
    }
}
