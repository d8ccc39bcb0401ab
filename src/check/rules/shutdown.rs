//! What leaving this system takes at most, by its units' own limits.
//!
//! Units stop in the reverse of the order in which they are started, and side by side
//! where nothing orders them: the longest chain of limits is what it takes. It is no
//! promise: a unit may ask for more time, and a file system that hangs has none.
//! Specification: systemd.unit(5), systemd.service(5), systemd.kill(5).

use crate::base::sort;
use crate::check::facts::{Shutdown, Unit};
use crate::check::settings::Span;
use crate::check::{Facts, Row, Said, shell};

pub(super) const ROWS: &[Row] =
    &[Row::one("LONG_STOP", long_stop), Row::one("SHUTDOWN_TIME", shutdown_time)];

/// `DefaultTimeoutStopSec=` where nothing is set.
const DEFAULT: Span = Span::Seconds(90);
/// Seconds that one unit may take without being named.
const LONG: Span = Span::Seconds(300);
/// Units whose limit is meant for their start: at their stop they write a few bytes.
const SLOW_TO_START: [&str; 1] = ["systemd-random-seed.service"];
/// So many of the worst are named.
const NAMED: usize = 5;

/// Installed with Turnout, and off until somebody links it.
const DROP_IN: &str = "for 30 s in place of the default 90:\n\
                       mkdir -p /etc/systemd/system.conf.d\n\
                       ln -s /usr/share/turnout/system.conf.d/shutdown.conf \
                       /etc/systemd/system.conf.d/turnout-shutdown.conf\n\
                       then: systemctl daemon-reexec";

fn default_stop(facts: &Facts) -> Span {
    facts.systemd.default_stop.unwrap_or(DEFAULT)
}

fn times(span: Span, rounds: u64) -> Span {
    match span {
        Span::Seconds(seconds) => Span::Seconds(seconds.saturating_mul(rounds)),
        Span::Infinite if rounds == 0 => Span::Seconds(0),
        Span::Infinite => Span::Infinite,
    }
}

fn sum(left: Span, right: Span) -> Span {
    match (left, right) {
        (Span::Seconds(left), Span::Seconds(right)) => Span::Seconds(left.saturating_add(right)),
        _ => Span::Infinite,
    }
}

/// What stopping it may take.
fn cost(unit: &Unit, default: Span) -> Span {
    let own = unit.timeout.filter(|_| !SLOW_TO_START.contains(&unit.name.as_str()));
    times(own.unwrap_or(default), unit.rounds)
}

/// Somebody set such a limit on purpose: what runs into a shorter one is killed at work,
/// such as dpkg below unattended-upgrades.
fn long_stop(facts: &Facts) -> Option<Said> {
    let default = default_stop(facts);
    let units = facts.shutdown.units.iter();
    let mut long: Vec<(Span, &str)> = units
        .map(|unit| (cost(unit, default), &*unit.name))
        .filter(|(span, _)| *span > LONG)
        .collect();
    sort::sort_by_key(&mut long, |(span, _)| core::cmp::Reverse(*span));
    let (_, worst) = long.first()?;
    let named: Vec<String> =
        long.iter().take(NAMED).map(|(span, name)| format!("{name} ({span})")).collect();
    let sentence = format!(
        "a unit may take longer than 5 minutes to stop, and the jump waits for it: {}",
        named.join(", ")
    );
    let remedy = format!(
        "see what is waited for: systemctl cat {}\na shorter TimeoutStopSec= kills it at work: let \
         it end first, or leave when it is idle",
        shell::word(worst)
    );
    Said::notes(sentence, remedy)
}

fn shutdown_time(facts: &Facts) -> Option<Said> {
    let chain = Chains::new(&facts.shutdown, default_stop(facts)).longest()?;
    let named: Vec<String> =
        chain.units.iter().map(|(name, span)| format!("{name} ({span})")).collect();
    let after = default_stop(facts);
    let total = sum(chain.total, after);
    let limit =
        facts.shutdown.limit.filter(|limit| *limit < total).map_or_else(String::new, |limit| {
            format!("; kexec.target jumps after {limit} whatever still runs")
        });
    let sentence = format!(
        "leaving this system takes at most {total} by its units' own limits: {}, then {after} for \
         processes that are left{limit}",
        named.join(", then ")
    );
    let is_long = total > LONG && after >= DEFAULT;
    Said::notes(sentence, if is_long { DROP_IN } else { "" })
}

/// Units that stop one after the other, first to last.
struct Chain<'f> {
    total: Span,
    units: Vec<(&'f str, Span)>,
}

/// The longest chains of a system, as far as they are known.
struct Chains<'f> {
    units: &'f [Unit],
    costs: Vec<Span>,
    /// For each unit those that stop after it.
    next: Vec<Vec<usize>>,
    /// For each unit what it and the longest chain behind it take, and who goes on.
    known: Vec<Known>,
}

#[derive(Clone, Copy)]
enum Known {
    No,
    /// Being looked at: who comes back to it has gone round in a circle.
    Open,
    Yes(Span, Option<usize>),
}

impl<'f> Chains<'f> {
    fn new(shutdown: &'f Shutdown, default: Span) -> Self {
        let units = &shutdown.units;
        let mut names: Vec<(&str, usize)> =
            units.iter().enumerate().map(|(index, unit)| (&*unit.name, index)).collect();
        sort::sort(&mut names);
        let place = |name: &String| {
            let at = names.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
            names.get(at).map(|(_, index)| *index)
        };
        let mut next: Vec<Vec<usize>> = units
            .iter()
            .map(|unit| unit.started_after.iter().filter_map(place).collect())
            .collect();
        for (index, unit) in units.iter().enumerate() {
            for other in unit.started_before.iter().filter_map(place) {
                if let Some(next) = next.get_mut(other) {
                    next.push(index);
                }
            }
        }
        let costs = units.iter().map(|unit| cost(unit, default)).collect();
        Self { units, costs, next, known: vec![Known::No; units.len()] }
    }

    /// None where nothing has to be waited for.
    fn longest(mut self) -> Option<Chain<'f>> {
        let mut best: Option<(Span, usize)> = None;
        for index in 0..self.units.len() {
            let span = self.behind(index);
            if best.is_none_or(|(most, _)| span > most) {
                best = Some((span, index));
            }
        }
        let (total, first) = best.filter(|(total, _)| *total > Span::Seconds(0))?;
        Some(Chain { total, units: self.named(first) })
    }

    /// What a unit and the longest chain behind it take. As deep as the longest chain,
    /// which is bounded by the units that there are.
    fn behind(&mut self, index: usize) -> Span {
        match self.known.get(index) {
            Some(Known::Yes(span, _)) => return *span,
            Some(Known::No) => {}
            Some(Known::Open) | None => return Span::Seconds(0),
        }
        self.set(index, Known::Open);
        let next = self.next.get(index).cloned().unwrap_or_default();
        let mut longest: Option<(Span, usize)> = None;
        for other in next {
            let span = self.behind(other);
            if span > longest.map_or(Span::Seconds(0), |(most, _)| most) {
                longest = Some((span, other));
            }
        }
        let own = self.costs.get(index).copied().unwrap_or(Span::Seconds(0));
        let total = sum(own, longest.map_or(Span::Seconds(0), |(span, _)| span));
        self.set(index, Known::Yes(total, longest.map(|(_, other)| other)));
        total
    }

    fn set(&mut self, index: usize, known: Known) {
        if let Some(place) = self.known.get_mut(index) {
            *place = known;
        }
    }

    /// Those of a chain that may take any time.
    fn named(&self, first: usize) -> Vec<(&'f str, Span)> {
        let mut named = Vec::new();
        let mut at = Some(first);
        while let Some(index) = at {
            let own = self.costs.get(index).filter(|own| **own > Span::Seconds(0));
            let unit = self.units.get(index);
            named.extend(unit.zip(own).map(|(unit, own)| (&*unit.name, *own)));
            at = match self.known.get(index) {
                Some(Known::Yes(_, next)) => *next,
                _ => None,
            };
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use crate::check::facts::{Shutdown, Unit};
    use crate::check::settings::Span;
    use crate::check::{Facts, Weight};

    fn unit(name: &str, seconds: u64, after: &[&str], before: &[&str]) -> Unit {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Unit {
            name: name.to_owned(),
            rounds: u64::from(!name.ends_with(".target")),
            timeout: (seconds > 0).then_some(Span::Seconds(seconds)),
            started_after: owned(after),
            started_before: owned(before),
        }
    }

    fn with(units: Vec<Unit>) -> Facts {
        Facts { shutdown: Shutdown { units, limit: None }, ..Facts::default() }
    }

    #[test]
    fn units_that_wait_for_each_other_are_added_and_others_are_not() {
        let facts = with(vec![
            unit("web.service", 30, &["network.target"], &[]),
            unit("db.service", 100, &[], &["web.service"]),
            unit("net.service", 20, &[], &["network.target"]),
            unit("network.target", 0, &[], &[]),
            unit("alone.service", 110, &[], &[]),
        ]);
        let said = sentence("SHUTDOWN_TIME", &facts);
        let expected = "leaving this system takes at most 220 s by its units' own limits: \
                        web.service (30 s), then db.service (100 s), then 90 s for processes that \
                        are left";
        assert_eq!(said, expected);
    }

    #[test]
    fn a_shorter_limit_for_all_is_the_remedy_of_what_takes_long() {
        let of = |seconds: u64, default: Option<u64>| {
            let mut facts = with(vec![unit("web.service", seconds, &[], &[])]);
            facts.systemd.default_stop = default.map(Span::Seconds);
            said("SHUTDOWN_TIME", &facts).remove(0).remedy
        };
        assert!(of(220, None).contains("ln -s /usr/share/turnout/system.conf.d/shutdown.conf"));
        assert_eq!([of(200, None), of(900, Some(30))], ["", ""]);
    }

    #[test]
    fn a_target_carries_the_order_on() {
        let facts = with(vec![
            unit("web.service", 30, &["network.target"], &[]),
            unit("network.target", 0, &[], &[]),
            unit("net.service", 0, &[], &["network.target"]),
        ]);
        assert!(
            sentence("SHUTDOWN_TIME", &facts)
                .contains("web.service (30 s), then net.service (90 s)")
        );
    }

    #[test]
    fn a_limit_for_the_start_is_not_taken_for_one_of_the_stop() {
        let facts = with(vec![unit("systemd-random-seed.service", 600, &[], &[])]);
        assert_eq!(said("LONG_STOP", &facts), []);
        assert!(sentence("SHUTDOWN_TIME", &facts).contains("at most 180 s"));
    }

    #[test]
    fn a_circle_ends() {
        let facts = with(vec![
            unit("a.service", 10, &["b.service"], &[]),
            unit("b.service", 10, &["a.service"], &[]),
            unit("c.service", 10, &["c.service"], &[]),
        ]);
        assert!(sentence("SHUTDOWN_TIME", &facts).contains("at most 110 s"));
    }

    #[test]
    fn the_worst_five_are_named() {
        let mut units: Vec<Unit> =
            (0..7).map(|n| unit(&format!("n{n}.service"), 301 + n, &[], &[])).collect();
        units.push(Unit { timeout: Some(Span::Infinite), ..unit("vm.service", 1, &[], &[]) });
        let found = said("LONG_STOP", &with(units));
        assert!(found[0].sentence.contains("vm.service (without end), n6.service (307 s)"));
        assert_eq!(found[0].sentence.matches(".service").count(), 5);
        assert_eq!(found[0].weight, Weight::Notes, "it may be meant so");
        assert!(found[0].remedy.starts_with("see what is waited for: systemctl cat vm.service\n"));
        assert!(!found[0].remedy.contains("TimeoutStopSec=90"));
        assert_eq!(said("LONG_STOP", &with(vec![unit("a.service", 300, &[], &[])])), []);
    }

    #[test]
    fn what_jumps_whatever_runs_is_said_where_it_comes_first() {
        let mut facts =
            with(vec![Unit { timeout: Some(Span::Infinite), ..unit("vm.service", 1, &[], &[]) }]);
        facts.shutdown.limit = Some(Span::Seconds(1800));
        assert!(sentence("SHUTDOWN_TIME", &facts).ends_with("after 1800 s whatever still runs"));
        facts.shutdown.units.clear();
        assert_eq!(said("SHUTDOWN_TIME", &facts), []);
    }
}
