//! What a benchmark found, and how it is shown: a table for the README, JSON, and
//! what the guests print, read.
//!
//! Nothing is started or measured here.

use std::fmt::{self, Display};
use turnout::base::arch::Arch;

/// The way that unpacks the kernel before the jump.
pub const DIRECT_VMLINUX: &str = "direct vmlinux";

/// How the rows begin of images with named drivers, and with those of nearly every
/// machine; a kernel follows.
pub const HAND_PICKED: &str = "hand-picked drivers, ";
/// See [`HAND_PICKED`].
pub const UNIVERSAL: &str = "universal drivers, ";

/// The processor that a row was measured on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Processor {
    /// The one of all counted machines: it has SHA instructions.
    #[default]
    Usual,
    /// The same without them; x86_64 only.
    WithoutShaNi,
}

impl Processor {
    /// What a row's name ends in.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Usual => "",
            Self::WithoutShaNi => " without SHA-NI",
        }
    }
}

/// One way of booting, measured. Times are nanoseconds of guest time; `None`
/// where a row has no such figure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// On which processor.
    pub processor: Processor,
    /// The load: reading, verifying (Turnout only) and the system call.
    pub load_ns: Option<u64>,
    /// From before the kernel file was opened to the jump: reading, verifying
    /// (Turnout only), loading, and leaving the disk.
    pub open_to_jump_ns: Option<u64>,
    /// From the jump to where the next kernel starts to keep time.
    pub jump_to_kernel_ns: Option<u64>,
    /// From the jump to the next system's init.
    pub jump_to_init_ns: Option<u64>,
    /// From the start of PID 1 to the jump.
    pub start_to_jump_ns: Option<u64>,
    /// From switching on to the jump, with the first kernel and its unpacking.
    pub power_to_jump_ns: Option<u64>,
    /// Bytes given to the kernel to load.
    pub loaded_bytes: Option<u64>,
    /// Bytes that PID 1 hashed.
    pub hashed_bytes: Option<u64>,
    /// How long PID 1 hashed.
    pub hash_ns: Option<u64>,
    /// How long one call of the sha2 crate takes there for as many bytes.
    pub crate_hash_ns: Option<u64>,
    /// Everything else of verification.
    pub trust_ns: Option<u64>,
    /// How long it takes to read and to sort a menu of 1000 entries in memory.
    pub menu_ns: Option<u64>,
    /// How long it takes to read one of GRUB with 20 kernels in memory.
    pub script_ns: Option<u64>,
    /// The compressed initramfs.
    pub initramfs_bytes: Option<u64>,
    /// PID 1's peak resident set.
    pub peak_rss_bytes: Option<u64>,
    /// How much of that is the loaded payload.
    pub payload_rss_bytes: Option<u64>,
}

/// Sizes that do not depend on a run.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    /// The static binary.
    pub binary: u64,
    /// The purgatory embedded in it.
    pub purgatory: Option<u64>,
    /// The initramfs without modules, not compressed.
    pub initramfs_raw: u64,
    /// The same in its smallest form, xz.
    pub initramfs: u64,
}

/// The figures of one architecture.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which architecture.
    pub arch: Arch,
    /// Sizes.
    pub sizes: Sizes,
    /// One row per way of booting, Turnout's first.
    pub rows: Vec<Row>,
}

/// The counter at the turns of one boot, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turns {
    /// PID 1, or the incumbent's script, begins.
    pub start: Option<u64>,
    /// Before the kernel file is opened.
    pub open: Option<u64>,
    /// The jump.
    pub jump: Option<u64>,
    /// The next system's init runs.
    pub next: Option<NextClock>,
}

/// What the next system's init read first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextClock {
    /// The counter, in nanoseconds.
    pub counter: u64,
    /// For how long its kernel has kept time, in nanoseconds.
    pub up: u64,
}

impl Row {
    /// Fills in the times between the turns of a boot.
    pub fn fill_times(&mut self, turns: &Turns) {
        let init = turns.next.map(|next| next.counter);
        let kernel = turns.next.map(|next| next.counter.saturating_sub(next.up));
        self.start_to_jump_ns = between(turns.start, turns.jump);
        self.open_to_jump_ns = between(turns.open, turns.jump);
        self.jump_to_kernel_ns = between(turns.jump, kernel);
        self.jump_to_init_ns = between(turns.jump, init);
    }
}

fn between(from: Option<u64>, to: Option<u64>) -> Option<u64> {
    Some(to?.saturating_sub(from?))
}

/// The value of `name=VALUE`, or of `name VALUE`, in the line that begins so.
pub fn labelled(text: &str, begins: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(begins))?;
    let mut words = line.split([' ', '=', ',']);
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// The numbers that follow in the line that begins so.
pub fn numbers_after(text: &str, begins: &str) -> Vec<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(begins)).unwrap_or_default();
    line.split(' ').map_while(|word| word.parse().ok()).collect()
}

/// How long `bytes` take at the speed that the next system measured.
pub fn crate_hash_ns(text: &str, bytes: u64) -> Option<u64> {
    let &[measured, ns] = numbers_after(text, "next sha256: ").as_slice() else { return None };
    let ns = u128::from(ns) * u128::from(bytes) / u128::from(measured.max(1));
    u64::try_from(ns).ok()
}

/// The next system's clock.
pub fn next_clock(text: &str) -> Option<NextClock> {
    match numbers_after(text, "next clock: ").as_slice() {
        &[counter, up] => Some(NextClock { counter, up }),
        _ => None,
    }
}

impl Report {
    /// All rows of all architectures as one JSON array.
    pub fn json(reports: &[Self]) -> String {
        let rows =
            reports.iter().flat_map(|report| report.rows.iter().map(|row| row.json(report.arch)));
        format!("[{}]", rows.collect::<Vec<_>>().join(",\n "))
    }
}

impl Row {
    /// Whether this is a row of Turnout's, not of the incumbent's.
    pub fn is_turnout(&self) -> bool {
        self.name.starts_with("turnout ")
    }

    /// Whether this is a row of kexec-tools'.
    pub fn is_incumbent(&self) -> bool {
        self.name.starts_with("kexec-tools ")
    }

    /// Whether PID 1 unpacked the kernel: it then holds that as well, which is
    /// many times the payload.
    pub fn unpacks(&self) -> bool {
        self.name.ends_with(DIRECT_VMLINUX)
    }

    /// What was measured, and on which processor.
    pub fn label(&self) -> String {
        format!("{}{}", self.name, self.processor.suffix())
    }

    fn figures(&self) -> [(&'static str, Option<u64>); 15] {
        [
            ("load_ns", self.load_ns),
            ("open_to_jump_ns", self.open_to_jump_ns),
            ("jump_to_kernel_ns", self.jump_to_kernel_ns),
            ("jump_to_init_ns", self.jump_to_init_ns),
            ("start_to_jump_ns", self.start_to_jump_ns),
            ("loaded_bytes", self.loaded_bytes),
            ("hashed_bytes", self.hashed_bytes),
            ("hash_ns", self.hash_ns),
            ("crate_hash_ns", self.crate_hash_ns),
            ("trust_ns", self.trust_ns),
            ("menu_ns", self.menu_ns),
            ("script_ns", self.script_ns),
            ("initramfs_bytes", self.initramfs_bytes),
            ("peak_rss_bytes", self.peak_rss_bytes),
            ("power_to_jump_ns", self.power_to_jump_ns),
        ]
    }

    /// What verification took, in a sentence.
    fn verification(&self) -> Option<String> {
        let hash = self.hash_ns?.max(1);
        let thousandths = self.crate_hash_ns?.saturating_mul(1000) / hash;
        Some(format!(
            "{}, verification: SHA-256 in {} us, {}.{:03} of the fastest of the sha2 crate; \
             everything else in {} us",
            self.label(),
            hash / 1000,
            thousandths / 1000,
            thousandths % 1000,
            self.trust_ns? / 1000
        ))
    }

    fn json(&self, arch: Arch) -> String {
        let figures =
            self.figures().map(|(key, value)| format!("\"{key}\":{}", json_number(value)));
        format!("{{\"name\":\"{arch} {}\",{}}}", self.label(), figures.join(","))
    }
}

fn json_number(value: Option<u64>) -> String {
    value.map_or_else(|| "null".to_owned(), |number| number.to_string())
}

/// A row of Turnout's against kexec-tools -c, which verifies nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ratio {
    /// Which row, and from where to where.
    pub name: String,
    /// Turnout's time in thousandths of the incumbent's.
    pub thousandths: u64,
    /// What it should be at most.
    pub aim: u64,
}

impl Report {
    /// Every row of Turnout's against the incumbent's on the same processor: from
    /// opening the kernel file to the jump, and from the jump to the next
    /// system's init.
    pub fn ratios(&self) -> Vec<Ratio> {
        self.rows
            .iter()
            .filter(|row| row.is_turnout())
            .flat_map(|row| self.ratios_of(row))
            .collect()
    }

    fn ratios_of(&self, row: &Row) -> Vec<Ratio> {
        let Some(incumbent) = self.incumbent_of(row) else { return Vec::new() };
        let to_jump = match self.arch {
            Arch::X86_64 => 1000 / 8,
            Arch::Aarch64 => 1000 / 6,
        };
        let compared = [
            ("open to jump", row.open_to_jump_ns, incumbent.open_to_jump_ns, to_jump),
            ("jump to init", row.jump_to_init_ns, incumbent.jump_to_init_ns, 1000 * 2 / 3),
        ];
        let ratio = compared.into_iter().filter_map(|(what, ours, theirs, aim)| {
            let thousandths = ours?.saturating_mul(1000) / theirs?.max(1);
            Some(Ratio { name: format!("{}, {what}", row.label()), thousandths, aim })
        });
        ratio.collect()
    }

    fn incumbent_of(&self, row: &Row) -> Option<&Row> {
        self.rows
            .iter()
            .find(|other| other.name == "kexec-tools -c" && other.processor == row.processor)
    }
}

impl Report {
    /// Each image for nearly every machine, and the one for this machine alone.
    pub fn reaching(&self) -> Vec<(&Row, &Row)> {
        let universal = self.rows.iter().filter_map(|row| {
            let kernel = row.name.strip_prefix(UNIVERSAL)?;
            let named = format!("{HAND_PICKED}{kernel}");
            Some((row, self.rows.iter().find(|other| other.name == named)?))
        });
        universal.collect()
    }

    /// What reach costs, in sentences.
    fn reach(&self) -> Vec<String> {
        let pairs = self.reaching().into_iter();
        pairs.filter_map(|(universal, named)| reach_of(universal, named)).collect()
    }
}

fn reach_of(universal: &Row, named: &Row) -> Option<String> {
    let compared = |ours: Option<u64>, theirs: Option<u64>| {
        let thousandths = ours?.saturating_mul(1000) / theirs?.max(1);
        Some(format!("{}.{:03}", thousandths / 1000, thousandths % 1000))
    };
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
        self.reach().into_iter().try_for_each(|line| write!(f, "\n{line}"))?;
        let costs = self.rows.iter().filter_map(Row::verification);
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

    const TEXT: &str = "turnout: ticks start=100 open=200 load=50 jump=400 loaded=9 hashed=8\n\
                        turnout: peak rss 2048 KiB, payload 900 KiB\nnext clock: 1000 300\n";

    #[test]
    fn times_count_from_the_jump_and_the_kernel_starts_at_uptime_zero() {
        let [start, open, jump] =
            ["start", "open", "jump"].map(|name| labelled(TEXT, "turnout: ticks ", name));
        let mut row = Row::default();
        row.fill_times(&Turns { start, open, jump, next: next_clock(TEXT) });
        assert_eq!(row.start_to_jump_ns, Some(300));
        assert_eq!(row.open_to_jump_ns, Some(200));
        assert_eq!(row.jump_to_kernel_ns, Some(300));
        assert_eq!(row.jump_to_init_ns, Some(600));
        assert_eq!(labelled(TEXT, "turnout: peak ", "rss"), Some(2048));
    }

    #[test]
    fn what_verification_took_is_held_against_the_crate() {
        let text = "turnout: spent hash=2000000 trust=1500000 ticks\nnext sha256: 4096 1000\n";
        let row = Row {
            name: "turnout file".to_owned(),
            hash_ns: labelled(text, "turnout: spent ", "hash"),
            trust_ns: labelled(text, "turnout: spent ", "trust"),
            crate_hash_ns: crate_hash_ns(text, 7_987_200),
            ..Row::default()
        };
        assert_eq!(row.crate_hash_ns, Some(1_950_000));
        let shown = "turnout file, verification: SHA-256 in 2000 us, 0.975 of the fastest of the \
                     sha2 crate; everything else in 1500 us";
        assert_eq!(row.verification().as_deref(), Some(shown));
        assert_eq!(Row { trust_ns: None, ..row }.verification(), None);
    }

    fn row(name: &str, open: u64) -> Row {
        Row { name: name.to_owned(), open_to_jump_ns: Some(open), ..Row::default() }
    }

    fn without_sha(name: &str, open: u64) -> Row {
        Row { processor: Processor::WithoutShaNi, ..row(name, open) }
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
        assert_eq!(report.reach(), [line]);
    }

    #[test]
    fn a_ratio_compares_with_kexec_load_and_names_the_row() {
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
    fn a_ratio_compares_rows_of_one_processor_only() {
        let rows = vec![
            row("turnout segments", 100),
            without_sha("turnout segments", 400),
            row("kexec-tools -c", 1000),
            without_sha("kexec-tools -c", 2000),
        ];
        let report = Report { arch: Arch::X86_64, sizes: Sizes::default(), rows };
        let found: Vec<(String, u64)> =
            report.ratios().into_iter().map(|ratio| (ratio.name, ratio.thousandths)).collect();
        let expected = [
            ("turnout segments, open to jump".to_owned(), 100),
            ("turnout segments without SHA-NI, open to jump".to_owned(), 200),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_row_without_sha_instructions_says_so_by_the_end_of_its_name() {
        let json = without_sha("turnout segments", 1).json(Arch::X86_64);
        assert!(json.starts_with(r#"{"name":"x86_64 turnout segments without SHA-NI","#), "{json}");
        let json = row("turnout segments", 1).json(Arch::X86_64);
        assert!(json.starts_with(r#"{"name":"x86_64 turnout segments","#), "{json}");
    }

    #[test]
    fn a_missing_figure_is_null_in_json_and_a_dash_in_the_table() {
        let row = Row { name: "x".to_owned(), load_ns: Some(1_500_000), ..Row::default() };
        assert!(
            row.json(Arch::Aarch64)
                .starts_with(r#"{"name":"aarch64 x","load_ns":1500000,"open_to_jump_ns":null"#)
        );
        assert_eq!(seconds(row.load_ns), "0.001 s");
        assert_eq!(seconds(None), "-");
    }
}
