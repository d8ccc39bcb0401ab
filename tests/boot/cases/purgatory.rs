//! The state in which Linux enters the purgatory, as registers of every mode that
//! a CPU can be in; what the purgatory relies on must be there. And which of its two
//! SHA-256 it takes, which shows in the time until the next kernel starts.

use super::{AARCH64, Boot, COUNTED, Case, Expect, HOOKED_SEGMENTS, X86_64, nothing};
use anyhow::{Context, Result, ensure};
use turnout::base::arch::Arch;
use turnout_qemu::bench::transcript::{labelled, next_clock};
use turnout_qemu::machine::{COUNTED_WITHOUT_SHA_NI, Shape};

const fn entered(
    name: &'static str,
    archs: &'static [Arch],
    board: &'static str,
    cpu: &'static str,
    after: &'static [&'static str],
) -> Case {
    let shape = Shape { board: Some(board), cpu: Some(cpu), ..Shape::USUAL };
    Case {
        name,
        archs,
        boot: Boot { first_options: "turnout.test=probe", shape, ..HOOKED_SEGMENTS },
        change: nothing,
        expect: Expect::Boots { after },
    }
}

/// Between what the two take: with SHA instructions a sixth of it, without them
/// three times as long.
const HASHED_BY_NOW_NS: u64 = 300_000_000;

const BY_SEGMENTS: Boot = Boot { config: "engine segments\nvmlinux never\n", ..COUNTED };

const fn hashes(
    name: &'static str,
    cpu: Option<&'static str>,
    judge: fn(&str) -> Result<()>,
) -> Case {
    let boot = Boot { shape: Shape { cpu, ..Shape::USUAL }, ..BY_SEGMENTS };
    Case { name, archs: X86_64, boot, change: nothing, expect: Expect::Prints(judge) }
}

/// From the jump to where the next kernel starts to keep time.
fn jump_to_kernel_ns(text: &str) -> Result<u64> {
    let jump = labelled(text, "turnout: ticks ", "jump").context("no time of the jump")?;
    let next = next_clock(text).context("no time of the next kernel")?;
    next.counter.checked_sub(next.up).and_then(|start| start.checked_sub(jump)).context("no order")
}

fn hashes_by_instructions(text: &str) -> Result<()> {
    let ns = jump_to_kernel_ns(text)?;
    ensure!(ns < HASHED_BY_NOW_NS, "it took {ns} ns: no SHA instructions were used");
    Ok(())
}

fn hashes_by_plain_code(text: &str) -> Result<()> {
    let ns = jump_to_kernel_ns(text)?;
    ensure!(ns > HASHED_BY_NOW_NS, "it took {ns} ns: what hashed, on a CPU that cannot?");
    Ok(())
}

const EL2: &str = "virt,gic-version=3,virtualization=on";

pub(super) const CASES: &[Case] = &[
    entered(
        "purgatory_entered_with_four_levels",
        X86_64,
        "q35",
        "max,-la57",
        &[
            "purgatory: CR0=0x80000033 CR3=0x",
            " CR4=0x20 EFER=0xd01",
            "purgatory: GDT=0x0 limit=0x0 IDT=0x0 limit=0x0 CS=0x10 SS=0x18",
            "purgatory: RFLAGS=0x46 RSP=0x",
        ],
    ),
    entered(
        "purgatory_entered_with_five_levels",
        X86_64,
        "q35",
        "max",
        &["purgatory: CR0=0x80000033 CR3=0x", " CR4=0x1020 EFER=0xd01"],
    ),
    entered(
        "purgatory_entered_at_el1",
        AARCH64,
        "virt,gic-version=3",
        "cortex-a57",
        &[
            "purgatory: CurrentEL=0x1 SCTLR=0x30500800 HCR_EL2=0x0 CPACR=0x300000",
            "purgatory: DAIF=0x3c0 SPSel=0x1 SP=0x",
        ],
    ),
    entered(
        "purgatory_entered_at_el2",
        AARCH64,
        EL2,
        "cortex-a57",
        &["purgatory: CurrentEL=0x2 SCTLR=0x30c50830 HCR_EL2=0x80000000 CPTR=0x33ff"],
    ),
    entered(
        "purgatory_entered_at_el2_with_vhe",
        AARCH64,
        EL2,
        "max,pauth-impdef=on",
        &["purgatory: CurrentEL=0x2 SCTLR=0x30500800 HCR_EL2=0x488000000 CPTR=0x"],
    ),
    hashes("purgatory_hashes_by_sha_ni", None, hashes_by_instructions),
    hashes("purgatory_hashes_without_sha_ni", Some(COUNTED_WITHOUT_SHA_NI), hashes_by_plain_code),
];
