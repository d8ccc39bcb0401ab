//! The ways of booting that a benchmark compares: one row of its table each.
//!
//! Nothing is started here.

use super::model::{DIRECT_VMLINUX, HAND_PICKED, Processor, Row, UNIVERSAL};
use crate::guest::Flavour;
use turnout::base::arch::Arch;

/// One way of booting, on one processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) loader: Loader,
    pub(super) processor: Processor,
}

/// What loads the next kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loader {
    /// Turnout, and its engine or [`DIRECT_VMLINUX`].
    Turnout(&'static str),
    /// kexec-tools, and its options.
    KexecTools(&'static str),
    /// Turnout with such drivers, on a kernel that has none built in.
    Drivers(Drivers, Flavour),
}

/// Which drivers are in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drivers {
    /// What this machine needs, named one by one.
    HandPicked,
    /// Those of nearly every machine.
    Universal,
}

impl Drivers {
    const fn row(self) -> &'static str {
        match self {
            Self::HandPicked => HAND_PICKED,
            Self::Universal => UNIVERSAL,
        }
    }
}

/// What reaches the boot partition of the benchmark's machine, and its ESP.
pub(super) const NVME_MODULES: &[&str] = &["nvme", "ext4", "vfat"];

impl Way {
    fn name(self) -> String {
        match self.loader {
            Loader::Turnout(engine) => format!("turnout {engine}"),
            Loader::KexecTools(mode) => format!("kexec-tools {mode}"),
            Loader::Drivers(drivers, flavour) => format!("{}{}", drivers.row(), flavour.name()),
        }
    }

    /// The first kernel.
    pub(super) const fn flavour(self) -> Flavour {
        match self.loader {
            Loader::Drivers(_, flavour) => flavour,
            Loader::Turnout(_) | Loader::KexecTools(_) => Flavour::Cloud,
        }
    }

    /// A row with nothing measured yet.
    pub(super) fn row(self) -> Row {
        Row { name: self.name(), processor: self.processor, ..Row::default() }
    }

    /// What its files are called.
    pub(super) fn file(self, extension: &str) -> String {
        format!("{}.{extension}", self.row().label().replace(' ', "-"))
    }
}

/// Turnout's first. Debian's arm64 kernels have no kexec_file_load, and no
/// decompressor that could be left out; `-i` skips the check of the digest in the
/// purgatory. Of the incumbent's, no program but `-c` is held against a row
/// without SHA-NI.
pub(super) fn ways(arch: Arch) -> Vec<Way> {
    let usual: &[Loader] = match arch {
        Arch::X86_64 => &[
            Loader::Turnout("file"),
            Loader::Turnout("segments"),
            Loader::Turnout(DIRECT_VMLINUX),
            Loader::KexecTools("-s"),
            Loader::KexecTools("-c"),
            Loader::KexecTools("-c -i"),
        ],
        Arch::Aarch64 => {
            &[Loader::Turnout("segments"), Loader::KexecTools("-c"), Loader::KexecTools("-c -i")]
        }
    };
    let without: &[Loader] = match arch {
        Arch::X86_64 => &[
            Loader::Turnout("file"),
            Loader::Turnout("segments"),
            Loader::Turnout(DIRECT_VMLINUX),
            Loader::KexecTools("-c"),
        ],
        Arch::Aarch64 => &[],
    };
    let drivers: &[Loader] = &[
        Loader::Drivers(Drivers::HandPicked, Flavour::Generic),
        Loader::Drivers(Drivers::Universal, Flavour::Generic),
        Loader::Drivers(Drivers::HandPicked, Flavour::Generic13),
        Loader::Drivers(Drivers::Universal, Flavour::Generic13),
    ];
    [(usual, Processor::Usual), (without, Processor::WithoutShaNi), (drivers, Processor::Usual)]
        .into_iter()
        .flat_map(|(loaders, processor)| loaders.iter().map(move |loader| (*loader, processor)))
        .map(|(loader, processor)| Way { loader, processor })
        .collect()
}

/// The configuration of one of Turnout's ways.
pub(super) fn configuration(engine: &str) -> String {
    match engine {
        DIRECT_VMLINUX => "engine segments\nvmlinux always\n".to_owned(),
        engine => format!("engine {engine}\nvmlinux never\n"),
    }
}

/// The order of the table, whichever was measured first.
pub(super) fn in_order(mut rows: Vec<Row>, ways: &[Way]) -> Vec<Row> {
    rows.sort_by_key(|row| ways.iter().position(|way| way.row().label() == row.label()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(rows: &[Row]) -> Vec<String> {
        rows.iter().map(Row::label).collect()
    }

    #[test]
    fn rows_stand_in_the_order_of_the_table_and_no_two_have_one_name() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let ways = ways(arch);
            let rows: Vec<Row> = ways.iter().map(|way| way.row()).collect();
            let expected = labels(&rows);
            let reversed = rows.into_iter().rev().collect();
            assert_eq!(labels(&in_order(reversed, &ways)), expected);
            let distinct: std::collections::BTreeSet<String> = expected.iter().cloned().collect();
            assert_eq!(distinct.len(), expected.len(), "{expected:?}");
        }
    }
}
