//! A benchmark's report for people: tables in Markdown, and what follows from them in
//! sentences.
//!
//! Nothing is measured or compared here that the model does not give.

use super::model::{Ratio, Report, Row};
use std::fmt::{self, Display};

/// Markdown, as the README carries it.
impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n### {}\n", self.arch)?;
        writeln!(
            f,
            "| | start to jump | open to jump | of which load | jump to kernel | jump to init | \
             loaded | hashed | initramfs | peak RSS |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                row.label(),
                seconds(row.start_to_jump_ns),
                seconds(row.open_to_jump_ns),
                seconds(row.load_ns),
                seconds(row.jump_to_kernel_ns),
                seconds(row.jump_to_init_ns),
                kib(row.loaded_bytes),
                kib(row.hashed_bytes),
                kib(row.initramfs_bytes),
                kib(row.peak_rss_bytes),
            )?;
        }
        self.ratios().into_iter().try_for_each(|ratio| write!(f, "\n{ratio}"))?;
        reach(self).into_iter().try_for_each(|line| write!(f, "\n{line}"))?;
        let costs = self.rows.iter().filter_map(verification);
        costs.into_iter().try_for_each(|cost| write!(f, "\n{cost}"))?;
        writeln!(
            f,
            "\n\nSizes: binary {}, purgatory {}, initramfs without modules {} ({} in xz).",
            kib(Some(self.sizes.binary)),
            self.sizes.purgatory.map_or_else(|| "-".to_owned(), |bytes| format!("{bytes} bytes")),
            kib(Some(self.sizes.initramfs_raw)),
            kib(Some(self.sizes.initramfs)),
        )
    }
}

impl Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.thousandths <= self.aim { "reached" } else { "missed" };
        let Self { name, thousandths, aim } = self;
        write!(
            f,
            "{name}: 0.{aim:03} of kexec-tools -c is the aim; {}.{:03}, {verdict}",
            thousandths / 1000,
            thousandths % 1000
        )
    }
}

/// What reach costs, in sentences.
fn reach(report: &Report) -> Vec<String> {
    let pairs = report.reaching().into_iter();
    pairs.filter_map(|(universal, named)| reach_of(universal, named)).collect()
}

fn reach_of(universal: &Row, named: &Row) -> Option<String> {
    Some(format!(
        "{}: {} of the hand-picked one's from PID 1's start to the jump, {} from power on ({} \
         against {})",
        universal.name,
        compared(universal.start_to_jump_ns, named.start_to_jump_ns)?,
        compared(universal.power_to_jump_ns, named.power_to_jump_ns)?,
        seconds(universal.power_to_jump_ns),
        seconds(named.power_to_jump_ns),
    ))
}

/// One time in another's, to the thousandth.
fn compared(ours: Option<u64>, theirs: Option<u64>) -> Option<String> {
    let thousandths = ours?.saturating_mul(1000) / theirs?.max(1);
    Some(format!("{}.{:03}", thousandths / 1000, thousandths % 1000))
}

/// What verification took, in a sentence.
fn verification(row: &Row) -> Option<String> {
    let hash = row.hash_ns?.max(1);
    let thousandths = row.crate_hash_ns?.saturating_mul(1000) / hash;
    Some(format!(
        "{}, verification: SHA-256 in {} us, {}.{:03} of the fastest of the sha2 crate; \
         everything else in {} us",
        row.label(),
        hash / 1000,
        thousandths / 1000,
        thousandths % 1000,
        row.trust_ns? / 1000
    ))
}

fn seconds(nanoseconds: Option<u64>) -> String {
    nanoseconds.map_or_else(
        || "-".to_owned(),
        |ns| format!("{}.{:03} s", ns / 1_000_000_000, ns % 1_000_000_000 / 1_000_000),
    )
}

fn kib(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{} KiB", bytes.div_ceil(1024)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::model::Sizes;
    use turnout::base::arch::Arch;

    #[test]
    fn a_ratio_compares_with_kexec_load_and_names_the_row() {
        let row = |name: &str, open| Row {
            name: name.to_owned(),
            open_to_jump_ns: Some(open),
            ..Row::default()
        };
        let rows =
            vec![row("turnout file", 150), row("kexec-tools -s", 1), row("kexec-tools -c", 1000)];
        let report = Report { arch: Arch::X86_64, sizes: Sizes::default(), rows };
        let lines: Vec<String> = report.ratios().iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["turnout file, open to jump: 0.125 of kexec-tools -c is the aim; 0.150, missed"]
        );
    }

    #[test]
    fn what_reach_costs_is_told_kernel_by_kernel() {
        let row = |name: &str, start, power| Row {
            name: name.to_owned(),
            start_to_jump_ns: Some(start),
            power_to_jump_ns: Some(power),
            ..Row::default()
        };
        let rows = vec![
            row("universal drivers, generic", 1_200_000_000, 3_000_000_000),
            row("universal drivers, generic-13", 1, 1),
            row("hand-picked drivers, generic", 1_000_000_000, 2_500_000_000),
        ];
        let report = Report { arch: Arch::X86_64, sizes: Sizes::default(), rows };
        let line = "universal drivers, generic: 1.200 of the hand-picked one's from PID 1's start to \
                    the jump, 1.200 from power on (3.000 s against 2.500 s)";
        assert_eq!(reach(&report), [line]);
    }

    #[test]
    fn what_verification_took_is_held_against_the_crate() {
        let row = Row {
            name: "turnout file".to_owned(),
            hash_ns: Some(2_000_000),
            trust_ns: Some(1_500_000),
            crate_hash_ns: Some(1_950_000),
            ..Row::default()
        };
        let shown = "turnout file, verification: SHA-256 in 2000 us, 0.975 of the fastest of the \
                     sha2 crate; everything else in 1500 us";
        assert_eq!(verification(&row).as_deref(), Some(shown));
        assert_eq!(verification(&Row { trust_ns: None, ..row }), None);
    }

    #[test]
    fn a_missing_figure_is_a_dash() {
        assert_eq!(seconds(Some(1_500_000)), "0.001 s");
        assert_eq!(seconds(None), "-");
        assert_eq!(kib(None), "-");
    }
}
