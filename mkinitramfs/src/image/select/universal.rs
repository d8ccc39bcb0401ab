//! An image for nearly every machine: by class, and by what drivers import.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use turnout::base::arch::Arch;
use turnout::drivers::class::Class;

use crate::image::binary;
use crate::image::facts::Facts;
use crate::image::modules::Tree;

use super::left_out::{is_idle_part, needs, reason};
use super::rules::{self, Named, PLUMBING, RULES, is_for_devices};
use super::{Known, Picks, when_met};

const NAMED: [Named; 8] = [
    rules::DISKS,
    rules::HYPERVISORS,
    rules::USB_DISKS,
    rules::MIRRORS,
    rules::FILE_SYSTEMS,
    rules::KEYBOARDS,
    rules::WATCHDOGS,
    rules::EFI,
];

/// What a driver may need that is left out.
const NOT_PACKED: [Class; 1] = [Class::Display];

/// Modules for nearly every machine that the tree's kernel runs on, without network and
/// graphics; `more` classes are packed whole.
///
/// # Errors
/// A module of the tree cannot be read.
pub fn universal(tree: &Tree, more: &[Class]) -> Result<Picks> {
    let mut picker = Picker { tree, picks: Picks::default(), left_out: BTreeMap::new() };
    for named in &NAMED {
        picker.name(named)?;
    }
    for module in tree.survey(is_covered)? {
        picker.judge(&module)?;
    }
    for class in more {
        picker.add_class(*class)?;
    }
    picker.finish()
}

fn is_covered(path: &str) -> bool {
    RULES.iter().chain([&PLUMBING]).any(|rule| rule.covers(path))
}

struct Picker<'t> {
    tree: &'t Tree,
    picks: Picks,
    /// Drivers that were left out, by reason.
    left_out: BTreeMap<&'static str, Vec<Arc<Facts>>>,
}

impl Picker<'_> {
    fn name(&mut self, named: &Named) -> Result<()> {
        for name in named.modules {
            if self.tree.has_module(name) && !needs(self.tree, name, &NOT_PACKED)? {
                self.picks.wanted.push(when_met(name, named.why));
            }
        }
        Ok(())
    }

    fn judge(&mut self, module: &Arc<Facts>) -> Result<()> {
        let is_board = binary::arch(module.machine) == Some(Arch::Aarch64);
        let plumbing = is_board.then_some(&PLUMBING);
        let mut rules = RULES.iter().chain(plumbing);
        let Some(rule) = rules.find(|rule| rule.fits(module)) else { return Ok(()) };
        if let Some(reason) = reason(module) {
            self.left_out.entry(reason).or_default().push(Arc::clone(module));
        } else if !is_idle_part(module) && !needs(self.tree, &module.name, &NOT_PACKED)? {
            self.picks.wanted.push(when_met(&module.name, rule.why));
        }
        Ok(())
    }

    fn add_class(&mut self, class: Class) -> Result<()> {
        let why = format!("--class {}", class.name());
        for module in self.tree.survey_class(class)? {
            if is_for_devices(&module) {
                self.picks.wanted.push(when_met(&module.name, &why));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Picks> {
        let packed: BTreeSet<_> = self.picks.wanted.iter().map(|one| one.word.as_str()).collect();
        let mut known = Vec::new();
        for (reason, modules) in &mut self.left_out {
            modules.retain(|module| !packed.contains(module.name.as_str()));
            known.extend(modules.iter().filter_map(|module| Known::of(module)));
            if !modules.is_empty() {
                let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
                self.picks.notes.push(format!("left out, {reason}: {}", names.join(", ")));
            }
        }
        known.sort_by(|one, other| one.name().cmp(other.name()));
        self.picks.known = known;
        Ok(self.picks)
    }
}
