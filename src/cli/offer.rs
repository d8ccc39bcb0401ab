//! What this system would start by itself, and on whose word: keys, menu, the default
//! entry and its files, as `turnout boot` takes them; the records beside them.
//!
//! Nothing is loaded or changed. What keeps the entry from being loaded is a fact here
//! like any other.

use super::arguments::{Asked, Load};
use super::explain::default_of;
use super::judge::Judge;
use super::{outlook, settings, store, target};
use crate::check::Facts;
use crate::check::facts::{Entry, Offer, Ring};
use crate::failure::Failure;
use crate::menu;
use crate::preflight::{self, Preflight};
use crate::steps::prepare::Proven;
use crate::sys::records;
use crate::sys::survey::{Tree, kernels};
use crate::trust::verify::Mode;

/// Adds them to what was read of this machine.
pub(super) fn look(tree: &Tree, facts: &mut Facts) {
    let asked = Asked::default();
    let ring = ring(&asked);
    facts.trust.failed = records::failed().unwrap_or_default();
    if let Some(here) = &mut facts.next_start {
        let area = settings::state_device(None).and_then(|device| store::read(&device));
        here.area = area.ok().map(|held| held.device);
    }
    let broken = matches!(ring, Ring::Broken(_));
    facts.trust.ring = ring;
    // Nothing can be said of an entry without the keys.
    if !broken {
        look_at_menu(&asked, tree, facts);
    }
}

fn ring(asked: &Asked) -> Ring {
    match asked.present() {
        Err(failure) => Ring::Broken(failure.sentence()),
        Ok((anchor, Mode::Open)) if anchor.ring.is_none() => Ring::Absent,
        Ok(_) => Ring::InForce,
    }
}

fn look_at_menu(asked: &Asked, tree: &Tree, facts: &mut Facts) {
    let judge = match judge(asked) {
        Ok(judge) => judge,
        Err(failure) => {
            facts.trust.offer = Offer::Nothing(failure.sentence());
            return;
        }
    };
    look_at_default(&judge, tree, facts);
    facts.outlook = Some(outlook::of(&judge, kernels(tree)));
}

/// What this machine remembers counts, as for a load.
fn judge(asked: &Asked) -> Result<Judge, Failure> {
    let load = Load { asked: asked.clone(), dry_run: true, ..Load::default() };
    Judge::of_load(&load).map(|(judge, _)| judge)
}

/// The entry with all that its files say.
fn look_at_default(judge: &Judge, tree: &Tree, facts: &mut Facts) {
    let Some(entry) = default_of(judge) else {
        facts.trust.offer = Offer::Nothing(nothing(judge));
        return;
    };
    let examined = judge.examine(entry);
    let proven =
        examined.as_ref().map_err(Clone::clone).and_then(|found| prove(judge, entry, found));
    facts.trust.offer = Offer::Entry(offered(entry, examined.as_ref().ok(), proven.as_ref().err()));
    facts.target = proven.ok().map(|proven| target::of(&entry.id, &proven, tree));
}

/// Only what the next start finds, in menus that may be another machine's. `tree` is its
/// root, or its boot partition.
pub(super) fn look_ahead(asked: &Asked, tree: &Tree, facts: &mut Facts) {
    facts.trust.ring = ring(asked);
    if matches!(facts.trust.ring, Ring::Broken(_)) {
        return;
    }
    let judge = match judge(asked) {
        Ok(judge) => judge,
        Err(failure) => {
            facts.trust.offer = Offer::Nothing(failure.sentence());
            return;
        }
    };
    let outlook = outlook::of(&judge, kernels(tree));
    facts.trust.offer = match outlook.begins() {
        Some(default) => Offer::Entry(Entry {
            id: default.id.clone(),
            refusal: default.refusal().cloned(),
            options: None,
        }),
        None => Offer::Nothing(nothing(&judge)),
    };
    facts.outlook = Some(outlook);
}

fn nothing(judge: &Judge) -> String {
    match judge.menus.menu.entries.is_empty() {
        true => judge.menus.nothing(),
        false => "the menus have no default".to_owned(),
    }
}

fn prove(judge: &Judge, entry: &menu::Entry, found: &Preflight) -> Result<Proven, Failure> {
    let attested = found.verdict().map_err(Clone::clone)?;
    judge.prove(entry, attested)
}

fn offered(entry: &menu::Entry, found: Option<&Preflight>, why_not: Option<&Failure>) -> Entry {
    let attested = found.and_then(|found| found.verdict().ok());
    let options = entry.linux.is_some().then(|| preflight::cmdline(entry, attested).to_owned());
    let refusal = why_not.map(outlook::refusal);
    Entry { id: entry.id.clone(), refusal, options }
}
