//! What the next start of this machine finds: its entries in the order in which PID 1 tries
//! them, each proven until one boots, and then those of a kernel that is newer.
//!
//! Nothing is loaded or changed. What a start knows and nobody else does (its memory, what
//! a TPM says, slots that an image declares) is left out. Specification: docs/boot.md,
//! "What boots if nobody chooses".

use super::explain::default_of;
use super::judge::{Judge, describe};
use crate::check::facts::{Outlook, Prospect, Refusal, Verdict};
use crate::check::releases;
use crate::failure::Failure;
use crate::menu::{Entry, Menu};
use crate::plan::{self, Room};
use crate::preflight::{self, Limits};
use crate::trust::Role;
use crate::trust::verify::Mode;

/// What came of an entry that was proven before.
pub(super) struct Known<'a> {
    pub(super) entry: &'a Entry,
    pub(super) outcome: Result<Found, Failure>,
}

/// An entry that may boot.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) role: Role,
    /// What its kernel calls itself.
    pub(super) release: Option<String>,
}

/// What the menus come to, where these kernels are installed.
pub(super) fn of(judge: &Judge, installed: Vec<String>, known: Option<&Known<'_>>) -> Outlook {
    let menu = &judge.menus.menu;
    let default = default_of(&judge.menus);
    let entries = in_order(menu, default);
    let prospects = entries.iter().map(|entry| Prospect {
        id: entry.id.clone(),
        release: releases::of_entry(entry, &installed).map(str::to_owned),
        verdict: Verdict::Unseen,
    });
    let mut outlook = Outlook {
        is_locked: judge.mode == Mode::Locked,
        entries: prospects.collect(),
        default: default.map(|entry| entry.id.clone()),
        installed,
    };
    Looker { judge, known }.look(&entries, &mut outlook);
    outlook
}

/// The default, what its menu falls back to, and then all others, going round. What has no
/// tries left comes last.
fn in_order<'a>(menu: &'a Menu, default: Option<&'a Entry>) -> Vec<&'a Entry> {
    let is_default = |entry: &&Entry| default.is_some_and(|default| core::ptr::eq(*entry, default));
    let at = menu.entries.iter().position(|entry| is_default(&entry)).unwrap_or_default();
    let fallback = menu.fallback.iter().filter_map(|index| menu.entries.get(*index));
    let (before, behind) = menu.entries.split_at_checked(at).unwrap_or_default();
    let mut order: Vec<&Entry> = Vec::new();
    for entry in default.into_iter().chain(fallback).chain(behind).chain(before) {
        if !order.iter().any(|one| core::ptr::eq(*one, entry)) {
            order.push(entry);
        }
    }
    let (bad, good): (Vec<_>, Vec<_>) = order.into_iter().partition(|entry| entry.is_bad());
    good.into_iter().chain(bad).collect()
}

struct Looker<'a> {
    judge: &'a Judge,
    known: Option<&'a Known<'a>>,
}

impl Looker<'_> {
    /// Reads as few files as will do.
    fn look(&self, entries: &[&Entry], outlook: &mut Outlook) {
        for (entry, prospect) in entries.iter().zip(&mut outlook.entries) {
            self.look_at(entry, prospect);
            if prospect.verdict == Verdict::Boots {
                break;
            }
        }
        let started = outlook.starts().and_then(|entry| entry.release.as_deref());
        let newest = started.and_then(|started| releases::newest(&outlook.installed, started));
        let Some(newest) = newest.map(str::to_owned) else { return };
        for (entry, prospect) in entries.iter().zip(&mut outlook.entries) {
            let is_of_newest = prospect.release.as_ref() == Some(&newest);
            if prospect.verdict == Verdict::Unseen && is_of_newest {
                self.look_at(entry, prospect);
            }
        }
    }

    /// What a kernel that is proven says of itself comes before what it is called.
    fn look_at(&self, entry: &Entry, prospect: &mut Prospect) {
        match self.found(entry) {
            Ok(Found { role: Role::Boot, release }) => {
                prospect.verdict = Verdict::Boots;
                prospect.release = release.or_else(|| prospect.release.take());
            }
            Ok(Found { role: Role::Recovery, .. }) => prospect.verdict = Verdict::Recovers,
            Err(failure) => prospect.verdict = Verdict::Refused(refusal(&failure)),
        }
    }

    /// Whatever memory is free now, it is not that of the next start.
    fn found(&self, entry: &Entry) -> Result<Found, Failure> {
        let known = self.known.filter(|known| core::ptr::eq(known.entry, entry));
        match known.map(|known| &known.outcome) {
            Some(Err(failure)) if failure.code() == preflight::MEMORY => self.prove(entry),
            Some(outcome) => outcome.clone(),
            None => self.prove(entry),
        }
    }

    fn prove(&self, entry: &Entry) -> Result<Found, Failure> {
        let limits = Limits {
            memory: Room::UNKNOWN,
            cmdline: plan::longest_cmdline(self.judge.machine.arch),
            consoles: &[],
        };
        let attested = self.judge.examine_with(entry, &limits)?.into_verdict()?;
        let release = describe(&self.judge.prove(entry, &attested)?)?.version;
        Ok(Found { role: attested.role(), release })
    }
}

/// As the rules have it.
pub(super) fn refusal(failure: &Failure) -> Refusal {
    Refusal {
        code: failure.code(),
        lacks_memory: failure.code() == preflight::MEMORY,
        sentence: failure.sentence(),
    }
}
