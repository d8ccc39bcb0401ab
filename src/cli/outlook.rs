//! What the next start of this machine finds: its entries in the order in which PID 1 tries
//! them, each proven until one boots, and then those of a kernel that is newer.
//!
//! Nothing is loaded or changed. What a start knows and nobody else does (its memory, what
//! a TPM says, slots that an image declares) is left out. Specification: docs/boot.md,
//! "What boots if nobody chooses".

use super::explain::default_of;
use super::judge::{Judge, describe};
use crate::base::sort;
use crate::check::facts::{Outlook, Prospect, Refusal, Verdict};
use crate::check::releases;
use crate::failure::Failure;
use crate::menu::{Entry, Menu};
use crate::plan::{self, Room};
use crate::preflight::{self, Limits};
use crate::trust::Role;
use crate::trust::verify::Mode;

/// What the menus come to, where these kernels are installed.
pub(super) fn of(judge: &Judge, installed: Vec<String>) -> Outlook {
    let entries = &judge.menus.menu.entries;
    let default = default_of(judge);
    let is_default = |entry: &Entry| default.is_some_and(|one| core::ptr::eq(one, entry));
    let default = entries.iter().position(is_default);
    let mut outlook = Outlook {
        is_locked: judge.mode == Mode::Locked,
        default: default.and_then(|at| entries.get(at)).map(|entry| entry.id.clone()),
        ..Outlook::default()
    };
    let order = in_order(&judge.menus.menu, default);
    let entries: Vec<&Entry> = order.into_iter().filter_map(|at| entries.get(at)).collect();
    for entry in &entries {
        let release = releases::of_entry(entry, &installed).map(str::to_owned);
        let prospect = Prospect { id: entry.id.clone(), release, verdict: Verdict::Unseen };
        outlook.entries.push(prospect);
    }
    outlook.installed = installed;
    look(judge, &entries, &mut outlook);
    outlook
}

/// The default, what its menu falls back to, and then all others, going round. What has no
/// tries left comes last.
fn in_order(menu: &Menu, default: Option<usize>) -> Vec<usize> {
    let mut order: Vec<usize> = default.into_iter().collect();
    let count = menu.entries.len();
    let at = default.unwrap_or_default();
    for index in menu.fallback.iter().copied().chain(at..count).chain(0..at) {
        if !order.contains(&index) {
            order.push(index);
        }
    }
    sort::sort_by_key(&mut order, |at| menu.entries.get(*at).is_some_and(Entry::is_bad));
    order
}

/// Reads as few files as will do.
fn look(judge: &Judge, entries: &[&Entry], outlook: &mut Outlook) {
    let mut newest: Option<String> = None;
    let mut has_started = false;
    let installed = &outlook.installed;
    for (entry, prospect) in entries.iter().zip(&mut outlook.entries) {
        if has_started && (newest.is_none() || prospect.release != newest) {
            continue;
        }
        prospect.verdict = look_at(judge, entry, &mut prospect.release);
        if !has_started && prospect.verdict == Verdict::Boots {
            has_started = true;
            let release = prospect.release.as_deref().unwrap_or_default();
            newest = releases::newest(installed, release).map(str::to_owned);
        }
    }
}

/// What a kernel that is proven says of itself comes before what it is called.
fn look_at(judge: &Judge, entry: &Entry, release: &mut Option<String>) -> Verdict {
    match prove(judge, entry) {
        Ok((Role::Recovery, _)) => Verdict::Recovers,
        Ok((Role::Boot, own)) => {
            *release = own.or_else(|| release.take());
            Verdict::Boots
        }
        Err(failure) => Verdict::Refused(refusal(&failure)),
    }
}

/// What it is for, and what its kernel calls itself. Whatever memory is free now, it is not
/// that of the next start.
fn prove(judge: &Judge, entry: &Entry) -> Result<(Role, Option<String>), Failure> {
    let limits = Limits {
        memory: Room::UNKNOWN,
        cmdline: plan::longest_cmdline(judge.machine.arch),
        consoles: &[],
    };
    let attested = judge.examine_with(entry, &limits)?.into_verdict()?;
    let proven = judge.prove(entry, &attested)?;
    Ok((attested.role(), describe(&proven)?.version))
}

/// As the rules have it.
pub(super) fn refusal(failure: &Failure) -> Refusal {
    Refusal {
        code: failure.code(),
        lacks_memory: failure.code() == preflight::MEMORY,
        sentence: failure.sentence(),
    }
}
