//! What the state area keeps besides floors: texts of policy and key ring, what was
//! refused; and what becomes of a machine whose disk is set back to an old copy.

use super::rollback::{START, STATE, add};
use super::{Boot, Case, Expect, Partitions, Start, X86_64, case};
use crate::signing::{self, BOOT, POLICY, RECOVERY};
use crate::world::{BOOT_PARTITION, INITRD, LINUX, SECOND, STATE_PARTITION, World};
use anyhow::Result;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use turnout::trust::{POLICY_PATH, signatures_of};
use turnout_qemu::boot_tree::{BootTree, console};
use turnout_qemu::disk;

const ADVISORY: &str = "wait 10\nreset-delay 1\nattempts 1\nrollback advisory\n";
const ENFORCED: &str = "wait 10\nreset-delay 1\nattempts 1\nrollback enforced\n";

pub(super) const CASES: &[Case] = &[
    case(
        "recovery_key_stays_revoked_when_the_policy_is_deleted",
        Boot { config: ADVISORY, loader_conf: "timeout 3\ndefault rescue\n", ..STATE },
        revoke,
        Expect::Starts(DELETED),
    ),
    case(
        "old_copy_of_boot_and_state_under_a_tpm",
        Boot { config: ENFORCED, tpm: true, ..STATE },
        add_old_and_good,
        Expect::Starts(COPY_ENFORCED),
    ),
    case(
        "old_copy_of_boot_and_state_where_the_store_is_advice",
        Boot { config: ADVISORY, long: true, ..STATE },
        add_old_and_good,
        Expect::Starts(COPY_ADVISORY),
    ),
    case(
        "policy_that_only_a_tpm_remembers",
        Boot {
            config: ENFORCED,
            loader_conf: "timeout 3\ndefault rescue\n",
            tpm: true,
            long: true,
            ..STATE
        },
        revoke,
        Expect::Starts(LOST),
    ),
    Case {
        archs: X86_64,
        ..case(
            "next_entry_is_used_once",
            Boot {
                config: ADVISORY,
                open: true,
                anchor: None,
                next_script: Some("turnout status | grep 'used once'\n"),
                ..STATE
            },
            choose_for_one_boot,
            Expect::Starts(ONCE),
        )
    },
    case(
        "state_area_of_an_mbr",
        Boot {
            partitions: Partitions::StateOfMbr,
            config: "wait 10\nreset-delay 1\nattempts 1\nrollback advisory\n\
                     state-device PARTUUID=5455524e-03\n",
            next_script: Some(SCRIPT_OF_MBR),
            long: true,
            ..STATE
        },
        add_old_and_good,
        Expect::Starts(OF_MBR),
    ),
];

/// What `grub-reboot second` leaves, for two starts: nobody deletes it.
const ONCE: &[Start] = &[
    Start {
        factory: true,
        says: &[
            "turnout: next_entry \"second\" of nvme0n1p2 is for this boot, and is used up now",
            "turnout: jumping to second: ",
            "used once         next_entry of ",
        ],
        ..START
    },
    Start {
        says: &[
            "next_entry was used by an earlier start, and is passed over",
            "turnout: jumping to first: ",
            "used once         next_entry of ",
        ],
        ..START
    },
];

/// In place of the usual menu one of GRUB, with a choice for one boot.
fn choose_for_one_boot(world: &World, tree: &BootTree) -> Result<()> {
    let mut script = "load_env\nset timeout=0\nset default=first\n\
                      if [ \"${next_entry}\" ]; then set default=\"${next_entry}\"; fi\n"
        .to_owned();
    for id in ["first", "second"] {
        script += &format!(
            "menuentry 'The {id} one' --id {id} {{\n linux {LINUX} {} quiet demo.name={id}\n \
             initrd {INITRD} {SECOND}\n}}\n",
            console(world.arch)
        );
    }
    let block = "# GRUB Environment Block\nnext_entry=second\n";
    fs::remove_dir_all(tree.host_path("loader"))?;
    fs::create_dir_all(tree.host_path("grub"))?;
    fs::write(tree.host_path("grub/grub.cfg"), script)?;
    Ok(fs::write(tree.host_path("grub/grubenv"), format!("{block:#<1024}"))?)
}

/// The image's policy would let "rescue" boot; the one on the boot partition, which is
/// deleted, does not.
const DELETED: &[Start] = &[
    Start {
        factory: true,
        says: &[
            "turnout: /turnout/policy: version 2 is in force",
            "turnout: refused rescue: KEY_REVOKED: ",
            "turnout: jumping to good",
            "{\"rollback\":\"advisory\",\"fault\":null,\"floor\":0,\"recovery_floor\":0,\
             \"refused\":[{\"entry\":\"rescue\",\"code\":\"KEY_REVOKED\",\"count\":1}]}",
        ],
        ..START
    },
    Start {
        before: delete_policy,
        says: &[
            "turnout: refused in earlier starts: rescue: KEY_REVOKED",
            "turnout: /turnout/policy as it was in force before: version 2 is in force",
            "turnout: refused rescue: KEY_REVOKED: ",
            "turnout: jumping to good",
            "\"refused\":[{\"entry\":\"rescue\",\"code\":\"KEY_REVOKED\",\"count\":2}]}",
            "refused           rescue: KEY_REVOKED\n",
        ],
        ..START
    },
];

/// The floor has risen to 7 since the copy was made.
const COPY_ENFORCED: &[Start] = &[
    Start {
        factory: true,
        choose: Some("good"),
        says: &["turnout: jumping to good", "confirmed good (role boot, security version 7)"],
        ..START
    },
    Start {
        before: copy_disk,
        says: &["turnout: good has confirmed itself: the boot floor is 7 now", "runs good"],
        ..START
    },
    Start {
        before: put_copy_back,
        says: &[
            "turnout: rollback protection is enforced: floor 7, recovery floor 0",
            "turnout: refused old: FLOOR: the entry has security version 6, and below 7 no boot",
            "turnout: jumping to good",
            "the TPM holds the floors: at least 7, recovery at least 0\n",
        ],
        ..START
    },
];

/// It cannot know that it is a copy, and says what it goes by.
const COPY_ADVISORY: &[Start] = &[
    Start { factory: true, choose: Some("old"), says: &["runs old"], ..START },
    Start {
        before: copy_disk,
        choose: Some("good"),
        says: &["confirmed good (role boot, security version 7)"],
        ..START
    },
    Start {
        says: &[
            "turnout: good has confirmed itself: the boot floor is 7 now",
            "turnout: refused old: FLOOR: ",
            "runs good",
        ],
        ..START
    },
    Start {
        before: put_copy_back,
        says: &[
            "turnout: rollback protection is advisory: floor 0, recovery floor 0",
            "turnout: jumping to old",
            "runs old",
        ],
        ..START
    },
];

/// Boot partition and state area have both lost it: an older one says nothing of who
/// may sign.
const LOST: &[Start] = &[
    Start {
        factory: true,
        says: &["turnout: /turnout/policy: version 2 is in force", "turnout: jumping to good"],
        ..START
    },
    Start {
        before: |disk| delete_policy(disk).and_then(|()| wipe_texts(disk)),
        says: &[
            "turnout: refused rescue: STORE: the policy has version 1, and version 2 was in force",
            "refused good: STORE: the policy has version 1, and version 2 was in force before",
            "turnout: recovery: ",
            "there is no recovery entry that can boot",
            "all attempts (1) have booted nothing",
        ],
        ..START
    },
    Start {
        says: &[
            "turnout: refused in earlier starts: \
             good: STORE; rescue: STORE; rescue: KEY_REVOKED",
            "all attempts (1) have booted nothing",
        ],
        ..START
    },
];

const OF_MBR: &[Start] = &[Start {
    factory: true,
    choose: Some("good"),
    says: &[
        "turnout: jumping to good",
        "state area        none",
        "{\"result\":\"confirmed\",\"device\":\"/dev/nvme0n1p3\",\"entry\":\"good\",",
        "state area        /dev/nvme0n1p3: floor 0, recovery floor 0; good with security version 7",
        "no state area: it holds ext4",
    ],
    ..START
}];

const SCRIPT_OF_MBR: &str = r#"
turnout status | grep 'state area'
run turnout bless --json --state-device PARTUUID=5455524E-03
turnout status --state-device /dev/nvme0n1p3 | grep 'state area'
turnout status --state-device PARTUUID=5455524e-02 | grep 'state area'
"#;

fn add_old_and_good(world: &World, tree: &BootTree) -> Result<()> {
    let signers = &world.signers;
    for (id, version) in [("good", 7), ("old", 6)] {
        add(world, tree, id, version, (&signers.release, BOOT))?;
    }
    Ok(())
}

/// A policy that revokes the key of the recovery system.
fn revoke(world: &World, tree: &BootTree) -> Result<()> {
    let signers = &world.signers;
    add(world, tree, "good", 7, (&signers.release, BOOT))?;
    add(world, tree, "rescue", 0, (&signers.rescue, RECOVERY))?;
    let revoked = signers.rescue.fingerprint();
    let policy = format!("turnout-policy 1\nversion 2\nrevoked-key {revoked}\n");
    signing::sign(tree, POLICY_PATH, &policy, &[(&signers.owner, POLICY)])
}

fn delete_policy(disk: &Path) -> Result<()> {
    for path in [POLICY_PATH, &signatures_of(POLICY_PATH)] {
        disk::remove(disk, BOOT_PARTITION, path)?;
    }
    Ok(())
}

/// Where the state area's two places for texts are.
fn wipe_texts(disk: &Path) -> Result<()> {
    let start = disk::start_of(disk, STATE_PARTITION)?;
    let file = OpenOptions::new().write(true).open(disk)?;
    for place in [0x20000, 0x80000] {
        file.write_all_at(&[0; 4096], start + place)?;
    }
    Ok(())
}

fn copy_disk(disk: &Path) -> Result<()> {
    fs::copy(disk, disk.with_extension("old"))?;
    Ok(())
}

fn put_copy_back(disk: &Path) -> Result<()> {
    fs::copy(disk.with_extension("old"), disk)?;
    Ok(())
}
