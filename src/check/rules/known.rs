//! Machines, drivers and kernels that somebody reported trouble with, from a table that
//! comes with the program. Specification: the head of src/check/data/known.txt.

use crate::base::arch::Arch;
use crate::check::versions::{Version, Versions};
use crate::check::{Facts, Row, Said, Weight};

pub(super) const ROWS: &[Row] = &[Row::each("KNOWN_TROUBLE", known_trouble)];

const TABLE: &str = include_str!("../data/known.txt");

fn known_trouble(facts: &Facts) -> Vec<Said> {
    blocks(TABLE).filter_map(|block| block.said(facts)).collect()
}

/// A row of the table: its lines.
#[derive(Clone, Copy)]
struct Block(&'static str);

/// A line of a row.
#[derive(Clone, Copy)]
struct Line {
    key: &'static str,
    value: &'static str,
}

/// What a row is about, and what it says of that.
const SUBJECTS: [&str; 9] =
    ["arch", "vendor", "product", "chassis", "processor", "driver", "module", "from", "to"];

fn blocks(text: &'static str) -> impl Iterator<Item = Block> {
    text.split("\n\n").map(Block).filter(|block| block.lines().next().is_some())
}

impl Block {
    fn lines(self) -> impl Iterator<Item = Line> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.split_once(' '))
            .map(|(key, value)| Line { key, value: value.trim() })
    }

    fn values(self, key: &str) -> impl Iterator<Item = &'static str> {
        self.lines().filter(move |line| line.key == key).map(|line| line.value)
    }

    fn value(self, key: &str) -> &'static str {
        self.values(key).next().unwrap_or_default()
    }

    /// If each of its subjects is here.
    fn said(self, facts: &Facts) -> Option<Said> {
        let mut here = Vec::new();
        for key in SUBJECTS {
            let mut values = self.values(key).peekable();
            if values.peek().is_some() {
                here.extend(values.find_map(|value| Line { key, value }.seen(facts))?);
            }
        }
        let sentence = format!("{}: {} ({})", here.join(", "), self.says(), self.value("source"));
        Some(Said::new(self.weight(), sentence, self.value("do")))
    }

    /// Without its full stop, for the source follows.
    fn says(self) -> &'static str {
        self.value("says").trim_end_matches('.')
    }

    fn weight(self) -> Weight {
        match self.value("weight") {
            "stop" => Weight::Stops,
            "note" => Weight::Notes,
            _ => Weight::Warns,
        }
    }
}

impl Line {
    /// What of the machine fits, in words: none where nothing does.
    fn seen(self, facts: &Facts) -> Option<Option<String>> {
        let Self { key, value } = self;
        let platform = &facts.platform;
        match key {
            "arch" => (platform.arch == Arch::parse(value)).then_some(None),
            "vendor" => platform.vendor.starts_with(value).then(|| Some(platform.vendor.clone())),
            "product" => platform.product.contains(value).then(|| Some(platform.product.clone())),
            "chassis" => (platform.chassis == value).then(|| Some(format!("chassis {value}"))),
            "processor" => {
                platform.processor.contains(value).then(|| Some(platform.processor.clone()))
            }
            "driver" => driven_by(value, facts).map(Some),
            "module" => {
                let is_loaded = facts.devices.modules.iter().any(|module| module == value);
                is_loaded.then(|| Some(format!("module {value}")))
            }
            "from" => within(value, Version::of_running(facts))
                .then(|| Some(format!("from {}", facts.kernel.release))),
            "to" => within(value, Version::of_target(facts)).then(|| {
                let release = facts.target.as_ref().and_then(|target| target.release.as_deref());
                release.map(|release| format!("to {release}"))
            }),
            _ => None,
        }
    }
}

fn driven_by(driver: &str, facts: &Facts) -> Option<String> {
    let mut bound = facts.devices.bound.iter();
    let device = bound.find(|one| one.name() == driver)?;
    Some(format!("{driver} at {}", device.address))
}

fn within(versions: &str, version: Option<Version>) -> bool {
    Versions::parse(versions).zip(version).is_some_and(|(all, one)| all.contains(one))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use super::*;
    use crate::check::facts::{Bound, Target};

    const KNOWN: &str = "KNOWN_TROUBLE";

    fn machine(arch: Arch, release: &str) -> Facts {
        let mut facts = Facts::default();
        facts.platform.arch = Some(arch);
        facts.kernel.release = release.to_owned();
        facts
    }

    #[test]
    fn every_row_of_the_table_can_be_understood() {
        let others = ["weight", "says", "do", "source"];
        let mut rows = 0;
        for block in blocks(TABLE) {
            rows += 1;
            for line in block.0.lines().filter(|line| !line.starts_with('#')) {
                let (key, value) = line.split_once(' ').expect(line);
                assert!(SUBJECTS.contains(&key) || others.contains(&key), "{line}");
                match key {
                    "arch" => assert!(Arch::parse(value).is_some(), "{line}"),
                    "from" | "to" => assert!(Versions::parse(value).is_some(), "{line}"),
                    "weight" => assert!(["note", "warn", "stop"].contains(&value), "{line}"),
                    "driver" | "module" => assert!(!value.contains('-'), "{line}"),
                    _ => assert!(!value.trim().is_empty(), "{line}"),
                }
            }
            for needed in ["weight", "says", "source"] {
                assert_eq!(block.values(needed).count(), 1, "{needed} of {}", block.0);
            }
            assert!(block.lines().any(|line| SUBJECTS.contains(&line.key)), "{}", block.0);
        }
        assert!(rows > 10);
    }

    #[test]
    fn a_row_without_any_subject_that_is_here_says_nothing() {
        assert_eq!(said(KNOWN, &Facts::default()), []);
        assert_eq!(said(KNOWN, &machine(Arch::X86_64, "6.12.90+deb13-amd64")), []);
    }

    #[test]
    fn a_driver_is_known_by_its_module_and_named_with_its_place() {
        let mut facts = machine(Arch::X86_64, "6.12.90");
        facts.devices.bound = vec![Bound {
            address: "0000:03:00.0".to_owned(),
            driver: "amdgpu".to_owned(),
            ..Bound::default()
        }];
        let expected = "amdgpu at 0000:03:00.0: There may be no picture after a kexec \
                        (NixOS/nixpkgs#536384)";
        assert_eq!(sentence(KNOWN, &facts), expected);
    }

    #[test]
    fn a_cloud_is_known_by_what_its_firmware_says() {
        let mut facts = machine(Arch::X86_64, "6.12.90");
        facts.platform.vendor = "Microsoft Corporation".to_owned();
        assert_eq!(said(KNOWN, &facts), [], "a laptop of that maker");
        facts.platform.product = "Virtual Machine".to_owned();
        let found = sentence(KNOWN, &facts);
        assert!(found.starts_with("Microsoft Corporation, Virtual Machine: Guests of"), "{found}");
        facts.platform.chassis = "7783-7084-3265-9085-8269-3286-77".to_owned();
        assert_eq!(said(KNOWN, &facts).len(), 2);
    }

    #[test]
    fn any_of_a_keys_values_fits() {
        for product in ["HP EliteDesk 800 G4", "HP Z2 Mini G9"] {
            let mut facts = machine(Arch::X86_64, "6.12.90");
            facts.platform.vendor = "HP".to_owned();
            facts.platform.product = product.to_owned();
            assert_eq!(said(KNOWN, &facts).len(), 1, "{product}");
        }
    }

    #[test]
    fn a_pair_of_kernels_is_known_only_with_both() {
        let mut facts = machine(Arch::X86_64, "6.12.54-flatcar");
        facts.platform.processor = "Intel(R) Xeon(R) Gold 6254".to_owned();
        assert_eq!(said(KNOWN, &facts), [], "nobody knows where to");
        let release = Some("6.12.57-flatcar".to_owned());
        facts.target = Some(Target { release, ..Target::unknown("x") });
        let found = sentence(KNOWN, &facts);
        assert!(found.contains("from 6.12.54-flatcar, to 6.12.57-flatcar: Servers"), "{found}");
        facts.kernel.release = "5.15.142".to_owned();
        assert_eq!(said(KNOWN, &facts), []);
    }

    #[test]
    fn a_kernel_on_one_architecture_is_none_on_another() {
        assert_eq!(said(KNOWN, &machine(Arch::Aarch64, "6.12.55")).len(), 1);
        assert_eq!(said(KNOWN, &machine(Arch::X86_64, "6.12.55")), []);
        assert_eq!(said(KNOWN, &machine(Arch::Aarch64, "6.12.58")), []);
    }
}
