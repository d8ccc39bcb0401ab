//! The tables of docs/dependencies.md: a row a crate, whose first field is its name.

use std::collections::{BTreeMap, BTreeSet};

use super::packages::Package;

/// What a program that boots is made of, the others, and versions that are no release.
const PID_1: &str = "## In PID 1";
const BESIDE_IT: &str = "## Beside it";
const PRE_RELEASES: &str = "## Pre-releases";

/// By how many KiB a size may differ from what was measured last.
const SLACK: f64 = 2.0;

/// The page, by the heads of its sections: rows of fields.
pub(super) struct Page(BTreeMap<String, Vec<Vec<String>>>);

impl Page {
    pub(super) fn parse(text: &str) -> Self {
        let mut sections: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        let mut head = String::new();
        for line in text.lines() {
            if line.starts_with('#') {
                line.clone_into(&mut head);
            } else if let Some(row) = row(line) {
                sections.entry(head.clone()).or_default().push(row);
            }
        }
        Self(sections)
    }

    fn rows(&self, head: &str) -> &[Vec<String>] {
        self.0.get(head).map_or(&[], Vec::as_slice)
    }

    /// Crates of the programs that have no row, and rows whose crate is gone.
    pub(super) fn differences(&self, crates: &BTreeSet<String>) -> Vec<String> {
        let rows = [PID_1, BESIDE_IT].into_iter().flat_map(|head| self.rows(head));
        let rows: BTreeSet<String> = rows.map(|row| row[0].clone()).collect();
        let missing = crates.difference(&rows);
        let missing = missing.map(|name| format!("{name} has no row: say why it is there"));
        let gone = rows.difference(crates);
        missing.chain(gone.map(|name| format!("{name} has a row, and is in no program"))).collect()
    }

    /// "`NAME` | `VERSION` | REASON"
    pub(super) fn pre_releases_without_reason(&self, packages: &[Package]) -> Vec<String> {
        let rows = self.rows(PRE_RELEASES);
        let has_reason = |one: &Package| {
            rows.iter().any(|row| row[0] == one.name && row[1] == one.version && !row[2].is_empty())
        };
        let without = packages.iter().filter(|one| is_pre_release(one) && !has_reason(one));
        without
            .map(|one| format!("{} {} is no release, and has no reason", one.name, one.version))
            .collect()
    }

    /// "`NAME` | KIB-X86_64 | KIB-AARCH64 | ...", against the list of sizes.
    pub(super) fn wrong_sizes(&self, sizes: &str) -> Vec<String> {
        let programs = ["x86_64 turnout-init:", "aarch64 turnout-init:"];
        let measured = programs.map(|program| kib_by_crate(sizes, program));
        let mut wrong = Vec::new();
        for row in self.rows(PID_1) {
            for (measured, said) in measured.iter().zip(&row[1..]) {
                let kib = measured.get(&row[0].replace('-', "_")).copied().unwrap_or(0.0);
                if said.parse().map_or(true, |said: f64| (said - kib).abs() > SLACK) {
                    wrong.push(format!("{}: {said} KiB are said, {kib} measured", row[0]));
                }
            }
        }
        wrong
    }
}

/// A hyphen behind a plus is one of the build's name.
fn is_pre_release(package: &Package) -> bool {
    package.version.split('+').next().is_some_and(|version| version.contains('-'))
}

/// The fields of a row whose first is a name in backquotes.
fn row(line: &str) -> Option<Vec<String>> {
    let inside = line.strip_prefix("| `")?.strip_suffix(" |")?;
    let fields = inside.split(" | ").map(|field| field.replace('`', ""));
    Some(fields.collect())
}

/// Of the list that `tests/sizes` writes, one program's crates.
fn kib_by_crate(sizes: &str, program: &str) -> BTreeMap<String, f64> {
    let lines = sizes.lines().skip_while(|line| !line.starts_with(program)).skip(1);
    let crates = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (kib, name) = line.trim_start().split_once("  ")?;
        Some((name.to_owned(), kib.parse().ok()?))
    });
    crates.collect()
}

mod tests {
    use super::{Package, Page};

    const PAGE: &str = "\
## In PID 1
| crate | x86_64 | aarch64 | why |
|---|---|---|---|
| `sha2` | 29.7 | 20.8 | digests |
| `nix` | 2 | 9 | calls |
## Beside it
| `quote` | proc-macros |
## Pre-releases
| `ssh-key` | `0.7.0-rc.1` | shares a crate |
| `other` | `1.0.0-rc.1` |  |
";

    fn package(name: &str, version: &str) -> Package {
        let [name, version, license] = [name, version, "MIT"].map(str::to_owned);
        Package { name, version, license, source: None }
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_told() {
        let crates = ["sha2", "quote", "ring"].map(str::to_owned).into();
        let said = Page::parse(PAGE).differences(&crates);
        let expected =
            ["ring has no row: say why it is there", "nix has a row, and is in no program"];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_reason_is_for_one_version() {
        let packages = [
            package("ssh-key", "0.7.0-rc.1"),
            package("ssh-key", "0.7.0-rc.2"),
            package("other", "1.0.0-rc.1"),
            package("sha2", "1.0.0+of-today"),
        ];
        let said = Page::parse(PAGE).pre_releases_without_reason(&packages);
        let expected = [
            "ssh-key 0.7.0-rc.2 is no release, and has no reason",
            "other 1.0.0-rc.1 is no release, and has no reason",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn sizes_are_those_that_were_measured() {
        let sizes = "\
x86_64 turnout-init: 1000
    30.0  sha2

x86_64 turnout: 1000
    90.0  sha2

aarch64 turnout-init: 900
    20.0  sha2
     2.2  nix
";
        let said = Page::parse(PAGE).wrong_sizes(sizes);
        assert_eq!(said, ["nix: 9 KiB are said, 2.2 measured"]);
    }
}
