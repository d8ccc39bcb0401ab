//! Turnout as a command on a running system: chains of systems, each started
//! by the one before.

use super::{AARCH64, Boot, Case, Expect, PLAIN, Partitions, X86_64, long, nothing};
use crate::world::STATE_PARTITION;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use turnout::base::arch::Arch;
use turnout::rollback::{Floors, Record, State};
use turnout_qemu::area::Area;
use turnout_qemu::disk;
use turnout_qemu::facts::Stage;
use turnout_qemu::machine::{Firmware, Machine, Shape};

/// How far the kernel's own share of the memory may wander with the places that
/// it is moved to, in KiB: a few page tables.
const MEMORY_SPREAD: u64 = 64;

const fn running(
    name: &'static str,
    archs: &'static [Arch],
    script: &'static str,
    first_options: &'static str,
    shape: Shape,
    judge: fn(&[Stage]) -> Result<()>,
) -> Case {
    let boot = Boot { script: Some(script), first_options, shape, ..PLAIN };
    Case { name, archs, boot, change: nothing, expect: Expect::Tells(judge) }
}

/// With a state area as a factory leaves it.
const fn with_state(case: Case) -> Case {
    let boot = Boot { partitions: Partitions::State, more_disks: make_state, ..case.boot };
    Case { boot, ..case }
}

fn make_state(disk: &Path, _: &mut Machine) -> Result<()> {
    let record = Some(Record::new(Floors::default()));
    let area = Area::make(&State { record, ..State::default() })?;
    let start = disk::start_of(disk, STATE_PARTITION)?;
    Ok(OpenOptions::new().write(true).open(disk)?.write_all_at(area.bytes(), start)?)
}

const EFI: Shape = Shape { firmware: Firmware::Efi, ..Shape::USUAL };
/// Without LPIs, whose tables nothing would keep from the next system; and with
/// MSIs all the same, without which the kernel complains of PCI.
const GIC_2: Shape = Shape { board: Some("virt,gic-version=2"), ..Shape::USUAL };
/// EFI keeps the tables of the LPIs from every next system.
const WITH_LPIS: &str = "irqchip.gicv3_nolpi=0";

/// On a busy host an emulator may rest for longer than a processor ever does.
const NO_STALLS: &str = "rcupdate.rcu_cpu_stall_suppress=1";

pub(super) const CASES: &[Case] = &[
    with_state(running("a_chain_of_eight", X86_64, EIGHT, NO_STALLS, Shape::USUAL, |stages| {
        is_stable(stages, 8, &["e820", "memmap", "setup_data"])
    })),
    with_state(running("a_chain_of_eight", AARCH64, EIGHT, NO_STALLS, GIC_2, |stages| {
        is_stable(stages, 8, &["seeded"])
    })),
    long(with_state(running(
        "a_chain_of_two_hundred",
        X86_64,
        TWO_HUNDRED,
        NO_STALLS,
        Shape::USUAL,
        |stages| is_stable(stages, 200, &["e820", "memmap", "setup_data"]),
    ))),
    long(with_state(running(
        "a_chain_of_two_hundred",
        AARCH64,
        TWO_HUNDRED,
        NO_STALLS,
        GIC_2,
        |stages| is_stable(stages, 200, &["seeded"]),
    ))),
    running("efi_twice", X86_64, TWICE, "", EFI, keeps_efi_and_its_map),
    running("efi_twice", AARCH64, TWICE, WITH_LPIS, EFI, keeps_efi),
    running("a_busy_disk", X86_64, BUSY_DISK, "", Shape::USUAL, keeps_its_memory),
    long(running("a_busy_disk", AARCH64, BUSY_DISK, "", GIC_2, keeps_its_memory)),
];

/// Everything on the command line stays, but for the stage.
macro_rules! chain_of {
    ($length:literal) => {
        concat!(
            r#"
facts
fact state "$(turnout status | sed -n 's/^state area *//p')"
fact generation "$(dd if=/dev/nvme0n1p3 bs=4096 count=17 2>/dev/null | sha256sum)"
next="$((stage + 1))"
words="$(sed 's/ stage=[0-9]*//' /proc/cmdline) stage=$next"
if [ "$stage" -lt "#,
            $length,
            r#" ]; then
    run turnout load /boot/vmlinuz --initrd /boot/initrd.img --cmdline "$words" --engine segments
    ends
    run turnout exec
fi
"#
        )
    };
}

const EIGHT: &str = chain_of!(8);
const TWO_HUNDRED: &str = chain_of!(200);

const TWICE: &str = r#"
facts
words="$(sed 's/ stage=[0-9]*//' /proc/cmdline) stage=$((stage + 1))"
if [ "$stage" -lt 3 ]; then
    run turnout load /boot/vmlinuz --initrd /boot/initrd.img --cmdline "$words"
    ends
    run turnout exec
fi
"#;

/// The disk writes into memory up to the last moment. What the next system
/// keeps in an eighth of its memory must stay as it wrote it.
const BUSY_DISK: &str = r#"
words="$(sed 's/ stage=[0-9]*//' /proc/cmdline) stage=$((stage + 1))"
if [ "$stage" = 1 ]; then
    run turnout load /boot/vmlinuz --initrd /boot/initrd.img --cmdline "$words"
    for reader in 1 2 3 4; do
        while :; do dd if=/dev/nvme0n1 of=/dev/null bs=1M iflag=direct 2>/dev/null; done &
    done
    sleep 1
    ends
    run turnout exec
fi
facts
mkdir -p /pattern
mount -t tmpfs -o size=60% tmpfs /pattern
tr '\0' '\245' </dev/zero | head -c 134217728 >/pattern/a5
sleep 2
fact pattern "$(tr -d '\245' </pattern/a5 | wc -c) $(wc -c </pattern/a5)"
"#;

/// The first system was started by the firmware: only the others are alike.
fn is_stable(stages: &[Stage], length: usize, facts: &[&str]) -> Result<()> {
    ensure!(stages.len() == length, "{} systems", stages.len());
    let (_, started_by_turnout) = stages.split_first().context("no system")?;
    for name in facts {
        is_always(name, started_by_turnout.iter().map(|stage| stage.facts.all(name)))?;
    }
    for name in ["state", "generation"] {
        is_always(name, stages.iter().map(|stage| stage.facts.all(name)))?;
    }
    is_always("cmdline", stages.iter().map(cmdline))?;
    is_always("System RAM", stages.iter().map(ram))?;
    keeps_its_size(started_by_turnout).and_then(|()| is_randomised(started_by_turnout))
}

fn is_always<T: Debug + Ord>(name: &str, values: impl Iterator<Item = Vec<T>>) -> Result<()> {
    let seen: BTreeSet<_> = values.collect();
    let is_one = seen.len() == 1 && !seen.contains(&vec![]);
    ensure!(is_one, "{name} is not always the same: {seen:?}");
    Ok(())
}

/// The words of the command line, but for the number of the system.
fn cmdline(stage: &Stage) -> Vec<&str> {
    let words = stage.facts.get("cmdline").unwrap_or_default().split_ascii_whitespace();
    words.filter(|word| !word.starts_with("stage=")).collect()
}

/// The ranges of memory; those that touch are one, for the kernel parts them where what
/// it was handed lies.
fn ram(stage: &Stage) -> Vec<(u64, u64)> {
    let mut whole: Vec<(u64, u64)> = Vec::new();
    for (first, last) in stage.facts.all("iomem").into_iter().filter_map(ram_range) {
        match whole.last_mut() {
            Some((_, end)) if *end + 1 == first => *end = last,
            _ => whole.push((first, last)),
        }
    }
    whole
}

/// `00100000-3ffd6fff : System RAM`
fn ram_range(line: &str) -> Option<(u64, u64)> {
    let (first, last) = line.strip_suffix(" : System RAM")?.split_once('-')?;
    Some((u64::from_str_radix(first, 16).ok()?, u64::from_str_radix(last, 16).ok()?))
}

fn keeps_its_size(stages: &[Stage]) -> Result<()> {
    let memory: BTreeSet<u64> =
        stages.iter().filter_map(|s| s.facts.get("memory")?.parse().ok()).collect();
    let least = memory.first().context("no memory")?;
    let most = memory.last().context("no memory")?;
    ensure!(most - least <= MEMORY_SPREAD, "memory changed: {memory:?} KiB");
    Ok(())
}

/// Each system was given seeds of its own.
fn is_randomised(stages: &[Stage]) -> Result<()> {
    let places: BTreeSet<_> = stages.iter().filter_map(|s| s.facts.get("text")).collect();
    ensure!(places.len() > stages.len() / 2, "kernels lie at {places:?}");
    Ok(())
}

/// Runtime services stay at the virtual addresses that the first system chose.
fn keeps_efi_and_its_map(stages: &[Stage]) -> Result<()> {
    let first = stages.first().context("no system")?;
    ensure!(first.facts.get("runtime").is_some(), "the first system shows no runtime map");
    keeps_efi(stages)
}

fn keeps_efi(stages: &[Stage]) -> Result<()> {
    ensure!(stages.len() == 3, "{} systems", stages.len());
    let (first, rest) = stages.split_first().context("no system")?;
    for stage in rest {
        for name in ["runtime", "acpi", "efivars"] {
            let before = first.facts.all(name);
            let after = stage.facts.all(name);
            ensure!(before == after, "{name} was {before:?} and is {after:?}");
        }
    }
    ensure!(first.facts.get("efivars").is_some(), "no EFI");
    Ok(())
}

fn keeps_its_memory(stages: &[Stage]) -> Result<()> {
    let last = stages.last().context("no system")?;
    ensure!(stages.len() == 2, "{} systems", stages.len());
    let found = last.facts.get("pattern");
    ensure!(found == Some("0 134217728"), "foreign bytes and size: {found:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_the_kernel_parts_is_one_range() {
        let lines = "stage 2: begins\nfact iomem 00001000-0009fbff : System RAM\n\
                     fact iomem 000a0000-000fffff : Reserved\n\
                     fact iomem 00100000-3fcde057 : System RAM\n\
                     fact iomem 01000000-01ffffff : Kernel code\n\
                     fact iomem 3fcde058-3ffd6fff : System RAM\n";
        let stages = Stage::parse(lines);
        assert_eq!(ram(&stages[0]), [(0x1000, 0x9fbff), (0x10_0000, 0x3ffd_6fff)]);
    }
}
