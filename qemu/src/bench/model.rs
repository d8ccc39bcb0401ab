//! What a benchmark found, and what follows from it: rows, and rows against rows.
//!
//! Nothing is measured and nothing is shown here.

use serde::{Deserialize, Serialize};
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
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Usual => "",
            Self::WithoutShaNi => " without SHA-NI",
        }
    }
}

/// One way of booting, measured. Times are nanoseconds of guest time; `None`
/// where a row has no such figure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// On which processor; in a file of results, the name says it.
    #[serde(skip)]
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_the_jump_and_the_kernel_starts_at_uptime_zero() {
        let mut row = Row::default();
        row.fill_times(&Turns {
            start: Some(100),
            open: Some(200),
            jump: Some(400),
            next: Some(NextClock { counter: 1000, up: 300 }),
        });
        assert_eq!(row.start_to_jump_ns, Some(300));
        assert_eq!(row.open_to_jump_ns, Some(200));
        assert_eq!(row.jump_to_kernel_ns, Some(300));
        assert_eq!(row.jump_to_init_ns, Some(600));
    }

    fn row(name: &str, open: u64) -> Row {
        Row { name: name.to_owned(), open_to_jump_ns: Some(open), ..Row::default() }
    }

    fn without_sha(name: &str, open: u64) -> Row {
        Row { processor: Processor::WithoutShaNi, ..row(name, open) }
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
}
