//! What Turnout may cost: sizes, memory, time.

use super::model::{Processor, Report, Row};
use std::fmt;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// The row of the engine that is taken unless something speaks against it.
const DEFAULT: &str = "turnout segments";

/// One limit and what was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    name: String,
    measured: Option<u64>,
    limit: u64,
    unit: Unit,
    /// Whether being over is a failure, or only to be seen.
    binding: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Kib,
    Milliseconds,
    Microseconds,
}

impl Budget {
    /// Whether nothing that binds is over. A figure that could not be measured
    /// is over: a budget must not be kept by losing its meter.
    pub fn is_kept(&self) -> bool {
        !self.binding || self.is_under()
    }

    fn is_under(&self) -> bool {
        self.measured.is_some_and(|measured| measured <= self.limit)
    }
}

/// The budgets of one architecture.
pub fn of(report: &Report) -> Vec<Budget> {
    let mut budgets = sizes(report);
    budgets
        .extend(turnout_rows(report).filter(|row| !row.unpacks()).map(|row| memory(report, row)));
    budgets.extend(turnout_rows(report).flat_map(|row| verification(report, row)));
    budgets.extend(menus(report));
    budgets.extend(turnout_rows(report).filter_map(|row| against_unverified(report, row)));
    budgets.extend(turnout_rows(report).filter_map(|row| against_unchecked(report, row)));
    budgets.extend(report.reaching().iter().flat_map(|(row, named)| reach(report, row, named)));
    budgets
}

/// An image for nearly every machine may take little longer to its jump than one for this
/// machine alone, and not be much larger than the drivers of disks are.
fn reach(report: &Report, row: &Row, named: &Row) -> [Budget; 2] {
    // A time that was not measured leaves none.
    let most = named.start_to_jump_ns.map_or(0, |named| named.saturating_mul(13) / 10);
    let name = |what: &str| format!("{} {}: {what}", report.arch, row.label());
    [
        Budget {
            name: name("start to jump, against 1.3 of hand-picked drivers"),
            measured: row.start_to_jump_ns,
            limit: most,
            unit: Unit::Milliseconds,
            binding: true,
        },
        Budget {
            name: name("image"),
            measured: row.initramfs_bytes,
            limit: 6_500_000,
            unit: Unit::Kib,
            binding: true,
        },
    ]
}

fn turnout_rows(report: &Report) -> impl Iterator<Item = &Row> {
    report.rows.iter().filter(|row| row.is_turnout())
}

fn sizes(report: &Report) -> Vec<Budget> {
    let arch = report.arch;
    [
        ("static binary", Some(report.sizes.binary), 1200 * KIB),
        ("purgatory", report.sizes.purgatory, 64 * KIB),
        ("initramfs without modules, in xz", Some(report.sizes.initramfs), 512 * KIB),
    ]
    .map(|(name, measured, limit)| Budget {
        name: format!("{arch} {name}"),
        measured,
        limit,
        unit: Unit::Kib,
        binding: true,
    })
    .into()
}

fn memory(report: &Report, row: &Row) -> Budget {
    Budget {
        name: format!("{} {}: peak RSS of PID 1 above the payload", report.arch, row.label()),
        measured: rss_above_payload(row),
        limit: 4 * MIB,
        unit: Unit::Kib,
        binding: true,
    }
}

fn rss_above_payload(row: &Row) -> Option<u64> {
    Some(row.peak_rss_bytes?.saturating_sub(row.payload_rss_bytes?))
}

/// SHA-256 at 0.95 or better of the fastest of the sha2 crate, and everything else
/// of verification.
fn verification(report: &Report, row: &Row) -> [Budget; 2] {
    // A speed that was not measured leaves no time.
    let crates = row.crate_hash_ns.map_or(0, |fastest| fastest.saturating_mul(100) / 95);
    [
        ("SHA-256 of the payload", row.hash_ns, crates),
        ("everything else of verification", row.trust_ns, 5_000_000),
    ]
    .map(|(what, measured, limit)| Budget {
        name: format!("{} {}: {what}", report.arch, row.label()),
        measured,
        limit,
        unit: Unit::Microseconds,
        binding: true,
    })
}

/// Of any of Turnout's boots: they are measured in the next system.
fn menus(report: &Report) -> [Budget; 2] {
    let sorting = turnout_rows(report).find_map(|row| row.menu_ns);
    let script = turnout_rows(report).find_map(|row| row.script_ns);
    [
        ("reading and sorting 1000 entries", sorting, 20_000_000),
        ("reading a grub.cfg of 20 kernels", script, 15_000_000),
    ]
    .map(|(what, measured, limit)| Budget {
        name: format!("{}: {what}", report.arch),
        measured,
        limit,
        unit: Unit::Microseconds,
        binding: false,
    })
}

/// One of Turnout's engines against the fastest incumbent on the same processor
/// that checks, at the jump, what it loaded.
fn against_unverified(report: &Report, row: &Row) -> Option<Budget> {
    let incumbents = report.rows.iter().filter(|other| {
        other.is_incumbent() && !checks_nothing(other) && other.processor == row.processor
    });
    let limit = incumbents.filter_map(|row| row.start_to_jump_ns).min()?;
    Some(time(report, row, "kexec-tools", limit))
}

/// The engine that is taken by default, where the processor has SHA instructions,
/// against the incumbent that checks nothing at all.
fn against_unchecked(report: &Report, row: &Row) -> Option<Budget> {
    if row.name != DEFAULT || row.processor != Processor::Usual {
        return None;
    }
    let incumbent = report.rows.iter().find(|row| checks_nothing(row))?;
    Some(time(report, row, "kexec-tools that checks nothing", incumbent.start_to_jump_ns?))
}

fn checks_nothing(row: &Row) -> bool {
    row.name.ends_with(" -i")
}

fn time(report: &Report, row: &Row, incumbent: &str, limit: u64) -> Budget {
    Budget {
        name: format!("{} {}: start to jump, against {incumbent}", report.arch, row.label()),
        measured: row.start_to_jump_ns,
        limit,
        unit: Unit::Milliseconds,
        binding: false,
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_under() { "ok  " } else { "over" };
        let measured =
            self.measured.map_or_else(|| "not measured".to_owned(), |m| self.unit.shown(m));
        write!(f, "{verdict} {}: {measured} of {}", self.name, self.unit.shown(self.limit))
    }
}

impl Unit {
    fn shown(self, value: u64) -> String {
        match self {
            Self::Kib => format!("{} KiB", value.div_ceil(KIB)),
            Self::Milliseconds => format!("{} ms", value / 1_000_000),
            Self::Microseconds => format!("{} us", value / 1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::model::Sizes;
    use turnout::base::arch::Arch;

    fn row(name: &str, jump: u64) -> Row {
        Row {
            name: name.to_owned(),
            start_to_jump_ns: Some(jump),
            peak_rss_bytes: Some(12 * MIB),
            payload_rss_bytes: Some(10 * MIB),
            hash_ns: Some(100_000),
            crate_hash_ns: Some(95_000),
            trust_ns: Some(5_000_000),
            menu_ns: Some(20_000_000),
            script_ns: Some(14_000_000),
            ..Row::default()
        }
    }

    fn report() -> Report {
        let rows = vec![row("turnout file", 5_000_000), row("kexec-tools -s", 4_000_000)];
        let sizes =
            Sizes { binary: 1200 * KIB, purgatory: Some(9 * KIB), initramfs_raw: 0, initramfs: 1 };
        Report { arch: Arch::X86_64, sizes, rows }
    }

    fn lines(report: &Report) -> Vec<String> {
        of(report).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_within_its_limit_is_ok_and_time_only_warns() {
        let report = report();
        assert_eq!(
            lines(&report),
            [
                "ok   x86_64 static binary: 1200 KiB of 1200 KiB",
                "ok   x86_64 purgatory: 9 KiB of 64 KiB",
                "ok   x86_64 initramfs without modules, in xz: 1 KiB of 512 KiB",
                "ok   x86_64 turnout file: peak RSS of PID 1 above the payload: 2048 KiB of 4096 KiB",
                "ok   x86_64 turnout file: SHA-256 of the payload: 100 us of 100 us",
                "ok   x86_64 turnout file: everything else of verification: 5000 us of 5000 us",
                "ok   x86_64: reading and sorting 1000 entries: 20000 us of 20000 us",
                "ok   x86_64: reading a grub.cfg of 20 kernels: 14000 us of 15000 us",
                "over x86_64 turnout file: start to jump, against kexec-tools: 5 ms of 4 ms",
            ]
        );
        assert!(of(&report).iter().all(Budget::is_kept));
    }

    #[test]
    fn slower_hashing_than_the_crates_and_lost_meters_break_a_budget() {
        assert!(is_kept_after(|_| {}));
        assert!(!is_kept_after(|row| row.hash_ns = Some(100_001)));
        assert!(!is_kept_after(|row| row.trust_ns = Some(5_000_001)));
        assert!(!is_kept_after(|row| row.crate_hash_ns = None));
        assert!(!is_kept_after(|row| row.trust_ns = None));
    }

    fn is_kept_after(change: fn(&mut Row)) -> bool {
        let mut report = report();
        report.rows.iter_mut().for_each(change);
        of(&report).iter().all(Budget::is_kept)
    }

    #[test]
    fn times_are_held_against_the_incumbent_of_the_same_processor() {
        let rows = vec![
            row("turnout segments", 2_000_000),
            Row { processor: Processor::WithoutShaNi, ..row("turnout segments", 6_000_000) },
            row("kexec-tools -c", 4_000_000),
            row("kexec-tools -c -i", 3_000_000),
            Row { processor: Processor::WithoutShaNi, ..row("kexec-tools -c", 7_000_000) },
        ];
        let report = Report { rows, ..report() };
        let times: Vec<String> =
            lines(&report).into_iter().filter(|line| line.contains("start to jump")).collect();
        assert_eq!(
            times,
            [
                "ok   x86_64 turnout segments: start to jump, against kexec-tools: 2 ms of 4 ms",
                "ok   x86_64 turnout segments without SHA-NI: start to jump, against kexec-tools: \
                 6 ms of 7 ms",
                "ok   x86_64 turnout segments: start to jump, against kexec-tools that checks \
                 nothing: 2 ms of 3 ms",
            ]
        );
    }

    #[test]
    fn an_image_for_every_machine_is_held_against_one_for_this_machine() {
        let universal =
            Row { initramfs_bytes: Some(6_500_000), ..row("universal drivers, x", 130) };
        let rows = vec![universal, row("hand-picked drivers, x", 100)];
        let reaching = |rows| reach_budgets(&Report { rows, ..report() });
        assert_eq!(reaching(rows.clone()), [true, true]);
        let [mut slow, mut lost] = [rows.clone(), rows];
        slow[0] = Row { initramfs_bytes: Some(6_500_001), ..row("universal drivers, x", 131) };
        assert_eq!(reaching(slow), [false, false]);
        lost[1].start_to_jump_ns = None;
        assert_eq!(reaching(lost), [false, true]);
    }

    fn reach_budgets(report: &Report) -> Vec<bool> {
        let budgets = of(report);
        let reach = budgets.iter().filter(|budget| budget.name.contains("universal"));
        reach.map(Budget::is_kept).collect()
    }

    #[test]
    fn a_byte_too_many_or_a_lost_figure_breaks_a_budget() {
        let mut report = report();
        report.sizes.binary += 1;
        report.sizes.purgatory = None;
        let broken: Vec<bool> = of(&report).iter().take(3).map(Budget::is_kept).collect();
        assert_eq!(broken, [false, false, true]);
    }
}
