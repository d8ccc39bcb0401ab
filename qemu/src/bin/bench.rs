//! `./qemu/bench [x86_64|aarch64] [--json] [--quick]`: guest time of a boot with Turnout
//! and with Debian's kexec-tools in a busybox initramfs, on the same disk,
//! kernel and initrd; and the sizes that the budgets limit. With `--budgets`,
//! exit status 1 if one is over. Each row is the middle of three runs, with
//! `--quick` of one.

use anyhow::Result;
use std::process::ExitCode;
use turnout::arch::Arch;
use turnout_qemu::bench::measure;
use turnout_qemu::budget::{self, Budget};
use turnout_qemu::report::Report;
use turnout_qemu::setup;

const USAGE: &str = "usage: ./qemu/bench [x86_64|aarch64] [--json] [--budgets] [--quick]";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let mut arguments = lexopt::Parser::from_env();
    let (mut archs, mut json, mut budgets) = (Vec::new(), false, false);
    let mut runs = 3;
    while let Some(argument) = arguments.next()? {
        use lexopt::prelude::{Long, Short, Value};
        match argument {
            Long("json") => json = true,
            Long("budgets") => budgets = true,
            Long("quick") => runs = 1,
            Long("help") | Short('h') => {
                println!("{USAGE}");
                return Ok(true);
            }
            Value(value) => match Arch::parse(&value.to_string_lossy()) {
                Some(arch) => archs.push(arch),
                None => anyhow::bail!("{} is no architecture\n{USAGE}", value.display()),
            },
            other => anyhow::bail!("{}\n{USAGE}", other.unexpected()),
        }
    }
    if archs.is_empty() {
        archs = vec![Arch::X86_64, Arch::Aarch64];
    }
    setup(&[&["--demo"][..], &archs.iter().map(|arch| arch.name()).collect::<Vec<_>>()].concat())?;
    let reports =
        archs.into_iter().map(|arch| measure(arch, runs)).collect::<Result<Vec<Report>>>()?;
    if json {
        println!("{}", Report::json(&reports));
    } else {
        reports.iter().for_each(|report| print!("{report}"));
    }
    if !budgets {
        return Ok(true);
    }
    println!("\n### Budgets\n");
    let lines: Vec<Budget> = reports.iter().flat_map(budget::of).collect();
    lines.iter().for_each(|line| println!("{line}"));
    Ok(lines.iter().all(Budget::is_kept))
}
