//! What each command makes of what was typed behind it.
//!
//! Nothing is read or looked up here; a command line that contradicts itself is refused
//! before anything is done.

use core::mem;
use std::path::PathBuf;

use super::super::cmdline::Cmdline;
use super::misuse::{Misuse, unknown};
use super::typed::{ONE_OF_ENTRY_AND_MANIFEST, Typed};
use super::values::{
    Act, Asked, Boot, Check, Choice, Command, Explain, Inputs, Load, Verify, What, When,
};
use crate::sys::arch;

impl Load {
    /// With a slash it is a file, else an entry, which has all that belongs to it.
    fn take(&mut self, named: PathBuf) -> Result<(), Misuse> {
        let id = named.to_str().filter(|name| !name.contains('/') && !name.is_empty());
        let Some(id) = id else {
            self.kernel = named;
            return Ok(());
        };
        let own = [
            ("--initrd", !self.initrds.is_empty()),
            ("--dtb", self.devicetree.is_some()),
            ("--dtb-overlay", !self.overlays.is_empty()),
            ("a command line", self.cmdline != Cmdline::Own),
        ];
        if let Some((what, _)) = own.iter().find(|(_, is_named)| *is_named) {
            let why = format!(
                "{what} comes with a file, and {id} is an entry; a file has a slash: ./{id}"
            );
            return Err(Misuse::from(why));
        }
        self.entry = Some(id.to_owned());
        Ok(())
    }
}

pub(super) fn load(mut typed: Typed) -> Result<Command, Misuse> {
    let kernel = typed.path();
    let mut load = mem::take(&mut typed.load);
    load.inputs.arch = typed.arch;
    load.json = typed.json;
    load.asked = typed.asked()?;
    load.take(kernel)?;
    if !load.dry_run && !load.inputs.is_empty() {
        return Err(Misuse::from("a machine is described only for --dry-run"));
    }
    load.inputs.check(arch::native())?;
    Ok(Command::Load(Box::new(load)))
}

pub(super) fn unload(typed: Typed) -> Result<Command, Misuse> {
    Ok(Command::Unload(typed.load.slot))
}

pub(super) fn exec(_: Typed) -> Result<Command, Misuse> {
    Ok(Command::Exec)
}

pub(super) fn boot(mut typed: Typed) -> Result<Command, Misuse> {
    let entry = typed.word()?;
    let leave = typed.leave;
    let retry = typed.retry;
    let force = typed.force;
    Ok(Command::Boot(Box::new(Boot { entry, leave, retry, force, asked: typed.asked()? })))
}

const ONLY_NEXT_START: &str =
    "this machine is checked as it is: other menus and keys only with --next-start";

pub(super) fn check(typed: Typed) -> Result<Command, Misuse> {
    let next_start = typed.next_start;
    let asked = typed.asked()?;
    if !next_start && asked != (Asked { json: asked.json, ..Asked::default() }) {
        return Err(ONLY_NEXT_START.into());
    }
    Ok(Command::Check(Box::new(Check { next_start, asked })))
}

pub(super) fn bless(mut typed: Typed) -> Result<Command, Misuse> {
    let entry = typed.word()?;
    let state = typed.state;
    Ok(Command::Bless { entry, state, json: typed.json })
}

/// What `turnout slot` does, besides showing all.
pub(super) const ACTS: [&str; 4] = ["list", "set-primary", "set-state", "install"];

pub(super) fn slot(mut typed: Typed) -> Result<Command, Misuse> {
    let verb = typed.word()?.unwrap_or_else(|| "list".to_owned());
    let act = match verb.as_str() {
        "list" => Act::List,
        "set-primary" => Act::SetPrimary(name_for(&verb, &mut typed)?),
        "set-state" => {
            let name = name_for(&verb, &mut typed)?;
            marking(name, &mut typed)?
        }
        "install" => Act::Install(name_for(&verb, &mut typed)?, typed.force),
        _ => return Err(unknown(&verb, "verb of \"turnout slot\"", ACTS.into_iter())),
    };
    if let Some(more) = typed.words.pop_front() {
        return Err(lexopt::Error::UnexpectedArgument(more).into());
    }
    if typed.force && !matches!(act, Act::MarkBad(..) | Act::Install(..)) {
        let why = "--force is for \"install\" and \"set-state NAME bad\" only";
        return Err(Misuse::from(why));
    }
    Ok(Command::Slot { act, state: typed.state, json: typed.json })
}

fn name_for(verb: &str, typed: &mut Typed) -> Result<String, Misuse> {
    let name = typed.word()?;
    name.ok_or_else(|| {
        Misuse::from(format!(
            "\"turnout slot {verb}\" needs the name of a slot (\"turnout slot list\" shows them)"
        ))
    })
}

fn marking(name: String, typed: &mut Typed) -> Result<Act, Misuse> {
    match typed.word()?.as_deref() {
        Some("good") => Ok(Act::MarkGood(name)),
        Some("bad") => Ok(Act::MarkBad(name, typed.force)),
        Some(other) => Err(Misuse::from(format!("a slot is set good or bad, not {other:?}"))),
        None => Err(Misuse::from("\"turnout slot set-state NAME\" needs good or bad".to_owned())),
    }
}

pub(super) fn set_default(typed: Typed) -> Result<Command, Misuse> {
    choose(typed, When::Always)
}

pub(super) fn set_oneshot(typed: Typed) -> Result<Command, Misuse> {
    choose(typed, When::Once)
}

/// An empty id forgets, as with bootctl.
fn choose(mut typed: Typed, when: When) -> Result<Command, Misuse> {
    let id = match (typed.word()?, typed.clear) {
        (Some(_), true) => Err("only one of ID and --clear"),
        (None, false) => Err("it needs the id of an entry, or --clear to forget what was set"),
        (Some(id), false) if id == "@saved" && when == When::Once => {
            Err("@saved is for \"turnout set-default\" only")
        }
        (id, _) => Ok(id.filter(|id| !id.is_empty())),
    };
    let choice = Choice { when, id: id.map_err(Misuse::from)? };
    let state = typed.state;
    Ok(Command::Choose { choice, state, json: typed.json })
}

pub(super) fn history(typed: Typed) -> Result<Command, Misuse> {
    Ok(Command::History { state: typed.state, json: typed.json })
}

pub(super) fn list(typed: Typed) -> Result<Command, Misuse> {
    Ok(Command::List(Box::new(typed.asked()?)))
}

pub(super) fn explain(mut typed: Typed) -> Result<Command, Misuse> {
    let entry = typed.word()?;
    let inputs = Inputs { arch: typed.arch, ..typed.load.inputs.clone() };
    let asked = typed.asked()?;
    if inputs.is_machine() {
        inputs.check(arch::native())?;
    }
    Ok(Command::Explain(Box::new(Explain { entry, asked, inputs })))
}

pub(super) fn verify(mut typed: Typed) -> Result<Command, Misuse> {
    let what = match (typed.word()?, typed.manifest.take()) {
        (Some(_), Some(_)) => return Err(Misuse::from(ONE_OF_ENTRY_AND_MANIFEST)),
        (Some(id), None) => What::Entry(id),
        (None, Some(path)) => What::Manifest(path),
        (None, None) => What::Menu,
    };
    Ok(Command::Verify(Box::new(Verify { what, asked: typed.asked()? })))
}

pub(super) fn status(typed: Typed) -> Result<Command, Misuse> {
    Ok(Command::Status { settle: typed.settle, state: typed.state, json: typed.json })
}

pub(super) fn image(mut typed: Typed) -> Result<Command, Misuse> {
    Ok(Command::Image { file: typed.path(), json: typed.json })
}
