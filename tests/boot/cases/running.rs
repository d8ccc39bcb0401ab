//! Turnout as a command on a running system: chains of systems, each started
//! by the one before.

use super::{BOTH, Boot, Case, Expect, PLAIN, nothing};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use turnout::arch::Arch;
use turnout_qemu::facts::Stage;
use turnout_qemu::machine::{Firmware, Shape};

const CHAIN_LENGTH: usize = 30;
/// How far the kernel's own share of the memory may wander with the place that
/// it is loaded to, in KiB.
const MEMORY_SPREAD: u64 = 2048;

const fn running(
    name: &'static str,
    archs: &'static [Arch],
    boot: Boot,
    judge: fn(&[Stage]) -> Result<()>,
) -> Case {
    Case { name, archs, boot, change: nothing, expect: Expect::Tells(judge) }
}

pub(super) const CASES: &[Case] = &[
    running("a_chain_of_thirty", BOTH, Boot { script: Some(CHAIN), ..PLAIN }, is_stable),
    running(
        "efi_twice",
        BOTH,
        Boot {
            shape: Shape { firmware: Firmware::Efi, ..Shape::USUAL },
            script: Some(TWICE),
            ..PLAIN
        },
        keeps_efi,
    ),
    running("a_busy_disk", BOTH, Boot { script: Some(BUSY_DISK), ..PLAIN }, keeps_its_memory),
];

/// Everything on the command line stays, but for the stage.
const CHAIN: &str = r#"
facts
next="$((stage + 1))"
words="$(sed 's/ stage=[0-9]*//' /proc/cmdline) stage=$next"
if [ "$stage" -lt 30 ]; then
    run turnout load /boot/vmlinuz --initrd /boot/initrd.img --cmdline "$words" --engine segments
    ends
    run turnout exec
fi
"#;

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
/// keeps in a quarter of its memory must stay as it wrote it.
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
tr '\0' '\245' </dev/zero | head -c 268435456 >/pattern/a5
sleep 2
fact pattern "$(tr -d '\245' </pattern/a5 | wc -c) $(wc -c </pattern/a5)"
"#;

/// The first system was started by the firmware: only the others are alike.
fn is_stable(stages: &[Stage]) -> Result<()> {
    ensure!(stages.len() == CHAIN_LENGTH, "{} systems", stages.len());
    let (_, started_by_turnout) = stages.split_first().context("no system")?;
    for name in ["e820", "memmap", "setup_data", "processors"] {
        let seen: BTreeSet<_> = started_by_turnout.iter().map(|s| s.facts.all(name)).collect();
        ensure!(seen.len() == 1, "{name} changed: {seen:?}");
    }
    let memory = started_by_turnout.iter().filter_map(|s| s.facts.get("memory")?.parse().ok());
    let memory: BTreeSet<u64> = memory.collect();
    let (least, most) = (memory.first().context("no memory")?, memory.last().context("none")?);
    ensure!(most - least <= MEMORY_SPREAD, "memory changed: {memory:?} KiB");
    is_randomised(started_by_turnout)
}

/// Each system was given seeds of its own.
fn is_randomised(stages: &[Stage]) -> Result<()> {
    let places: BTreeSet<_> = stages.iter().filter_map(|s| s.facts.get("text")).collect();
    ensure!(places.len() > stages.len() / 2, "kernels lie at {places:?}");
    Ok(())
}

fn keeps_efi(stages: &[Stage]) -> Result<()> {
    ensure!(stages.len() == 3, "{} systems", stages.len());
    let (first, rest) = stages.split_first().context("no system")?;
    for stage in rest {
        for name in ["runtime", "acpi", "efivars"] {
            let (before, after) = (first.facts.all(name), stage.facts.all(name));
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
    ensure!(found == Some("0 268435456"), "foreign bytes and size: {found:?}");
    Ok(())
}
