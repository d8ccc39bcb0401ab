//! Measured boots with a software TPM: what the next system finds in its PCRs is
//! what was predicted, and its log says how it came there.

use super::trust::remove_both;
use super::uki::add_whole_uki;
use super::{Boot, Case, Expect, PLAIN, case, nothing};
use crate::world::{SECOND, World};
use anyhow::Result;
use std::fs;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::guest::{Flavour, Kernel};
use turnout_qemu::initrd;

pub(super) const CASES: &[Case] = &[
    case(
        "measured",
        Boot { tpm: true, config: REQUIRED, ..PLAIN },
        tell_measurements,
        Expect::Measures { files: &["linux", "initrd", "initrd"] },
    ),
    case(
        "measured_with_the_sections_of_a_uki",
        Boot { tpm: true, config: REQUIRED, ..PLAIN },
        tell_measurements_of_a_uki,
        Expect::Measures { files: &["uki", "addon"] },
    ),
    case(
        "tpm_optional_and_none_there",
        PLAIN,
        nothing,
        Expect::Boots { after: &["turnout: nothing is measured: there is no TPM"] },
    ),
    case(
        "tpm_required_and_none_there",
        Boot { config: REQUIRED, ..PLAIN },
        nothing,
        Expect::Ends(&[
            "turnout: nothing is measured: there is no TPM",
            "refused good: TPM: the image boots nothing that is not measured: there is no TPM",
            "turnout: reset in 1 s",
        ]),
    ),
];

const REQUIRED: &str = "wait 10\nreset-delay 1\nattempts 1\ntpm required\nmeasure-uki yes\n";

/// Has the next system print its PCRs and its log.
fn tell_measurements(world: &World, tree: &BootTree) -> Result<()> {
    fs::write(tree.host_path(SECOND), telling(world)?)?;
    world.key.sign(&world.tools, tree, "good", &[])
}

/// The same from an addon of a UKI that boots whole.
fn tell_measurements_of_a_uki(world: &World, tree: &BootTree) -> Result<()> {
    add_whole_uki(world, tree, &telling(world)?)?;
    remove_both(world, tree)?;
    world.key.sign(&world.tools, tree, "good", &["--architecture", world.arch.name()])
}

fn telling(world: &World) -> Result<Vec<u8>> {
    let kernel = Kernel::find(world.arch, Flavour::Cloud)?;
    initrd::second_with_measurements("as signed", &kernel)
}
