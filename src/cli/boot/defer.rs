//! A kernel that is loaded as late as can be, for machines short of memory: when the
//! services have stopped and given theirs back.
//!
//! What is verified while the system still runs is verified again then. The unit
//! `turnout-defer.service` loads as it is stopped: only a unit that is stopped is ordered
//! against the mounts that it needs (docs/fast-reboot.md).

use super::departure::{Departure, Target};
use super::report::Report;
use super::{check, has_failed, judge, load_of, ready};
use crate::cli::arguments::{Boot, Leave};
use crate::cli::source::Source;
use crate::failure::{Failure, Stage};
use crate::host::deferred::Deferred;
use crate::host::record::By;
use crate::sys::{records, systemd};

const UNIT: &str = "turnout-defer.service";

/// Verifies, tells the firmware, and has the services stopped.
pub(super) fn run(boot: &Boot, report: &mut Report) -> Result<(), Failure> {
    check_source(boot)?;
    check(boot, report)?;
    let judge = judge(boot, report)?;
    let ready = ready(&judge, boot, report)?;
    let target = Target::of_ready(&ready)?;
    // The memory that it takes is what is short.
    drop(ready);
    if has_failed(&target, boot, report) {
        return super::firmware::leave(&judge, boot, &target, report);
    }
    drop(judge);
    let entry = target.entry.clone().unwrap_or_default();
    systemd::start(UNIT).map_err(|error| {
        let why = format!("{error}: dist/systemd/{UNIT} of Turnout has to be installed");
        Failure::new(Stage::Quiesce, why)
    })?;
    Departure::new(target, false, boot.force).defer(&entry, report)
}

/// As the unit is stopped it knows of this machine's own menus only.
fn check_source(boot: &Boot) -> Result<(), Failure> {
    let asked = &boot.asked;
    let is_here = asked.source == Source::default() && asked.keys.is_none();
    if is_here && asked.policy.is_none() {
        return Ok(());
    }
    let why = "--defer loads from this machine's own menus, with its own key ring: no --root, \
               --device, --config, --keys or --policy";
    Err(Failure::new(Stage::Start, why))
}

/// For the unit: loads what was deferred, if anything was.
pub(super) fn load(boot: &Boot, report: &mut Report) -> Result<(), Failure> {
    let deferred = records::deferred().map_err(|error| Failure::new(Stage::Read, error))?;
    let Some(deferred) = deferred else {
        report.line("nothing was deferred");
        return Ok(());
    };
    let boot = Boot { entry: Some(deferred.entry.clone()), leave: Leave::Deferred, ..boot.clone() };
    let outcome = load_now(&boot, &deferred, report);
    // Once, whatever came of it.
    let forgotten = records::forget_deferred().map_err(|error| Failure::new(Stage::Read, error));
    outcome.and(forgotten)
}

fn load_now(boot: &Boot, deferred: &Deferred, report: &mut Report) -> Result<(), Failure> {
    let judge = judge(boot, report)?;
    let ready = ready(&judge, boot, report)?;
    let target = Target::of_ready(&ready)?;
    target.write_down(deferred, report);
    let done = ready.load(&load_of(boot), By::Boot)?;
    report.line(&done.text);
    target.seal_late(report)
}
