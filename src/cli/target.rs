//! What `turnout boot` would start by itself, looked into: the kernel's version, and
//! what lies in its initrds.

use super::arguments::Asked;
use super::judge::Judge;
use crate::check::facts::Target;
use crate::failure::Failure;
use crate::image::initramfs::{self, Release};
use crate::image::{self, Limits};
use crate::menu::Entry;
use crate::plan;
use crate::steps::prepare::{self, Proven};
use crate::sys::machine;
use crate::sys::survey::{Tree, installed};

/// Bytes that the initrds of an entry may unpack to: those of Debian have a tenth of it.
const MAX_UNPACKED: u64 = 1 << 30;

/// This machine's default entry; none where there is no menu, or it has no default.
pub(super) fn of_this_machine(tree: &Tree) -> Option<Target> {
    let (judge, _) = Judge::new(&Asked::default()).ok()?;
    let menu = &judge.menus.menu;
    let entry = menu.entries.get(menu.default?)?;
    Some(of(&judge, entry, tree))
}

fn of(judge: &Judge, entry: &Entry, tree: &Tree) -> Target {
    let looked = prove(judge, entry).and_then(|proven| look_into(&proven));
    let (release, initrd) = match looked {
        Ok(Inside { release, initrd }) => (release, initrd),
        Err(failure) => (None, Err(failure.sentence())),
    };
    let there = release.as_deref().map(|release| installed(tree, release)).unwrap_or_default();
    Target {
        id: entry.id.clone(),
        release,
        initrd,
        builtin: there.builtin,
        has_modules: there.is_there,
    }
}

/// What an entry's files say.
struct Inside {
    release: Option<String>,
    initrd: Result<Vec<Release>, String>,
}

fn prove(judge: &Judge, entry: &Entry) -> Result<Proven, Failure> {
    let found = judge.examine(entry)?;
    let attested = found.verdict().map_err(Clone::clone)?;
    judge.prove(entry, attested)
}

fn look_into(proven: &Proven) -> Result<Inside, Failure> {
    let limits = Limits { output: machine::memory_for_files() };
    let unpacked = prepare::identify(proven, &limits).map_err(|error| {
        let path = &proven.get().linux.path;
        Failure::broken("IMAGE", format!("{path}: {error}"))
    })?;
    let release = image::describe(&unpacked).version;
    let initrds = plan::initrds(proven.get());
    let initrds = initrds.map_err(|error| Failure::broken("IMAGE", error.to_string()))?;
    let limit = machine::memory_for_files().min(MAX_UNPACKED);
    let initrd = initramfs::releases(&initrds, limit).map_err(|error| error.to_string());
    Ok(Inside { release, initrd })
}
