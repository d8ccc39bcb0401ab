//! The state in which Linux enters the purgatory, as registers of every mode that
//! a CPU can be in; what the purgatory relies on must be there.

use super::{AARCH64, Boot, Case, Expect, HOOKED_SEGMENTS, X86_64, nothing};
use turnout::base::arch::Arch;
use turnout_qemu::machine::Shape;

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
];
