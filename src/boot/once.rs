//! What a menu chose for one boot only, where nothing but Turnout remembers that it was
//! used: `next_entry` in an environment block of GRUB, which nobody here deletes.
//!
//! It is remembered before anything is loaded, so that a boot that fails does not
//! repeat it, and forgotten once the block does not say it any more. Whatever goes wrong
//! here is said, and keeps nothing from booting.

use super::session::{Memory, Session};
use super::volume::Volume;
use crate::base::text::{printable, quoted};
use crate::base::used::{self, Used};
use crate::menu::{Menu, NextEntry};
use crate::source::Candidate;

/// What the device of a choice is remembered by.
fn key(candidate: &Candidate) -> Option<&str> {
    let uuid = candidate.filesystem.as_ref().and_then(|found| found.uuid.as_deref());
    used::key(candidate.partuuid.as_deref(), uuid)
}

/// The volume whose environment block a menu's choice is from.
fn volume_of<'v>(volumes: &'v [Volume], next: &NextEntry) -> Option<&'v Volume> {
    match &next.device {
        None => volumes.get(next.volume).filter(|volume| volume.is_here),
        Some(name) => called(volumes, name),
    }
}

fn called<'v>(volumes: &'v [Volume], name: &str) -> Option<&'v Volume> {
    volumes.iter().find(|volume| volume.is_here && volume.identity.name() == name)
}

/// Whether no other device can be taken for this one: a copy must not undo what is
/// remembered of the first.
fn is_alone(volume: &Volume, volumes: &[Volume]) -> bool {
    let Some(own) = key(&volume.candidate) else { return true };
    let mut others = volumes.iter().filter(|other| other.is_here && other.name() != volume.name());
    !volume.tier.removable
        && !others
            .any(|other| key(&other.candidate).is_some_and(|other| other.eq_ignore_ascii_case(own)))
}

/// Remembers the choice for one boot that a menu is about to begin with, which is none of
/// the menu's any more then.
pub(super) fn use_up(session: &Session, memory: &mut Memory, volumes: &[Volume], menu: &mut Menu) {
    let Some(next) = menu.settings.next_entry.take() else { return };
    let volume = volume_of(volumes, &next);
    let name = volume.map_or("the menu", Volume::name);
    let used = Used::new(volume.and_then(|volume| key(&volume.candidate)), &next.value);
    let kept = match used {
        None => Err("its device has no UUID".to_owned()),
        Some(used) if memory.used.contains(&used) => return,
        Some(used) => {
            let is_alone = volume.is_some_and(|volume| is_alone(volume, volumes));
            let add = if is_alone { used::with } else { used::beside };
            remember(memory, add(&memory.used, used))
        }
    };
    let value = quoted(&next.value);
    session.voice().say(&match kept {
        Ok(()) => format!("next_entry {value} of {name} is for this boot, and is used up now"),
        Err(why) => format!(
            "next_entry of {name} cannot be remembered: it counts at every start until the \
             system clears it ({why})"
        ),
    });
}

/// Within this start whatever becomes of it, and where it outlasts the power.
fn remember(memory: &mut Memory, list: Vec<Used>) -> Result<(), String> {
    memory.used = list;
    let Memory { standing, used, tpm, .. } = memory;
    standing.keep_used(used.clone(), tpm).map_err(|fault| fault.to_string())
}

/// Forgets what was used of devices whose environment blocks do not say it any more:
/// what they say next was set anew, even if it is the same.
pub(super) fn forget_cleared(
    session: &Session,
    memory: &mut Memory,
    volumes: &[Volume],
    menu: &Menu,
) {
    let cleared = menu.cleared.iter().filter_map(|name| called(volumes, name));
    for volume in cleared.filter(|volume| is_alone(volume, volumes)) {
        let Some(key) = key(&volume.candidate) else { continue };
        let list = used::without(&memory.used, key);
        if list.len() == memory.used.len() {
            continue;
        }
        if let Err(why) = remember(memory, list) {
            let name = printable(volume.name());
            let said = ["next_entry of ", &name, " was cleared, which cannot be remembered: "];
            session.voice().say(&[&said.concat(), why.as_str()].concat());
        }
    }
}
