//! Turnout by the name `kexec` beside kexec-tools itself: the same command lines, in
//! the same states of one machine, with the system calls of both recorded.

mod blobs;
mod differences;
mod judge;
mod lines;

use super::commands::{ends, says};
use super::{Boot, Case, Expect, PLAIN, X86_64, nothing};
use crate::world::World;
use anyhow::{Result, bail, ensure};
use blobs::Blobs;
use judge::Differing;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::facts::Stage;
use turnout_qemu::guest::Flavour;
use turnout_qemu::{build, guest};

/// Enough for a short kernel and what goes with it.
const WITH_CRASH_MEMORY: Boot = Boot {
    flavour: Flavour::Cloud13,
    script: Some(SCRIPT),
    first_options: "crashkernel=128M",
    ..PLAIN
};
/// Of the lines that are no caller's every so manieth.
const SHORT: usize = 12;
const ALL: usize = 1;
/// As many as a reader takes in at once.
const MOST_SHOWN: usize = 400;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "kexec_by_name",
        archs: X86_64,
        boot: WITH_CRASH_MEMORY,
        change: |world, tree| prepare(world, tree, SHORT),
        expect: Expect::Tells(|stages| judge_all(stages, SHORT)),
    },
    Case {
        name: "kexec_by_name_at_length",
        archs: X86_64,
        boot: Boot { long: true, ..WITH_CRASH_MEMORY },
        change: |world, tree| prepare(world, tree, ALL),
        expect: Expect::Tells(|stages| judge_all(stages, ALL)),
    },
    Case {
        name: "kexec_by_name_jumps",
        archs: X86_64,
        boot: Boot { script: Some(JUMP), ..PLAIN },
        change: nothing,
        expect: Expect::Tells(second_system),
    },
];

/// What the recorder never lets happen.
const JUMP: &str = r#"
if [ "$stage" = 1 ]; then
    ln -s /usr/sbin/turnout /bin/kexec
    run kexec -l /boot/vmlinuz --initrd=/boot/initrd.img --reuse-cmdline --append="stage=2 spaced=\"a  b\""
    umount /boot
    ends
    kexec -e
fi
echo "cmdline: $(cat /proc/cmdline)"
"#;

fn second_system(stages: &[Stage]) -> Result<()> {
    let [first, second] = stages else { bail!("{} systems ran, not 2", stages.len()) };
    ends(first, "kexec -l", 0)?;
    says(second, "panic=-1 stage=2 spaced=\"a  b\"")
}

/// kexec-tools where its package has it, and Turnout by its name elsewhere.
const SCRIPT: &str = r#"
mkdir -p /ours /sbin /run /tmp
cp -a /boot/conform/theirs/. /
cp -a /boot/conform/k /k
ln -s vmlinuz /k/vmlinuz-link
ln -s initrd /k/initrd-link
ln -s /usr/sbin/turnout /ours/kexec
printf '#!/bin/sh\nexit 0\n' >/sbin/shutdown
chmod 755 /sbin/shutdown
cd /
/boot/conform/recorder run /boot/conform
"#;

fn prepare(world: &World, tree: &BootTree, step: usize) -> Result<()> {
    let directory = tree.host_path("conform");
    Blobs::of(world.arch)?.write(&directory.join("k"))?;
    let theirs: BTreeMap<_, _> = guest::kexec_tools(world.arch)?.into_iter().collect();
    guest::put_below(&directory.join("theirs"), &theirs)?;
    let recorder = build::guest_program(world.arch, "recorder", "recorder", &[])?;
    fs::copy(recorder, directory.join("recorder"))?;
    let lines: String = lines::all(step).iter().map(|line| line.written() + "\n").collect();
    Ok(fs::write(directory.join("lines"), lines)?)
}

fn judge_all(stages: &[Stage], step: usize) -> Result<()> {
    let [stage] = stages else { bail!("{} systems ran, not 1", stages.len()) };
    let arch = arch(&stage.text)?;
    let lines = lines::all(step);
    let differing = judge::differing(&lines, &stage.text, &Blobs::of(arch)?)?;
    let mut used = BTreeSet::new();
    let mut unexcused = Vec::new();
    for one in &differing {
        match differences::row(one).filter(|_| !one.line.is_callers) {
            Some(row) => _ = used.insert(row),
            None => unexcused.push(shown(one)),
        }
    }
    let count = unexcused.len();
    unexcused.truncate(MOST_SHOWN);
    ensure!(count == 0, "{count} of {} lines differ\n{}", lines.len(), unexcused.join("\n"));
    let unused = (0..differences::TABLE.len()).find(|row| step == ALL && !used.contains(row));
    let unused = unused.and_then(|row| differences::TABLE.get(row));
    ensure!(unused.is_none(), "no line differs: {}", unused.map_or("", |row| row.reason));
    Ok(())
}

/// `stage 1: begins, kernel RELEASE MACHINE`
fn arch(text: &str) -> Result<Arch> {
    let machine = text.lines().next().and_then(|line| line.rsplit(' ').next());
    match machine {
        Some("x86_64") => Ok(Arch::X86_64),
        Some("aarch64") => Ok(Arch::Aarch64),
        other => bail!("a machine {other:?}"),
    }
}

fn shown(differing: &Differing<'_>) -> String {
    let Differing { line, fields, said: [theirs, ours] } = differing;
    let fields = fields.iter().map(|(name, one, other)| format!("  {name}: {one:?} <> {other:?}"));
    let callers = if line.is_callers { "CALLER " } else { "" };
    let fields = fields.collect::<Vec<_>>().join("\n");
    let head = |said: &str| said.chars().take(110).collect::<String>();
    let words = line.words.join(" ");
    format!(
        "{callers}[{}] kexec {words}\n{fields}\n  < {}\n  > {}",
        line.state,
        head(theirs),
        head(ours)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../../docs/kexec.md");

    #[test]
    fn each_difference_and_its_reason_stand_in_the_document() {
        for row in differences::TABLE {
            assert!(DOCUMENT.contains(row.reason), "docs/kexec.md does not say: {}", row.reason);
        }
    }

    #[test]
    fn there_are_several_hundred_lines() {
        let count = |lines: Vec<lines::Line>| lines.len();
        let long = count(lines::all(ALL));
        assert!(long > 600, "{long}");
        assert!(count(lines::all(SHORT)) < 160);
    }
}
