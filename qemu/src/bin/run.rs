//! `./qemu/run ARCH --kernel K --initramfs I [--disk D]... [-- QEMU ARGS]`:
//! boots one's own images on the terminal.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use turnout::base::arch::Arch;
use turnout_qemu::accelerator;
use turnout_qemu::arguments::{self, MISUSED};
use turnout_qemu::machine::{Bus, Machine, Serial, announce};
use turnout_qemu::serial::run_on_terminal;
use turnout_qemu::setup;

const USAGE: &str = "usage: ./qemu/run x86_64|aarch64 --kernel K --initramfs I [OPTION]... \
                     [-- QEMU ARGS]

Boots a kernel and an initramfs in a virtual machine on the terminal.

  --kernel K       the first kernel
  --initramfs I    its initramfs
  --disk D         a disk image, raw; as often as there are disks
  --nvme           disks hang on NVMe instead of virtio
  --keep           what the guest writes stays in the disk images; otherwise it is
                   thrown away
  --cmdline S      more words for the first kernel's command line
  --memory SIZE    such as 512M or 2G; 1G if not given. Debian's kernels for x86_64
                   print nothing in 64M, as they cannot unpack themselves there:
                   72M is the least in which Turnout starts (docs/boot.md, Memory)
  --net            a network card (virtio), behind QEMU's own router
  --help           this

What follows -- goes to QEMU as it is.
Ctrl-A X ends the machine, Ctrl-A C opens QEMU's monitor, Ctrl-C goes to the guest.";

/// What the machine is made of.
#[derive(Default)]
struct Arguments {
    arch: Option<Arch>,
    kernel: Option<PathBuf>,
    initramfs: Option<PathBuf>,
    disks: Vec<PathBuf>,
    nvme: bool,
    keep: bool,
    options: String,
    memory: Option<String>,
    network: bool,
    extra: Vec<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("run: {error:#}");
            ExitCode::from(MISUSED)
        }
    }
}

fn run() -> Result<ExitCode> {
    let Some(arguments) = parse(std::env::args_os().skip(1).collect())? else {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    let mut machine = machine(arguments)?;
    setup(&["--demo", machine.arch.name()])?;
    machine.accelerator = accelerator::choose(machine.arch)?;
    announce(&machine.command(Serial::Terminal)?);
    println!("{}", fate_of_writes(&machine));
    let status = run_on_terminal(&machine)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What becomes of what the guest writes.
const fn fate_of_writes(machine: &Machine) -> &'static str {
    match (machine.disks.is_empty(), machine.keeps_writes) {
        (true, _) => "The machine has no disk; --disk adds one.",
        (false, false) => "What the guest writes is thrown away; --keep keeps it.",
        (false, true) => "What the guest writes stays in the disk images.",
    }
}

/// Gives `None` for --help.
fn parse(mut all: Vec<OsString>) -> Result<Option<Arguments>> {
    let own = all.iter().position(|word| word == "--").unwrap_or(all.len());
    let extra = all.split_off(own).into_iter().skip(1);
    let mut arguments = Arguments {
        extra: extra.map(|word| word.to_string_lossy().into_owned()).collect(),
        ..Arguments::default()
    };
    let mut words = lexopt::Parser::from_args(all);
    while let Some(word) = words.next()? {
        use lexopt::prelude::{Long, Short, Value};
        match word {
            Long("kernel") => arguments.kernel = Some(words.value()?.into()),
            Long("initramfs") => arguments.initramfs = Some(words.value()?.into()),
            Long("disk") => arguments.disks.push(words.value()?.into()),
            Long("cmdline") => arguments.options = words.value()?.to_string_lossy().into_owned(),
            Long("memory") => arguments.memory = Some(arguments::memory(&words.value()?)?),
            Long("nvme") => arguments.nvme = true,
            Long("keep") => arguments.keep = true,
            Long("net") => arguments.network = true,
            Long("help") | Short('h') => return Ok(None),
            Value(value) if arguments.arch.is_none() => {
                arguments.arch = Some(arguments::arch(&value)?);
            }
            other => return Err(arguments::unknown(other)),
        }
    }
    Ok(Some(arguments))
}

/// The machine that the arguments describe, all of whose files can be read.
fn machine(arguments: Arguments) -> Result<Machine> {
    let arch = arguments.arch.context("no architecture; say x86_64 or aarch64 first")?;
    let kernel = readable("--kernel", arguments.kernel)?;
    let initramfs = readable("--initramfs", arguments.initramfs)?;
    let bus = if arguments.nvme { Bus::Nvme } else { Bus::Virtio };
    let mut machine = Machine::new(arch, kernel, initramfs);
    for disk in arguments.disks {
        machine.disks.push((bus, readable("--disk", Some(disk))?));
    }
    machine.options = arguments.options;
    machine.keeps_writes = arguments.keep;
    machine.memory = arguments.memory;
    machine.network = arguments.network;
    machine.reboot = true;
    machine.extra = arguments.extra;
    Ok(machine)
}

fn readable(option: &str, file: Option<PathBuf>) -> Result<PathBuf> {
    let file = file.with_context(|| format!("{option} is missing; it takes a file"))?;
    File::open(&file).with_context(|| format!("{option} {}", file.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use turnout_qemu::command;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect()
    }

    fn described(line: &str) -> Result<Machine> {
        machine(parse(words(line))?.context("it asks for help")?)
    }

    fn said(line: &str) -> String {
        format!("{:#}", described(line).unwrap_err())
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_that_names_it() {
        for (line, expected) in [
            ("", "no architecture; say x86_64 or aarch64 first"),
            ("i686", "\"i686\" is no architecture; say x86_64 or aarch64"),
            ("x86_64 twice", "\"twice\" is one too many; see --help"),
            ("x86_64", "--kernel is missing; it takes a file"),
            ("x86_64 --kernel /dev/null", "--initramfs is missing; it takes a file"),
            ("x86_64 --kernel /none", "--kernel /none: No such file or directory (os error 2)"),
            ("x86_64 --memory 1T", "--memory: \"1T\" is no size; say 512M or 2G"),
            ("x86_64 --kept", "invalid option '--kept'; see --help"),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
    }

    #[test]
    fn options_reach_the_machine_and_what_follows_dashes_reaches_qemu() {
        let images = "--kernel /dev/null --initramfs /dev/null --disk /dev/zero";
        let machine =
            described(&format!("x86_64 {images} --keep --nvme --memory 2G --net -- -smp 2 --disk"))
                .unwrap();
        let shown = command::shown(&machine.command(Serial::Terminal).unwrap());
        for part in [
            "-m 2048M",
            "-nic user,model=virtio-net-pci",
            "file=/dev/zero,format=raw,if=none,id=disk0,snapshot=off",
            "-device nvme,drive=disk0",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(shown.ends_with("-smp 2 --disk"), "{shown}");
        assert!(fate_of_writes(&machine).contains("stays"));
    }

    #[test]
    fn writes_are_thrown_away_unless_told_otherwise_and_that_is_said() {
        let images = "--kernel /dev/null --initramfs /dev/null";
        let machine = described(&format!("aarch64 {images} --disk /dev/zero")).unwrap();
        let shown = command::shown(&machine.command(Serial::Terminal).unwrap());
        assert!(shown.contains("snapshot=on") && shown.contains("-nic none"), "{shown}");
        assert!(fate_of_writes(&machine).contains("thrown away; --keep"));
        assert!(
            fate_of_writes(&described(&format!("aarch64 {images}")).unwrap()).contains("no disk")
        );
    }
}
