//! Floors that outlast the power: raised by what has confirmed itself, kept by a
//! state area or a TPM, and what becomes of a machine that has lost them.

use super::{AARCH64, Anchor, Boot, Case, Expect, PLAIN, Partitions, Start, case};
use crate::signing::{self, BOOT, RECOVERY, Signer};
use crate::world::{STATE_PARTITION, World};
use anyhow::{Context, Result};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use turnout::base::arch::Arch;
use turnout::base::digest::Digest;
use turnout::rollback::index::HANDLE;
use turnout::tpm::command::{self, Auth};
use turnout::tpm::nv::{Public, attribute};
use turnout::tpm::pcr::{Selection, policy};
use turnout::trust::Role;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::disk;
use turnout_qemu::guest::{Flavour, Kernel};
use turnout_qemu::tpm::{SoftTpm, pcr_allocate};

/// The default is the one that is to be kept out.
pub(super) const STATE: Boot = Boot {
    partitions: Partitions::State,
    loader_conf: "timeout 3\ndefault old\n",
    anchor: Some(anchor),
    next_script: Some(SCRIPT),
    ..PLAIN
};

const OF_A_STATE_AREA: Case = case(
    "floor_of_a_state_area",
    Boot { config: "wait 10\nreset-delay 1\nattempts 1\nrollback advisory\n", ..STATE },
    add_systems,
    Expect::Starts(ADVISORY),
);
const OF_A_TPM: Case = case("floor_of_a_tpm", IN_A_TPM, add_systems, Expect::Starts(ENFORCED));

pub(super) const CASES: &[Case] = &[
    OF_A_STATE_AREA,
    OF_A_TPM,
    case(
        "ways_in_which_a_tpm_fails",
        Boot { long: true, ..IN_A_TPM },
        add_systems,
        Expect::Starts(LACKING),
    ),
    // The firmware of the other machines closes it.
    Case {
        archs: AARCH64,
        ..case(
            "platform_hierarchy_left_open",
            Boot { long: true, ..IN_A_TPM },
            add_systems,
            Expect::Starts(OPEN_PLATFORM),
        )
    },
];

/// Where the TPM keeps the record it is required without a word.
const IN_A_TPM: Boot =
    Boot { config: "wait 10\nreset-delay 1\nattempts 1\nrollback enforced\n", tpm: true, ..STATE };

pub(super) const START: Start = Start { tpm: true, ..Start::PLAIN };

/// What a store costs that is only advice: with both generations gone it keeps
/// nothing out.
const ADVISORY: &[Start] = &[
    Start {
        factory: true,
        choose: Some("good"),
        says: &[
            "turnout: jumping to good",
            "floor 0, recovery floor 0; good with security version 7 is not confirmed",
            "the last jump was to good, not to other: nothing was confirmed",
            "= 3",
            "confirmed good (role boot, security version 7): the floor rises at the next start",
            "= 0",
            "{\"result\":\"already-confirmed\",\"device\":\"/dev/nvme0n1p3\",\"entry\":\"good\",",
            "= 0",
        ],
        ..START
    },
    Start {
        says: &[
            "turnout: rollback protection is advisory: floor 0, recovery floor 0",
            "turnout: good has confirmed itself: the boot floor is 7 now",
            "turnout: refused old: FLOOR: the entry has security version 6, and below 7 no boot",
            "turnout: jumping to good",
            "floor 7, recovery floor 0\n",
            "nothing to confirm: the system that was booted last is not above the floor",
            "= 0",
        ],
        ..START
    },
    Start {
        before: |disk| flip_a_bit(disk, &[FIRST]),
        says: &[
            "turnout: the first generation of the state area is damaged: its checksum is wrong",
            "turnout: rollback protection is advisory: floor 7, recovery floor 0",
            "turnout: refused old: FLOOR: ",
            "turnout: jumping to good",
        ],
        ..START
    },
    Start {
        before: |disk| flip_a_bit(disk, &[FIRST, SECOND]),
        says: &[
            "turnout: there is no rollback protection but the image's: the state area is damaged: \
             neither generation can be used: of both, its checksum is wrong",
            "turnout: jumping to old",
            "runs old",
        ],
        ..START
    },
];

/// From a machine that was never started to one whose TPM has floor 7.
const PROVISIONED: Start = Start {
    factory: true,
    choose: Some("good"),
    says: &[
        "turnout: jumping to good",
        "the TPM holds the floors; good with security version 7 is not confirmed",
        "confirmed good (role boot, security version 7): the floor rises at the next start",
    ],
    ..START
};
const RAISED: Start = Start {
    says: &[
        "turnout: rollback protection is enforced: floor 0, recovery floor 0",
        "turnout: good has confirmed itself: the boot floor is 7 now",
        "turnout: refused old: FLOOR: the entry has security version 6, and below 7 no boot",
        "turnout: jumping to good",
        "nothing to confirm: the system that was booted last is not above the floor",
    ],
    ..START
};

/// A machine that counts on its TPM and has lost any part of its store, or cannot
/// measure, starts nothing but a recovery system; and none that it starts can
/// write the floors.
const ENFORCED: &[Start] = &[
    PROVISIONED,
    RAISED,
    Start {
        before: |disk| allocate(disk, ALL & !(1 << 11)),
        says: &[
            "turnout: nothing is measured: the TPM's bank of SHA-256 has no PCR 11; ",
            "turnout: only recovery systems boot, from recovery floor 0 on: the TPM's bank of",
            "turnout: refused old: FLOOR: ",
            "refused good: TPM: the image boots nothing that is not measured: the TPM's bank of",
            "turnout: PCR 8 is extended by itself: the TPM's floors cannot be written any more",
            "turnout: jumping to rescue",
            "runs rescue",
            "the platform hierarchy is shut",
            "tpm session: 00000000",
            "tpm policy: 000001c4",
            "tpm write: 0000099d",
        ],
        ..START
    },
    Start {
        tpm: false,
        says: &[
            "turnout: only recovery systems boot: there is no TPM, and it holds the floors",
            "turnout: refused old: STORE: there is no TPM, and it holds the floors",
            "refused good: STORE: there is no TPM, and it holds the floors",
            "turnout: recovery: ",
            "turnout: jumping to rescue",
            "runs rescue",
        ],
        ..START
    },
    Start {
        before: |disk| allocate(disk, ALL).and_then(|()| flip_a_bit(disk, &[FIRST, SECOND])),
        says: &[
            "turnout: only recovery systems boot: the state area is damaged: neither generation can",
            "turnout: refused old: FLOOR: ",
            "refused good: STORE: the state area is damaged: neither generation can be used",
            "turnout: recovery: ",
            "turnout: jumping to rescue",
            "runs rescue",
        ],
        ..START
    },
    Start {
        before: |disk| flip_a_bit(disk, &[FIRST, SECOND]),
        choose: Some("intruder"),
        says: &[
            "turnout: jumping to intruder",
            "the platform hierarchy is shut",
            "tpm session: 00000000",
            "tpm policy: 000001c4",
            "tpm write: 0000099d",
            "tpm undefine: 00000000",
            "tpm define: 00000000",
        ],
        ..START
    },
    Start {
        says: &[
            "turnout: refused old: STORE: the TPM's index was never written: somebody made it anew",
            "refused good: STORE: the TPM's index was never written: somebody made it anew",
            "turnout: recovery: ",
            "turnout: jumping to rescue",
            "runs rescue",
        ],
        ..START
    },
];

/// Every other way in which a TPM can lack what it takes, or fail.
const LACKING: &[Start] = &[
    PROVISIONED,
    RAISED,
    Start {
        before: |disk| allocate(disk, ALL & !(1 << 8)),
        says: &[
            "turnout: nothing is measured: the TPM's bank of SHA-256 has no PCR 8; ",
            "turnout: only recovery systems boot, from recovery floor 0 on: the TPM's bank of",
            "refused good: TPM: the image boots nothing that is not measured: the TPM's bank of",
            "turnout: the recovery system can write the TPM's floors: PCR 8 cannot be read: ",
            "runs rescue",
            "tpm session: 00000000",
            "tpm policy: 000001c4",
            "tpm write: 0000099d",
        ],
        ..START
    },
    Start {
        before: |disk| allocate(disk, 0),
        says: &[
            "turnout: nothing is measured: the TPM's bank of SHA-256 is not active; ",
            "turnout: only recovery systems boot, from recovery floor 0 on: the TPM's bank of",
            "refused good: TPM: the image boots nothing that is not measured: the TPM's bank of",
            "turnout: the recovery system can write the TPM's floors: PCR 8 cannot be read: ",
            "runs rescue",
            "tpm session: 00000000",
            "tpm policy: 000001c4",
            "tpm write: 0000099d",
        ],
        ..START
    },
    Start {
        before: |disk| allocate(disk, ALL),
        choose: Some("intruder"),
        stalls: Some("turnout: reading intruder"),
        says: &[
            "turnout: nothing more is measured: /dev/tpmrm0: ",
            "refused intruder: TPM: the image boots nothing that is not measured: /dev/tpmrm0: ",
            "turnout: the recovery system can write the TPM's floors: /dev/tpmrm0: ",
            "turnout: jumping to rescue",
            "runs rescue",
        ],
        ..START
    },
    Start {
        says: &[
            "turnout: rollback protection is enforced: floor 7, recovery floor 0",
            "turnout: refused old: FLOOR: ",
            "turnout: jumping to good",
        ],
        ..START
    },
];

/// What nobody else closes, Turnout does.
const OPEN_PLATFORM: &[Start] = &[
    Start { factory: true, choose: Some("good"), says: &["turnout: jumping to good"], ..START },
    Start {
        says: &[
            "turnout: the TPM's platform hierarchy was open, and is closed now",
            "turnout: jumping to good",
            "tpm platform      closed; it was open until Turnout closed it",
        ],
        ..START
    },
];

/// What the systems do. The intruder is root, and gives the TPM commands from files.
pub(super) const SCRIPT: &str = r#"
name="$(sed 's/.*demo.name=\([a-z]*\).*/\1/' /proc/cmdline)"
echo "runs $name"
[ -e /turnout/state.json ] && cat /turnout/state.json && echo
turnout status | grep -e 'state area' -e refused
for module in tpm_tis_core tpm_tis; do
    [ -e "/boot/$module.ko" ] && insmod "/boot/$module.ko"
done
platform="$(turnout status | grep 'tpm platform')"
echo "$platform"
case "$platform" in *closed*|*locked*) echo "the platform hierarchy is shut" ;; esac
tpm() {
    dd if="/boot/tpm.$1" bs=4096 >&3 2>/dev/null
    echo "tpm $1: $(dd bs=4096 count=1 <&3 2>/dev/null | hexdump -v -e '1/1 "%02x"' | cut -c13-20)"
}
case "$name" in
good)
    run turnout bless other
    run turnout bless
    run turnout bless --json
    ;;
rescue)
    if [ -e /dev/tpmrm0 ]; then
        exec 3<>/dev/tpmrm0
        for command in session policy write; do tpm "$command"; done
    fi
    ;;
intruder)
    exec 3<>/dev/tpmrm0
    for command in session policy write undefine define; do tpm "$command"; done
    ;;
esac
"#;

fn anchor(world: &World, _: &BootTree) -> Result<Anchor> {
    Ok(Anchor { ring: world.signers.ring()?, policy: "turnout-policy 1\nversion 1\n".to_owned() })
}

fn add_systems(world: &World, tree: &BootTree) -> Result<()> {
    let signers = &world.signers;
    for (id, version) in [("good", 7), ("old", 6), ("intruder", 7)] {
        add(world, tree, id, version, (&signers.release, BOOT))?;
    }
    add(world, tree, "rescue", 0, (&signers.rescue, RECOVERY))?;
    if world.arch == Arch::Aarch64 {
        let kernel = Kernel::find(world.arch, Flavour::Cloud)?;
        for module in ["tpm_tis_core.ko", "tpm_tis.ko"] {
            let content = kernel.module(&format!("kernel/drivers/char/tpm/{module}"))?;
            fs::write(tree.host_path(module), content)?;
        }
    }
    add_tpm_commands(tree)
}

pub(super) fn add(
    world: &World,
    tree: &BootTree,
    id: &str,
    version: u32,
    signer: (&Signer, &str),
) -> Result<()> {
    world.add_entry(tree, id)?;
    let mut manifest = signing::manifest(tree, id, world.arch)?;
    manifest.security_version = version;
    if signer.1 == RECOVERY {
        manifest.role = Role::Recovery;
    }
    signing::sign(tree, &signing::path(id), &manifest.write(), &[signer])
}

/// With these the running system tries to write the index, and makes another one
/// like it.
fn add_tpm_commands(tree: &BootTree) -> Result<()> {
    const FIRST_SESSION: u32 = 0x0300_0000;
    let selection = Selection::sha256(&[8]);
    let zero = Digest::of(&[0; 32]);
    let attributes =
        attribute::POLICYWRITE | attribute::AUTHREAD | attribute::OWNERREAD | attribute::NO_DA;
    let policy = policy(selection, &zero).0.to_vec();
    let index = Public { index: HANDLE, attributes, policy, size: 276 };
    for (name, command) in [
        ("session", command::start_policy_session(&[0; 16])),
        ("policy", command::policy_pcr(FIRST_SESSION, selection, &zero)),
        ("write", command::nv_write(Auth::Policy(FIRST_SESSION), HANDLE, &[0; 138], 0)),
        ("undefine", command::nv_undefine_space(HANDLE)),
        ("define", command::nv_define_space(&index)),
    ] {
        fs::write(tree.host_path(&format!("tpm.{name}")), command)?;
    }
    Ok(())
}

/// Every PCR.
const ALL: u32 = 0x00ff_ffff;

/// Gives the bank of SHA-256 of the machine's TPM these PCRs.
fn allocate(disk: &Path, pcrs: u32) -> Result<()> {
    SoftTpm::obey(&disk.with_file_name("tpm"), &[pcr_allocate(pcrs)])
}

/// Where the two generations are in the state area.
const FIRST: u64 = 0;
const SECOND: u64 = 0x10000;

/// Damages generations, or undoes it.
fn flip_a_bit(disk: &Path, places: &[u64]) -> Result<()> {
    let start = disk::start_of(disk, STATE_PARTITION)?;
    let file = OpenOptions::new().read(true).write(true).open(disk)?;
    for place in places {
        let mut byte = [0];
        let at = start + place + 100;
        file.read_exact_at(&mut byte, at).context("there is no such generation")?;
        file.write_all_at(&[byte[0] ^ 1], at)?;
    }
    Ok(())
}
