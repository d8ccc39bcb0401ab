//! `./qemu/run ARCH --kernel K --initramfs I [--disk D]... [-- QEMU ARGS]`:
//! boots one's own images on the terminal.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;
use turnout::arch::Arch;
use turnout_qemu::accelerator;
use turnout_qemu::machine::{Bus, Machine, Serial, announce};
use turnout_qemu::serial::run_on_terminal;
use turnout_qemu::setup;

const USAGE: &str = "usage: ./qemu/run x86_64|aarch64 --kernel K --initramfs I [--disk D]... \
                     [--cmdline S] [--nvme] [-- QEMU ARGS]
Ctrl-A X ends the machine, Ctrl-A C opens QEMU's monitor.";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("run: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode> {
    let Some(mut machine) = parse()? else {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    setup(&["--demo", machine.arch.name()])?;
    machine.accelerator = accelerator::choose(machine.arch)?;
    announce(&machine.command(Serial::Terminal)?);
    let status = run_on_terminal(&machine)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The machine that the arguments describe, or `None` for --help.
fn parse() -> Result<Option<Machine>> {
    let mut arguments = lexopt::Parser::from_env();
    let (mut arch, mut kernel, mut initramfs) = (None, None, None);
    let (mut disks, mut extra, mut options) = (Vec::new(), Vec::new(), String::new());
    let mut bus = Bus::Virtio;
    while let Some(argument) = arguments.next()? {
        use lexopt::prelude::{Long, Short, Value};
        match argument {
            Long("kernel") => kernel = Some(PathBuf::from(arguments.value()?)),
            Long("initramfs") => initramfs = Some(PathBuf::from(arguments.value()?)),
            Long("disk") => disks.push(PathBuf::from(arguments.value()?)),
            Long("cmdline") => options = arguments.value()?.to_string_lossy().into_owned(),
            Long("nvme") => bus = Bus::Nvme,
            Long("help") | Short('h') => return Ok(None),
            Value(value) if arch.is_none() => arch = Arch::parse(&value.to_string_lossy()),
            Value(value) => extra.push(value.to_string_lossy().into_owned()),
            other => bail!("{}\n{USAGE}", other.unexpected()),
        }
    }
    let kernel = kernel.context(format!("--kernel is missing\n{USAGE}"))?;
    let initramfs = initramfs.context(format!("--initramfs is missing\n{USAGE}"))?;
    let arch = arch.context(format!("the first argument is x86_64 or aarch64\n{USAGE}"))?;
    let mut machine = Machine::new(arch, kernel, initramfs);
    machine.options = options;
    machine.disks = disks.into_iter().map(|disk| (bus, disk)).collect();
    machine.reboot = true;
    machine.extra = extra;
    Ok(Some(machine))
}
