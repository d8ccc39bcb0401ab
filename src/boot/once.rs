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
use crate::menu::{Found, MAX_FILE_SIZE, Menu, Variables};
use crate::source::{self, Candidate};

/// How the name of an environment block ends.
const BLOCK: &str = "/grubenv";
/// The variable in it.
const NEXT_ENTRY: &str = "next_entry";

/// What the device of a choice is remembered by.
fn key(candidate: &Candidate) -> Option<&str> {
    let uuid = candidate.filesystem.as_ref().and_then(|found| found.uuid.as_deref());
    used::key(candidate.partuuid.as_deref(), uuid)
}

/// The volume whose environment block a menu's choice is from.
fn volume_of<'v>(volumes: &'v [Volume], menu: &Menu) -> Option<&'v Volume> {
    let next = menu.settings.next_entry.as_ref()?;
    match &next.device {
        None => volumes.get(next.volume),
        Some(device) => {
            volumes.iter().find(|volume| source::names(&volume.candidate).contains(device))
        }
    }
}

/// Remembers the choice for one boot that a menu is about to begin with.
pub(super) fn use_up(session: &Session, memory: &mut Memory, volumes: &[Volume], menu: &Menu) {
    let Some(next) = &menu.settings.next_entry else { return };
    let volume = volume_of(volumes, menu);
    let name = volume.map_or("the menu", Volume::name);
    let used = Used::new(volume.and_then(|volume| key(&volume.candidate)), &next.value);
    let kept = match used {
        None => Err("its device has no UUID".to_owned()),
        Some(used) if memory.used.contains(&used) => return,
        Some(used) => remember(memory, used::with(&memory.used, used)),
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

/// Forgets what was used of a device whose environment blocks do not say it any more:
/// what they say next was set anew, even if it is the same.
pub(super) fn forget_cleared(session: &Session, memory: &mut Memory, volume: &Volume, menu: &Menu) {
    let Some(key) = key(&volume.candidate) else { return };
    let is_known = memory.used.iter().any(|used| used.device.eq_ignore_ascii_case(key));
    if !is_known || !is_cleared(volume, menu) {
        return;
    }
    let list = used::without(&memory.used, key);
    if let Err(why) = remember(memory, list) {
        let name = printable(volume.name());
        session
            .voice()
            .say(&format!("next_entry of {name} was cleared, which cannot be remembered: {why}"));
    }
}

/// Whether there is an environment block, and none that chooses for one boot.
fn is_cleared(volume: &Volume, menu: &Menu) -> bool {
    let found = menu.read.iter().filter(|read| read.found == Found::Settings);
    let mut blocks = found.filter(|read| read.path.ends_with(BLOCK)).peekable();
    blocks.peek().is_some() && blocks.all(|read| is_silent(volume, &read.path))
}

fn is_silent(volume: &Volume, path: &str) -> bool {
    let Ok(Some(bytes)) = volume.judging().read(path, MAX_FILE_SIZE) else { return false };
    Variables::parse(path, &bytes).get(NEXT_ENTRY).is_none_or(str::is_empty)
}
