//! What Turnout may cost: sizes, memory, time.

use crate::bench::{Report, Row};
use std::fmt;
use turnout::arch::Arch;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

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
    let arch = report.arch;
    let size = |name: &str, measured, limit| Budget {
        name: format!("{arch} {name}"),
        measured,
        limit,
        unit: Unit::Kib,
        binding: true,
    };
    let mut budgets = vec![
        size("static binary", Some(report.sizes.binary), MIB),
        size("purgatory", report.sizes.purgatory, 64 * KIB),
        size("initramfs without modules, compressed", Some(report.sizes.initramfs), 512 * KIB),
    ];
    for row in turnout_rows(report).filter(|row| !row.unpacks()) {
        let name = format!("{}: peak RSS of PID 1 above the payload", row.name);
        budgets.push(size(&name, rss_above_payload(row), 4 * MIB));
    }
    budgets.extend(turnout_rows(report).flat_map(|row| verification(arch, row)));
    budgets.push(menu(report));
    if let Some(limit) = fastest_incumbent(report) {
        budgets.extend(turnout_rows(report).map(|row| time(report.arch, row, limit)));
    }
    budgets
}

fn rss_above_payload(row: &Row) -> Option<u64> {
    Some(row.peak_rss_bytes?.saturating_sub(row.payload_rss_bytes?))
}

/// Without `-i`: what checks nothing at the jump is no peer, but the floor.
fn fastest_incumbent(report: &Report) -> Option<u64> {
    let incumbents =
        report.rows.iter().filter(|row| !row.is_turnout() && !row.name.ends_with(" -i"));
    incumbents.filter_map(|row| row.start_to_jump_ns).min()
}

fn turnout_rows(report: &Report) -> impl Iterator<Item = &Row> {
    report.rows.iter().filter(|row| row.is_turnout())
}

/// SHA-256 at 0.95 or better of the fastest of the sha2 crate, and everything else
/// of verification.
fn verification(arch: Arch, row: &Row) -> [Budget; 2] {
    let budget = |what: &str, measured, limit| Budget {
        name: format!("{arch} {}: {what}", row.name),
        measured,
        limit,
        unit: Unit::Microseconds,
        binding: true,
    };
    // A speed that was not measured leaves no time.
    let crates = row.crate_hash_ns.map_or(0, |fastest| fastest.saturating_mul(100) / 95);
    [
        budget("SHA-256 of the payload", row.hash_ns, crates),
        budget("everything else of verification", row.trust_ns, 5_000_000),
    ]
}

/// Of any of Turnout's boots: it is measured in the next system.
fn menu(report: &Report) -> Budget {
    Budget {
        name: format!("{}: reading and sorting 1000 entries", report.arch),
        measured: turnout_rows(report).find_map(|row| row.menu_ns),
        limit: 20_000_000,
        unit: Unit::Microseconds,
        binding: false,
    }
}

/// One of Turnout's engines against the faster incumbent.
fn time(arch: Arch, row: &Row, limit: u64) -> Budget {
    Budget {
        name: format!("{arch} {}: start to jump, against kexec-tools", row.name),
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
    use crate::bench::Sizes;

    fn report() -> Report {
        let row = |name: &str, jump| Row {
            name: name.to_owned(),
            start_to_jump_ns: Some(jump),
            peak_rss_bytes: Some(12 * MIB),
            payload_rss_bytes: Some(10 * MIB),
            hash_ns: Some(100_000),
            crate_hash_ns: Some(95_000),
            trust_ns: Some(5_000_000),
            menu_ns: Some(20_000_000),
            ..Row::default()
        };
        let rows = vec![row("turnout file", 5_000_000), row("kexec-tools -s", 4_000_000)];
        let sizes = Sizes { binary: MIB, purgatory: Some(9 * KIB), initramfs_raw: 0, initramfs: 1 };
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
                "ok   x86_64 static binary: 1024 KiB of 1024 KiB",
                "ok   x86_64 purgatory: 9 KiB of 64 KiB",
                "ok   x86_64 initramfs without modules, compressed: 1 KiB of 512 KiB",
                "ok   x86_64 turnout file: peak RSS of PID 1 above the payload: 2048 KiB of 4096 KiB",
                "ok   x86_64 turnout file: SHA-256 of the payload: 100 us of 100 us",
                "ok   x86_64 turnout file: everything else of verification: 5000 us of 5000 us",
                "ok   x86_64: reading and sorting 1000 entries: 20000 us of 20000 us",
                "over x86_64 turnout file: start to jump, against kexec-tools: 5 ms of 4 ms",
            ]
        );
        assert!(of(&report).iter().all(Budget::is_kept));
    }

    #[test]
    fn slower_hashing_than_the_crates_and_lost_meters_break_a_budget() {
        let kept = |change: fn(&mut Row)| {
            let mut report = report();
            report.rows.iter_mut().for_each(change);
            of(&report).iter().all(Budget::is_kept)
        };
        assert!(kept(|_| {}));
        assert!(!kept(|row| row.hash_ns = Some(100_001)));
        assert!(!kept(|row| row.trust_ns = Some(5_000_001)));
        assert!(!kept(|row| row.crate_hash_ns = None));
        assert!(!kept(|row| row.trust_ns = None));
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
