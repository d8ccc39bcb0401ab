//! What takes room in the two programs, by crate and module; whether they keep to
//! their limits; and that no command is in the one that boots.

use crate::build::Mapped;
use crate::link_map::{self, Part};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use turnout::base::arch::Arch;

const KIB: u64 = 1024;
/// What a crate, or a module of ours, must have to be shown on its own.
const WORTH_A_LINE: u64 = KIB;
/// By how much a program may differ from what was written down.
const SLACK: u64 = 16 * KIB;

/// A program as it was linked.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name: `turnout-init` or `turnout`.
    pub name: &'static str,
    /// Length of its file in bytes.
    pub bytes: u64,
    parts: Vec<Part>,
}

/// The programs of an architecture.
#[derive(Debug, Clone)]
pub struct Sizes {
    arch: Arch,
    /// What boots.
    pub init: Program,
    /// The commands.
    pub commands: Program,
}

/// Something that has to hold, and whether it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Whether it holds.
    pub holds: bool,
    /// What was found, as a sentence.
    pub said: String,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.holds { "ok    " } else { "FAILED" }, self.said)
    }
}

impl Program {
    /// Reads the linker's map of a program that was built.
    ///
    /// # Errors
    /// There is none, or another linker's.
    pub fn read(name: &'static str, mapped: &Mapped) -> Result<Self> {
        let map = fs::read_to_string(&mapped.map)
            .with_context(|| format!("no map of {name} at {}", mapped.map.display()))?;
        let parts = link_map::read(&map).with_context(|| mapped.map.display().to_string())?;
        Ok(Self { name, bytes: fs::metadata(&mapped.program)?.len(), parts })
    }

    fn functions_of(&self, module: &str) -> Vec<&str> {
        self.parts
            .iter()
            .filter(|part| part.owner.package == "turnout" && part.owner.module == module)
            .map(|part| part.name.as_str())
            .collect()
    }
}

impl Sizes {
    /// What there is to say of the programs of an architecture.
    #[must_use]
    pub const fn new(arch: Arch, init: Program, commands: Program) -> Self {
        Self { arch, init, commands }
    }

    /// Everything that has to hold; `recorded` is the report that was written down.
    #[must_use]
    pub fn checks(&self, recorded: &str) -> Vec<Check> {
        vec![
            self.limit(&self.init, 1200 * KIB),
            self.limit(&self.commands, 1433 * KIB),
            self.as_recorded(&self.init, recorded),
            self.as_recorded(&self.commands, recorded),
            self.no_command_boots(),
            self.commands_are_seen(),
        ]
    }

    fn limit(&self, program: &Program, limit: u64) -> Check {
        let holds = program.bytes <= limit;
        let size = format!("{} of {} bytes", program.bytes, limit);
        Check { holds, said: format!("{} {}: {size}", self.arch, program.name) }
    }

    fn as_recorded(&self, program: &Program, recorded: &str) -> Check {
        let head = self.head(program);
        let before =
            recorded.lines().find_map(|line| line.strip_prefix(&head)?.trim().parse().ok());
        let now = program.bytes;
        let Some(before) = before else {
            let said = format!("{head} is not written down; tests/sizes --update does it");
            return Check { holds: false, said };
        };
        let holds = now.abs_diff(before) <= SLACK;
        let hint = if holds { "" } else { "; if that is meant: tests/sizes --update" };
        Check { holds, said: format!("{head} {now} bytes, written down {before}{hint}") }
    }

    fn no_command_boots(&self) -> Check {
        let found = self.init.functions_of("cli");
        let what = match found.first() {
            None => "no command in it".to_owned(),
            Some(first) => format!("{} functions of commands in it, such as {first}", found.len()),
        };
        Check { holds: found.is_empty(), said: format!("{} turnout-init: {what}", self.arch) }
    }

    /// Otherwise the check before this one could see nothing, whatever is there.
    fn commands_are_seen(&self) -> Check {
        let found = self.commands.functions_of("cli").len();
        let said = format!("{} turnout: {found} functions of commands in it", self.arch);
        Check { holds: found > 0, said }
    }

    /// The report, as it is written down.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = String::new();
        for program in [&self.init, &self.commands] {
            let _ = writeln!(text, "{} {}", self.head(program), program.bytes);
            for line in lines(&program.parts) {
                let _ = writeln!(text, "{line}");
            }
            text.push('\n');
        }
        text
    }

    fn head(&self, program: &Program) -> String {
        format!("{} {}:", self.arch, program.name)
    }
}

/// A line for each crate, and below ours one for each module, in KiB; what is
/// smaller is one line together.
fn lines(parts: &[Part]) -> Vec<String> {
    let mut packages: BTreeMap<&str, u64> = BTreeMap::new();
    let mut modules: BTreeMap<&str, u64> = BTreeMap::new();
    for part in parts {
        add(&mut packages, &part.owner.package, part.bytes);
        if part.owner.package == "turnout" {
            add(&mut modules, &part.owner.module, part.bytes);
        }
    }
    let mut lines = Vec::new();
    for (bytes, package) in largest_first(packages) {
        lines.push(line("  ", bytes, package));
        if package == "turnout" {
            let modules = largest_first(std::mem::take(&mut modules));
            lines.extend(modules.into_iter().map(|(bytes, module)| line("    ", bytes, module)));
        }
    }
    lines
}

fn add<'a>(sums: &mut BTreeMap<&'a str, u64>, name: &'a str, bytes: u64) {
    let sum = sums.entry(name).or_default();
    *sum = sum.saturating_add(bytes);
}

fn largest_first(sums: BTreeMap<&str, u64>) -> Vec<(u64, &str)> {
    let (shown, small): (Vec<_>, Vec<_>) =
        sums.into_iter().map(|(name, bytes)| (bytes, name)).partition(|row| row.0 >= WORTH_A_LINE);
    let rest = small.iter().map(|row| row.0).sum::<u64>();
    let mut rows = shown;
    rows.sort_by(|one, other| other.cmp(one));
    rows.extend((rest > 0).then_some((rest, "(others)")));
    rows
}

fn line(indent: &str, bytes: u64, name: &str) -> String {
    format!("{indent}{:>6.1}  {name}", bytes as f64 / KIB as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link_map::Owner;

    fn part(package: &str, module: &str, bytes: u64) -> Part {
        let owner = Owner { package: package.to_owned(), module: module.to_owned() };
        Part { owner, name: format!("{package}::{module}::run"), bytes }
    }

    fn sizes(init: Vec<Part>) -> Sizes {
        let commands = vec![part("turnout", "cli", 5000)];
        Sizes::new(
            Arch::X86_64,
            Program { name: "turnout-init", bytes: 1200 * KIB, parts: init },
            Program { name: "turnout", bytes: 1433 * KIB, parts: commands },
        )
    }

    fn failed(sizes: &Sizes, recorded: &str) -> Vec<String> {
        let checks = sizes.checks(recorded).into_iter();
        checks.filter(|check| !check.holds).map(|check| check.said).collect()
    }

    #[test]
    fn what_is_as_written_down_and_within_its_limits_passes() {
        let sizes = sizes(vec![part("turnout", "boot", 3000)]);
        assert_eq!(failed(&sizes, &sizes.report()), [""; 0]);
    }

    #[test]
    fn a_program_over_its_limit_fails() {
        let mut sizes = sizes(Vec::new());
        let recorded = sizes.report();
        sizes.init.bytes += 1;
        assert_eq!(failed(&sizes, &recorded), ["x86_64 turnout-init: 1228801 of 1228800 bytes"]);
    }

    #[test]
    fn a_program_that_has_changed_much_has_to_be_written_down() {
        let mut sizes = sizes(Vec::new());
        let recorded = sizes.report();
        sizes.init.bytes -= SLACK + 1;
        let said = "x86_64 turnout-init: 1212415 bytes, written down 1228800; if that is meant: \
                    tests/sizes --update";
        assert_eq!(failed(&sizes, &recorded), [said]);
        assert_eq!(failed(&sizes, "").len(), 2);
    }

    #[test]
    fn a_command_in_what_boots_fails_by_name() {
        let sizes = sizes(vec![part("turnout", "cli", 1)]);
        let said = "x86_64 turnout-init: 1 functions of commands in it, such as turnout::cli::run";
        assert_eq!(failed(&sizes, &sizes.report()), [said]);
    }

    #[test]
    fn a_map_in_which_no_command_can_be_seen_fails() {
        let mut sizes = sizes(Vec::new());
        sizes.commands.parts.clear();
        let said = "x86_64 turnout: 0 functions of commands in it";
        assert_eq!(failed(&sizes, &sizes.report()), [said]);
    }

    #[test]
    fn the_report_has_the_largest_first_and_the_smallest_together() {
        let parts = [
            part("core", "fmt", 2048),
            part("turnout", "boot", 3072),
            part("turnout", "menu", 4096),
            part("turnout", "text", 512),
            part("nix", "mount", 256),
        ];
        let expected = [
            "     7.5  turnout",
            "       4.0  menu",
            "       3.0  boot",
            "       0.5  (others)",
            "     2.0  core",
            "     0.2  (others)",
        ];
        assert_eq!(lines(&parts), expected);
    }
}
