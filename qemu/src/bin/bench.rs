//! `./qemu/bench [x86_64|aarch64] [--json] [--budgets] [--plot] [--quick] [--only TEXT]`:
//! guest time of a boot with Turnout and with Debian's kexec-tools in a busybox initramfs, on the
//! same disk, kernel and initrd; and the sizes that the budgets limit.

use anyhow::Result;
use lexopt::ValueExt as _;
use std::process::ExitCode;
use turnout::base::arch::Arch;
use turnout_qemu::arguments::{self, MISUSED};
use turnout_qemu::bench::budget::{self, Budget};
use turnout_qemu::bench::measure::measure;
use turnout_qemu::bench::model::Report;
use turnout_qemu::bench::results;
use turnout_qemu::pictures;
use turnout_qemu::setup;

const USAGE: &str = "usage: ./qemu/bench [x86_64|aarch64] [--json] [--budgets] [--plot] [--quick]
                    [--only TEXT]

Measures boots with Turnout and with kexec-tools, on both architectures if none is
named, on x86_64 with and without SHA instructions. Each row is the middle of three
runs.

  --json       rows as JSON, without the sizes
  --budgets    also what each figure may be; exit status 1 if one is over
  --plot       also keeps the rows in docs/bench.json, and draws docs/bench.svg of them
  --quick      one run a row
  --only TEXT  rows with TEXT in their name alone: \"generic-13\"";

/// What is to be measured, and how it is shown.
struct Arguments {
    archs: Vec<Arch>,
    json: bool,
    budgets: bool,
    plot: bool,
    runs: usize,
    only: Option<String>,
}

fn main() -> ExitCode {
    let arguments = match parse(lexopt::Parser::from_env()) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            return ExitCode::from(MISUSED);
        }
    };
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Gives `None` for --help.
fn parse(mut words: lexopt::Parser) -> Result<Option<Arguments>> {
    let mut arguments = Arguments {
        archs: Vec::new(),
        json: false,
        budgets: false,
        plot: false,
        runs: 3,
        only: None,
    };
    while let Some(word) = words.next()? {
        use lexopt::prelude::{Long, Short, Value};
        match word {
            Long("json") => arguments.json = true,
            Long("budgets") => arguments.budgets = true,
            Long("plot") => arguments.plot = true,
            Long("quick") => arguments.runs = 1,
            Long("only") => arguments.only = Some(words.value()?.string()?),
            Long("help") | Short('h') => return Ok(None),
            Value(value) => arguments.archs.push(arguments::arch(&value)?),
            other => return Err(arguments::unknown(other)),
        }
    }
    if arguments.archs.is_empty() {
        arguments.archs = vec![Arch::X86_64, Arch::Aarch64];
    }
    Ok(Some(arguments))
}

/// Gives whether the budgets are kept, if they are asked for.
fn run(arguments: &Arguments) -> Result<bool> {
    let names = arguments.archs.iter().map(|arch| arch.name());
    setup(&["--demo"].into_iter().chain(names).collect::<Vec<_>>())?;
    let reports = arguments
        .archs
        .iter()
        .map(|arch| measure(*arch, arguments.runs, arguments.only.as_deref()))
        .collect::<Result<Vec<Report>>>()?;
    if arguments.json {
        println!("{}", results::json(&reports)?);
    } else {
        reports.iter().for_each(|report| print!("{report}"));
    }
    if arguments.plot {
        pictures::keep(&reports)?;
    }
    Ok(!arguments.budgets || keeps_budgets(&reports))
}

fn keeps_budgets(reports: &[Report]) -> bool {
    println!("\n### Budgets\n");
    let budgets: Vec<Budget> = reports.iter().flat_map(budget::of).collect();
    budgets.iter().for_each(|budget| println!("{budget}"));
    budgets.iter().all(Budget::is_kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(word: &str) -> String {
        match parse(lexopt::Parser::from_args([word])) {
            Ok(_) => panic!("{word} is taken"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_that_names_it() {
        assert_eq!(said("arm64"), "\"arm64\" is no architecture; say x86_64 or aarch64");
        assert_eq!(said("--fast"), "invalid option '--fast'; see --help");
    }

    #[test]
    fn both_architectures_are_measured_if_none_is_named() {
        let none: [&str; 0] = [];
        let arguments = parse(lexopt::Parser::from_args(none)).unwrap().unwrap();
        assert_eq!(arguments.archs, [Arch::X86_64, Arch::Aarch64]);
        assert_eq!((arguments.runs, arguments.json, arguments.budgets), (3, false, false));
        assert_eq!(arguments.only, None);
    }
}
