//! `turnout load`: files that the administrator names, or an entry of the menu, read
//! once, planned, and loaded unless only the plan is wanted.

use super::answer::complain;
use super::arguments::Load;
use super::judge::Judge;
use super::loading::{self, Done};
use crate::failure::{Failure, Stage};
use crate::host::leaving::said_of_reboots;
use crate::host::record::By;
use crate::plan::Slot;
use crate::sys::{self, read, systemd};

/// Loads, or only plans; gives what is to be printed.
pub(super) fn run(load: &Load) -> Result<String, Failure> {
    let done = match &load.entry {
        None => loading::load_files(load, By::Load)?,
        Some(id) => {
            if !load.dry_run {
                loading::need_root("load a kernel")?;
            }
            let (judge, notes) = Judge::of_load(load)?;
            let done = loading::load_entry(&judge, Some(id), load, By::Load);
            let done = done.map_err(|failure| no_file(failure, id))?;
            Done { said: [notes, done.said].concat(), ..done }
        }
    };
    if !(load.json || load.dry_run) {
        done.said.iter().for_each(|one| complain(one));
        stays(load.slot).iter().for_each(|one| complain(one));
    }
    Ok(if load.json { done.json } else { done.text })
}

/// What has to be known of what stays loaded.
fn stays(slot: Slot) -> Option<String> {
    let may_start = slot == Slot::Normal && sys::is_run_by_systemd();
    may_start.then(|| said_of_reboots(systemd::version())).flatten()
}

/// A word without a slash is an entry, also where a file is called so.
fn no_file(failure: Failure, id: &str) -> Failure {
    if failure.stage != Stage::Menu || failure.entry.is_some() || read::size(id.as_ref()).is_none()
    {
        return failure;
    }
    let said = failure.sentence();
    Failure::new(Stage::Menu, format!("{said}; the file of that name is named with ./{id}"))
}
