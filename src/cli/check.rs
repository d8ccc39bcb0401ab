//! `turnout check`: what was found, for eyes and for monitoring.

use super::answer::Answer;
use super::arguments::{Asked, Check};
use super::source::Location;
use super::{brief, offer, settings, told};
use crate::check::{self, Facts, findings, is_ready};
use crate::failure::Failure;
use crate::sys::survey::{Tree, survey, survey_next_start};

/// Gives what is to be printed; the status is 0 for a machine that is ready.
///
/// # Errors
/// turnout.conf cannot be understood.
pub(super) fn run(check: &Check) -> Result<Answer, Failure> {
    if check.next_start {
        return next_start(&check.asked);
    }
    let facts = facts();
    let mut found = findings(&facts);
    check::accept(&mut found, &accepted(&facts)?);
    let text = if check.asked.json { told::as_json(&found) } else { told::as_text(&found) };
    Ok(Answer { text, status: u8::from(!is_ready(&found)) })
}

/// Only what the next start finds, of this machine or of one that directories stand for.
fn next_start(asked: &Asked) -> Result<Answer, Failure> {
    let root = match &asked.source.location {
        Location::Directories(all) => all.first().map(|first| first.path.as_path()),
        Location::Here | Location::Device(_) => None,
    };
    let tree = root.map_or_else(Tree::live, Tree::at);
    let mut facts = survey_next_start(&tree);
    if facts.rights.is_root != Some(false) {
        offer::look_ahead(asked, &tree, &mut facts);
    }
    // What was accepted is of this machine.
    let accepted = if root.is_none() { accepted(&facts)? } else { Vec::new() };
    let mut found = check::of_next_start(&facts);
    check::accept(&mut found, &accepted);
    let status = u8::from(!is_ready(&found));
    let text = match asked.json {
        true => brief::as_json(&found, &facts),
        false => brief::as_text(&found, &facts),
    };
    Ok(Answer { text, status })
}

/// The file may be for root alone; without it more is warned of, not less.
fn accepted(facts: &Facts) -> Result<Vec<String>, Failure> {
    let is_root = facts.rights.is_root != Some(false);
    settings::accepted().or_else(|failure| if is_root { Err(failure) } else { Ok(Vec::new()) })
}

/// Keys and menus are for root to read; that nobody did is a finding of its own.
fn facts() -> Facts {
    let tree = Tree::live();
    let mut facts = survey(&tree);
    if facts.rights.is_root != Some(false) {
        offer::look(&tree, &mut facts);
    }
    facts
}
