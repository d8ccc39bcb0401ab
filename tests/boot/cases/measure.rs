//! Measured boots with a software TPM: what the next system finds in its PCRs is
//! what was predicted, and its log says how it came there.

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
    let kernel = Kernel::find(world.arch, Flavour::Cloud)?;
    fs::write(tree.host_path(SECOND), initrd::second_with_measurements("as signed", &kernel)?)?;
    world.key.sign(&world.tools, tree, "good", &[])
}
